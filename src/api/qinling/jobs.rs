//! Jobs: functions on a schedule. The core fires them; `job_times` reads when.

use super::attributes::{self, Attribute, Body, Kind, path_uuid, read_only, writable};
use super::callee::Reference;
use super::caller::Caller;
use super::fault::Fault;
use super::filter::Query;
use super::function_view::given;
use super::input::{self, Shape};
use super::job_times::{self as times, Times};
use super::note::{self, Found, Source};
use super::{Dialect, Route, time, wire};
use crate::app::{App, JobUpdate, NewJob};
use crate::domain::{
    Error, FunctionId, Job, JobChange, JobId, JobState, Overlap, Schedule, Selector, Timestamp, VersionNumber,
};
use crate::store::{AsyncInput, JobFilter};
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::HashSet;

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/jobs", post(create)),
        (Method::GET, "/v1/jobs", get(list)),
        (Method::GET, "/v1/jobs/{id}", get(show)),
        (Method::PUT, "/v1/jobs/{id}", put(update)),
        (Method::DELETE, "/v1/jobs/{id}", delete(remove)),
    ]
}

/// Status, next time and identity may come along when a job is made: clients send back what they were shown.
const ATTRIBUTES: [Attribute; 14] = [
    writable("id", Kind::Text),
    writable("name", Kind::Text),
    writable("function_id", Kind::Uuid),
    writable("function_alias", Kind::Text),
    writable("function_version", Kind::Integer),
    writable("function_input", Kind::Text),
    writable("status", Kind::Text),
    writable("pattern", Kind::Text),
    writable("count", Kind::Integer),
    writable("first_execution_time", Kind::Text),
    writable("next_execution_time", Kind::Text),
    read_only("project_id"),
    read_only("created_at"),
    read_only("updated_at"),
];

async fn create(State(state): State<Dialect>, caller: Caller, body: HttpBody) -> Result<Response, Fault> {
    let app = &state.app;
    let body = read(body).await?;
    let reference = Reference::of(&body).must_name_something()?;
    let times = Times::read(&body, app.now())?;
    let named = reference.find(app, &caller).await?;
    let by_alias = named.alias.as_ref().map(|alias| Selector::Alias(alias.name.clone()));
    let new = NewJob {
        namespace: caller.project.clone(),
        name: body.text("name").unwrap_or_default().to_owned(),
        function: named.found.function.id,
        selector: by_alias.unwrap_or_else(|| named.selector()),
        schedule: times.schedule,
        first_at: Some(times.first),
        count: times.count,
        input: kept(named.shape(), body.text("function_input")),
        missed: None,
        overlap: Overlap::default(),
    };
    let job = app.create_job(new).await?;
    Ok((StatusCode::CREATED, Json(view(app, &job).await?)).into_response())
}

async fn list(State(state): State<Dialect>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Value>, Fault> {
    let app = &state.app;
    let mut query = Query::read(&query.unwrap_or_default(), &["project_id"])?;
    let scope = caller.scope(&mut query)?;
    let functions = note::functions(app, None).await?;
    let functions: HashSet<FunctionId> = functions.iter().map(|f| f.function.id).collect();
    let filter = JobFilter {
        namespace: scope,
        ..JobFilter::default()
    };
    let mut views = Vec::new();
    for job in app.list_jobs(filter).await? {
        if functions.contains(&job.function) && query.admits(|_| Some(job.namespace.as_str())) {
            views.push(view(app, &job).await?);
        }
    }
    Ok(Json(json!({"jobs": views})))
}

async fn show(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<Json<wire::Job>, Fault> {
    let (job, _) = find(&state.app, &caller, &id).await?;
    Ok(Json(view(&state.app, &job).await?))
}

async fn update(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
    body: HttpBody,
) -> Result<Json<wire::Job>, Fault> {
    let app = &state.app;
    let (job, found) = find(app, &caller, &id).await?;
    let body = read(body).await?;
    if job.state.is_over() {
        return Err(Fault::bad("Can not update a finished job."));
    }
    let wanted = body.text("status").map(Wanted::parse).transpose()?;
    let change = change(&job, wanted, &body, app.now())?;
    let update = JobUpdate {
        change,
        input: body.text("function_input").map(|text| kept(shape(&found), Some(text))),
    };
    let changed = app.update_job(job.id, update).await?;
    let job = match wanted {
        Some(Wanted::Running) => app.resume_job(job.id).await?,
        Some(Wanted::Paused) => app.pause_job(job.id).await?,
        Some(Wanted::Cancelled) => app.cancel_job(job.id).await?,
        None => changed,
    };
    Ok(Json(view(app, &job).await?))
}

/// What a user may make of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Running,
    Paused,
    Cancelled,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(Fault::bad("Invalid status.")),
        }
    }
}

/// What a body changes. Another pattern does not move the next time, unless that has passed.
fn change(job: &Job, wanted: Option<Wanted>, body: &Body, now: Timestamp) -> Result<JobChange, Fault> {
    let schedule = match (body.text("pattern"), &job.schedule) {
        (None, _) => None,
        (Some(""), _) | (Some(_), Schedule::Once(_)) => return Err(Fault::bad("Can not change job type.")),
        (Some(pattern), _) => Some(times::schedule(pattern)?),
    };
    let next = body.text("next_execution_time").filter(|text| !text.is_empty());
    let next = next.map(|text| times::future(text, now)).transpose()?;
    let is_resumed = job.state == JobState::Paused && wanted == Some(Wanted::Running);
    if let (true, None, Schedule::Once(at)) = (is_resumed, next, &job.schedule) {
        times::check_future(job.next_at.unwrap_or(*at), now)?;
    }
    let unmoved = job.next_at.filter(|at| schedule.is_some() && *at > now);
    Ok(JobChange {
        name: body.text("name").map(str::to_owned),
        schedule,
        next_at: next.or(unmoved),
        ..JobChange::default()
    })
}

async fn remove(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    let (job, _) = find(&state.app, &caller, &id).await?;
    state.app.delete_job(job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<(Job, Found), Fault> {
    let missing = || Fault::not_found("Job", "id", id);
    let parsed = JobId::parse(path_uuid("id", id)?).filter(|parsed| parsed.to_string() == id);
    let job = match app.job(parsed.ok_or_else(missing)?).await {
        Err(Error::NotFound(_)) => return Err(missing()),
        found => found?,
    };
    let found = note::by_id(app, job.function).await?;
    let found = found.filter(|_| caller.sees(&job.namespace)).ok_or_else(missing)?;
    Ok((job, found))
}

async fn read(body: HttpBody) -> Result<Body, Fault> {
    Body::read("job", &ATTRIBUTES, &attributes::bytes(body).await?)
}

fn shape(found: &Found) -> Shape {
    match found.note.source() {
        Source::Image => Shape::Program,
        Source::Package | Source::Swift => Shape::Arguments,
    }
}

fn kept(shape: Shape, input: Option<&str>) -> AsyncInput {
    AsyncInput {
        method: Method::POST.to_string(),
        path: "/".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: input::body(shape, input),
    }
}

async fn view(app: &App, job: &Job) -> Result<wire::Job, Fault> {
    let input = app.job_input(job.id).await?;
    let (alias, version) = match &job.selector {
        Selector::Alias(name) => (Some(name.to_string()), None),
        Selector::Version(number) => (None, Some(*number)),
        Selector::Current => (None, None),
    };
    Ok(wire::Job {
        id: job.id.to_string(),
        name: given(&job.name),
        function_id: alias.is_none().then(|| job.function.to_string()),
        function_alias: alias,
        function_version: version.map_or(0, VersionNumber::get),
        function_input: input::sent(&input.body),
        status: status(job.state),
        pattern: times::pattern(&job.schedule),
        // A job that has fired as often as it should has none left.
        count: job.count,
        first_execution_time: job.first_at.map(time::show),
        next_execution_time: next(job).map(time::show),
        project_id: job.namespace.to_string(),
        created_at: time::show(job.created_at),
        updated_at: (job.updated_at != job.created_at).then(|| time::show(job.updated_at)),
    })
}

/// A job that is over keeps its last time, as upstream leaves it.
fn next(job: &Job) -> Option<Timestamp> {
    job.next_at.or(match job.schedule {
        Schedule::Once(at) => Some(at),
        _ => job.last_at,
    })
}

/// A job that cannot fire any more says so: upstream has no word for it.
fn status(state: JobState) -> &'static str {
    match state {
        JobState::Active => "running",
        JobState::Paused => "paused",
        JobState::Done => "done",
        JobState::Cancelled => "cancelled",
        JobState::Failed => "failed",
    }
}
