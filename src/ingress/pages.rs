//! Pages of functions: what a function answers to a browser must not act as the page that drives the daemon.
//!
//! By path, functions share their origin with the APIs: a script there could ask them for anything, and no header that
//! the browser sends would tell (a page chooses its own `Referer`). So whatever is answered by path is put into a sandbox,
//! an origin of nobody; and a browser that opens such a page is sent to the function's own host name, where it has an
//! origin, storage and cookies of its own. Programs see one more header, and no redirect. Pure.

use super::address::FUNCTIONS;
use super::split_namespace;
use crate::api::kit::browser::opens_a_page;
use crate::domain::Namespace;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

/// All that a page may do without being of this origin. It comes beside a policy of the function's own.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads");
/// What would reach further than the answer it stands in: the origin's storage, or every port of its host.
const FAR_REACHING: [HeaderName; 5] = [
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
];
/// Host names of this machine; those below `localhost` are this machine too, for a browser that knows it.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Keeps an answer that came by path from acting for the origin.
pub(super) fn sandbox(headers: &mut HeaderMap) {
    headers.append(header::CONTENT_SECURITY_POLICY, SANDBOX);
}

/// Takes away what would change the whole host, which is not the function's alone.
pub(super) fn confine(headers: &mut HeaderMap) {
    for name in &FAR_REACHING {
        headers.remove(name);
    }
}

/// Where a browser that opens a function's page by its path finds it at the function's own host name; `None` when nobody
/// opens a page, or that name cannot be relied on to lead here.
pub(super) fn own_place(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if !opens_a_page(method, headers) || !resolves_names(text(headers, &header::USER_AGENT)?) {
        return None;
    }
    let (host, port) = text(headers, &header::HOST)?.rsplit_once(':')?;
    let below = uri.path().strip_prefix(FUNCTIONS)?;
    let (segment, rest) = below.split_once('/').unwrap_or((below, ""));
    let (name, namespace) = split_namespace(segment);
    let namespace = namespace.unwrap_or(Namespace::DEFAULT);
    let fits = LOOPBACK.contains(&host) && is_label(name) && is_label(namespace);
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    fits.then(|| format!("http://{name}.{namespace}.localhost:{port}/{rest}{query}"))
}

/// Sends a browser there; another program that asks the same is not to be answered with this.
pub(super) fn send_to(place: &str) -> Response {
    let vary = [
        (header::VARY, "sec-fetch-mode, sec-fetch-dest"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let Ok(place) = HeaderValue::try_from(place) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    (StatusCode::TEMPORARY_REDIRECT, vary, [(header::LOCATION, place)]).into_response()
}

/// Chromium's family and Firefox take every name below `localhost` for this machine; others ask the system, which may not.
fn resolves_names(user_agent: &str) -> bool {
    ["Chrome/", "Firefox/"].iter().any(|known| user_agent.contains(known))
}

/// Whether it stays the same as a part of a host name, whose case browsers do not keep.
fn is_label(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(plain) && !name.starts_with('-') && !name.ends_with('-')
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &str =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
    const SAFARI: &str =
        "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15";

    fn opened(host: &str, uri: &'static str, agent: &str, [mode, destination]: [&str; 2]) -> Option<String> {
        let pairs = [
            (header::HOST, host),
            (header::USER_AGENT, agent),
            (HeaderName::from_static("sec-fetch-mode"), mode),
            (HeaderName::from_static("sec-fetch-dest"), destination),
        ];
        let headers = pairs.map(|(name, value)| (name, HeaderValue::from_str(value).expect("text")));
        own_place(&Method::GET, &Uri::from_static(uri), &headers.into_iter().collect())
    }

    #[test]
    fn a_browser_that_opens_a_page_is_sent_to_the_functions_own_host() {
        for (host, uri, place) in [
            (
                "127.0.0.1:7070",
                "/function/site",
                "http://site.default.localhost:7070/",
            ),
            (
                "localhost:7070",
                "/function/site.team/a/b?c=d",
                "http://site.team.localhost:7070/a/b?c=d",
            ),
            ("[::1]:1", "/function/a/", "http://a.default.localhost:1/"),
        ] {
            assert_eq!(
                opened(host, uri, CHROMIUM, ["navigate", "document"]).as_deref(),
                Some(place),
                "{uri}"
            );
        }
    }

    #[test]
    fn nobody_else_is_sent_anywhere() {
        let page = ["navigate", "document"];
        for (host, uri, agent, how) in [
            ("127.0.0.1:1", "/function/a", CHROMIUM, ["cors", "empty"]),
            ("127.0.0.1:1", "/function/a", CHROMIUM, ["navigate", "iframe"]),
            ("127.0.0.1:1", "/function/a", SAFARI, page),
            ("127.0.0.1:1", "/function/a", "curl/8", page),
            ("hob.lan:1", "/function/a", CHROMIUM, page),
            ("127.0.0.1:1", "/function/Shop", CHROMIUM, page),
            ("127.0.0.1:1", "/function/a_b", CHROMIUM, page),
            ("127.0.0.1:1", "/function/a.b.c", CHROMIUM, page),
            ("127.0.0.1:1", "/gateway/default/a", CHROMIUM, page),
            ("127.0.0.1:1", "/hob/v1/status", CHROMIUM, page),
        ] {
            assert_eq!(opened(host, uri, agent, how), None, "{host}{uri} {how:?}");
        }
        let none = HeaderMap::new();
        assert_eq!(own_place(&Method::GET, &Uri::from_static("/function/a"), &none), None);
    }

    #[test]
    fn an_answer_by_path_keeps_its_own_policy_and_loses_what_reaches_further() {
        let mut headers = HeaderMap::new();
        for name in FAR_REACHING {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        let own = HeaderValue::from_static("default-src 'self'");
        headers.insert(header::CONTENT_SECURITY_POLICY, own.clone());
        confine(&mut headers);
        sandbox(&mut headers);
        let policies: Vec<_> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(policies, [&own, &SANDBOX]);
        assert_eq!(headers.len(), 2);
        assert!(!SANDBOX.to_str().expect("text").contains("allow-same-origin"));
    }
}
