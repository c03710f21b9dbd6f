//! Functions of the Qinling API where a recorded session cannot look: bytes, calls at the same time, images.

use crate::support::{Answer, Hob, eventually, zip};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An installed runtime whose functions are plain Python.
async fn runtime(hob: &Hob) -> String {
    let made = hob
        .post("/v1/runtimes", json!({"image": "hob/python"}).to_string())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()["id"].as_str().expect("an id").to_owned()
}

async fn create(hob: &Hob, runtime: &str, name: &str, package: &[u8]) -> Answer {
    let boundary = "hob-test-boundary";
    let mut body = Vec::new();
    let fields = [
        ("runtime_id", runtime),
        ("name", name),
        ("code", r#"{"source": "package"}"#),
    ];
    for (field, value) in fields {
        let part = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let part = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"package\"; filename=\"p.zip\"\r\ncontent-type: application/zip\r\n\r\n"
    );
    body.extend_from_slice(part.as_bytes());
    body.extend_from_slice(package);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    hob.send(Method::POST, "/v1/functions", &[("content-type", &kind)], body.into())
        .await
}

async fn created(hob: &Hob, name: &str, source: &str) -> Value {
    let answer = create(hob, &runtime(hob).await, name, &zip(&[("main.py", source)])).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

async fn n_workers(hob: &Hob, id: &str) -> usize {
    let list = hob.get(&format!("/v1/functions/{id}/workers")).await.json();
    list["workers"].as_array().expect("a list").len()
}

const SLOW: &str = "import time\ndef main(context=None):\n    time.sleep(1)\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_is_downloaded_as_it_was_uploaded() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let package = zip(&[
        ("main.py", "def main(context=None):\n    pass\n"),
        ("data", &"x".repeat(200_000)),
    ]);
    let made = create(&hob, &runtime(&hob).await, "f", &package).await.json();
    let answer = hob
        .get(&format!(
            "/v1/functions/{}?download=true",
            made["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(answer.header("content-type"), "application/zip");
    assert_eq!(answer.body, Bytes::from(package));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_the_disk_lost_is_said_to_be_missing() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let function = created(&hob, "f", "def main(context=None):\n    pass\n").await;
    let path = format!("/v1/functions/{}", function["id"].as_str().expect("an id"));
    let version = hob.post(&format!("{path}/versions"), "{}").await;
    assert_eq!(version.status, StatusCode::CREATED, "{}", version.text());
    let blobs = hob.data().path().join("blobs");
    std::fs::remove_dir_all(&blobs).expect("the packages go");
    std::fs::create_dir(&blobs).expect("their folder stays");
    let id = function["id"].as_str().expect("an id");
    for (path, of) in [
        (path.clone(), "function"),
        (format!("{path}/versions/1"), "version 1 function"),
    ] {
        let answer = hob.get(&format!("{path}?download=true")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text());
        let message = format!("Package of {of} {id} for project default not found.");
        assert_eq!(answer.json()["faultstring"], message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_are_made_at_once_under_one_name_are_several() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let runtime = runtime(&hob).await;
    let package = zip(&[("main.py", "def main(context=None):\n    pass\n")]);
    let made = join_all((0..4).map(|_| create(&hob, &runtime, "same", &package))).await;
    assert!(
        made.iter().all(|answer| answer.status == StatusCode::CREATED),
        "{made:?}"
    );
    let list = hob.get("/v1/functions").await.json();
    let functions = list["functions"].as_array().expect("a list");
    assert_eq!(functions.len(), 4);
    assert!(functions.iter().all(|f| f["name"] == "same"), "{list:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_executions_share_a_worker_and_six_have_two() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    for (name, n_calls, expected) in [("three", 3, 1), ("six", 6, 2)] {
        let function = created(&hob, name, SLOW).await;
        let id = function["id"].as_str().expect("an id");
        assert_eq!(n_workers(&hob, id).await, 0);
        let calls = join_all((0..n_calls).map(|_| hob.call(name, json!({})))).await;
        assert!(calls.iter().all(|answer| answer.status == StatusCode::OK), "{calls:?}");
        assert_eq!(n_workers(&hob, id).await, expected, "{name}");
        let detached = hob.post(&format!("/v1/functions/{id}/detach"), "").await;
        assert_eq!(detached.status, StatusCode::ACCEPTED);
        eventually("no worker", || async { (n_workers(&hob, id).await == 0).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_a_runtime_only_with_a_shim() {
    let (hob, engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let label = BTreeMap::from([("hob.runtime".to_owned(), "python".to_owned())]);
    engine.add_image("team/bare", BTreeMap::new());
    engine.add_image("team/own", label);
    let make = |image: &str| hob.post("/v1/runtimes", json!({"image": image}).to_string());
    let bare = make("team/bare").await;
    assert_eq!(bare.status, StatusCode::BAD_REQUEST);
    let message = bare.json()["faultstring"].as_str().expect("a text").to_owned();
    assert!(message.starts_with("Image team/bare carries no shim"), "{message}");
    let own = make("team/own").await;
    assert_eq!(own.status, StatusCode::CREATED, "{}", own.text());
    let id = own.json()["id"].as_str().expect("an id").to_owned();
    let package = zip(&[("main.py", "def main(context=None):\n    return 4\n")]);
    let made = create(&hob, &id, "mine", &package).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(hob.call("mine", json!({})).await.text(), "4");
}
