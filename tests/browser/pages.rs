//! Whoever means harm: a server of another origin that hands out the attacking page and takes its report, and a proxy
//! that plays a rebound name: it answers the first request to a host itself and leads the others to the daemon.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

/// What the page does.
pub(crate) const SCRIPT: &str = include_str!("attack.js");

/// A page that attacks as `attack` says.
pub(crate) fn page(attack: &Value) -> String {
    format!("<!doctype html><meta charset=utf-8><body><script>const ATTACK = {attack};\n{SCRIPT}</script>")
}

/// Serves the page at `/attack`, and keeps what is sent to `/report`.
#[derive(Clone)]
pub(crate) struct Villain {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    daemon: SocketAddr,
}

#[derive(Default)]
struct Shared {
    attack: Value,
    reports: Vec<Value>,
}

impl Villain {
    pub(crate) async fn open(daemon: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let villain = Self {
            address: listener.local_addr().expect("bound"),
            shared: Arc::default(),
            daemon,
        };
        let router = Router::new().fallback(answer).with_state(villain.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        villain
    }

    /// Where reports go, from anywhere.
    pub(crate) fn report(&self) -> String {
        format!("http://{}/report", self.address)
    }

    /// What the next page does; `targets` and `sockets` are added to where reports go.
    pub(crate) fn prepare(&self, run: &str, targets: &[Value], sockets: &[String]) -> Value {
        let attack = json!({ "report": self.report(), "targets": targets, "sockets": sockets, "run": run });
        self.shared.lock().expect("nobody panics with it").attack = attack.clone();
        attack
    }

    /// The report of a run, once it has come.
    pub(crate) fn reported(&self, run: &str) -> Option<Value> {
        let shared = self.shared.lock().expect("nobody panics with it");
        shared.reports.iter().find(|report| report["run"] == run).cloned()
    }
}

async fn answer(State(villain): State<Villain>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    // A proxy is asked for whole addresses; the page itself and the report never go to the daemon.
    match path.as_str() {
        "/attack" => {
            let attack = villain.shared.lock().expect("nobody panics with it").attack.clone();
            ([(header::CONTENT_TYPE, "text/html")], page(&attack)).into_response()
        }
        "/report" => {
            let body = request.into_body().collect().await.map(|body| body.to_bytes());
            let report = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
            let mut shared = villain.shared.lock().expect("nobody panics with it");
            shared.reports.extend(report);
            StatusCode::NO_CONTENT.into_response()
        }
        _ if request.uri().host().is_some() => forward(villain.daemon, request).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// As it came, to whom the name leads now.
async fn forward(daemon: SocketAddr, request: Request) -> Response {
    let passed = async {
        let stream = TcpStream::connect(daemon).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (mut head, body) = request.into_parts();
        head.uri = head.uri.path_and_query().map_or("/", |p| p.as_str()).parse()?;
        let body: Bytes = body.collect().await?.to_bytes();
        let request = http::Request::from_parts(head, Body::from(body));
        anyhow::Ok(sender.send_request(request).await?.map(Body::new).into_response())
    };
    passed.await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}
