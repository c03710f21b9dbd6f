//! What the recorded sessions of this API cannot show: what happens as time goes by, and at the same time.

use crate::support::{Hob, PATIENCE, eventually, fake_engine, root, zip};
use futures_util::future::join_all;
use hob::domain::{FunctionId, Timestamp};
use hob::engine::Engine;
use hob::task::Clock;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// 2027-01-15T08:00:00Z.
const START: i64 = 1_800_000_000_000;
const BASE: &str = "/functions/v1alpha2/regions/fr-par";
const BETA: &str = "/functions/v1beta1/regions/fr-par";
const ECHO: &str = "def handle(event, context):\n    print('fired', event['httpMethod'], event['path'], event['body'])\n    return 'ok'\n";

async fn hob_by(clock: &Clock) -> Hob {
    Hob::start_by(clock.clone(), fake_engine()).await.warm().await
}

async fn ask(hob: &Hob, method: Method, path: &str, body: Value) -> Value {
    ask_root(hob, BASE, method, path, body).await
}

async fn ask_root(hob: &Hob, base: &str, method: Method, path: &str, body: Value) -> Value {
    let answer = hob
        .send(method, &format!("{base}{path}"), &[], body.to_string().into())
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

fn text(object: &Value, key: &str) -> String {
    object[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {object:#}"))
        .to_owned()
}

async fn namespace(hob: &Hob) -> String {
    text(
        &ask(
            hob,
            Method::POST,
            "/namespaces",
            json!({"name": "n", "organization_id": "o"}),
        )
        .await,
        "id",
    )
}

async fn declare(hob: &Hob, namespace: &str, more: Value) -> String {
    let mut body = json!({"name": "f", "namespace_id": namespace, "runtime": "python3"});
    body.as_object_mut()
        .expect("ours")
        .extend(more.as_object().expect("ours").clone());
    text(&ask(hob, Method::POST, "/functions", body).await, "id")
}

/// Where to send a zip to, without scheme and host.
async fn upload_path(hob: &Hob, function: &str) -> String {
    let answer = ask(
        hob,
        Method::GET,
        &format!("/functions/{function}/upload-url"),
        Value::Null,
    )
    .await;
    let host = format!("http://{}", hob.address);
    text(&answer, "url")
        .strip_prefix(&host)
        .expect("the host that was asked")
        .to_owned()
}

async fn deploy(hob: &Hob, function: &str, code: &str) -> Value {
    let path = upload_path(hob, function).await;
    let sent = hob
        .send(Method::PUT, &path, &[], zip(&[("handler.py", code)]).into())
        .await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    ask(hob, Method::POST, &format!("/functions/{function}/deploy"), json!({})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_posts_its_args_to_a_private_function_at_its_time_in_utc() {
    let clock = Clock::manual(Timestamp::from_millis(START));
    let hob = hob_by(&clock).await;
    let function = declare(&hob, &namespace(&hob).await, json!({"privacy": "private"})).await;
    deploy(&hob, &function, ECHO).await;
    eventually("the function to be ready", || async {
        let shown = ask(&hob, Method::GET, &format!("/functions/{function}"), Value::Null).await;
        assert_ne!(shown["status"], "error", "{shown:#}");
        (shown["status"] == "ready").then_some(())
    })
    .await;
    let cron = json!({"application_id": function, "schedule": "5 8 * * *", "args": {"k": "v", "n": 1}});
    ask(&hob, Method::POST, "/crons", cron).await;
    clock.advance(Duration::from_secs(299));
    let logs = format!("/logs?application_id={function}");
    assert_eq!(ask(&hob, Method::GET, &logs, Value::Null).await["total_count"], 0);
    clock.advance(Duration::from_secs(1));
    let lines = eventually("the cron to fire", || async {
        let lines = ask(&hob, Method::GET, &logs, Value::Null).await;
        (lines["total_count"] == 1).then_some(lines)
    })
    .await;
    assert_eq!(lines["logs"][0]["message"], r#"fired POST / {"k":"v","n":1}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_of_an_upload_is_good_for_an_hour() {
    let clock = Clock::manual(Timestamp::from_millis(START));
    let hob = hob_by(&clock).await;
    let function = declare(&hob, &namespace(&hob).await, json!({})).await;
    let path = upload_path(&hob, &function).await;
    let code = || zip(&[("handler.py", ECHO)]).into();
    clock.advance(Duration::from_secs(3599));
    assert_eq!(hob.send(Method::PUT, &path, &[], code()).await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        hob.send(Method::PUT, &path, &[], code()).await.status,
        StatusCode::FORBIDDEN
    );
}

/// Where the function is called, without scheme and host.
async fn call_path(hob: &Hob, function: &str) -> String {
    let seen = ask(hob, Method::GET, &format!("/functions/{function}"), Value::Null).await;
    let host = format!("http://{}", hob.address);
    text(&seen, "endpoint").strip_prefix(&host).expect("ours").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_namespace_says_reaches_its_functions_at_once_and_what_waits_goes_on_waiting() {
    let hob = hob_by(&Clock::system()).await;
    let namespace = namespace(&hob).await;
    let code = "import os\ndef handle(event, context):\n    return os.environ.get('A', 'none') + os.environ['B']\n";
    let function = declare(&hob, &namespace, json!({"environment_variables": {"B": " own"}})).await;
    let waiting = declare(&hob, &namespace, json!({"name": "waiting"})).await;
    deploy(&hob, &function, code).await;
    let path = call_path(&hob, &function).await;
    assert_eq!(hob.get(&path).await.text(), "none own");
    let (of_function, of_namespace) = (format!("/functions/{function}"), format!("/namespaces/{namespace}"));
    let later = json!({"environment_variables": {"B": " later"}, "redeploy": false});
    ask(&hob, Method::PATCH, &of_function, later).await;
    let given = json!({"environment_variables": {"A": "given"}});
    ask(&hob, Method::PATCH, &of_namespace, given.clone()).await;
    eventually("the namespace's environment", || async {
        (hob.get(&path).await.text() == "given own").then_some(())
    })
    .await;
    let id = FunctionId::parse(&function).expect("an id");
    let revisions = || hob.ask(move |app| async move { app.list_revisions(id).await.expect("read").len() });
    let before = revisions().await;
    ask(&hob, Method::PATCH, &of_namespace, given).await;
    assert_eq!(revisions().await, before, "nothing has changed");
    ask(&hob, Method::PATCH, &of_function, json!({"redeploy": true})).await;
    eventually("what waited", || async {
        (hob.get(&path).await.text() == "given later").then_some(())
    })
    .await;
    let seen = ask(&hob, Method::GET, &format!("/functions/{waiting}"), Value::Null).await;
    assert_eq!(seen["status"], "created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_takes_the_largest_body_that_it_is_told_and_no_more() {
    let hob = hob_by(&Clock::system()).await;
    let function = declare(&hob, &namespace(&hob).await, json!({})).await;
    let code = "import os\ndef handle(event, context):\n    return os.environ['SCW_PAYLOAD_MAX_SIZE']\n";
    deploy(&hob, &function, code).await;
    let path = call_path(&hob, &function).await;
    let most: usize = hob.post(&path, "").await.text().parse().expect("a number");
    assert_eq!(hob.post(&path, vec![b'a'; most]).await.status, StatusCode::OK);
    let over = hob.post(&path, vec![b'a'; most + 1]).await;
    assert_eq!(over.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(over.headers["access-control-allow-origin"], "*");
    let why = format!("Request payload too large, max payload size = {most} bytes\n");
    assert_eq!(over.text(), why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_without_tls_is_sent_to_where_it_is_spoken() {
    let hob = Hob::start(&[("HOB_TLS_LISTEN", "127.0.0.1:0")]).await.0.warm().await;
    let function = declare(&hob, &namespace(&hob).await, json!({})).await;
    deploy(&hob, &function, ECHO).await;
    let path = call_path(&hob, &function).await;
    assert_eq!(hob.get(&path).await.status, StatusCode::OK);
    let item = format!("/functions/{function}");
    let redirected = json!({"http_option": "redirected", "redeploy": true});
    let shown = ask_root(&hob, BETA, Method::PATCH, &item, redirected).await;
    assert_eq!(
        (&shown["http_option"], &shown["runtime_message"]),
        (&json!("redirected"), &json!(""))
    );
    let sent = eventually("the change serves", async || {
        let answer = hob.get(&format!("{path}/a?b=c")).await;
        (answer.status == StatusCode::MOVED_PERMANENTLY).then_some(answer)
    })
    .await;
    let status = hob.get("/hob/v1/status").await.json();
    assert_eq!(
        sent.headers["location"],
        format!("{}{path}/a?b=c", text(&status["tls"], "url"))
    );
    let by_proxy = [("x-forwarded-proto", "https")];
    assert_eq!(
        hob.send(Method::GET, &path, &by_proxy, "".into()).await.status,
        StatusCode::OK
    );
    let enabled = json!({"http_option": "enabled", "redeploy": true});
    ask_root(&hob, BETA, Method::PATCH, &item, enabled).await;
    eventually("it answers without TLS again", async || {
        (hob.get(&path).await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_said_when_there_is_no_tls_to_be_sent_to() {
    let hob = hob_by(&Clock::system()).await;
    let function = declare(&hob, &namespace(&hob).await, json!({})).await;
    deploy(&hob, &function, ECHO).await;
    let redirected = json!({"http_option": "redirected", "redeploy": true});
    let item = format!("/functions/{function}");
    let shown = ask_root(&hob, BETA, Method::PATCH, &item, redirected).await;
    assert!(text(&shown, "runtime_message").contains("tls.listen"), "{shown:#}");
    let path = call_path(&hob, &function).await;
    assert_eq!(hob.get(&path).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_has_the_headers_that_the_platform_adds() {
    let hob = hob_by(&Clock::system()).await;
    let function = declare(&hob, &namespace(&hob).await, json!({})).await;
    let code = "import json\ndef handle(event, context):\n    return json.dumps(event['headers'])\n";
    deploy(&hob, &function, code).await;
    let answer = hob.get(&call_path(&hob, &function).await).await;
    let headers = answer.json();
    assert_eq!(text(&headers, "X-Request-Id"), answer.headers["x-call-id"]);
    assert_eq!(headers["Forwarded"], "for=127.0.0.1;proto=http");
    assert!(text(&headers, "X-Request-Start").starts_with("t="), "{headers:#}");
}

/// As the plugin does: the same package once for each function, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_made_uploaded_and_deployed_in_parallel() {
    let hob = hob_by(&Clock::system()).await;
    let namespace = namespace(&hob).await;
    let one = |name: String| {
        let (hob, namespace) = (&hob, &namespace);
        async move {
            let function = declare(hob, namespace, json!({"name": name})).await;
            deploy(hob, &function, ECHO).await
        }
    };
    let deployed = tokio::time::timeout(PATIENCE, join_all((0..5).map(|n| one(format!("f{n}"))))).await;
    assert_eq!(deployed.expect("in time").len(), 5);
    eventually("all functions to be ready", || async {
        let all = ask(
            &hob,
            Method::GET,
            &format!("/namespaces/{namespace}/functions"),
            Value::Null,
        )
        .await;
        let ready = |all: &Vec<Value>| all.len() == 5 && all.iter().all(|one| one["status"] == "ready");
        all["functions"].as_array().is_some_and(ready).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_token_sees_and_makes_its_own_namespace_only() {
    let operator = "operator-of-thirty-six-characters-xx";
    let (hob, _) = Hob::start(&[("HOB_ACCESS_TOKEN", operator)]).await;
    let admin = [("x-auth-token", operator)];
    let made = json!({"name": "t", "role": "user"}).to_string();
    let made = hob
        .send(Method::POST, "/hob/v1/tokens?namespace=mine", &admin, made.into())
        .await;
    let token = text(&made.json(), "token");
    let user = [("x-auth-token", token.as_str())];
    let create = |name: &str| json!({"name": name, "organization_id": "o"}).to_string();
    let path = format!("{BASE}/namespaces");
    for (name, who, status) in [
        ("theirs", &user, StatusCode::FORBIDDEN),
        ("mine", &user, StatusCode::OK),
        ("theirs", &admin, StatusCode::OK),
    ] {
        let answer = hob.send(Method::POST, &path, &who[..], create(name).into()).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    for (who, seen) in [(&user, 1), (&admin, 2)] {
        let all = hob.send(Method::GET, &path, &who[..], "".into()).await.json();
        assert_eq!(all["total_count"], seen, "{all:#}");
    }
    let nobody = hob.send(Method::GET, &path, &[], "".into()).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_started_by_the_command_that_is_given() {
    let fake = fake_engine();
    fake.add_program("server", vec!["false".to_owned()]);
    let hob = Hob::start_on(Arc::clone(&fake) as Arc<dyn Engine>, &[]).await;
    let beta = async |method, path: &str, body: Value| {
        let path = format!("/containers/v1beta1/regions/fr-par{path}");
        let answer = hob.send(method, &path, &[], body.to_string().into()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    };
    let space = beta(Method::POST, "/namespaces", json!({"name": "n", "project_id": "p"})).await;
    let server = root().join("tests/support/server.py").display().to_string();
    let container = json!({
        "name": "c", "namespace_id": space["id"], "registry_image": "server",
        "command": ["python3"], "args": [server],
    });
    let made = beta(Method::POST, "/containers", container).await;
    let path = format!("/containers/{}", text(&made, "id"));
    beta(Method::POST, &format!("{path}/deploy"), json!({})).await;
    let shown = eventually("the end of the deploy", || async {
        let shown = beta(Method::GET, &path, Value::Null).await;
        (shown["status"] != "pending").then_some(shown)
    })
    .await;
    assert_eq!(
        (&shown["status"], &shown["command"], &shown["args"]),
        (&json!("ready"), &json!(["python3"]), &json!([server])),
        "{shown:#}"
    );
    // What was said stays until other is said, also in what is deployed next.
    beta(Method::PATCH, &path, json!({"max_concurrency": 7, "redeploy": true})).await;
    let guests = eventually("the next container", || async {
        Some(fake.guests()).filter(|guests| guests.len() > 1)
    })
    .await;
    for guest in guests {
        assert_eq!(guest.command, Some(vec!["python3".to_owned()]));
        assert_eq!(guest.arguments, Some(vec![server.clone()]));
    }
}
