//! What a function needs, built by a real engine: what it makes, what ends it, and that nothing is left of it.
//!
//! No build here reaches a network: a language of its own copies what it needs out of its dependency file.

use crate::helpers::{Daemon, Home, containers, docker, send};
use crate::support::{eventually, zip};
use bytes::Bytes;
use http::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BUILD: &str = r#"ARG RUNTIME
ARG BUILDER
FROM ${BUILDER} AS build
ARG MIRROR
COPY ca.crt /tmp/ca.crt
COPY input/ /in/
RUN echo "fetching from the mirror" && sh -e /in/needs.txt
FROM ${RUNTIME}
COPY --from=build /opt/hob/deps /opt/hob/deps
"#;
/// Executed by the build above.
const NEEDS: &str = "mkdir -p /opt/hob/deps/mods && echo brought > /opt/hob/deps/mods/name.txt\n";
const CODE: &str = "def main(**_):\n    return open('mods/name.txt').read().strip()\n";
const SECRET: &str = "http://user:sesame@mirror.invalid";

/// A home with one language: as the first one, with a way to build. No other builds anything meanwhile.
fn home() -> Home {
    let home = Home::new();
    let (from, to) = (home.runtimes().join("python"), home.runtimes().join("fam"));
    crate::helpers::copy_tree(&from, &to);
    let manifest = std::fs::read_to_string(to.join("runtime.toml")).expect("there");
    let mut in_build = false;
    let mut manifest: String = manifest
        .lines()
        .filter(|line| {
            in_build = if line.starts_with('[') {
                *line == "[build]"
            } else {
                in_build
            };
            !in_build
        })
        .map(of_the_family)
        .collect();
    let build = "[build]\ndockerfile = 'fam.Dockerfile'\nwhen = 'dependencies'\ncontext = 'dependencies'\nlink = 'mods'\n[build.command_environment]\nWHERE = '/opt/hob/deps'\n";
    manifest.push_str(build);
    std::fs::write(to.join("runtime.toml"), manifest).expect("ours");
    std::fs::write(to.join("fam.Dockerfile"), BUILD).expect("ours");
    for entry in std::fs::read_dir(home.runtimes()).expect("there").flatten() {
        if entry.path().is_dir() && entry.path() != to {
            std::fs::remove_dir_all(entry.path()).expect("ours");
        }
    }
    home
}

fn of_the_family(line: &str) -> String {
    let line = match line.split_once(" = ") {
        Some(("name", "\"python\"")) => "name = \"fam\"",
        Some(("aliases", _)) => "aliases = []",
        Some(("dependency_files", _)) => "dependency_files = [\"needs.txt\"]",
        Some(("prewarm", _)) => "prewarm = 0",
        _ => line,
    };
    format!("{line}\n")
}

async fn deploy(daemon: &Daemon, name: &str, files: &[(&str, &str)], settings: Value) -> Value {
    let boundary = "hob-docker-build";
    let mut form = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"settings\"\r\n\r\n{settings}\r\n--{boundary}\r\ncontent-disposition: form-data; name=\"code\"; filename=\"c.zip\"\r\n\r\n").into_bytes();
    form.extend(zip(files));
    form.extend(format!("\r\n--{boundary}--\r\n").bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    let path = format!("/hob/v1/functions/{name}?wait=50");
    let answer = send(daemon.address, Method::PUT, &path, &kind, form.into()).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    daemon.settled(name, answer.json()).await
}

async fn call(daemon: &Daemon, name: &str) -> Value {
    daemon.post(&format!("/function/{name}"), json!({})).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_commands_and_export_end_to_end() {
    let environment = format!("{{ MIRROR = \"{SECRET}\" }}");
    let settings = [
        ("HOB_BUILD_ENVIRONMENT", environment.as_str()),
        ("HOB_BUILD_NETWORK", "none"),
    ];
    let daemon = Daemon::start_with(&home(), &settings).await;
    let fam = || json!({"runtime": "fam"});
    let view = deploy(&daemon, "f", &[("main.py", CODE), ("needs.txt", NEEDS)], fam()).await;
    assert_eq!(view["state"], "ready", "{view:#}\n{}", daemon.log());
    assert_eq!(call(&daemon, "f").await, json!("brought"));
    let said = daemon.get("/hob/v1/functions/f/build").await.text();
    assert!(said.contains("fetching from the mirror"), "{said}");
    let image = view["latest"]["worker_image"].as_str().expect("an image");
    for shown in [docker(&["history", "--no-trunc", image]), docker(&["inspect", image])] {
        assert!(!shown.contains("sesame"), "{shown}");
    }
    nothing_unfinished(&daemon).await;
    commands(&daemon).await;
    failing(&daemon).await;
    exporting(&daemon).await;
    daemon.purge().await;
}

/// The code after the commands is what is loaded; they see the dependencies and their link.
async fn commands(daemon: &Daemon) {
    let code = "def main(**_):\n    return [open(n).read().strip() for n in ('made.txt', '/opt/hob/deps/more.txt', 'mods/name.txt', '/code/made.txt')]\n";
    let commands = [
        "cat mods/name.txt > made.txt\necho \"and 'more'\" >> made.txt",
        "cp made.txt \"$WHERE\"/more.txt",
    ];
    let settings = json!({"runtime": "fam", "build_commands": commands});
    let view = deploy(daemon, "made", &[("main.py", code), ("needs.txt", NEEDS)], settings).await;
    assert_eq!(view["state"], "ready", "{view:#}\n{}", daemon.log());
    let made = "brought\nand 'more'";
    assert_eq!(call(daemon, "made").await, json!([made, made, "brought", made]));
    nothing_unfinished(daemon).await;
}

/// The tool's own words are the reason, and the version before goes on.
async fn failing(daemon: &Daemon) {
    let needs = "echo 'no such thing: nonsense' >&2; exit 3\n";
    let view = deploy(daemon, "f", &[("main.py", CODE), ("needs.txt", needs)], json!({})).await;
    let error = view["latest"]["error"].as_str().unwrap_or_default();
    assert!(
        view["state"] == "failed" && error.contains("no such thing: nonsense"),
        "{view:#}"
    );
    assert_eq!(call(daemon, "f").await, json!("brought"));
    nothing_unfinished(daemon).await;
}

/// The user's name stays when ours go, and with it the image.
async fn exporting(daemon: &Daemon) {
    let tag = format!("mine-{}:1", daemon.instance);
    let made = daemon
        .post(&format!("/hob/v1/functions/f/export?tag={tag}"), Value::Null)
        .await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let image = made.json()["image"].as_str().expect("a name").to_owned();
    for name in ["f", "made"] {
        let path = format!("/hob/v1/functions/{name}");
        send(daemon.address, Method::DELETE, &path, "text/plain", Bytes::new()).await;
    }
    eventually("the images to be of no more use", || async {
        daemon.post("/hob/v1/gc", Value::Null).await;
        docker(&["images", "-q", &image]).is_empty().then_some(())
    })
    .await;
    let entry = docker(&["inspect", "-f", "{{json .Config.Env}}", &tag]);
    assert!(entry.contains("HOB_ENTRY=main.main"), "{entry}");
    assert_eq!(stands_alone(&tag).await, "\"brought\"");
    docker(&["rmi", &tag]);
}

/// Runs an image as anybody would, and asks it as soon as it answers.
async fn stands_alone(image: &str) -> String {
    let container = docker(&["run", "-d", "--rm", "-p", "127.0.0.1::8080", image]);
    let address = docker(&["port", &container, "8080"]);
    let answer = eventually("the container to answer", || ask(&address)).await;
    docker(&["rm", "-f", &container]);
    answer
}

/// The body of a whole answer; `None` while nobody answers.
async fn ask(address: &str) -> Option<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    Some(body.to_owned())
}

/// Stages of builds are swept once no build is under way; the other languages' images may still be made.
async fn nothing_unfinished(daemon: &Daemon) {
    eventually("what builds left to be swept", || async {
        daemon.post("/hob/v1/gc", Value::Null).await;
        let disk = daemon.get("/hob/v1/disk").await.json();
        let kinds = disk["kinds"].as_array().expect("kinds").clone();
        (!kinds.iter().any(|k| k["kind"] == "unfinished")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_really_ended() {
    let home = home();
    let plain = "def main(**_):\n    return 'plain'\n";
    // The image of the language is a build too: it has all the time it wants.
    let mut patient = Daemon::start(&home).await;
    patient.ready("plain", plain, json!({"runtime": "fam"})).await;
    patient.signal(Signal::TERM);
    assert!(patient.ended().await.success(), "{}", patient.log());

    let daemon = Daemon::start_with(&home, &[("HOB_BUILD_TIMEOUT_SECONDS", "20")]).await;
    let files = [("main.py", CODE), ("needs.txt", "sleep 600\n")];
    let sleeps = async {
        let building = || async { building(&daemon.instance) };
        eventually("the build's container", building).await
    };
    let (view, container) = tokio::join!(deploy(&daemon, "f", &files, json!({"runtime": "fam"})), sleeps);
    let error = view["latest"]["error"].as_str().unwrap_or_default();
    assert!(
        view["state"] == "failed" && error.contains("build.timeout_seconds"),
        "{view:#}"
    );
    eventually("the build's container to be gone", || async {
        (!containers(&daemon.instance).contains(&container) && building(&daemon.instance).is_none()).then_some(())
    })
    .await;
    nothing_unfinished(&daemon).await;
    daemon.purge().await;
}

/// The container that executes what is needed, if there is one.
fn building(instance: &str) -> Option<String> {
    containers(instance).into_iter().find(|container| {
        let command = docker(&["inspect", "-f", "{{json .Config.Cmd}}", container]);
        command.contains("needs.txt")
    })
}
