//! Code packages by their digest, and the trees extracted from them: files, no SQL.
//!
//! A package or tree appears whole, by a rename, or not at all. What is in a package is not its business.

use super::{Error, blocking};
use crate::domain::{Digest, Timestamp};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;
use tokio::io::AsyncWriteExt;

/// Code packages and trees of one data directory. Clones are the same.
#[derive(Debug, Clone)]
pub struct Blobs {
    directory: Arc<Path>,
    /// Names temporary files; the lock on the data directory makes a number enough.
    next: Arc<AtomicU64>,
}

impl Blobs {
    /// Makes the folders, and clears what an earlier daemon left half-done.
    pub(super) fn open(data: &Path) -> Result<Self, Error> {
        let blobs = Self {
            directory: data.into(),
            next: Arc::default(),
        };
        clear(&blobs.temp())?;
        for folder in [blobs.temp(), data.join("blobs"), data.join("trees")] {
            make(&folder)?;
        }
        Ok(blobs)
    }

    /// The data directory.
    pub(super) fn home(&self) -> &Path {
        &self.directory
    }

    /// Begins a package of at most `limit` bytes.
    ///
    /// # Errors
    /// `DiskFull`, or what the disk says.
    pub async fn begin(&self, limit: u64) -> Result<BlobWriter, Error> {
        let path = self.next_temp("blob");
        let file = tokio::fs::File::create_new(&path);
        let file = file.await.map_err(|e| Error::io("begin a package", e))?;
        Ok(BlobWriter {
            blobs: self.clone(),
            temp: TempFile(path),
            file,
            hash: Sha256::new(),
            size: 0,
            limit,
        })
    }

    /// Where the package of that digest is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let (shelf, _) = digest.as_str().split_at(2);
        self.directory.join("blobs").join(shelf).join(digest.as_str())
    }

    /// Opens a package for reading. Blocks for one system call.
    ///
    /// # Errors
    /// `NotFound` when it is not here.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        match File::open(self.path(digest)) {
            Ok(file) => Ok(file),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::not_found("code package", digest)),
            Err(e) => Err(Error::io("open a package", e)),
        }
    }

    /// The tree of that package, if it is here. It counts as used now, so that a sweep spares it.
    ///
    /// `single` is what the package's one file is called, should it be a source file and no archive.
    #[must_use]
    pub fn tree(&self, digest: &Digest, single: &str) -> Option<PathBuf> {
        let path = self.tree_path(digest, single);
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(path)
    }

    /// Puts an extracted tree in its place by a rename; if another did so first, theirs stays. Blocks.
    ///
    /// `single`: the name of its one file, where the package is that file; the same file may have other names elsewhere.
    /// # Errors
    /// What the disk says; the temporary folder is removed in any case.
    pub fn install_tree(&self, digest: &Digest, single: Option<&str>, extracted: TempDir) -> Result<PathBuf, Error> {
        let target = match single {
            Some(name) => self.single_path(digest, name),
            None => self.archive_path(digest),
        };
        match fs::rename(extracted.path(), &target) {
            Ok(()) => Ok(target),
            Err(_) if target.is_dir() => Ok(target),
            Err(e) => Err(Error::io("put a tree in its place", e)),
        }
    }

    /// A new empty folder on the same file system; it goes when the guard goes. Blocks for one system call.
    ///
    /// # Errors
    /// `DiskFull`, or what the disk says.
    pub fn temp_dir(&self) -> Result<TempDir, Error> {
        let path = self.next_temp("tree");
        fs::create_dir(&path).map_err(|e| Error::io("make a temporary folder", e))?;
        Ok(TempDir(path))
    }

    /// Removes packages and trees that are not `live`, and temporary files, where they were last used before
    /// `older_than`. Returns how many went.
    ///
    /// # Errors
    /// What the disk says; those removed until then stay removed.
    pub async fn sweep(&self, live: HashSet<Digest>, older_than: Timestamp) -> Result<usize, Error> {
        let blobs = self.clone();
        blocking(move || blobs.sweep_all(&live, older_than)).await
    }

    fn sweep_all(&self, live: &HashSet<Digest>, older_than: Timestamp) -> Result<usize, Error> {
        let dead = |name: &OsStr| !is_live(name, live);
        let mut n_removed = self.sweep_folder(&self.directory.join("trees"), older_than, dead)?;
        for shelf in entries(&self.directory.join("blobs"))? {
            n_removed += self.sweep_folder(&shelf.path(), older_than, dead)?;
        }
        n_removed += self.sweep_folder(&self.temp(), older_than, |_| true)?;
        Ok(n_removed)
    }

    fn sweep_folder(
        &self,
        folder: &Path,
        older_than: Timestamp,
        dead: impl Fn(&OsStr) -> bool,
    ) -> Result<usize, Error> {
        let mut n_removed = 0;
        for entry in entries(folder)? {
            if dead(&entry.file_name()) && used_before(&entry, older_than) {
                self.remove(&entry.path())?;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }

    /// Moves a thing out of sight first: nobody finds half a tree.
    fn remove(&self, path: &Path) -> Result<(), Error> {
        let aside = self.next_temp("gone");
        fs::rename(path, &aside).map_err(|e| Error::io("remove an old package", e))?;
        clear(&aside)
    }

    /// Where the tree of a package is, or would be if it is an archive. `single` as in [`Blobs::tree`]. Blocks for one
    /// system call.
    #[must_use]
    pub fn tree_path(&self, digest: &Digest, single: &str) -> PathBuf {
        let of_one_file = self.single_path(digest, single);
        if of_one_file.is_dir() {
            return of_one_file;
        }
        self.archive_path(digest)
    }

    fn archive_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("trees").join(digest.as_str())
    }

    fn single_path(&self, digest: &Digest, name: &str) -> PathBuf {
        self.directory.join("trees").join(format!("{digest}-{name}"))
    }

    fn temp(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    fn next_temp(&self, kind: &str) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.temp().join(format!("{kind}-{number}"))
    }
}

/// A package being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    temp: TempFile,
    file: tokio::fs::File,
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl BlobWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// `TooLarge` when they pass the limit (none of them is written then), `DiskFull`, or what the disk says.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let size = self.size.saturating_add(more);
        if size > self.limit {
            return Err(Error::TooLarge { limit: self.limit });
        }
        self.size = size;
        self.hash.update(bytes);
        let written = self.file.write_all(bytes).await;
        written.map_err(|e| Error::io("write a package", e))
    }

    /// Unit: bytes written so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Puts the package on the disk and in its place. One that is here already counts as new.
    ///
    /// # Errors
    /// `DiskFull`, or what the disk says; nothing is left behind then.
    pub async fn finish(mut self) -> Result<Digest, Error> {
        let io = |e| Error::io("finish a package", e);
        self.file.flush().await.map_err(io)?;
        self.file.sync_all().await.map_err(io)?;
        let digest = digest(self.hash)?;
        let (target, temp) = (self.blobs.path(&digest), self.temp);
        blocking(move || place(&temp, &target)).await?;
        Ok(digest)
    }
}

/// The same for whoever may block.
pub(super) struct BlockingWriter {
    blobs: Blobs,
    temp: TempFile,
    file: File,
    hash: Sha256,
}

impl Blobs {
    /// Begins a package of any size. Blocks.
    pub(super) fn begin_blocking(&self) -> Result<BlockingWriter, Error> {
        let path = self.next_temp("blob");
        let file = File::create_new(&path).map_err(|e| Error::io("begin a package", e))?;
        Ok(BlockingWriter {
            blobs: self.clone(),
            temp: TempFile(path),
            file,
            hash: Sha256::new(),
        })
    }
}

impl BlockingWriter {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|e| Error::io("write a package", e))
    }

    pub(super) fn finish(self) -> Result<Digest, Error> {
        self.file.sync_all().map_err(|e| Error::io("finish a package", e))?;
        let digest = digest(self.hash)?;
        place(&self.temp, &self.blobs.path(&digest))?;
        Ok(digest)
    }
}

/// A temporary folder that goes with its guard.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.0) {
            tracing::debug!(%error, "A temporary folder stays until the next start");
        }
    }
}

#[derive(Debug)]
struct TempFile(PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        // Gone already when it has been put in its place.
        drop(fs::remove_file(&self.0));
    }
}

/// The rename is on the disk when this returns: a row may refer to it.
fn place(temp: &TempFile, target: &Path) -> Result<(), Error> {
    let io = |e| Error::io("put a package in its place", e);
    let Some(shelf) = target.parent() else {
        return Ok(());
    };
    let is_new = !shelf.is_dir();
    make(shelf)?;
    fs::rename(&temp.0, target).map_err(io)?;
    File::open(shelf).and_then(|f| f.sync_all()).map_err(io)?;
    match shelf.parent() {
        Some(shelves) if is_new => File::open(shelves).and_then(|f| f.sync_all()).map_err(io),
        _ => Ok(()),
    }
}

fn digest(hash: Sha256) -> Result<Digest, Error> {
    Digest::parse(&hex::encode(hash.finalize())).map_err(|e| Error::io("name a package", std::io::Error::other(e)))
}

fn is_live(name: &OsStr, live: &HashSet<Digest>) -> bool {
    let first = name.to_str().and_then(|text| text.split('-').next());
    let digest = first.and_then(|text| Digest::parse(text).ok());
    digest.is_some_and(|d| live.contains(&d))
}

/// What cannot be looked at has just been removed, or is in use: it stays.
fn used_before(entry: &fs::DirEntry, moment: Timestamp) -> bool {
    let modified = entry.metadata().and_then(|m| m.modified()).ok();
    let since = modified.and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    let millis = since.and_then(|d| i64::try_from(d.as_millis()).ok());
    millis.is_some_and(|ms| Timestamp::from_millis(ms) < moment)
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    fs::read_dir(folder)
        .and_then(Iterator::collect)
        .map_err(|e| Error::io("look through the packages", e))
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|e| Error::io("make a folder for packages", e))
}

/// Removes a file or folder; nothing to remove is fine.
fn clear(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove a temporary file", e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let directory = tempfile::tempdir().expect("temp");
        let blobs = Blobs::open(directory.path()).expect("open");
        (directory, blobs)
    }

    fn n_temporary(blobs: &Blobs) -> usize {
        entries(&blobs.temp()).expect("readable").len()
    }

    async fn put(blobs: &Blobs, text: &[u8]) -> Digest {
        let mut writer = blobs.begin(1000).await.expect("begin");
        writer.write(text).await.expect("write");
        writer.finish().await.expect("finish")
    }

    const FAR: Timestamp = Timestamp::from_millis(i64::MAX);

    #[tokio::test]
    async fn a_package_is_found_by_its_digest() {
        let (_directory, blobs) = blobs();
        let digest = put(&blobs, b"abc").await;
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.as_str(), known);
        assert_eq!(put(&blobs, b"abc").await, digest);
        let text = std::io::read_to_string(blobs.open_blob(&digest).expect("open"));
        assert_eq!(text.expect("read"), "abc");
        assert_eq!(n_temporary(&blobs), 0);
    }

    #[tokio::test]
    async fn a_package_over_its_limit_leaves_nothing() {
        let (_directory, blobs) = blobs();
        let mut writer = blobs.begin(4).await.expect("begin");
        writer.write(b"1234").await.expect("just fits");
        let error = writer.write(b"5").await.expect_err("too large");
        assert!(matches!(error, Error::TooLarge { limit: 4 }));
        drop(writer);
        assert_eq!(n_temporary(&blobs), 0);
    }

    #[tokio::test]
    async fn a_dropped_writer_leaves_nothing() {
        let (_directory, blobs) = blobs();
        let mut writer = blobs.begin(10).await.expect("begin");
        writer.write(b"1").await.expect("write");
        assert_eq!(n_temporary(&blobs), 1);
        drop(writer);
        assert_eq!(n_temporary(&blobs), 0);
    }

    #[tokio::test]
    async fn a_tree_is_installed_once_whoever_comes_first() {
        let (_directory, blobs) = blobs();
        let digest = put(&blobs, b"tree").await;
        assert_eq!(blobs.tree(&digest, "main.a"), None);
        for text in ["first", "second"] {
            let temp = blobs.temp_dir().expect("temp");
            fs::write(temp.path().join("main"), text).expect("write");
            blobs.install_tree(&digest, None, temp).expect("install");
        }
        let tree = blobs.tree(&digest, "main.a").expect("installed");
        let main = fs::read_to_string(tree.join("main")).expect("read");
        assert_eq!(main, "first");
        assert_eq!(n_temporary(&blobs), 0);
    }

    #[tokio::test]
    async fn a_sweep_takes_what_is_old_and_not_referred_to() {
        let (_directory, blobs) = blobs();
        let (live, dead) = (put(&blobs, b"live").await, put(&blobs, b"dead").await);
        for digest in [&live, &dead] {
            let temp = blobs.temp_dir().expect("temp");
            fs::write(temp.path().join("main"), "x").expect("write");
            blobs.install_tree(digest, Some("main.a"), temp).expect("install");
        }
        let keep = HashSet::from([live.clone()]);
        let early = Timestamp::from_millis(0);
        assert_eq!(blobs.sweep(keep.clone(), early).await.expect("sweep"), 0);
        assert_eq!(blobs.sweep(keep, FAR).await.expect("sweep"), 2);
        assert!(blobs.open_blob(&live).is_ok() && blobs.tree(&live, "main.a").is_some());
        assert!(blobs.open_blob(&dead).is_err() && blobs.tree(&dead, "main.a").is_none());
        assert_eq!(n_temporary(&blobs), 0);
    }

    #[tokio::test]
    async fn one_source_file_has_a_tree_for_each_of_its_names() {
        let (_directory, blobs) = blobs();
        let digest = put(&blobs, b"the same text").await;
        for name in ["main.a", "main.b"] {
            assert_eq!(blobs.tree(&digest, name), None);
            let temp = blobs.temp_dir().expect("temp");
            fs::write(temp.path().join(name), "the same text").expect("write");
            blobs.install_tree(&digest, Some(name), temp).expect("install");
        }
        for name in ["main.a", "main.b"] {
            let tree = blobs.tree(&digest, name).expect("installed");
            assert!(tree.join(name).is_file());
        }
    }

    #[tokio::test]
    async fn opening_clears_what_was_left_half_done() {
        let (directory, blobs) = blobs();
        fs::write(blobs.temp().join("blob-0"), "half").expect("write");
        let again = Blobs::open(directory.path()).expect("open");
        assert_eq!(n_temporary(&again), 0);
    }
}
