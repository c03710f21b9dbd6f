//! A daemon to test against, and the one client that knows the native API. Used by the in-process and the Docker suite.

#![allow(dead_code, reason = "each suite uses its part")]

use bytes::Bytes;
use hob::app::App;
use hob::config::{Config, Environment, Flags};
use hob::daemon::Daemon;
use hob::domain::{FunctionId, InstanceId};
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
/// Except for a deploy: an engine may have to make images first, one after the other, on a machine that is busy.
pub const DEPLOY_PATIENCE: Duration = Duration::from_secs(180);

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A running daemon.
pub struct Hob {
    pub address: SocketAddr,
    app: App,
    pub shutdown: Shutdown,
    running: Option<tokio::task::JoinHandle<()>>,
    /// Its own: a daemon that is killed takes all of its tasks along, and none of the test's.
    runtime: Option<tokio::runtime::Runtime>,
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
    fake.add_image("hob-base/python", std::collections::BTreeMap::new());
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

    /// Starts a daemon that goes by the test's clock, with an empty data directory.
    pub async fn start_by(clock: Clock, engine: Arc<dyn Engine>) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self::start_again_by(clock, &data, engine).await
    }

    /// Starts a daemon in a data directory that may have been used before.
    pub async fn start_in(
        data: Arc<tempfile::TempDir>,
        engine: impl FnOnce(InstanceId) -> Arc<dyn Engine> + Send + 'static,
        settings: &[(&str, &str)],
    ) -> Result<Self, hob::daemon::Error> {
        Self::start_in_by(Clock::system(), data, engine, settings).await
    }

    async fn start_in_by(
        clock: Clock,
        data: Arc<tempfile::TempDir>,
        engine: impl FnOnce(InstanceId) -> Arc<dyn Engine> + Send + 'static,
        settings: &[(&str, &str)],
    ) -> Result<Self, hob::daemon::Error> {
        let config = config(data.path(), settings);
        let seeds = config.seed.directory.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let built = runtime.spawn(Daemon::build_on(config, engine, clock)).await.unwrap();
        let daemon = match built {
            Ok(daemon) => daemon,
            Err(e) => {
                end(runtime).await;
                return Err(e);
            }
        };
        let (address, shutdown, app) = (daemon.address(), daemon.shutdown(), daemon.app().clone());
        if let Some(directory) = seeds {
            let _inside = runtime.enter();
            hob::cli::seed(&daemon, directory).unwrap();
        }
        let running = Some(runtime.spawn(daemon.run()));
        Ok(Self {
            address,
            app,
            shutdown,
            running,
            runtime: Some(runtime),
            data,
        })
    }

    /// Starts a daemon on a data directory as soon as the one before has let go of it.
    pub async fn start_again(
        data: &Arc<tempfile::TempDir>,
        engine: Arc<dyn Engine>,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::start_once_free(Clock::system(), data, engine, settings).await
    }

    /// The same with the test's clock.
    pub async fn start_again_by(clock: Clock, data: &Arc<tempfile::TempDir>, engine: Arc<dyn Engine>) -> Self {
        Self::start_once_free(clock, data, engine, &[]).await
    }

    /// The same with the test's clock and with settings.
    pub async fn start_once_free(
        clock: Clock,
        data: &Arc<tempfile::TempDir>,
        engine: Arc<dyn Engine>,
        settings: &[(&str, &str)],
    ) -> Self {
        eventually("the data directory to be free", || async {
            let engine = Arc::clone(&engine);
            match Self::start_in_by(clock.clone(), Arc::clone(data), |_| engine, settings).await {
                Ok(hob) => Some(hob),
                Err(hob::daemon::Error::Store(_, hob::store::Error::Locked { .. })) => None,
                Err(e) => panic!("{}", hob::telemetry::chain(&e)),
            }
        })
        .await
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

    /// Ends it without any clean-up, as SIGKILL would: every task goes, workers stay.
    pub async fn crash(mut self) {
        self.running = None;
        end(self.runtime.take().expect("it runs until it is stopped")).await;
    }

    /// Asks the application itself, within the daemon's own runtime.
    pub async fn ask<T, F>(&self, ask: impl FnOnce(App) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().expect("it runs until it is stopped");
        runtime.spawn(ask(self.app.clone())).await.expect("it answers")
    }

    /// Sends a request to another of its addresses.
    pub async fn get_from(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
        let exchange = send(address, Method::GET, path, headers, Bytes::new());
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer comes in time")
    }

    /// A function's identity.
    pub async fn id_of(&self, name: &str) -> FunctionId {
        let view = self.view(name).await;
        FunctionId::parse(view["id"].as_str().expect("an id")).expect("an id")
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

    /// Sends to another address of this machine, such as a function's own port.
    pub async fn send_to(
        &self,
        address: SocketAddr,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let exchange = send(address, method, path, headers, body);
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer comes in time")
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
        self.deploy_form(name, Some((file_name, code)), settings, 50).await
    }

    /// Deploys one source file and does not wait.
    pub async fn deploy_later(&self, name: &str, source: &str) -> Answer {
        let code = source.as_bytes().to_vec();
        self.deploy_form(name, Some(("main.py", code)), json!({"runtime": "python"}), 0)
            .await
    }

    /// Deploys other settings for the same code.
    pub async fn change(&self, name: &str, settings: Value) -> Answer {
        self.deploy_form(name, None, settings, 50).await
    }

    /// Deploys what is given. Not to wait is to have whatever is answered at once; who waits, waits for its end.
    pub async fn deploy_form(&self, name: &str, code: Option<(&str, Vec<u8>)>, settings: Value, wait: u32) -> Answer {
        self.deploy_form_as(name, code, settings, wait, &[]).await
    }

    /// The same, with further headers.
    pub async fn deploy_form_as(
        &self,
        name: &str,
        code: Option<(&str, Vec<u8>)>,
        settings: Value,
        wait: u32,
        headers: &[(&str, &str)],
    ) -> Answer {
        let boundary = "hob-test-boundary";
        let mut form = Vec::new();
        write!(form, "--{boundary}\r\ncontent-disposition: form-data; name=\"settings\"\r\ncontent-type: application/json\r\n\r\n{settings}\r\n").unwrap();
        if let Some((file_name, code)) = code {
            write!(form, "--{boundary}\r\ncontent-disposition: form-data; name=\"code\"; filename=\"{file_name}\"\r\ncontent-type: application/octet-stream\r\n\r\n").unwrap();
            form.extend_from_slice(&code);
            form.extend_from_slice(b"\r\n");
        }
        write!(form, "--{boundary}--\r\n").unwrap();
        let kind = format!("multipart/form-data; boundary={boundary}");
        let path = format!("/hob/v1/functions/{name}?wait={wait}");
        let kind = [("content-type", kind.as_str())];
        let with_kind: Vec<_> = kind.iter().chain(headers).copied().collect();
        let answer = self.send(Method::PUT, &path, &with_kind, form.into()).await;
        if wait == 0 || answer.status != StatusCode::ACCEPTED {
            return answer;
        }
        eventually_within(DEPLOY_PATIENCE, "the end of the deploy", || async {
            let path = format!("/hob/v1/functions/{name}");
            let answer = self.send(Method::GET, &path, headers, Bytes::new()).await;
            (answer.json()["state"] != "pending").then_some(answer)
        })
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

    /// A function, as the API shows it.
    pub async fn view(&self, name: &str) -> Value {
        self.get(&format!("/hob/v1/functions/{name}")).await.json()
    }

    /// Accepts a call to be made later; answers its id.
    pub async fn call_later(&self, name: &str, input: Value) -> String {
        let answer = self
            .post(
                &format!("/hob/v1/functions/{name}/invoke?async=true"),
                input.to_string(),
            )
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    pub async fn execution(&self, id: &str) -> Value {
        self.get(&format!("/hob/v1/executions/{id}")).await.json()
    }

    /// An execution, once it is in one of the states.
    pub async fn execution_in(&self, id: &str, states: &[&str]) -> Value {
        eventually(&format!("execution {id} to be one of {states:?}"), || async {
            let run = self.execution(id).await;
            run["state"]
                .as_str()
                .is_some_and(|s| states.contains(&s))
                .then_some(run)
        })
        .await
    }

    /// Opens a request whose answer is read piece by piece.
    pub async fn open(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Streamed {
        let mut sender = connect(self.address).await;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        let answer = sender
            .0
            .send_request(request.body(Full::new(body.into())).unwrap())
            .await
            .unwrap();
        Streamed {
            body: answer.into_body(),
            text: String::new(),
            _connection: sender,
        }
    }

    /// What an execution printed, once it has ended.
    pub async fn log_of(&self, execution: &str) -> String {
        self.execution_in(execution, &["succeeded", "failed", "error", "cancelled"])
            .await;
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

impl Drop for Hob {
    fn drop(&mut self) {
        // A test may not end before the processes of its workers did.
        if let Some(runtime) = self.runtime.take() {
            let ending = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE));
            let _ = ending.join();
        }
    }
}

/// Drops every task of a runtime, and waits until they are gone.
async fn end(runtime: tokio::runtime::Runtime) {
    tokio::task::spawn_blocking(|| runtime.shutdown_timeout(PATIENCE))
        .await
        .unwrap();
}

/// An answer that is still coming.
pub struct Streamed {
    body: hyper::body::Incoming,
    text: String,
    _connection: Connection,
}

impl Streamed {
    /// Reads until the text so far holds `wanted`.
    pub async fn until(&mut self, wanted: &str) {
        let reading = async {
            while !self.text.contains(wanted) {
                let frame = self
                    .body
                    .frame()
                    .await
                    .unwrap_or_else(|| panic!("ended without {wanted}: {}", self.text));
                if let Ok(data) = frame.unwrap().into_data() {
                    self.text.push_str(&String::from_utf8_lossy(&data));
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("no {wanted} came"));
    }

    /// What came so far.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A client's connection; it closes when this is dropped.
struct Connection(
    hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    tokio::task::AbortHandle,
);

impl Drop for Connection {
    fn drop(&mut self) {
        self.1.abort();
    }
}

async fn connect(address: SocketAddr) -> Connection {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    Connection(sender, tokio::spawn(connection).abort_handle())
}

async fn send(address: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    let mut sender = connect(address).await;
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender
        .0
        .send_request(request.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
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
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// The same, with a patience of its own.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + patience;
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
