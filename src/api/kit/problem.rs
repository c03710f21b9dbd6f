//! The error answer of the native API and the ingress: `{code, message, call_id}`.
//!
//! The map from domain errors to HTTP is everybody's: dialects give it a form of their own, and say where they differ.

use crate::domain::{Error, Fault};
use crate::telemetry::chain;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// What the body of an error answer holds.
#[derive(Debug, Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
}

/// Status and code word of a platform error.
#[must_use]
pub fn status_of(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Error::Denied(_) => (StatusCode::UNAUTHORIZED, "denied"),
        Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Error::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
        Error::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        Error::NoCapacity { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_capacity"),
        Error::WorkerDied(_) => (StatusCode::BAD_GATEWAY, "worker_died"),
        Error::Engine { .. } => (StatusCode::SERVICE_UNAVAILABLE, "engine"),
        Error::DiskFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
        Error::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// What every form of an error answer needs: the status, and the seconds after which asking again may help. Our own faults
/// are logged here, once.
#[must_use]
pub fn outline(error: &Error) -> (StatusCode, Option<u32>) {
    if error.fault() == Fault::Ours {
        tracing::error!("A request failed: {}", chain(error));
    }
    (status_of(error).0, retry_after(error))
}

fn retry_after(error: &Error) -> Option<u32> {
    match error {
        Error::Busy {
            retry_after_seconds, ..
        } => Some(*retry_after_seconds),
        _ => None,
    }
}

/// Says when to ask again, if that is known. Unit: seconds.
#[must_use]
pub fn with_retry_after(mut response: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Answers a platform error; our own faults are logged here, once.
#[must_use]
pub fn answer(error: &Error, call_id: Option<&str>) -> Response {
    if error.fault() == Fault::Ours {
        tracing::error!(call.id = call_id, "{}", chain(error));
    }
    let (status, code) = status_of(error);
    let internal = matches!(error, Error::Internal { .. });
    let hint = internal.then_some("the daemon's own output says what happened");
    let response = body(status, code, &error.to_string(), hint, call_id);
    with_retry_after(response, retry_after(error))
}

/// An error answer of the platform with the given words.
#[must_use]
pub fn body(status: StatusCode, code: &str, message: &str, hint: Option<&str>, call_id: Option<&str>) -> Response {
    let bytes = serde_json::to_vec(&Body {
        code,
        message,
        hint,
        call_id,
    })
    .unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (HeaderName::from_static("x-error-source"), "platform"),
    ];
    (status, headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_faults_are_never_answered_as_the_callers() {
        let ours = [
            Error::NoCapacity {
                message: String::new(),
                source: None,
            },
            Error::WorkerDied(String::new()),
            Error::Engine {
                message: String::new(),
                source: None,
            },
            Error::DiskFull(String::new()),
            Error::Internal {
                message: String::new(),
                source: None,
            },
        ];
        for error in ours {
            assert!(status_of(&error).0.is_server_error(), "{error:?}");
        }
    }

    #[test]
    fn a_busy_answer_says_when_to_ask_again() {
        let response = answer(
            &Error::Busy {
                message: "full".to_owned(),
                retry_after_seconds: 3,
            },
            None,
        );
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "3");
    }
}
