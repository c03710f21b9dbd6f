//! Random sequences: an honest world of workers and calls around the policy, every promise checked at each step.
//!
//! Deterministic: one seed, one sequence. Workers may fail; they do not lie.

use super::{class, demand, mib};
use crate::domain::{Network, RevisionId, Temperature, Timestamp, WorkerId};
use crate::pool::state::{CallId, Class, Command, Demand, Event, Memory, Policy, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 300;
const EVENTS: usize = 400;

/// Xorshift: enough for choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = self.below(from.len().max(1) as u64) as usize;
        from.get(at).cloned()
    }
}

/// A slot's process as the world knows it; in a call, whether the replacement has loaded already.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Process {
    Missing,
    Ready,
    InCall(CallId),
    Died(CallId),
    Replaced(CallId),
}

#[derive(Debug)]
struct Body {
    /// Whose container it is in.
    container: WorkerId,
    class: Class,
    memory: Memory,
    started: bool,
    serves: Option<RevisionId>,
    leaving: bool,
    slots: Vec<Process>,
}

struct World {
    seed: u64,
    dice: Dice,
    state: State,
    policy: Policy,
    now: Timestamp,
    demands: Vec<Demand>,
    bodies: BTreeMap<WorkerId, Body>,
    waiting: BTreeMap<RevisionId, VecDeque<CallId>>,
    in_call: BTreeSet<CallId>,
    retired: BTreeSet<RevisionId>,
    calls: u64,
    handed: u64,
    timed_out: u64,
    reloads: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let policy = some_policy(&mut dice);
        let mut demands: Vec<_> = "ABCD"
            .chars()
            .map(|letter| some_demand(letter, seed, &mut dice))
            .collect();
        // What differs in nothing but its code can be reloaded in place.
        demands.push(Demand {
            revision: super::revision('E'),
            ..demands[0].clone()
        });
        Self {
            seed,
            state: State::new(policy.clone()),
            policy,
            dice,
            now: Timestamp::from_millis(1_000_000),
            demands,
            bodies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            in_call: BTreeSet::new(),
            retired: BTreeSet::new(),
            calls: 0,
            handed: 0,
            timed_out: 0,
            reloads: 0,
        }
    }

    fn apply(&mut self, event: Event) {
        for command in self.state.on(event.clone(), self.now) {
            self.carry_out(command, &event);
        }
        self.promises_hold(&event);
    }

    fn carry_out(&mut self, command: Command, event: &Event) {
        let seed = self.seed;
        match command {
            Command::Hand {
                call,
                worker,
                slot,
                temperature,
            } => self.handed(call, worker, slot, temperature),
            Command::Refuse { call, why } => {
                self.timed_out += u64::from(matches!(why, super::Refusal::TimedOut(_)));
                let waits = self.waiting.values_mut().find(|w| w.contains(&call));
                waits
                    .unwrap_or_else(|| panic!("seed {seed}: {call:?} refused, but not waiting"))
                    .retain(|c| *c != call);
            }
            Command::Start { worker, class, memory } => {
                let body = Body {
                    container: worker,
                    class,
                    memory,
                    started: false,
                    serves: None,
                    leaving: false,
                    slots: Vec::new(),
                };
                assert!(
                    self.bodies.insert(worker, body).is_none(),
                    "seed {seed}: {worker} started twice"
                );
            }
            Command::Load { worker, revision } => self.load(worker, revision),
            Command::Reload { worker, host, revision } => self.reloaded(worker, host, revision),
            Command::Remove { worker } => {
                let body = self.bodies.remove(&worker).expect("only what was started is removed");
                let busy = body.slots.iter().any(|s| in_call(*s).is_some());
                assert!(!busy, "seed {seed}: {worker} removed while busy, after {event:?}");
            }
        }
    }

    fn handed(&mut self, call: CallId, worker: WorkerId, slot: u16, met: Temperature) {
        let seed = self.seed;
        let body = self.bodies.get_mut(&worker).expect("a slot of a living worker");
        let revision = body.serves.expect("a slot of a loaded worker");
        let first = self.waiting.get_mut(&revision).and_then(VecDeque::pop_front);
        assert_eq!(
            first,
            Some(call),
            "seed {seed}: {call:?} is not the first that waits ({met:?})"
        );
        assert!(!body.leaving, "seed {seed}: {call:?} handed to {worker}, which leaves");
        let process = &mut body.slots[usize::from(slot)];
        assert_eq!(
            *process,
            Process::Ready,
            "seed {seed}: slot {slot} of {worker} handed to {call:?}"
        );
        *process = Process::InCall(call);
        assert!(self.in_call.insert(call), "seed {seed}: {call:?} handed twice");
        self.handed += 1;
    }

    fn load(&mut self, worker: WorkerId, revision: RevisionId) {
        let demand = self
            .demands
            .iter()
            .find(|d| d.revision == revision)
            .expect("a known revision");
        let body = self.bodies.get_mut(&worker).expect("only what was started is loaded");
        assert!(
            body.started && body.serves.is_none(),
            "seed {}: {worker} loaded twice or early",
            self.seed
        );
        assert_eq!(body.class, demand.class, "seed {}", self.seed);
        body.serves = Some(revision);
        body.memory = demand.limits.memory;
        body.slots = vec![Process::Missing; usize::from(demand.limits.concurrency.get())];
    }

    /// A container takes in one more worker, of what differs in nothing but its code from what it serves.
    fn reloaded(&mut self, worker: WorkerId, host: WorkerId, revision: RevisionId) {
        let seed = self.seed;
        let demand = self.demands.iter().find(|d| d.revision == revision).expect("known");
        let host = &self.bodies[&host];
        let inside = self.bodies.values().filter(|b| b.container == host.container).count();
        assert!(
            inside == 1 && host.serves.is_some_and(|r| r != revision),
            "seed {seed}: {host:?}"
        );
        assert_eq!(
            (&host.class, host.memory),
            (&demand.class, demand.limits.memory),
            "seed {seed}"
        );
        let body = Body {
            container: host.container,
            class: host.class.clone(),
            memory: host.memory,
            started: true,
            serves: Some(revision),
            leaving: false,
            slots: vec![Process::Missing; usize::from(demand.limits.concurrency.get())],
        };
        assert!(
            self.bodies.insert(worker, body).is_none(),
            "seed {seed}: {worker} twice"
        );
        self.retired.remove(&revision);
        self.reloads += 1;
    }

    fn promises_hold(&self, event: &Event) {
        let seed = self.seed;
        let containers: BTreeMap<_, _> = self.bodies.values().map(|b| (b.container, b.memory.bytes())).collect();
        let used: u64 = containers.values().sum();
        assert!(
            used <= self.policy.memory_budget,
            "seed {seed}: {used} bytes after {event:?}"
        );
        let waiting: usize = self.waiting.values().map(VecDeque::len).sum();
        assert_eq!(
            self.state.open_calls(),
            waiting + self.in_call.len(),
            "seed {seed}: after {event:?}"
        );
        assert!(
            self.waiting.values().all(|w| w.len() <= self.policy.queue_bound),
            "seed {seed}: queue"
        );
        for demand in &self.demands {
            let serving = |id: &&WorkerId| self.state.revision_of(**id) == Some(demand.revision);
            let count = self.bodies.keys().filter(serving).count();
            assert!(
                count <= usize::from(demand.limits.scale.max()),
                "seed {seed}: {count} after {event:?}"
            );
        }
        let known: Vec<_> = self.state.workers().iter().map(|w| w.worker).collect();
        assert_eq!(
            known,
            self.bodies.keys().copied().collect::<Vec<_>>(),
            "seed {seed}: after {event:?}"
        );
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..28 => self.acquire(),
            28..48 => self.work(8),
            48..70 => self.end_a_call(),
            70..75 => self.abandon(),
            75..78 => self.break_something(),
            78..80 => self.retire(),
            80..82 => self.change_prewarm(),
            82..84 => self.keep(),
            84..86 => self.detach(),
            86..90 => self.reload(),
            90..94 => self.tick(50),
            _ => self.tick(1500),
        }
    }

    fn acquire(&mut self) {
        let demand = self.dice.pick(&self.demands).expect("some demands");
        self.calls += 1;
        let call = CallId(self.calls);
        self.retired.remove(&demand.revision);
        self.waiting.entry(demand.revision).or_default().push_back(call);
        // The promise on the queue is about those who stay in it.
        let demand = demand.into();
        self.apply(Event::Acquire { call, demand });
    }

    /// One worker gets on: a start or a load ends, well or not.
    fn work(&mut self, failing: u64) {
        let unfinished =
            |b: &Body| !b.started || b.slots.iter().any(|s| matches!(s, Process::Missing | Process::Died(_)));
        let open: Vec<_> = self
            .bodies
            .iter()
            .filter(|(_, b)| unfinished(b))
            .map(|(id, _)| *id)
            .collect();
        let Some(worker) = self.dice.pick(&open) else { return };
        if self.dice.chance(failing) {
            let fatal = self.dice.chance(60);
            return self.gone(worker, fatal);
        }
        let body = self.bodies.get_mut(&worker).expect("just seen");
        if !body.started {
            body.started = true;
            return self.apply(Event::Started { worker });
        }
        let at = body
            .slots
            .iter()
            .position(|s| matches!(s, Process::Missing | Process::Died(_)))
            .expect("unfinished");
        body.slots[at] = match body.slots[at] {
            Process::Died(call) => Process::Replaced(call),
            _ => Process::Ready,
        };
        self.apply(Event::SlotReady {
            worker,
            slot: at as u16,
        });
    }

    fn end_a_call(&mut self) {
        let busy = self.slots_where(|s| in_call(s).is_some());
        let Some((worker, slot)) = self.dice.pick(&busy) else {
            return;
        };
        let clean = self.dice.chance(75);
        let process = &mut self.bodies.get_mut(&worker).expect("just seen").slots[usize::from(slot)];
        let (call, reusable, left) = match *process {
            Process::InCall(call) if clean => (call, true, Process::Ready),
            Process::InCall(call) | Process::Died(call) => (call, false, Process::Missing),
            Process::Replaced(call) => (call, false, Process::Ready),
            other => panic!("not in a call: {other:?}"),
        };
        *process = left;
        self.in_call.remove(&call);
        self.apply(Event::Released { worker, slot, reusable });
    }

    fn abandon(&mut self) {
        let all: Vec<_> = self
            .waiting
            .iter()
            .flat_map(|(r, w)| w.iter().map(|c| (*r, *c)))
            .collect();
        let Some((revision, call)) = self.dice.pick(&all) else {
            return;
        };
        self.waiting.entry(revision).or_default().retain(|c| *c != call);
        self.apply(Event::Abandon { call, revision });
    }

    fn break_something(&mut self) {
        let all: Vec<_> = self.bodies.keys().copied().collect();
        let ready = self.slots_where(|s| s == Process::Ready);
        let serving = self.slots_where(|s| matches!(s, Process::InCall(_)));
        match self.dice.below(3) {
            0 => self
                .dice
                .pick(&all)
                .into_iter()
                .for_each(|worker| self.gone(worker, false)),
            1 => self.dice.pick(&ready).into_iter().for_each(|(worker, slot)| {
                self.bodies.get_mut(&worker).expect("just seen").slots[usize::from(slot)] = Process::Missing;
                self.apply(Event::SlotLost { worker, slot });
            }),
            _ => self.dice.pick(&serving).into_iter().for_each(|(worker, slot)| {
                let process = &mut self.bodies.get_mut(&worker).expect("just seen").slots[usize::from(slot)];
                *process = in_call(*process).map_or(*process, Process::Died);
            }),
        }
    }

    fn gone(&mut self, worker: WorkerId, fatal: bool) {
        let body = self.bodies.remove(&worker).expect("it was there");
        for call in body.slots.iter().filter_map(|s| in_call(*s)) {
            self.in_call.remove(&call);
        }
        self.apply(Event::Gone { worker, fatal });
    }

    fn retire(&mut self) {
        let demand = self.dice.pick(&self.demands).expect("some demands");
        self.retired.insert(demand.revision);
        self.apply(Event::Retire {
            revision: demand.revision,
        });
    }

    fn keep(&mut self) {
        let demand = self.dice.pick(&self.demands).expect("some demands");
        let (revision, count) = (demand.revision, self.dice.below(5) as u16);
        if self.dice.chance(30) {
            return self.apply(Event::Relax { revision });
        }
        self.retired.remove(&revision);
        self.apply(Event::Keep {
            demand: Arc::new(demand),
            count,
        });
    }

    fn detach(&mut self) {
        let revision = self.dice.pick(&self.demands).expect("some demands").revision;
        let ours = |state: &State, id: &WorkerId| state.revision_of(*id) == Some(revision);
        let sent: Vec<_> = self.bodies.keys().filter(|id| ours(&self.state, id)).copied().collect();
        self.apply(Event::Detach { revision });
        for id in sent {
            let Some(body) = self.bodies.get_mut(&id) else { continue };
            let busy = body.slots.iter().any(|s| in_call(*s).is_some());
            assert!(busy, "seed {}: {id} stays idle after it was sent away", self.seed);
            body.leaving = true;
        }
    }

    fn reload(&mut self) {
        let pair = [self.demands[0].clone(), self.demands[4].clone()];
        let to = self.dice.below(2) as usize;
        let (from, demand) = (pair[1 - to].revision, Arc::new(pair[to].clone()));
        self.apply(Event::Reload { from, demand });
    }

    fn change_prewarm(&mut self) {
        let (class, count) = (some_class(&mut self.dice), self.dice.below(3) as usize);
        self.apply(Event::Prewarm { class, count });
    }

    fn tick(&mut self, most: u64) {
        self.now = self.now.plus(Duration::from_millis(self.dice.below(most)));
        self.apply(Event::Tick);
    }

    fn slots_where(&self, like: impl Fn(Process) -> bool) -> Vec<(WorkerId, u16)> {
        let slots = self
            .bodies
            .iter()
            .flat_map(|(id, b)| b.slots.iter().enumerate().map(|(n, s)| (*id, n as u16, *s)));
        slots.filter(|(_, _, s)| like(*s)).map(|(id, n, _)| (id, n)).collect()
    }

    /// Every start and load ends well, every call ends, no time goes by.
    fn settle(&mut self) {
        for _ in 0..400 {
            self.work(0);
            self.end_a_call();
        }
        self.tick(1);
    }

    fn end(&mut self) {
        let before = self.timed_out;
        (0..3).for_each(|_| self.settle());
        for revision in self.demands.iter().map(|d| d.revision).collect::<Vec<_>>() {
            self.apply(Event::Relax { revision });
        }
        (0..3).for_each(|_| self.settle());
        if self.demands.iter().all(|d| d.limits.scale.min() == 0) {
            self.nobody_waits("before time went by");
        }
        self.now = self.now.plus(Duration::from_millis(60_000));
        (0..3).for_each(|_| self.settle());
        self.nobody_waits("at the end");
        assert!(self.timed_out - before <= 4 * self.policy.queue_bound as u64);
        self.retired_are_gone();
        for revision in self.demands.iter().map(|d| d.revision).collect::<Vec<_>>() {
            self.retired.insert(revision);
            self.apply(Event::Retire { revision });
        }
        self.settle();
        self.retired_are_gone();
        assert!(
            self.state.groups.is_empty() && self.state.hungry.is_empty(),
            "seed {}: left over",
            self.seed
        );
    }

    fn nobody_waits(&self, when: &str) {
        assert_eq!(
            self.state.open_calls(),
            0,
            "seed {}: {when}: {:#?}",
            self.seed,
            self.state
        );
    }

    fn retired_are_gone(&self) {
        for worker in self.state.workers() {
            let over = worker.revision.is_some_and(|r| self.retired.contains(&r));
            assert!(!over, "seed {}: {worker:?} outlives its revision", self.seed);
        }
    }
}

fn in_call(process: Process) -> Option<CallId> {
    match process {
        Process::InCall(call) | Process::Died(call) | Process::Replaced(call) => Some(call),
        Process::Missing | Process::Ready => None,
    }
}

fn some_class(dice: &mut Dice) -> Class {
    class(if dice.chance(60) {
        Network::Outbound
    } else {
        Network::None
    })
}

fn some_policy(dice: &mut Dice) -> Policy {
    Policy {
        memory_budget: mib(160 + dice.below(400) as u32).bytes(),
        idle: Duration::from_millis(1000),
        queue_bound: 1 + dice.below(6) as usize,
        queue_timeout: Duration::from_millis(2000),
        start_concurrency: 1 + dice.below(3) as usize,
        prewarm_memory: mib(64),
        prewarm: BTreeMap::from([(some_class(dice), dice.below(3) as usize)]),
    }
}

/// Every other seed keeps no minimum: then nothing but the budget may hold a call back.
fn some_demand(letter: char, seed: u64, dice: &mut Dice) -> Demand {
    let max = 1 + dice.below(3) as u16;
    let min = if seed.is_multiple_of(2) {
        0
    } else {
        dice.below(u64::from(max) + 1) as u16
    };
    let (size, slots) = (32 + dice.below(129) as u32, 1 + dice.below(3) as u16);
    Demand {
        class: some_class(dice),
        ..demand(letter, size, slots, (min, max))
    }
}

#[test]
fn random_sequences_keep_every_promise() {
    let (mut calls, mut handed, mut reloads) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        (0..EVENTS).for_each(|_| world.step());
        world.end();
        calls += world.calls;
        handed += world.handed;
        reloads += world.reloads;
    }
    assert!(reloads * 3 > SEEDS, "the sequences do reload: {reloads}");
    assert!(handed * 3 > calls, "the sequences do serve calls: {handed} of {calls}");
}
