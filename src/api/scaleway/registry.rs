//! The registry's description of a namespace: only what says how images are named. Images are taken from the engine.

use super::applications::Answer;
use super::asked::Asked;
use super::fault::Fault;
use super::{Route, State, space};
use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::routing::get;
use http::Method;
use serde_json::json;

pub(super) fn routes() -> Vec<Route> {
    let one = "/registry/v1beta2/regions/{region}/namespaces/{id}";
    vec![(Method::GET, one, get(show))]
}

async fn show(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let shown = space::shown(&state.app, &asked).await?;
    let found = shown.into_iter().find(|space| space.note.registry_namespace_id == id);
    let note = found.ok_or_else(|| Fault::missing("Namespace"))?.note;
    let name = note.registry_endpoint.rsplit('/').next().unwrap_or_default();
    Ok(Json(json!({
        "id": id,
        "name": name,
        "description": "",
        "organization_id": note.organization_id,
        "project_id": note.project_id,
        "status": "ready",
        "status_message": "",
        "endpoint": note.registry_endpoint,
        "is_public": false,
        "region": note.region,
    })))
}
