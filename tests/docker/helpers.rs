//! What the Docker suites share: the engine's own command line as a second witness, and the daemon as a child process.
//!
//! Nothing here touches a container, network or image that does not carry the label of an instance of its own.

use crate::support::{Answer, DEPLOY_PATIENCE, PATIENCE, eventually_within, root};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hob");

/// The base image that is here: the registry's where there is one, else the one that `scripts/setup` makes.
pub(crate) fn base_image() -> &'static str {
    ordinary_or_local("python:3.11-slim", "hob-base/python")
}

/// The ordinary image where it is here, else the one that is made where no registry answers.
pub(crate) fn ordinary_or_local(ordinary: &'static str, local: &'static str) -> &'static str {
    match docker(&["images", "-q", ordinary]).is_empty() {
        true => local,
        false => ordinary,
    }
}

/// What the engine's own command line says, without the last line break.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("the engine's command line is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The containers of an instance, dead ones too.
pub(crate) fn containers(instance: &str) -> Vec<String> {
    found(instance, &["ps", "-aq", "--no-trunc"])
}

fn found(instance: &str, list: &[&str]) -> Vec<String> {
    let filter = format!("label=hob.instance={instance}");
    let listed = docker(&[list, &["--filter", &filter]].concat());
    listed.lines().map(str::to_owned).collect()
}

/// Nothing with the instance's label is left in the engine.
pub(crate) fn assert_nothing_left(instance: &str) {
    assert!(!instance.is_empty());
    for list in [
        &["ps", "-aq"][..],
        &["network", "ls", "-q"],
        &["images", "-aq"],
        &["volume", "ls", "-q"],
    ] {
        let mut left = found(instance, list);
        if list[0] == "network" {
            left.retain(|network| !is_stuck(network));
        }
        assert_eq!(left, Vec::<String>::new(), "left behind: {list:?}");
    }
}

/// Whether the engine cannot let a network go although it knows of no container there: 20.10 sometimes counts an
/// endpoint twice when several come and go at the same time. One that can still be removed was left behind by us.
fn is_stuck(network: &str) -> bool {
    let on_it = docker(&["network", "inspect", "--format", "{{len .Containers}}", network]);
    let removal = Command::new("docker").args(["network", "rm", network]).output();
    let removal = removal.expect("the engine's command line is there");
    on_it == "0" && String::from_utf8_lossy(&removal.stderr).contains("has active endpoints")
}

/// Removes whatever carries the instance's label: for tests that fail, and those that kill their daemon.
pub(crate) fn remove_all(instance: &str) {
    if instance.is_empty() {
        return;
    }
    for (list, remove) in [
        (&["ps", "-aq"][..], &["rm", "-fv"][..]),
        (&["network", "ls", "-q"], &["network", "rm"]),
        (&["images", "-q"], &["rmi", "-f"]),
    ] {
        for id in found(instance, list) {
            docker(&[remove, &[&id]].concat());
        }
    }
    // The one that all instances share, unless somebody is on it.
    drop(Command::new("docker").args(["network", "rm", "hob-metadata"]).output());
}

/// A copy of the runtimes whose image has a name of its own, so that no test removes the image another one uses.
pub(crate) fn runtimes() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_tree(&root().join("runtimes"), copy.path());
    let dockerfile = copy.path().join("python/Dockerfile");
    let mark = hob::domain::InstanceId::generate();
    let text = std::fs::read_to_string(&dockerfile).expect("there");
    std::fs::write(dockerfile, format!("{text}# For the test {mark}.\n")).expect("ours");
    copy
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("ours");
    for entry in std::fs::read_dir(from).expect("there").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("known").is_dir() {
            true => copy_tree(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

/// What outlives a daemon: its data directory and its runtimes.
#[derive(Clone)]
pub(crate) struct Home {
    data: Arc<tempfile::TempDir>,
    runtimes: Arc<tempfile::TempDir>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        Self {
            data: Arc::new(data),
            runtimes: Arc::new(runtimes()),
        }
    }

    /// The folder of its runtimes.
    pub(crate) fn runtimes(&self) -> &Path {
        self.runtimes.path()
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// `hob serve`, with this home and nothing else of the environment's settings.
    pub(crate) fn serve(&self, listen: &str) -> Command {
        let mut command = hob();
        command
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(self.data())
            .env("HOB_RUNTIMES_DIRECTORY", self.runtimes.path())
            .stdin(Stdio::null());
        command
    }

    /// A daemon that must not come up: how it ended.
    pub(crate) fn refused(&self, listen: &str) -> Output {
        self.serve(listen).output().expect("it runs")
    }
}

/// The program, without settings from the environment of whoever runs the test.
pub(crate) fn hob() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOB_") {
            command.env_remove(name);
        }
    }
    command
}

/// Settings for builds that fetch from a package registry: the certificates of whoever stands between, if anybody does.
pub(crate) fn build_settings() -> Vec<(&'static str, &'static str)> {
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let is_there = Path::new(bundle).exists();
    is_there
        .then_some(("HOB_BUILD_CA_BUNDLE", bundle))
        .into_iter()
        .collect()
}

/// A daemon as a child process; dropping it ends it and removes what it made.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    pub(crate) instance: String,
    pub(crate) home: Home,
    child: Child,
}

impl Daemon {
    pub(crate) async fn start(home: &Home) -> Self {
        Self::start_below(home, &[]).await
    }

    /// Starts it with settings, as environment variables.
    pub(crate) async fn start_with(home: &Home, settings: &[(&str, &str)]) -> Self {
        let mut command = home.serve("127.0.0.1:0");
        command.envs(settings.iter().copied());
        Self::start_as(home, command).await
    }

    /// The same, as what another program, named with its arguments, runs in its place.
    pub(crate) async fn start_below(home: &Home, wrapper: &[&str]) -> Self {
        Self::start_as(home, below(home.serve("127.0.0.1:0"), wrapper)).await
    }

    async fn start_as(home: &Home, mut command: Command) -> Self {
        let log = log_of(home);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("ours"))
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("text");
        let address = line
            .trim()
            .strip_prefix("ready http://")
            .and_then(|text| text.parse().ok());
        let log = || std::fs::read_to_string(&log).unwrap_or_default();
        let address = address.unwrap_or_else(|| panic!("no ready line but `{line}`: {}", log()));
        let (home, instance) = (home.clone(), String::new());
        let mut daemon = Self {
            address,
            instance,
            home,
            child,
        };
        let status = daemon.get("/hob/v1/status").await.json();
        daemon.instance = status["instance"].as_str().expect("an instance").to_owned();
        daemon
    }

    /// What it said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.home)).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("ours");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end: {}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.address, Method::GET, path, "application/json", Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(
            self.address,
            Method::POST,
            path,
            "application/json",
            body.to_string().into(),
        )
        .await
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Uploads one source file; waits so many seconds for it to be ready.
    pub(crate) async fn deploy(&self, name: &str, source: &str, settings: Value, wait: u8) -> Value {
        let answer = self.send_source(name, source, settings, wait).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer.json()
    }

    /// Uploads one source file and waits for nothing.
    pub(crate) async fn upload(&self, name: &str, source: &str, settings: Value) -> Answer {
        self.send_source(name, source, settings, 0).await
    }

    async fn send_source(&self, name: &str, source: &str, settings: Value, wait: u8) -> Answer {
        let answer = try_deploy(self.address, name, source, settings, wait).await;
        answer.expect("an answer")
    }

    /// Uploads one source file that must become ready.
    pub(crate) async fn ready(&self, name: &str, source: &str, settings: Value) {
        let view = self.deploy(name, source, settings, 50).await;
        let view = self.settled(name, view).await;
        assert_eq!(view["latest"]["state"], "ready", "{view:#}\n{}", self.log());
    }

    /// The function as a deploy answered, or once the deploy has ended.
    pub(crate) async fn settled(&self, name: &str, view: Value) -> Value {
        if view["state"] != "pending" {
            return view;
        }
        eventually_within(DEPLOY_PATIENCE, "the end of the deploy", || async {
            let view = self.get(&format!("/hob/v1/functions/{name}")).await.json();
            (view["state"] != "pending").then_some(view)
        })
        .await
    }

    /// The worker that has a call of the function, if there is one.
    pub(crate) async fn busy_worker(&self, function: &str) -> Option<String> {
        let status = self.get("/hob/v1/status").await.json();
        let busy = |w: &&Value| w["busy"] != 0 && w["function"].as_str().is_some_and(|f| f.ends_with(function));
        let worker = status["workers"].as_array()?.iter().find(busy)?;
        worker["id"].as_str().map(str::to_owned)
    }

    /// Stops it with a purge and sees that nothing is left.
    pub(crate) async fn purge(mut self) {
        let answer = self.post("/hob/v1/stop?purge=true", Value::Null).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        assert!(self.ended().await.success(), "{}", self.log());
        assert_nothing_left(&self.instance);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            remove_all(&self.instance);
        }
    }
}

/// The command with a program and its arguments in front.
fn below(command: Command, wrapper: &[&str]) -> Command {
    let Some((program, arguments)) = wrapper.split_first() else {
        return command;
    };
    let mut wrapped = Command::new(program);
    wrapped
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.stdin(Stdio::null());
    wrapped
}

fn log_of(home: &Home) -> PathBuf {
    home.runtimes.path().join("daemon.log")
}

/// Uploads one source file to a daemon that may be dying; waits so many seconds for it to be ready.
pub(crate) async fn try_deploy(
    address: SocketAddr,
    name: &str,
    source: &str,
    settings: Value,
    wait: u8,
) -> anyhow::Result<Answer> {
    let boundary = "hob-docker-test";
    let code = "content-disposition: form-data; name=\"code\"; filename=\"main.py\"\r\ncontent-type: text/plain";
    let form = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"settings\"\r\ncontent-type: application/json\r\n\r\n{settings}\r\n--{boundary}\r\n{code}\r\n\r\n{source}\r\n--{boundary}--\r\n"
    );
    let kind = format!("multipart/form-data; boundary={boundary}");
    let path = format!("/hob/v1/functions/{name}?wait={wait}");
    try_send(address, Method::PUT, &path, &kind, form.into()).await
}

/// One request over a connection of its own.
pub(crate) async fn send(address: SocketAddr, method: Method, path: &str, kind: &str, body: Bytes) -> Answer {
    let answer = try_send(address, method, path, kind, body).await;
    answer.expect("an answer")
}

/// The same to a daemon that may be dying: a connection that breaks is an answer too.
pub(crate) async fn try_send(
    address: SocketAddr,
    method: Method,
    path: &str,
    kind: &str,
    body: Bytes,
) -> anyhow::Result<Answer> {
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", address.to_string()).header("content-type", kind);
        let request = request.body(Full::new(body)).expect("a request");
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await;
        driver.abort();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body?.to_bytes(),
        })
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer in time")
}
