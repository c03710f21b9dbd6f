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

/// A call has ended, with these headers of its answer: its callback, if it has one, is due. Whether it has one.
pub(super) fn ended(
    c: &Connection,
    id: ExecutionId,
    headers: &[(String, String)],
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let sql = "update callback set state = 'due', due_at_ms = :now, headers = :headers
               where execution = :id and state = 'waiting'";
    let params = named_params! {
        ":id": id.as_bytes(),
        ":now": now.as_millis(),
        ":headers": headers_text(headers)?,
    };
    Ok(row::change(c, sql, params)? > 0)
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

#[cfg(test)]
mod tests {
    use super::super::tests::{acceptance, at, deployed, opened, succeeded};
    use super::super::{Acceptance, Store};
    use super::*;
    use crate::domain::Ending;

    const URL: &str = "http://user:pass@h/p?key=k";

    /// A call that has ended at 20 and whose end is to be told.
    async fn ended(store: &Store) -> ExecutionId {
        let (function, _) = deployed(store, "hello").await;
        let new = Acceptance {
            callback: Some(CallbackUrl::parse(URL).expect("a URL")),
            ..acceptance(ExecutionId::generate(), &function)
        };
        let id = store.accept_async(new, at(1)).await.expect("accepted");
        assert_eq!(store.next_callback_at().await.expect("read"), None);
        store.claim_queued(9, at(2)).await.expect("claimed");
        let ending = Ending {
            headers: vec![("a".into(), "b".into())],
            ..succeeded()
        };
        let ended = store.end_async(id, ending).await.expect("ended");
        assert_eq!(ended, crate::store::Ended::Now { is_followed: true });
        id
    }

    async fn claim(store: &Store, now: i64, again: i64) -> Vec<DueCallback> {
        store.claim_callbacks(9, at(now), at(again)).await.expect("claimed")
    }

    #[tokio::test]
    async fn a_callback_is_handed_out_once_and_again_when_nothing_is_heard_of_it() {
        let (_directory, store) = opened(64);
        let id = ended(&store).await;
        assert_eq!(store.next_callback_at().await.expect("read"), Some(at(20)));
        assert!(claim(&store, 19, 80).await.is_empty());
        let first = claim(&store, 20, 80).await;
        assert_eq!((first[0].execution.id, first[0].number), (id, 1));
        assert_eq!((&first[0].headers[0].1[..], &first[0].body[..]), ("b", &b"42"[..]));
        assert!(claim(&store, 79, 140).await.is_empty());
        assert_eq!(claim(&store, 80, 140).await[0].number, 2);
        let later = store.conclude_callback(id, CallbackState::Due, Some(at(500)), "busy".into());
        later.await.expect("concluded");
        assert!(claim(&store, 499, 600).await.is_empty());
        assert_eq!(claim(&store, 500, 600).await[0].url.reveal(), URL);
    }

    #[tokio::test]
    async fn one_that_was_told_keeps_no_secret_and_holds_its_call_no_longer() {
        let (_directory, store) = opened(64);
        let id = ended(&store).await;
        assert_eq!(store.prune_executions(0, at(99)).await.expect("pruned"), 0);
        claim(&store, 20, 80).await;
        let told = store.conclude_callback(id, CallbackState::Delivered, None, "taken".into());
        told.await.expect("concluded");
        let callback = store.callback(id).await.expect("read").expect("there");
        assert_eq!(
            (callback.url.reveal(), callback.state),
            ("http://h/p", CallbackState::Delivered)
        );
        assert_eq!((callback.tries, callback.message.as_deref()), (1, Some("taken")));
        assert!(claim(&store, 1_000, 2_000).await.is_empty());
        assert_eq!(store.count_due_callbacks().await.expect("counted"), 0);
        assert_eq!(store.prune_executions(0, at(99)).await.expect("pruned"), 1);
    }
}
