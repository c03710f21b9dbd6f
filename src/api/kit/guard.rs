//! Who comes in: keeps web pages out, asks for tokens, and tells the handlers who it is.
//!
//! A token that was good is taken out of the request, so that no function sees one; whose it is stands in the
//! request's extensions as a `domain::Principal`. Which paths need what is told by `doors`: nothing here knows a path.

use super::attempts::Attempts;
use super::browser::{Foreign, House};
use super::credentials::{self, Shown};
use super::problem;
use crate::app::Keys;
use crate::domain::{Principal, Role};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

/// What a request wants to come in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Whether we live, and addresses that are keys themselves: open to everybody.
    Open,
    /// To call a function as its own clients do.
    Ingress,
    /// To call a function through an API.
    Call,
    /// To look at or change what is in a namespace.
    Namespace,
    /// To look at or change what concerns everybody.
    Everything,
}

/// When a call of a function as its own clients do needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IngressAccess {
    /// Where other machines can reach us.
    #[default]
    Auto,
    /// Always.
    Token,
    /// Never.
    Open,
}

/// On a request that showed a good token where none was asked for: nothing is decided by it but what asks for it.
#[derive(Debug, Clone)]
pub struct Recognised(pub Principal);

/// On a request of a page whose origin the function takes that it asks for.
#[derive(Debug, Clone, Copy)]
pub struct WelcomeOrigin;

/// Who may come in.
pub struct Guard {
    /// Host names beside loopback addresses and `localhost`; a port is not compared.
    pub allowed_hosts: Vec<String>,
    /// Origins beside our own.
    pub allowed_origins: Vec<String>,
    /// What callers are known by.
    pub keys: Keys,
    /// When a function's own clients need a token.
    pub ingress: IngressAccess,
    /// What a request wants.
    pub doors: fn(&Request) -> Door,
    /// Whether a request names a host that leads somewhere here, beside those allowed.
    pub registered: fn(&Request) -> bool,
    attempts: Attempts,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Host,
    Origin,
    NoToken,
    /// Its answer waits.
    WrongToken {
        wait: Duration,
    },
    /// Unit: seconds until one is looked at again.
    TooManyWrong {
        seconds: u32,
    },
    Role,
}

impl Guard {
    /// A guard of these doors.
    #[must_use]
    pub fn new(keys: Keys, doors: fn(&Request) -> Door) -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            keys,
            ingress: IngressAccess::default(),
            doors,
            registered: |_| false,
            attempts: Attempts::default(),
        }
    }

    /// Lets a request in, or says how it is answered: after a while, where a token was wrong.
    pub async fn refuse(&self, request: &mut Request) -> Option<Response> {
        let door = (self.doors)(request);
        if let Some(refusal) = self.foreign(request, door) {
            return Some(refusal.answer());
        }
        let refusal = self.admit(request, door, Instant::now()).err()?;
        tokio::time::sleep(refusal.wait()).await;
        Some(refusal.answer())
    }

    fn foreign(&self, request: &Request, door: Door) -> Option<Refusal> {
        let house = House {
            hosts: &self.allowed_hosts,
            origins: &self.allowed_origins,
            any_address: self.keys.needed(),
            linkable: door != Door::Ingress,
            registered: (self.registered)(request),
            welcome: request.extensions().get::<WelcomeOrigin>().is_some(),
        };
        house.foreign(request.method(), request.headers()).map(|why| match why {
            Foreign::Host => Refusal::Host,
            Foreign::Origin => Refusal::Origin,
        })
    }

    fn admit(&self, request: &mut Request, door: Door, now: Instant) -> Result<(), Refusal> {
        let needed = self.role(door);
        if needed.is_none() && !self.keys.any() {
            return Ok(());
        }
        let shown = credentials::shown(request.headers());
        if shown.is_empty() {
            return needed.map_or(Ok(()), |_| Err(Refusal::NoToken));
        }
        let Some(needed) = needed else {
            // Not asked for, and none of the function's business.
            if let Some((used, principal)) = self.recognise(shown) {
                request.headers_mut().remove(used.header);
                request.extensions_mut().insert(Recognised(principal));
            }
            return Ok(());
        };
        let (used, principal) = self.known(request, shown, now)?;
        request.headers_mut().remove(used.header);
        if !principal.may(needed) {
            return Err(Refusal::Role);
        }
        request.extensions_mut().insert(principal);
        Ok(())
    }

    /// Who shows one of these; whoever shows only wrong ones hears so later and later.
    fn known(&self, request: &Request, shown: Vec<Shown>, now: Instant) -> Result<(Shown, Principal), Refusal> {
        let from = address(request);
        if let Err(wait) = self.attempts.may_try(from, now) {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return Err(Refusal::TooManyWrong { seconds });
        }
        if let Some(known) = self.recognise(shown) {
            return Ok(known);
        }
        let wait = self.attempts.failed(from, now);
        let (from, path) = (from.map_or_else(String::new, |a| a.to_string()), request.uri().path());
        tracing::warn!(client.address = %from, "A wrong access token was shown for {path} by {from}");
        Err(Refusal::WrongToken { wait })
    }

    fn recognise(&self, shown: Vec<Shown>) -> Option<(Shown, Principal)> {
        let mut known = shown.into_iter().filter_map(|shown| {
            let principal = self.keys.recognise(&shown.secret)?;
            Some((shown, principal))
        });
        known.next()
    }

    /// The role that a door asks for; `None`: it asks for no token.
    fn role(&self, door: Door) -> Option<Role> {
        let if_needed = |role| self.keys.needed().then_some(role);
        match door {
            Door::Open => None,
            Door::Ingress => self.ingress_needs_token().then_some(Role::Invoke),
            Door::Call => if_needed(Role::Invoke),
            Door::Namespace => if_needed(Role::User),
            Door::Everything => if_needed(Role::Admin),
        }
    }

    fn ingress_needs_token(&self) -> bool {
        match self.ingress {
            IngressAccess::Auto => self.keys.exposed(),
            IngressAccess::Token => true,
            IngressAccess::Open => false,
        }
    }
}

fn address(request: &Request) -> Option<IpAddr> {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map(|ConnectInfo(address)| address.ip())
}

impl Refusal {
    fn wait(self) -> Duration {
        match self {
            Self::WrongToken { wait } => wait,
            _ => Duration::ZERO,
        }
    }

    fn answer(self) -> Response {
        let (status, code, message) = self.words();
        let mut response = problem::body(status, code, message, None, None);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"hob\""),
            );
        }
        if let Self::TooManyWrong { seconds } = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Host => (
                StatusCode::FORBIDDEN,
                "host_not_allowed",
                "this host name is not allowed: use 127.0.0.1 or localhost, or add the name to server.allowed_hosts",
            ),
            Self::Origin => (
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "requests from this web page are not allowed: add its origin to server.allowed_origins, or open the address itself",
            ),
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "an access token is needed: send it as `Authorization: Bearer TOKEN` or `X-Auth-Token` (hob: --token or HOB_TOKEN)",
            ),
            Self::WrongToken { .. } => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "this access token is not known: it may have been revoked; an admin makes another with `hob token create`",
            ),
            Self::TooManyWrong { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "too many wrong access tokens came from this address: try again later",
            ),
            Self::Role => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "this access token may not do that: ask an admin for one with another role",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn doors(request: &Request) -> Door {
        match request.uri().path() {
            "/open" => Door::Open,
            "/function" => Door::Ingress,
            "/call" => Door::Call,
            "/everything" => Door::Everything,
            _ => Door::Namespace,
        }
    }

    fn guard(token: Option<&str>, exposed: bool) -> Guard {
        Guard::new(Keys::new(token, exposed), doors)
    }

    fn request(path: &str, headers: &[(&str, &str)]) -> Request {
        let empty = Request::builder().uri(path);
        let builder = headers.iter().fold(empty, |builder, (k, v)| builder.header(*k, *v));
        builder.body(Body::empty()).expect("a request")
    }

    fn admitted(guard: &Guard, path: &str, headers: &[(&str, &str)]) -> Result<Request, Refusal> {
        let mut request = request(path, headers);
        let door = (guard.doors)(&request);
        guard.admit(&mut request, door, Instant::now()).map(|()| request)
    }

    #[test]
    fn without_tokens_on_loopback_everybody_comes_in_as_nobody() {
        let guard = guard(None, false);
        for path in ["/open", "/function", "/call", "/namespace", "/everything"] {
            let request = admitted(&guard, path, &[("x-auth-token", "theirs")]).expect(path);
            assert!(request.extensions().get::<Principal>().is_none(), "{path}");
            assert!(request.headers().contains_key("x-auth-token"), "{path}");
        }
    }

    #[test]
    fn with_a_token_nobody_comes_in_without_it_but_where_it_is_open() {
        let guard = guard(Some("secret"), false);
        for path in ["/call", "/namespace", "/everything"] {
            let refused = admitted(&guard, path, &[]).map(|_| ());
            assert_eq!(refused, Err(Refusal::NoToken), "{path}");
        }
        for path in ["/open", "/function"] {
            assert!(admitted(&guard, path, &[]).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_functions_clients_need_a_token_where_others_can_reach_us_or_the_settings_say_so() {
        let table = [
            (false, IngressAccess::Auto, false),
            (true, IngressAccess::Auto, true),
            (false, IngressAccess::Token, true),
            (true, IngressAccess::Open, false),
        ];
        for (exposed, ingress, needed) in table {
            let guard = Guard {
                ingress,
                ..guard(Some("secret"), exposed)
            };
            let bare = admitted(&guard, "/function", &[]);
            assert_eq!(bare.is_err(), needed, "{exposed} {ingress:?}");
            let shown = admitted(&guard, "/function", &[("x-auth-token", "secret")]);
            assert!(shown.is_ok(), "{exposed} {ingress:?}");
        }
    }

    #[test]
    fn a_good_token_is_taken_out_of_the_request_and_the_functions_own_stays() {
        for ingress in [IngressAccess::Token, IngressAccess::Open] {
            let guard = Guard {
                ingress,
                ..guard(Some("secret"), false)
            };
            let both = [("x-auth-token", "secret"), ("authorization", "Bearer theirs")];
            let request = admitted(&guard, "/function", &both).expect("in");
            assert!(!request.headers().contains_key("x-auth-token"));
            assert_eq!(request.headers()["authorization"], "Bearer theirs");
            let known = request.extensions().get::<Principal>().is_some();
            assert_eq!(known, ingress == IngressAccess::Token);
        }
    }

    #[test]
    fn wrong_tokens_wait_longer_and_longer_and_right_ones_do_not() {
        let (guard, now) = (guard(Some("secret"), false), Instant::now());
        let at = |now, token| {
            let mut request = request("/call", &[("x-auth-token", token)]);
            guard.admit(&mut request, Door::Call, now)
        };
        for n in 1..=16 {
            let wait = Duration::from_millis(250) * n;
            assert_eq!(at(now, "secret"), Ok(()));
            assert_eq!(at(now, "wrong"), Err(Refusal::WrongToken { wait }));
        }
        for token in ["wrong", "secret"] {
            assert_eq!(at(now, token), Err(Refusal::TooManyWrong { seconds: 1 }));
        }
        assert_eq!(at(now + Duration::from_millis(250), "secret"), Ok(()));
    }

    #[test]
    fn only_looking_may_be_linked_to_from_another_site() {
        let guard = guard(None, false);
        let link = [
            ("host", "127.0.0.1:1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        for (path, refusal) in [("/namespace", None), ("/function", Some(Refusal::Origin))] {
            let request = request(path, &link);
            assert_eq!(guard.foreign(&request, doors(&request)), refusal, "{path}");
        }
    }
}
