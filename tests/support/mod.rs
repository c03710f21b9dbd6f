//! A daemon to test against, and the one client that knows the native API. Used by the in-process and the Docker suite.

#![allow(dead_code, reason = "each suite uses its part")]

use bytes::Bytes;
use hob::config::{Config, Environment, Flags};
use hob::daemon::Daemon;
use hob::domain::InstanceId;
use hob::engine::Engine;
use hob::engine::fake::FakeEngine;
use hob::task::{Clock, Shutdown};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// No test waits longer for anything. A condition that takes this long is a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A running daemon.
pub struct Hob {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    running: Option<tokio::task::JoinHandle<()>>,
    data: Arc<tempfile::TempDir>,
}

/// What an HTTP request was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// A fake engine that runs the shim of the first runtime as a plain process.
pub fn fake_engine() -> Arc<FakeEngine> {
    let shim = root().join("runtimes/python/shim.py");
    let fake = FakeEngine::with_shim(vec!["python3".to_owned(), shim.display().to_string()]);
    fake.add_image("hob-base/python");
    Arc::new(fake)
}

impl Hob {
    /// Starts a daemon on a fake engine.
    pub async fn start(settings: &[(&str, &str)]) -> (Self, Arc<FakeEngine>) {
        let fake = fake_engine();
        (
            Self::start_on(Arc::clone(&fake) as Arc<dyn Engine>, settings).await,
            fake,
        )
    }

    /// Starts a daemon on an engine, with an empty data directory.
    pub async fn start_on(engine: Arc<dyn Engine>, settings: &[(&str, &str)]) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self::start_in(data, |_| engine, settings)
            .await
            .unwrap_or_else(|e| panic!("{}", hob::telemetry::chain(&e)))
    }

    /// Starts a daemon in a data directory that may have been used before.
    pub async fn start_in(
        data: Arc<tempfile::TempDir>,
        engine: impl FnOnce(InstanceId) -> Arc<dyn Engine>,
        settings: &[(&str, &str)],
    ) -> Result<Self, hob::daemon::Error> {
        let config = config(data.path(), settings);
        let daemon = Daemon::build_on(config, engine, Clock::system()).await?;
        let (address, shutdown) = (daemon.address(), daemon.shutdown());
        let running = Some(tokio::spawn(daemon.run()));
        let hob = Self {
            address,
            shutdown,
            running,
            data,
        };
        Ok(hob)
    }

    /// The data directory.
    pub fn data(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.data)
    }

    /// Waits until the engine answers and a pre-warmed worker stands ready.
    pub async fn warm(self) -> Self {
        eventually("a pre-warmed worker", || async {
            let status = self.get("/hob/v1/status").await.json();
            status["workers"]
                .as_array()?
                .iter()
                .any(|w| w["state"] == "prewarmed")
                .then_some(())
        })
        .await;
        self
    }

    /// Stops it as a signal would, and waits for its end.
    pub async fn stop(mut self) {
        self.shutdown.request();
        let running = self.running.take().expect("it runs until it is stopped");
        tokio::time::timeout(PATIENCE, running)
            .await
            .expect("it stops in time")
            .unwrap();
    }

    /// Ends it without any clean-up, as SIGKILL would.
    pub async fn crash(mut self) {
        let running = self.running.take().expect("it runs until it is stopped");
        running.abort();
        let _ = running.await;
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[], body.into()).await
    }

    /// Calls a function with a JSON input.
    pub async fn call(&self, name: &str, input: Value) -> Answer {
        self.post(&format!("/function/{name}"), input.to_string()).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let exchange = send(self.address, method, path, headers, body);
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer comes in time")
    }

    /// Deploys files as a zip and waits for ready or failed; answers the function's view.
    pub async fn deploy(&self, name: &str, files: &[(&str, &str)], settings: Value) -> Value {
        let answer = self.deploy_bytes(name, "code.zip", zip(files), settings).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// Deploys one source file with default settings; it must become ready.
    pub async fn ready(&self, name: &str, source: &str, mut settings: Value) {
        settings["runtime"] = json!("python");
        let view = self.deploy(name, &[("main.py", source)], settings).await;
        assert_eq!(view["latest"]["state"], "ready", "{view:#}");
    }

    pub async fn deploy_bytes(&self, name: &str, file_name: &str, code: Vec<u8>, settings: Value) -> Answer {
        let boundary = "hob-test-boundary";
        let mut form = Vec::new();
        write!(form, "--{boundary}\r\ncontent-disposition: form-data; name=\"settings\"\r\ncontent-type: application/json\r\n\r\n{settings}\r\n--{boundary}\r\ncontent-disposition: form-data; name=\"code\"; filename=\"{file_name}\"\r\ncontent-type: application/octet-stream\r\n\r\n").unwrap();
        form.extend_from_slice(&code);
        write!(form, "\r\n--{boundary}--\r\n").unwrap();
        let kind = format!("multipart/form-data; boundary={boundary}");
        let path = format!("/hob/v1/functions/{name}?wait=50");
        self.send(Method::PUT, &path, &[("content-type", &kind)], form.into())
            .await
    }

    /// The newest execution of a function, once it has ended.
    pub async fn last_run(&self, name: &str) -> Value {
        eventually("the record of a call", || async {
            let list = self
                .get(&format!("/hob/v1/executions?function={name}&limit=1"))
                .await
                .json();
            let run = list["executions"].get(0)?.clone();
            (!matches!(run["state"].as_str()?, "queued" | "running")).then_some(run)
        })
        .await
    }

    /// What an execution printed.
    pub async fn log_of(&self, execution: &str) -> String {
        self.get(&format!("/hob/v1/executions/{execution}/log")).await.text()
    }
}

fn config(data: &Path, settings: &[(&str, &str)]) -> Config {
    let runtimes = root().join("runtimes").display().to_string();
    let base = [
        ("HOB_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ("HOB_DATA_DIR".to_owned(), data.display().to_string()),
        ("HOB_RUNTIMES_DIRECTORY".to_owned(), runtimes),
        ("HOB_BUILD_FUNCTION_IMAGES".to_owned(), "false".to_owned()),
    ];
    let more = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let environment = Environment::from_pairs(base.into_iter().chain(more));
    Config::load(&environment, &Flags::default()).unwrap_or_else(|e| panic!("{e}"))
}

async fn send(address: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender
        .send_request(request.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    driver.abort();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}

/// A zip of the given files.
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Looks again and again until there is something to see; the look itself is what paces it.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Files below a directory, for tests that nothing was left behind.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}
