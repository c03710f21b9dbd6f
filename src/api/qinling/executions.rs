//! Executions: make, list, show and forget them, and read what they printed. How each call went is said by
//! `execution_result`.
//!
//! A call is a request of the core's: the body is the input, and the query says by which alias the function was named.

use super::attributes::{self, Attribute, Body, Kind, path_uuid, read_only, writable};
use super::callee::{Named, Reference};
use super::caller::Caller;
use super::execution_result::{self as result, Ending, Outcome};
use super::execution_view::{self as view, View};
use super::fault::Fault;
use super::filter::Query;
use super::note::{self, Found};
use super::{Dialect, Route, input, wire};
use crate::app::{App, Callee, Incoming, InvokeOptions, Keep};
use crate::domain::{Error, Execution, ExecutionId, FunctionId};
use crate::invoker::{self, RESULT_LIMIT, Reply};
use crate::store::{ExecutionFilter, Order};
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use futures_util::StreamExt;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;

/// Executions that are read at once while a list is made.
const PAGE: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/executions", post(create)),
        (Method::GET, "/v1/executions", get(list)),
        (Method::GET, "/v1/executions/{id}", get(show)),
        (Method::GET, "/v1/executions/{id}/log", get(log)),
        (Method::DELETE, "/v1/executions/{id}", delete(remove)),
    ]
}

const ATTRIBUTES: [Attribute; 12] = [
    read_only("id"),
    writable("function_id", Kind::Uuid),
    writable("function_version", Kind::Integer),
    writable("function_alias", Kind::Text),
    writable("sync", Kind::Boolean),
    writable("input", Kind::Text),
    writable("description", Kind::Text),
    read_only("status"),
    read_only("result"),
    read_only("project_id"),
    read_only("created_at"),
    read_only("updated_at"),
];

async fn create(State(state): State<Dialect>, caller: Caller, body: HttpBody) -> Result<Response, Fault> {
    let app = &state.app;
    let body = Body::read("body", &ATTRIBUTES, &attributes::bytes(body).await?)?;
    let callee = Reference::of(&body).must_name_something()?.find(app, &caller).await?;
    callee.must_be_available(app).await?;
    let call = Call {
        id: ExecutionId::generate(),
        input: input::body(callee.shape(), body.text("input")),
        description: body.text("description").unwrap_or_default().to_owned(),
        callee,
    };
    let view = match body.boolean("sync").unwrap_or(true) {
        true => call.make(app).await?,
        false => call.accept(app).await?,
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// A call to make.
pub(super) struct Call {
    pub(super) id: ExecutionId,
    pub(super) callee: Named,
    pub(super) input: Vec<u8>,
    pub(super) description: String,
}

impl Call {
    /// Makes the call and waits for its end.
    ///
    /// # Errors
    /// When there is no record of it; a call that was begun has one, however it ended.
    async fn make(self, app: &App) -> Result<wire::Execution, Fault> {
        let created_at = app.now();
        let callee = Callee::Id(self.callee.found.function.id);
        let outcome = match app.invoke(callee, self.options(), self.incoming()).await {
            Ok(answer) => outcome(answer).await,
            Err(error) if has_a_record(&error) => Ok(Outcome {
                ending: Ending::Error,
                took_us: 0,
            }),
            Err(error) => return Err(error.into()),
        };
        match outcome {
            Ok(outcome) => Ok(self.view(true, &outcome).at(created_at, Some(app.now()))),
            // The answer broke off: what came of it is in the record.
            Err(_) => recorded(app, &self.callee.found, app.execution(self.id).await?).await,
        }
    }

    /// Accepts the call to be made soon; once this answers it will be.
    ///
    /// # Errors
    /// When it could not be written down.
    pub(super) async fn accept(self, app: &App) -> Result<wire::Execution, Fault> {
        let created_at = app.now();
        let callee = Callee::Id(self.callee.found.function.id);
        app.invoke_later(callee, self.options(), self.incoming()).await?;
        let running = Outcome {
            ending: Ending::Running,
            took_us: 0,
        };
        Ok(self.view(false, &running).at(created_at, None))
    }

    fn options(&self) -> InvokeOptions {
        InvokeOptions {
            selector: self.callee.selector(),
            keep: Keep {
                input: true,
                result: true,
            },
            description: self.description.clone(),
            ..InvokeOptions::new(self.id)
        }
    }

    fn incoming(&self) -> Incoming {
        let alias = self.callee.alias.as_ref().map(|alias| alias.name.as_str());
        Incoming {
            method: Method::POST.to_string(),
            path: "/".to_owned(),
            query: alias.map_or_else(String::new, view::query_of),
            headers: Vec::new(),
            body: invoker::Body::of(self.input.clone()),
        }
    }

    fn view<'c>(&'c self, sync: bool, outcome: &'c Outcome) -> View<'c> {
        View {
            id: self.id,
            found: &self.callee.found,
            version: self.callee.number(),
            alias: self.callee.alias.as_ref().map(|alias| alias.name.to_string()),
            description: &self.description,
            sync,
            input: &self.input,
            outcome,
        }
    }
}

/// Errors of a call that was begun: what it met is a result of the execution.
fn has_a_record(error: &Error) -> bool {
    match error {
        Error::Busy { .. } | Error::NoCapacity { .. } | Error::WorkerDied(_) | Error::Engine { .. } => true,
        Error::Invalid(_)
        | Error::NotFound(_)
        | Error::Conflict(_)
        | Error::Denied(_)
        | Error::TooLarge(_)
        | Error::NotReady(_)
        | Error::DiskFull(_)
        | Error::Internal { .. } => false,
    }
}

async fn outcome(answer: invoker::Answer) -> io::Result<Outcome> {
    let took_us = result::took(&answer.timings);
    let ending = match answer.reply {
        Reply::Success { body, .. } => Ending::Success(Some(whole(body).await?)),
        Reply::Failure(failure) => failure.into(),
    };
    Ok(Outcome { ending, took_us })
}

/// As much of an answer as the record keeps of it.
async fn whole(body: invoker::Body) -> io::Result<Vec<u8>> {
    let mut stream = match body {
        invoker::Body::Whole(bytes) => return Ok(bytes.to_vec()),
        invoker::Body::Stream(stream) => stream,
    };
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        let room = RESULT_LIMIT.saturating_sub(all.len());
        all.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    Ok(all)
}

async fn list(State(state): State<Dialect>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Value>, Fault> {
    let app = &state.app;
    let fields = ["function_id", "status", "description", "project_id"];
    let mut query = Query::read(&query.unwrap_or_default(), &fields)?;
    let scope = caller.scope(&mut query)?;
    let functions = note::functions(app, scope.as_ref()).await?;
    let functions: HashMap<FunctionId, Found> = functions.into_iter().map(|f| (f.function.id, f)).collect();
    let mut filter = ExecutionFilter {
        namespace: scope,
        function: query.exactly("function_id").and_then(FunctionId::parse),
        order: Order::OldestFirst,
        limit: PAGE,
        ..ExecutionFilter::default()
    };
    let mut views = Vec::new();
    loop {
        let page = app.list_executions(filter.clone()).await?;
        filter.marker = page.last().map(|e| e.id);
        let is_last = page.len() < PAGE as usize;
        let mut shown = page;
        shown.retain(|e| functions.get(&e.function).is_some_and(|f| admits(&query, f, e)));
        views.extend(view::recorded(app, &functions, shown).await?);
        if is_last {
            return Ok(Json(json!({"executions": views})));
        }
    }
}

fn admits(query: &Query, found: &Found, execution: &Execution) -> bool {
    let function = execution.function.to_string();
    query.admits(|field| match field {
        "function_id" => Some(function.as_str()),
        "status" => Some(view::status(execution.state)),
        "project_id" => Some(found.function.namespace.as_str()),
        _ => Some(execution.description.as_str()).filter(|text| !text.is_empty()),
    })
}

async fn show(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<wire::Execution>, Fault> {
    let (execution, found) = find(&state.app, &caller, path_uuid("id", &id)?).await?;
    Ok(Json(recorded(&state.app, &found, execution).await?))
}

async fn log(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<Response, Fault> {
    let (execution, _) = find(&state.app, &caller, &id).await?;
    let detail = state.app.execution_log(execution.id).await?;
    Ok(match result::log(&detail.execution, &detail.log) {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], text).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// A call that runs goes on and leaves no trace; one that has not begun is not made.
async fn remove(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    let (execution, _) = find(&state.app, &caller, path_uuid("id", &id)?).await?;
    state.app.forget_execution(execution.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn recorded(app: &App, found: &Found, execution: Execution) -> Result<wire::Execution, Fault> {
    let id = execution.id;
    let functions = HashMap::from([(found.function.id, found.clone())]);
    let mut views = view::recorded(app, &functions, vec![execution]).await?;
    views.pop().ok_or_else(|| not_found(&id.to_string()))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<(Execution, Found), Fault> {
    let parsed = ExecutionId::parse(id).filter(|parsed| parsed.to_string() == id);
    let execution = match app.execution(parsed.ok_or_else(|| not_found(id))?).await {
        Err(Error::NotFound(_)) => return Err(not_found(id)),
        found => found?,
    };
    let found = note::by_id(app, execution.function).await?;
    let found = found.filter(|f| caller.sees(&f.function.namespace));
    Ok((execution, found.ok_or_else(|| not_found(id))?))
}

fn not_found(id: &str) -> Fault {
    Fault::not_found("Execution", "id", id)
}
