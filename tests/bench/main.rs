//! Hob against what one would use in its place, side by side in one run: `scripts/bench [ROW...]`.
//!
//! It starts the real daemon and its own baselines, judges ratios rather than figures, and leaves nothing behind, on
//! Ctrl-C neither. It is no test: `cargo test` runs it as a no-operation, only `cargo bench` measures.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for the terminal that measures real time and has no supervisor"
)]

mod baseline;
mod cleanup;
mod daemon;
mod dev;
mod executions;
mod jobs;
mod languages;
mod load;
mod nuclio;
mod report;
mod rows;
mod scaleway;
mod stats;

use anyhow::{Context, Result, bail, ensure};
use report::Line;
use rows::{Bench, ROWS, Row};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

const USAGE: &str = "usage: scripts/bench [--write] [--check] [--rounds N] [--seconds S] [--base IMAGE]
                     [--network NAME] [ROW...]

Without a ROW: all of the table. Rows: ROWS.
--write    keep the figures in tests/bench/BENCHMARKS.md (only with all rows)
--check    exit with 1 when a bar is missed
--rounds   rounds of each row, 5 or more (default 7)
--seconds  length of one measurement under load (default 0.9)
--base     image of the baseline (default hob-base/python)
--network  the engine's network that the baseline joins (default bridge)";

/// Fewer rounds have no median worth the name.
const LEAST_ROUNDS: usize = 5;
/// Interrupted, as shells say it.
const INTERRUPTED: u8 = 130;

#[derive(Debug)]
struct Options {
    rows: Vec<Row>,
    write: bool,
    check: bool,
    rounds: usize,
    load_time: Duration,
    base: String,
    network: String,
}

enum Ended {
    Measured(Result<Vec<Line>>),
    Interrupted,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("not measuring; run scripts/bench");
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{}", usage());
        return ExitCode::SUCCESS;
    }
    match Options::parse(&arguments) {
        Ok(options) => run(options, &arguments),
        Err(error) => {
            eprintln!("bench: {error:#}\n{}", usage());
            ExitCode::from(2)
        }
    }
}

fn run(options: Options, arguments: &[String]) -> ExitCode {
    let (write, check) = (options.write, options.check);
    let ended = measure_until_interrupted(options);
    cleanup::close();
    match ended {
        Ok(Ended::Measured(Ok(lines))) => finish(&lines, write, check, arguments),
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Ok(Ended::Measured(Err(error))) | Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Rows run on a thread of their own, so that this one can turn to cleaning up at once.
fn measure_until_interrupted(options: Options) -> Result<Ended> {
    cleanup::sweep_the_dead();
    let folder = tempfile::Builder::new().prefix("hob-bench-").tempdir()?;
    let place = folder.path().to_owned();
    let (sender, receiver) = mpsc::channel();
    let from_signals = sender.clone();
    std::thread::spawn(move || {
        if wait_for_signal().is_ok() {
            // Nobody listens any more when the rows were faster.
            let _ = from_signals.send(Ended::Interrupted);
        }
    });
    std::thread::spawn(move || {
        let _ = sender.send(Ended::Measured(measure(options, place)));
    });
    let ended = receiver.recv()?;
    if matches!(ended, Ended::Interrupted) {
        eprintln!("bench: interrupted, cleaning up");
        cleanup::close();
    }
    Ok(ended)
}

fn measure(options: Options, folder: PathBuf) -> Result<Vec<Line>> {
    let bench = Bench {
        image: baseline::Image::build(baseline::PYTHON, &options.base, &options.network, &folder)?,
        folder,
        rounds: options.rounds,
        load_time: options.load_time,
    };
    let mut lines = Vec::new();
    for (name, row) in options.rows {
        eprintln!("bench: {name}");
        let measured = row(&bench).with_context(|| format!("row `{name}`"))?;
        for line in &measured {
            eprintln!("{}", line.to_markdown());
        }
        lines.extend(measured);
    }
    Ok(lines)
}

fn finish(lines: &[Line], write: bool, check: bool, arguments: &[String]) -> ExitCode {
    let given = arguments.iter().filter(|argument| *argument != "--bench");
    let command: String = given.fold("scripts/bench".to_owned(), |all, one| all + " " + one);
    let report = report::render(lines, &command);
    println!("{report}");
    if write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/BENCHMARKS.md");
        if let Err(error) = report::keep(&report, &path) {
            eprintln!("bench: cannot keep the figures: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    if check && !lines.iter().all(Line::is_met) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn wait_for_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::defaults();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} what?"));
            match argument {
                "--bench" => {}
                "--write" => options.write = true,
                "--check" => options.check = true,
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.load_time = Duration::try_from_secs_f64(value()?.parse()?)?,
                "--base" => options.base = value()?.to_owned(),
                "--network" => options.network = value()?.to_owned(),
                name => options.rows.push(find_row(name)?),
            }
        }
        options.complete()
    }

    fn defaults() -> Self {
        Self {
            rows: Vec::new(),
            write: false,
            check: false,
            rounds: 7,
            load_time: Duration::from_millis(900),
            base: "hob-base/python".to_owned(),
            network: "bridge".to_owned(),
        }
    }

    fn complete(mut self) -> Result<Self> {
        ensure!(self.rounds >= LEAST_ROUNDS, "use {LEAST_ROUNDS} rounds or more");
        ensure!(
            !self.write || self.rows.is_empty(),
            "--write keeps a whole table: name no rows with it"
        );
        if self.rows.is_empty() {
            self.rows = ROWS.into_iter().filter(|(name, _)| *name != "noise").collect();
        }
        Ok(self)
    }
}

fn find_row(name: &str) -> Result<Row> {
    match ROWS.into_iter().find(|(known, _)| *known == name) {
        Some(row) => Ok(row),
        None => bail!("there is no row `{name}`"),
    }
}

fn usage() -> String {
    let names: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    USAGE.replace("ROWS", &names.join(", "))
}
