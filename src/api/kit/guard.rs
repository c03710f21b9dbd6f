//! Keeps web pages out: a browser may not drive the daemon by a rebound name or from another origin.
//!
//! Programs send no `Origin` and name the address they dialled; they pass. Tokens are compared in constant time.

use super::problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use std::net::IpAddr;
use std::sync::Arc;

/// Who may come in.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Host names beside loopback addresses and `localhost`; a port is not compared.
    pub allowed_hosts: Vec<String>,
    /// Origins beside those on loopback.
    pub allowed_origins: Vec<String>,
    /// The access token; `None` lets every local caller in.
    pub token: Option<String>,
}

/// The middleware.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.refusal(request.headers(), request.uri().path()) {
        None => next.run(request).await,
        Some((status, code, message)) => problem::body(status, code, message, None, None),
    }
}

type Refusal = (StatusCode, &'static str, &'static str);

impl Guard {
    fn refusal(&self, headers: &HeaderMap, path: &str) -> Option<Refusal> {
        if !self.host_is_ours(headers) {
            return Some((
                StatusCode::FORBIDDEN,
                "host_not_allowed",
                "this host name is not allowed: use 127.0.0.1 or localhost, or add the name to server.allowed_hosts",
            ));
        }
        if !self.origin_is_ours(headers) {
            return Some((
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "requests from this web page are not allowed: add its origin to server.allowed_origins",
            ));
        }
        // A webhook's address is the key to it.
        let open = matches!(path, "/healthz" | "/readyz") || path.starts_with("/hook/");
        if !open && !self.token_fits(headers) {
            return Some((
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "an access token is needed: send it as `Authorization: Bearer TOKEN` or `X-Auth-Token`",
            ));
        }
        None
    }

    fn host_is_ours(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(header::HOST) else {
            return true;
        };
        host.to_str()
            .is_ok_and(|host| self.is_local_or(name_of(host), &self.allowed_hosts))
    }

    fn origin_is_ours(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Ok(origin) = origin.to_str() else { return false };
        let allowed = self.allowed_origins.iter().any(|o| o == origin);
        // Another local page is another site: only the daemon's own address is the same origin.
        allowed
            || headers
                .get(header::HOST)
                .and_then(|h| h.to_str().ok())
                .is_some_and(|host| same_site(origin, host))
    }

    fn is_local_or(&self, name: &str, allowed: &[String]) -> bool {
        let local = name == "localhost" || name.ends_with(".localhost");
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        local || address.is_ok_and(|a| a.is_loopback() || self.token.is_some()) || allowed.iter().any(|a| a == name)
    }

    fn token_fits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let bearer = bearer.and_then(|v| v.strip_prefix("Bearer "));
        let sent = bearer.or_else(|| headers.get("x-auth-token").and_then(|v| v.to_str().ok()));
        sent.is_some_and(|sent| same(sent.as_bytes(), token.as_bytes()))
    }
}

fn same_site(origin: &str, host: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        == Some(host)
}

/// The name before the port.
fn name_of(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(guard: &Guard, headers: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let pairs = headers
            .iter()
            .map(|(k, v)| (http::HeaderName::from_static(k), http::HeaderValue::from_static(v)));
        guard.refusal(&pairs.collect(), "/hob/v1/status").map(|r| r.1)
    }

    #[test]
    fn a_rebound_name_and_a_foreign_page_are_refused() {
        let guard = Guard {
            allowed_hosts: vec!["hob.lan".to_owned()],
            ..Guard::default()
        };
        for host in [
            "127.0.0.1:7070",
            "localhost:7070",
            "x.localhost",
            "[::1]:7070",
            "hob.lan:7070",
        ] {
            assert_eq!(refused(&guard, &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7070",
            "192.168.1.2:7070",
            "localhost.evil.example",
        ] {
            assert_eq!(refused(&guard, &[("host", host)]), Some("host_not_allowed"), "{host}");
        }
        let foreign = [("host", "127.0.0.1:7070"), ("origin", "http://evil.example")];
        assert_eq!(refused(&guard, &foreign), Some("origin_not_allowed"));
        let null = [("host", "127.0.0.1:7070"), ("origin", "null")];
        assert_eq!(refused(&guard, &null), Some("origin_not_allowed"));
        let own = [("host", "127.0.0.1:7070"), ("origin", "http://127.0.0.1:7070")];
        assert_eq!(refused(&guard, &own), None);
    }

    #[test]
    fn with_a_token_nobody_comes_in_without_it() {
        let guard = Guard {
            token: Some("secret".to_owned()),
            ..Guard::default()
        };
        assert_eq!(refused(&guard, &[]), Some("unauthorized"));
        assert_eq!(
            refused(&guard, &[("authorization", "Bearer wrong!")]),
            Some("unauthorized")
        );
        assert_eq!(refused(&guard, &[("authorization", "Bearer secret")]), None);
        assert_eq!(refused(&guard, &[("x-auth-token", "secret")]), None);
    }
}
