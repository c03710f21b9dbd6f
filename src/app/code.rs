//! What functions are made of, handed out again: uploaded packages, and what is known of images.

use super::App;
use crate::builder::BuildLog;
use crate::domain::{Digest, Error, RuntimeRef};
use crate::task::TaskKind;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use std::collections::BTreeMap;
use std::io;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// A package is read in pieces of this size. Unit: bytes.
const PIECE: usize = 64 * 1024;

/// A code package as it was uploaded.
pub struct PackageBytes {
    /// Unit: bytes.
    pub size: u64,
    /// Its content.
    pub stream: BoxStream<'static, io::Result<Bytes>>,
}

impl std::fmt::Debug for PackageBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackageBytes")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl App {
    /// The largest code package that is taken. Unit: bytes.
    #[must_use]
    pub fn upload_limit(&self) -> u64 {
        self.0.options.upload_limit
    }

    /// Opens a code package, unchanged since its upload.
    ///
    /// # Errors
    /// `NotFound` when it is not on the disk.
    pub async fn open_package(&self, digest: &Digest) -> Result<PackageBytes, Error> {
        let (store, digest) = (self.0.store.clone(), digest.clone());
        let opened = tokio::task::spawn_blocking(move || store.blobs().open_blob(&digest)).await;
        let file = opened.map_err(|e| Error::internal("a code package cannot be opened", e))??;
        let file = File::from_std(file);
        let metadata = file.metadata().await;
        let size = metadata
            .map_err(|e| Error::internal("a code package cannot be read", e))?
            .len();
        let stream = stream::try_unfold(file, next_piece).boxed();
        Ok(PackageBytes { size, stream })
    }

    /// The labels of an image; `None` when the engine has no image of that name.
    ///
    /// # Errors
    /// `Engine` when the engine is away or the name is none.
    pub async fn image_labels(&self, image: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(self.0.engine.image(image).await?.map(|info| info.labels))
    }

    /// Makes a runtime's image, unless it is there, and pre-warms workers of it.
    ///
    /// # Errors
    /// `Engine` when the engine is down, the base image is missing or the build fails.
    pub async fn prepare(&self, runtime: &RuntimeRef) -> Result<(), Error> {
        self.prepare_runtime(runtime, &BuildLog::default()).await.map(drop)
    }

    /// Does what [`App::prepare`] does in the background; [`App::image_state`] says how it goes.
    pub fn begin_to_prepare(&self, runtime: RuntimeRef) {
        let app = self.clone();
        self.0.supervisor.spawn(TaskKind::Build, async move {
            if let Err(e) = app.prepare(&runtime).await {
                tracing::warn!("Runtime {runtime} cannot be used: {}", crate::telemetry::chain(&e));
            }
        });
    }
}

async fn next_piece(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    let mut piece = BytesMut::with_capacity(PIECE);
    let read = file.read_buf(&mut piece).await?;
    Ok((read > 0).then(|| (piece.freeze(), file)))
}
