//! Which headers of a call hold what opens doors: they reach the function, and no record of the call.
//!
//! Goes by names alone: what a function's own users put into a body or a query is theirs to keep out of sight.

/// What stands in a record in place of such a header's value.
pub const NOT_KEPT: &str = "(not kept)";

/// Names that are known, and parts of names that tell; all in lower case.
const NAMES: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
const PARTS: [&str; 8] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api-key",
    "apikey",
    "credential",
    "session",
];

/// Whether a header's value is never written down; `name` in any case.
#[must_use]
pub fn is_private_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// The same headers as a record may hold them: all names, and the values that are nobody's secret.
#[must_use]
pub fn kept_headers(headers: &[(String, String)]) -> Vec<(String, String)> {
    let kept = |(name, value): &(String, String)| {
        let value = if is_private_header(name) { NOT_KEPT } else { value };
        (name.clone(), value.to_owned())
    };
    headers.iter().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_doors_is_known_by_its_name() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "COOKIE",
            "x-auth-token",
            "x-api-key",
            "X-Csrf-Token",
            "x-vault-secret",
            "x-session-id",
        ] {
            assert!(is_private_header(name), "{name}");
        }
        for name in [
            "content-type",
            "accept",
            "x-request-id",
            "host",
            "x-author",
            "x-forwarded-for",
        ] {
            assert!(!is_private_header(name), "{name}");
        }
    }

    #[test]
    fn a_record_says_that_a_header_was_there_and_not_what_it_said() {
        let sent = [("authorization", "Bearer x"), ("accept", "*/*")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let kept = kept_headers(&sent);
        assert_eq!(kept[0], ("authorization".to_owned(), NOT_KEPT.to_owned()));
        assert_eq!(kept[1], sent[1]);
    }
}
