//! The pool of read-only connections. Nothing here can write.

use super::Error;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a query waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Readers {
    pool: r2d2::Pool<SqliteConnectionManager>,
}

impl Readers {
    /// Opens one connection at once and the others on demand.
    pub(super) fn open(file: &Path, connections: u32) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let manager = SqliteConnectionManager::file(file).with_flags(flags).with_init(prepare);
        let pool = r2d2::Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .max_lifetime(None)
            .test_on_check_out(false)
            .connection_timeout(PATIENCE)
            .build(manager)
            .map_err(busy)?;
        Ok(Self { pool })
    }

    /// Runs a query; blocks.
    pub(super) fn run<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let connection = self.pool.get().map_err(busy)?;
        Ok(query(&connection)?)
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(PATIENCE)
}

fn busy(source: r2d2::Error) -> Error {
    Error::Readers {
        source: Arc::new(source),
    }
}
