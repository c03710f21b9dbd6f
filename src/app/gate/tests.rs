//! Who passes a gate: a table of tokens against rules, made with keys that are made once for all tests.

use super::*;
use serde_json::json;
use std::sync::LazyLock;

/// Moment of every test. Unit: seconds since 1970.
const NOW: i64 = 1_700_000_000;

static KEYS: LazyLock<[StoredKey; 2]> = LazyLock::new(|| [make_key().expect("a key"), make_key().expect("a key")]);

fn gate(any_of: &[(&str, &str)]) -> Gate {
    let answer = |status| GateAnswer {
        status,
        body: String::new(),
    };
    let text = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    Gate {
        keys: vec![KEYS[0].public.clone()],
        headers: vec!["x-token".to_owned()],
        claims: ClaimRule {
            list: Some("claim".to_owned()),
            any_of: any_of.iter().map(text).collect(),
        },
        revoked: vec!["revoked".to_owned()],
        access_tokens: false,
        forward: true,
        missing: answer(400),
        invalid: answer(401),
        elsewhere: answer(403),
    }
}

/// What the gate for group `g` and application `a` answers to a token; 200: it passes.
fn answer(token: Option<&str>) -> u16 {
    let keeper = Gatekeeper::new(gate(&[("group", "g"), ("app", "a"), ("empty", "")])).expect("a rule");
    let now = Timestamp::from_millis(NOW * 1000);
    keeper.check(token, now).map_or_else(|answer| answer.status, |()| 200)
}

fn signed(key: usize, claims: &Value) -> String {
    sign(&KEYS[key].private, &claims.to_string()).expect("signed")
}

#[test]
fn a_token_passes_for_its_group_or_its_application_in_its_time() {
    let good = json!([{"group": "g", "app": ""}]);
    let table = [
        (json!({"claim": good}), 200),
        (json!({"claim": [{"group": "", "app": "a"}]}), 200),
        (json!({"claim": good, "exp": NOW + 1, "nbf": NOW, "iat": NOW}), 200),
        (json!({"claim": good, "exp": null}), 200),
        (json!({"claim": good, "exp": NOW}), 401),
        (json!({"claim": good, "exp": "tomorrow"}), 401),
        (json!({"claim": good, "nbf": NOW + 1}), 401),
        (json!({"claim": good, "iat": NOW + 1}), 401),
        (json!({"claim": good, "jti": "revoked"}), 401),
        (json!({"claim": good, "jti": "other"}), 200),
        (json!({"claim": [{"group": "x", "app": "x"}]}), 403),
        (json!({"claim": [{"group": "", "app": "", "empty": ""}]}), 403),
        (json!({"claim": [{}]}), 403),
        (json!({"claim": [{"group": "g"}, {"group": "g"}]}), 401),
        (json!({"claim": []}), 401),
        (json!({"claim": {"group": "g"}}), 401),
        (json!({"group": "g"}), 401),
        (json!([]), 401),
    ];
    for (claims, expect) in table {
        assert_eq!(answer(Some(&signed(0, &claims))), expect, "{claims}");
    }
}

#[test]
fn nothing_passes_that_the_key_has_not_signed_with_its_own_algorithm() {
    let claims = json!({"claim": [{"group": "g"}]});
    let good = signed(0, &claims);
    assert_eq!(answer(Some(&good)), 200);
    let (head, rest) = good.split_once('.').expect("three parts");
    let (body, signature) = rest.split_once('.').expect("three parts");
    let headed = |head: &str| format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(head));
    let other_body = URL_SAFE_NO_PAD.encode(r#"{"claim":[{"group":"g"}],"x":1}"#);
    // With the public key as the secret, which everybody knows.
    let hs256 = {
        use hmac::{Hmac, KeyInit, Mac};
        let signed = format!("{}.{body}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEYS[0].public.as_bytes()).expect("any key");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let bad = [
        signed(1, &claims),
        hs256,
        headed(r#"{"alg":"none"}"#),
        headed(r#"{"alg":"RS256","crit":["x"]}"#),
        format!("{}.{body}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)),
        format!("{head}.{other_body}.{signature}"),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{good}="),
        format!("{good}{}", " ".repeat(LONGEST_TOKEN)),
        "...".to_owned(),
        "x".to_owned(),
    ];
    for token in bad {
        assert_eq!(answer(Some(&token)), 401, "{token}");
    }
    assert_eq!((answer(None), answer(Some(""))), (400, 400));
}

#[test]
fn a_rule_without_readable_keys_headers_or_statuses_is_refused() {
    let rule = || gate(&[("group", "g")]);
    assert!(Gatekeeper::new(rule()).is_ok() && check_rule(&rule()).is_ok());
    let spki = Gate {
        keys: vec![KEYS[0].public.replace("RSA PUBLIC", "PUBLIC")],
        ..rule()
    };
    assert!(Gatekeeper::new(spki).is_err());
    for headers in [vec![], vec!["X-Token".to_owned()], vec!["a b".to_owned()]] {
        assert!(check_rule(&Gate { headers, ..rule() }).is_err());
    }
    let mut success = rule();
    success.missing.status = 200;
    assert!(check_rule(&success).is_err());
}

#[test]
fn a_key_is_told_in_the_form_that_clients_read() {
    let pem = &KEYS[0].public;
    assert!(pem.starts_with("-----BEGIN RSA PUBLIC KEY-----\n"), "{pem}");
    assert!(public_der(pem).is_ok());
}
