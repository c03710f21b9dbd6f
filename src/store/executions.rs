//! Executions, many at a time: finding, counting and removing them. One at a time, and how they run, is `execution.rs`.

use super::execution::{COLUMNS, input, read, result};
use super::{AsyncInput, Error, Store, row};
use crate::domain::{Execution, ExecutionId, ExecutionState, FunctionId, Namespace, Selector, Timestamp};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, ToSql, named_params};
use std::collections::HashMap;

/// Rows removed in one transaction, so that pruning never holds others up for long.
const PRUNE_CHUNK: usize = 500;

/// `:dead` is named, for each condition has its parameter.
const DEAD: &str = "id in (select execution from retry where dead = 1) and :dead";
const NOT_DEAD: &str = "id not in (select execution from retry where dead = 1) and not :dead";

/// In which order executions are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which executions to list. What is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Of this namespace's functions only.
    pub namespace: Option<Namespace>,
    /// Of this function only.
    pub function: Option<FunctionId>,
    /// In this state only.
    pub state: Option<ExecutionState>,
    /// Only those that were accepted asynchronously, or only the others.
    pub asynchronous: Option<bool>,
    /// Only those that failed with no try left, or only the others.
    pub dead: Option<bool>,
    /// Accepted at this time or later.
    pub created_from: Option<Timestamp>,
    /// Accepted before this time.
    pub created_before: Option<Timestamp>,
    /// Beyond this one only, in the order asked for: the last of the page before.
    pub marker: Option<ExecutionId>,
    /// The order of the page.
    pub order: Order,
    /// So many are passed over.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

impl Default for ExecutionFilter {
    /// All of them, newest first, fifty at a time.
    fn default() -> Self {
        Self {
            namespace: None,
            function: None,
            state: None,
            asynchronous: None,
            dead: None,
            created_from: None,
            created_before: None,
            marker: None,
            order: Order::default(),
            offset: 0,
            limit: 50,
        }
    }
}

/// What was kept of an execution beside its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// What it was called with.
    pub input: Option<AsyncInput>,
    /// The answer's body.
    pub result: Option<Vec<u8>>,
}

/// What one execution printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The execution.
    pub execution: Execution,
    /// Its log; empty when it printed nothing.
    pub log: Vec<u8>,
}

impl Store {
    /// How many executions there are, by state; states without any are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_executions(&self) -> Result<Vec<(ExecutionState, u64)>, Error> {
        let sql = "select state, count(*) from execution group by state";
        self.read("count executions", move |c| {
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?)))?;
            let rows = rows.collect::<Result<Vec<(String, i64)>, _>>()?;
            let known =
                |(state, n): (String, i64)| ExecutionState::parse(&state).map(|s| (s, u64::try_from(n).unwrap_or(0)));
            Ok(rows.into_iter().filter_map(known).collect())
        })
        .await
    }

    /// How many executions a filter lets through, whatever its page.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_matching_executions(&self, filter: ExecutionFilter) -> Result<u64, Error> {
        let filter = ExecutionFilter { marker: None, ..filter };
        self.read("count executions", move |c| {
            let conditions = Conditions::of(&filter);
            let sql = format!("select count(*) from execution where {}", conditions.text());
            let count: Option<i64> = row::maybe(c, &sql, &conditions.params()[..], |r| r.get(0))?;
            Ok(count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
        })
        .await
    }

    /// How often a function was called with this selector; calls whose records are gone count too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_calls(&self, function: FunctionId, selector: &Selector) -> Result<u64, Error> {
        let selector = selector.to_string();
        self.read("count calls", move |c| {
            let sql = "select (select count(*) from execution
                               where function = :function and coalesce(selector, 'current') = :selector)
                           + coalesce((select count from removed_calls
                                       where function = :function and selector = :selector), 0)";
            let key = named_params! {":function": function.as_bytes(), ":selector": selector};
            let count: Option<i64> = row::maybe(c, sql, key, |r| r.get(0))?;
            Ok(count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
        })
        .await
    }

    /// A page of executions. Order: as the filter says.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_executions(&self, filter: ExecutionFilter) -> Result<Vec<Execution>, Error> {
        self.read("list executions", move |c| list(c, &filter)).await
    }

    /// Ended executions with what they printed. Order: as the filter says.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn logged(&self, filter: ExecutionFilter) -> Result<Vec<LogEntry>, Error> {
        self.read("read logs", move |c| logged(c, &filter)).await
    }

    /// Removes an execution that has ended, with all that was kept of it. `false` when it runs or waits, or is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_execution(&self, id: ExecutionId) -> Result<bool, Error> {
        self.write("delete an execution", move |c| Ok(remove_ended(c, &[id])? > 0))
            .await
    }

    /// Removes an execution in whatever state, with all that was kept of it; what it comes to later is not written.
    /// `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_execution(&self, id: ExecutionId) -> Result<bool, Error> {
        self.write("forget an execution", move |c| Ok(remove(c, "true", &[id])? > 0))
            .await
    }

    /// What was kept of each of these executions; those of which nothing was are left out. One trip to the database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn kept(&self, ids: Vec<ExecutionId>) -> Result<HashMap<ExecutionId, Kept>, Error> {
        self.read("read what was kept of executions", move |c| {
            let mut all = HashMap::new();
            for id in ids {
                let (input, result) = (input(c, id)?, result(c, id)?);
                if input.is_some() || result.is_some() {
                    all.insert(id, Kept { input, result });
                }
            }
            Ok(all)
        })
        .await
    }

    /// Removes ended executions that were accepted before `keep_before`, or that are not among the newest
    /// `keep_count` of their function. What is queued or running stays, and what somebody has still to be told of. Returns how many went.
    ///
    /// # Errors
    /// When the database cannot be written; those removed until then stay removed.
    pub async fn prune_executions(&self, keep_count: u32, keep_before: Timestamp) -> Result<usize, Error> {
        let query = move |c: &Connection| prunable(c, keep_count, keep_before);
        let ids = self.read("find old executions", query).await?;
        let mut n_removed = 0;
        for chunk in ids.chunks(PRUNE_CHUNK) {
            let chunk = chunk.to_vec();
            let work = move |c: &Connection| Ok(remove_ended(c, &chunk)?);
            n_removed += self.write("remove old executions", work).await?;
        }
        Ok(n_removed)
    }
}

/// The conditions a filter makes, each with its parameter.
struct Conditions(Vec<(&'static str, &'static str, Value)>);

/// A parameter that owns what it holds.
enum Value {
    Bytes([u8; 16]),
    Text(String),
    Number(i64),
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Bytes(bytes) => bytes.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
        }
    }
}

impl Conditions {
    fn of(filter: &ExecutionFilter) -> Self {
        let time = |t: Timestamp| Value::Number(t.as_millis());
        let state = |s: ExecutionState| {
            // Says what the partial index says, or SQLite would not use it.
            let open = "state in ('queued', 'running') and state = :state";
            let text = if s.is_terminal() { "state = :state" } else { open };
            (text, ":state", Value::Text(s.as_str().to_owned()))
        };
        let beyond = match filter.order {
            Order::NewestFirst => "id < :marker",
            Order::OldestFirst => "id > :marker",
        };
        let ours = "function in (select id from function where namespace = :namespace)";
        let all = [
            filter
                .function
                .map(|f| ("function = :function", ":function", Value::Bytes(*f.as_bytes()))),
            filter
                .namespace
                .as_ref()
                .map(|n| (ours, ":namespace", Value::Text(n.to_string()))),
            filter.state.map(state),
            filter
                .asynchronous
                .map(|a| ("asynchronous = :asynchronous", ":asynchronous", Value::Number(a.into()))),
            filter
                .dead
                .map(|d| ((if d { DEAD } else { NOT_DEAD }), ":dead", Value::Number(d.into()))),
            filter
                .created_from
                .map(|t| ("created_at_ms >= :from", ":from", time(t))),
            filter
                .created_before
                .map(|t| ("created_at_ms < :before", ":before", time(t))),
            filter.marker.map(|m| (beyond, ":marker", Value::Bytes(*m.as_bytes()))),
        ];
        Self(all.into_iter().flatten().collect())
    }

    fn text(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(|(text, ..)| *text).collect();
        if texts.is_empty() {
            "true".to_owned()
        } else {
            texts.join(" and ")
        }
    }

    fn params(&self) -> Vec<(&'static str, &dyn ToSql)> {
        self.0
            .iter()
            .map(|(_, name, value)| (*name, value as &dyn ToSql))
            .collect()
    }
}

fn list(connection: &Connection, filter: &ExecutionFilter) -> rusqlite::Result<Vec<Execution>> {
    page(
        connection,
        filter,
        &format!("select {COLUMNS} from execution where true"),
        read,
    )
}

fn logged(connection: &Connection, filter: &ExecutionFilter) -> rusqlite::Result<Vec<LogEntry>> {
    let select = format!(
        "select {COLUMNS}, log from execution left join execution_log on execution = id
         where state not in ('queued', 'running')"
    );
    page(connection, filter, &select, |row| {
        Ok(LogEntry {
            execution: read(row)?,
            log: row.get::<_, Option<Vec<u8>>>("log")?.unwrap_or_default(),
        })
    })
}

/// `select` ends with a condition.
fn page<T>(
    connection: &Connection,
    filter: &ExecutionFilter,
    select: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let conditions = Conditions::of(filter);
    let order = match filter.order {
        Order::NewestFirst => "desc",
        Order::OldestFirst => "asc",
    };
    let sql = format!(
        "{select} and {} order by id {order} limit :limit offset :offset",
        conditions.text()
    );
    let mut params = conditions.params();
    params.push((":limit", &filter.limit));
    params.push((":offset", &filter.offset));
    row::all(connection, &sql, &params[..], read)
}

fn prunable(connection: &Connection, keep_count: u32, keep_before: Timestamp) -> rusqlite::Result<Vec<ExecutionId>> {
    let sql = "select id from (
                   select id, state, created_at_ms,
                       row_number() over (partition by function order by id desc) as place
                   from execution)
               where state not in ('queued', 'running')
                   and (place > :keep_count or created_at_ms < :keep_before)
                   and not exists (select 1 from callback where execution = id and state = 'due')";
    let params = named_params! {":keep_count": keep_count, ":keep_before": keep_before.as_millis()};
    row::all(connection, sql, params, |r| row::id(r, "id", ExecutionId::from_bytes))
}

fn remove_ended(connection: &Connection, ids: &[ExecutionId]) -> rusqlite::Result<usize> {
    remove(connection, "state not in ('queued', 'running')", ids)
}

fn remove(connection: &Connection, condition: &str, ids: &[ExecutionId]) -> rusqlite::Result<usize> {
    let sql = &format!(
        "delete from execution where id = :id and {condition}
         returning function, coalesce(selector, 'current') as selector"
    );
    let mut n_removed = 0;
    for id in ids {
        let key = named_params! {":id": id.as_bytes()};
        let removed = row::maybe(connection, sql, key, |r| Ok((r.get("function")?, r.get("selector")?)))?;
        if let Some((function, selector)) = removed {
            count_removed(connection, function, selector)?;
            n_removed += 1;
        }
    }
    Ok(n_removed)
}

fn count_removed(connection: &Connection, function: [u8; 16], selector: String) -> rusqlite::Result<()> {
    let sql = "insert into removed_calls (function, selector, count) values (:function, :selector, 1)
               on conflict do update set count = count + 1";
    row::change(
        connection,
        sql,
        named_params! {":function": function, ":selector": selector},
    )
    .map(drop)
}
