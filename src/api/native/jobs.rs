//! Jobs: make, look, change, fire, pause, resume, end.
//!
//! A job is named by its id, or by its name where only one of the namespace has it. What a job may do, the domain says.

use super::error::{Params, Problem, Segment};
use super::functions::{find, namespace};
use super::job_wire::{Fired, JobDetail, JobList, JobSettings, JobView, JobsQuery, NextQuery, NextTimes};
use super::wire::{BASE, ErrorBody, NamespaceQuery};
use super::{NativeState, job_map as map};
use crate::app::{App, JobUpdate, NewJob};
use crate::domain::{Error, FunctionId, Job, JobChange, JobId, Overlap, Selector, Timestamp};
use crate::store::JobFilter;
use crate::telemetry::chain;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use std::collections::HashMap;

/// How many a list holds when nothing is said, and at most.
const LIMIT: u32 = 1000;
/// How many next times are told when nothing is said, and at most.
const TIMES: u32 = 5;
const MOST_TIMES: u32 = 100;

/// Jobs of a namespace, oldest first.
#[utoipa::path(get, path = "/hob/v1/jobs", params(JobsQuery), responses(
    (status = 200, body = JobList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<NativeState>,
    Params(query): Params<JobsQuery>,
) -> Result<Json<JobList>, Problem> {
    let app = &state.app;
    let function = match query.function.as_deref() {
        Some(name) => Some(find(app, query.namespace.as_deref(), name).await?.id),
        None => None,
    };
    let filter = JobFilter {
        namespace: Some(namespace(query.namespace.as_deref())?),
        function,
        state: query.state.map(map::state_from),
        name: None,
        after: bound(query.after.as_deref())?,
        limit: Some(query.limit.unwrap_or(LIMIT).min(LIMIT)),
    };
    let functions = app.list_functions(None).await?;
    let names: HashMap<FunctionId, String> = functions.into_iter().map(|f| (f.id, f.name.to_string())).collect();
    let jobs = app.list_jobs(filter).await?;
    let jobs = jobs.iter().map(|job| map::job(job, names.get(&job.function).cloned()));
    Ok(Json(JobList { jobs: jobs.collect() }))
}

/// Makes a job.
#[utoipa::path(post, path = "/hob/v1/jobs", params(NamespaceQuery), request_body = JobSettings, responses(
    (status = 201, body = JobView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn create(
    State(state): State<NativeState>,
    Params(query): Params<NamespaceQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let app = &state.app;
    let sent = settings(&state, body).await?;
    let namespace = namespace(query.namespace.as_deref())?;
    let schedule = map::schedule(&sent, app.now())?;
    let schedule = schedule.ok_or_else(|| Error::invalid("when? give `cron`, `every_ms` or `at_ms`"))?;
    let name = sent.function.as_deref();
    let name = name.ok_or_else(|| Error::invalid("which `function` should be called?"))?;
    let function = find(app, Some(namespace.as_str()), name).await?.id;
    let new = NewJob {
        namespace,
        name: sent.name.unwrap_or_default(),
        function,
        selector: selector(sent.selector.as_deref())?.unwrap_or_default(),
        schedule,
        first_at: sent.first_at_ms.map(Timestamp::from_millis),
        count: sent.count,
        input: map::input(sent.input.unwrap_or_default())?,
        missed: sent.missed.map(map::missed_from),
        overlap: sent.overlap.map_or(Overlap::Allow, map::overlap_from),
    };
    let job = view(app, &app.create_job(new).await?).await?;
    let location = [(header::LOCATION, format!("{BASE}/jobs/{}", job.id))];
    Ok((StatusCode::CREATED, location, Json(job)).into_response())
}

/// One job with its input.
#[utoipa::path(get, path = "/hob/v1/jobs/{id}", params(("id" = String, Path), NamespaceQuery), responses(
    (status = 200, body = JobDetail), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<JobDetail>, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    let input = state.app.job_input(job.id).await?;
    Ok(Json(JobDetail {
        job: view(&state.app, &job).await?,
        input: map::input_view(input),
    }))
}

/// Changes a job; another schedule holds at once.
#[utoipa::path(patch, path = "/hob/v1/jobs/{id}", params(("id" = String, Path), NamespaceQuery),
    request_body = JobSettings, responses(
    (status = 200, body = JobView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn update(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
    body: Body,
) -> Result<Json<JobView>, Problem> {
    let app = &state.app;
    let sent = settings(&state, body).await?;
    let job = named(app, query.namespace.as_deref(), &text).await?;
    if sent.function.is_some() {
        return Err(Problem(Error::invalid(
            "a job keeps its function: create another job for another function",
        )));
    }
    let change = JobChange {
        selector: selector(sent.selector.as_deref())?,
        schedule: map::schedule(&sent, app.now())?,
        first_at: sent.first_at_ms.map(Timestamp::from_millis),
        name: sent.name,
        count: sent.count.map(Some),
        missed: sent.missed.map(map::missed_from),
        overlap: sent.overlap.map(map::overlap_from),
        next_at: None,
    };
    let input = sent.input.map(map::input).transpose()?;
    let job = app.update_job(job.id, JobUpdate { change, input }).await?;
    Ok(Json(view(app, &job).await?))
}

/// Removes a job; the executions it made stay.
#[utoipa::path(delete, path = "/hob/v1/jobs/{id}", params(("id" = String, Path), NamespaceQuery), responses(
    (status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<StatusCode, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    state.app.delete_job(job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fires a job now, apart from its schedule.
#[utoipa::path(post, path = "/hob/v1/jobs/{id}/fire", params(("id" = String, Path), NamespaceQuery), responses(
    (status = 202, body = Fired), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn fire(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Response, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    let (_, execution) = state.app.fire_job(job.id).await?;
    let location = [(header::LOCATION, format!("{BASE}/executions/{execution}"))];
    let fired = Fired {
        execution: execution.to_string(),
    };
    Ok((StatusCode::ACCEPTED, location, Json(fired)).into_response())
}

/// Stops a job from firing until it is resumed.
#[utoipa::path(post, path = "/hob/v1/jobs/{id}/pause", params(("id" = String, Path), NamespaceQuery), responses(
    (status = 200, body = JobView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn pause(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<JobView>, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    let job = state.app.pause_job(job.id).await?;
    Ok(Json(view(&state.app, &job).await?))
}

/// Lets a paused job, or a failed one whose fault was mended, fire again.
#[utoipa::path(post, path = "/hob/v1/jobs/{id}/resume", params(("id" = String, Path), NamespaceQuery), responses(
    (status = 200, body = JobView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn resume(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<JobView>, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    let job = state.app.resume_job(job.id).await?;
    Ok(Json(view(&state.app, &job).await?))
}

/// Ends a job for good; it stays to be looked at.
#[utoipa::path(post, path = "/hob/v1/jobs/{id}/cancel", params(("id" = String, Path), NamespaceQuery), responses(
    (status = 200, body = JobView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn cancel(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<JobView>, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    let job = state.app.cancel_job(job.id).await?;
    Ok(Json(view(&state.app, &job).await?))
}

/// When a job is due next, if nobody changes it.
#[utoipa::path(get, path = "/hob/v1/jobs/{id}/next", params(("id" = String, Path), NextQuery), responses(
    (status = 200, body = NextTimes), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn next(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NextQuery>,
) -> Result<Json<NextTimes>, Problem> {
    let job = named(&state.app, query.namespace.as_deref(), &text).await?;
    let count = query.count.unwrap_or(TIMES).min(MOST_TIMES);
    let times = job.next_times(usize::try_from(count).unwrap_or(0));
    let times_ms = times.into_iter().map(Timestamp::as_millis).collect();
    Ok(Json(NextTimes { times_ms }))
}

/// The job of that id, or the one of that name.
async fn named(app: &App, in_namespace: Option<&str>, text: &str) -> Result<Job, Error> {
    match JobId::parse(text) {
        Some(id) => app.job(id).await,
        None => app.job_named(&namespace(in_namespace)?, text).await,
    }
}

async fn view(app: &App, job: &Job) -> Result<JobView, Error> {
    let functions = app.list_functions(Some(&job.namespace)).await?;
    let function = functions.into_iter().find(|f| f.id == job.function);
    Ok(map::job(job, function.map(|f| f.name.to_string())))
}

async fn settings(state: &NativeState, body: Body) -> Result<JobSettings, Error> {
    let limit = state.body_limit;
    let read = axum::body::to_bytes(body, usize::try_from(limit).unwrap_or(usize::MAX)).await;
    let body = read.map_err(|_| {
        Error::TooLarge(format!(
            "the job's JSON is over {limit} bytes or did not come whole: send less, or raise server.body_limit_mib"
        ))
    })?;
    serde_json::from_slice(&body).map_err(|e| Error::invalid(format!("the job's JSON is wrong: {}", chain(&e))))
}

fn selector(text: Option<&str>) -> Result<Option<Selector>, Error> {
    text.map(Selector::parse).transpose()
}

fn bound(text: Option<&str>) -> Result<Option<JobId>, Error> {
    let wrong = |t: &str| Error::invalid(format!("`{}` is no job id", t.escape_debug()));
    text.map(|t| JobId::parse(t).ok_or_else(|| wrong(t))).transpose()
}
