//! What functions' calls printed: the records first, then, on request, what running calls print.
//!
//! A running call's text is always taken from where it was left, never from the chunks that announce it, so
//! that a slow reader misses nothing and sees nothing twice.

use super::NativeState;
use super::error::{Params, Problem, Segment};
use super::executions::bound;
use super::functions::find;
use super::map;
use super::wire::{AllLogsQuery, ErrorBody, ExecutionState, LogEntry, LogsQuery};
use crate::app::App;
use crate::domain::{self, Error, ExecutionId, FunctionId, Namespace, Timestamp};
use crate::invoker::LogChunk;
use crate::store::{self, ExecutionFilter, Order};
use crate::task::Shutdown;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// What user code prints on its two streams comes in one order, and is not told apart.
const STREAM: &str = "output";
/// How many calls when nothing is said, and at most.
const LIMIT: u32 = 20;
const LARGEST_LIMIT: u32 = 1000;
/// Running calls are looked at this often, to see their end.
const LOOK: Duration = Duration::from_millis(500);
/// So many ended calls are remembered: a page of the history, and those that end meanwhile.
const REMEMBERED: usize = 4096;
/// An empty line is sent after so much silence, to keep the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Whose calls are meant.
struct Scope {
    namespace: Namespace,
    /// The functions known to be meant, and their names.
    functions: BTreeMap<FunctionId, String>,
    /// Every function of the namespace is meant, also one that comes later.
    all: bool,
    /// Only this call.
    execution: Option<ExecutionId>,
    /// Functions known not to be meant.
    strangers: BTreeSet<FunctionId>,
}

/// Which ended calls come first.
struct Past {
    since: Option<Timestamp>,
    after: Option<ExecutionId>,
    limit: u32,
    /// What still runs comes later.
    follow: bool,
}

/// What a function's calls printed, as newline-delimited JSON.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/logs", params(("name" = String, Path), LogsQuery), responses(
    (status = 200, body = LogEntry, content_type = "application/x-ndjson"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn logs(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<LogsQuery>,
) -> Result<Response, Problem> {
    let scope = Scope::of(&state.app, query.namespace.as_deref(), Some(&name), None).await?;
    let past = Past {
        since: None,
        after: bound(query.after.as_deref())?,
        limit: query.limit.unwrap_or(LIMIT).min(LARGEST_LIMIT),
        follow: query.follow == Some(true),
    };
    answer(state, scope, past).await
}

/// What the calls of several functions printed, or those of all, as newline-delimited JSON.
#[utoipa::path(get, path = "/hob/v1/logs", params(AllLogsQuery), responses(
    (status = 200, body = LogEntry, content_type = "application/x-ndjson"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn all(
    State(state): State<NativeState>,
    Params(query): Params<AllLogsQuery>,
) -> Result<Response, Problem> {
    let execution = bound(query.execution.as_deref())?;
    let namespace = query.namespace.as_deref();
    let scope = Scope::of(&state.app, namespace, query.function.as_deref(), execution).await?;
    let past = Past {
        since: query.since_ms.map(Timestamp::from_millis),
        after: None,
        limit: query.limit.unwrap_or(LIMIT).min(LARGEST_LIMIT),
        follow: query.follow == Some(true),
    };
    answer(state, scope, past).await
}

impl Scope {
    async fn of(
        app: &App,
        namespace: Option<&str>,
        functions: Option<&str>,
        execution: Option<ExecutionId>,
    ) -> Result<Self, Error> {
        let mut named = BTreeMap::new();
        for name in functions.iter().flat_map(|names| names.split(',')) {
            let function = find(app, namespace, name).await?;
            named.insert(function.id, function.name.to_string());
        }
        let called = match execution {
            Some(id) => Some(app.execution(id).await?.function),
            None => None,
        };
        let namespace = match (called, namespace) {
            (Some(function), None) => app.namespace_of(function).await?,
            (_, named) => super::functions::namespace(named)?,
        };
        let mut scope = Self {
            namespace,
            all: functions.is_none(),
            functions: named,
            execution,
            strangers: BTreeSet::new(),
        };
        if let Some(function) = called
            && !scope.holds(app, function).await
        {
            return Err(Error::not_found(
                "no such function was called so: `hob runs list` shows what there is",
            ));
        }
        Ok(scope)
    }

    /// Whether a function's calls are meant; what is not known yet is looked up once.
    async fn holds(&mut self, app: &App, function: FunctionId) -> bool {
        if self.functions.contains_key(&function) {
            return true;
        }
        if !self.all || self.strangers.contains(&function) {
            return false;
        }
        let found = app.function_by_id(function).await.ok();
        match found.filter(|f| f.namespace == self.namespace) {
            Some(found) => {
                self.functions.insert(function, found.name.to_string());
                true
            }
            None => {
                self.strangers.insert(function);
                false
            }
        }
    }

    fn name(&self, function: FunctionId) -> String {
        self.functions.get(&function).cloned().unwrap_or_default()
    }

    /// One filter for each of the functions, or one for all of them.
    fn filters(&self) -> Vec<ExecutionFilter> {
        let one = |function| ExecutionFilter {
            function,
            namespace: Some(self.namespace.clone()),
            ..ExecutionFilter::default()
        };
        if self.all {
            return vec![one(None)];
        }
        self.functions.keys().map(|id| one(Some(*id))).collect()
    }
}

async fn answer(state: NativeState, mut scope: Scope, past: Past) -> Result<Response, Problem> {
    // Watched before the records are read: nothing falls between the two.
    let chunks = state.app.logs().watch();
    let running = match past.follow {
        true => Some(running(&state.app, &mut scope).await?),
        false => None,
    };
    let (history, done) = history(&state.app, &mut scope, &past).await?;
    let body = match running {
        None => Body::from(history),
        Some(mut sent) => {
            sent.retain(|id, _| !done.contains(id));
            let follower = Follower {
                app: state.app,
                scope,
                chunks,
                sent,
                done,
                shutdown: state.shutdown,
            };
            let first = stream::iter([history]);
            Body::from_stream(
                first
                    .chain(stream::unfold(follower, Follower::next))
                    .map(Ok::<_, Infallible>),
            )
        }
    };
    Ok(([(http::header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The lines of ended calls, and which calls these are.
async fn history(app: &App, scope: &mut Scope, past: &Past) -> Result<(String, BTreeSet<ExecutionId>), Error> {
    let (mut lines, mut done) = (String::new(), BTreeSet::new());
    for entry in ended(app, scope, past).await? {
        done.insert(entry.execution.id);
        if !entry.log.is_empty() && scope.holds(app, entry.execution.function).await {
            lines.push_str(&line(LogEntry {
                function: scope.name(entry.execution.function),
                execution: entry.execution.id.to_string(),
                at_ms: entry.execution.created_at.as_millis(),
                stream: STREAM.to_owned(),
                text: String::from_utf8_lossy(&entry.log).into_owned(),
                state: map::execution_state(entry.execution.state),
            }));
        }
    }
    Ok((lines, done))
}

/// Ended calls, oldest first.
async fn ended(app: &App, scope: &Scope, past: &Past) -> Result<Vec<store::LogEntry>, Error> {
    if let Some(id) = scope.execution {
        let detail = app.execution_log(id).await?;
        let over = detail.execution.state.is_terminal();
        let entry = store::LogEntry {
            execution: detail.execution,
            log: detail.log,
        };
        return Ok((over || !past.follow).then_some(entry).into_iter().collect());
    }
    let mut all = Vec::new();
    for filter in scope.filters() {
        let order = past.after.map_or(Order::NewestFirst, |_| Order::OldestFirst);
        let filter = ExecutionFilter {
            created_from: past.since,
            marker: past.after,
            order,
            limit: past.limit,
            ..filter
        };
        all.extend(app.logged(filter).await?);
    }
    all.sort_by_key(|entry| entry.execution.id);
    let limit = usize::try_from(past.limit).unwrap_or(usize::MAX);
    match past.after {
        Some(_) => all.truncate(limit),
        None => drop(all.drain(..all.len().saturating_sub(limit))),
    }
    Ok(all)
}

/// The calls that run, of which nothing has been sent.
async fn running(app: &App, scope: &mut Scope) -> Result<BTreeMap<ExecutionId, Sent>, Error> {
    let mut all = BTreeMap::new();
    for filter in scope.filters() {
        let filter = ExecutionFilter {
            state: Some(domain::ExecutionState::Running),
            limit: LARGEST_LIMIT,
            ..filter
        };
        for execution in app.list_executions(filter).await? {
            let meant = scope.execution.is_none_or(|id| id == execution.id);
            if meant && scope.holds(app, execution.function).await {
                all.insert(execution.id, Sent::nothing(execution.function));
            }
        }
    }
    if let Some(id) = scope.execution {
        let execution = app.execution(id).await?;
        all.insert(id, Sent::nothing(execution.function));
    }
    Ok(all)
}

fn line(entry: LogEntry) -> String {
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

/// How much of a call's text was sent.
struct Sent {
    function: FunctionId,
    bytes: usize,
}

impl Sent {
    fn nothing(function: FunctionId) -> Self {
        Self { function, bytes: 0 }
    }
}

/// Follows running calls.
struct Follower {
    app: App,
    scope: Scope,
    chunks: Receiver<LogChunk>,
    /// The calls that were seen to run.
    sent: BTreeMap<ExecutionId, Sent>,
    /// Calls of which everything was sent, the latest: a chunk of them may still be on its way.
    done: BTreeSet<ExecutionId>,
    shutdown: Shutdown,
}

impl Follower {
    async fn next(mut self) -> Option<(String, Self)> {
        loop {
            if self.is_over() {
                return None;
            }
            let wait = if self.sent.is_empty() { SILENCE } else { LOOK };
            tokio::select! {
                () = self.shutdown.requested() => return None,
                chunk = self.chunks.recv() => match chunk {
                    Ok(chunk) => self.note(&chunk).await,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                () = tokio::time::sleep(wait) => {
                    if self.sent.is_empty() {
                        return Some(("\n".to_owned(), self));
                    }
                }
            }
            while let Ok(chunk) = self.chunks.try_recv() {
                self.note(&chunk).await;
            }
            let lines = self.news().await;
            if !lines.is_empty() {
                return Some((lines, self));
            }
        }
    }

    /// The one call that is followed has ended.
    fn is_over(&self) -> bool {
        self.scope.execution.is_some_and(|id| self.done.contains(&id))
    }

    async fn note(&mut self, chunk: &LogChunk) {
        let (id, function) = (chunk.execution, chunk.function);
        let known = self.sent.contains_key(&id) || self.done.contains(&id);
        if known || self.scope.execution.is_some() || !self.scope.holds(&self.app, function).await {
            return;
        }
        self.sent.insert(id, Sent::nothing(function));
    }

    async fn news(&mut self) -> String {
        let mut lines = String::new();
        let open: Vec<_> = self.sent.iter().map(|(id, sent)| (*id, sent.bytes)).collect();
        for (id, sent) in open {
            lines.push_str(&self.news_of(id, sent).await);
        }
        lines
    }

    async fn news_of(&mut self, id: ExecutionId, sent: usize) -> String {
        if let Some(log) = self.app.logs().so_far(id) {
            let (text, used) = readable(log.get(sent..).unwrap_or_default());
            if let Some(call) = self.sent.get_mut(&id) {
                call.bytes = sent + used;
            }
            return match used {
                0 => String::new(),
                _ => self.said(id, text, ExecutionState::Running),
            };
        }
        match self.app.execution_log(id).await {
            Ok(detail) if detail.execution.state.is_terminal() => {
                let rest = String::from_utf8_lossy(detail.log.get(sent..).unwrap_or_default()).into_owned();
                let said = self.said(id, rest, map::execution_state(detail.execution.state));
                self.end(id);
                said
            }
            Ok(_) => String::new(),
            // Deleted with its function, or the store is closing.
            Err(_) => {
                self.end(id);
                String::new()
            }
        }
    }

    fn said(&self, id: ExecutionId, text: String, state: ExecutionState) -> String {
        let function = self.sent.get(&id).map(|sent| self.scope.name(sent.function));
        line(LogEntry {
            function: function.unwrap_or_default(),
            execution: id.to_string(),
            at_ms: self.app.now().as_millis(),
            stream: STREAM.to_owned(),
            text,
            state,
        })
    }

    fn end(&mut self, id: ExecutionId) {
        self.sent.remove(&id);
        self.done.insert(id);
        if self.done.len() > REMEMBERED {
            self.done.pop_first();
        }
    }
}

/// The text up to its last whole character, and its length in bytes: a character that is cut off waits for
/// its rest.
fn readable(bytes: &[u8]) -> (String, usize) {
    let last = bytes.utf8_chunks().last();
    let cut = last.map_or(&[][..], |chunk| chunk.invalid());
    let waits = std::str::from_utf8(cut).is_err_and(|e| e.error_len().is_none());
    let used = if waits { bytes.len() - cut.len() } else { bytes.len() };
    (String::from_utf8_lossy(&bytes[..used]).into_owned(), used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_waits_and_a_wrong_one_does_not() {
        assert_eq!(readable(b""), (String::new(), 0));
        assert_eq!(readable("aä".as_bytes()), ("aä".to_owned(), 3));
        assert_eq!(readable(b"a\xc3"), ("a".to_owned(), 1));
        assert_eq!(readable(b"a\xffb\xff"), ("a\u{fffd}b\u{fffd}".to_owned(), 4));
    }

    #[test]
    fn a_line_is_one_line_of_json() {
        let line = line(LogEntry {
            function: "f".to_owned(),
            execution: ExecutionId::generate().to_string(),
            at_ms: 5,
            stream: STREAM.to_owned(),
            text: "a\nb\n".to_owned(),
            state: ExecutionState::Failed,
        });
        assert_eq!(line.matches('\n').count(), 1);
        let entry: LogEntry = serde_json::from_str(&line).expect("an entry");
        assert_eq!((entry.text.as_str(), entry.state), ("a\nb\n", ExecutionState::Failed));
    }
}
