//! Asynchronous calls: accepted once committed, run from the store, ended exactly once.

use super::App;
use super::call::{Incoming, not_ready};
use crate::domain::{Ending, Error, Execution, ExecutionId, Outcome, Timings};
use crate::invoker::{Body, Call, Reply};
use crate::store::AsyncInput;
use crate::task::{Shutdown, TaskKind};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// The queue is looked at again after this time, should a wake-up have been missed.
const AGAIN: Duration = Duration::from_secs(5);

/// Asynchronous calls that run, and the way to stop each.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<ExecutionId, Arc<Notify>>>);

impl Running {
    fn begin(&self, id: ExecutionId) -> Arc<Notify> {
        let stop = Arc::new(Notify::new());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&stop));
        stop
    }

    fn end(&self, id: ExecutionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn stop(&self, id: ExecutionId) -> bool {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        found.inspect(|stop| stop.notify_one()).is_some()
    }
}

impl App {
    /// Accepts a call to be made later. Once this answers, it will be made, whatever becomes of the daemon.
    ///
    /// # Errors
    /// `NotFound`, `NotReady`; `TooLarge` when the input is over the limit.
    pub async fn invoke_later(&self, namespace: &str, name: &str, incoming: Incoming) -> Result<ExecutionId, Error> {
        let served = self.0.directory.find(namespace, name);
        let served = served.ok_or_else(|| {
            Error::not_found(format!("there is no function `{name}`: `hob list` shows what there is"))
        })?;
        if served.target.is_none() {
            return Err(not_ready(name));
        }
        let body = collect(incoming.body, self.0.options.async_input_limit).await?;
        let input = AsyncInput {
            method: incoming.method,
            path: incoming.path,
            query: incoming.query,
            headers: incoming.headers,
            body,
        };
        let id = ExecutionId::generate();
        self.0
            .store
            .accept_async(id, served.function.id, input, self.0.clock.now())
            .await?;
        self.0.queued.notify_one();
        Ok(id)
    }

    /// Runs accepted calls until shutdown, a bounded number at once.
    pub async fn dispatch(self, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(self.0.options.async_concurrency));
        loop {
            let free = places.available_permits();
            let claimed = match free {
                0 => Vec::new(),
                _ => self.claim(free).await,
            };
            let more = !claimed.is_empty();
            for (execution, input) in claimed {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    break;
                };
                let app = self.clone();
                self.0.supervisor.spawn(TaskKind::Execution, async move {
                    app.run_queued(execution, input).await;
                    drop(place);
                    app.0.queued.notify_one();
                });
            }
            if more {
                continue;
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.0.queued.notified() => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Stops a call: one that waits never runs, one that runs loses its slot. False when it had ended.
    ///
    /// # Errors
    /// `NotFound` when there is no such call, `Conflict` for a synchronous one: its caller can hang up.
    pub async fn cancel(&self, id: ExecutionId) -> Result<bool, Error> {
        let execution = self.execution(id).await?;
        if execution.state.is_terminal() {
            return Ok(false);
        }
        if !execution.asynchronous {
            return Err(Error::conflict(
                "a synchronous call ends when its caller closes the connection".to_owned(),
            ));
        }
        Ok(self.0.store.cancel_queued(id, self.0.clock.now()).await? || self.0.running.stop(id))
    }

    async fn claim(&self, free: usize) -> Vec<(Execution, AsyncInput)> {
        if !self.engine_answers() {
            return Vec::new();
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        match self.0.store.claim_queued(limit, self.0.clock.now()).await {
            Ok(claimed) => claimed,
            Err(e) => {
                tracing::error!("Could not claim queued calls: {}", crate::telemetry::chain(&e));
                Vec::new()
            }
        }
    }

    async fn run_queued(&self, execution: Execution, input: AsyncInput) {
        let stop = self.0.running.begin(execution.id);
        tokio::select! {
            () = self.make_queued_call(&execution, input) => {}
            // The call's record ends as cancelled when it is dropped.
            () = stop.notified() => {}
        }
        self.0.running.end(execution.id);
    }

    async fn make_queued_call(&self, execution: &Execution, input: AsyncInput) {
        let Some(target) = self.serving(execution).await else {
            return self.end_unserved(execution.id).await;
        };
        let body = futures_util::stream::iter([Ok(bytes::Bytes::from(input.body))]).boxed();
        let call = Call {
            id: execution.id,
            function: execution.function,
            target,
            method: input.method,
            path: input.path,
            query: input.query,
            headers: input.headers,
            body: Body::Stream(body),
            asynchronous: true,
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

    async fn serving(&self, execution: &Execution) -> Option<Arc<crate::pool::Target>> {
        let function = self.0.store.function(execution.function).await.ok()??;
        self.0
            .directory
            .find(function.namespace.as_str(), function.name.as_str())?
            .target
            .clone()
    }

    async fn end_unserved(&self, id: ExecutionId) {
        let ending = Ending {
            outcome: Outcome::Error {
                message: "when the call was to run, its function was gone or had no revision that could serve"
                    .to_owned(),
            },
            at: self.0.clock.now(),
            temperature: None,
            timings: Timings::default(),
            log: Vec::new(),
            result: None,
        };
        if let Err(e) = self.0.store.end_async(id, ending).await {
            tracing::error!(execution.id = %id, "Could not record the end of a call: {e}");
        }
    }
}

async fn collect(body: Body, limit: u64) -> Result<Vec<u8>, Error> {
    let mut stream = match body {
        Body::Whole(bytes) => return within(bytes.len(), limit).map(|()| bytes.to_vec()),
        Body::Stream(stream) => stream,
    };
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| Error::invalid(format!("the request's body could not be read: {e}")))?;
        within(all.len() + chunk.len(), limit)?;
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

pub(super) fn within(size: usize, limit: u64) -> Result<(), Error> {
    if size as u64 <= limit {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "the input of an asynchronous call may have {limit} bytes: send less, or raise records.async_input_limit_mib"
    )))
}
