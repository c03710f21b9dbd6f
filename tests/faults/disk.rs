//! The disk full while calls are accepted, made and recorded: nothing promised is lost, and nothing runs for ever.

use crate::helpers::{Daemon, Home};
use crate::ledger::{Ledger, writer};
use crate::load::settings;
use crate::support::eventually;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own below a directory, which the engine sees too; it goes when this does.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mib: u32) -> Self {
        let size = format!("size={mib}m");
        as_root(&["mount", "-t", "tmpfs", "-o", &size, "none"], at);
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy"], &self.0);
    }
}

fn as_root(command: &[&str], path: &Path) {
    let sudo: &[&str] = match rustix::process::geteuid().is_root() {
        true => &[],
        false => &["sudo", "-n"],
    };
    let words = [sudo, command].concat();
    let done = Command::new(words[0]).args(&words[1..]).arg(path).status();
    assert!(done.is_ok_and(|status| status.success()), "needs root: {words:?}");
}

/// Writes until nothing more fits.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).expect("there is room yet");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
    path
}

async fn accept(daemon: &Daemon, ledger: &Ledger, key: &str) -> Result<String, Value> {
    // Large, so that it needs room of its own.
    let input = json!({ "key": key, "port": ledger.port, "pad": "x".repeat(200_000) });
    let answer = daemon.post("/hob/v1/functions/work/invoke?async=true", input).await;
    match answer.status {
        StatusCode::ACCEPTED => Ok(answer.json()["id"].as_str().expect("an id").to_owned()),
        _ => Err(answer.json()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing_that_was_accepted() {
    let (home, ledger) = (Home::new(), Ledger::open().await);
    let disk = SmallDisk::mount(home.data(), 48);
    let daemon = Daemon::start(&home).await;
    daemon.ready("work", &writer(1), settings()).await;
    let mut accepted = BTreeMap::new();
    for n in 0..20 {
        let key = format!("before-{n}");
        accepted.insert(accept(&daemon, &ledger, &key).await.expect("there is room"), key);
    }
    let filler = fill(&disk.0);
    let refused = eventually("a call that does not fit", || async {
        let key = format!("full-{}", accepted.len());
        accept(&daemon, &ledger, &key).await.err()
    })
    .await;
    assert_eq!(refused["code"], "disk_full", "{refused:#}");
    let answer = daemon
        .post("/function/work", json!({ "key": "sync", "port": ledger.port }))
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!(1)),
        "calls go on"
    );
    std::fs::remove_file(filler).expect("ours");
    for (id, key) in &accepted {
        let run = eventually("the end of a call", || async {
            let run = daemon.get(&format!("/hob/v1/executions/{id}")).await.json();
            run["ended_at_ms"].is_i64().then_some(run)
        })
        .await;
        assert_eq!(run["state"], "succeeded", "{run:#}\n{}", daemon.log());
        assert_eq!(ledger.count(key), 1, "{key}");
    }
    eventually("nothing that runs", || async {
        let counts = daemon.get("/hob/v1/status").await.json()["executions"].clone();
        (counts["queued"] == 0 && counts["running"] == 0).then_some(())
    })
    .await;
    let sync = daemon.get("/hob/v1/executions?asynchronous=false&limit=1").await.json();
    assert_eq!(
        sync["executions"][0]["state"], "succeeded",
        "its record waited for room: {sync:#}"
    );
    assert!(accept(&daemon, &ledger, "after").await.is_ok(), "there is room again");
    daemon.purge().await;
}
