//! Commands that take away, hold and hand over, against a running daemon; and that no command is without a test.

use crate::support::{Hob, root};
use crate::terminal::{Ran, hob, program, run};
use serde_json::json;
use std::collections::BTreeSet;

const SOURCE: &str = "def main(**_):\n    return 'here'\n";

/// A line as it is typed; no word of it has a space.
async fn typed(daemon: &Hob, line: &str) -> Ran {
    hob(daemon, &line.split_whitespace().collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_can_be_taken_away() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    daemon.ready("f", SOURCE, json!({})).await;
    for line in ["versions publish f", "alias set live f --version 1"] {
        typed(&daemon, line).await.ok();
    }
    typed(&daemon, "versions rm f 1").await.ends_with(2).tells("live");
    typed(&daemon, "alias rm live").await.ok();
    typed(&daemon, "alias get live").await.ends_with(3);
    typed(&daemon, "versions rm f 1").await.ok();
    typed(&daemon, "versions get f 1").await.ends_with(3);

    let hook = typed(&daemon, "webhook create f -o json").await.ok().json();
    let hook = hook["id"].as_str().expect("an id");
    typed(&daemon, &format!("webhook rm {hook}")).await.ok();
    typed(&daemon, &format!("webhook get {hook}")).await.ends_with(3);

    typed(&daemon, "invoke f").await.ok();
    let run = daemon.last_run("f").await["id"].as_str().expect("an id").to_owned();
    typed(&daemon, &format!("runs rm {run}")).await.ok();
    typed(&daemon, &format!("runs show {run}")).await.ends_with(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_held_and_let_go_and_workers_sent_away() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    daemon.ready("f", SOURCE, json!({})).await;
    typed(&daemon, "jobs create f --every 1h --name tick").await.ok();
    for (line, state) in [
        ("jobs pause tick", "paused"),
        ("jobs resume tick", "active"),
        ("jobs cancel tick", "cancelled"),
    ] {
        typed(&daemon, line).await.ok();
        let shown = typed(&daemon, "jobs show tick -o json").await.ok().json();
        assert_eq!(shown["state"], state, "{shown:#}");
    }
    typed(&daemon, "jobs rm tick").await.ok();
    typed(&daemon, "jobs show tick").await.ends_with(3);
    typed(&daemon, "export f --tag housekeeping/f:1")
        .await
        .ok()
        .says("housekeeping/f:1");
    typed(&daemon, "detach f").await.ok();
    typed(&daemon, "invoke f").await.ok().says("here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_listed_and_revoked() {
    let daemon = Hob::start(&[]).await.0;
    let made = typed(&daemon, "token create --role admin --name ann -o json").await;
    let secret = made.ok().json()["token"].as_str().expect("a token").to_owned();
    typed(&daemon, "list").await.ends_with(2).tells("HOB_TOKEN");
    let with_token = async |line: &str| {
        let mut command = program(&format!("http://{}", daemon.address));
        command.env("HOB_TOKEN", &secret);
        run(command, &line.split_whitespace().collect::<Vec<_>>(), b"").await
    };
    with_token("token create --role invoke --name caller").await.ok();
    let listed = with_token("token list").await.ok().fits();
    assert!(
        listed.out.contains("ann") && listed.out.contains("caller"),
        "{listed:?}"
    );
    assert!(!listed.out.contains(&secret), "{listed:?}");
    with_token("token revoke caller").await.ok();
    let listed = with_token("token list").await.ok();
    assert!(!listed.out.contains("caller"), "{listed:?}");
}

/// The manual has a page for each command: what it names and no suite types is without a test.
#[tokio::test]
async fn each_command_is_tried_by_a_suite() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().display().to_string();
    run(program("http://127.0.0.1:1"), &["man", &pages], b"").await.ok();
    let names = std::fs::read_dir(folder.path()).expect("there").flatten();
    let names: BTreeSet<String> = names
        .filter_map(|page| Some(page.file_name().to_str()?.strip_suffix(".1")?.to_owned()))
        .collect();
    let is_group = |name: &String| names.iter().any(|other| other.starts_with(&format!("{name}-")));
    let tests = suites();
    let tried = |name: &&String| {
        let words: Vec<&str> = name.split('-').skip(1).collect();
        let (line, list) = (words.join(" "), words.join("\", \""));
        let starts = [format!("\"{line} "), format!("\"{line}\""), format!("\"{list}\"")];
        starts.iter().any(|start| tests.contains(start))
    };
    let untried: Vec<_> = names.iter().filter(|name| !is_group(name) && !tried(name)).collect();
    assert_eq!(untried, Vec::<&String>::new(), "no suite types these commands");
    assert!(names.len() > 40, "{names:?}");
}

fn suites() -> String {
    let folders = ["tests/it", "tests/docker"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| crate::support::files_below(folder));
    let rust = files.filter(|file| file.extension().is_some_and(|ending| ending == "rs"));
    rust.map(|file| std::fs::read_to_string(file).unwrap_or_default())
        .collect()
}
