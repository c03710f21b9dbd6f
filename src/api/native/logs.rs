//! What a function's calls printed: the records first, then, on request, what running calls print.
//!
//! A running call's text is always taken from where it was left, never from the chunks that announce it, so
//! that a slow reader misses nothing and sees nothing twice.

use super::NativeState;
use super::error::{Params, Problem, Segment};
use super::executions::bound;
use super::functions::find;
use super::map;
use super::wire::{ErrorBody, ExecutionState, LogEntry, LogsQuery};
use crate::app::App;
use crate::domain::{self, Error, ExecutionId, FunctionId};
use crate::invoker::LogChunk;
use crate::store::ExecutionFilter;
use crate::task::Shutdown;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How many calls when nothing is said, and at most.
const LIMIT: u32 = 20;
const LARGEST_LIMIT: u32 = 1000;
/// Running calls are looked at this often, to see their end.
const LOOK: Duration = Duration::from_millis(500);
/// So many ended calls are remembered: a page of the history, and those that end meanwhile.
const REMEMBERED: usize = 4096;
/// An empty line is sent after so much silence, to keep the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// What a function's calls printed, as newline-delimited JSON.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/logs", params(("name" = String, Path), LogsQuery), responses(
    (status = 200, body = LogEntry, content_type = "application/x-ndjson"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn logs(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<LogsQuery>,
) -> Result<Response, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?.id;
    let after = bound(query.after.as_deref())?;
    let limit = query.limit.unwrap_or(LIMIT).min(LARGEST_LIMIT);
    // Watched before the records are read: nothing falls between the two.
    let chunks = state.app.logs().watch();
    let running = match query.follow {
        Some(true) => Some(running(&state.app, function).await?),
        _ => None,
    };
    let (history, done) = history(&state.app, function, after, limit).await?;
    let body = match running {
        None => Body::from(history),
        Some(mut sent) => {
            sent.retain(|id, _| !done.contains(id));
            let follower = Follower {
                app: state.app,
                function,
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
async fn history(
    app: &App,
    function: FunctionId,
    after: Option<ExecutionId>,
    limit: u32,
) -> Result<(String, BTreeSet<ExecutionId>), Error> {
    let (mut lines, mut done) = (String::new(), BTreeSet::new());
    for entry in app.function_log(function, after, limit).await? {
        done.insert(entry.execution.id);
        if !entry.log.is_empty() {
            let at = entry.execution.created_at.as_millis();
            let text = String::from_utf8_lossy(&entry.log).into_owned();
            lines.push_str(&line(
                entry.execution.id,
                at,
                text,
                map::execution_state(entry.execution.state),
            ));
        }
    }
    Ok((lines, done))
}

/// The calls that run, of which nothing has been sent.
async fn running(app: &App, function: FunctionId) -> Result<BTreeMap<ExecutionId, usize>, Error> {
    let state = Some(domain::ExecutionState::Running);
    let filter = ExecutionFilter {
        function: Some(function),
        state,
        limit: LARGEST_LIMIT,
        ..ExecutionFilter::default()
    };
    let executions = app.list_executions(filter).await?;
    Ok(executions.into_iter().map(|e| (e.id, 0)).collect())
}

fn line(execution: ExecutionId, at_ms: i64, text: String, state: ExecutionState) -> String {
    let stream = "output".to_owned();
    let entry = LogEntry {
        execution: execution.to_string(),
        at_ms,
        stream,
        text,
        state,
    };
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

/// Follows running calls; `sent` are those seen and the bytes sent of each.
struct Follower {
    app: App,
    function: FunctionId,
    chunks: Receiver<LogChunk>,
    sent: BTreeMap<ExecutionId, usize>,
    /// Calls of which everything was sent, the latest: a chunk of them may still be on its way.
    done: BTreeSet<ExecutionId>,
    shutdown: Shutdown,
}

impl Follower {
    async fn next(mut self) -> Option<(String, Self)> {
        loop {
            let wait = if self.sent.is_empty() { SILENCE } else { LOOK };
            tokio::select! {
                () = self.shutdown.requested() => return None,
                chunk = self.chunks.recv() => match chunk {
                    Ok(chunk) => self.note(&chunk),
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
                self.note(&chunk);
            }
            let lines = self.news().await;
            if !lines.is_empty() {
                return Some((lines, self));
            }
        }
    }

    fn note(&mut self, chunk: &LogChunk) {
        if chunk.function == self.function && !self.done.contains(&chunk.execution) {
            self.sent.entry(chunk.execution).or_insert(0);
        }
    }

    async fn news(&mut self) -> String {
        let mut lines = String::new();
        let open: Vec<_> = self.sent.iter().map(|(id, sent)| (*id, *sent)).collect();
        for (id, sent) in open {
            lines.push_str(&self.news_of(id, sent).await);
        }
        lines
    }

    async fn news_of(&mut self, id: ExecutionId, sent: usize) -> String {
        let now = self.app.now().as_millis();
        if let Some(log) = self.app.logs().so_far(id) {
            let (text, used) = readable(log.get(sent..).unwrap_or_default());
            self.sent.insert(id, sent + used);
            return if used == 0 {
                String::new()
            } else {
                line(id, now, text, ExecutionState::Running)
            };
        }
        match self.app.execution_log(id).await {
            Ok(detail) if detail.execution.state.is_terminal() => {
                self.end(id);
                let rest = String::from_utf8_lossy(detail.log.get(sent..).unwrap_or_default()).into_owned();
                line(id, now, rest, map::execution_state(detail.execution.state))
            }
            Ok(_) => String::new(),
            // Deleted with its function, or the store is closing.
            Err(_) => {
                self.end(id);
                String::new()
            }
        }
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
        let line = line(ExecutionId::generate(), 5, "a\nb\n".to_owned(), ExecutionState::Failed);
        assert_eq!(line.matches('\n').count(), 1);
        let entry: LogEntry = serde_json::from_str(&line).expect("an entry");
        assert_eq!((entry.text.as_str(), entry.state), ("a\nb\n", ExecutionState::Failed));
    }
}
