//! What went wrong, as this API's clients read it: a status and `{"error","errorStackTrace"}`.
//!
//! Source: the contract's sections 1.1 and 1.5. The type is exactly `application/json`: some clients take a 404 of any
//! other type for a server that is not ready.

use super::wire;
use crate::api::kit::problem;
use crate::domain::Error;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// What was being done, from the inside out.
    context: Vec<String>,
    retry_after_seconds: Option<u32>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            context: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 412: it does not fit what is there.
    pub(super) fn unmet(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// 500 for what the caller did: this API's own way to refuse a deploy.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Says what was being done.
    pub(super) fn while_doing(mut self, what: impl Into<String>) -> Self {
        self.context.push(what.into());
        self
    }

    fn stack_trace(&self) -> String {
        let mut text = format!("\nError - {}\n\nCall stack:\n{}\n", self.message, self.message);
        for line in &self.context {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, retry_after_seconds) = problem::outline(&error);
        Self {
            retry_after_seconds,
            ..Self::new(status, error.to_string())
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({"error": self.message, "errorStackTrace": self.stack_trace()});
        let response = wire::answer(self.status, &body);
        problem::with_retry_after(response, self.retry_after_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_has_two_texts_and_the_exact_type() {
        let fault = Fault::unmet("Project does not exist").while_doing("Failed to deploy function");
        let response = fault.into_response();
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
        assert_eq!(response.headers()["content-type"], "application/json");
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(body["error"], "Project does not exist");
        let trace = body["errorStackTrace"].as_str().expect("a text");
        assert!(trace.starts_with("\nError - Project does not exist\n\nCall stack:\n"));
        assert!(trace.ends_with("Failed to deploy function\n"));
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(2));
    }

    #[test]
    fn the_platforms_faults_are_server_faults() {
        let fault = Fault::from(Error::WorkerDied("it went".to_owned()));
        assert!(fault.status.is_server_error());
        assert!(Fault::from(Error::invalid("no")).status.is_client_error());
    }
}
