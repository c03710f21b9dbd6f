//! The data plane: plain HTTP to a function, by path, by host or by port, streamed both ways.
//!
//! `/function/<name>/…`, `/function/<name>.<namespace>/…`, `<name>.<namespace>.localhost`, a function's own port; hosts of
//! gateways and `/gateway/<namespace>/<name>/…`; `/hook/<id>` for webhooks. And the entrance, by which every request comes
//! in, those for the APIs too. Knows nothing of how functions are managed.

mod address;
mod border;
mod cors;
mod entrance;
mod entry;
mod pages;
mod ports;
mod secure;

use address::Address;
pub use address::{is_addressed, names_registered_host};
pub use entrance::Entrance;
pub use ports::serve_ports;

use crate::api::kit::invoke::{CallParts, call_webhook, invoke_as_its_server};
use crate::api::kit::problem;
use crate::app::{App, Callee, InvokeOptions};
use crate::domain::{
    AliasName, Cors, Error, ExecutionId, FunctionName, Gateway, Namespace, Selector, Upstream, VersionNumber, WebhookId,
};
use crate::listener::tls::Secure;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// By which scheme a caller came, as proxies say it.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the ingress needs.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// The application.
    pub app: App,
    /// Largest request body. Unit: bytes.
    pub body_limit: u64,
    /// Where TLS is spoken, if it is.
    pub tls_port: Option<u16>,
}

/// The routes below `/gateway` and `/hook`; what is below `/function` goes a shorter way, through the [`Entrance`].
pub fn router(ingress: Ingress) -> Router {
    Router::new()
        .route("/gateway/{namespace}/{name}", any(by_gateway))
        .route("/gateway/{namespace}/{name}/", any(by_gateway))
        .route("/gateway/{namespace}/{name}/{*rest}", any(by_gateway))
        .route("/hook/{id}", any(by_webhook))
        .route("/hook/{id}/", any(by_webhook))
        .route("/hook/{id}/{*rest}", any(by_webhook))
        .with_state(ingress)
}

impl Ingress {
    /// Calls one of a gateway's functions, for whoever opens its lock.
    async fn through(&self, gateway: &Gateway, path: String, mut request: Request) -> Response {
        if let Err(refusal) = entry::pass_lock(gateway, &request) {
            return *refusal;
        }
        let spec = &gateway.spec;
        let upstream = self.app.draw_upstream(gateway);
        let callee = Callee::named(spec.namespace.as_str(), upstream.function.as_str());
        if self.app.gate(callee).is_err() {
            return problem::answer(&leads_nowhere(gateway, upstream), None);
        }
        for (name, value) in &spec.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                request.headers_mut().insert(name, value);
            }
        }
        let path = upstream.rewrite.clone().unwrap_or(path);
        self.call(callee, path, request).await
    }

    /// The page of another origin that asks for a function which takes it. Looks at nothing where no page asks.
    fn page(&self, request: &Request) -> Option<cors::Page> {
        cors::Page::of(request.headers(), |origin| match address::address_of(request) {
            Some(Address::Host { namespace, name }) => self.app.cors(Callee::named(namespace, name)),
            Some(Address::Port { function, .. }) => self.app.cors(Callee::Id(*function)),
            Some(Address::Gateway(gateway)) => self.cors_behind(gateway, origin),
            Some(Address::NoPath) => None,
            None => self.cors_by_path(request, origin),
        })
    }

    fn cors_by_path(&self, request: &Request, origin: &str) -> Option<Arc<Cors>> {
        let path = request.uri().path();
        if path.starts_with(address::GATEWAYS) {
            let (gateway, _) = self.gateway_by_path(path).ok()?;
            return self.cors_behind(&gateway, origin);
        }
        let (name, _) = path
            .starts_with(address::FUNCTIONS)
            .then(|| split(address::FUNCTIONS, path))?;
        let (name, namespace) = split_namespace(&name);
        let namespace = namespace.or_else(|| named_namespace(request.headers()));
        self.app
            .cors(Callee::named(namespace.unwrap_or(Namespace::DEFAULT), name))
    }

    /// All of its functions have to take the origin: a call may come to any. The first says the rest.
    fn cors_behind(&self, gateway: &Gateway, origin: &str) -> Option<Arc<Cors>> {
        let upstreams = gateway.spec.upstreams.as_slice().iter();
        let rule = |upstream: &Upstream| {
            let callee = Callee::named(gateway.spec.namespace.as_str(), upstream.function.as_str());
            self.app.cors(callee).filter(|cors| cors.allows_origin(origin))
        };
        let all: Vec<_> = upstreams.map(rule).collect::<Option<_>>()?;
        all.into_iter().next()
    }

    fn gateway_by_path(&self, path: &str) -> Result<(Arc<Gateway>, String), Error> {
        let (namespace, below) = split(address::GATEWAYS, path);
        let (name, path) = split("/", &below);
        let gateway = self
            .app
            .gateway(&Namespace::parse(&namespace)?, &FunctionName::parse(&name)?)?;
        Ok((gateway, path))
    }

    /// Calls the function that the path names.
    async fn by_path(&self, request: Request) -> Response {
        let (name, path) = split(address::FUNCTIONS, request.uri().path());
        let (name, namespace) = split_namespace(&name);
        let namespace = namespace.or_else(|| named_namespace(request.headers()));
        let namespace = namespace.unwrap_or(Namespace::DEFAULT).to_owned();
        self.call(Callee::named(&namespace, name), path, request).await
    }

    async fn call(&self, callee: Callee<'_>, path: String, mut request: Request) -> Response {
        if let Some(place) = self.secure_place(callee, &request) {
            return secure::send_to(&place);
        }
        if let Err(refusal) = self.pass(callee, &mut request) {
            return *refusal;
        }
        let options = match selector(request.headers()) {
            Ok(selector) => InvokeOptions {
                selector,
                ..InvokeOptions::new(ExecutionId::generate())
            },
            Err(e) => return problem::answer(&e, None),
        };
        let (call, body) = self.parts(path, request);
        invoke_as_its_server(&self.app, callee, options, call, body).await
    }

    /// Where a caller is sent who came without TLS to a function that wants it. Looks at the function last: nothing is
    /// asked where no TLS is spoken.
    fn secure_place(&self, callee: Callee<'_>, request: &Request) -> Option<String> {
        let port = self.tls_port?;
        if request.extensions().get::<Secure>().is_some() {
            return None;
        }
        let (_, limits) = self.app.manner_of(callee)?;
        let wants = limits.intake.secure_only;
        wants.then(|| secure::place(request.uri(), request.headers(), port))?
    }

    /// Lets a caller pass at the function's gate, if it has one.
    fn pass(&self, callee: Callee<'_>, request: &mut Request) -> Result<(), entry::Refusal> {
        let Ok(Some((keeper, namespace))) = self.app.gate(callee) else {
            // No gate; or no function, which the call itself will say.
            return Ok(());
        };
        entry::pass_gate(&keeper, &namespace, request, self.app.now())
    }

    fn parts(&self, path: String, request: Request) -> (CallParts, Body) {
        let (mut head, body) = request.into_parts();
        let client = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
        let scheme = match head.extensions.get::<Secure>() {
            Some(Secure) => "https",
            None => "http",
        };
        forwarded(&mut head.headers, client, scheme);
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
fn forwarded(headers: &mut HeaderMap, client: Option<IpAddr>, scheme: &'static str) {
    const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
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
    headers
        .entry(FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(scheme));
}

/// `x-hob-namespace` chooses another namespace than the default one, where the path does not.
fn named_namespace(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-hob-namespace")?.to_str().ok()
}

/// `<name>.<namespace>`, or a name alone: neither of them has a dot in it.
fn split_namespace(segment: &str) -> (&str, Option<&str>) {
    match segment.split_once('.') {
        Some((name, namespace)) => (name, Some(namespace)),
        None => (segment, None),
    }
}

/// `/gateway/<namespace>/<name>/…`, for callers that cannot choose the host: what follows is the path.
async fn by_gateway(State(ingress): State<Ingress>, request: Request) -> Response {
    match ingress.gateway_by_path(request.uri().path()) {
        Ok((gateway, path)) => ingress.through(&gateway, path, request).await,
        Err(e) => problem::answer(&Error::not_found(e.to_string()), None),
    }
}

fn leads_nowhere(gateway: &Gateway, upstream: &Upstream) -> Error {
    let (namespace, name, function) = (&gateway.spec.namespace, &gateway.spec.name, &upstream.function);
    Error::not_found(format!(
        "gateway `{name}` leads to function `{function}`, which is not in namespace `{namespace}`: deploy it, or \
         change the gateway"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_told_who_called_and_what_a_proxy_said_stays() {
        let client = Some(IpAddr::from([127, 0, 0, 1]));
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a.localhost"));
        forwarded(&mut headers, client, "http");
        let text = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("text").to_owned();
        assert_eq!(text(&headers, "x-forwarded-for"), "127.0.0.1");
        assert_eq!(text(&headers, "x-forwarded-host"), "a.localhost");
        headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.9"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        forwarded(&mut headers, client, "http");
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
