//! Asynchronous calls: accepted once committed, run from the store, ended exactly once.

use super::App;
use super::call::{Callee, Incoming, InvokeOptions};
use crate::domain::{Ending, Error, Execution, ExecutionId, Outcome, Timestamp, Timings};
use crate::invoker::{Body, Call, KeepResult, Note, RESULT_LIMIT, Reply};
use crate::pool::Target;
use crate::store::{self, Acceptance, AsyncInput};
use crate::task::{Shutdown, TaskKind};
use crate::traces::Trigger;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// The store is looked at again after this time, should a wake-up have been missed.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// So long after the last wake-up, what is due later is looked for; ends of calls that come so close are looked for once.
pub(super) const QUIET: Duration = Duration::from_millis(10);

/// Calls that run, and the way to stop each.
#[derive(Debug, Default)]
pub(super) struct Running(Arc<Stops>);

type Stops = Mutex<HashMap<ExecutionId, Arc<Notify>>>;

/// A call's own ear for being stopped; it is forgotten when this is dropped.
pub(super) struct Stop {
    id: ExecutionId,
    all: Arc<Stops>,
    asked: Arc<Notify>,
}

impl Running {
    pub(super) fn begin(&self, id: ExecutionId) -> Stop {
        let (all, asked) = (Arc::clone(&self.0), Arc::new(Notify::new()));
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&asked));
        Stop { id, all, asked }
    }

    fn stop(&self, id: ExecutionId) -> bool {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        found.inspect(|stop| stop.notify_one()).is_some()
    }
}

impl Stop {
    /// Waits until somebody wants the call to end.
    pub(super) async fn requested(&self) {
        self.asked.notified().await;
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl App {
    /// Accepts a call to be made later. Once this answers, it will be made, whatever becomes of the daemon. Answers its
    /// identity, or that of the call which came with the same key before.
    ///
    /// # Errors
    /// `NotFound`, `NotReady`, `Invalid` when its callback cannot be told, `Conflict` when the identity is taken or the key is another call's, `TooLarge` when the input is over the limit.
    pub async fn invoke_later(
        &self,
        callee: Callee<'_>,
        options: InvokeOptions,
        incoming: Incoming,
    ) -> Result<ExecutionId, Error> {
        let served = self.served(callee)?;
        self.target_for(&served, &options.selector).await?;
        if let Some(url) = &options.callback {
            self.check_callback(url).await?;
        }
        let acceptance = Acceptance {
            id: options.id,
            function: served.function.id,
            selector: options.selector,
            description: options.description,
            input: self.whole(incoming).await?,
            retries: options.retries,
            key: options.key,
            callback: options.callback,
        };
        let id = self.0.store.accept_async(acceptance, self.0.clock.now()).await?;
        self.0.queued.notify_one();
        Ok(id)
    }

    /// Runs accepted calls until shutdown, a bounded number at once.
    pub async fn dispatch(self, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(self.0.options.async_concurrency));
        let mut follow_ups = self.0.invoker.follow_ups();
        loop {
            let claiming = self.0.claiming.lock().await;
            let (free, asked_at) = (places.available_permits(), self.0.clock.now());
            let claimed = match free {
                0 => Vec::new(),
                _ => self.claim(free, asked_at).await,
            };
            let more = !claimed.is_empty();
            for (execution, input) in claimed {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    break;
                };
                let (app, stop) = (self.clone(), self.0.running.begin(execution.id));
                self.0.supervisor.spawn(TaskKind::Execution, async move {
                    app.run_queued(execution, input, stop).await;
                    drop(place);
                    app.0.queued.notify_one();
                });
            }
            drop(claiming);
            if more {
                continue;
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.0.queued.notified() => {}
                Ok(()) = follow_ups.changed() => {}
                () = self.until_due(asked_at, self.0.store.next_retry_at()) => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Waits until the time that `next` says. Never when that had come at `asked_at`: what was due then was left for want
    /// of a place, and a place that comes free wakes us.
    pub(super) async fn until_due(
        &self,
        asked_at: Timestamp,
        next: impl Future<Output = Result<Option<Timestamp>, store::Error>>,
    ) {
        // While calls come and go, their ends wake the dispatcher: the store is only asked when it is quiet.
        tokio::time::sleep(QUIET).await;
        match next.await {
            Ok(Some(at)) if at > asked_at => self.0.clock.until(at).await,
            _ => std::future::pending().await,
        }
    }

    /// Stops a call: one that waits never runs, one that runs loses its slot. False when it had ended.
    ///
    /// # Errors
    /// `NotFound` when there is no such call.
    pub async fn cancel(&self, id: ExecutionId) -> Result<bool, Error> {
        let execution = self.execution(id).await?;
        if execution.state.is_terminal() {
            return Ok(false);
        }
        let waited = execution.asynchronous && self.0.store.cancel_queued(id, self.0.clock.now()).await?;
        self.0.ended.notify_one();
        // One that was claimed just now is let begin, so that it can be stopped.
        drop(self.0.claiming.lock().await);
        Ok(waited || self.0.running.stop(id))
    }

    async fn claim(&self, free: usize, now: Timestamp) -> Vec<(Execution, AsyncInput)> {
        if !self.engine_answers() {
            return Vec::new();
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        match self.0.store.claim_queued(limit, now).await {
            Ok(claimed) => claimed,
            Err(e) => {
                tracing::error!("Could not claim queued calls: {}", crate::telemetry::chain(&e));
                Vec::new()
            }
        }
    }

    async fn run_queued(&self, execution: Execution, input: AsyncInput, stop: Stop) {
        tokio::select! {
            () = self.make_queued_call(&execution, input) => {}
            // The call's record ends as cancelled when it is dropped.
            () = stop.requested() => {}
        }
    }

    async fn make_queued_call(&self, execution: &Execution, input: AsyncInput) {
        let target = match self.place(execution).await {
            Ok(target) => target,
            Err(e) => return self.end_unserved(execution.id, &e).await,
        };
        let incoming = Incoming::from(input);
        let call = Call {
            id: execution.id,
            function: execution.function,
            target,
            method: incoming.method,
            path: incoming.path,
            query: incoming.query,
            headers: incoming.headers,
            body: incoming.body,
            asynchronous: true,
            trigger: match execution.is_made_by_job() {
                true => Trigger::Timer,
                false => Trigger::Other,
            },
            note: Note {
                keep_result: KeepResult::Cut(RESULT_LIMIT),
                is_wanted: true,
                ..Note::default()
            },
        };
        let Ok(answer) = self.0.invoker.invoke(call).await else {
            return;
        };
        if let Reply::Success {
            body: Body::Stream(mut body),
            ..
        } = answer.reply
        {
            while let Some(Ok(_)) = body.next().await {}
        }
    }

    /// Finds what the call is meant for, now that it runs, and notes it where the claim could not.
    async fn place(&self, execution: &Execution) -> Result<Arc<Target>, Error> {
        let served = self.served(Callee::Id(execution.function))?;
        let target = self.target_for(&served, &execution.selector).await?;
        if execution.revision != Some(target.demand.revision) {
            self.0
                .store
                .place_execution(execution.id, target.demand.revision)
                .await?;
        }
        Ok(target)
    }

    async fn end_unserved(&self, id: ExecutionId, why: &Error) {
        let ending = Ending {
            outcome: Outcome::Error {
                message: format!("the call could not be made: {why}"),
            },
            at: self.0.clock.now(),
            temperature: None,
            timings: Timings::default(),
            log: Vec::new(),
            result: None,
            headers: Vec::new(),
            late_input: None,
        };
        self.0.invoker.end_accepted(id, ending).await;
    }
}
