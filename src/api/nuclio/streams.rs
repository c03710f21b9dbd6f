//! Streams of a platform that is not here: which ones functions name, and why there is nothing to say about them.
//!
//! Source: the contract's section 8.

use super::caller::Caller;
use super::fault::Fault;
use super::functions::PROJECT_NAME;
use super::note;
use super::schema::Kind::Text;
use super::schema::{Field, filled};
use super::{Dashboard, Route, wire};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "x-nuclio-project-namespace";
const KIND: &str = "v3ioStream";
const NO_PROJECT: &str = "Project name must not be empty";

const STREAM: [Field; 3] = [
    filled("consumerGroup", Text),
    filled("containerName", Text),
    filled("streamPath", Text),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/v3io_streams", get(list)),
        (Method::POST, "/api/v3io_streams/get_shard_lags", post(lags)),
    ]
}

async fn list(State(dashboard): State<Dashboard>, caller: Caller, headers: HeaderMap) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let project = wire::text(&headers, PROJECT_NAME).ok_or_else(|| Fault::bad(NO_PROJECT))?;
    let mut streams = Map::new();
    for found in note::all(&dashboard.app, &namespace).await? {
        if found.note.config.project() != project {
            continue;
        }
        for (name, trigger) in found.note.config.spec()?.triggers {
            if trigger.kind == KIND {
                let attribute = |key: &str| trigger.attributes.get(key).cloned().unwrap_or_else(|| json!(""));
                let view = json!({
                    "consumerGroup": attribute("consumerGroup"),
                    "containerName": attribute("containerName"),
                    "streamPath": attribute("streamPath"),
                });
                streams.insert(format!("{}@{name}", found.name()), view);
            }
        }
    }
    Ok(wire::ok(&Value::Object(streams)))
}

/// Everything is checked as upstream does; then there is no platform to ask.
async fn lags(headers: HeaderMap, body: Body) -> Result<Response, Fault> {
    if wire::text(&headers, PROJECT_NAME).is_none() {
        return Err(Fault::refused(NO_PROJECT));
    }
    let sent = wire::object(body, &STREAM).await?;
    for (key, said) in [
        ("streamPath", "Stream path must be provided in request body"),
        ("containerName", "Container name must be provided in request body"),
        (
            "consumerGroup",
            "Stream lags for multiple consumer groups is not supported. Please specify consumer group in request body",
        ),
    ] {
        if !sent.contains_key(key) {
            return Err(Fault::bad(said));
        }
    }
    Err(Fault::refused("A data plane access key is required"))
}
