//! Executions: their SQL and their rows, and how a batch of records becomes statements.
//!
//! Every update towards an end names the states it may leave, so that an end is written once.

use super::callback;
use super::retry::{self, Known};
use super::writer::Writer;
use super::{AsyncInput, Error, Store, row};
use crate::domain::{
    CallbackUrl, Ending, Execution, ExecutionId, ExecutionState, FunctionId, Outcome, Retries, RevisionId, Selector,
    Temperature, Timestamp, Timings, is_private_header, kept_headers,
};
use rusqlite::{Connection, Row, named_params, params};
use std::collections::HashMap;
use std::sync::Arc;

/// What a row of an execution is read from.
pub(super) const COLUMNS: &str = "id, function, revision, selector, description, state, asynchronous, created_at_ms,
    started_at_ms, ended_at_ms, status, failure, message, temperature, queue_us, load_us, run_us, total_us";

/// What came of ending an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It had ended already, or is gone.
    Before,
    /// It was running until now.
    Now {
        /// By a retry or a callback.
        is_followed: bool,
    },
}

/// An asynchronous execution to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The call.
    pub id: ExecutionId,
    /// Which function.
    pub function: FunctionId,
    /// Which revision of it, found out when it runs.
    pub selector: Selector,
    /// What the caller wrote about it; may be empty.
    pub description: String,
    /// What it is called with.
    pub input: AsyncInput,
    /// What follows when it fails.
    pub retries: Retries,
    /// What the caller named it: the same call sent again is the same execution.
    pub key: Option<String>,
    /// Where its end is told.
    pub callback: Option<CallbackUrl>,
}

/// The start of a synchronous call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The call.
    pub id: ExecutionId,
    /// Which function.
    pub function: FunctionId,
    /// Which revision serves it.
    pub revision: RevisionId,
    /// What the caller asked for.
    pub selector: Selector,
    /// What the caller wrote about it; may be empty.
    pub description: String,
    /// What it is called with, where that is to be kept.
    pub input: Option<Box<AsyncInput>>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Timestamp,
}

/// A record on its way to the writer.
#[derive(Debug)]
pub(super) enum Record {
    Started(Started),
    Ended(ExecutionId, Box<Ending>),
}

impl Store {
    /// Hands over the start of a synchronous call. Waits only while the queue is full, and not for the disk;
    /// while the disk refuses, the queue stays full: give it a deadline.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn record_started(&self, started: Started) -> Result<(), Error> {
        self.writer().record(Record::Started(started)).await
    }

    /// Hands over the end of a call, as [`Store::record_started`] does its start. An end after an end is ignored.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn record_ended(&self, id: ExecutionId, ending: Ending) -> Result<(), Error> {
        let record = Record::Ended(id, Box::new(ending));
        self.writer().record(record).await
    }

    /// Accepts an asynchronous execution: once this returns it will run, whatever happens to the daemon. Answers its
    /// identity, or that of the execution which the same call was before.
    ///
    /// # Errors
    /// `NotFound` when the function is gone, `Duplicate` when the id is taken, or the key by another call.
    pub async fn accept_async(&self, acceptance: Acceptance, now: Timestamp) -> Result<ExecutionId, Error> {
        self.write("accept an execution", move |c| {
            let new = acceptance;
            if let Some(key) = &new.key {
                match retry::known(c, new.function, key, &new.input)? {
                    Known::No => {}
                    Known::Same(id) => return Ok(id),
                    Known::Other => {
                        return Err(Error::Duplicate {
                            constraint: "Idempotency-Key, used for a call with another input,",
                        });
                    }
                }
            }
            accept(c, new.id, new.function, &new.selector, &new.description, now)?;
            insert_input(c, new.id, &new.input)?;
            retry::note(c, new.id, new.retries, now)?;
            callback::note(c, new.id, new.callback.as_ref())?;
            if let Some(key) = &new.key {
                retry::remember(c, new.function, key, new.id)?;
            }
            Ok(new.id)
        })
        .await
    }

    /// Takes queued executions to run them; each is handed out once. Those meant for what serves get the revision that
    /// does; the others get theirs by [`Store::place_execution`].
    /// Order: oldest first.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is taken then.
    pub async fn claim_queued(&self, limit: u32, now: Timestamp) -> Result<Vec<(Execution, AsyncInput)>, Error> {
        self.write("claim executions", move |c| Ok(claim(c, limit, now)?)).await
    }

    /// Notes which revision serves a running execution; `false` when it has ended, or is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn place_execution(&self, id: ExecutionId, revision: RevisionId) -> Result<bool, Error> {
        self.write("place an execution", move |c| {
            let sql = "update execution set revision = :revision where id = :id and state = 'running'";
            let params = named_params! {":id": id.as_bytes(), ":revision": revision.as_bytes()};
            Ok(row::change(c, sql, params)? > 0)
        })
        .await
    }

    /// Ends an execution and waits for the commit.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_async(&self, id: ExecutionId, ending: impl Into<Arc<Ending>>) -> Result<Ended, Error> {
        let ending = ending.into();
        self.write("end an execution", move |c| {
            let mut ended = match end(c, id, &ending)? {
                true => Ended::Now { is_followed: false },
                false => Ended::Before,
            };
            if let Ended::Now { is_followed } = &mut ended {
                let again = retry::follow(c, id, &ending.outcome, ending.at)?;
                *is_followed = callback::ended(c, id, &ending.headers, ending.at)? || again;
            }
            forget_secrets(c, id)?;
            Ok(ended)
        })
        .await
    }

    /// Cancels an execution that has not started; `false` when it has, or is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn cancel_queued(&self, id: ExecutionId, now: Timestamp) -> Result<bool, Error> {
        self.write("cancel an execution", move |c| {
            let sql = "update execution set state = 'cancelled', ended_at_ms = :now
                       where id = :id and state = 'queued'";
            let params = named_params! {":id": id.as_bytes(), ":now": now.as_millis()};
            let cancelled = row::change(c, sql, params)? > 0;
            if cancelled {
                callback::ended(c, id, &[], now)?;
                forget_secrets(c, id)?;
            }
            Ok(cancelled)
        })
        .await
    }

    /// The execution of that identity, if there is one. A record still on its way is not seen: [`Store::flush`] first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, Error> {
        let sql = format!("select {COLUMNS} from execution where id = :id");
        self.read("read an execution", move |c| {
            row::maybe(c, &sql, named_params! {":id": id.as_bytes()}, read)
        })
        .await
    }

    /// What it printed; `None` when it printed nothing, has not ended or is gone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn execution_log(&self, id: ExecutionId) -> Result<Option<Vec<u8>>, Error> {
        let sql = "select log from execution_log where execution = :id";
        self.read("read a log", move |c| {
            row::maybe(c, sql, named_params! {":id": id.as_bytes()}, |r| r.get(0))
        })
        .await
    }

    /// The answer's body, where it was kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn execution_result(&self, id: ExecutionId) -> Result<Option<Vec<u8>>, Error> {
        self.read("read a result", move |c| result(c, id)).await
    }

    /// What an execution was called with, where that was kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn execution_input(&self, id: ExecutionId) -> Result<Option<AsyncInput>, Error> {
        self.read("read an input", move |c| input(c, id)).await
    }

    /// Ends what was running when the daemon stopped, as an error with this message; what is queued stays.
    /// For start-up, before anything runs. Returns how many there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_interrupted(&self, now: Timestamp, message: String) -> Result<usize, Error> {
        self.write("end interrupted executions", move |c| {
            let sql = "update execution set state = 'error', ended_at_ms = :now, message = :message
                       where state in ('queued', 'running') and state = 'running'";
            let params = named_params! {":now": now.as_millis(), ":message": message};
            let interrupted = Outcome::Error {
                message: message.clone(),
            };
            let running = running(c)?;
            let ended = row::change(c, sql, params)?;
            for id in running {
                retry::follow(c, id, &interrupted, now)?;
                callback::ended(c, id, &[], now)?;
                forget_secrets(c, id)?;
            }
            Ok(ended)
        })
        .await
    }

    fn writer(&self) -> &Writer {
        &self.inner.writer
    }
}

/// What is left of a batch of records once those of one call have met.
enum Change<'a> {
    Start(&'a Started),
    Whole(&'a Started, &'a Ending),
    End(ExecutionId, &'a Ending),
}

/// Writes a batch of records. A record no table will ever take (its function is gone) is let go.
pub(super) fn write_records(connection: &Connection, records: &[Record]) -> Result<(), Error> {
    for change in fold(records) {
        match apply(connection, &change) {
            Err(error) if Error::is_constraint(&error) => {
                tracing::debug!(%error, "An execution's record is let go: what it belongs to is gone");
            }
            done => done?,
        }
    }
    Ok(())
}

/// Start and end of one call become one insert; the order stays that of the starts.
fn fold(records: &[Record]) -> Vec<Change<'_>> {
    let mut changes = Vec::with_capacity(records.len());
    let mut starts: HashMap<ExecutionId, (usize, &Started)> = HashMap::new();
    for record in records {
        match record {
            Record::Started(started) => {
                starts.insert(started.id, (changes.len(), started));
                changes.push(Change::Start(started));
            }
            Record::Ended(id, ending) => match starts.remove(id) {
                Some((at, started)) => changes[at] = Change::Whole(started, ending),
                None => changes.push(Change::End(*id, ending)),
            },
        }
    }
    changes
}

fn apply(connection: &Connection, change: &Change<'_>) -> rusqlite::Result<()> {
    match change {
        Change::Start(started) => insert_running(connection, started),
        Change::Whole(started, ending) => insert_whole(connection, started, ending),
        Change::End(id, ending) => end(connection, *id, ending).map(drop),
    }
}

fn insert_running(connection: &Connection, started: &Started) -> rusqlite::Result<()> {
    let sql = "insert into execution
                   (id, function, revision, selector, description, state, asynchronous, created_at_ms, started_at_ms)
               values (:id, :function, :revision, :selector, :description, 'running', 0, :created_at, :started_at)";
    let params = named_params! {
        ":id": started.id.as_bytes(),
        ":function": started.function.as_bytes(),
        ":revision": started.revision.as_bytes(),
        ":selector": selector_column(&started.selector),
        ":description": description_column(&started.description),
        ":created_at": started.created_at.as_millis(),
        ":started_at": started.started_at.as_millis(),
    };
    row::change(connection, sql, params)?;
    keep_input(connection, started)
}

/// Written for every call: its columns go by their place, which spares looking up their names.
fn insert_whole(c: &Connection, started: &Started, ending: &Ending) -> rusqlite::Result<()> {
    let sql = "insert into execution (asynchronous, id, function, revision, selector, description, state,
                   created_at_ms, started_at_ms, ended_at_ms, status, failure, message, temperature,
                   queue_us, load_us, run_us, total_us)
               values (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let end = EndColumns::of(ending);
    let params = params![
        started.id.as_bytes(),
        started.function.as_bytes(),
        started.revision.as_bytes(),
        selector_column(&started.selector),
        description_column(&started.description),
        ending.outcome.state().as_str(),
        started.created_at.as_millis(),
        started.started_at.as_millis(),
        ending.at.as_millis(),
        end.status,
        end.failure,
        end.message,
        ending.temperature.map(Temperature::as_str),
        micros(ending.timings.queue_us),
        micros(ending.timings.load_us),
        micros(ending.timings.run_us),
        micros(ending.timings.total_us),
    ];
    row::change(c, sql, params)?;
    keep_input(c, started)?;
    keep_output(c, started.id, ending)
}

/// Writes an end, unless there is one; `false` then.
fn end(connection: &Connection, id: ExecutionId, ending: &Ending) -> rusqlite::Result<bool> {
    let sql = "update execution set state = :state, ended_at_ms = :ended_at, status = :status,
                   failure = :failure, message = :message, temperature = :temperature,
                   queue_us = :queue_us, load_us = :load_us, run_us = :run_us, total_us = :total_us
               where id = :id and state in ('queued', 'running')";
    let end = EndColumns::of(ending);
    let params = named_params! {
        ":id": id.as_bytes(),
        ":state": ending.outcome.state().as_str(),
        ":ended_at": ending.at.as_millis(),
        ":status": end.status,
        ":failure": end.failure,
        ":message": end.message,
        ":temperature": ending.temperature.map(Temperature::as_str),
        ":queue_us": micros(ending.timings.queue_us),
        ":load_us": micros(ending.timings.load_us),
        ":run_us": micros(ending.timings.run_us),
        ":total_us": micros(ending.timings.total_us),
    };
    let ended = row::change(connection, sql, params)? > 0;
    if ended {
        keep_output(connection, id, ending)?;
    }
    Ok(ended)
}

/// What nearly every call has is stored as nothing.
fn selector_column(selector: &Selector) -> Option<String> {
    (*selector != Selector::Current).then(|| selector.to_string())
}

fn description_column(description: &str) -> Option<&str> {
    (!description.is_empty()).then_some(description)
}

fn keep_input(c: &Connection, started: &Started) -> rusqlite::Result<()> {
    started
        .input
        .as_ref()
        .map_or(Ok(()), |input| insert_input(c, started.id, input))
}

fn keep_output(c: &Connection, id: ExecutionId, ending: &Ending) -> rusqlite::Result<()> {
    if !ending.log.is_empty() {
        let sql = "insert into execution_log (execution, log) values (:id, :log)";
        let params = named_params! {":id": id.as_bytes(), ":log": ending.log};
        row::change(c, sql, params)?;
    }
    if let Some(result) = &ending.result {
        let sql = "insert into execution_result (execution, result) values (:id, :result)";
        let params = named_params! {":id": id.as_bytes(), ":result": result};
        row::change(c, sql, params)?;
    }
    match &ending.late_input {
        None => Ok(()),
        Some(input) => insert_input(c, id, input),
    }
}

fn running(c: &Connection) -> rusqlite::Result<Vec<ExecutionId>> {
    let sql = "select id from execution where state in ('queued', 'running') and state = 'running'";
    row::all(c, sql, [], |r| row::id(r, "id", ExecutionId::from_bytes))
}

/// An asynchronous call needs its headers until it runs; its record never shows those that open doors.
fn forget_secrets(c: &Connection, id: ExecutionId) -> rusqlite::Result<()> {
    let Some(input) = input(c, id)? else {
        return Ok(());
    };
    if !input.headers.iter().any(|(name, _)| is_private_header(name)) {
        return Ok(());
    }
    let sql = "update execution_input set headers = :headers where execution = :id";
    let headers = headers_text(&kept_headers(&input.headers))?;
    row::change(c, sql, named_params! {":id": id.as_bytes(), ":headers": headers}).map(drop)
}

/// An outcome as columns.
#[derive(Default)]
struct EndColumns<'a> {
    status: Option<u16>,
    failure: Option<&'a str>,
    message: Option<&'a str>,
}

impl<'a> EndColumns<'a> {
    fn of(ending: &'a Ending) -> Self {
        match &ending.outcome {
            Outcome::Succeeded { status } => Self {
                status: Some(*status),
                ..Self::default()
            },
            Outcome::Failed { kind, message } => Self {
                failure: Some(kind),
                message: Some(message),
                ..Self::default()
            },
            Outcome::Error { message } => Self {
                message: Some(message),
                ..Self::default()
            },
            Outcome::Cancelled => Self::default(),
        }
    }
}

/// Writes a queued execution; its input is for the caller to write beside it, in the same transaction.
pub(super) fn accept(
    c: &Connection,
    id: ExecutionId,
    function: FunctionId,
    selector: &Selector,
    description: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "insert into execution (id, function, selector, description, state, asynchronous, created_at_ms)
               values (:id, :function, :selector, :description, 'queued', 1, :now)";
    let params = named_params! {
        ":id": id.as_bytes(),
        ":function": function.as_bytes(),
        ":selector": selector_column(selector),
        ":description": description_column(description),
        ":now": now.as_millis(),
    };
    row::change(c, sql, params).map(drop)
}

fn insert_input(c: &Connection, id: ExecutionId, input: &AsyncInput) -> rusqlite::Result<()> {
    let sql = "insert into execution_input (execution, method, path, query, headers, body)
               values (:id, :method, :path, :query, :headers, :body)";
    let params = named_params! {
        ":id": id.as_bytes(),
        ":method": input.method,
        ":path": input.path,
        ":query": input.query,
        ":headers": headers_text(&input.headers)?,
        ":body": input.body,
    };
    row::change(c, sql, params).map(drop)
}

fn claim(c: &Connection, limit: u32, now: Timestamp) -> rusqlite::Result<Vec<(Execution, AsyncInput)>> {
    let sql = format!(
        "update execution set state = 'running', started_at_ms = :now,
             revision = (select current from function
                         where function.id = execution.function and execution.selector is null)
         where state = 'queued' and id in (
             select id from execution
             where state in ('queued', 'running') and state = 'queued'
                 and not exists (select 1 from retry where execution = id and due_at_ms > :now)
             order by id limit :limit)
         returning {COLUMNS}"
    );
    let params = named_params! {":now": now.as_millis(), ":limit": limit};
    let mut claimed = row::all(c, &sql, params, read)?;
    claimed.sort_by_key(|execution| execution.id);
    let with_input = |execution: Execution| {
        let found = input(c, execution.id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        Ok((execution, found))
    };
    claimed.into_iter().map(with_input).collect()
}

pub(super) fn result(connection: &Connection, id: ExecutionId) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "select result from execution_result where execution = :id";
    row::maybe(connection, sql, named_params! {":id": id.as_bytes()}, |r| r.get(0))
}

pub(super) fn input(connection: &Connection, id: ExecutionId) -> rusqlite::Result<Option<AsyncInput>> {
    let sql = "select method, path, query, headers, body from execution_input
               where execution = :id";
    row::maybe(connection, sql, named_params! {":id": id.as_bytes()}, read_input)
}

/// The columns of an input, of an execution or of a job.
pub(super) fn read_input(row: &Row<'_>) -> rusqlite::Result<AsyncInput> {
    Ok(AsyncInput {
        method: row.get("method")?,
        path: row.get("path")?,
        query: row.get("query")?,
        headers: row::checked(row, "headers", |t: String| serde_json::from_str(&t))?,
        body: row.get("body")?,
    })
}

/// Headers as one column.
pub(super) fn headers_text(headers: &[(String, String)]) -> rusqlite::Result<String> {
    serde_json::to_string(headers).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// One row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Execution> {
    Ok(Execution {
        id: row::id(row, "id", ExecutionId::from_bytes)?,
        function: row::id(row, "function", FunctionId::from_bytes)?,
        revision: row::maybe_id(row, "revision", RevisionId::from_bytes)?,
        selector: row::checked(row, "selector", |t: Option<String>| {
            t.as_deref().map_or(Ok(Selector::Current), Selector::parse)
        })?,
        description: row.get::<_, Option<String>>("description")?.unwrap_or_default(),
        state: row::checked(row, "state", |t: String| {
            ExecutionState::parse(&t).ok_or_else(|| format!("no such state: {t}"))
        })?,
        asynchronous: row.get("asynchronous")?,
        created_at: row::time(row, "created_at_ms")?,
        started_at: row::maybe_time(row, "started_at_ms")?,
        ended_at: row::maybe_time(row, "ended_at_ms")?,
        status: row.get("status")?,
        failure: row.get("failure")?,
        message: row.get("message")?,
        temperature: row
            .get::<_, Option<String>>("temperature")?
            .and_then(|t| Temperature::parse(&t)),
        timings: timings(row)?,
    })
}

fn timings(row: &Row<'_>) -> rusqlite::Result<Timings> {
    let us = |column| row::checked(row, column, |us: i64| u64::try_from(us));
    Ok(Timings {
        queue_us: us("queue_us")?,
        load_us: us("load_us")?,
        run_us: us("run_us")?,
        total_us: us("total_us")?,
    })
}

fn micros(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}
