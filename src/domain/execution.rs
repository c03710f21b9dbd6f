//! One call and its record, and the one way it may end.

use super::{Error, ExecutionId, FunctionId, RevisionId, Selector, Timestamp};

/// Where a call stands. `Queued` and `Running` move on; the others are terminal and written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionState {
    /// Accepted and committed, not started.
    Queued,
    /// Started.
    Running,
    /// The function answered.
    Succeeded,
    /// The function failed: a result, not an error of ours.
    Failed,
    /// The platform failed, or was stopped while the call ran.
    Error,
    /// Ended on request.
    Cancelled,
}

impl ExecutionState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Error,
        Self::Cancelled,
    ];

    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether `next` may follow.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => next == Self::Running || next.is_terminal(),
            Self::Running => next.is_terminal(),
            _ => false,
        }
    }
}

/// What a call met: a waiting worker, or one that had to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Temperature {
    /// A worker of the revision was idle.
    Warm,
    /// A pre-warmed worker was loaded for it.
    Prewarmed,
    /// A container was started for it.
    Cold,
}

impl Temperature {
    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Prewarmed => "prewarmed",
            Self::Cold => "cold",
        }
    }

    /// The one of that name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Warm, Self::Prewarmed, Self::Cold]
            .into_iter()
            .find(|t| t.as_str() == text)
    }
}

/// Where the time of a call went. Unit: microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for a worker, starting and loading one included.
    pub queue_us: u64,
    /// The part of `queue_us` that loaded code.
    pub load_us: u64,
    /// In the user's code, as the shim measured it.
    pub run_us: u64,
    /// All of it, as the daemon measured it.
    pub total_us: u64,
}

/// How a call ended, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered with this HTTP status.
    Succeeded {
        /// 100 to 599.
        status: u16,
    },
    /// The function failed; `kind` is one word (`raised`, `timeout`, `out_of_memory`, `exit`, `signal`, `not_json`, `bad_input`, `load`).
    Failed {
        /// One word.
        kind: &'static str,
        /// A sentence for people.
        message: String,
    },
    /// The platform failed; the sentence is for the caller.
    Error {
        /// A sentence for people.
        message: String,
    },
    /// Ended on request, before or while it ran.
    Cancelled,
}

impl Outcome {
    /// The terminal state it leads to.
    #[must_use]
    pub fn state(&self) -> ExecutionState {
        match self {
            Self::Succeeded { .. } => ExecutionState::Succeeded,
            Self::Failed { .. } => ExecutionState::Failed,
            Self::Error { .. } => ExecutionState::Error,
            Self::Cancelled => ExecutionState::Cancelled,
        }
    }
}

/// The end of a call: written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// What it met; `None` when it never got a worker.
    pub temperature: Option<Temperature>,
    /// Where the time went.
    pub timings: Timings,
    /// What the function printed, both streams in order, at most the configured size.
    pub log: Vec<u8>,
    /// The answer's body where it is kept, at most the configured size.
    pub result: Option<Vec<u8>>,
    /// The answer's headers, of an asynchronous call: for whoever is to be told of its end.
    pub headers: Vec<(String, String)>,
    /// What it was called with, where that is kept and came in pieces while the call ran.
    pub late_input: Option<Box<Input>>,
}

/// What a call is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// HTTP method.
    pub method: String,
    /// Path below the function.
    pub path: String,
    /// Query without its question mark; may be empty.
    pub query: String,
    /// Headers. Order: as they came.
    pub headers: Vec<(String, String)>,
    /// The body, bounded by the caller.
    pub body: Vec<u8>,
}

/// One call as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its identity; later calls sort later.
    pub id: ExecutionId,
    /// Which function.
    pub function: FunctionId,
    /// Which revision; `None` while queued.
    pub revision: Option<RevisionId>,
    /// What the caller asked for.
    pub selector: Selector,
    /// What the caller wrote about it; may be empty.
    pub description: String,
    /// Where it stands.
    pub state: ExecutionState,
    /// Accepted asynchronously: it survives a restart.
    pub asynchronous: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it started to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// One word for a failure.
    pub failure: Option<String>,
    /// A sentence for a failure or an error.
    pub message: Option<String>,
    /// What it met.
    pub temperature: Option<Temperature>,
    /// Where the time went.
    pub timings: Timings,
}

/// How the description of a call begins that a job made.
pub const MADE_BY_JOB: &str = "Created by Job ";

impl Execution {
    /// Whether a job made it because it was due.
    #[must_use]
    pub fn is_made_by_job(&self) -> bool {
        self.asynchronous && self.description.starts_with(MADE_BY_JOB)
    }

    /// Checks a move and makes it.
    ///
    /// # Errors
    /// `Error::Conflict` when the state does not allow it.
    pub fn advance(&mut self, next: ExecutionState) -> Result<(), Error> {
        if !self.state.may_become(next) {
            let (from, to) = (self.state.as_str(), next.as_str());
            return Err(Error::conflict(format!(
                "execution {} is {from} and cannot become {to}",
                self.id
            )));
        }
        self.state = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_state_is_the_last() {
        for from in ExecutionState::ALL.into_iter().filter(|s| s.is_terminal()) {
            for to in ExecutionState::ALL {
                assert!(!from.may_become(to), "{from:?} -> {to:?}");
            }
        }
        assert!(ExecutionState::Queued.may_become(ExecutionState::Running));
        assert!(!ExecutionState::Running.may_become(ExecutionState::Queued));
    }
}
