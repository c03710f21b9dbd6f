//! Jobs: what a user can ask of them, and the one step that fires those which are due.
//!
//! Decides nothing: the domain does. Knows no time but now: who calls `fire_due_jobs`, and when, is the scheduler.

use super::App;
use super::call::within;
use crate::domain::{
    Error, ExecutionId, FunctionId, Job, JobChange, JobEvent, JobId, JobState, Missed, Namespace, Overlap, Schedule,
    Selector, Timestamp,
};
use crate::store::{AsyncInput, JobFilter};
use std::time::Duration;

/// Jobs that are claimed in one transaction: few enough that nobody waits long behind it.
const BATCH: u32 = 200;
/// A daemon that is gone for less than this was not away: what came due meanwhile fires late.
const RESTART: Duration = Duration::from_secs(60);

/// A job to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Whose it is.
    pub namespace: Namespace,
    /// What people call it; may be empty.
    pub name: String,
    /// The function it calls, of any namespace.
    pub function: FunctionId,
    /// Which revision of it.
    pub selector: Selector,
    /// When it is due.
    pub schedule: Schedule,
    /// Not due before this.
    pub first_at: Option<Timestamp>,
    /// How often it fires; `None`: without end.
    pub count: Option<u32>,
    /// What it calls with.
    pub input: AsyncInput,
    /// About times that pass while the daemon is away; `None`: what is usual for the schedule.
    pub missed: Option<Missed>,
    /// About executions that take long.
    pub overlap: Overlap,
}

/// What is changed of a job; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct JobUpdate {
    /// Everything but the input.
    pub change: JobChange,
    /// Another input.
    pub input: Option<AsyncInput>,
}

impl App {
    /// Makes a job; it fires from its first time on.
    ///
    /// # Errors
    /// `NotFound` when the function is gone, `Invalid` for a schedule without a time to come and the like, `TooLarge`
    /// when the input is over the limit of asynchronous calls.
    pub async fn create_job(&self, new: NewJob) -> Result<Job, Error> {
        let now = self.now();
        self.check_selector(new.function, &new.selector).await?;
        within(new.input.body.len(), self.0.options.async_input_limit)?;
        let job = Job {
            id: JobId::generate(),
            namespace: new.namespace,
            name: new.name,
            function: new.function,
            selector: new.selector,
            missed: new.missed.unwrap_or_else(|| Missed::usual(&new.schedule)),
            schedule: new.schedule,
            first_at: new.first_at,
            count: new.count,
            state: JobState::Active,
            reason: None,
            overlap: new.overlap,
            next_at: None,
            last_at: None,
            last_execution: None,
            failures: 0,
            created_at: now,
            updated_at: now,
        };
        let job = job.begin(now)?;
        self.0.store.create_job(job.clone(), new.input).await?;
        self.0.jobs_changed.notify_one();
        Ok(job)
    }

    /// One job.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn job(&self, id: JobId) -> Result<Job, Error> {
        let found = self.0.store.job(id).await?;
        found.ok_or_else(|| no_such_job(&id.to_string()))
    }

    /// The one job of that name in a namespace.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` when there are several.
    pub async fn job_named(&self, namespace: &Namespace, name: &str) -> Result<Job, Error> {
        let filter = JobFilter {
            namespace: Some(namespace.clone()),
            name: Some(name.to_owned()),
            limit: Some(2),
            ..JobFilter::default()
        };
        let mut found = self.0.store.list_jobs(filter).await?;
        match (found.pop(), found.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(no_such_job(name)),
            (Some(_), Some(_)) => Err(Error::conflict(format!(
                "several jobs are called `{name}`: give the id"
            ))),
        }
    }

    /// What a job calls its function with.
    ///
    /// # Errors
    /// `NotFound` when there is no such job.
    pub async fn job_input(&self, id: JobId) -> Result<AsyncInput, Error> {
        let found = self.0.store.job_input(id).await?;
        found.ok_or_else(|| no_such_job(&id.to_string()))
    }

    /// Jobs, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_jobs(&self, filter: JobFilter) -> Result<Vec<Job>, Error> {
        Ok(self.0.store.list_jobs(filter).await?)
    }

    /// Changes a job; another schedule holds at once.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it is over, `Invalid` for what cannot be.
    pub async fn update_job(&self, id: JobId, update: JobUpdate) -> Result<Job, Error> {
        if let Some(selector) = &update.change.selector {
            self.check_selector(self.job(id).await?.function, selector).await?;
        }
        if let Some(input) = &update.input {
            within(input.body.len(), self.0.options.async_input_limit)?;
        }
        let event = JobEvent::Change(Box::new(update.change));
        self.tell_job(id, event, update.input).await.map(|(job, _)| job)
    }

    /// Stops a job from firing until it is resumed.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` unless it is active or paused.
    pub async fn pause_job(&self, id: JobId) -> Result<Job, Error> {
        self.tell_job(id, JobEvent::Pause, None).await.map(|(job, _)| job)
    }

    /// Lets a paused job, or a failed one whose fault was mended, fire again from its next time on.
    ///
    /// # Errors
    /// `NotFound`, of its function too; `Conflict` when it is over; `Invalid` when no time is to come.
    pub async fn resume_job(&self, id: JobId) -> Result<Job, Error> {
        self.tell_job(id, JobEvent::Resume, None).await.map(|(job, _)| job)
    }

    /// Ends a job for good; it stays to be looked at.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it is done.
    pub async fn cancel_job(&self, id: JobId) -> Result<Job, Error> {
        self.tell_job(id, JobEvent::Cancel, None).await.map(|(job, _)| job)
    }

    /// Fires a job now, apart from its schedule and its count.
    ///
    /// # Errors
    /// `NotFound`, of its function too; `Conflict` when it is cancelled or has failed.
    pub async fn fire_job(&self, id: JobId) -> Result<(Job, ExecutionId), Error> {
        let (job, execution) = self.tell_job(id, JobEvent::Fire, None).await?;
        self.0.queued.notify_one();
        execution
            .map(|execution| (job, execution))
            .ok_or_else(|| Error::conflict("the job did not fire: look at its state"))
    }

    /// Removes a job; the executions it made stay.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete_job(&self, id: JobId) -> Result<(), Error> {
        match self.0.store.delete_job(id).await? {
            true => Ok(()),
            false => Err(no_such_job(&id.to_string())),
        }
    }

    /// Fires a batch of the jobs that are due. True when there may be more.
    ///
    /// # Errors
    /// When the store cannot be written; nothing has fired then.
    pub async fn fire_due_jobs(&self) -> Result<bool, Error> {
        let present_since = self.0.started.minus(RESTART);
        let claimed = self.0.store.claim_due(BATCH, present_since, self.now()).await?;
        for (id, reason) in &claimed.failed {
            tracing::warn!(job.id = %id, "Job {id} cannot fire any more: {reason}");
        }
        super::metrics::fired(claimed.fired.len());
        if !claimed.fired.is_empty() {
            self.0.queued.notify_one();
        }
        Ok(claimed.n_due >= usize::try_from(BATCH).unwrap_or(usize::MAX))
    }

    /// Waits until the next job is due, or until jobs have changed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_job(&self) -> Result<(), Error> {
        // A permit is kept for us, so a change between the look and the wait is not lost.
        let changed = self.0.jobs_changed.notified();
        let next = self.0.store.next_job_at().await?;
        let due = async {
            match next {
                Some(at) => self.0.clock.until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = due => {}
        }
        Ok(())
    }

    async fn tell_job(
        &self,
        id: JobId,
        event: JobEvent,
        input: Option<AsyncInput>,
    ) -> Result<(Job, Option<ExecutionId>), Error> {
        let told = self.0.store.change_job(id, event, input, self.now()).await?;
        let told = told.ok_or_else(|| no_such_job(&id.to_string()))??;
        self.0.jobs_changed.notify_one();
        Ok(told)
    }
}

fn no_such_job(what: &str) -> Error {
    Error::not_found(format!(
        "there is no job `{}`: `hob jobs list` shows what there is",
        what.escape_debug()
    ))
}
