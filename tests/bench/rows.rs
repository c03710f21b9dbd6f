//! The rows: what is measured against what, and what the result must be. Every row cleans up after itself.
//!
//! Hob and its baseline take turns, round by round, and who goes first alternates: a machine that drifts, drifts for both.

use crate::baseline::{Container, Image, Language, PYTHON};
use crate::daemon::{BINARY, Call, Daemon, pack};
use crate::dev::dev;
use crate::executions;
use crate::jobs::jobs;
use crate::languages::{node_prewarmed, node_warm, redeploy};
use crate::load::{Load, Target};
use crate::nuclio;
use crate::report::{Line, Unit};
use crate::scaleway;
use crate::stats::{Bar, Summary};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What all rows share.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The baseline's image.
    pub(crate) image: Image,
    /// A directory that is removed at the end.
    pub(crate) folder: PathBuf,
    /// Rounds of each row.
    pub(crate) rounds: usize,
    /// How long one measurement under load lasts.
    pub(crate) load_time: Duration,
}

/// A row: its name, and how it is measured.
pub(crate) type Row = (&'static str, fn(&Bench) -> Result<Vec<Line>>);

/// All rows, in the order of the table.
pub(crate) const ROWS: [Row; 18] = [
    ("prewarmed", prewarmed),
    ("prewarmed-5mb", prewarmed_5mb),
    ("pool-empty", pool_empty),
    ("warm", warm),
    ("warm-cpu", warm_cpu),
    ("records", records),
    ("upload", upload),
    ("redeploy", redeploy),
    ("dev", dev),
    ("node-prewarmed", node_prewarmed),
    ("node-warm", node_warm),
    ("footprint", footprint),
    ("jobs", jobs),
    ("async", executions::accepted),
    ("sync", executions::answered),
    ("scaleway", scaleway::deployed),
    ("nuclio", nuclio::deployed),
    // Not of the table: the baselines alone, against themselves. Every ratio should be near 1; what it differs is noise.
    ("noise", noise),
];

/// 14 bytes in, about 45 out.
pub(crate) const BODY: &str = r#"{"name":"Hob"}"#;
/// The other number of connections that warm rows are measured with.
pub(crate) const MANY: usize = 8;

fn prewarmed(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("prewarmed"), &[])?;
    let code = PYTHON.package()?;
    let mut line = first_calls(bench, &daemon, &code, Expected::Prewarmed)?;
    line.what = "first call, pre-warmed worker / `docker run -p` to first 200".to_owned();
    line.bar = Bar::AtMost(0.03);
    line.notes.push(loaded_ahead(bench, &daemon, &code)?);
    Ok(vec![line])
}

fn prewarmed_5mb(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("prewarmed-5mb"), &[])?;
    let mut line = first_calls(bench, &daemon, &hundred_files()?, Expected::Prewarmed)?;
    line.what = "the same with 5 MB in 100 files".to_owned();
    line.bar = Bar::AtMost(0.04);
    Ok(vec![line])
}

fn pool_empty(bench: &Bench) -> Result<Vec<Line>> {
    let folder = bench.folder.join("pool-empty");
    let daemon = Daemon::start(&folder, &[("HOB_POOL_PREWARM", "0")])?;
    let code = PYTHON.package()?;
    let mut line = first_calls(bench, &daemon, &code, Expected::Cold)?;
    line.what = "first call, pool empty / the same `docker run`".to_owned();
    line.bar = Bar::AtMost(0.9);
    Ok(vec![line])
}

/// Against the hand-written server on a published port: what a user would put in Hob's place.
fn warm(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("warm"), &[])?;
    let server = bench.image.serve(1, MANY)?;
    let theirs = server.published(BODY);
    let mut lines = Vec::new();
    for (connections, bar) in [(1, 0.85), (MANY, 0.75)] {
        let (slots, note) = best_slots(bench, &daemon, connections)?;
        let ours = deploy_slots(PYTHON, &daemon, slots, BODY)?;
        let mut line = loads(bench, connections, &ours, &theirs)?;
        line.what = format!("warm calls, concurrency {connections} / hand-written server, published port");
        line.bar = Bar::AtLeast(bar);
        line.notes.push(note);
        lines.push(line);
    }
    Ok(lines)
}

/// As many processes on either side: without that, the row would compare numbers of processes.
fn warm_cpu(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("warm-cpu"), &[])?;
    let mut lines = Vec::new();
    for (connections, processes, bar) in [(1, 1, 0.93), (MANY, cores(), 0.97)] {
        let server = bench.image.serve(processes, connections)?;
        let body = one_millisecond(&server)?;
        let ours = deploy_slots(PYTHON, &daemon, processes, &body)?;
        let mut line = loads(bench, connections, &ours, &server.bridged(&body)?)?;
        line.what = format!("warm calls, 1 ms of CPU, concurrency {connections} / the same over the bridge");
        line.bar = Bar::AtLeast(bar);
        line.notes
            .push(format!("{processes} process(es) on either side; body `{body}`"));
        lines.push(line);
    }
    Ok(lines)
}

fn records(bench: &Bench) -> Result<Vec<Line>> {
    let with = Daemon::start(&bench.folder.join("records-on"), &[])?;
    let off = [("HOB_RECORDS_ENABLED", "false")];
    let without = Daemon::start(&bench.folder.join("records-off"), &off)?;
    let (slots, note) = best_slots(bench, &with, MANY)?;
    let ours = deploy_slots(PYTHON, &with, slots, BODY)?;
    let theirs = deploy_slots(PYTHON, &without, slots, BODY)?;
    let mut line = loads(bench, MANY, &ours, &theirs)?;
    line.what = format!("calls with execution records, concurrency {MANY} / without");
    line.bar = Bar::AtLeast(0.90);
    line.notes.push(note);
    Ok(vec![line])
}

fn upload(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("upload"), &[])?;
    let fresh = |round| PYTHON.edited(round);
    let ours = |round| {
        daemon.settle(1, Some(0))?;
        let started = Instant::now();
        let code = pack([("main.py", fresh(round).as_bytes())])?;
        daemon.deploy("upload", &PYTHON.settings(1, true), &code)?;
        daemon.call("upload", BODY)?;
        let took = ms(started.elapsed());
        daemon.remove("upload")?;
        Ok(took)
    };
    let theirs = |round| bench.image.build_and_run(&fresh(round), BODY).map(ms);
    let (ours, theirs) = take_turns(bench.rounds, ours, theirs)?;
    Ok(vec![Line {
        what: "upload to first result / `docker build` + `docker run -p` + first 200".to_owned(),
        unit: Unit::Milliseconds,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtMost(0.05),
        notes: vec![],
    }])
}

fn footprint(bench: &Bench) -> Result<Vec<Line>> {
    let start = |round| {
        let folder = bench.folder.join(format!("start-{round}"));
        Ok(ms(Daemon::start(&folder, &[])?.ready_in()))
    };
    let starts = (0..bench.rounds).map(start).collect::<Result<Vec<_>>>()?;
    let binary = std::fs::metadata(BINARY)?.len() as f64 / 1e6;
    let alone = |what: &str, unit, ours, bar| Line {
        what: what.to_owned(),
        unit,
        ours,
        theirs: None,
        bar: Bar::AtMost(bar),
        notes: vec![],
    };
    Ok(vec![
        alone(
            "daemon's memory (RSS), idle, 6 warm workers",
            Unit::Megabytes,
            idle_memory(bench)?,
            25.0,
        ),
        alone("the binary", Unit::Megabytes, vec![binary], 15.0),
        alone("start to `ready`, empty store", Unit::Milliseconds, starts, 100.0),
    ])
}

fn noise(bench: &Bench) -> Result<Vec<Line>> {
    let server = bench.image.serve(1, 2 * MANY)?;
    let body = one_millisecond(&server)?;
    let mut lines = Vec::new();
    for connections in [1, MANY] {
        let (here, there) = (server.published(BODY), server.bridged(BODY)?);
        let mut line = loads(bench, connections, &here, &there)?;
        line.what = format!("baseline, concurrency {connections}: published port / bridge");
        lines.push(line);
        let busy = server.bridged(&body)?;
        let mut line = loads(bench, connections, &busy, &busy)?;
        line.what = format!("baseline, 1 ms of CPU, concurrency {connections} / itself");
        lines.push(line);
    }
    let run = |_| bench.image.run_to_first_answer(BODY).map(ms);
    let build = |round| bench.image.build_and_run(&PYTHON.edited(round), BODY).map(ms);
    let (ours, theirs) = take_turns(bench.rounds, run, build)?;
    lines.push(Line {
        what: "baseline: `docker run -p` / `docker build` + `docker run -p`".to_owned(),
        unit: Unit::Milliseconds,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtMost(1.0),
        notes: vec![],
    });
    Ok(lines)
}

/// What the first call of a function is meant to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Prewarmed,
    Cold,
}

impl Expected {
    /// A measurement of something else is none.
    fn check(self, call: &Call) -> Result<()> {
        ensure!(
            call.loaded && call.cold == (self == Self::Cold),
            "the call was meant to meet {self:?} but met {call:?}"
        );
        Ok(())
    }
}

/// First calls of a function deployed in advance without a worker of its own, against `docker run -p`.
pub(crate) fn first_calls(bench: &Bench, daemon: &Daemon, code: &[u8], expected: Expected) -> Result<Line> {
    let prewarmed = usize::from(expected == Expected::Prewarmed);
    let ours = |round| {
        let name = format!("first-{round}");
        daemon.deploy(&name, &bench.image.language.settings(1, false), code)?;
        daemon.settle(prewarmed, Some(0))?;
        let call = daemon.call(&name, BODY)?;
        expected.check(&call)?;
        daemon.remove(&name)?;
        daemon.settle(prewarmed, Some(0))?;
        Ok(ms(call.took))
    };
    let theirs = |_| bench.image.run_to_first_answer(BODY).map(ms);
    let (ours, theirs) = take_turns(bench.rounds, ours, theirs)?;
    Ok(Line {
        what: String::new(),
        unit: Unit::Milliseconds,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtMost(0.0),
        notes: vec![],
    })
}

/// What users see by default: a deploy loads one worker ahead, so that the first call is a warm one.
pub(crate) fn loaded_ahead(bench: &Bench, daemon: &Daemon, code: &[u8]) -> Result<String> {
    let first = |round| {
        let name = format!("ahead-{round}");
        daemon.settle(1, Some(0))?;
        daemon.deploy(&name, &bench.image.language.settings(1, true), code)?;
        daemon.settle(1, Some(1))?;
        let call = daemon.call(&name, BODY)?;
        daemon.remove(&name)?;
        Ok(ms(call.took))
    };
    let times = (0..bench.rounds).map(first).collect::<Result<Vec<f64>>>()?;
    let median = Summary::of(&times).median;
    Ok(format!(
        "with a worker loaded ahead by the deploy, as is the default, the first call takes {median:.2} ms"
    ))
}

pub(crate) fn loads(bench: &Bench, connections: usize, ours: &Target, theirs: &Target) -> Result<Line> {
    ensure_same_answer(ours, theirs)?;
    loads_of_two(bench, connections, ours, theirs)
}

/// As [`loads`], of two whose answers cannot be compared.
pub(crate) fn loads_of_two(bench: &Bench, connections: usize, ours: &Target, theirs: &Target) -> Result<Line> {
    for target in [ours, theirs] {
        target.load(connections, bench.load_time / 3)?;
    }
    let (us, them) = take_turns(
        bench.rounds,
        |_| ours.load(connections, bench.load_time),
        |_| theirs.load(connections, bench.load_time),
    )?;
    let rates = |loads: &[Load]| loads.iter().map(|load| load.calls_per_second).collect();
    Ok(Line {
        what: String::new(),
        unit: Unit::CallsPerSecond,
        ours: rates(&us),
        theirs: Some(rates(&them)),
        bar: Bar::AtLeast(0.0),
        notes: vec![format!("p50 / p99: {}, baseline {}", latencies(&us), latencies(&them))],
    })
}

/// A fast wrong answer is no answer.
fn ensure_same_answer(ours: &Target, theirs: &Target) -> Result<()> {
    let result = |target: &Target| -> Result<Value> { Ok(serde_json::from_str(&target.send()?.ok()?.text())?) };
    let (us, them) = (result(ours)?, result(theirs)?);
    ensure!(us == them, "Hob answers {us}, the baseline {them}");
    Ok(())
}

fn latencies(loads: &[Load]) -> String {
    let median = |of: fn(&Load) -> f64| {
        let values: Vec<f64> = loads.iter().map(of).collect();
        Summary::of(&values).median
    };
    let (p50, p99) = (median(|load| load.p50_us), median(|load| load.p99_us));
    format!("{p50:.0} / {p99:.0} us")
}

/// Tries a function with 1, 2, 4, ... slots for a moment each, as a user would, and says what was tried.
fn best_slots(bench: &Bench, daemon: &Daemon, connections: usize) -> Result<(usize, String)> {
    let mut tried = Vec::new();
    let mut slots = 1;
    while slots <= connections {
        let target = deploy_slots(PYTHON, daemon, slots, BODY)?;
        target.load(connections, bench.load_time / 3)?;
        let load = target.load(connections, bench.load_time / 2)?;
        tried.push((slots, load.calls_per_second));
        slots *= 2;
    }
    let best = tried.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map_or(1, |(slots, _)| *slots);
    let tried: Vec<String> = tried
        .iter()
        .map(|(slots, rate)| format!("{slots}: {rate:.0}/s"))
        .collect();
    let note = format!(
        "one worker with {best} slot(s), the best of a short try ({})",
        tried.join(", ")
    );
    Ok((best, note))
}

/// A function with one worker of `slots` slots; the same name is the same function.
pub(crate) fn deploy_slots(language: Language, daemon: &Daemon, slots: usize, body: &str) -> Result<Target> {
    let name = format!("slots-{slots}");
    daemon.deploy(&name, &language.settings(slots, true), &language.package()?)?;
    daemon.settle(1, None)?;
    Ok(daemon.target(&name, body))
}

/// A body that makes the handler work for 1 ms, found out where the baseline runs.
fn one_millisecond(server: &Container) -> Result<String> {
    const SPINS: u32 = 1_000_000;
    let target = server.bridged(&format!(r#"{{"spin":{SPINS}}}"#))?;
    let mut fastest = f64::INFINITY;
    for _ in 0..7 {
        let started = Instant::now();
        target.send()?.ok()?;
        fastest = fastest.min(ms(started.elapsed()));
    }
    let spins = (f64::from(SPINS) / fastest).round();
    Ok(format!(r#"{{"name":"Hob","spin":{spins}}}"#))
}

/// Six functions, one warm worker each, all called, none busy.
fn idle_memory(bench: &Bench) -> Result<Vec<f64>> {
    const FUNCTIONS: usize = 6;
    let daemon = Daemon::start(&bench.folder.join("memory"), &[])?;
    let code = PYTHON.package()?;
    for number in 0..FUNCTIONS {
        let name = format!("warm-{number}");
        daemon.deploy(&name, &PYTHON.settings(1, true), &code)?;
        daemon.call(&name, BODY)?;
    }
    daemon.settle(0, Some(FUNCTIONS))?;
    (0..bench.rounds).map(|_| daemon.resident_mb()).collect()
}

/// One importing file, one imported, and 98 of data that does not compress: 5 MB.
fn hundred_files() -> Result<Vec<u8>> {
    let code = format!("import helper\n{}", PYTHON.handler);
    let data: Vec<(String, Vec<u8>)> = (0..98_u32)
        .map(|number| (format!("data/{number}.bin"), random_bytes(52_000, number)))
        .collect();
    let files = data.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let sources = [("main.py", code.as_bytes()), ("helper.py", b"READY = True\n")];
    pack(sources.into_iter().chain(files))
}

/// Bytes of a xorshift generator: the same in every run.
fn random_bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed) * 2 + 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Measures both sides in every round; even rounds begin with ours, odd ones with theirs.
pub(crate) fn take_turns<T>(
    rounds: usize,
    ours: impl Fn(usize) -> Result<T>,
    theirs: impl Fn(usize) -> Result<T>,
) -> Result<(Vec<T>, Vec<T>)> {
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            us.push(ours(round)?);
            them.push(theirs(round)?);
        } else {
            them.push(theirs(round)?);
            us.push(ours(round)?);
        }
    }
    Ok((us, them))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
