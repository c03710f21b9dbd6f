//! What can go wrong, in the words of the house. Knows nothing of HTTP.
//!
//! Each error has a public sentence, which says what to do next, and may have a private source for the log.

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller: asks for something impossible, or too much of it.
    Caller,
    /// We: the platform could not do its work.
    Ours,
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error of the platform. A function that fails is not one: that is an [`super::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be understood or is out of range.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The caller has not shown that it may do this.
    #[error("{0}")]
    Denied(String),
    /// A size limit was passed.
    #[error("{0}")]
    TooLarge(String),
    /// It exists but cannot serve yet.
    #[error("{0}")]
    NotReady(String),
    /// Too many calls wait already; ask again after the time.
    #[error("{message}")]
    Busy {
        /// What is full and which setting raises it.
        message: String,
        /// Unit: seconds.
        retry_after_seconds: u32,
    },
    /// What it needs could not be had in time: a worker, or the database.
    #[error("{message}")]
    NoCapacity {
        /// What was missing and what to do.
        message: String,
        /// For the log only.
        #[source]
        source: Option<Source>,
    },
    /// The worker broke while it served the call.
    #[error("{0}")]
    WorkerDied(String),
    /// The container engine cannot be used.
    #[error("{message}")]
    Engine {
        /// What to do.
        message: String,
        /// For the log only.
        #[source]
        source: Option<Source>,
    },
    /// The disk is full.
    #[error("{0}")]
    DiskFull(String),
    /// Something that should not happen; the source is for the log only.
    #[error("{message}")]
    Internal {
        /// A sentence without private detail.
        message: String,
        /// For the log only.
        #[source]
        source: Option<Source>,
    },
}

impl Error {
    /// The caller asked for something that cannot be.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    /// It contradicts what is there.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(message.into())
    }

    /// Our own failure, with its cause for the log.
    #[must_use]
    pub fn internal(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Internal {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// The engine's failure, with its cause for the log.
    #[must_use]
    pub fn engine(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Engine {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// Who has to act: chooses log level and metric.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Invalid(_)
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Denied(_)
            | Self::TooLarge(_)
            | Self::NotReady(_)
            | Self::Busy { .. } => Fault::Caller,
            Self::NoCapacity { .. }
            | Self::WorkerDied(_)
            | Self::Engine { .. }
            | Self::DiskFull(_)
            | Self::Internal { .. } => Fault::Ours,
        }
    }
}
