//! One worker's life: its directory and socket, its container, its shim's connections, its end.
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
/// A Unix socket's address holds fewer bytes than this on every system.
const SOCKET_PATH: usize = 104;

/// What a worker is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Load(Arc<Target>),
    Cancel(u16),
    /// Say by the board what became of the slot's call.
    Examine(u16),
    /// Serve the calls that run, and then no more.
    Drain,
    Remove,
}

/// The way to a living worker, and the news of its slots' deaths.
#[derive(Debug, Clone)]
pub(super) struct WorkerHandle {
    orders: mpsc::UnboundedSender<Order>,
    board: Arc<Board>,
}

#[derive(Debug, Default)]
struct Board {
    deaths: Mutex<HashMap<u16, Exited>>,
    gone: Mutex<Option<String>>,
    news: Notify,
    load_us: AtomicU64,
}

impl WorkerHandle {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, receiver) = mpsc::unbounded_channel();
        (
            Self {
                orders,
                board: Arc::default(),
            },
            receiver,
        )
    }

    /// A worker that has ended needs no orders.
    pub(super) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
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

/// A worker from its container's creation to its removal.
pub(super) async fn live(
    shared: Arc<Shared>,
    id: WorkerId,
    class: Class,
    memory: Memory,
    image: Option<String>,
    handle: WorkerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
) {
    let directory = shared.options.directory.join("workers").join(id.to_string());
    let mut life = Life {
        shared: Arc::clone(&shared),
        id,
        directory: directory.clone(),
        token: uuid::Uuid::new_v4().to_string(),
        container: None,
        target: None,
        cpu_limited: false,
        idle: HashMap::new(),
        loading: FuturesUnordered::new(),
        in_load: HashSet::new(),
        greeting: FuturesUnordered::new(),
        handle: handle.clone(),
        orders,
    };
    let end = life.run(class, memory, image).await;
    report(&shared, id, &handle, end);
    let container = life.container.take();
    drop(life);
    if let Some(container) = container {
        remove(&shared, &container).await;
    }
    let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    shared.lock().workers.remove(&id);
}

pub(super) async fn remove(shared: &Shared, container: &ContainerId) {
    for _ in 0..REMOVALS {
        match shared.engine.remove(container).await {
            Ok(()) => return,
            Err(e) => tracing::warn!(container.id = %container, "Could not remove a container: {e}"),
        }
    }
}

type Loading = BoxFuture<'static, (u16, Connection, io::Result<(Loaded, Vec<u8>)>)>;

type Greeting = BoxFuture<'static, Option<(Hello, Connection)>>;

struct Life {
    shared: Arc<Shared>,
    id: WorkerId,
    directory: PathBuf,
    token: String,
    container: Option<ContainerId>,
    target: Option<Arc<Target>>,
    cpu_limited: bool,
    /// Slots that have said hello and not been loaded.
    idle: HashMap<u16, Connection>,
    loading: FuturesUnordered<Loading>,
    in_load: HashSet<u16>,
    /// Accepted connections that have not said hello.
    greeting: FuturesUnordered<Greeting>,
    handle: WorkerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Life {
    async fn run(&mut self, class: Class, memory: Memory, image: Option<String>) -> End {
        let started = timeout(self.shared.options.start_timeout, self.start(class, memory, image)).await;
        let (listener, control) = match started {
            Ok(Ok(up)) => up,
            Ok(Err(end)) => return end,
            Err(_) => return self.start_timed_out().await,
        };
        self.shared.worker_started.notify_one();
        self.shared.apply(Event::Started { worker: self.id });
        self.serve(listener, control, memory).await
    }

    async fn start(
        &mut self,
        class: Class,
        memory: Memory,
        image: Option<String>,
    ) -> Result<(UnixListener, Connection), End> {
        let image = match image {
            Some(image) => image,
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
                order = self.orders.recv() => if matches!(order, Some(Order::Remove) | None) { return Err(End::Removed) },
            }
        }
        control.ok_or_else(|| End::Broke("the shim did not dial".to_owned()))
    }

    fn greet(&self, accepted: io::Result<(UnixStream, tokio::net::unix::SocketAddr)>) {
        if let Ok((stream, _)) = accepted {
            self.greeting.push(Box::pin(greeting(stream, self.token.clone())));
        }
    }

    /// Waits for the runtime's image, which is being made; stops early when told to.
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
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order, &mut control, memory).await,
                    None => Err(End::Removed),
                },
                frame = control.receive() => self.hear(frame).await,
                Some(loaded) = self.loading.next() => self.loaded(loaded).await,
                accepted = listener.accept() => { self.greet(accepted); Ok(()) }
                Some(greeted) = self.greeting.next() => { self.welcome(greeted); Ok(()) }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn obey(&mut self, order: Order, control: &mut Connection, memory: Memory) -> Result<(), End> {
        match order {
            // A slot of a shim ends alone: there is never a reason to drain or to examine.
            Order::Remove | Order::Drain => Err(End::Removed),
            Order::Examine(_) => Ok(()),
            Order::Cancel(slot) => send(control, Kind::Cancel, &CancelHeader { slot }).await,
            Order::Load(target) => self.load(target, control, memory).await,
        }
    }

    /// Places the code, sets the limits and loads the slots there are; later ones load as they come.
    async fn load(&mut self, target: Arc<Target>, control: &mut Connection, memory: Memory) -> Result<(), End> {
        let limits = target.demand.limits;
        self.place_code(&target).await?;
        if limits.memory != memory {
            self.set_memory(limits.memory).await?;
        }
        if limits.concurrency.get() > 1 {
            send(
                control,
                Kind::Slots,
                &SlotsHeader {
                    count: limits.concurrency.get(),
                },
            )
            .await?;
        }
        self.target = Some(target);
        let slots = std::mem::take(&mut self.idle);
        slots
            .into_iter()
            .for_each(|(slot, connection)| self.begin_loading(slot, connection));
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
        let limit = self.target.as_ref().and_then(|t| t.demand.limits.cpu);
        let (Some(cpu), Some(container), false) = (limit, &self.container, self.cpu_limited) else {
            return Ok(());
        };
        self.cpu_limited = true;
        self.shared.engine.set_cpu(container, cpu).await.map_err(start_failed)
    }

    async fn place_code(&mut self, target: &Arc<Target>) -> Result<(), End> {
        let Some(tree) = target.tree.clone() else {
            return Ok(());
        };
        let (shared, place) = (Arc::clone(&self.shared), self.directory.join("code"));
        let (revision, link) = (target.demand.revision, target.link.clone());
        let placing = move || shared.staging.place(revision, &tree, link.as_ref(), &place);
        let placed = tokio::task::spawn_blocking(placing).await;
        self.stage_again(target);
        match placed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(End::StartFailed(
                format!("the code could not be given to a worker: {e}"),
                None,
            )),
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
        let Some(target) = self.target.clone() else {
            self.idle.insert(slot, connection);
            return;
        };
        let placed = || {
            let inside = self.shared.engine.worker_path(&self.directory);
            inside.join("code").display().to_string()
        };
        let path = target.inside.clone().unwrap_or_else(placed);
        let (limit, grace) = (self.shared.options.load_timeout, self.shared.options.grace);
        let log_limit = self.shared.options.log_limit;
        self.in_load.insert(slot);
        self.loading.push(Box::pin(async move {
            let work = load_slot(&mut connection, &target, &path, limit, log_limit);
            let done = timeout(limit + grace, work).await;
            let done = done.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "loading took too long")));
            (slot, connection, done)
        }));
    }

    async fn loaded(&mut self, done: (u16, Connection, io::Result<(Loaded, Vec<u8>)>)) -> Result<(), End> {
        let (slot, connection, result) = done;
        if result.is_ok() {
            self.in_load.remove(&slot);
        }
        match result {
            Ok((
                Loaded {
                    ok: true, duration_us, ..
                },
                _,
            )) => {
                self.limit_cpu().await?;
                self.handle.board.load_us.store(duration_us, Ordering::Relaxed);
                let line = Line::Shim(connection);
                self.shared.lock().slots.insert((self.id, slot), line);
                self.shared.apply(Event::SlotReady { worker: self.id, slot });
                Ok(())
            }
            Ok((Loaded { error, .. }, log)) => Err(End::LoadFailed(error.unwrap_or_else(unknown_error), log)),
            Err(e) => self.load_broke(slot, &e).await,
        }
    }

    /// The slot's process ended while it loaded: the shim says why, unless it was cancelled on purpose.
    async fn load_broke(&mut self, slot: u16, error: &io::Error) -> Result<(), End> {
        let limit = self.shared.options.load_timeout;
        if error.kind() == io::ErrorKind::TimedOut {
            return Err(End::LoadFailed(load_timeout(limit), Vec::new()));
        }
        let Ok(death) = timeout(self.shared.options.grace, self.handle.death(slot)).await else {
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
        let (slot, out_of_memory) = (exited.slot, exited.cause == "out_of_memory");
        self.idle.remove(&slot);
        let mut inner = self.shared.lock();
        if self.in_load.remove(&slot) || inner.state.is_busy(self.id, slot) {
            self.handle.board.slot_died(exited);
        } else {
            inner.slots.remove(&(self.id, slot));
            self.shared
                .apply_to(&mut inner, Event::SlotLost { worker: self.id, slot });
        }
        drop(inner);
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
