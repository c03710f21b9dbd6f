//! OpenStack Qinling v1: its resources over the one core. What it does on the wire is in the tests' contract.
//!
//! One file a resource; `attributes`, `filter`, `form`, `time` and `fault` are the wire's own habits, `caller` says
//! who asks. Keeps what the core has no word for in annotations and documents of its own, never a second truth.
//!
//! Other than upstream: the executions of a function that is deleted are deleted with it, as in the core.

mod aliases;
mod attributes;
mod callee;
mod caller;
mod download;
mod execution_result;
mod execution_view;
mod executions;
mod fault;
mod filter;
mod form;
mod function_code;
mod function_name;
mod function_object;
mod function_update;
mod function_view;
mod function_workers;
mod functions;
mod input;
mod job_times;
mod jobs;
mod json_text;
mod note;
mod resources;
mod root;
mod runtime_image;
mod runtimes;
mod shelf;
mod time;
mod versions;
mod webhook_input;
mod webhooks;
mod wire;

use super::Dialect;
use super::kit::guard::Door;
use crate::domain::Principal;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use fault::Fault;
use http::{Method, StatusCode, Uri};
use tower::ServiceExt;

/// One route: what the table of the contract calls an endpoint.
type Route = (Method, &'static str, MethodRouter<Dialect>);

/// Every route, for the router and for the test that asks each for a recorded exchange.
fn routes() -> Vec<Route> {
    let all = [
        root::routes(),
        runtimes::routes(),
        functions::routes(),
        function_workers::routes(),
        versions::routes(),
        aliases::routes(),
        executions::routes(),
        webhooks::routes(),
        jobs::routes(),
    ];
    all.into_iter().flatten().collect()
}

/// What the routes are, without their handlers.
pub(super) fn list_routes() -> Vec<(Method, &'static str)> {
    let root = (Method::GET, "/");
    let below = routes().into_iter().map(|(method, path, _)| (method, path));
    std::iter::once(root).chain(below).collect()
}

/// The API: everything below `/v1`, and the document of versions.
pub(super) fn router(state: Dialect) -> Router {
    let empty = Router::new();
    let all = routes()
        .into_iter()
        .fold(empty, |router, (_, path, handler)| router.route(path, handler));
    let inner: Router = all
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .with_state(state.clone());
    // Paths are brought into one form before they are routed, so the router is asked by a handler.
    let handle = move |request: Request| {
        let inner = inner.clone();
        async move { answer(inner, request).await }
    };
    Router::new()
        .route("/", get(root::versions).with_state(state.clone()))
        .route("/v1", axum::routing::any(handle.clone()))
        .route("/v1/", axum::routing::any(handle.clone()))
        .route("/v1/{*rest}", axum::routing::any(handle))
}

/// What a request wants, where that is not to look at or change what is a project's.
pub(super) fn door(method: &Method, path: &str) -> Option<Door> {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match (method, &segments[..]) {
        (&Method::POST, ["v1", "webhooks", _, "invoke"]) => Some(Door::Open),
        (&Method::POST, ["v1", "executions"]) => Some(Door::Call),
        _ => None,
    }
}

async fn answer(inner: Router, mut request: Request) -> Response {
    match *request.method() {
        Method::OPTIONS => return StatusCode::OK.into_response(),
        Method::HEAD => return wrong_method(Method::HEAD, request.uri().clone()).await.into_response(),
        _ => {}
    }
    if let Some(uri) = one_form(request.uri()) {
        *request.uri_mut() = uri;
    }
    forget_parameters(&mut request);
    match inner.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// The outer route took the path for a parameter of its own, which the inner one must not find. Only who asks is kept.
fn forget_parameters(request: &mut Request) {
    let principal = request.extensions_mut().remove::<Principal>();
    request.extensions_mut().clear();
    if let Some(principal) = principal {
        request.extensions_mut().insert(principal);
    }
}

/// Without repeated and trailing slashes, and without a `.json` at the end; `None` when it is so already.
fn one_form(uri: &Uri) -> Option<Uri> {
    let parts: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let path = format!("/{}", parts.join("/"));
    let path = path.strip_suffix(".json").unwrap_or(&path);
    // `/v1` and `/v1/` are two addresses.
    if path == uri.path() || parts == ["v1"] {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Uri::try_from(format!("{path}{query}")).ok()
}

async fn unknown_path(uri: Uri) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, format!("There is nothing at {}.", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Fault {
    let message = format!("{method} is not allowed on {}.", uri.path());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_address_is_its_own_key_and_calls_are_calls() {
        for (method, path, door) in [
            (Method::POST, "/v1/webhooks/id/invoke", Some(Door::Open)),
            (Method::GET, "/v1/webhooks/id/invoke", None),
            (Method::POST, "/v1/webhooks", None),
            (Method::POST, "/v1/executions", Some(Door::Call)),
            (Method::GET, "/v1/executions", None),
        ] {
            assert_eq!(super::door(&method, path), door, "{method} {path}");
        }
    }

    #[test]
    fn paths_are_brought_into_one_form() {
        for (sent, routed) in [
            ("/v1//aliases", Some("/v1/aliases")),
            ("/v1/functions/", Some("/v1/functions")),
            ("/v1/functions/x.json?a=b", Some("/v1/functions/x?a=b")),
            ("/v1/functions?a=b", None),
            ("/v1", None),
            ("/v1/", None),
        ] {
            let uri = Uri::from_static(sent);
            assert_eq!(one_form(&uri).map(|u| u.to_string()).as_deref(), routed, "{sent}");
        }
    }
}
