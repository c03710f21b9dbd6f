//! Packages that are looked into, cut out or put together before somebody deploys them. Knows nothing of what is in them.

use super::{App, Upload};
use crate::archive;
use crate::domain::Error;
use crate::source;
use crate::task::TaskKind;
use std::io::Cursor;
use std::path::PathBuf;

/// What a package made of files is called: its content tells what it is, its name must not be a source file's.
const TAR: &str = "package.tar";
const ZIP: &str = "package.zip";

impl App {
    /// The extracted tree of an archive, for reading.
    ///
    /// # Errors
    /// `Invalid` when it is no archive, or an unsafe one; `TooLarge`, `DiskFull`.
    pub async fn open_tree(&self, upload: &Upload) -> Result<PathBuf, Error> {
        self.extract(&upload.digest, upload.file_name.clone(), String::new())
            .await
    }

    /// Stores files, each its path and content, as one package.
    ///
    /// # Errors
    /// `Invalid` for a path that leads out of the package, `TooLarge`, `DiskFull`.
    pub async fn store_files(&self, files: Vec<(String, Vec<u8>)>) -> Result<Upload, Error> {
        let entries = files.into_iter().map(|(path, bytes)| (path, 0o644, bytes));
        let packed = archive::pack_tar_entries(entries, Vec::new());
        let packed = packed.map_err(|e| Error::invalid(crate::telemetry::chain(&e)))?;
        self.store_package(&packed, TAR).await
    }

    /// Stores a folder of an extracted tree as a package of its own.
    ///
    /// # Errors
    /// `Invalid` when nothing is in it, `TooLarge`, `DiskFull`.
    pub async fn store_folder(&self, folder: PathBuf) -> Result<Upload, Error> {
        let packing = tokio::task::spawn_blocking(move || source::pack_directory(&folder, Cursor::new(Vec::new())));
        let packed = packing
            .await
            .map_err(|e| Error::internal("a folder could not be packed", e))?;
        let packed = packed.map_err(|e| Error::invalid(crate::telemetry::chain(&e)))?;
        self.store_package(packed.get_ref(), ZIP).await
    }

    /// Reads a package whole.
    ///
    /// # Errors
    /// `NotFound` when it is not on the disk.
    pub async fn read_package(&self, upload: &Upload) -> Result<Vec<u8>, Error> {
        let path = self.0.store.blobs().path(&upload.digest);
        tokio::fs::read(path)
            .await
            .map_err(|e| Error::internal("a code package cannot be read", e))
    }

    /// Goes on with work when nobody waits for it any more.
    pub fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.supervisor.spawn(TaskKind::Deploy, work);
    }

    async fn store_package(&self, bytes: &[u8], name: &str) -> Result<Upload, Error> {
        let mut writer = self.begin_upload().await?;
        writer.write(bytes).await?;
        Ok(Upload {
            digest: writer.finish().await?,
            file_name: Some(name.to_owned()),
        })
    }
}
