//! Keeps web pages out: a browser may not drive the daemon by a rebound name or from another origin. Pure.
//!
//! Programs send neither `Origin` nor `Sec-Fetch-Site` and name the address they dialled; they pass. A browser says on
//! every request where it comes from: in `Origin` on forms, scripts and WebSockets, in `Sec-Fetch-Site` on the rest.

use http::{HeaderMap, HeaderName, Method, header};
use std::net::IpAddr;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Why a request is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It names a host that is not ours.
    Host,
    /// Another page sent it.
    Origin,
}

/// What is ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct House<'a> {
    /// Host names beside loopback addresses and `localhost`; a port is not compared.
    pub(super) hosts: &'a [String],
    /// Origins beside our own.
    pub(super) origins: &'a [String],
    /// Whether any address of ours may be named: an address cannot be rebound, but a token should be needed then.
    pub(super) any_address: bool,
    /// Whether the host that this request names was registered here.
    pub(super) registered: bool,
    /// Whether the function that is asked for takes pages of this origin.
    pub(super) welcome: bool,
    /// Whether a link of another site may lead here: looking must change nothing.
    pub(super) linkable: bool,
}

impl House<'_> {
    /// Why this request is kept out; `None` when it may come in.
    pub(super) fn foreign(&self, method: &Method, headers: &HeaderMap) -> Option<Foreign> {
        if !self.host_is_ours(headers) {
            return Some(Foreign::Host);
        }
        let ours = match text(headers, &header::ORIGIN) {
            _ if self.welcome => true,
            Some(origin) => self.is_ours(origin, headers),
            None if headers.contains_key(header::ORIGIN) => false,
            None => self.site_is_ours(headers) || self.is_link(method, headers),
        };
        (!ours).then_some(Foreign::Origin)
    }

    fn host_is_ours(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        self.registered || hosts.all(|host| host.to_str().is_ok_and(|host| self.names_us(name_of(host))))
    }

    fn names_us(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let local = name == "localhost" || name.ends_with(".localhost");
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        let address = address.is_ok_and(|a| a.is_loopback() || self.any_address);
        local || address || self.hosts.contains(&name)
    }

    /// Another local page is another site: only the daemon's own address is the same origin.
    fn is_ours(&self, origin: &str, headers: &HeaderMap) -> bool {
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let own = authority.is_some() && authority == text(headers, &header::HOST);
        own || self.origins.iter().any(|o| o == origin)
    }

    fn site_is_ours(&self, headers: &HeaderMap) -> bool {
        let site = headers.get(SITE).map(|v| v.as_bytes());
        let own = matches!(site, None | Some(b"same-origin" | b"none"));
        own || text(headers, &header::REFERER)
            .and_then(origin_of)
            .is_some_and(|origin| self.origins.iter().any(|o| o == origin))
    }

    /// A page that is opened as itself, not within another: its answer cannot be read by whoever led to it.
    fn is_link(&self, method: &Method, headers: &HeaderMap) -> bool {
        (self.linkable || leads_from_the_daemon(headers)) && opens_a_page(method, headers)
    }
}

/// Whether somebody opens a page in a browser, as itself and not within another.
#[must_use]
pub fn opens_a_page(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name: &HeaderName, value: &str| text(headers, name) == Some(value);
    matches!(*method, Method::GET | Method::HEAD) && is(&MODE, "navigate") && is(&DESTINATION, "document")
}

/// From a page of the daemon's own to a function's host name, on the same port: no other page can claim that origin.
fn leads_from_the_daemon(headers: &HeaderMap) -> bool {
    let port = |authority: &str| authority.rsplit_once(':').map(|(_, port)| port.to_owned());
    let from = text(headers, &header::REFERER)
        .and_then(origin_of)
        .and_then(|origin| origin.strip_prefix("http://"));
    let (Some(from), Some(host)) = (from, text(headers, &header::HOST)) else {
        return false;
    };
    let name = name_of(from);
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    let daemon = name == "localhost" || address.is_ok_and(|a| a.is_loopback());
    daemon && port(from).is_some() && port(from) == port(host) && name_of(host).ends_with(".localhost")
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The name before the port.
fn name_of(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

/// `http://host:1` of `http://host:1/path`.
fn origin_of(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url[host..].find('/').map_or(url.len(), |slash| host + slash);
    Some(&url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'static str, &'static str)];

    fn asked(method: &Method, linkable: bool, headers: Pairs<'_>) -> Option<Foreign> {
        let house = House {
            hosts: &["hob.lan".to_owned()],
            origins: &["http://localhost:3000".to_owned()],
            any_address: false,
            registered: false,
            welcome: false,
            linkable,
        };
        let pairs = headers
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), http::HeaderValue::from_static(v)));
        house.foreign(method, &pairs.collect())
    }

    #[test]
    fn a_rebound_name_is_refused() {
        for host in [
            "127.0.0.1:7070",
            "localhost:7070",
            "LocalHost",
            "x.localhost",
            "[::1]:7070",
            "hob.lan:7070",
        ] {
            assert_eq!(asked(&Method::GET, true, &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7070",
            "192.168.1.2:7070",
            "localhost.evil.example",
            "",
        ] {
            let refused = asked(&Method::GET, true, &[("host", host)]);
            assert_eq!(refused, Some(Foreign::Host), "{host}");
        }
    }

    #[test]
    fn another_origin_is_refused_whatever_it_sends() {
        let host = ("host", "127.0.0.1:7070");
        let foreign: [Pairs<'_>; 5] = [
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:7071")],
            &[
                host,
                ("origin", "http://evil.example"),
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
            ],
            &[
                host,
                ("origin", "http://evil.example"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
        ];
        for headers in foreign {
            assert_eq!(
                asked(&Method::POST, true, headers),
                Some(Foreign::Origin),
                "{headers:?}"
            );
        }
        for origin in ["http://127.0.0.1:7070", "http://localhost:3000"] {
            assert_eq!(asked(&Method::POST, true, &[host, ("origin", origin)]), None);
        }
    }

    #[test]
    fn what_a_page_loads_without_an_origin_is_refused_by_its_site() {
        let host = ("host", "127.0.0.1:7070");
        for site in ["cross-site", "same-site"] {
            let image = [host, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")];
            assert_eq!(asked(&Method::GET, true, &image), Some(Foreign::Origin), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(
                asked(&Method::GET, true, &[host, ("sec-fetch-site", site)]),
                None,
                "{site}"
            );
        }
        let trusted = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("referer", "http://localhost:3000/page"),
        ];
        assert_eq!(asked(&Method::GET, true, &trusted), None);
    }

    #[test]
    fn a_link_leads_where_looking_changes_nothing() {
        let link = |dest| {
            [
                ("host", "127.0.0.1:7070"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", dest),
            ]
        };
        assert_eq!(asked(&Method::GET, true, &link("document")), None);
        assert_eq!(asked(&Method::GET, false, &link("document")), Some(Foreign::Origin));
        assert_eq!(asked(&Method::GET, true, &link("iframe")), Some(Foreign::Origin));
        assert_eq!(asked(&Method::POST, true, &link("document")), Some(Foreign::Origin));
    }

    #[test]
    fn a_page_of_the_daemon_may_lead_to_a_functions_host_and_no_other_page_may() {
        let leads = |referer, host, method| {
            let headers = [
                ("host", host),
                ("referer", referer),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ];
            asked(&method, false, &headers).is_none()
        };
        let function = "a.default.localhost:7070";
        for own in [
            "http://127.0.0.1:7070/",
            "http://localhost:7070/x",
            "http://[::1]:7070/",
        ] {
            assert!(leads(own, function, Method::GET), "{own}");
            assert!(!leads(own, function, Method::POST), "{own}");
            assert!(
                !leads(own, "127.0.0.1:7070", Method::GET),
                "by path it is no other site"
            );
        }
        for other in [
            "http://127.0.0.1:7071/",
            "http://evil.example:7070/",
            "http://127.0.0.1.evil.example:7070/",
            "http://b.default.localhost:7070/",
            "http://localhost/",
            "",
        ] {
            assert!(!leads(other, function, Method::GET), "{other}");
        }
    }
}
