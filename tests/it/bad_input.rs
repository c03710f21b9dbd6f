//! What people and functions do wrong: it is answered clearly, leaves nothing behind and harms nobody else.

use crate::support::{Answer, Hob, eventually, fake_engine, files_below, zip};
use bytes::Bytes;
use hob::engine::Engine;
use hob::telemetry::chain;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const GOOD: &str = "def main(context, **kwargs):\n    return kwargs\n";

async fn warm() -> Hob {
    Hob::start(&[]).await.0.warm().await
}

fn python() -> Value {
    json!({"runtime": "python"})
}

/// The daemon still does its work: a new function is deployed and answers.
async fn still_healthy(hob: &Hob) {
    hob.ready("healthy", GOOD, json!({})).await;
    let answer = hob.call("healthy", json!({"a": 1})).await;
    assert_eq!(answer.json(), json!({"a": 1}));
}

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.json()["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text()
    );
    assert!(
        answer.json()["message"].as_str().is_some_and(|m| !m.is_empty()),
        "{}",
        answer.text()
    );
}

/// A refused deploy left no function and no file.
async fn assert_nothing_left(hob: &Hob, name: &str) {
    let answer = hob.get(&format!("/hob/v1/functions/{name}")).await;
    assert_problem(&answer, 404, "not_found");
    assert_eq!(
        files_below(&hob.data().path().join("tmp")),
        Vec::<std::path::PathBuf>::new()
    );
}

// ---- Code that cannot be deployed ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_archive_is_refused_and_nothing_is_left_behind() {
    let hob = warm().await;
    for bytes in [
        b"this is not a zip at all".to_vec(),
        Vec::new(),
        zip(&[("main.py", GOOD)])[..40].to_vec(),
    ] {
        let answer = hob.deploy_bytes("bad", "code.zip", bytes, python()).await;
        assert_problem(&answer, 400, "invalid");
        assert_nothing_left(&hob, "bad").await;
    }
    still_healthy(&hob).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_leaves_its_directory_is_refused_by_name_and_nothing_is_left_behind() {
    let hob = warm().await;
    let code = zip(&[("main.py", GOOD), ("../outside.py", "x = 1")]);
    let answer = hob.deploy_bytes("bad", "code.zip", code, python()).await;
    assert_problem(&answer, 400, "invalid");
    assert!(answer.text().contains("outside.py"), "{}", answer.text());
    assert_nothing_left(&hob, "bad").await;
    let anywhere = files_below(hob.data().path());
    assert!(!anywhere.iter().any(|f| f.ends_with("outside.py")), "{anywhere:?}");
    still_healthy(&hob).await;
}

async fn assert_fails_to_load(files: &[(&str, &str)], settings: Value, says: &[&str]) {
    let hob = warm().await;
    let view = hob.deploy("bad", files, settings).await;
    assert_eq!(
        (&view["state"], &view["current"]),
        (&json!("failed"), &Value::Null),
        "{view:#}"
    );
    let error = view["latest"]["error"].as_str().unwrap_or_default();
    for word in says {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert_problem(&hob.call("bad", json!({})).await, 503, "not_ready");
    still_healthy(&hob).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_without_the_file_of_the_entry_fails_and_says_which_file() {
    assert_fails_to_load(&[("other.py", GOOD)], python(), &["main"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_does_not_exist_fails_and_is_named() {
    let settings = json!({"runtime": "python", "entry": "main.nowhere"});
    assert_fails_to_load(&[("main.py", GOOD)], settings, &["nowhere"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_is_shown_with_file_and_line() {
    assert_fails_to_load(
        &[("main.py", "def main(:\n    pass\n")],
        python(),
        &["SyntaxError", "main.py", "line 1"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_raises_or_exits_while_it_is_imported_fails_with_its_words() {
    assert_fails_to_load(
        &[("main.py", "raise RuntimeError('not today')\n")],
        python(),
        &["not today", "line 1"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_redeploy_leaves_the_old_revision_serving() {
    let hob = warm().await;
    hob.ready("f", "def main(**_):\n    return 'old'\n", json!({})).await;
    let view = hob
        .deploy("f", &[("main.py", "import nothing_of_that_name\n")], json!({}))
        .await;
    assert_eq!(
        (&view["latest"]["state"], &view["current"]["number"]),
        (&json!("failed"), &json!(1)),
        "{view:#}"
    );
    let answer = hob.call("f", json!({})).await;
    assert_eq!(
        (answer.json(), answer.header("x-function-version")),
        (json!("old"), "1")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_are_refused_and_say_what_can() {
    let hob = warm().await;
    let cases = [
        ("good", json!({"runtime": "cobol"}), "python"),
        ("good", json!({}), "runtime"),
        (
            "good",
            json!({"runtime": "python", "convention": "telepathy"}),
            "kwargs",
        ),
        ("good", json!({"runtime": "python", "memory_mib": 1}), "32"),
        ("good", json!({"runtime": "python", "memory_mib": 4_000_000}), "65536"),
        ("good", json!({"runtime": "python", "timeout_ms": 1_000_000}), "900000"),
        ("good", json!({"runtime": "python", "colour": "red"}), "colour"),
        ("Bad_Name!", json!({"runtime": "python"}), "name"),
        (
            "good",
            json!({"runtime": "python", "min_workers": 3, "max_workers": 2}),
            "min",
        ),
    ];
    for (name, settings, says) in cases {
        let answer = hob
            .deploy_bytes(name, "code.zip", zip(&[("main.py", GOOD)]), settings.clone())
            .await;
        assert_problem(&answer, 400, "invalid");
        assert!(answer.text().contains(says), "{settings}: {}", answer.text());
    }
    assert_nothing_left(&hob, "good").await;
    still_healthy(&hob).await;
}

// ---- Functions that misbehave ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_is_answered_with_its_traceback_and_recorded_as_the_functions_failure() {
    let hob = warm().await;
    hob.ready("f", "def main(**_):\n    raise ValueError('no luck')\n", json!({}))
        .await;
    let answer = hob.call("f", json!({})).await;
    assert_problem(&answer, 500, "raised");
    assert_eq!(answer.header("x-error-source"), "function");
    let body = answer.json();
    assert!(
        body["message"].as_str().unwrap().contains("ValueError: no luck"),
        "{body}"
    );
    assert!(body["hint"].as_str().unwrap().contains("line 2"), "{body}");
    let run = hob.last_run("f").await;
    assert_eq!(
        (&run["state"], &run["failure"], &run["id"]),
        (&json!("failed"), &json!("raised"), &body["call_id"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_ends_at_its_timeout_and_the_next_call_works() {
    let hob = warm().await;
    let source = "def main(loop=False, **_):\n    while loop:\n        pass\n    return 'out'\n";
    hob.ready("f", source, json!({"timeout_ms": 2000})).await;
    assert_problem(&hob.call("f", json!({"loop": true})).await, 504, "timeout");
    assert_eq!(hob.last_run("f").await["failure"], "timeout");
    assert_eq!(hob.call("f", json!({})).await.json(), json!("out"));
}

async fn assert_process_death(source: &str, code: &str, says: &str) {
    let hob = warm().await;
    hob.ready("f", source, json!({})).await;
    let answer = hob.call("f", json!({"die": true})).await;
    assert_problem(&answer, 502, code);
    assert_eq!(answer.header("x-error-source"), "function");
    assert!(answer.text().contains(says), "{}", answer.text());
    assert_eq!(hob.last_run("f").await["failure"], code);
    assert_eq!(hob.call("f", json!({})).await.json(), json!("alive"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_ends_its_process_is_named_with_its_code_and_the_next_call_works() {
    let source = "import os\ndef main(die=False, **_):\n    if die:\n        os._exit(7)\n    return 'alive'\n";
    assert_process_death(source, "exit", "7").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segmentation_fault_is_named_and_the_next_call_works() {
    let source = "import os, signal\ndef main(die=False, **_):\n    if die:\n        os.kill(os.getpid(), signal.SIGSEGV)\n    return 'alive'\n";
    assert_process_death(source, "signal", "SIGSEGV").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_of_output_are_cut_with_a_line_that_says_so() {
    let (hob, _fake) = Hob::start(&[("HOB_LOG_PER_EXECUTION_KIB", "64")]).await;
    let hob = hob.warm().await;
    let source = "import os\ndef main(**_):\n    line = b'x' * 1023 + b'\\n'\n    for _ in range(100 * 1024):\n        os.write(1, line)\n    return 'done'\n";
    hob.ready("f", source, json!({})).await;
    let answer = hob.call("f", json!({})).await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!("done")),
        "{}",
        answer.text()
    );
    let log = hob.log_of(answer.header("x-call-id")).await;
    assert!(
        (60 * 1024..70 * 1024).contains(&log.len()),
        "{} bytes are kept",
        log.len()
    );
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("cut") || last.contains("limit"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_not_json_is_the_functions_failure() {
    let hob = warm().await;
    hob.ready("f", "def main(**_):\n    return {1, 2}\n", json!({})).await;
    let answer = hob.call("f", json!({})).await;
    assert_problem(&answer, 500, "not_json");
    assert_eq!(answer.header("x-error-source"), "function");
}

// ---- Calls that cannot be ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_that_is_no_json_object_is_the_callers_mistake() {
    let hob = warm().await;
    hob.ready("f", GOOD, json!({})).await;
    for input in ["[1, 2]", "1.5", "\"text\"", "true"] {
        let answer = hob.post("/function/f", input).await;
        assert_problem(&answer, 400, "bad_input");
        assert_eq!(answer.header("x-error-source"), "caller");
    }
    assert_eq!(hob.call("f", json!({"a": 1})).await.json(), json!({"a": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_and_names_the_setting() {
    let (hob, _fake) = Hob::start(&[("HOB_SERVER_BODY_LIMIT_MIB", "1")]).await;
    let hob = hob.warm().await;
    hob.ready("f", "def main(text, **_):\n    return len(text)\n", json!({}))
        .await;
    let answer = hob.call("f", json!({"text": "x".repeat(1024 * 1024)})).await;
    assert_problem(&answer, 413, "too_large");
    assert!(answer.text().contains("body_limit_mib"), "{}", answer.text());
    let answer = hob.call("f", json!({"text": "x".repeat(1000 * 1024)})).await;
    assert_eq!(answer.json(), json!(1000 * 1024));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_404_in_the_same_shape_everywhere() {
    let hob = warm().await;
    for path in [
        "/function/nobody",
        "/function/No!Name",
        "/nothing",
        "/hob/v1/nothing",
        "/hob/v1/functions/nobody",
    ] {
        let answer = hob.get(path).await;
        assert!(matches!(answer.status.as_u16(), 404 | 400), "{path}: {}", answer.text());
        assert!(
            !answer.json()["message"].as_str().unwrap_or_default().is_empty(),
            "{path}"
        );
    }
    assert_problem(&hob.call("nobody", json!({})).await, 404, "not_found");
    assert_problem(&hob.get("/hob/v1/executions/nonsense").await, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_page_and_a_rebound_host_name_are_kept_out() {
    let (hob, _fake) = Hob::start(&[]).await;
    for (header, value, code) in [
        ("host", "evil.example", "host_not_allowed"),
        ("origin", "http://evil.example", "origin_not_allowed"),
    ] {
        for path in ["/hob/v1/status", "/function/f", "/hob/v1/stop"] {
            let answer = hob.send(Method::POST, path, &[(header, value)], Bytes::new()).await;
            assert_problem(&answer, 403, code);
        }
    }
    assert_eq!(
        hob.get("/hob/v1/status").await.status,
        StatusCode::OK,
        "it was not stopped"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_are_answered_or_refused_and_none_is_lost() {
    let (hob, _fake) = Hob::start(&[("HOB_POOL_QUEUE_BOUND", "64")]).await;
    let hob = Arc::new(hob.warm().await);
    let gates = tempfile::tempdir().unwrap();
    let gate = gates.path().join("open");
    let source = "import os, time\ndef main(gate, **_):\n    while not os.path.exists(gate):\n        time.sleep(0.005)\n    return 'through'\n";
    hob.ready("f", source, json!({"max_workers": 2})).await;
    let (places, refused) = (
        Arc::new(tokio::sync::Semaphore::new(200)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (hob, places, refused, gate) = (
            Arc::clone(&hob),
            Arc::clone(&places),
            Arc::clone(&refused),
            gate.clone(),
        );
        calls.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let answer = hob.call("f", json!({"gate": gate})).await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                assert!(
                    answer.header("retry-after").parse::<u32>().is_ok(),
                    "{:?}",
                    answer.headers
                );
                // The first refusal proves that the queue is full; only then may anybody through.
                refused.fetch_add(1, Ordering::Relaxed);
                std::fs::write(&gate, "").unwrap();
            }
            answer.status.as_u16()
        });
    }
    let statuses = calls.join_all().await;
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert!(
        count(200) >= 66 && count(429) >= 1,
        "{} served, {} refused",
        count(200),
        count(429)
    );
    assert_eq!(count(200) + count(429), 1000);
    assert_eq!(hob.call("f", json!({"gate": gate})).await.status, StatusCode::OK);
}

// ---- Surroundings that fail ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_without_an_engine_starts_and_does_the_work_once_it_comes() {
    let fake = fake_engine();
    fake.set_down(true);
    let hob = Hob::start_on(Arc::clone(&fake) as Arc<dyn Engine>, &[]).await;
    assert_eq!(hob.get("/healthz").await.status, StatusCode::OK);
    eventually("the engine to be reported as down", || async {
        let answer = hob.get("/readyz").await;
        (answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.text().contains("fake://engine")).then_some(())
    })
    .await;
    let answer = hob.deploy_later("f", GOOD).await;
    assert_eq!(
        (answer.status, &answer.json()["state"]),
        (StatusCode::ACCEPTED, &json!("pending"))
    );
    assert_problem(&hob.call("f", json!({})).await, 503, "not_ready");
    fake.set_down(false);
    eventually("the deploy to finish", || async {
        (hob.view("f").await["state"] == "ready").then_some(())
    })
    .await;
    assert_eq!(hob.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(hob.call("f", json!({"a": 1})).await.json(), json!({"a": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_engine_is_away_warm_functions_go_on_and_the_rest_says_why_not() {
    let (hob, fake) = Hob::start(&[("HOB_POOL_QUEUE_TIMEOUT_SECONDS", "1")]).await;
    let hob = hob.warm().await;
    hob.ready("warm", GOOD, json!({})).await;
    fake.set_down(true);
    eventually("the engine to be missed", || async {
        (hob.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    assert_eq!(hob.call("warm", json!({"a": 1})).await.json(), json!({"a": 1}));
    let answer = hob.deploy_later("late", GOOD).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    fake.set_down(false);
    eventually("the deploy to finish", || async {
        (hob.view("late").await["state"] == "ready").then_some(())
    })
    .await;
    assert_eq!(hob.call("late", json!({"b": 2})).await.json(), json!({"b": 2}));
    assert_eq!(hob.call("warm", json!({"a": 1})).await.json(), json!({"a": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_needs_a_worker_while_the_engine_is_away_is_refused_and_works_once_it_is_back() {
    let (hob, fake) = Hob::start(&[("HOB_POOL_PREWARM", "0"), ("HOB_POOL_QUEUE_TIMEOUT_SECONDS", "1")]).await;
    hob.ready("cold", GOOD, json!({"preload": false})).await;
    fake.set_down(true);
    eventually("the engine to be missed", || async {
        (hob.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let answer = hob.call("cold", json!({"a": 1})).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
    assert_eq!(answer.header("x-error-source"), "platform");
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("engine"), "{message}");
    fake.set_down(false);
    eventually("an answer", || async {
        (hob.call("cold", json!({"a": 1})).await.status == StatusCode::OK).then_some(())
    })
    .await;
}

async fn start_error(data: Arc<tempfile::TempDir>, settings: &[(&str, &str)]) -> String {
    let fake = fake_engine();
    match Hob::start_in(data, move |_| fake, settings).await {
        Ok(_) => panic!("it started"),
        Err(e) => chain(&e),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named_with_its_holder() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let error = start_error(Arc::new(tempfile::tempdir().unwrap()), &[("HOB_LISTEN", &address)]).await;
    assert!(error.contains(&address), "{error}");
    assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_belongs_to_one_daemon_at_a_time() {
    let (hob, _fake) = Hob::start(&[]).await;
    let error = start_error(hob.data(), &[]).await;
    assert!(error.contains(&hob.data().path().display().to_string()), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, fake_engine(), &[]).await;
    assert_eq!(hob.get("/healthz").await.status, StatusCode::OK);
}
