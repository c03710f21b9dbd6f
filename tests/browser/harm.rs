//! What there is to harm: a daemon with something in every API, and what it says of itself before and after.

use crate::support::Hob;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Every call of it leaves a record.
const VICTIM: &str = "def main(**_):\n    return 'a secret answer'\n";
const SCALEWAY: &str = "/functions/v1beta1/regions/fr-par/namespaces";

/// A daemon with a function, a job, a webhook, and an entry in each of the outside APIs.
pub(crate) async fn daemon(settings: &[(&str, &str)]) -> Hob {
    let hob = Hob::start(settings).await.0.warm().await;
    hob.ready("victim", VICTIM, json!({ "env": { "SECRET": "a secret value" } }))
        .await;
    for (path, body) in [
        ("/hob/v1/jobs", json!({ "function": "victim", "every_ms": 3_600_000 })),
        ("/hob/v1/webhooks", json!({ "function": "victim" })),
        (
            SCALEWAY,
            json!({ "name": "kept", "project_id": "22222222-2222-2222-2222-222222222222" }),
        ),
    ] {
        let token = [
            ("x-auth-token", "11111111-1111-1111-1111-111111111111"),
            ("content-type", "application/json"),
        ];
        let answer = hob.send(Method::POST, path, &token, body.to_string().into()).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
    }
    hob
}

/// Where a page could do harm, at each of the daemon's addresses: a way to read and a way to change in every API, at the
/// address that calls functions, and at one of a function's own.
pub(crate) fn targets(bases: &[String]) -> Vec<Value> {
    let wild = bases.iter().flat_map(|base| {
        [
            ("GET", "/hob/v1/functions", ""),
            ("POST", "/hob/v1/functions/victim/invoke?async=true", "{}"),
            ("POST", "/hob/v1/stop", ""),
            ("DELETE", "/hob/v1/functions/victim", ""),
            ("PUT", "/hob/v1/aliases/evil", r#"{"function":"victim"}"#),
            ("GET", "/v1/functions", ""),
            ("POST", "/v1/executions", r#"{"function_id":"victim","input":"{}"}"#),
            ("GET", SCALEWAY, ""),
            ("POST", SCALEWAY, r#"{"name":"evil"}"#),
            ("GET", "/api/functions", ""),
            ("POST", "/api/projects", r#"{"metadata":{"name":"evil"}}"#),
            ("POST", "/function/victim", "{}"),
            ("GET", "/function/victim", ""),
        ]
        .map(|(method, path, body)| {
            json!({ "url": format!("{base}{path}"), "method": method, "type": "application/json", "body": body })
        })
    });
    wild.collect()
}

/// Sockets a page could open.
pub(crate) fn sockets(address: SocketAddr) -> Vec<String> {
    ["/hob/v1/logs?follow=true", "/function/victim"]
        .map(|path| format!("ws://{address}{path}"))
        .to_vec()
}

/// Everything that could have changed.
pub(crate) async fn state(hob: &Hob) -> BTreeMap<&'static str, Value> {
    let mut state = BTreeMap::new();
    for path in [
        "/hob/v1/functions?",
        "/hob/v1/executions?function=victim&limit=100",
        "/hob/v1/jobs?",
        "/hob/v1/webhooks?",
        "/hob/v1/aliases?",
        "/hob/v1/tokens?",
        "/v1/functions",
        "/v1/executions",
        SCALEWAY,
        "/api/functions",
        "/api/projects",
    ] {
        let token = [("x-auth-token", "11111111-1111-1111-1111-111111111111")];
        let answer = hob.send(Method::GET, path, &token, bytes::Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        state.insert(path, answer.json());
    }
    state
}
