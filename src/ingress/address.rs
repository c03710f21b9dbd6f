//! Whom a request is addressed to, before its path is looked at: by the port it came in on, or by its host.
//!
//! Path-based addresses (`/function/…`, `/gateway/…`, `/hook/…`) are routes and not told here.

use crate::app::App;
use crate::domain::{FunctionId, Gateway, Namespace, Route};
use axum::extract::Request;
use http::header;
use std::sync::Arc;

/// The paths of functions, of gateways and of webhooks.
pub(super) const FUNCTIONS: &str = "/function/";
pub(super) const GATEWAYS: &str = "/gateway/";
pub(super) const HOOKS: &str = "/hook/";

/// Whom a request is addressed to. Stands in its extensions.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// A function, by a host name of its own.
    Host {
        /// Whose; as it was written.
        namespace: String,
        /// Which; as it was written.
        name: String,
    },
    /// A function, by its port.
    Port {
        /// Which.
        function: FunctionId,
        /// Whose; `None` when it is gone.
        namespace: Option<Namespace>,
    },
    /// A gateway, by its host and path.
    Gateway(Arc<Gateway>),
    /// The host is a gateway's, the path is nobody's.
    NoPath,
}

/// Notes on the request whom it is addressed to. `port`: whose own port it came in on.
pub(super) fn note(app: &App, port: Option<FunctionId>, request: &mut Request) {
    if let Some(address) = of(app, port, request) {
        request.extensions_mut().insert(address);
    }
}

fn of(app: &App, port: Option<FunctionId>, request: &Request) -> Option<Address> {
    if let Some(function) = port {
        let namespace = app.serving_namespace(function);
        return Some(Address::Port { function, namespace });
    }
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    match app.route(host, request.uri().path()) {
        Route::Gateway(gateway) => Some(Address::Gateway(gateway)),
        Route::NoPath => Some(Address::NoPath),
        Route::NoHost => {
            let (name, namespace) = function_of_host(host)?;
            Some(Address::Host { namespace, name })
        }
    }
}

/// Whom a request is addressed to, once [`note`] has seen it.
pub(super) fn address_of(request: &Request) -> Option<&Address> {
    request.extensions().get()
}

/// Whether a request is to a function, by its port, its host or its path.
#[must_use]
pub fn is_addressed(request: &Request) -> bool {
    let path = request.uri().path();
    address_of(request).is_some() || path.starts_with(FUNCTIONS) || path.starts_with(GATEWAYS)
}

/// Whether a request names a host that somebody registered here: then the name is ours.
#[must_use]
pub fn names_registered_host(request: &Request) -> bool {
    matches!(address_of(request), Some(Address::Gateway(_) | Address::NoPath))
}

/// The function a host name means: `<name>.<namespace>.localhost` or `<name>.localhost`.
fn function_of_host(host: &str) -> Option<(String, String)> {
    let name = host.split(':').next().unwrap_or(host).strip_suffix(".localhost")?;
    let (name, namespace) = name.split_once('.').unwrap_or((name, Namespace::DEFAULT));
    let plain = !name.is_empty() && !namespace.is_empty() && !namespace.contains('.');
    plain.then(|| (name.to_owned(), namespace.to_owned()))
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
}
