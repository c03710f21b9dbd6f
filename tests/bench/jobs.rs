//! The row `jobs`: ten thousand jobs that are due at the same moment, and what callers notice of it.
//!
//! It measures how soon fires are accepted (committed to be run), and not how soon the functions have run: that is a
//! matter of how many calls at once the user allows.

use crate::baseline::PYTHON;
use crate::daemon::{Daemon, pack};
use crate::load::Target;
use crate::report::{Line, Unit};
use crate::rows::{BODY, Bench};
use crate::stats::{Bar, Summary};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const JOBS: usize = 10_000;
/// Each round makes its own jobs, which takes longer than what is measured.
const MOST_ROUNDS: usize = 3;
/// Clients that make jobs at once: their commits share a disk flush.
const MAKERS: usize = 8;
/// From the first job's making to the moment when all are due.
const LEAD: Duration = Duration::from_secs(20);
/// Load is on for this long before that moment, and for as long after it as a fire may take.
const RUN_UP: Duration = Duration::from_millis(100);
const PROMISE: Duration = Duration::from_secs(1);
const PAGE: usize = 1000;

/// Returns before answering what a job is for: calling is not measured here.
const HANDLER: &str = "def main(**_):\n    return None\n";

/// What one round showed.
struct Round {
    in_time: f64,
    last_after_ms: f64,
    p99_ms: f64,
    p99_idle_ms: f64,
}

pub(crate) fn jobs(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("jobs"), &[])?;
    for name in ["tick", "asked"] {
        let code = pack([("main.py", HANDLER.as_bytes())])?;
        daemon.deploy(name, &PYTHON.settings(1, true), &code)?;
    }
    daemon.settle(1, Some(2))?;
    let rounds = (0..bench.rounds.min(MOST_ROUNDS)).map(|_| round(&daemon));
    let rounds = rounds.collect::<Result<Vec<_>>>()?;
    let all = |of: fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let last = Summary::of(&all(|round| round.last_after_ms)).median;
    Ok(vec![
        Line {
            what: format!("of {JOBS} jobs due at once, fired within the first second, under calls"),
            unit: Unit::Count,
            ours: all(|round| round.in_time),
            theirs: None,
            bar: Bar::AtLeast(JOBS as f64),
            notes: vec![format!("the last was claimed {last:.0} ms after the moment")],
        },
        Line {
            what: "p99 of warm calls, concurrency 1, during that second / without jobs".to_owned(),
            unit: Unit::Milliseconds,
            ours: all(|round| round.p99_ms),
            theirs: Some(all(|round| round.p99_idle_ms)),
            bar: Bar::AtMost(15.0),
            notes: vec![],
        },
    ])
}

fn round(daemon: &Daemon) -> Result<Round> {
    let calls = daemon.target("asked", BODY);
    let idle = calls.load(1, RUN_UP + PROMISE)?;
    let due = now()? + LEAD;
    make_jobs(daemon, due)?;
    let left = due.checked_sub(RUN_UP + now()?);
    std::thread::sleep(left.context("making the jobs took too long: give LEAD more time")?);
    let busy = calls.load(1, RUN_UP + PROMISE)?;
    let claimed = claimed_at(daemon)?;
    let after = |at: &f64| at - due.as_millis() as f64;
    ensure!(claimed.iter().all(|at| after(at) >= 0.0), "a job fired before its time");
    let in_time = claimed.iter().filter(|at| after(at) < PROMISE.as_millis() as f64);
    let round = Round {
        in_time: in_time.count() as f64,
        last_after_ms: claimed.iter().map(after).fold(0.0, f64::max),
        p99_ms: busy.p99_us / 1000.0,
        p99_idle_ms: idle.p99_us / 1000.0,
    };
    // Removes what is still queued, so that the next round begins in peace.
    daemon.remove("tick")?;
    daemon.deploy(
        "tick",
        &PYTHON.settings(1, true),
        &pack([("main.py", HANDLER.as_bytes())])?,
    )?;
    remove_jobs(daemon)?;
    daemon.settle(1, Some(2))?;
    Ok(round)
}

/// Since 1970, by this machine's clock, which is the daemon's.
fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

fn make_jobs(daemon: &Daemon, due: Duration) -> Result<()> {
    let job = json!({"function": "tick", "at_ms": due.as_millis() as u64}).to_string();
    let target = daemon.native("POST", "/jobs", &job);
    in_parallel(&vec![target; JOBS])
}

fn remove_jobs(daemon: &Daemon) -> Result<()> {
    let mut gone = Vec::new();
    for job in all_jobs(daemon)? {
        let id = job["id"].as_str().context("a job without an id")?;
        gone.push(daemon.native("DELETE", &format!("/jobs/{id}"), ""));
    }
    in_parallel(&gone)
}

fn in_parallel(targets: &[Target]) -> Result<()> {
    let send_all = |part: &[Target]| part.iter().try_for_each(|target| target.send()?.ok().map(drop));
    std::thread::scope(|scope| {
        let part = targets.len().div_ceil(MAKERS).max(1);
        let threads: Vec<_> = targets
            .chunks(part)
            .map(|part| scope.spawn(move || send_all(part)))
            .collect();
        let mut results = threads
            .into_iter()
            .map(|thread| thread.join().expect("no maker panics"));
        results.try_for_each(|result| result)
    })
}

/// When each job that has fired did so. Unit: UTC milliseconds.
fn claimed_at(daemon: &Daemon) -> Result<Vec<f64>> {
    let jobs = all_jobs(daemon)?;
    ensure!(jobs.len() == JOBS, "{} jobs instead of {JOBS}", jobs.len());
    Ok(jobs.iter().filter_map(|job| job["last_at_ms"].as_f64()).collect())
}

fn all_jobs(daemon: &Daemon) -> Result<Vec<Value>> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all
            .last()
            .and_then(|job| job["id"].as_str())
            .map(|id| format!("&after={id}"));
        let path = format!("/jobs?limit={PAGE}{}", after.unwrap_or_default());
        let answer = daemon.native("GET", &path, "").send()?.ok()?;
        let mut page: Value = serde_json::from_str(&answer.text())?;
        let jobs = page["jobs"].as_array_mut().context("no jobs")?;
        let is_last = jobs.len() < PAGE;
        all.append(jobs);
        if is_last {
            return Ok(all);
        }
    }
}
