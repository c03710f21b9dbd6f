//! `X-Callback-Url`: who asked for it is told how an asynchronous call ended, whatever becomes of the daemon or of them.

use crate::support::{Answer, Hob, eventually, fake_engine};
use crate::terminal::hob;
use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hob::domain::Timestamp;
use hob::engine::Engine;
use hob::engine::fake::FakeEngine;
use hob::task::Clock;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ECHO: &str = "def handle(event, context):\n    if event['body'] == 'raise':\n        raise ValueError('no')\n    return {'statusCode': 201, 'headers': {'x-own': ','.join(sorted(event['headers'])), 'content-type': 'text/x'}, 'body': event['body'] * 2}\n";
const SECRET: &str = "a secret between the two";

/// Somebody who is told things, and answers each with the next of the statuses, the last one for ever.
struct Receiver {
    url: String,
    told: Told,
    task: tokio::task::JoinHandle<()>,
}

type Told = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    async fn answering(statuses: &[u16]) -> Self {
        let (told, statuses) = (Told::default(), statuses.to_vec());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/done?key=hidden", listener.local_addr().unwrap());
        let receive = move |State(told): State<Told>, headers: HeaderMap, body: Bytes| {
            let mut told = told.lock().unwrap();
            told.push((headers, body));
            let status = statuses.get(told.len() - 1).or(statuses.last()).unwrap();
            std::future::ready(StatusCode::from_u16(*status).unwrap())
        };
        let router = Router::new()
            .route("/done", axum::routing::post(receive))
            .with_state(Arc::clone(&told));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, told, task }
    }

    fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    async fn told(&self, n: usize) -> (HeaderMap, Bytes) {
        eventually(&format!("the receiver to be told {n} times"), || async {
            (self.count() >= n).then_some(())
        })
        .await;
        self.told.lock().unwrap()[n - 1].clone()
    }
}

struct Stage {
    hob: Hob,
    engine: Arc<FakeEngine>,
    clock: Clock,
}

async fn stage() -> Stage {
    let (clock, engine) = (Clock::manual(Timestamp::from_millis(1_900_000_000_500)), fake_engine());
    let data = Arc::new(tempfile::tempdir().unwrap());
    let settings = [("HOB_CALLBACKS_SECRET", SECRET)];
    let hob = Hob::start_once_free(clock.clone(), &data, Arc::clone(&engine) as Arc<dyn Engine>, &settings).await;
    let hob = hob.warm().await;
    let settings = json!({"convention": "event-context", "entry": "main.handle"});
    hob.ready("f", ECHO, settings).await;
    Stage { hob, engine, clock }
}

async fn later(hob: &Hob, query: &str, url: &str, body: &str) -> Answer {
    let path = format!("/hob/v1/functions/f/invoke?async=true{query}");
    let headers = [("x-callback-url", url), ("content-type", "text/plain")];
    hob.send(Method::POST, &path, &headers, Bytes::from(body.to_owned()))
        .await
}

async fn accepted(hob: &Hob, query: &str, url: &str, body: &str) -> String {
    let answer = later(hob, query, url, body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// The callback of a call, once it stands like this.
async fn callback(hob: &Hob, id: &str, state: &str, tries: u32) -> Value {
    eventually(&format!("the callback to be {state} after {tries} tries"), || async {
        let callback = hob.execution(id).await["callback"].clone();
        let there = callback["state"] == state && callback["tries"] == tries && !callback["message"].is_null();
        there.then_some(callback)
    })
    .await
}

/// Waits until a callback was tried so often and has its next try at that time: one that is being tried is due at another.
async fn next_try(hob: &Hob, id: &str, tries: u32, at: Timestamp) {
    eventually(&format!("try {} at {}", tries + 1, at.as_millis()), || async {
        let callback = hob.execution(id).await["callback"].clone();
        (callback["tries"] == tries && callback["due_at_ms"] == at.as_millis()).then_some(())
    })
    .await;
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn signature(time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    [time.as_bytes(), b".", body].iter().for_each(|part| mac.update(part));
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={time},v1={hex}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_call_is_told_signed_and_with_the_functions_own_headers() {
    let (stage, receiver) = (stage().await, Receiver::answering(&[204]).await);
    let kind = "content-type: text/plain";
    let input = [
        "invoke",
        "f",
        "--async",
        "--callback",
        &receiver.url,
        "-d",
        "ab",
        "-H",
        kind,
    ];
    let id = hob(&stage.hob, &input).await.ok().out.trim().to_owned();
    let (headers, body) = receiver.told(1).await;
    assert_eq!(&body[..], b"abab");
    for (name, value) in [
        ("x-call-id", id.as_str()),
        ("x-function-name", "f"),
        ("x-function-status", "201"),
        ("content-type", "text/x"),
        ("x-hob-attempt", "1"),
        ("x-start-time", "1900000000500000000"),
        ("x-hob-signature", &signature("1900000000", b"abab")),
    ] {
        assert_eq!(header(&headers, name), value, "{name} in {headers:?}");
    }
    assert!(
        !header(&headers, "x-own").contains("callback"),
        "the function saw {headers:?}"
    );
    let delivered = callback(&stage.hob, &id, "delivered", 1).await;
    assert!(!delivered.to_string().contains("hidden"), "{delivered}");
    let show = hob(&stage.hob, &["runs", "show", &id])
        .await
        .ok()
        .says("delivered, 1 try");
    assert!(!show.out.contains("hidden"), "{}", show.out);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_busy_is_told_again_each_time_after_twice_the_wait() {
    let (stage, receiver) = (stage().await, Receiver::answering(&[503, 500, 200]).await);
    let id = accepted(&stage.hob, "", &receiver.url, "raise").await;
    for (number, wait) in [(1, Duration::from_secs(1)), (2, Duration::from_secs(2))] {
        next_try(&stage.hob, &id, number, stage.clock.now().plus(wait)).await;
        stage.clock.advance(wait);
    }
    callback(&stage.hob, &id, "delivered", 3).await;
    let (headers, body) = receiver.told(3).await;
    assert_eq!(header(&headers, "x-function-status"), "500");
    assert_eq!(header(&headers, "x-error-source"), "function");
    assert_eq!(header(&headers, "x-hob-attempt"), "3");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&body["code"], &body["call_id"]), (&json!("raised"), &json!(id)));
    let page = stage.hob.get("/metrics").await.text();
    assert!(page.contains("hob_callbacks_waiting 0"), "{page}");
    assert_eq!(receiver.count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_told_survives_a_crash() {
    let (stage, receiver) = (stage().await, Receiver::answering(&[503, 200]).await);
    let id = accepted(&stage.hob, "", &receiver.url, "ab").await;
    callback(&stage.hob, &id, "due", 1).await;
    let data = stage.hob.data();
    stage.hob.crash().await;
    stage.clock.advance(Duration::from_secs(1));
    let again = Hob::start_again_by(stage.clock.clone(), &data, stage.engine as Arc<dyn Engine>).await;
    callback(&again, &id, "delivered", 2).await;
    let (headers, body) = receiver.told(2).await;
    assert_eq!((&body[..], header(&headers, "content-type")), (&b"abab"[..], "text/x"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_call_that_is_made_again_only_the_last_end_is_told() {
    let (stage, receiver) = (stage().await, Receiver::answering(&[200]).await);
    let first = accepted(&stage.hob, "&retries=1&backoff_ms=1000", &receiver.url, "raise").await;
    stage.hob.execution_in(&first, &["failed"]).await;
    assert_eq!(receiver.count(), 0);
    stage.clock.advance(Duration::from_secs(1));
    let (headers, _) = receiver.told(1).await;
    let last = header(&headers, "x-call-id").to_owned();
    assert_ne!(last, first);
    assert_eq!(
        stage.hob.execution(&last).await["description"],
        format!("Try 2 of {first}")
    );
    callback(&stage.hob, &last, "delivered", 1).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_says_no_is_not_told_again() {
    let (stage, receiver) = (stage().await, Receiver::answering(&[404]).await);
    let id = accepted(&stage.hob, "", &receiver.url, "ab").await;
    let failed = callback(&stage.hob, &id, "failed", 1).await;
    assert_eq!(failed["message"], "the receiver answered with status 404");
    assert!(failed["due_at_ms"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_go_to_urls_of_the_web_and_to_this_machine_only_where_that_is_allowed() {
    let stage = stage().await;
    for url in [
        "ftp://h/",
        "file:///etc/passwd",
        "nowhere",
        "http://",
        "javascript:alert(1)",
    ] {
        let answer = later(&stage.hob, "", url, "ab").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{url}: {}", answer.text());
    }
    let never = Hob::start(&[("HOB_CALLBACKS_PRIVATE_URLS", "never")])
        .await
        .0
        .warm()
        .await;
    never
        .ready(
            "f",
            ECHO,
            json!({"convention": "event-context", "entry": "main.handle"}),
        )
        .await;
    let receiver = Receiver::answering(&[200]).await;
    let answer = later(&never, "", &receiver.url, "ab").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("callbacks.private_urls"), "{}", answer.text());
    // A name may lead anywhere, at any time: it is looked at when it is asked.
    let named = receiver.url.replace("127.0.0.1", "localhost");
    let id = accepted(&never, "", &named, "ab").await;
    let failed = callback(&never, &id, "failed", 1).await;
    assert!(
        failed["message"].to_string().contains("address of this machine"),
        "{failed}"
    );
    assert_eq!(receiver.count(), 0);
}
