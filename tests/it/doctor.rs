//! `hob doctor`: with and without a daemon, with and without an engine.

use crate::support::Hob;
use crate::terminal::{Ran, program, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

const NOBODY: &str = "http://127.0.0.1:1";

/// An engine that says who it is and can nothing else.
fn an_engine() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("tcp://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut asked = String::new();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                asked = if asked.is_empty() { line.clone() } else { asked };
                line.clear();
            }
            let body = if asked.contains("/info") {
                json!({"CgroupVersion": "2", "Driver": "overlay2", "MemTotal": 1 << 30})
            } else {
                json!({"Version": "27.0.1", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"})
            };
            let body = body.to_string();
            let _ = write!(
                reader.get_mut(),
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\napi-version: 1.41\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

async fn doctor(url: &str, engine: &str, data: &Path, more: &[&str]) -> Ran {
    let mut command = program(url);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    command
        .env("DOCKER_HOST", engine)
        .env("HOB_LISTEN", "127.0.0.1:0")
        .env("HOB_RUNTIMES_DIRECTORY", crate::support::root().join("runtimes"))
        .env("HOB_DATA_DIR", data);
    let mut arguments = vec!["doctor"];
    arguments.extend(more);
    run(command, &arguments, b"").await
}

fn level<'a>(report: &'a Value, check: &str) -> &'a str {
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.and_then(|finding| finding["level"].as_str()).unwrap_or("missing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_daemon_it_looks_at_the_machine_and_the_engine() {
    let data = tempfile::tempdir().expect("a folder");
    let ran = doctor(NOBODY, &an_engine(), &data.path().join("new"), &["-o", "json"]).await;
    let report = ran.ok().json();
    assert_eq!(report["ok"], json!(true), "{report:#}");
    for check in [
        "settings",
        "engine",
        "cgroup",
        "storage",
        "permissions",
        "port",
        "runtimes",
        "ca",
        "proxy",
    ] {
        assert_eq!(level(&report, check), "ok", "{check} in {report:#}");
    }
    assert_eq!(level(&report, "daemon"), "warning", "{report:#}");
    for check in ["disk", "file events", "metadata"] {
        assert_ne!(level(&report, check), "missing", "{check} in {report:#}");
    }
    assert!(!data.path().join("new").exists(), "it makes nothing");
    doctor(NOBODY, &an_engine(), data.path(), &[])
        .await
        .ok()
        .fits()
        .says("hob serve");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_daemon_it_asks_for_its_workers_and_images() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    let url = format!("http://{}", daemon.address);
    let data = daemon.data();
    let report = doctor(&url, &an_engine(), data.path(), &["-o", "json"])
        .await
        .ok()
        .json();
    for check in ["daemon", "workers", "images"] {
        assert_eq!(level(&report, check), "ok", "{check} in {report:#}");
    }
    assert_eq!(
        level(&report, "port"),
        "missing",
        "the port is the daemon's own: {report:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_broken_fails_with_the_command_that_mends_it() {
    let data = tempfile::tempdir().expect("a folder");
    let ran = doctor(NOBODY, "unix:///no/such/socket", data.path(), &[]).await;
    ran.ends_with(1).fits().says("FAILED   engine").says("mend: ");
    let mut command = program(NOBODY);
    command.env("HOB_POOL_IDLE_SECOND", "1").env("DOCKER_HOST", an_engine());
    let ran = run(command, &["doctor", "-o", "json"], b"").await.ends_with(1);
    let report = ran.json();
    assert_eq!(level(&report, "settings"), "failure", "{report:#}");
    assert!(report.to_string().contains("HOB_POOL_IDLE_SECONDS"), "{report:#}");
}
