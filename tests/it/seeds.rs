//! What a daemon deploys by itself when it starts, and how it says whether it is ready for calls.

use crate::support::{Hob, eventually, fake_engine};
use crate::terminal::{hob, program, run};
use hob::engine::Engine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const TOKEN: &str = "an-admin-of-the-test";

fn put(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn source(word: &str) -> String {
    format!("def main(**_):\n    return {word:?}\n")
}

fn settings(directory: &Path) -> [(&str, &str); 3] {
    let directory = directory.to_str().expect("text");
    [
        ("HOB_SEED_DIRECTORY", directory),
        ("HOB_ACCESS_TOKEN", TOKEN),
        ("HOB_POOL_PREWARM", "0"),
    ]
}

async fn ready(hob: &Hob) {
    eventually("readiness", || async {
        (hob.get("/readyz").await.status == StatusCode::OK).then_some(())
    })
    .await;
}

async fn asked(hob: &Hob, method: Method, path: &str) -> Value {
    let token = [("x-auth-token", TOKEN)];
    let answer = hob.send(method, path, &token, json!({}).to_string().into()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn answer(hob: &Hob, name: &str) -> Value {
    asked(hob, Method::POST, &format!("/function/{name}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_is_ready_once_its_seeds_serve_and_deploys_them_once() {
    let seeds = tempfile::tempdir().unwrap();
    put(seeds.path(), "hello/main.py", &source("hello"));
    let project = "[functions.a]\npath = \"a\"\n[functions.b]\npath = \"b\"\n[functions.b.jobs.tick]\nevery = \"1h\"\n";
    put(seeds.path(), "pair/hob.toml", project);
    put(seeds.path(), "pair/a/main.py", &source("a"));
    put(seeds.path(), "pair/b/main.py", &source("b"));
    let engine = fake_engine();
    let daemon = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &settings(seeds.path())).await;
    ready(&daemon).await;
    for name in ["hello", "a", "b"] {
        assert_eq!(answer(&daemon, name).await, name);
    }
    let data = daemon.data();
    daemon.stop().await;

    put(seeds.path(), "pair/b/main.py", &source("other"));
    let daemon = Hob::start_again(&data, engine as Arc<dyn Engine>, &settings(seeds.path())).await;
    ready(&daemon).await;
    for (name, number) in [("hello", 1), ("a", 1), ("b", 2)] {
        let view = asked(&daemon, Method::GET, &format!("/hob/v1/functions/{name}")).await;
        assert_eq!(view["latest"]["number"], number, "{name}");
    }
    assert_eq!(answer(&daemon, "b").await, "other");
    let jobs = asked(&daemon, Method::GET, "/hob/v1/jobs").await;
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_that_is_wrong_is_said_and_holds_up_nobody_else_until_it_is_mended() {
    let seeds = tempfile::tempdir().unwrap();
    put(seeds.path(), "good/main.py", &source("good"));
    put(seeds.path(), "typo/hob.toml", "[functions.typo]\nmemroy = 128\n");
    put(seeds.path(), "typo/main.py", &source("mended"));
    put(seeds.path(), "twice/hob.toml", "[functions.good]\npath = \".\"\n");
    put(seeds.path(), "twice/main.py", &source("twice"));
    let daemon = Hob::start(&settings(seeds.path())).await.0;
    let said = eventually("what is wrong", || async {
        let text = daemon.get("/readyz").await.text();
        text.contains("memory").then_some(text)
    })
    .await;
    for words in [
        "typo/hob.toml",
        "do you mean `memory`?",
        "the function `good` is in",
        "rename one",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    assert_eq!(answer(&daemon, "good").await, "good");
    put(seeds.path(), "typo/hob.toml", "[functions.typo]\nmemory = 128\n");
    put(seeds.path(), "twice/hob.toml", "[functions.second]\npath = \".\"\n");
    ready(&daemon).await;
    assert_eq!(answer(&daemon, "typo").await, "mended");
    assert_eq!(answer(&daemon, "second").await, "twice");
    assert_eq!(answer(&daemon, "good").await, "good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_an_exit_code_and_needs_no_token() {
    let nowhere = tempfile::tempdir().unwrap();
    let missing = nowhere.path().join("missing");
    let waiting = Hob::start(&settings(&missing)).await.0;
    let told = eventually("what is wrong", || async {
        let ran = hob(&waiting, &["health"]).await.ends_with(5);
        ran.out.contains("seed.directory").then_some(ran)
    })
    .await;
    let _ = told.says("not ready: ");
    let told = hob(&waiting, &["health", "--wait", "50ms", "-o", "json"]).await;
    let told = told.ends_with(5).json();
    assert_eq!(told["ready"], false);
    assert!(told["waiting_for"].is_string(), "{told}");
    let serving = Hob::start(&[("HOB_ACCESS_TOKEN", TOKEN)]).await.0;
    let _ = hob(&serving, &["health", "--wait", "60s"]).await.ok().says("ready");
    let told = hob(&serving, &["health", "-o", "json"]).await.ok().json();
    assert_eq!(told, json!({"ready": true}));
    let nobody = run(program("http://127.0.0.1:1"), &["health", "--wait", "50ms"], b"").await;
    let _ = nobody.ends_with(4);
}
