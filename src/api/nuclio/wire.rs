//! How bodies, headers and parameters are written and read: the habits that all resources share.
//!
//! Source: the contract's sections 1.1, 1.3 and 1.4.

use super::fault::Fault;
use super::schema::{self, Field, Origin};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

/// A body may have so much: source code comes inline. Unit: bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// An answer of JSON.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// 200 with JSON.
pub(super) fn ok(body: &Value) -> Response {
    answer(StatusCode::OK, body)
}

/// An answer without a body and without a type.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 202 for what goes on: no body, and yet a type.
pub(super) fn accepted() -> Response {
    let mut response = empty(StatusCode::ACCEPTED);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Reads a body of JSON, whatever type it says it has.
///
/// # Errors
/// 400 for what is no JSON, 413 when it is too large.
pub(super) async fn value(body: Body) -> Result<Value, Fault> {
    use http_body::Body as _;
    let too_large = || {
        let message = format!("The body may have {BODY_LIMIT} bytes");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| too_large())?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::bad("unexpected end of JSON input"));
    }
    serde_json::from_slice(&bytes).map_err(|e| Fault::bad(e.to_string()))
}

/// Reads a body of JSON that has a shape.
///
/// # Errors
/// 400 for what is no JSON or of another shape, 413 when it is too large.
pub(super) async fn object(body: Body, shape: &[Field]) -> Result<Map<String, Value>, Fault> {
    schema::read(&value(body).await?, shape, Origin::Json).map_err(Fault::bad)
}

/// A header's text, if it has any.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

/// Whether a header says `true`, in any case.
pub(super) fn flag(headers: &HeaderMap, name: &str) -> bool {
    text(headers, name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// A parameter of a query, the last of a name.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let found = pairs.filter(|(key, _)| key == name).last();
    found.map(|(_, value)| value.into_owned())
}

/// A parameter that says yes or no; anything else says nothing.
pub(super) fn yes_or_no(query: Option<&str>, name: &str) -> Option<bool> {
    match parameter(query, name)?.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_parameters_are_read_as_upstream_reads_them() {
        let mut headers = HeaderMap::new();
        headers.insert("x-nuclio-a", HeaderValue::from_static("TRUE"));
        headers.insert("x-nuclio-b", HeaderValue::from_static("1"));
        assert!(flag(&headers, "x-nuclio-a") && !flag(&headers, "x-nuclio-b") && !flag(&headers, "x-nuclio-c"));
        assert_eq!(yes_or_no(Some("export=true"), "export"), Some(true));
        assert_eq!(yes_or_no(Some("export=F&x=1"), "export"), Some(false));
        assert_eq!(yes_or_no(Some("export=yes"), "export"), None);
        assert_eq!(yes_or_no(None, "export"), None);
    }

    #[tokio::test]
    async fn an_empty_body_is_an_end_too_early() {
        let fault = value(Body::from(" \n")).await.expect_err("nothing");
        assert_eq!(fault, Fault::bad("unexpected end of JSON input"));
        assert!(value(Body::from("{x")).await.is_err());
    }
}
