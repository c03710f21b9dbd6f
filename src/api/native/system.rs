//! The daemon itself: status, runtimes, its end, and the document of this API.

use super::error::{Params, Problem};
use super::wire::{ErrorBody, RuntimeList, Status, StopQuery};
use super::{Document, NativeState, map};
use crate::domain::RuntimeRef;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi;

/// How the daemon stands.
#[utoipa::path(get, path = "/hob/v1/status", responses((status = 200, body = Status), (status = "5XX", body = ErrorBody)))]
pub(super) async fn status(State(state): State<NativeState>) -> Result<Json<Status>, Problem> {
    let app = &state.app;
    let names = app.serving_names();
    let functions = app.list_functions(None).await?.len();
    Ok(Json(Status {
        version: state.version.clone(),
        instance: state.instance.clone(),
        data_dir: state.data_dir.clone(),
        pid: state.pid,
        uptime_seconds: app.now().since(app.started()).as_secs(),
        addresses: state.addresses.clone(),
        tls: state.tls.clone(),
        engine: map::engine(app.engine_status()),
        workers: app.workers().iter().map(|w| map::worker(w, &names)).collect(),
        functions: u64::try_from(functions).unwrap_or(u64::MAX),
        executions: map::counts(&app.count_executions().await?),
        memory_rss_bytes: own_memory(),
    }))
}

/// Zero where the machine does not tell. Unit: bytes.
fn own_memory() -> u64 {
    std::fs::read_to_string("/proc/self/status").map_or(0, |text| resident(&text))
}

fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// The runtimes there are.
#[utoipa::path(get, path = "/hob/v1/runtimes", responses((status = 200, body = RuntimeList), (status = "5XX", body = ErrorBody)))]
pub(super) async fn runtimes(State(state): State<NativeState>) -> Json<RuntimeList> {
    let app = &state.app;
    let engine_up = app.engine_answers();
    let views = app.runtimes().families().iter().map(|family| {
        map::runtime(family, engine_up, |version| {
            let (family, version) = (family.manifest.name.clone(), version.to_owned());
            app.image_state(&RuntimeRef { family, version })
        })
    });
    Json(RuntimeList {
        runtimes: views.collect(),
    })
}

/// Everything that survives, as one file: a tar archive for `hob restore`.
#[utoipa::path(get, path = "/hob/v1/backup", responses(
    (status = 200, body = Vec<u8>, content_type = "application/x-tar"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn backup(State(state): State<NativeState>) -> Result<Response, Problem> {
    let pieces = state.app.backup().await?;
    let kind = [(CONTENT_TYPE, "application/x-tar")];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

/// Asks the daemon to stop; it goes once running calls are over.
#[utoipa::path(post, path = "/hob/v1/stop", params(StopQuery), responses((status = 202), (status = "4XX", body = ErrorBody)))]
pub(super) async fn stop(State(state): State<NativeState>, Params(query): Params<StopQuery>) -> StatusCode {
    (state.stop)(query.purge.unwrap_or(false));
    StatusCode::ACCEPTED
}

/// This document.
#[utoipa::path(get, path = "/hob/v1/openapi.json", responses((status = 200, content_type = "application/json", body = serde_json::Value)))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_and_zero_where_it_is_not_told() {
        assert_eq!(resident("Name:\thob\nVmRSS:\t    1024 kB\nThreads: 1"), 1_048_576);
        assert_eq!(resident("Name:\thob\n"), 0);
    }
}
