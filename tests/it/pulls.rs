//! Images that have to be fetched: what is said of it, how far it is, and how it ends.
//!
//! The registry is the fake engine's; that an engine's own words are understood is proved in the engine room.

use crate::support::{Hob, eventually, fake_engine, root};
use bytes::Bytes;
use hob::engine::fake::FakeEngine;
use hob::engine::{Engine, Error, Layer, LayerState};
use http::{Method, StatusCode};
use serde_json::{Value, json};
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
