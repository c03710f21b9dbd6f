//! Versions, aliases, webhooks and the number of workers: what is published stays callable, whatever is deployed later.

use crate::support::{Answer, Hob, eventually, fake_engine};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

fn answering(what: &str) -> String {
    format!("def main(**_):\n    return '{what}'\n")
}

async fn warm() -> Hob {
    Hob::start(&[]).await.0.warm().await
}

async fn send(hob: &Hob, method: Method, path: &str, body: Value) -> Answer {
    hob.send(method, &format!("/hob/v1{path}"), &[], body.to_string().into())
        .await
}

async fn done(hob: &Hob, method: Method, path: &str, body: Value) -> Value {
    let answer = send(hob, method, path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    }
}

async fn publish(hob: &Hob, name: &str) -> Value {
    done(hob, Method::POST, &format!("/functions/{name}/versions"), json!({})).await
}

/// What the function of that name answers when a header chooses the revision.
async fn call_by(hob: &Hob, name: &str, header: (&str, &str)) -> Answer {
    hob.send(Method::POST, &format!("/function/{name}"), &[header], "{}".into())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_answers_as_it_did_when_it_was_published() {
    let hob = warm().await;
    hob.ready("f", &answering("first"), json!({})).await;
    let published = publish(&hob, "f").await;
    assert_eq!(
        (&published["version"]["number"], &published["unchanged"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(publish(&hob, "f").await["unchanged"], true);
    hob.ready("f", &answering("second"), json!({})).await;
    assert_eq!(publish(&hob, "f").await["version"]["number"], 3);
    for (number, expect) in [("1", "first"), ("2", "first"), ("3", "second")] {
        let answer = call_by(&hob, "f", ("x-hob-version", number)).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!(expect)));
    }
    assert_eq!(hob.call("f", json!({})).await.json(), json!("second"));
    for (value, status) in [("4", StatusCode::NOT_FOUND), ("x", StatusCode::BAD_REQUEST)] {
        assert_eq!(
            call_by(&hob, "f", ("x-hob-version", value)).await.status,
            status,
            "{value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_and_aliases_survive_a_restart_and_a_number_is_not_given_twice() {
    let hob = warm().await;
    hob.ready("f", &answering("first"), json!({})).await;
    publish(&hob, "f").await;
    done(
        &hob,
        Method::PUT,
        "/aliases/live",
        json!({"function": "f", "version": 1}),
    )
    .await;
    hob.ready("f", &answering("second"), json!({})).await;
    publish(&hob, "f").await;
    done(&hob, Method::DELETE, "/functions/f/versions/2", json!({})).await;
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, fake_engine(), &[]).await.warm().await;
    assert_eq!(call_by(&hob, "f", ("x-hob-alias", "live")).await.json(), json!("first"));
    assert_eq!(
        call_by(&hob, "f", ("x-hob-version", "2")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(publish(&hob, "f").await["version"]["number"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_moves_from_the_next_call_on_and_a_canary_gets_its_part() {
    let hob = warm().await;
    for what in ["one", "two"] {
        hob.ready("f", &answering(what), json!({})).await;
        publish(&hob, "f").await;
    }
    let live = ("x-hob-alias", "live");
    assert_eq!(call_by(&hob, "f", live).await.status, StatusCode::NOT_FOUND);
    done(
        &hob,
        Method::PUT,
        "/aliases/live",
        json!({"function": "f", "version": 1}),
    )
    .await;
    assert_eq!(call_by(&hob, "f", live).await.json(), json!("one"));
    let canary = json!({"function": "f", "version": 1, "canary": {"version": 2, "percent": 25}});
    done(&hob, Method::PUT, "/aliases/live", canary).await;
    let mut n_two = 0;
    for _ in 0..100 {
        n_two += u32::from(call_by(&hob, "f", live).await.json() == json!("two"));
    }
    assert_eq!(n_two, 25);
    done(&hob, Method::PUT, "/aliases/live", json!({"function": "f"})).await;
    assert_eq!(call_by(&hob, "f", live).await.json(), json!("two"));
    done(&hob, Method::DELETE, "/aliases/live", json!({})).await;
    assert_eq!(call_by(&hob, "f", live).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_something_leads_to_cannot_be_deleted() {
    let hob = warm().await;
    hob.ready("f", &answering("x"), json!({})).await;
    publish(&hob, "f").await;
    let canary = json!({"function": "f", "canary": {"version": 1, "percent": 1}});
    done(&hob, Method::PUT, "/aliases/live", canary).await;
    let refused = send(&hob, Method::DELETE, "/functions/f/versions/1", json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("`live`"), "{}", refused.text());
    done(&hob, Method::DELETE, "/aliases/live", json!({})).await;
    let hook = done(
        &hob,
        Method::POST,
        "/webhooks",
        json!({"function": "f", "selector": "version:1"}),
    )
    .await;
    let refused = send(&hob, Method::DELETE, "/functions/f/versions/1", json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let id = hook["id"].as_str().expect("an id");
    assert!(!refused.text().contains(id), "a webhook's address stays its own");
    done(&hob, Method::DELETE, &format!("/webhooks/{id}"), json!({})).await;
    let job = json!({"function": "f", "every_ms": 3_600_000, "selector": "version:1"});
    let job = done(&hob, Method::POST, "/jobs", job).await;
    let refused = send(&hob, Method::DELETE, "/functions/f/versions/1", json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    let fire = format!("/jobs/{}/fire", job["id"].as_str().expect("an id"));
    done(&hob, Method::POST, &fire, json!({})).await;
    let run = hob.last_run("f").await;
    assert_eq!(
        (&run["selector"], &run["state"]),
        (&json!("version:1"), &json!("succeeded")),
        "{run:#}"
    );
    let job = format!("/jobs/{}", job["id"].as_str().expect("an id"));
    done(&hob, Method::DELETE, &job, json!({})).await;
    done(&hob, Method::DELETE, "/functions/f/versions/1", json!({})).await;
    let bad = [
        json!({"function": "f", "version": 1}),
        json!({"function": "g"}),
        json!({"function": "f", "canary": {"percent": 100}}),
        json!({"function": "f", "unknown": 1}),
    ];
    for settings in bad {
        let answer = send(&hob, Method::PUT, "/aliases/live", settings.clone()).await;
        assert!(answer.status.is_client_error(), "{settings}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_call_of_a_version_keeps_to_it_over_a_restart() {
    let (hob, fake) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    hob.ready("f", &answering("first"), json!({})).await;
    publish(&hob, "f").await;
    hob.ready("f", &answering("second"), json!({})).await;
    fake.set_down(true);
    eventually("the engine to be seen away", || async {
        (hob.get("/hob/v1/status").await.json()["engine"]["state"] == "down").then_some(())
    })
    .await;
    let path = "/functions/f/invoke?async=true&selector=version:1&description=later";
    let accepted = done(&hob, Method::POST, path, json!({})).await;
    let id = accepted["id"].as_str().expect("an id").to_owned();
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, fake_engine(), &[]).await;
    let run = hob.execution_in(&id, &["succeeded", "failed", "error"]).await;
    assert_eq!(
        (&run["state"], &run["selector"], &run["description"], &run["version"]),
        (&json!("succeeded"), &json!("version:1"), &json!("later"), &json!(1)),
        "{run:#}"
    );
    let result = hob.get(&format!("/hob/v1/executions/{id}/result")).await;
    assert_eq!(result.json(), json!("first"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_calls_its_function_by_any_method_and_without_the_token() {
    let (hob, _) = Hob::start(&[("HOB_ACCESS_TOKEN", "a-token-of-some-length")]).await;
    let token = [("authorization", "Bearer a-token-of-some-length")];
    let code = b"def main(context, **kwargs):\n    return kwargs\n".to_vec();
    let form = deploy_form(code);
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let headers = [token[0], kind];
    let deployed = hob
        .send(Method::PUT, "/hob/v1/functions/f?wait=50", &headers, form)
        .await;
    assert_eq!(deployed.json()["state"], "ready", "{}", deployed.text());
    let new = json!({"function": "f"}).to_string();
    let hook = hob
        .send(Method::POST, "/hob/v1/webhooks", &token, new.into())
        .await
        .json();
    let (id, url) = (
        hook["id"].as_str().expect("an id"),
        hook["url"].as_str().expect("a url"),
    );
    assert!(url.ends_with(&format!("/hook/{id}")) && hook["signature"].is_null());
    for path in [format!("/hook/{id}"), format!("/hook/{id}/below?a=b")] {
        let answer = hob.send(Method::PUT, &path, &[], r#"{"n": 1}"#.into()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"n": 1})),
            "{path}"
        );
    }
    let nearly = format!("/hook/{}", id.to_uppercase());
    let wrong = [nearly.as_str(), "/hook/00000000-0000-4000-8000-000000000000", "/hook/x"];
    for path in wrong {
        assert_eq!(
            hob.send(Method::POST, path, &[], Bytes::new()).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let refused = hob.send(Method::GET, "/hob/v1/functions/f", &[], Bytes::new()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

fn deploy_form(code: Vec<u8>) -> Bytes {
    let mut form = b"--b\r\ncontent-disposition: form-data; name=\"settings\"\r\n\r\n{\"runtime\":\"python\"}\r\n--b\r\ncontent-disposition: form-data; name=\"code\"; filename=\"main.py\"\r\n\r\n".to_vec();
    form.extend_from_slice(&code);
    form.extend_from_slice(b"\r\n--b--\r\n");
    form.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_webhook_refuses_what_is_not_signed_with_its_secret() {
    let hob = warm().await;
    hob.ready("f", "def main(context, **kwargs):\n    return kwargs\n", json!({}))
        .await;
    let new = json!({"function": "f", "signature": "github", "secret": "It's a Secret to Everybody"});
    let hook = done(&hob, Method::POST, "/webhooks", new).await;
    assert_eq!(hook["secret"], "It's a Secret to Everybody");
    let id = hook["id"].as_str().expect("an id").to_owned();
    let shown = done(&hob, Method::GET, &format!("/webhooks/{id}"), json!({})).await;
    assert!(
        shown.get("secret").is_none() && shown["signature"] == "github",
        "{shown:#}"
    );
    // HMAC-SHA256 of the body with the secret, made with openssl.
    let body = r#"{"n": 1}"#;
    let good = ("x-hub-signature-256", SIGNATURE);
    let path = format!("/hook/{id}");
    let call =
        async |headers: &[(&str, &str)], body: &'static str| hob.send(Method::POST, &path, headers, body.into()).await;
    assert_eq!(call(&[good], body).await.json(), json!({"n": 1}));
    assert_eq!(call(&[good], r#"{"n": 2}"#).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&[], body).await.status, StatusCode::UNAUTHORIZED);
    let rotated = done(&hob, Method::POST, &format!("/webhooks/{id}/rotate"), json!({})).await;
    assert_eq!(rotated["secret"].as_str().map(str::len), Some(64));
    assert_eq!(call(&[good], body).await.status, StatusCode::UNAUTHORIZED);
}

const SIGNATURE: &str = "sha256=0928501b1168f13e201d3c9916e27ab0927fb3a1a8c5eaad7d410bb37b844558";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_asks_for_it_keeps_its_input_and_result() {
    let hob = warm().await;
    hob.ready("f", "def main(context, **kwargs):\n    return kwargs\n", json!({}))
        .await;
    for input in [json!({"n": 1}), json!({"big": "x".repeat(200_000)})] {
        done(
            &hob,
            Method::POST,
            "/functions/f/invoke?keep=true&description=kept",
            input.clone(),
        )
        .await;
        let run = hob.last_run("f").await;
        assert_eq!(
            (&run["asynchronous"], &run["description"]),
            (&json!(false), &json!("kept"))
        );
        let id = run["id"].as_str().expect("an id");
        for part in ["input", "result"] {
            let kept = hob.get(&format!("/hob/v1/executions/{id}/{part}")).await;
            assert!(kept.status == StatusCode::OK && kept.json() == input, "{part}");
        }
    }
    // Larger than what is kept unasked.
    hob.call("f", json!({"big": "x".repeat(20_000)})).await;
    let id = hob.last_run("f").await["id"].as_str().expect("an id").to_owned();
    for part in ["input", "result"] {
        assert_eq!(
            hob.get(&format!("/hob/v1/executions/{id}/{part}")).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_listed_in_pages_and_deleted_once_they_have_ended() {
    let hob = warm().await;
    hob.ready("f", &answering("x"), json!({})).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let answer = hob.call("f", json!({})).await;
        ids.push(answer.header("x-call-id").to_owned());
    }
    let list = async |query: &str| {
        let list = hob.get(&format!("/hob/v1/executions?{query}")).await.json();
        let found = list["executions"].as_array().expect("a list").clone();
        (
            found
                .iter()
                .map(|e| e["id"].as_str().expect("an id").to_owned())
                .collect::<Vec<_>>(),
            list["total"].clone(),
        )
    };
    assert_eq!(
        list("order=oldest&limit=2&count=true").await,
        (ids[..2].to_vec(), json!(5))
    );
    assert_eq!(
        list(&format!("order=oldest&after={}&limit=2", ids[1])).await.0,
        ids[2..4]
    );
    assert_eq!(list("offset=1&limit=1").await.0, ids[3..4]);
    assert_eq!(list("asynchronous=true").await.0, [""; 0]);
    assert_eq!(list("namespace=other").await.0, [""; 0]);
    assert_eq!(list("created_before_ms=1").await.0, [""; 0]);
    assert_eq!(list("created_from_ms=1").await.0.len(), 5);
    let wrong = hob
        .get(&format!("/hob/v1/executions?order=oldest&before={}", ids[1]))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    done(&hob, Method::DELETE, &format!("/executions/{}", ids[4]), json!({})).await;
    assert_eq!(
        hob.get(&format!("/hob/v1/executions/{}", ids[4])).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(list("").await.0.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_are_kept_by_hand_and_sent_away() {
    let hob = warm().await;
    hob.ready("f", &answering("x"), json!({"max_workers": 3})).await;
    let workers = async |want: usize| {
        eventually(&format!("{want} workers"), || async {
            let list = hob.get("/hob/v1/functions/f/workers").await.json();
            let workers = list["workers"].as_array()?.clone();
            (workers.len() == want && workers.iter().all(|w| w["state"] == "ready")).then_some(())
        })
        .await;
    };
    assert_eq!(
        done(&hob, Method::POST, "/functions/f/scale", json!({"to": 2})).await["workers"],
        2
    );
    workers(2).await;
    assert_eq!(
        done(&hob, Method::POST, "/functions/f/scale", json!({"up": 5})).await["workers"],
        3
    );
    workers(3).await;
    assert_eq!(
        done(&hob, Method::POST, "/functions/f/scale", json!({"down": 2})).await["workers"],
        1
    );
    workers(1).await;
    done(&hob, Method::POST, "/functions/f/detach", json!({})).await;
    workers(0).await;
    assert_eq!(hob.call("f", json!({})).await.json(), json!("x"));
    assert_eq!(
        send(&hob, Method::POST, "/functions/f/scale", json!({})).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_function_answers_to_its_new_name_with_its_versions() {
    let hob = warm().await;
    hob.ready("f", &answering("f"), json!({})).await;
    publish(&hob, "f").await;
    hob.ready("g", &answering("g"), json!({})).await;
    let taken = send(&hob, Method::POST, "/functions/f/rename", json!({"name": "g"})).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text());
    done(&hob, Method::POST, "/functions/f/rename", json!({"name": "h"})).await;
    assert_eq!(hob.call("f", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hob.call("h", json!({})).await.json(), json!("f"));
    assert_eq!(call_by(&hob, "h", ("x-hob-version", "1")).await.json(), json!("f"));
    done(&hob, Method::DELETE, "/functions/h", json!({})).await;
    assert_eq!(hob.call("h", json!({})).await.status, StatusCode::NOT_FOUND);
}
