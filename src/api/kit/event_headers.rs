//! What a function of an event finds among its headers beside those that its caller sent: what the platform that the
//! convention comes from says of every call. Pure.
//!
//! What a proxy before us said stays.

use crate::domain::{ExecutionId, Timeout, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

const ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const START: HeaderName = HeaderName::from_static("x-request-start");
const TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// Adds what is not there, once it is noted who called (`X-Forwarded-For`, `X-Forwarded-Proto`).
pub(super) fn add(headers: &mut HeaderMap, id: ExecutionId, now: Timestamp, timeout: Timeout) {
    let now = now.as_millis();
    say(headers, REQUEST_ID, id.to_string());
    say(headers, START, format!("t={}.{:03}", now / 1000, now % 1000));
    say(headers, TIMEOUT, timeout.millis().to_string());
    if let Some(client) = text(headers, &FORWARDED_FOR).and_then(|all| all.rsplit(", ").next()) {
        let scheme = text(headers, &FORWARDED_PROTO).unwrap_or("http");
        let (client, forwarded) = (client.to_owned(), format!("for={};proto={scheme}", node(client)));
        say(headers, FORWARDED, forwarded);
        say(headers, ADDRESS, client);
    }
}

/// An address of IPv6 stands in brackets and quotation marks (RFC 7239, section 6).
fn node(client: &str) -> Cow<'_, str> {
    match client.contains(':') {
        true => format!("\"[{client}]\"").into(),
        false => client.into(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn say(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_600_000_000_042);

    fn added(sent: &[(&'static str, &'static str)]) -> HeaderMap {
        let sent = sent
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = sent.collect();
        let timeout = Timeout::from_millis(5000).expect("a timeout");
        add(&mut headers, ExecutionId::generate(), AT, timeout);
        headers
    }

    #[test]
    fn what_is_known_of_a_call_is_said() {
        let headers = added(&[
            ("x-forwarded-for", "10.0.0.9, 127.0.0.1"),
            ("x-forwarded-proto", "https"),
        ]);
        for (name, value) in [
            ("x-request-start", "t=1600000000.042"),
            ("x-envoy-expected-rq-timeout-ms", "5000"),
            ("forwarded", "for=127.0.0.1;proto=https"),
            ("x-envoy-external-address", "127.0.0.1"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        let id = headers["x-request-id"].to_str().expect("text");
        assert!(ExecutionId::parse(id).is_some(), "{id}");
    }

    #[test]
    fn what_was_said_before_stays() {
        let sent = [
            ("x-request-id", "7"),
            ("forwarded", "for=a"),
            ("x-forwarded-for", "::1"),
        ];
        let headers = added(&sent);
        for (name, value) in sent {
            assert_eq!(headers[name], value);
        }
    }

    #[test]
    fn an_address_of_ipv6_is_written_as_the_standard_has_it() {
        assert_eq!(
            added(&[("x-forwarded-for", "::1")])["forwarded"],
            "for=\"[::1]\";proto=http"
        );
        assert!(!added(&[]).contains_key("forwarded"));
    }
}
