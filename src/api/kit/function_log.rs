//! What functions' calls printed: the records first, then, on request, what running calls print.
//!
//! A running call's text is always taken from where it was left, never from the chunks that announce it, so
//! that a slow reader misses nothing and sees nothing twice. How a piece is written is the API's to say.

use crate::app::App;
use crate::domain::{Error, ExecutionId, ExecutionState, Function, FunctionId, Namespace, Timestamp};
use crate::invoker::LogChunk;
use crate::store::{ExecutionFilter, LogEntry, Order};
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
    /// The name of the function that was called.
    pub function: String,
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
    /// Those made since then only.
    pub since: Option<Timestamp>,
    /// Those after this one only.
    pub after: Option<ExecutionId>,
    /// The last so many of those that have ended.
    pub limit: u32,
    /// Whether to go on until this is requested.
    pub follow: Option<Shutdown>,
}

/// Whose calls are read.
#[derive(Debug)]
pub struct Scope {
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

impl Scope {
    /// Every function of a namespace, also one that comes later.
    pub fn every(namespace: Namespace) -> Self {
        Self {
            namespace,
            functions: BTreeMap::new(),
            all: true,
            execution: None,
            strangers: BTreeSet::new(),
        }
    }

    /// These functions of a namespace.
    pub fn of(namespace: Namespace, functions: impl IntoIterator<Item = Function>) -> Self {
        let named = functions.into_iter().map(|f| (f.id, f.name.to_string()));
        Self {
            functions: named.collect(),
            all: false,
            ..Self::every(namespace)
        }
    }

    /// Of these calls this one only.
    ///
    /// # Errors
    /// When it is not one of them.
    pub async fn only(mut self, app: &App, execution: ExecutionId) -> Result<Self, Error> {
        let called = app.execution(execution).await?.function;
        if !self.holds(app, called).await {
            return Err(Error::not_found(
                "no such function was called so: `hob runs list` shows what there is",
            ));
        }
        self.execution = Some(execution);
        Ok(self)
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

/// Pieces as they come, several at once; none: there was silence. The first are those of calls that have ended.
///
/// # Errors
/// When the store cannot be read.
pub async fn pieces(app: &App, mut scope: Scope, wanted: Wanted) -> Result<BoxStream<'static, Vec<Piece>>, Error> {
    // Watched before the records are read: nothing falls between the two.
    let chunks = app.logs().watch();
    let open = match wanted.follow {
        Some(_) => Some(running(app, &mut scope).await?),
        None => None,
    };
    let (history, done) = history(app, &mut scope, &wanted).await?;
    let first = stream::iter([history]);
    let (Some(mut sent), Some(shutdown)) = (open, wanted.follow) else {
        return Ok(first.boxed());
    };
    sent.retain(|id, _| !done.contains(id));
    let follower = Follower {
        app: app.clone(),
        scope,
        chunks,
        sent,
        done,
        shutdown,
    };
    Ok(first.chain(stream::unfold(follower, Follower::next)).boxed())
}

/// What ended calls printed, and which calls these are.
async fn history(app: &App, scope: &mut Scope, wanted: &Wanted) -> Result<(Vec<Piece>, BTreeSet<ExecutionId>), Error> {
    let (mut pieces, mut done) = (Vec::new(), BTreeSet::new());
    for entry in ended(app, scope, wanted).await? {
        done.insert(entry.execution.id);
        if !entry.log.is_empty() && scope.holds(app, entry.execution.function).await {
            pieces.push(Piece {
                function: scope.name(entry.execution.function),
                execution: entry.execution.id,
                at_ms: entry.execution.created_at.as_millis(),
                text: String::from_utf8_lossy(&entry.log).into_owned(),
                state: entry.execution.state,
            });
        }
    }
    Ok((pieces, done))
}

/// Ended calls, oldest first.
async fn ended(app: &App, scope: &Scope, wanted: &Wanted) -> Result<Vec<LogEntry>, Error> {
    if let Some(id) = scope.execution {
        let detail = app.execution_log(id).await?;
        let over = detail.execution.state.is_terminal();
        let entry = LogEntry {
            execution: detail.execution,
            log: detail.log,
        };
        return Ok((over || wanted.follow.is_none()).then_some(entry).into_iter().collect());
    }
    let mut all = Vec::new();
    for filter in scope.filters() {
        let order = wanted.after.map_or(Order::NewestFirst, |_| Order::OldestFirst);
        let filter = ExecutionFilter {
            created_from: wanted.since,
            marker: wanted.after,
            order,
            limit: wanted.limit,
            ..filter
        };
        all.extend(app.logged(filter).await?);
    }
    all.sort_by_key(|entry| entry.execution.id);
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    match wanted.after {
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
            state: Some(ExecutionState::Running),
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
    async fn next(mut self) -> Option<(Vec<Piece>, Self)> {
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
                        return Some((Vec::new(), self));
                    }
                }
            }
            while let Ok(chunk) = self.chunks.try_recv() {
                self.note(&chunk).await;
            }
            let pieces = self.news().await;
            if !pieces.is_empty() {
                return Some((pieces, self));
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

    async fn news(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let open: Vec<_> = self.sent.iter().map(|(id, sent)| (*id, sent.bytes)).collect();
        for (id, sent) in open {
            pieces.extend(self.news_of(id, sent).await);
        }
        pieces
    }

    async fn news_of(&mut self, id: ExecutionId, sent: usize) -> Option<Piece> {
        if let Some(log) = self.app.logs().so_far(id) {
            let (text, used) = readable(log.get(sent..).unwrap_or_default());
            if let Some(call) = self.sent.get_mut(&id) {
                call.bytes = sent + used;
            }
            return (used > 0).then(|| self.said(id, text, ExecutionState::Running));
        }
        match self.app.execution_log(id).await {
            Ok(detail) if detail.execution.state.is_terminal() => {
                let rest = String::from_utf8_lossy(detail.log.get(sent..).unwrap_or_default()).into_owned();
                let said = self.said(id, rest, detail.execution.state);
                self.end(id);
                Some(said)
            }
            Ok(_) => None,
            // Deleted with its function, or the store is closing.
            Err(_) => {
                self.end(id);
                None
            }
        }
    }

    fn said(&self, id: ExecutionId, text: String, state: ExecutionState) -> Piece {
        let function = self.sent.get(&id).map(|sent| self.scope.name(sent.function));
        Piece {
            function: function.unwrap_or_default(),
            execution: id,
            at_ms: self.app.now().as_millis(),
            text,
            state,
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
