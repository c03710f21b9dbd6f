//! What can go wrong with a container engine, and what to tell people about it.
//!
//! Knows no engine's own error type: `docker.rs` translates.

use crate::domain;

pub(in crate::engine) type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An engine that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers; the same call works once the engine is back.
    #[error("the container engine does not answer at {host}")]
    Unreachable {
        /// Where it was looked for.
        host: String,
        /// Why not.
        #[source]
        source: Source,
    },
    /// The address is one we cannot speak to; it has to be changed.
    #[error("the engine address `{host}` cannot be used: {why}")]
    Unusable {
        /// The address or context.
        host: String,
        /// What to use instead.
        why: String,
    },
    /// There is no such container or network.
    #[error("{what} is not there")]
    NotFound {
        /// Kind and name.
        what: String,
    },
    /// It contradicts what is there.
    #[error("conflict: {message}")]
    Conflict {
        /// In the engine's words.
        message: String,
    },
    /// The engine has no such image and could not get it.
    #[error("image `{image}` is missing")]
    ImageMissing {
        /// Its name.
        image: String,
    },
    /// A step of a build failed.
    #[error("the build failed:\n{tail}")]
    Build {
        /// The last lines of its output.
        tail: String,
    },
    /// The engine's disk is full.
    #[error("the engine's disk is full")]
    OutOfDisk,
    /// The deadline passed.
    #[error("{doing} took too long")]
    Timeout {
        /// What was being done (`starting a worker`).
        doing: String,
    },
    /// The engine said no.
    #[error("the engine refused ({status}): {message}")]
    Refused {
        /// The HTTP status of its answer; 0 when it came inside a stream.
        status: u16,
        /// In the engine's words.
        message: String,
    },
    /// It cannot be had where the daemon runs, or where its settings point; they have to be changed.
    #[error("{why}")]
    Contained {
        /// What cannot be had, and what to do.
        why: String,
    },
    /// The engine's answer makes no sense to us.
    #[error("the engine's answer cannot be understood")]
    Protocol {
        /// Where reading stopped.
        #[source]
        source: Source,
    },
}

impl Error {
    /// What to tell people: a sentence that says what to do, without private text.
    fn advice(&self) -> String {
        match self {
            Self::Unreachable { host, source } => unreachable_advice(host, source.as_ref()),
            Self::Unusable { .. } | Self::Build { .. } | Self::Contained { .. } => self.to_string(),
            Self::NotFound { .. } => {
                "a container or network was removed behind our back: try again".to_owned()
            }
            Self::Conflict { .. } => {
                "the container engine is busy with the same thing: try again".to_owned()
            }
            Self::ImageMissing { image } => {
                format!(
                    "image `{image}` is not on this machine: build it (scripts/setup does) or pull it"
                )
            }
            Self::OutOfDisk => {
                "the container engine's disk is full: `hob gc` removes what is not used, `docker system df` shows the rest"
                    .to_owned()
            }
            Self::Timeout { doing } => {
                format!(
                    "{doing} took too long: look at the machine's load and at the container engine's log, then try again"
                )
            }
            Self::Refused { .. } => {
                "the container engine refused: the daemon's log has its words, `hob doctor` checks the engine".to_owned()
            }
            Self::Protocol { .. } => {
                "the container engine's answer cannot be understood: check its version with `hob doctor`".to_owned()
            }
        }
    }
}

fn unreachable_advice(host: &str, source: &(dyn std::error::Error + 'static)) -> String {
    if denied(source) {
        return format!(
            "this user may not use Docker at {host}: add the user to the group of that socket, log in again and try again"
        );
    }
    format!("Docker does not answer at {host}: start it (scripts/setup does) and try again")
}

fn denied(source: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(source), |e| e.source())
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let message = error.advice();
        match error {
            Error::Build { .. } => Self::Invalid(message),
            Error::OutOfDisk => Self::DiskFull(message),
            other => Self::engine(message, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error as IoError, ErrorKind};

    fn unreachable(kind: ErrorKind) -> Error {
        Error::Unreachable {
            host: "unix:///run/x.sock".to_owned(),
            source: Box::new(IoError::from(kind)),
        }
    }

    fn check(given: Error, expect: &str) {
        let shown = domain::Error::from(given).to_string();
        assert!(shown.contains(expect), "`{shown}` lacks `{expect}`");
    }

    #[test]
    fn every_error_says_what_to_do() {
        let text = || "private /path".to_owned();
        check(
            unreachable(ErrorKind::NotFound),
            "Docker does not answer at unix:///run/x.sock: start it (scripts/setup does) and try again",
        );
        check(unreachable(ErrorKind::PermissionDenied), "group");
        check(Error::ImageMissing { image: "a".into() }, "pull it");
        check(Error::OutOfDisk, "hob gc");
        check(
            Error::Timeout {
                doing: "pulling".into(),
            },
            "pulling took",
        );
        check(Error::Build { tail: "no pip".into() }, "no pip");
        check(Error::Conflict { message: text() }, "try again");
        check(Error::NotFound { what: text() }, "try again");
    }

    #[test]
    fn the_engines_words_stay_in_the_log() {
        let refused = Error::Refused {
            status: 500,
            message: "private /path".to_owned(),
        };
        let domain = domain::Error::from(refused);
        assert!(!domain.to_string().contains("private"));
        let source = std::error::Error::source(&domain).expect("kept");
        assert!(source.to_string().contains("private /path"));
    }
}
