//! Looking at executions, and keeping their number bounded.

use super::App;
use crate::domain::{Error, Execution, ExecutionId, FunctionId, Selector};
use crate::store::{AsyncInput, ExecutionFilter, Kept, LogEntry};
use crate::task::Shutdown;
use std::collections::HashMap;
use std::time::Duration;

/// Between two clean-ups.
const CLEAN: Duration = Duration::from_secs(600);
/// Code that nobody uses is kept this long: a deploy may be on its way to it.
const UNUSED_CODE: Duration = Duration::from_secs(3600);

/// An execution and what it printed.
#[derive(Debug)]
pub struct ExecutionDetail {
    /// The record.
    pub execution: Execution,
    /// What it printed so far.
    pub log: Vec<u8>,
}

impl App {
    /// One execution.
    ///
    /// # Errors
    /// `NotFound` when there is none, or its record has not been written yet.
    pub async fn execution(&self, id: ExecutionId) -> Result<Execution, Error> {
        if let Some(found) = self.0.store.execution(id).await?
            && (found.asynchronous || found.state.is_terminal())
        {
            return Ok(found);
        }
        // The record of a synchronous call, or of its end, may still be on its way to the disk.
        self.0.store.flush().await?;
        let found = self.0.store.execution(id).await?;
        found.ok_or_else(|| {
            Error::not_found(format!(
                "there is no execution {id}: `hob runs list` shows what there is"
            ))
        })
    }

    /// A page of executions, in the order that the filter says.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_executions(&self, filter: ExecutionFilter) -> Result<Vec<Execution>, Error> {
        self.0.store.flush().await?;
        Ok(self.0.store.list_executions(filter).await?)
    }

    /// How many executions a filter lets through, whatever its page.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_matching_executions(&self, filter: ExecutionFilter) -> Result<u64, Error> {
        self.0.store.flush().await?;
        Ok(self.0.store.count_matching_executions(filter).await?)
    }

    /// How often a function was called with this selector; calls whose records are gone count too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_calls(&self, function: FunctionId, selector: &Selector) -> Result<u64, Error> {
        self.0.store.flush().await?;
        Ok(self.0.store.count_calls(function, selector).await?)
    }

    /// Deletes the record of an execution that has ended, with what it printed, its input and its result.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` while it waits or runs.
    pub async fn delete_execution(&self, id: ExecutionId) -> Result<(), Error> {
        let execution = self.execution(id).await?;
        if self.0.store.delete_execution(id).await? {
            return Ok(());
        }
        let state = execution.state.as_str();
        Err(Error::conflict(format!(
            "execution {id} is {state}: wait for its end, or cancel it with `hob runs cancel {id}`"
        )))
    }

    /// Deletes the record of an execution in whatever state: one that waits is never made, one that runs goes on and
    /// leaves no trace.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn forget_execution(&self, id: ExecutionId) -> Result<(), Error> {
        self.execution(id).await?;
        self.0.store.forget_execution(id).await?;
        Ok(())
    }

    /// What was kept of each of these executions; those of which nothing was are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn kept(&self, ids: Vec<ExecutionId>) -> Result<HashMap<ExecutionId, Kept>, Error> {
        Ok(self.0.store.kept(ids).await?)
    }

    /// What an execution was called with, where that was kept.
    ///
    /// # Errors
    /// `NotFound` when there is none, or none was kept.
    pub async fn execution_input(&self, id: ExecutionId) -> Result<AsyncInput, Error> {
        self.execution(id).await?;
        let found = self.0.store.execution_input(id).await?;
        found.ok_or_else(|| {
            Error::not_found(format!(
                "execution {id} has no kept input: it was larger than records.keep_bodies_kib, or records are off; `hob invoke --keep` keeps any"
            ))
        })
    }

    /// What an execution printed; of a running one, so far.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn execution_log(&self, id: ExecutionId) -> Result<ExecutionDetail, Error> {
        let execution = self.execution(id).await?;
        let log = match self.logs().so_far(id) {
            Some(log) => log,
            None => self.0.store.execution_log(id).await?.unwrap_or_default(),
        };
        Ok(ExecutionDetail { execution, log })
    }

    /// The answer of an execution, where it was kept.
    ///
    /// # Errors
    /// `NotFound` when there is none, or none was kept.
    pub async fn execution_result(&self, id: ExecutionId) -> Result<Vec<u8>, Error> {
        let execution = self.execution(id).await?;
        let found = self.0.store.execution_result(id).await?;
        found.ok_or_else(|| {
            let state = execution.state.as_str();
            Error::not_found(format!("execution {id} is {state} and has no kept result: it has none, or a larger one than records.keep_bodies_kib; `hob invoke --keep` keeps any"))
        })
    }

    /// Ended executions with what they printed, in the order that the filter says.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn logged(&self, filter: ExecutionFilter) -> Result<Vec<LogEntry>, Error> {
        self.0.store.flush().await?;
        Ok(self.0.store.logged(filter).await?)
    }

    /// How many executions there are, by state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_executions(&self) -> Result<Vec<(crate::domain::ExecutionState, u64)>, Error> {
        Ok(self.0.store.count_executions().await?)
    }

    /// Removes old records and unused code from time to time, until shutdown.
    pub async fn retain(self, shutdown: Shutdown) {
        loop {
            if let Err(e) = self.clean_up().await {
                tracing::warn!("Could not remove old records: {}", crate::telemetry::chain(&e));
            }
            if let Err(e) = self.look_after_images().await {
                tracing::warn!("Could not look after images: {}", crate::telemetry::chain(&e));
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(CLEAN) => {}
            }
        }
    }

    async fn clean_up(&self) -> Result<(), Error> {
        let now = self.0.clock.now();
        let options = &self.0.options;
        self.0
            .store
            .prune_executions(options.keep_count, now.minus(options.keep))
            .await?;
        let live = self.0.store.live_digests().await?;
        self.0.store.blobs().sweep(live, now.minus(UNUSED_CODE)).await?;
        Ok(())
    }
}
