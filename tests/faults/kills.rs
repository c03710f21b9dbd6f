//! SIGKILL at random moments under load, again and again on one data directory.
//!
//! `HOB_FAULTS_KILLS` says how often, `HOB_FAULTS_SEED` which moments: each run prints its own.

use crate::checks;
use crate::helpers::{Daemon, Home};
use crate::ledger::{Ledger, writer};
use crate::load::{Load, WORK, settings};
use crate::promises::{Counts, Promises};
use crate::support::eventually;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

const KILLS: u64 = 6;
/// A daemon under load lives so long at most.
const LIFE: Duration = Duration::from_millis(1500);
/// One that is killed while it starts.
const START: Duration = Duration::from_millis(60);
/// Code that nobody refers to is kept for an hour.
const LONG_AGO: Duration = Duration::from_secs(2 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_at_random_moments_keeps_its_promises() {
    let n_kills = number("HOB_FAULTS_KILLS").unwrap_or(KILLS);
    let mut dice = Dice(number("HOB_FAULTS_SEED").unwrap_or_else(moment));
    eprintln!("{n_kills} kills, HOB_FAULTS_SEED={}", dice.0);
    let begun = Instant::now();
    let ledger = Ledger::open().await;
    let home = Home::new();
    let mut daemon = Daemon::start(&home).await;
    daemon.ready(WORK, &writer(1), settings()).await;
    let promises = Arc::new(Mutex::new(Promises::default()));
    promises.lock().expect("ours").functions.insert(WORK.to_owned(), 1);
    let mut orphans = BTreeSet::new();
    for round in 1..=u32::try_from(n_kills).expect("not that many") {
        let load = Load::start(daemon.address, &ledger, round, &promises);
        // The moment is what the dice say: no condition stands for it.
        tokio::time::sleep(dice.below(LIFE)).await;
        daemon.signal(Signal::KILL);
        daemon.ended().await;
        load.ended().await;
        if dice.roll().is_multiple_of(3) {
            kill_while_it_starts(&home, dice.below(START)).await;
        }
        daemon = Daemon::start(&home).await;
        let mut now = std::mem::take(&mut *promises.lock().expect("ours"));
        checks::after_a_restart(&daemon, &mut now, &ledger).await;
        *promises.lock().expect("ours") = now;
        orphans = no_orphan_twice(&daemon, &orphans).await;
    }
    let counts = std::mem::take(&mut promises.lock().expect("ours").counts);
    eprintln!("{}", report(n_kills, &counts, begun.elapsed()));
    in_the_end(daemon, &home).await;
}

fn report(n_kills: u64, counts: &Counts, took: Duration) -> String {
    let Counts {
        accepted,
        succeeded,
        interrupted,
        answered,
        deployed,
        removed,
    } = counts;
    format!(
        "{n_kills} kills in {} s: of {accepted} accepted calls {succeeded} succeeded and {interrupted} were ended by a \
         kill, each once; {answered} calls answered, {deployed} deploys, {removed} deletes",
        took.as_secs()
    )
}

/// Nothing is an orphan after two restarts in a row; answers what is one now.
async fn no_orphan_twice(daemon: &Daemon, before: &BTreeSet<String>) -> BTreeSet<String> {
    checks::assert_no_network_twice(&daemon.instance);
    eventually("no orphan that was one before", || async {
        let now = checks::orphans(daemon).await;
        now.is_disjoint(before).then_some(now)
    })
    .await
}

/// No orphan at all, code that nobody refers to goes when its time has come, and the database is sound.
async fn in_the_end(daemon: Daemon, home: &Home) {
    eventually("the end of every orphan", || async {
        checks::orphans(&daemon).await.is_empty().then_some(())
    })
    .await;
    stop(daemon).await;
    age(&home.data().join("blobs"));
    age(&home.data().join("trees"));
    let daemon = Daemon::start(home).await;
    eventually("only packages that revisions refer to", || async {
        (checks::packages(home.data()) == checks::live_packages(home.data())).then_some(())
    })
    .await;
    daemon.purge().await;
    let database = rusqlite::Connection::open(home.data().join("hob.db")).expect("there");
    let sound: String = database
        .query_row("pragma integrity_check", [], |r| r.get(0))
        .expect("read");
    assert_eq!(sound, "ok");
    let mut strays = database.prepare("pragma foreign_key_check").expect("sql");
    assert!(!strays.exists([]).expect("read"), "rows that refer to nothing");
}

async fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success(), "{}", daemon.log());
}

/// Makes all below it look as if it had not been used for long.
fn age(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("there").flatten() {
        if entry.path().parent().is_some_and(|parent| parent.ends_with("blobs")) {
            age(&entry.path());
        }
        let file = File::open(entry.path()).expect("readable");
        file.set_modified(SystemTime::now() - LONG_AGO).expect("ours");
    }
}

async fn kill_while_it_starts(home: &Home, after: Duration) {
    let mut command = home.serve("127.0.0.1:0");
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    tokio::time::sleep(after).await;
    child.kill().expect("ours");
    child.wait().expect("ours");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

fn moment() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::from(now.subsec_nanos())
}

/// Random numbers that can be had again by their seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).expect("short");
        Duration::from_micros(self.roll() % micros)
    }
}
