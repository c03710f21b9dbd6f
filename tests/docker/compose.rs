//! The example of a stack, from a clean start to a clean end: it comes up, a function finds its database by name, and
//! `down` leaves nothing behind.
//!
//! Where no registry answers, a few lines of Python stand in for the database, and the image of Hob holds the program
//! under test; everything else is the example as it is.

use crate::helpers::{BINARY, Daemon, Home, assert_nothing_left, base_image, copy_tree, docker, remove_all, runtimes};
use crate::support::{eventually, root};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// What Docker gives a container that is to stop. Unit: seconds.
const GRACE: u32 = 10;
/// What the test gives it: who ends by itself on a busy machine is not killed meanwhile. Unit: seconds.
const LONG_GRACE: &str = "60";
/// The user that the image runs Hob as.
const USER: &str = "7070";
/// Answers what another container says.
const ASK: &str =
    "import urllib.request\ndef main(url, **_):\n    return urllib.request.urlopen(url, timeout=20).status\n";

/// `docker compose`, or the program that it once was.
fn compose_command() -> Option<Command> {
    let works = |command: &mut Command| command.arg("version").output().is_ok_and(|o| o.status.success());
    let plugin = || {
        let mut command = Command::new("docker");
        command.arg("compose");
        command
    };
    if works(&mut plugin()) {
        return Some(plugin());
    }
    works(&mut Command::new("docker-compose")).then(|| Command::new("docker-compose"))
}

/// A stack of its own name; dropping it takes it down.
struct Stack {
    name: String,
    context: tempfile::TempDir,
    /// The id of the daemon in it, once it is known.
    instance: String,
}

impl Stack {
    fn new() -> Self {
        let context = tempfile::tempdir().expect("a temporary directory");
        let id = hob::domain::InstanceId::generate().to_string();
        let (_, end) = id.split_at(id.len() - 8);
        let folder = context.path().join("examples/compose");
        copy_tree(&root().join("examples/compose"), &folder);
        copy_tree(runtimes().path(), &context.path().join("runtimes"));
        std::fs::copy(BINARY, context.path().join("hob")).expect("copied");
        Self {
            name: format!("hob-test-{end}"),
            context,
            instance: String::new(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let files = root().join("tests/docker/compose");
        let bundle = "/etc/ssl/certs/ca-certificates.crt";
        let bundle = if Path::new(bundle).exists() {
            bundle
        } else {
            "/dev/null"
        };
        compose_command()
            .expect("it was there before")
            .args(["-p", &self.name, "-f", "compose.yaml", "-f"])
            .arg(files.join("override.yaml"))
            .args(arguments)
            .current_dir(self.context.path().join("examples/compose"))
            .env("HOB_TOKEN", "a-token-of-the-test")
            .env("HOB_PORT", "0")
            .env("HOB_IMAGE", self.image())
            .env("HOB_BASE", base_image())
            .env("HOB_BUILDER", base_image())
            .env("TEST_BASE", base_image())
            .env("TEST_FILES", &files)
            .env("TEST_CA", bundle)
            .env("DOCKER_BUILDKIT", "0")
            .output()
            .expect("it runs")
    }

    fn image(&self) -> String {
        format!("hob-test/{}", self.name)
    }

    /// What a command that must succeed prints.
    #[track_caller]
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}\n{err}\n{}", self.logs());
        out.trim().to_owned()
    }

    fn logs(&self) -> String {
        text(&self.run(&["logs", "--no-color", "--tail", "60"]).stdout)
    }

    fn container(&self, service: &str) -> String {
        let id = self.said(&["ps", "-aq", service]);
        match id.is_empty() {
            // The older program shows all without being asked, and does not know the word.
            true => self.said(&["ps", "-q", service]),
            false => id,
        }
    }

    fn left(&self, list: &[&str]) -> String {
        let label = format!("label=com.docker.compose.project={}", self.name);
        docker(&[list, &["--filter", &label]].concat())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.run(&["down", "-v", "-t", "1"]);
        remove_all(&self.instance);
        docker(&["rmi", "-f", &self.image()]);
        docker(&["image", "prune", "-f", "--filter", "label=hob.stage=build"]);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_example_of_a_stack_comes_up_answers_and_leaves_nothing_behind() {
    if compose_command().is_none() {
        // Not by `eprintln!`, which nobody sees when a test passes.
        let _ = writeln!(
            std::io::stderr(),
            "\nnot tried: the stack, because there is no docker compose here"
        );
        return;
    }
    let mut stack = Stack::new();
    stack.said(&["up", "-d", "--build"]);
    // A service that waited until Hob was healthy has called the function, by Hob's name and through the database.
    let caller = stack.container("caller");
    let ended = docker(&["wait", &caller]);
    let called = docker(&["logs", &caller]);
    assert_eq!(
        (ended.as_str(), called.as_str()),
        ("0", r#"{"visits": 1}"#),
        "{}",
        stack.logs()
    );
    let status = stack.said(&["exec", "-T", "hob", "hob", "status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    stack.instance = status["instance"].as_str().expect("an instance").to_owned();
    assert_eq!(
        stack.said(&["exec", "-T", "hob", "hob", "invoke", "visits"]),
        r#"{"visits": 2}"#
    );
    no_right_is_left(&stack);
    workers_are_where_the_daemon_is(&stack);

    let hob = stack.container("hob");
    assert!(
        own_grace(&hob) < GRACE,
        "Docker would kill it before its own time is over"
    );
    stack.said(&["stop", "-t", LONG_GRACE, "hob"]);
    assert_eq!(
        docker(&["inspect", "--format", "{{.State.ExitCode}}", &hob]),
        "0",
        "{}",
        stack.logs()
    );
    stack.said(&["down", "-v"]);
    for list in [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]] {
        assert_eq!(stack.left(list), "", "left behind: {list:?}");
    }
    for list in [&["ps", "-aq"][..], &["network", "ls", "-q"]] {
        let label = format!("label=hob.instance={}", stack.instance);
        assert_eq!(
            docker(&[list, &["--filter", &label]].concat()),
            "",
            "left behind: {list:?}"
        );
    }
    remove_all(&stack.instance);
    assert_nothing_left(&stack.instance);
}

/// How long the daemon of a container lets its calls go on when it is to stop. Unit: seconds.
fn own_grace(container: &str) -> u32 {
    let format = "{{range .Config.Env}}{{println .}}{{end}}";
    let environment = docker(&["inspect", "--format", format, container]);
    let grace = environment
        .lines()
        .find_map(|line| line.strip_prefix("HOB_SERVER_SHUTDOWN_GRACE_SECONDS="));
    grace.expect("the image says it").parse().expect("a number")
}

fn no_right_is_left(stack: &Stack) {
    let status = stack.said(&["exec", "-T", "hob", "cat", "/proc/1/status"]);
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("Uid:"), [USER; 4], "{status}");
    assert_eq!(line("CapEff:"), ["0000000000000000"], "{status}");
}

fn workers_are_where_the_daemon_is(stack: &Stack) {
    let label = format!("label=hob.instance={}", stack.instance);
    assert_eq!(
        docker(&["network", "ls", "-q", "--filter", &label]),
        "",
        "it needs no network of its own"
    );
    let containers = docker(&["ps", "-q", "--filter", &label]);
    let format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    // One that has joined a namespace made ahead has no network of its own.
    let networks = containers
        .lines()
        .map(|id| docker(&["inspect", "--format", format, id]))
        .filter(|networks| !networks.is_empty());
    let mut networks: Vec<_> = networks.collect();
    networks.dedup();
    assert_eq!(networks, [format!("{}_default", stack.name)], "{}", stack.logs());
}

/// A network with a server on it, which others find as `peer`; both go when it is dropped.
struct Neighbourhood(String);

impl Neighbourhood {
    fn new() -> Self {
        let name = format!("hob-test-{}", hob::domain::InstanceId::generate());
        docker(&["network", "create", &name]);
        let server = ["python3", "-m", "http.server", "8000"];
        let run = [
            "run",
            "-d",
            "--name",
            &name,
            "--network",
            &name,
            "--network-alias",
            "peer",
        ];
        docker(&[&run[..], &["--stop-signal", "SIGKILL", base_image()], &server].concat());
        Self(name)
    }
}

impl Drop for Neighbourhood {
    fn drop(&mut self) {
        docker(&["rm", "-fv", &self.0]);
        docker(&["network", "rm", &self.0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_a_daemon_on_the_machine_join_the_networks_of_its_settings() {
    let neighbourhood = Neighbourhood::new();
    let home = Home::new();
    let lost = Daemon::start_with(&home, &[("HOB_ENGINE_JOIN_NETWORKS", "hob-test-nowhere")]).await;
    let said = eventually("what is missing", || async {
        let text = lost.get("/readyz").await.text();
        text.contains("docker network create").then_some(text)
    });
    assert!(said.await.contains("hob-test-nowhere"));
    lost.purge().await;

    let daemon = Daemon::start_with(&home, &[("HOB_ENGINE_JOIN_NETWORKS", &neighbourhood.0)]).await;
    daemon.ready("ask", ASK, serde_json::json!({"runtime": "python"})).await;
    let input = serde_json::json!({"url": "http://peer:8000/"});
    let answer = daemon.post("/function/ask", input).await;
    assert_eq!(answer.text(), "200", "{}", daemon.log());
    daemon.purge().await;
}
