//! The program's commands against a real daemon: what they print, where, and how they end.

use crate::helpers::{Daemon, Home, assert_nothing_left, hob};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const ECHO: &str = "def main(context=None, **fields):\n    print('seen', sorted(fields))\n    return fields\n";
const WORSE: &str = "import time\ndef main(do='', **_):\n    if do == 'raise':\n        raise ValueError('as asked')\n    while do == 'hang':\n        time.sleep(1)\n    return 'fine'\n";

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ok(self) -> Self {
        self.ends_with(0)
    }

    #[track_caller]
    fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        assert!(self.out.contains(words), "no `{words}` in {self:#?}");
        self
    }

    #[track_caller]
    fn tells(self, words: &str) -> Self {
        assert!(self.err.contains(words), "no `{words}` in {self:#?}");
        self
    }
}

/// A user at a terminal: a daemon's address and a folder to work in.
struct User {
    url: String,
    folder: tempfile::TempDir,
}

impl User {
    fn of(daemon: &Daemon) -> Self {
        Self {
            url: format!("http://{}", daemon.address),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = hob()
            .args(arguments)
            .env("HOB_URL", &self.url)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        // A command that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("ours");
        std::fs::write(&path, bytes).expect("ours");
        path
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_do_what_they_say_and_end_as_they_say() {
    let mut daemon = Daemon::start(&Home::new()).await;
    let user = User::of(&daemon);
    tokio::task::block_in_place(|| {
        deploying(&user);
        calling(&user);
        failing(&user);
        looking(&user);
        removing(&user);
        user.run(&["stop", "--purge"]).ok().tells("has stopped");
    });
    assert!(daemon.ended().await.success(), "{}", daemon.log());
    assert_nothing_left(&daemon.instance);
    tokio::task::block_in_place(|| user.run(&["status"]).ends_with(4));
}

fn deploying(user: &User) {
    user.write("echo/main.py", ECHO);
    user.write("worse.py", WORSE);
    user.write("packed.zip", crate::support::zip(&[("main.py", ECHO)]));
    user.write("broken/main.py", "def main(:\n");
    user.run(&["deploy", "echo"]).ok();
    user.run(&["deploy", "packed.zip", "--runtime", "python", "--memory", "128"])
        .ok();
    user.run(&["deploy", "worse.py", "--timeout", "3s", "-e", "A=b"]).ok();
    user.run(&["deploy", "broken"]).ends_with(6).tells("SyntaxError");
    user.run(&["deploy", "no-such-folder"])
        .ends_with(3)
        .tells("no-such-folder");
    user.run(&["deploy", "echo", "--memory", "lots"])
        .ends_with(2)
        .tells("MiB");
    user.run(&["deploy", "echo", "--runtime", "no-such-runtime"])
        .ends_with(2)
        .tells("no-such-runtime");
}

fn calling(user: &User) {
    let echoed = |arguments: &[&str], input: &str| {
        user.run_with(&[&["invoke", "echo"], arguments].concat(), input)
            .ok()
            .json()
    };
    let expect = serde_json::json!({ "name": "x" });
    let file = user.write("in.json", r#"{"name": "x"}"#);
    let at_file = format!("@{}", file.display());
    assert_eq!(echoed(&["-d", r#"{"name": "x"}"#], ""), expect);
    assert_eq!(echoed(&["-d", &at_file], ""), expect);
    assert_eq!(echoed(&["-d", "-"], r#"{"name": "x"}"#), expect);
    assert_eq!(echoed(&["--field", "name=x"], ""), expect);
    let fields = echoed(&["--field", "n:=[1]", "--field", "text=@in.json"], "");
    assert_eq!(fields, serde_json::json!({ "n": [1], "text": r#"{"name": "x"}"# }));
    user.run(&["invoke", "packed", "-v", "-d", "{}"])
        .ok()
        .tells("warm")
        .tells("run ");
    user.run(&["invoke", "echo", "--logs", "--field", "a=b"])
        .ok()
        .tells("seen ['a']");
    let accepted = user.run(&["invoke", "echo", "--async", "-d", "{}"]).ok();
    let id = accepted.out.trim();
    user.run(&["runs", "show", id]).ok().says(id);
}

fn failing(user: &User) {
    user.run(&["invoke", "worse", "--field", "do=raise"])
        .ends_with(1)
        .tells("as asked");
    user.run(&["invoke", "worse", "--field", "do=hang"]).ends_with(124);
    user.run(&["invoke", "worse"]).ok().says("fine");
    user.run(&["invoke", "nobody"]).ends_with(3).tells("nobody");
    user.run(&["invoke", "echo", "-d", "{"]).ends_with(2).tells("not JSON");
    user.run(&["invoke", "echo", "--no-such-option"]).ends_with(2);
    user.run(&["get", "nobody"]).ends_with(3);
    user.run(&["runs", "show", "00000000-0000-7000-8000-000000000000"])
        .ends_with(3);
    user.run(&["--url", "http://127.0.0.1:1", "list"])
        .ends_with(4)
        .tells("127.0.0.1:1");
    let told = user.run(&["-o", "json", "get", "nobody"]).ends_with(3);
    let told: Value = serde_json::from_str(&told.err).expect("an error is JSON too");
    assert_eq!(told["code"], "not_found");
}

fn looking(user: &User) {
    user.run(&["list"])
        .ok()
        .says("echo")
        .says("packed")
        .says("worse")
        .says("broken");
    user.run(&["get", "worse"]).ok().says("A=").says("3.0 s");
    user.run(&["logs", "echo"]).ok().says("seen ['name']");
    user.run(&["status"]).ok().says("python");
    user.run(&["runtimes"]).ok().says("python").says("3.11");
    user.run(&["version"]).ok().says(env!("CARGO_PKG_VERSION"));
    let json = |arguments: &[&str]| user.run(&[&["-o", "json"], arguments].concat()).ok().json();
    let names = json(&["list"])["functions"].as_array().map(Vec::len);
    assert_eq!(names, Some(4));
    assert_eq!(json(&["get", "packed"])["latest"]["limits"]["memory_mib"], 128);
    assert_eq!(json(&["version"])["version"], env!("CARGO_PKG_VERSION"));
    assert!(json(&["status"])["instance"].is_string());
    assert!(json(&["runtimes"])["runtimes"].is_array());
    let failed = json(&["runs", "list", "worse", "--state", "failed"]);
    let failed = failed["executions"].as_array().cloned().unwrap_or_default();
    let how: Vec<&str> = failed.iter().filter_map(|run| run["failure"].as_str()).collect();
    assert_eq!(how, ["timeout", "raised"], "newest first: {failed:#?}");
    let id = failed[1]["id"].as_str().expect("an id");
    user.run(&["runs", "list"]).ok().says(id);
    user.run(&["runs", "show", id]).ok().says("as asked");
    assert_eq!(json(&["runs", "show", id])["id"], id);
    for line in user.run(&["-o", "json", "logs", "echo"]).ok().out.lines() {
        serde_json::from_str::<Value>(line).expect("one entry a line");
    }
}

fn removing(user: &User) {
    user.run(&["rm", "packed", "broken"])
        .ok()
        .tells("packed")
        .tells("broken");
    user.run(&["rm", "packed"]).ends_with(3);
    user.run(&["invoke", "packed"]).ends_with(3);
}
