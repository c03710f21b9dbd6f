//! The database held by another program, and its write-ahead log torn: what a backup tool or a power cut does.

use crate::helpers::{Daemon, Home};
use crate::ledger::{Ledger, writer};
use crate::load::settings;
use crate::support::eventually;
use http::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::path::Path;

async fn accept(daemon: &Daemon, ledger: &Ledger, key: &str) -> String {
    let input = json!({ "key": key, "port": ledger.port });
    let answer = daemon.post("/hob/v1/functions/work/invoke?async=true", input).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn ended(daemon: &Daemon, id: &str) -> Value {
    eventually("the end of a call", || async {
        let run = daemon.get(&format!("/hob/v1/executions/{id}")).await.json();
        run["ended_at_ms"].is_i64().then_some(run)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_delays_ends_and_loses_none() {
    let (home, ledger) = (Home::new(), Ledger::open().await);
    let daemon = Daemon::start(&home).await;
    daemon.ready("work", &writer(1), settings()).await;
    let before = accept(&daemon, &ledger, "first").await;
    ended(&daemon, &before).await;
    // Claimed before, ended while somebody holds the database.
    let running = held_at_its_end(&daemon, &home, &ledger).await;
    let run = ended(&daemon, &running).await;
    assert_eq!(
        (&run["state"], ledger.count("held")),
        (&json!("succeeded"), 1),
        "{run:#}"
    );
    let after = accept(&daemon, &ledger, "after").await;
    assert_eq!(ended(&daemon, &after).await["state"], "succeeded");
    daemon.purge().await;
}

/// A call that ends while another program holds the database, longer than the daemon waits for it.
async fn held_at_its_end(daemon: &Daemon, home: &Home, ledger: &Ledger) -> String {
    let gate = ledger.hold("held");
    let id = accept(daemon, ledger, "held").await;
    eventually("its effect", || async { (ledger.count("held") == 1).then_some(()) }).await;
    let other = rusqlite::Connection::open(home.data().join("hob.db")).expect("there");
    other.execute_batch("begin immediate").expect("ours for a while");
    drop(gate);
    let input = json!({ "key": "refused", "port": ledger.port });
    let refused = daemon.post("/hob/v1/functions/work/invoke?async=true", input).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text());
    assert!(refused.text().contains("held by another program"), "{}", refused.text());
    let warm = daemon
        .post("/function/work", json!({ "key": "warm", "port": ledger.port }))
        .await;
    assert_eq!(warm.status, StatusCode::OK, "calls go on: {}", warm.text());
    other.execute_batch("rollback").expect("let go");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_write_ahead_log_loses_its_end_and_nothing_before() {
    let home = Home::new();
    let ledger = Ledger::open().await;
    let mut daemon = Daemon::start(&home).await;
    daemon.ready("work", &writer(1), settings()).await;
    let mut accepted = Vec::new();
    for n in 0..40 {
        let id = accept(&daemon, &ledger, &format!("torn-{n}")).await;
        ended(&daemon, &id).await;
        accepted.push(id);
    }
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    tear(&home.data().join("hob.db-wal"));

    let again = Daemon::start(&home).await;
    eventually("nothing that waits or runs", || async {
        let counts = again.get("/hob/v1/status").await.json()["executions"].clone();
        (counts["queued"] == 0 && counts["running"] == 0).then_some(())
    })
    .await;
    let listed = again
        .get("/hob/v1/executions?limit=1000&asynchronous=true&order=oldest")
        .await
        .json();
    let kept: Vec<&str> = listed["executions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|run| run["id"].as_str())
        .collect();
    assert!(kept.len() < accepted.len(), "the log was not torn");
    assert_eq!(
        kept,
        accepted[..kept.len()],
        "what came before the tear is there, in order"
    );
    let answer = again
        .post("/function/work", json!({ "key": "look", "port": ledger.port }))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let file = home.data().join("hob.db");
    let database = rusqlite::Connection::open(file).expect("there");
    let sound: String = database
        .query_row("pragma integrity_check", [], |r| r.get(0))
        .expect("read");
    assert_eq!(sound, "ok");
    again.purge().await;
}

/// Takes the last third away, within a page.
fn tear(log: &Path) {
    let file = OpenOptions::new()
        .write(true)
        .open(log)
        .expect("a killed daemon leaves it");
    let length = file.metadata().expect("there").len();
    assert!(length > 30_000, "{length} bytes are too few to tear");
    file.set_len(length * 2 / 3 + 7).expect("ours");
}
