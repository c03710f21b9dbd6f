//! The checklist of the Nuclio contract (its section 16), each item by its number and its sentence.
//!
//! Upstream's own tests run against a platform that is not there and without a default namespace. Here there is a real
//! one, and a default namespace always: an item about a request without a namespace says what is answered instead.

use crate::support::{Answer, Hob, eventually};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many items there are.
const ITEMS: u8 = 71;

/// What was found of each item.
#[derive(Default)]
struct Checklist(BTreeMap<u8, Vec<String>>);

impl Checklist {
    /// Takes down an item; it may be checked in parts.
    fn item(&mut self, number: u8, sentence: &str, holds: bool, seen: &Answer) {
        let wrong = self.0.entry(number).or_default();
        if !holds {
            let said = seen.text();
            wrong.push(format!("{number}: {sentence}: {} {said}", seen.status));
        }
    }

    fn end(self) {
        let missing: Vec<_> = (1..=ITEMS).filter(|number| !self.0.contains_key(number)).collect();
        assert!(missing.is_empty(), "never checked: {missing:?}");
        let wrong: Vec<_> = self.0.into_values().flatten().collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// A client of the API.
struct Client(Hob);

impl Client {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        self.0.send(method, path, headers, body).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, &[], Some(body)).await
    }

    async fn delete(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::DELETE, path, &[], Some(body)).await
    }

    async fn patch(&self, name: &str, state: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("/api/functions/{name}");
        let body = json!({"desiredState": state});
        self.ask(Method::PATCH, &path, headers, Some(body)).await
    }

    async fn state(&self, name: &str) -> String {
        let view = self.get(&format!("/api/functions/{name}"), &[]).await.json();
        view["status"]["state"].as_str().unwrap_or_default().to_owned()
    }
}

/// `def handler(context, event): return context.Response(body='{"response": "body"}', status_code=201, …)`.
const SOURCE: &str = "ZGVmIGhhbmRsZXIoY29udGV4dCwgZXZlbnQpOgogICAgcmV0dXJuIGNvbnRleHQuUmVzcG9uc2UoYm9keT0neyJyZXNwb25zZSI6ICJib2R5In0nLCBzdGF0dXNfY29kZT0yMDEsIGhlYWRlcnM9eydYLVNlZW4nOiAnJXMgJXMgJXMnICUgKGV2ZW50Lm1ldGhvZCwgZXZlbnQucGF0aCwgZXZlbnQuaGVhZGVycy5nZXQoJ1gtTWluZScpKX0pCg==";

fn function(name: &str, more: Value) -> Value {
    let mut spec = json!({"runtime": "python", "handler": "main:handler", "build": {"functionSourceCode": SOURCE}});
    for (key, value) in more.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": name, "namespace": "nuclio"}, "spec": spec})
}

/// Taken in, and not deployed.
fn imported(name: &str) -> Value {
    let mut function = function(name, json!({}));
    function["metadata"]["annotations"] = json!({"skip-deploy": "true"});
    function
}

fn says(answer: &Answer, status: u16, words: &str) -> bool {
    answer.status == status && answer.text().contains(words)
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_of_the_contracts_checklist_holds() {
    let (hob, _engine) = Hob::start(&[]).await;
    let client = Client(hob.warm().await);
    let mut list = Checklist::default();
    functions(&client, &mut list).await;
    invocations(&client, &mut list).await;
    exports_and_patches(&client, &mut list).await;
    projects(&client, &mut list).await;
    transfers(&client, &mut list).await;
    events(&client, &mut list).await;
    gateways(&client, &mut list).await;
    streams_and_the_rest(&client, &mut list).await;
    list.end();
}

async fn functions(client: &Client, list: &mut Checklist) {
    let wait = [
        ("x-nuclio-wait-function-action", "true"),
        ("x-nuclio-project-name", "default"),
        ("x-nuclio-function-namespace", "nuclio"),
    ];
    let nothing = json!({"metadata": {"name": "none"}, "spec": {"runtime": "python"}});
    let seen = client.ask(Method::POST, "/api/functions", &wait, Some(nothing)).await;
    list.item(
        1,
        "a create that fails before its state is stored is 500 with its text",
        says(&seen, 500, "Function must have either"),
        &seen,
    );
    let foreign = [("x-nuclio-project-name", "nowhere")];
    let seen = client
        .ask(
            Method::POST,
            "/api/functions",
            &foreign,
            Some(function("f9", json!({}))),
        )
        .await;
    list.item(
        2,
        "a create keeps status and text of what refused it",
        says(&seen, 412, "Project does not exist"),
        &seen,
    );
    client
        .post("/api/projects", json!({"metadata": {"name": "proj"}}))
        .await;
    let mine = [wait[0], ("x-nuclio-project-name", "proj"), wait[2]];
    let seen = client
        .ask(
            Method::POST,
            "/api/functions",
            &mine,
            Some(function("f1", json!({"replicas": 1}))),
        )
        .await;
    let view = client.get("/api/functions/f1", &[]).await;
    let label = &view.json()["metadata"]["labels"]["nuclio.io/project-name"];
    list.item(
        7,
        "a create is 202, and the header's project becomes a label",
        seen.status == 202 && label == "proj",
        &view,
    );
    let spec = view.json()["spec"].clone();
    let whole = spec["replicas"] == 1
        && spec["eventTimeout"] == ""
        && spec["platform"] == json!({})
        && view.json()["status"].is_object();
    list.item(
        3,
        "a function has its defaults and a status",
        view.status == 200 && whole,
        &view,
    );
    let seen = client
        .get("/api/functions/f1", &[("x-nuclio-function-namespace", "")])
        .await;
    list.item(
        4,
        "without a namespace the default one is meant",
        seen.status == 200,
        &seen,
    );
    client.post("/api/functions", imported("f2")).await;
    let seen = client.get("/api/functions", &[wait[2]]).await;
    list.item(
        5,
        "a list is a map by name",
        ["f1", "f2"].iter().all(|f| keys(&seen.json()).contains(f)),
        &seen,
    );
    let seen = client.get("/api/functions", &[]).await;
    list.item(
        6,
        "a list without a namespace is the default one's",
        keys(&seen.json()).contains(&"f1"),
        &seen,
    );
    let seen = client.post("/api/functions", json!({"spec": {}})).await;
    list.item(
        8,
        "without metadata it is 400",
        says(&seen, 400, "must be provided in metadata"),
        &seen,
    );
    let seen = client
        .post("/api/functions", json!({"metadata": {"namespace": "nuclio"}}))
        .await;
    list.item(
        9,
        "without a name it is 400",
        says(&seen, 400, "Function name must be provided in metadata"),
        &seen,
    );
    let mut bare = imported("f3");
    bare["metadata"]["namespace"] = json!("");
    let seen = client.post("/api/functions", bare).await;
    list.item(
        10,
        "without a namespace the default one is taken",
        seen.status == 202 && client.state("f3").await == "imported",
        &seen,
    );
    let seen = client.post("/api/functions", function("f1", json!({}))).await;
    list.item(11, "a name that is taken is 409", seen.status == 409, &seen);
    let seen = client.post("/api/functions", function("!funcmylif&", json!({}))).await;
    list.item(
        12,
        "a name that is none is 400",
        says(&seen, 400, "Function name doesn't conform to k8s naming convention"),
        &seen,
    );
    let seen = client.put("/api/functions/f3", imported("f3")).await;
    list.item(
        13,
        "a function is replaced with 202 (upstream's test of it is skipped)",
        seen.status == 202,
        &seen,
    );
    let seen = client
        .delete(
            "/api/functions",
            json!({"metadata": {"name": "f3", "namespace": "nuclio"}}),
        )
        .await;
    list.item(14, "a delete is 204", seen.status == 204, &seen);
    for body in [json!({}), json!({"metadata": {"namespace": "nuclio"}})] {
        let seen = client.delete("/api/functions", body).await;
        list.item(
            15,
            "a delete without a name is 400",
            says(&seen, 400, "Function name must be provided in metadata"),
            &seen,
        );
    }
}

async fn invocations(client: &Client, list: &mut Checklist) {
    let path = "/api/function_invocations";
    let url = client.get("/api/functions/f1", &[]).await.json()["status"]["externalInvocationUrls"][0].clone();
    let wrong = [
        ("x-nuclio-function-name", "f1"),
        ("x-nuclio-invoke-url", "something-bad\"\"-happened"),
    ];
    let seen = client.ask(Method::PUT, path, &wrong, None).await;
    list.item(
        16,
        "quotation marks of an error become single",
        says(&seen, 400, "something-bad''-happened"),
        &seen,
    );
    let right = [
        ("x-nuclio-function-name", "f1"),
        ("x-nuclio-function-namespace", "nuclio"),
        ("x-nuclio-path", "/some/path"),
        ("x-nuclio-invoke-url", url.as_str().expect("an address")),
        ("x-nuclio-invoke-timeout", "5m"),
        ("x-mine", "h"),
    ];
    let seen = client.ask(Method::PUT, path, &right, Some(json!("body"))).await;
    list.item(
        16,
        "method, path and headers are passed on",
        seen.header("x-seen") == "PUT /some/path h",
        &seen,
    );
    list.item(
        17,
        "status and body are the function's",
        seen.status == 201 && seen.text() == r#"{"response": "body"}"#,
        &seen,
    );
    let seen = client.ask(Method::POST, path, &[], None).await;
    list.item(
        18,
        "a call without a name is 400",
        says(&seen, 400, "Function name must be provided"),
        &seen,
    );
    let named = [("x-nuclio-function-name", "f1"), ("x-nuclio-function-namespace", "")];
    let seen = client.ask(Method::POST, path, &named, None).await;
    list.item(
        19,
        "a call without a namespace is the default one's",
        seen.status == 201,
        &seen,
    );
}

async fn exports_and_patches(client: &Client, list: &mut Checklist) {
    let masked = json!({"build": {"functionSourceCode": SOURCE, "codeEntryAttributes": {"password": "$ref:/spec/build/password"}}});
    let mut other = function("f4", masked);
    other["metadata"]["annotations"] = json!({"skip-deploy": "true"});
    client.post("/api/functions", other).await;
    let seen = client.get("/api/functions/f1?export=true", &[]).await;
    let (view, annotations) = (seen.json(), seen.json()["metadata"]["annotations"].clone());
    let marked =
        annotations == json!({"nuclio.io/previous-state": "ready", "skip-build": "true", "skip-deploy": "true"});
    let bare = view.get("status").is_none() && view["metadata"].get("namespace").is_none();
    list.item(20, "an export is bare and marked", bare && marked, &seen);
    let seen = client.get("/api/functions/?export=true", &[]).await;
    let kept = &seen.json()["f4"]["spec"]["build"]["codeEntryAttributes"]["password"];
    list.item(
        20,
        "what is masked stays so",
        kept == "$ref:/spec/build/password",
        &seen,
    );
    let before = |name: &str| seen.json()[name]["metadata"]["annotations"]["nuclio.io/previous-state"].clone();
    list.item(
        21,
        "an export of all says how each stood",
        before("f1") == "ready" && before("f2") == "imported",
        &seen,
    );
    let seen = client.patch("f2", "ready", &[]).await;
    list.item(
        22,
        "what was taken in becomes deployed",
        seen.status == 202 && client.state("f2").await == "ready",
        &seen,
    );
    let seen = client.patch("nobody", "ready", &[]).await;
    list.item(23, "a patch of nothing is 404", seen.status == 404, &seen);
    let seen = client.patch("f2", "unhealthy", &[]).await;
    list.item(
        24,
        "a state that cannot be wished for is 400",
        seen.status == 400,
        &seen,
    );
    let only = [("x-nuclio-imported-function-only", "true")];
    let seen = client.patch("f4", "ready", &only).await;
    list.item(
        25,
        "imported only: one that is",
        seen.status == 202 && client.state("f4").await == "ready",
        &seen,
    );
    let seen = client.patch("f2", "ready", &only).await;
    list.item(26, "imported only: one that is not", seen.status == 202, &seen);
    let seen = client.patch("f2", "scaledToZero", &[]).await;
    eventually("the workers to leave", || async {
        (client.state("f2").await == "scaledToZero").then_some(())
    })
    .await;
    list.item(27, "a function scales to zero", seen.status == 202, &seen);
    client
        .put(
            "/api/functions/f1",
            function("f1", json!({"minReplicas": 1, "maxReplicas": 1})),
        )
        .await;
    eventually("a new revision", || async {
        (client.state("f1").await == "ready").then_some(())
    })
    .await;
    let seen = client.patch("f1", "scaledToZero", &[]).await;
    list.item(28, "one that keeps workers does not", seen.status == 412, &seen);
}

async fn projects(client: &Client, list: &mut Checklist) {
    let namespace = [("x-nuclio-project-namespace", "nuclio")];
    let p1 = json!({"metadata": {"name": "p1", "namespace": "nuclio"}, "spec": {"description": "d"}});
    let seen = client.post("/api/projects", p1.clone()).await;
    let mut shown = p1.clone();
    shown["status"] = json!({});
    list.item(
        35,
        "a project that is made is shown with a status",
        seen.status == 201 && seen.json() == shown,
        &seen,
    );
    list.item(
        37,
        "and it has its name",
        seen.json()["metadata"]["name"] == "p1",
        &seen,
    );
    let seen = client.get("/api/projects/p1", &namespace).await;
    list.item(
        29,
        "a project is shown",
        seen.status == 200 && seen.json() == shown,
        &seen,
    );
    let seen = client.get("/api/projects/p1", &[]).await;
    list.item(
        30,
        "without a namespace it is the default one's",
        seen.status == 200,
        &seen,
    );
    let seen = client.get("/api/projects", &namespace).await;
    let all = seen.json();
    let with_status = all
        .as_object()
        .expect("a map")
        .values()
        .all(|p| p["status"] == json!({}));
    list.item(
        31,
        "a list of projects has a status each",
        with_status && all["p1"] == shown,
        &seen,
    );
    let seen = client.get("/api/projects", &[]).await;
    list.item(
        32,
        "a list without a namespace is the default one's",
        seen.json()["p1"] == shown,
        &seen,
    );
    let seen = client.post("/api/projects", json!({"spec": {}})).await;
    list.item(
        36,
        "without metadata it is 400",
        says(&seen, 400, "Project name must be provided in metadata"),
        &seen,
    );
    let seen = client.post("/api/projects", json!({"metadata": {"name": "p2"}})).await;
    list.item(
        38,
        "without a namespace it is made in the default one",
        seen.json()["metadata"]["namespace"] == "nuclio",
        &seen,
    );
    for path in ["/api/projects", "/api/projects/p1"] {
        let seen = client.put(path, p1.clone()).await;
        list.item(39, "a project is replaced with 204", seen.status == 204, &seen);
        let seen = client.put(path, json!({"spec": {}})).await;
        list.item(
            40,
            "replaced without a name it is 400",
            says(&seen, 400, "Project name must be provided in metadata"),
            &seen,
        );
    }
    let seen = client
        .delete(
            "/api/projects",
            json!({"metadata": {"name": "p2", "namespace": "nuclio"}}),
        )
        .await;
    list.item(41, "a project is deleted with 204", seen.status == 204, &seen);
    let f = imported("in-p1");
    client
        .ask(
            Method::POST,
            "/api/functions",
            &[("x-nuclio-project-name", "p1")],
            Some(f),
        )
        .await;
    let by = |strategy| [("x-nuclio-delete-project-strategy", strategy)];
    let named = || Some(json!({"metadata": {"name": "p1"}}));
    let seen = client
        .ask(Method::DELETE, "/api/projects", &by("restricted"), named())
        .await;
    list.item(43, "restricted, one with functions is 412", seen.status == 412, &seen);
    let seen = client
        .ask(Method::DELETE, "/api/projects", &by("cascading"), named())
        .await;
    let gone = client.get("/api/functions/in-p1", &[]).await.status == 404;
    list.item(
        42,
        "cascading, its functions go along",
        seen.status == 204 && gone,
        &seen,
    );
    client.post("/api/projects", p1.clone()).await;
    let seen = client.delete("/api/projects", p1.clone()).await;
    list.item(44, "without a strategy it is restricted", seen.status == 204, &seen);
    let seen = client.delete("/api/projects", json!({"metadata": {}})).await;
    let json_400 = seen.status == 400 && seen.header("content-type") == "application/json";
    list.item(45, "deleted without a name it is 400 in JSON", json_400, &seen);
}

async fn transfers(client: &Client, list: &mut Checklist) {
    let upstream = json!([{"kind": "nucliofunction", "nucliofunction": {"name": "g1"}}]);
    let sent = json!({
        "project": {"metadata": {"name": "p3"}, "spec": {}},
        "functions": {"g1": {"metadata": {"name": "g1"}, "spec": {"runtime": "python", "build": {"functionSourceCode": SOURCE}}}},
        "functionEvents": {"e": {"metadata": {"name": "e", "labels": {"nuclio.io/function-name": "g1"}}, "spec": {"displayName": "shown"}}},
        "apiGateways": {"agw": {"metadata": {"name": "agw"}, "spec": {"name": "agw", "upstreams": upstream}}},
    });
    let seen = client.post("/api/projects?import=true", sent.clone()).await;
    let result = seen.json();
    let one = |key: &str, list: &str| result[key] == json!({"createdAmount": 1, "failedAmount": 0, list: null});
    let all = one("functionImportResult", "failedFunctions")
        && one("functionEventImportResult", "failedFunctionEvents")
        && one("apiGatewayImportResult", "failedAPIGateways");
    let events = client
        .get("/api/function_events", &[("x-nuclio-function-name", "g1")])
        .await
        .json();
    let renamed = events.as_object().is_some_and(|e| e.len() == 1 && !e.contains_key("e"));
    let function = client
        .get("/api/functions/g1", &[("x-nuclio-project-name", "p3")])
        .await;
    list.item(
        46,
        "an import makes everything, events by new names",
        seen.status == 201 && all && renamed && function.status == 200,
        &seen,
    );
    let seen = client.get("/api/projects/p3?export=true", &[]).await;
    let export = seen.json();
    let whole = keys(&export) == ["apiGateways", "functionEvents", "functions", "project"]
        && export["project"] == json!({"metadata": {"name": "p3"}, "spec": {}, "status": {}})
        && export["apiGateways"]["agw"].get("status").is_none()
        && export["functions"]["g1"]["metadata"].get("namespace").is_none();
    list.item(33, "an export of a project has all of it", whole, &seen);
    let seen = client.get("/api/projects/?export=true", &[]).await;
    let bare = &seen.json()["default"]["functionEvents"];
    list.item(
        34,
        "an export of all has the same of each",
        *bare == json!({}) && seen.json()["p3"] == export,
        &seen,
    );
    client
        .delete("/api/api_gateways", json!({"metadata": {"name": "agw"}}))
        .await;
    let seen = client.post("/api/projects?import=true", sent).await;
    let result = seen.json();
    let failed = json!([{"function": "g1", "error": "Function name already exists"}]);
    let event = json!([{"functionEvent": "shown", "error": "Event belongs to function that failed import: g1"}]);
    let held = result["functionImportResult"]["failedFunctions"] == failed
        && result["functionEventImportResult"]["failedFunctionEvents"] == event
        && result["apiGatewayImportResult"]["createdAmount"] == 1;
    list.item(
        47,
        "an import says what failed and why",
        seen.status == 201 && held,
        &seen,
    );
}

async fn events(client: &Client, list: &mut Checklist) {
    let path = "/api/function_events";
    let namespace = ("x-nuclio-function-event-namespace", "nuclio");
    let event = json!({
        "metadata": {"name": "fe1", "namespace": "nuclio", "labels": {"nuclio.io/function-name": "f1", "nuclio.io/project-name": "proj"}},
        "spec": {"displayName": "d", "triggerName": "t", "triggerKind": "http", "body": "b",
                 "attributes": {"headers": {"x": 1}, "method": "GET", "path": "/p"}},
    });
    let seen = client.post(path, event.clone()).await;
    list.item(
        52,
        "an event that is made is shown as it was sent",
        seen.status == 201 && seen.json() == event,
        &seen,
    );
    let seen = client.get("/api/function_events/fe1", &[namespace]).await;
    list.item(
        48,
        "an event has no status",
        seen.status == 200 && seen.json() == event,
        &seen,
    );
    let seen = client.get("/api/function_events/fe1", &[]).await;
    list.item(
        49,
        "without a namespace it is the default one's",
        seen.status == 200,
        &seen,
    );
    let seen = client.get(path, &[namespace, ("x-nuclio-function-name", "f1")]).await;
    list.item(
        50,
        "a list is of one function",
        seen.json() == json!({"fe1": event}),
        &seen,
    );
    let seen = client.get(path, &[]).await;
    list.item(
        51,
        "a list without a namespace is the default one's",
        seen.json()["fe1"] == event,
        &seen,
    );
    let seen = client.post(path, json!({"spec": {}})).await;
    list.item(
        53,
        "without metadata it is 400",
        says(&seen, 400, "Function event name must be provided in metadata"),
        &seen,
    );
    let labels = json!({"nuclio.io/function-name": "f1"});
    let seen = client
        .post(path, json!({"metadata": {"labels": labels}, "spec": {}}))
        .await;
    let made = seen.json();
    let name = made["metadata"]["name"].as_str().unwrap_or_default();
    list.item(
        54,
        "without a name it gets a UUID",
        seen.status == 201 && uuid::Uuid::try_parse(name).is_ok(),
        &seen,
    );
    list.item(
        55,
        "without a namespace it is the default one's",
        made["metadata"]["namespace"] == "nuclio",
        &seen,
    );
    let seen = client.put(path, event.clone()).await;
    list.item(56, "an event is replaced with 204", seen.status == 204, &seen);
    let seen = client.put(path, json!({"metadata": {}})).await;
    list.item(
        57,
        "replaced without a name it is 400",
        says(&seen, 400, "Function event name must be provided in metadata"),
        &seen,
    );
    let seen = client.delete(path, event).await;
    list.item(58, "an event is deleted with 204", seen.status == 204, &seen);
    let seen = client.delete(path, json!({})).await;
    list.item(
        59,
        "deleted without a name it is 400",
        says(&seen, 400, "Function event name must be provided in metadata"),
        &seen,
    );
}

async fn gateways(client: &Client, list: &mut Checklist) {
    let path = "/api/api_gateways";
    let namespace = ("x-nuclio-api-gateway-namespace", "nuclio");
    let upstream = json!({"kind": "nucliofunction", "nucliofunction": {"name": "f1"}, "extraLabels": {"a": "b"}});
    let gateway = json!({
        "metadata": {"name": "agw2", "namespace": "nuclio", "labels": {"nuclio.io/project-name": "default"}},
        "spec": {"name": "agw2", "host": "agw2.nuclio.localhost", "path": "/x", "authenticationMode": "basicAuth",
                 "authentication": {"basicAuth": {"username": "u", "password": "visible"}}, "upstreams": [upstream]},
    });
    let seen = client.post(path, gateway.clone()).await;
    let without_status = |view: Value| json!({"metadata": view["metadata"], "spec": view["spec"]});
    list.item(
        64,
        "a gateway that is made is shown as it was sent",
        seen.status == 201 && without_status(seen.json()) == gateway,
        &seen,
    );
    let seen = client.get("/api/api_gateways/agw2", &[namespace]).await;
    list.item(
        60,
        "a gateway shows its password and no percentage that nobody gave",
        without_status(seen.json()) == gateway,
        &seen,
    );
    let seen = client.get("/api/api_gateways/agw2", &[]).await;
    list.item(
        61,
        "without a namespace it is the default one's",
        seen.status == 200,
        &seen,
    );
    let seen = client.get(path, &[namespace]).await;
    let all = seen.json();
    let open = all["agw"]["spec"].get("authenticationMode").is_none();
    list.item(
        62,
        "a list has both, and no mode that nobody gave",
        keys(&all) == ["agw", "agw2"] && open,
        &seen,
    );
    let seen = client.get(path, &[]).await;
    list.item(
        63,
        "a list without a namespace is the default one's",
        seen.json() == all,
        &seen,
    );
    let seen = client.put("/api/api_gateways/agw2", gateway.clone()).await;
    list.item(65, "a gateway is replaced with 204", seen.status == 204, &seen);
    let seen = client.delete(path, gateway).await;
    list.item(66, "a gateway is deleted with 204", seen.status == 204, &seen);
}

async fn streams_and_the_rest(client: &Client, list: &mut Checklist) {
    let stream = json!({"consumerGroup": "g", "containerName": "c", "streamPath": "/p"});
    for (name, trigger) in [("s1", "stream-trig-1"), ("s2", "stream-trig-2")] {
        let mut function = imported(name);
        function["spec"]["triggers"] =
            json!({trigger: {"kind": "v3ioStream", "attributes": stream}, "web": {"kind": "http"}});
        client.post("/api/functions", function).await;
    }
    let path = "/api/v3io_streams";
    let project = ("x-nuclio-project-name", "default");
    let seen = client
        .get(path, &[project, ("x-nuclio-project-namespace", "nuclio")])
        .await;
    let both = json!({"s1@stream-trig-1": stream, "s2@stream-trig-2": stream});
    list.item(
        67,
        "streams are those of triggers, by function and trigger",
        seen.json() == both,
        &seen,
    );
    let seen = client.get(path, &[]).await;
    list.item(
        68,
        "without a project it is 400",
        says(&seen, 400, "Project name must not be empty"),
        &seen,
    );
    let seen = client.get(path, &[project]).await;
    list.item(
        69,
        "without a namespace it is the default one's",
        seen.json() == both,
        &seen,
    );
    let seen = client.get("/api/external_ip_addresses", &[]).await;
    let addresses = &seen.json()["externalIPAddresses"]["addresses"];
    list.item(
        70,
        "there is an address that people can join",
        addresses == &json!(["localhost"]),
        &seen,
    );
    let seen = client.get("/api/frontend_spec", &[]).await;
    let spec = seen.json();
    let whole = spec["platformKind"] == "local"
        && spec["namespace"] == "nuclio"
        && spec["defaultFunctionConfig"]["attributes"]["spec"]["triggers"]["default-http"]["numWorkers"] == 1
        && spec["autoScaleMetrics"]["metricPresets"].as_array().map(Vec::len) == Some(7)
        && spec["allowedAuthenticationModes"] == json!(["none", "basicAuth", "accessKey"]);
    list.item(71, "the web interface is told what there is", whole, &seen);
}
