//! Whole commands against a server that answers as told.

use super::super::args::Arguments;
use super::super::output::Output;
use super::super::testing::{Asked, Captured, Server, json, respond};
use super::run;
use crate::cli::exit::Exit;
use bytes::Bytes;
use clap::Parser;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json as value};

/// What a command did.
struct Ran {
    exit: Exit,
    out: Captured,
    err: String,
    asked: Vec<Asked>,
}

async fn hob(words: &[&str], answer: impl Fn(&Asked) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Ran {
    let server = Server::start(answer).await;
    let line = ["hob", "--url", &server.url].into_iter().chain(words.iter().copied());
    let arguments = Arguments::try_parse_from(line).expect("valid arguments");
    let (out, err) = (Captured::default(), Captured::default());
    let mut output = Output::to(out.clone(), err.clone(), arguments.global.output);
    let ended = run(arguments, &mut output).await;
    let exit = ended.unwrap_or_else(|failure| output.failed(&failure));
    Ran {
        exit,
        out,
        err: err.text(),
        asked: server.asked(),
    }
}

fn function(state: &str, error: Option<&str>) -> Value {
    value!({
        "id": "i", "namespace": "default", "name": "hello", "state": state,
        "current": null, "url": "http://h/function/hello",
        "created_at_ms": 0, "updated_at_ms": 0,
        "latest": {
            "id": "r", "number": 1, "state": state, "error": error, "runtime": "one:1",
            "entry": "main.main", "convention": "kwargs", "code_sha256": "0", "env": {},
            "limits": {
                "memory_mib": 128, "timeout_ms": 1000, "concurrency": 1,
                "min_workers": 0, "max_workers": 1, "network": "outbound", "cpu_millis": null
            },
            "image": null, "worker_image": null, "build_commands": [], "notice": null, "created_at_ms": 0
        }
    })
}

fn execution(state: &str) -> Value {
    value!({
        "id": "call-1", "function": "hello", "namespace": "default", "version": 1,
        "state": state, "asynchronous": true, "created_at_ms": 0, "started_at_ms": null,
        "ended_at_ms": null, "status": null, "failure": null, "message": null,
        "temperature": "warm", "queue_us": 1, "load_us": 0, "run_us": 2, "total_us": 3
    })
}

fn not_found() -> Response<Full<Bytes>> {
    json(404, &value!({"code": "not_found", "message": "no function `hello`"}))
}

fn source_file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hello.aa");
    std::fs::write(&path, "the code").expect("written");
    let path = path.display().to_string();
    (folder, path)
}

#[tokio::test]
async fn deploy_sends_settings_and_then_the_code() {
    let (_folder, path) = source_file();
    let words = [
        "deploy",
        &path,
        "--runtime",
        "one:1",
        "-e",
        "A=b",
        "--timeout",
        "2s",
        "--max",
        "3",
    ];
    let ran = hob(&words, |_| json(200, &function("ready", None))).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert_eq!(ran.out.text(), "hello version 1 is ready at http://h/function/hello\n");
    let [put] = &ran.asked[..] else {
        panic!("{:?}", ran.asked)
    };
    assert_eq!(put.line, "PUT /hob/v1/functions/hello?wait=1");
    assert_eq!(put.headers["content-length"], put.body.len().to_string().as_str());
    let body = String::from_utf8_lossy(&put.body);
    let settings = r#"{"runtime":"one:1","env":{"A":"b"},"timeout_ms":2000,"max_workers":3}"#;
    let order = [
        "name=\"settings\"",
        settings,
        "filename=\"hello.aa\"",
        "\r\n\r\nthe code\r\n--",
    ];
    let places = order.map(|text| body.find(text).unwrap_or_else(|| panic!("{text} in {body}")));
    assert!(places.is_sorted(), "{body}");
}

#[tokio::test]
async fn a_secret_is_sent_from_text_or_a_file_and_printed_nowhere() {
    let (folder, path) = source_file();
    let file = folder.path().join("secret");
    std::fs::write(&file, "from-a-file\n").expect("written");
    let from_file = format!("F=@{}", file.display());
    let mut words = vec!["deploy", &path, "--runtime", "one", "--secret", "A=typed"];
    words.extend(["--secret", &from_file, "--remove-secret", "OLD"]);
    let ran = hob(&words, |_| json(200, &function("ready", None))).await;
    assert_eq!(ran.exit, Exit::Ok);
    let sent = String::from_utf8_lossy(&ran.asked[0].body).into_owned();
    assert!(
        sent.contains(r#""secrets":{"A":"typed","F":"from-a-file","OLD":null}"#),
        "{sent}"
    );
    assert!(!(ran.out.text() + &ran.err).contains("typed"));
    for (bad, hint) in [
        ("NOT_SET_ANYWHERE", "is not set"),
        ("X=@/no/such/file", "cannot be read"),
    ] {
        let ran = hob(&["deploy", &path, "--runtime", "one", "--secret", bad], |_| not_found()).await;
        assert!(ran.exit == Exit::Usage && ran.err.contains(hint), "{}", ran.err);
    }
}

#[tokio::test]
async fn secrets_are_shown_masked() {
    let mut view = function("ready", None);
    view["latest"]["secrets"] = value!(["PASSWORD"]);
    let ran = hob(&["get", "hello"], move |_| json(200, &view)).await;
    assert!(ran.out.text().contains("PASSWORD=****"), "{}", ran.out.text());
}

#[tokio::test]
async fn deploy_asks_for_the_runtime_of_a_new_function_only() {
    let runtimes = value!({"runtimes": [{
        "family": "one", "title": "", "versions": [], "conventions": ["kwargs"],
        "default_entry": null, "detect": {"extensions": ["aa"]}
    }]});
    let (_folder, path) = source_file();
    let ran = hob(&["deploy", &path], move |asked| match asked.line.as_str() {
        "GET /hob/v1/runtimes" => json(200, &runtimes),
        line if line.starts_with("GET") => not_found(),
        _ => json(200, &function("ready", None)),
    })
    .await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert!(ran.err.contains("runtime one"), "{}", ran.err);
    let sent = String::from_utf8_lossy(&ran.asked[2].body).into_owned();
    assert!(sent.contains(r#"{"runtime":"one"}"#), "{sent}");

    let (_folder, path) = source_file();
    let ran = hob(&["deploy", &path], |_| json(200, &function("ready", None))).await;
    assert_eq!(ran.asked.len(), 2);
    assert!(String::from_utf8_lossy(&ran.asked[1].body).contains("\r\n\r\n{}\r\n"));
}

#[tokio::test]
async fn the_words_that_start_an_image_are_sent_as_they_are() {
    for (words, sent) in [
        (&["--command", "serve"][..], r#"{"image":"i","command":["serve"]}"#),
        (
            &["--arg", "--port", "--arg", "8 0"],
            r#"{"image":"i","args":["--port","8 0"]}"#,
        ),
        (
            &["--command", "", "--arg", ""],
            r#"{"image":"i","command":[],"args":[]}"#,
        ),
        (&["--arg", "a", "--arg", ""], r#"{"image":"i","args":["a",""]}"#),
    ] {
        let words = [&["deploy", "--image", "i"], words].concat();
        let ran = hob(&words, |_| json(200, &function("ready", None))).await;
        let body = String::from_utf8_lossy(&ran.asked[0].body).into_owned();
        assert!(body.contains(sent), "{words:?}: {body}");
    }
}

#[tokio::test]
async fn deploy_waits_and_a_failed_revision_is_a_build_failure() {
    let (_folder, path) = source_file();
    let ran = hob(&["deploy", &path, "--runtime", "one"], |asked| {
        if asked.line.starts_with("PUT") {
            json(202, &function("pending", None))
        } else {
            json(200, &function("failed", Some("no such entry")))
        }
    })
    .await;
    assert_eq!(ran.exit, Exit::Build);
    assert!(ran.err.contains("no such entry"), "{}", ran.err);
    assert_eq!(ran.out.text(), "");
}

#[tokio::test]
async fn invoke_passes_bytes_exactly() {
    let bytes = b"\0\xff no line end";
    let words = [
        "invoke",
        "hello",
        "-d",
        "{\"a\":1}",
        "-H",
        "x-a: b",
        "-X",
        "GET",
        "--path",
        "/p?q=1",
        "-v",
    ];
    let headers = [
        ("x-function-version", "1"),
        ("x-cold-start", "false"),
        ("server-timing", "queue;dur=0.1, run;dur=2"),
    ];
    let ran = hob(&words, move |_| respond(200, &headers, &bytes[..])).await;
    assert_eq!((ran.exit, ran.out.bytes()), (Exit::Ok, bytes.to_vec()));
    assert_eq!(ran.err, "warm, queue 0.1 ms, run 2 ms\n");
    let asked = &ran.asked[0];
    let line = "POST /hob/v1/functions/hello/invoke?path=%2Fp%3Fq%3D1&method=GET";
    assert_eq!(asked.line, line);
    assert_eq!(asked.headers["x-a"], "b");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.body, b"{\"a\":1}");
}

#[tokio::test]
async fn invoke_tells_a_failing_function_from_a_failing_platform() {
    let error = |status: u16, source: &'static str, code: &'static str| {
        move |_: &Asked| {
            let body = value!({"code": code, "message": "why", "call_id": "call-1"});
            respond(status, &[("x-error-source", source)], body.to_string())
        }
    };
    for (answer, expect) in [
        (error(500, "function", "raised"), Exit::Function),
        (error(504, "function", "timeout"), Exit::Timeout),
        (error(503, "platform", "no_capacity"), Exit::Engine),
        (error(404, "platform", "not_found"), Exit::NotFound),
    ] {
        let ran = hob(&["invoke", "hello"], answer).await;
        assert_eq!((ran.exit, ran.out.text()), (expect, String::new()));
        assert!(
            ran.err.contains("error: why") && ran.err.contains("call-1"),
            "{}",
            ran.err
        );
    }
}

#[tokio::test]
async fn a_status_the_function_chose_keeps_its_body() {
    let headers = [("x-function-version", "1")];
    let ran = hob(&["invoke", "hello"], move |_| respond(404, &headers, "nope")).await;
    assert_eq!((ran.exit, ran.out.text()), (Exit::Function, "nope".to_owned()));
    assert!(ran.err.contains("404"), "{}", ran.err);
}

#[tokio::test]
async fn a_name_and_settings_change_a_function_without_code() {
    let answer = |_: &Asked| json(200, &function("ready", None));
    let ran = hob(&["deploy", "hello-not-a-file", "--memory", "256"], answer).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let put = ran.asked.last().expect("a request");
    assert!(
        put.line.starts_with("PUT /hob/v1/functions/hello-not-a-file?"),
        "{}",
        put.line
    );
    let body = String::from_utf8_lossy(&put.body);
    assert!(
        body.contains(r#"{"memory_mib":256}"#) && !body.contains("\"code\""),
        "{body}"
    );
    // Asked once, whether there is such a function: what is neither is not found, and says so first.
    let ran = hob(&["deploy", "hello-not-a-file"], answer).await;
    assert_eq!((ran.exit, ran.asked.len()), (Exit::Usage, 1));
    let ran = hob(&["deploy", "hello-not-a-file", "--memory", "256"], |_| not_found()).await;
    assert_eq!((ran.exit, ran.asked.len()), (Exit::NotFound, 1));
}

#[tokio::test]
async fn a_call_says_which_version_or_alias_is_meant() {
    for (flag, value, expect) in [
        ("--version", "3", "selector=version%3A3"),
        ("--alias", "a b", "selector=alias%3Aa%20b"),
    ] {
        let ran = hob(&["invoke", "hello", flag, value], |_| respond(200, &[], "")).await;
        assert!(ran.asked[0].line.contains(expect), "{}", ran.asked[0].line);
    }
}

#[tokio::test]
async fn an_asynchronous_call_prints_its_id() {
    let ran = hob(&["invoke", "hello", "--async"], |_| json(202, &execution("queued"))).await;
    assert_eq!((ran.exit, ran.out.text()), (Exit::Ok, "call-1\n".to_owned()));
    assert!(ran.asked[0].line.ends_with("?async=true"));
}

#[tokio::test]
async fn logs_of_a_call_go_to_standard_error() {
    let headers = [("x-function-version", "1"), ("x-call-id", "call-1")];
    let ran = hob(&["invoke", "hello", "--logs"], move |asked| match asked.line.as_str() {
        "GET /hob/v1/executions/call-1/log" => respond(200, &[], "printed\n"),
        "GET /hob/v1/executions/call-1" => json(200, &execution("succeeded")),
        _ => respond(200, &headers, "answer"),
    })
    .await;
    assert_eq!((ran.out.text().as_str(), ran.err.as_str()), ("answer", "printed\n"));
}

#[tokio::test]
async fn each_function_is_removed_and_the_first_failure_counts() {
    let ran = hob(&["rm", "a", "b", "c"], |asked| {
        if asked.line.ends_with("/b") {
            not_found()
        } else {
            respond(204, &[], "")
        }
    })
    .await;
    assert_eq!((ran.exit, ran.asked.len()), (Exit::NotFound, 3));
    assert!(ran.err.contains("removed `a`") && ran.err.contains("removed `c`"));
}

#[tokio::test]
async fn a_call_is_shown_with_its_log() {
    let ran = hob(&["runs", "show", "call-1"], |asked| match asked.line.as_str() {
        line if line.ends_with("/log") => respond(200, &[], "printed\n"),
        line if line.ends_with("/call-1") => json(200, &execution("succeeded")),
        _ => not_found(),
    })
    .await;
    let text = ran.out.text();
    assert_eq!(ran.exit, Exit::Ok);
    assert!(
        text.contains("timeline: warm") && text.ends_with("\nlog\nprinted\n"),
        "{text}"
    );
}

#[tokio::test]
async fn lists_are_tables_or_json() {
    let list = || value!({"functions": [function("ready", None)]});
    let ran = hob(&["list"], move |_| json(200, &list())).await;
    assert!(ran.out.text().starts_with("NAME   STATE"), "{}", ran.out.text());
    let ran = hob(&["list", "-o", "json"], move |_| json(200, &list())).await;
    let got: Value = serde_json::from_str(&ran.out.text()).expect("JSON");
    assert_eq!(got, list());
}

#[tokio::test]
async fn log_entries_are_printed_as_they_come() {
    let entry = r#"{"execution":"call-1","at_ms":0,"stream":"output","text":"a\nb\n","state":"running"}"#;
    let body = format!("{entry}\n\n{entry}");
    let ran = hob(&["logs", "hello", "-f"], move |_| respond(200, &[], body.clone())).await;
    assert_eq!(ran.out.text().lines().count(), 4, "{}", ran.out.text());
    assert!(ran.asked[0].line.ends_with("/logs?function=hello&limit=20&follow=true"));
}

fn job() -> Value {
    value!({
        "id": "job-1", "namespace": "default", "name": "tick", "function": "hello", "selector": "current",
        "cron": null, "tz": null, "every_ms": 300_000, "at_ms": null, "first_at_ms": null, "count": null,
        "state": "active", "reason": null, "missed": "skip", "overlap": "allow", "next_at_ms": 0,
        "last_at_ms": null, "last_execution": null, "failures": 0, "created_at_ms": 0, "updated_at_ms": 0
    })
}

#[tokio::test]
async fn a_job_is_made_from_what_was_typed_and_its_id_printed() {
    let words = [
        "jobs",
        "create",
        "hello",
        "--at",
        "2026-07-31T04:00",
        "--tz",
        "Europe/Paris",
        "-d",
        "{\"a\": 1}",
        "--overlap",
        "skip",
    ];
    let ran = hob(&words, |_| json(201, &job())).await;
    assert_eq!(
        (ran.exit, ran.out.text().as_str()),
        (Exit::Ok, "job-1\n"),
        "{}",
        ran.err
    );
    let [post] = &ran.asked[..] else {
        panic!("{:?}", ran.asked)
    };
    assert_eq!(post.line, "POST /hob/v1/jobs");
    let sent: Value = serde_json::from_slice(&post.body).expect("JSON");
    let expect = value!({
        "function": "hello", "at_ms": 1_785_463_200_000_i64, "overlap": "skip",
        "input": {"method": "POST", "path": "/", "headers": {"content-type": "application/json"}, "body": "{\"a\": 1}"}
    });
    assert_eq!(sent, expect);
}

#[tokio::test]
async fn a_time_zone_without_a_time_to_be_in_it_is_refused() {
    let words = ["jobs", "create", "hello", "--every", "5m", "--tz", "Europe/Paris"];
    let ran = hob(&words, |_| json(201, &job())).await;
    assert_eq!((ran.exit, ran.asked.len()), (Exit::Usage, 0));
}

#[tokio::test]
async fn what_is_done_to_a_job_is_asked_for_by_its_name() {
    for (words, line) in [
        (vec!["jobs", "pause", "tick"], "POST /hob/v1/jobs/tick/pause"),
        (vec!["jobs", "resume", "tick"], "POST /hob/v1/jobs/tick/resume"),
        (vec!["jobs", "cancel", "tick"], "POST /hob/v1/jobs/tick/cancel"),
        (vec!["jobs", "rm", "tick"], "DELETE /hob/v1/jobs/tick"),
    ] {
        let ran = hob(&words, |_| json(200, &job())).await;
        assert_eq!(ran.exit, Exit::Ok, "{words:?}: {}", ran.err);
        assert_eq!(ran.asked[0].line, line);
    }
    let ran = hob(&["jobs", "fire", "tick"], |_| {
        json(202, &value!({"execution": "call-1"}))
    })
    .await;
    assert_eq!(
        (ran.exit, ran.out.text().as_str()),
        (Exit::Ok, "call-1\n"),
        "{}",
        ran.err
    );
    let mut detail = job();
    detail["input"] = value!({});
    let ran = hob(&["jobs", "next", "tick"], move |asked| match asked.line.as_str() {
        line if line.contains("/next") => json(200, &value!({"times_ms": [0, 60_000]})),
        _ => json(200, &detail),
    })
    .await;
    assert_eq!(ran.out.text(), "1970-01-01 00:00:00.000\n1970-01-01 00:01:00.000\n");
    let ran = hob(&["jobs", "rm", "a", "b"], |_| not_found()).await;
    assert_eq!((ran.exit, ran.asked.len()), (Exit::NotFound, 2));
}

#[tokio::test]
async fn a_token_is_made_with_a_token_and_printed_once() {
    let made = value!({
        "id": "i", "name": "ci", "namespace": "team", "role": "invoke", "created_at_ms": 0, "token": "hob_new"
    });
    let words = [
        "token", "create", "--role", "invoke", "--name", "ci", "-n", "team", "--token", "hob_mine",
    ];
    let ran = hob(&words, move |_| json(201, &made)).await;
    assert_eq!((ran.exit, ran.out.text()), (Exit::Ok, "hob_new\n".to_owned()));
    assert!(!ran.err.contains("hob_"), "{}", ran.err);
    let [post] = &ran.asked[..] else {
        panic!("{:?}", ran.asked)
    };
    assert_eq!(post.line, "POST /hob/v1/tokens?namespace=team");
    assert_eq!(post.headers["x-auth-token"], "hob_mine");
    let body: serde_json::Value = serde_json::from_slice(&post.body).expect("JSON");
    assert_eq!(body, value!({"name": "ci", "role": "invoke"}));
}

#[tokio::test]
async fn the_functions_own_authorization_goes_beside_the_token() {
    let headers = [("x-function-version", "1")];
    let words = [
        "invoke",
        "hello",
        "-H",
        "authorization: Bearer theirs",
        "--token",
        "hob_mine",
    ];
    let ran = hob(&words, move |_| respond(200, &headers, "")).await;
    let sent = &ran.asked[0].headers;
    assert_eq!(
        (&sent["authorization"], &sent["x-auth-token"]),
        (
            &"Bearer theirs".parse().expect("a value"),
            &"hob_mine".parse().expect("a value")
        )
    );
}
