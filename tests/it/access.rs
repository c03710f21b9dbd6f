//! Access tokens: who needs one, what each role may do, and that nobody else's things are seen with one.

use crate::support::{Answer, Hob, fake_engine, zip};
use bytes::Bytes;
use hob::engine::Engine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const ECHO: &str = "def main(n=0, **_):\n    return n\n";
/// Answers with the headers it saw, and sets a cookie for everybody.
const HEADERS: &str = r#"
import json
def handle(event, context):
    headers = {"set-cookie": "sid=1; Path=/; Domain=localhost", "content-type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(event["headers"])}
"#;

async fn ask(hob: &Hob, token: &str, method: Method, path: &str) -> Answer {
    let input = Bytes::from_static(b"{\"n\": 7}");
    hob.send(method, path, &[("x-auth-token", token)], input).await
}

async fn get(hob: &Hob, token: &str, path: &str) -> Answer {
    ask(hob, token, Method::GET, path).await
}

/// Makes a token with another one; empty: with none.
async fn token(hob: &Hob, by: &str, namespace: &str, settings: Value) -> String {
    let path = format!("/hob/v1/tokens?namespace={namespace}");
    let headers = [("x-auth-token", by)];
    let headers = if by.is_empty() { &headers[..0] } else { &headers[..] };
    let made = hob
        .send(Method::POST, &path, headers, settings.to_string().into())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()["token"].as_str().expect("a token").to_owned()
}

async fn admin(hob: &Hob) -> String {
    token(hob, "", "default", json!({"role": "admin", "name": "root"})).await
}

async fn deployed() -> Hob {
    let hob = Hob::start(&[]).await.0.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    hob
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_soon_as_there_is_a_token_every_request_needs_one_and_each_way_to_show_it_works() {
    let hob = deployed().await;
    let admin = admin(&hob).await;
    for path in [
        "/hob/v1/functions",
        "/hob/v1/openapi.json",
        "/v1/functions",
        "/",
        "/metrics",
        "/nowhere",
    ] {
        let refused = hob.get(path).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}: {}", refused.text());
        assert!(!refused.header("www-authenticate").is_empty());
    }
    for path in ["/healthz", "/readyz", "/function/f"] {
        assert_eq!(hob.get(path).await.status, StatusCode::OK, "{path}");
    }
    let basic = |text: String| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    for (name, value) in [
        ("x-auth-token", admin.clone()),
        ("authorization", format!("Bearer {admin}")),
        ("authorization", basic(format!("any:{admin}"))),
        ("authorization", basic(format!("{admin}:"))),
    ] {
        let answer = hob
            .send(Method::GET, "/hob/v1/functions", &[(name, &value)], Bytes::new())
            .await;
        assert_eq!(answer.json()["functions"][0]["name"], "f", "{name}: {value}");
    }
    let wrong = get(&hob, "hob_wrong", "/hob/v1/functions").await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("unauthorized"))
    );
    assert!(!wrong.text().contains("hob_wrong"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_once_survives_a_restart_and_is_gone_at_once_when_revoked() {
    let engine = fake_engine();
    let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &[]).await;
    let admin = admin(&hob).await;
    let second = token(&hob, &admin, "team", json!({"name": "second"})).await;
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, engine, &[]).await;
    let list = get(&hob, &admin, "/hob/v1/tokens").await;
    let names: Vec<_> = list.json()["tokens"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|t| t["name"].clone())
        .collect();
    assert_eq!(names, ["root", "second"]);
    for secret in [&admin, &second] {
        assert!(!list.text().contains(secret.as_str()));
        let file = std::fs::read(data.path().join("hob.db")).expect("the database");
        assert!(!file.windows(secret.len()).any(|w| w == secret.as_bytes()));
    }
    assert_eq!(get(&hob, &second, "/hob/v1/functions").await.status, StatusCode::OK);
    let revoked = ask(&hob, &admin, Method::DELETE, "/hob/v1/tokens/second").await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(
        get(&hob, &second, "/hob/v1/functions").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_locks_everybody_out() {
    let hob = Hob::start(&[]).await.0;
    let first = hob.post("/hob/v1/tokens", json!({"role": "user"}).to_string()).await;
    assert_eq!(first.status, StatusCode::CONFLICT, "{}", first.text());
    let admin = admin(&hob).await;
    token(&hob, &admin, "team", json!({"name": "second"})).await;
    let last = ask(&hob, &admin, Method::DELETE, "/hob/v1/tokens/root").await;
    assert_eq!(last.status, StatusCode::CONFLICT, "{}", last.text());
    let other = token(&hob, &admin, "default", json!({"role": "admin", "name": "other"})).await;
    for name in ["root", "second", "other"] {
        let gone = ask(&hob, &other, Method::DELETE, &format!("/hob/v1/tokens/{name}")).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{name}: {}", gone.text());
    }
    assert_eq!(hob.get("/hob/v1/functions").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_token_sees_its_own_namespace_and_nothing_of_another() {
    let hob = deployed().await;
    let call = hob.call_later("f", json!({"n": 1})).await;
    hob.execution_in(&call, &["succeeded"]).await;
    let job = hob
        .post(
            "/hob/v1/jobs",
            json!({"function": "f", "every_ms": 3_600_000, "name": "j"}).to_string(),
        )
        .await;
    let job = job.json()["id"].as_str().expect("an id").to_owned();
    let admin = admin(&hob).await;
    let own = token(&hob, &admin, "default", json!({})).await;
    let foreign = token(&hob, &admin, "team", json!({})).await;
    let things = [
        "/hob/v1/functions/f".to_owned(),
        "/hob/v1/functions/f/logs".to_owned(),
        "/hob/v1/functions/f/revisions".to_owned(),
        "/hob/v1/functions/f?namespace=default".to_owned(),
        "/hob/v1/functions?namespace=default".to_owned(),
        format!("/hob/v1/executions/{call}"),
        format!("/hob/v1/executions/{call}/log"),
        format!("/hob/v1/executions/{call}/result"),
        format!("/hob/v1/executions/{call}?namespace=team"),
        format!("/hob/v1/jobs/{job}"),
        "/hob/v1/jobs/j".to_owned(),
    ];
    for path in &things {
        let seen = get(&hob, &foreign, path).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{path}: {}", seen.text());
        if !path.ends_with("team") {
            assert_eq!(get(&hob, &own, path).await.status, StatusCode::OK, "{path}");
        }
        assert_eq!(
            get(&hob, &admin, path.split('?').next().unwrap_or(path)).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    for (path, list) in [
        ("functions", "functions"),
        ("executions", "executions"),
        ("jobs", "jobs"),
    ] {
        let path = format!("/hob/v1/{path}");
        assert_eq!(get(&hob, &foreign, &path).await.json()[list], json!([]), "{path}");
        assert_eq!(
            get(&hob, &own, &path).await.json()[list].as_array().map(Vec::len),
            Some(1),
            "{path}"
        );
    }
    for method in [Method::DELETE, Method::PATCH] {
        let path = format!("/hob/v1/jobs/{job}");
        assert_eq!(ask(&hob, &foreign, method, &path).await.status, StatusCode::NOT_FOUND);
    }
    for path in ["/hob/v1/status", "/hob/v1/tokens", "/metrics"] {
        assert_eq!(get(&hob, &own, path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoke_token_only_calls_and_only_in_its_namespace() {
    let hob = Hob::start(&[("HOB_ACCESS_INGRESS", "token")]).await.0.warm().await;
    hob.ready("f", ECHO, json!({})).await;
    let admin = admin(&hob).await;
    let caller = token(&hob, &admin, "default", json!({"role": "invoke"})).await;
    let foreign = token(&hob, &admin, "team", json!({"role": "invoke"})).await;
    for path in ["/hob/v1/functions/f/invoke", "/function/f", "/function/f/deeper"] {
        let answer = ask(&hob, &caller, Method::POST, path).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "7"), "{path}");
        let refused = ask(&hob, &foreign, Method::POST, path).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {}", refused.text());
        assert_eq!(hob.post(path, "{}").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for (method, path) in [
        (Method::GET, "/hob/v1/functions"),
        (Method::DELETE, "/hob/v1/functions/f"),
        (Method::GET, "/hob/v1/executions"),
        (Method::POST, "/hob/v1/stop"),
        (Method::POST, "/hob/v1/tokens"),
        (Method::GET, "/v1/executions"),
    ] {
        let refused = ask(&hob, &caller, method, path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_others_reach_is_refused_without_a_token_and_closed_without_one_shown() {
    let engine = fake_engine();
    let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &[]).await;
    let data = hob.data();
    hob.stop().await;
    let open = [("HOB_LISTEN", "0.0.0.0:0")];
    let make = |engine: &Arc<_>| {
        let engine = Arc::clone(engine) as Arc<dyn Engine>;
        move |_| engine
    };
    let refused = Hob::start_in(Arc::clone(&data), make(&engine), &open).await;
    let error = refused.err().expect("refused").to_string();
    assert!(
        error.contains("0.0.0.0") && error.contains("hob token create"),
        "{error}"
    );
    let hob = Hob::start_again(&data, Arc::clone(&engine) as Arc<dyn Engine>, &[]).await;
    let admin = admin(&hob).await;
    hob.stop().await;
    let hob = Hob::start_again(&data, engine, &open).await;
    for path in ["/function/f", "/hob/v1/functions"] {
        assert_eq!(hob.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(get(&hob, &admin, "/hob/v1/functions").await.status, StatusCode::OK);
    let last = ask(&hob, &admin, Method::DELETE, "/hob/v1/tokens/root").await;
    assert_eq!(last.status, StatusCode::CONFLICT, "{}", last.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_sees_no_token_and_its_cookies_stay_its_own() {
    let hob = Hob::start(&[]).await.0.warm().await;
    let settings = json!({"runtime": "python", "convention": "event-context", "entry": "main.handle"});
    let code = zip(&[("main.py", HEADERS)]);
    let deployed = hob.deploy_bytes("f", "code.zip", code, settings).await;
    assert_eq!(deployed.json()["state"], "ready", "{}", deployed.text());
    let admin = admin(&hob).await;
    let headers = [("x-auth-token", admin.as_str()), ("authorization", "Bearer theirs")];
    let call = |path: &'static str, host: Option<&'static str>| {
        let headers: Vec<_> = headers.into_iter().chain(host.map(|h| ("host", h))).collect();
        let hob = &hob;
        async move { hob.send(Method::POST, path, &headers, Bytes::from_static(b"{}")).await }
    };
    for (path, host, cookie) in [
        ("/function/f", None, "sid=1; Path=/function/f"),
        ("/", Some("f.localhost"), "sid=1; Path=/"),
        ("/hob/v1/functions/f/invoke", None, ""),
    ] {
        let answer = call(path, host).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(!answer.text().contains(&admin), "{path}: {}", answer.text());
        assert!(answer.text().contains("Bearer theirs"), "{path}: {}", answer.text());
        assert_eq!(answer.header("set-cookie"), cookie, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_page_of_another_origin_gets_nothing() {
    let hob = deployed().await;
    let host = hob.address.to_string();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let evil = ("origin", "http://evil.example");
    let (upgrade, socket) = (("connection", "upgrade"), ("upgrade", "websocket"));
    let foreign: [&[(&str, &str)]; 6] = [
        &[evil, form],
        &[evil, upgrade, socket],
        &[("origin", "null")],
        &[("host", "evil.example")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],
    ];
    for headers in foreign {
        for path in [
            "/function/f",
            "/hob/v1/functions/f/invoke",
            "/hob/v1/stop",
            "/healthz",
            "/v1/runtimes",
        ] {
            let refused = hob.send(Method::POST, path, headers, "n=1".into()).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
            assert_eq!(refused.header("access-control-allow-origin"), "");
        }
    }
    let runs = hob.get("/hob/v1/executions").await;
    assert_eq!(runs.json()["executions"], json!([]));
    let own = format!("http://{host}");
    let answer = hob
        .send(Method::POST, "/function/f", &[("origin", &own)], "{}".into())
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_calls_the_functions_that_name_its_origin_and_nothing_else() {
    let hob = Hob::start(&[]).await.0.warm().await;
    let settings = json!({"convention": "event-context", "entry": "main.handle", "cors": ["http://localhost:3000"]});
    hob.ready("f", HEADERS, settings).await;
    let page = "http://localhost:3000";
    let asks = [("origin", page), ("access-control-request-method", "POST")];
    let open = ("/function/f", None);
    for (path, host) in [open, ("/function/f.default/a", None), ("/", Some("f.localhost"))] {
        let headers: Vec<_> = asks.into_iter().chain(host.map(|h| ("host", h))).collect();
        for method in [Method::OPTIONS, Method::POST] {
            let answer = hob.send(method.clone(), path, &headers, "{}".into()).await;
            assert_eq!(answer.status, StatusCode::OK, "{method} {path}: {}", answer.text());
            assert_eq!(answer.header("access-control-allow-origin"), page, "{method} {path}");
        }
    }
    for path in ["/hob/v1/functions/f/invoke", "/hob/v1/stop", "/v1/runtimes"] {
        let refused = hob.send(Method::POST, path, &asks, "{}".into()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    // It stays over a deploy of something else, and goes when it is taken back.
    let view = hob.change("f", json!({"memory_mib": 300})).await.json();
    assert_eq!(view["latest"]["cors"], json!([page]), "{view:#}");
    let refused = hob.change("f", json!({"cors": ["localhost:3000"]})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("http://localhost:3000"), "{}", refused.text());
    hob.change("f", json!({"cors": []})).await;
    let refused = hob.send(Method::POST, open.0, &asks, "{}".into()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

/// A browser shows no token when it asks what a page may do, and its page has to see that one is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_told_what_it_may_do_before_it_shows_its_token() {
    let hob = Hob::start(&[("HOB_ACCESS_INGRESS", "token")]).await.0.warm().await;
    let settings = json!({"convention": "event-context", "entry": "main.handle", "cors": ["*"]});
    hob.ready("f", HEADERS, settings).await;
    let admin = admin(&hob).await;
    let asks = [
        ("origin", "http://localhost:3000"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-auth-token"),
    ];
    let told = hob.send(Method::OPTIONS, "/function/f", &asks, Bytes::new()).await;
    assert_eq!(
        (told.status, told.header("access-control-allow-headers")),
        (StatusCode::OK, "x-auth-token")
    );
    for (token, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(("x-auth-token", admin.as_str())), StatusCode::OK),
    ] {
        let headers: Vec<_> = asks.into_iter().take(1).chain(token).collect();
        let answer = hob.send(Method::POST, "/function/f", &headers, "{}".into()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:3000");
    }
}
