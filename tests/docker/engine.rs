//! The engine room against a real engine: what the sandbox promises, seen from inside a worker.
//!
//! Each test has an instance of its own and removes what it made. The worker is a few lines that run what the test sends.

use bytes::Bytes;
use futures_util::StreamExt;
use hob::domain::{InstanceId, Memory, Network, WorkerId};
use hob::engine::{BuildRequest, ContainerId, Docker, Engine, Error, Options, WorkerSpec};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{UnixListener, UnixStream};

/// Network namespaces made ahead, where a test asks for them.
const HOLDERS: usize = 2;
const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nCOPY worker.py /worker.py\nARG BREAK=true\nRUN ${BREAK}\nCMD [\"python3\", \"-u\", \"/worker.py\"]\n";
const WORKER: &str = r#"
import json, os, resource, socket, time
print("worker is up", flush=True)
server = socket.socket(socket.AF_UNIX)
server.connect("/hob/sock")
lines = server.makefile("rw")
for line in lines:
    names = {"json": json, "os": os, "resource": resource, "socket": socket, "time": time}
    try:
        exec(json.loads(line), names)
        answer = {"ok": names.get("r")}
    except BaseException as error:
        answer = {"error": repr(error)}
    lines.write(json.dumps(answer) + "\n")
    lines.flush()
"#;

struct Bench {
    docker: Docker,
    image: String,
}

impl Bench {
    async fn new() -> Self {
        let bench = Self::without_image();
        bench
            .docker
            .build(build_request(&bench.image), &|_| {})
            .await
            .expect("the test's image builds");
        bench
    }

    fn without_image() -> Self {
        let instance = InstanceId::generate();
        Self {
            docker: docker(instance),
            image: format!("hob-test/{instance}"),
        }
    }

    async fn start(&self, network: Network) -> Started {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let open = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
        };
        open(directory.path(), 0o755);
        let listener = UnixListener::bind(directory.path().join("sock")).expect("bound");
        open(&directory.path().join("sock"), 0o777);
        let spec = spec(&self.image, directory.path(), network);
        let id = self.docker.start_worker(&spec).await.expect("started");
        let (stream, _) = soon(listener.accept()).await.expect("it dials");
        Started {
            id,
            worker: spec.worker,
            stream: BufStream::new(stream),
            _directory: directory,
        }
    }

    /// What the engine's own command line says of this instance's containers of a kind, dead ones too.
    fn labelled(&self, kind: &str, format: &str) -> Vec<String> {
        let instance = self.image.trim_start_matches("hob-test/");
        let (ours, kind) = (
            format!("label=hob.instance={instance}"),
            format!("label=hob.kind={kind}"),
        );
        let listed = crate::helpers::docker(&["ps", "-a", "--filter", &ours, "--filter", &kind, "--format", format]);
        listed.lines().map(str::to_owned).collect()
    }

    fn holders(&self) -> Vec<String> {
        self.labelled("holder", "{{.ID}}")
    }

    async fn keep_holders(&self) {
        self.docker.keep_holders(&self.image).await.expect("made");
    }

    async fn clear(self) {
        for found in self.docker.list().await.expect("listed") {
            self.docker.remove(&found.id).await.expect("removed");
        }
        self.docker.remove_networks().await.expect("no network");
        assert_eq!(self.holders(), Vec::<String>::new());
        self.docker.remove_images().await.expect("no image");
        assert_eq!(self.docker.list().await.expect("listed"), vec![]);
        let image = self.docker.image(&self.image).await.expect("asked");
        assert_eq!(image, None);
    }
}

/// A test that fails leaves nothing behind either.
impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let instance = self.image.trim_start_matches("hob-test/");
        let script = format!(
            "f=label=hob.instance={instance}; docker rm -fv $(docker ps -aq --filter $f); docker network rm $(docker network ls -q --filter $f); docker rmi -f $(docker images -q --filter $f)"
        );
        let _ = std::process::Command::new("sh").args(["-c", &script]).output();
    }
}

struct Started {
    id: ContainerId,
    worker: WorkerId,
    stream: BufStream<UnixStream>,
    _directory: tempfile::TempDir,
}

impl Started {
    /// Runs a few lines inside the worker; what they leave in `r` is the answer.
    async fn run(&mut self, code: &str) -> Result<serde_json::Value, String> {
        let line = format!("{}\n", serde_json::Value::from(code));
        self.stream.write_all(line.as_bytes()).await.expect("sent");
        self.stream.flush().await.expect("sent");
        let mut answer = String::new();
        soon(self.stream.read_line(&mut answer)).await.expect("answered");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("json");
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["ok"].clone()),
        }
    }

    async fn number(&mut self, code: &str) -> u64 {
        let answer = self.run(code).await.expect("no error");
        answer.as_u64().expect("a number")
    }
}

fn docker(instance: InstanceId) -> Docker {
    Docker::connect(Options {
        host: None,
        docker_host_env: std::env::var("DOCKER_HOST").ok(),
        docker_context_env: std::env::var("DOCKER_CONTEXT").ok(),
        home: std::env::var("HOME").ok().map(Into::into),
        runtime_dir: std::env::var("XDG_RUNTIME_DIR").ok().map(Into::into),
        instance,
        request_timeout: Duration::from_secs(60),
        network_holders: HOLDERS,
        join_networks: vec![],
        hide_metadata: Some(true),
        directory: std::env::temp_dir(),
    })
}

fn spec(image: &str, directory: &std::path::Path, network: Network) -> WorkerSpec {
    WorkerSpec {
        worker: WorkerId::generate(),
        image: image.to_owned(),
        directory: directory.to_owned(),
        env: vec![("GREETING".to_owned(), "hello".to_owned())],
        memory: Memory::from_mib(128).expect("in range"),
        pids: 20,
        tmp_bytes: 8 << 20,
        open_files: 256,
        network,
        awaited: true,
        labels: BTreeMap::new(),
    }
}

fn build_request(tag: &str) -> BuildRequest {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in [("Dockerfile", DOCKERFILE), ("worker.py", WORKER)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, path, text.as_bytes())
            .expect("in memory");
    }
    BuildRequest {
        tag: tag.to_owned(),
        context: Bytes::from(archive.into_inner().expect("in memory")),
        dockerfile: "Dockerfile".to_owned(),
        args: BTreeMap::from([("BASE".to_owned(), crate::helpers::base_image().to_owned())]),
        labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        memory_bytes: 512 << 20,
        network: Some("none".to_owned()),
        timeout: Duration::from_secs(120),
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it comes soon")
}

#[tokio::test]
async fn the_engine_says_who_it_is() {
    let info = Bench::without_image().docker.probe().await.expect("up");
    assert!(
        !info.version.is_empty() && info.api_version.starts_with("1."),
        "{info:?}"
    );
    assert!(info.memory_bytes > 0 && !info.architecture.is_empty(), "{info:?}");
    assert!(matches!(info.cgroup_version, Some(1 | 2)), "{info:?}");
}

#[tokio::test]
async fn a_worker_has_no_rights() {
    let bench = Bench::new().await;
    let mut worker = bench.start(Network::None).await;
    let status = "f = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n";
    for (field, expect) in [
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Uid", "1000\t1000\t1000\t1000"),
        ("Gid", "1000\t1000\t1000\t1000"),
    ] {
        let value = worker.run(&format!("{status}r = f['{field}']")).await;
        assert_eq!(value.expect("read"), expect, "{field}");
    }
    let hostname = worker.run("r = socket.gethostname()").await;
    assert_eq!(hostname.expect("read"), "worker");
    let greeting = worker.run("r = os.environ['GREETING']").await;
    assert_eq!(greeting.expect("set"), "hello");
    bench.clear().await;
}

#[tokio::test]
async fn a_worker_writes_to_its_tmp_only_and_not_too_much() {
    let bench = Bench::new().await;
    let mut worker = bench.start(Network::None).await;
    for path in ["/x", "/usr/x", "/hob/x", "/home/x", "/dev/x", "/etc/passwd"] {
        let error = worker.run(&format!("open('{path}', 'w')")).await;
        error.expect_err(path);
    }
    let fits = worker.run("open('/tmp/a', 'wb').write(b'x' * (6 << 20))").await;
    fits.expect("there is room");
    let full = worker
        .run("with open('/tmp/b', 'wb') as f:\n  f.write(b'x' * (6 << 20))")
        .await
        .expect_err("there is no room");
    assert!(full.contains("No space left"), "{full}");
    bench.clear().await;
}

#[tokio::test]
async fn a_worker_has_so_many_processes_and_files_and_no_more() {
    let bench = Bench::new().await;
    let mut worker = bench.start(Network::None).await;
    let forks = "r = 0\ntry:\n  while r < 100:\n    if os.fork() == 0:\n      time.sleep(600)\n    r += 1\nexcept OSError:\n  pass";
    assert_eq!(worker.number(forks).await, 19);
    let files = worker.run("r = resource.getrlimit(resource.RLIMIT_NOFILE)").await;
    assert_eq!(files.expect("read"), serde_json::json!([256, 256]));
    bench.clear().await;
}

#[tokio::test]
async fn a_workers_memory_is_limited_and_can_be_changed() {
    let bench = Bench::new().await;
    bench.docker.probe().await.expect("it says what it can limit");
    let mut worker = bench.start(Network::None).await;
    let limit = "p = '/sys/fs/cgroup/memory/memory.limit_in_bytes'\nr = int(open(p if os.path.exists(p) else '/sys/fs/cgroup/memory.max').read())";
    assert_eq!(worker.number(limit).await, 128 << 20);
    let shares = "p = '/sys/fs/cgroup/cpu/cpu.shares'\nr = int(open(p if os.path.exists(p) else '/sys/fs/cgroup/cpu.weight').read())";
    let mut of_processors = vec![worker.number(shares).await];
    for mib in [256, 64] {
        let changed = bench.docker.set_memory(&worker.id, mib << 20).await;
        changed.expect("changed");
        assert_eq!(worker.number(limit).await, mib << 20);
        of_processors.push(worker.number(shares).await);
    }
    let [usual, more, less] = of_processors[..] else {
        panic!("three were read")
    };
    assert!(less < usual && usual < more, "{of_processors:?}");
    bench.clear().await;
}

#[tokio::test]
async fn workers_on_the_outbound_network_cannot_reach_each_other() {
    let bench = Bench::new().await;
    bench.docker.prepare_network().await.expect("made");
    bench.docker.prepare_network().await.expect("there already");
    let mut first = bench.start(Network::Outbound).await;
    let mut second = bench.start(Network::Outbound).await;
    let listen = "import builtins\nbuiltins.kept = s = socket.socket()\ns.bind(('0.0.0.0', 9999))\ns.listen()\nr = socket.gethostbyname(socket.gethostname())";
    let address = first.run(listen).await.expect("it listens");
    let dial = format!("socket.create_connection(({address}, 9999), timeout=2)");
    first.run(&dial).await.expect("it reaches itself");
    second.run(&dial).await.expect_err("it must not be reached");
    bench.clear().await;
}

/// The way of each destination, as `/proc/net/route` has it: destination, gateway and mask in hexadecimal.
const ROUTES: &str =
    "r = ' '.join(':'.join(l.split()[n] for n in (1, 2, 7)) for l in list(open('/proc/net/route'))[1:])";

#[tokio::test]
async fn workers_with_a_network_cannot_ask_for_the_machines_metadata_and_the_machine_can() {
    let bench = Bench::new().await;
    let before = std::fs::read_to_string("/proc/net/route").expect("read");
    let alone = bench.start(Network::Outbound).await;
    bench.keep_holders().await;
    let in_holder = bench.start(Network::Outbound).await;
    assert!(!holder_of(&in_holder).is_empty());
    for mut worker in [alone, in_holder] {
        let routes = worker.run(ROUTES).await.expect("read").to_string();
        assert!(
            routes.contains("0000FEA9:00000000:0000FFFF"),
            "169.254.0.0/16 ends here: {routes}"
        );
        assert!(routes.contains("00000000:"), "and the rest goes out: {routes}");
        for address in ["169.254.169.254", "169.254.170.2"] {
            let dial = format!("socket.create_connection(('{address}', 80), timeout=2)");
            worker.run(&dial).await.expect_err("nobody is there");
        }
    }
    let after = std::fs::read_to_string("/proc/net/route").expect("read");
    let way = |routes: &str| routes.lines().filter(|line| line.contains("FEA9")).count();
    assert_eq!(way(&after), way(&before), "{after}");
    bench.clear().await;
}

/// The container whose network namespace a worker is in; empty when it has its own.
fn holder_of(worker: &Started) -> String {
    let mode = crate::helpers::docker(&["inspect", "--format", "{{.HostConfig.NetworkMode}}", worker.id.as_str()]);
    mode.strip_prefix("container:").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn workers_in_namespaces_made_ahead_cannot_reach_each_other() {
    let bench = Bench::new().await;
    bench.keep_holders().await;
    bench.keep_holders().await;
    assert_eq!(bench.holders().len(), HOLDERS, "no more than were wanted");
    assert_eq!(
        bench.docker.list().await.expect("listed"),
        vec![],
        "a holder is no worker"
    );
    let mut first = bench.start(Network::Outbound).await;
    let mut second = bench.start(Network::Outbound).await;
    let (one, other) = (holder_of(&first), holder_of(&second));
    assert!(
        !one.is_empty() && !other.is_empty() && one != other,
        "`{one}` `{other}`"
    );
    let hostname = first.run("r = socket.gethostname()").await;
    assert_eq!(hostname.expect("read"), "worker");
    let listen = "import builtins\nbuiltins.kept = s = socket.socket()\ns.bind(('0.0.0.0', 9999))\ns.listen()\nr = socket.gethostbyname(socket.gethostname())";
    let address = first.run(listen).await.expect("it listens");
    for address in [address, "127.0.0.1".into()] {
        let dial = format!("socket.create_connection(({address}, 9999), timeout=2)");
        first.run(&dial).await.expect("it reaches itself");
        second.run(&dial).await.expect_err("it must not be reached");
    }
    first
        .run("import builtins\nbuiltins.hidden = s = socket.socket(socket.AF_UNIX)\ns.bind('\\0hidden')\ns.listen()")
        .await
        .expect("it listens");
    let dial = "socket.socket(socket.AF_UNIX).connect('\\0hidden')";
    first.run(dial).await.expect("it reaches itself");
    second.run(dial).await.expect_err("it must not be reached");
    bench.clear().await;
}

#[tokio::test]
async fn a_namespace_made_ahead_leaves_with_its_worker() {
    let bench = Bench::new().await;
    bench.keep_holders().await;
    let lonely = bench.start(Network::None).await;
    assert_eq!(holder_of(&lonely), "", "it has nothing to join");
    let worker = bench.start(Network::Outbound).await;
    let taken = holder_of(&worker);
    bench.keep_holders().await;
    assert_eq!(bench.holders().len(), HOLDERS + 1);
    bench.docker.remove(&worker.id).await.expect("removed");
    let left = bench.holders();
    assert_eq!(left.len(), HOLDERS);
    assert!(!left.iter().any(|id| taken.starts_with(id)), "{taken} is in {left:?}");
    bench.docker.remove_holders().await.expect("removed");
    assert_eq!(bench.holders(), Vec::<String>::new());
    bench.clear().await;
}

#[tokio::test]
async fn namespaces_that_a_crash_left_are_removed_by_the_next_run() {
    let bench = Bench::new().await;
    bench.keep_holders().await;
    bench.start(Network::Outbound).await;
    let before = bench.holders();
    let instance = bench.image.trim_start_matches("hob-test/");
    let next = docker(InstanceId::parse(instance).expect("an id"));
    next.keep_holders(&bench.image).await.expect("made");
    let after = bench.holders();
    assert_eq!(after.len(), HOLDERS);
    assert!(!after.iter().any(|id| before.contains(id)), "{before:?} {after:?}");
    bench.clear().await;
}

#[tokio::test]
async fn a_namespace_whose_holder_died_is_not_used_and_a_worker_in_one_is_ended() {
    let bench = Bench::new().await;
    bench.keep_holders().await;
    let worker = bench.start(Network::Outbound).await;
    for holder in bench.holders() {
        crate::helpers::docker(&["kill", &holder]);
    }
    let next = bench.start(Network::Outbound).await;
    assert_eq!(holder_of(&next), "", "it has a network of its own");
    bench.keep_holders().await;
    let status = bench.docker.inspect(&worker.id).await.expect("asked");
    assert!(!status.expect("there").running, "it has no network any more");
    let states = bench.labelled("holder", "{{.State}}");
    assert_eq!(states, vec!["running"; HOLDERS]);
    bench.clear().await;
}

#[tokio::test]
async fn a_network_that_somebody_removed_is_made_again() {
    let bench = Bench::new().await;
    bench.docker.prepare_network().await.expect("made");
    let behind_our_back = std::process::Command::new("docker")
        .args(["network", "ls", "-q", "--filter", "label=hob.kind=network"])
        .args([
            "--filter",
            &format!("label=hob.instance={}", bench.image.trim_start_matches("hob-test/")),
        ])
        .output()
        .expect("the command line is there");
    let id = String::from_utf8(behind_our_back.stdout).expect("text");
    let removed = std::process::Command::new("docker")
        .args(["network", "rm", id.trim()])
        .output();
    assert!(removed.expect("runs").status.success());
    bench.start(Network::Outbound).await;
    bench.clear().await;
}

#[tokio::test]
async fn a_worker_without_network_has_the_loopback_only() {
    let bench = Bench::new().await;
    let mut worker = bench.start(Network::None).await;
    let names = worker.run("r = [n for _, n in socket.if_nameindex()]").await;
    assert_eq!(names.expect("read"), serde_json::json!(["lo"]));
    bench.clear().await;
}

#[tokio::test]
async fn an_instance_sees_its_own_workers_only() {
    let (mine, theirs) = (Bench::new().await, Bench::new().await);
    let worker = mine.start(Network::None).await;
    let other = theirs.start(Network::None).await;
    let found = mine.docker.list().await.expect("listed");
    let [one] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((&one.id, one.worker), (&worker.id, Some(worker.worker)));
    assert!(one.running && one.id != other.id);
    mine.clear().await;
    assert_eq!(theirs.docker.list().await.expect("listed").len(), 1);
    theirs.clear().await;
}

#[tokio::test]
async fn a_killed_worker_is_told_of_and_leaves_its_output() {
    let bench = Bench::new().await;
    let worker = bench.start(Network::None).await;
    let mut exits = bench.docker.exits().await.expect("subscribed");
    bench.docker.kill(&worker.id).await.expect("killed");
    let told = soon(exits.next()).await.expect("open").expect("up");
    assert_eq!(told, worker.id);
    bench.docker.kill(&worker.id).await.expect("dead is fine");
    let status = bench.docker.inspect(&worker.id).await.expect("asked");
    let status = status.expect("there");
    assert_eq!((status.running, status.exit_code), (false, Some(137)));
    let output = bench.docker.log_tail(&worker.id, 10).await.expect("kept");
    assert_eq!(output, "worker is up\n");
    let mut again = bench.docker.exits().await.expect("subscribed");
    let told = soon(again.next()).await.expect("open").expect("up");
    assert_eq!(told, worker.id, "the past is told too");
    bench.docker.remove(&worker.id).await.expect("removed");
    bench.docker.remove(&worker.id).await.expect("gone is fine");
    bench.docker.kill(&worker.id).await.expect("gone is fine");
    assert_eq!(bench.docker.inspect(&worker.id).await.expect("asked"), None);
    bench.clear().await;
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing() {
    let bench = Bench::new().await;
    let nowhere = std::path::Path::new("/nowhere/at/all");
    let missing = spec(&bench.image, nowhere, Network::None);
    let error = bench.docker.start_worker(&missing).await;
    assert!(matches!(error, Err(Error::Refused { status: 400, .. })), "{error:?}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let no_image = spec("hob-test/no-such-image", directory.path(), Network::None);
    let error = bench.docker.start_worker(&no_image).await;
    assert!(matches!(error, Err(Error::ImageMissing { .. })), "{error:?}");
    bench.clear().await;
}

#[tokio::test]
async fn a_build_is_labelled_and_a_failing_step_shows_its_last_lines() {
    let bench = Bench::new().await;
    let image = bench.docker.image(&bench.image).await.expect("asked");
    let labels = image.expect("built").labels;
    assert_eq!(labels["a"], "b");
    assert_eq!(labels["hob.kind"], "image");
    let told = std::sync::Mutex::new(Vec::new());
    let log = |line: &str| told.lock().expect("alone").push(line.to_owned());
    let mut broken = build_request(&bench.image);
    let step = "ls /no-such-place".to_owned();
    broken.args.insert("BREAK".to_owned(), step);
    let error = bench.docker.build(broken, &log).await;
    let Err(Error::Build { tail }) = error else {
        panic!("{error:?}");
    };
    assert!(tail.contains("non-zero code"), "{tail}");
    let told = told.into_inner().expect("alone");
    assert!(
        told.iter().any(|l| l.contains("cannot access '/no-such-place'")),
        "{told:?}"
    );
    bench.clear().await;
}
