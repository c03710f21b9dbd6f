//! `hob backup` while everything goes on, and `hob restore` somewhere else.

use crate::support::{Hob, fake_engine};
use crate::terminal::{hob, hob_in, program, run};
use http::StatusCode;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const COUNTS: &str = "def main(n=0, **_):\n    print('number', n)\n    return n\n";

/// Calls, asynchronous calls and deploys, until told to stop.
async fn load(daemon: Arc<Hob>, name: String, stop: Arc<AtomicBool>) -> u32 {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        assert_eq!(daemon.call(&name, json!({"n": n})).await.status, StatusCode::OK);
        daemon.call_later(&name, json!({"n": n})).await;
        if n % 10 == 0 {
            daemon.ready(&name, &format!("{COUNTS}# {n}\n"), json!({})).await;
        }
    }
    n
}

async fn restore(file: &Path, into: &Path) -> crate::terminal::Ran {
    let (file, into) = (file.display().to_string(), into.display().to_string());
    run(
        program("http://127.0.0.1:1"),
        &["restore", &file, "--data-dir", &into],
        b"",
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_under_load_is_a_daemon_of_its_own() {
    let daemon = Arc::new(Hob::start(&[]).await.0.warm().await);
    let home = tempfile::tempdir().expect("a folder");
    for name in ["one", "two"] {
        daemon.ready(name, COUNTS, json!({"env": {"KEY": name}})).await;
    }
    hob(&daemon, &["versions", "publish", "one"]).await.ok();
    hob(&daemon, &["alias", "set", "live", "one", "--version", "1"])
        .await
        .ok();
    hob(&daemon, &["jobs", "create", "two", "--every", "1h", "--name", "tick"])
        .await
        .ok();
    let stop = Arc::new(AtomicBool::new(false));
    let loads = ["one", "two"].map(|name| tokio::spawn(load(Arc::clone(&daemon), name.to_owned(), Arc::clone(&stop))));
    for n in 0..3 {
        let name = format!("hob{n}.tar");
        let ran = hob_in(&daemon, home.path(), &["backup", &name]).await.ok();
        ran.says(&name).tells("hob restore");
    }
    stop.store(true, Ordering::Relaxed);
    for load in loads {
        assert!(load.await.expect("no call fails") > 0);
    }
    let file = home.path().join("hob2.tar");
    let mode = std::fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let data = Arc::new(tempfile::tempdir().expect("a folder"));
    restore(&file, data.path()).await.ok().says("2 functions");
    // Beside the first, which still runs.
    let second = Hob::start_again(&data, fake_engine(), &[]).await.warm().await;
    let instance = |status: serde_json::Value| status["instance"].clone();
    let (first_status, second_status) = (
        daemon.get("/hob/v1/status").await.json(),
        second.get("/hob/v1/status").await.json(),
    );
    assert_ne!(instance(first_status), instance(second_status));
    for name in ["one", "two"] {
        let ran = hob(&second, &["invoke", name, "-d", "{\"n\": 7}"]).await.ok();
        assert_eq!(ran.out, "7");
        assert_eq!(second.view(name).await["latest"]["env"]["KEY"], name);
    }
    hob(&second, &["invoke", "one", "--alias", "live", "-d", "{\"n\": 8}"])
        .await
        .ok()
        .says("8");
    hob(&second, &["jobs", "show", "tick"]).await.ok().says("every 1");
    // Nothing is left half-done: what was queued runs, what ran has ended.
    for state in ["queued", "running"] {
        crate::support::eventually(state, || async {
            let list = second.get(&format!("/hob/v1/executions?state={state}")).await.json();
            list["executions"].as_array()?.is_empty().then_some(())
        })
        .await;
    }
    restore(&file, data.path()).await.ends_with(2).tells("data directory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_backup_is_refused_and_leaves_nothing() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    let home = tempfile::tempdir().expect("a folder");
    daemon.ready("f", COUNTS, json!({})).await;
    hob_in(&daemon, home.path(), &["backup", "whole.tar"]).await.ok();
    let whole = std::fs::read(home.path().join("whole.tar")).expect("written");
    let empty = crate::support::zip(&[("a", "b")]);
    for (name, bytes) in [
        ("cut", &whole[..whole.len() / 2]),
        ("noise", &b"no archive at all"[..]),
        ("other", &empty[..]),
    ] {
        let file = home.path().join(name);
        std::fs::write(&file, bytes).expect("written");
        let into = home.path().join(format!("{name}.data"));
        restore(&file, &into).await.ends_with(2).tells("no whole backup");
        assert!(!into.join("hob.db").exists(), "{name}");
        assert!(!into.join("restore.part").exists(), "{name}");
    }
    restore(&home.path().join("nothing"), &home.path().join("d"))
        .await
        .ends_with(3);
}
