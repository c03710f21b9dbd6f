//! Spans as OTLP's JSON. Pure.
//!
//! Source: the OpenTelemetry protocol, <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: ids are
//! hexadecimal, numbers of 64 bits are strings.

use super::span::{Span, Value};
use serde_json::{Value as Json, json};

/// SPAN_KIND_INTERNAL and SPAN_KIND_SERVER.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
/// STATUS_CODE_ERROR; without a status nothing is said, as the conventions have it for what went well.
const ERROR: u8 = 2;

/// The body of one request: `resource` says who we are.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let resource: Vec<_> = resource
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect();
    let spans: Vec<_> = spans.iter().map(span).collect();
    let scope = json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")});
    let all = json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }]});
    all.to_string().into_bytes()
}

fn span(span: &Span) -> Json {
    let attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|(key, value)| json!({"key": key, "value": attribute(value)}))
        .collect();
    let mut json = json!({
        "traceId": hex::encode(span.trace),
        "spanId": hex::encode(span.span),
        "name": span.name,
        "kind": if span.is_server { SERVER } else { INTERNAL },
        "startTimeUnixNano": span.begins.to_string(),
        "endTimeUnixNano": span.ends.to_string(),
        "attributes": attributes,
    });
    if let Some(parent) = &span.parent {
        json["parentSpanId"] = json!(hex::encode(parent));
    }
    if let Some(message) = &span.error {
        json["status"] = json!({"code": ERROR, "message": message});
    }
    json
}

fn attribute(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({"stringValue": text}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Flag(flag) => json!({"boolValue": flag}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::span::{a_call, spans};
    use super::*;
    use crate::domain::{Outcome, Temperature};

    #[test]
    fn spans_are_written_as_collectors_read_them() {
        let outcome = Outcome::Error {
            message: "no".to_owned(),
        };
        let call = a_call(outcome, Temperature::Cold);
        let resource = [("service.name".to_owned(), "hob".to_owned())];
        let body: Json = serde_json::from_slice(&request(&resource, &spans(&call))).expect("JSON");
        let whole = &body["resourceSpans"][0];
        assert_eq!(
            whole["resource"]["attributes"],
            json!([{"key": "service.name", "value": {"stringValue": "hob"}}])
        );
        let spans = whole["scopeSpans"][0]["spans"].as_array().expect("spans");
        let (own, part) = (&spans[0], &spans[1]);
        assert_eq!(own["traceId"].as_str().map(str::len), Some(32));
        assert_eq!(own["spanId"].as_str().map(str::len), Some(16));
        assert!(own.get("parentSpanId").is_none());
        assert_eq!((&own["kind"], &part["kind"]), (&json!(2), &json!(1)));
        assert_eq!(own["startTimeUnixNano"], "1000000000");
        assert_eq!(own["status"], json!({"code": 2, "message": "no"}));
        assert_eq!(part["parentSpanId"], own["spanId"]);
        let cold = json!({"key": "faas.coldstart", "value": {"boolValue": true}});
        assert!(own["attributes"].as_array().expect("a list").contains(&cold));
    }
}
