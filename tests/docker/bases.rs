//! Functions on images of their users: what a base and its steps hold is there, and neither is touched.

use crate::helpers::{BINARY, Daemon, Home, base_image, docker, ordinary_or_local, send};
use crate::support::{DEPLOY_PATIENCE, eventually, eventually_within};
use base64::Engine as _;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Says what it finds: of the base, of its steps, of the code and of itself.
const HANDLER: &str = r#"import os
found = lambda path: open(path).read().strip()
def handler(context, event):
    return [found("/opt/nuclio/weights"), found("/opt/nuclio/made/by"), os.environ.get("WORD"),
            "def handler" in found("/opt/nuclio/main.py"), found("/opt/nuclio/seen"), os.getuid()]
"#;

/// An image of the user's; dropped, its name goes.
struct UsersImage(String);

impl UsersImage {
    fn made(name: &str, lines: &str) -> Self {
        let name = format!("own-base-{}:{name}", hob::domain::InstanceId::generate());
        let mut build = Command::new("docker")
            .args(["build", "-q", "-t", &name, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the engine's command line is there");
        let dockerfile = format!("FROM {}\n{lines}\n", base_image());
        let mut input = build.stdin.take().expect("piped");
        input.write_all(dockerfile.as_bytes()).expect("taken");
        drop(input);
        assert!(build.wait().expect("it ends").success(), "{dockerfile}");
        Self(name)
    }

    fn is_here(&self) -> bool {
        !docker(&["images", "-q", &self.0]).is_empty()
    }
}

impl Drop for UsersImage {
    fn drop(&mut self) {
        docker(&["rmi", &self.0]);
    }
}

/// Deploys by the outside API, and answers the function's status once the deploy has ended.
async fn deploy(daemon: &Daemon, method: Method, build: Value) -> Value {
    deploy_source(daemon, method, "python:3.9", HANDLER, build).await
}

async fn deploy_source(daemon: &Daemon, method: Method, runtime: &str, source: &str, build: Value) -> Value {
    let source = base64::engine::general_purpose::STANDARD.encode(source);
    let mut function = json!({"metadata": {"name": "based"},
        "spec": {"runtime": runtime, "handler": "main:handler", "build": build}});
    function["spec"]["build"]["functionSourceCode"] = json!(source);
    let path = match method {
        Method::POST => "/api/functions",
        _ => "/api/functions/based",
    };
    let body = function.to_string().into();
    let answer = send(daemon.address, method, path, "application/json", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    eventually_within(DEPLOY_PATIENCE, "the deploy to end", || async {
        let view = daemon.get("/api/functions/based").await.json();
        (view["status"]["state"] != "building").then(|| view["status"].clone())
    })
    .await
}

/// What it answers on the port of its own.
async fn answered(daemon: &Daemon) -> Value {
    let view = daemon.get("/api/functions/based").await.json();
    let port = view["status"]["httpPort"]
        .as_u64()
        .and_then(|port| port.try_into().ok());
    let address = (daemon.address.ip(), port.unwrap_or_else(|| panic!("no port: {view:#}"))).into();
    let answer = send(address, Method::POST, "/", "application/json", Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// The image that the function's workers run.
async fn worker_image(daemon: &Daemon) -> String {
    let view = daemon.get("/hob/v1/functions/based?namespace=nuclio").await.json();
    let image = view["current"]["worker_image"].as_str();
    image
        .unwrap_or_else(|| panic!("no image of its own: {view:#}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_runs_on_its_users_image_after_the_steps_on_it() {
    let weights = |word: &str| format!("RUN mkdir /opt/nuclio && echo {word} > /opt/nuclio/weights\nUSER 1000");
    let (first, second) = (
        UsersImage::made("first", &weights("one")),
        UsersImage::made("second", &weights("two")),
    );
    let bare = UsersImage::made("bare", "RUN rm -f /usr/bin/python3 /usr/local/bin/python3");
    let daemon = Daemon::start_with(&Home::new(), &[("HOB_BUILD_NETWORK", "none")]).await;
    let build = |base: &str| {
        json!({"baseImage": base, "directives": {
            "preCopy": [
                {"kind": "ENV", "value": "WHO=root"},
                {"kind": "ENV", "value": "WORD=\"said by $WHO\""},
                {"kind": "WORKDIR", "value": "/opt/nuclio/made"},
                {"kind": "RUN", "value": "[ ! -e ../main.py ] && echo $(id -u) \"$WORD\" > by"}],
            "postCopy": [{"kind": "RUN", "value": "ls main.py > seen"}]}})
    };
    let status = deploy(&daemon, Method::POST, build(&first.0)).await;
    assert_eq!(status["state"], "ready", "{status:#}\n{}", daemon.log());
    let expect = |word: &str| json!([word, "0 said by root", "said by root", true, "main.py", 1000]);
    assert_eq!(answered(&daemon).await, expect("one"));
    let before = worker_image(&daemon).await;

    let status = deploy(&daemon, Method::PUT, build(&second.0)).await;
    assert_eq!(status["state"], "ready", "{status:#}\n{}", daemon.log());
    assert_eq!(answered(&daemon).await, expect("two"));
    assert_ne!(worker_image(&daemon).await, before);

    eventually(
        "what the first was put onto to go, and the second's to stay",
        || async {
            let base = kinds(&daemon).await.into_iter().find(|kind| kind["kind"] == "base");
            let base = base.expect("that which serves is on one");
            (base["count"] == 1 && base["unused_bytes"] == 0).then_some(())
        },
    )
    .await;

    refused(&daemon, &bare.0).await;
    assert_eq!(answered(&daemon).await, expect("two"), "what served goes on");
    cleaned(&daemon, &[&first, &second, &bare]).await;
    daemon.purge().await;
    for image in [&first, &second, &bare] {
        assert!(image.is_here(), "{}", image.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_a_step_puts_beside_the_code_is_found() {
    let daemon = Daemon::start_with(&Home::new(), &[("HOB_BUILD_NETWORK", "none")]).await;
    let source = "exports.handler = (context) => context.callback([200, String(require('own'))]);";
    let make = "mkdir -p node_modules/own && echo 'module.exports = 7' > node_modules/own/index.js";
    let build = json!({"baseImage": ordinary_or_local("node:18-slim", "hob-base/nodejs"), "directives": {
        "preCopy": [{"kind": "WORKDIR", "value": "/opt/nuclio"}, {"kind": "RUN", "value": make}]}});
    let status = deploy_source(&daemon, Method::POST, "nodejs:20", source, build).await;
    assert_eq!(status["state"], "ready", "{status:#}\n{}", daemon.log());
    assert_eq!(answered(&daemon).await, json!(7));
    // A version of it needs nothing of the runtime's own either, whose base may not be here.
    let versions = "/hob/v1/functions/based/versions?namespace=nuclio";
    let published = daemon.post(versions, json!({})).await;
    assert_eq!(published.status, StatusCode::CREATED, "{}", published.text());
    let called = Command::new(BINARY)
        .args(["invoke", "based", "--namespace", "nuclio", "--version", "1"])
        .env("HOB_URL", format!("http://{}", daemon.address))
        .output()
        .expect("the command line is there");
    let said = String::from_utf8_lossy(&called.stderr);
    assert_eq!(called.stdout, b"7", "{said}");
    daemon.purge().await;
}

/// What the images here take once it was cleaned up, as far as that could be.
async fn kinds(daemon: &Daemon) -> Vec<Value> {
    daemon.post("/hob/v1/gc", Value::Null).await;
    let disk = daemon.get("/hob/v1/disk").await.json();
    disk["kinds"].as_array().expect("kinds").clone()
}

/// What cannot work is said before anything is started.
async fn refused(daemon: &Daemon, bare: &str) {
    let said = |status: &Value| {
        assert_eq!(status["state"], "error", "{status:#}");
        status.to_string()
    };
    let without = said(&deploy(daemon, Method::PUT, json!({"baseImage": bare})).await);
    assert!(without.contains("the base image has no Python"), "{without}");
    let missing = json!({"baseImage": "not.here.invalid/x:1"});
    let missing = said(&deploy(daemon, Method::PUT, missing).await);
    assert!(
        missing.contains("`not.here.invalid/x:1` is not on this machine"),
        "{missing}"
    );
    assert!(missing.contains("leave the base image out"), "{missing}");
}

/// After a function is gone nothing of it is left but what is its user's.
async fn cleaned(daemon: &Daemon, users: &[&UsersImage]) {
    let image = worker_image(daemon).await;
    let made = daemon
        .post("/hob/v1/functions/based/export?namespace=nuclio", Value::Null)
        .await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let exported = made.json()["image"].as_str().expect("a name").to_owned();
    assert_eq!(docker(&["inspect", "-f", "{{.Config.User}}", &exported]), "1000:1000");
    let body = json!({"metadata": {"name": "based"}}).to_string().into();
    let gone = send(
        daemon.address,
        Method::DELETE,
        "/api/functions",
        "application/json",
        body,
    )
    .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    eventually("its images to go", || async {
        let left = kinds(daemon).await;
        (left.iter().all(|kind| kind["kind"] == "runtime")).then_some(())
    })
    .await;
    for name in [&image, &exported] {
        assert_eq!(docker(&["images", "-q", name]), "", "{name}");
    }
    assert!(users.iter().all(|users| users.is_here()));
}
