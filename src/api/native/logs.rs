//! What functions' calls printed, as newline-delimited JSON.

use super::NativeState;
use super::error::{Params, Problem, Segment};
use super::executions::bound;
use super::functions::{find, namespace};
use super::map;
use super::wire::{AllLogsQuery, ErrorBody, LogEntry, LogsQuery};
use crate::api::kit::function_log::{LARGEST_LIMIT, Piece, Scope, Wanted, pieces};
use crate::domain::Timestamp;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::convert::Infallible;

/// What user code prints on its two streams comes in one order, and is not told apart.
const STREAM: &str = "output";
/// How many calls when nothing is said.
const LIMIT: u32 = 20;

/// What a function's calls printed, as newline-delimited JSON.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/logs", params(("name" = String, Path), LogsQuery), responses(
    (status = 200, body = LogEntry, content_type = "application/x-ndjson"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn logs(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<LogsQuery>,
) -> Result<Response, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let wanted = Wanted {
        after: bound(query.after.as_deref())?,
        ..wanted(&state, query.limit, query.follow)
    };
    answer(&state, Scope::of(function.namespace.clone(), [function]), wanted).await
}

/// What the calls of several functions printed, or those of all, as newline-delimited JSON.
#[utoipa::path(get, path = "/hob/v1/logs", params(AllLogsQuery), responses(
    (status = 200, body = LogEntry, content_type = "application/x-ndjson"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn all(
    State(state): State<NativeState>,
    Params(query): Params<AllLogsQuery>,
) -> Result<Response, Problem> {
    let app = &state.app;
    let execution = bound(query.execution.as_deref())?;
    let mut named = Vec::new();
    for name in query.function.iter().flat_map(|names| names.split(',')) {
        named.push(find(app, query.namespace.as_deref(), name).await?);
    }
    let space = match (execution, query.namespace.as_deref()) {
        (Some(id), None) => app.namespace_of(app.execution(id).await?.function).await?,
        (_, named) => namespace(named)?,
    };
    let mut scope = match query.function {
        Some(_) => Scope::of(space, named),
        None => Scope::every(space),
    };
    if let Some(id) = execution {
        scope = scope.only(app, id).await?;
    }
    let wanted = Wanted {
        since: query.since_ms.map(Timestamp::from_millis),
        ..wanted(&state, query.limit, query.follow)
    };
    answer(&state, scope, wanted).await
}

fn wanted(state: &NativeState, limit: Option<u32>, follow: Option<bool>) -> Wanted {
    Wanted {
        since: None,
        after: None,
        limit: limit.unwrap_or(LIMIT).min(LARGEST_LIMIT),
        follow: (follow == Some(true)).then(|| state.shutdown.clone()),
    }
}

async fn answer(state: &NativeState, scope: Scope, wanted: Wanted) -> Result<Response, Problem> {
    let pieces = pieces(&state.app, scope, wanted).await?;
    let lines = pieces.enumerate().map(|(n, pieces)| {
        // An empty line keeps the connection; a history without anything needs none.
        let silence = n > 0 && pieces.is_empty();
        let lines: String = pieces.into_iter().map(line).collect();
        Ok::<_, Infallible>(if silence { "\n".to_owned() } else { lines })
    });
    let headers = [(http::header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

fn line(piece: Piece) -> String {
    let entry = LogEntry {
        function: piece.function,
        execution: piece.execution.to_string(),
        at_ms: piece.at_ms,
        stream: STREAM.to_owned(),
        text: piece.text,
        state: map::execution_state(piece.state),
    };
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::wire::ExecutionState;
    use crate::domain::{self, ExecutionId};

    #[test]
    fn a_line_is_one_line_of_json() {
        let line = line(Piece {
            function: "f".to_owned(),
            execution: ExecutionId::generate(),
            at_ms: 5,
            text: "a\nb\n".to_owned(),
            state: domain::ExecutionState::Failed,
        });
        assert_eq!(line.matches('\n').count(), 1);
        let entry: LogEntry = serde_json::from_str(&line).expect("an entry");
        assert_eq!((entry.text.as_str(), entry.state), ("a\nb\n", ExecutionState::Failed));
    }
}
