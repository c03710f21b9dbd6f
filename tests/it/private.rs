//! Private functions: who is let through at a gate, by every way that leads to the function, and who need not ask.

use crate::support::{Answer, Hob, fake_engine};
use bytes::Bytes;
use hob::domain::{ClaimRule, FunctionName, Gate, GateAnswer, GatewaySpec, HostName, Namespace};
use hob::engine::Engine;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const HEADERS: &str = r#"
import json
def handle(event, context):
    return {"statusCode": 200, "body": json.dumps({k.lower(): v for k, v in event["headers"].items()})}
"#;

fn gate(key: String) -> Gate {
    let answer = |status, body: &str| GateAnswer {
        status,
        body: body.to_owned(),
    };
    Gate {
        keys: vec![key],
        headers: vec!["x-caller-token".to_owned(), "caller_token".to_owned()],
        claims: ClaimRule {
            list: Some("claims".to_owned()),
            any_of: vec![("group".to_owned(), "g".to_owned())],
        },
        revoked: Vec::new(),
        access_tokens: true,
        forward: false,
        missing: answer(404, ""),
        invalid: answer(401, "not valid"),
        elsewhere: answer(403, "not here"),
    }
}

async fn private(engine: Arc<dyn Engine>) -> Hob {
    let hob = Hob::start_on(engine, &[]).await.warm().await;
    let settings = json!({"convention": "event-context", "entry": "main.handle"});
    hob.ready("f", HEADERS, settings).await;
    let id = hob.id_of("f").await;
    hob.ask(move |app| async move {
        let key = app.signing_key(&Namespace::default_namespace()).await?;
        app.set_gate(id, gate(key)).await
    })
    .await
    .expect("private");
    hob
}

async fn token(hob: &Hob, claims: Value) -> String {
    hob.ask(move |app| async move { app.sign_token(&Namespace::default_namespace(), &claims).await })
        .await
        .expect("signed")
}

async fn key(hob: &Hob) -> String {
    hob.ask(|app| async move { app.signing_key(&Namespace::default_namespace()).await })
        .await
        .expect("a key")
}

async fn call(hob: &Hob, headers: &[(&str, &str)]) -> Answer {
    hob.send(Method::GET, "/function/f", headers, Bytes::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_show_a_token_by_whatever_way_they_come_and_apis_need_none() {
    let hob = private(fake_engine()).await;
    let good = token(&hob, json!({"claims": [{"group": "g"}]})).await;
    let id = hob.id_of("f").await;
    let port = hob.ask(move |app| async move { app.reserve_port(id, None).await });
    let by_port = (std::net::Ipv4Addr::LOCALHOST, port.await.expect("a port").get()).into();
    let name = || FunctionName::parse("f").expect("a name");
    let host = HostName::parse("f.example").expect("a host");
    let spec = GatewaySpec::domain(Namespace::default_namespace(), name(), host, name());
    hob.ask(|app| async move { app.create_gateway(spec).await.map(drop) })
        .await
        .expect("made");
    let ways = [
        (hob.address, "/function/f", None),
        (hob.address, "/", Some(("host", "f.localhost"))),
        (hob.address, "/", Some(("host", "f.example"))),
        (hob.address, "/gateway/default/f", None),
        (by_port, "/", None),
    ];
    for (address, path, host) in ways {
        let ask = async |token: Option<(&str, &str)>| {
            let headers: Vec<_> = host.into_iter().chain(token).collect();
            hob.get_from(address, path, &headers).await
        };
        let refused = ask(None).await;
        assert_eq!(
            (refused.status.as_u16(), refused.text().as_str()),
            (404, ""),
            "{path} {host:?}"
        );
        let passed = ask(Some(("caller_token", &good))).await;
        assert_eq!(passed.status, StatusCode::OK, "{path} {host:?}");
        assert!(
            passed.json().get("caller_token").is_none(),
            "the function sees no token"
        );
    }
    let direct = hob.post("/hob/v1/functions/f/invoke", "{}").await;
    assert_eq!(direct.status, StatusCode::OK, "{}", direct.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_be_wrong_has_its_answer() {
    let hob = private(fake_engine()).await;
    let good = token(&hob, json!({"claims": [{"group": "g"}]})).await;
    let elsewhere = token(&hob, json!({"claims": [{"group": "h"}]})).await;
    let old = token(&hob, json!({"claims": [{"group": "g"}], "exp": 1})).await;
    let forged = format!("{}x", &good[..good.len() - 1]);
    type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);
    let table: [Row<'_>; 7] = [
        (&[], 404, ""),
        (&[("x-caller-token", "")], 404, ""),
        (&[("x-caller-token", &old)], 401, "not valid"),
        (&[("x-caller-token", &forged)], 401, "not valid"),
        (
            &[("x-caller-token", &elsewhere), ("caller_token", &good)],
            403,
            "not here",
        ),
        (&[("x-caller-token", ""), ("caller_token", &good)], 200, "{"),
        (&[("x-caller-token", &format!("Bearer {good}"))], 200, "{"),
    ];
    for (headers, status, begins) in table {
        let answer = call(&hob, headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        assert!(answer.text().starts_with(begins), "{}", answer.text());
    }
    let id = hob.id_of("f").await;
    assert!(
        hob.ask(move |app| async move { app.remove_gate(id).await })
            .await
            .expect("public")
    );
    assert_eq!(call(&hob, &[]).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_opens_a_gate_that_allows_it() {
    let hob = private(fake_engine()).await;
    let body = json!({"role": "admin", "name": "root"}).to_string();
    let made = hob.post("/hob/v1/tokens", body).await.json();
    let token = made["token"].as_str().expect("a token");
    assert_eq!(call(&hob, &[("x-auth-token", token)]).await.status, StatusCode::OK);
    assert_eq!(call(&hob, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_stays_private_over_a_restart_and_its_tokens_stay_good() {
    let engine = fake_engine();
    let hob = private(Arc::clone(&engine) as Arc<dyn Engine>).await;
    let good = token(&hob, json!({"claims": [{"group": "g"}]})).await;
    let before = key(&hob).await;
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, engine as Arc<dyn Engine>, &[])
        .await
        .warm()
        .await;
    assert_eq!(key(&hob).await, before);
    assert_eq!(call(&hob, &[]).await.status, StatusCode::NOT_FOUND);
    let passed = call(&hob, &[("x-caller-token", &good)]).await;
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text());
}
