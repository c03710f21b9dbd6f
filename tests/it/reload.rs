//! Code that is reloaded in place: a new process in the same container, the old code serving until the new one has loaded.

use crate::support::Hob;
use hob::engine::fake::FakeEngine;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers a word, the process and its parent, which is the container's supervisor.
fn source(word: &str) -> String {
    format!("import os\n\ndef main(**_):\n    return [{word:?}, os.getpid(), os.getppid()]\n")
}

async fn started() -> (Hob, Arc<FakeEngine>) {
    let (hob, fake) = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await;
    hob.ready("f", &source("one"), json!({"max_workers": 3})).await;
    (hob, fake)
}

async fn reload(hob: &Hob, code: &str) -> Value {
    hob.deploy("f", &[("main.py", code)], json!({"reload": true})).await
}

async fn called(hob: &Hob) -> Value {
    let answer = hob.call("f", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_code_is_loaded_in_the_container_of_the_old() {
    let (hob, fake) = started().await;
    let mut before = called(&hob).await;
    let started = fake.counts().starts;
    for word in ["two", "three", "four", "five"] {
        assert_eq!(reload(&hob, &source(word)).await["state"], "ready");
        let now = called(&hob).await;
        assert_eq!(now[0], word);
        assert_eq!(now[2], before[2], "the same container");
        assert_ne!(now[1], before[1], "another process");
        before = now;
    }
    assert_eq!(fake.counts().starts, started, "no container was started");
    let list = hob.get("/hob/v1/functions/f/revisions").await.json();
    let numbers = list["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["number"].as_u64().unwrap());
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        [5, 1],
        "drafts are removed once they are replaced"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_does_not_load_is_said_and_the_old_process_goes_on() {
    let (hob, fake) = started().await;
    let before = called(&hob).await;
    let started = fake.counts().starts;
    for broken in ["def main(:\n", "import os\nos._exit(3)\n", "x = 1\n"] {
        let view = reload(&hob, broken).await;
        assert_eq!(view["state"], "failed", "{broken:?}: {view:#}");
        assert_eq!(called(&hob).await, before, "after {broken:?}");
    }
    assert_eq!(reload(&hob, &source("mended")).await["state"], "ready");
    let after = called(&hob).await;
    assert_eq!((&after[0], &after[2]), (&json!("mended"), &before[2]));
    assert_eq!(fake.counts().starts, started, "no container was started");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_no_call_and_never_go_back() {
    let (hob, _fake) = started().await;
    let (hob, over) = (Arc::new(hob), Arc::new(AtomicBool::new(false)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (hob, over) = (Arc::clone(&hob), Arc::clone(&over));
        callers.spawn(async move {
            let (mut last, mut n_calls) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let answer = hob.call("f", json!({})).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                let version: u32 = answer.header("x-function-version").parse().unwrap();
                assert!(version >= last, "{version} after {last}");
                (last, n_calls) = (version, n_calls + 1);
            }
            n_calls
        });
    }
    for number in 2..=8 {
        assert_eq!(reload(&hob, &source(&number.to_string())).await["state"], "ready");
    }
    over.store(true, Ordering::Relaxed);
    let calls = callers.join_all().await;
    assert!(calls.iter().all(|n| *n > 0), "{calls:?}");
    assert_eq!(called(&hob).await[0], "8");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_limits_need_another_container_and_other_variables_do_not() {
    let (hob, fake) = started().await;
    let before = called(&hob).await;
    let started = fake.counts().starts;
    let change = |settings: Value| hob.change("f", settings);
    let answer = change(json!({"reload": true, "env": {"A": "b"}})).await;
    assert_eq!(answer.json()["state"], "ready", "{}", answer.text());
    assert_eq!(called(&hob).await[2], before[2]);
    assert_eq!(fake.counts().starts, started);
    let answer = change(json!({"reload": true, "memory_mib": 300})).await;
    assert_eq!(answer.json()["state"], "ready", "{}", answer.text());
    assert_ne!(called(&hob).await[2], before[2]);
    assert_eq!(fake.counts().starts, started + 1);
}
