//! Which worker serves which call. Pure: events in, commands out; no clock, no engine, no sockets.
//!
//! Invariants, checked by random sequences below: a slot is handed to one call at a time; a worker serves
//! one revision for its whole life, and so does each of its slots' processes; a busy worker is never removed on purpose; every waiting call is
//! answered once; `max` workers and the memory budget hold; idle workers leave oldest first.

use crate::domain::{Limits, Memory, Network, RevisionId, RuntimeRef, Temperature, Timestamp, WorkerId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

mod reload;
mod scale;

/// One waiting or running call, as the pool knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CallId(pub(super) u64);

/// What pre-warmed workers are alike in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// Language environment.
    pub runtime: RuntimeRef,
    /// What it may reach; cannot change while it lives.
    pub network: Network,
    /// The image, where it is not the runtime's own: dependencies are in it, or all of the user's program.
    pub image: Option<String>,
}

/// What the policy needs to know of a revision.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Which revision.
    pub revision: RevisionId,
    /// Which pre-warmed workers fit.
    pub class: Class,
    /// Memory, slots and scale.
    pub limits: Limits,
}

/// The policy's settings.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Unit: bytes of declared worker memory, all workers together.
    pub memory_budget: u64,
    /// An idle worker above `min` leaves after this time.
    pub idle: Duration,
    /// Waiting calls per revision, at most.
    pub queue_bound: usize,
    /// A call waits at most this long for a slot.
    pub queue_timeout: Duration,
    /// Background starts at the same time, at most.
    pub start_concurrency: usize,
    /// Memory of a pre-warmed worker until it is loaded.
    pub prewarm_memory: Memory,
    /// How many stay pre-warmed, per class.
    pub prewarm: BTreeMap<Class, usize>,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A call wants a slot of a revision.
    Acquire {
        /// The call.
        call: CallId,
        /// What it wants.
        demand: Arc<Demand>,
    },
    /// A waiting call gave up.
    Abandon {
        /// The call.
        call: CallId,
        /// What it wanted.
        revision: RevisionId,
    },
    /// A call is over; the slot lives on only when it ended cleanly.
    Released {
        /// Whose slot.
        worker: WorkerId,
        /// Which slot.
        slot: u16,
        /// False destroys the slot: its process is replaced.
        reusable: bool,
    },
    /// A container answered: its shim dialled.
    Started {
        /// Which worker.
        worker: WorkerId,
    },
    /// A slot process has loaded the revision.
    SlotReady {
        /// Whose slot.
        worker: WorkerId,
        /// Which slot.
        slot: u16,
    },
    /// A slot process ended while nothing ran in it.
    SlotLost {
        /// Whose slot.
        worker: WorkerId,
        /// Which slot.
        slot: u16,
    },
    /// A worker is no more, or must not be used any more; why is for the calls that wait for it.
    Gone {
        /// Which worker.
        worker: WorkerId,
        /// Why, when calls that wait for this revision cannot succeed either.
        fatal: bool,
    },
    /// No new calls for this revision: its workers leave as they fall idle.
    Retire {
        /// Which revision.
        revision: RevisionId,
    },
    /// So many workers of a revision are kept from now on, at most its maximum; idle ones above that leave.
    Keep {
        /// Which revision.
        demand: Arc<Demand>,
        /// How many.
        count: u16,
    },
    /// No worker of this revision is kept any more; calls are welcome all the same.
    Relax {
        /// Which revision.
        revision: RevisionId,
    },
    /// All workers of this revision leave now, busy ones when their calls are over; later calls get new ones.
    Detach {
        /// Which revision.
        revision: RevisionId,
    },
    /// A revision is to be loaded beside the one that it replaces, in a container that is there; where none is fit for
    /// it, nothing happens, and its first call finds a worker as ever.
    Reload {
        /// What serves until now.
        from: RevisionId,
        /// What comes.
        demand: Arc<Demand>,
    },
    /// How many stay pre-warmed in a class from now on.
    Prewarm {
        /// Which class.
        class: Class,
        /// How many.
        count: usize,
    },
    /// Time went by.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// The call has this slot.
    Hand {
        /// The call.
        call: CallId,
        /// Whose slot.
        worker: WorkerId,
        /// Which slot.
        slot: u16,
        /// What the call met.
        temperature: Temperature,
    },
    /// The call gets no slot.
    Refuse {
        /// The call.
        call: CallId,
        /// Why.
        why: Refusal,
    },
    /// Start a container.
    Start {
        /// Its identity from now on.
        worker: WorkerId,
        /// What it is.
        class: Class,
        /// Its memory limit.
        memory: Memory,
    },
    /// Give the started worker its revision.
    Load {
        /// Which worker.
        worker: WorkerId,
        /// Which revision, for its whole life.
        revision: RevisionId,
    },
    /// Load a revision beside another one, into slots of its own in the same container.
    Reload {
        /// The new worker's identity.
        worker: WorkerId,
        /// The worker whose container it shares.
        host: WorkerId,
        /// Which revision, for its whole life.
        revision: RevisionId,
    },
    /// Remove the worker; its container goes with the last worker in it.
    Remove {
        /// Which worker.
        worker: WorkerId,
    },
}

/// Why a call gets no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many wait already.
    QueueFull,
    /// Waited too long for a busy revision.
    TimedOut(Duration),
    /// No worker of this revision could be started or loaded.
    NoWorker(RevisionId),
    /// The memory budget cannot ever hold such a worker.
    OverBudget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Absent,
    Idle,
    Busy { replaced: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Generic,
    Loading,
    Serving,
}

#[derive(Debug)]
struct Worker {
    class: Class,
    memory: Memory,
    phase: Phase,
    revision: Option<RevisionId>,
    origin: Temperature,
    slots: Vec<Slot>,
    idle_since: Timestamp,
    /// Takes no new call, and goes when those it has are over.
    leaving: bool,
    /// Whose container it is: that of the worker for which it was started.
    container: WorkerId,
}

impl Worker {
    fn is_busy(&self) -> bool {
        self.slots.iter().any(|s| matches!(s, Slot::Busy { .. }))
    }

    fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Generic) && !self.is_busy()
    }
}

#[derive(Debug)]
struct Waiting {
    call: CallId,
    since: Timestamp,
}

#[derive(Debug)]
struct Group {
    demand: Arc<Demand>,
    /// Idle slots, the last used on top, so that what is not needed grows old.
    idle: Vec<(WorkerId, u16)>,
    waiting: VecDeque<Waiting>,
    workers: BTreeSet<WorkerId>,
    /// Workers kept even when idle.
    floor: u16,
    /// Workers that failed one after the other; what is kept waits for it.
    pause: Pause,
    retired: bool,
}

/// How long to wait after workers that could not start, longer each time.
#[derive(Debug, Clone, Copy)]
struct Pause {
    failures: u32,
    until: Timestamp,
}

impl Pause {
    /// No failure yet.
    const NONE: Self = Self {
        failures: 0,
        until: Timestamp::from_millis(i64::MIN),
    };

    fn failed(&mut self, now: Timestamp) {
        self.failures = (self.failures + 1).min(6);
        self.until = now.plus(Duration::from_millis(250 << self.failures));
    }

    fn is_over(self, now: Timestamp) -> bool {
        now >= self.until
    }
}

impl Group {
    /// How long a call waits. A function's own limit is for workers that are busy: while none serves, all wait alike.
    fn wait(&self, workers: &HashMap<WorkerId, Worker>, usual: Duration) -> Duration {
        let serves = |id| workers.get(id).is_some_and(|w: &Worker| w.phase == Phase::Serving);
        let own = self.demand.limits.intake.wait;
        own.filter(|_| self.workers.iter().any(serves)).unwrap_or(usual)
    }

    fn new(demand: Arc<Demand>) -> Self {
        Self {
            floor: demand.limits.scale.min(),
            demand,
            idle: Vec::new(),
            waiting: VecDeque::new(),
            workers: BTreeSet::new(),
            pause: Pause::NONE,
            retired: false,
        }
    }
}

/// One worker, for people.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Its identity.
    pub worker: WorkerId,
    /// What it is.
    pub class: Class,
    /// What it serves; `None` while pre-warmed.
    pub revision: Option<RevisionId>,
    /// `starting`, `prewarmed`, `loading` or `ready`.
    pub state: &'static str,
    /// Calls it can serve at once.
    pub slots: usize,
    /// Calls it serves now.
    pub busy: usize,
    /// Its memory limit.
    pub memory: Memory,
}

/// The whole policy state.
#[derive(Debug)]
pub(super) struct State {
    policy: Policy,
    workers: HashMap<WorkerId, Worker>,
    groups: HashMap<RevisionId, Group>,
    hungry: BTreeSet<RevisionId>,
    /// Background starts that failed in a row, and when the next may be tried.
    /// Pre-warmed workers that failed.
    pause: Pause,
}

impl State {
    /// An empty pool.
    #[must_use]
    pub(in crate::pool) fn new(policy: Policy) -> Self {
        Self {
            policy,
            workers: HashMap::new(),
            groups: HashMap::new(),
            hungry: BTreeSet::new(),
            pause: Pause::NONE,
        }
    }

    /// Takes one event and says what to do, in order.
    pub(in crate::pool) fn on(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Acquire { call, demand } => self.acquire(call, demand, now, &mut out),
            Event::Abandon { call, revision } => self.abandon(call, revision),
            Event::Released { worker, slot, reusable } => {
                self.released(worker, slot, reusable, now, &mut out);
            }
            Event::Started { worker } => self.started(worker, now, &mut out),
            Event::SlotReady { worker, slot } => self.slot_ready(worker, slot, now, &mut out),
            Event::SlotLost { worker, slot } => self.slot_lost(worker, slot),
            Event::Gone { worker, fatal } => self.gone(worker, fatal, now, &mut out),
            Event::Retire { revision } => self.retire(revision, &mut out),
            Event::Keep { demand, count } => self.keep(demand, count, &mut out),
            Event::Relax { revision } => self.relax(revision),
            Event::Detach { revision } => self.detach(revision, &mut out),
            Event::Reload { from, demand } => self.reload(from, &demand, now, &mut out),
            Event::Prewarm { class, count } => {
                self.policy.prewarm.insert(class, count);
                self.refill(now, &mut out);
            }
            Event::Tick => self.tick(now, &mut out),
        }
        out
    }

    /// Every worker, for people.
    #[must_use]
    pub(in crate::pool) fn workers(&self) -> Vec<WorkerView> {
        let mut all: Vec<_> = self.workers.iter().map(|(id, w)| view(*id, w)).collect();
        all.sort_by_key(|w| w.worker);
        all
    }

    /// Whether the slot is in a call.
    #[must_use]
    pub(in crate::pool) fn is_busy(&self, worker: WorkerId, slot: u16) -> bool {
        let found = self.workers.get(&worker).and_then(|w| w.slots.get(usize::from(slot)));
        matches!(found, Some(Slot::Busy { .. }))
    }

    /// What the worker serves, once it is told.
    #[must_use]
    pub(in crate::pool) fn revision_of(&self, worker: WorkerId) -> Option<RevisionId> {
        self.workers.get(&worker)?.revision
    }

    /// Calls in a slot or waiting for one.
    #[must_use]
    pub(in crate::pool) fn open_calls(&self) -> usize {
        let busy: usize = self.workers.values().map(busy_slots).sum();
        busy + self.groups.values().map(|g| g.waiting.len()).sum::<usize>()
    }

    fn acquire(&mut self, call: CallId, demand: Arc<Demand>, now: Timestamp, out: &mut Vec<Command>) {
        let revision = demand.revision;
        if demand.limits.memory.bytes() > self.policy.memory_budget {
            return out.push(Command::Refuse {
                call,
                why: Refusal::OverBudget,
            });
        }
        let bound = self.policy.queue_bound;
        let group = self.group_of(demand);
        if let Some((worker, slot)) = group.idle.pop() {
            return self.hand(call, worker, slot, Temperature::Warm, out);
        }
        if group.waiting.len() >= bound {
            return out.push(Command::Refuse {
                call,
                why: Refusal::QueueFull,
            });
        }
        group.waiting.push_back(Waiting { call, since: now });
        self.hungry.insert(revision);
        self.scale(revision, out);
        self.refill(now, out);
    }

    fn abandon(&mut self, call: CallId, revision: RevisionId) {
        let Some(group) = self.groups.get_mut(&revision) else {
            return;
        };
        group.waiting.retain(|w| w.call != call);
        if group.waiting.is_empty() {
            self.hungry.remove(&revision);
        }
        self.forget_if_over(revision);
    }

    fn released(&mut self, id: WorkerId, slot: u16, reusable: bool, now: Timestamp, out: &mut Vec<Command>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(state) = worker.slots.get_mut(usize::from(slot)) else {
            return;
        };
        let Slot::Busy { replaced } = *state else { return };
        *state = if reusable || replaced { Slot::Idle } else { Slot::Absent };
        worker.idle_since = now;
        let (idle, revision) = (*state == Slot::Idle, worker.revision);
        let Some(revision) = revision else { return };
        if idle {
            self.offer(revision, id, slot, Temperature::Warm, out);
        }
        self.leave_if_told(revision, id, out);
        self.feed(out);
    }

    fn started(&mut self, id: WorkerId, now: Timestamp, out: &mut Vec<Command>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if worker.phase != Phase::Starting {
            return;
        }
        worker.idle_since = now;
        self.pause.failures = 0;
        match worker.revision {
            Some(revision) => {
                worker.phase = Phase::Loading;
                out.push(Command::Load { worker: id, revision });
            }
            None => {
                worker.phase = Phase::Generic;
                self.feed(out);
            }
        }
        self.refill(now, out);
    }

    fn slot_ready(&mut self, id: WorkerId, slot: u16, now: Timestamp, out: &mut Vec<Command>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(revision) = worker.revision else { return };
        let Some(state) = worker.slots.get_mut(usize::from(slot)) else {
            return;
        };
        match state {
            Slot::Busy { replaced } => *replaced = true,
            Slot::Idle => {}
            Slot::Absent => {
                *state = Slot::Idle;
                let first = worker.phase == Phase::Loading;
                worker.phase = Phase::Serving;
                worker.idle_since = now;
                let met = if first { worker.origin } else { Temperature::Warm };
                if let Some(group) = self.groups.get_mut(&revision) {
                    group.pause.failures = 0;
                }
                self.offer(revision, id, slot, met, out);
                self.leave_if_told(revision, id, out);
                self.feed(out);
            }
        }
    }

    fn slot_lost(&mut self, id: WorkerId, slot: u16) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(state) = worker.slots.get_mut(usize::from(slot)) else {
            return;
        };
        match state {
            Slot::Busy { replaced } => *replaced = false,
            Slot::Idle | Slot::Absent => *state = Slot::Absent,
        }
        if let Some(group) = worker.revision.and_then(|r| self.groups.get_mut(&r)) {
            group.idle.retain(|entry| *entry != (id, slot));
        }
    }

    fn gone(&mut self, id: WorkerId, fatal: bool, now: Timestamp, out: &mut Vec<Command>) {
        let Some(revision) = self.drop_worker(id) else { return };
        if fatal && revision.is_none() {
            self.pause.failed(now);
        }
        if let Some(revision) = revision {
            if fatal {
                if let Some(group) = self.groups.get_mut(&revision) {
                    group.pause.failed(now);
                }
                self.refuse_all(revision, Refusal::NoWorker(revision), out);
            }
            self.forget_if_over(revision);
        }
        self.feed(out);
        self.refill(now, out);
    }

    fn retire(&mut self, revision: RevisionId, out: &mut Vec<Command>) {
        let Some(group) = self.groups.get_mut(&revision) else {
            return;
        };
        group.retired = true;
        for id in group.workers.clone() {
            self.leave_if_told(revision, id, out);
        }
        self.forget_if_over(revision);
        self.feed(out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        self.time_out_waiting(now, out);
        self.remove_idle(now, out);
        self.keep_min(now, out);
        self.feed(out);
        self.refill(now, out);
    }

    /// Gives a free slot to the call that waits longest, or lays it aside.
    fn offer(&mut self, revision: RevisionId, id: WorkerId, slot: u16, met: Temperature, out: &mut Vec<Command>) {
        let leaving = self.workers.get(&id).is_some_and(|w| w.leaving);
        let Some(group) = self.groups.get_mut(&revision).filter(|_| !leaving) else {
            return;
        };
        let next = group.waiting.pop_front();
        if group.waiting.is_empty() {
            self.hungry.remove(&revision);
        }
        match next {
            Some(waiting) => self.hand(waiting.call, id, slot, met, out),
            None => group.idle.push((id, slot)),
        }
    }

    fn hand(&mut self, call: CallId, id: WorkerId, slot: u16, temperature: Temperature, out: &mut Vec<Command>) {
        if let Some(state) = self
            .workers
            .get_mut(&id)
            .and_then(|w| w.slots.get_mut(usize::from(slot)))
        {
            *state = Slot::Busy { replaced: false };
        }
        out.push(Command::Hand {
            call,
            worker: id,
            slot,
            temperature,
        });
    }

    /// Brings up workers until each waiting call has a slot in sight, or a bound is met.
    fn scale(&mut self, revision: RevisionId, out: &mut Vec<Command>) {
        while let Some(demand) = self.wants_worker(revision) {
            if !self.take_generic(&demand, out) && !self.start_for(&demand, out) {
                return;
            }
        }
    }

    fn wants_worker(&self, revision: RevisionId) -> Option<Arc<Demand>> {
        let group = self.groups.get(&revision)?;
        let coming: usize = group
            .workers
            .iter()
            .filter_map(|id| self.workers.get(id))
            .map(coming_slots)
            .sum();
        let limits = &group.demand.limits;
        let wanted = coming < group.waiting.len() && group.workers.len() < usize::from(limits.scale.max());
        wanted.then(|| Arc::clone(&group.demand))
    }

    fn take_generic(&mut self, demand: &Demand, out: &mut Vec<Command>) -> bool {
        let extra = demand
            .limits
            .memory
            .bytes()
            .saturating_sub(self.policy.prewarm_memory.bytes());
        let fits = |w: &Worker| w.phase == Phase::Generic && w.class == demand.class;
        let found = self.workers.iter().filter(|(_, w)| fits(w)).map(|(id, _)| *id).min();
        let Some(id) = found else { return false };
        if !self.make_room(extra, Some(id), out) {
            return false;
        }
        let Some(worker) = self.workers.get_mut(&id) else {
            return false;
        };
        worker.phase = Phase::Loading;
        worker.origin = Temperature::Prewarmed;
        self.assign(id, demand);
        out.push(Command::Load {
            worker: id,
            revision: demand.revision,
        });
        true
    }

    fn start_for(&mut self, demand: &Demand, out: &mut Vec<Command>) -> bool {
        if !self.make_room(demand.limits.memory.bytes(), None, out) {
            return false;
        }
        let id = self.add_worker(demand.class.clone(), demand.limits.memory, out);
        self.assign(id, demand);
        true
    }

    fn add_worker(&mut self, class: Class, memory: Memory, out: &mut Vec<Command>) -> WorkerId {
        let id = WorkerId::generate();
        let worker = Worker {
            class: class.clone(),
            memory,
            phase: Phase::Starting,
            revision: None,
            origin: Temperature::Cold,
            slots: Vec::new(),
            idle_since: Timestamp::from_millis(0),
            leaving: false,
            container: id,
        };
        self.workers.insert(id, worker);
        out.push(Command::Start {
            worker: id,
            class,
            memory,
        });
        id
    }

    fn assign(&mut self, id: WorkerId, demand: &Demand) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.revision = Some(demand.revision);
            worker.memory = demand.limits.memory;
            worker.slots = vec![Slot::Absent; usize::from(demand.limits.concurrency.get())];
        }
        if let Some(group) = self.groups.get_mut(&demand.revision) {
            group.workers.insert(id);
        }
    }

    /// Removes idle workers, oldest first, until `bytes` more fit into the budget; none if they cannot fit.
    fn make_room(&mut self, bytes: u64, spare: Option<WorkerId>, out: &mut Vec<Command>) -> bool {
        let mut over = (self.used() + bytes).saturating_sub(self.policy.memory_budget);
        let mut oldest: Vec<_> = self.workers.iter().filter(|(id, _)| Some(**id) != spare).collect();
        oldest.sort_by_key(|(id, w)| (w.idle_since, **id));
        let mut leaving = Vec::new();
        for (id, worker) in oldest {
            let frees = !self.shares(worker);
            if over > 0 && frees && !self.is_awaited(worker) && self.may_leave(worker, &leaving) {
                over = over.saturating_sub(worker.memory.bytes());
                leaving.push(*id);
            }
        }
        if over == 0 {
            leaving.into_iter().for_each(|id| self.remove(id, out));
        }
        over == 0
    }

    /// Calls wait for its revision: its slots are about to serve them.
    fn is_awaited(&self, worker: &Worker) -> bool {
        worker.revision.is_some_and(|r| self.hungry.contains(&r))
    }

    /// Workers of one container share its memory.
    fn used(&self) -> u64 {
        let containers: HashMap<WorkerId, u64> =
            self.workers.values().map(|w| (w.container, w.memory.bytes())).collect();
        containers.values().sum()
    }

    /// Idle, and not needed to keep its revision's minimum once those `leaving` are gone.
    fn may_leave(&self, worker: &Worker, leaving: &[WorkerId]) -> bool {
        if !worker.is_idle() {
            return false;
        }
        let Some(group) = worker.revision.and_then(|r| self.groups.get(&r)) else {
            return true;
        };
        let staying = group.workers.iter().filter(|id| !leaving.contains(id)).count();
        group.retired || staying > usize::from(group.floor)
    }

    /// A worker that serves a revision, or a pre-warmed one above the number to keep.
    fn is_surplus(&self, worker: &Worker) -> bool {
        let kept = self.policy.prewarm.get(&worker.class).copied().unwrap_or(0);
        worker.revision.is_some() || self.spare(&worker.class) > kept
    }

    fn remove(&mut self, id: WorkerId, out: &mut Vec<Command>) {
        let revision = self.drop_worker(id).flatten();
        out.push(Command::Remove { worker: id });
        revision.into_iter().for_each(|r| self.forget_if_over(r));
    }

    /// Forgets a worker; answers its revision, or `None` when it was not known.
    #[expect(
        clippy::option_option,
        reason = "known without a revision and not known are two things"
    )]
    fn drop_worker(&mut self, id: WorkerId) -> Option<Option<RevisionId>> {
        let worker = self.workers.remove(&id)?;
        if let Some(group) = worker.revision.and_then(|r| self.groups.get_mut(&r)) {
            group.workers.remove(&id);
            group.idle.retain(|(owner, _)| *owner != id);
        }
        Some(worker.revision)
    }

    fn refuse_all(&mut self, revision: RevisionId, why: Refusal, out: &mut Vec<Command>) {
        self.hungry.remove(&revision);
        let Some(group) = self.groups.get_mut(&revision) else {
            return;
        };
        out.extend(group.waiting.drain(..).map(|w| Command::Refuse { call: w.call, why }));
        if group.workers.is_empty() {
            // Its minimum is not kept before the next call, or a failing worker would be started for ever.
            self.groups.remove(&revision);
        }
    }

    /// A worker goes when it falls idle and its revision is retired, or it has been sent away itself.
    fn leave_if_told(&mut self, revision: RevisionId, id: WorkerId, out: &mut Vec<Command>) {
        let retired = self
            .groups
            .get(&revision)
            .is_some_and(|g| g.retired && g.waiting.is_empty());
        let goes = |w: &Worker| w.is_idle() && (retired || w.leaving);
        if self.workers.get(&id).is_some_and(goes) {
            self.remove(id, out);
        }
    }

    fn forget_if_over(&mut self, revision: RevisionId) {
        let needed = |g: &Group| !g.retired && g.floor > 0;
        let over = |g: &Group| g.workers.is_empty() && g.waiting.is_empty() && !needed(g);
        if self.groups.get(&revision).is_some_and(over) {
            self.groups.remove(&revision);
            self.hungry.remove(&revision);
        }
    }

    fn time_out_waiting(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        for revision in self.hungry.clone() {
            let Some(group) = self.groups.get_mut(&revision) else {
                continue;
            };
            let wait = group.wait(&self.workers, self.policy.queue_timeout);
            let late = |w: &Waiting| now.since(w.since) >= wait;
            while let Some(waiting) = group.waiting.pop_front_if(|w| late(w)) {
                out.push(Command::Refuse {
                    call: waiting.call,
                    why: Refusal::TimedOut(wait),
                });
            }
            if group.waiting.is_empty() {
                self.hungry.remove(&revision);
            }
            self.forget_if_over(revision);
        }
    }

    fn remove_idle(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let idle = self.policy.idle;
        let mut old: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, w)| w.is_idle() && now.since(w.idle_since) >= idle)
            .map(|(id, w)| (w.idle_since, *id))
            .collect();
        old.sort_unstable();
        for (_, id) in old {
            if self
                .workers
                .get(&id)
                .is_some_and(|w| self.is_surplus(w) && self.may_leave(w, &[]))
            {
                self.remove(id, out);
            }
        }
    }

    fn keep_min(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let low = |g: &&Group| !g.retired && g.workers.len() < usize::from(g.floor) && g.pause.is_over(now);
        let low = self.groups.values().filter(low);
        let demands: Vec<_> = low.map(|g| Arc::clone(&g.demand)).collect();
        for demand in demands {
            if !self.take_generic(&demand, out) {
                self.start_for(&demand, out);
            }
        }
    }

    /// Lets every revision with waiting calls look again for workers.
    fn feed(&mut self, out: &mut Vec<Command>) {
        for revision in self.hungry.clone() {
            self.scale(revision, out);
        }
    }

    fn refill(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        if !self.pause.is_over(now) {
            return;
        }
        let classes: Vec<_> = self.policy.prewarm.iter().map(|(c, n)| (c.clone(), *n)).collect();
        for (class, count) in classes {
            while self.starting() < self.policy.start_concurrency && self.spare(&class) < count {
                let memory = self.policy.prewarm_memory;
                if self.used() + memory.bytes() > self.policy.memory_budget {
                    return;
                }
                self.add_worker(class.clone(), memory, out);
            }
        }
    }

    fn starting(&self) -> usize {
        self.workers.values().filter(|w| w.phase == Phase::Starting).count()
    }

    fn spare(&self, class: &Class) -> usize {
        self.workers
            .values()
            .filter(|w| w.revision.is_none() && w.class == *class)
            .count()
    }
}

fn coming_slots(worker: &Worker) -> usize {
    if worker.leaving {
        return 0;
    }
    match worker.phase {
        Phase::Starting | Phase::Loading => worker.slots.len(),
        Phase::Serving => worker.slots.iter().filter(|s| **s == Slot::Absent).count(),
        Phase::Generic => 0,
    }
}

fn busy_slots(worker: &Worker) -> usize {
    worker.slots.iter().filter(|s| matches!(s, Slot::Busy { .. })).count()
}

fn view(worker: WorkerId, w: &Worker) -> WorkerView {
    WorkerView {
        worker,
        class: w.class.clone(),
        revision: w.revision,
        state: match w.phase {
            Phase::Starting => "starting",
            Phase::Generic => "prewarmed",
            Phase::Loading => "loading",
            Phase::Serving => "ready",
        },
        slots: w.slots.len(),
        busy: busy_slots(w),
        memory: w.memory,
    }
}

#[cfg(test)]
mod tests;
