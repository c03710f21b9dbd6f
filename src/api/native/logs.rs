//! What a function's calls printed, as newline-delimited JSON.

use super::NativeState;
use super::error::{Params, Problem, Segment};
use super::executions::bound;
use super::functions::find;
use super::map;
use super::wire::{ErrorBody, LogEntry, LogsQuery};
use crate::api::kit::function_log::{Piece, Wanted, pieces};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::convert::Infallible;

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
    let function = find(&state.app, query.namespace.as_deref(), &name).await?.id;
    let wanted = Wanted {
        after: bound(query.after.as_deref())?,
        limit: query.limit.unwrap_or(LIMIT),
        follow: (query.follow == Some(true)).then_some(state.shutdown),
    };
    let follows = wanted.follow.is_some();
    let pieces = pieces(&state.app, function, wanted).await?;
    let lines = pieces.map(move |pieces| Ok::<_, Infallible>(lines(&pieces, follows)));
    let kind = [(http::header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// While somebody follows, silence is an empty line.
fn lines(pieces: &[Piece], follows: bool) -> String {
    match pieces {
        [] if follows => "\n".to_owned(),
        pieces => pieces.iter().map(line).collect(),
    }
}

fn line(piece: &Piece) -> String {
    let entry = LogEntry {
        execution: piece.execution.to_string(),
        at_ms: piece.at_ms,
        stream: "output".to_owned(),
        text: piece.text.clone(),
        state: map::execution_state(piece.state),
    };
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::super::wire::ExecutionState;
    use super::*;
    use crate::domain::{self, ExecutionId};

    #[test]
    fn a_line_is_one_line_of_json() {
        let line = line(&Piece {
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
