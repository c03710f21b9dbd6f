//! The real program in bad times: killed, stopped, its worker killed, its data from the future, its port taken.

use crate::helpers::{Daemon, Home, containers, docker, send};
use crate::support::eventually;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpListener;

const NAP: &str = "import time\ndef main(seconds=0.0, **_):\n    time.sleep(seconds)\n    return 'rested'\n";

fn python() -> Value {
    json!({ "runtime": "python" })
}

/// Starts a call and waits until a worker has it.
async fn call_under_way(daemon: &Daemon, seconds: f64) -> (tokio::task::JoinHandle<crate::support::Answer>, String) {
    let (address, input) = (daemon.address, json!({ "seconds": seconds }).to_string());
    let path = "/function/nap";
    let call = tokio::spawn(async move { send(address, Method::POST, path, "application/json", input.into()).await });
    let worker = eventually("a busy worker", || daemon.busy_worker("nap")).await;
    (call, worker)
}

async fn executions(daemon: &Daemon) -> Vec<Value> {
    let list = daemon.get("/hob/v1/executions?limit=200").await.json();
    list["executions"].as_array().cloned().unwrap_or_default()
}

fn assert_ended_once(run: &Value) {
    let (state, message) = (run["state"].as_str().unwrap_or_default(), run["message"].as_str());
    let reason = message.is_some_and(|text| !text.is_empty());
    assert!(state == "succeeded" || (state == "error" && reason), "{run:#}");
    assert!(run["ended_at_ms"].is_i64(), "{run:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_loses_no_accepted_call_no_deploy_and_no_container() {
    let home = Home::new();
    let mut daemon = Daemon::start(&home).await;
    daemon.ready("nap", NAP, python()).await;
    let inputs = (0..50).map(|_| daemon.post("/hob/v1/functions/nap/invoke?async=true", json!({ "seconds": 0.1 })));
    let accepted: BTreeSet<String> = join_all(inputs)
        .await
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
            answer.json()["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(accepted.len(), 50);
    eventually("a running call", || daemon.busy_worker("nap")).await;
    let deploy = daemon.deploy("late", NAP, python(), 0).await;
    assert_ne!(deploy["latest"]["state"], "failed", "{deploy:#}");
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    let before: BTreeSet<String> = containers(&daemon.instance).into_iter().collect();
    assert!(!before.is_empty(), "the killed daemon left its containers");

    let again = Daemon::start(&home).await;
    assert_eq!(again.instance, daemon.instance);
    let runs = eventually("the end of every call", || async {
        let runs = executions(&again).await;
        let open = runs
            .iter()
            .any(|run| run["state"] == "queued" || run["state"] == "running");
        (!open).then_some(runs)
    })
    .await;
    let ids: Vec<&str> = runs.iter().filter_map(|run| run["id"].as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id twice");
    assert_eq!(ids.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), accepted);
    runs.iter().for_each(assert_ended_once);
    let succeeded = runs.iter().filter(|run| run["state"] == "succeeded").count();
    assert!(succeeded >= 40, "what waited runs: {succeeded} of 50");
    eventually("the end of the deploy", || async {
        let view = again.get("/hob/v1/functions/late").await.json();
        (view["latest"]["state"] == "ready").then_some(())
    })
    .await;
    assert_eq!(again.post("/function/late", json!({})).await.status, StatusCode::OK);
    eventually("the end of the orphans", || async {
        let now: BTreeSet<String> = containers(&again.instance).into_iter().collect();
        now.is_disjoint(&before).then_some(())
    })
    .await;
    again.purge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_during_a_call_is_named_and_replaced() {
    let daemon = Daemon::start(&Home::new()).await;
    daemon.ready("nap", NAP, python()).await;
    let (call, worker) = call_under_way(&daemon, 50.0).await;
    let label = format!("label=hob.worker={worker}");
    let container = docker(&["ps", "-q", "--filter", &label]);
    assert!(containers(&daemon.instance).iter().any(|id| id.starts_with(&container)));
    docker(&["kill", &container]);
    let answer = call.await.expect("it ends");
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.text());
    assert_eq!(answer.json()["code"], "worker_died", "{}", answer.text());
    assert_eq!(answer.header("x-error-source"), "platform");
    let next = daemon.post("/function/nap", json!({})).await;
    assert_eq!((next.status, next.json()), (StatusCode::OK, json!("rested")));
    daemon.purge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_daemon_lets_its_calls_finish_and_takes_its_containers_along() {
    let home = Home::new();
    // It ends with its last call, or not before this test has lost its patience.
    let mut daemon = Daemon::start_with(&home, &[("HOB_SERVER_SHUTDOWN_GRACE_SECONDS", "3600")]).await;
    daemon.ready("nap", NAP, python()).await;
    let (call, _) = call_under_way(&daemon, 5.0).await;
    daemon.signal(Signal::TERM);
    let answer = call.await.expect("it ends");
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!("rested")));
    let ended = daemon.ended().await;
    assert_eq!(ended.code(), Some(0), "{}", daemon.log());
    assert_eq!(containers(&daemon.instance), Vec::<String>::new());

    let again = Daemon::start(&home).await;
    let runs = executions(&again).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0]["state"], "succeeded", "{runs:?}");
    again.purge().await;
}

#[test]
fn a_data_directory_of_a_newer_program_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let file = home.data().join("hob.db");
    let newer = rusqlite::Connection::open(&file).expect("ours");
    newer
        .execute_batch("create table t (x); pragma user_version = 999")
        .expect("written");
    drop(newer);
    let before = std::fs::read(&file).expect("there");
    let output = home.refused("127.0.0.1:0");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("version 999") && said.contains("use the newer program"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "it must not say ready");
    assert_eq!(std::fs::read(&file).expect("there"), before);
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("bound").to_string();
    let output = Home::new().refused(&address);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    let pid = format!("(pid {})", std::process::id());
    assert!(said.contains(&pid) && said.contains("--listen"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_one_data_directory_is_refused() {
    let home = Home::new();
    let daemon = Daemon::start(&home).await;
    let output = home.refused("127.0.0.1:0");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is in use"), "{said}");
    let well = send(daemon.address, Method::GET, "/healthz", "text/plain", Bytes::new()).await;
    assert_eq!(well.status, StatusCode::OK);
    daemon.purge().await;
}

/// The daemon with a data directory of its own that holds so many MiB; nobody else sees that file system.
async fn daemon_on_a_small_disk(home: &Home, mib: u32) -> Daemon {
    let data = home.data().display();
    let script = format!("mount -t tmpfs -o size={mib}m none '{data}' && exec \"$0\" \"$@\"");
    let namespaces = match rustix::process::geteuid().is_root() {
        true => "-m",
        false => "-Urm",
    };
    Daemon::start_below(home, &["unshare", namespaces, "sh", "-c", &script]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fills_the_disk_is_refused_and_what_was_there_goes_on() {
    let home = Home::new();
    let mut daemon = daemon_on_a_small_disk(&home, 24).await;
    daemon.deploy("small", NAP, python(), 0).await;
    let disk = format!("/proc/{}/root{}", daemon.pid(), home.data().display());
    let used = || crate::support::files_below(std::path::Path::new(&disk)).len();
    let before = used();
    let noise: String = (0..30 * 1024 * 64)
        .map(|n: u64| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let answer = daemon.upload("large", &noise, python()).await;
    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE, "{}", answer.text());
    assert_eq!(answer.json()["code"], "disk_full", "{}", answer.text());
    assert_eq!(
        daemon.get("/hob/v1/functions/large").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(used(), before, "nothing of the upload is left");
    assert_eq!(daemon.get("/hob/v1/functions/small").await.status, StatusCode::OK);
    let again = daemon.upload("other", NAP, python()).await;
    assert!(again.status.is_success(), "there is room again: {}", again.text());
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success(), "{}", daemon.log());
    crate::helpers::remove_all(&daemon.instance);
}
