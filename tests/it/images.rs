//! Functions that are images: a server that is dialled, and a program that runs once for each call.
//!
//! The fake engine runs both as plain processes; what a container adds is proved in the Docker suite.

use crate::support::{Answer, Hob, eventually, fake_engine, root};
use bytes::Bytes;
use hob::engine::Engine;
use hob::engine::fake::FakeEngine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

async fn start(settings: &[(&str, &str)]) -> (Hob, Arc<FakeEngine>) {
    let fake = fake_engine();
    for (image, file) in [("server", "server.py"), ("program", "program.py")] {
        let file = root().join("tests/support").join(file);
        let program = ["python3".to_owned(), file.display().to_string()];
        fake.add_program(image, program.to_vec());
    }
    let shell = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    fake.add_program("leaves", shell("echo no such table >&2; exit 7"));
    fake.add_program("mute", shell("echo listening to nobody; exec sleep 600"));
    let hob = Hob::start_on(Arc::clone(&fake) as Arc<dyn Engine>, settings).await;
    (hob, fake)
}

/// A daemon with a server `f` that is ready.
async fn with_server(settings: Value) -> (Arc<Hob>, Arc<FakeEngine>) {
    let (hob, fake) = start(&[]).await;
    ready(&hob, "f", "server", settings).await;
    (Arc::new(hob), fake)
}

async fn ready(hob: &Hob, name: &str, image: &str, mut settings: Value) {
    settings["image"] = json!(image);
    let view = hob.change(name, settings).await.json();
    assert_eq!(view["latest"]["state"], "ready", "{view:#}");
}

async fn post(hob: &Hob, path: &str, body: impl Into<Bytes>) -> Answer {
    hob.post(&format!("/function/f/{path}"), body).await
}

fn failed(answer: &Answer, status: StatusCode, code: &str, said: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
    let message = answer.json()["message"].as_str().expect("a sentence").to_owned();
    assert!(message.contains(said), "{message}");
}

async fn pid(hob: &Hob) -> u64 {
    post(hob, "echo", "").await.json()["pid"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_reaches_the_server_as_it_was_sent() {
    let (hob, fake) = with_server(json!({"env": {"COLOUR": "green"}})).await;
    let headers = [
        ("host", "f.localhost:7070"),
        ("x-custom", "one"),
        ("connection", "x-private"),
        ("x-private", "secret"),
    ];
    let path = "/a%20b/c?d=e&f=%2F";
    let answer = hob
        .send(Method::PUT, path, &headers, Bytes::from_static(b"hello"))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(
        (&seen["method"], &seen["target"], &seen["body"]),
        (&json!("PUT"), &json!("/a%20b/c?d=e&f=%2F"), &json!("hello"))
    );
    let header = |name: &str| {
        let all = seen["headers"].as_array().expect("a list");
        all.iter().find(|h| h[0] == name).map(|h| h[1].clone())
    };
    assert_eq!(header("host"), Some(json!("f.localhost:7070")));
    assert_eq!(header("x-custom"), Some(json!("one")));
    assert_eq!(header("x-forwarded-for"), Some(json!("127.0.0.1")));
    assert_eq!(header("x-forwarded-host"), Some(json!("f.localhost:7070")));
    assert_eq!(header("x-forwarded-proto"), Some(json!("http")));
    assert_eq!((header("x-private"), header("connection")), (None, None), "{seen:#}");
    let spec = &fake.guests()[0];
    assert!(spec.base.env.contains(&("COLOUR".to_owned(), "green".to_owned())));
    assert!(spec.rights.writable_root && spec.port == Some(8080));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_back_as_the_server_gave_it() {
    let (hob, _fake) = with_server(json!({})).await;
    let answer = post(&hob, "status", "").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (418, "a pot of tea"));
    assert_eq!((answer.header("x-mine"), answer.header("keep-alive")), ("yes", ""));
    let two: Vec<_> = answer.headers.get_all("x-two").iter().collect();
    assert_eq!(two, ["1", "2"]);
    let run = hob.execution_in(answer.header("x-call-id"), &["succeeded"]).await;
    assert_eq!(run["status"], 418);
    let large = post(&hob, "large", "").await;
    assert_eq!(large.body.len(), 3 << 20);
    let sent = vec![b'y'; 2 << 20];
    assert_eq!(post(&hob, "echo", sent).await.json()["size"], 2 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_streams_while_it_is_made() {
    let (hob, _fake) = with_server(json!({})).await;
    let home = tempfile::tempdir().expect("a directory");
    let gate = home.path().join("gate");
    let body = json!({"gate": gate}).to_string();
    let mut answer = hob.open(Method::POST, "/function/f/stream", body).await;
    answer.until("first").await;
    std::fs::write(gate, "").expect("opened");
    answer.until("second").await;
    assert_eq!(hob.last_run("f").await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_a_row_use_one_connection() {
    let (hob, fake) = with_server(json!({})).await;
    let first = post(&hob, "echo", "").await.json();
    let second = post(&hob, "echo", "").await.json();
    assert_eq!((&first["pid"], &first["peer"]), (&second["pid"], &second["peer"]));
    assert_eq!(fake.counts().guests, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_printed_belongs_to_the_call_and_is_seen_while_it_runs() {
    let (hob, _fake) = with_server(json!({})).await;
    let home = tempfile::tempdir().expect("a directory");
    for (said, other) in [("one", "two"), ("two", "one")] {
        let gate = home.path().join(said);
        let body = json!({"say": said, "gate": gate}).to_string();
        let mut live = hob
            .open(Method::GET, "/hob/v1/functions/f/logs?follow=true&limit=0", "")
            .await;
        let seen = async {
            live.until(&format!("printed {said}")).await;
            live.until(&format!("complained {said}")).await;
            std::fs::write(&gate, "").expect("opened");
        };
        let (answer, ()) = tokio::join!(post(&hob, "print", body), seen);
        // Its record ends when late output had its time: the next call begins after that.
        let log = hob.log_of(answer.header("x-call-id")).await;
        assert!(log.contains(&format!("printed {said}")), "{log}");
        assert!(log.contains(&format!("complained {said}")), "{log}");
        assert!(!log.contains(other) && !log.contains("coming up"), "{log}");
    }
    let mut live = hob
        .open(Method::GET, "/hob/v1/functions/f/logs?follow=true&limit=0", "")
        .await;
    let running = Arc::clone(&hob);
    let hangs = tokio::spawn(async move { post(&running, "hang", "").await });
    live.until("hanging").await;
    hangs.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_cut_at_its_bound() {
    let (hob, _fake) = start(&[("HOB_LOG_PER_EXECUTION_KIB", "64")]).await;
    ready(&hob, "f", "server", json!({})).await;
    let answer = post(&hob, "flood", "").await;
    let log = hob.log_of(answer.header("x-call-id")).await;
    assert!(log.starts_with("line 000000"), "{}", &log[..100]);
    assert!((64 << 10..70 << 10).contains(&log.len()), "{} bytes", log.len());
    assert!(log.contains("[log cut here: "), "{}", &log[log.len() - 200..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_are_calls_at_once_in_one_server() {
    let (hob, fake) = with_server(json!({"concurrency": 3, "max_workers": 1})).await;
    let home = tempfile::tempdir().expect("a directory");
    let calls: Vec<_> = ["a", "b", "c"]
        .map(|name| spawn_wait(&hob, home.path(), name))
        .into_iter()
        .collect();
    for name in ["a", "b", "c"] {
        begun(home.path(), name).await;
    }
    std::fs::write(home.path().join("gate"), "").expect("opened");
    for call in calls {
        assert_eq!(call.await.expect("ran").text(), "waited");
    }
    assert_eq!(fake.counts().guests, 1);
}

fn spawn_wait(hob: &Arc<Hob>, home: &Path, name: &str) -> tokio::task::JoinHandle<Answer> {
    let body = json!({"begun": home.join(name), "gate": home.join("gate")}).to_string();
    let hob = Arc::clone(hob);
    tokio::spawn(async move { post(&hob, "wait", body).await })
}

async fn begun(home: &Path, name: &str) {
    let file = home.join(name);
    eventually(name, || async { file.exists().then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_overruns_costs_its_worker() {
    let (hob, fake) = with_server(json!({"timeout_ms": 3000, "max_workers": 1})).await;
    let before = pid(&hob).await;
    let hangs = post(&hob, "hang", "").await;
    failed(&hangs, StatusCode::GATEWAY_TIMEOUT, "timeout", "3000 ms");
    let log = hob.log_of(hangs.header("x-call-id")).await;
    assert!(log.contains("hanging"), "{log}");
    assert_ne!(pid(&hob).await, before);
    let first = fake.guests()[0].base.worker;
    eventually("the end of the worker", || async {
        let left = fake.list().await.ok()?;
        (!left.iter().any(|c| c.worker == Some(first))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_overruns_costs_no_neighbour() {
    let (hob, fake) = with_server(json!({"concurrency": 2, "timeout_ms": 5000, "max_workers": 1})).await;
    let home = tempfile::tempdir().expect("a directory");
    let mut live = hob
        .open(Method::GET, "/hob/v1/functions/f/logs?follow=true&limit=0", "")
        .await;
    let running = Arc::clone(&hob);
    let hangs = tokio::spawn(async move { post(&running, "hang", "").await });
    live.until("still hanging").await;
    let neighbour = spawn_wait(&hob, home.path(), "a");
    begun(home.path(), "a").await;
    assert_eq!(hangs.await.expect("ran").status, StatusCode::GATEWAY_TIMEOUT);
    std::fs::write(home.path().join("gate"), "").expect("opened");
    assert_eq!(neighbour.await.expect("ran").text(), "waited");
    pid(&hob).await;
    assert_eq!(fake.counts().guests, 2, "new calls have a new worker");
    let first = fake.guests()[0].base.worker;
    eventually("the end of the worker", || async {
        let left = fake.list().await.ok()?;
        (!left.iter().any(|c| c.worker == Some(first))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_a_call_is_the_functions_failure_and_is_replaced() {
    let (hob, _fake) = with_server(json!({})).await;
    let before = pid(&hob).await;
    let left = post(&hob, "exit", "3").await;
    failed(&left, StatusCode::BAD_GATEWAY, "exit", "code 3");
    assert_eq!(left.header("x-error-source"), "function");
    let log = hob.log_of(left.header("x-call-id")).await;
    assert!(log.contains("leaving"), "{log}");
    assert_ne!(pid(&hob).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_between_calls_is_replaced() {
    let (hob, fake) = with_server(json!({})).await;
    let before = pid(&hob).await;
    let worker = fake.guests()[0].base.worker;
    assert!(fake.kill_worker(worker));
    eventually("the policy to know", || async {
        let status = hob.get("/hob/v1/status").await.json();
        let known = status["workers"]
            .as_array()?
            .iter()
            .any(|w| w["id"] == worker.to_string());
        (!known).then_some(())
    })
    .await;
    assert_ne!(pid(&hob).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_and_nonsense_are_the_functions_failure_and_the_server_stays() {
    let (hob, _fake) = start(&[("HOB_POOL_DEADLINE_GRACE_MS", "20")]).await;
    ready(&hob, "f", "server", json!({"max_workers": 1})).await;
    let before = pid(&hob).await;
    for path in ["close", "nonsense"] {
        let answer = post(&hob, path, "").await;
        failed(&answer, StatusCode::BAD_GATEWAY, "exit", "no answer");
        assert_eq!(pid(&hob).await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_socket_is_refused_clearly() {
    let (hob, _fake) = with_server(json!({})).await;
    let headers = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let answer = hob.send(Method::GET, "/function/f", &headers, Bytes::new()).await;
    failed(&answer, StatusCode::BAD_REQUEST, "invalid", "WebSocket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_scales_to_zero_and_back() {
    let (hob, fake) = start(&[("HOB_POOL_IDLE_SECONDS", "1")]).await;
    ready(&hob, "f", "server", json!({})).await;
    let before = pid(&hob).await;
    eventually("no container", || async {
        let running = fake.list().await.ok()?;
        let servers: Vec<_> = fake.guests().iter().map(|g| g.base.worker).collect();
        (!running.iter().any(|c| c.worker.is_some_and(|w| servers.contains(&w)))).then_some(())
    })
    .await;
    let back = post(&hob, "echo", "").await;
    assert_eq!(back.header("x-cold-start"), "true");
    assert_ne!(back.json()["pid"], before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_ends_or_is_not_there_fails_the_deploy_and_says_why() {
    let (hob, fake) = start(&[]).await;
    for loses_address in [false, true] {
        fake.lose_addresses(loses_address);
        does_not_serve(&hob, "leaves", &["code 7", "no such table", "$PORT"]).await;
    }
    does_not_serve(&hob, "missing", &["image `missing`", "missing"]).await;
    no_server(&fake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_does_not_serve_in_time_fails_the_deploy_and_says_why() {
    let (hob, fake) = start(&[("HOB_POOL_START_TIMEOUT_SECONDS", "5")]).await;
    does_not_serve(&hob, "mute", &["port 8080", "$PORT", "listening to nobody"]).await;
    no_server(&fake).await;
}

async fn does_not_serve(hob: &Hob, image: &str, said: &[&str]) {
    let view = hob.change("f", json!({"image": image})).await.json();
    assert_eq!(view["latest"]["state"], "failed", "{view:#}");
    let error = view["latest"]["error"].as_str().expect("a reason").to_owned();
    for words in said {
        assert!(error.contains(words), "{image}: {error}");
    }
}

async fn no_server(fake: &FakeEngine) {
    eventually("no container", || async {
        let servers: Vec<_> = fake.guests().iter().map(|g| g.base.worker).collect();
        let left = fake.list().await.ok()?;
        (!left.iter().any(|c| c.worker.is_some_and(|w| servers.contains(&w)))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_started_by_the_words_that_are_said() {
    let (hob, fake) = start(&[]).await;
    let server = root().join("tests/support/server.py").display().to_string();
    let (command, args) = (json!(["python3"]), json!([server]));
    let more = json!([server, "--more"]);
    // What is not said stays as it was; nothing is the image's own.
    for (image, settings, command, args) in [
        ("mute", json!({"command": command, "args": args}), &command, &args),
        ("mute", json!({"memory_mib": 64}), &command, &args),
        ("mute", json!({"args": more}), &command, &more),
        ("server", json!({"command": [], "args": []}), &Value::Null, &Value::Null),
    ] {
        ready(&hob, "f", image, settings.clone()).await;
        let latest = hob.view("f").await["latest"].take();
        assert_eq!((&latest["command"], &latest["args"]), (command, args), "{settings}");
        let guest = fake.guests().pop().expect("a container");
        assert_eq!(
            (json!(guest.command), json!(guest.arguments)),
            (command.clone(), args.clone()),
            "{settings}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_do_not_fit_an_image_are_refused() {
    let (hob, _fake) = start(&[]).await;
    for (settings, said) in [
        (json!({"image": "server", "runtime": "python"}), "--runtime"),
        (json!({"image": "server", "env": {"PORT": "none"}}), "PORT"),
        (json!({"image": "a b"}), "no name of an image"),
        (json!({"image": "server", "convention": "kwargs"}), "http, command"),
        (
            json!({"image": "program", "convention": "command", "concurrency": 2}),
            "max workers",
        ),
        (json!({"image": "server", "cpu_millis": 5}), "cpu"),
        (
            json!({"image": "server", "command": [""]}),
            "the command's first word is empty",
        ),
    ] {
        let answer = hob.change("f", settings).await;
        failed(&answer, StatusCode::BAD_REQUEST, "invalid", said);
    }
    let code = hob
        .deploy_bytes("f", "main.py", b"x".to_vec(), json!({"runtime": "http"}))
        .await;
    failed(&code, StatusCode::BAD_REQUEST, "invalid", "--image");
    let code = hob
        .deploy_bytes(
            "f",
            "main.py",
            b"x".to_vec(),
            json!({"runtime": "python", "args": ["a"]}),
        )
        .await;
    failed(&code, StatusCode::BAD_REQUEST, "invalid", "are for images");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_may_become_an_image_and_the_other_way_round() {
    let (hob, _fake) = start(&[]).await;
    hob.ready("f", "def main(context, **_):\n    return 'code'\n", json!({}))
        .await;
    assert_eq!(hob.call("f", json!({})).await.json(), "code");
    ready(&hob, "f", "server", json!({})).await;
    assert_eq!(post(&hob, "echo", "").await.json()["method"], "POST");
    assert_eq!(hob.view("f").await["latest"]["image"], "server");
    hob.ready("f", "def main(context, **_):\n    return 'code again'\n", json!({}))
        .await;
    assert_eq!(hob.call("f", json!({})).await.json(), "code again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processor_time_is_limited_for_every_kind_of_worker() {
    let (hob, fake) = start(&[]).await;
    hob.ready(
        "code",
        "def main(context, **_):\n    return 1\n",
        json!({"cpu_millis": 500}),
    )
    .await;
    ready(&hob, "f", "server", json!({"cpu_millis": 250})).await;
    let limits: Vec<_> = fake
        .list()
        .await
        .expect("up")
        .iter()
        .filter_map(|c| fake.cpu_of(c.worker?))
        .map(hob::domain::Cpu::millis)
        .collect();
    assert_eq!(limits, [500, 250]);
    assert_eq!(hob.view("f").await["latest"]["limits"]["cpu_millis"], 250);
    ready(&hob, "f", "server", json!({"cpu_millis": 0})).await;
    assert_eq!(hob.view("f").await["latest"]["limits"]["cpu_millis"], Value::Null);
}

async fn with_program(settings: Value) -> (Arc<Hob>, Arc<FakeEngine>) {
    let (hob, fake) = start(&[]).await;
    let mut settings = settings;
    settings["convention"] = json!("command");
    ready(&hob, "f", "program", settings).await;
    (Arc::new(hob), fake)
}

async fn nothing_left(fake: &FakeEngine) {
    eventually("the removal of every program's container", || async {
        let programs: Vec<_> = fake.guests().iter().map(|g| g.base.worker).collect();
        let left = fake.list().await.ok()?;
        (!left.iter().any(|c| c.worker.is_some_and(|w| programs.contains(&w)))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_takes_arguments_and_answers_what_it_prints() {
    let (hob, fake) = with_program(json!({"env": {"GREETING": "hi"}})).await;
    assert_eq!(fake.counts().guests, 0, "nothing runs before it is called");
    for (input, expect) in [
        ("", "[] hi\n"),
        ("null", "[] hi\n"),
        (r#"["a", "b c"]"#, "['a', 'b c'] hi\n"),
    ] {
        let answer = hob.post("/function/f", input).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, expect));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let log = hob.log_of(answer.header("x-call-id")).await;
        assert!(log.contains(expect) && log.contains("on the side"), "{log}");
    }
    let guests = fake.guests();
    assert_eq!((guests.len(), guests[0].port, &guests[0].arguments), (3, None, &None));
    let refused = hob.post("/function/f", r#"{"a": 1}"#).await;
    failed(&refused, StatusCode::BAD_REQUEST, "bad_input", "JSON array");
    nothing_left(&fake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_of_a_program_decides() {
    let (hob, fake) = with_program(json!({})).await;
    let answer = hob.post("/function/f", r#"["exit", "3"]"#).await;
    failed(&answer, StatusCode::BAD_GATEWAY, "exit", "code 3");
    let log = hob.log_of(answer.header("x-call-id")).await;
    assert!(log.contains("before the end") && log.contains("complaint"), "{log}");
    let fine = hob.post("/function/f", r#"["exit", "0"]"#).await;
    assert_eq!(
        (fine.status, fine.text().as_str()),
        (StatusCode::OK, "before the end\n")
    );
    nothing_left(&fake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_may_print_much_but_not_without_bound() {
    let (hob, fake) = with_program(json!({})).await;
    let answer = hob.post("/function/f", r#"["print", "3000000"]"#).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 3_000_000));
    let over = hob.post("/function/f", r#"["print", "30000000"]"#).await;
    failed(&over, StatusCode::INTERNAL_SERVER_ERROR, "too_large", "print less");
    nothing_left(&fake).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_ends_at_its_deadline_and_with_its_caller() {
    let (hob, fake) = with_program(json!({"timeout_ms": 3000})).await;
    let answer = hob.post("/function/f", r#"["hang"]"#).await;
    failed(&answer, StatusCode::GATEWAY_TIMEOUT, "timeout", "3000 ms");
    let log = hob.log_of(answer.header("x-call-id")).await;
    assert!(log.contains("hanging"), "{log}");
    nothing_left(&fake).await;
    hob.change("f", json!({"timeout_ms": 60_000})).await;
    let mut live = hob
        .open(Method::GET, "/hob/v1/functions/f/logs?follow=true&limit=0", "")
        .await;
    let caller = {
        let hob = Arc::clone(&hob);
        tokio::spawn(async move { hob.post("/function/f", r#"["hang"]"#).await })
    };
    live.until("hanging").await;
    caller.abort();
    nothing_left(&fake).await;
    assert_eq!(hob.post("/function/f", r#"["exit", "0"]"#).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_programs_run_at_once_than_there_may_be_workers() {
    let (hob, _fake) = with_program(json!({"max_workers": 2})).await;
    let home = tempfile::tempdir().expect("a directory");
    let calls: Vec<_> = ["a", "b", "c"]
        .map(|name| spawn_program(&hob, home.path(), name))
        .into();
    let n_begun = || ["a", "b", "c"].iter().filter(|n| home.path().join(n).exists()).count();
    eventually("two programs and a call that waits", || async {
        let status = hob.get("/hob/v1/status").await.json();
        let busy: u64 = status["workers"]
            .as_array()?
            .iter()
            .filter_map(|w| w["busy"].as_u64())
            .sum();
        (busy == 2 && n_begun() == 2).then_some(())
    })
    .await;
    std::fs::write(home.path().join("gate"), "").expect("opened");
    for call in calls {
        assert_eq!(call.await.expect("ran").text(), "waited\n");
    }
    assert_eq!(n_begun(), 3);
}

fn spawn_program(hob: &Arc<Hob>, home: &Path, name: &str) -> tokio::task::JoinHandle<Answer> {
    let body = json!(["wait", home.join(name), home.join("gate")]).to_string();
    let hob = Arc::clone(hob);
    tokio::spawn(async move { hob.post("/function/f", body).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_daemon_leaves_no_program() {
    let (hob, fake) = start(&[("HOB_SERVER_SHUTDOWN_GRACE_SECONDS", "0")]).await;
    ready(&hob, "f", "program", json!({"convention": "command"})).await;
    let id = hob.call_later("f", json!(["hang"])).await;
    hob.execution_in(&id, &["running"]).await;
    eventually("the program", || async { (fake.counts().guests == 1).then_some(()) }).await;
    hob.stop().await;
    assert!(fake.list().await.expect("up").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_is_removed_by_the_next_daemon() {
    let (hob, fake) = start(&[]).await;
    ready(&hob, "server", "server", json!({})).await;
    ready(&hob, "f", "program", json!({"convention": "command"})).await;
    let id = hob.call_later("f", json!(["hang"])).await;
    hob.execution_in(&id, &["running"]).await;
    eventually("both containers", || async {
        (fake.counts().guests == 2).then_some(())
    })
    .await;
    let data = hob.data();
    hob.crash().await;
    let left = fake.guests();
    let hob = Hob::start_again(&data, Arc::clone(&fake) as Arc<dyn Engine>, &[]).await;
    eventually("the removal of both containers", || async {
        let there = fake.list().await.ok()?;
        let old = |w| left.iter().any(|g| Some(g.base.worker) == w);
        (!there.iter().any(|c| old(c.worker))).then_some(())
    })
    .await;
    assert_eq!(hob.execution_in(&id, &["error"]).await["state"], "error");
    assert_eq!(hob.post("/function/f", "").await.status, StatusCode::OK);
    let answer = hob.post("/function/server/echo", "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}
