//! The record of one call, kept while it runs and written once when it ends, however it ends.

use super::kept::{Kept, LateInput};
use super::{Call, Failure, Invoker, KeepResult, LogChunk, Note, micros};
use crate::domain::{Ending, Error, ExecutionId, FunctionId, Outcome, RevisionId, Temperature, Timestamp, Timings};
use crate::pool::Target;
use crate::store::{Ended, Started, Store};
use crate::task::TaskKind;
use crate::traces::{self, Context};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Between two tries to write down how an accepted call ended.
const AGAIN: Duration = Duration::from_secs(1);

/// A call's record. Dropping it unended writes `cancelled`: the caller went away.
pub(super) struct Record {
    invoker: Invoker,
    pub(super) id: ExecutionId,
    function: FunctionId,
    revision: RevisionId,
    started_at: Timestamp,
    begun: Instant,
    pub(super) temperature: Option<Temperature>,
    pub(super) timings: Timings,
    log: Vec<u8>,
    log_limit: usize,
    dropped: usize,
    result: Kept,
    headers: Vec<(String, String)>,
    late_input: Option<LateInput>,
    /// What is kept unasked must not give away what this keeps secret.
    target: Arc<Target>,
    unasked: bool,
    /// What is told of it when it has ended, where calls are traced.
    traced: Option<Box<traces::Call>>,
    asynchronous: bool,
    recorded: bool,
    ended: bool,
}

impl Record {
    pub(super) fn new(invoker: &Invoker, call: &Call, note: &mut Note, log_limit: usize) -> Self {
        Self {
            invoker: invoker.clone(),
            id: call.id,
            function: call.function,
            revision: call.target.demand.revision,
            started_at: invoker.now(),
            begun: Instant::now(),
            temperature: None,
            timings: Timings::default(),
            log: Vec::new(),
            log_limit,
            dropped: 0,
            result: Kept::new(note.keep_result),
            headers: Vec::new(),
            late_input: note.late_input.take(),
            target: Arc::clone(&call.target),
            unasked: matches!(note.keep_result, KeepResult::Within(_)),
            traced: None,
            asynchronous: call.asynchronous,
            recorded: invoker.recorded || note.is_wanted,
            ended: false,
        }
    }

    /// Begins to trace the call, where calls are traced: what the function calls will be a part of it.
    pub(super) fn trace(&mut self, call: &mut Call) {
        if !self.invoker.tracer.is_on() {
            return;
        }
        let context = Context::of(call.id, &call.headers);
        context.pass_on(&mut call.headers);
        self.traced = Some(Box::new(traces::Call {
            context,
            id: call.id,
            function: call.target.function.clone(),
            namespace: call.target.namespace.clone(),
            version: call.target.version,
            trigger: call.trigger,
            method: call.method.clone(),
            path: call.path.clone(),
            begun: self.started_at,
            temperature: None,
            timings: Timings::default(),
            outcome: Outcome::Cancelled,
        }));
    }

    fn tell(&mut self, ending: &Ending) {
        let (state, duration_ms) = (ending.outcome.state().as_str(), ending.timings.total_us / 1000);
        let name = &self.target.function;
        tracing::debug!(
            execution.id = %self.id, function.id = %self.function, state, duration_ms,
            "A call of `{name}` ended as {state} after {duration_ms} ms"
        );
        super::metrics::call_ended(ending, self.asynchronous);
        if let Some(traced) = self.traced.take() {
            self.invoker.tracer.tell(&traces::Call {
                temperature: ending.temperature,
                timings: ending.timings,
                outcome: ending.outcome.clone(),
                ..*traced
            });
        }
    }

    /// What is written down when it starts; an asynchronous call has been written down before.
    pub(super) fn started(&self, note: Note) -> Option<Started> {
        let started = Started {
            id: self.id,
            function: self.function,
            revision: self.revision,
            selector: note.selector,
            description: note.description,
            input: note.input,
            created_at: self.started_at,
            started_at: self.started_at,
        };
        (self.recorded && !self.asynchronous).then_some(started)
    }

    /// Keeps what the call printed, up to the bound, and shows it to watchers. The shim's own note of a cut fits always.
    pub(super) fn log(&mut self, bytes: Bytes, is_cut_note: bool) {
        let room = if is_cut_note {
            bytes.len().min(1024)
        } else {
            self.log_limit.saturating_sub(self.log.len())
        };
        let kept = bytes.slice(..bytes.len().min(room));
        self.dropped += bytes.len() - kept.len();
        if kept.is_empty() {
            return;
        }
        self.log.extend_from_slice(&kept);
        self.invoker.logs.publish(LogChunk {
            function: self.function,
            execution: self.id,
            bytes: kept,
        });
    }

    pub(super) fn keep_log(&mut self, bytes: &[u8]) {
        self.log(Bytes::copy_from_slice(bytes), false);
    }

    /// Keeps a part of the answer, where answers are kept.
    pub(super) fn keep_result(&mut self, bytes: &[u8]) {
        self.result.add(bytes);
    }

    /// Keeps the answer's headers, where somebody may have to be told of them.
    pub(super) fn keep_headers(&mut self, headers: &[(String, String)]) {
        if self.asynchronous {
            self.headers = headers.to_vec();
        }
    }

    /// Bytes that were printed and never came here.
    pub(super) fn cut(&mut self, bytes: u64) {
        self.dropped += usize::try_from(bytes).unwrap_or(usize::MAX);
    }

    /// Ends it in the background, as soon as `ending` is done with it.
    pub(super) fn end_later<F: Future<Output = ()> + Send + 'static>(self, ending: impl FnOnce(Self) -> F) {
        let supervisor = self.invoker.supervisor.clone();
        supervisor.spawn(TaskKind::Record, ending(self));
    }

    pub(super) fn log_limit(&self) -> u64 {
        self.log_limit as u64
    }

    pub(super) fn timings_now(&mut self) -> Timings {
        self.timings.total_us = micros(self.begun.elapsed());
        self.timings
    }

    pub(super) async fn succeeded(self, status: u16) {
        self.end(Outcome::Succeeded { status }).await;
    }

    pub(super) async fn failed(mut self, failure: &Failure) {
        if !failure.traceback.is_empty() {
            self.keep_log(failure.traceback.as_bytes());
        }
        self.end(failure.outcome()).await;
    }

    pub(super) async fn platform_error(self, error: Error) -> Error {
        self.end(Outcome::Error {
            message: error.to_string(),
        })
        .await;
        error
    }

    async fn end(mut self, outcome: Outcome) {
        self.ended = true;
        let ending = self.ending(outcome);
        write(&self.invoker, self.id, ending, self.asynchronous, self.recorded).await;
    }

    fn ending(&mut self, outcome: Outcome) -> Ending {
        // The log of an accepted call is shown from here until it is written down.
        if !self.asynchronous {
            self.invoker.logs.over(self.id);
        }
        if self.dropped > 0 {
            let note = format!(
                "\n[log cut here: {} more bytes were printed; the limit is {}]\n",
                self.dropped, self.log_limit
            );
            self.log.extend_from_slice(note.as_bytes());
        }
        let timings = self.timings_now();
        let env = &self.target.env;
        let may_be_kept = |bytes: &Vec<u8>| !self.unasked || !env.gives_away(bytes);
        let result = self.result.take().filter(may_be_kept);
        let late_input = self.late_input.take().and_then(LateInput::take);
        let late_input = late_input.filter(|input| may_be_kept(&input.body));
        let answered = matches!(outcome, Outcome::Succeeded { .. });
        let ending = Ending {
            outcome,
            at: self.invoker.now(),
            temperature: self.temperature,
            timings,
            log: std::mem::take(&mut self.log),
            result: result.filter(|_| answered),
            headers: std::mem::take(&mut self.headers),
            late_input,
        };
        self.tell(&ending);
        ending
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let ending = self.ending(Outcome::Cancelled);
        let (invoker, id) = (self.invoker.clone(), self.id);
        let (asynchronous, recorded) = (self.asynchronous, self.recorded);
        let supervisor = invoker.supervisor.clone();
        supervisor.spawn(TaskKind::Record, async move {
            write(&invoker, id, ending, asynchronous, recorded).await
        });
    }
}

impl Invoker {
    /// Writes down how an accepted call ended, in a task of its own: nobody who hangs up meanwhile cuts it off.
    pub async fn end_accepted(&self, id: ExecutionId, ending: Ending) {
        let (invoker, (done, written)) = (self.clone(), oneshot::channel::<()>());
        self.supervisor.spawn(TaskKind::Record, async move {
            if end_accepted(&invoker.store, id, ending).await == Some(Ended::Now { is_followed: true }) {
                invoker.follow_ups.send_replace(());
            }
            invoker.logs.over(id);
            drop(done);
        });
        // Its end is the answer.
        let _ = written.await;
    }
}

async fn write(invoker: &Invoker, id: ExecutionId, ending: Ending, asynchronous: bool, recorded: bool) {
    let written = match (asynchronous, recorded) {
        (true, _) => return invoker.end_accepted(id, ending).await,
        (false, true) => invoker.store.record_ended(id, ending).await,
        (false, false) => Ok(()),
    };
    if let Err(e) = written {
        tracing::error!(execution.id = %id, "Could not record the end of a call: {e}");
    }
}

/// Again and again while the disk or the database refuses: the call would be running for ever. Ends with the store at
/// the latest; the next start ends the call then.
async fn end_accepted(store: &Store, id: ExecutionId, ending: Ending) -> Option<Ended> {
    let (mut told, ending) = (false, Arc::new(ending));
    loop {
        let error = match store.end_async(id, Arc::clone(&ending)).await {
            Ok(ended) => return Some(ended),
            Err(error) => error,
        };
        if !told {
            tracing::error!(execution.id = %id, "Could not record the end of a call: {}", crate::telemetry::chain(&error));
        }
        if !error.may_pass() {
            return None;
        }
        told = true;
        tokio::time::sleep(AGAIN).await;
    }
}
