//! Everything that survives, as one file, taken while calls go on; and back into an empty data directory.
//!
//! The file is a tar archive: what it is (`hob-backup.json`), the database, the code packages. No secrets are added to
//! it and none are taken out: whoever has it has what the daemon has.

use super::App;
use crate::archive::{self, TarPacker};
use crate::domain::Error;
use crate::store::{self, Restored};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// What a backup says of itself.
const LABEL: &str = "hob-backup.json";
/// The form of the file; another one is refused.
const FORMAT: u64 = 1;
/// Where an archive is laid out before anything is put in its place.
const PART: &str = "restore.part";
/// Pieces of the archive that may wait for the reader, and their size in bytes.
const WAITING: usize = 16;
const PIECE: usize = 64 * 1024;

impl App {
    /// A backup as it is made, piece by piece. It is of the moment of this call, whatever happens while it is read.
    ///
    /// # Errors
    /// `DiskFull`, or when the store cannot be copied; the stream ends with an error when the disk fails later.
    pub async fn backup(&self) -> Result<BoxStream<'static, io::Result<Bytes>>, Error> {
        let snapshot = self.0.store.snapshot().await?;
        let label = serde_json::json!({
            "format": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "created_at_ms": self.now().as_millis(),
            "instance": self.0.store.instance().to_string(),
        });
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let pipe = Pipe::new(sender.clone());
            // A reader that went away needs no answer.
            if let Err(error) = pack(snapshot.path(), &label.to_string(), pipe) {
                let _ = sender.blocking_send(Err(io::Error::other(error)));
            }
        });
        let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        });
        Ok(pieces.boxed())
    }
}

fn pack(folder: &Path, label: &str, pipe: Pipe) -> Result<(), archive::Error> {
    let mut packer = TarPacker::new(pipe);
    packer.file(LABEL, 0o600, label.as_bytes())?;
    packer.tree("", folder, |_| true)?;
    let mut pipe = packer.finish()?;
    pipe.flush().map_err(|e| archive::Error::writing("", e))
}

/// Writes into a channel, in pieces of a good size.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Pipe {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self {
            sender,
            piece: Vec::with_capacity(PIECE),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.sender.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Puts a backup into a data directory that holds no database. Blocks; no daemon may have the directory.
///
/// # Errors
/// `Invalid` when the file is no backup or a damaged one, `Conflict` when the directory is not empty or in use,
/// `DiskFull`.
pub fn restore(directory: &Path, backup: File) -> Result<Restored, Error> {
    let made = std::fs::create_dir_all(directory);
    made.map_err(|e| Error::invalid(format!("{} cannot be made: {e}", directory.display())))?;
    let part = Part::make(directory)?;
    let limits = archive::Limits {
        entries: 1_000_000,
        total_bytes: u64::MAX,
        ..archive::Limits::default()
    };
    let extracted = archive::extract(backup, &part.0, &limits);
    extracted.map_err(|e| no_backup(&crate::telemetry::chain(&e).to_string()))?;
    check_label(&part.0)?;
    store::restore(directory, &part.0).map_err(|error| match error {
        store::Error::NotFound { what } => no_backup(&format!("there is no {what}")),
        other => other.into(),
    })
}

fn check_label(folder: &Path) -> Result<(), Error> {
    let text = std::fs::read(folder.join(LABEL)).map_err(|_| no_backup("its label is missing"))?;
    let label: serde_json::Value = serde_json::from_slice(&text).map_err(|_| no_backup("its label cannot be read"))?;
    match label["format"].as_u64() {
        Some(FORMAT) => Ok(()),
        _ => Err(no_backup("another version of hob made it: restore it with that one")),
    }
}

fn no_backup(why: &str) -> Error {
    Error::invalid(format!(
        "the file is no whole backup ({why}): take one with `hob backup FILE`"
    ))
}

/// A folder that goes with this.
struct Part(PathBuf);

impl Part {
    fn make(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(PART);
        let cleared = match std::fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => std::fs::create_dir(&path),
        };
        cleared.map_err(|e| Error::invalid(format!("{} cannot be written: {e}", directory.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "A folder of a restore stays");
        }
    }
}
