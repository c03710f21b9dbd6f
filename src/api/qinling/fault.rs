//! What went wrong, as this API's clients read it: a status and `{"faultcode","faultstring","debuginfo"}`.
//!
//! Upstream has a second form with one key, and HTML in places; clients read the longer one just as well, so
//! that every error is answered in it.

use crate::api::kit::problem;
use crate::domain::Error;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// An error on its way to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) message: String,
    retry_after_seconds: Option<u32>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after_seconds: None,
        }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 403.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 403, for what only an admin may do.
    pub(super) fn not_allowed() -> Self {
        Self::forbidden("Operation not allowed")
    }

    /// 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 404 in the form `Function not found [id=…]`.
    pub(super) fn not_found(what: &str, key: &str, value: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found [{key}={value}]"))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, retry_after_seconds) = problem::outline(&error);
        Self {
            status,
            message: error.to_string(),
            retry_after_seconds,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let code = if self.status.is_server_error() {
            "Server"
        } else {
            "Client"
        };
        let body = json!({"faultcode": code, "faultstring": self.message, "debuginfo": null});
        let json = [(header::CONTENT_TYPE, "application/json")];
        let response = (self.status, json, body.to_string()).into_response();
        problem::with_retry_after(response, self.retry_after_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_has_the_three_keys_that_clients_read() {
        let response = Fault::not_found("Function", "id", "x").into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], "application/json");
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let expected = json!({"faultcode": "Client", "faultstring": "Function not found [id=x]", "debuginfo": null});
        assert_eq!(body, expected);
    }

    #[test]
    fn the_platforms_faults_are_server_faults() {
        let fault = Fault::from(Error::WorkerDied("it went".to_owned()));
        assert!(fault.status.is_server_error());
        assert!(Fault::from(Error::invalid("no")).status.is_client_error());
    }
}
