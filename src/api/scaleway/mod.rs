//! Scaleway Functions: its oldest API (`v1alpha2`) and the two newer ones (`v1beta1`) over the one core. What they do on
//! the wire is in the tests' contract.
//!
//! One file a resource. One set of handlers serves the three roots: `asked` says which one, and `view` answers in its
//! form. Keeps what the core has no word for in annotations and documents of its own, never a second truth.

mod applications;
mod asked;
mod crons;
mod deploy;
mod domains;
mod fault;
mod given;
mod limits;
mod logs;
mod look;
mod namespaces;
mod note;
mod page;
mod privacy;
mod registry;
mod runtimes;
mod secrets;
mod sent;
mod space;
mod surroundings;
mod time;
mod tokens;
mod triggers;
mod uploads;
mod view;
mod wire;

use super::Dialect;
use super::kit::guard::Door;
use crate::app::App;
use crate::domain::Principal;
use crate::listener::tls::Secure;
use crate::task::Turns;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use axum::routing::MethodRouter;
use fault::Fault;
use http::{Method, StatusCode, Uri};
use std::sync::Arc;
use tower::ServiceExt;

/// What the handlers work with; clones share it.
#[derive(Debug, Clone)]
struct State {
    app: App,
    base_url: Arc<str>,
    /// Where TLS is spoken, if it is.
    tls_port: Option<u16>,
    /// Whether workers get the processor time that goes with their memory, and no more.
    cpu_follows_memory: bool,
    turns: Turns,
}

/// One route: what the table of the contract calls an endpoint.
type Route = (Method, &'static str, MethodRouter<State>);

/// A path of the oldest root.
macro_rules! alpha {
    ($path:literal) => {
        concat!("/functions/v1alpha2/regions/{region}", $path)
    };
}

/// A path of the newer root of functions.
macro_rules! functions_beta {
    ($path:literal) => {
        concat!("/functions/v1beta1/regions/{region}", $path)
    };
}

/// A path of the newer root of containers.
macro_rules! containers_beta {
    ($path:literal) => {
        concat!("/containers/v1beta1/regions/{region}", $path)
    };
}

use {alpha, containers_beta, functions_beta};

/// Every route, for the router and for the test that asks each for a recorded exchange.
fn routes() -> Vec<Route> {
    let all = [
        namespaces::routes(),
        applications::routes(),
        uploads::routes(),
        crons::routes(),
        runtimes::routes(),
        logs::routes(),
        registry::routes(),
        tokens::routes(),
        domains::routes(),
        triggers::routes(),
    ];
    all.into_iter().flatten().collect()
}

/// What the routes are, without their handlers.
pub(super) fn list_routes() -> Vec<(Method, &'static str)> {
    routes().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The API: everything below `/functions`, `/containers` and `/registry`, and what images are pushed to.
pub(super) fn router(dialect: Dialect) -> Router {
    let state = State {
        app: dialect.app,
        base_url: dialect.base_url,
        tls_port: dialect.tls_port,
        cpu_follows_memory: dialect.cpu_follows_memory,
        turns: Turns::default(),
    };
    let empty = Router::new();
    let all = routes()
        .into_iter()
        .fold(empty, |router, (_, path, handler)| router.route(path, handler));
    let inner: Router = all
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .with_state(state);
    // Paths are brought into one form before they are routed, so the router is asked by a handler.
    let handle = move |request: Request| {
        let inner = inner.clone();
        async move { answer(inner, request).await }
    };
    Router::new()
        .route("/functions/{*rest}", axum::routing::any(handle.clone()))
        .route("/containers/{*rest}", axum::routing::any(handle.clone()))
        .route("/registry/{*rest}", axum::routing::any(handle.clone()))
        .route("/v2", axum::routing::any(handle.clone()))
        .route("/v2/", axum::routing::any(handle.clone()))
        .route("/v2/{*rest}", axum::routing::any(handle))
}

/// What a request wants, where that is not to look at or change what is a namespace's.
pub(super) fn door(_method: &Method, path: &str) -> Option<Door> {
    // The address of an upload is the key to it, and a push changes nothing.
    let is_open = [uploads::OPEN, registry::OPEN]
        .iter()
        .any(|open| path.starts_with(open));
    is_open.then_some(Door::Open)
}

async fn answer(inner: Router, mut request: Request) -> Response {
    if let Some(uri) = one_form(request.uri()) {
        *request.uri_mut() = uri;
    }
    forget_parameters(&mut request);
    match inner.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// The outer route took the path for a parameter of its own, which the inner one must not find. Only who asks is kept,
/// and whether through TLS.
fn forget_parameters(request: &mut Request) {
    let extensions = request.extensions_mut();
    let (principal, secure) = (extensions.remove::<Principal>(), extensions.remove::<Secure>());
    extensions.clear();
    if let Some(principal) = principal {
        extensions.insert(principal);
    }
    if let Some(secure) = secure {
        extensions.insert(secure);
    }
}

/// Without repeated and trailing slashes; `None` when it is so already.
fn one_form(uri: &Uri) -> Option<Uri> {
    let parts: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let path = format!("/{}", parts.join("/"));
    if path == uri.path() {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Uri::try_from(format!("{path}{query}")).ok()
}

async fn unknown_path(uri: Uri) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Fault {
    let message = format!("{method} is not allowed on {}", uri.path());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uploads_and_pushes_are_open_to_everybody() {
        for (path, door) in [
            ("/functions/uploads/id/key.zip", Some(Door::Open)),
            ("/v2/", Some(Door::Open)),
            ("/functions/v1alpha2/regions/fr-par/functions", None),
            ("/registry/v1beta2/regions/fr-par/namespaces/id", None),
        ] {
            assert_eq!(super::door(&Method::GET, path), door, "{path}");
        }
    }

    #[test]
    fn paths_are_brought_into_one_form() {
        for (sent, routed) in [
            ("/functions//v1alpha2/", Some("/functions/v1alpha2")),
            ("/functions/v1alpha2/x/?a=b//", Some("/functions/v1alpha2/x?a=b//")),
            ("/functions/v1alpha2?a=b", None),
        ] {
            let uri = Uri::from_static(sent);
            assert_eq!(one_form(&uri).map(|u| u.to_string()).as_deref(), routed, "{sent}");
        }
    }
}
