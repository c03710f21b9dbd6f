//! Nothing outlives the bench: what it starts is known here, and ended on success, failure and Ctrl-C alike.
//!
//! Containers and images are known by a label that carries our process id, those of a daemon by its instance id. What a
//! bench left that was killed is removed by the next one. Others' containers are never touched.

use crate::baseline::docker_always;
use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// The label's name; its value is the process id of the bench that made the thing.
pub(crate) const LABEL: &str = "hob.bench.pid";

/// What a daemon may take to drain and remove its containers.
const GRACE: Duration = Duration::from_secs(20);

/// Held for reading by whoever starts something, for writing once, when nothing may start any more.
static CLOSING: RwLock<bool> = RwLock::new(false);
/// The daemons that run: process id, and instance id once known.
static DAEMONS: Mutex<BTreeMap<u32, Option<String>>> = Mutex::new(BTreeMap::new());

/// Leave to start something, for as long as it is held.
///
/// # Errors
/// The bench is closing.
pub(crate) fn leave_to_start() -> Result<RwLockReadGuard<'static, bool>> {
    let closing = CLOSING.read().unwrap_or_else(PoisonError::into_inner);
    ensure!(!*closing, "the bench was interrupted");
    Ok(closing)
}

/// Takes note of the daemon `pid`; call it while holding leave to start.
pub(crate) fn note_daemon(pid: u32, instance: Option<String>) {
    daemons().insert(pid, instance);
}

/// Ends the daemon `pid`, by force when it does not end in time, and removes what it left in the engine.
pub(crate) fn end_daemon(pid: u32) {
    signal(pid, Signal::TERM);
    if !wait_until(GRACE, || is_gone(pid)) {
        signal(pid, Signal::KILL);
    }
    let instance = daemons().remove(&pid).flatten();
    if let Some(instance) = instance {
        remove_labelled(&format!("hob.instance={instance}"));
    }
}

/// Ends every daemon and removes every container and image of this bench. From here on nothing can be started.
pub(crate) fn close() {
    *CLOSING.write().unwrap_or_else(PoisonError::into_inner) = true;
    let running: Vec<u32> = daemons().keys().copied().collect();
    running.into_iter().for_each(end_daemon);
    remove_labelled(&format!("{LABEL}={}", std::process::id()));
}

/// Removes what benches left behind that were killed before they could clean up: an image is what each of them had.
pub(crate) fn sweep_the_dead() {
    let filter = format!("label={LABEL}");
    let listed = docker_always(["images", "--filter", &filter, "--format", "{{.Tag}}"]);
    for owner in listed.unwrap_or_default().lines() {
        if owner.parse().is_ok_and(is_gone) {
            remove_labelled(&format!("{LABEL}={owner}"));
        }
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

fn daemons() -> MutexGuard<'static, BTreeMap<u32, Option<String>>> {
    DAEMONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Containers first: they use the other two.
fn remove_labelled(label: &str) {
    let filter = format!("label={label}");
    for (list, remove) in [
        (&["ps", "-aq"][..], &["rm", "-fv"][..]),
        (&["network", "ls", "-q"], &["network", "rm"]),
        (&["images", "-q"], &["rmi", "-f"]),
    ] {
        let listing = list.iter().copied().chain(["--filter", &filter]);
        let found = docker_always(listing).unwrap_or_default();
        for id in found.lines() {
            // What is gone already, by another name for example, is as it should be.
            let _ = docker_always(remove.iter().copied().chain([id]));
        }
    }
    // The one that all instances share, unless somebody is on it.
    let _ = docker_always(["network", "rm", "hob-metadata"]);
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
