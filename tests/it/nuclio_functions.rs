//! Functions of the Nuclio API where a recorded session cannot look: ports, restarts, the clock, calls at the same time.

use crate::support::{Answer, Hob, eventually, fake_engine, root, zip};
use base64::Engine as _;
use bytes::Bytes;
use hob::engine::Engine;
use hob::engine::fake::FakeEngine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

const HELLO: &str = "def handler(context, event):\n    return 'hello ' + event.path\n";

fn function(name: &str, source: &str, more: &Value) -> Value {
    let source = base64::engine::general_purpose::STANDARD.encode(source);
    let mut spec = json!({"runtime": "python", "handler": "main:handler", "build": {"functionSourceCode": source}});
    for (key, value) in more.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": spec})
}

/// Deploys, waits for the end, and answers the function's view.
async fn deploy(hob: &Hob, name: &str, source: &str, more: Value) -> Value {
    let wait = [("x-nuclio-wait-function-action", "true")];
    let body = function(name, source, &more).to_string();
    let answer = hob
        .send(Method::PUT, &format!("/api/functions/{name}"), &wait, body.into())
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    view(hob, name).await
}

async fn view(hob: &Hob, name: &str) -> Value {
    hob.get(&format!("/api/functions/{name}")).await.json()
}

fn port(view: &Value) -> u16 {
    let port = view["status"]["httpPort"].as_u64().expect("a port");
    u16::try_from(port).expect("a port")
}

/// Calls what listens on a port of this machine.
async fn on_port(hob: &Hob, port: u16, path: &str) -> Answer {
    hob.send_to(
        SocketAddr::from(([127, 0, 0, 1], port)),
        Method::POST,
        path,
        &[],
        Bytes::new(),
    )
    .await
}

async fn call(hob: &Hob, name: &str) -> Answer {
    let named = [("x-nuclio-function-name", name)];
    hob.send(Method::POST, "/api/function_invocations", &named, Bytes::new())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_keeps_its_port_over_deploys_and_restarts_and_answers_on_it() {
    let engine = fake_engine() as Arc<dyn Engine>;
    let hob = Hob::start_on(Arc::clone(&engine), &[]).await.warm().await;
    let first = deploy(&hob, "a", HELLO, json!({})).await;
    let own = port(&first);
    assert_eq!(on_port(&hob, own, "/x/y").await.text(), "hello /x/y");
    assert_eq!(
        first["status"]["externalInvocationUrls"],
        json!([format!("localhost:{own}")])
    );
    let again = deploy(&hob, "a", &HELLO.replace("hello", "again"), json!({})).await;
    assert_eq!(port(&again), own);
    assert_eq!(on_port(&hob, own, "/").await.text(), "again /");
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, engine, &[]).await.warm().await;
    assert_eq!(port(&view(&hob, "a").await), own);
    assert_eq!(on_port(&hob, own, "/").await.text(), "again /");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wanted_port_is_honoured_and_a_taken_one_is_said() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let held = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let taken = held.local_addr().expect("bound").port();
    let wants = |port: u16| json!({"triggers": {"web": {"kind": "http", "attributes": {"port": port}}}});
    let body = function("a", HELLO, &wants(taken)).to_string();
    let refused = hob.post("/api/functions", body).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    assert!(
        refused.text().contains("taken by another program"),
        "{}",
        refused.text()
    );
    assert_eq!(view(&hob, "a").await["status"]["state"], "error");
    drop(held);
    let wanted = deploy(&hob, "a", HELLO, wants(taken)).await;
    assert_eq!(port(&wanted), taken);
    let body = function("b", HELLO, &wants(taken)).to_string();
    let refused = hob.post("/api/functions", body).await;
    assert!(refused.text().contains("belongs to function `a`"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_serves_goes_on_when_a_new_deploy_fails() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let own = port(&deploy(&hob, "a", HELLO, json!({})).await);
    let failed = deploy(&hob, "a", "raise ValueError('no model')\n", json!({})).await;
    assert_eq!(failed["status"]["state"], "error");
    let message = failed["status"]["message"].as_str().expect("a reason");
    assert!(message.contains("no model"), "{message}");
    assert_eq!(port(&failed), own);
    assert_eq!(on_port(&hob, own, "/").await.text(), "hello /");
    assert_eq!(call(&hob, "a").await.text(), "hello /");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_trigger_fires_with_its_event_and_goes_with_its_configuration() {
    const SOURCE: &str = "seen = []\n\ndef handler(context, event):\n    if event.trigger.kind == 'cron':\n        seen.append([event.trigger.name, event.body.decode(), event.headers.get('A')])\n    return {'seen': seen[:1]}\n";
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let event = json!({"body": "x", "headers": {"a": "b"}});
    let triggers =
        json!({"c1": {"kind": "cron", "numWorkers": 0, "attributes": {"interval": "200ms", "event": event}}});
    // One slot: both triggers meet the same globals.
    let more = json!({"triggers": triggers, "disableDefaultHTTPTrigger": true});
    deploy(&hob, "a", SOURCE, more).await;
    let lie = [
        ("x-nuclio-function-name", "a"),
        ("x-hob-trigger-kind", "cron"),
        ("x-hob-trigger-name", "lie"),
    ];
    hob.send(Method::POST, "/api/function_invocations", &lie, Bytes::new())
        .await;
    eventually("the trigger to fire", || async {
        let answer = call(&hob, "a").await.json();
        (answer == json!({"seen": [["c1", "x", "b"]]})).then_some(())
    })
    .await;
    let jobs = hob.get("/hob/v1/jobs?namespace=nuclio").await.text();
    assert!(jobs.contains("a@c1"), "{jobs}");
    deploy(&hob, "a", SOURCE, json!({})).await;
    let jobs = hob.get("/hob/v1/jobs?namespace=nuclio").await.text();
    assert!(!jobs.contains("a@c1"), "{jobs}");
}

/// The jobs of a namespace by their names.
async fn jobs(hob: &Hob) -> Vec<Value> {
    let jobs = hob.get("/hob/v1/jobs?namespace=nuclio").await.json();
    let jobs = jobs["jobs"].as_array().expect("a list");
    jobs.iter().map(|job| job["name"].clone()).collect()
}

fn every_hour() -> Value {
    json!({"triggers": {"c1": {"kind": "cron", "attributes": {"interval": "1h"}}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_of_one_function_at_once_make_its_trigger_once() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    deploy(&hob, "a", HELLO, json!({})).await;
    let body = function("a", HELLO, &every_hour()).to_string();
    let put = || hob.send(Method::PUT, "/api/functions/a", &[], body.clone().into());
    let all = tokio::join!(put(), put(), put(), put());
    let statuses = [all.0, all.1, all.2, all.3].map(|answer| answer.status.as_u16());
    // Whoever comes while the first is being built is refused; whoever comes after that deploys again.
    assert!(statuses.contains(&202), "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [202, 412].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(jobs(&hob).await, ["a@c1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_was_made_twice_is_one_after_the_next_deploy() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    deploy(&hob, "a", HELLO, every_hour()).await;
    for name in ["a@c1", "a@c1", "a@gone", "mine"] {
        let job = json!({"function": "a", "name": name, "cron": "0 0 * * *"}).to_string();
        let made = hob.post("/hob/v1/jobs?namespace=nuclio", job).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    }
    deploy(&hob, "a", HELLO, every_hour()).await;
    let mut jobs = jobs(&hob).await;
    jobs.sort_by_key(ToString::to_string);
    assert_eq!(jobs, ["a@c1", "mine"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_is_free_as_soon_as_its_function_is_deleted_or_has_another() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let wants = |port: u16| json!({"triggers": {"web": {"kind": "http", "attributes": {"port": port}}}});
    let held = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let wanted = held.local_addr().expect("bound").port();
    drop(held);
    for round in 0..5 {
        let view = deploy(&hob, "a", HELLO, wants(wanted)).await;
        assert_eq!(port(&view), wanted, "{round}");
        let named = json!({"metadata": {"name": "a"}}).to_string();
        let deleted = hob.send(Method::DELETE, "/api/functions", &[], named.into()).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{round}: {}", deleted.text());
        drop(std::net::TcpListener::bind(("127.0.0.1", wanted)).expect("closed when it was said to be"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_build_says_is_in_the_log_while_the_function_is_building() {
    let (hob, engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    engine.add_image("hob-base/python-build", std::collections::BTreeMap::new());
    engine.say_in_builds(&["Collecting things"]);
    engine.hang_builds(true);
    let more = json!({"build": {
        "functionSourceCode": base64::engine::general_purpose::STANDARD.encode(HELLO),
        "commands": ["make things"], "noCache": true,
    }});
    let body = function("a", HELLO, &more).to_string();
    let answer = hob.post("/api/functions", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let status = eventually("the build to say something", || async {
        let status = view(&hob, "a").await["status"].clone();
        status.to_string().contains("Collecting things").then_some(status)
    })
    .await;
    assert_eq!(status["state"], "building", "{status:#}");
    let lines = status["logs"].as_array().expect("lines");
    let line = |level: &str, begins: &str| {
        let is =
            |line: &&Value| line["level"] == level && line["message"].as_str().is_some_and(|m| m.starts_with(begins));
        let found = lines.iter().find(is);
        found.and_then(|line| line["time"].as_f64())
    };
    let first = line("info", "Deploying function").expect("the first line");
    let told = line("warn", "noCache has no effect").expect("the remark");
    let said = line("info", "Collecting things").expect("what the build says");
    assert!(first < told && told < said, "{lines:?}");
    engine.hang_builds(false);
    // What is built has the code, and a worker of the fake engine has no image: it may well find nothing to load.
    let status = eventually("the build to end", || async {
        let status = view(&hob, "a").await["status"].clone();
        (status["state"] != "building").then_some(status)
    })
    .await;
    let after = status["logs"].as_array().expect("lines");
    assert_eq!(after[..lines.len()], lines[..], "what was said stays as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_image_is_built_upon_and_stays_when_nothing_is_to_be_built() {
    let (hob, engine) = Hob::start(&[]).await;
    engine.add_image("own:1", std::collections::BTreeMap::new());
    // Disabled, hence not loaded: a worker of the fake engine has no image, so nothing that is in one.
    let based = |build: Value| {
        let mut build = build;
        build["functionSourceCode"] = json!(base64::engine::general_purpose::STANDARD.encode(HELLO));
        json!({"runtime": "python:3.6", "disable": true, "build": build})
    };
    let directives = json!({"preCopy": [{"kind": "RUN", "value": "get it"}, {"kind": "SHELL", "value": "x"}]});
    let more = based(json!({"baseImage": "own:1", "directives": directives}));
    let deployed = deploy(&hob, "a", HELLO, more).await;
    assert_ne!(deployed["status"]["state"], "error", "{deployed:#}");
    let said = deployed["status"]["logs"].to_string();
    assert!(said.contains("The build step `SHELL x` is not carried out"), "{said}");
    assert!(
        !said.contains("The base image") && !said.contains("python:3.6 is not here"),
        "{said}"
    );
    let built = || {
        let all = engine.builds().into_iter();
        let of_functions = all.filter(|build| !build.tag.starts_with("hob-runtime/"));
        of_functions
            .map(|build| (build.tag, build.args.get("BASE").cloned()))
            .collect::<Vec<_>>()
    };
    let [(_, base), (_, None)] = &built()[..] else {
        panic!("the base, then the code: {:?}", built())
    };
    assert_eq!(base.as_deref(), Some("own:1"));

    let mut unbuilt = function("a", HELLO, &based(json!({})));
    unbuilt["metadata"]["annotations"] = json!({"skip-build": "true"});
    let wait = [("x-nuclio-wait-function-action", "true")];
    let answer = hob
        .send(Method::PUT, "/api/functions/a", &wait, unbuilt.to_string().into())
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let core = hob.get("/hob/v1/functions/a?namespace=nuclio").await.json();
    assert_eq!(core["latest"]["number"], 2, "{core:#}");
    assert_eq!(core["latest"]["base_steps"], json!(["RUN get it"]));
    assert_eq!(built().len(), 2);

    // As its Python client says of every function; whether to pull is the daemon's to say.
    let missing = based(json!({"baseImage": "not/here:1", "noBaseImagesPull": true}));
    let refused = deploy(&hob, "a", HELLO, missing).await;
    let told = refused["status"].to_string();
    assert_eq!(refused["status"]["state"], "error", "{told}");
    assert!(
        told.contains("`not/here:1` is not on this machine") && told.contains("check its name"),
        "{told}"
    );
    assert_eq!(engine.counts().pulls, 1);

    let unreadable = based(json!({"baseImage": "own:1", "commands": ["a\u{0}b"]}));
    let deployed = deploy(&hob, "b", HELLO, unreadable).await;
    let told = deployed["status"].to_string();
    assert!(told.contains("is not carried out"), "{told}");
}

/// A fake engine that runs the shim of the shell's runtime as a plain process.
fn shell_engine() -> Arc<dyn Engine> {
    let runtimes = root().join("runtimes");
    let parts = format!("PYTHONPATH={}", runtimes.join("python").display());
    let shim = runtimes.join("shell/shim.py").display().to_string();
    let fake = FakeEngine::with_shim(vec!["env".to_owned(), parts, "python3".to_owned(), shim]);
    fake.add_image("hob-base/python", std::collections::BTreeMap::new());
    Arc::new(fake)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_of_the_image_is_a_function_without_code() {
    let hob = Hob::start_on(shell_engine(), &[]).await;
    for (name, build) in [
        ("nowhere", json!({"path": "/dev/null"})),
        ("nothing", json!({})),
        ("named", json!({"image": "registry.lan/x:1"})),
    ] {
        let spec = json!({"runtime": "shell", "handler": "rev", "build": build});
        let view = put(&hob, name, spec).await;
        assert_eq!(view["status"]["state"], "ready", "{name}: {view:#}");
        let own = SocketAddr::from(([127, 0, 0, 1], port(&view)));
        let answer = hob
            .send_to(own, Method::POST, "/", &[], Bytes::from_static(b"abc\n"))
            .await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (StatusCode::OK, "cba\n"),
            "{name}"
        );
        // As it is shown it can be sent back.
        let again = put(&hob, name, view["spec"].clone()).await;
        assert_eq!(again["status"]["state"], "ready", "{name}: {again:#}");
    }
    for (spec, said) in [
        (
            json!({"runtime": "shell", "build": {"image": "registry.lan/x:1"}}),
            "If shell runtime is specified, function path or handler name must be provided",
        ),
        (
            json!({"runtime": "python", "handler": "rev", "build": {"image": "registry.lan/x:1"}}),
            "Function path must be provided when specified runtime isn't shell",
        ),
    ] {
        let body = json!({"metadata": {"name": "refused"}, "spec": spec}).to_string();
        let refused = hob.send(Method::PUT, "/api/functions/refused", &[], body.into()).await;
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", refused.text());
        assert_eq!(refused.json()["error"], said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_asks_for_an_access_key_opens_for_a_token_of_the_daemon() {
    let engine = fake_engine() as Arc<dyn Engine>;
    let hob = Hob::start_on(Arc::clone(&engine), &[]).await.warm().await;
    deploy(&hob, "a", HELLO, json!({})).await;
    let gateway = |name: &str| {
        let upstreams = json!([{"kind": "nucliofunction", "nucliofunction": {"name": "a"}}]);
        let host = format!("{name}.example");
        json!({"metadata": {"name": name}, "spec": {
            "name": name, "host": host, "authenticationMode": "accessKey", "upstreams": upstreams,
        }})
        .to_string()
    };
    let shut = hob.post("/api/api_gateways", gateway("shut")).await;
    assert_eq!(shut.status, StatusCode::PRECONDITION_FAILED, "{}", shut.text());
    assert!(shut.text().contains("hob token create"), "{}", shut.text());
    let data = hob.data();
    hob.stop().await;
    let settings = [("HOB_ACCESS_TOKEN", "secret-token")];
    let hob = Hob::start_again(&data, engine, &settings).await;
    let token = [("x-v3io-session-key", "secret-token")];
    let made = hob
        .send(Method::POST, "/api/api_gateways", &token, gateway("g").into())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    for (header, status) in [
        (None, 401),
        (Some(("x-v3io-session-key", "wrong-token")), 401),
        (Some(("x-v3io-session-key", "")), 401),
        (Some(("x-other", "secret-token")), 401),
        (Some(("x-v3io-session-key", "secret-token")), 200),
        (Some(("authorization", "Bearer secret-token")), 200),
        (Some(("x-auth-token", "secret-token")), 200),
    ] {
        let headers: Vec<_> = [("host", "g.example")].into_iter().chain(header).collect();
        let answer = eventually("the function to be ready", || async {
            let answer = hob.get_from(hob.address, "/", &headers).await;
            (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
        })
        .await;
        assert_eq!(answer.status.as_u16(), status, "{header:?}: {}", answer.text());
        let tells = answer.text().contains("X-V3io-Session-Key");
        assert_eq!(tells, status == 401, "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_finds_all_workers_busy_waits_as_long_as_its_trigger_says() {
    const SLOW: &str = "import time\n\ndef handler(context, event):\n    time.sleep(3)\n";
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let triggers = json!({"web": {"kind": "http", "numWorkers": 1, "workerAvailabilityTimeoutMilliseconds": 100}});
    deploy(&hob, "a", SLOW, json!({"triggers": triggers})).await;
    let (one, other) = tokio::join!(call(&hob, "a"), call(&hob, "a"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    let refused = if one.status == 503 { one } else { other };
    assert_eq!(refused.text(), "");
}

/// A server that has the archive of one repository, as those that host repositories do.
struct Repositories {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Repositories {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Repositories {
    async fn start(archive: Vec<u8>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let answer = move || std::future::ready(archive.clone());
        let router = axum::Router::new().route("/team/tools/archive/v2.zip", axum::routing::get(answer));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, task }
    }
}

/// Puts a function as it is, waits for the end, and answers its view.
async fn put(hob: &Hob, name: &str, spec: Value) -> Value {
    let wait = [("x-nuclio-wait-function-action", "true")];
    let body = json!({"metadata": {"name": name}, "spec": spec}).to_string();
    let answer = hob
        .send(Method::PUT, &format!("/api/functions/{name}"), &wait, body.into())
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    view(hob, name).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_comes_out_of_a_folder_of_a_repository() {
    let (hob, _engine) = Hob::start(&[("HOB_SOURCES_ALLOW_PRIVATE_URLS", "true")]).await;
    let hob = hob.warm().await;
    let code = "def handler(context, event):\n    return 'of the repository'\n";
    let archive = zip(&[("tools-v2/README", "not this"), ("tools-v2/greet/main.py", code)]);
    let server = Repositories::start(archive).await;
    for (kind, named) in [
        ("git", json!({"tag": "refs/tags/v2"})),
        ("github", json!({"branch": "v2"})),
    ] {
        let mut attributes = named;
        attributes["workDir"] = json!("/greet");
        let build = json!({
            "codeEntryType": kind, "path": format!("{}/team/tools", server.url), "codeEntryAttributes": attributes,
        });
        let spec = json!({"runtime": "python", "handler": "main:handler", "build": build});
        let view = put(&hob, kind, spec).await;
        assert_eq!(view["status"]["state"], "ready", "{view:#}");
        assert_eq!(on_port(&hob, port(&view), "/").await.text(), "of the repository");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_there_serves_without_a_build() {
    let fake = fake_engine();
    let server = root().join("tests/support/server.py").display().to_string();
    fake.add_program("registry.lan/server:1", vec!["python3".to_owned(), server]);
    let hob = Hob::start_on(Arc::clone(&fake) as Arc<dyn Engine>, &[]).await;
    let spec = json!({"image": "registry.lan/server:1", "runtime": "golang", "handler": "main:Handler"});
    let view = put(&hob, "served", spec).await;
    assert_eq!(view["status"]["state"], "ready", "{view:#}");
    let answer = on_port(&hob, port(&view), "/echo").await;
    assert_eq!(answer.json()["method"], "POST", "{}", answer.text());
    let built: Vec<_> = fake.builds().into_iter().map(|build| build.tag).collect();
    assert!(built.iter().all(|tag| tag.starts_with("hob-runtime/")), "{built:?}");
}

/// What a browser does for a page of another origin: it asks first, then it calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_an_origin_that_the_trigger_names_may_call_and_others_may_not() {
    let hob = Hob::start_on(fake_engine(), &[]).await.warm().await;
    let cors = json!({"enabled": true, "allowOrigins": ["http://localhost:3000"], "exposeHeaders": ["X-Call-Id"]});
    let triggers = json!({"triggers": {"web": {"kind": "http", "attributes": {"cors": cors}}}});
    let own = port(&deploy(&hob, "a", HELLO, triggers).await);
    deploy(&hob, "closed", HELLO, json!({})).await;
    let ask = async |method: Method, path: &str, origin: &str| {
        let asked = [
            ("origin", origin),
            ("sec-fetch-site", "same-site"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        hob.send(method, path, &asked, Bytes::new()).await
    };
    let page = "http://localhost:3000";
    let path = "/function/a.nuclio/x";
    let told = ask(Method::OPTIONS, path, page).await;
    assert_eq!(
        (told.status, told.header("access-control-allow-origin")),
        (StatusCode::OK, page)
    );
    assert_eq!(told.header("access-control-allow-headers"), "content-type");
    assert_eq!(told.text(), "", "the function was not asked");
    let called = ask(Method::POST, path, page).await;
    assert_eq!((called.status, called.text().as_str()), (StatusCode::OK, "hello /x"));
    assert_eq!(called.header("access-control-allow-origin"), page);
    assert_eq!(called.header("access-control-expose-headers"), "X-Call-Id");
    for (path, origin) in [(path, "http://localhost:3001"), ("/function/closed.nuclio/x", page)] {
        for method in [Method::OPTIONS, Method::POST] {
            let refused = ask(method, path, origin).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {origin}");
            assert_eq!(refused.header("access-control-allow-origin"), "");
        }
    }
    let at_port = hob
        .send_to(
            SocketAddr::from(([127, 0, 0, 1], own)),
            Method::POST,
            "/y",
            &[("origin", page)],
            Bytes::new(),
        )
        .await;
    assert_eq!(at_port.header("access-control-allow-origin"), page);
    let plain = on_port(&hob, own, "/").await;
    assert_eq!(plain.header("access-control-allow-origin"), "", "no page asked");
}
