//! A function's state by hand: deployed again, or without workers until somebody calls it.
//!
//! Source: the contract's section 2.5. Other than upstream a function that was taken in becomes deployed, and one that
//! is parked wakes at the next call.

use super::caller::Caller;
use super::config::SKIP_BUILD;
use super::deploy::{self, Kind, Order, Patience};
use super::fault::Fault;
use super::functions::{NAMESPACE, patience};
use super::note::{self, Found, Stage};
use super::schema::Kind::Text;
use super::schema::{Field, filled};
use super::{Dashboard, Route, function_view, wire};
use crate::domain::{Error, Selector};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::patch;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

const PATCH: [Field; 1] = [filled("desiredState", Text)];

pub(super) fn routes() -> Vec<Route> {
    vec![(Method::PATCH, "/api/functions/{name}", patch(change))]
}

/// The states that can be wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desired {
    Ready,
    ScaledToZero,
}

async fn change(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Fault> {
    let sent = wire::object(body, &PATCH).await?;
    let Some(desired) = desired(sent.get("desiredState").and_then(Value::as_str))? else {
        return Ok(wire::empty(StatusCode::NO_CONTENT));
    };
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let found = note::must_find(&dashboard.app, &namespace, &name).await?;
    if found.note.config.text("image").is_empty() && !super::code::is_brought(&dashboard.app, &found.note.config) {
        return Err(Fault::unmet(
            "No image field in function config spec, unable to redeploy",
        ));
    }
    let spec = found.note.config.spec()?;
    if desired == Desired::ScaledToZero && spec.min_replicas.unwrap_or(0) > 0 {
        return Err(Fault::unmet(
            "Cannot scale to zero a function with non-zero min replicas",
        ));
    }
    let is_imported = found.note.stage == Stage::Imported;
    if is_imported || !wire::flag(&headers, "x-nuclio-imported-function-only") {
        match desired {
            Desired::Ready => make_ready(&dashboard, found, &headers).await?,
            Desired::ScaledToZero => park(&dashboard, found).await?,
        }
    }
    Ok(wire::empty(StatusCode::ACCEPTED))
}

fn desired(said: Option<&str>) -> Result<Option<Desired>, Fault> {
    match said {
        None => Ok(None),
        Some("ready") => Ok(Some(Desired::Ready)),
        Some("scaledToZero") => Ok(Some(Desired::ScaledToZero)),
        Some(other) => Err(Fault::bad(format!(
            "Unsupported desired state in patch request: {other}"
        ))),
    }
}

/// What serves already is left alone; the rest is deployed as it is kept.
async fn make_ready(dashboard: &Dashboard, mut found: Found, headers: &HeaderMap) -> Result<(), Fault> {
    let state = function_view::look(&dashboard.app, &found).await?.standing.state;
    if state.is_provisioning() {
        return Ok(());
    }
    if found.note.stage == Stage::Parked {
        found.note.stage = Stage::Deployed;
        return found.save(&dashboard.app).await;
    }
    if state == super::standing::State::Ready {
        return Ok(());
    }
    let mut config = found.note.config.clone();
    config.metadata.name.clone_from(&found.note.name);
    if found.function.is_some() && !super::code::is_brought(&dashboard.app, &config) {
        config
            .metadata
            .annotations
            .insert(SKIP_BUILD.to_owned(), "true".to_owned());
    }
    let order = Order {
        namespace: found.namespace.clone(),
        config,
        kind: Kind::Again,
    };
    let patience = Patience {
        accepted: patience(headers),
        to_the_end: true,
    };
    deploy::deploy(dashboard, order, patience).await
}

/// Sends the workers away; the next call brings one.
async fn park(dashboard: &Dashboard, mut found: Found) -> Result<(), Fault> {
    let Some(function) = found.function.as_ref().map(|f| f.id) else {
        return Ok(());
    };
    match dashboard.app.detach(function, &Selector::Current).await {
        Ok(()) => {}
        Err(Error::NotReady(_) | Error::NotFound(_)) => return Ok(()),
        Err(other) => return Err(other.into()),
    }
    if matches!(found.note.stage, Stage::Deployed | Stage::Parked) {
        found.note.stage = Stage::Parked;
        found.save(&dashboard.app).await?;
    }
    Ok(())
}
