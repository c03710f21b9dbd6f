//! How a function of an event is answered for when it fails: as its clients expect of any server that runs such
//! functions. Pure.
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

/// The servers whose manner clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Of functions of a context and an event.
    ContextEvent,
    /// Of functions of an event and a context.
    EventContext,
}

impl Server {
    /// The answer for a function that failed.
    #[must_use]
    pub fn failure(self, failure: &Failure) -> Response {
        match self {
            Self::ContextEvent => context_event(failure),
            Self::EventContext => event_context(failure),
        }
    }

    /// The answer for a call that could not be made; `None`: the usual one. `body_limit`: of what is called, in bytes.
    #[must_use]
    pub fn refusal(self, error: &Error, body_limit: u64) -> Option<Response> {
        // Every worker was busy for as long as the call might wait.
        let busy = matches!(error, Error::NoCapacity { source: None, .. } | Error::Busy { .. });
        match (self, error) {
            (Self::ContextEvent, _) if busy => Some(answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, String::new())),
            (Self::EventContext, _) if busy => Some(event_text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
            (Self::EventContext, Error::TooLarge(_)) => Some(event_text(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("Request payload too large, max payload size = {body_limit} bytes"),
            )),
            (Self::ContextEvent, Error::NotReady(why)) => {
                let body = serde_json::json!({"error": "Server not ready", "status": why});
                Some(answer(StatusCode::SERVICE_UNAVAILABLE, JSON, body.to_string()))
            }
            _ => None,
        }
    }
}

fn context_event(failure: &Failure) -> Response {
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

/// The spelling is the platform's, and what clients look for.
fn event_context(failure: &Failure) -> Response {
    let (status, text) = match failure.kind {
        "timeout" => (StatusCode::GATEWAY_TIMEOUT, failure.sentence()),
        "bad_input" => (StatusCode::BAD_REQUEST, failure.sentence()),
        "raised" | "not_json" | "load" => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("An error occured during handler execution: {}", failure.message),
        ),
        _ => (StatusCode::BAD_GATEWAY, failure.sentence()),
    };
    event_text(status, &text)
}

/// A text of the platform itself: of one line, which no browser takes for a page, and pages of any origin may read.
fn event_text(status: StatusCode, text: &str) -> Response {
    let mut response = answer(status, TEXT, format!("{text}\n"));
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Content-Type"),
    );
    response
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
        use Server::{ContextEvent, EventContext};
        for (server, kind, status, text) in [
            (ContextEvent, "timeout", 408, "{\"error\": \"handler timed out\"}"),
            (
                ContextEvent,
                "raised",
                500,
                "Exception caught in handler - \"why\": where",
            ),
            (ContextEvent, "exit", 502, "E: why"),
            (ContextEvent, "load", 500, "E: why"),
            (EventContext, "timeout", 504, "E: why\n"),
            (
                EventContext,
                "raised",
                500,
                "An error occured during handler execution: why\n",
            ),
            (
                EventContext,
                "load",
                500,
                "An error occured during handler execution: why\n",
            ),
            (EventContext, "exit", 502, "E: why\n"),
        ] {
            let response = server.failure(&failed(kind));
            assert_eq!(response.status().as_u16(), status, "{kind}");
            let bytes = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
            assert_eq!(bytes, text.as_bytes(), "{kind}");
        }
    }

    #[test]
    fn a_busy_function_is_unavailable_and_other_errors_are_the_usual_ones() {
        let busy = Error::NoCapacity {
            message: "full".to_owned(),
            source: None,
        };
        for server in [Server::ContextEvent, Server::EventContext] {
            let response = server.refusal(&busy, 9).expect("an answer");
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(server.refusal(&Error::WorkerDied(String::new()), 9).is_none());
        }
    }

    #[tokio::test]
    async fn pages_of_any_origin_read_why_a_function_of_an_event_was_not_called() {
        let large = Error::TooLarge("over".to_owned());
        assert!(Server::ContextEvent.refusal(&large, 9).is_none());
        let response = Server::EventContext.refusal(&large, 9).expect("an answer");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
        assert_eq!(body, "Request payload too large, max payload size = 9 bytes\n");
    }
}
