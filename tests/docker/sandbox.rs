//! Functions that try to break out: each limit and each wall of the sandbox, probed from inside through real deploys.

use crate::helpers::{assert_nothing_left, docker, remove_all, runtimes};
use crate::support::{Answer, Hob, eventually};
use hob::engine::{Docker, Options};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Network namespaces made ahead: the walls hold in them too.
const HOLDERS: usize = 2;
/// Processes of one worker at most.
const PIDS: usize = 40;
/// Answers what it saw, by the probe's name.
const PROBES: &str = include_str!("probes.py");
/// Tries to get out; the suite of images sends it too.
const ATTACKS: &str = include_str!("attacks.py");
/// Hears no signal that can be ignored.
const STUBBORN: &str = "import signal, time\nfor number in range(1, 32):\n    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):\n        signal.signal(number, signal.SIG_IGN)\ndef main(seconds=0, **_):\n    end = time.monotonic() + seconds\n    while time.monotonic() < end:\n        time.sleep(0.1)\n    return 'rested'\n";
const METADATA: &str = "169.254.169.254";
const HOG: &str = "def main(mib=0, **_):\n    kept = [b'x' * (1 << 20) for _ in range(mib)]\n    return len(kept)\n";
const BOMB: &str = "import os\ndef main(bomb=False, **_):\n    while bomb:\n        try:\n            os.fork()\n        except OSError:\n            pass\n    return os.getpid()\n";
const LISTENER: &str = "import builtins, socket\ndef main(**_):\n    builtins.kept = s = socket.socket()\n    s.bind(('0.0.0.0', 0))\n    s.listen()\n    return [socket.gethostbyname(socket.gethostname()), s.getsockname()[1]]\n";
const DIAL: &str = "import socket\ndef main(address, **_):\n    try:\n        socket.create_connection(tuple(address), timeout=2)\n    except OSError as error:\n        return type(error).__name__\n    return 'reached'\n";
const LINKS: &str = "import socket\ndef main(**_):\n    return [name for _, name in socket.if_nameindex()]\n";

pub(crate) fn engine(instance: hob::domain::InstanceId) -> Arc<dyn hob::engine::Engine> {
    let variable = |name| std::env::var(name).ok();
    Arc::new(Docker::connect(Options {
        host: None,
        docker_host_env: variable("DOCKER_HOST"),
        docker_context_env: variable("DOCKER_CONTEXT"),
        home: variable("HOME").map(Into::into),
        runtime_dir: variable("XDG_RUNTIME_DIR").map(Into::into),
        instance,
        request_timeout: Duration::from_secs(60),
        network_holders: HOLDERS,
        join_networks: vec![],
        hide_metadata: Some(true),
        directory: std::env::temp_dir(),
    }))
}

/// Removes what a failing test left.
struct Cleaner(String);

impl Drop for Cleaner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            remove_all(&self.0);
        }
    }
}

async fn start() -> (Hob, Cleaner, tempfile::TempDir) {
    let (runtimes, pids) = (runtimes(), PIDS.to_string());
    let settings = [
        ("HOB_RUNTIMES_DIRECTORY", runtimes.path().to_str().expect("text")),
        ("HOB_FUNCTION_TMP_MIB", "8"),
        ("HOB_FUNCTION_PIDS", pids.as_str()),
        ("HOB_FUNCTION_OPEN_FILES", "256"),
        ("HOB_SERVER_SHUTDOWN_GRACE_SECONDS", "0"),
    ];
    let data = Arc::new(tempfile::tempdir().expect("a temporary directory"));
    let hob = Hob::start_in(data, engine, &settings).await;
    let hob = hob.unwrap_or_else(|error| panic!("{}", hob::telemetry::chain(&error)));
    let status = hob.get("/hob/v1/status").await.json();
    let instance = status["instance"].as_str().expect("an instance").to_owned();
    (hob, Cleaner(instance), runtimes)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_function_does_gets_out_of_its_worker() {
    let (hob, cleaner, _runtimes) = start().await;
    walls(&hob).await;
    attacks(&hob).await;
    neighbours(&hob).await;
    memory(&hob).await;
    fork_bomb(&hob).await;
    deaf_to_signals(&hob).await;
    let stop = hob.post("/hob/v1/stop?purge=true", "").await;
    assert_eq!(stop.status, StatusCode::ACCEPTED, "{}", stop.text());
    hob.stop().await;
    assert_nothing_left(&cleaner.0);
}

async fn walls(hob: &Hob) {
    hob.ready("probes", PROBES, json!({})).await;
    let answer = hob.call("probes", json!({ "port": hob.address.port() })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = answer.json();
    for (probe, expect) in [
        ("capabilities", json!(vec!["0000000000000000"; 5])),
        ("no new privileges", json!("1")),
        ("seccomp", json!("2")),
        ("user", json!([1000, 1000, 1000, 1000])),
        ("groups", json!([])),
        ("becoming root", json!("PermissionError")),
        ("mounting", json!("refused")),
        ("writable places", json!([])),
        ("writing the code", json!("refused")),
        ("writing /tmp", json!("written")),
        ("the daemon's directory is read-only", json!(true)),
        ("the root is read-only", json!(true)),
        ("engine sockets", json!([])),
        ("open files", json!([256, 256])),
        ("opening many files", json!("Too many open files")),
        ("the host's address", json!("refused")),
        ("the daemon on the gateway", json!("refused")),
        ("foreign processes", json!([])),
        ("devices", json!([])),
    ] {
        assert_eq!(seen[probe], expect, "{probe}; all: {seen:#}");
    }
    let mounts: Vec<&str> = seen["mounts"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let allowed = ["/", "/hob", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
    let foreign: Vec<_> = mounts.iter().filter(|place| !allowed.contains(place)).collect();
    assert!(foreign.is_empty(), "mounts: {foreign:?}");
    let filled = seen["filling /tmp"].as_u64().expect("a size");
    assert!((4 << 20..=8 << 20).contains(&filled), "filling /tmp: {filled}");
    let forked = seen["forks"].as_u64().expect("a number");
    assert!((1..PIDS as u64).contains(&forked), "forks: {forked}");
}

/// The text of the attacks, with the call that makes them; what it leaves is in `r`.
pub(crate) fn attacks_on(marker: &std::path::Path) -> String {
    let daemon = std::process::id();
    format!("{ATTACKS}\nr = tries({:?}, {daemon})\n", marker.display().to_string())
}

/// A file of the host that no worker may see.
pub(crate) fn marker() -> tempfile::NamedTempFile {
    tempfile::NamedTempFile::new().expect("a file")
}

/// Every attempt was refused, by whatever word.
pub(crate) fn assert_all_refused(came: &Value) {
    let attempts = came.as_object().expect("attempts");
    assert!(attempts.len() > 30, "{came:#}");
    for (attempt, what) in attempts {
        let refused = match what {
            Value::String(word) => word != "done",
            Value::Array(found) => found.is_empty(),
            Value::Object(users) => !users.is_empty() && users.values().all(|user| *user == json!(1000)),
            _ => false,
        };
        assert!(refused, "{attempt}: {what}");
    }
}

async fn attacks(hob: &Hob) {
    let marker = marker();
    let source = format!("{}\ndef main(**_):\n    return r\n", attacks_on(marker.path()));
    hob.ready("attacks", &source, json!({})).await;
    let answer = hob.call("attacks", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_all_refused(&answer.json());
}

async fn deaf_to_signals(hob: &Hob) {
    hob.ready("stubborn", STUBBORN, json!({ "timeout_ms": 3000 })).await;
    let over = hob.call("stubborn", json!({ "seconds": 60 })).await;
    failed(&over, StatusCode::GATEWAY_TIMEOUT, "timeout");
    next_works(hob, "stubborn", json!({})).await;
    hob.ready("stubborn", STUBBORN, json!({ "timeout_ms": 60_000 })).await;
    // It is still at it when the daemon stops, and must be gone all the same.
    let id = hob.call_later("stubborn", json!({ "seconds": 60 })).await;
    hob.execution_in(&id, &["running"]).await;
}

async fn neighbours(hob: &Hob) {
    hob.ready("listener", LISTENER, json!({})).await;
    hob.ready("dial", DIAL, json!({})).await;
    hob.ready("lonely", LINKS, json!({ "network": "none" })).await;
    let address = hob.call("listener", json!({})).await.json();
    let dialled = hob.call("dial", json!({ "address": address })).await;
    assert_eq!(dialled.status, StatusCode::OK, "{}", dialled.text());
    assert_ne!(dialled.json(), json!("reached"), "another worker at {address}");
    let links = hob.call("lonely", json!({})).await;
    assert_eq!(links.json(), json!(["lo"]), "network none");
    hob.ready("inward", DIAL, json!({ "network": "none" })).await;
    let metadata = hob.call("inward", json!({ "address": [METADATA, 80] })).await;
    assert_eq!(
        metadata.json(),
        json!("OSError"),
        "the cloud's metadata without a network"
    );
}

async fn memory(hob: &Hob) {
    hob.ready("hog", HOG, json!({ "memory_mib": 64 })).await;
    let over = hob.call("hog", json!({ "mib": 400 })).await;
    failed(&over, StatusCode::BAD_GATEWAY, "out_of_memory");
    let message = over.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("memory"), "{message}");
    next_works(hob, "hog", json!({ "mib": 1 })).await;
}

async fn fork_bomb(hob: &Hob) {
    // Long enough to be looked at while other suites want the machine too.
    hob.ready("bomb", BOMB, json!({ "timeout_ms": 20_000 })).await;
    let at_its_bound = async {
        let container = eventually("the bomb's worker", || busy_container(hob, "bomb")).await;
        eventually("a bomb at its bound", || async {
            let many = processes(&container);
            assert!(many <= PIDS, "{many} processes in one worker");
            (many > PIDS / 2).then_some(())
        })
        .await;
        container
    };
    let (bombed, container) = tokio::join!(hob.call("bomb", json!({ "bomb": true })), at_its_bound);
    failed(&bombed, StatusCode::GATEWAY_TIMEOUT, "timeout");
    next_works(hob, "bomb", json!({})).await;
    next_works(hob, "dial", json!({ "address": ["127.0.0.1", 9] })).await;
    eventually("the end of the bomb's processes", || async {
        (processes(&container) < PIDS / 4).then_some(())
    })
    .await;
}

/// The container that has a call of the function, if there is one.
async fn busy_container(hob: &Hob, function: &str) -> Option<String> {
    let status = hob.get("/hob/v1/status").await.json();
    let busy = |w: &&Value| w["busy"] != 0 && w["function"].as_str().is_some_and(|f| f.ends_with(function));
    let worker = status["workers"].as_array()?.iter().find(busy)?["id"]
        .as_str()?
        .to_owned();
    let label = format!("label=hob.worker={worker}");
    let container = docker(&["ps", "-q", "--no-trunc", "--filter", &label]);
    (!container.is_empty()).then_some(container)
}

/// How many processes a container has, as the machine sees it.
fn processes(container: &str) -> usize {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let groups = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("cgroup")).ok());
    groups.filter(|group| group.contains(container)).count()
}

fn failed(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
}

async fn next_works(hob: &Hob, name: &str, input: Value) {
    let next = hob.call(name, input).await;
    assert_eq!(next.status, StatusCode::OK, "the next call of {name}: {}", next.text());
}
