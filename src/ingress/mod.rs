//! The data plane: plain HTTP to a function, by path or by host, streamed both ways.
//!
//! `/function/<name>/…`, `/function/<name>.<namespace>/…` and `<name>.<namespace>.localhost`; `/hook/<id>` for
//! webhooks. Knows nothing of how functions are managed.

mod border;

pub use border::{border, is_addressed};

use crate::api::kit::invoke::{CallParts, call_webhook, invoke};
use crate::api::kit::problem;
use crate::app::{App, Callee, InvokeOptions};
use crate::domain::{AliasName, Error, ExecutionId, Namespace, Selector, VersionNumber, WebhookId};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::{IpAddr, SocketAddr};

/// What the ingress needs.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// The application.
    pub app: App,
    /// Largest request body. Unit: bytes.
    pub body_limit: u64,
}

/// The routes below `/function` and `/hook`.
pub fn router(ingress: Ingress) -> Router {
    Router::new()
        .route("/function/{name}", any(by_path))
        .route("/function/{name}/", any(by_path))
        .route("/function/{name}/{*rest}", any(by_path))
        .route("/hook/{id}", any(by_webhook))
        .route("/hook/{id}/", any(by_webhook))
        .route("/hook/{id}/{*rest}", any(by_webhook))
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
        let options = match selector(request.headers()) {
            Ok(selector) => InvokeOptions {
                selector,
                ..InvokeOptions::new(ExecutionId::generate())
            },
            Err(e) => return problem::answer(&e, None),
        };
        let (call, body) = self.parts(path, request);
        invoke(&self.app, Callee::Named { namespace, name }, options, call, body).await
    }

    fn parts(&self, path: String, request: Request) -> (CallParts, Body) {
        let (mut head, body) = request.into_parts();
        let client = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
        forwarded(&mut head.headers, client);
        let call = CallParts {
            method: head.method,
            path,
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body_limit: self.body_limit,
        };
        (call, body)
    }
}

/// Tells the function who called and under which name, as proxies do; what a proxy before us said stays.
fn forwarded(headers: &mut HeaderMap, client: Option<IpAddr>) {
    const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    if let Some(client) = client {
        let before = headers.get(FOR).and_then(|v| v.to_str().ok());
        let all = before.map_or_else(|| client.to_string(), |before| format!("{before}, {client}"));
        if let Ok(all) = HeaderValue::try_from(all) {
            headers.insert(FOR, all);
        }
    }
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.entry(HOST).or_insert(host);
    }
    headers.entry(PROTO).or_insert(HeaderValue::from_static("http"));
}

async fn by_path(State(ingress): State<Ingress>, request: Request) -> Response {
    let (name, path) = split("/function/", request.uri().path());
    let (name, namespace) = split_namespace(&name);
    // `x-hob-namespace` chooses another namespace than the default one, where the path does not.
    let header = || request.headers().get("x-hob-namespace").and_then(|v| v.to_str().ok());
    let namespace = namespace.or_else(header).map(str::to_owned);
    let namespace = namespace.unwrap_or_else(|| Namespace::default_namespace().to_string());
    ingress.call(&namespace, name, path, request).await
}

/// `<name>.<namespace>`, or a name alone: neither of them has a dot in it.
fn split_namespace(segment: &str) -> (&str, Option<&str>) {
    match segment.split_once('.') {
        Some((name, namespace)) => (name, Some(namespace)),
        None => (segment, None),
    }
}

async fn by_webhook(State(ingress): State<Ingress>, request: Request) -> Response {
    let (id, path) = split("/hook/", request.uri().path());
    let Some(id) = WebhookId::parse(&id) else {
        return problem::answer(&Error::not_found("there is no such webhook"), None);
    };
    let (call, body) = ingress.parts(path, request);
    call_webhook(&ingress.app, id, call, body).await
}

/// `x-hob-version: 3` or `x-hob-alias: live` choose another revision than the one that serves.
fn selector(headers: &HeaderMap) -> Result<Selector, Error> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    match (headers.get("x-hob-version"), headers.get("x-hob-alias")) {
        (None, None) => Ok(Selector::Current),
        (Some(number), None) => VersionNumber::parse(&text(number)).map(Selector::Version),
        (None, Some(name)) => AliasName::parse(&text(name)).map(Selector::Alias),
        (Some(_), Some(_)) => Err(Error::invalid("say `x-hob-version` or `x-hob-alias`, not both")),
    }
}

/// `<prefix><name>/<rest>` as name and the path the function sees.
fn split(prefix: &str, path: &str) -> (String, String) {
    let below = path.strip_prefix(prefix).unwrap_or_default();
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
    fn a_function_is_told_who_called_and_what_a_proxy_said_stays() {
        let client = Some(IpAddr::from([127, 0, 0, 1]));
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a.localhost"));
        forwarded(&mut headers, client);
        let text = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("text").to_owned();
        assert_eq!(text(&headers, "x-forwarded-for"), "127.0.0.1");
        assert_eq!(text(&headers, "x-forwarded-host"), "a.localhost");
        headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.9"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        forwarded(&mut headers, client);
        assert_eq!(text(&headers, "x-forwarded-for"), "10.0.0.9, 127.0.0.1");
        assert_eq!(text(&headers, "x-forwarded-proto"), "https");
    }

    #[test]
    fn headers_choose_a_version_or_an_alias_but_not_both() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| (http::HeaderName::from_static(k), HeaderValue::from_static(v)));
            selector(&pairs.collect()).map(|s| s.to_string()).ok()
        };
        assert_eq!(read(&[]).as_deref(), Some("current"));
        assert_eq!(read(&[("x-hob-version", "3")]).as_deref(), Some("version:3"));
        assert_eq!(read(&[("x-hob-alias", "live")]).as_deref(), Some("alias:live"));
        assert_eq!(read(&[("x-hob-version", "three")]), None);
        assert_eq!(read(&[("x-hob-version", "3"), ("x-hob-alias", "live")]), None);
    }

    #[test]
    fn a_path_may_name_the_namespace_behind_the_function() {
        assert_eq!(split_namespace("a.team"), ("a", Some("team")));
        assert_eq!(split_namespace("a"), ("a", None));
    }

    #[test]
    fn the_function_sees_the_path_below_its_name() {
        for (path, name, rest) in [
            ("/function/a", "a", "/"),
            ("/function/a/", "a", "/"),
            ("/function/a/b/c", "a", "/b/c"),
        ] {
            assert_eq!(split("/function/", path), (name.to_owned(), rest.to_owned()));
        }
    }
}
