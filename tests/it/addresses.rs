//! What leads to a function beside its name: ports of its own, and gateways with their hosts, paths, shares and locks.

use crate::support::{Answer, Hob, eventually, fake_engine};
use hob::app::{GatewayError, PortError};
use hob::domain::{
    FunctionName, GatewaySpec, HostName, Lock, Namespace, PathPrefix, Port, SecretText, Upstream, Upstreams,
};
use hob::engine::Engine;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

/// Answers with its name, the path and the headers it saw, and tries to set a cookie.
const SEEN: &str = r#"
import json
def handle(event, context):
    seen = {"path": event["path"], "headers": event["headers"], "me": context["functionName"]}
    return {"statusCode": 200, "headers": {"set-cookie": "sid=1"}, "body": json.dumps(seen)}
"#;

async fn with(hob: &Hob, names: &[&str]) {
    for name in names {
        let settings = json!({"convention": "event-context", "entry": "main.handle"});
        hob.ready(name, SEEN, settings).await;
    }
}

async fn started(names: &[&str]) -> Hob {
    let hob = Hob::start(&[]).await.0.warm().await;
    with(&hob, names).await;
    hob
}

async fn reserve(hob: &Hob, name: &str, wanted: Option<u16>) -> Result<u16, PortError> {
    let id = hob.id_of(name).await;
    let wanted = wanted.map(|port| Port::new(port).expect("a port"));
    let reserved = hob.ask(move |app| async move { app.reserve_port(id, wanted).await });
    reserved.await.map(Port::get)
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn seen(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// A port nobody has at the moment.
fn free_port() -> u16 {
    let held = TcpListener::bind(at(0)).expect("a port");
    held.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_functions_own_port_leads_to_it_with_the_whole_path() {
    let hob = started(&["f", "g"]).await;
    let port = reserve(&hob, "f", None).await.expect("a port");
    assert!((30_000..=32_767).contains(&port), "{port}");
    assert_eq!(reserve(&hob, "f", None).await.expect("the same"), port);
    for path in ["/", "/a/b?c=d", "/hob/v1/status", "/function/g", "/healthz"] {
        let answer = hob.get_from(at(port), path, &[]).await;
        let seen = seen(&answer);
        assert_eq!(seen["me"], "f", "{path}");
        assert_eq!(seen["path"], path.split('?').next().expect("a path"));
        assert_eq!(answer.header("set-cookie"), "", "cookies know no ports");
    }
    let foreign = hob.get_from(at(port), "/", &[("host", "evil.example")]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wanted_port_is_honoured_and_a_taken_one_says_who_has_it() {
    let hob = started(&["f", "g"]).await;
    let wanted = free_port();
    assert_eq!(reserve(&hob, "f", Some(wanted)).await.expect("free"), wanted);
    match reserve(&hob, "g", Some(wanted)).await {
        Err(PortError::OfFunction { function, .. }) => assert_eq!(function, "f"),
        other => panic!("{other:?}"),
    }
    match reserve(&hob, "g", Some(hob.address.port())).await {
        Err(error @ PortError::OfProgram { .. }) => assert!(error.to_string().contains("another program"), "{error}"),
        other => panic!("{other:?}"),
    }
    let moved = reserve(&hob, "f", Some(free_port())).await.expect("free");
    assert_eq!(seen(&hob.get_from(at(moved), "/", &[]).await)["me"], "f");
    reserve(&hob, "g", Some(wanted)).await.expect("given back");
    assert_eq!(seen(&hob.get_from(at(wanted), "/", &[]).await)["me"], "g");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_is_freed_with_its_function() {
    let hob = started(&["f"]).await;
    let port = reserve(&hob, "f", None).await.expect("a port");
    let id = hob.id_of("f").await;
    let (namespace, name) = (
        Namespace::default_namespace(),
        FunctionName::parse("f").expect("a name"),
    );
    hob.ask(move |app| async move { app.delete_function(&namespace, &name).await })
        .await
        .expect("deleted");
    assert_eq!(hob.ask(move |app| async move { app.port_of(id) }).await, None);
    drop(TcpListener::bind(at(port)).expect("free as soon as it is said to be"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_goes_from_one_function_to_another_without_a_pause() {
    let hob = started(&["f", "g"]).await;
    let (wanted, other) = (free_port(), free_port());
    for round in 0..50 {
        let (one, next) = if round % 2 == 0 { ("f", "g") } else { ("g", "f") };
        reserve(&hob, one, Some(wanted)).await.expect("free");
        match round % 3 {
            0 => {
                reserve(&hob, one, Some(other)).await.expect("free");
            }
            _ => {
                let id = hob.id_of(one).await;
                let released = hob.ask(move |app| async move { app.release_port(id).await });
                assert!(released.await.expect("released"), "{round}");
            }
        }
        reserve(&hob, next, Some(wanted))
            .await
            .unwrap_or_else(|e| panic!("{round}: {}", hob::telemetry::chain(&e)));
        let id = hob.id_of(one).await;
        hob.ask(move |app| async move { app.release_port(id).await })
            .await
            .expect("released");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_stays_over_restarts_and_waits_for_a_program_that_took_it() {
    let engine = fake_engine();
    let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &[])
        .await
        .warm()
        .await;
    with(&hob, &["f", "g"]).await;
    let (f, g) = (free_port(), free_port());
    reserve(&hob, "f", Some(f)).await.expect("free");
    reserve(&hob, "g", Some(g)).await.expect("free");
    let data = hob.data();
    hob.stop().await;
    let other = TcpListener::bind(at(g)).expect("given back");
    let hob = Hob::start_again(&data, engine as Arc<dyn Engine>, &[]).await;
    let again = eventually("the function to serve on its port", || async {
        let answer = hob.get_from(at(f), "/", &[]).await;
        (answer.status == StatusCode::OK).then_some(answer)
    });
    assert_eq!(seen(&again.await)["me"], "f");
    let id = hob.id_of("g").await;
    assert!(!hob.ask(move |app| async move { app.port_is_open(id) }).await);
    assert_eq!(seen(&hob.get("/function/g").await)["me"], "g");
    drop(other);
    eventually("the port to be opened", || async {
        hob.ask(move |app| async move {
            app.retry_ports().await;
            app.port_is_open(id).then_some(())
        })
        .await
    })
    .await;
    assert_eq!(seen(&hob.get_from(at(g), "/", &[]).await)["me"], "g");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tokens_are_needed_a_port_needs_one_too() {
    let settings = [("HOB_ACCESS_TOKEN", "secret-token"), ("HOB_ACCESS_INGRESS", "token")];
    let hob = Hob::start(&settings).await.0;
    let token = [("x-auth-token", "secret-token")];
    let code = Some(("main.py", b"def main(**_):\n    return 1\n".to_vec()));
    let form = hob
        .deploy_form_as("f", code, json!({"runtime": "python"}), 50, &token)
        .await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.text());
    let id = hob::domain::FunctionId::parse(form.json()["id"].as_str().expect("an id")).expect("an id");
    let port = hob.ask(move |app| async move { app.reserve_port(id, None).await });
    let port = port.await.expect("a port").get();
    assert_eq!(hob.get_from(at(port), "/", &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(hob.get_from(at(port), "/", &token).await.status, StatusCode::OK);
}

fn gateway(name: &str, host: &str, path: &str, upstreams: &[(&str, u8)]) -> GatewaySpec {
    let named = |name: &str| FunctionName::parse(name).expect("a name");
    let upstream = |(function, percent): &(&str, u8)| Upstream {
        function: named(function),
        percent: *percent,
        rewrite: None,
    };
    let host = HostName::parse(host).expect("a host");
    GatewaySpec {
        path: PathPrefix::parse(path).expect("a path"),
        upstreams: Upstreams::new(upstreams.iter().map(upstream).collect()).expect("shares"),
        ..GatewaySpec::domain(Namespace::default_namespace(), named(name), host, named(name))
    }
}

async fn made(hob: &Hob, spec: GatewaySpec) -> Result<(), GatewayError> {
    hob.ask(move |app| async move { app.create_gateway(spec).await.map(drop) })
        .await
}

async fn by_host(hob: &Hob, host: &str, path: &str) -> Answer {
    hob.get_from(hob.address, path, &[("host", host)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_leads_by_host_and_longest_path_and_its_host_leads_nowhere_else() {
    let hob = started(&["f", "g"]).await;
    let refused = by_host(&hob, "shop.example", "/").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "not registered yet");
    made(&hob, gateway("f", "shop.example", "/a", &[("f", 100)]))
        .await
        .expect("made");
    let mut below = gateway("g", "shop.example", "/a/b", &[("g", 100)]);
    below.headers = BTreeMap::from([("x-target".to_owned(), "g".to_owned())]);
    made(&hob, below).await.expect("made");
    for (host, path, function) in [
        ("shop.example", "/a", "f"),
        ("SHOP.example:8070", "/a/bb", "f"),
        ("shop.example", "/a/b/c", "g"),
    ] {
        let seen = seen(&by_host(&hob, host, path).await);
        assert_eq!((&seen["me"], &seen["path"]), (&json!(function), &json!(path)));
        let target = seen["headers"].get("x-target").or(seen["headers"].get("X-Target"));
        assert_eq!(target.is_some(), function == "g", "{seen}");
    }
    for path in ["/", "/hob/v1/status", "/function/f"] {
        assert_eq!(
            by_host(&hob, "shop.example", path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(seen(&hob.get("/gateway/default/g/x/y").await)["path"], "/x/y");
    assert_eq!(hob.get("/gateway/default/none/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_is_refused_and_a_deleted_gateway_leads_nowhere() {
    let settings = [("HOB_SERVER_ALLOWED_HOSTS", "hob.lan")];
    let hob = Hob::start(&settings).await.0;
    made(&hob, gateway("one", "a.example", "/", &[("f", 100)]))
        .await
        .expect("made");
    let named = made(&hob, gateway("one", "b.example", "/", &[("f", 100)])).await;
    assert!(matches!(named, Err(GatewayError::NameTaken(_))), "{named:?}");
    match made(&hob, gateway("two", "a.example", "/", &[("f", 100)])).await {
        Err(GatewayError::AddressTaken { other, .. }) => assert_eq!(other.as_str(), "one"),
        other => panic!("{other:?}"),
    }
    let own = made(&hob, gateway("two", "hob.lan", "/", &[("f", 100)])).await;
    assert!(matches!(own, Err(GatewayError::OwnHost(_))), "{own:?}");
    let foreign = made(&hob, gateway("two", "f.team.localhost", "/", &[("f", 100)])).await;
    assert!(matches!(foreign, Err(GatewayError::Foreign { .. })), "{foreign:?}");
    let missing = by_host(&hob, "a.example", "/").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(
        missing.text().contains("gateway `one` leads to function `f`"),
        "{}",
        missing.text()
    );
    let name = FunctionName::parse("one").expect("a name");
    hob.ask(|app| async move { app.delete_gateway(&Namespace::default_namespace(), &name).await })
        .await
        .expect("deleted");
    assert_eq!(by_host(&hob, "a.example", "/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_gets_some_calls_and_the_others_go_where_they_went() {
    let hob = started(&["old", "new"]).await;
    made(&hob, gateway("g", "c.example", "/", &[("new", 50), ("old", 50)]))
        .await
        .expect("made");
    let mut called = BTreeSet::new();
    // One in 2^60 runs sees one of them only.
    for _ in 0..60 {
        let me = seen(&by_host(&hob, "c.example", "/").await)["me"].clone();
        called.insert(me.as_str().expect("a name").to_owned());
    }
    assert_eq!(called, BTreeSet::from(["new".to_owned(), "old".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_gateway_lets_in_who_knows_the_password_or_a_key_also_after_a_restart() {
    let engine = fake_engine();
    let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &[])
        .await
        .warm()
        .await;
    with(&hob, &["f"]).await;
    let secret = |text: &str| SecretText::new(text.to_owned());
    let password = Lock::Basic {
        user: "ann".to_owned(),
        password: secret("hunter2"),
    };
    let keys = Lock::Keys {
        headers: vec!["x-key".to_owned()],
        keys: vec![secret("k-1")],
    };
    for (name, host, lock) in [("p", "p.example", password), ("k", "k.example", keys)] {
        let spec = gateway(name, host, "/", &[("f", 100)]);
        made(&hob, GatewaySpec { lock, ..spec }).await.expect("made");
    }
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, engine as Arc<dyn Engine>, &[]).await;
    // ann:hunter2, ann:wrong
    let table = [
        ("p.example", None, 401),
        ("p.example", Some(("authorization", "Basic YW5uOmh1bnRlcjI=")), 200),
        ("p.example", Some(("authorization", "Basic YW5uOndyb25n")), 401),
        ("k.example", None, 401),
        ("k.example", Some(("authorization", "Bearer k-1")), 200),
        ("k.example", Some(("x-key", "k-1")), 200),
        ("k.example", Some(("x-key", "k-2")), 401),
        ("k.example", Some(("x-other", "k-1")), 401),
    ];
    for (host, header, status) in table {
        let headers: Vec<_> = [("host", host)].into_iter().chain(header).collect();
        let answer = eventually("the function to be ready", || async {
            let answer = hob.get_from(hob.address, "/", &headers).await;
            (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
        })
        .await;
        assert_eq!(answer.status.as_u16(), status, "{host} {header:?}");
        let asks = answer.header("www-authenticate");
        assert_eq!(
            asks.starts_with("Basic"),
            status == 401 && host == "p.example",
            "{asks}"
        );
    }
    for file in crate::support::files_below(data.path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(7).any(|w| w == b"hunter2"), "{}", file.display());
    }
}

/// A call through a gateway may come to any of its functions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_goes_through_a_gateway_where_all_of_its_functions_take_it() {
    let hob = started(&["closed"]).await;
    let settings = json!({"convention": "event-context", "entry": "main.handle", "cors": ["http://localhost:3000"]});
    hob.ready("open", SEEN, settings).await;
    for (name, host, upstreams) in [
        ("one", "one.example", &[("open", 100)][..]),
        ("two", "two.example", &[("open", 50), ("closed", 50)]),
    ] {
        made(&hob, gateway(name, host, "/", upstreams)).await.expect("made");
    }
    for (host, path, status) in [
        ("one.example", "/", StatusCode::OK),
        ("127.0.0.1", "/gateway/default/one/", StatusCode::OK),
        ("two.example", "/", StatusCode::FORBIDDEN),
        ("127.0.0.1", "/gateway/default/two/", StatusCode::FORBIDDEN),
    ] {
        let headers = [("host", host), ("origin", "http://localhost:3000")];
        for _ in 0..4 {
            let answer = hob.get_from(hob.address, path, &headers).await;
            assert_eq!(answer.status, status, "{host}{path}: {}", answer.text());
        }
    }
}
