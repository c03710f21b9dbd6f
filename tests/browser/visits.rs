//! The visits. Each says what the page got, and each is held against what the daemon has become.

use crate::chromium::Visit;
use crate::harm::{daemon, sockets, state, targets};
use crate::pages::{Villain, page};
use crate::support::{Hob, eventually};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SAFARI: &str = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15";

/// Opens a page and waits for its report.
async fn visit(villain: &Villain, run: &str, url: &str, arguments: &[String]) -> Value {
    let _browser = Visit::to(url, arguments);
    eventually("the page's report", || async { villain.reported(run) }).await
}

/// What the page got beside refusals and silence.
fn booty(report: &Value) -> Vec<String> {
    let got = report["got"].as_object().expect("what it got");
    assert!(got.len() > 60, "it did not try much: {report:#}");
    let won = |text: &Value| {
        !text
            .as_str()
            .is_some_and(|t| t.starts_with("refused") || t == "nothing")
    };
    got.iter()
        .filter(|(_, text)| won(text))
        .map(|(name, text)| format!("{name}: {text}"))
        .collect()
}

fn bases(hob: &Hob, names: &[&str]) -> Vec<String> {
    let port = hob.address.port();
    names.iter().map(|name| format!("http://{name}:{port}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_changes_nothing_and_reads_nothing() {
    let hob = daemon(&[("HOB_API_EXTRA_LISTEN", "127.0.0.1:0")]).await;
    let villain = Villain::open(hob.address).await;
    let status = hob.get("/hob/v1/status").await.json();
    let mut everywhere = bases(&hob, &["localhost", "victim.default.localhost", "evil.test"]);
    everywhere.extend(
        status["addresses"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned),
    );
    assert_eq!(everywhere.len(), 5, "{status:#}");
    let before = state(&hob).await;
    villain.prepare("foreign", &targets(&everywhere), &sockets(hob.address));
    let names = "--host-resolver-rules=MAP evil.test 127.0.0.1".to_owned();
    let url = format!("http://evil.test:{}/attack", villain.address.port());
    let report = visit(&villain, "foreign", &url, &[names]).await;
    assert_eq!(booty(&report), Vec::<String>::new());
    assert_eq!(state(&hob).await, before);
    hob.stop().await;
}

/// What makes the other tests mean something: the same page, from an origin that the settings allow, does its harm.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_from_an_allowed_origin_gets_through() {
    let villain = Villain::open(([127, 0, 0, 1], 9).into()).await;
    let origin = format!("http://evil.test:{}", villain.address.port());
    let hob = daemon(&[("HOB_SERVER_ALLOWED_ORIGINS", &origin)]).await;
    let before = state(&hob).await;
    let gentle: Vec<Value> = targets(&bases(&hob, &["127.0.0.1"]))
        .into_iter()
        .filter(|target| !target["url"].as_str().is_some_and(|url| url.ends_with("/stop")))
        .collect();
    villain.prepare("allowed", &gentle, &[]);
    let names = "--host-resolver-rules=MAP evil.test 127.0.0.1".to_owned();
    let report = visit(&villain, "allowed", &format!("{origin}/attack"), &[names]).await;
    assert_eq!(report["origin"], json!(origin));
    assert_ne!(state(&hob).await, before);
    hob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_name_was_rebound_to_the_daemon_changes_nothing_and_reads_nothing() {
    let hob = daemon(&[]).await;
    let villain = Villain::open(hob.address).await;
    let before = state(&hob).await;
    let own = bases(&hob, &["evil.test"]);
    villain.prepare("rebound", &targets(&own), &[]);
    let proxy = [
        format!("--proxy-server=http://{}", villain.address),
        // Loopback addresses go through it too.
        "--proxy-bypass-list=<-loopback>".to_owned(),
    ];
    let report = visit(&villain, "rebound", &format!("{}/attack", own[0]), &proxy).await;
    assert_eq!(
        report["origin"],
        json!(own[0]),
        "the page and the daemon are of one origin"
    );
    let got = booty(&report);
    // That something answered is seen; what it says is a refusal.
    assert!(got.iter().all(|what| what.ends_with("\"loaded\"")), "{got:?}");
    assert_eq!(state(&hob).await, before);
    hob.stop().await;
}

/// A function that answers a page which attacks its own daemon.
async fn deploy_page(hob: &Hob, villain: &Villain, name: &str, run: &str) {
    let own = bases(hob, &["127.0.0.1", "localhost", "victim.default.localhost"]);
    let attack = villain.prepare(run, &targets(&own), &sockets(hob.address));
    let html = json!(page(&attack)).to_string();
    let source = format!(
        "PAGE = {html}\ndef main(event, context):\n    headers = {{'content-type': 'text/html', 'set-cookie': 'mine=1; Path=/; Domain=localhost',\n        'clear-site-data': '\"*\"', 'strict-transport-security': 'max-age=9999'}}\n    return {{'statusCode': 200, 'headers': headers, 'body': PAGE}}\n"
    );
    let settings = json!({ "convention": "event-context" });
    hob.ready(name, &source, settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_a_function_answers_has_an_origin_of_its_own_and_gets_nothing_of_the_daemon() {
    let hob = daemon(&[]).await;
    let villain = Villain::open(hob.address).await;
    deploy_page(&hob, &villain, "page", "function").await;
    let before = state(&hob).await;
    let url = format!("http://127.0.0.1:{}/function/page?x=1", hob.address.port());
    let report = visit(&villain, "function", &url, &[]).await;
    let own = format!("http://page.default.localhost:{}", hob.address.port());
    assert_eq!(report["place"], json!(format!("{own}/?x=1")));
    assert_eq!(report["origin"], json!(own));
    assert_eq!(report["storage"], "yes", "a page may keep things");
    assert!(
        report["cookie"]
            .as_str()
            .is_some_and(|c| c.contains("scripted=yes") && c.contains("mine=1")),
        "{report:#}"
    );
    assert_eq!(report["own"], 200, "it may ask its own function");
    assert_eq!(booty(&report), Vec::<String>::new());
    assert_eq!(state(&hob).await, before);
    hob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_by_path_is_in_a_sandbox_where_its_own_name_cannot_be_relied_on() {
    let hob = daemon(&[]).await;
    let villain = Villain::open(hob.address).await;
    deploy_page(&hob, &villain, "page", "sandbox").await;
    let before = state(&hob).await;
    let url = format!("http://127.0.0.1:{}/function/page", hob.address.port());
    let agent = format!("--user-agent={SAFARI}");
    let report = visit(&villain, "sandbox", &url, &[agent]).await;
    assert_eq!((&report["place"], &report["origin"]), (&json!(url), &json!("null")));
    assert_eq!(
        (&report["storage"], &report["cookie"]),
        (&json!("SecurityError"), &json!("SecurityError"))
    );
    assert_eq!(booty(&report), Vec::<String>::new());
    assert_eq!(state(&hob).await, before);
    hob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_function_reaches_the_daemons_origin() {
    let hob = daemon(&[]).await;
    let villain = Villain::open(hob.address).await;
    deploy_page(&hob, &villain, "page", "headers").await;
    let port = hob.address.port();
    let own_host = format!("page.default.localhost:{port}");
    for (host, path, cookies, sandboxed) in [
        (
            format!("127.0.0.1:{port}"),
            "/function/page",
            &["mine=1; Path=/function/page"][..],
            true,
        ),
        (own_host, "/", &["mine=1; Path=/"], false),
        (format!("127.0.0.1:{port}"), "/hob/v1/functions/page/invoke", &[], false),
    ] {
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let answer = hob.send(Method::POST, path, &headers, "{}".into()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        let set: Vec<_> = answer
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|c| c.to_str().ok())
            .collect();
        assert_eq!(set, cookies, "{path}");
        let kept: BTreeSet<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
        for far_reaching in ["clear-site-data", "strict-transport-security"] {
            assert!(!kept.contains(far_reaching), "{host}{path}: {far_reaching}");
        }
        assert_eq!(kept.contains("content-security-policy"), sandboxed, "{host}{path}");
    }
    hob.stop().await;
}
