//! Calls as a collector hears of them, and as the functions they call see their trace.

use crate::support::{Hob, eventually};
use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const HEADERS: &str = "import json\ndef handle(event, context):\n    if event['body'] == 'raise':\n        raise ValueError('no')\n    return {'statusCode': 200, 'body': json.dumps(event['headers'])}\n";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Somebody who collects spans, and is busy at first.
struct Collector {
    url: String,
    heard: Heard,
    task: tokio::task::JoinHandle<()>,
}

type Heard = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// One that refuses so many requests before it takes any.
    async fn busy(times: usize) -> Self {
        let heard = Heard::default();
        let left = Arc::new(Mutex::new(times));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collect = move |State(heard): State<Heard>, headers: HeaderMap, body: Bytes| {
            let mut left = left.lock().unwrap();
            let status = match *left {
                0 => {
                    heard
                        .lock()
                        .unwrap()
                        .push((headers, serde_json::from_slice(&body).expect("JSON")));
                    StatusCode::OK
                }
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            *left = left.saturating_sub(1);
            std::future::ready(status)
        };
        let router = Router::new()
            .route("/v1/traces", axum::routing::post(collect))
            .with_state(Arc::clone(&heard));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, heard, task }
    }

    fn spans(&self) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        let lists = heard
            .iter()
            .map(|(_, body)| body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone());
        lists.flat_map(|list| list.as_array().expect("spans").clone()).collect()
    }

    /// The span of a call, once it was told.
    async fn span_of(&self, id: &str) -> Value {
        eventually("the span of a call", || async {
            let own = |span: &Value| attribute(span, "faas.invocation_id") == json!({"stringValue": id});
            self.spans().into_iter().find(own)
        })
        .await
    }
}

fn attribute(span: &Value, key: &str) -> Value {
    let all = span["attributes"].as_array().expect("attributes");
    let found = all.iter().find(|one| one["key"] == key);
    found.map_or(Value::Null, |one| one["value"].clone())
}

async fn traced(collector: &Collector, delay: &str) -> Hob {
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=it%20is%20me"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", delay),
    ];
    let hob = Hob::start(&settings).await.0.warm().await;
    let convention = json!({"convention": "event-context", "entry": "main.handle"});
    hob.ready("f", HEADERS, convention).await;
    hob
}

async fn call(hob: &Hob, body: &str, parent: Option<&str>) -> (String, Value) {
    let mut headers = vec![("content-type", "text/plain")];
    headers.extend(parent.map(|parent| ("traceparent", parent)));
    let body = Bytes::from(body.to_owned());
    let answer = hob.send(Method::POST, "/function/f/p", &headers, body).await;
    let seen = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.header("x-call-id").to_owned(), seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_told_to_the_collector_as_a_part_of_its_callers_trace() {
    let collector = Collector::busy(1).await;
    let hob = traced(&collector, "10").await;
    let (id, seen) = call(&hob, "", Some(PARENT)).await;
    let span = collector.span_of(&id).await;
    assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
    let own = span["spanId"].as_str().expect("an id");
    let seen = seen["Traceparent"].as_str().or(seen["traceparent"].as_str());
    let expect = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{own}-01");
    assert_eq!(seen, Some(expect.as_str()));
    for (key, value) in [
        ("faas.name", json!({"stringValue": "f"})),
        ("faas.trigger", json!({"stringValue": "http"})),
        ("faas.coldstart", json!({"boolValue": false})),
        ("http.response.status_code", json!({"intValue": "200"})),
        ("url.path", json!({"stringValue": "/p"})),
    ] {
        assert_eq!(attribute(&span, key), value, "{key}");
    }
    let parts: Vec<_> = collector
        .spans()
        .into_iter()
        .filter(|s| s["parentSpanId"] == own)
        .collect();
    assert!(parts.iter().any(|part| part["name"] == "run"), "{parts:#?}");
    let heard = collector.heard.lock().unwrap();
    let (headers, body) = &heard[0];
    assert_eq!(
        (&headers["api-key"], &headers["content-type"]),
        (&"it is me".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let resource = body["resourceSpans"][0]["resource"]["attributes"].to_string();
    for part in ["service.name", "service.instance.id", "deployment.environment"] {
        assert!(resource.contains(part), "{part} in {resource}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_and_jobs_are_told_as_such_and_what_is_not_sampled_is_not_told() {
    let collector = Collector::busy(0).await;
    let hob = traced(&collector, "10").await;
    let (unsampled, _) = call(&hob, "", Some(&PARENT.replace("-01", "-00"))).await;
    let (failed, _) = call(&hob, "raise", None).await;
    let span = collector.span_of(&failed).await;
    assert_eq!(span["traceId"], failed.replace('-', ""));
    assert_eq!(attribute(&span, "error.type"), json!({"stringValue": "raised"}));
    assert_eq!(span["status"]["code"], 2);
    let job = json!({"function": "f", "every_ms": 3_600_000});
    let made = hob
        .send(
            Method::POST,
            "/hob/v1/jobs",
            &[("content-type", "application/json")],
            job.to_string().into(),
        )
        .await;
    let path = format!("/hob/v1/jobs/{}/fire", made.json()["id"].as_str().expect("an id"));
    assert!(hob.post(&path, "").await.status.is_success());
    let timer = json!({"stringValue": "timer"});
    eventually("the span of a job's call", || async {
        collector
            .spans()
            .into_iter()
            .find(|span| attribute(span, "faas.trigger") == timer)
    })
    .await;
    let told = |span: &Value| attribute(span, "faas.invocation_id") == json!({"stringValue": unsampled});
    assert!(!collector.spans().iter().any(told));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_company_is_told_when_the_daemon_stops() {
    let collector = Collector::busy(0).await;
    let hob = traced(&collector, "3600000").await;
    let (id, _) = call(&hob, "", None).await;
    assert!(collector.spans().is_empty());
    hob.stop().await;
    collector.span_of(&id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_the_function_gets_the_callers_own_words() {
    let hob = Hob::start(&[]).await.0.warm().await;
    hob.ready(
        "f",
        HEADERS,
        json!({"convention": "event-context", "entry": "main.handle"}),
    )
    .await;
    let (_, seen) = call(&hob, "", Some(PARENT)).await;
    assert_eq!(
        seen["Traceparent"].as_str().or(seen["traceparent"].as_str()),
        Some(PARENT)
    );
    let (_, seen) = call(&hob, "", None).await;
    assert!(!seen.to_string().to_lowercase().contains("traceparent"), "{seen}");
}
