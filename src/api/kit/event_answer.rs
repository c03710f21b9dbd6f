//! How a function of a context and an event is answered for when it fails: as its clients expect of any server that
//! runs such functions. Pure.
//!
//! The words are those of the platform that the convention comes from; the machine-readable form of `problem` is for
//! callers of the native API.

use crate::domain::Error;
use crate::invoker::Failure;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer for a function that failed.
#[must_use]
pub fn failure(failure: &Failure) -> Response {
    match failure.kind {
        "timeout" => answer(
            StatusCode::REQUEST_TIMEOUT,
            JSON,
            "{\"error\": \"handler timed out\"}".to_owned(),
        ),
        "bad_input" => answer(StatusCode::BAD_REQUEST, TEXT, failure.sentence()),
        "raised" | "not_json" => {
            let text = format!(
                "Exception caught in handler - \"{}\": {}",
                failure.message, failure.traceback
            );
            answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
        }
        "load" => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, failure.sentence()),
        _ => answer(StatusCode::BAD_GATEWAY, TEXT, failure.sentence()),
    }
}

/// The answer for a call that could not be made; `None`: the usual one.
#[must_use]
pub fn error(error: &Error) -> Option<Response> {
    match error {
        // Every worker was busy for as long as the call might wait.
        Error::NoCapacity { source: None, .. } | Error::Busy { .. } => {
            Some(answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, String::new()))
        }
        Error::NotReady(why) => {
            let body = serde_json::json!({"error": "Server not ready", "status": why});
            Some(answer(StatusCode::SERVICE_UNAVAILABLE, JSON, body.to_string()))
        }
        _ => None,
    }
}

fn answer(status: StatusCode, kind: HeaderValue, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: &'static str) -> Failure {
        Failure {
            kind,
            error_type: "E".to_owned(),
            message: "why".to_owned(),
            traceback: "where".to_owned(),
        }
    }

    #[tokio::test]
    async fn failures_are_answered_as_the_convention_has_it() {
        for (kind, status, text) in [
            ("timeout", 408, "{\"error\": \"handler timed out\"}"),
            ("raised", 500, "Exception caught in handler - \"why\": where"),
            ("exit", 502, "E: why"),
            ("load", 500, "E: why"),
        ] {
            let response = failure(&failed(kind));
            assert_eq!(response.status().as_u16(), status, "{kind}");
            let bytes = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
            assert_eq!(bytes, text.as_bytes(), "{kind}");
        }
    }

    #[test]
    fn a_busy_function_has_nothing_to_say() {
        let busy = Error::NoCapacity {
            message: "full".to_owned(),
            source: None,
        };
        let response = error(&busy).expect("an answer");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(error(&Error::WorkerDied(String::new())).is_none());
    }
}
