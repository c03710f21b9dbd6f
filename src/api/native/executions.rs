//! Executions: their records, what they printed, what they answered, and their end on request.

use super::error::{Params, Problem, Segment};
use super::functions::{find, namespace};
use super::webhooks::selector;
use super::wire::{self, ErrorBody, ExecutionList, ExecutionView, ExecutionsQuery, KeptRequest, ReplayQuery};
use super::{NativeState, map};
use crate::api::kit::invoke as kit;
use crate::app::App;
use crate::domain::{Error, Execution, ExecutionId, Function, FunctionId, Revision, Timestamp};
use crate::store::{ExecutionFilter, Order};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// How many a list holds when nothing is said, and at most.
const LIMIT: u32 = 50;
const LARGEST_LIMIT: u32 = 1000;

/// The names behind executions' ids, each looked up once.
struct Names {
    functions: HashMap<FunctionId, Function>,
    revisions: HashMap<FunctionId, Vec<Revision>>,
}

impl Names {
    async fn read(app: &App) -> Result<Self, Error> {
        let functions = app.list_functions(None).await?;
        let functions = functions.into_iter().map(|f| (f.id, f)).collect();
        Ok(Self {
            functions,
            revisions: HashMap::new(),
        })
    }

    async fn view(&mut self, app: &App, execution: Execution) -> Result<ExecutionView, Error> {
        let id = execution.function;
        if let Entry::Vacant(place) = self.revisions.entry(id) {
            place.insert(app.list_revisions(id).await?);
        }
        let revisions = self.revisions.get(&id).map_or(&[][..], Vec::as_slice);
        let revision = revisions.iter().find(|r| Some(r.id) == execution.revision);
        let function = self.functions.get(&id);
        let named = map::Named {
            function: function.map(|f| f.name.to_string()),
            namespace: function.map_or_else(String::new, |f| f.namespace.to_string()),
            version: revision.map(|r| r.number),
        };
        Ok(map::execution(execution, named))
    }
}

/// One execution with its names and its callback.
pub(super) async fn view(app: &App, execution: Execution) -> Result<ExecutionView, Error> {
    let callback = match execution.asynchronous {
        true => app.callback(execution.id).await?,
        false => None,
    };
    let view = Names::read(app).await?.view(app, execution).await?;
    Ok(ExecutionView {
        callback: callback.map(map::callback),
        ..view
    })
}

fn id(text: &str) -> Result<ExecutionId, Error> {
    let missing = || {
        Error::not_found(format!(
            "there is no execution `{}`: `hob runs list` shows what there is",
            text.escape_debug()
        ))
    };
    ExecutionId::parse(text).ok_or_else(missing)
}

/// The execution that a query names.
pub(super) fn bound(text: Option<&str>) -> Result<Option<ExecutionId>, Error> {
    let wrong = |t: &str| Error::invalid(format!("`{}` is no execution id", t.escape_debug()));
    text.map(|t| ExecutionId::parse(t).ok_or_else(|| wrong(t))).transpose()
}

/// A page of a namespace's executions.
#[utoipa::path(get, path = "/hob/v1/executions", params(ExecutionsQuery), responses(
    (status = 200, body = ExecutionList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<NativeState>,
    Params(query): Params<ExecutionsQuery>,
) -> Result<Json<ExecutionList>, Problem> {
    let app = &state.app;
    let function = match query.function.as_deref() {
        Some(name) => Some(find(app, query.namespace.as_deref(), name).await?.id),
        None => None,
    };
    let filter = filter(&query, function)?;
    let total = match query.count {
        Some(true) => Some(app.count_matching_executions(filter.clone()).await?),
        _ => None,
    };
    let mut names = Names::read(app).await?;
    let mut executions = Vec::new();
    for execution in app.list_executions(filter).await? {
        executions.push(names.view(app, execution).await?);
    }
    Ok(Json(ExecutionList { executions, total }))
}

fn filter(query: &ExecutionsQuery, function: Option<FunctionId>) -> Result<ExecutionFilter, Error> {
    let (order, marker) = match (query.order, query.before.as_deref(), query.after.as_deref()) {
        (None | Some(wire::Order::Newest), before, None) => (Order::NewestFirst, before),
        (None | Some(wire::Order::Oldest), None, after) => (Order::OldestFirst, after),
        _ => {
            return Err(Error::invalid(
                "`before` goes with the newest first, `after` with the oldest first, and not both",
            ));
        }
    };
    Ok(ExecutionFilter {
        namespace: Some(namespace(query.namespace.as_deref())?),
        function,
        state: query.state.map(map::execution_state_from),
        asynchronous: query.asynchronous,
        dead: query.dead,
        created_from: query.created_from_ms.map(Timestamp::from_millis),
        created_before: query.created_before_ms.map(Timestamp::from_millis),
        marker: bound(marker)?,
        order,
        offset: query.offset.unwrap_or(0),
        limit: query.limit.unwrap_or(LIMIT).min(LARGEST_LIMIT),
    })
}

/// One execution.
#[utoipa::path(get, path = "/hob/v1/executions/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = ExecutionView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<NativeState>,
    Segment(text): Segment,
) -> Result<Json<ExecutionView>, Problem> {
    let execution = state.app.execution(id(&text)?).await?;
    Ok(Json(view(&state.app, execution).await?))
}

/// What an execution printed, as it printed it; of a running one, so far.
#[utoipa::path(get, path = "/hob/v1/executions/{id}/log", params(("id" = String, Path)), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn log(State(state): State<NativeState>, Segment(text): Segment) -> Result<Response, Problem> {
    let detail = state.app.execution_log(id(&text)?).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], detail.log).into_response())
}

/// What an execution answered, where that was kept.
#[utoipa::path(get, path = "/hob/v1/executions/{id}/result", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn result(State(state): State<NativeState>, Segment(text): Segment) -> Result<Response, Problem> {
    let body = state.app.execution_result(id(&text)?).await?;
    Ok(([(CONTENT_TYPE, kind_of(&body))], body).into_response())
}

/// What an execution was called with, where that was kept.
#[utoipa::path(get, path = "/hob/v1/executions/{id}/input", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn input(State(state): State<NativeState>, Segment(text): Segment) -> Result<Response, Problem> {
    let input = state.app.execution_input(id(&text)?).await?;
    Ok(([(CONTENT_TYPE, kind_of(&input.body))], input.body).into_response())
}

/// All of what an execution was called with, where that was kept: of headers that open doors, the names only.
#[utoipa::path(get, path = "/hob/v1/executions/{id}/request", params(("id" = String, Path)), responses(
    (status = 200, body = KeptRequest), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn request(
    State(state): State<NativeState>,
    Segment(text): Segment,
) -> Result<Json<KeptRequest>, Problem> {
    let input = state.app.execution_input(id(&text)?).await?;
    Ok(Json(map::kept_request(input)))
}

/// Calls a function again with what an execution was called with; answers what the function answers.
#[utoipa::path(post, path = "/hob/v1/executions/{id}/replay", params(("id" = String, Path), ReplayQuery), responses(
    (status = 200, description = "What the function answered; it may also choose another status"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn replay(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<ReplayQuery>,
) -> Result<Response, Problem> {
    let selector = selector(query.selector.as_deref())?.unwrap_or_default();
    Ok(kit::replay(&state.app, id(&text)?, selector).await)
}

fn kind_of(body: &[u8]) -> &'static str {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if is_json {
        "application/json"
    } else {
        "application/octet-stream"
    }
}

/// Deletes the record of an execution that has ended.
#[utoipa::path(delete, path = "/hob/v1/executions/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(State(state): State<NativeState>, Segment(text): Segment) -> Result<StatusCode, Problem> {
    state.app.delete_execution(id(&text)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an execution that waits or runs.
#[utoipa::path(post, path = "/hob/v1/executions/{id}/cancel", params(("id" = String, Path)), responses(
    (status = 200, body = ExecutionView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn cancel(
    State(state): State<NativeState>,
    Segment(text): Segment,
) -> Result<Json<ExecutionView>, Problem> {
    let id = id(&text)?;
    let cancelled = state.app.cancel(id).await?;
    let execution = state.app.execution(id).await?;
    if !cancelled {
        let how = execution.state.as_str();
        return Err(Problem(Error::conflict(format!(
            "execution {id} has ended already: it is {how}"
        ))));
    }
    Ok(Json(view(&state.app, execution).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_the_path_that_is_none_is_not_found_and_in_the_query_invalid() {
        assert!(matches!(id("x"), Err(Error::NotFound(_))));
        assert!(matches!(bound(Some("x")), Err(Error::Invalid(_))));
        assert!(matches!(bound(None), Ok(None)));
    }
}
