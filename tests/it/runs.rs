//! What is kept of calls, and looking at them from the command line: `runs list`, `show`, `replay`, `cancel`.

use crate::support::{Hob, eventually};
use crate::terminal::{hob, hob_with};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const GREET: &str = "def main(name='you', **_):\n    print('greeting', name)\n    return {'hello': name}\n";
const WAITS: &str = "import os, time\ndef main(begun, **_):\n    open(begun, 'w').close()\n    while True:\n        time.sleep(0.005)\n";

async fn warm() -> Hob {
    Hob::start(&[]).await.0.warm().await
}

async fn request_of(hob: &Hob, id: &str) -> Value {
    let answer = hob.get(&format!("/hob/v1/executions/{id}/request")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn ended(hob: &Hob, id: &str) {
    hob.execution_in(id, &["succeeded", "failed", "error", "cancelled"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_kept_with_its_input_and_answer_and_without_its_secrets() {
    let daemon = warm().await;
    daemon.ready("f", GREET, json!({})).await;
    let secrets = [
        ("authorization", "Bearer s3cr3t-a"),
        ("cookie", "id=s3cr3t-b"),
        ("x-api-key", "s3cr3t-d"),
        ("x-plain", "seen"),
        ("content-type", "application/json"),
    ];
    let body = Bytes::from_static(b"{\"name\": \"ada\"}");
    let answer = daemon
        .send(Method::POST, "/function/f/deep?a=b", &secrets, body.clone())
        .await;
    let id = answer.header("x-call-id").to_owned();
    ended(&daemon, &id).await;
    let kept = request_of(&daemon, &id).await;
    assert_eq!(
        (&kept["method"], &kept["path"], &kept["query"], &kept["body"]),
        (
            &json!("POST"),
            &json!("/deep"),
            &json!("a=b"),
            &json!("{\"name\": \"ada\"}")
        ),
        "{kept:#}"
    );
    let headers = kept["headers"].to_string();
    assert!(headers.contains("seen") && headers.contains("(not kept)"), "{headers}");
    let result = daemon.get(&format!("/hob/v1/executions/{id}/result")).await;
    assert_eq!(result.body, answer.body);
    let data = daemon.data();
    let headers = [
        ("authorization", "Bearer s3cr3t-e"),
        ("content-type", "application/json"),
    ];
    let later = daemon
        .send(Method::POST, "/hob/v1/functions/f/invoke?async=true", &headers, body)
        .await;
    let later = later.json()["id"].as_str().expect("an id").to_owned();
    ended(&daemon, &later).await;
    assert!(request_of(&daemon, &later).await.to_string().contains("(not kept)"));
    daemon.stop().await;
    for entry in std::fs::read_dir(data.path()).expect("listed").flatten() {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).expect("read");
            let found = bytes.windows(6).any(|part| part == b"s3cr3t");
            assert!(!found, "a secret is in {}", entry.path().display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_the_settings_say_is_not_kept_and_no_call_is_held_up_for_it() {
    let daemon = Hob::start(&[("HOB_RECORDS_KEEP_BODIES_KIB", "1")]).await.0.warm().await;
    let source = "def main(text='', times=1, **_):\n    return text * times\n";
    daemon.ready("f", source, json!({})).await;
    for (input, kept_input, kept_answer) in [
        (json!({"text": "a"}), true, true),
        (json!({"text": "a", "times": 2_000}), true, false),
        (json!({"text": "a".repeat(2_000), "times": 0}), false, true),
        (json!({"text": "a".repeat(200_000), "times": 0}), false, true),
    ] {
        let answer = daemon.call("f", input.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let id = answer.header("x-call-id");
        ended(&daemon, id).await;
        for (part, kept) in [("request", kept_input), ("result", kept_answer)] {
            let found = daemon.get(&format!("/hob/v1/executions/{id}/{part}")).await.status;
            assert_eq!(found == StatusCode::OK, kept, "{part} of {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_that_comes_in_pieces_is_kept_too() {
    let daemon = warm().await;
    daemon.ready("f", GREET, json!({})).await;
    let ran = hob_with(&daemon, &["invoke", "f", "-d", "-"], b"{\"name\": \"piped\"}")
        .await
        .ok();
    assert_eq!(ran.json(), json!({"hello": "piped"}));
    let run = daemon.last_run("f").await;
    let kept = request_of(&daemon, run["id"].as_str().expect("an id")).await;
    assert_eq!(kept["body"], json!("{\"name\": \"piped\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_records_nothing_is_kept_but_what_somebody_asks_to_keep() {
    let daemon = Hob::start(&[("HOB_RECORDS_ENABLED", "false")]).await.0.warm().await;
    daemon.ready("f", GREET, json!({})).await;
    hob(&daemon, &["invoke", "f"]).await.ok();
    hob(&daemon, &["invoke", "f", "--keep", "-d", "{\"name\": \"kept\"}"])
        .await
        .ok();
    let run = daemon.last_run("f").await;
    let list = hob(&daemon, &["runs", "list", "-o", "json"]).await.ok().json();
    assert_eq!(list["executions"].as_array().expect("a list").len(), 1, "{list:#}");
    hob(
        &daemon,
        &["runs", "show", run["id"].as_str().expect("an id"), "--answer"],
    )
    .await
    .ok()
    .says("kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn show_tells_where_the_time_went_and_what_went_in_and_out() {
    let daemon = warm().await;
    daemon.ready("f", GREET, json!({})).await;
    hob(
        &daemon,
        &["invoke", "f", "-d", "{\"name\": \"eve\"}", "-H", "Cookie: a=b"],
    )
    .await
    .ok();
    let run = daemon.last_run("f").await;
    let id = run["id"].as_str().expect("an id");
    hob(&daemon, &["runs", "show", id])
        .await
        .ok()
        .fits()
        .says("timeline: warm")
        .says("\n  run ")
        .says("cookie: (not kept)\n")
        .says("{\"name\": \"eve\"}")
        .says("answer\n{\"hello\": \"eve\"}\n")
        .says("log\ngreeting eve\n");
    let shown = hob(&daemon, &["runs", "show", id, "-o", "json"]).await.ok().json();
    assert_eq!(shown["request"]["body"], json!("{\"name\": \"eve\"}"), "{shown:#}");
    assert_eq!((&shown["id"], &shown["log"]), (&run["id"], &json!("greeting eve\n")));
    for (part, expect) in [
        ("--input", "{\"name\": \"eve\"}"),
        ("--answer", "{\"hello\": \"eve\"}"),
        ("--log", "greeting eve\n"),
    ] {
        let ran = hob(&daemon, &["runs", "show", id, part]).await.ok();
        assert_eq!(ran.out, expect, "{part}");
    }
    hob(&daemon, &["runs", "show", "nobody"])
        .await
        .ends_with(3)
        .tells("hob runs list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_filtered_by_time_state_and_kind() {
    let daemon = warm().await;
    daemon.ready("f", GREET, json!({})).await;
    hob(&daemon, &["invoke", "f"]).await.ok();
    let later = hob(&daemon, &["invoke", "f", "--async"]).await.ok().out;
    ended(&daemon, later.trim()).await;
    for (filter, expect) in [
        (vec!["--since", "1h"], 2),
        (vec!["--since", "2100-01-01"], 0),
        (vec!["--async"], 1),
        (vec!["--state", "succeeded"], 2),
        (vec!["--state", "failed"], 0),
        (vec!["--limit", "1"], 1),
    ] {
        let mut line = vec!["runs", "list", "-o", "json"];
        line.extend(&filter);
        let list = hob(&daemon, &line).await.ok().json();
        assert_eq!(
            list["executions"].as_array().expect("a list").len(),
            expect,
            "{filter:?}"
        );
    }
    hob(&daemon, &["runs", "list", "f"]).await.ok().fits().says("succeeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_calls_the_code_of_today_or_a_version_and_shows_what_differs() {
    let daemon = warm().await;
    daemon.ready("f", GREET, json!({})).await;
    hob(&daemon, &["versions", "publish", "f"]).await.ok();
    hob(&daemon, &["alias", "set", "old", "f", "--version", "1"]).await.ok();
    hob(&daemon, &["invoke", "f", "-d", "{\"name\": \"bo\"}"]).await.ok();
    let id = daemon.last_run("f").await["id"].as_str().expect("an id").to_owned();
    hob(&daemon, &["runs", "replay", &id])
        .await
        .ok()
        .fits()
        .says("answer: the same, byte for byte")
        .says("log: the same, byte for byte");
    let shouting = GREET.replace("{'hello': name}", "{'hello': name.upper()}");
    daemon.ready("f", &shouting, json!({})).await;
    let ran = hob(&daemon, &["runs", "replay", &id]).await.ok().fits();
    let ran = ran
        .says("answer differs")
        .says("- {\"hello\": \"bo\"}")
        .says("+ {\"hello\": \"BO\"}");
    ran.says("log: the same");
    for select in [["--version", "1"], ["--alias", "old"]] {
        let line = ["runs", "replay", &id, select[0], select[1], "-o", "json"];
        let same = hob(&daemon, &line).await.ok().json();
        assert_eq!(
            (&same["same"], &same["answer"]["same"]),
            (&json!(true), &json!(true)),
            "{same:#}"
        );
        assert_eq!(same["before"]["id"], json!(id));
        assert_eq!(same["now"]["description"], json!(format!("Replay of {id}")));
    }
    daemon
        .ready("f", "def main(**_):\n    raise ValueError('no more')\n", json!({}))
        .await;
    hob(&daemon, &["runs", "replay", &id])
        .await
        .ends_with(1)
        .says("failed")
        .says("no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_waited_for_can_be_cancelled_and_its_slot_is_free_again() {
    let daemon = Arc::new(warm().await);
    daemon
        .ready("f", WAITS, json!({"timeout_ms": 60_000, "max_workers": 1}))
        .await;
    let home = tempfile::tempdir().expect("a folder");
    let mut ended = Vec::new();
    for n in 0..2 {
        let begun = home.path().join(format!("begun{n}"));
        let (caller, input) = (Arc::clone(&daemon), json!({"begun": begun}));
        let call = tokio::spawn(async move { caller.call("f", input).await });
        eventually("the call to run", || async { begun.exists().then_some(()) }).await;
        let list = hob(&daemon, &["runs", "list", "--state", "running", "-o", "json"])
            .await
            .ok()
            .json();
        let id = list["executions"][0]["id"].as_str().expect("it runs").to_owned();
        hob(&daemon, &["runs", "cancel", &id]).await.ok().tells("cancelled");
        let answer = call.await.expect("it is answered");
        assert_eq!(
            (answer.status, answer.json()["code"].clone()),
            (StatusCode::BAD_GATEWAY, json!("cancelled"))
        );
        daemon.execution_in(&id, &["cancelled"]).await;
        hob(&daemon, &["runs", "cancel", &id])
            .await
            .ends_with(2)
            .tells("ended already");
        ended.push(id);
    }
    assert_ne!(ended[0], ended[1]);
}
