//! The native API, `/hob/v1`: its routes and its OpenAPI document.
//!
//! Holds no rules: each handler asks the application and shows what it says in the types of `wire`.

mod access;
mod builds;
mod code_source;
mod error;
mod executions;
mod functions;
mod job_map;
pub mod job_wire;
mod jobs;
mod logs;
mod map;
mod scale;
mod system;
pub mod token_wire;
mod tokens;
mod upload;
mod versions;
mod webhooks;
pub mod wire;

pub(super) use access::door;

use crate::app::App;
use crate::task::Shutdown;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use http::Method;
use std::sync::Arc;
use utoipa::OpenApi;

/// What the handlers work with; clones share it.
#[derive(Clone)]
pub struct NativeState {
    /// The application.
    pub app: App,
    /// The id of the data directory.
    pub instance: String,
    /// Where the daemon's state is.
    pub data_dir: String,
    /// Where the ingress answers, as `http://HOST:PORT`.
    pub base_url: String,
    /// Where the daemon answers, as `http://HOST:PORT`.
    pub addresses: Vec<String>,
    /// Where it answers with TLS.
    pub tls: Option<wire::TlsView>,
    /// The daemon's version.
    pub version: String,
    /// The daemon's process.
    pub pid: u32,
    /// Largest input of a call. Unit: bytes.
    pub body_limit: u64,
    /// Asks the daemon to stop; with `true`, to remove images and networks too.
    pub stop: Arc<dyn Fn(bool) + Send + Sync>,
    /// Ends answers that would go on.
    pub shutdown: Shutdown,
}

impl std::fmt::Debug for NativeState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeState")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// The native API, everything under [`wire::BASE`].
pub fn router(state: NativeState) -> Router {
    let scope = middleware::from_fn_with_state(state.clone(), access::scope);
    unbound().with_state(state).layer(scope)
}

fn unbound() -> Router<NativeState> {
    let empty = Router::new();
    let all = routes()
        .into_iter()
        .fold(empty, |router, (_, path, handler)| router.route(path, handler));
    let all = all
        .fallback(error::unknown_path)
        .method_not_allowed_fallback(error::wrong_method);
    Router::new().nest(wire::BASE, all)
}

fn routes() -> Vec<(Method, &'static str, MethodRouter<NativeState>)> {
    let mut all = function_routes();
    all.extend(published_routes());
    all.extend(job_routes());
    all.extend([
        (Method::GET, "/executions", get(executions::list)),
        (Method::GET, "/executions/{id}", get(executions::show)),
        (Method::DELETE, "/executions/{id}", delete(executions::remove)),
        (Method::GET, "/executions/{id}/input", get(executions::input)),
        (Method::GET, "/executions/{id}/log", get(executions::log)),
        (Method::GET, "/executions/{id}/result", get(executions::result)),
        (Method::GET, "/executions/{id}/request", get(executions::request)),
        (Method::POST, "/executions/{id}/cancel", post(executions::cancel)),
        (Method::POST, "/executions/{id}/replay", post(executions::replay)),
        (Method::GET, "/backup", get(system::backup)),
        (Method::GET, "/logs", get(logs::all)),
        (Method::GET, "/disk", get(builds::disk)),
        (Method::POST, "/gc", post(builds::clean)),
        (Method::GET, "/status", get(system::status)),
        (Method::GET, "/runtimes", get(system::runtimes)),
        (Method::POST, "/stop", post(system::stop)),
        (Method::GET, "/openapi.json", get(system::openapi)),
        (Method::GET, "/tokens", get(tokens::list)),
        (Method::POST, "/tokens", post(tokens::create)),
        (Method::DELETE, "/tokens/{id}", delete(tokens::revoke)),
    ]);
    all
}

fn function_routes() -> Vec<(Method, &'static str, MethodRouter<NativeState>)> {
    let deploy = put(functions::deploy).layer(DefaultBodyLimit::disable());
    vec![
        (Method::GET, "/functions", get(functions::list)),
        (Method::GET, "/functions/{name}", get(functions::show)),
        (Method::PUT, "/functions/{name}", deploy),
        (Method::DELETE, "/functions/{name}", delete(functions::remove)),
        (Method::GET, "/functions/{name}/revisions", get(functions::revisions)),
        (Method::POST, "/functions/{name}/invoke", post(functions::invoke)),
        (Method::GET, "/functions/{name}/logs", get(logs::logs)),
        (Method::POST, "/functions/{name}/rename", post(functions::rename)),
        (Method::POST, "/functions/{name}/scale", post(scale::scale)),
        (Method::POST, "/functions/{name}/detach", post(scale::detach)),
        (Method::GET, "/functions/{name}/workers", get(scale::workers)),
        (Method::GET, "/functions/{name}/build", get(builds::build)),
        (Method::POST, "/functions/{name}/export", post(builds::export)),
        (
            Method::POST,
            "/functions/{name}/secrets/compare",
            post(functions::compare_secrets),
        ),
    ]
}

fn published_routes() -> Vec<(Method, &'static str, MethodRouter<NativeState>)> {
    let version = "/functions/{name}/versions/{number}";
    vec![
        (Method::GET, "/functions/{name}/versions", get(versions::list)),
        (Method::POST, "/functions/{name}/versions", post(versions::publish)),
        (Method::GET, version, get(versions::show)),
        (Method::DELETE, version, delete(versions::remove)),
        (Method::GET, "/aliases", get(versions::aliases)),
        (Method::GET, "/aliases/{name}", get(versions::alias)),
        (Method::PUT, "/aliases/{name}", put(versions::set_alias)),
        (Method::DELETE, "/aliases/{name}", delete(versions::remove_alias)),
        (Method::GET, "/webhooks", get(webhooks::list)),
        (Method::POST, "/webhooks", post(webhooks::create)),
        (Method::GET, "/webhooks/{id}", get(webhooks::show)),
        (Method::PATCH, "/webhooks/{id}", patch(webhooks::change)),
        (Method::DELETE, "/webhooks/{id}", delete(webhooks::remove)),
        (Method::POST, "/webhooks/{id}/rotate", post(webhooks::rotate)),
    ]
}

fn job_routes() -> Vec<(Method, &'static str, MethodRouter<NativeState>)> {
    vec![
        (Method::GET, "/jobs", get(jobs::list)),
        (Method::POST, "/jobs", post(jobs::create)),
        (Method::GET, "/jobs/{id}", get(jobs::show)),
        (Method::PATCH, "/jobs/{id}", patch(jobs::update)),
        (Method::DELETE, "/jobs/{id}", delete(jobs::remove)),
        (Method::POST, "/jobs/{id}/fire", post(jobs::fire)),
        (Method::POST, "/jobs/{id}/pause", post(jobs::pause)),
        (Method::POST, "/jobs/{id}/resume", post(jobs::resume)),
        (Method::POST, "/jobs/{id}/cancel", post(jobs::cancel)),
        (Method::GET, "/jobs/{id}/next", get(jobs::next)),
    ]
}

/// The OpenAPI document of this API.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Hob", description = "The native API of the Hob function runtime."),
    paths(
        functions::list,
        functions::show,
        functions::deploy,
        functions::remove,
        functions::revisions,
        functions::invoke,
        logs::logs,
        logs::all,
        builds::build,
        builds::export,
        builds::disk,
        builds::clean,
        executions::list,
        executions::show,
        executions::log,
        executions::result,
        executions::cancel,
        executions::remove,
        executions::input,
        executions::request,
        executions::replay,
        functions::rename,
        functions::compare_secrets,
        scale::scale,
        scale::detach,
        scale::workers,
        versions::list,
        versions::publish,
        versions::show,
        versions::remove,
        versions::aliases,
        versions::alias,
        versions::set_alias,
        versions::remove_alias,
        webhooks::list,
        webhooks::create,
        webhooks::show,
        webhooks::change,
        webhooks::remove,
        webhooks::rotate,
        jobs::list,
        jobs::create,
        jobs::show,
        jobs::update,
        jobs::remove,
        jobs::fire,
        jobs::pause,
        jobs::resume,
        jobs::cancel,
        jobs::next,
        system::status,
        system::runtimes,
        system::stop,
        system::backup,
        system::openapi,
        tokens::list,
        tokens::create,
        tokens::revoke
    ),
    components(schemas(wire::ErrorBody, wire::LogEntry, wire::Order))
)]
struct Document;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_route_is_in_the_document_and_each_path_of_the_document_is_a_route() {
        let document = serde_json::to_value(Document::openapi()).expect("a document");
        let paths = document["paths"].as_object().expect("paths");
        let entries = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        });
        let documented: BTreeSet<_> = entries.collect();
        let routed = routes()
            .into_iter()
            .map(|(method, path, _)| (method.to_string(), format!("{}{path}", wire::BASE)));
        assert_eq!(routed.collect::<BTreeSet<_>>(), documented);
    }

    #[test]
    fn the_routes_fit_together() {
        assert!(unbound().has_routes());
    }

    #[test]
    fn every_schema_that_the_document_names_is_in_it() {
        let document = serde_json::to_value(Document::openapi()).expect("a document");
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
