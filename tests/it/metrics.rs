//! `/metrics`: what was counted while calls went on, under the names that dashboards know.

use crate::support::{Hob, eventually};
use serde_json::json;

const SOMETIMES: &str = "import time\ndef main(do='', **_):\n    if do == 'raise':\n        raise ValueError\n    while do == 'hang':\n        time.sleep(0.01)\n    return 1\n";

/// The number of one series; zero where it is not told. All daemons of this process count together.
async fn number(hob: &Hob, series: &str) -> f64 {
    let page = hob.get("/metrics").await.text();
    let line = page
        .lines()
        .find(|line| line.rsplit_once(' ').is_some_and(|(name, _)| name == series));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in\n{page}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_counted_under_the_names_of_opentelemetry() {
    let hob = Hob::start(&[]).await.0.warm().await;
    hob.ready("f", SOMETIMES, json!({})).await;
    hob.ready("hangs", SOMETIMES, json!({"timeout_ms": 300})).await;
    let http = "{faas_trigger=\"http\"}";
    let series = [
        (format!("faas_invocations_total{http}"), json!({})),
        ("faas_errors_total".to_owned(), json!({"do": "raise"})),
        ("faas_timeouts_total".to_owned(), json!({"do": "hang"})),
        (format!("faas_invoke_duration_seconds_count{http}"), json!({})),
        ("hob_call_seconds_count".to_owned(), json!({})),
        ("hob_queue_seconds_count".to_owned(), json!({})),
    ];
    for (series, input) in series {
        let before = number(&hob, &series).await;
        let function = if input["do"] == "hang" { "hangs" } else { "f" };
        let id = hob.call(function, input).await.header("x-call-id").to_owned();
        hob.execution_in(&id, &["succeeded", "failed"]).await;
        assert!(number(&hob, &series).await >= before + 1.0, "{series}");
    }
    let later = "faas_invocations_total{faas_trigger=\"other\"}";
    let before = number(&hob, later).await;
    let id = hob.call_later("f", json!({})).await;
    hob.execution_in(&id, &["succeeded"]).await;
    assert!(number(&hob, later).await >= before + 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_now_is_this_daemons_own() {
    let hob = Hob::start(&[]).await.0.warm().await;
    assert_eq!(number(&hob, "hob_functions").await, 0.0);
    assert_eq!(number(&hob, "hob_engine_up").await, 1.0);
    hob.ready("f", SOMETIMES, json!({})).await;
    hob.call("f", json!({})).await;
    let job = json!({"function": "f", "every_ms": 3_600_000});
    let sent = [("content-type", "application/json")];
    let made = hob
        .send(http::Method::POST, "/hob/v1/jobs", &sent, job.to_string().into())
        .await;
    assert!(made.status.is_success(), "{}", made.text());
    for (series, expect) in [
        ("hob_functions", 1.0),
        ("hob_jobs_active", 1.0),
        ("hob_workers{state=\"ready\"}", 1.0),
        ("hob_slots_busy", 0.0),
        ("hob_calls_waiting", 0.0),
        ("hob_async_calls{state=\"queued\"}", 0.0),
        ("hob_records_waiting", 0.0),
    ] {
        eventually(series, || async {
            (number(&hob, series).await == expect).then_some(())
        })
        .await;
    }
    assert!(number(&hob, "hob_deploys_total{state=\"ready\"}").await >= 1.0);
}
