//! A job: a function on a schedule, and the one place that decides what becomes of it.
//!
//! Pure: an event and the time in, the job's new shape and whether to fire out. It does not know how a fire is made,
//! nor when somebody looks; it only keeps a time from being used twice.

use super::{Error, ExecutionId, ExecutionState, FunctionId, JobId, Namespace, Schedule, Selector, Timestamp};

/// The longest name. Unit: bytes.
const LONGEST_NAME: usize = 255;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// It fires when it is due.
    Active,
    /// It waits for somebody to resume it.
    Paused,
    /// It has fired as often as it should, or its schedule has no further time.
    Done,
    /// Ended on request.
    Cancelled,
    /// It cannot fire; the job's reason says why.
    Failed,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Paused, Self::Done, Self::Cancelled, Self::Failed];

    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The state of that name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether nothing brings it back.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// What to do about times that passed while the daemon was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missed {
    /// Nothing: the next time is the next one.
    Skip,
    /// Fire once, however many there were.
    Once,
}

impl Missed {
    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
        }
    }

    /// The one of that name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Skip, Self::Once].into_iter().find(|m| m.as_str() == text)
    }

    /// What holds when nothing is said: a job with one time only would otherwise never fire.
    #[must_use]
    pub fn usual(schedule: &Schedule) -> Self {
        match schedule {
            Schedule::Once(_) => Self::Once,
            Schedule::Cron(_) | Schedule::Every(_) | Schedule::Unreadable { .. } => Self::Skip,
        }
    }
}

/// What to do when it is due and its last execution has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// Fire all the same.
    #[default]
    Allow,
    /// Leave this time out.
    Skip,
}

impl Overlap {
    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
        }
    }

    /// The one of that name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::Skip].into_iter().find(|o| o.as_str() == text)
    }
}

/// A function on a schedule. What it calls with is kept beside it: no decision needs that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identity; later jobs sort later.
    pub id: JobId,
    /// Whose it is.
    pub namespace: Namespace,
    /// What people call it; need not be unique, may be empty.
    pub name: String,
    /// The function it calls.
    pub function: FunctionId,
    /// Which revision of it; looked up at each fire.
    pub selector: Selector,
    /// When it is due.
    pub schedule: Schedule,
    /// Not due before this.
    pub first_at: Option<Timestamp>,
    /// How often it still fires; `None`: without end.
    pub count: Option<u32>,
    /// Where it stands.
    pub state: JobState,
    /// Why it failed or ended early, in a sentence.
    pub reason: Option<String>,
    /// About times that passed while the daemon was away.
    pub missed: Missed,
    /// About executions that take longer than the time between two fires.
    pub overlap: Overlap,
    /// When it is due next. Paused jobs keep theirs; those that are over or failed have none.
    pub next_at: Option<Timestamp>,
    /// When it last fired.
    pub last_at: Option<Timestamp>,
    /// The execution it last made.
    pub last_execution: Option<ExecutionId>,
    /// How many of its executions in a row had failed when it was last due.
    pub failures: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When somebody last changed it.
    pub updated_at: Timestamp,
}

/// What a user may change of a job; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct JobChange {
    /// Another name.
    pub name: Option<String>,
    /// Another revision.
    pub selector: Option<Selector>,
    /// Another schedule; the next time follows from it.
    pub schedule: Option<Schedule>,
    /// Another first time.
    pub first_at: Option<Timestamp>,
    /// How often it still fires; `Some(None)`: without end.
    pub count: Option<Option<u32>>,
    /// Another policy.
    pub missed: Option<Missed>,
    /// Another policy.
    pub overlap: Option<Overlap>,
    /// The next time, whatever the schedule says; later ones follow from the schedule.
    pub next_at: Option<Timestamp>,
}

/// What happens to a job.
#[derive(Debug, Clone)]
pub enum JobEvent {
    /// Somebody looks whether it is due.
    Due {
        /// Times before this passed while the daemon was away.
        present_since: Timestamp,
        /// Where its last execution stands, if that is known.
        last: Option<ExecutionState>,
    },
    /// Fire now, apart from the schedule.
    Fire,
    /// Stop firing until resumed.
    Pause,
    /// Fire again, from the next time on.
    Resume,
    /// End it.
    Cancel,
    /// Change it.
    Change(Box<JobChange>),
    /// Its function was deleted.
    FunctionGone,
}

/// What is to be done after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobCommand {
    /// Call the function now; tell the job with [`Job::fired`].
    Fire,
}

impl Job {
    /// Checks a new job and finds its first time after `now`.
    ///
    /// # Errors
    /// `Error::Invalid` for a name that is too long, a count of zero, or a schedule without a time to come.
    pub fn begin(mut self, now: Timestamp) -> Result<Self, Error> {
        check_name(&self.name)?;
        check_count(self.count)?;
        self.next_at = Some(self.first_time(now)?);
        self.state = JobState::Active;
        Ok(self)
    }

    /// The next `n` times, if nobody changes the job. Order: earliest first.
    #[must_use]
    pub fn next_times(&self, n: usize) -> Vec<Timestamp> {
        let left = self.count.map_or(n, |c| n.min(usize::try_from(c).unwrap_or(n)));
        let all = std::iter::successors(self.next_at, |t| self.schedule.next(*t));
        all.take(left).collect()
    }

    /// Takes an event in and says what is to be done.
    ///
    /// # Errors
    /// `Error::Conflict` when the job's state does not allow it, `Error::Invalid` for a change that cannot be.
    pub fn on(&mut self, event: JobEvent, now: Timestamp) -> Result<Option<JobCommand>, Error> {
        match event {
            JobEvent::Due { present_since, last } => return Ok(self.due(present_since, last, now)),
            JobEvent::Fire => return self.fire_now(),
            JobEvent::Pause => self.pause()?,
            JobEvent::Resume => self.resume(now)?,
            JobEvent::Cancel => self.cancel()?,
            JobEvent::Change(change) => self.change(*change, now)?,
            JobEvent::FunctionGone => self.function_gone(),
        }
        Ok(None)
    }

    /// The fire that was commanded has been made.
    pub fn fired(&mut self, execution: ExecutionId, now: Timestamp) {
        self.last_at = Some(now);
        self.last_execution = Some(execution);
    }

    fn due(&mut self, present_since: Timestamp, last: Option<ExecutionState>, now: Timestamp) -> Option<JobCommand> {
        let at = self.next_at.filter(|at| self.state == JobState::Active && *at <= now)?;
        if let Schedule::Unreadable { why, .. } = &self.schedule {
            let why = format!("its schedule cannot be read: {why}; give it another");
            self.fail(why);
            return None;
        }
        self.failures = failures(self.failures, last);
        let is_missed = at < present_since && self.missed == Missed::Skip;
        let is_busy = self.overlap == Overlap::Skip && last.is_some_and(|state| !state.is_terminal());
        let left_out = match (is_missed, is_busy) {
            (true, _) => Some("its last time passed while the daemon was not running"),
            (false, true) => Some("its last time came while the execution before had not ended"),
            (false, false) => None,
        };
        if left_out.is_none() {
            self.count = self.count.map(|left| left.saturating_sub(1));
        }
        self.go_on(now, left_out);
        left_out.is_none().then_some(JobCommand::Fire)
    }

    /// To the next time, or to the end. `left_out` says why the present time was not used.
    fn go_on(&mut self, now: Timestamp, left_out: Option<&str>) {
        self.next_at = self.schedule.next(now).filter(|_| self.count != Some(0));
        if self.next_at.is_none() {
            self.state = JobState::Done;
            self.reason = left_out.map(str::to_owned);
        }
    }

    fn fire_now(&self) -> Result<Option<JobCommand>, Error> {
        match self.state {
            JobState::Active | JobState::Paused | JobState::Done => Ok(Some(JobCommand::Fire)),
            JobState::Cancelled | JobState::Failed => Err(self.conflict("fire")),
        }
    }

    fn pause(&mut self) -> Result<(), Error> {
        match self.state {
            JobState::Active | JobState::Paused => {
                self.state = JobState::Paused;
                Ok(())
            }
            JobState::Done | JobState::Cancelled | JobState::Failed => Err(self.conflict("be paused")),
        }
    }

    fn resume(&mut self, now: Timestamp) -> Result<(), Error> {
        match self.state {
            JobState::Active => return Ok(()),
            JobState::Paused | JobState::Failed => {}
            JobState::Done | JobState::Cancelled => return Err(self.conflict("be resumed")),
        }
        let next = match self.next_at.filter(|at| *at > now) {
            Some(next) => next,
            None => self.first_time(now)?,
        };
        self.next_at = Some(next);
        self.reason = None;
        self.state = JobState::Active;
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), Error> {
        if self.state == JobState::Done {
            return Err(self.conflict("be cancelled"));
        }
        self.state = JobState::Cancelled;
        self.next_at = None;
        Ok(())
    }

    fn change(&mut self, change: JobChange, now: Timestamp) -> Result<(), Error> {
        if self.state.is_over() {
            return Err(self.conflict("be changed"));
        }
        change.name.as_deref().map_or(Ok(()), check_name)?;
        change.count.map_or(Ok(()), check_count)?;
        let moves = change.schedule.is_some() || change.first_at.is_some();
        self.name = change.name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.count = change.count.unwrap_or(self.count);
        self.missed = change.missed.unwrap_or(self.missed);
        self.overlap = change.overlap.unwrap_or(self.overlap);
        self.first_at = change.first_at.or(self.first_at);
        if let Some(selector) = change.selector {
            self.selector = selector;
        }
        if let Some(schedule) = change.schedule {
            self.schedule = schedule;
        }
        self.move_to(change.next_at, moves, now)
    }

    /// The next time after a change; a failed job gets none before it is resumed.
    fn move_to(&mut self, wanted: Option<Timestamp>, moves: bool, now: Timestamp) -> Result<(), Error> {
        let next = match wanted {
            Some(at) if at <= now => return Err(Error::invalid("the next time of a job lies in the future")),
            Some(at) => Some(at),
            None if moves => Some(self.first_time(now)?),
            None => self.next_at,
        };
        self.next_at = next.filter(|_| self.state != JobState::Failed);
        Ok(())
    }

    fn function_gone(&mut self) {
        if !self.state.is_over() {
            self.fail("its function was deleted".to_owned());
        }
    }

    fn fail(&mut self, reason: String) {
        self.state = JobState::Failed;
        self.reason = Some(reason);
        self.next_at = None;
    }

    fn first_time(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let just_before = |first: Timestamp| Timestamp::from_millis(first.as_millis().saturating_sub(1));
        let after = self.first_at.map_or(now, |first| just_before(first).max(now));
        self.schedule
            .next(after)
            .ok_or_else(|| Error::invalid("the schedule has no time to come: give another"))
    }

    fn conflict(&self, what: &str) -> Error {
        let hint = match self.state {
            JobState::Failed => ": change what is wrong and resume it",
            JobState::Done | JobState::Cancelled => ": create another",
            JobState::Active | JobState::Paused => "",
        };
        Error::conflict(format!(
            "job {} is {} and cannot {what}{hint}",
            self.id,
            self.state.as_str()
        ))
    }
}

fn failures(before: u32, last: Option<ExecutionState>) -> u32 {
    match last {
        Some(ExecutionState::Failed | ExecutionState::Error) => before.saturating_add(1),
        Some(ExecutionState::Succeeded) => 0,
        Some(ExecutionState::Queued | ExecutionState::Running | ExecutionState::Cancelled) | None => before,
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.len() <= LONGEST_NAME && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(
        "a job's name has at most 255 bytes and no control characters: choose another",
    ))
}

fn check_count(count: Option<u32>) -> Result<(), Error> {
    match count {
        Some(0) => Err(Error::invalid(
            "a job fires at least once: leave the count out to fire without end",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
