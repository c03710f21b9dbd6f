//! Jobs: functions that are called on a schedule, by a clock that the tests move.

use crate::support::{Hob, eventually, fake_engine};
use hob::domain::Timestamp;
use hob::engine::Engine;
use hob::task::Clock;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// 2027-01-15T08:00:00Z.
const START: i64 = 1_800_000_000_000;
const ECHO: &str = "def main(n=0, **_):\n    return n\n";

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(START))
}

async fn hob_by(clock: &Clock) -> Hob {
    Hob::start_by(clock.clone(), fake_engine()).await
}

async fn create(hob: &Hob, settings: Value) -> String {
    let answer = hob.post("/hob/v1/jobs", settings.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn job(hob: &Hob, id: &str) -> Value {
    hob.get(&format!("/hob/v1/jobs/{id}")).await.json()
}

/// The job, once it has fired at `at`. Unit: milliseconds since the test's start.
async fn fired(hob: &Hob, id: &str, at: i64) -> Value {
    eventually("a job to fire", || async {
        let job = job(hob, id).await;
        (job["last_at_ms"] == json!(START + at)).then_some(job)
    })
    .await
}

async fn runs(hob: &Hob) -> Vec<Value> {
    let answer = hob.get("/hob/v1/executions?limit=1000").await;
    answer.json()["executions"].as_array().expect("a list").clone()
}

async fn change(hob: &Hob, id: &str, settings: Value) -> Value {
    let path = format!("/hob/v1/jobs/{id}");
    let answer = hob.send(Method::PATCH, &path, &[], settings.to_string().into()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_calls_its_function_with_its_input_at_its_time_and_not_before() {
    let clock = clock();
    let hob = hob_by(&clock).await.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let input = json!({"body": "{\"n\": 21}", "headers": {"content-type": "application/json"}});
    let id = create(&hob, json!({"function": "f", "every_ms": 60_000, "input": input})).await;
    let just_before = create(&hob, json!({"function": "f", "at_ms": START + 59_999})).await;
    clock.advance(Duration::from_millis(59_999));
    assert_eq!(fired(&hob, &just_before, 59_999).await["state"], "done");
    assert_eq!(job(&hob, &id).await["last_at_ms"], Value::Null);
    clock.advance(Duration::from_millis(1));
    let now = fired(&hob, &id, 60_000).await;
    assert_eq!(now["next_at_ms"], START + 120_000);
    let execution = now["last_execution"].as_str().expect("an execution");
    let run = hob.execution_in(execution, &["succeeded", "failed", "error"]).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let result = hob.get(&format!("/hob/v1/executions/{execution}/result")).await;
    assert_eq!(result.json(), json!(21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_fires_each_job_once() {
    let clock = clock();
    let hob = hob_by(&clock).await.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let id = create(&hob, json!({"function": "f", "every_ms": 60_000})).await;
    clock.advance(Duration::from_secs(3_600));
    fired(&hob, &id, 3_600_000).await;
    clock.set(Timestamp::from_millis(START));
    let marker = create(&hob, json!({"function": "f", "every_ms": 60_000})).await;
    clock.advance(Duration::from_secs(60));
    fired(&hob, &marker, 60_000).await;
    let now = job(&hob, &id).await;
    assert_eq!(
        (&now["last_at_ms"], &now["next_at_ms"]),
        (&json!(START + 3_600_000), &json!(START + 3_660_000))
    );
    assert_eq!(runs(&hob).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_two_claims_neither_loses_nor_doubles_a_fire() {
    let (clock, engine) = (clock(), fake_engine());
    let hob = Hob::start_by(clock.clone(), Arc::clone(&engine) as Arc<dyn Engine>)
        .await
        .warm()
        .await;
    hob.ready("f", ECHO, json!({})).await;
    // More than one batch.
    for _ in 0..450 {
        create(&hob, json!({"function": "f", "at_ms": START + 1_000})).await;
    }
    clock.advance(Duration::from_millis(1_000));
    eventually("the first batch", || async {
        (!runs(&hob).await.is_empty()).then_some(())
    })
    .await;
    let data = hob.data();
    hob.crash().await;
    let hob = Hob::start_again_by(clock, &data, engine).await;
    eventually("all jobs to be done", || async {
        let waiting = hob.get("/hob/v1/jobs?state=active").await.json();
        (waiting["jobs"] == json!([])).then_some(())
    })
    .await;
    assert_eq!(runs(&hob).await.len(), 450);
    let done = hob.get("/hob/v1/jobs?state=done").await.json();
    let mut executions: Vec<_> = done["jobs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|j| j["last_execution"].to_string())
        .collect();
    executions.sort();
    executions.dedup();
    assert_eq!(executions.len(), 450);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_that_passed_while_the_daemon_was_away_are_left_out_or_made_up_for_once() {
    let clock = clock();
    let hob = hob_by(&clock).await.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let skips = create(&hob, json!({"function": "f", "cron": "*/10 * * * *"})).await;
    let once = create(&hob, json!({"function": "f", "cron": "*/10 * * * *", "missed": "once"})).await;
    let at = create(&hob, json!({"function": "f", "at_ms": START + 600_000})).await;
    let data = hob.data();
    hob.stop().await;
    clock.advance(Duration::from_secs(3_660));
    let hob = Hob::start_again_by(clock.clone(), &data, fake_engine()).await;
    fired(&hob, &once, 3_660_000).await;
    assert_eq!(fired(&hob, &at, 3_660_000).await["state"], "done");
    let skipped = eventually("the job to go on", || async {
        let job = job(&hob, &skips).await;
        (job["next_at_ms"] == json!(START + 4_200_000)).then_some(job)
    })
    .await;
    assert_eq!(skipped["last_at_ms"], Value::Null);
    assert_eq!(runs(&hob).await.len(), 2, "nothing is replayed one by one");
    clock.advance(Duration::from_secs(540));
    fired(&hob, &skips, 4_200_000).await;
    fired(&hob, &once, 4_200_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_its_function_fails_and_says_so_and_others_go_on() {
    let clock = clock();
    let hob = hob_by(&clock).await.warm().await;
    hob.ready("gone", ECHO, json!({})).await;
    hob.ready("stays", ECHO, json!({})).await;
    let gone = create(&hob, json!({"function": "gone", "every_ms": 1_000})).await;
    let stays = create(&hob, json!({"function": "stays", "every_ms": 1_000})).await;
    hob.send(Method::DELETE, "/hob/v1/functions/gone", &[], "".into()).await;
    clock.advance(Duration::from_secs(1));
    fired(&hob, &stays, 1_000).await;
    let failed = job(&hob, &gone).await;
    assert_eq!(
        (&failed["state"], &failed["last_at_ms"]),
        (&json!("failed"), &Value::Null)
    );
    assert!(failed["reason"].as_str().expect("a reason").contains("deleted"));
    for deed in ["fire", "resume", "pause"] {
        let answer = hob.post(&format!("/hob/v1/jobs/{gone}/{deed}"), "").await;
        assert!(answer.status.is_client_error(), "{deed}: {}", answer.text());
    }
    let removed = hob
        .send(Method::DELETE, &format!("/hob/v1/jobs/{gone}"), &[], "".into())
        .await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(
        hob.get(&format!("/hob/v1/jobs/{gone}")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_paused_fired_by_hand_changed_resumed_and_cancelled() {
    let clock = clock();
    let hob = hob_by(&clock).await.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let id = create(
        &hob,
        json!({"function": "f", "name": "tick", "every_ms": 60_000, "count": 5}),
    )
    .await;
    let tell = async |deed: &str| hob.post(&format!("/hob/v1/jobs/tick/{deed}"), "").await;
    assert_eq!(tell("pause").await.json()["state"], "paused");
    let marker = create(&hob, json!({"function": "f", "at_ms": START + 90_000})).await;
    clock.advance(Duration::from_secs(90));
    fired(&hob, &marker, 90_000).await;
    assert_eq!(job(&hob, &id).await["last_at_ms"], Value::Null);
    let by_hand = tell("fire").await;
    assert_eq!(by_hand.status, StatusCode::ACCEPTED);
    let execution = by_hand.json()["execution"].as_str().expect("an id").to_owned();
    assert_eq!(hob.execution_in(&execution, &["succeeded"]).await["asynchronous"], true);
    let changed = change(&hob, "tick", json!({"every_ms": 1_000, "name": "tock", "count": 2})).await;
    assert_eq!((&changed["state"], &changed["count"]), (&json!("paused"), &json!(2)));
    let resumed = hob.post("/hob/v1/jobs/tock/resume", "").await.json();
    assert_eq!(
        (&resumed["state"], &resumed["next_at_ms"]),
        (&json!("active"), &json!(START + 91_000))
    );
    let next = hob.get("/hob/v1/jobs/tock/next").await.json();
    assert_eq!(next["times_ms"], json!([START + 91_000, START + 92_000]));
    clock.advance(Duration::from_secs(1));
    assert_eq!(fired(&hob, &id, 91_000).await["count"], 1);
    assert_eq!(
        hob.post("/hob/v1/jobs/tock/cancel", "").await.json()["state"],
        "cancelled"
    );
    assert_eq!(
        hob.post("/hob/v1/jobs/tock/resume", "").await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_job_is_refused() {
    let clock = clock();
    let hob = hob_by(&clock).await.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    for (bad, status) in [
        (json!({"function": "f"}), 400),
        (json!({"every_ms": 1_000}), 400),
        (json!({"function": "none", "every_ms": 1_000}), 404),
        (json!({"function": "f", "every_ms": 1}), 400),
        (json!({"function": "f", "cron": "* * *"}), 400),
        (json!({"function": "f", "cron": "0 0 31 2 *"}), 400),
        (json!({"function": "f", "cron": "@daily", "tz": "Here"}), 400),
        (json!({"function": "f", "at_ms": START}), 400),
        (json!({"function": "f", "every_ms": 1_000, "at_ms": START + 9_000}), 400),
        (json!({"function": "f", "every_ms": 1_000, "count": 0}), 400),
        (json!({"function": "f", "every_ms": 1_000, "missed": "twice"}), 400),
        (
            json!({"function": "f", "every_ms": 1_000, "selector": "alias:live"}),
            404,
        ),
        (json!({"function": "f", "every_ms": 1_000, "name": "a\nb"}), 400),
        (json!({"function": "f", "every_ms": 1_000, "input": {"path": "x"}}), 400),
        (json!({"function": "f", "every_ms": 1_000, "tide": "high"}), 400),
        (
            json!({"function": "f", "every_ms": 1_000, "input": {"body": "x".repeat(7 << 20)}}),
            413,
        ),
    ] {
        let text: String = bad.to_string().chars().take(100).collect();
        let answer = hob.post("/hob/v1/jobs", bad.to_string()).await;
        assert_eq!(answer.status.as_u16(), status, "{text}: {}", answer.text());
    }
    assert_eq!(hob.get("/hob/v1/jobs").await.json()["jobs"], json!([]));
    for _ in 0..2 {
        create(&hob, json!({"function": "f", "name": "twin", "every_ms": 60_000})).await;
    }
    let twins = hob.get("/hob/v1/jobs/twin").await;
    assert_eq!(twins.status, StatusCode::CONFLICT, "{}", twins.text());
}
