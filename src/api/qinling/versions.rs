//! Versions of package functions: numbered, frozen with code, entry and limits. Numbers are never given twice.

use super::attributes::{self, Attribute, Body, Kind, path_uuid, read_only, writable};
use super::caller::Caller;
use super::fault::Fault;
use super::functions::has_running_jobs;
use super::note::{self, Found, Source};
use super::{Dialect, Route, download, function_view, wire};
use crate::app::{App, VersionDetail};
use crate::domain::{Error, Revision, RevisionState, Selector, VersionNumber};
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Mutex;

/// Versions that a function may have at the same time.
const MOST: usize = 10;
/// How long publishing waits for code that is still being prepared.
const SETTLE: Duration = Duration::from_secs(60);
/// One at a time: a version that holds nothing new is refused, which takes a look before the write.
static PUBLISHING: Mutex<()> = Mutex::const_new(());

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/functions/{id}/versions", post(create)),
        (Method::GET, "/v1/functions/{id}/versions", get(list)),
        (Method::GET, "/v1/functions/{id}/versions/{number}", get(show)),
        (Method::DELETE, "/v1/functions/{id}/versions/{number}", delete(remove)),
    ]
}

const ATTRIBUTES: [Attribute; 8] = [
    writable("id", Kind::Text),
    writable("description", Kind::Text),
    read_only("function_id"),
    read_only("version_number"),
    read_only("count"),
    read_only("project_id"),
    read_only("created_at"),
    read_only("updated_at"),
];

async fn create(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
    body: HttpBody,
) -> Result<Response, Fault> {
    let app = &state.app;
    let id = path_uuid("function_id", &id)?;
    let body = Body::read("body", &ATTRIBUTES, &attributes::bytes(body).await?)?;
    let found = owned(app, &caller, id).await?;
    let _one = PUBLISHING.lock().await;
    check(app, &found).await?;
    let description = body.text("description").unwrap_or_default().to_owned();
    let published = app.publish(found.function.id, description).await?;
    let view = function_view::version(app, &found, &published.detail).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Whether there is anything to publish.
async fn check(app: &App, found: &Found) -> Result<(), Fault> {
    if found.note.source() != Source::Package {
        return Err(Fault::forbidden(
            "Function versioning only allowed for package type function.",
        ));
    }
    let versions = app.list_versions(found.function.id).await?;
    if versions.len() >= MOST {
        return Err(Fault::forbidden(format!(
            "Can not exceed maximum number({MOST}) of versions"
        )));
    }
    let current = settled(app, found).await?;
    match versions.last() {
        Some(latest) if latest.revision.code == current.code => Err(Fault::forbidden(format!(
            "Function package not changed since the latest version {}.",
            latest.version.number
        ))),
        _ => Ok(()),
    }
}

/// What was deployed last, once it serves.
async fn settled(app: &App, found: &Found) -> Result<Revision, Fault> {
    let latest = function_view::latest_revision(app, found).await?;
    let latest = app.wait_for(latest.id, SETTLE).await?;
    match &latest.state {
        RevisionState::Failed(why) => Err(Fault::conflict(format!(
            "The function's latest package cannot be used, change it first: {why}"
        ))),
        RevisionState::Pending | RevisionState::Ready => Ok(latest),
    }
}

async fn list(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    let found = note::function(&state.app, &caller, path_uuid("function_id", &id)?).await?;
    let mut views: Vec<wire::FunctionVersion> = Vec::new();
    for detail in state.app.list_versions(found.function.id).await? {
        views.push(function_view::version(&state.app, &found, &detail).await?);
    }
    Ok(Json(json!({"function_versions": views})))
}

async fn show(
    State(state): State<Dialect>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let found = note::function(&state.app, &caller, &id).await?;
    let detail = find(&state.app, &found, &number).await?;
    if download::is_wanted(query.as_deref()) {
        return download::version(&state.app, &found, &detail).await;
    }
    Ok(Json(function_view::version(&state.app, &found, &detail).await?).into_response())
}

async fn remove(
    State(state): State<Dialect>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let app = &state.app;
    let found = owned(app, &caller, path_uuid("function_id", &id)?).await?;
    let version = find(app, &found, &number).await?.version;
    let selector = Selector::Version(version.number);
    let still = |with| {
        Err(Fault::forbidden(format!(
            "The function version is still associated with {with}."
        )))
    };
    if has_running_jobs(app, &found, |by| *by == selector).await? {
        return still("running job(s)");
    }
    let webhooks = app.list_webhooks(None, Some(found.function.id)).await?;
    if webhooks.iter().any(|w| w.selector == selector) {
        return still("webhook");
    }
    let aliases = app.list_aliases(None, Some(found.function.id)).await?;
    if aliases.iter().any(|a| a.leads_to(version.number)) {
        return still("alias");
    }
    app.delete_version(found.function.id, version.number).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The version of that number, as it stands in a path or a body.
///
/// # Errors
/// 404 when there is none; no version is called 0.
pub(super) async fn find(app: &App, found: &Found, number: &str) -> Result<VersionDetail, Fault> {
    let id = found.function.id;
    let missing = || {
        let message = format!("FunctionVersion not found [function_id={id}, version_number={number}]");
        Fault::new(StatusCode::NOT_FOUND, message)
    };
    let parsed = VersionNumber::parse(number).map_err(|_| missing())?;
    match app.version(id, parsed).await {
        Err(Error::NotFound(_)) => Err(missing()),
        found => Ok(found?),
    }
}

/// A function that is the caller's own: not even an admin changes the versions of another project's.
async fn owned(app: &App, caller: &Caller, id: &str) -> Result<Found, Fault> {
    let found = note::function(app, caller, id).await?;
    if found.function.namespace == caller.project {
        return Ok(found);
    }
    Err(Fault::not_found("Function", "id", id))
}
