//! Tables and random sequences over the policy. One helper, `check`, knows the API; no clock, no worker.
//!
//! It deliberately does not test that commands are carried out: that is the pool's and the engine's.

use super::Event as E;
use super::*;
use crate::domain::{Concurrency, Intake, Scale, Timeout};

mod random;
mod reload;
mod scale;

/// One step of a table. Workers are numbered from 1 in the order of their start, revisions are letters.
#[derive(Debug, Clone, Copy)]
enum Do {
    Acquire(u64, char),
    Abandon(u64, char),
    Release(usize, u16),
    Destroy(usize, u16),
    Started(usize),
    Ready(usize, u16),
    Lost(usize, u16),
    Fail(usize),
    Die(usize),
    Retire(char),
    Keep(char, u16),
    Relax(char),
    Detach(char),
    /// From one revision to the other.
    Reload(char, char),
    Prewarm(usize),
    /// So many milliseconds pass, then a tick.
    After(u64),
}

/// One command, as tables write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    Hand(u64, usize, u16, Temperature),
    Refuse(u64, Refusal),
    Start(usize),
    Load(usize, char),
    /// Which worker, in whose container, loads what.
    Beside(usize, usize, char),
    Remove(usize),
}

use Do::*;
use Got::{Beside, Hand, Load, Refuse, Remove, Start};
use Temperature::{Cold, Prewarmed, Warm};

#[derive(Debug, Clone)]
struct Pool {
    policy: Policy,
    mib: u32,
    slots: u16,
    min: u16,
    max: u16,
}

/// Workers of 100 MiB with one slot, a budget for ten of them, nothing pre-warmed.
fn pool() -> Pool {
    let policy = Policy {
        memory_budget: mib(1000).bytes(),
        idle: Duration::from_millis(1000),
        queue_bound: 4,
        queue_timeout: Duration::from_millis(500),
        start_concurrency: 2,
        prewarm_memory: mib(100),
        prewarm: BTreeMap::new(),
    };
    Pool {
        policy,
        mib: 100,
        slots: 1,
        min: 0,
        max: 3,
    }
}

impl Pool {
    fn slots(self, slots: u16) -> Self {
        Self { slots, ..self }
    }

    fn scale(self, min: u16, max: u16) -> Self {
        Self { min, max, ..self }
    }

    fn budget(mut self, workers: u32) -> Self {
        self.policy.memory_budget = mib(100 * workers).bytes();
        self
    }

    fn queue(mut self, bound: usize) -> Self {
        self.policy.queue_bound = bound;
        self
    }

    /// Revision `Z` is the one that is too big: ten times the memory.
    fn demand(&self, letter: char) -> Demand {
        let size = if letter == 'Z' { self.mib * 10 } else { self.mib };
        demand(letter, size, self.slots, (self.min, self.max))
    }
}

fn mib(mib: u32) -> Memory {
    Memory::from_mib(mib).expect("within range")
}

fn class(network: Network) -> Class {
    Class {
        runtime: RuntimeRef {
            family: "some".into(),
            version: "1".into(),
        },
        network,
        image: None,
    }
}

fn revision(letter: char) -> RevisionId {
    RevisionId::from_bytes([u8::try_from(letter).expect("a letter"); 16])
}

fn letter(revision: RevisionId) -> char {
    char::from(revision.as_bytes()[0])
}

fn demand(letter: char, size: u32, slots: u16, (min, max): (u16, u16)) -> Demand {
    let limits = Limits {
        memory: mib(size),
        timeout: Timeout::from_millis(1000).expect("within range"),
        concurrency: Concurrency::new(slots).expect("within range"),
        scale: Scale::new(min, max).expect("within range"),
        network: Network::Outbound,
        cpu: None,
        intake: Intake::default(),
    };
    Demand {
        revision: revision(letter),
        class: class(Network::Outbound),
        limits,
    }
}

struct Run {
    pool: Pool,
    state: State,
    now: Timestamp,
    ids: Vec<WorkerId>,
}

impl Run {
    fn new(pool: Pool) -> Self {
        let state = State::new(pool.policy.clone());
        Self {
            pool,
            state,
            now: Timestamp::from_millis(1_000_000),
            ids: Vec::new(),
        }
    }

    fn step(&mut self, step: Do) -> Vec<Got> {
        let event = self.event(step);
        let commands = self.state.on(event, self.now);
        commands.into_iter().map(|c| self.got(c)).collect()
    }

    fn event(&mut self, step: Do) -> Event {
        let id = |n: usize| self.ids[n - 1];
        match step {
            Acquire(call, letter) => E::Acquire {
                call: CallId(call),
                demand: self.pool.demand(letter).into(),
            },
            Abandon(call, letter) => E::Abandon {
                call: CallId(call),
                revision: revision(letter),
            },
            Release(n, slot) => E::Released {
                worker: id(n),
                slot,
                reusable: true,
            },
            Destroy(n, slot) => E::Released {
                worker: id(n),
                slot,
                reusable: false,
            },
            Started(n) => E::Started { worker: id(n) },
            Ready(n, slot) => E::SlotReady { worker: id(n), slot },
            Lost(n, slot) => E::SlotLost { worker: id(n), slot },
            Fail(n) => E::Gone {
                worker: id(n),
                fatal: true,
            },
            Die(n) => E::Gone {
                worker: id(n),
                fatal: false,
            },
            Retire(letter) => E::Retire {
                revision: revision(letter),
            },
            Keep(letter, count) => E::Keep {
                demand: Arc::new(self.pool.demand(letter)),
                count,
            },
            Relax(letter) => E::Relax {
                revision: revision(letter),
            },
            Detach(letter) => E::Detach {
                revision: revision(letter),
            },
            Reload(from, to) => E::Reload {
                from: revision(from),
                demand: Arc::new(self.pool.demand(to)),
            },
            Prewarm(count) => E::Prewarm {
                class: class(Network::Outbound),
                count,
            },
            After(millis) => {
                self.now = self.now.plus(Duration::from_millis(millis));
                E::Tick
            }
        }
    }

    fn got(&mut self, command: Command) -> Got {
        match command {
            Command::Hand {
                call,
                worker,
                slot,
                temperature,
            } => Hand(call.0, self.number(worker), slot, temperature),
            Command::Refuse { call, why } => Refuse(call.0, why),
            Command::Start { worker, .. } => {
                self.ids.push(worker);
                Start(self.ids.len())
            }
            Command::Load { worker, revision } => Load(self.number(worker), letter(revision)),
            Command::Reload { worker, host, revision } => {
                self.ids.push(worker);
                Beside(self.ids.len(), self.number(host), letter(revision))
            }
            Command::Remove { worker } => Remove(self.number(worker)),
        }
    }

    fn number(&self, worker: WorkerId) -> usize {
        1 + self
            .ids
            .iter()
            .position(|id| *id == worker)
            .expect("a worker is started before anything else")
    }
}

/// After all steps but the last, the last one brings exactly these commands.
#[track_caller]
fn check(pool: Pool, given: &[Do], expect: &[Got]) {
    let mut run = Run::new(pool);
    let mut last = Vec::new();
    for step in given {
        last = run.step(*step);
    }
    assert_eq!(last, expect, "after {given:?}");
}

/// Worker `n` (the next to be started) ends up idle with revision `letter`.
fn warm(n: usize, letter: char) -> Vec<Do> {
    let call = 900 + n as u64;
    vec![Acquire(call, letter), Started(n), Ready(n, 0), Release(n, 0)]
}

/// Two workers of `A`, both in a call.
fn two_busy() -> Vec<Do> {
    vec![
        Acquire(1, 'A'),
        Acquire(2, 'A'),
        Started(1),
        Started(2),
        Ready(1, 0),
        Ready(2, 0),
    ]
}

fn then(mut given: Vec<Do>, more: &[Do]) -> Vec<Do> {
    given.extend_from_slice(more);
    given
}

#[test]
fn a_cold_call_starts_loads_and_is_handed_its_slot() {
    check(pool(), &[Acquire(1, 'A')], &[Start(1)]);
    check(pool(), &[Acquire(1, 'A'), Started(1)], &[Load(1, 'A')]);
    check(
        pool(),
        &[Acquire(1, 'A'), Started(1), Ready(1, 0)],
        &[Hand(1, 1, 0, Cold)],
    );
}

#[test]
fn an_idle_slot_is_preferred_to_a_cold_one() {
    check(pool(), &then(warm(1, 'A'), &[Acquire(1, 'A')]), &[Hand(1, 1, 0, Warm)]);
    check(pool(), &then(warm(1, 'A'), &[Acquire(1, 'B')]), &[Start(2)]);
}

#[test]
fn the_most_recently_used_slot_is_taken_first() {
    let given = then(two_busy(), &[Release(2, 0), Release(1, 0), Acquire(3, 'A')]);
    check(pool(), &given, &[Hand(3, 1, 0, Warm)]);
    let given = then(two_busy(), &[Release(1, 0), Release(2, 0), Acquire(3, 'A')]);
    check(pool(), &given, &[Hand(3, 2, 0, Warm)]);
}

#[test]
fn a_prewarmed_worker_is_loaded_before_a_container_is_started_and_replaced() {
    check(pool(), &[Prewarm(1)], &[Start(1)]);
    check(
        pool(),
        &[Prewarm(1), Started(1), Acquire(1, 'A')],
        &[Load(1, 'A'), Start(2)],
    );
    check(
        pool(),
        &[Prewarm(1), Started(1), Acquire(1, 'A'), Ready(1, 0)],
        &[Hand(1, 1, 0, Prewarmed)],
    );
}

#[test]
fn background_starts_are_bounded() {
    check(pool(), &[Prewarm(5)], &[Start(1), Start(2)]);
    check(pool(), &[Prewarm(5), Started(1)], &[Start(3)]);
    check(pool().budget(1), &[Prewarm(5)], &[Start(1)]);
}

#[test]
fn fewer_prewarmed_workers_from_now_on_lets_the_surplus_go() {
    check(pool(), &[Prewarm(2), Started(1), Started(2), Prewarm(1), After(0)], &[]);
    check(
        pool(),
        &[Prewarm(2), Started(1), Started(2), Prewarm(1), After(1000)],
        &[Remove(1)],
    );
}

#[test]
fn a_concurrency_of_n_gives_n_slots() {
    let two = || pool().slots(2);
    let given = [Acquire(1, 'A'), Acquire(2, 'A')];
    check(two(), &given, &[]);
    let given = [Acquire(1, 'A'), Acquire(2, 'A'), Acquire(3, 'A')];
    check(two(), &given, &[Start(2)]);
    let given = [Acquire(1, 'A'), Started(1), Ready(1, 0), Ready(1, 1), Acquire(2, 'A')];
    check(two(), &given, &[Hand(2, 1, 1, Warm)]);
}

#[test]
fn at_max_workers_calls_wait_and_the_first_is_served_first() {
    let given = then(two_busy(), &[Acquire(3, 'A')]);
    check(pool().scale(0, 2), &given, &[]);
    let given = then(given, &[Acquire(4, 'A'), Release(2, 0)]);
    check(pool().scale(0, 2), &given, &[Hand(3, 2, 0, Warm)]);
    let given = then(given, &[Release(1, 0)]);
    check(pool().scale(0, 2), &given, &[Hand(4, 1, 0, Warm)]);
}

#[test]
fn a_full_queue_refuses() {
    let given = [Acquire(1, 'A'), Acquire(2, 'A')];
    check(pool().queue(1), &given, &[Refuse(2, Refusal::QueueFull)]);
}

#[test]
fn a_refused_first_call_leaves_nothing_behind() {
    let mut run = Run::new(pool().budget(5).scale(1, 1));
    assert_eq!(run.step(Acquire(1, 'Z')), [Refuse(1, Refusal::OverBudget)]);
    assert!(run.state.groups.is_empty(), "{:?}", run.state.groups);
}

#[test]
fn who_waits_too_long_is_refused_by_a_tick() {
    check(pool(), &[Acquire(1, 'A'), After(499)], &[]);
    check(
        pool(),
        &[Acquire(1, 'A'), After(500)],
        &[Refuse(1, Refusal::TimedOut(Duration::from_millis(500)))],
    );
}

#[test]
fn idle_workers_leave_oldest_first_and_the_minimum_stays() {
    let given = then(two_busy(), &[Release(2, 0), After(10), Release(1, 0), After(999)]);
    check(pool(), &given, &[Remove(2)]);
    let given = then(two_busy(), &[Release(2, 0), After(10), Release(1, 0), After(1000)]);
    check(pool(), &given, &[Remove(2), Remove(1)]);
    check(pool().scale(1, 2), &given, &[Remove(2)]);
    check(pool().scale(2, 2), &given, &[]);
}

#[test]
fn a_lost_worker_of_the_minimum_is_replaced_but_a_failing_one_is_not() {
    let kept = || pool().scale(1, 2);
    check(kept(), &then(warm(1, 'A'), &[Die(1), After(0)]), &[Start(2)]);
    check(kept(), &[Acquire(1, 'A'), Fail(1), After(0)], &[]);
    check(kept(), &then(warm(1, 'A'), &[Die(1), Retire('A'), After(0)]), &[]);
}

#[test]
fn a_worker_of_the_minimum_that_fails_is_tried_again_later_each_time() {
    let two = || pool().scale(2, 2);
    let failed = then(warm(1, 'A'), &[After(0), Fail(2)]);
    check(two(), &then(failed.clone(), &[After(499)]), &[]);
    check(two(), &then(failed.clone(), &[After(500)]), &[Start(3)]);
    let again = then(failed.clone(), &[After(500), Fail(3)]);
    check(two(), &then(again.clone(), &[After(999)]), &[]);
    check(two(), &then(again, &[After(1000)]), &[Start(4)]);
    let served = then(failed, &[After(500), Started(3), Ready(3, 0), Die(3), After(0)]);
    check(two(), &served, &[Start(4)]);
}

#[test]
fn retired_workers_leave_when_they_fall_idle_and_no_new_call_is_lost() {
    check(pool(), &then(warm(1, 'A'), &[Retire('A')]), &[Remove(1)]);
    check(pool().scale(1, 1), &then(warm(1, 'A'), &[Retire('A')]), &[Remove(1)]);
    check(pool(), &then(two_busy(), &[Retire('A')]), &[]);
    check(pool(), &then(two_busy(), &[Retire('A'), Release(1, 0)]), &[Remove(1)]);
    check(
        pool(),
        &then(warm(1, 'A'), &[Retire('A'), Acquire(2, 'A')]),
        &[Start(2)],
    );
    let late = [Acquire(3, 'A'), Retire('A'), Release(1, 0)];
    check(pool().scale(0, 2), &then(two_busy(), &late), &[Hand(3, 1, 0, Warm)]);
}

#[test]
fn a_slot_that_did_not_end_cleanly_is_replaced_before_it_serves_again() {
    let one = || pool().scale(0, 1);
    let given = [Acquire(1, 'A'), Started(1), Ready(1, 0), Acquire(2, 'A'), Destroy(1, 0)];
    check(one(), &given, &[]);
    check(one(), &then(given.to_vec(), &[Ready(1, 0)]), &[Hand(2, 1, 0, Warm)]);
}

#[test]
fn a_slot_replaced_before_its_release_is_handed_on() {
    let given = [
        Acquire(1, 'A'),
        Started(1),
        Ready(1, 0),
        Acquire(2, 'A'),
        Ready(1, 0),
        Destroy(1, 0),
    ];
    check(pool().scale(0, 1), &given, &[Hand(2, 1, 0, Warm)]);
}

#[test]
fn a_replacement_lost_before_the_release_is_not_handed_on() {
    let given = [
        Acquire(1, 'A'),
        Started(1),
        Ready(1, 0),
        Acquire(2, 'A'),
        Ready(1, 0),
        Lost(1, 0),
        Destroy(1, 0),
    ];
    check(pool().scale(0, 1), &given, &[]);
}

#[test]
fn a_second_release_changes_nothing() {
    let given = then(warm(1, 'A'), &[Release(1, 0), Acquire(1, 'A'), Acquire(2, 'A')]);
    check(pool(), &given, &[Start(2)]);
}

#[test]
fn a_lost_idle_slot_is_not_handed_out() {
    let given = then(warm(1, 'A'), &[Lost(1, 0), Acquire(1, 'A')]);
    check(pool(), &given, &[]);
    check(pool(), &then(given, &[Ready(1, 0)]), &[Hand(1, 1, 0, Warm)]);
}

#[test]
fn a_worker_that_cannot_serve_refuses_who_waits_and_does_not_loop() {
    let why = Refusal::NoWorker(revision('A'));
    let given = [Acquire(1, 'A'), Acquire(2, 'A'), Started(1), Fail(1)];
    check(pool(), &given, &[Refuse(1, why), Refuse(2, why)]);
    check(pool(), &then(given.to_vec(), &[After(100)]), &[]);
}

#[test]
fn a_worker_that_broke_is_started_anew_for_who_waits() {
    check(pool(), &[Acquire(1, 'A'), Started(1), Die(1)], &[Start(2)]);
    check(pool(), &then(warm(1, 'A'), &[Die(1)]), &[]);
}

#[test]
fn the_budget_evicts_the_oldest_idle_worker_and_never_a_busy_one() {
    let full = then(two_busy(), &[Release(2, 0), After(10), Release(1, 0)]);
    check(
        pool().budget(2),
        &then(full, &[Acquire(3, 'B')]),
        &[Remove(2), Start(3)],
    );
    let half = then(two_busy(), &[Release(1, 0), Acquire(3, 'B')]);
    check(pool().budget(2), &half, &[Remove(1), Start(3)]);
    check(pool().budget(2), &then(two_busy(), &[Acquire(3, 'B')]), &[]);
    check(
        pool().budget(2),
        &then(two_busy(), &[Acquire(3, 'B'), Release(2, 0)]),
        &[Remove(2), Start(3)],
    );
}

#[test]
fn nobody_is_evicted_when_that_would_not_be_enough() {
    let given = then(two_busy(), &[Release(1, 0), Acquire(3, 'Z')]);
    check(pool().budget(10), &given, &[]);
}

#[test]
fn a_worker_whose_slot_is_about_to_serve_a_waiting_call_is_not_evicted() {
    let given = [
        Acquire(1, 'A'),
        Started(1),
        Ready(1, 0),
        Acquire(2, 'A'),
        Acquire(3, 'A'),
        Destroy(1, 0),
    ];
    check(pool().budget(1), &given, &[]);
}

#[test]
fn a_worker_that_falls_idle_makes_room_at_once() {
    let given = [
        Acquire(1, 'A'),
        Started(1),
        Acquire(2, 'B'),
        Abandon(1, 'A'),
        Ready(1, 0),
    ];
    check(pool().budget(1), &given, &[Remove(1), Start(2)]);
}

#[test]
fn a_worker_that_can_never_fit_is_refused() {
    check(pool().budget(9), &[Acquire(1, 'Z')], &[Refuse(1, Refusal::OverBudget)]);
}

#[test]
fn an_abandoned_call_is_never_handed_a_slot() {
    let given = [
        Acquire(1, 'A'),
        Acquire(2, 'A'),
        Abandon(1, 'A'),
        Started(1),
        Ready(1, 0),
    ];
    check(pool(), &given, &[Hand(2, 1, 0, Cold)]);
    let given = [Acquire(1, 'A'), Abandon(1, 'A'), Started(1), Ready(1, 0)];
    check(pool(), &given, &[]);
}

#[test]
fn failing_background_starts_back_off() {
    check(pool(), &[Prewarm(1), Fail(1)], &[]);
    check(pool(), &[Prewarm(1), Fail(1), After(499)], &[]);
    check(pool(), &[Prewarm(1), Fail(1), After(500)], &[Start(2)]);
    check(pool(), &[Prewarm(1), Fail(1), After(500), Fail(2), After(999)], &[]);
    check(
        pool(),
        &[Prewarm(1), Fail(1), After(500), Fail(2), After(1000)],
        &[Start(3)],
    );
    check(
        pool(),
        &[Prewarm(1), Fail(1), After(500), Started(2), Acquire(1, 'A')],
        &[Load(2, 'A'), Start(3)],
    );
}

#[test]
fn people_see_what_each_worker_does() {
    let mut run = Run::new(pool());
    for step in then(two_busy(), &[Release(1, 0), Prewarm(1)]) {
        run.step(step);
    }
    let seen: Vec<_> = run.state.workers().iter().map(|w| (w.state, w.busy)).collect();
    assert_eq!(seen, [("ready", 0), ("ready", 1), ("starting", 0)]);
    assert_eq!(run.state.open_calls(), 1);
}
