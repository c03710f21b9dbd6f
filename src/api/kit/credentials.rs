//! Where a request may carry a token: `X-Auth-Token`, `X-V3io-Session-Key`, `Authorization: Bearer`, or HTTP Basic as
//! user or password.
//!
//! Reads headers; does not know which token is good.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that are a token and nothing else. The second is what clients of access keys send.
const PLAIN: [HeaderName; 2] = [
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-v3io-session-key"),
];

/// Something that may be a token, and the header that carried it.
#[derive(PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) header: HeaderName,
    pub(super) secret: String,
}

/// All that may be a token. A handful at most: a request is no place for a list of guesses.
pub(super) fn shown(headers: &HeaderMap) -> Vec<Shown> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let plain = PLAIN.into_iter().filter_map(|header| {
        let secret = headers.get(&header).and_then(text)?;
        Some(Shown { header, secret })
    });
    let mut all: Vec<_> = plain.collect();
    let authorization = headers.get(header::AUTHORIZATION).and_then(text);
    let secrets = authorization.map_or_else(Vec::new, |value| of_authorization(&value));
    all.extend(secrets.into_iter().map(|secret| Shown {
        header: header::AUTHORIZATION,
        secret,
    }));
    all.retain(|shown| !shown.secret.is_empty());
    all
}

/// User and password, by HTTP Basic.
#[must_use]
pub fn basic_pair(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| STANDARD.decode(rest.trim()))?;
    let text = String::from_utf8(decoded.ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// What `Authorization: Bearer` carries.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim().to_owned())
}

fn of_authorization(value: &str) -> Vec<String> {
    let Some((scheme, rest)) = value.split_once(' ') else {
        return Vec::new();
    };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return vec![rest.to_owned()];
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic(rest);
    }
    Vec::new()
}

/// The password first: the user is more often a name.
fn basic(encoded: &str) -> Vec<String> {
    let decoded = STANDARD.decode(encoded).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = text.as_ref().and_then(|text| text.split_once(':'));
    pair.map_or_else(Vec::new, |(user, password)| vec![password.to_owned(), user.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_wherever_it_may_be() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let table = [
            ("x-auth-token", "t".to_owned(), vec!["t"]),
            ("x-v3io-session-key", "t".to_owned(), vec!["t"]),
            ("authorization", "Bearer t".to_owned(), vec!["t"]),
            ("authorization", "bearer  t".to_owned(), vec!["t"]),
            ("authorization", basic("u:p:q"), vec!["p:q", "u"]),
            ("authorization", basic("t:"), vec!["t"]),
            ("authorization", basic("nothing"), vec![]),
            ("authorization", "Basic %".to_owned(), vec![]),
            ("authorization", "Digest t".to_owned(), vec![]),
            ("authorization", "t".to_owned(), vec![]),
            ("cookie", "t".to_owned(), vec![]),
        ];
        for (name, value, expect) in table {
            let pair = (
                HeaderName::from_static(name),
                HeaderValue::try_from(&value).expect("a value"),
            );
            let found = shown(&HeaderMap::from_iter([pair]));
            let secrets: Vec<_> = found.iter().map(|s| s.secret.as_str()).collect();
            assert_eq!(secrets, expect, "{name}: {value}");
        }
    }
}
