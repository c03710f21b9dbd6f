//! A container's life: its directory and socket, its shim's connections, its end. One worker is in it, and a second one
//! while code is reloaded beside the old.
//!
//! Decides nothing about calls: it tells the policy what happened and does what it is told.

use super::frame::{
    CancelHeader, Connection, Exited, Frame, FunctionError, FunctionHeader, Hello, Kind, LoadHeader, Loaded, PROTOCOL,
    SlotsHeader,
};
use super::lease::{Death, Line};
use super::state::{Class, Event};
use super::{Failure, Shared, Target};
use crate::domain::{Memory, WorkerId};
use crate::engine::{self, ContainerId, ContainerStatus, WorkerSpec};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// A connection says hello within this time, or is closed.
const HELLO: Duration = Duration::from_secs(2);
/// Removing a container is tried this often; what is left then, the sweep finds.
const REMOVALS: u32 = 3;
/// Kept of what code prints while it is loaded. Unit: bytes.
const LOAD_LOG: usize = 64 * 1024;
/// The name of the code in a worker's directory; of code that replaces it, with a number.
const CODE: &str = "code";
/// A Unix socket's address holds fewer bytes than this on every system.
const SOCKET_PATH: usize = 104;

/// What a worker is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Load(Arc<Target>),
    /// Take another worker in: it loads the target into slots of its own.
    Reload(WorkerId, WorkerHandle, Arc<Target>),
    Cancel(u16),
    /// Say by the board what became of the slot's call.
    Examine(u16),
    /// Serve the calls that run, and then no more.
    Drain,
    /// The worker goes, and its container unless another worker is in it.
    Remove,
    /// The container goes, whoever is in it.
    End,
}

/// The way to a living worker, and the news of its slots' deaths.
#[derive(Debug, Clone)]
pub(super) struct WorkerHandle {
    worker: WorkerId,
    orders: mpsc::UnboundedSender<(WorkerId, Order)>,
    board: Arc<Board>,
}

/// What a container is told, by the workers in it.
#[derive(Debug)]
pub(super) struct Orders(mpsc::UnboundedReceiver<(WorkerId, Order)>);

impl Orders {
    /// The next order to whoever is alone in its container.
    pub(super) async fn recv(&mut self) -> Option<Order> {
        self.0.recv().await.map(|(_, order)| order)
    }

    /// Takes no more orders; answers the workers that were still to be taken in.
    fn close(&mut self) -> Vec<WorkerHandle> {
        self.0.close();
        let mut turned_away = Vec::new();
        while let Ok((_, order)) = self.0.try_recv() {
            if let Order::Reload(_, handle, _) = order {
                turned_away.push(handle);
            }
        }
        turned_away
    }
}

#[derive(Debug, Default)]
struct Board {
    deaths: Mutex<HashMap<u16, Exited>>,
    gone: Mutex<Option<String>>,
    news: Notify,
    load_us: AtomicU64,
}

impl WorkerHandle {
    pub(super) fn new(worker: WorkerId) -> (Self, Orders) {
        let (orders, receiver) = mpsc::unbounded_channel();
        let handle = Self {
            worker,
            orders,
            board: Arc::default(),
        };
        (handle, Orders(receiver))
    }

    /// The way to another worker of the same container.
    pub(super) fn neighbour(&self, worker: WorkerId) -> Self {
        Self {
            worker,
            orders: self.orders.clone(),
            board: Arc::default(),
        }
    }

    /// A worker that has ended needs no orders; `false` says that it has.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.send((self.worker, order)).is_ok()
    }

    pub(super) fn set_load_time(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.board.load_us.store(micros, Ordering::Relaxed);
    }

    /// Tells whoever waits for the slot how its call ended.
    pub(super) fn slot_died(&self, exited: Exited) {
        self.board.slot_died(exited);
    }

    pub(super) fn load_time(&self) -> Duration {
        Duration::from_micros(self.board.load_us.load(Ordering::Relaxed))
    }

    /// Waits until the slot's process, or the worker, has ended.
    pub(super) async fn death(&self, slot: u16) -> Death {
        loop {
            let news = self.board.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(death) = self.board.look(slot) {
                return death;
            }
            news.await;
        }
    }
}

impl Board {
    fn look(&self, slot: u16) -> Option<Death> {
        let died = self.deaths.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
        let gone = || self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        died.map(Death::Slot).or_else(|| gone().map(Death::Worker))
    }

    fn slot_died(&self, exited: Exited) {
        self.deaths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(exited.slot, exited);
        self.news.notify_waiters();
    }

    fn worker_gone(&self, why: String) {
        self.gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
        self.news.notify_waiters();
    }
}

/// Why a worker's life ends.
pub(super) enum End {
    /// Told to.
    Removed,
    /// Its user code does not load.
    LoadFailed(FunctionError, Vec<u8>),
    /// Its container did not start.
    StartFailed(String, Option<Arc<engine::Error>>),
    /// It died or broke the contract.
    Broke(String),
}

impl End {
    /// The same for whoever shares the container.
    fn for_neighbour(&self) -> Self {
        match self {
            Self::Removed => Self::Removed,
            Self::Broke(why) | Self::StartFailed(why, _) => Self::Broke(why.clone()),
            Self::LoadFailed(error, _) => Self::Broke(error.message.clone()),
        }
    }
}

/// A container with its first worker, from its creation to its removal.
pub(super) async fn live(
    shared: Arc<Shared>,
    id: WorkerId,
    class: Class,
    memory: Memory,
    handle: WorkerHandle,
    orders: Orders,
) {
    let directory = shared.options.directory.join("workers").join(id.to_string());
    let mut life = Life {
        shared: Arc::clone(&shared),
        id,
        directory: directory.clone(),
        token: uuid::Uuid::new_v4().to_string(),
        container: None,
        lanes: Vec::new(),
        n_slots: 1,
        n_placed: 0,
        cpu_limited: false,
        idle: HashMap::new(),
        loading: FuturesUnordered::new(),
        in_load: HashSet::new(),
        greeting: FuturesUnordered::new(),
        handle: handle.clone(),
        orders,
    };
    let end = life.run(class, memory).await;
    let lanes = std::mem::take(&mut life.lanes);
    let turned_away = life.orders.close();
    let others = turned_away.iter().map(|handle| handle.worker);
    let ids: Vec<WorkerId> = lanes.iter().map(|lane| lane.id).chain(others).chain([id]).collect();
    for handle in turned_away {
        let why = "the container that it was to share has ended".to_owned();
        report(&shared, handle.worker, &handle, End::Broke(why));
    }
    match lanes.split_first() {
        Some((first, others)) => {
            let neighbours = others
                .iter()
                .map(|lane| (lane, end.for_neighbour()))
                .collect::<Vec<_>>();
            report(&shared, first.id, &first.handle, end);
            neighbours
                .into_iter()
                .for_each(|(lane, end)| report(&shared, lane.id, &lane.handle, end));
        }
        None => report(&shared, id, &handle, end),
    }
    let container = life.container.take();
    drop(life);
    if let Some(container) = container {
        remove(&shared, &container).await;
    }
    let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    shared.lock().workers.retain(|worker, _| !ids.contains(worker));
}

pub(super) async fn remove(shared: &Shared, container: &ContainerId) {
    for _ in 0..REMOVALS {
        match shared.engine.remove(container).await {
            Ok(()) => return,
            Err(e) => tracing::warn!(container.id = %container, "Could not remove a container: {e}"),
        }
    }
}

/// A worker's slot, by its number in the container.
type Place = (WorkerId, u16);

type Loading = BoxFuture<'static, (Place, Connection, io::Result<(Loaded, Vec<u8>)>)>;

type Greeting = BoxFuture<'static, Option<(Hello, Connection)>>;

struct Life {
    shared: Arc<Shared>,
    id: WorkerId,
    directory: PathBuf,
    token: String,
    container: Option<ContainerId>,
    /// The workers in it: none before a load, two while code is reloaded.
    lanes: Vec<Lane>,
    /// How many slots the shim keeps alive.
    n_slots: u16,
    /// How often code has been placed.
    n_placed: u32,
    cpu_limited: bool,
    /// Slots that have said hello and not been loaded.
    idle: HashMap<u16, Connection>,
    loading: FuturesUnordered<Loading>,
    in_load: HashSet<Place>,
    /// Accepted connections that have not said hello.
    greeting: FuturesUnordered<Greeting>,
    handle: WorkerHandle,
    orders: Orders,
}

impl Life {
    async fn run(&mut self, class: Class, memory: Memory) -> End {
        let started = timeout(self.shared.options.start_timeout, self.start(class, memory)).await;
        let (listener, control) = match started {
            Ok(Ok(up)) => up,
            Ok(Err(end)) => return end,
            Err(_) => return self.start_timed_out().await,
        };
        self.shared.worker_started.notify_one();
        self.shared.apply(Event::Started { worker: self.id });
        self.serve(listener, control, memory).await
    }

    async fn start(&mut self, class: Class, memory: Memory) -> Result<(UnixListener, Connection), End> {
        let image = match &class.image {
            Some(image) => image.clone(),
            None => self.await_image(&class).await?,
        };
        let listener = self
            .listen()
            .map_err(|e| End::StartFailed(format!("a worker's socket cannot be made: {e}"), None))?;
        let spec = self.spec(&class, memory, image);
        let shared = Arc::clone(&self.shared);
        let container = shared.engine.start_worker(&spec).await.map_err(start_failed)?;
        self.container = Some(container.clone());
        let control = tokio::select! {
            met = self.meet(&listener) => met?,
            Ok(status) = shared.engine.wait(&container) => return Err(self.ended_early(status).await),
        };
        Ok((listener, control))
    }

    async fn ended_early(&mut self, status: ContainerStatus) -> End {
        let how = status.ending();
        let tail = self.last_words().await;
        End::StartFailed(format!("the container {how} before its shim called{tail}"), None)
    }

    fn listen(&self) -> io::Result<UnixListener> {
        std::fs::create_dir_all(&self.directory)?;
        let socket = self.directory.join("sock");
        let listener = bind(&self.directory)?;
        // The worker's user is not ours; nobody else reaches the directory.
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777))?;
        std::fs::set_permissions(&self.directory, std::fs::Permissions::from_mode(0o755))?;
        Ok(listener)
    }

    fn spec(&self, class: &Class, memory: Memory, image: String) -> WorkerSpec {
        let options = &self.shared.options;
        let inside = self.shared.engine.worker_path(&self.directory);
        let env = vec![
            ("HOB_DIAL".to_owned(), format!("unix:{}", inside.join("sock").display())),
            ("HOB_TOKEN".to_owned(), self.token.clone()),
        ];
        WorkerSpec {
            worker: self.id,
            image,
            directory: self.directory.clone(),
            env,
            memory,
            pids: options.pids,
            tmp_bytes: options.tmp_bytes,
            open_files: options.open_files,
            network: class.network,
            awaited: self.is_awaited(),
            labels: BTreeMap::new(),
        }
    }

    /// Whether it was started for a revision, and not to lie ready.
    fn is_awaited(&self) -> bool {
        self.shared.lock().state.revision_of(self.id).is_some()
    }

    /// Waits until the supervisor and its first slot have dialled; stops early when told to.
    async fn meet(&mut self, listener: &UnixListener) -> Result<Connection, End> {
        let mut control = None;
        loop {
            if let (Some(_), false) = (&control, self.idle.is_empty()) {
                break;
            }
            tokio::select! {
                accepted = listener.accept() => self.greet(accepted),
                Some(greeted) = self.greeting.next() => match greeted {
                    Some((hello, connection)) if hello.role == "control" => control = Some(connection),
                    Some((hello, connection)) => { self.idle.insert(hello.slot, connection); }
                    None => {}
                },
                order = self.orders.recv() => if matches!(order, Some(Order::Remove | Order::End) | None) { return Err(End::Removed) },
            }
        }
        control.ok_or_else(|| End::Broke("the shim did not dial".to_owned()))
    }

    fn greet(&self, accepted: io::Result<(UnixStream, tokio::net::unix::SocketAddr)>) {
        if let Ok((stream, _)) = accepted {
            self.greeting.push(Box::pin(greeting(stream, self.token.clone())));
        }
    }

    /// The runtime's image, as soon as it is made; stops early when told to.
    async fn await_image(&mut self, class: &Class) -> Result<String, End> {
        let limit = self.shared.options.start_timeout / 2;
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            image = timeout(limit, shared.image_of(&class.runtime)) => image.map_err(|_| {
                End::StartFailed(format!("runtime {} has no image yet: ask again soon", class.runtime), None)
            }),
            _ = self.orders.recv() => Err(End::Removed),
        }
    }

    async fn start_timed_out(&mut self) -> End {
        let limit = self.shared.options.start_timeout;
        let tail = self.last_words().await;
        End::StartFailed(
            format!(
                "a worker did not answer within {limit:?}: see `hob status`, and raise pool.start_timeout_seconds if the machine is slow{tail}"
            ),
            None,
        )
    }

    async fn serve(&mut self, listener: UnixListener, mut control: Connection, memory: Memory) -> End {
        loop {
            let step = tokio::select! {
                order = self.orders.0.recv() => match order {
                    Some((worker, order)) => self.obey(worker, order, &mut control, memory).await,
                    None => Err(End::Removed),
                },
                frame = control.receive() => self.hear(frame).await,
                Some(loaded) = self.loading.next() => self.loaded(loaded, &mut control).await,
                accepted = listener.accept() => { self.greet(accepted); Ok(()) }
                Some(greeted) = self.greeting.next() => { self.welcome(greeted); Ok(()) }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn obey(
        &mut self,
        worker: WorkerId,
        order: Order,
        control: &mut Connection,
        memory: Memory,
    ) -> Result<(), End> {
        match order {
            // A slot of a shim ends alone: there is never a reason to drain or to examine.
            Order::Remove | Order::Drain => self.part_with(worker, control).await,
            Order::End => Err(End::Removed),
            Order::Examine(_) => Ok(()),
            Order::Cancel(slot) => self.cancel(worker, slot, control).await,
            Order::Load(target) => self.load(target, control, memory).await,
            Order::Reload(worker, handle, target) => self.reload(worker, handle, target, control).await,
        }
    }

    async fn cancel(&mut self, worker: WorkerId, slot: u16, control: &mut Connection) -> Result<(), End> {
        let first = self
            .lanes
            .iter()
            .find(|lane| lane.id == worker)
            .map_or(0, |lane| lane.first);
        let slot = first + slot;
        send(control, Kind::Cancel, &CancelHeader { slot }).await
    }

    /// Places the code, sets the limits and loads the slots there are; later ones load as they come.
    async fn load(&mut self, target: Arc<Target>, control: &mut Connection, memory: Memory) -> Result<(), End> {
        let limits = target.demand.limits;
        let place = self.place_code(&target).await?;
        if limits.memory != memory {
            self.set_memory(limits.memory).await?;
        }
        self.keep_slots(limits.concurrency.get(), control).await?;
        self.open_lane(Lane {
            id: self.id,
            target,
            handle: self.handle.clone(),
            first: 0,
            place,
        });
        Ok(())
    }

    /// Loads another revision beside the one that is served: into slots of its own, from a place of its own.
    async fn reload(
        &mut self,
        worker: WorkerId,
        handle: WorkerHandle,
        target: Arc<Target>,
        control: &mut Connection,
    ) -> Result<(), End> {
        let count = target.demand.limits.concurrency.get();
        let place = match self.place_code(&target).await {
            Ok(place) => place,
            Err(end) => {
                report(&self.shared, worker, &handle, end);
                self.shared.lock().workers.remove(&worker);
                return Ok(());
            }
        };
        let taken = self.lanes.iter().any(|lane| lane.first == 0);
        self.keep_slots(2 * count, control).await?;
        self.open_lane(Lane {
            id: worker,
            target,
            handle,
            first: if taken { count } else { 0 },
            place,
        });
        Ok(())
    }

    /// As many slots stay as there ever were: those without a revision wait for the next reload.
    async fn keep_slots(&mut self, count: u16, control: &mut Connection) -> Result<(), End> {
        if count <= self.n_slots {
            return Ok(());
        }
        self.n_slots = count;
        send(control, Kind::Slots, &SlotsHeader { count }).await
    }

    fn open_lane(&mut self, lane: Lane) {
        let slots = self.idle.extract_if(|slot, _| lane.has(*slot)).collect::<Vec<_>>();
        self.lanes.push(lane);
        slots
            .into_iter()
            .for_each(|(slot, connection)| self.begin_loading(slot, connection));
    }

    fn lane_of(&self, slot: u16) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.has(slot))
    }

    /// Ends a worker's part of the container; without another worker in it, all of it.
    async fn part_with(&mut self, worker: WorkerId, control: &mut Connection) -> Result<(), End> {
        let Some(at) = self.lanes.iter().position(|lane| lane.id == worker) else {
            return if self.lanes.is_empty() {
                Err(End::Removed)
            } else {
                Ok(())
            };
        };
        if self.lanes.len() == 1 {
            return Err(End::Removed);
        }
        let lane = self.lanes.remove(at);
        report(&self.shared, lane.id, &lane.handle, End::Removed);
        self.close_lane(lane, control).await
    }

    /// Ends the processes of a worker that is none any more, for fresh ones to come, and clears its code away.
    async fn close_lane(&mut self, lane: Lane, control: &mut Connection) -> Result<(), End> {
        self.in_load.retain(|(worker, _)| *worker != lane.id);
        for slot in lane.slots() {
            self.idle.remove(&slot);
            send(control, Kind::Cancel, &CancelHeader { slot }).await?;
        }
        // The container goes by the name of its first worker, which must stay known.
        if lane.id != self.id {
            self.shared.lock().workers.remove(&lane.id);
        }
        let kept = self.lanes.first().map(|lane| lane.place.clone());
        let directory = self.directory.clone();
        let cleared = tokio::task::spawn_blocking(move || clear_place(&directory, &lane.place, kept.as_deref())).await;
        if let Ok(Err(e)) = cleared {
            tracing::warn!(worker.id = %self.id, "Replaced code could not be removed: {e}");
        }
        Ok(())
    }

    async fn set_memory(&mut self, memory: Memory) -> Result<(), End> {
        let Some(container) = &self.container else {
            return Ok(());
        };
        self.shared
            .engine
            .set_memory(container, memory.bytes())
            .await
            .map_err(start_failed)
    }

    /// Once the first slot has loaded: importing is not what the limit is meant for.
    async fn limit_cpu(&mut self) -> Result<(), End> {
        let limit = self.lanes.first().and_then(|lane| lane.target.demand.limits.cpu);
        let (Some(cpu), Some(container), false) = (limit, &self.container, self.cpu_limited) else {
            return Ok(());
        };
        self.cpu_limited = true;
        self.shared.engine.set_cpu(container, cpu).await.map_err(start_failed)
    }

    /// Gives the code to the container; answers the name it has there.
    async fn place_code(&mut self, target: &Arc<Target>) -> Result<String, End> {
        let name = match self.n_placed {
            0 => CODE.to_owned(),
            n => format!("{CODE}.{n}"),
        };
        self.n_placed += 1;
        let place = self.directory.join(&name);
        if let Some(inside) = &target.inside {
            let linked = std::os::unix::fs::symlink(inside, place);
            return linked.map(|()| name).map_err(|e| unplaced(&e));
        }
        let Some(tree) = target.tree.clone() else {
            return Ok(name);
        };
        let shared = Arc::clone(&self.shared);
        let (revision, link) = (target.demand.revision, target.link.clone());
        let placing = move || shared.staging.place(revision, &tree, link.as_ref(), &place);
        let placed = tokio::task::spawn_blocking(placing).await;
        self.stage_again(target);
        match placed {
            Ok(Ok(())) => Ok(name),
            Ok(Err(e)) => Err(unplaced(&e)),
            Err(e) => Err(End::Broke(e.to_string())),
        }
    }

    /// Lays the next copy ready while the user's code is imported.
    fn stage_again(&self, target: &Arc<Target>) {
        let (shared, target) = (Arc::clone(&self.shared), Arc::clone(target));
        drop(tokio::task::spawn_blocking(move || {
            let tree = target.tree.as_deref()?;
            let (revision, link) = (target.demand.revision, target.link.as_ref());
            Some(shared.staging.prepare(revision, tree, link))
        }));
    }

    fn begin_loading(&mut self, slot: u16, mut connection: Connection) {
        let Some(lane) = self.lane_of(slot) else {
            self.idle.insert(slot, connection);
            return;
        };
        let placed = || {
            let inside = self.shared.engine.worker_path(&self.directory);
            inside.join(&lane.place).display().to_string()
        };
        let (target, place) = (Arc::clone(&lane.target), (lane.id, slot));
        let path = target.inside.clone().unwrap_or_else(placed);
        let (limit, grace) = (self.shared.options.load_timeout, self.shared.options.grace);
        let log_limit = self.shared.options.log_limit;
        self.in_load.insert(place);
        self.loading.push(Box::pin(async move {
            let work = load_slot(&mut connection, &target, &path, limit, log_limit);
            let done = timeout(limit + grace, work).await;
            let done = done.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "loading took too long")));
            (place, connection, done)
        }));
    }

    async fn loaded(
        &mut self,
        done: (Place, Connection, io::Result<(Loaded, Vec<u8>)>),
        control: &mut Connection,
    ) -> Result<(), End> {
        let ((worker, slot), connection, result) = done;
        let Some(lane) = self.lane_of(slot).filter(|lane| lane.id == worker) else {
            return Ok(());
        };
        let (handle, number) = (lane.handle.clone(), slot - lane.first);
        if result.is_ok() {
            self.in_load.remove(&(worker, slot));
        }
        match result {
            Ok((
                Loaded {
                    ok: true, duration_us, ..
                },
                _,
            )) => {
                self.limit_cpu().await?;
                handle.board.load_us.store(duration_us, Ordering::Relaxed);
                let line = Line::Shim(connection);
                self.shared.lock().slots.insert((worker, number), line);
                self.shared.apply(Event::SlotReady { worker, slot: number });
                Ok(())
            }
            Ok((Loaded { error, .. }, log)) => {
                let end = End::LoadFailed(error.unwrap_or_else(unknown_error), log);
                self.give_up(worker, end, control).await
            }
            Err(e) => match self.load_broke(&handle, number, &e).await {
                Err(end @ End::LoadFailed(..)) => self.give_up(worker, end, control).await,
                other => other,
            },
        }
    }

    /// Code that does not load ends its worker; the container lives on when another worker is in it.
    async fn give_up(&mut self, worker: WorkerId, end: End, control: &mut Connection) -> Result<(), End> {
        let at = self.lanes.iter().position(|lane| lane.id == worker);
        let Some(at) = at.filter(|_| self.lanes.len() > 1) else {
            return Err(end);
        };
        let lane = self.lanes.remove(at);
        report(&self.shared, lane.id, &lane.handle, end);
        self.close_lane(lane, control).await
    }

    /// The slot's process ended while it loaded: the shim says why, unless it was cancelled on purpose.
    async fn load_broke(&mut self, handle: &WorkerHandle, slot: u16, error: &io::Error) -> Result<(), End> {
        let limit = self.shared.options.load_timeout;
        if error.kind() == io::ErrorKind::TimedOut {
            return Err(End::LoadFailed(load_timeout(limit), Vec::new()));
        }
        let Ok(death) = timeout(self.shared.options.grace, handle.death(slot)).await else {
            return Ok(());
        };
        match death {
            Death::Slot(exited) if exited.cause == "cancelled" => Ok(()),
            Death::Slot(exited) if exited.cause == "timeout" => Err(End::LoadFailed(load_timeout(limit), Vec::new())),
            Death::Slot(exited) => Err(End::LoadFailed(load_death(&exited), Vec::new())),
            Death::Worker(why) => Err(End::Broke(why)),
        }
    }

    async fn hear(&mut self, frame: io::Result<Option<Frame>>) -> Result<(), End> {
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(End::Broke(format!("its container ended{}", self.last_words().await))),
            Err(e) => return Err(End::Broke(e.to_string())),
        };
        match frame.kind {
            Kind::Pong => Ok(()),
            Kind::Exited => self.slot_exited(frame.header().map_err(|e| End::Broke(e.to_string()))?),
            other => Err(End::Broke(format!(
                "its shim sent a {other:?} frame where none belongs"
            ))),
        }
    }

    fn slot_exited(&mut self, exited: Exited) -> Result<(), End> {
        let out_of_memory = exited.cause == "out_of_memory";
        self.idle.remove(&exited.slot);
        if let Some(lane) = self.lane_of(exited.slot) {
            let (worker, handle, slot) = (lane.id, lane.handle.clone(), exited.slot - lane.first);
            let loading = self.in_load.remove(&(worker, exited.slot));
            let mut inner = self.shared.lock();
            if loading || inner.state.is_busy(worker, slot) {
                handle.board.slot_died(Exited { slot, ..exited });
            } else {
                inner.slots.remove(&(worker, slot));
                self.shared.apply_to(&mut inner, Event::SlotLost { worker, slot });
            }
        }
        if out_of_memory {
            return Err(End::Broke("it ran out of memory".to_owned()));
        }
        Ok(())
    }

    fn welcome(&mut self, accepted: Option<(Hello, Connection)>) {
        if let Some((hello, connection)) = accepted.filter(|(hello, _)| hello.role == "slot") {
            self.begin_loading(hello.slot, connection);
        }
    }

    async fn last_words(&mut self) -> String {
        let Some(container) = &self.container else {
            return String::new();
        };
        match self.shared.engine.log_tail(container, 20).await {
            Ok(text) if !text.trim().is_empty() => format!("; it printed last: {}", text.trim()),
            _ => String::new(),
        }
    }
}

/// A worker's part of a container: the slots that serve its revision.
struct Lane {
    id: WorkerId,
    target: Arc<Target>,
    handle: WorkerHandle,
    /// The number of its first slot in the container; its own numbers begin at 0.
    first: u16,
    /// The name of its code in the worker's directory.
    place: String,
}

impl Lane {
    fn slots(&self) -> std::ops::Range<u16> {
        self.first..self.first + self.target.demand.limits.concurrency.get()
    }

    fn has(&self, slot: u16) -> bool {
        self.slots().contains(&slot)
    }
}

fn unplaced(error: &io::Error) -> End {
    End::StartFailed(format!("the code could not be given to a worker: {error}"), None)
}

/// Removes code that nobody serves any more; what goes by its plain name leads to the code that is kept.
fn clear_place(directory: &Path, gone: &str, kept: Option<&str>) -> io::Result<()> {
    let plain = directory.join(CODE);
    let is_kept = kept == Some(CODE);
    if !is_kept && std::fs::symlink_metadata(&plain).is_ok_and(|found| found.is_symlink()) {
        std::fs::remove_file(&plain)?;
    }
    match std::fs::remove_dir_all(directory.join(gone)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    match kept {
        Some(kept) if !is_kept && !plain.exists() => std::os::unix::fs::symlink(kept, plain),
        _ => Ok(()),
    }
}

/// Tells the policy and the calls that wait why a worker ended.
pub(super) fn report(shared: &Arc<Shared>, id: WorkerId, handle: &WorkerHandle, end: End) {
    let (why, failure) = match end {
        End::Removed => ("it was removed".to_owned(), None),
        End::Broke(why) => (why, None),
        End::LoadFailed(error, log) => (error.message.clone(), Some(Failure::Load(error, log))),
        End::StartFailed(message, source) => (message.clone(), Some(Failure::Start { message, source })),
    };
    let fatal = failure.is_some();
    if fatal {
        tracing::warn!(worker.id = %id, "A worker could not serve: {why}");
    }
    handle.board.worker_gone(why);
    let mut inner = shared.lock();
    if let (Some(failure), Some(revision)) = (failure, inner.state.revision_of(id)) {
        inner.failures.insert(revision, failure);
    }
    inner.slots.retain(|(owner, _), _| *owner != id);
    shared.apply_to(&mut inner, Event::Gone { worker: id, fatal });
}

async fn send<T: serde::Serialize>(control: &mut Connection, kind: Kind, header: &T) -> Result<(), End> {
    control
        .send(kind, header, &[])
        .await
        .map_err(|e| End::Broke(format!("its shim cannot be reached: {e}")))
}

/// Binds the directory's socket; a path too long for a socket's address is reached through its descriptor.
fn bind(directory: &Path) -> io::Result<UnixListener> {
    let socket = directory.join("sock");
    if socket.as_os_str().len() < SOCKET_PATH {
        return UnixListener::bind(socket);
    }
    let handle = std::fs::File::open(directory)?;
    UnixListener::bind(format!("/proc/self/fd/{}/sock", handle.as_raw_fd()))
}

/// A connection that knows the token; anything else is closed.
async fn greeting(stream: UnixStream, token: String) -> Option<(Hello, Connection)> {
    let mut connection = Connection::new(stream).ok()?;
    let frame = timeout(HELLO, connection.receive()).await.ok()?.ok()??;
    let hello: Hello = frame.header().ok()?;
    let good = frame.kind == Kind::Hello && hello.protocol == PROTOCOL && hello.token == token;
    good.then_some((hello, connection))
}

async fn load_slot(
    connection: &mut Connection,
    target: &Target,
    path: &str,
    limit: Duration,
    log_limit: u64,
) -> io::Result<(Loaded, Vec<u8>)> {
    let header = LoadHeader {
        revision: target.demand.revision.to_string(),
        path,
        entry: &target.entry,
        convention: target.convention.as_str(),
        env: &target.env,
        timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        log_limit,
        function: FunctionHeader {
            name: &target.function,
            namespace: &target.namespace,
            version: target.version,
            memory_mib: target.demand.limits.memory.mib(),
        },
    };
    connection.send(Kind::Load, &header, &[]).await?;
    let mut log = Vec::new();
    loop {
        let frame = connection.receive().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match frame.kind {
            Kind::Log => keep(&mut log, &frame.raw),
            Kind::Loaded => return Ok((frame.header()?, log)),
            other => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{other:?} while loading"),
                ));
            }
        }
    }
}

fn keep(log: &mut Vec<u8>, bytes: &[u8]) {
    let room = LOAD_LOG.saturating_sub(log.len());
    log.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

pub(super) fn start_failed(error: engine::Error) -> End {
    let error = Arc::new(error);
    End::StartFailed(error.to_string(), Some(error))
}

pub(super) fn function_error(message: String) -> FunctionError {
    FunctionError {
        kind: "load".to_owned(),
        error_type: String::new(),
        message,
        traceback: String::new(),
    }
}

fn unknown_error() -> FunctionError {
    function_error("the code could not be loaded".to_owned())
}

fn load_timeout(limit: Duration) -> FunctionError {
    function_error(format!(
        "loading the code took longer than {limit:?}: do less at import, or raise pool.start_timeout_seconds"
    ))
}

fn load_death(exited: &Exited) -> FunctionError {
    let how = match (exited.cause.as_str(), exited.code, &exited.signal) {
        ("out_of_memory", ..) => "ran out of memory: raise the function's memory".to_owned(),
        (_, Some(code), _) => format!("exited with code {code}"),
        (_, _, Some(signal)) => format!("was ended by {signal}"),
        (cause, ..) => format!("ended ({cause})"),
    };
    function_error(format!("while the code was loaded, its process {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Concurrency, Convention, Intake, Limits, Network, RevisionId, RuntimeRef, Scale, Timeout};
    use crate::pool::Demand;

    fn target() -> Arc<Target> {
        let runtime = RuntimeRef {
            family: "r".to_owned(),
            version: "1".to_owned(),
        };
        let limits = Limits {
            memory: Memory::from_mib(64).expect("in range"),
            timeout: Timeout::from_millis(1_000).expect("in range"),
            concurrency: Concurrency::new(2).expect("in range"),
            scale: Scale::new(0, 1).expect("in range"),
            network: Network::Outbound,
            cpu: None,
            intake: Intake::default(),
        };
        let class = Class {
            runtime,
            network: Network::Outbound,
            image: None,
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
            start: crate::domain::Start::default(),
            cors: None,
            entry: String::new(),
            convention: Convention::Kwargs,
            env: crate::pool::Environment::default(),
            function: "f".to_owned(),
            namespace: "n".to_owned(),
            version: 1,
        })
    }

    #[test]
    fn who_comes_to_a_container_that_has_ended_is_turned_away() {
        let (host, mut orders) = WorkerHandle::new(WorkerId::generate());
        let guest = host.neighbour(WorkerId::generate());
        assert!(host.order(Order::Cancel(0)));
        assert!(host.order(Order::Reload(guest.worker, guest.clone(), target())));
        let turned_away = orders.close();
        assert_eq!(turned_away.iter().map(|h| h.worker).collect::<Vec<_>>(), [guest.worker]);
        assert!(
            !host.order(Order::Reload(guest.worker, guest, target())),
            "it takes no more"
        );
    }

    #[test]
    fn what_is_served_stays_reachable_by_its_plain_name() {
        let home = tempfile::tempdir().expect("a folder");
        let put = |name: &str| {
            std::fs::create_dir(home.path().join(name)).expect("made");
            std::fs::write(home.path().join(name).join("word"), name).expect("written");
        };
        let plain = || std::fs::read_to_string(home.path().join(CODE).join("word")).expect("there");
        put(CODE);
        put("code.1");
        clear_place(home.path(), CODE, Some("code.1")).expect("cleared");
        assert_eq!(plain(), "code.1");
        put("code.2");
        clear_place(home.path(), "code.2", Some("code.1")).expect("one that did not load goes");
        assert_eq!(plain(), "code.1");
        put("code.3");
        clear_place(home.path(), "code.1", Some("code.3")).expect("cleared");
        assert_eq!(plain(), "code.3");
        assert_eq!(std::fs::read_dir(home.path()).expect("there").count(), 2);
        clear_place(home.path(), "code.3", None).expect("cleared");
        assert_eq!(std::fs::read_dir(home.path()).expect("there").count(), 0);
        // Code that an image has is a link, which leads nowhere on this side.
        let link = |name: &str| std::os::unix::fs::symlink("/in/the/image", home.path().join(name)).expect("made");
        link(CODE);
        link("code.1");
        clear_place(home.path(), "code.1", Some(CODE)).expect("one that did not load goes");
        let plain = std::fs::read_link(home.path().join(CODE)).expect("a link");
        assert_eq!(plain, Path::new("/in/the/image"));
        clear_place(home.path(), CODE, None).expect("cleared");
        assert_eq!(std::fs::read_dir(home.path()).expect("there").count(), 0);
    }
}
