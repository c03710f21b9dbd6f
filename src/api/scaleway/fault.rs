//! What went wrong, as this API's clients read it: a status and a JSON object with a `message`, never an empty body.
//!
//! Clients show `message` as it is. `type` is said where they act on it; with `invalid_arguments` there is a list of details.

use crate::api::kit::problem;
use crate::domain::Error;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// Keys beside the message.
    more: Map<String, Value>,
    retry_after_seconds: Option<u32>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            more: Map::new(),
            retry_after_seconds: None,
        }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 that names the argument.
    pub(super) fn argument(name: &str, help: impl Into<String>) -> Self {
        let help = help.into();
        let detail = json!({"argument_name": name, "reason": "constraint", "help_message": help});
        let message = format!("invalid argument(s): {name}: {help}");
        Self::bad(message)
            .with("type", "invalid_arguments")
            .with("details", json!([detail]))
    }

    /// 404 in the form `Function was not found`.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} was not found"))
    }

    /// 403.
    pub(super) fn denied(message: impl Into<String>, resource: &str, action: &str) -> Self {
        let details = json!([{"resource": resource, "action": action}]);
        Self::new(StatusCode::FORBIDDEN, message)
            .with("type", "permissions_denied")
            .with("details", details)
    }

    /// 409 for what is there already.
    pub(super) fn exists(message: impl Into<String>, resource: &str) -> Self {
        Self::new(StatusCode::CONFLICT, message)
            .with("type", "already_exists")
            .with("resource", resource)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, retry_after_seconds) = problem::outline(&error);
        let status = match &error {
            Error::Denied(_) => StatusCode::FORBIDDEN,
            _ => status,
        };
        Self {
            retry_after_seconds,
            ..Self::new(status, error.to_string())
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = self.more;
        body.insert("message".to_owned(), self.message.into());
        let json = [(header::CONTENT_TYPE, "application/json")];
        let response = (self.status, json, Value::Object(body).to_string()).into_response();
        problem::with_retry_after(response, self.retry_after_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(fault: Fault) -> Value {
        let bytes = axum::body::to_bytes(fault.into_response().into_body(), 1000).await;
        serde_json::from_slice(&bytes.expect("a body")).expect("JSON")
    }

    #[tokio::test]
    async fn an_error_always_has_a_message() {
        let missing = body(Fault::missing("Cron")).await;
        assert_eq!(missing, json!({"message": "Cron was not found"}));
        let denied = body(Fault::from(Error::Denied("no".to_owned()))).await;
        assert_eq!(denied["message"], "no");
    }

    #[tokio::test]
    async fn an_invalid_argument_comes_with_the_details_that_clients_iterate() {
        let body = body(Fault::argument("schedule", "five fields")).await;
        assert_eq!(body["type"], "invalid_arguments");
        assert_eq!(body["details"][0]["argument_name"], "schedule");
    }
}
