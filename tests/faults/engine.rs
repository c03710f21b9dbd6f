//! The engine stopped and started: its socket cut under load, its containers gone when it is back.

use crate::helpers::{Daemon, Home, containers, docker};
use crate::ledger::{Ledger, writer};
use crate::load::settings;
use crate::support::eventually;
use http::StatusCode;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

/// Stands before the engine and can be taken away, with every connection that goes through it.
struct Wire {
    socket: PathBuf,
    running: Arc<Mutex<Option<AbortHandle>>>,
}

impl Wire {
    fn at(directory: &Path) -> Self {
        let wire = Self {
            socket: directory.join("engine.sock"),
            running: Arc::default(),
        };
        wire.mend();
        wire
    }

    fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn mend(&self) {
        let listener = UnixListener::bind(&self.socket).expect("nobody has it");
        let carried = tokio::spawn(async move {
            // Dropped, it ends every connection.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client));
            }
        });
        *self.running.lock().expect("ours") = Some(carried.abort_handle());
    }

    async fn cut(&self) {
        let carried = self.running.lock().expect("ours").take().expect("it is there");
        carried.abort();
        std::fs::remove_file(&self.socket).expect("ours");
        eventually("the end of the wire", || async { carried.is_finished().then_some(()) }).await;
    }
}

async fn carry(mut client: UnixStream) {
    let engine = docker(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
    let engine = std::env::var("DOCKER_HOST").unwrap_or(engine);
    let path = engine.strip_prefix("unix://").expect("an engine on this machine");
    if let Ok(mut engine) = UnixStream::connect(path).await {
        // Either side may hang up: that is the end of it.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_and_starts_loses_no_accepted_call_and_no_deploy() {
    let (home, ledger) = (Home::new(), Ledger::open().await);
    let place = tempfile::tempdir().expect("a temporary directory");
    let wire = Wire::at(place.path());
    let daemon = Daemon::start_with(&home, &[("HOB_ENGINE_HOST", &wire.url())]).await;
    daemon.ready("work", &writer(1), settings()).await;
    let before = containers(&daemon.instance);

    wire.cut().await;
    eventually("the engine to be missed", || async {
        (daemon.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let warm = daemon
        .post("/function/work", json!({ "key": "warm", "port": ledger.port }))
        .await;
    assert_eq!(
        (warm.status, warm.json()),
        (StatusCode::OK, json!(1)),
        "a warm worker goes on"
    );
    let mut accepted = Vec::new();
    for n in 0..30 {
        let input = json!({ "key": format!("cut-{n}"), "port": ledger.port });
        let answer = daemon.post("/hob/v1/functions/work/invoke?async=true", input).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        accepted.push(answer.json()["id"].as_str().expect("an id").to_owned());
    }
    let late = daemon.upload("late", &writer(2), settings()).await;
    assert!(late.status.is_success(), "{}", late.text());
    // An engine that was stopped took its containers along.
    docker(&[&["kill"][..], &running(&before)].concat());

    wire.mend();
    for id in &accepted {
        let run = eventually("the end of a call", || async {
            let run = daemon.get(&format!("/hob/v1/executions/{id}")).await.json();
            run["ended_at_ms"].is_i64().then_some(run)
        })
        .await;
        assert_eq!(run["state"], "succeeded", "{run:#}\n{}", daemon.log());
    }
    let (effects, twice) = ledger.below("cut-");
    assert_eq!((effects, twice), (30, vec![]), "each once");
    eventually("the deploy", || async {
        let view = daemon.get("/hob/v1/functions/late").await.json();
        (view["state"] == "ready").then_some(())
    })
    .await;
    let answer = daemon
        .post("/function/late", json!({ "key": "late", "port": ledger.port }))
        .await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!(2)));
    eventually("the end of what the engine had left", || async {
        let now = containers(&daemon.instance);
        (!before.iter().any(|id| now.contains(id))).then_some(())
    })
    .await;
    daemon.purge().await;
}

fn running(containers: &[String]) -> Vec<&str> {
    containers.iter().map(String::as_str).collect()
}
