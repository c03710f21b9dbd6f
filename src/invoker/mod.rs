//! The one way a function is called: acquire a slot, call, stream, record.
//!
//! Shaped for no outside API: how a failure looks to a caller is theirs to say.

mod connection;
mod exchange;
mod kept;
mod live;
mod metrics;
mod program;
mod record;
mod server;

pub use connection::{is_hop_by_hop, of_the_connection};
pub use kept::LateInput;
pub use live::{LogChunk, LogHub};
pub use metrics::metrics;

use crate::domain::{Error, ExecutionId, FunctionId, Outcome, Selector, Temperature, Timestamp, Timings};
use crate::pool::{self, FunctionError, Line, Pool, Target};
use crate::store::{AsyncInput, Store};
use crate::task::{Clock, Supervisor};
use crate::traces::{Tracer, Trigger};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use record::Record;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The most of an asynchronous call's answer that is kept. Unit: bytes.
pub const RESULT_LIMIT: usize = 6 * 1024 * 1024;

/// A body, whole when small, streamed otherwise.
pub enum Body {
    /// At most [`pool::INLINE_BODY`] bytes.
    Whole(Bytes),
    /// Any number of bytes, as they come.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

impl Body {
    /// These bytes, however many they are.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        let bytes = Bytes::from(bytes);
        if bytes.len() <= pool::INLINE_BODY {
            return Self::Whole(bytes);
        }
        Self::Stream(futures_util::stream::iter([Ok(bytes)]).boxed())
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// One call to make.
#[derive(Debug)]
pub struct Call {
    /// Its identity.
    pub id: ExecutionId,
    /// Which function.
    pub function: FunctionId,
    /// Which revision of it.
    pub target: Arc<Target>,
    /// HTTP method.
    pub method: String,
    /// Path below the function, with its leading slash.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The input.
    pub body: Body,
    /// Accepted and claimed before: its record exists.
    pub asynchronous: bool,
    /// What caused it.
    pub trigger: Trigger,
    /// What is written down of it beside how it went.
    pub note: Note,
}

/// What is written down of a call beside how it went.
#[derive(Debug, Default)]
pub struct Note {
    /// What the caller asked for.
    pub selector: Selector,
    /// What the caller wrote about it; may be empty.
    pub description: String,
    /// What it is called with, where that is to be kept and is not yet.
    pub input: Option<Box<AsyncInput>>,
    /// The same, of a body that comes in pieces.
    pub late_input: Option<LateInput>,
    /// What is kept of its answer.
    pub keep_result: KeepResult,
    /// Whether somebody asked to keep something of it: there is a record then, whatever the settings say.
    pub is_wanted: bool,
}

/// What is kept of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeepResult {
    /// Nothing.
    #[default]
    No,
    /// All of it, unless it is larger than this. Unit: bytes.
    Within(usize),
    /// So much of its beginning. Unit: bytes.
    Cut(usize),
}

/// How a call went, as far as the platform is concerned: well.
#[derive(Debug)]
pub struct Answer {
    /// The call.
    pub id: ExecutionId,
    /// Revision number that served it.
    pub version: u32,
    /// What it met; `None` when the code could not even be loaded.
    pub temperature: Option<Temperature>,
    /// Where the time went, until the answer's head.
    pub timings: Timings,
    /// What the function said, or how it failed.
    pub reply: Reply,
}

/// What a function said.
#[derive(Debug)]
pub enum Reply {
    /// It answered.
    Success {
        /// HTTP status.
        status: u16,
        /// Header names and values.
        headers: Vec<(String, String)>,
        /// The output.
        body: Body,
    },
    /// It failed: a result, not an error of the platform.
    Failure(Failure),
}

/// How a function failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// One word, see [`Outcome::Failed`].
    pub kind: &'static str,
    /// The error's type, as the language names it; empty when the process ended.
    pub error_type: String,
    /// A sentence.
    pub message: String,
    /// Where in the user's code; may be empty.
    pub traceback: String,
}

/// Calls functions; clones share it.
#[derive(Debug, Clone)]
pub struct Invoker {
    pool: Pool,
    store: Store,
    clock: Clock,
    supervisor: Supervisor,
    logs: LogHub,
    tracer: Tracer,
    recorded: bool,
    follow_ups: watch::Sender<()>,
}

impl Invoker {
    /// `recorded`: whether synchronous calls leave a record even if nobody asked to keep something of them.
    #[must_use]
    pub fn new(pool: Pool, store: Store, clock: Clock, supervisor: Supervisor, tracer: Tracer, recorded: bool) -> Self {
        Self {
            pool,
            store,
            clock,
            supervisor,
            logs: LogHub::default(),
            tracer,
            recorded,
            follow_ups: watch::Sender::default(),
        }
    }

    /// Changes whenever it has been written down that an accepted call ended and what follows it: a retry, a callback.
    #[must_use]
    pub fn follow_ups(&self) -> watch::Receiver<()> {
        self.follow_ups.subscribe()
    }

    /// What running calls print.
    #[must_use]
    pub fn logs(&self) -> &LogHub {
        &self.logs
    }

    /// Makes a call. The record is written when the answer, its body included, has been delivered or given up.
    ///
    /// # Errors
    /// What the platform could not do; a function that fails is an [`Answer`].
    pub async fn invoke(&self, mut call: Call) -> Result<Answer, Error> {
        let begun = Instant::now();
        let mut note = std::mem::take(&mut call.note);
        let mut record = Record::new(self, &call, &mut note, self.log_limit());
        record.trace(&mut call);
        self.record_start(&record, note).await?;
        let acquired = self.pool.acquire(&call.target).await;
        record.timings.queue_us = micros(begun.elapsed());
        let mut lease = match acquired {
            Ok(lease) => lease,
            Err(pool::Error::Load(error, log)) => {
                return Ok(load_failure(call.target.version, record, error, &log).await);
            }
            Err(error) => return Err(record.platform_error(acquire_error(error)).await),
        };
        record.temperature = Some(lease.temperature());
        record.timings.load_us = micros(lease.load_time());
        let grace = self.pool.options().grace;
        match lease.line() {
            Line::Shim(_) => exchange::run(call, lease, record, grace).await,
            Line::Server(_) => server::run(call, lease, record, grace).await,
            Line::Program(_) => program::run(call, lease, record).await,
        }
    }

    fn log_limit(&self) -> usize {
        usize::try_from(self.pool.options().log_limit).unwrap_or(usize::MAX)
    }

    async fn record_start(&self, record: &Record, note: Note) -> Result<(), Error> {
        let Some(started) = record.started(note) else {
            return Ok(());
        };
        Ok(self.store.record_started(started).await?)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Failure {
    fn outcome(&self) -> Outcome {
        Outcome::Failed {
            kind: self.kind,
            message: self.sentence(),
        }
    }

    /// Type and message in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        match (self.error_type.as_str(), self.message.as_str()) {
            ("", message) => message.to_owned(),
            (error_type, "") => error_type.to_owned(),
            (error_type, message) => format!("{error_type}: {message}"),
        }
    }
}

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Self {
        let kind = match error.kind.as_str() {
            "not_json" => "not_json",
            "bad_input" => "bad_input",
            "load" => "load",
            _ => "raised",
        };
        Self {
            kind,
            error_type: error.error_type,
            message: error.message,
            traceback: error.traceback,
        }
    }
}

async fn load_failure(version: u32, mut record: Record, error: FunctionError, log: &[u8]) -> Answer {
    record.keep_log(log);
    let failure = Failure::from(error);
    let (id, timings) = (record.id, record.timings_now());
    record.failed(&failure).await;
    Answer {
        id,
        version,
        temperature: None,
        timings,
        reply: Reply::Failure(failure),
    }
}

fn acquire_error(error: pool::Error) -> Error {
    let message = error.to_string();
    match error {
        pool::Error::QueueFull(_) => Error::Busy {
            message,
            retry_after_seconds: 1,
        },
        pool::Error::Start { source, .. } => Error::NoCapacity {
            message,
            source: source.map(|s| Box::new(s) as Box<dyn std::error::Error + Send + Sync>),
        },
        pool::Error::TimedOut(_) | pool::Error::OverBudget(_) | pool::Error::Stopping | pool::Error::Load(..) => {
            Error::NoCapacity { message, source: None }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
