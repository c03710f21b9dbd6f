//! Code on the daemon's own machine: a directory, an archive or one file, below a directory that the settings allow.

use super::fetch::{FetchError, Pieces, Promise, Sources, checked};
use super::pack_directory;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

const PIECE: usize = 64 * 1024;

pub(super) async fn open(sources: &Sources, path: PathBuf) -> Result<(Option<String>, Pieces), FetchError> {
    let limit = sources.options.limit;
    let path = inside(&sources.options.directories, &path).await?.ok_or_else(|| {
        FetchError::Invalid("there is no such source below a directory that sources.directories allows".to_owned())
    })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    if !tokio::fs::metadata(&path).await.map_err(FetchError::Io)?.is_dir() {
        return Ok((name, checked(file(&path).await?, limit, Promise::default())));
    }
    let packing = tokio::task::spawn_blocking(move || pack(&path, limit)).await;
    let packed = packing.map_err(|e| FetchError::Io(io::Error::other(e)))??;
    let pieces = stream::once(async { Ok(Bytes::from(packed)) }).boxed();
    Ok((name.map(|name| format!("{name}.zip")), pieces))
}

/// The real path of what is `wanted`, when that is below one of the roots; links are followed first.
pub(super) async fn inside(roots: &[PathBuf], wanted: &Path) -> Result<Option<PathBuf>, FetchError> {
    let Ok(real) = tokio::fs::canonicalize(wanted).await else {
        return Ok(None);
    };
    for root in roots {
        let root = tokio::fs::canonicalize(root).await.map_err(FetchError::Io)?;
        if real.starts_with(&root) {
            return Ok(Some(real));
        }
    }
    Ok(None)
}

/// A file, piece by piece.
pub(super) async fn file(path: &Path) -> Result<Pieces, FetchError> {
    let file = tokio::fs::File::open(path).await.map_err(FetchError::Io)?;
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await.map_err(FetchError::Io)?;
        piece.truncate(length);
        Ok((length > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok(pieces.boxed())
}

fn pack(path: &Path, limit: u64) -> Result<Vec<u8>, FetchError> {
    let room = Bounded {
        inner: Cursor::new(Vec::new()),
        limit,
    };
    let packed = pack_directory(path, room).map_err(FetchError::Pack)?;
    Ok(packed.inner.into_inner())
}

/// Memory that refuses to grow beyond its limit.
struct Bounded {
    inner: Cursor<Vec<u8>>,
    limit: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.inner.position() + bytes.len() as u64 > self.limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the directory is over the limit of {} bytes when packed", self.limit),
            ));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
