//! Calling a function: what goes in, what comes out, and what calls at the same time do to each other.

use crate::support::{Answer, Hob, eventually};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ECHO: &str = "def main(context, **kwargs):\n    return kwargs\n";

/// Says that it has begun, waits until `n` have, and then until the gate is open.
const MEETS: &str = "import os, time\ndef main(home, name, n=1, gate=None, **_):\n    print('hello from', name, flush=True)\n    open(os.path.join(home, 'begun.' + name), 'w').close()\n    while len([f for f in os.listdir(home) if f.startswith('begun.')]) < n:\n        time.sleep(0.005)\n    while gate and not os.path.exists(os.path.join(home, gate)):\n        time.sleep(0.005)\n    print('bye from', name)\n    return [name, os.getppid()]\n";

async fn warm() -> Hob {
    Hob::start(&[]).await.0.warm().await
}

async fn there(file: PathBuf) {
    eventually(&file.display().to_string(), || async { file.exists().then_some(()) }).await;
}

fn open(home: &Path, gate: &str) {
    std::fs::write(home.join(gate), "").unwrap();
}

fn spawn_call(hob: &Arc<Hob>, name: &'static str, input: Value) -> tokio::task::JoinHandle<Answer> {
    let hob = Arc::clone(hob);
    tokio::spawn(async move { hob.call(name, input).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_and_result_are_the_same_to_the_last_character() {
    let hob = warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let inputs = [
        json!({}),
        json!({"n": 1.5, "list": [1, null, true], "deep": {"a": {"b": []}}}),
        json!({"text": "grüezi 你好 🦀 \u{0} \" \\ \n"}),
        json!({"big": "0123456789abcdef".repeat(64 * 1024)}),
        json!({"edge": "e".repeat(64 * 1024 - 11)}),
        json!({"edge": "é".repeat(64 * 1024)}),
    ];
    for input in inputs {
        let answer = hob.call("f", input.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert!(
            answer.json() == input,
            "{} bytes came back differently",
            input.to_string().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_body_has_no_arguments_by_any_method_and_path() {
    let hob = warm().await;
    hob.ready("f", ECHO, json!({})).await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        for path in ["/function/f", "/function/f/", "/function/f/a/b?c=d"] {
            let answer = hob.send(method.clone(), path, &[], Bytes::new()).await;
            assert_eq!(
                (answer.status, answer.json()),
                (StatusCode::OK, json!({})),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_says_who_made_it_and_how_long_it_took() {
    let hob = warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let answer = hob.call("f", json!({})).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        (answer.header("x-cold-start"), answer.header("x-function-version")),
        ("false", "1")
    );
    assert!(answer.header("x-duration-seconds").parse::<f64>().unwrap() > 0.0);
    let timing = answer.header("server-timing");
    for part in ["queue;dur=", "load;dur=", "run;dur=", "worker;desc=warm"] {
        assert!(timing.contains(part), "{part}: {timing}");
    }
    let other = hob.call("f", json!({})).await;
    assert_ne!(answer.header("x-call-id"), other.header("x-call-id"));
    assert_eq!(
        hob.execution_in(answer.header("x-call-id"), &["succeeded"]).await["function"],
        "f"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_name_calls_the_function_too() {
    let hob = warm().await;
    hob.ready("f", ECHO, json!({})).await;
    for host in ["f.localhost", "f.default.localhost:7070"] {
        let body = Bytes::from_static(b"{\"a\": 1}");
        let answer = hob.send(Method::POST, "/hob/v1/status", &[("host", host)], body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"a": 1})),
            "{host}"
        );
    }
    let answer = hob
        .send(Method::POST, "/", &[("host", "nobody.localhost")], Bytes::new())
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_calls_meet_in_one_worker_and_a_fourth_waits() {
    let hob = Arc::new(warm().await);
    let home = tempfile::tempdir().unwrap();
    hob.ready("f", MEETS, json!({"concurrency": 3, "max_workers": 1})).await;
    let input = |name: &str| json!({"home": home.path(), "name": name, "n": 3, "gate": "go"});
    let calls: Vec<_> = ["a", "b", "c"].map(|name| spawn_call(&hob, "f", input(name))).into();
    for name in ["a", "b", "c"] {
        there(home.path().join(format!("begun.{name}"))).await;
    }
    let fourth = spawn_call(&hob, "f", input("d"));
    eventually("the fourth call to be known", || async {
        let list = hob.get("/hob/v1/executions?state=running").await.json();
        (list["executions"].as_array()?.len() == 4).then_some(())
    })
    .await;
    assert!(!home.path().join("begun.d").exists(), "there is no slot for it");
    open(home.path(), "go");
    let mut answers = Vec::new();
    for call in calls.into_iter().chain([fourth]) {
        answers.push(call.await.unwrap());
    }
    let parents: Vec<_> = answers.iter().map(|a| a.json()[1].clone()).collect();
    assert!(
        parents.iter().all(|p| p.is_i64() && *p == parents[0]),
        "one worker served all: {parents:?}"
    );
    for (answer, name) in answers.iter().zip(["a", "b", "c", "d"]) {
        assert_eq!(answer.json()[0], name);
        let log = hob.log_of(answer.header("x-call-id")).await;
        assert_eq!(
            log,
            format!("hello from {name}\nbye from {name}\n"),
            "logs of parallel calls are apart"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sub_process_prints_belongs_to_the_call() {
    let hob = warm().await;
    let source = "import subprocess, sys\ndef main(word, **_):\n    subprocess.run(['sh', '-c', f'echo {word}; echo {word} >&2'], check=True)\n";
    hob.ready("f", source, json!({"concurrency": 2})).await;
    for word in ["one", "two"] {
        let answer = hob.call("f", json!({"word": word})).await;
        assert_eq!(
            hob.log_of(answer.header("x-call-id")).await,
            format!("{word}\n{word}\n")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_its_own_call_and_not_its_neighbour() {
    let hob = Arc::new(warm().await);
    let home = tempfile::tempdir().unwrap();
    // The neighbour begins when the first call has used half of its time, and is let go when that has ended.
    hob.ready(
        "f",
        MEETS,
        json!({"concurrency": 2, "max_workers": 1, "timeout_ms": 6000}),
    )
    .await;
    let input = |name: &str, gate: &str| json!({"home": home.path(), "name": name, "gate": gate});
    let late = spawn_call(&hob, "f", input("late", "never"));
    there(home.path().join("begun.late")).await;
    let begun = std::time::Instant::now();
    eventually("half of the time to pass", || async {
        (begun.elapsed().as_millis() > 3000).then_some(())
    })
    .await;
    let neighbour = spawn_call(&hob, "f", input("neighbour", "go"));
    there(home.path().join("begun.neighbour")).await;
    let late = late.await.unwrap();
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT, "{}", late.text());
    open(home.path(), "go");
    let neighbour = neighbour.await.unwrap();
    assert_eq!(
        (neighbour.status, &neighbour.json()[0]),
        (StatusCode::OK, &json!("neighbour"))
    );
    let next = hob.call("f", input("next", "go")).await;
    assert_eq!(next.json()[1], neighbour.json()[1], "the worker lives on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_frees_its_slot() {
    let hob = Arc::new(warm().await);
    let home = tempfile::tempdir().unwrap();
    hob.ready("f", MEETS, json!({"max_workers": 1, "timeout_ms": 60_000}))
        .await;
    let call = spawn_call(&hob, "f", json!({"home": home.path(), "name": "gone", "gate": "never"}));
    there(home.path().join("begun.gone")).await;
    call.abort();
    assert_eq!(hob.last_run("f").await["state"], "cancelled");
    let answer = hob.call("f", json!({"home": home.path(), "name": "next"})).await;
    assert_eq!((answer.status, &answer.json()[0]), (StatusCode::OK, &json!("next")));
}
