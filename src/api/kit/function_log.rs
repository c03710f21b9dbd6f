//! What a function's calls printed: the records first, then, on request, what running calls print.
//!
//! A running call's text is always taken from where it was left, never from the chunks that announce it, so
//! that a slow reader misses nothing and sees nothing twice. How a piece is written is the API's to say.

use crate::app::App;
use crate::domain::{Error, ExecutionId, ExecutionState, FunctionId};
use crate::invoker::LogChunk;
use crate::store::{ExecutionFilter, Order};
use crate::task::Shutdown;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How many calls at most.
pub const LARGEST_LIMIT: u32 = 1000;
/// Running calls are looked at this often, to see their end.
const LOOK: Duration = Duration::from_millis(500);
/// So many ended calls are remembered: a page of the history, and those that end meanwhile.
const REMEMBERED: usize = 4096;
/// Pieces without anything in them come after so much silence, to keep the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// A piece of what a call printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which call.
    pub execution: ExecutionId,
    /// When it was printed, or, of an ended call, when that was made. Unit: UTC milliseconds.
    pub at_ms: i64,
    /// What was printed.
    pub text: String,
    /// Where the call stands.
    pub state: ExecutionState,
}

/// Which calls are read.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Those after this one only.
    pub after: Option<ExecutionId>,
    /// The last so many of those that have ended.
    pub limit: u32,
    /// Whether to go on until this is requested.
    pub follow: Option<Shutdown>,
}

/// Pieces as they come, several at once; none: there was silence. The first are those of calls that have ended.
///
/// # Errors
/// When the store cannot be read.
pub async fn pieces(app: &App, function: FunctionId, wanted: Wanted) -> Result<BoxStream<'static, Vec<Piece>>, Error> {
    // Watched before the records are read: nothing falls between the two.
    let chunks = app.logs().watch();
    let open = match wanted.follow {
        Some(_) => Some(running(app, function).await?),
        None => None,
    };
    let (history, done) = history(app, function, wanted.after, wanted.limit.min(LARGEST_LIMIT)).await?;
    let first = stream::iter([history]);
    let (Some(mut sent), Some(shutdown)) = (open, wanted.follow) else {
        return Ok(first.boxed());
    };
    sent.retain(|id, _| !done.contains(id));
    let follower = Follower {
        app: app.clone(),
        function,
        chunks,
        sent,
        done,
        shutdown,
    };
    Ok(first.chain(stream::unfold(follower, Follower::next)).boxed())
}

/// What ended calls printed, and which calls these are.
async fn history(
    app: &App,
    function: FunctionId,
    after: Option<ExecutionId>,
    limit: u32,
) -> Result<(Vec<Piece>, BTreeSet<ExecutionId>), Error> {
    let (mut pieces, mut done) = (Vec::new(), BTreeSet::new());
    let order = after.map_or(Order::NewestFirst, |_| Order::OldestFirst);
    let filter = ExecutionFilter {
        function: Some(function),
        marker: after,
        order,
        limit,
        ..ExecutionFilter::default()
    };
    let mut entries = app.logged(filter).await?;
    entries.sort_by_key(|entry| entry.execution.id);
    for entry in entries {
        done.insert(entry.execution.id);
        if !entry.log.is_empty() {
            pieces.push(Piece {
                execution: entry.execution.id,
                at_ms: entry.execution.created_at.as_millis(),
                text: String::from_utf8_lossy(&entry.log).into_owned(),
                state: entry.execution.state,
            });
        }
    }
    Ok((pieces, done))
}

/// The calls that run, of which nothing has been sent.
async fn running(app: &App, function: FunctionId) -> Result<BTreeMap<ExecutionId, usize>, Error> {
    let filter = ExecutionFilter {
        function: Some(function),
        state: Some(ExecutionState::Running),
        limit: LARGEST_LIMIT,
        ..ExecutionFilter::default()
    };
    let executions = app.list_executions(filter).await?;
    Ok(executions.into_iter().map(|e| (e.id, 0)).collect())
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
    async fn next(mut self) -> Option<(Vec<Piece>, Self)> {
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
                        return Some((Vec::new(), self));
                    }
                }
            }
            while let Ok(chunk) = self.chunks.try_recv() {
                self.note(&chunk);
            }
            let pieces = self.news().await;
            if !pieces.is_empty() {
                return Some((pieces, self));
            }
        }
    }

    fn note(&mut self, chunk: &LogChunk) {
        if chunk.function == self.function && !self.done.contains(&chunk.execution) {
            self.sent.entry(chunk.execution).or_insert(0);
        }
    }

    async fn news(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let open: Vec<_> = self.sent.iter().map(|(id, sent)| (*id, *sent)).collect();
        for (id, sent) in open {
            pieces.extend(self.news_of(id, sent).await);
        }
        pieces
    }

    async fn news_of(&mut self, id: ExecutionId, sent: usize) -> Option<Piece> {
        let piece = |text, state| Piece {
            execution: id,
            at_ms: self.app.now().as_millis(),
            text,
            state,
        };
        if let Some(log) = self.app.logs().so_far(id) {
            let (text, used) = readable(log.get(sent..).unwrap_or_default());
            let piece = piece(text, ExecutionState::Running);
            self.sent.insert(id, sent + used);
            return (used > 0).then_some(piece);
        }
        match self.app.execution_log(id).await {
            Ok(detail) if detail.execution.state.is_terminal() => {
                let rest = String::from_utf8_lossy(detail.log.get(sent..).unwrap_or_default()).into_owned();
                let piece = piece(rest, detail.execution.state);
                self.end(id);
                Some(piece)
            }
            Ok(_) => None,
            // Deleted with its function, or the store is closing.
            Err(_) => {
                self.end(id);
                None
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
}
