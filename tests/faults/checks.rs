//! What must hold after each restart, whatever moment the kill had chosen.

use crate::helpers::{Daemon, docker, send};
use crate::ledger::Ledger;
use crate::load::WORK;
use crate::promises::Promises;
use crate::support::{eventually, files_below};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// Namespaces that the daemon makes ahead; each serves one worker.
const HOLDERS: usize = 2;

/// All of it, with no load.
pub(crate) async fn after_a_restart(daemon: &Daemon, promises: &mut Promises, ledger: &Ledger) {
    stop_jobs(daemon, promises).await;
    functions_are_as_promised(daemon, promises).await;
    accepted_calls_end_once(daemon, promises, ledger).await;
    nothing_is_left_running(daemon).await;
    answered_calls_were_made_once(promises, ledger);
    functions_answer(daemon, promises, ledger).await;
    files_are_whole(daemon).await;
}

/// A job that was made is there; it fires no more.
async fn stop_jobs(daemon: &Daemon, promises: &mut Promises) {
    let listed = daemon.get("/hob/v1/jobs?limit=1000").await.json();
    let there: BTreeSet<String> = strings(&listed["jobs"], "id").collect();
    let lost: Vec<_> = promises.jobs.difference(&there).collect();
    assert!(lost.is_empty(), "jobs that were made are gone: {lost:?}");
    for id in there {
        let path = format!("/hob/v1/jobs/{id}");
        let answer = send(daemon.address, Method::DELETE, &path, "text/plain", Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    }
    promises.jobs.clear();
}

/// What was deployed is there and becomes ready; what was deleted is not there.
async fn functions_are_as_promised(daemon: &Daemon, promises: &mut Promises) {
    let view = eventually("every deploy to finish", || async {
        let view = daemon.get("/hob/v1/functions").await.json();
        let pending = view["functions"].as_array()?.iter().any(|f| f["state"] == "pending");
        (!pending).then_some(view)
    })
    .await;
    for function in view["functions"].as_array().expect("a list") {
        assert_eq!(function["state"], "ready", "{function:#}\n{}", daemon.log());
        assert_eq!(function["current"]["id"], function["latest"]["id"], "{function:#}");
    }
    let there: BTreeSet<String> = strings(&view["functions"], "name").collect();
    for name in promises.functions.keys() {
        assert!(there.contains(name), "`{name}` was deployed and is gone");
    }
    for name in &promises.removed {
        assert!(!there.contains(name), "`{name}` was deleted and is there again");
    }
    for name in std::mem::take(&mut promises.doubtful_functions) {
        if there.contains(&name) {
            promises.functions.entry(name).or_insert(0);
        }
    }
    let known: BTreeSet<String> = promises.functions.keys().cloned().collect();
    assert_eq!(there, known, "functions");
}

/// Each accepted call ends; one that succeeded had its effect once, one that a kill ended had it once or never.
async fn accepted_calls_end_once(daemon: &Daemon, promises: &mut Promises, ledger: &Ledger) {
    for (id, key) in std::mem::take(&mut promises.accepted) {
        let run = eventually(&format!("the end of {id}"), || async {
            let answer = daemon.get(&format!("/hob/v1/executions/{id}")).await;
            assert_eq!(answer.status, StatusCode::OK, "accepted and lost: {}", answer.text());
            let run = answer.json();
            run["ended_at_ms"].is_i64().then_some(run)
        })
        .await;
        let effects = ledger.count(&key);
        match run["state"].as_str() {
            Some("succeeded") => {
                promises.counts.succeeded += 1;
                assert_eq!(effects, 1, "{run:#}");
            }
            Some("error") => {
                promises.counts.interrupted += 1;
                assert!(effects <= 1, "{effects} times: {run:#}");
                let why = run["message"].as_str().unwrap_or_default();
                assert!(why.contains("the daemon stopped"), "{run:#}");
            }
            _ => panic!("{run:#}\n{}", daemon.log()),
        }
    }
    for key in std::mem::take(&mut promises.doubtful_calls) {
        assert!(ledger.count(&key) <= 1, "{key} was made twice");
    }
}

/// Calls nobody was told of (of jobs, and accepted without an answer) end too, and the counts agree.
async fn nothing_is_left_running(daemon: &Daemon) {
    let counts = eventually("the end of all calls", || async {
        let counts = daemon.get("/hob/v1/status").await.json()["executions"].clone();
        (counts["queued"] == 0 && counts["running"] == 0).then_some(counts)
    })
    .await;
    let listed = daemon.get("/hob/v1/executions?limit=1&count=true").await.json();
    let sum: u64 = counts
        .as_object()
        .expect("counts")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(listed["total"], json!(sum), "{counts:#}");
    for state in ["failed", "cancelled"] {
        let path = format!("/hob/v1/executions?limit=3&state={state}&async=true");
        let bad = daemon.get(&path).await.json();
        assert_eq!(bad["executions"], json!([]), "no function failed, and nobody cancelled");
    }
}

fn answered_calls_were_made_once(promises: &mut Promises, ledger: &Ledger) {
    for key in std::mem::take(&mut promises.answered) {
        assert_eq!(ledger.count(&key), 1, "{key} was answered");
    }
    let (_, twice) = ledger.below("sync-");
    assert_eq!(twice, Vec::<String>::new(), "made twice");
}

/// Each with the code that was deployed last, as far as an answer said so.
async fn functions_answer(daemon: &Daemon, promises: &Promises, ledger: &Ledger) {
    for (name, number) in &promises.functions {
        let input = json!({ "key": "look", "port": ledger.port });
        let answer = daemon.post(&format!("/function/{name}"), input).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
        let answered = answer.json().as_u64().expect("its number");
        assert!(
            answered >= u64::from(*number),
            "{name} answers {answered}, not {number}"
        );
        assert!(name == WORK || *number == 0 || answered == u64::from(*number), "{name}");
    }
}

/// Packages are whole, nothing half-done lies about, and workers' directories are those of workers.
async fn files_are_whole(daemon: &Daemon) {
    let data = daemon.home.data();
    let blobs = packages(data);
    for digest in &blobs {
        let file = data.join("blobs").join(&digest[..2]).join(digest);
        let bytes = std::fs::read(&file).expect("readable");
        let is: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(&is, digest, "a package that is not whole");
    }
    for digest in live_packages(data) {
        assert!(blobs.contains(&digest), "the package {digest} of a revision is gone");
    }
    eventually("no half-done file", || async {
        files_below(&data.join("tmp")).is_empty().then_some(())
    })
    .await;
    eventually("no directory of a worker that is gone", || async {
        let here = names(&data.join("workers"));
        let known = workers(daemon).await;
        here.is_subset(&known).then_some(())
    })
    .await;
}

/// Packages on the disk.
pub(crate) fn packages(data: &Path) -> BTreeSet<String> {
    let shelves = names(&data.join("blobs"));
    shelves
        .iter()
        .flat_map(|shelf| names(&data.join("blobs").join(shelf)))
        .collect()
}

/// Packages that revisions refer to.
pub(crate) fn live_packages(data: &Path) -> BTreeSet<String> {
    let database = rusqlite::Connection::open(data.join("hob.db")).expect("there");
    let mut codes = database
        .prepare("select distinct code from revision where code != ''")
        .expect("sql");
    let rows = codes.query_map([], |row| row.get(0)).expect("read");
    rows.collect::<Result<_, _>>().expect("text")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).expect("there").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

async fn workers(daemon: &Daemon) -> BTreeSet<String> {
    let status = daemon.get("/hob/v1/status").await.json();
    strings(&status["workers"], "id").collect()
}

fn strings<'v>(list: &'v Value, key: &'static str) -> impl Iterator<Item = String> + 'v {
    let list = list.as_array().expect("a list").iter();
    list.filter_map(move |entry| entry[key].as_str().map(str::to_owned))
}

/// Containers that no worker stands for. The engine may still carry out what a daemon asked of it before it was killed,
/// so one that is there once is none yet.
pub(crate) async fn orphans(daemon: &Daemon) -> BTreeSet<String> {
    let label = format!("label=hob.instance={}", daemon.instance);
    let format = r#"{{.ID}} {{.Label "hob.kind"}} {{.Label "hob.worker"}}"#;
    let listed = docker(&["ps", "-a", "--filter", &label, "--format", format]);
    let known = workers(daemon).await;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split(' ').collect()).collect();
    let holders = rows.iter().filter(|row| row[1] == "holder");
    let spare = holders.skip(HOLDERS + known.len());
    let lost = rows.iter().filter(|row| row[1] == "worker" && !known.contains(row[2]));
    spare.chain(lost).map(|row| row[0].to_owned()).collect()
}

/// At most the one with an outside and the one without.
pub(crate) fn assert_no_network_twice(instance: &str) {
    let label = format!("label=hob.instance={instance}");
    let names = docker(&["network", "ls", "--filter", &label, "--format", "{{.Name}}"]);
    let all: Vec<&str> = names.lines().collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{names}");
}
