//! Nothing outlives the bench: what it starts is known here, and ended on success, failure and Ctrl-C alike.
//!
//! Containers and images are known by a label that carries our process id; one whose process is gone belonged to a bench
//! that was killed, and the next bench removes it. Others' containers are never touched.

use crate::baseline::docker;
use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The label's name; its value is the process id of the bench that made the thing.
pub(crate) const LABEL: &str = "hob.bench.pid";

/// What a daemon may take to drain and remove its containers.
const GRACE: Duration = Duration::from_secs(20);

static STARTED: Mutex<Started> = Mutex::new(Started {
    closing: false,
    children: BTreeSet::new(),
});

struct Started {
    closing: bool,
    children: BTreeSet<u32>,
}

/// Starts a child under the registry's eye: after [`close`], nothing starts any more.
///
/// # Errors
/// The bench is closing, or `start` failed.
pub(crate) fn start<T>(start: impl FnOnce() -> Result<T>, pid: impl Fn(&T) -> u32) -> Result<T> {
    let mut started = STARTED.lock().unwrap_or_else(|broken| broken.into_inner());
    ensure!(!started.closing, "the bench was interrupted");
    let child = start()?;
    started.children.insert(pid(&child));
    Ok(child)
}

/// Asks the child `pid` to end, waits, and ends it by force when it does not.
pub(crate) fn end(pid: u32) {
    signal(pid, Signal::TERM);
    if !wait_until(GRACE, || is_gone(pid)) {
        signal(pid, Signal::KILL);
    }
    let mut started = STARTED.lock().unwrap_or_else(|broken| broken.into_inner());
    started.children.remove(&pid);
}

/// Ends every child and removes every container and image of this bench. From here on nothing can be started.
pub(crate) fn close() {
    let children = {
        let mut started = STARTED.lock().unwrap_or_else(|broken| broken.into_inner());
        started.closing = true;
        started.children.clone()
    };
    children.into_iter().for_each(end);
    remove_labelled(&format!("{LABEL}={}", std::process::id()));
}

/// Removes what benches left behind that were killed before they could clean up.
pub(crate) fn sweep_the_dead() {
    let format = format!("{{{{.Label \"{LABEL}\"}}}}");
    let listed = docker(["ps", "-a", "--filter", &filter(LABEL), "--format", &format]);
    let owners: BTreeSet<u32> = listed
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    for owner in owners.into_iter().filter(|pid| is_gone(*pid)) {
        remove_labelled(&format!("{LABEL}={owner}"));
    }
}

/// Looks every 5 ms whether `condition` holds, for `patience` at most. Returns whether it came to hold.
pub(crate) fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn remove_labelled(label: &str) {
    for (list, remove) in [
        (["ps", "-aq", "--filter"], ["rm", "-fv"]),
        (["images", "-q", "--filter"], ["rmi", "-f"]),
    ] {
        let found = docker(list.into_iter().chain([filter(label).as_str()])).unwrap_or_default();
        let found: BTreeSet<&str> = found.lines().collect();
        if !found.is_empty() {
            // A thing that is gone already is what was wanted.
            let _ = docker(remove.into_iter().chain(found));
        }
    }
}

fn filter(label: &str) -> String {
    format!("label={label}")
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// A process nobody has waited for yet still has its folder, but is a zombie.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z'))
}
