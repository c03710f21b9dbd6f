//! A user at a terminal: the built program as a process of its own, against the daemon of a test.

use crate::support::Hob;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// Standard output as it came.
    pub(crate) bytes: Vec<u8>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:?}\n--- out\n{}\n--- err\n{}", self.code, self.out, self.err)
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ends_with(0)
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Each line of standard output as JSON.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        self.out.lines().map(line).collect()
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.out.contains(words), "no `{words}` in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn tells(self, words: &str) -> Self {
        assert!(self.err.contains(words), "no `{words}` in {self:#?}");
        self
    }

    /// No line is wider than a terminal.
    #[track_caller]
    pub(crate) fn fits(self) -> Self {
        let wide = |text: &str| text.lines().any(|line| line.chars().count() > 80);
        assert!(!wide(&self.out) && !wide(&self.err), "too wide: {self:#?}");
        self
    }
}

/// The program, told where the daemon is and nothing else of this machine.
pub(crate) fn program(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hob"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HOB_")) {
        command.env_remove(name);
    }
    command.env("HOB_URL", url);
    command
}

/// Runs `hob` with these arguments.
pub(crate) async fn hob(daemon: &Hob, arguments: &[&str]) -> Ran {
    hob_with(daemon, arguments, b"").await
}

/// Runs `hob` with these arguments and this standard input.
pub(crate) async fn hob_with(daemon: &Hob, arguments: &[&str], input: &[u8]) -> Ran {
    let command = program(&format!("http://{}", daemon.address));
    run(command, arguments, input).await
}

/// Runs `hob` in a folder of the user's.
pub(crate) async fn hob_in(daemon: &Hob, folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = program(&format!("http://{}", daemon.address));
    command.current_dir(folder);
    run(command, arguments, b"").await
}

/// Runs a prepared command to its end.
pub(crate) async fn run(mut command: Command, arguments: &[&str], input: &[u8]) -> Ran {
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_vec();
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        // A command that reads nothing may be gone already.
        let _ = stdin.write_all(&input);
        drop(stdin);
        child.wait_with_output().expect("it ends")
    });
    let output = running.await.expect("it is waited for");
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}
