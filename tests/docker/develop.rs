//! Developing, in real containers: every template as it is, and `hob dev` from save to answer.

use crate::helpers::{Daemon, Home, build_settings, hob, send};
use crate::support::eventually;
use bytes::Bytes;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What a build says that finds nobody to fetch from.
const NO_PROXY: &str = "modules could not be fetched";

fn command(daemon: &Daemon, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = hob();
    let url = format!("http://{}", daemon.address);
    command.args(arguments).env("HOB_URL", url).current_dir(folder);
    command
}

async fn ended(daemon: &Daemon, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = command(daemon, folder, arguments);
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    ended.expect("it runs").expect("it starts")
}

async fn run(daemon: &Daemon, folder: &Path, arguments: &[&str]) -> Output {
    let output = ended(daemon, folder, arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}\n{}", daemon.log());
    output
}

/// Every folder of templates, as `hob init` names it.
fn templates() -> Vec<String> {
    let listed = hob().args(["init", "--list", "-o", "json"]).output().expect("it runs");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let names = listed.as_array().expect("a list").iter();
    names
        .map(|known| known["template"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_is_deployed_as_it_is_and_answers() {
    let daemon = Daemon::start_with(&Home::new(), &build_settings()).await;
    let folder = tempfile::tempdir().expect("a folder");
    for template in templates() {
        run(&daemon, folder.path(), &["init", &template, &template]).await;
        let deployed = ended(&daemon, folder.path(), &["deploy", &template]).await;
        let said = String::from_utf8_lossy(&deployed.stderr);
        if !deployed.status.success() && template.ends_with("-dependencies") && said.contains(NO_PROXY) {
            // Not by `eprintln!`, which nobody sees when a test passes.
            let _ = writeln!(
                std::io::stderr(),
                "\nnot tried: {template}, because no proxy of its modules answers here"
            );
            continue;
        }
        assert!(deployed.status.success(), "{template}: {said}\n{}", daemon.log());
        let path = format!("/function/{template}/some/path?x=y");
        let method = if template.ends_with("-http") {
            Method::GET
        } else {
            Method::POST
        };
        let answer = send(daemon.address, method, &path, "application/json", Bytes::new()).await;
        assert_eq!(answer.status, 200, "{template}: {}\n{}", answer.text(), daemon.log());
        let expect = match template.rsplit_once('-').map_or("", |(_, kind)| kind) {
            "hello" => "World",
            "http" => "/some/path",
            "cron" => "tidied up",
            _ => "",
        };
        assert!(answer.text().contains(expect), "{template}: {}", answer.text());
        let again = run(&daemon, folder.path(), &["deploy", &template]).await;
        assert!(
            again.stdout.is_empty(),
            "{template}: {}",
            String::from_utf8_lossy(&again.stdout)
        );
        run(&daemon, folder.path(), &["rm", &template]).await;
    }
    daemon.purge().await;
}

/// `hob dev`; killed when a test fails before its end.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_reloads_in_the_living_container_and_clears_up() {
    let daemon = Daemon::start(&Home::new()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let source = |word: &str| {
        format!(
            "import os, socket\n\ndef main(**_):\n    return [{word:?}, socket.gethostname(), open('/code/main.py').read()]\n"
        )
    };
    let save = |word: &str| std::fs::write(folder.path().join("work/main.py"), source(word)).expect("written");
    std::fs::create_dir(folder.path().join("work")).expect("made");
    save("first");
    let mut starting = command(&daemon, folder.path(), &["dev", "work"]);
    let mut dev = Dev(starting
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts"));
    let answers = async |word: &str| {
        eventually(word, || async {
            let answer = daemon.post("/function/work", serde_json::json!({})).await;
            let found = answer.status == 200 && answer.json()[0] == word;
            found.then(|| answer.json())
        })
        .await
    };
    let first = answers("first").await;
    for word in ["second", "third", "fourth"] {
        save(word);
        let now = answers(word).await;
        assert_eq!(now[1], first[1], "the same container");
        eventually("/code to lead to the new code", || async {
            let answer = daemon.post("/function/work", serde_json::json!({})).await.json();
            answer[2].as_str().is_some_and(|text| text.contains(word)).then_some(())
        })
        .await;
    }
    std::fs::write(folder.path().join("work/main.py"), "def main(:\n").expect("written");
    std::fs::write(folder.path().join("work/other.py"), "").expect("written");
    assert_eq!(answers("fourth").await[1], first[1], "the old code goes on");
    let pid = i32::try_from(dev.0.id()).expect("a pid");
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::INT).expect("it is there");
    assert!(dev.0.wait().expect("it ends").success());
    assert_eq!(
        daemon.get("/hob/v1/functions/work").await.status,
        404,
        "it was not there before"
    );
    daemon.purge().await;
}
