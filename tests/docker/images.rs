//! Functions that are images, in real containers: what is answered, the sandbox, every limit, and nothing left behind.
//!
//! The images are built here from the base image, with the server and the program of the in-process suite.

use crate::helpers::{assert_nothing_left, base_image, docker, remove_all};
use crate::sandbox::{assert_all_refused, attacks_on, engine, marker};
use crate::support::{Answer, Hob, eventually, root};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// Is busy, and answers how much processor time it got. Unit: seconds.
const SPIN: &str = "import time\ndef main(seconds, **_):\n    before, end = time.process_time(), time.monotonic() + seconds\n    while time.monotonic() < end:\n        pass\n    return time.process_time() - before\n";
/// Processes of one worker at most.
const PIDS: &str = "40";

/// A daemon with two images.
struct Bench {
    hob: Hob,
    cleaner: Cleaner,
}

/// Removes the images, and what a failing test left.
struct Cleaner {
    instance: String,
    image: String,
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        for tag in ["server", "program"] {
            docker(&["rmi", "-f", &format!("{}:{tag}", self.image)]);
        }
        if std::thread::panicking() {
            remove_all(&self.instance);
        }
    }
}

impl Bench {
    async fn new() -> Self {
        let settings = [
            ("HOB_POOL_PREWARM", "0"),
            ("HOB_POOL_START_TIMEOUT_SECONDS", "20"),
            ("HOB_FUNCTION_TMP_MIB", "8"),
            ("HOB_FUNCTION_PIDS", PIDS),
        ];
        let data = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let hob = Hob::start_in(data, engine, &settings).await;
        let hob = hob.unwrap_or_else(|error| panic!("{}", hob::telemetry::chain(&error)));
        let status = hob.get("/hob/v1/status").await.json();
        let instance = status["instance"].as_str().expect("an instance").to_owned();
        let image = format!("hob-test/images-{instance}");
        let cleaner = Cleaner { instance, image };
        build(&cleaner.image);
        Self { hob, cleaner }
    }

    async fn server(&self, name: &str, settings: Value) {
        self.deploy(name, settings, "ready").await;
    }

    async fn program(&self, name: &str, mut settings: Value) {
        settings["convention"] = json!("command");
        settings["image"] = json!(format!("{}:program", self.cleaner.image));
        self.deploy(name, settings, "ready").await;
    }

    async fn deploy(&self, name: &str, mut settings: Value, state: &str) -> Value {
        if settings.get("image").is_none() {
            settings["image"] = json!(format!("{}:server", self.cleaner.image));
        }
        let answer = self.hob.change(name, settings).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let view = answer.json();
        assert_eq!(view["latest"]["state"], state, "{view:#}");
        view
    }

    /// Runs a few lines in the server; what they leave in `r` is the answer, or the name of what they raised.
    async fn inside(&self, name: &str, code: &str) -> Value {
        let answer = self.call(name, "run", code.to_owned()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    async fn call(&self, name: &str, path: &str, body: String) -> Answer {
        self.hob.post(&format!("/function/{name}/{path}"), body).await
    }

    async fn run(&self, name: &str, arguments: Value) -> Answer {
        self.hob.post(&format!("/function/{name}"), arguments.to_string()).await
    }

    async fn no_workers(&self) {
        eventually("every container to be removed", || async {
            workers(&self.cleaner.instance).is_empty().then_some(())
        })
        .await;
    }

    /// Stops the daemon; it leaves nothing.
    async fn purge(self) {
        let stop = self.hob.post("/hob/v1/stop?purge=true", "").await;
        assert_eq!(stop.status, StatusCode::ACCEPTED, "{}", stop.text());
        self.hob.stop().await;
        assert_nothing_left(&self.cleaner.instance);
    }
}

/// Two images, which run as root unless somebody forbids it.
fn build(image: &str) {
    let context = tempfile::tempdir().expect("a temporary directory");
    for (tag, file) in [("server", "server.py"), ("program", "program.py")] {
        // A user's own image may bring a program that becomes root.
        let dockerfile = format!(
            "FROM {}\nRUN cp \"$(readlink -f \"$(command -v python3)\")\" /setuid-python && chmod 4755 /setuid-python\nCOPY {file} /{file}\nENTRYPOINT [\"python3\", \"/{file}\"]\n",
            base_image()
        );
        std::fs::copy(root().join("tests/support").join(file), context.path().join(file)).expect("copied");
        std::fs::write(context.path().join("Dockerfile"), dockerfile).expect("written");
        let name = format!("{image}:{tag}");
        docker(&["build", "-q", "-t", &name, context.path().to_str().expect("text")]);
        assert!(!docker(&["images", "-q", &name]).is_empty(), "{name} was not built");
    }
}

/// The instance's workers; containers of its builds, which the engine labels too, are not among them.
fn workers(instance: &str) -> Vec<String> {
    let instance = format!("label=hob.instance={instance}");
    let listed = docker(&[
        "ps",
        "-aq",
        "--no-trunc",
        "--filter",
        &instance,
        "--filter",
        "label=hob.kind=worker",
    ]);
    listed.lines().map(str::to_owned).collect()
}

fn failed(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_a_container_serves_within_its_walls() {
    let bench = Bench::new().await;
    bench.server("f", json!({"memory_mib": 64})).await;
    serves(&bench).await;
    prints(&bench).await;
    walls(&bench).await;
    attacks(&bench).await;
    bench.server("quiet", json!({"network": "none"})).await;
    nothing_outside(&bench).await;
    memory(&bench).await;
    time(&bench).await;
    end(&bench).await;
    does_not_serve(&bench).await;
    bench.purge().await;
}

async fn serves(bench: &Bench) {
    let answer = bench.call("f", "echo/a?b=c", "hello".to_owned()).await.json();
    assert_eq!(
        (&answer["target"], &answer["body"]),
        (&json!("/echo/a?b=c"), &json!("hello"))
    );
    let sent = Bytes::from(vec![b'y'; 2 << 20]);
    let large = bench.hob.send(Method::PUT, "/function/f/echo", &[], sent).await;
    assert_eq!(large.json()["size"], 2 << 20);
    assert_eq!(bench.call("f", "large", String::new()).await.body.len(), 3 << 20);
}

/// Each call waits until what it printed was seen: the engine brings it when it can.
async fn prints(bench: &Bench) {
    for said in ["one", "two"] {
        let follow = "/hob/v1/functions/f/logs?follow=true&limit=0";
        let mut live = bench.hob.open(Method::GET, follow, "").await;
        let gate = format!("/tmp/{said}");
        let body = json!({"say": said, "gate": gate}).to_string();
        let seen = async {
            live.until(&format!("printed {said}")).await;
            live.until(&format!("complained {said}")).await;
            for container in workers(&bench.cleaner.instance) {
                docker(&["exec", &container, "touch", &gate]);
            }
        };
        let (answer, ()) = tokio::join!(bench.call("f", "print", body), seen);
        let log = bench.hob.log_of(answer.header("x-call-id")).await;
        assert!(log.contains(&format!("printed {said}")), "{log}");
        assert!(log.contains(&format!("complained {said}")), "{log}");
        assert_eq!(log.contains("one"), said == "one", "{log}");
    }
}

async fn walls(bench: &Bench) {
    let status = "r = {l.split(':')[0]: l.split()[1:] for l in open('/proc/self/status') if ':' in l}";
    let status = bench.inside("f", status).await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], json!(["0000000000000000"]), "{set}");
    }
    assert_eq!(
        (&status["NoNewPrivs"], &status["Seccomp"]),
        (&json!(["1"]), &json!(["2"]))
    );
    assert_eq!(
        status["Uid"],
        json!(["1000", "1000", "1000", "1000"]),
        "an image of root's"
    );
    for (code, expect) in [
        ("os.setuid(0)", json!("PermissionError")),
        ("r = os.path.exists('/hob')", json!(false)),
        ("open('/root/x', 'w')", json!("PermissionError")),
        ("open('/tmp/x', 'w').write('y' * (9 << 20))", json!("OSError")),
        (
            "os.remove('/tmp/x'); open('/tmp/x', 'w').write('y'); r = 'ok'",
            json!("ok"),
        ),
        (
            "import resource; r = resource.getrlimit(resource.RLIMIT_NOFILE)[1]",
            json!(1024),
        ),
    ] {
        assert_eq!(bench.inside("f", code).await, expect, "{code}");
    }
    let forks = "import subprocess\nr = 0\nmany = []\ntry:\n  for _ in range(60):\n    many.append(subprocess.Popen(['sleep', '60']))\nexcept OSError:\n  r = len(many)\nfor p in many:\n  p.kill(); p.wait()\n";
    let forks = bench.inside("f", forks).await.as_u64().expect("a number");
    assert!((1..40).contains(&forks), "{forks} processes");
    let container = workers(&bench.cleaner.instance).pop().expect("one");
    let format =
        "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{len .HostConfig.PortBindings}} {{len .Mounts}}";
    let seen = docker(&["inspect", "--format", format, &container]);
    assert_eq!(
        seen, "false false 0 0",
        "writable root, as the family says, and nothing else"
    );
}

async fn attacks(bench: &Bench) {
    let marker = marker();
    let came = bench.inside("f", &attacks_on(marker.path())).await;
    assert_all_refused(&came);
    assert_eq!(came["programs that become root"]["/setuid-python"], 1000, "{came:#}");
    bench.inside("f", "print('x' * (8 << 20), flush=True)\nr = 1").await;
    let container = workers(&bench.cleaner.instance).pop().expect("one");
    let kept = docker(&["logs", &container]).len();
    assert!(kept < 3 << 20, "the engine keeps {kept} bytes of what it printed");
}

async fn nothing_outside(bench: &Bench) {
    let dial = |address: &str| {
        format!(
            "import socket\ntry:\n  socket.create_connection({address}, timeout=2); r = 'reached'\nexcept OSError as e:\n  r = type(e).__name__\n"
        )
    };
    assert_ne!(bench.inside("quiet", &dial("('1.1.1.1', 53)")).await, "reached");
    let names = "import socket\ntry:\n  socket.getaddrinfo('example.com', 80); r = 'found'\nexcept OSError as e:\n  r = type(e).__name__\n";
    assert_ne!(bench.inside("quiet", names).await, "found");
    let own = "import socket; r = socket.gethostbyname(socket.gethostname())";
    let neighbour = bench.inside("f", own).await;
    let address = format!("({neighbour}, 8080)");
    assert_ne!(bench.inside("quiet", &dial(&address)).await, "reached");
    let networks = workers(&bench.cleaner.instance).into_iter().map(|container| {
        let ids = "{{range .NetworkSettings.Networks}}{{.NetworkID}} {{end}}";
        let ids = docker(&["inspect", "--format", ids, &container]);
        let mut inspect = vec!["network", "inspect", "--format", "{{.Internal}}"];
        inspect.extend(ids.split_whitespace());
        let mut networks: Vec<_> = docker(&inspect).lines().map(str::to_owned).collect();
        networks.sort();
        networks.join(" ")
    });
    let mut networks: Vec<_> = networks.collect();
    networks.sort();
    assert_eq!(
        networks,
        ["false true", "true"],
        "one has an outside and the wall before the metadata, the other has no outside"
    );
}

async fn memory(bench: &Bench) {
    let over = bench.call("f", "memory", "400".to_owned()).await;
    failed(&over, StatusCode::BAD_GATEWAY, "out_of_memory");
    let next = bench.call("f", "memory", "1".to_owned()).await;
    assert_eq!(next.text(), "kept");
}

async fn time(bench: &Bench) {
    bench.server("short", json!({"timeout_ms": 4000})).await;
    let before = bench.call("short", "echo", String::new()).await;
    assert_eq!(before.status, StatusCode::OK, "{}", before.text());
    let hangs = bench.call("short", "hang", String::new()).await;
    failed(&hangs, StatusCode::GATEWAY_TIMEOUT, "timeout");
    let after = bench.call("short", "echo", String::new()).await;
    assert_eq!(after.status, StatusCode::OK, "{}", after.text());
    assert_eq!(after.header("x-cold-start"), "true", "the worker was replaced");
}

async fn end(bench: &Bench) {
    let left = bench.call("f", "exit", "3".to_owned()).await;
    failed(&left, StatusCode::BAD_GATEWAY, "exit");
    assert!(left.text().contains("code 3"), "{}", left.text());
    let log = bench.hob.log_of(left.header("x-call-id")).await;
    assert!(log.contains("leaving"), "{log}");
    assert_eq!(bench.call("f", "echo", String::new()).await.status, StatusCode::OK);
}

async fn does_not_serve(bench: &Bench) {
    let not_serving = json!({"env": {"HOST": "nowhere.invalid"}});
    let view = bench.deploy("bad", not_serving, "failed").await;
    let error = view["latest"]["error"].as_str().expect("a reason");
    for said in ["$PORT", "ended with code 1", "coming up", "gaierror"] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let missing = json!({"image": "hob-test/there-is-none:1"});
    let view = bench.deploy("missing", missing, "failed").await;
    let error = view["latest"]["error"].as_str().expect("a reason");
    assert!(error.contains("hob-test/there-is-none:1"), "{error}");
}

/// Of two seconds, with at most 0.3 cores; the first piece of time may be a whole one, and others may be busier.
fn its_part(used: f64) {
    assert!((0.01..0.9).contains(&used), "{used} s of processor time in 2 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_gets_its_part_of_the_processor() {
    let bench = Bench::new().await;
    let limits = json!({"cpu_millis": 300, "timeout_ms": 30000});
    bench.server("f", limits.clone()).await;
    let used = bench.call("f", "spin", "2".to_owned()).await.json();
    its_part(used.as_f64().expect("seconds"));
    bench.hob.ready("code", SPIN, limits).await;
    let used = bench.hob.call("code", json!({"seconds": 2})).await.json();
    its_part(used.as_f64().expect("seconds"));
    let format = "{{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}";
    for container in workers(&bench.cleaner.instance) {
        assert_eq!(docker(&["inspect", "--format", format, &container]), "30000 100000");
    }
    bench.purge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_a_container_runs_once_and_leaves_nothing() {
    let bench = Bench::new().await;
    bench.program("p", json!({"memory_mib": 64, "cpu_millis": 500})).await;
    assert!(
        workers(&bench.cleaner.instance).is_empty(),
        "nothing runs before it is called"
    );
    let answer = bench.run("p", json!(["a", "b c"])).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (StatusCode::OK, "['a', 'b c'] \n")
    );
    let log = bench.hob.log_of(answer.header("x-call-id")).await;
    assert!(log.contains("['a', 'b c']") && log.contains("on the side"), "{log}");
    let three = bench.run("p", json!(["exit", "3"])).await;
    failed(&three, StatusCode::BAD_GATEWAY, "exit");
    assert!(three.text().contains("code 3"), "{}", three.text());
    let log = bench.hob.log_of(three.header("x-call-id")).await;
    assert!(log.contains("before the end") && log.contains("complaint"), "{log}");
    bench.program("short", json!({"timeout_ms": 5000})).await;
    let hangs = bench.run("short", json!(["hang"])).await;
    failed(&hangs, StatusCode::GATEWAY_TIMEOUT, "timeout");
    bench.no_workers().await;
    let large = bench.run("p", json!(["print", "3000000"])).await;
    assert_eq!((large.status, large.body.len()), (StatusCode::OK, 3_000_000));
    failed(
        &bench.run("p", json!(["memory", "400"])).await,
        StatusCode::BAD_GATEWAY,
        "out_of_memory",
    );
    let who = bench
        .run(
            "p",
            json!(["run", "print(os.getuid(), open('/proc/self/status').read())"]),
        )
        .await;
    assert!(who.text().starts_with("1000 "), "{}", who.text());
    assert!(who.text().contains("CapEff:\t0000000000000000"), "{}", who.text());
    bench.program("lonely", json!({"network": "none"})).await;
    let links = "import socket; print([name for _, name in socket.if_nameindex()])";
    assert_eq!(bench.run("lonely", json!(["run", links])).await.text(), "['lo']\n");
    bench.no_workers().await;
    bench.purge().await;
}
