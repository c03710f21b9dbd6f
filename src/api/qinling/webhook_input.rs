//! What a webhook's caller sends, as the fields of one object: the query, a form, or the keys of a JSON object.
//!
//! Whatever cannot be read as fields brings none: the outside sends what it likes, and the function is called all the
//! same.

use super::fault::Fault;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use bytes::Bytes;
use http::{header, request};
use serde_json::{Map, Value};

/// The fields of a request; one that comes twice becomes a list.
///
/// # Errors
/// 400 when a multipart form breaks off.
pub(super) async fn fields(head: request::Parts, body: Bytes) -> Result<Map<String, Value>, Fault> {
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let mut fields = Map::new();
    add_pairs(&mut fields, head.uri.query().unwrap_or_default().as_bytes());
    match kind.as_str() {
        "multipart/form-data" => add_parts(&mut fields, head, body).await?,
        "application/x-www-form-urlencoded" => add_pairs(&mut fields, &body),
        "" | "application/json" => add_json(&mut fields, &body),
        _ => {}
    }
    Ok(fields)
}

fn add_pairs(fields: &mut Map<String, Value>, pairs: &[u8]) {
    for (name, value) in form_urlencoded::parse(pairs) {
        add(fields, name.into_owned(), value.into_owned().into());
    }
}

fn add_json(fields: &mut Map<String, Value>, body: &[u8]) {
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        object.into_iter().for_each(|(name, value)| add(fields, name, value));
    }
}

/// A file's content is a text like any other field.
async fn add_parts(fields: &mut Map<String, Value>, head: request::Parts, body: Bytes) -> Result<(), Fault> {
    let broken = |text: String| Fault::bad(format!("The form cannot be read: {text}"));
    let request = Request::from_parts(head, Body::from(body));
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|e| broken(e.body_text()))?;
    while let Some(part) = parts.next_field().await.map_err(|e| broken(e.body_text()))? {
        let name = part.name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(|e| broken(e.body_text()))?;
        add(fields, name, String::from_utf8_lossy(&content).into());
    }
    Ok(())
}

fn add(fields: &mut Map<String, Value>, name: String, value: Value) {
    let Some(before) = fields.remove(&name) else {
        fields.insert(name, value);
        return;
    };
    let all = match before {
        Value::Array(mut all) => {
            all.push(value);
            all
        }
        one => vec![one, value],
    };
    fields.insert(name, Value::Array(all));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn read(query: &str, kind: Option<&str>, body: &str) -> Value {
        let mut request = Request::builder().uri(format!("/?{query}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        Value::Object(fields(head, Bytes::from(body.to_owned())).await.expect("readable"))
    }

    #[tokio::test]
    async fn query_form_and_json_become_one_object() {
        let (json_type, form) = (
            Some("application/json; charset=utf-8"),
            Some("application/x-www-form-urlencoded"),
        );
        for (query, kind, body, expect) in [
            ("", None, "", json!({})),
            ("a=1", None, r#"{"b": 2}"#, json!({"a": "1", "b": 2})),
            ("a=1", json_type, r#"{"a": [2]}"#, json!({"a": ["1", [2]]})),
            (
                "",
                form,
                "name=Bob&name=Eve&x=",
                json!({"name": ["Bob", "Eve"], "x": ""}),
            ),
            ("", form, r#"{"a":1}"#, json!({"{\"a\":1}": ""})),
            ("", json_type, "[1]", json!({})),
            ("", json_type, "{bad", json!({})),
            ("q=1", Some("text/plain"), "name=Bob", json!({"q": "1"})),
            ("", Some("application/xml"), "<a/>", json!({})),
        ] {
            assert_eq!(read(query, kind, body).await, expect, "{query} {kind:?} {body}");
        }
    }

    #[tokio::test]
    async fn a_file_in_a_form_is_a_text() {
        let body = "--B\r\ncontent-disposition: form-data; name=\"name\"\r\n\r\nBob\r\n--B\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--B--\r\n";
        let fields = read("", Some("multipart/form-data; boundary=B"), body).await;
        assert_eq!(fields, json!({"name": "Bob", "file": "hello"}));
    }
}
