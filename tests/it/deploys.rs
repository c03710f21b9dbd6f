//! Deploying: what changes, what stays, and that no call is lost by it, not even by a crash in the middle.

use crate::support::{Hob, eventually, fake_engine};
use bytes::Bytes;
use hob::engine::Engine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn warm() -> Hob {
    Hob::start(&[]).await.0.warm().await
}

fn answering(what: &str) -> String {
    format!("def main(**_):\n    return {what:?}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redeploy_under_load_loses_no_call_and_never_goes_back() {
    let hob = Arc::new(warm().await);
    hob.ready("f", &answering("r1"), json!({"max_workers": 2})).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (hob, over) = (Arc::clone(&hob), Arc::clone(&over));
        callers.spawn(async move {
            let (mut last, mut n_calls) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let answer = hob.call("f", json!({})).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                let version: u32 = answer.header("x-function-version").parse().unwrap();
                assert_eq!(
                    answer.json(),
                    json!(format!("r{version}")),
                    "code and version belong together"
                );
                assert!(version >= last, "{version} after {last}");
                (last, n_calls) = (version, n_calls + 1);
            }
            n_calls
        });
    }
    for number in 2..=6 {
        hob.ready("f", &answering(&format!("r{number}")), json!({})).await;
    }
    over.store(true, Ordering::Relaxed);
    let calls = callers.join_all().await;
    assert!(calls.iter().all(|n| *n > 0), "{calls:?}");
    assert_eq!(hob.call("f", json!({})).await.header("x-function-version"), "6");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_can_be_called_before_anybody_reads_that_it_is_ready() {
    let hob = warm().await;
    hob.ready("f", &answering("old"), json!({})).await;
    let home = tempfile::tempdir().expect("a temporary directory");
    let gate = home.path().join("gate");
    let waits = format!("import os, time\nwhile not os.path.exists({gate:?}):\n    time.sleep(0.01)\n");
    let source = format!("{waits}{}", answering("new"));
    assert!(hob.deploy_later("f", &source).await.status.is_success());
    let other = rusqlite::Connection::open(hob.data().path().join("hob.db")).expect("there");
    other.busy_timeout(std::time::Duration::from_secs(5)).expect("ours");
    // From here on nothing can be written down.
    other.execute_batch("begin immediate").expect("ours for a while");
    std::fs::write(&gate, "").expect("written");
    eventually("the new revision to answer", || async {
        (hob.call("f", json!({})).await.json() == json!("new")).then_some(())
    })
    .await;
    assert_eq!(hob.view("f").await["latest"]["state"], "pending");
    other.execute_batch("rollback").expect("given back");
    eventually("it to be written down", || async {
        (hob.view("f").await["latest"]["state"] == "ready").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_meet_do_not_forget_one_another() {
    let hob = warm().await;
    hob.ready("f", &answering("f"), json!({})).await;
    let changes = [
        json!({"memory_mib": 200}),
        json!({"timeout_ms": 7000}),
        json!({"concurrency": 3}),
        json!({"max_workers": 4}),
        json!({"secrets": {"A": "a"}}),
        json!({"secrets": {"B": "b"}}),
    ];
    let changed = futures_util::future::join_all(changes.map(|change| hob.change("f", change))).await;
    for answer in changed {
        assert!(answer.status.is_success(), "{}", answer.text());
    }
    let latest = hob.view("f").await["latest"].clone();
    let limits = ["memory_mib", "timeout_ms", "concurrency", "max_workers"].map(|name| latest["limits"][name].clone());
    assert_eq!(limits, [200, 7000, 3, 4], "{latest:#}");
    assert_eq!(latest["secrets"], json!(["A", "B"]), "{latest:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_count_up_and_the_newest_comes_first() {
    let hob = warm().await;
    for what in ["a", "b", "c"] {
        hob.ready("f", &answering(what), json!({})).await;
    }
    let list = hob.get("/hob/v1/functions/f/revisions").await.json();
    let numbers: Vec<_> = list["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["number"].clone())
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(hob.view("f").await["current"]["number"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_settings_alone_keep_the_code_and_reach_the_function() {
    let hob = warm().await;
    let source = "import os\ndef main(**_):\n    return os.environ.get('GREETING')\n";
    hob.ready("f", source, json!({"env": {"GREETING": "hello"}, "timeout_ms": 5000}))
        .await;
    let before = hob.view("f").await;
    assert_eq!(hob.call("f", json!({})).await.json(), json!("hello"));
    let answer = hob.change("f", json!({"env": {"GREETING": "grüezi"}})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let after = answer.json();
    assert_eq!(
        (&after["latest"]["number"], &after["latest"]["state"]),
        (&json!(2), &json!("ready")),
        "{after:#}"
    );
    assert_eq!(after["latest"]["code_sha256"], before["latest"]["code_sha256"]);
    assert_eq!(after["latest"]["limits"]["timeout_ms"], 5000, "what was not said stays");
    assert_eq!(hob.call("f", json!({})).await.json(), json!("grüezi"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_waits_for_an_engine_that_went_before_anybody_noticed() {
    let (hob, fake) = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await;
    hob.ready("first", &answering("first"), json!({})).await;
    fake.set_down(true);
    assert!(hob.deploy_later("late", &answering("late")).await.status.is_success());
    eventually("the engine to be missed", || async {
        (hob.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    assert_eq!(hob.view("late").await["state"], "pending");
    fake.set_down(false);
    eventually("the deploy to finish", || async {
        (hob.view("late").await["state"] == "ready").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_source_file_is_enough() {
    let hob = warm().await;
    let code = answering("alone").into_bytes();
    let answer = hob
        .deploy_bytes("f", "anything.py", code, json!({"runtime": "python"}))
        .await;
    assert_eq!(answer.json()["state"], "ready", "{}", answer.text());
    assert_eq!(hob.call("f", json!({})).await.json(), json!("alone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_function_is_gone_with_its_workers_and_its_name_can_be_used_again() {
    let hob = warm().await;
    hob.ready("f", &answering("first"), json!({})).await;
    let id = hob.view("f").await["id"].clone();
    assert_eq!(hob.call("f", json!({})).await.status, StatusCode::OK);
    let answer = hob.send(Method::DELETE, "/hob/v1/functions/f", &[], Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(hob.call("f", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hob.get("/hob/v1/functions/f").await.status, StatusCode::NOT_FOUND);
    eventually("its workers to leave", || async {
        let status = hob.get("/hob/v1/status").await.json();
        let workers = status["workers"].as_array()?.clone();
        workers
            .iter()
            .all(|w| w["state"] == "prewarmed" || w["state"] == "starting")
            .then_some(())
    })
    .await;
    hob.ready("f", &answering("second"), json!({})).await;
    let view = hob.view("f").await;
    assert_eq!(view["latest"]["number"], 1);
    assert_ne!(view["id"], id);
    assert_eq!(hob.call("f", json!({})).await.json(), json!("second"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_functions_answer_without_a_new_deploy() {
    let hob = warm().await;
    hob.ready("f", &answering("still here"), json!({})).await;
    let (data, before) = (hob.data(), hob.view("f").await);
    hob.stop().await;
    let hob = Hob::start_again(&data, fake_engine(), &[]).await.warm().await;
    let after = hob.view("f").await;
    assert_eq!(
        (&after["latest"]["number"], &after["id"]),
        (&before["latest"]["number"], &before["id"])
    );
    let answer = hob.call("f", json!({})).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!("still here")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_that_a_crash_interrupted_finishes_after_the_restart() {
    let (hob, fake) = Hob::start(&[]).await;
    fake.hang_starts(true);
    let answer = hob.deploy_later("f", &answering("finished")).await;
    assert_eq!(
        (answer.status, &answer.json()["state"]),
        (StatusCode::ACCEPTED, &json!("pending"))
    );
    let data = hob.data();
    hob.crash().await;
    fake.hang_starts(false);
    let hob = Hob::start_again(&data, Arc::clone(&fake) as Arc<dyn Engine>, &[]).await;
    let view: Value = eventually("the deploy to finish", || async {
        let view = hob.view("f").await;
        (view["state"] != "pending").then_some(view)
    })
    .await;
    assert_eq!(view["state"], "ready", "{view:#}");
    assert_eq!(hob.call("f", json!({})).await.json(), json!("finished"));
}
