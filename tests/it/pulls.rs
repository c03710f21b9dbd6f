//! Images that have to be fetched: what is said of it, how far it is, and how it ends.
//!
//! The registry is the fake engine's; that an engine's own words are understood is proved in the engine room.

use crate::support::{Hob, eventually, fake_engine, root};
use bytes::Bytes;
use hob::engine::fake::FakeEngine;
use hob::engine::{Engine, Error, Layer, LayerState};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const MIB: u64 = 1 << 20;

/// A daemon whose engine has to fetch the image `server`.
async fn start() -> (Hob, Arc<FakeEngine>) {
    let fake = fake_engine();
    let file = root().join("tests/support/server.py");
    fake.add_program("server", vec!["python3".to_owned(), file.display().to_string()]);
    fake.lose_image("server");
    let layer = |id: &str, state| Layer {
        id: id.to_owned(),
        state,
    };
    let coming = |done_bytes| LayerState::Coming {
        done_bytes,
        total_bytes: Some(4 * MIB),
    };
    let layers = vec![
        layer("base", LayerState::AlreadyHere),
        layer("one", LayerState::Waiting),
        layer("one", coming(MIB)),
        layer("one", coming(4 * MIB)),
        layer("one", LayerState::Fetched),
        layer("one", LayerState::Done),
        layer("two", LayerState::Waiting),
        layer("two", coming(0)),
        layer("two", coming(MIB)),
    ];
    fake.offer_image("server", layers);
    let hob = Hob::start_on(Arc::clone(&fake) as Arc<dyn Engine>, &[]).await;
    (hob, fake)
}

/// Deploys and does not wait.
async fn begin(hob: &Hob) {
    let answer = hob.deploy_form("f", None, json!({"image": "server"}), 0).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
}

async fn pulling(fake: &FakeEngine, n: usize) {
    eventually("pulls to be under way", || async {
        (fake.pulls_running() == n).then_some(())
    })
    .await;
}

async fn settled(hob: &Hob) -> Value {
    eventually("the deploy to settle", || async {
        let view = hob.view("f").await;
        (view["state"] != "pending").then_some(view)
    })
    .await
}

async fn said(hob: &Hob) -> String {
    hob.get("/hob/v1/functions/f/build").await.text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_can_be_followed_and_is_told_in_numbers_while_it_goes_on() {
    let (hob, fake) = start().await;
    fake.hang_pulls(true);
    begin(&hob).await;
    let mut live = hob.open(Method::GET, "/hob/v1/functions/f/build?follow=true", "").await;
    live.until("Pulling server\nbase: already here\none: pulled, 4.0 MiB\n")
        .await;
    let pull = json!({"image": "server", "done_bytes": 5 * MIB, "total_bytes": 8 * MIB});
    let view = eventually("the last bytes to be told", || async {
        let view = hob.view("f").await;
        (view["latest"]["pull"] == pull).then_some(view)
    });
    assert_eq!(view.await["state"], "pending");
    fake.hang_pulls(false);
    live.until("Pulled server, 5.0 MiB in ").await;
    let view = settled(&hob).await;
    assert_eq!((&view["state"], view["latest"].get("pull")), (&json!("ready"), None));
    assert_eq!(said(&hob).await.lines().count(), 4);
    // What is here is not asked for again, and nothing is said of it.
    begin(&hob).await;
    assert_eq!(settled(&hob).await["state"], "ready");
    assert_eq!((fake.counts().pulls, said(&hob).await.as_str()), (1, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_fails_says_what_to_do_and_leaves_nothing_waiting() {
    let (hob, fake) = start().await;
    let message = "dial tcp: connection refused".to_owned();
    fake.fail_next_pull(Error::Refused { status: 500, message });
    fake.fail_next_pull(Error::ImageMissing {
        image: "server".to_owned(),
    });
    for advice in ["see what `docker pull server` says", "check its name and tag"] {
        begin(&hob).await;
        let view = settled(&hob).await;
        let error = view["latest"]["error"].as_str().expect("a reason").to_owned();
        assert!(
            error.starts_with("image `server` is not on this machine") && error.contains(advice),
            "{error}"
        );
        assert_eq!(view["latest"].get("pull"), None);
        let said = said(&hob).await;
        let last: Vec<_> = said.lines().rev().take(2).collect();
        assert!(
            last[0].starts_with("error: image `server`") && last[1] == "server could not be pulled",
            "{said}"
        );
        assert_eq!(fake.pulls_running(), 0);
    }
    begin(&hob).await;
    assert_eq!(settled(&hob).await["state"], "ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_outlives_an_engine_that_goes_away_during_its_pull() {
    let (hob, fake) = start().await;
    fake.hang_pulls(true);
    begin(&hob).await;
    pulling(&fake, 1).await;
    fake.set_down(true);
    fake.hang_pulls(false);
    pulling(&fake, 0).await;
    fake.set_down(false);
    assert_eq!(settled(&hob).await["state"], "ready");
    let said = said(&hob).await;
    assert!(!said.contains("error") && said.contains("Pulled server"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_function_ends_its_pull() {
    let (hob, fake) = start().await;
    fake.hang_pulls(true);
    begin(&hob).await;
    pulling(&fake, 1).await;
    let answer = hob.send(Method::DELETE, "/hob/v1/functions/f", &[], Bytes::new());
    assert_eq!(answer.await.status, StatusCode::NO_CONTENT);
    pulling(&fake, 0).await;
}

/// `hob` as a process whose words are in files, on a terminal of its own or not; ended if a test forgets it.
struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

/// On a terminal both streams come out as one.
const TERMINAL: &str = "import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

impl Running {
    fn start(hob: &Hob, on_terminal: bool, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let mut command = match on_terminal {
            true => Command::new("python3"),
            false => Command::new(env!("CARGO_BIN_EXE_hob")),
        };
        if on_terminal {
            command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_hob")]);
        }
        command
            .args(arguments)
            .env("HOB_URL", format!("http://{}", hob.address))
            .env_remove("HOB_TOKEN")
            .env_remove("HOB_OUTPUT")
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"));
        let child = command.spawn().unwrap();
        Self { child, folder }
    }

    fn said(&self, stream: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(stream)).unwrap()
    }

    async fn says(&self, stream: &str, what: &str) {
        eventually(&format!("`{what}`"), || async {
            self.said(stream).contains(what).then_some(())
        })
        .await;
    }

    async fn ends_well(&mut self) {
        let status = eventually("its end", || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        });
        let status = status.await;
        assert!(status.success(), "{}{}", self.said("out"), self.said("err"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const DEPLOY: [&str; 5] = ["deploy", "--image", "server", "--name", "f"];
const LAYER: &str = "one: pulled, 4.0 MiB";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_is_a_bar_on_a_terminal_that_leaves_only_lines() {
    let (hob, fake) = start().await;
    fake.hang_pulls(true);
    let mut deploy = Running::start(&hob, true, &DEPLOY);
    let bar = "\r\u{1b}[2Kpulled [##################------------] 5.0 of 8.0 MiB, ";
    deploy.says("out", bar).await;
    fake.hang_pulls(false);
    deploy.ends_well().await;
    let out = deploy.said("out");
    let seen = out.rsplit(bar).next().unwrap();
    assert!(seen.contains("\r\u{1b}[2KPulled server, 5.0 MiB in "), "{out:?}");
    assert!(out.contains(LAYER) && seen.contains("is ready at"), "{out:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_is_told_in_lines_where_no_terminal_is_and_not_at_all_beside_json() {
    let (hob, fake) = start().await;
    fake.hang_pulls(true);
    let mut deploy = Running::start(&hob, false, &DEPLOY);
    deploy.says("err", LAYER).await;
    fake.hang_pulls(false);
    deploy.ends_well().await;
    let err = deploy.said("err");
    assert!(err.contains("Pulled server") && !err.contains('\r'), "{err:?}");

    let (hob, fake) = start().await;
    fake.hang_pulls(true);
    let mut deploy = Running::start(&hob, false, &[&["-o", "json"], &DEPLOY[..]].concat());
    pulling(&fake, 1).await;
    fake.hang_pulls(false);
    deploy.ends_well().await;
    let view: Value = serde_json::from_str(&deploy.said("out")).unwrap();
    assert_eq!(view["state"], "ready");
    assert!(!deploy.said("err").contains(LAYER), "{}", deploy.said("err"));
}
