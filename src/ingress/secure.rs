//! Where a caller without TLS is sent by a function that is called by TLS only. Pure.

use super::FORWARDED_PROTO;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

/// The same address where TLS is spoken; `None` when a proxy before us has spoken it, or no host is named.
pub(super) fn place(uri: &Uri, headers: &HeaderMap, tls_port: u16) -> Option<String> {
    if headers.get(FORWARDED_PROTO).is_some_and(|scheme| scheme == "https") {
        return None;
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = without_port(host);
    let path = uri.path_and_query().map_or("/", |all| all.as_str());
    Some(format!("https://{name}:{tls_port}{path}"))
}

/// Sends a caller there, for good.
pub(super) fn send_to(place: &str) -> Response {
    match HeaderValue::try_from(place) {
        Ok(place) => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, place)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// An address of IPv6 has colons of its own, within brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(host: &'static str, proto: Option<&'static str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        proto.map(|proto| headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto)));
        place(&Uri::from_static("/function/f.n/a?b=c"), &headers, 8443)
    }

    #[test]
    fn a_caller_is_sent_to_the_same_address_with_tls() {
        for (host, name) in [
            ("127.0.0.1:7070", "127.0.0.1"),
            ("f.n.localhost", "f.n.localhost"),
            ("[::1]:7070", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let place = format!("https://{name}:8443/function/f.n/a?b=c");
            assert_eq!(sent(host, None), Some(place), "{host}");
        }
    }

    #[test]
    fn who_came_to_a_proxy_by_tls_stays() {
        assert_eq!(sent("hob.example", Some("https")), None);
        assert!(sent("hob.example", Some("http")).is_some());
    }
}
