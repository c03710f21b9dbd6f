//! Functions: list, show, export, create, replace and remove them. Their states by hand are `function_patch`'s, what
//! they print is `replicas`'.
//!
//! Source: the contract's sections 2.1 to 2.4 and 2.6.

use super::caller::Caller;
use super::config::{Config, PROJECT};
use super::deploy::{self, Kind, Order, Patience};
use super::fault::Fault;
use super::note::{self, Found};
use super::schema::Origin;
use super::{Dashboard, Route, api_gateways, function_events, function_view, names, wire};
use crate::app::App;
use crate::domain::{Error, notation};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};
use std::time::Duration;

/// How long a client waits for a deploy to be written down, unless it says.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const NAMESPACE: &str = "x-nuclio-function-namespace";
pub(super) const NAME: &str = "x-nuclio-function-name";
pub(super) const PROJECT_NAME: &str = "x-nuclio-project-name";

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/functions", get(list)),
        (Method::POST, "/api/functions", post(create)),
        (Method::DELETE, "/api/functions", delete(remove)),
        (Method::GET, "/api/functions/{name}", get(show)),
        (Method::PUT, "/api/functions/{name}", put(update)),
    ]
}

async fn list(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let mut all = note::all(&dashboard.app, &namespace).await?;
    all.retain(|found| is_wanted(found, &headers));
    if let Some(name) = wire::text(&headers, NAME) {
        all.retain(|found| found.name() == name);
    }
    let mut views = Map::new();
    for found in &all {
        let view = view(&dashboard, found, &headers, query.as_deref()).await?;
        views.insert(found.name().to_owned(), view);
    }
    Ok(wire::ok(&Value::Object(views)))
}

async fn show(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let found = note::must_find(&dashboard.app, &namespace, &name).await?;
    if !is_wanted(&found, &headers) {
        return Err(Fault::not_found("Function not found"));
    }
    Ok(wire::ok(&view(&dashboard, &found, &headers, query.as_deref()).await?))
}

/// Whether it is of the project that the request is about, if it is about one.
fn is_wanted(found: &Found, headers: &HeaderMap) -> bool {
    let project = wire::text(headers, PROJECT_NAME);
    project.is_none_or(|project| found.note.config.project() == project)
}

async fn view(dashboard: &Dashboard, found: &Found, headers: &HeaderMap, query: Option<&str>) -> Result<Value, Fault> {
    if wire::yes_or_no(query, "export") == Some(true) {
        return function_view::export(&dashboard.app, found).await;
    }
    let mut view = function_view::function(dashboard, found).await?;
    if wire::flag(headers, "x-nuclio-function-enrich-apigateways") {
        let names = api_gateways::names_to(&dashboard.app, &found.namespace, found.name());
        view["status"]["apiGateways"] = names.into();
    }
    if wire::text(headers, "x-nuclio-skip-spec-cleanup").is_some() {
        function_view::clean(&mut view);
    }
    Ok(view)
}

async fn create(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    accept(&dashboard, &caller, &headers, body, Kind::Create).await
}

/// The name is the body's, whatever the address says, and the function need not be there.
async fn update(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    accept(&dashboard, &caller, &headers, body, Kind::Update).await
}

async fn accept(
    dashboard: &Dashboard,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    kind: Kind,
) -> Result<Response, Fault> {
    let mut config = config(body).await?;
    if let Some(project) = wire::text(headers, PROJECT_NAME) {
        config.metadata.labels.insert(PROJECT.to_owned(), project.to_owned());
    }
    let namespace = caller.namespace(Some(&config.metadata.namespace))?;
    names::check_function(&config.metadata.name)?;
    let order = Order {
        namespace,
        config,
        kind,
    };
    let patience = Patience {
        accepted: patience(headers),
        to_the_end: wire::flag(headers, "x-nuclio-wait-function-action"),
    };
    deploy::deploy(dashboard, order, patience).await?;
    Ok(wire::accepted())
}

/// How long the client waits until a function is written down.
pub(super) fn patience(headers: &HeaderMap) -> Duration {
    let said = wire::text(headers, "x-nuclio-creation-state-updated-timeout");
    said.and_then(notation::duration).unwrap_or(PATIENCE)
}

async fn config(body: Body) -> Result<Config, Fault> {
    Config::read(&wire::value(body).await?, Origin::Json).map_err(Fault::bad)
}

async fn remove(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let config = config(body).await?;
    let namespace = caller.namespace(Some(&config.metadata.namespace))?;
    names::check_function(&config.metadata.name)?;
    let found = note::find(&dashboard.app, &namespace, &config.metadata.name).await?;
    if let Some(found) = found {
        let version = &config.metadata.resource_version;
        if !version.is_empty() && *version != found.note.config.metadata.resource_version {
            return Err(Fault::conflict("Function resource version is stale"));
        }
        let is_forced = wire::flag(&headers, "x-nuclio-delete-function-ignore-state-validation");
        let standing = function_view::look(&dashboard.app, &found).await?.standing;
        if standing.state.is_provisioning() && !is_forced {
            return Err(Fault::unmet("Function is being provisioned and cannot be deleted"));
        }
        let along = wire::flag(&headers, "x-nuclio-delete-function-with-api-gateways");
        api_gateways::let_go_of(&dashboard.app, &namespace, found.name(), along).await?;
        delete_found(&dashboard.app, &found).await?;
    }
    Ok(wire::empty(StatusCode::NO_CONTENT))
}

/// Deletes a function with everything that belongs to it; a deploy that is under way ends.
pub(super) async fn delete_found(app: &App, found: &Found) -> Result<(), Fault> {
    function_events::delete_of(app, &found.namespace, found.name()).await?;
    note::forget_draft(app, &found.namespace, found.name()).await?;
    let Some(function) = &found.function else {
        return Ok(());
    };
    match app.delete_function_by_id(function.id).await {
        Ok(()) | Err(Error::NotFound(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
