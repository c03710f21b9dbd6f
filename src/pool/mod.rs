//! Warm workers: starts containers, loads revisions into them and lends their slots to calls.
//!
//! `state` decides (pure), `worker` carries out for one container, `lease` is a slot in use, `frame` the wire,
//! `staging` the code trees on their way. Does not know what a call means, nor records it.

mod frame;
mod guest;
mod lease;
mod staging;
mod state;
mod worker;

pub use frame::{
    BodyHeader, Connection, Exited, Frame, FunctionError, INLINE_BODY, Incoming, InvokeHeader, Kind, Outgoing,
    ReplyHeader,
};
pub use guest::{ARGUMENTS_LIMIT, CallError, Caller, Exit, Listener, News, Program, RequestBody, Running, port};
pub use lease::{Death, Lease, Line};
pub use state::{Class, Demand, Policy, WorkerView};

use crate::domain::{Convention, Cors, Memory, RevisionId, RuntimeRef, Start, Temperature, Timestamp, WorkerId};
use crate::engine::{Engine, Rights};
use crate::task::{Shutdown, Supervisor, TaskKind};
use staging::Staging;
use state::{CallId, Command, Event, Refusal, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use worker::{Order, WorkerHandle};

/// How often the policy is told that time went by.
const TICK: Duration = Duration::from_millis(200);
/// How often containers that no worker knows are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// The call for which a worker was started goes first; only then a namespace is made in place of the one it took.
const AFTER_START: Duration = Duration::from_millis(100);

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Workers' directories and staged trees live below it; on the file system of the trees.
    pub directory: PathBuf,
    /// What the policy goes by.
    pub policy: Policy,
    /// Processes and threads per worker.
    pub pids: u32,
    /// Size of `/tmp` in a worker. Unit: bytes.
    pub tmp_bytes: u64,
    /// Open files per process.
    pub open_files: u32,
    /// From the container's creation to its shim's call.
    pub start_timeout: Duration,
    /// For importing user code.
    pub load_timeout: Duration,
    /// What a shim is granted beyond a deadline before we act.
    pub grace: Duration,
    /// Kept of what one call prints. Unit: bytes.
    pub log_limit: u64,
}

/// A revision, ready to be served: what a worker loads.
#[derive(Debug, Clone)]
pub struct Target {
    /// What the policy needs; shared, because every call brings it along.
    pub demand: Arc<Demand>,
    /// The extracted code; `None` when the image brings it.
    pub tree: Option<PathBuf>,
    /// Where the image has the code when it brings it.
    pub inside: Option<String>,
    /// A link that the placed code gets unless it has something of that name: the name at its top, and what it leads to.
    pub link: Option<(String, String)>,
    /// What the containers of a user's image may do; `None` where a shim loads the code.
    pub rights: Option<Rights>,
    /// How those containers are started.
    pub start: Start,
    /// Which pages of other origins may call it.
    pub cors: Option<Arc<Cors>>,
    /// Where user code begins.
    pub entry: String,
    /// How it is called.
    pub convention: Convention,
    /// The user's environment variables, secrets among them.
    pub env: Environment,
    /// For the user's code to know.
    pub function: String,
    /// For the user's code to know.
    pub namespace: String,
    /// The revision's number.
    pub version: u32,
}

/// Environment variables, secrets among them: only their names are ever printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    all: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
}

/// A shorter secret is in every text by chance. Unit: bytes.
const SHORTEST_SECRET: usize = 4;

impl Environment {
    /// All variables, and the names of those that are secret.
    #[must_use]
    pub fn new(all: BTreeMap<String, String>, secrets: BTreeSet<String>) -> Self {
        Self { all, secrets }
    }

    /// Whether a text holds the value of a secret.
    #[must_use]
    pub fn gives_away(&self, text: &[u8]) -> bool {
        let values = self.secrets.iter().filter_map(|name| self.all.get(name));
        let mut values = values
            .map(String::as_bytes)
            .filter(|value| value.len() >= SHORTEST_SECRET);
        values.any(|value| text.windows(value.len()).any(|part| part == value))
    }
}

impl From<BTreeMap<String, String>> for Environment {
    fn from(all: BTreeMap<String, String>) -> Self {
        Self::new(all, BTreeSet::new())
    }
}

impl std::ops::Deref for Environment {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.all.keys()).finish()
    }
}

/// How many workers to keep, from those there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescale {
    /// So many.
    To(u16),
    /// So many more.
    Up(u16),
    /// So many fewer, at least none.
    Down(u16),
}

impl Rescale {
    fn from(self, now: u16) -> u16 {
        match self {
            Self::To(count) => count,
            Self::Up(more) => now.saturating_add(more),
            Self::Down(fewer) => now.saturating_sub(fewer),
        }
    }
}

/// Why no slot could be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many calls wait; the number is the bound.
    #[error("{0} calls wait for this function already: raise max workers or concurrency, or ask again later")]
    QueueFull(usize),
    /// Waited too long.
    #[error("no worker of this function fell free in {0:?}: raise max workers or concurrency, or ask again later")]
    TimedOut(Duration),
    /// The memory budget cannot hold such a worker.
    #[error(
        "a worker of {0} MiB does not fit into the memory budget: lower the function's memory or raise pool.memory_budget_mib"
    )]
    OverBudget(u32),
    /// The user's code could not be loaded: the function's fault.
    #[error("the function's code could not be loaded")]
    Load(FunctionError, Vec<u8>),
    /// The container could not be started: ours.
    #[error("{message}")]
    Start {
        /// What to do.
        message: String,
        /// For the log.
        #[source]
        source: Option<Arc<crate::engine::Error>>,
    },
    /// The daemon is stopping.
    #[error("Hob is stopping: ask again when it is back")]
    Stopping,
}

/// Why a worker never came to serve.
#[derive(Debug, Clone)]
enum Failure {
    Load(FunctionError, Vec<u8>),
    Start {
        message: String,
        source: Option<Arc<crate::engine::Error>>,
    },
}

/// The pool; clones share it.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    engine: Arc<dyn Engine>,
    supervisor: Supervisor,
    /// The policy's time begins here.
    begun: Instant,
    options: Options,
    staging: Staging,
    /// A worker may have taken a network namespace.
    worker_started: Notify,
    /// An image was offered: for workers that wait for theirs.
    offered: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    calls: HashMap<CallId, oneshot::Sender<Result<Handed, Error>>>,
    slots: HashMap<(WorkerId, u16), Line>,
    workers: HashMap<WorkerId, WorkerHandle>,
    targets: HashMap<RevisionId, Arc<Target>>,
    /// Their targets go with their last worker: one that is on its way has its code to load, and then to leave.
    retired: HashSet<RevisionId>,
    images: BTreeMap<RuntimeRef, String>,
    failures: HashMap<RevisionId, Failure>,
    /// Containers that run for one call each, and the way to end them.
    one_shots: HashMap<WorkerId, Arc<Notify>>,
    next_call: u64,
    stopping: bool,
}

/// A slot on its way to a call.
struct Handed {
    worker: WorkerId,
    slot: u16,
    temperature: Temperature,
    line: Line,
    handle: WorkerHandle,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool.
    ///
    /// # Errors
    /// When its directories cannot be made.
    pub fn open(engine: Arc<dyn Engine>, supervisor: Supervisor, options: Options) -> std::io::Result<Self> {
        let workers = options.directory.join("workers");
        if workers.exists() {
            std::fs::remove_dir_all(&workers)?;
        }
        std::fs::create_dir_all(&workers)?;
        let staging = Staging::open(options.directory.join("staging"))?;
        let inner = Inner {
            state: State::new(options.policy.clone()),
            calls: HashMap::new(),
            slots: HashMap::new(),
            workers: HashMap::new(),
            targets: HashMap::new(),
            retired: HashSet::new(),
            images: BTreeMap::new(),
            failures: HashMap::new(),
            one_shots: HashMap::new(),
            next_call: 0,
            stopping: false,
        };
        Ok(Self(Arc::new(Shared {
            engine,
            supervisor,
            begun: Instant::now(),
            options,
            staging,
            worker_started: Notify::new(),
            offered: Notify::new(),
            inner: Mutex::new(inner),
        })))
    }

    /// Says which image a runtime's workers run, and how many stay pre-warmed.
    pub fn offer_runtime(&self, class: Class, image: String, prewarm: usize) {
        self.0.lock().images.insert(class.runtime.clone(), image);
        self.0.offered.notify_waiters();
        self.0.apply(Event::Prewarm { class, count: prewarm });
        self.0.worker_started.notify_one();
    }

    /// Takes a slot of the target: an idle one, a pre-warmed worker loaded for it, or a new container.
    ///
    /// Order: calls that wait are served first come, first served. Dropping the future gives the place up.
    /// # Errors
    /// See [`Error`]; nothing is held then.
    pub async fn acquire(&self, target: &Arc<Target>) -> Result<Lease, Error> {
        let revision = target.demand.revision;
        let (call, receiver) = match self.0.ask(target)? {
            Asked::Handed(handed) => return Ok(self.lease(handed)),
            Asked::Waits(call, receiver) => (call, receiver),
        };
        let mut place = Place {
            shared: &self.0,
            call,
            revision,
            open: true,
        };
        let answer = receiver.await;
        place.open = false;
        answer.map_err(|_| Error::Stopping)?.map(|handed| self.lease(handed))
    }

    /// Lays a copy of the target's code ready, so that the next worker loads it by a rename.
    pub async fn stage(&self, target: &Target) {
        let Some(tree) = target.tree.clone() else { return };
        let (shared, revision, link) = (Arc::clone(&self.0), target.demand.revision, target.link.clone());
        let done = tokio::task::spawn_blocking(move || shared.staging.prepare(revision, &tree, link.as_ref())).await;
        if let Ok(Err(e)) = done {
            tracing::warn!(revision.id = %revision, "Could not stage code: {e}; the next load takes longer");
        }
    }

    /// Begins to load the target beside the revision `from`, in a container of it, which serves on meanwhile. Does
    /// nothing where none is fit: they must differ in nothing but code and environment. Take a slot as ever to see
    /// how it ends.
    pub fn reload(&self, from: RevisionId, target: &Arc<Target>) {
        let mut inner = self.0.lock();
        if inner.stopping || target.rights.is_some() {
            return;
        }
        let demand = Arc::clone(&target.demand);
        inner
            .targets
            .entry(demand.revision)
            .or_insert_with(|| Arc::clone(target));
        self.0.apply_to(&mut inner, Event::Reload { from, demand });
    }

    /// Lets no new call in on this revision and its workers go as they fall idle.
    pub fn retire(&self, revision: RevisionId) {
        let mut inner = self.0.lock();
        inner.retired.insert(revision);
        self.0.apply_to(&mut inner, Event::Retire { revision });
        drop(inner);
        self.0.staging.forget(revision);
    }

    /// Keeps so many workers of the target from now on, at most its maximum, until the daemon ends. Missing ones are
    /// started in the background, idle ones above leave. Returns how many are kept.
    pub fn scale(&self, target: &Arc<Target>, change: Rescale) -> u16 {
        let (demand, max) = (target.demand.clone(), target.demand.limits.scale.max());
        let mut inner = self.0.lock();
        if inner.stopping {
            return 0;
        }
        let now = u16::try_from(inner.state.workers_of(demand.revision)).unwrap_or(max);
        let count = change.from(now).min(max);
        inner
            .targets
            .entry(demand.revision)
            .or_insert_with(|| Arc::clone(target));
        self.0.apply_to(&mut inner, Event::Keep { demand, count });
        count
    }

    /// Keeps no worker of this revision any more; those there are leave as they grow old.
    pub fn relax(&self, revision: RevisionId) {
        self.0.apply(Event::Relax { revision });
    }

    /// Sends every worker of this revision away: idle ones now, busy ones when their calls are over.
    pub fn detach(&self, revision: RevisionId) {
        self.0.apply(Event::Detach { revision });
    }

    /// Every worker, for people.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerView> {
        self.0.lock().state.workers()
    }

    /// Calls in a slot or waiting for one.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.0.lock().state.open_calls()
    }

    /// The room's settings.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Tells the policy that time goes by, and removes containers nobody knows, until shutdown.
    pub async fn run(self, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(TICK);
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                _ = tick.tick() => self.0.apply(Event::Tick),
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    /// Keeps network namespaces made ahead in the engine, for workers that calls wait for; removes them at shutdown.
    pub async fn keep_holders(self, shutdown: Shutdown) {
        let mut look = tokio::time::interval(SWEEP);
        let mut told = false;
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                _ = look.tick() => {}
                () = self.0.worker_started.notified() => tokio::time::sleep(AFTER_START).await,
            }
            let kept = self.keep_holders_now().await;
            if let (Err(e), false) = (&kept, told) {
                tracing::warn!("No network namespaces can be made ahead, new workers take longer: {e}");
            }
            told = kept.is_err();
        }
        if let Err(e) = self.0.engine.remove_holders().await {
            tracing::warn!("Network namespaces could not be removed: {e}");
        }
    }

    /// Out of any runtime's image; one without a shell cannot hold.
    async fn keep_holders_now(&self) -> Result<(), crate::engine::Error> {
        let images: Vec<String> = self.0.lock().images.values().cloned().collect();
        let mut last = Ok(());
        for image in images {
            last = self.0.engine.keep_holders(&image).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Removes every worker. Calls that still wait are refused.
    pub fn stop(&self) {
        let handles: Vec<_> = {
            let mut inner = self.0.lock();
            inner.stopping = true;
            inner.calls.clear();
            inner.one_shots.values().for_each(|end| end.notify_one());
            inner.workers.drain().map(|(_, handle)| handle).collect()
        };
        for handle in handles {
            handle.order(Order::Remove);
        }
    }

    /// Removes containers of our instance that no worker stands for: what a crash or a lost answer left.
    async fn sweep(&self) {
        let Ok(found) = self.0.engine.list().await else { return };
        let known = self.0.lock().known();
        for container in found {
            if !container.worker.is_some_and(|w| known.contains(&w)) {
                tracing::info!(container.id = %container.id, "Removing a container left by an earlier run");
                let _ = self.0.engine.remove(&container.id).await;
            }
        }
    }

    fn lease(&self, handed: Handed) -> Lease {
        Lease::new(Arc::clone(&self.0), handed)
    }
}

enum Asked {
    Handed(Handed),
    Waits(CallId, oneshot::Receiver<Result<Handed, Error>>),
}

/// A place in the queue; dropping it gives the place up.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    call: CallId,
    revision: RevisionId,
    open: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.open {
            self.shared.lock().calls.remove(&self.call);
            self.shared.apply(Event::Abandon {
                call: self.call,
                revision: self.revision,
            });
        }
    }
}

impl Shared {
    /// A few lines at a time and never across an await: a plain mutex is right.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time that only goes by: the policy measures patience and idleness, and the machine's clock may jump both ways.
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0).plus(self.begun.elapsed())
    }

    /// The image of a runtime, once it is offered: after a restart calls may come before it is.
    async fn image_of(&self, runtime: &RuntimeRef) -> String {
        loop {
            let offered = self.offered.notified();
            tokio::pin!(offered);
            offered.as_mut().enable();
            let known = self.lock().images.get(runtime).cloned();
            match known {
                Some(image) => return image,
                None => offered.await,
            }
        }
    }

    fn ask(self: &Arc<Self>, target: &Arc<Target>) -> Result<Asked, Error> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(Error::Stopping);
        }
        inner.next_call += 1;
        let call = CallId(inner.next_call);
        let event = Event::Acquire {
            call,
            demand: Arc::clone(&target.demand),
        };
        let commands = inner.state.on(event, self.now());
        if let [
            Command::Hand {
                worker,
                slot,
                temperature,
                ..
            },
        ] = commands[..]
        {
            let Some(handed) = inner.take_slot(worker, slot, temperature) else {
                let gone = inner.end_without(worker);
                self.apply_to(&mut inner, gone);
                return Err(no_slot());
            };
            return Ok(Asked::Handed(handed));
        }
        inner
            .targets
            .entry(target.demand.revision)
            .or_insert_with(|| Arc::clone(target));
        let (sender, receiver) = oneshot::channel();
        inner.calls.insert(call, sender);
        let events = self.carry_out(&mut inner, commands);
        drop(inner);
        events.into_iter().for_each(|event| self.apply(event));
        Ok(Asked::Waits(call, receiver))
    }

    /// Feeds the policy one event and carries out what it says, and what follows from that.
    fn apply(self: &Arc<Self>, event: Event) {
        self.apply_to(&mut self.lock(), event);
    }

    /// The same, for those who change something beside the policy that must be seen together.
    fn apply_to(self: &Arc<Self>, inner: &mut Inner, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let commands = inner.state.on(event, self.now());
            events.extend(self.carry_out(inner, commands));
        }
        inner.forget_retired();
    }

    fn carry_out(self: &Arc<Self>, inner: &mut Inner, commands: Vec<Command>) -> Vec<Event> {
        let mut events = Vec::new();
        for command in commands {
            match command {
                Command::Hand {
                    call,
                    worker,
                    slot,
                    temperature,
                } => {
                    events.extend(inner.hand(call, worker, slot, temperature));
                }
                Command::Refuse { call, why } => inner.refuse(call, why, &self.options),
                Command::Start { worker, class, memory } => self.start(inner, worker, class, memory),
                Command::Load { worker, revision } => inner.load(worker, revision),
                Command::Reload { worker, host, revision } => events.extend(inner.reload(worker, host, revision)),
                Command::Remove { worker } => inner.remove(worker),
            }
        }
        events
    }

    fn start(self: &Arc<Self>, inner: &mut Inner, worker: WorkerId, class: Class, memory: Memory) {
        if inner.stopping {
            return;
        }
        let (handle, orders) = WorkerHandle::new(worker);
        inner.workers.insert(worker, handle.clone());
        let guest = inner.target_of(worker).filter(|target| target.rights.is_some());
        let shared = Arc::clone(self);
        match guest {
            Some(target) => guest::start(shared, worker, target, handle, orders),
            None => {
                let life = worker::live(shared, worker, class, memory, handle, orders);
                self.supervisor.spawn(TaskKind::Worker, life);
            }
        }
    }
}

impl Inner {
    /// Whoever may have a container: workers, those that end, and those for one call.
    fn known(&self) -> HashSet<WorkerId> {
        let workers = self.state.workers().into_iter().map(|w| w.worker);
        let others = self.workers.keys().chain(self.one_shots.keys()).copied();
        workers.chain(others).collect()
    }

    fn take_slot(&mut self, worker: WorkerId, slot: u16, temperature: Temperature) -> Option<Handed> {
        let handle = self.workers.get(&worker)?.clone();
        let line = self.slots.remove(&(worker, slot))?;
        Some(Handed {
            worker,
            slot,
            temperature,
            line,
            handle,
        })
    }

    /// What the worker was started for; `None` for one that waits.
    fn target_of(&self, worker: WorkerId) -> Option<Arc<Target>> {
        let revision = self.state.revision_of(worker)?;
        self.targets.get(&revision).cloned()
    }

    /// Hands the slot over; when the call is gone by now, the slot comes back.
    fn hand(&mut self, call: CallId, worker: WorkerId, slot: u16, temperature: Temperature) -> Option<Event> {
        let Some(handed) = self.take_slot(worker, slot, temperature) else {
            if let Some(sender) = self.calls.remove(&call) {
                let _ = sender.send(Err(no_slot()));
            }
            return Some(self.end_without(worker));
        };
        let refused = match self.calls.remove(&call) {
            Some(sender) => sender.send(Ok(handed)).err().and_then(Result::ok),
            None => Some(handed),
        };
        self.slots.insert((worker, slot), refused?.line);
        Some(Event::Released {
            worker,
            slot,
            reusable: true,
        })
    }

    /// Ends a worker that lacks a slot which the policy counts on: left alone, the slot would be busy for ever.
    fn end_without(&mut self, worker: WorkerId) -> Event {
        self.remove(worker);
        Event::Gone { worker, fatal: false }
    }

    fn refuse(&mut self, call: CallId, why: Refusal, options: &Options) {
        let Some(sender) = self.calls.remove(&call) else { return };
        let error = match why {
            Refusal::QueueFull => Error::QueueFull(options.policy.queue_bound),
            Refusal::TimedOut(wait) => Error::TimedOut(wait),
            Refusal::OverBudget => {
                Error::OverBudget(u32::try_from(options.policy.memory_budget / 1_048_576).unwrap_or(u32::MAX))
            }
            Refusal::NoWorker(revision) => self.failure(revision),
        };
        let _ = sender.send(Err(error));
    }

    fn failure(&self, revision: RevisionId) -> Error {
        match self.failures.get(&revision).cloned() {
            Some(Failure::Load(error, log)) => Error::Load(error, log),
            Some(Failure::Start { message, source }) => Error::Start { message, source },
            None => no_slot(),
        }
    }

    fn forget_retired(&mut self) {
        let state = &self.state;
        for revision in self.retired.extract_if(|revision| !state.has(*revision)) {
            self.targets.remove(&revision);
            self.failures.remove(&revision);
        }
    }

    fn load(&mut self, worker: WorkerId, revision: RevisionId) {
        if let (Some(handle), Some(target)) = (self.workers.get(&worker), self.targets.get(&revision)) {
            handle.order(Order::Load(Arc::clone(target)));
        }
    }

    /// Loads the revision beside the host's; a container that is gone by now takes nobody in.
    fn reload(&mut self, worker: WorkerId, host: WorkerId, revision: RevisionId) -> Option<Event> {
        let (Some(host), Some(target)) = (self.workers.get(&host), self.targets.get(&revision)) else {
            return Some(Event::Gone { worker, fatal: false });
        };
        let handle = host.neighbour(worker);
        if !host.order(Order::Reload(worker, handle.clone(), Arc::clone(target))) {
            return Some(Event::Gone { worker, fatal: false });
        }
        self.workers.insert(worker, handle);
        None
    }

    fn remove(&mut self, worker: WorkerId) {
        self.slots.retain(|(owner, _), _| *owner != worker);
        if let Some(handle) = self.workers.get(&worker) {
            handle.order(Order::Remove);
        }
    }
}

fn no_slot() -> Error {
    Error::Start {
        message: "the worker ended before it could serve: try again".to_owned(),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Concurrency, Intake, Limits, Network, Scale, Timeout};
    use crate::engine::fake::FakeEngine;

    const LONG: Duration = Duration::from_secs(20);

    fn target() -> Arc<Target> {
        let class = Class {
            runtime: RuntimeRef {
                family: "r".to_owned(),
                version: "1".to_owned(),
            },
            network: Network::Outbound,
            image: None,
        };
        let limits = Limits {
            memory: Memory::from_mib(64).expect("in range"),
            timeout: Timeout::from_millis(1_000).expect("in range"),
            concurrency: Concurrency::new(1).expect("in range"),
            scale: Scale::new(0, 1).expect("in range"),
            network: Network::Outbound,
            cpu: None,
            intake: Intake::default(),
        };
        Arc::new(Target {
            demand: Arc::new(Demand {
                revision: RevisionId::generate(),
                class,
                limits,
            }),
            tree: None,
            inside: None,
            link: None,
            rights: None,
            start: Start::default(),
            cors: None,
            entry: String::new(),
            convention: Convention::Kwargs,
            env: Environment::default(),
            function: "f".to_owned(),
            namespace: "n".to_owned(),
            version: 1,
        })
    }

    fn pool(engine: &Arc<FakeEngine>, directory: PathBuf) -> Pool {
        let policy = Policy {
            memory_budget: 1 << 30,
            idle: LONG,
            queue_bound: 8,
            queue_timeout: LONG,
            start_concurrency: 1,
            prewarm_memory: Memory::from_mib(64).expect("in range"),
            prewarm: BTreeMap::new(),
        };
        let options = Options {
            directory,
            policy,
            pids: 16,
            tmp_bytes: 4096,
            open_files: 64,
            start_timeout: LONG,
            load_timeout: LONG,
            grace: LONG,
            log_limit: 1024,
        };
        let engine = Arc::clone(engine) as Arc<dyn Engine>;
        Pool::open(engine, Supervisor::new(Shutdown::new()), options).expect("its directories are made")
    }

    async fn within<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(LONG, future).await.expect("it comes soon")
    }

    #[tokio::test]
    async fn a_slot_that_is_not_there_ends_its_worker_and_answers_the_call() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let (engine, target) = (Arc::new(FakeEngine::silent()), target());
        let pool = pool(&engine, home.path().join("pool"));
        pool.offer_runtime(target.demand.class.clone(), "i".to_owned(), 0);
        let call = pool.acquire(&target);
        let claim_a_slot = async {
            tokio::task::yield_now().await;
            let worker = pool.workers()[0].worker;
            pool.0.apply(Event::Started { worker });
            pool.0.apply(Event::SlotReady { worker, slot: 0 });
        };
        let (answer, ()) = within(async { tokio::join!(call, claim_a_slot) }).await;
        assert!(matches!(answer, Err(Error::Start { .. })), "{answer:?}");
        assert_eq!((pool.workers().len(), pool.open_calls()), (0, 0));
    }

    #[tokio::test]
    async fn a_container_that_ends_before_its_shim_called_is_not_waited_for_and_its_last_words_are_told() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let script = ["sh", "-c", "echo no such library; exit 3"].map(str::to_owned);
        let (engine, target) = (Arc::new(FakeEngine::with_shim(script.to_vec())), target());
        let pool = pool(&engine, home.path().join("pool"));
        pool.offer_runtime(target.demand.class.clone(), "i".to_owned(), 0);
        let refused = within(pool.acquire(&target)).await.expect_err("it cannot serve");
        let words = refused.to_string();
        for part in ["ended with code 3 before its shim called", "no such library"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[tokio::test]
    async fn a_worker_that_starts_for_a_retired_revision_can_load_it_and_its_target_goes_with_it() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let (engine, target) = (Arc::new(FakeEngine::silent()), target());
        let pool = pool(&engine, home.path().join("pool"));
        pool.offer_runtime(target.demand.class.clone(), "i".to_owned(), 0);
        let (revision, known) = (target.demand.revision, || pool.0.lock().targets.len());
        let call = pool.acquire(&target);
        let retire_meanwhile = async {
            tokio::task::yield_now().await;
            let worker = pool.workers()[0].worker;
            pool.retire(revision);
            assert_eq!(known(), 1, "what the worker is to load is still known");
            pool.0.apply(Event::Gone { worker, fatal: true });
        };
        let (answer, ()) = within(async { tokio::join!(call, retire_meanwhile) }).await;
        assert!(answer.is_err());
        assert_eq!((known(), pool.0.lock().retired.len()), (0, 0));
    }

    #[tokio::test]
    async fn namespaces_are_made_for_a_runtime_and_after_a_start_and_removed_at_the_end() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let engine = Arc::new(FakeEngine::silent());
        let pool = pool(&engine, home.path().join("pool"));
        let shutdown = Shutdown::new();
        pool.offer_runtime(target().demand.class.clone(), "i".to_owned(), 0);
        let keeping = pool.clone().keep_holders(shutdown.child());
        let rounds = |n| {
            let engine = &engine;
            async move {
                while engine.counts().holder_rounds < n {
                    tokio::task::yield_now().await;
                }
            }
        };
        let ended = async {
            rounds(2).await;
            pool.0.worker_started.notify_one();
            rounds(3).await;
            shutdown.request();
        };
        within(async { tokio::join!(keeping, ended) }).await;
        assert_eq!(engine.counts().holder_removals, 1);
    }
}
