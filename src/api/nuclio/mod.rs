//! The Nuclio dashboard: its resources over the one core. What it does on the wire is in the tests' contract.
//!
//! One file a resource. A function's configuration is kept as its clients write it (`schema`, `config_shape`, `config`),
//! filled in (`enrich`), checked (`validate`) and translated for the core (`code`, `settings`, `cron`); how it stands is
//! asked of the core whenever somebody looks (`standing`, `function_view`). What the core has no word for is in
//! annotations and documents of this API's own (`note`), never a second truth.

mod api_gateways;
mod caller;
mod code;
mod code_place;
mod commands;
mod config;
mod config_shape;
mod cron;
mod deploy;
mod deploy_log;
mod enrich;
mod fault;
mod function_events;
mod function_patch;
mod function_templates;
mod function_view;
mod functions;
mod gateway_rules;
mod invocations;
mod misc;
mod names;
mod note;
mod project_transfer;
mod projects;
mod reach;
mod replicas;
mod schema;
mod settings;
mod standing;
mod streams;
mod template;
mod validate;
mod wire;
mod yaml;

use super::Dialect;
use super::kit::guard::Door;
use crate::app::App;
use crate::domain::Principal;
use crate::task::{Shutdown, Turns};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use deploy_log::DeployLogs;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use std::sync::Arc;
use tower::ServiceExt;

/// One route: what the table of the contract calls an endpoint.
type Route = (Method, &'static str, MethodRouter<Dashboard>);

/// Where calls through the dashboard are made.
const INVOCATIONS: &str = "/api/function_invocations";

/// What the resources work with; clones share it.
#[derive(Debug, Clone)]
struct Dashboard {
    app: App,
    /// Where the daemon answers, as `http://HOST:PORT`.
    base_url: Arc<str>,
    /// Largest body of a call. Unit: bytes.
    body_limit: u64,
    /// Ends what would go on for ever.
    shutdown: Shutdown,
    deploy_logs: Arc<DeployLogs>,
    /// Held while a function is deployed.
    deploys: Turns,
}

/// Every route, for the router and for the test that asks each for a recorded exchange.
fn routes() -> Vec<Route> {
    let all = [
        functions::routes(),
        replicas::routes(),
        function_patch::routes(),
        invocations::routes(),
        projects::routes(),
        function_events::routes(),
        function_templates::routes(),
        api_gateways::routes(),
        streams::routes(),
        misc::routes(),
    ];
    all.into_iter().flatten().collect()
}

/// What the routes are, without their handlers.
pub(super) fn list_routes() -> Vec<(Method, &'static str)> {
    routes().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The API: everything below `/api`.
pub(super) fn router(dialect: Dialect) -> Router {
    let dashboard = Dashboard {
        app: dialect.app,
        base_url: dialect.base_url,
        body_limit: dialect.body_limit,
        shutdown: dialect.shutdown,
        deploy_logs: Arc::default(),
        deploys: Turns::default(),
    };
    let all = routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    let inner: Router = all
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::disable())
        .with_state(dashboard);
    // Paths are brought into one form before they are routed, so the router is asked by a handler.
    let handle = move |request: Request| {
        let inner = inner.clone();
        async move { answer(inner, request).await }
    };
    Router::new()
        .route("/api", axum::routing::any(handle.clone()))
        .route("/api/", axum::routing::any(handle.clone()))
        .route("/api/{*rest}", axum::routing::any(handle))
}

/// What a request wants, where that is not to look at or change what is a namespace's.
pub(super) fn door(_: &Method, path: &str) -> Option<Door> {
    let below = path.strip_prefix(INVOCATIONS)?;
    (below.is_empty() || below.starts_with('/')).then_some(Door::Call)
}

async fn answer(inner: Router, mut request: Request) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match *request.method() {
        Method::HEAD => wire::empty(StatusCode::METHOD_NOT_ALLOWED),
        Method::OPTIONS if is_preflight(request.headers()) => preflight(request.headers()),
        _ => {
            if let Some(uri) = without_trailing_slash(request.uri()) {
                *request.uri_mut() = uri;
            }
            forget_parameters(&mut request);
            match inner.oneshot(request).await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            }
        }
    };
    if let Some(origin) = origin {
        share(response.headers_mut(), origin);
    }
    response
}

/// The outer route took the path for a parameter of its own, which the inner one must not find. Only who asks is kept.
fn forget_parameters(request: &mut Request) {
    let principal = request.extensions_mut().remove::<Principal>();
    request.extensions_mut().clear();
    if let Some(principal) = principal {
        request.extensions_mut().insert(principal);
    }
}

/// `None` when there is none.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().trim_end_matches('/');
    if path == uri.path() {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Uri::try_from(format!("{path}{query}")).ok()
}

/// A text, so that no client takes it for an answer about a resource.
async fn unknown_path() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Which origins come this far is the guard's to say; what they may send is open.
fn preflight(headers: &HeaderMap) -> Response {
    let mut response = wire::empty(StatusCode::OK);
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let answers: [(HeaderName, Option<HeaderValue>); 3] = [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            Some(HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS, PATCH")),
        ),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, asked),
        (header::ACCESS_CONTROL_MAX_AGE, Some(HeaderValue::from_static("300"))),
    ];
    for (name, value) in answers {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Content-Length, X-Nuclio-Logs"),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_calls_and_the_rest_is_a_namespaces() {
        for (path, door) in [
            ("/api/function_invocations", Some(Door::Call)),
            ("/api/function_invocations/x", Some(Door::Call)),
            ("/api/function_invocationsx", None),
            ("/api/functions", None),
        ] {
            assert_eq!(super::door(&Method::POST, path), door, "{path}");
        }
    }

    #[test]
    fn slashes_at_the_end_are_not_looked_at() {
        for (sent, routed) in [
            ("/api/functions/", Some("/api/functions")),
            ("/api/functions/?export=true", Some("/api/functions?export=true")),
            ("/api/functions", None),
        ] {
            let uri = Uri::from_static(sent);
            let found = without_trailing_slash(&uri).map(|u| u.to_string());
            assert_eq!(found.as_deref(), routed, "{sent}");
        }
    }
}
