//! The data plane: plain HTTP to a function, by path or by host, streamed both ways.
//!
//! `/function/<name>/…` and `<name>.<namespace>.localhost`. Knows nothing of how functions are managed.

mod border;

pub use border::{border, is_addressed};

use crate::api::kit::invoke::{CallParts, invoke};
use crate::app::App;
use crate::domain::Namespace;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::header;

/// What the ingress needs.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// The application.
    pub app: App,
    /// Largest request body. Unit: bytes.
    pub body_limit: u64,
}

/// The routes below `/function`.
pub fn router(ingress: Ingress) -> Router {
    Router::new()
        .route("/function/{name}", any(by_path))
        .route("/function/{name}/", any(by_path))
        .route("/function/{name}/{*rest}", any(by_path))
        .with_state(ingress)
}

/// The function a host name means: `<name>.<namespace>.localhost` or `<name>.localhost`.
#[must_use]
pub fn function_of_host(host: &str) -> Option<(String, String)> {
    let name = host.split(':').next().unwrap_or(host).strip_suffix(".localhost")?;
    let (name, namespace) = name.split_once('.').unwrap_or((name, "default"));
    let plain = !name.is_empty() && !namespace.is_empty() && !namespace.contains('.');
    plain.then(|| (name.to_owned(), namespace.to_owned()))
}

impl Ingress {
    /// Serves a request whose host names a function.
    pub async fn by_host(&self, name: &str, namespace: &str, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        self.call(namespace, name, path, request).await
    }

    async fn call(&self, namespace: &str, name: &str, path: String, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let call = CallParts {
            method: head.method,
            path,
            query,
            headers: head.headers,
            body_limit: self.body_limit,
        };
        invoke(&self.app, namespace, name, call, body).await
    }
}

async fn by_path(State(ingress): State<Ingress>, request: Request) -> Response {
    let (name, path) = split(request.uri().path());
    // `x-hob-namespace` chooses another namespace than the default one.
    let namespace = request.headers().get("x-hob-namespace").and_then(|v| v.to_str().ok());
    let namespace = namespace.map_or_else(|| Namespace::default_namespace().to_string(), str::to_owned);
    ingress.call(&namespace, &name, path, request).await
}

/// `/function/<name>/<rest>` as name and the path the function sees.
fn split(path: &str) -> (String, String) {
    let below = path.strip_prefix("/function/").unwrap_or_default();
    match below.split_once('/') {
        Some((name, rest)) => (name.to_owned(), format!("/{rest}")),
        None => (below.to_owned(), "/".to_owned()),
    }
}

/// The request's host, if it names a function.
#[must_use]
pub fn addressed_function(request: &Request) -> Option<(String, String)> {
    function_of_host(request.headers().get(header::HOST)?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_function_only_below_localhost() {
        let named = |n: &str, s: &str| Some((n.to_owned(), s.to_owned()));
        let table = [
            ("hello.localhost:7070", named("hello", "default")),
            ("hello.team.localhost", named("hello", "team")),
            ("localhost:7070", None),
            ("127.0.0.1:7070", None),
            ("a.b.c.localhost", None),
            ("hello.example", None),
        ];
        for (host, want) in table {
            assert_eq!(function_of_host(host), want, "{host}");
        }
    }

    #[test]
    fn the_function_sees_the_path_below_its_name() {
        for (path, name, rest) in [
            ("/function/a", "a", "/"),
            ("/function/a/", "a", "/"),
            ("/function/a/b/c", "a", "/b/c"),
        ] {
            assert_eq!(split(path), (name.to_owned(), rest.to_owned()));
        }
    }
}
