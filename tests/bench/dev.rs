//! The row `dev`: from saving a file to the first answer of the new code, with `hob dev` as users run it.

use crate::baseline::{Language, NODE, PYTHON};
use crate::daemon::{BINARY, Daemon};
use crate::load::Target;
use crate::report::{Line, Unit};
use crate::rows::{BODY, Bench, ms};
use crate::stats::Bar;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A save that is not answered within this time is an error.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions whether the new code answers.
const STEP: Duration = Duration::from_millis(2);
/// Between a reload and the next save: nobody saves faster.
const PAUSE: Duration = Duration::from_millis(500);

/// A language as somebody works in it: its name for people, the file, and its text with a word in it.
struct Work {
    title: &'static str,
    language: Language,
    file: &'static str,
    source: fn(&str) -> String,
}

pub(crate) fn dev(bench: &Bench) -> Result<Vec<Line>> {
    let works = [
        Work {
            title: "Python",
            language: PYTHON,
            file: "main.py",
            source: |word| format!("def main(**_):\n    return {word:?}\n"),
        },
        Work {
            title: "Node.js",
            language: NODE,
            file: "main.js",
            source: |word| format!("exports.main = () => {word:?};\n"),
        },
    ];
    works.iter().map(|work| saved(bench, work)).collect()
}

fn saved(bench: &Bench, work: &Work) -> Result<Line> {
    let place = bench.folder.join(format!("dev-{}", work.file));
    let daemon = Daemon::start_for(work.language, &place, &[])?;
    let code = place.with_extension("code").join("work");
    std::fs::create_dir_all(&code)?;
    let save = |word: &str| std::fs::write(code.join(work.file), (work.source)(word));
    save("round-0")?;
    let _dev = Dev::start(&daemon.url(), &code)?;
    let target = daemon.target("work", BODY);
    answered(&target, "round-0")?;
    let mut ours = Vec::new();
    for round in 1..=bench.rounds {
        std::thread::sleep(PAUSE);
        let word = format!("round-{round}");
        let started = Instant::now();
        save(&word)?;
        answered(&target, &word)?;
        ours.push(ms(started.elapsed()));
    }
    Ok(Line {
        what: format!("`hob dev`: saved to the first answer of the new code, {}", work.title),
        unit: Unit::Milliseconds,
        ours,
        theirs: None,
        bar: Bar::AtMost(300.0),
        notes: Vec::new(),
    })
}

/// Waits until the function answers with this word.
fn answered(target: &Target, word: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = target.send();
        if answer.is_ok_and(|answer| answer.text().contains(word)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "`{word}` was not answered in {PATIENCE:?}");
        std::thread::sleep(STEP);
    }
}

/// `hob dev`; dropping it ends it.
struct Dev(Child);

impl Dev {
    fn start(url: &str, folder: &Path) -> Result<Self> {
        let mut command = Command::new(BINARY);
        command.arg("dev").arg(folder).env("HOB_URL", url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // What it deployed goes with the daemon.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
