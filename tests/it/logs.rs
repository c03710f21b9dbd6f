//! `hob logs`: of one function, of several, of all, of one call; before, and while they run.

use crate::support::{Hob, eventually};
use crate::terminal::{hob, program};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;

const SAYS: &str = "import os, time\ndef main(say, gate=None, **_):\n    print(say)\n    while gate and not os.path.exists(gate):\n        time.sleep(0.005)\n    print(say, 'again')\n";

async fn two() -> Hob {
    let daemon = Hob::start(&[]).await.0.warm().await;
    for name in ["one", "second"] {
        daemon.ready(name, SAYS, json!({"timeout_ms": 60_000})).await;
    }
    daemon
}

async fn say(daemon: &Hob, name: &str, what: &str) -> String {
    let id = daemon
        .call(name, json!({"say": what}))
        .await
        .header("x-call-id")
        .to_owned();
    daemon.execution_in(&id, &["succeeded"]).await;
    id
}

/// A command that goes on; it ends with this.
struct Following {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Following {
    fn start(daemon: &Hob, arguments: &[&str]) -> Self {
        let mut child = program(&format!("http://{}", daemon.address))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            child,
            lines: Some(lines),
        }
    }

    /// The lines up to one that holds `wanted`.
    async fn until(&mut self, wanted: &'static str) -> Vec<String> {
        let mut lines = self.lines.take().expect("they were given back");
        let reading = tokio::task::spawn_blocking(move || {
            let mut read = Vec::new();
            for line in lines.by_ref() {
                read.push(line.expect("text"));
                if read.last().is_some_and(|line| line.contains(wanted)) {
                    break;
                }
            }
            (lines, read)
        });
        let (lines, read) = tokio::time::timeout(crate::support::PATIENCE, reading)
            .await
            .expect("it comes in time")
            .expect("it is read");
        self.lines = Some(lines);
        read
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_several_functions_come_in_order_with_their_names() {
    let daemon = two().await;
    say(&daemon, "one", "a").await;
    say(&daemon, "second", "b").await;
    let last = say(&daemon, "one", "c").await;
    let all = hob(&daemon, &["logs"]).await.ok();
    let told: Vec<_> = all
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect();
    let names: Vec<_> = told.iter().map(|words| (words[1], words[3])).collect();
    let expect = [
        ("one", "a"),
        ("one", "a"),
        ("second", "b"),
        ("second", "b"),
        ("one", "c"),
        ("one", "c"),
    ];
    assert_eq!(names, expect, "{all:#?}");
    let both = hob(&daemon, &["logs", "second", "one", "--tail", "2"]).await.ok();
    assert_eq!(both.out.lines().count(), 4, "{both:#?}");
    let own = hob(&daemon, &["logs", "second"]).await.ok();
    assert!(own.out.contains(" b again") && !own.out.contains("second"), "{own:#?}");
    let run = hob(&daemon, &["logs", "--run", &last]).await.ok();
    assert_eq!(run.out.lines().count(), 2, "{run:#?}");
    assert!(run.out.contains(" c again"), "{run:#?}");
    let since = hob(&daemon, &["logs", "--since", "2100-01-01"]).await.ok();
    assert_eq!(since.out, "");
    hob(&daemon, &["logs", "nobody"]).await.ends_with(3).tells("hob list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_are_json_where_json_is_wanted() {
    let daemon = two().await;
    let id = say(&daemon, "one", "a").await;
    let lines = hob(&daemon, &["logs", "-o", "json", "--since", "1h"])
        .await
        .ok()
        .json_lines();
    assert_eq!(lines.len(), 1);
    let line: &Value = &lines[0];
    assert_eq!(
        (&line["function"], &line["execution"]),
        (&json!("one"), &json!(id)),
        "{line:#}"
    );
    assert_eq!(
        (&line["text"], &line["state"]),
        (&json!("a\na again\n"), &json!("succeeded"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_shows_lines_while_calls_run_and_functions_that_come_later() {
    let daemon = Arc::new(two().await);
    let home = tempfile::tempdir().expect("a folder");
    let gate = home.path().join("gate");
    let mut all = Following::start(&daemon, &["logs", "-f"]);
    let (caller, input) = (Arc::clone(&daemon), json!({"say": "begun", "gate": gate}));
    let call = tokio::spawn(async move { caller.call("second", input).await });
    assert!(all.until("begun").await[0].contains(" second "));
    assert!(!call.is_finished());
    let running = eventually("a running call", || async {
        let list = daemon.get("/hob/v1/executions?state=running").await.json();
        list["executions"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let mut one = Following::start(&daemon, &["logs", "--run", &running, "-f"]);
    one.until("begun").await;
    daemon.ready("third", SAYS, json!({})).await;
    say(&daemon, "third", "later").await;
    let read = all.until("later again").await;
    assert!(read.last().is_some_and(|line| line.contains(" third ")), "{read:?}");
    std::fs::write(&gate, "").expect("written");
    one.until("begun again").await;
    assert_eq!(one.until("there is no more").await, Vec::<String>::new());
    assert!(one.child.wait().expect("it ends by itself").success());
    call.await.expect("it is answered");
}
