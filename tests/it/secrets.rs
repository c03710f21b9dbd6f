//! Secret variables: they reach the function and nobody else, and losing their key is told with what to do.

use crate::support::{Answer, Hob, fake_engine, files_below};
use hob::app::VariablesChange;
use hob::domain::{Namespace, SecretText};
use hob::engine::Engine;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const ENVIRONMENT: &str = "import os\ndef main(names, **_):\n    return [os.environ.get(n) for n in names]\n";

async fn environment(hob: &Hob, names: &[&str]) -> Value {
    let answer = hob.call("f", json!({"names": names})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn change(hob: &Hob, settings: Value) -> Value {
    let answer: Answer = hob.change("f", settings).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_reach_the_function_and_are_shown_and_kept_nowhere() {
    let hob = Hob::start(&[]).await.0.warm().await;
    let settings = json!({"env": {"A": "shown"}, "secrets": {"B": "hunter2", "C": "hunter2-too"}});
    hob.ready("f", ENVIRONMENT, settings).await;
    assert_eq!(
        environment(&hob, &["A", "B", "C"]).await,
        json!(["shown", "hunter2", "hunter2-too"])
    );
    let view = change(&hob, json!({"secrets": {"B": "hunter2-new", "C": null}})).await;
    assert_eq!(view["latest"]["secrets"], json!(["B"]));
    assert_eq!(
        environment(&hob, &["A", "B", "C"]).await,
        json!(["shown", "hunter2-new", null])
    );
    for path in ["", "/revisions", "/build", "/logs", "/workers"] {
        let shown = hob.get(&format!("/hob/v1/functions/f{path}")).await;
        assert!(
            shown.status.is_success() && !shown.text().contains("hunter2"),
            "{path}: {}",
            shown.text()
        );
    }
    let data = hob.data();
    hob.stop().await;
    for file in files_below(data.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(7).any(|w| w == b"hunter2"), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_tells_that_a_secret_changed_and_stays_when_it_did_not() {
    let hob = Hob::start(&[]).await.0.warm().await;
    hob.ready("f", ENVIRONMENT, json!({"secrets": {"A": "one", "B": "two"}}))
        .await;
    let id = hob.id_of("f").await;
    let hashes = || async {
        let revisions = hob.ask(move |app| async move { app.list_revisions(id).await });
        let secrets = revisions.await.expect("revisions").remove(0).secrets;
        secrets
            .into_iter()
            .map(|(name, s)| (name, s.hash))
            .collect::<BTreeMap<_, _>>()
    };
    let before = hashes().await;
    assert!(before.values().all(|hash| hash.starts_with("$argon2id$")), "{before:?}");
    change(&hob, json!({"secrets": {"A": "one", "B": "three"}})).await;
    let after = hashes().await;
    assert_eq!(before["A"], after["A"]);
    assert_ne!(before["B"], after["B"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_namespace_gives_reaches_a_function_with_its_next_deploy_and_the_functions_own_wins() {
    let hob = Hob::start(&[]).await.0.warm().await;
    let text = |t: &str| t.to_owned();
    hob.ready("f", ENVIRONMENT, json!({"env": {"A": "own"}})).await;
    let given = VariablesChange {
        env: Some(BTreeMap::from([(text("A"), text("ns")), (text("B"), text("ns"))])),
        secrets: BTreeMap::from([(text("C"), Some(SecretText::new(text("hidden"))))]),
    };
    hob.ask(|app| async move {
        let namespace = Namespace::default_namespace();
        app.change_namespace_variables(&namespace, given).await
    })
    .await
    .expect("set");
    assert_eq!(environment(&hob, &["A", "B", "C"]).await, json!(["own", null, null]));
    let view = change(&hob, json!({"memory_mib": 300})).await;
    assert_eq!(
        environment(&hob, &["A", "B", "C"]).await,
        json!(["own", "ns", "hidden"])
    );
    assert_eq!(
        view["latest"]["env"],
        json!({"A": "own"}),
        "only its own is shown as its own"
    );
    assert!(!view.to_string().contains("hidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_key_file_only_what_needs_it_fails_and_says_what_to_set_again() {
    let engine = fake_engine();
    let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &[])
        .await
        .warm()
        .await;
    hob.ready("f", ENVIRONMENT, json!({"secrets": {"A": "one"}})).await;
    hob.ready("plain", "def main(**_):\n    return 1\n", json!({})).await;
    let data = hob.data();
    hob.stop().await;
    std::fs::remove_file(data.path().join("secrets.key")).expect("there was one");
    let hob = Hob::start_again(&data, engine as Arc<dyn Engine>, &[])
        .await
        .warm()
        .await;
    assert_eq!(hob.call("plain", json!({})).await.status, StatusCode::OK);
    let refused = hob.call("f", json!({"names": []})).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        refused.text().contains("`hob deploy f --secret A=…`"),
        "{}",
        refused.text()
    );
    change(&hob, json!({"secrets": {"A": "again"}})).await;
    assert_eq!(environment(&hob, &["A"]).await, json!(["again"]));
}
