//! Who gets through to a function: callers of private ones show a token at its gate, callers of a locked gateway a
//! password or a key.
//!
//! Reads headers and answers; whether what was shown is good, the application says.

use crate::api::kit::credentials;
use crate::api::kit::guard::Recognised;
use crate::api::kit::problem;
use crate::app::{Gatekeeper, Shown, opens};
use crate::domain::{Error, Gate, GateAnswer, Gateway, Lock, Namespace, Principal, SecretText, Timestamp};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// What a caller is answered who is not let through.
pub(super) type Refusal = Box<Response>;

/// Lets a call of a private function pass, or says what its caller is answered. A token that is not for the function
/// to see is taken out.
pub(super) fn pass_gate(
    keeper: &Gatekeeper,
    namespace: &Namespace,
    request: &mut Request,
    now: Timestamp,
) -> Result<(), Refusal> {
    let gate = &keeper.gate;
    let known = gate.access_tokens && principal(request).is_some_and(|p| p.namespace(Some(namespace.clone())).is_ok());
    if !known {
        let token = token(gate, request.headers());
        keeper.check(token, now).map_err(|answer| Box::new(refused(answer)))?;
    }
    if !gate.forward {
        gate.headers
            .iter()
            .for_each(|name| drop(request.headers_mut().remove(name)));
    }
    Ok(())
}

/// The first of the gate's headers that is there and not empty.
fn token<'a>(gate: &Gate, headers: &'a HeaderMap) -> Option<&'a str> {
    let values = gate.headers.iter().filter_map(|name| headers.get(name)?.to_str().ok());
    let mut tokens = values.map(|value| value.strip_prefix("Bearer ").unwrap_or(value).trim());
    tokens.find(|token| !token.is_empty())
}

fn refused(answer: &GateAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (
            http::HeaderName::from_static("x-error-source"),
            HeaderValue::from_static("platform"),
        ),
    ];
    (status, headers, answer.body.clone()).into_response()
}

/// Lets a call through a gateway pass, or says what its caller is answered.
pub(super) fn pass_lock(gateway: &Gateway, request: &Request) -> Result<(), Refusal> {
    let spec = &gateway.spec;
    match &spec.lock {
        Lock::Open => Ok(()),
        Lock::Lost => Err(Box::new(problem::answer(
            &Error::NotReady(format!(
                "what opens gateway `{}` cannot be read, because it was encrypted with another key file: set it again",
                spec.name
            )),
            None,
        ))),
        lock if opens(spec, &shown(lock, request)) => Ok(()),
        lock => Err(Box::new(locked(lock))),
    }
}

fn shown(lock: &Lock, request: &Request) -> Shown {
    let headers = request.headers();
    let named = match lock {
        Lock::Keys { headers: names, .. } => names.as_slice(),
        _ => &[],
    };
    let in_headers = named.iter().filter_map(|name| headers.get(name)?.to_str().ok());
    let in_headers = in_headers.map(str::to_owned);
    Shown {
        basic: credentials::basic_pair(headers).map(|(user, password)| (user, SecretText::new(password))),
        keys: in_headers
            .chain(credentials::bearer(headers))
            .map(SecretText::new)
            .collect(),
        principal: principal(request).cloned(),
    }
}

fn locked(lock: &Lock) -> Response {
    let basic = matches!(lock, Lock::Basic { .. });
    let message = match lock {
        Lock::Basic { .. } => "this gateway wants a user and a password: send them by HTTP Basic",
        Lock::Keys { keys, .. } if keys.is_empty() => {
            "this gateway wants an access token of the daemon (`hob token create` makes one): send it as `Authorization: Bearer TOKEN` or `X-V3io-Session-Key`"
        }
        _ => "this gateway wants a key: send it as `Authorization: Bearer KEY`",
    };
    let mut response = problem::body(StatusCode::UNAUTHORIZED, "unauthorized", message, None, None);
    let scheme = match basic {
        true => "Basic realm=\"Authentication Required\"",
        false => "Bearer realm=\"gateway\"",
    };
    let headers = response.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    response
}

/// Who the daemon knows the caller as, whether it asked for a token or not.
fn principal(request: &Request) -> Option<&Principal> {
    let extensions = request.extensions();
    let recognised = || extensions.get::<Recognised>().map(|Recognised(principal)| principal);
    extensions.get::<Principal>().or_else(recognised)
}
