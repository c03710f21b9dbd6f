//! The border around functions: whom a token lets call what, and how far the headers reach that a function sets.
//!
//! Every function with a path shares its host name with the others, the APIs and the console: neither a cookie nor a
//! script of one may reach any of these. A function with a host name of its own keeps them there. Streams stay as they are.

use super::address::{Address, FUNCTIONS, GATEWAYS, HOOKS, address_of, is_addressed};
use super::entry::Refusal;
use super::{pages, split_namespace};
use crate::api::kit::problem;
use crate::domain::{Error, Namespace, Principal};
use crate::listener::tls::Secure;
use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const NAMESPACE: HeaderName = HeaderName::from_static("x-hob-namespace");

/// Whose cookies an answer may set.
enum Cookies {
    /// Nobody's: the host name is the console's.
    None,
    /// Those of whatever has this path.
    Below(String),
    /// Those of a function with this host name.
    OfHost,
}

/// Where a request has come in, for when its answer goes out.
pub(super) struct Border {
    cookies: Cookies,
    is_shared: bool,
}

/// Lets a request in, or answers it.
pub(super) fn enter(request: &mut Request) -> Result<Border, Refusal> {
    let (cookies, is_shared) = (cookies_of(request), shares_the_origin(request));
    if is_shared
        && request.extensions().get::<Secure>().is_none()
        && let Some(place) = pages::own_place(request.method(), request.uri(), request.headers())
    {
        return Err(Box::new(pages::send_to(&place)));
    }
    if is_addressed(request) {
        scope(request).map_err(|error| Box::new(problem::answer(&error, None)))?;
    }
    Ok(Border { cookies, is_shared })
}

impl Border {
    /// Takes from an answer what may not go out.
    pub(super) fn leave(&self, headers: &mut HeaderMap) {
        confine(headers, &self.cookies);
        pages::confine(headers);
        if self.is_shared {
            pages::sandbox(headers);
        }
    }
}

/// Whether what a function answers comes from the origin of the APIs, as a page of its own.
fn shares_the_origin(request: &Request) -> bool {
    let by_path = |prefix: &&str| request.uri().path().starts_with(*prefix);
    address_of(request).is_none() && [FUNCTIONS, GATEWAYS, HOOKS].iter().any(by_path)
}

fn cookies_of(request: &Request) -> Cookies {
    match address_of(request) {
        Some(Address::Host { .. } | Address::Gateway(_) | Address::NoPath) => return Cookies::OfHost,
        // Cookies know no ports: those of one would reach every port of this host.
        Some(Address::Port { .. }) => return Cookies::None,
        None => {}
    }
    let path = request.uri().path();
    let first = |prefix: &str, segments: usize| {
        let below = path.strip_prefix(prefix)?.split('/').take(segments);
        Some(Cookies::Below(format!(
            "{prefix}{}",
            below.collect::<Vec<_>>().join("/")
        )))
    };
    first(FUNCTIONS, 1)
        .or_else(|| first(GATEWAYS, 2))
        .unwrap_or(Cookies::None)
}

/// The namespace that a request names; `None`: its caller's own.
fn named_namespace(request: &Request) -> Result<Option<Namespace>, Error> {
    let written = match address_of(request) {
        Some(Address::Host { namespace, .. }) => Some(namespace.clone()),
        Some(Address::Port { namespace, .. }) => return Ok(namespace.clone()),
        Some(Address::Gateway(gateway)) => return Ok(Some(gateway.spec.namespace.clone())),
        Some(Address::NoPath) => None,
        None => match request.uri().path().strip_prefix(GATEWAYS) {
            Some(below) => below.split('/').next().map(str::to_owned),
            None => in_path(request.uri().path()).or_else(|| text(request.headers(), &NAMESPACE)),
        },
    };
    written.map(|name| Namespace::parse(&name)).transpose()
}

/// Who shows a token calls functions of its namespace, and of another only as an admin.
fn scope(request: &mut Request) -> Result<(), Error> {
    let Some(caller) = request.extensions().get::<Principal>().cloned() else {
        return Ok(());
    };
    let namespace = caller.namespace(named_namespace(request)?)?;
    let value = HeaderValue::try_from(namespace.as_str());
    let value = value.map_err(|e| Error::internal("a namespace does not fit into a header", e))?;
    request.headers_mut().insert(NAMESPACE, value);
    Ok(())
}

/// The namespace that a path names.
fn in_path(path: &str) -> Option<String> {
    let segment = path.strip_prefix(FUNCTIONS)?.split('/').next()?;
    split_namespace(segment).1.map(str::to_owned)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn confine(headers: &mut HeaderMap, cookies: &Cookies) {
    let header::Entry::Occupied(set) = headers.entry(header::SET_COOKIE) else {
        return;
    };
    let (_, values) = set.remove_entry_mult();
    let confined: Vec<_> = values.filter_map(|value| confined(&value, cookies)).collect();
    for value in confined {
        headers.append(header::SET_COOKIE, value);
    }
}

/// The cookie without what would carry it further than it may go; `None` where it may go nowhere.
fn confined(value: &HeaderValue, cookies: &Cookies) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let pair = parts.next()?;
    let named = |part: &&str, name: &str| {
        let attribute = part.split('=').next().unwrap_or_default();
        attribute.trim().eq_ignore_ascii_case(name)
    };
    let (paths, rest): (Vec<_>, Vec<_>) = parts.partition(|part| named(part, "path"));
    let rest = rest
        .into_iter()
        .filter(|part| !named(part, "domain") && !part.is_empty());
    let path = match cookies {
        Cookies::None => return None,
        Cookies::OfHost => paths.last().map(|path| (*path).to_owned()),
        Cookies::Below(path) => Some(format!("Path={path}")),
    };
    let all: Vec<_> = std::iter::once(pair.to_owned())
        .chain(rest.map(str::to_owned))
        .chain(path)
        .collect();
    HeaderValue::try_from(all.join("; ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;
    use axum::body::Body;

    #[test]
    fn a_cookie_goes_no_further_than_its_function() {
        let below = Cookies::Below("/function/shop".to_owned());
        let table = [
            (&below, "a=1", Some("a=1; Path=/function/shop")),
            (
                &below,
                "a=1; Path=/; HttpOnly; Domain=localhost; SameSite=Lax",
                Some("a=1; HttpOnly; SameSite=Lax; Path=/function/shop"),
            ),
            (&below, "a=1;path=/console;PATH=/", Some("a=1; Path=/function/shop")),
            (
                &below,
                "a=b=c; Max-Age=3",
                Some("a=b=c; Max-Age=3; Path=/function/shop"),
            ),
            (&Cookies::OfHost, "a=1; Domain=localhost; Path=/x", Some("a=1; Path=/x")),
            (&Cookies::OfHost, "a=1; Secure", Some("a=1; Secure")),
            (&Cookies::None, "a=1", None),
        ];
        for (cookies, sent, expect) in table {
            let value = HeaderValue::from_static(sent);
            let set = confined(&value, cookies);
            assert_eq!(set.as_ref().map(|v| v.to_str().expect("text")), expect, "{sent}");
        }
    }

    #[test]
    fn each_of_several_cookies_is_confined() {
        let mut headers = HeaderMap::new();
        for cookie in ["a=1", "b=2; Path=/"] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        confine(&mut headers, &Cookies::Below("/function/f".to_owned()));
        let set: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(set, ["a=1; Path=/function/f", "b=2; Path=/function/f"]);
        confine(&mut headers, &Cookies::None);
        assert!(headers.is_empty());
    }

    fn scoped(role: Role, host: &str, named: Option<&str>) -> Option<String> {
        let mut request = Request::builder().uri("/function/f").header("host", host);
        if let Some(named) = named {
            request = request.header(NAMESPACE, named);
        }
        let mut request = request.body(Body::empty()).expect("a request");
        if let Some((name, of)) = host
            .strip_suffix(".localhost")
            .map(|h| h.split_once('.').unwrap_or((h, "default")))
        {
            let (name, namespace) = (name.to_owned(), of.to_owned());
            request.extensions_mut().insert(Address::Host { namespace, name });
        }
        let namespace = Namespace::parse("mine").expect("a name");
        request.extensions_mut().insert(Principal { namespace, role });
        scope(&mut request).ok()?;
        text(request.headers(), &NAMESPACE)
    }

    #[test]
    fn a_token_calls_functions_of_its_namespace_and_an_admins_all() {
        let address = "127.0.0.1:1";
        for role in [Role::Invoke, Role::User] {
            assert_eq!(scoped(role, address, None).as_deref(), Some("mine"));
            assert_eq!(scoped(role, address, Some("mine")).as_deref(), Some("mine"));
            assert_eq!(scoped(role, address, Some("other")), None);
            assert_eq!(scoped(role, "f.other.localhost", None), None);
            assert_eq!(scoped(role, "f.localhost", Some("mine")), None);
            assert!(scoped(role, "f.mine.localhost", None).is_some());
        }
        assert_eq!(scoped(Role::Admin, address, Some("other")).as_deref(), Some("other"));
        assert!(scoped(Role::Admin, "f.other.localhost", None).is_some());
    }

    #[test]
    fn a_path_names_the_namespace_as_a_header_does() {
        for (path, named) in [
            ("/function/f", None),
            ("/function/f.other", Some("other")),
            ("/function/f.other/a.b", Some("other")),
            ("/hook/f.other", None),
        ] {
            assert_eq!(in_path(path).as_deref(), named, "{path}");
        }
    }
}
