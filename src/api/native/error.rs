//! Errors on their way out, and what is wrong with a request's path and query. The shape is the kit's, for calls too.

use super::wire::{BASE, code};
use crate::api::kit::problem;
use crate::domain::Error;
use crate::telemetry;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use serde::de::DeserializeOwned;

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Error);

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        problem::answer(&self.0, None)
    }
}

fn answer(status: StatusCode, word: &str, message: &str) -> Response {
    let hint = format!("{BASE}/openapi.json lists what there is");
    problem::body(status, word, message, Some(&hint), None)
}

/// Answers a path below the base that nobody has.
pub(super) async fn unknown_path(uri: Uri) -> Response {
    let message = format!("there is nothing at `{}`", uri.path());
    answer(StatusCode::NOT_FOUND, code::NOT_FOUND, &message)
}

/// Answers a method that the path does not have.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("`{}` does not take {method}", uri.path());
    answer(StatusCode::METHOD_NOT_ALLOWED, code::INVALID, &message)
}

/// The query, checked.
pub(super) struct Params<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = Query::try_from_uri(&parts.uri);
        let Query(params) = read.map_err(|e| Error::invalid(telemetry::chain(&e)))?;
        Ok(Self(params))
    }
}

/// The one variable segment of the path.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|e| Error::invalid(format!("the path is not text: {e}")))?;
        let first = params.iter().next().map(|(_, value)| value.to_owned());
        Ok(Self(first.ok_or_else(|| Error::invalid("the path lacks a name"))?))
    }
}

/// The two variable segments of the path.
pub(super) struct Pair(pub(super) String, pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Pair {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|e| Error::invalid(format!("the path is not text: {e}")))?;
        let mut values = params.iter().map(|(_, value)| value.to_owned());
        let pair = values.next().zip(values.next());
        let (first, second) = pair.ok_or_else(|| Error::invalid("the path lacks a name"))?;
        Ok(Self(first, second))
    }
}

/// Largest JSON document sent to us. Unit: bytes.
const LARGEST_DOCUMENT: usize = 64 * 1024;

/// A JSON document that was sent; nothing at all is an empty object.
pub(super) struct Sent<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = axum::body::to_bytes(request.into_body(), LARGEST_DOCUMENT).await;
        let bytes = bytes.map_err(|e| Error::invalid(format!("the body cannot be read: {}", telemetry::chain(&e))))?;
        let text = if bytes.is_empty() { b"{}" } else { &bytes[..] };
        let read = serde_json::from_slice(text);
        Ok(Self(read.map_err(|e| {
            Error::invalid(format!("the body is not what it should be: {e}"))
        })?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{ErrorBody, header};
    use super::*;
    use http_body_util::BodyExt;

    async fn body(response: Response) -> ErrorBody {
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&bytes).expect("an error body")
    }

    fn all() -> Vec<(Error, u16, &'static str)> {
        let text = || "x".to_owned();
        let source = || Some("private".into());
        vec![
            (Error::Invalid(text()), 400, "invalid"),
            (Error::NotFound(text()), 404, "not_found"),
            (Error::Conflict(text()), 409, "conflict"),
            (Error::Denied(text()), 401, "denied"),
            (Error::TooLarge(text()), 413, "too_large"),
            (Error::NotReady(text()), 503, "not_ready"),
            (
                Error::Busy {
                    message: text(),
                    retry_after_seconds: 7,
                },
                429,
                "busy",
            ),
            (
                Error::NoCapacity {
                    message: text(),
                    source: source(),
                },
                503,
                "no_capacity",
            ),
            (Error::WorkerDied(text()), 502, "worker_died"),
            (
                Error::Engine {
                    message: text(),
                    source: source(),
                },
                503,
                "engine",
            ),
            (Error::DiskFull(text()), 507, "disk_full"),
            (
                Error::Internal {
                    message: text(),
                    source: source(),
                },
                500,
                "internal",
            ),
        ]
    }

    #[tokio::test]
    async fn each_error_has_its_status_and_word_and_keeps_its_source_private() {
        for (error, status, word) in all() {
            let response = Problem(error).into_response();
            assert_eq!(response.status().as_u16(), status, "{word}");
            assert_eq!(response.headers()[header::ERROR_SOURCE], "platform");
            let body = body(response).await;
            assert_eq!((body.code.as_str(), body.message.as_str()), (word, "x"));
            assert!(!format!("{body:?}").contains("private"));
        }
    }

    #[test]
    fn busy_says_when_to_come_back() {
        let error = Error::Busy {
            message: "full".to_owned(),
            retry_after_seconds: 7,
        };
        let response = Problem(error).into_response();
        assert_eq!(response.headers()[http::header::RETRY_AFTER], "7");
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_have_the_same_shape() {
        let response = unknown_path(Uri::from_static("/hob/v1/x")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert!(body(response).await.message.contains("/hob/v1/x"));
        let response = wrong_method(Method::PUT, Uri::from_static("/hob/v1/status")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(body(response).await.message.contains("PUT"));
    }
}
