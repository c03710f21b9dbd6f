//! The machine's clock set forward and back by years, with calls of every kind on their way. Jobs have theirs in `jobs`.

use crate::support::{Hob, eventually, fake_engine};
use hob::domain::Timestamp;
use hob::task::Clock;
use http::StatusCode;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// 2027-01-15T08:00:00Z.
const START: i64 = 1_800_000_000_000;
const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
const SLOW: &str = "import time\ndef main(**_):\n    time.sleep(0.6)\n";
/// Says that it is there, and waits for a file.
const WAITS: &str = "import os, time\ndef main(here, go, **_):\n    open(here, 'w').close()\n    while not os.path.exists(go):\n        time.sleep(0.005)\n    return 'gone on'\n";

fn input(home: &Path, name: &str) -> Value {
    json!({ "here": home.join(name), "go": home.join("go") })
}

async fn there(file: &Path) {
    eventually("a call under way", || async { file.exists().then_some(()) }).await;
}

/// Sets the clock to `to` while one call runs and others wait for its worker; all of them end as if nothing had been.
async fn calls_go_on(hob: &Hob, clock: &Clock, to: Timestamp) {
    let home = tempfile::tempdir().expect("a folder");
    let first = hob.call_later("f", input(home.path(), "first")).await;
    there(&home.path().join("first")).await;
    let second = hob.call_later("f", input(home.path(), "second")).await;
    let waiting = hob.call("f", input(home.path(), "third"));
    let set = async {
        eventually("calls that wait", || async {
            let metrics = hob.get("/metrics").await.text();
            metrics.lines().any(|line| line == "hob_calls_waiting 2").then_some(())
        })
        .await;
        clock.set(to);
        // The pool looks at the time several times a second: whom it would refuse now, it has refused after this.
        assert_eq!(hob.call("slow", json!({})).await.status, StatusCode::OK);
        std::fs::write(home.path().join("go"), "").expect("ours");
    };
    let (third, ()) = tokio::join!(waiting, set);
    assert_eq!((third.status, third.json()), (StatusCode::OK, json!("gone on")));
    for id in [first, second] {
        let run = hob
            .execution_in(&id, &["succeeded", "failed", "error", "cancelled"])
            .await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_forward_and_back_stops_nothing() {
    let clock = Clock::manual(Timestamp::from_millis(START));
    let hob = Hob::start_by(clock.clone(), fake_engine()).await.warm().await;
    hob.ready("f", WAITS, json!({ "max_workers": 1 })).await;
    hob.ready("slow", SLOW, json!({})).await;
    let now = Timestamp::from_millis(START);
    for to in [now.plus(YEARS), now.minus(YEARS), now] {
        calls_go_on(&hob, &clock, to).await;
    }
    // The end of a call is written down shortly after its caller has the answer.
    eventually("every call to have ended", || async {
        let counts = hob.get("/hob/v1/status").await.json()["executions"].clone();
        (counts["queued"] == 0 && counts["running"] == 0).then_some(())
    })
    .await;
    hob.stop().await;
}
