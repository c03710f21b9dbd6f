//! Tries: what follows an asynchronous call that failed, and calls that were sent twice.
//!
//! What follows is written in the transaction that ends the try: none is lost, and none is made twice.

use super::execution::{accept, input};
use super::{AsyncInput, Error, Store, callback, row};
use crate::domain::{ExecutionId, FunctionId, Next, Outcome, Retries, Selector, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use std::time::Duration;

/// One try, as it is kept.
struct Try {
    first: ExecutionId,
    attempt: u32,
    retries: Retries,
}

impl Store {
    /// When the next try that waits may run; `None` when none waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_retry_at(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "select min(due_at_ms) from retry join execution on id = execution
                   where state in ('queued', 'running') and state = 'queued'";
        self.read("look for the next try", move |c| {
            let found: Option<Option<i64>> = c.prepare_cached(sql)?.query_row([], |r| r.get(0)).optional()?;
            Ok(found.flatten().map(Timestamp::from_millis))
        })
        .await
    }
}

/// Notes that a call may be tried again; nothing is kept of one that may not.
pub(super) fn note(c: &Connection, id: ExecutionId, retries: Retries, now: Timestamp) -> rusqlite::Result<()> {
    if retries.left() == 0 {
        return Ok(());
    }
    let first = Try {
        first: id,
        attempt: 1,
        retries,
    };
    insert(c, id, &first, now)
}

/// What follows a try that has just ended, by the rules of the domain.
pub(super) fn follow(c: &Connection, id: ExecutionId, outcome: &Outcome, now: Timestamp) -> rusqlite::Result<bool> {
    let Some(ended) = find(c, id)? else {
        return Ok(false);
    };
    match ended.retries.after(outcome) {
        Next::Nothing => Ok(false),
        Next::Dead => bury(c, id).map(|()| false),
        Next::Again { wait, then } => {
            let next = Try {
                attempt: ended.attempt + 1,
                retries: then,
                ..ended
            };
            again(c, id, &next, now, now.plus(wait)).map(|()| true)
        }
    }
}

fn again(c: &Connection, id: ExecutionId, next: &Try, now: Timestamp, due: Timestamp) -> rusqlite::Result<()> {
    let sql = "select function, selector from execution where id = :id";
    let read = |r: &Row<'_>| {
        let function = row::id(r, "function", FunctionId::from_bytes)?;
        let selector = row::checked(r, "selector", |t: Option<String>| {
            t.as_deref().map_or(Ok(Selector::Current), Selector::parse)
        })?;
        Ok((function, selector))
    };
    let Some((function, selector)) = row::maybe(c, sql, named_params! {":id": id.as_bytes()}, read)? else {
        return Ok(());
    };
    let new = ExecutionId::generate();
    let description = format!("Try {} of {}", next.attempt, next.first);
    accept(c, new, function, &selector, &description, now)?;
    let copy = "insert into execution_input (execution, method, path, query, headers, body)
                select :new, method, path, query, headers, body from execution_input where execution = :id";
    row::change(c, copy, named_params! {":new": new.as_bytes(), ":id": id.as_bytes()})?;
    callback::follow(c, id, new)?;
    insert(c, new, next, due)
}

fn insert(c: &Connection, id: ExecutionId, one: &Try, due: Timestamp) -> rusqlite::Result<()> {
    let sql = "insert into retry (execution, first, attempt, left, backoff_ms, due_at_ms)
               values (:id, :first, :attempt, :left, :backoff, :due)";
    let params = named_params! {
        ":id": id.as_bytes(),
        ":first": one.first.as_bytes(),
        ":attempt": one.attempt,
        ":left": one.retries.left(),
        ":backoff": i64::try_from(one.retries.backoff().as_millis()).unwrap_or(i64::MAX),
        ":due": due.as_millis(),
    };
    row::change(c, sql, params).map(drop)
}

fn find(c: &Connection, id: ExecutionId) -> rusqlite::Result<Option<Try>> {
    let sql = "select first, attempt, left, backoff_ms from retry where execution = :id";
    row::maybe(c, sql, named_params! {":id": id.as_bytes()}, |r| {
        let left = r.get("left")?;
        let backoff = row::checked(r, "backoff_ms", |ms: i64| u64::try_from(ms))?;
        Ok(Try {
            first: row::id(r, "first", ExecutionId::from_bytes)?,
            attempt: r.get("attempt")?,
            retries: Retries::new(left, Duration::from_millis(backoff)).unwrap_or(Retries::NONE),
        })
    })
}

fn bury(c: &Connection, id: ExecutionId) -> rusqlite::Result<()> {
    let sql = "update retry set dead = 1 where execution = :id";
    row::change(c, sql, named_params! {":id": id.as_bytes()}).map(drop)
}

/// What a call's key leads to already.
pub(super) enum Known {
    /// Nothing.
    No,
    /// The same call.
    Same(ExecutionId),
    /// A call with another input.
    Other,
}

/// Looks a key up. The headers are not compared: those that open doors are not kept.
pub(super) fn known(c: &Connection, function: FunctionId, key: &str, sent: &AsyncInput) -> rusqlite::Result<Known> {
    let sql = "select execution from idempotency where function = :function and key = :key";
    let params = named_params! {":function": function.as_bytes(), ":key": key};
    let found = row::maybe(c, sql, params, |r| row::id(r, "execution", ExecutionId::from_bytes))?;
    let Some(id) = found else {
        return Ok(Known::No);
    };
    let same = input(c, id)?.is_none_or(|kept| {
        let parts = |i: &AsyncInput| (i.method.clone(), i.path.clone(), i.query.clone());
        parts(&kept) == parts(sent) && kept.body == sent.body
    });
    Ok(if same { Known::Same(id) } else { Known::Other })
}

/// Remembers a call by its key, as long as its record is kept.
pub(super) fn remember(c: &Connection, function: FunctionId, key: &str, id: ExecutionId) -> rusqlite::Result<()> {
    let sql = "insert into idempotency (function, key, execution) values (:function, :key, :id)";
    let params = named_params! {":function": function.as_bytes(), ":key": key, ":id": id.as_bytes()};
    row::change(c, sql, params).map(drop)
}
