//! `hob webhook`: made and rotated at the command line, called by senders that sign as GitHub and Stripe do.

use crate::support::Hob;
use crate::terminal::{hob, hob_with};
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write;

const BODY: &str = "{\"n\": 1}";

fn signed(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn now_seconds() -> i64 {
    hob::task::Clock::system().now().as_millis() / 1000
}

/// The header that a sender of this form adds.
fn header(form: &str, secret: &str) -> (&'static str, String) {
    match form {
        "github" => ("x-hub-signature-256", format!("sha256={}", signed(secret, BODY))),
        _ => {
            let time = now_seconds();
            let signature = signed(secret, &format!("{time}.{BODY}"));
            ("stripe-signature", format!("t={time},v1={signature}"))
        }
    }
}

async fn call(daemon: &Hob, hook: &Value, form: &str, secret: &str) -> StatusCode {
    let path = format!("/hook/{}", hook["id"].as_str().expect("an id"));
    let (name, value) = header(form, secret);
    let headers = [(name, value.as_str()), ("content-type", "application/json")];
    daemon.send(Method::POST, &path, &headers, BODY.into()).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_of_both_forms_are_let_in_by_their_secret_until_it_is_rotated() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    daemon.ready("f", "def main(n, **_):\n    return n\n", json!({})).await;
    for form in ["github", "stripe"] {
        let line = [
            "webhook",
            "create",
            "f",
            "--sign",
            form,
            "--secret-file",
            "-",
            "-o",
            "json",
        ];
        let hook = hob_with(&daemon, &line, b"whsec_first\n").await.ok().json();
        assert_eq!(
            call(&daemon, &hook, form, "whsec_first").await,
            StatusCode::OK,
            "{form}"
        );
        assert_eq!(
            call(&daemon, &hook, form, "guessed").await,
            StatusCode::UNAUTHORIZED,
            "{form}"
        );
        let id = hook["id"].as_str().expect("an id");
        let rotated = hob(&daemon, &["webhook", "rotate", id, "-o", "json"]).await.ok().json();
        let fresh = rotated["secret"].as_str().expect("shown once").to_owned();
        assert_eq!(
            call(&daemon, &hook, form, "whsec_first").await,
            StatusCode::UNAUTHORIZED,
            "{form}"
        );
        assert_eq!(call(&daemon, &hook, form, &fresh).await, StatusCode::OK, "{form}");
        let shown = hob(&daemon, &["webhook", "get", id]).await.ok();
        assert!(!shown.out.contains(&fresh), "a secret is shown once");
    }
    hob(&daemon, &["webhook", "list"]).await.ok().fits().says("stripe");
}
