//! Callbacks: which calls' ends are told to somebody, and how far that is.
//!
//! A callback becomes due in the transaction that ends its call: none is lost. One that is handed out comes back by itself
//! when nothing is heard of it: the receiver may be told twice, and never not at all.

use super::execution::{headers_text, read, result};
use super::{Error, Store, execution, row};
use crate::domain::{Callback, CallbackState, CallbackUrl, Execution, ExecutionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

/// A callback to be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCallback {
    /// The call that has ended.
    pub execution: Execution,
    /// Where to.
    pub url: CallbackUrl,
    /// Which try this is, counted from 1.
    pub number: u32,
    /// The answer's headers; none when there was no answer.
    pub headers: Vec<(String, String)>,
    /// The answer's body; empty when there was no answer.
    pub body: Vec<u8>,
}

impl Store {
    /// Hands out callbacks that are due; they are due again at `again` unless their try is concluded before.
    /// Order: due the longest first.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is handed out then.
    pub async fn claim_callbacks(
        &self,
        limit: u32,
        now: Timestamp,
        again: Timestamp,
    ) -> Result<Vec<DueCallback>, Error> {
        self.write("claim callbacks", move |c| Ok(claim(c, limit, now, again)?))
            .await
    }

    /// Writes down what a try came to: `message` for people, and where the callback stands now. With `Due`, `next` is the
    /// time of the next try.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn conclude_callback(
        &self,
        id: ExecutionId,
        state: CallbackState,
        next: Option<Timestamp>,
        message: String,
    ) -> Result<(), Error> {
        self.write("conclude a callback", move |c| {
            let sql = "update callback set state = :state, due_at_ms = :next, message = :message
                       where execution = :id and state = 'due'";
            let params = named_params! {
                ":id": id.as_bytes(),
                ":state": state.as_str(),
                ":next": next.map(Timestamp::as_millis),
                ":message": message,
            };
            row::change(c, sql, params)?;
            if state != CallbackState::Due {
                forget_secrets(c, id)?;
            }
            Ok(())
        })
        .await
    }

    /// When the next callback is due; `None` when none is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_callback_at(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "select min(due_at_ms) from callback where state = 'due'";
        self.read("look for the next callback", move |c| {
            let found: Option<Option<i64>> = c.prepare_cached(sql)?.query_row([], |r| r.get(0)).optional()?;
            Ok(found.flatten().map(Timestamp::from_millis))
        })
        .await
    }

    /// How many callbacks are due, or wait for their next try.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_due_callbacks(&self) -> Result<u64, Error> {
        let sql = "select count(*) from callback where state = 'due'";
        self.read("count callbacks", move |c| {
            let count: Option<i64> = row::maybe(c, sql, [], |r| r.get(0))?;
            Ok(count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
        })
        .await
    }

    /// The callback of a call, if its end is told to somebody.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn callback(&self, id: ExecutionId) -> Result<Option<Callback>, Error> {
        let sql = "select url, state, tries, due_at_ms, message from callback where execution = :id";
        self.read("read a callback", move |c| {
            row::maybe(c, sql, named_params! {":id": id.as_bytes()}, read_callback)
        })
        .await
    }
}

/// Notes that the end of a call is to be told.
pub(super) fn note(c: &Connection, id: ExecutionId, url: Option<&CallbackUrl>) -> rusqlite::Result<()> {
    let Some(url) = url else {
        return Ok(());
    };
    let sql = "insert into callback (execution, url) values (:id, :url)";
    row::change(c, sql, named_params! {":id": id.as_bytes(), ":url": url.reveal()}).map(drop)
}

/// The end of a call that is made again is that of its next try.
pub(super) fn follow(c: &Connection, id: ExecutionId, next: ExecutionId) -> rusqlite::Result<()> {
    let sql = "update callback set execution = :next where execution = :id";
    row::change(c, sql, named_params! {":id": id.as_bytes(), ":next": next.as_bytes()}).map(drop)
}

/// A call has ended, with these headers of its answer: its callback, if it has one, is due.
pub(super) fn ended(
    c: &Connection,
    id: ExecutionId,
    headers: &[(String, String)],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "update callback set state = 'due', due_at_ms = :now, headers = :headers
               where execution = :id and state = 'waiting'";
    let params = named_params! {
        ":id": id.as_bytes(),
        ":now": now.as_millis(),
        ":headers": headers_text(headers)?,
    };
    row::change(c, sql, params).map(drop)
}

fn claim(c: &Connection, limit: u32, now: Timestamp, again: Timestamp) -> rusqlite::Result<Vec<DueCallback>> {
    let sql = "update callback set tries = tries + 1, due_at_ms = :again
               where execution in (
                   select execution from callback where state = 'due' and due_at_ms <= :now
                   order by due_at_ms limit :limit)
               returning execution, url, tries, headers";
    let params = named_params! {":now": now.as_millis(), ":again": again.as_millis(), ":limit": limit};
    let claimed = row::all(c, sql, params, |r| {
        let id = row::id(r, "execution", ExecutionId::from_bytes)?;
        let headers = row::checked(r, "headers", |t: String| serde_json::from_str(&t))?;
        Ok((id, url(r)?, r.get("tries")?, headers))
    })?;
    let whole = |(id, url, number, headers): (ExecutionId, _, _, _)| {
        let sql = format!("select {} from execution where id = :id", execution::COLUMNS);
        let found = row::maybe(c, &sql, named_params! {":id": id.as_bytes()}, read)?;
        Ok(DueCallback {
            execution: found.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
            url,
            number,
            headers,
            body: result(c, id)?.unwrap_or_default(),
        })
    };
    claimed.into_iter().map(whole).collect()
}

fn read_callback(row: &Row<'_>) -> rusqlite::Result<Callback> {
    Ok(Callback {
        url: url(row)?,
        state: row::checked(row, "state", |t: String| {
            CallbackState::parse(&t).ok_or_else(|| format!("no such state: {t}"))
        })?,
        tries: row.get("tries")?,
        due_at: row::maybe_time(row, "due_at_ms")?,
        message: row.get("message")?,
    })
}

fn url(row: &Row<'_>) -> rusqlite::Result<CallbackUrl> {
    row::checked(row, "url", |t: String| CallbackUrl::parse(&t))
}

/// What is told no more needs neither the secrets of its URL nor the answer's headers.
fn forget_secrets(c: &Connection, id: ExecutionId) -> rusqlite::Result<()> {
    let key = named_params! {":id": id.as_bytes()};
    let found = row::maybe(c, "select url from callback where execution = :id", key, url)?;
    let Some(url) = found else {
        return Ok(());
    };
    let sql = "update callback set url = :url, headers = null where execution = :id";
    row::change(c, sql, named_params! {":id": id.as_bytes(), ":url": url.shown()}).map(drop)
}
