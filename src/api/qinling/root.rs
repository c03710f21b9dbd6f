//! The documents that say which versions there are and where.

use super::{Dialect, Route};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

pub(super) fn routes() -> Vec<Route> {
    vec![(Method::GET, "/v1", get(moved)), (Method::GET, "/v1/", get(version))]
}

/// The document of versions, answered at `/`.
pub(super) async fn versions(State(state): State<Dialect>, headers: HeaderMap) -> Json<Value> {
    let href = format!("{}/v1", address(&headers, &state));
    let links = json!([{"href": href, "target": "v1", "rel": "self"}]);
    Json(json!({"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]}))
}

async fn version(State(state): State<Dialect>, headers: HeaderMap) -> Json<Value> {
    Json(json!({"uri": format!("{}/v1", address(&headers, &state))}))
}

async fn moved() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "/v1/")]).into_response()
}

/// The address that the client used, or ours.
pub(super) fn address(headers: &HeaderMap, state: &Dialect) -> String {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    host.map_or_else(|| state.base_url.to_string(), |host| format!("http://{host}"))
}
