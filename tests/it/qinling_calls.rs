//! What recorded exchanges cannot hold of the Qinling API's executions and jobs: time that passes, and calls at once.

use crate::support::{Hob, eventually, fake_engine, zip};
use hob::domain::Timestamp;
use hob::task::Clock;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// 2027-01-15T08:00:00Z.
const START: i64 = 1_800_000_000_000;

async fn post(hob: &Hob, path: &str, body: Value) -> Value {
    let kind = [("content-type", "application/json")];
    let answer = hob.send(Method::POST, path, &kind, body.to_string().into()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

async fn function(hob: &Hob, source: &str) -> String {
    let runtime = post(hob, "/v1/runtimes", json!({"image": "hob/python"})).await;
    let boundary = "hob-test-boundary";
    let mut form = Vec::new();
    for (name, value) in [
        ("runtime_id", runtime["id"].as_str().unwrap()),
        ("code", r#"{"source": "package"}"#),
    ] {
        let part = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        form.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"package\"; filename=\"f.zip\"\r\ncontent-type: application/zip\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(&zip(&[("main.py", source)]));
    form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    let answer = hob
        .send(Method::POST, "/v1/functions", &[("content-type", &kind)], form.into())
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The one execution that a job made, once it has ended.
async fn made_by(hob: &Hob, job: &str) -> Value {
    eventually("an execution of the job", || async {
        let path = format!("/v1/executions?description=has:{job}");
        let all = hob.get(&path).await.json();
        let all = all["executions"].as_array().unwrap();
        assert!(all.len() <= 1, "{all:?}");
        all.first().filter(|e| e["status"] != "running").cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_with_one_time_calls_its_function_then_and_is_done() {
    let clock = Clock::manual(Timestamp::from_millis(START));
    let hob = Hob::start_by(clock.clone(), fake_engine()).await.warm().await;
    let function = function(&hob, "def main(name='World', **_):\n    return name\n").await;
    let job = json!({"function_id": function, "first_execution_time": "2027-01-15T08:01:30", "function_input": "Ann"});
    let job = post(&hob, "/v1/jobs", job).await;
    let id = job["id"].as_str().unwrap();
    assert_eq!((&job["status"], &job["count"]), (&json!("running"), &json!(1)));
    clock.advance(Duration::from_secs(90));
    let execution = made_by(&hob, id).await;
    assert_eq!(execution["description"], format!("Created by Job {id}"));
    assert_eq!(
        (&execution["status"], &execution["input"]),
        (&json!("success"), &json!("Ann"))
    );
    assert_eq!(
        (&execution["sync"], &execution["function_alias"]),
        (&json!(false), &Value::Null)
    );
    let job = hob.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!((&job["status"], &job["count"]), (&json!("done"), &json!(0)));
    assert_eq!(job["next_execution_time"], "2027-01-15T08:01:30Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_execution_that_runs_leaves_no_trace() {
    let (hob, _engine) = Hob::start(&[]).await;
    let hob = hob.warm().await;
    let function = function(
        &hob,
        "import time\ndef main(**_):\n    print('on', flush=True)\n    time.sleep(1)\n",
    )
    .await;
    let made = post(&hob, "/v1/executions", json!({"function_id": function, "sync": false})).await;
    let path = format!("/v1/executions/{}", made["id"].as_str().unwrap());
    eventually("what it printed so far", || async {
        let log = hob.get(&format!("{path}/log")).await;
        log.text().contains("on\n").then_some(())
    })
    .await;
    let deleted = hob.send(Method::DELETE, &path, &[], Default::default()).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let next = post(&hob, "/v1/executions", json!({"function_id": function})).await;
    assert_eq!(next["status"], "success");
    assert_eq!(hob.get(&path).await.status, StatusCode::NOT_FOUND);
}
