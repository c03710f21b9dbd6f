//! Asynchronous calls that fail and are made again, and those that are sent twice and made once.

use crate::support::{Hob, eventually, fake_engine};
use crate::terminal::hob;
use hob::domain::Timestamp;
use hob::engine::Engine;
use hob::task::Clock;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// 2027-01-15T08:00:00Z.
const START: i64 = 1_800_000_000_000;

/// Fails until it was called `good_at` times; the calls are counted in a file.
const STUBBORN: &str = "def main(count, good_at, **_):\n    with open(count, 'a') as f:\n        f.write('x')\n    n = len(open(count).read())\n    if n < good_at:\n        raise ValueError('try %d' % n)\n    return n\n";

async fn stubborn() -> (Hob, tempfile::TempDir) {
    let daemon = Hob::start(&[]).await.0.warm().await;
    daemon.ready("f", STUBBORN, json!({})).await;
    (daemon, tempfile::tempdir().expect("a folder"))
}

fn input(home: &Path, good_at: u32) -> String {
    json!({"count": home.join("count"), "good_at": good_at}).to_string()
}

fn calls(home: &Path) -> usize {
    std::fs::read_to_string(home.join("count")).unwrap_or_default().len()
}

/// All executions of the function, oldest first, once so many have ended and none waits.
async fn ended(daemon: &Hob, n: usize) -> Vec<Value> {
    eventually(&format!("{n} ended tries"), || async {
        let list = daemon.get("/hob/v1/executions?function=f&order=oldest").await.json();
        let all = list["executions"].as_array()?.clone();
        let over = all.iter().all(|run| run["ended_at_ms"].is_i64());
        (over && all.len() == n).then_some(all)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_is_made_again_until_it_succeeds() {
    let (daemon, home) = stubborn().await;
    let input = input(home.path(), 3);
    let line = [
        "invoke",
        "f",
        "--async",
        "--retries",
        "5",
        "--backoff",
        "20ms",
        "-d",
        &input,
    ];
    let first = hob(&daemon, &line).await.ok().out.trim().to_owned();
    let all = ended(&daemon, 3).await;
    let states: Vec<_> = all
        .iter()
        .map(|run| run["state"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(states, ["failed", "failed", "succeeded"]);
    assert_eq!(all[0]["id"], json!(first));
    assert_eq!(all[2]["description"], json!(format!("Try 3 of {first}")));
    let ended_at = |n: usize| all[n]["ended_at_ms"].as_i64().expect("ended");
    let started_at = |n: usize| all[n]["started_at_ms"].as_i64().expect("started");
    assert!(
        started_at(1) - ended_at(0) >= 20 && started_at(2) - ended_at(1) >= 40,
        "{all:#?}"
    );
    assert_eq!(calls(home.path()), 3);
    hob(&daemon, &["runs", "list", "--dead"])
        .await
        .ok()
        .tells("no such calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_to_the_end_is_in_the_list_of_the_dead_and_can_be_replayed() {
    let (daemon, home) = stubborn().await;
    let input = input(home.path(), 4);
    let line = [
        "invoke",
        "f",
        "--async",
        "--retries",
        "2",
        "--backoff",
        "1ms",
        "-d",
        &input,
    ];
    hob(&daemon, &line).await.ok();
    hob(&daemon, &["invoke", "f", "-d", "{}"]).await.ends_with(1);
    let all = ended(&daemon, 4).await;
    let last = all.iter().find(|run| run["description"].to_string().contains("Try 3"));
    let last = last.expect("three tries")["id"].as_str().expect("an id");
    let dead = hob(&daemon, &["runs", "list", "--dead", "-o", "json"])
        .await
        .ok()
        .json();
    let ids: Vec<_> = dead["executions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| &r["id"])
        .collect();
    assert_eq!(ids, [&json!(last)]);
    hob(&daemon, &["runs", "replay", last]).await.ok().says("succeeded");
    assert_eq!(calls(home.path()), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_sent_twice_under_one_key_is_made_once() {
    let (daemon, home) = stubborn().await;
    let line = |key: &'static str, input: &str| {
        let words = ["invoke", "f", "--async", "--key", key, "-d", input];
        words.map(str::to_owned)
    };
    let good = input(home.path(), 1);
    let mut ids = Vec::new();
    for key in ["order-7", "order-7", "order-8", "order-7"] {
        let line = line(key, &good);
        let words: Vec<_> = line.iter().map(String::as_str).collect();
        ids.push(hob(&daemon, &words).await.ok().out);
    }
    assert!(ids[0] == ids[1] && ids[0] == ids[3] && ids[0] != ids[2], "{ids:?}");
    ended(&daemon, 2).await;
    assert_eq!(calls(home.path()), 2);
    let other = line("order-7", "{}");
    let words: Vec<_> = other.iter().map(String::as_str).collect();
    hob(&daemon, &words).await.ends_with(2).tells("Idempotency-Key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tries_that_wait_survive_a_crash() {
    let clock = Clock::manual(Timestamp::from_millis(START));
    let fake = fake_engine();
    let daemon = Hob::start_by(clock.clone(), Arc::clone(&fake) as Arc<dyn Engine>).await;
    let daemon = daemon.warm().await;
    daemon.ready("f", STUBBORN, json!({})).await;
    let home = tempfile::tempdir().expect("a folder");
    let path = "/hob/v1/functions/f/invoke?async=true&retries=1&backoff_ms=300";
    let answer = daemon.post(path, input(home.path(), 2)).await;
    assert_eq!(answer.status, http::StatusCode::ACCEPTED, "{}", answer.text());
    eventually("the first try", || async { (calls(home.path()) == 1).then_some(()) }).await;
    let first = answer.json()["id"].as_str().expect("an id").to_owned();
    daemon.execution_in(&first, &["failed"]).await;
    let data = daemon.data();
    daemon.crash().await;
    assert_eq!(calls(home.path()), 1, "the second is for later");
    let daemon = Hob::start_again_by(clock.clone(), &data, fake as Arc<dyn Engine>).await;
    clock.advance(Duration::from_millis(300));
    let all = ended(&daemon, 2).await;
    assert_eq!(all[1]["state"], "succeeded", "{all:#?}");
    assert_eq!(calls(home.path()), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_calls_that_are_made_later_can_be_tried_again() {
    let (daemon, _home) = stubborn().await;
    for query in [
        "retries=2",
        "async=true&retries=21",
        "async=true&retries=1&backoff_ms=9999999",
    ] {
        let answer = daemon.post(&format!("/hob/v1/functions/f/invoke?{query}"), "{}").await;
        assert_eq!(
            answer.status,
            http::StatusCode::BAD_REQUEST,
            "{query}: {}",
            answer.text()
        );
    }
}
