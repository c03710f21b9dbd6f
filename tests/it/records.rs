//! What stays of a call: its record, log and result; and calls that are made later, whatever becomes of the daemon.

use crate::support::{Hob, Streamed, eventually, fake_engine};
use hob::engine::Engine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Prints, says that it has begun, and goes on when it is told to.
const WAITS: &str = "import os, time\ndef main(gate, name='x', **_):\n    print('begun', name, flush=True)\n    open(gate + '.begun.' + name, 'w').close()\n    while not os.path.exists(gate):\n        time.sleep(0.005)\n    print('over', name)\n    return name\n";

/// A file that lets waiting functions go on once it is there.
struct Gate {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Gate {
    fn closed() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("open");
        Self {
            _directory: directory,
            path,
        }
    }

    fn open(&self) {
        std::fs::write(&self.path, "").unwrap();
    }

    fn input(&self, name: &str) -> Value {
        json!({"gate": self.path, "name": name})
    }

    async fn begun(&self, name: &str) {
        let file = PathBuf::from(format!("{}.begun.{name}", self.path.display()));
        eventually("a call to begin", || async { file.exists().then_some(()) }).await;
    }
}

async fn warm() -> Hob {
    Hob::start(&[]).await.0.warm().await
}

async fn list(hob: &Hob, query: &str) -> Vec<Value> {
    let answer = hob.get(&format!("/hob/v1/executions?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["executions"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_leaves_a_record_with_its_times_and_what_it_printed() {
    let hob = warm().await;
    hob.ready(
        "f",
        "def main(n, **_):\n    print('counting')\n    return sum(range(n))\n",
        json!({}),
    )
    .await;
    let answer = hob.call("f", json!({"n": 100_000})).await;
    let run = hob.last_run("f").await;
    assert_eq!(run["id"], answer.header("x-call-id"));
    assert_eq!(
        (&run["state"], &run["status"], &run["version"]),
        (&json!("succeeded"), &json!(200), &json!(1)),
        "{run:#}"
    );
    assert_eq!((&run["asynchronous"], &run["function"]), (&json!(false), &json!("f")));
    let time = |name: &str| run[name].as_i64().unwrap_or_else(|| panic!("{name}: {run:#}"));
    assert!(
        time("run_us") > 0 && time("total_us") >= time("run_us") + time("queue_us"),
        "{run:#}"
    );
    assert!(
        time("created_at_ms") <= time("started_at_ms") && time("started_at_ms") <= time("ended_at_ms"),
        "{run:#}"
    );
    assert_eq!(hob.log_of(answer.header("x-call-id")).await, "counting\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_call_leaves_a_record_that_says_why() {
    let hob = warm().await;
    hob.ready(
        "f",
        "def main(**_):\n    print('before')\n    raise KeyError('k')\n",
        json!({}),
    )
    .await;
    let answer = hob.call("f", json!({})).await;
    let run = hob.last_run("f").await;
    assert_eq!((&run["state"], &run["failure"]), (&json!("failed"), &json!("raised")));
    assert!(run["message"].as_str().unwrap().contains("KeyError"), "{run:#}");
    assert!(hob.log_of(answer.header("x-call-id")).await.contains("before\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_call_runs_and_keeps_its_result_and_log() {
    let hob = warm().await;
    hob.ready(
        "f",
        "def main(a, **_):\n    print('got', a)\n    return {'twice': a * 2}\n",
        json!({}),
    )
    .await;
    let answer = hob
        .post("/hob/v1/functions/f/invoke?async=true", json!({"a": 21}).to_string())
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let (view, location) = (answer.json(), answer.header("location"));
    let id = view["id"].as_str().expect("an id");
    assert_eq!(location, format!("/hob/v1/executions/{id}"));
    let run = hob.execution_in(id, &["succeeded", "failed", "error"]).await;
    assert_eq!(
        (&run["state"], &run["asynchronous"]),
        (&json!("succeeded"), &json!(true)),
        "{run:#}"
    );
    assert_eq!(
        hob.get(&format!("{location}/result")).await.json(),
        json!({"twice": 42})
    );
    assert_eq!(hob.log_of(id).await, "got 21\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_what_ran_is_ended_with_a_reason_and_what_waited_runs() {
    let settings = [("HOB_RECORDS_ASYNC_CONCURRENCY", "1")];
    let (hob, fake) = Hob::start(&settings).await;
    let hob = hob.warm().await;
    hob.ready("f", WAITS, json!({"timeout_ms": 60_000})).await;
    let gate = Gate::closed();
    let running = hob.call_later("f", gate.input("first")).await;
    gate.begun("first").await;
    hob.execution_in(&running, &["running"]).await;
    let mut waiting = Vec::new();
    for n in 0..20 {
        waiting.push(hob.call_later("f", gate.input(&format!("later{n}"))).await);
    }
    let data = hob.data();
    hob.crash().await;
    gate.open();
    let hob = Hob::start_again(&data, fake as Arc<dyn Engine>, &settings).await;
    let interrupted = hob.execution(&running).await;
    assert_eq!(interrupted["state"], "error", "{interrupted:#}");
    assert!(
        interrupted["message"].as_str().unwrap().contains("stopped"),
        "{interrupted:#}"
    );
    for id in &waiting {
        let run = hob.execution_in(id, &["succeeded", "failed", "error"]).await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    assert_eq!(list(&hob, "state=running").await, Vec::<Value>::new());
    assert_eq!(list(&hob, "state=queued").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_no_worker_of_the_daemon_that_died() {
    let (hob, fake) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let before: Vec<_> = fake.list().await.unwrap().into_iter().map(|c| c.id).collect();
    assert!(!before.is_empty());
    let data = hob.data();
    hob.crash().await;
    let hob = Hob::start_again(&data, Arc::clone(&fake) as Arc<dyn Engine>, &[])
        .await
        .warm()
        .await;
    eventually("the old workers to be gone", || async {
        let now = fake.list().await.unwrap();
        (!now.iter().any(|c| before.contains(&c.id))).then_some(())
    })
    .await;
    hob.stop().await;
    assert_eq!(
        fake.list().await.unwrap(),
        vec![],
        "a daemon that stops removes its workers"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_and_one_that_runs_can_be_cancelled() {
    let (hob, _fake) = Hob::start(&[("HOB_RECORDS_ASYNC_CONCURRENCY", "1")]).await;
    let hob = hob.warm().await;
    hob.ready("f", WAITS, json!({"timeout_ms": 60_000, "max_workers": 1}))
        .await;
    let gate = Gate::closed();
    let running = hob.call_later("f", gate.input("running")).await;
    gate.begun("running").await;
    let waiting = hob.call_later("f", gate.input("waiting")).await;
    for id in [&waiting, &running] {
        let answer = hob.post(&format!("/hob/v1/executions/{id}/cancel"), "").await;
        assert!(answer.status.is_success(), "{}", answer.text());
        hob.execution_in(id, &["cancelled"]).await;
    }
    gate.open();
    let next = hob.call("f", gate.input("next")).await;
    assert_eq!(
        (next.status, next.json()),
        (StatusCode::OK, json!("next")),
        "the slot is free again"
    );
    assert!(
        !PathBuf::from(format!("{}.begun.waiting", gate.path.display())).exists(),
        "it never ran"
    );
    assert_eq!(hob.execution(&running).await["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_listed_by_function_and_state_and_page_by_page() {
    let hob = warm().await;
    let source = "def main(fail=False, **_):\n    if fail:\n        raise ValueError\n    return 1\n";
    hob.ready("f", source, json!({})).await;
    hob.ready("g", source, json!({})).await;
    let mut ids = Vec::new();
    for fail in [false, true, false, true, false] {
        ids.insert(
            0,
            hob.call("f", json!({"fail": fail}))
                .await
                .header("x-call-id")
                .to_owned(),
        );
        hob.last_run("f").await;
    }
    hob.call("g", json!({})).await;
    hob.last_run("g").await;
    let ids_of =
        |runs: Vec<Value>| -> Vec<String> { runs.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect() };
    eventually("all records", || async {
        let runs = list(&hob, "").await;
        (runs.len() == 6 && runs.iter().all(|r| r["ended_at_ms"].is_i64())).then_some(())
    })
    .await;
    assert_eq!(ids_of(list(&hob, "function=f").await), ids);
    let failed = [ids[1].clone(), ids[3].clone()];
    assert_eq!(ids_of(list(&hob, "function=f&state=failed").await), failed);
    assert_eq!(ids_of(list(&hob, "function=f&limit=2").await), ids[..2]);
    assert_eq!(
        ids_of(list(&hob, &format!("function=f&limit=2&before={}", ids[1])).await),
        ids[2..4]
    );
    assert_eq!(list(&hob, "").await.len(), 6);
    assert_eq!(
        hob.get("/hob/v1/executions?state=sideways").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_a_log_shows_lines_while_the_call_still_runs() {
    let hob = Arc::new(warm().await);
    hob.ready("f", WAITS, json!({"timeout_ms": 60_000})).await;
    let gate = Gate::closed();
    let mut log: Streamed = hob.open(Method::GET, "/hob/v1/functions/f/logs?follow=true", "").await;
    let (caller, input) = (Arc::clone(&hob), gate.input("one"));
    let call = tokio::spawn(async move { caller.call("f", input).await });
    log.until("begun one").await;
    assert!(
        !call.is_finished() && !log.text().contains("over one"),
        "{}",
        log.text()
    );
    gate.open();
    log.until("over one").await;
    log.until("succeeded").await;
    assert_eq!(call.await.unwrap().json(), json!("one"));
    let lines = log.text().lines().filter(|l| !l.is_empty());
    let texts: Vec<String> = lines
        .map(|l| {
            serde_json::from_str::<Value>(l).unwrap()["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        texts.concat(),
        "begun one\nover one\n",
        "nothing is missing and nothing comes twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_results_survive_a_restart() {
    let hob = warm().await;
    hob.ready("f", "def main(**_):\n    print('kept')\n    return 5\n", json!({}))
        .await;
    let id = hob.call_later("f", json!({})).await;
    let before = hob.execution_in(&id, &["succeeded"]).await;
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, fake_engine(), &[]).await;
    assert_eq!(hob.execution(&id).await, before);
    assert_eq!(hob.log_of(&id).await, "kept\n");
    assert_eq!(
        hob.get(&format!("/hob/v1/executions/{id}/result")).await.json(),
        json!(5)
    );
}
