//! What can go wrong in the store, and what each failure is to the rest of the house.
//!
//! Clonable, because one failed commit is the answer to every command that was in it.

use crate::domain;
use rusqlite::ffi;
use std::sync::Arc;

/// A failure of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The file was written by a newer program.
    #[error(
        "the database has version {found} and this program knows {known}: use the newer program, or another data directory"
    )]
    NewerDatabase {
        /// The file's version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Another daemon holds the data directory.
    #[error("the data directory is in use{}: stop that daemon or choose another data directory", holder(*.pid))]
    Locked {
        /// The process that holds it, where it could be read.
        pid: Option<u32>,
    },
    /// No space left for what was to be written.
    #[error("the disk is full: free some space in the data directory's file system and try again")]
    DiskFull,
    /// It is there already.
    #[error("this {constraint} is taken: choose another")]
    Duplicate {
        /// What has to be unique, in words.
        constraint: &'static str,
    },
    /// Something else leads to it.
    #[error("{what} is used by {by}: change or remove that first")]
    InUse {
        /// What was to be removed.
        what: String,
        /// What needs it.
        by: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// A package is larger than its limit.
    #[error("the package is larger than {limit} bytes: make it smaller or raise the limit")]
    TooLarge {
        /// Unit: bytes.
        limit: u64,
    },
    /// The store has been closed: the daemon is stopping.
    #[error("the store is closed, the daemon is stopping: try again once it runs")]
    Closed,
    /// No read connection came free in time.
    #[error("the database is busy with other reads: try again")]
    Readers {
        /// The pool's own words.
        #[source]
        source: Arc<r2d2::Error>,
    },
    /// Another program writes to the database and did not let go in time.
    #[error("the database is held by another program: end whatever has `hob.db` open, and try again")]
    Held {
        /// SQLite's own words.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// SQLite refused.
    #[error("cannot {doing}: the daemon's log has the database's own words")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file system refused.
    #[error("cannot {doing}: check the data directory and its permissions")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's own words.
        #[source]
        source: Arc<std::io::Error>,
    },
}

impl Error {
    /// An error of the file system, with a full disk told apart.
    pub(super) fn io(doing: &'static str, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::StorageFull {
            return Self::DiskFull;
        }
        Self::Io {
            doing,
            source: Arc::new(source),
        }
    }

    /// The same error, saying what was being done.
    pub(super) fn while_doing(self, now_doing: &'static str) -> Self {
        match self {
            Self::Sqlite { source, .. } => Self::Sqlite {
                doing: now_doing,
                source,
            },
            other => other,
        }
    }

    pub(super) fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::NotFound {
            what: format!("{what} {id}"),
        }
    }

    /// Whether the same may succeed later, when there is room again or whatever held the database has let go.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::DiskFull | Self::Readers { .. } | Self::Held { .. } | Self::Sqlite { .. } | Self::Io { .. }
        )
    }

    /// Whether a constraint refused one row: trying again cannot help.
    pub(super) fn is_constraint(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => return Self::DiskFull,
            Some(rusqlite::ErrorCode::DatabaseBusy) => {
                return Self::Held {
                    source: Arc::new(source),
                };
            }
            _ => {}
        }
        constraint(&source).unwrap_or_else(|| Self::Sqlite {
            doing: "use the database",
            source: Arc::new(source),
        })
    }
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Duplicate { .. } | Error::InUse { .. } => Self::Conflict(message),
            Error::NotFound { .. } => Self::NotFound(message),
            Error::TooLarge { .. } => Self::TooLarge(message),
            Error::DiskFull => Self::DiskFull(message),
            Error::Held { .. } => Self::NoCapacity {
                message,
                source: Some(Box::new(error)),
            },
            Error::NewerDatabase { .. }
            | Error::Locked { .. }
            | Error::Closed
            | Error::Readers { .. }
            | Error::Sqlite { .. }
            | Error::Io { .. } => Self::internal(message, error),
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

/// Translates the constraints people can meet; SQLite names a unique constraint by its columns.
fn constraint(error: &rusqlite::Error) -> Option<Error> {
    let rusqlite::Error::SqliteFailure(code, Some(message)) = error else {
        return None;
    };
    if code.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY {
        let what = "such function, revision, version or execution".to_owned();
        return Some(Error::NotFound { what });
    }
    let columns = message.strip_prefix("UNIQUE constraint failed: ")?;
    let constraint = match columns {
        "function.namespace, function.name" => "function name",
        "function.id" => "function id",
        "revision.id" => "revision id",
        "revision.function, revision.number" => "revision number",
        "execution.id" => "execution id",
        "token.name" => "token name",
        "alias.namespace, alias.name" => "alias name",
        "webhook.id" => "webhook id",
        "function_port.port" => "port",
        "gateway.namespace, gateway.name" => "gateway name",
        "gateway_host.host, gateway_host.path" => "host and path",
        "document.dialect, document.kind, document.key" => "document",
        _ => return None,
    };
    Some(Error::Duplicate { constraint })
}
