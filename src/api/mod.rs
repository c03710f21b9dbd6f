//! Outside APIs: a table of dialects over one core. Each has a folder; `kit` holds tools any of them may use.

pub mod kit;
pub mod native;
mod nuclio;
mod qinling;
mod scaleway;

use crate::app::App;
use crate::task::Shutdown;
use axum::Router;
use http::Method;
use kit::guard::Door;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What every dialect works with; clones share it.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The application.
    pub app: App,
    /// Where the daemon answers, as `http://HOST:PORT`.
    pub base_url: Arc<str>,
    /// Largest body of a call. Unit: bytes.
    pub body_limit: u64,
    /// Ends what would go on for ever.
    pub shutdown: Shutdown,
    /// The port where it answers with TLS, if it does.
    pub tls_port: Option<u16>,
    /// Whether a worker gets the processor time that goes with its memory, where a dialect has such a table.
    pub cpu_follows_memory: bool,
}

/// Where clients of a dialect look for it when nobody tells them.
const CUSTOMARY: [(&str, SocketAddr); 1] = [("nuclio", SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8070))];

/// Addresses to listen on in addition, when they are free: each serves everything.
pub fn customary_addresses() -> impl Iterator<Item = SocketAddr> {
    CUSTOMARY.into_iter().map(|(_, address)| address)
}

/// One route of a dialect, as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whose.
    pub dialect: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for what varies.
    pub path: &'static str,
}

/// The routes of all dialects: each has a recorded exchange, which a test checks.
#[must_use]
pub fn routes() -> Vec<Route> {
    let of = |dialect, routes: Vec<(Method, &'static str)>| {
        routes
            .into_iter()
            .map(move |(method, path)| Route { dialect, method, path })
    };
    of("qinling", qinling::list_routes())
        .chain(of("scaleway", scaleway::list_routes()))
        .chain(of("nuclio", nuclio::list_routes()))
        .collect()
}

/// The outside APIs beside the native one, each below its own paths.
pub fn dialects(state: &Dialect) -> Router {
    Router::new()
        .merge(qinling::router(state.clone()))
        .merge(nuclio::router(state.clone()))
        .merge(scaleway::router(state.clone()))
}

/// What a request to an API wants. Whoever knows a path says so; all others are for users of a namespace.
#[must_use]
pub fn door(method: &Method, path: &str) -> Door {
    let known = native::door(method, path)
        .or_else(|| qinling::door(method, path))
        .or_else(|| scaleway::door(method, path))
        .or_else(|| nuclio::door(method, path));
    known.unwrap_or(Door::Namespace)
}
