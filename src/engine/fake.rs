//! An engine without containers, for tests: it starts the shim as a plain process, or only writes down what it was told.
//!
//! No sandbox and no limits: what it starts runs with the rights of the test. Faults are played on demand.

use super::{
    BoxStream, BuildRequest, ContainerId, ContainerStatus, Engine, EngineInfo, Error, Guest, GuestSpec, ImageInfo,
    Layer, OwnedContainer, OwnedImage, Printed, WorkerSpec,
};
use crate::domain::{Cpu, WorkerId};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// Marks every process of a worker, however far it forked, so that the whole worker can be ended.
const MARK: &str = "HOB_FAKE_WORKER";
const HOST: &str = "fake://engine";
const SIGKILLED: i64 = 137;

/// An engine for tests. Dropping it ends and reaps every process it started.
#[derive(Debug)]
pub struct FakeEngine {
    shim: Option<Vec<String>>,
    shared: Arc<Shared>,
    down: watch::Sender<bool>,
    hanging: watch::Sender<bool>,
    pulls_hang: watch::Sender<bool>,
    building: watch::Sender<BuildsHeld>,
}

/// Whether builds wait, and how many are under way.
#[derive(Debug, Clone, Copy, Default)]
struct BuildsHeld {
    held: bool,
    n_running: usize,
    most: usize,
}

/// What was asked, in numbers; a call that failed counts too, one that met an engine that is down does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `start_worker`.
    pub starts: u64,
    /// `start_guest`.
    pub guests: u64,
    /// `set_memory`.
    pub memory_changes: u64,
    /// `kill`.
    pub kills: u64,
    /// `remove`.
    pub removes: u64,
    /// `pull`.
    pub pulls: u64,
    /// `build`.
    pub builds: u64,
    /// `keep_holders`; there are no namespaces here to hold.
    pub holder_rounds: u64,
    /// `remove_holders`.
    pub holder_removals: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    exits: broadcast::Sender<ContainerId>,
}

#[derive(Debug, Default)]
struct State {
    n_started: u64,
    workers: BTreeMap<ContainerId, Worker>,
    images: BTreeMap<String, ImageInfo>,
    /// By image: what its containers run.
    programs: BTreeMap<String, Vec<String>>,
    next_starts: VecDeque<Error>,
    next_builds: VecDeque<Error>,
    next_pulls: VecDeque<Error>,
    /// By image: what a pull tells before it is there.
    registry: BTreeMap<String, Vec<Layer>>,
    /// Names that builds gave, in order.
    made: Vec<String>,
    build_output: Vec<String>,
    image_bytes: u64,
    delay: Duration,
    counts: Counts,
    specs: Vec<WorkerSpec>,
    guests: Vec<GuestSpec>,
    loses_addresses: bool,
    builds: Vec<BuildRequest>,
    reapers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Worker {
    spec: WorkerSpec,
    process: Option<Process>,
    memory_bytes: u64,
    cpu: Option<Cpu>,
    exit: Option<i64>,
}

/// The first process of a worker, and the threads that hear what it and its descendants print.
#[derive(Debug)]
struct Process {
    child: Child,
    hearers: Vec<JoinHandle<()>>,
}

impl FakeEngine {
    /// Starts `command` for each worker, with the environment of its spec. An empty command is an error at the start.
    #[must_use]
    pub fn with_shim(command: Vec<String>) -> Self {
        Self::new(Some(command))
    }

    /// Starts nothing: a worker runs until it is ended.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(None)
    }

    fn new(shim: Option<Vec<String>>) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            exits: broadcast::channel(1024).0,
        };
        Self {
            shim,
            shared: Arc::new(shared),
            down: watch::Sender::new(false),
            hanging: watch::Sender::new(false),
            pulls_hang: watch::Sender::new(false),
            building: watch::Sender::default(),
        }
    }

    /// The next start answers `error`; called again, the one after it.
    pub fn fail_next_start(&self, error: Error) {
        self.shared.state().next_starts.push_back(error);
    }

    /// The next build answers `error`; called again, the one after it.
    pub fn fail_next_build(&self, error: Error) {
        self.shared.state().next_builds.push_back(error);
    }

    /// The next pull answers `error`; called again, the one after it.
    pub fn fail_next_pull(&self, error: Error) {
        self.shared.state().next_pulls.push_back(error);
    }

    /// A registry has this image from now on: a pull tells of these layers, in order, and then it is here.
    pub fn offer_image(&self, name: &str, layers: Vec<Layer>) {
        self.shared.state().registry.insert(name.to_owned(), layers);
    }

    /// While true, pulls say what they have to say and then wait.
    pub fn hang_pulls(&self, hang: bool) {
        self.pulls_hang.send_replace(hang);
    }

    /// Pulls that are under way.
    #[must_use]
    pub fn pulls_running(&self) -> usize {
        self.pulls_hang.receiver_count()
    }

    /// While down, every call answers `Unreachable` and streams of exits end; what runs goes on.
    pub fn set_down(&self, down: bool) {
        self.down.send_replace(down);
    }

    /// While true, starts wait.
    pub fn hang_starts(&self, hang: bool) {
        self.hanging.send_replace(hang);
    }

    /// While true, containers have ended before anybody could ask for their addresses.
    pub fn lose_addresses(&self, lose: bool) {
        self.shared.state().loses_addresses = lose;
    }

    /// While true, builds say what they have to say and then wait.
    pub fn hang_builds(&self, hang: bool) {
        self.building.send_modify(|b| b.held = hang);
    }

    /// Builds that are under way, and the most that ever were at once.
    #[must_use]
    pub fn builds_running(&self) -> (usize, usize) {
        let builds = *self.building.borrow();
        (builds.n_running, builds.most)
    }

    /// What every further build says.
    pub fn say_in_builds(&self, lines: &[&str]) {
        self.shared.state().build_output = lines.iter().map(|l| (*l).to_owned()).collect();
    }

    /// How large every further build's image is. Unit: bytes.
    pub fn size_images(&self, bytes: u64) {
        self.shared.state().image_bytes = bytes;
    }

    /// The engine loses an image, whoever made it.
    pub fn lose_image(&self, name: &str) {
        self.shared.state().images.remove(name);
    }

    /// The names of all images.
    #[must_use]
    pub fn image_names(&self) -> Vec<String> {
        self.shared.state().images.keys().cloned().collect()
    }

    /// Every call takes this much longer, by tokio's clock.
    pub fn slow(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Ends a worker as if it had died by itself; false when there is none that runs.
    pub fn kill_worker(&self, worker: WorkerId) -> bool {
        let mut state = self.shared.state();
        let runs = |(id, w): (&ContainerId, &Worker)| (w.spec.worker == worker && w.exit.is_none()).then(|| id.clone());
        let Some(id) = state.workers.iter().find_map(runs) else {
            return false;
        };
        self.shared.end(&mut state, &id);
        true
    }

    /// The engine has this image from now on.
    pub fn add_image(&self, name: &str, labels: BTreeMap<String, String>) {
        let info = image_info(name, labels);
        self.shared.state().images.insert(name.to_owned(), info);
    }

    /// The engine has this image from now on, and its containers run `program`.
    pub fn add_program(&self, name: &str, program: Vec<String>) {
        self.add_image(name, BTreeMap::new());
        self.shared.state().programs.insert(name.to_owned(), program);
    }

    /// What was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    /// Every spec given to `start_worker`, in order.
    #[must_use]
    pub fn started(&self) -> Vec<WorkerSpec> {
        self.shared.state().specs.clone()
    }

    /// Every spec given to `start_guest`, in order.
    #[must_use]
    pub fn guests(&self) -> Vec<GuestSpec> {
        self.shared.state().guests.clone()
    }

    /// The limit of processor time of a worker that is there and has one.
    #[must_use]
    pub fn cpu_of(&self, worker: WorkerId) -> Option<Cpu> {
        let state = self.shared.state();
        let found = state.workers.values().find(|w| w.spec.worker == worker);
        found.and_then(|w| w.cpu)
    }

    /// Every build asked for, in order.
    #[must_use]
    pub fn builds(&self) -> Vec<BuildRequest> {
        self.shared.state().builds.clone()
    }

    /// The memory limit of a worker that is there. Unit: bytes.
    #[must_use]
    pub fn memory_of(&self, worker: WorkerId) -> Option<u64> {
        let state = self.shared.state();
        let found = state.workers.values().find(|w| w.spec.worker == worker);
        found.map(|w| w.memory_bytes)
    }

    /// The state, once the engine answers.
    async fn ready(&self) -> Result<MutexGuard<'_, State>, Error> {
        let delay = self.shared.state().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if *self.down.borrow() {
            return Err(unreachable());
        }
        Ok(self.shared.state())
    }

    async fn released(&self) {
        let mut hanging = self.hanging.subscribe();
        // The sender lives as long as we do.
        let _ = hanging.wait_for(|hanging| !hanging).await;
    }

    fn spawn(&self, spec: &WorkerSpec) -> Result<Option<Child>, Error> {
        let Some(shim) = &self.shim else {
            return Ok(None);
        };
        let (program, arguments) = shim.split_first().ok_or_else(|| refused("an empty shim"))?;
        let log = log_file(&spec.directory)?;
        let second = log.try_clone().map_err(|e| refused(&e.to_string()))?;
        Command::new(program)
            .args(arguments)
            .envs(spec.env.iter().cloned())
            .env(MARK, spec.worker.to_string())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second)
            .spawn()
            .map(Some)
            .map_err(|e| refused(&format!("{program}: {e}")))
    }

    fn start(&self, state: &mut State, spec: &WorkerSpec) -> Result<ContainerId, Error> {
        state.counts.starts += 1;
        state.specs.push(spec.clone());
        if let Some(error) = state.next_starts.pop_front() {
            return Err(error);
        }
        let child = self.spawn(spec)?;
        let process = child.map(|child| Process { child, hearers: vec![] });
        Ok(self.keep(state, spec, process, None))
    }

    /// Takes a worker in; its process, if it has one, is waited for.
    fn keep(&self, state: &mut State, spec: &WorkerSpec, process: Option<Process>, cpu: Option<Cpu>) -> ContainerId {
        state.n_started += 1;
        let id = ContainerId::ours(format!("fake-{}", state.n_started));
        if let Some(process) = &process {
            let (shared, id, pid) = (Arc::clone(&self.shared), id.clone(), pid_of(&process.child));
            let reaper = std::thread::spawn(move || shared.reap(&id, pid));
            state.reapers.push(reaper);
        }
        let worker = Worker {
            spec: spec.clone(),
            process,
            memory_bytes: spec.memory.bytes(),
            cpu,
            exit: None,
        };
        state.workers.insert(id.clone(), worker);
        id
    }

    /// All containers share the machine's ports, so each gets one of its own, in `PORT`.
    fn start_program(&self, state: &mut State, spec: &GuestSpec) -> Result<Guest, Error> {
        state.counts.guests += 1;
        state.guests.push(spec.clone());
        if let Some(error) = state.next_starts.pop_front() {
            return Err(error);
        }
        let image = spec.base.image.clone();
        let program = state.programs.get(&image).cloned();
        let program = program.ok_or(Error::ImageMissing { image })?;
        let address = spec.port.map(|_| free_address()).transpose()?;
        let mut child = spawn_program(spec, &program, address)?;
        let (output, hearers) = output_of(&mut child, &log_path(&spec.base.directory));
        let process = Process { child, hearers };
        Ok(Guest {
            address: address.filter(|_| !state.loses_addresses),
            id: self.keep(state, &spec.base, Some(process), spec.cpu),
            output,
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the process without reaping it, so that its number stays its own until the state says it ended.
    fn reap(&self, id: &ContainerId, pid: Option<Pid>) {
        if let Some(pid) = pid {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
        }
        self.end(&mut self.state(), id);
    }

    /// Ends a worker and all of its processes, and tells of it, once.
    fn end(&self, state: &mut State, id: &ContainerId) {
        let Some(worker) = state.workers.get_mut(id).filter(|w| w.exit.is_none()) else {
            return;
        };
        worker.exit = Some(end_processes(worker));
        // Nobody may be listening.
        let _ = self.exits.send(id.clone());
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let ids: Vec<_> = state.workers.keys().cloned().collect();
        for id in &ids {
            self.shared.end(&mut state, id);
        }
        let reapers = std::mem::take(&mut state.reapers);
        drop(state);
        for reaper in reapers {
            // A reaper that panicked has nothing more to reap.
            let _ = reaper.join();
        }
    }
}

#[async_trait]
impl Engine for FakeEngine {
    async fn probe(&self) -> Result<EngineInfo, Error> {
        drop(self.ready().await?);
        Ok(EngineInfo {
            name: "fake".to_owned(),
            version: "0".to_owned(),
            api_version: "0".to_owned(),
            architecture: architecture().to_owned(),
            os: std::env::consts::OS.to_owned(),
            cgroup_version: None,
            memory_bytes: 8 << 30,
            host: HOST.to_owned(),
            found_by: "a test".to_owned(),
            storage_driver: String::new(),
            data_root: None,
            registry: String::new(),
        })
    }

    async fn start_worker(&self, spec: &WorkerSpec) -> Result<ContainerId, Error> {
        self.released().await;
        self.start(&mut *self.ready().await?, spec)
    }

    async fn start_guest(&self, spec: &GuestSpec) -> Result<Guest, Error> {
        self.released().await;
        self.start_program(&mut *self.ready().await?, spec)
    }

    async fn wait(&self, id: &ContainerId) -> Result<ContainerStatus, Error> {
        let mut exits = self.exits().await?;
        loop {
            let status = self.inspect(id).await?.ok_or_else(|| missing(id))?;
            if !status.running {
                return Ok(status);
            }
            exits.next().await.ok_or_else(unreachable)??;
        }
    }

    fn worker_path(&self, spec_dir: &Path) -> PathBuf {
        spec_dir.to_owned()
    }

    async fn set_memory(&self, id: &ContainerId, bytes: u64) -> Result<(), Error> {
        let mut state = self.ready().await?;
        state.counts.memory_changes += 1;
        let worker = state.workers.get_mut(id).ok_or_else(|| missing(id))?;
        worker.memory_bytes = bytes;
        Ok(())
    }

    async fn set_cpu(&self, id: &ContainerId, cpu: Cpu) -> Result<(), Error> {
        let mut state = self.ready().await?;
        state.workers.get_mut(id).ok_or_else(|| missing(id))?.cpu = Some(cpu);
        Ok(())
    }

    async fn kill(&self, id: &ContainerId) -> Result<(), Error> {
        let mut state = self.ready().await?;
        state.counts.kills += 1;
        self.shared.end(&mut state, id);
        Ok(())
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        let mut state = self.ready().await?;
        state.counts.removes += 1;
        self.shared.end(&mut state, id);
        state.workers.remove(id);
        Ok(())
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerStatus>, Error> {
        let state = self.ready().await?;
        Ok(state.workers.get(id).map(|worker| ContainerStatus {
            running: worker.exit.is_none(),
            exit_code: worker.exit,
            oom_killed: false,
        }))
    }

    async fn log_tail(&self, id: &ContainerId, lines: u32) -> Result<String, Error> {
        let state = self.ready().await?;
        let worker = state.workers.get(id).ok_or_else(|| missing(id))?;
        let text = std::fs::read(log_path(&worker.spec.directory)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<_> = text.split_inclusive('\n').collect();
        let from = all.len().saturating_sub(lines as usize);
        Ok(all[from..].concat())
    }

    async fn list(&self) -> Result<Vec<OwnedContainer>, Error> {
        let state = self.ready().await?;
        let owned = |(id, worker): (&ContainerId, &Worker)| OwnedContainer {
            id: id.clone(),
            worker: Some(worker.spec.worker),
            running: worker.exit.is_none(),
        };
        Ok(state.workers.iter().map(owned).collect())
    }

    async fn exits(&self) -> Result<BoxStream<'static, Result<ContainerId, Error>>, Error> {
        let state = self.ready().await?;
        let later = self.shared.exits.subscribe();
        let ended = |(id, w): (&ContainerId, &Worker)| w.exit.map(|_| Ok(id.clone()));
        let before: Vec<_> = state.workers.iter().filter_map(ended).collect();
        let after = stream::unfold(Some((later, self.down.subscribe())), next_exit);
        Ok(stream::iter(before).chain(after).boxed())
    }

    async fn image(&self, name: &str) -> Result<Option<ImageInfo>, Error> {
        Ok(self.ready().await?.images.get(name).cloned())
    }

    async fn pull(&self, name: &str, tell: &(dyn Fn(Layer) + Send + Sync)) -> Result<(), Error> {
        let (layers, failure) = {
            let mut state = self.ready().await?;
            state.counts.pulls += 1;
            (state.registry.get(name).cloned(), state.next_pulls.pop_front())
        };
        layers.iter().flatten().cloned().for_each(tell);
        let mut hanging = self.pulls_hang.subscribe();
        // The sender lives as long as we do.
        let _ = hanging.wait_for(|hanging| !hanging).await;
        if let Some(error) = failure {
            return Err(error);
        }
        let mut state = self.ready().await?;
        if layers.is_some() {
            let info = image_info(name, BTreeMap::new());
            state.images.insert(name.to_owned(), info);
        }
        let image = name.to_owned();
        let there = state.images.contains_key(name);
        there.then_some(()).ok_or(Error::ImageMissing { image })
    }

    async fn build(
        &self,
        request: BuildRequest,
        log: &(dyn for<'l> Fn(&'l str) + Send + Sync),
    ) -> Result<String, Error> {
        let _running = Running::begin(&self.building);
        let failure = {
            let mut state = self.ready().await?;
            state.counts.builds += 1;
            state.builds.push(request.clone());
            state.build_output.iter().for_each(|line| log(line));
            state.next_builds.pop_front()
        };
        let mut held = self.building.subscribe();
        // The sender lives as long as we do.
        let _ = held.wait_for(|b| !b.held).await;
        if let Some(error) = failure {
            return Err(error);
        }
        let mut state = self.ready().await?;
        let mut info = image_info(&request.tag, request.labels);
        info.size_bytes = state.image_bytes;
        let id = info.id.clone();
        state.images.insert(request.tag.clone(), info);
        state.made.retain(|made| *made != request.tag);
        state.made.push(request.tag.clone());
        drop(state);
        log(&format!("Successfully tagged {}", request.tag));
        Ok(id)
    }

    async fn prepare_network(&self) -> Result<(), Error> {
        self.ready().await.map(drop)
    }

    /// Its workers are processes of this machine, with its network.
    async fn why_metadata_is_open(&self) -> Result<Option<String>, Error> {
        drop(self.ready().await?);
        Ok(Some("the fake engine hides nothing".to_owned()))
    }

    async fn keep_holders(&self, _image: &str) -> Result<(), Error> {
        self.ready().await?.counts.holder_rounds += 1;
        Ok(())
    }

    async fn remove_holders(&self) -> Result<(), Error> {
        self.ready().await?.counts.holder_removals += 1;
        Ok(())
    }

    async fn remove_networks(&self) -> Result<(), Error> {
        self.ready().await.map(drop)
    }

    async fn images(&self) -> Result<Vec<OwnedImage>, Error> {
        let state = self.ready().await?;
        let made = (0_i64..).zip(&state.made);
        let owned = made.filter_map(|(order, name)| {
            let info = state.images.get(name)?;
            Some(OwnedImage {
                id: info.id.clone(),
                name: Some(name.clone()),
                size_bytes: info.size_bytes,
                created_at_seconds: order,
                labels: info.labels.clone(),
            })
        });
        Ok(owned.collect())
    }

    async fn remove_image(&self, image: &OwnedImage) -> Result<bool, Error> {
        let mut state = self.ready().await?;
        let name = image.name.as_deref().unwrap_or_default();
        if state.workers.values().any(|w| w.spec.image == name && w.exit.is_none()) {
            return Ok(false);
        }
        state.images.remove(name);
        state.made.retain(|made| made != name);
        Ok(true)
    }

    async fn tag(&self, image: &str, name: &str) -> Result<(), Error> {
        let mut state = self.ready().await?;
        let info = state.images.get(image).cloned();
        let info = info.ok_or_else(|| Error::ImageMissing {
            image: image.to_owned(),
        })?;
        state.images.insert(name.to_owned(), info);
        Ok(())
    }

    async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let state = self.ready().await?;
        let info = state.images.get(image);
        let info = info.ok_or_else(|| Error::ImageMissing {
            image: image.to_owned(),
        })?;
        let parts = [info.id.clone(), "\n".to_owned()].map(|part| Ok(Bytes::from(part)));
        Ok(stream::iter(parts).boxed())
    }

    async fn remove_images(&self) -> Result<u64, Error> {
        let mut state = self.ready().await?;
        let n_removed = state.images.len() as u64;
        state.images.clear();
        state.made.clear();
        Ok(n_removed)
    }
}

/// Counts a build for as long as it is under way, however it ends.
struct Running<'a>(&'a watch::Sender<BuildsHeld>);

impl<'a> Running<'a> {
    fn begin(builds: &'a watch::Sender<BuildsHeld>) -> Self {
        builds.send_modify(|b| {
            b.n_running += 1;
            b.most = b.most.max(b.n_running);
        });
        Self(builds)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|b| b.n_running -= 1);
    }
}

type ExitsState = Option<(broadcast::Receiver<ContainerId>, watch::Receiver<bool>)>;

/// The next exit; an error, and then the end, when the engine goes down or the listener was too slow.
async fn next_exit(state: ExitsState) -> Option<(Result<ContainerId, Error>, ExitsState)> {
    let (mut exits, mut down) = state?;
    let next = tokio::select! {
        _ = down.wait_for(|down| *down) => None,
        exit = exits.recv() => exit.ok(),
    };
    match next {
        Some(id) => Some((Ok(id), Some((exits, down)))),
        None => Some((Err(unreachable()), None)),
    }
}

/// The exit code as a container engine tells it: when all that was printed is in the log. Process 1 of a container takes
/// all others with it; so here.
fn end_processes(worker: &mut Worker) -> i64 {
    let Some(process) = worker.process.as_mut() else {
        return SIGKILLED;
    };
    // The group goes in one step, so that nothing forked meanwhile is left; who has left the group carries the mark.
    // Nobody may be there any more: a process that has ended already keeps the status it ended with.
    if let Some(pid) = pid_of(&process.child) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    while sweep(worker.spec.worker) {}
    for hearer in process.hearers.drain(..) {
        // One that panicked hears no more.
        let _ = hearer.join();
    }
    process.child.wait().map_or(SIGKILLED, exit_code)
}

fn exit_code(status: ExitStatus) -> i64 {
    let signal = || 128 + status.signal().unwrap_or(0);
    i64::from(status.code().unwrap_or_else(signal))
}

/// Ends every process that carries the worker's mark, and tells whether there was one: it may have forked while we
/// looked. Where there is no `/proc` only the group of the first process is ended.
fn sweep(worker: WorkerId) -> bool {
    let mark = format!("{MARK}={worker}");
    let marked = |entry: &std::fs::DirEntry| {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environ.split(|b| *b == 0).any(|v| v == mark.as_bytes())
    };
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return false;
    };
    let mut was_there = false;
    for entry in entries.flatten().filter(marked) {
        let number = entry.file_name().to_str().and_then(|n| n.parse().ok());
        let pid = number.and_then(Pid::from_raw);
        // An error: it has ended by itself.
        was_there |= pid.is_some_and(|pid| rustix::process::kill_process(pid, Signal::KILL).is_ok());
    }
    was_there
}

fn spawn_program(spec: &GuestSpec, program: &[String], address: Option<SocketAddr>) -> Result<Child, Error> {
    let program = spec.command.as_deref().unwrap_or(program);
    let (program, arguments) = program.split_first().ok_or_else(|| refused("an empty program"))?;
    Command::new(program)
        .args(arguments)
        .args(spec.arguments.iter().flatten())
        .envs(spec.base.env.iter().cloned())
        .envs(address.map(|a| ("PORT", a.port().to_string())))
        .env(MARK, spec.base.worker.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| refused(&format!("{program}: {e}")))
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|e| refused(&e.to_string()))
}

type PrintedStream = BoxStream<'static, Result<Printed, Error>>;

/// Both streams of a process as they come, kept in its log too, and who hears them.
fn output_of(child: &mut Child, log: &Path) -> (PrintedStream, Vec<JoinHandle<()>>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stdout = child.stdout.take().map(|s| tell(s, true, log, sender.clone()));
    let stderr = child.stderr.take().map(|s| tell(s, false, log, sender));
    let next = |mut pieces: mpsc::UnboundedReceiver<Printed>| async move {
        let piece = pieces.recv().await?;
        Some((Ok(piece), pieces))
    };
    let output = stream::unfold(receiver, next).boxed();
    (output, stdout.into_iter().chain(stderr).collect())
}

/// Reads a stream to its end, in a thread of its own.
fn tell(
    mut stream: impl Read + Send + 'static,
    is_stdout: bool,
    log: &Path,
    to: mpsc::UnboundedSender<Printed>,
) -> JoinHandle<()> {
    let log = log.to_owned();
    std::thread::spawn(move || {
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(log).ok();
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..n]);
            // The log and the reader are a test's: both may be gone before the process is.
            let _ = log.as_mut().map(|log| log.write_all(&bytes));
            let _ = to.send(Printed { is_stdout, bytes });
        }
    })
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("output.log")
}

fn log_file(directory: &Path) -> Result<std::fs::File, Error> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_path(directory))
        .map_err(|e| refused(&format!("the worker's directory: {e}")))
}

fn image_info(name: &str, labels: BTreeMap<String, String>) -> ImageInfo {
    ImageInfo {
        id: format!("sha256:{name}"),
        architecture: architecture().to_owned(),
        size_bytes: 0,
        labels,
    }
}

/// The architecture as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn unreachable() -> Error {
    Error::Unreachable {
        host: HOST.to_owned(),
        source: "the test has set it down".into(),
    }
}

fn refused(message: &str) -> Error {
    Error::Refused {
        status: 500,
        message: message.to_owned(),
    }
}

fn missing(id: &ContainerId) -> Error {
    Error::NotFound {
        what: format!("container {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Memory, Network};
    use std::future::Future;

    fn spec(directory: &Path) -> WorkerSpec {
        WorkerSpec {
            worker: WorkerId::generate(),
            image: "i".to_owned(),
            directory: directory.to_owned(),
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
            memory: Memory::from_mib(64).expect("in range"),
            pids: 16,
            tmp_bytes: 1 << 20,
            open_files: 64,
            network: Network::None,
            awaited: false,
            labels: BTreeMap::new(),
        }
    }

    fn shell(script: &str) -> FakeEngine {
        FakeEngine::with_shim(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("it comes soon")
    }

    async fn never<T>(future: impl Future<Output = T>) {
        let waited = tokio::time::timeout(Duration::from_millis(1), future).await;
        assert!(waited.is_err(), "it must not come");
    }

    #[tokio::test]
    async fn a_worker_lives_until_it_is_killed_and_is_listed_until_it_is_removed() {
        let engine = FakeEngine::silent();
        let spec = spec(Path::new("/d"));
        let id = engine.start_worker(&spec).await.expect("started");
        assert!(engine.list().await.expect("up")[0].running);
        engine.set_memory(&id, 1 << 30).await.expect("there");
        assert_eq!(engine.memory_of(spec.worker), Some(1 << 30));
        engine.kill(&id).await.expect("killed");
        let status = engine.inspect(&id).await.expect("up").expect("there");
        assert_eq!((status.running, status.exit_code), (false, Some(137)));
        engine.remove(&id).await.expect("removed");
        engine.remove(&id).await.expect("gone is fine");
        assert_eq!(engine.list().await.expect("up"), vec![]);
        assert_eq!(engine.inspect(&id).await.expect("up"), None);
        let counts = engine.counts();
        assert_eq!((counts.starts, counts.kills, counts.removes), (1, 1, 2));
    }

    #[tokio::test]
    async fn a_shim_that_ends_is_told_of_with_its_exit_code_and_output() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let engine = shell("echo first; echo $GREETING; exit 3");
        let mut exits = engine.exits().await.expect("up");
        let id = engine.start_worker(&spec(home.path())).await.expect("runs");
        let told = soon(exits.next()).await.expect("open").expect("up");
        assert_eq!(told, id);
        let status = engine.inspect(&id).await.expect("up").expect("there");
        assert_eq!((status.running, status.exit_code), (false, Some(3)));
        assert_eq!(engine.log_tail(&id, 1).await.expect("there"), "hello\n");
    }

    #[tokio::test]
    async fn a_program_is_told_its_port_and_arguments_and_heard_to_its_end() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let engine = FakeEngine::silent();
        let script = r#"echo "$PORT $1"; echo oops >&2; exit 3"#;
        engine.add_program("p", ["/bin/sh", "-c", script, "sh"].map(str::to_owned).to_vec());
        let mut spec = GuestSpec {
            base: spec(home.path()),
            port: Some(8080),
            command: None,
            arguments: Some(vec!["one".to_owned()]),
            rights: crate::engine::Rights::default(),
            cpu: None,
        };
        let unknown = engine.start_guest(&spec).await.expect_err("nobody added it");
        assert!(matches!(unknown, Error::ImageMissing { .. }));
        spec.base.image = "p".to_owned();
        let guest = engine.start_guest(&spec).await.expect("started");
        let output: Vec<_> = soon(guest.output.map(|p| p.expect("heard")).collect()).await;
        let of = |is_stdout| -> Vec<u8> {
            let pieces = output.iter().filter(|p| p.is_stdout == is_stdout);
            pieces.flat_map(|p| p.bytes.to_vec()).collect()
        };
        let port = guest.address.expect("it has a port").port();
        assert_eq!(of(true), format!("{port} one\n").into_bytes());
        assert_eq!(of(false), b"oops\n");
        let status = soon(engine.wait(&guest.id)).await.expect("there");
        assert_eq!((status.running, status.exit_code), (false, Some(3)));
    }

    #[tokio::test]
    async fn an_exit_before_the_subscription_is_told_too() {
        let engine = FakeEngine::silent();
        let spec = spec(Path::new("/d"));
        let id = engine.start_worker(&spec).await.expect("started");
        assert!(engine.kill_worker(spec.worker));
        assert!(!engine.kill_worker(spec.worker), "it runs no more");
        let mut exits = engine.exits().await.expect("up");
        assert_eq!(soon(exits.next()).await.expect("open").expect("up"), id);
        never(exits.next()).await;
    }

    #[tokio::test]
    async fn dropping_the_engine_ends_every_process_of_its_workers() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let fifo = home.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("runs").success());
        // Descendants that keep forking hold the pipe open; when all are gone, reading it ends.
        let hop = r#"[ "$1" -gt 0 ] && sh -c "$HOP" hop $(($1 - 1)) &"#;
        let script = format!(
            "export HOP='{hop}'; (exec >{}; echo up; exec sh -c \"$HOP\" hop 30000) & wait",
            fifo.display()
        );
        let engine = shell(&script);
        engine.start_worker(&spec(home.path())).await.expect("runs");
        let file = tokio::task::spawn_blocking(move || std::fs::File::open(fifo));
        let mut file = soon(file).await.expect("no panic").expect("opened");
        let mut up = [0; 3];
        std::io::Read::read_exact(&mut file, &mut up).expect("written");
        drop(engine);
        let rest = tokio::task::spawn_blocking(move || std::io::Read::read(&mut file, &mut [0; 1]));
        let n_read = soon(rest).await.expect("no panic").expect("read");
        assert_eq!(n_read, 0, "nobody holds it");
    }

    #[tokio::test]
    async fn while_it_is_down_everything_is_unreachable_and_workers_go_on() {
        let engine = FakeEngine::silent();
        let id = engine.start_worker(&spec(Path::new("/d"))).await.expect("started");
        let mut exits = engine.exits().await.expect("up");
        engine.set_down(true);
        let error = engine.list().await.expect_err("down");
        assert!(matches!(error, Error::Unreachable { .. }));
        assert!(soon(exits.next()).await.expect("told").is_err());
        assert!(soon(exits.next()).await.is_none(), "the stream has ended");
        engine.set_down(false);
        let status = engine.inspect(&id).await.expect("up").expect("there");
        assert!(status.running);
    }

    #[tokio::test]
    async fn starts_fail_hang_and_take_long_on_demand() {
        let engine = FakeEngine::silent();
        let spec = spec(Path::new("/d"));
        engine.fail_next_start(Error::OutOfDisk);
        assert!(matches!(engine.start_worker(&spec).await, Err(Error::OutOfDisk)));
        engine.hang_starts(true);
        let mut start = std::pin::pin!(engine.start_worker(&spec));
        never(start.as_mut()).await;
        engine.hang_starts(false);
        soon(start).await.expect("released");
        engine.slow(Duration::from_secs(3600));
        never(engine.start_worker(&spec)).await;
        assert_eq!(engine.started().len(), 2);
    }

    #[tokio::test]
    async fn a_build_is_written_down_and_its_image_is_there_afterwards() {
        let engine = FakeEngine::silent();
        let request = BuildRequest {
            tag: "hob/x".to_owned(),
            context: bytes::Bytes::new(),
            dockerfile: "Dockerfile".to_owned(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            memory_bytes: 0,
            network: None,
            timeout: Duration::from_secs(1),
        };
        assert_eq!(engine.image("hob/x").await.expect("up"), None);
        let id = engine.build(request.clone(), &|_| {}).await.expect("built");
        let image = engine.image("hob/x").await.expect("up").expect("there");
        assert_eq!(image.id, id);
        assert_eq!(engine.builds(), vec![request]);
        engine.pull("other", &|_| {}).await.expect_err("nowhere");
    }
}
