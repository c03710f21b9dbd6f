//! Jobs: their SQL and their rows. What becomes of a job is the domain's to say; here it is made to hold.
//!
//! A fire is one transaction: the job's next time and the accepted execution. A crash loses both or keeps both.

#[cfg(test)]
mod tests;

use super::{AsyncInput, Error, Store, execution, row};
use crate::domain::{
    ExecutionId, ExecutionState, FunctionId, Job, JobCommand, JobEvent, JobId, JobState, MADE_BY_JOB, Missed,
    Namespace, Overlap, Schedule, Selector, Timestamp,
};
use rusqlite::{Connection, Row, named_params};

const COLUMNS: &str = "id, namespace, name, function, selector, schedule, first_at_ms, count, state, reason,
    missed, overlap, next_at_ms, last_at_ms, last_execution, failures, created_at_ms, updated_at_ms";

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this namespace only.
    pub namespace: Option<Namespace>,
    /// Of this function only.
    pub function: Option<FunctionId>,
    /// In this state only.
    pub state: Option<JobState>,
    /// Of this name only.
    pub name: Option<String>,
    /// Newer than this one only: the last of the page before.
    pub after: Option<JobId>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What looking for due jobs led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// How many were due: as many as asked for means that there may be more.
    pub n_due: usize,
    /// The executions that were accepted, and whose they are. Order: that of their times.
    pub fired: Vec<(JobId, ExecutionId)>,
    /// Those that cannot fire any more, and why.
    pub failed: Vec<(JobId, String)>,
}

impl Store {
    /// Writes a new job down.
    ///
    /// # Errors
    /// `NotFound` when its function is gone.
    pub async fn create_job(&self, job: Job, input: AsyncInput) -> Result<(), Error> {
        self.write("create a job", move |c| {
            require_function(c, job.function)?;
            insert(c, &job)?;
            Ok(put_input(c, job.id, &input)?)
        })
        .await
    }

    /// The job of that identity, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, Error> {
        self.read("read a job", move |c| find(c, id)).await
    }

    /// What a job calls its function with.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn job_input(&self, id: JobId) -> Result<Option<AsyncInput>, Error> {
        let sql = "select method, path, query, headers, body from job_input where job = :id";
        self.read("read a job's input", move |c| {
            row::maybe(c, sql, named_params! {":id": id.as_bytes()}, execution::read_input)
        })
        .await
    }

    /// Jobs. Order: oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_jobs(&self, filter: JobFilter) -> Result<Vec<Job>, Error> {
        self.read("list jobs", move |c| list(c, &filter)).await
    }

    /// How many jobs fire when they are due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_active_jobs(&self) -> Result<u64, Error> {
        let sql = "select count(*) from job where state = 'active'";
        self.read("count jobs", move |c| {
            let count: Option<i64> = row::maybe(c, sql, [], |r| r.get(0))?;
            Ok(count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
        })
        .await
    }

    /// Takes an event to a job and writes down what comes of it, a fire included; with `input`, another input too.
    /// `None` when there is no such job; the inner error is the domain's refusal, and nothing has changed then.
    ///
    /// # Errors
    /// `NotFound` when it should fire or go on and its function is gone.
    pub async fn change_job(
        &self,
        id: JobId,
        event: JobEvent,
        input: Option<AsyncInput>,
        now: Timestamp,
    ) -> Result<Option<Result<(Job, Option<ExecutionId>), crate::domain::Error>>, Error> {
        self.write("change a job", move |c| {
            let Some(mut job) = find(c, id)? else {
                return Ok(None);
            };
            if matches!(event, JobEvent::Resume | JobEvent::Fire) {
                require_function(c, job.function)?;
            }
            let command = match job.on(event, now) {
                Ok(command) => command,
                Err(refused) => return Ok(Some(Err(refused))),
            };
            job.updated_at = now;
            let execution = carry_out(c, &mut job, command, now)?;
            update(c, &job)?;
            if let Some(input) = input {
                put_input(c, id, &input)?;
            }
            Ok(Some(Ok((job, execution))))
        })
        .await
    }

    /// Removes a job; its executions stay. `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_job(&self, id: JobId) -> Result<bool, Error> {
        self.write("delete a job", move |c| {
            let sql = "delete from job where id = :id";
            Ok(row::change(c, sql, named_params! {":id": id.as_bytes()})? > 0)
        })
        .await
    }

    /// Claims jobs that are due at `now`, at most `limit`: each goes to its next time, and the execution it makes is
    /// accepted in the same transaction. Times before `present_since` count as missed. Order: oldest time first.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is claimed then.
    pub async fn claim_due(&self, limit: u32, present_since: Timestamp, now: Timestamp) -> Result<Claimed, Error> {
        self.write("claim jobs", move |c| Ok(claim(c, limit, present_since, now)?))
            .await
    }

    /// When the next active job is due; `None` when none waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_job_at(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "select next_at_ms from job where state = 'active' order by next_at_ms limit 1";
        self.read("find the next job", move |c| {
            row::maybe(c, sql, [], |r| row::time(r, "next_at_ms"))
        })
        .await
    }
}

/// Tells the jobs of a function that it is gone, in the transaction that removes it.
pub(super) fn function_gone(connection: &Connection, function: FunctionId) -> rusqlite::Result<()> {
    let sql = format!("select {COLUMNS} from job where function = :function");
    for mut job in row::all(connection, &sql, named_params! {":function": function.as_bytes()}, read)? {
        // The domain refuses nothing here; if it ever did, the next claim would find the function missing.
        if job.on(JobEvent::FunctionGone, job.updated_at).is_ok() {
            update(connection, &job)?;
        }
    }
    Ok(())
}

fn claim(c: &Connection, limit: u32, present_since: Timestamp, now: Timestamp) -> rusqlite::Result<Claimed> {
    let sql = format!(
        "select {COLUMNS} from job where state = 'active' and next_at_ms <= :now
         order by next_at_ms, id limit :limit"
    );
    let due = each_readable_or_not(c, &sql, named_params! {":now": now.as_millis(), ":limit": limit})?;
    let mut claimed = Claimed {
        n_due: due.len(),
        ..Claimed::default()
    };
    for (id, job) in due {
        let mut job = match job {
            Ok(job) => job,
            Err(why) => {
                claimed.failed.push((id, fail_unread(c, id, &why)?));
                continue;
            }
        };
        let seen = job.next_at;
        let event = match exists(c, job.function)? {
            true => JobEvent::Due {
                present_since,
                last: last_state(c, &job)?,
            },
            false => JobEvent::FunctionGone,
        };
        let command = job.on(event, now).unwrap_or_default();
        let execution = carry_out(c, &mut job, command, now)?;
        move_on(c, &job, seen)?;
        claimed.fired.extend(execution.map(|execution| (job.id, execution)));
        if job.state == JobState::Failed {
            claimed.failed.push((job.id, job.reason.unwrap_or_default()));
        }
    }
    Ok(claimed)
}

/// Rows one by one, so that one which no program of ours wrote does not hide the others.
fn each_readable_or_not(
    c: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<(JobId, rusqlite::Result<Job>)>> {
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(params, |r| Ok((row::id(r, "id", JobId::from_bytes)?, read(r))))?;
    rows.collect()
}

fn fail_unread(c: &Connection, id: JobId, why: &rusqlite::Error) -> rusqlite::Result<String> {
    let reason = format!("its record cannot be read: {why}; delete it and create another");
    let sql = "update job set state = 'failed', reason = :reason, next_at_ms = null where id = :id";
    row::change(c, sql, named_params! {":id": id.as_bytes(), ":reason": reason})?;
    Ok(reason)
}

/// Makes the fire that was commanded, if one was: an accepted execution with the job's input.
fn carry_out(
    c: &Connection,
    job: &mut Job,
    command: Option<JobCommand>,
    now: Timestamp,
) -> rusqlite::Result<Option<ExecutionId>> {
    let Some(JobCommand::Fire) = command else {
        return Ok(None);
    };
    let id = ExecutionId::generate();
    let description = format!("{MADE_BY_JOB}{}", job.id);
    execution::accept(c, id, job.function, &job.selector, &description, now)?;
    let sql = "insert into execution_input (execution, method, path, query, headers, body)
               select :execution, method, path, query, headers, body from job_input where job = :job";
    row::change(
        c,
        sql,
        named_params! {":execution": id.as_bytes(), ":job": job.id.as_bytes()},
    )?;
    job.fired(id, now);
    Ok(Some(id))
}

fn last_state(c: &Connection, job: &Job) -> rusqlite::Result<Option<ExecutionState>> {
    let Some(last) = job.last_execution else {
        return Ok(None);
    };
    let sql = "select state from execution where id = :id";
    let state: Option<String> = row::maybe(c, sql, named_params! {":id": last.as_bytes()}, |r| r.get(0))?;
    Ok(state.and_then(|text| ExecutionState::parse(&text)))
}

fn exists(c: &Connection, function: FunctionId) -> rusqlite::Result<bool> {
    let sql = "select 1 from function where id = :id";
    let found = row::maybe(c, sql, named_params! {":id": function.as_bytes()}, |r| {
        r.get::<_, i64>(0)
    })?;
    Ok(found.is_some())
}

fn require_function(c: &Connection, function: FunctionId) -> Result<(), Error> {
    match exists(c, function)? {
        true => Ok(()),
        false => Err(Error::NotFound {
            what: "such function any more".to_owned(),
        }),
    }
}

fn find(connection: &Connection, id: JobId) -> rusqlite::Result<Option<Job>> {
    let sql = format!("select {COLUMNS} from job where id = :id");
    row::maybe(connection, &sql, named_params! {":id": id.as_bytes()}, read)
}

/// A condition that is left out still names its parameter, so that all texts take the same ones.
fn list(connection: &Connection, filter: &JobFilter) -> rusqlite::Result<Vec<Job>> {
    let given = |is_given: bool, yes: &'static str, no: &'static str| if is_given { yes } else { no };
    let conditions = [
        given(
            filter.namespace.is_some(),
            "namespace = :namespace",
            ":namespace is null",
        ),
        given(filter.function.is_some(), "function = :function", ":function is null"),
        given(filter.state.is_some(), "state = :state", ":state is null"),
        given(filter.name.is_some(), "name = :name", ":name is null"),
        given(filter.after.is_some(), "id > :after", ":after is null"),
    ]
    .join(" and ");
    let sql = format!("select {COLUMNS} from job where {conditions} order by id limit :limit");
    let params = named_params! {
        ":namespace": filter.namespace.as_ref().map(Namespace::as_str),
        ":function": filter.function.as_ref().map(FunctionId::as_bytes),
        ":state": filter.state.map(JobState::as_str),
        ":name": filter.name,
        ":after": filter.after.as_ref().map(JobId::as_bytes),
        // A negative limit is none.
        ":limit": filter.limit.map_or(-1, i64::from),
    };
    row::all(connection, &sql, params, read)
}

fn insert(connection: &Connection, job: &Job) -> rusqlite::Result<()> {
    let sql = format!(
        "insert into job ({COLUMNS}) values (:id, :namespace, :name, :function, :selector, :schedule, :first_at,
             :count, :state, :reason, :missed, :overlap, :next_at, :last_at, :last_execution, :failures,
             :created_at, :updated_at)"
    );
    let params = named_params! {
        ":id": job.id.as_bytes(),
        ":namespace": job.namespace.as_str(),
        ":name": job.name,
        ":function": job.function.as_bytes(),
        ":selector": job.selector.to_string(),
        ":schedule": job.schedule.to_string(),
        ":first_at": job.first_at.map(Timestamp::as_millis),
        ":count": job.count,
        ":state": job.state.as_str(),
        ":reason": job.reason,
        ":missed": job.missed.as_str(),
        ":overlap": job.overlap.as_str(),
        ":next_at": job.next_at.map(Timestamp::as_millis),
        ":last_at": job.last_at.map(Timestamp::as_millis),
        ":last_execution": job.last_execution.as_ref().map(ExecutionId::as_bytes),
        ":failures": job.failures,
        ":created_at": job.created_at.as_millis(),
        ":updated_at": job.updated_at.as_millis(),
    };
    row::change(connection, &sql, params).map(drop)
}

/// Everything that may have changed, after an event somebody asked for.
fn update(connection: &Connection, job: &Job) -> rusqlite::Result<()> {
    let sql = "update job set name = :name, selector = :selector, schedule = :schedule, first_at_ms = :first_at,
                   count = :count, state = :state, reason = :reason, missed = :missed, overlap = :overlap,
                   next_at_ms = :next_at, last_at_ms = :last_at, last_execution = :last_execution,
                   failures = :failures, updated_at_ms = :updated_at
               where id = :id";
    let params = named_params! {
        ":id": job.id.as_bytes(),
        ":name": job.name,
        ":selector": job.selector.to_string(),
        ":schedule": job.schedule.to_string(),
        ":first_at": job.first_at.map(Timestamp::as_millis),
        ":count": job.count,
        ":state": job.state.as_str(),
        ":reason": job.reason,
        ":missed": job.missed.as_str(),
        ":overlap": job.overlap.as_str(),
        ":next_at": job.next_at.map(Timestamp::as_millis),
        ":last_at": job.last_at.map(Timestamp::as_millis),
        ":last_execution": job.last_execution.as_ref().map(ExecutionId::as_bytes),
        ":failures": job.failures,
        ":updated_at": job.updated_at.as_millis(),
    };
    row::change(connection, sql, params).map(drop)
}

/// What a claim changes, if the time is still the one that was seen: no time is used twice, whoever else looks.
fn move_on(connection: &Connection, job: &Job, seen: Option<Timestamp>) -> rusqlite::Result<()> {
    let sql = "update job set state = :state, reason = :reason, count = :count, next_at_ms = :next_at,
                   last_at_ms = :last_at, last_execution = :last_execution, failures = :failures
               where id = :id and state = 'active' and next_at_ms = :seen";
    let params = named_params! {
        ":id": job.id.as_bytes(),
        ":state": job.state.as_str(),
        ":reason": job.reason,
        ":count": job.count,
        ":next_at": job.next_at.map(Timestamp::as_millis),
        ":last_at": job.last_at.map(Timestamp::as_millis),
        ":last_execution": job.last_execution.as_ref().map(ExecutionId::as_bytes),
        ":failures": job.failures,
        ":seen": seen.map(Timestamp::as_millis),
    };
    match row::change(connection, sql, params)? {
        1 => Ok(()),
        // Undoes the whole claim, with the execution it accepted.
        _ => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

fn put_input(connection: &Connection, id: JobId, input: &AsyncInput) -> rusqlite::Result<()> {
    let sql = "insert into job_input (job, method, path, query, headers, body)
               values (:id, :method, :path, :query, :headers, :body)
               on conflict (job) do update set method = excluded.method, path = excluded.path,
                   query = excluded.query, headers = excluded.headers, body = excluded.body";
    let params = named_params! {
        ":id": id.as_bytes(),
        ":method": input.method,
        ":path": input.path,
        ":query": input.query,
        ":headers": execution::headers_text(&input.headers)?,
        ":body": input.body,
    };
    row::change(connection, sql, params).map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Job> {
    let word = |what: &str, text: &str| format!("no such {what}: {text}");
    Ok(Job {
        id: row::id(row, "id", JobId::from_bytes)?,
        namespace: row::checked(row, "namespace", |t: String| Namespace::parse(&t))?,
        name: row.get("name")?,
        function: row::id(row, "function", FunctionId::from_bytes)?,
        selector: row::checked(row, "selector", |t: String| Selector::parse(&t))?,
        schedule: Schedule::from_stored(&row.get::<_, String>("schedule")?),
        first_at: row::maybe_time(row, "first_at_ms")?,
        count: row.get("count")?,
        state: row::checked(row, "state", |t: String| {
            JobState::parse(&t).ok_or_else(|| word("state", &t))
        })?,
        reason: row.get("reason")?,
        missed: row::checked(row, "missed", |t: String| {
            Missed::parse(&t).ok_or_else(|| word("policy", &t))
        })?,
        overlap: row::checked(row, "overlap", |t: String| {
            Overlap::parse(&t).ok_or_else(|| word("policy", &t))
        })?,
        next_at: row::maybe_time(row, "next_at_ms")?,
        last_at: row::maybe_time(row, "last_at_ms")?,
        last_execution: row::maybe_id(row, "last_execution", ExecutionId::from_bytes)?,
        failures: row.get("failures")?,
        created_at: row::time(row, "created_at_ms")?,
        updated_at: row::time(row, "updated_at_ms")?,
    })
}
