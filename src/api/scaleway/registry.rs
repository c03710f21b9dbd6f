//! The registry: how images of a namespace are named, and enough of the distribution protocol for `docker login` and
//! `docker push` to succeed. Nothing that is pushed is kept: the image runs from the engine that it is pushed by.
//!
//! Deliberately absent: pulls.

use super::applications::Answer;
use super::asked::Asked;
use super::fault::Fault;
use super::page::Query;
use super::{Route, State, space};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head, patch, post, put};
use futures_util::StreamExt;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a push goes to; open to everybody, because nothing comes of it.
pub(super) const OPEN: &str = "/v2/";
const VERSION: (HeaderName, &str) = (
    HeaderName::from_static("docker-distribution-api-version"),
    "registry/2.0",
);
const CONTENT: HeaderName = HeaderName::from_static("docker-content-digest");

pub(super) fn routes() -> Vec<Route> {
    let one = "/registry/v1beta2/regions/{region}/namespaces/{id}";
    vec![
        (Method::GET, one, get(show)),
        (Method::GET, "/v2", get(version)),
        (Method::HEAD, "/v2/{*path}", head(known)),
        (Method::POST, "/v2/{*path}", post(begin)),
        (Method::PATCH, "/v2/{*path}", patch(take)),
        (Method::PUT, "/v2/{*path}", put(finish)),
    ]
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

/// Whoever logs in looks here.
async fn version() -> Response {
    ([VERSION], Json(json!({}))).into_response()
}

/// Every layer is there already, as far as its pusher is concerned.
async fn known(Path(path): Path<String>) -> Response {
    let digest = path.rsplit('/').next().unwrap_or_default().to_owned();
    let digest = [(CONTENT, digest), (header::CONTENT_LENGTH, "0".to_owned())];
    ([VERSION], digest).into_response()
}

async fn begin(Path(path): Path<String>) -> Response {
    let location = format!("{OPEN}{}/{}", path.trim_end_matches('/'), Uuid::new_v4());
    accepted(location, 0)
}

async fn take(Path(path): Path<String>, request: Request) -> Result<Response, Fault> {
    let (size, _) = let_go(request.into_body()).await?;
    Ok(accepted(format!("{OPEN}{path}"), size))
}

fn accepted(location: String, size: u64) -> Response {
    let id = location.rsplit('/').next().unwrap_or_default().to_owned();
    let headers = [
        (header::LOCATION, location),
        (HeaderName::from_static("docker-upload-uuid"), id),
        (header::RANGE, format!("0-{}", size.saturating_sub(1))),
        (header::CONTENT_LENGTH, "0".to_owned()),
    ];
    (StatusCode::ACCEPTED, [VERSION], headers).into_response()
}

/// The end of a layer, whose digest its pusher says, or a manifest.
async fn finish(Path(path): Path<String>, RawQuery(query): RawQuery, request: Request) -> Result<Response, Fault> {
    let (_, sum) = let_go(request.into_body()).await?;
    let query = Query::read(query.as_deref());
    let digest = query.get("digest").map_or(sum, str::to_owned);
    let headers = [(header::LOCATION, format!("{OPEN}{path}")), (CONTENT, digest)];
    Ok((StatusCode::CREATED, [VERSION], headers).into_response())
}

/// Reads to the end; answers how much there was, and its digest. Unit: bytes.
async fn let_go(body: Body) -> Result<(u64, String), Fault> {
    let mut pieces = body.into_data_stream();
    let (mut size, mut sum) = (0, Sha256::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| Fault::bad(format!("the push broke off: {e}")))?;
        size += piece.len() as u64;
        sum.update(&piece);
    }
    let hex = hex::encode(sum.finalize());
    Ok((size, format!("sha256:{hex}")))
}
