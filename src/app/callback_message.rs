//! What a callback says: the answer as its caller would have got it, headers that say which call it was, a signature. Pure.
//!
//! The names of the headers are those of OpenFaaS, whose users know them.

use super::signature;
use crate::domain::{Execution, ExecutionState, SecretText, Timestamp};
use crate::invoker::is_hop_by_hop;
use crate::store::DueCallback;
use bytes::Bytes;
use http::HeaderName;

/// Headers of the answer that are about its way, or that only we may say.
const NOT_PASSED_ON: [&str; 7] = [
    "date",
    "host",
    "proxy-authenticate",
    "server",
    "x-call-id",
    "x-error-source",
    "x-start-time",
];
const OURS: [&str; 3] = ["x-function-", "x-duration-", "x-hob-"];

type Headers = Vec<(String, String)>;

/// Headers and body.
pub(super) fn of(
    callback: &DueCallback,
    function: &str,
    secret: Option<&SecretText>,
    now: Timestamp,
) -> (Headers, Bytes) {
    let execution = &callback.execution;
    let answered = execution.state == ExecutionState::Succeeded;
    let (mut headers, body) = if answered {
        let passed_on = callback.headers.iter().filter(|(name, _)| is_passed_on(name));
        (passed_on.cloned().collect(), callback.body.clone())
    } else {
        (vec![header("content-type", "application/json")], failure(execution))
    };
    let start = execution.started_at.unwrap_or(execution.created_at);
    headers.extend([
        header("x-call-id", &execution.id.to_string()),
        header("x-function-name", function),
        header("x-function-status", &status(execution).to_string()),
        header(
            "x-duration-seconds",
            &format!("{:.6}", execution.timings.total_us as f64 / 1e6),
        ),
        // Unit: nanoseconds.
        header("x-start-time", &format!("{}000000", start.as_millis())),
        header("x-hob-attempt", &callback.number.to_string()),
    ]);
    headers.extend(source(execution).map(|source| header("x-error-source", source)));
    headers.extend(secret.map(|secret| header("x-hob-signature", &signature::sign(secret, &body, now))));
    (headers, Bytes::from(body))
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn is_passed_on(name: &str) -> bool {
    // In lower case.
    HeaderName::try_from(name).is_ok_and(|name| {
        let ours = OURS.iter().any(|ours| name.as_str().starts_with(ours));
        !ours && !NOT_PASSED_ON.contains(&name.as_str()) && !is_hop_by_hop(&name)
    })
}

/// The HTTP status a call is answered with whose function failed in this way: as a failed upstream is, and input that does
/// not fit as the caller's mistake.
#[must_use]
pub fn failure_status(kind: &str) -> u16 {
    match kind {
        "bad_input" => 400,
        "timeout" => 504,
        "exit" | "signal" | "out_of_memory" | "cancelled" => 502,
        _ => 500,
    }
}

/// Whose fault it is that a function failed in this way.
#[must_use]
pub fn failure_source(kind: &str) -> &'static str {
    match kind {
        "bad_input" => "caller",
        _ => "function",
    }
}

fn status(execution: &Execution) -> u16 {
    match execution.state {
        ExecutionState::Succeeded => execution.status.unwrap_or(200),
        ExecutionState::Failed => failure_status(execution.failure.as_deref().unwrap_or_default()),
        ExecutionState::Cancelled => failure_status("cancelled"),
        ExecutionState::Error | ExecutionState::Queued | ExecutionState::Running => 503,
    }
}

/// Whose fault it is that there is no answer.
fn source(execution: &Execution) -> Option<&'static str> {
    match execution.state {
        ExecutionState::Succeeded => None,
        ExecutionState::Failed => Some(failure_source(execution.failure.as_deref().unwrap_or_default())),
        _ => Some("platform"),
    }
}

fn failure(execution: &Execution) -> Vec<u8> {
    let code = execution.failure.as_deref().unwrap_or(execution.state.as_str());
    let message = execution.message.as_deref().unwrap_or("the call was cancelled");
    let call_id = execution.id.to_string();
    serde_json::json!({"code": code, "message": message, "call_id": call_id})
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CallbackUrl, ExecutionId, FunctionId, Selector, Timings};

    fn ended(state: ExecutionState, failure: Option<&str>) -> DueCallback {
        let at = Timestamp::from_millis;
        DueCallback {
            execution: Execution {
                id: ExecutionId::generate(),
                function: FunctionId::generate(),
                revision: None,
                selector: Selector::Current,
                description: String::new(),
                state,
                asynchronous: true,
                created_at: at(1_000),
                started_at: Some(at(2_000)),
                ended_at: Some(at(3_000)),
                status: (state == ExecutionState::Succeeded).then_some(201),
                failure: failure.map(str::to_owned),
                message: failure.map(|_| "it was too much".to_owned()),
                temperature: None,
                timings: Timings {
                    total_us: 1_500_000,
                    ..Timings::default()
                },
            },
            url: CallbackUrl::parse("http://h/").expect("a URL"),
            number: 2,
            headers: [
                ("content-type", "text/plain"),
                ("Content-Length", "9"),
                ("X-Function-Status", "7"),
                ("x-own", "1"),
            ]
            .map(|(k, v)| header(k, v))
            .to_vec(),
            body: b"done".to_vec(),
        }
    }

    fn said<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
        let named = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn an_answer_is_told_with_its_own_headers_and_those_that_name_the_call() {
        let callback = ended(ExecutionState::Succeeded, None);
        let secret = SecretText::new("a secret of some length".to_owned());
        let now = Timestamp::from_millis(1_492_774_577_000);
        let (headers, body) = of(&callback, "f", Some(&secret), now);
        assert_eq!(&body[..], b"done");
        for (name, value) in [
            ("content-type", "text/plain"),
            ("x-own", "1"),
            ("x-function-name", "f"),
            ("x-function-status", "201"),
            ("x-duration-seconds", "1.500000"),
            ("x-start-time", "2000000000"),
            ("x-hob-attempt", "2"),
            ("x-call-id", &callback.execution.id.to_string()),
        ] {
            assert_eq!(said(&headers, name), [value], "{name}");
        }
        assert!(said(&headers, "content-length").is_empty() && said(&headers, "x-error-source").is_empty());
        let signed = said(&headers, "x-hob-signature");
        assert!(signed[0].starts_with("t=1492774577,v1="), "{signed:?}");
        assert!(said(&of(&callback, "f", None, now).0, "x-hob-signature").is_empty());
    }

    #[test]
    fn a_failure_is_told_as_its_caller_would_have_heard_it() {
        for (state, kind, status, source) in [
            (ExecutionState::Failed, Some("raised"), "500", "function"),
            (ExecutionState::Failed, Some("timeout"), "504", "function"),
            (ExecutionState::Failed, Some("bad_input"), "400", "caller"),
            (ExecutionState::Error, None, "503", "platform"),
            (ExecutionState::Cancelled, None, "502", "platform"),
        ] {
            let callback = ended(state, kind);
            let (headers, body) = of(&callback, "f", None, Timestamp::from_millis(0));
            assert_eq!(said(&headers, "x-function-status"), [status], "{state:?}");
            assert_eq!(said(&headers, "x-error-source"), [source], "{state:?}");
            assert_eq!(said(&headers, "content-type"), ["application/json"]);
            let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(body["code"], kind.unwrap_or(state.as_str()));
            assert_eq!(body["call_id"], callback.execution.id.to_string());
        }
    }
}
