//! What survives a restart: one SQLite file, and code packages by their digest. The only room with SQL.
//! Secrets are encrypted before they are written, with a key in a file of its own.
//!
//! Deliberately absent: rules (they are the domain's), caches (they are above), clocks (`now` is an argument).
//! Invariants: one daemon per data directory; one thread writes; what is acknowledged is committed;
//! a terminal state is written once; a revision's number is never given twice.

mod alias;
mod annotations;
mod backup;
mod base;
mod blobs;
mod callback;
mod cors;
mod error;
mod execution;
mod executions;
mod function;
mod gate;
mod gateway;
mod instance;
mod job;
mod lock;
mod migrations;
mod port;
mod reader;
mod retry;
mod revision;
mod row;
mod secrets;
mod token;
mod vault;
mod version;
mod webhook;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::domain::Input as AsyncInput;
pub use annotations::{Annotation, DocumentKey, Subject};
pub use backup::{Restored, Snapshot, restore};
pub use blobs::{BlobWriter, Blobs, TempDir};
pub use callback::DueCallback;
pub use error::Error;
pub use execution::{Acceptance, Ended, Started};
pub use executions::{ExecutionFilter, Kept, LogEntry, Order};
pub use function::FunctionFilter;
pub use gate::StoredKey;
pub use job::{Claimed, JobFilter};
pub use revision::{Build, NewRevision};
pub use token::StoredToken;
pub use vault::Closed;

use crate::domain::InstanceId;
use reader::Readers;
use rusqlite::Connection;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;
use writer::Writer;

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk: survives a power cut.
    Full,
    /// Once it is with the system: survives our own crash, but a power cut may take the last commits.
    Normal,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory; made when it is missing.
    pub directory: PathBuf,
    /// When a commit counts as done.
    pub durability: Durability,
    /// Execution records, and commands, that may wait for the writer. Unit: records; at least 1.
    pub queue: usize,
    /// Read connections; at least 1.
    pub readers: u32,
}

/// The open store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("instance", &self.inner.instance)
            .finish_non_exhaustive()
    }
}

struct Inner {
    writer: Writer,
    readers: Readers,
    blobs: Blobs,
    vault: vault::Vault,
    instance: InstanceId,
}

impl Store {
    /// Opens the data directory and brings its database up to date. Blocks: call it on a blocking thread.
    ///
    /// # Errors
    /// `Locked` when another daemon has it, `NewerDatabase` when a newer program wrote it, or what the disk says.
    pub fn open(options: Options) -> Result<Self, Error> {
        let directory = &options.directory;
        make_directory(directory)?;
        let lock = lock::Lock::take(directory)?;
        let blobs = Blobs::open(directory)?;
        let vault = vault::Vault::open(directory)?;
        let file = directory.join("hob.db");
        let connection = open_database(&file, options.durability)?;
        let instance = instance::find_or_make(&connection)?;
        let readers = Readers::open(&file, options.readers.max(1))?;
        let writer = Writer::start(connection, lock, options.queue.max(1))?;
        let inner = Inner {
            writer,
            readers,
            blobs,
            vault,
            instance,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Commits what has queued up, ends the writer and gives the data directory free. Once closed, always closed.
    ///
    /// # Errors
    /// `Closed` when the writer died instead of ending.
    pub async fn close(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.writer.close()).await
    }

    /// Waits until every record handed over so far has been written.
    ///
    /// # Errors
    /// When the batch could not be committed; its records are tried again.
    pub async fn flush(&self) -> Result<(), Error> {
        self.write("flush", |_| Ok(())).await
    }

    /// Code packages and their extracted trees.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Execution records that wait to be written.
    #[must_use]
    pub fn waiting_records(&self) -> usize {
        self.inner.writer.waiting()
    }

    /// Commits made since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }

    /// Runs a command on the writer; the answer comes after its commit.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let done = self.inner.writer.run(work).await;
        done.map_err(|e| e.while_doing(doing))
    }

    /// Runs a query on a read connection, on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        if self.inner.writer.is_closed() {
            return Err(Error::Closed);
        }
        let inner = Arc::clone(&self.inner);
        let done = blocking(move || inner.readers.run(query)).await;
        done.map_err(|e| e.while_doing(doing))
    }
}

/// Runs blocking work beside the runtime. It cannot be cancelled half-way.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    // Its type forgotten, so that tokio's code for a task is there once and not for each query.
    let work: Box<dyn FnOnce() + Send> = Box::new(move || drop(reply.send(work())));
    match tokio::task::spawn_blocking(work).await {
        Ok(()) => answer.await.map_err(|_| Error::Closed)?,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        Err(_) => Err(Error::Closed),
    }
}

/// Private to its owner: users' environment variables are in there.
fn make_directory(directory: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.map_err(|e| Error::io("make the data directory", e))
}

fn open_database(file: &Path, durability: Durability) -> Result<Connection, Error> {
    let mut options = OpenOptions::new();
    let made = options.append(true).create(true).mode(0o600).open(file);
    made.map_err(|e| Error::io("make the database file", e))?;
    let mut connection = Connection::open(file)?;
    migrations::version(&connection)?;
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    migrations::migrate(&mut connection)?;
    Ok(connection)
}
