//! Whether a call was signed by somebody who knows the secret, and the signing of what we send. Pure: the time is an argument.
//!
//! Signatures are compared in constant time; why one does not fit is not told.

use crate::domain::{SecretText, SignatureScheme, Signing, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::Duration;

/// How far the time in a signature may be from ours, either way.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Whether the call is signed as it must be.
pub(super) fn fits(signing: &Signing, headers: &[(String, String)], body: &[u8], now: Timestamp) -> bool {
    let secret = signing.secret.reveal().as_bytes();
    match signing.scheme {
        SignatureScheme::GitHub => header(headers, "x-hub-signature-256")
            .and_then(|value| value.strip_prefix("sha256="))
            .is_some_and(|hex| is_mac(secret, &[body], hex)),
        SignatureScheme::Stripe => {
            header(headers, "stripe-signature").is_some_and(|value| timed(secret, value, body, now))
        }
    }
}

/// The signature of what we send, in the form of [`SignatureScheme::Stripe`]: `t=<seconds>,v1=<hex>`, of the time, a dot
/// and the body.
pub(super) fn sign(secret: &SecretText, body: &[u8], now: Timestamp) -> String {
    let seconds = now.as_millis().div_euclid(1000).to_string();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        // A key of any length will do.
        return String::new();
    };
    [seconds.as_bytes(), b".", body]
        .iter()
        .for_each(|part| mac.update(part));
    let hex = hex::encode(mac.finalize().into_bytes());
    format!("t={seconds},v1={hex}")
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]`: any of the signatures may fit.
fn timed(secret: &[u8], value: &str, body: &[u8], now: Timestamp) -> bool {
    let fields = || value.split(',').filter_map(|field| field.trim().split_once('='));
    let Some((_, time)) = fields().find(|(name, _)| *name == "t") else {
        return false;
    };
    let signed = [time.as_bytes(), b".", body];
    is_recent(time, now) && fields().any(|(name, hex)| name == "v1" && is_mac(secret, &signed, hex))
}

fn is_recent(seconds: &str, now: Timestamp) -> bool {
    let millis = seconds.parse::<i64>().ok().and_then(|s| s.checked_mul(1000));
    millis
        .map(Timestamp::from_millis)
        .is_some_and(|at| now.since(at) <= TOLERANCE && at.since(now) <= TOLERANCE)
}

fn is_mac(secret: &[u8], parts: &[&[u8]], hex: &str) -> bool {
    let (Ok(mut mac), Ok(given)) = (Hmac::<Sha256>::new_from_slice(secret), hex::decode(hex)) else {
        return false;
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(&given).is_ok()
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    const NOW: i64 = 1_492_774_577;

    fn signing(scheme: SignatureScheme, secret: &str) -> Signing {
        let secret = Secret::new(secret.to_owned()).expect("long enough");
        Signing { scheme, secret }
    }

    fn signed(secret: &str, parts: &[&[u8]]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        parts.iter().for_each(|part| mac.update(part));
        hex::encode(mac.finalize().into_bytes())
    }

    fn check(signing: &Signing, name: &str, value: &str, body: &str, expect: bool) {
        let headers = [(name.to_owned(), value.to_owned())];
        let now = Timestamp::from_millis(NOW * 1000);
        assert_eq!(fits(signing, &headers, body.as_bytes(), now), expect, "{value}");
    }

    #[test]
    fn a_signature_of_the_body_fits_that_body_and_secret_only() {
        // The example in GitHub's documentation, "Validating webhook deliveries".
        let signing = signing(SignatureScheme::GitHub, "It's a Secret to Everybody");
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let name = "x-hub-signature-256";
        check(&signing, name, &format!("sha256={hex}"), "Hello, World!", true);
        check(&signing, name, &format!("sha256={hex}"), "Hello, World?", false);
        for wrong in [
            hex,
            "sha256=",
            "sha256=7",
            "sha256=zz",
            &format!("sha1={hex}"),
            &format!("sha256={}", &hex[2..]),
        ] {
            check(&signing, name, wrong, "Hello, World!", false);
        }
        check(&signing, "x-other", &format!("sha256={hex}"), "Hello, World!", false);
    }

    #[test]
    fn what_we_sign_fits_as_a_timed_signature() {
        let secret = "a secret of some length";
        let now = Timestamp::from_millis(NOW * 1000 + 999);
        let value = sign(&SecretText::new(secret.to_owned()), b"{}", now);
        let signing = signing(SignatureScheme::Stripe, secret);
        check(&signing, "stripe-signature", &value, "{}", true);
        check(&signing, "stripe-signature", &value, "{ }", false);
    }

    #[test]
    fn a_timed_signature_fits_its_time_and_body_while_it_is_fresh() {
        let secret = "whsec_0123456789";
        let signing = signing(SignatureScheme::Stripe, secret);
        let value = |at: i64| {
            let hex = signed(secret, &[at.to_string().as_bytes(), b".", b"{}"]);
            format!("t={at},v1={hex}")
        };
        let name = "stripe-signature";
        for (at, expect) in [
            (NOW, true),
            (NOW - 300, true),
            (NOW + 300, true),
            (NOW - 301, false),
            (NOW + 301, false),
        ] {
            check(&signing, name, &value(at), "{}", expect);
        }
        check(&signing, name, &value(NOW), "{ }", false);
        check(&signing, name, &format!("{},v1=00", value(NOW)), "{}", true);
        check(
            &signing,
            name,
            &value(NOW).replace(&format!("t={NOW}"), &format!("t={}", NOW - 1)),
            "{}",
            false,
        );
        for wrong in ["", "t=1", "v1=00", "t=x,v1=00", &value(NOW).replace("v1", "v0")] {
            check(&signing, name, wrong, "{}", false);
        }
    }
}
