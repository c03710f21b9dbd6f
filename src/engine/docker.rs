//! The engine behind the Docker API: with its parts `docker_guest.rs`, `docker_sandbox.rs`, `docker_stack.rs` and
//! `docker_wall.rs`, all that knows bollard.
//!
//! Connects when something is asked, never before, and again after the engine went away. Keeps no list of containers:
//! the engine's labels are the list.

use super::docker_sandbox::{INSIDE, cpu_shares, holder_body, labels, network_body, signed, worker_body};
use super::docker_stack::{self, Stack};
use super::docker_wall;
use super::holders::{Found, Review, Shelf};
use super::host::{self, Host, Places};
use super::{
    BoxStream, BuildRequest, ContainerId, ContainerStatus, Engine, EngineInfo, Error, Guest, GuestSpec, ImageInfo,
    LABEL_IMAGE, LABEL_INSTANCE, LABEL_KIND, LABEL_WORKER, Layer, OwnedContainer, OwnedImage, WorkerSpec, docker_guest,
    docker_pull, is_image_name,
};
use crate::domain::{Cpu, InstanceId, Network, WorkerId};
use async_trait::async_trait;
use bollard::Docker as Client;
use bollard::errors::Error as ClientError;
use bollard::models;
use bollard::query_parameters as query;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Above every deadline of ours: bollard's own clock must not be the one that ends a long build.
const NEVER_SECONDS: u64 = 24 * 3600;
const TAIL_LINES: usize = 30;
const LOG_BYTES: usize = 64 * 1024;
const LINE_BYTES: usize = 16 * 1024;
/// Builds tried when the engine's cache changes under one.
const BUILDS: u32 = 3;

/// How to find and use the engine. The environment is read by whoever fills this.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address from the settings; wins over everything.
    pub host: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host_env: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context_env: Option<String>,
    /// The home directory, for the current context and a user's own sockets.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, for a user's own sockets.
    pub runtime_dir: Option<PathBuf>,
    /// Whose objects ours are.
    pub instance: InstanceId,
    /// Deadline of one request; of a pull, the longest silence.
    pub request_timeout: Duration,
    /// Network namespaces that wait for a worker.
    pub network_holders: usize,
    /// Networks that workers join in place of one of their own; `auto`: those of the container that this process is in.
    pub join_networks: Vec<String>,
    /// Whether workers with a network are kept from the machine's metadata; `None`: where that is known to do no harm.
    pub hide_metadata: Option<bool>,
    /// Below it workers' directories will be: where this process is in a container, workers must reach it too.
    pub directory: PathBuf,
}

/// A Docker engine, or one that speaks its API.
#[derive(Debug)]
pub struct Docker {
    places: Places,
    instance: InstanceId,
    request_timeout: Duration,
    join_networks: Vec<String>,
    hide_metadata: Option<bool>,
    directory: PathBuf,
    /// Whether containers may leave a network at the same time; see [`may_leave_together`].
    leaves_together: AtomicBool,
    /// Held while a container is removed, where only one may leave at a time.
    leaving: tokio::sync::Mutex<()>,
    /// Whether the engine said that it can: one without rights over processors refuses it.
    shares_processors: AtomicBool,
    /// Held for a few lines, never across an await.
    link: Mutex<Option<Link>>,
    /// What is around us, once that is known.
    stack: tokio::sync::Mutex<Option<Arc<Stack>>>,
    /// The network's id once it is known. The lock is held while the network is made, so that it is made once:
    /// the engine itself would make two of one name.
    network: tokio::sync::Mutex<Option<String>>,
    /// The same for the network without an outside.
    inside: tokio::sync::Mutex<Option<String>>,
    /// The network that hides the machine's metadata once it is known whether there is one.
    wall: tokio::sync::Mutex<Option<Option<String>>>,
    /// Held for a few lines, never across an await.
    holders: Mutex<Shelf>,
    /// Held while holders are made or cleared away: of two who look, the second sees what the first has done.
    tending: tokio::sync::Mutex<()>,
}

/// A holder on its way to a worker. Dropped before it is given, it is forgotten.
struct Reserved<'a> {
    shelf: &'a Mutex<Shelf>,
    holder: ContainerId,
    given: bool,
}

impl Reserved<'_> {
    fn give(mut self, worker: &ContainerId) {
        self.given = true;
        locked(self.shelf).given(&self.holder, worker.clone());
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.given {
            locked(self.shelf).forget(&self.holder);
        }
    }
}

/// Whether containers may leave a network at the same time. An engine before 23.0 takes two locks then, now in one order
/// and now in the other, and may come to stand still for good (<https://github.com/moby/moby/pull/42545>). It is told by
/// the version of its API, 1.41 at most.
fn may_leave_together(api_version: &str) -> bool {
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    let (major, minor) = api_version.split_once('.').unwrap_or((api_version, ""));
    (number(major), number(minor)) > (1, 41)
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone)]
struct Link {
    client: Client,
    host: String,
    found_by: String,
}

impl Docker {
    /// Takes the options and connects to nobody yet: an engine that is down is told of by each call.
    #[must_use]
    pub fn connect(options: Options) -> Self {
        let places = Places {
            explicit: options.host,
            docker_host_env: options.docker_host_env,
            docker_context_env: options.docker_context_env,
            home: options.home,
            runtime_dir: options.runtime_dir,
        };
        Self {
            places,
            instance: options.instance,
            request_timeout: options.request_timeout,
            join_networks: options.join_networks,
            hide_metadata: options.hide_metadata,
            directory: options.directory,
            leaves_together: AtomicBool::new(false),
            leaving: tokio::sync::Mutex::default(),
            shares_processors: AtomicBool::new(false),
            link: Mutex::default(),
            stack: tokio::sync::Mutex::default(),
            network: tokio::sync::Mutex::default(),
            inside: tokio::sync::Mutex::default(),
            wall: tokio::sync::Mutex::default(),
            holders: Mutex::new(Shelf::new(options.network_holders)),
            tending: tokio::sync::Mutex::default(),
        }
    }

    /// The connection in use, or a new one with the API version agreed on.
    async fn link(&self) -> Result<Link, Error> {
        let known = self.known_link();
        if let Some(link) = known {
            return Ok(link);
        }
        let host::Found { host, by } = host::find(&self.places, Path::exists)?;
        let on = On::engine("greeting the engine");
        let name = host.to_string();
        let client = client_for(&host).map_err(|e| classify(e, &name, &on))?;
        let greeting = tokio::time::timeout(self.request_timeout, client.negotiate_version());
        let client = greeting
            .await
            .map_err(|_| on.timeout())?
            .map_err(|e| classify(e, &name, &on))?;
        let link = Link {
            client,
            host: name,
            found_by: by,
        };
        self.set_link(Some(link.clone()));
        Ok(link)
    }

    fn known_link(&self) -> Option<Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_link(&self, link: Option<Link>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// One request with its deadline. An engine that went away is looked for anew next time: it may come back as another version.
    pub(super) async fn ask<T, F>(&self, on: &On<'_>, request: impl FnOnce(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let link = self.link().await?;
        match tokio::time::timeout(self.request_timeout, request(link.client)).await {
            Ok(answer) => answer.map_err(|e| self.failed(e, &link.host, on)),
            Err(_) => Err(on.timeout()),
        }
    }

    pub(super) async fn client(&self) -> Result<(Client, String), Error> {
        let link = self.link().await?;
        Ok((link.client, link.host))
    }

    pub(super) fn instance(&self) -> InstanceId {
        self.instance
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(super) fn failed(&self, error: ClientError, host: &str, on: &On<'_>) -> Error {
        let error = classify(error, host, on);
        if matches!(error, Error::Unreachable { .. }) {
            self.set_link(None);
        }
        error
    }

    /// Starts the worker in a namespace that waits, if it is worth one and one waits; `None` when it did not come to that.
    async fn start_in_holder(&self, spec: &WorkerSpec) -> Option<Result<ContainerId, Error>> {
        let reserved = self.reserve(spec)?;
        let inside = Place::only(format!("container:{}", reserved.holder));
        match self.start_on(spec, inside).await {
            Ok(worker) => {
                reserved.give(&worker);
                Some(Ok(worker))
            }
            Err(Error::NotFound { .. } | Error::Conflict { .. }) => {
                tracing::debug!(container.id = %reserved.holder, "A network namespace made ahead has gone");
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn reserve(&self, spec: &WorkerSpec) -> Option<Reserved<'_>> {
        let worth_it = spec.awaited && spec.network == Network::Outbound;
        let holder = worth_it.then(|| locked(&self.holders).take()).flatten()?;
        Some(Reserved {
            shelf: &self.holders,
            holder,
            given: false,
        })
    }

    async fn start_alone(&self, spec: &WorkerSpec) -> Result<ContainerId, Error> {
        let place = self.place_of(spec.network).await?;
        self.start_on(spec, place).await
    }

    async fn start_on(&self, spec: &WorkerSpec, place: Place) -> Result<ContainerId, Error> {
        let spec = WorkerSpec {
            directory: self.stack().await?.on_host(&spec.directory)?,
            ..spec.clone()
        };
        let body = worker_body(&spec, self.instance, place.mode);
        self.create_and_start(&format!("hob-{}", spec.worker), &spec.image, body, &place.also)
            .await
    }

    async fn create_and_start(
        &self,
        name: &str,
        image: &str,
        body: models::ContainerCreateBody,
        also: &[String],
    ) -> Result<ContainerId, Error> {
        let id = self.create(name, image, body, also).await?;
        let on = On::container("starting a container", id.as_str());
        let none = None::<query::StartContainerOptions>;
        let started = self.ask(&on, |c| async move { c.start_container(on.name, none).await });
        if let Err(error) = started.await {
            // The first error is the one to tell; `list` shows the container if this fails too.
            let _ = self.remove_container(&id).await;
            return Err(error);
        }
        Ok(id)
    }

    /// Creates a container and lets it join further networks; it does not run yet.
    pub(super) async fn create(
        &self,
        name: &str,
        image: &str,
        mut body: models::ContainerCreateBody,
        also: &[String],
    ) -> Result<ContainerId, Error> {
        if let Some(host) = &mut body.host_config {
            host.cpu_shares = host.cpu_shares.filter(|_| self.shares_processors());
        }
        let options = query::CreateContainerOptions {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        let on = On::image("creating a container", image);
        let created = self
            .ask(&on, |c| async move { c.create_container(Some(options), body).await })
            .await;
        if let Err(error) = &created
            && leaves_a_container(error)
        {
            let _ = self.remove_container(&ContainerId::ours(name)).await;
        }
        let id = ContainerId::ours(created?.id);
        for network in also {
            if let Err(error) = self.join(&id, network).await {
                let _ = self.remove_container(&id).await;
                return Err(error);
            }
        }
        Ok(id)
    }

    /// The engine takes one network when it creates a container; the others are joined.
    async fn join(&self, id: &ContainerId, network: &str) -> Result<(), Error> {
        let request = models::NetworkConnectRequest {
            container: Some(id.as_str().to_owned()),
            ..Default::default()
        };
        let on = On::network("joining a network", network);
        self.ask(&on, |c| async move { c.connect_network(on.name, request).await })
            .await
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<(), Error> {
        let _turn = match self.leaves_together.load(Ordering::Relaxed) {
            true => None,
            false => Some(self.leaving.lock().await),
        };
        let options = query::RemoveContainerOptions {
            v: true,
            force: true,
            ..Default::default()
        };
        let on = On::container("removing a container", id.as_str());
        let answer = self
            .ask(&on, |c| async move { c.remove_container(on.name, Some(options)).await })
            .await;
        fine_if_gone(answer)
    }

    /// Removes what nobody stands for and ends whom that leaves without a network.
    async fn review_holders(&self) -> Result<(), Error> {
        let found = self.found("holder").await?;
        let Review { remove, bereft } = locked(&self.holders).review(&found_holders(found));
        for holder in &remove {
            self.remove_container(holder).await?;
        }
        for worker in &bereft {
            tracing::warn!(container.id = %worker, "A worker lost its network and is ended: its namespace's holder died");
            self.kill(worker).await?;
        }
        Ok(())
    }

    async fn make_holder(&self, image: &str) -> Result<(), Error> {
        let place = self.outbound().await?;
        let body = holder_body(image, self.instance, place.mode);
        let name = format!("hob-holder-{}", uuid::Uuid::new_v4().simple());
        let holder = self.create_and_start(&name, image, body, &place.also).await?;
        locked(&self.holders).put(holder);
        Ok(())
    }

    /// This instance's containers of a kind, running or not.
    async fn found(&self, kind: &str) -> Result<Vec<models::ContainerSummary>, Error> {
        let options = query::ListContainersOptions {
            all: true,
            filters: Some(ours(self.instance, kind)),
            ..Default::default()
        };
        let on = On::engine("listing containers");
        self.ask(&on, |c| async move { c.list_containers(Some(options)).await })
            .await
    }

    async fn place_of(&self, network: Network) -> Result<Place, Error> {
        match network {
            Network::None => Ok(Place::only("none")),
            Network::Outbound => self.outbound().await,
        }
    }

    /// Where those are put who may reach the outside: on the networks that workers join, or on one of our own.
    pub(super) async fn outbound(&self) -> Result<Place, Error> {
        let mut place = match self.stack().await?.networks.split_first() {
            Some((first, others)) => Place {
                mode: first.clone(),
                also: others.to_vec(),
            },
            None => self.network_id(NetworkKind::Outbound).await.map(Place::only)?,
        };
        place.also.extend(self.wall().await?);
        Ok(place)
    }

    /// The network that keeps workers from the machine's metadata, if there is one.
    async fn wall(&self) -> Result<Option<String>, Error> {
        let mut known = self.wall.lock().await;
        if let Some(wall) = known.as_ref() {
            return Ok(wall.clone());
        }
        let wall = docker_wall::wall(self).await?;
        *known = Some(wall.clone());
        Ok(wall)
    }

    fn shares_processors(&self) -> bool {
        self.shares_processors.load(Ordering::Relaxed)
    }

    pub(super) fn hide_metadata(&self) -> Option<bool> {
        self.hide_metadata
    }

    /// Whether the engine listens on a socket of this machine.
    pub(super) async fn is_on_this_machine(&self) -> Result<bool, Error> {
        Ok(self.link().await?.host.starts_with("unix:"))
    }

    /// What is around us: looked for once, and again when something of it has gone.
    pub(super) async fn stack(&self) -> Result<Arc<Stack>, Error> {
        let mut known = self.stack.lock().await;
        if let Some(stack) = known.as_ref() {
            return Ok(Arc::clone(stack));
        }
        let found = Arc::new(docker_stack::look(self, &self.join_networks, &self.directory).await?);
        *known = Some(Arc::clone(&found));
        Ok(found)
    }

    pub(super) async fn network_id(&self, kind: NetworkKind) -> Result<String, Error> {
        let mut known = self.cache_of(kind).lock().await;
        if let Some(id) = known.as_ref() {
            return Ok(id.clone());
        }
        let id = match self.own_networks(kind).await?.pop() {
            Some(id) => id,
            None => self.make_network(network_body(self.instance, kind)).await?,
        };
        *known = Some(id.clone());
        Ok(id)
    }

    fn cache_of(&self, kind: NetworkKind) -> &tokio::sync::Mutex<Option<String>> {
        match kind {
            NetworkKind::Outbound => &self.network,
            NetworkKind::Inside => &self.inside,
        }
    }

    /// Does what needs networks that we know; when one of them has gone, again with those that are there then.
    pub(super) async fn on_networks<T, F>(&self, work: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for _ in 1..NETWORK_TRIES {
            match work().await {
                Err(Error::NotFound { what }) if what == NETWORK => self.forget_networks().await,
                other => return other,
            }
        }
        work().await
    }

    /// Somebody may have removed them: they are looked for anew.
    pub(super) async fn forget_networks(&self) {
        *self.stack.lock().await = None;
        *self.wall.lock().await = None;
        for kind in NetworkKind::ALL {
            *self.cache_of(kind).lock().await = None;
        }
    }

    async fn own_networks(&self, kind: NetworkKind) -> Result<Vec<String>, Error> {
        self.networks(ours(self.instance, kind.label())).await
    }

    /// The ids of the networks that pass these filters.
    pub(super) async fn networks(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<String>, Error> {
        let options = query::ListNetworksOptions { filters: Some(filters) };
        let on = On::engine("listing networks");
        let networks = self
            .ask(&on, |c| async move { c.list_networks(Some(options)).await })
            .await?;
        Ok(networks.into_iter().filter_map(|n| n.id).collect())
    }

    /// Makes a network and tells its id.
    pub(super) async fn make_network(&self, body: models::NetworkCreateRequest) -> Result<String, Error> {
        let on = On::network("making the network", &body.name);
        let request = body.clone();
        self.ask(&on, |c| async move { c.create_network(request).await })
            .await
            .map(|made| made.id)
    }

    pub(super) async fn remove_network(&self, id: &str) -> Result<(), Error> {
        let on = On::network("removing a network", id);
        match self.ask(&on, |c| async move { c.remove_network(on.name).await }).await {
            Err(Error::NotFound { .. }) => Ok(()),
            answer => answer,
        }
    }

    async fn build_once(
        &self,
        request: &BuildRequest,
        deadline: Instant,
        log: &(dyn for<'l> Fn(&'l str) + Send + Sync),
    ) -> Result<String, Error> {
        let link = self.link().await?;
        let on = On::build("building an image", &request.tag);
        let options = build_options(request, self.instance);
        let context = bollard::body_full(request.context.clone());
        let mut output = link.client.build_image(options, None, Some(context));
        let mut lines = Lines::new(log);
        let mut image = None;
        loop {
            match tokio::time::timeout_at(deadline, output.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(info))) => image = lines.take(info).or(image),
                Ok(Some(Err(e))) if is_cut_short(&e) => break,
                Ok(Some(Err(e))) => return Err(lines.failed(self.failed(e, &link.host, &on))),
                Err(_) => return Err(on.timeout()),
            }
        }
        lines.finish();
        image.ok_or_else(|| lines.failed(unfinished_build()))
    }
}

#[async_trait]
impl Engine for Docker {
    async fn probe(&self) -> Result<EngineInfo, Error> {
        let on = On::engine("asking the engine who it is");
        let version = self.ask(&on, |c| async move { c.version().await }).await?;
        let info = self.ask(&on, |c| async move { c.info().await }).await?;
        let link = self.link().await?;
        let together = version.api_version.as_deref().is_some_and(may_leave_together);
        self.leaves_together.store(together, Ordering::Relaxed);
        let shares_processors = info.cpu_shares == Some(true);
        self.shares_processors.store(shares_processors, Ordering::Relaxed);
        Ok(engine_info(version, info, &link))
    }

    async fn start_worker(&self, spec: &WorkerSpec) -> Result<ContainerId, Error> {
        check_image_name(&spec.image)?;
        if let Some(answer) = self.start_in_holder(spec).await {
            return answer;
        }
        self.on_networks(|| self.start_alone(spec)).await
    }

    async fn start_guest(&self, spec: &GuestSpec) -> Result<Guest, Error> {
        docker_guest::start(self, spec).await
    }

    async fn wait(&self, id: &ContainerId) -> Result<ContainerStatus, Error> {
        docker_guest::wait(self, id).await
    }

    fn worker_path(&self, _spec_dir: &Path) -> PathBuf {
        INSIDE.into()
    }

    async fn set_memory(&self, id: &ContainerId, bytes: u64) -> Result<(), Error> {
        let body = models::ContainerUpdateBody {
            memory: Some(signed(bytes)),
            memory_swap: Some(signed(bytes)),
            cpu_shares: self.shares_processors().then(|| cpu_shares(bytes)),
            ..Default::default()
        };
        let on = On::container("changing a worker's memory", id.as_str());
        self.ask(&on, |c| async move { c.update_container(on.name, body).await })
            .await
    }

    async fn set_cpu(&self, id: &ContainerId, cpu: Cpu) -> Result<(), Error> {
        let body = docker_guest::cpu_update(cpu);
        let on = On::container("limiting a worker's processor time", id.as_str());
        self.ask(&on, |c| async move { c.update_container(on.name, body).await })
            .await
    }

    async fn kill(&self, id: &ContainerId) -> Result<(), Error> {
        let options = query::KillContainerOptions {
            signal: "SIGKILL".to_owned(),
        };
        let on = On::container("ending a worker", id.as_str());
        let answer = self
            .ask(&on, |c| async move { c.kill_container(on.name, Some(options)).await })
            .await;
        fine_if_gone(answer)
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        self.remove_container(id).await?;
        let holder = locked(&self.holders).leave(id);
        match holder {
            Some(holder) => self.remove_container(&holder).await,
            None => Ok(()),
        }
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerStatus>, Error> {
        let on = On::container("looking at a worker", id.as_str());
        let none = None::<query::InspectContainerOptions>;
        let answer = self
            .ask(&on, |c| async move { c.inspect_container(on.name, none).await })
            .await;
        match answer {
            Ok(found) => Ok(found.state.map(|state| status(&state))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn log_tail(&self, id: &ContainerId, lines: u32) -> Result<String, Error> {
        let options = query::LogsOptions {
            stdout: true,
            stderr: true,
            tail: lines.to_string(),
            ..Default::default()
        };
        let on = On::container("reading a worker's output", id.as_str());
        self.ask(&on, |c| async move { last_bytes(c.logs(on.name, Some(options))).await })
            .await
    }

    async fn list(&self) -> Result<Vec<OwnedContainer>, Error> {
        let found = self.found("worker").await?;
        Ok(found.into_iter().filter_map(owned).collect())
    }

    async fn exits(&self) -> Result<BoxStream<'static, Result<ContainerId, Error>>, Error> {
        let on = On::engine("subscribing to exits");
        self.ask(&on, |c| async move { c.ping().await }).await?;
        let link = self.link().await?;
        let mut filters = ours(self.instance, "worker");
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.insert("event".to_owned(), vec!["die".to_owned()]);
        let options = query::EventsOptions {
            // The past too, as far as the engine remembers it: so nothing is lost between two subscriptions.
            since: Some("1".to_owned()),
            filters: Some(filters),
            ..Default::default()
        };
        let events = link.client.events(Some(options));
        Ok(exits_of(events, link.host).boxed())
    }

    async fn image(&self, name: &str) -> Result<Option<ImageInfo>, Error> {
        check_image_name(name)?;
        let on = On::image("looking at an image", name);
        match self.ask(&on, |c| async move { c.inspect_image(name).await }).await {
            Ok(found) => Ok(Some(image_info(found))),
            Err(Error::ImageMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn pull(&self, name: &str, tell: &(dyn Fn(Layer) + Send + Sync)) -> Result<(), Error> {
        docker_pull::pull(self, name, tell).await
    }

    async fn build(
        &self,
        request: BuildRequest,
        log: &(dyn for<'l> Fn(&'l str) + Send + Sync),
    ) -> Result<String, Error> {
        check_image_name(&request.tag)?;
        let deadline = Instant::now() + request.timeout;
        for attempt in 2..=BUILDS {
            match self.build_once(&request, deadline, log).await {
                Err(Error::Build { tail }) if is_cache_race(&tail) || is_unfinished(&tail) => {
                    tracing::info!(
                        image = request.tag,
                        "A build broke off, or the engine's build cache changed under it"
                    );
                    log(&format!(
                        "The engine broke this build off, or its cache changed under it; building again, {attempt} of {BUILDS}."
                    ));
                }
                other => return other,
            }
        }
        self.build_once(&request, deadline, log).await
    }

    async fn prepare_network(&self) -> Result<(), Error> {
        // Looked for anew: whoever prepares wants to know, and somebody may have removed it.
        self.forget_networks().await;
        self.outbound().await.map(drop)
    }

    async fn keep_holders(&self, image: &str) -> Result<(), Error> {
        check_image_name(image)?;
        let _turn = self.tending.lock().await;
        self.review_holders().await?;
        let missing = locked(&self.holders).missing();
        for _ in 0..missing {
            self.on_networks(|| self.make_holder(image)).await?;
        }
        Ok(())
    }

    async fn why_metadata_is_open(&self) -> Result<Option<String>, Error> {
        docker_wall::why_open(self).await
    }

    async fn remove_holders(&self) -> Result<(), Error> {
        let _turn = self.tending.lock().await;
        locked(&self.holders).clear();
        self.review_holders().await
    }

    async fn remove_networks(&self) -> Result<(), Error> {
        self.remove_holders().await?;
        self.forget_networks().await;
        let mut networks = Vec::new();
        for kind in NetworkKind::ALL {
            networks.extend(self.own_networks(kind).await?);
        }
        for id in networks {
            self.remove_network(&id).await?;
        }
        docker_wall::remove(self).await
    }

    async fn images(&self) -> Result<Vec<OwnedImage>, Error> {
        let label = format!("{LABEL_INSTANCE}={}", self.instance);
        let options = query::ListImagesOptions {
            filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
            ..Default::default()
        };
        let on = On::engine("listing images");
        let images = self
            .ask(&on, |c| async move { c.list_images(Some(options)).await })
            .await?;
        Ok(images.into_iter().filter_map(owned_image).collect())
    }

    /// Not by force: what a worker uses stays, and so do names that are not ours.
    async fn remove_image(&self, image: &OwnedImage) -> Result<bool, Error> {
        let name = image.name.as_deref().unwrap_or(&image.id);
        let on = On::image("removing an image", name);
        let options = Some(query::RemoveImageOptions::default());
        let answer = self
            .ask(&on, |c| async move { c.remove_image(name, options, None).await })
            .await;
        match answer {
            Ok(_) | Err(Error::ImageMissing { .. }) => Ok(true),
            Err(Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn tag(&self, image: &str, name: &str) -> Result<(), Error> {
        check_image_name(name)?;
        let (repository, tag) = split_tag(name);
        let options = query::TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        let on = On::image("naming an image", image);
        self.ask(&on, |c| async move { c.tag_image(image, Some(options)).await })
            .await
    }

    async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        if self.image(image).await?.is_none() {
            return Err(On::image("saving an image", image).missing());
        }
        let link = self.link().await?;
        let (host, name) = (link.host.clone(), image.to_owned());
        let saved = link.client.export_image(image).map(move |part| {
            let on = On::image("saving an image", &name);
            part.map_err(|e| classify(e, &host, &on))
        });
        Ok(saved.boxed())
    }

    async fn remove_images(&self) -> Result<u64, Error> {
        let mut removed = 0;
        // A parent goes only after its children: again, as long as something went.
        loop {
            let before = removed;
            for image in self.images().await? {
                removed += u64::from(self.remove_image(&image).await?);
            }
            if removed == before {
                return Ok(removed);
            }
        }
    }
}

fn client_for(host: &Host) -> Result<Client, ClientError> {
    let version = bollard::API_DEFAULT_VERSION;
    match host {
        Host::Unix(path) => Client::connect_with_unix(&path.to_string_lossy(), NEVER_SECONDS, version),
        Host::Tcp(address) => Client::connect_with_http(address, NEVER_SECONDS, version),
    }
}

/// Filters for objects of this instance and kind: nothing is touched that was not found through them or made by us.
fn ours(instance: InstanceId, kind: &str) -> HashMap<String, Vec<String>> {
    let labels = vec![format!("{LABEL_INSTANCE}={instance}"), format!("{LABEL_KIND}={kind}")];
    HashMap::from([("label".to_owned(), labels)])
}

fn build_options(request: &BuildRequest, instance: InstanceId) -> query::BuildImageOptions {
    let memory = i32::try_from(request.memory_bytes).unwrap_or(i32::MAX);
    query::BuildImageOptions {
        dockerfile: request.dockerfile.clone(),
        t: Some(request.tag.clone()),
        rm: true,
        forcerm: true,
        memory: Some(memory),
        memswap: Some(memory),
        buildargs: Some(request.args.clone().into_iter().collect()),
        labels: Some(image_labels(request, instance)),
        networkmode: request.network.clone(),
        ..Default::default()
    }
}

fn image_labels(request: &BuildRequest, instance: InstanceId) -> HashMap<String, String> {
    let mut labels = labels(instance, "image", &request.labels);
    labels.insert(LABEL_IMAGE.to_owned(), request.tag.clone());
    labels
}

/// The name becomes part of a request's path: nothing may climb out of it.
pub(super) fn check_image_name(name: &str) -> Result<(), Error> {
    if is_image_name(name) {
        return Ok(());
    }
    Err(Error::Refused {
        status: 400,
        message: format!("`{}` is not an image name", name.escape_debug()),
    })
}

fn engine_info(version: models::SystemVersion, info: models::SystemInfo, link: &Link) -> EngineInfo {
    let components = version.components.unwrap_or_default();
    let podman = components.iter().any(|c| c.name.contains("Podman"));
    EngineInfo {
        name: if podman { "podman" } else { "docker" }.to_owned(),
        version: version.version.unwrap_or_default(),
        api_version: link.client.client_version().to_string(),
        architecture: version.arch.unwrap_or_default(),
        os: version.os.unwrap_or_default(),
        cgroup_version: info.cgroup_version.and_then(|v| v.to_string().parse().ok()),
        memory_bytes: unsigned(info.mem_total),
        host: link.host.clone(),
        found_by: link.found_by.clone(),
        storage_driver: info.driver.unwrap_or_default(),
        data_root: info.docker_root_dir.map(PathBuf::from),
        registry: info.index_server_address.unwrap_or_default(),
    }
}

fn image_info(found: models::ImageInspect) -> ImageInfo {
    let labels = found.config.and_then(|c| c.labels).unwrap_or_default();
    ImageInfo {
        id: found.id.unwrap_or_default(),
        architecture: found.architecture.unwrap_or_default(),
        size_bytes: unsigned(found.size),
        labels: labels.into_iter().collect(),
    }
}

/// Ours by the label, and by the name in it: one with other names only has been taken over by the user. One without any
/// is what a build left: a stage, or an image whose name went to the same one built again.
fn owned_image(found: models::ImageSummary) -> Option<OwnedImage> {
    let has_name = |name: &String| {
        let whole = format!("{name}:latest");
        found.repo_tags.iter().any(|tag| tag == name || *tag == whole)
    };
    let name = found.labels.get(LABEL_IMAGE).filter(|name| has_name(name)).cloned();
    let unnamed = found.repo_tags.iter().all(|tag| tag.starts_with("<none>"));
    (name.is_some() || unnamed).then(|| OwnedImage {
        name,
        size_bytes: unsigned(Some(found.size)),
        created_at_seconds: found.created,
        labels: found.labels.into_iter().collect(),
        id: found.id,
    })
}

/// The repository and the tag, which is `latest` when none is said.
fn split_tag(name: &str) -> (&str, &str) {
    let after_host = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[after_host..].rfind(':') {
        Some(colon) => (&name[..after_host + colon], &name[after_host + colon + 1..]),
        None => (name, "latest"),
    }
}

fn status(state: &models::ContainerState) -> ContainerStatus {
    let running = state.running.unwrap_or(false);
    ContainerStatus {
        running,
        exit_code: state.exit_code.filter(|_| !running),
        oom_killed: state.oom_killed.unwrap_or(false),
    }
}

fn owned(found: models::ContainerSummary) -> Option<OwnedContainer> {
    let running = is_running(&found);
    let labels = found.labels.unwrap_or_default();
    Some(OwnedContainer {
        id: ContainerId::ours(found.id?),
        worker: labels.get(LABEL_WORKER).and_then(|w| WorkerId::parse(w)),
        running,
    })
}

fn found_holders(found: Vec<models::ContainerSummary>) -> Vec<Found> {
    let one = |found: models::ContainerSummary| {
        let running = is_running(&found);
        let holder = ContainerId::ours(found.id?);
        Some(Found { holder, running })
    };
    found.into_iter().filter_map(one).collect()
}

fn is_running(found: &models::ContainerSummary) -> bool {
    found.state == Some(models::ContainerSummaryStateEnum::RUNNING)
}

/// The events' containers; ends after the first error.
fn exits_of(
    events: impl Stream<Item = Result<models::EventMessage, ClientError>> + Send + 'static,
    host: String,
) -> impl Stream<Item = Result<ContainerId, Error>> + Send + 'static {
    let exits = events.filter_map(move |event| {
        let exit = match event {
            Ok(event) => event.actor.and_then(|a| a.id).map(|id| Ok(ContainerId::ours(id))),
            Err(e) => Some(Err(classify(e, &host, &On::engine("waiting for exits")))),
        };
        std::future::ready(exit)
    });
    exits.scan(false, |ended, exit| {
        let before = std::mem::replace(ended, exit.is_err());
        std::future::ready((!before).then_some(exit))
    })
}

async fn last_bytes(
    mut output: impl Stream<Item = Result<bollard::container::LogOutput, ClientError>> + Unpin,
) -> Result<String, ClientError> {
    let mut kept = Vec::new();
    while let Some(part) = output.next().await {
        kept.extend_from_slice(&part?.into_bytes());
        if kept.len() > 2 * LOG_BYTES {
            kept.drain(..kept.len() - LOG_BYTES);
        }
    }
    let from = kept.len().saturating_sub(LOG_BYTES);
    Ok(String::from_utf8_lossy(&kept[from..]).into_owned())
}

/// A build's output: cut into lines, passed on, the last ones kept.
struct Lines<'a> {
    log: &'a (dyn Fn(&str) + Send + Sync),
    open: String,
    last: VecDeque<String>,
}

impl<'a> Lines<'a> {
    fn new(log: &'a (dyn Fn(&str) + Send + Sync)) -> Self {
        Self {
            log,
            open: String::new(),
            last: VecDeque::new(),
        }
    }

    /// Takes one message; answers the image's id if it tells one.
    fn take(&mut self, info: models::BuildInfo) -> Option<String> {
        if let Some(text) = info.stream {
            self.text(&text);
        } else if let (Some(status), None) = (&info.status, &info.progress) {
            self.text(&format!("{status}\n"));
        }
        info.aux.and_then(|image| image.id)
    }

    fn text(&mut self, text: &str) {
        self.open.push_str(text);
        while let Some(end) = self.open.find('\n') {
            let line: String = self.open.drain(..=end).collect();
            self.line(line.trim_end());
        }
        if self.open.len() > LINE_BYTES {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.line(open.trim_end());
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        (self.log)(line);
        if self.last.len() == TAIL_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    /// Puts the last lines in front of what the engine said about the failed step.
    fn failed(&mut self, error: Error) -> Error {
        self.finish();
        let Error::Build { tail } = error else {
            return error;
        };
        self.line(&tail);
        let tail = Vec::from(std::mem::take(&mut self.last)).join("\n");
        Error::Build { tail }
    }
}

/// The classic builder looked up a cached layer's image while it went: another build or a removal ran beside it.
fn is_cache_race(tail: &str) -> bool {
    let last = tail.lines().next_back().unwrap_or_default();
    ["failed to get digest sha256:", "imagedb", "no such file or directory"]
        .iter()
        .all(|words| last.contains(words))
}

/// Where a container is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// What it is created on: a network's id, `none`, or another container's namespace.
    pub(super) mode: String,
    /// Networks that it joins before it starts.
    pub(super) also: Vec<String>,
}

impl Place {
    pub(super) fn only(mode: impl Into<String>) -> Self {
        Self {
            mode: mode.into(),
            also: Vec::new(),
        }
    }
}

/// What is said of a build whose output ended before its image was named.
const UNFINISHED: &str = "the engine ended the build without an image: try again";

fn unfinished_build() -> Error {
    Error::Build {
        tail: UNFINISHED.to_owned(),
    }
}

fn is_unfinished(tail: &str) -> bool {
    tail.ends_with(UNFINISHED)
}

/// The engine closed the stream within a line: seen where several builds end at the same time.
fn is_cut_short(error: &bollard::errors::Error) -> bool {
    error.to_string().contains("bytes remaining on stream")
}

/// So often networks are looked for that somebody removes: another instance may do so with the one we share.
const NETWORK_TRIES: u32 = 3;
/// What a lost network is called, so that it is known for one.
pub(super) const NETWORK: &str = "the workers' network";

/// The networks of an instance, each made when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkKind {
    /// The outside may be reached, other containers may not.
    Outbound,
    /// Nothing may be reached; the host dials in.
    Inside,
}

impl NetworkKind {
    const ALL: [Self; 2] = [Self::Outbound, Self::Inside];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Outbound => "network",
            Self::Inside => "network-inside",
        }
    }
}

/// What was asked, for the error's words.
#[derive(Debug, Clone, Copy)]
pub(super) struct On<'a> {
    doing: &'static str,
    kind: Kind,
    name: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Engine,
    Container,
    Image,
    Build,
    Network,
}

impl<'a> On<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    fn engine(doing: &'static str) -> Self {
        Self::new(doing, Kind::Engine, "")
    }

    pub(super) fn container(doing: &'static str, id: &'a str) -> Self {
        Self::new(doing, Kind::Container, id)
    }

    pub(super) fn image(doing: &'static str, name: &'a str) -> Self {
        Self::new(doing, Kind::Image, name)
    }

    fn build(doing: &'static str, tag: &'a str) -> Self {
        Self::new(doing, Kind::Build, tag)
    }

    pub(super) fn network(doing: &'static str, name: &'a str) -> Self {
        Self::new(doing, Kind::Network, name)
    }

    fn new(doing: &'static str, kind: Kind, name: &'a str) -> Self {
        Self { doing, kind, name }
    }

    pub(super) fn timeout(&self) -> Error {
        Error::Timeout {
            doing: self.doing.to_owned(),
        }
    }

    fn missing(&self) -> Error {
        let name = self.name;
        match self.kind {
            Kind::Image => Error::ImageMissing { image: name.to_owned() },
            Kind::Network => not_found(NETWORK),
            Kind::Container => not_found(&format!("container {name}")),
            Kind::Engine | Kind::Build => not_found(self.doing),
        }
    }
}

pub(super) fn not_found(what: &str) -> Error {
    Error::NotFound { what: what.to_owned() }
}

/// Whether a failed start may have left a container. A conflict is about somebody else's.
fn leaves_a_container(error: &Error) -> bool {
    !matches!(
        error,
        Error::ImageMissing { .. } | Error::Conflict { .. } | Error::Unusable { .. }
    )
}

/// Gone, going or not running: what was wanted.
fn fine_if_gone(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::NotFound { .. } | Error::Conflict { .. }) => Ok(()),
        other => other,
    }
}

/// Every error of the client, in our words.
fn classify(error: ClientError, host: &str, on: &On<'_>) -> Error {
    let away = |source| Error::Unreachable {
        host: host.to_owned(),
        source,
    };
    match error {
        ClientError::DockerResponseServerError { status_code, message } => refusal(status_code, message, on),
        ClientError::DockerStreamError { error } => refusal(0, error, on),
        ClientError::RequestTimeoutError => on.timeout(),
        gone @ (ClientError::SocketNotFoundError(_)
        | ClientError::HyperLegacyError { .. }
        | ClientError::HyperResponseError { .. }
        | ClientError::IOError { .. }) => away(Box::new(gone)),
        strange => Error::Protocol {
            source: Box::new(strange),
        },
    }
}

/// A refusal by status and, where the status says too little, by the engine's words. Status 0: inside a stream.
fn refusal(status: u16, message: String, on: &On<'_>) -> Error {
    let says = |words: &[&str]| words.iter().any(|w| message.contains(w));
    if says(&["no space left on device", "disk quota exceeded"]) {
        return Error::OutOfDisk;
    }
    let no_image = [
        "No such image",
        "pull access denied",
        "manifest unknown",
        "manifest for",
    ];
    match (on.kind, status) {
        (Kind::Build, 0 | 400..) => Error::Build { tail: message },
        (Kind::Image, _) if says(&no_image) => on.missing(),
        (Kind::Container | Kind::Image, 404) if says(&["network"]) => not_found(NETWORK),
        (_, 404) => on.missing(),
        (_, 409) => Error::Conflict { message },
        _ => Error::Refused { status, message },
    }
}

fn unsigned(bytes: Option<i64>) -> u64 {
    bytes.and_then(|b| u64::try_from(b).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::KIND_STAGE;
    use std::collections::BTreeMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn said(status_code: u16, message: &str) -> ClientError {
        ClientError::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        }
    }

    fn streamed(error: &str) -> ClientError {
        ClientError::DockerStreamError {
            error: error.to_owned(),
        }
    }

    fn check(given: ClientError, on: On<'_>, expect: &str) {
        let shown = format!("{given:?}");
        let error = classify(given, "unix:///x", &on);
        let name = format!("{error:?}");
        assert!(name.starts_with(expect), "{shown} became {name}");
    }

    #[test]
    fn containers_leave_together_where_the_engine_can_bear_it() {
        for (api_version, together) in [
            ("1.40", false),
            ("1.41", false),
            ("1.42", true),
            ("1.51", true),
            ("2.0", true),
            ("", false),
        ] {
            assert_eq!(may_leave_together(api_version), together, "{api_version}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let container = On::container("x", "c");
        let image = On::image("x", "i");
        let pulled = "pull access denied for i, repository does not exist";
        let network = "network 0123 not found";
        let no_image = "ImageMissing { image: \"i\"";
        for (given, on, expect) in [
            (said(404, "No such container: c"), container, "NotFound"),
            (said(404, "No such image: i:latest"), image, no_image),
            (said(404, pulled), image, no_image),
            (streamed(pulled), image, no_image),
            (streamed("manifest unknown"), image, no_image),
            (said(404, network), On::network("x", "n"), "NotFound"),
        ] {
            check(given, on, expect);
        }
        let lost = "NotFound { what: \"the workers' network\"";
        check(said(404, network), container, lost);
    }

    #[test]
    fn every_refusal_has_its_word() {
        let container = On::container("x", "c");
        let image = On::image("x", "i");
        let build = On::build("x", "b");
        let full = "mkdir: no space left on device";
        for (given, on, expect) in [
            (said(409, "already in progress"), container, "Conflict"),
            (said(500, full), container, "OutOfDisk"),
            (streamed(full), build, "OutOfDisk"),
            (streamed("non-zero code: 1"), build, "Build"),
            (said(400, "dockerfile parse error"), build, "Build"),
            (said(400, "bind source"), image, "Refused { status: 400"),
            (said(500, "boom"), container, "Refused { status: 500"),
            (streamed("no such host"), image, "Refused { status: 0"),
        ] {
            check(given, on, expect);
        }
    }

    #[test]
    fn an_engine_that_is_away_is_unreachable_and_a_strange_one_is_not() {
        let on = On::container("x", "c");
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let no_socket = ClientError::SocketNotFoundError("/x".to_owned());
        for (given, expect) in [
            (no_socket, "Unreachable { host: \"unix:///x\""),
            (ClientError::IOError { err: broken }, "Unreachable"),
            (ClientError::RequestTimeoutError, "Timeout { doing: \"x\""),
            (ClientError::APIVersionParseError {}, "Protocol"),
        ] {
            check(given, on, expect);
        }
    }

    #[test]
    fn an_image_name_cannot_leave_its_path() {
        for good in ["a", "hob-base/a", "r.example:5000/a/b:1.2", "a@sha256:00ff"] {
            assert!(check_image_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "../containers/x",
            "a/../b",
            "a?x=y",
            "a#b",
            "a b",
            "/a",
            "a//b",
            "a%2e",
        ] {
            assert!(check_image_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_is_what_follows_the_last_colon_of_the_last_part() {
        for (name, expect) in [
            ("a", ("a", "latest")),
            ("a:1", ("a", "1")),
            ("r:5000/a", ("r:5000/a", "latest")),
            ("r:5000/a/b:1.2", ("r:5000/a/b", "1.2")),
        ] {
            assert_eq!(split_tag(name), expect, "{name}");
        }
    }

    #[test]
    fn an_image_is_ours_by_the_name_we_gave_it() {
        let summary = |kind: &str, tags: &[&str]| models::ImageSummary {
            id: "sha256:0".to_owned(),
            repo_tags: tags.iter().map(|t| (*t).to_owned()).collect(),
            labels: [(LABEL_KIND, kind), (LABEL_IMAGE, "hob-x/y")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..Default::default()
        };
        let ours = Some(Some("hob-x/y".to_owned()));
        for (kind, tags, expect) in [
            ("image", &["hob-x/y:latest"][..], ours.clone()),
            ("image", &["mine:1", "hob-x/y:latest"], ours),
            ("image", &["mine:1"], None),
            ("image", &[], Some(None)),
            ("image", &["<none>:<none>"], Some(None)),
            (KIND_STAGE, &[], Some(None)),
            (KIND_STAGE, &["<none>:<none>"], Some(None)),
            (KIND_STAGE, &["mine:1"], None),
        ] {
            let found = owned_image(summary(kind, tags)).map(|image| image.name);
            assert_eq!(found, expect, "{kind} {tags:?}");
        }
    }

    #[test]
    fn a_build_is_told_line_by_line_and_fails_with_its_last_lines() {
        let told = Mutex::new(Vec::new());
        let log = |line: &str| told.lock().expect("alone").push(line.to_owned());
        let mut lines = Lines::new(&log);
        for part in ["Step 1", "/2\r\nx\n", "\n", "open"] {
            lines.text(part);
        }
        let step = Error::Build {
            tail: "code 1".to_owned(),
        };
        let shown = lines.failed(step).to_string();
        assert!(shown.ends_with("Step 1/2\nx\nopen\ncode 1"), "{shown}");
        assert_eq!(told.lock().expect("alone").len(), 4);
    }

    #[test]
    fn only_a_lost_cache_layer_is_worth_another_build() {
        let race = "failed to get digest sha256:0f: open /x/image/overlay2/imagedb/content/sha256/0f: no such file or directory";
        assert!(is_cache_race(race));
        assert!(is_cache_race(&format!("Step 1/2\nStep 2/2\n{race}")));
        for other in [
            &format!("{race}\nnon-zero code: 1"),
            "COPY failed: stat a: no such file or directory",
            "",
        ] {
            assert!(!is_cache_race(other), "{other}");
        }
    }

    fn docker_at(socket: &Path) -> Docker {
        Docker::connect(Options {
            host: Some(format!("unix://{}", socket.display())),
            docker_host_env: None,
            docker_context_env: None,
            home: None,
            runtime_dir: None,
            instance: InstanceId::generate(),
            request_timeout: Duration::from_secs(10),
            network_holders: 1,
            join_networks: vec![],
            hide_metadata: Some(false),
            directory: "/tmp".into(),
        })
    }

    async fn answer_once(listener: &tokio::net::UnixListener, body: &str) {
        let (mut stream, _) = listener.accept().await.expect("asked");
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await.expect("read");
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.expect("written");
    }

    #[tokio::test]
    async fn an_engine_that_comes_back_is_found_without_a_restart() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let socket = home.path().join("s");
        let docker = docker_at(&socket);
        for _ in 0..2 {
            let down = docker.list().await.expect_err("nobody there");
            assert!(matches!(down, Error::Unreachable { .. }), "{down:?}");
        }
        let listener = tokio::net::UnixListener::bind(&socket).expect("bound");
        let engine = async {
            answer_once(&listener, r#"{"ApiVersion":"1.41"}"#).await;
            answer_once(&listener, "[]").await;
        };
        let (answer, ()) = tokio::join!(docker.list(), engine);
        assert_eq!(answer.expect("back"), vec![]);
        drop(listener);
        let down = docker.list().await.expect_err("gone again");
        assert!(matches!(down, Error::Unreachable { .. }), "{down:?}");
        assert!(docker.known_link().is_none());
    }

    fn any_build(tag: &str) -> BuildRequest {
        BuildRequest {
            tag: tag.to_owned(),
            context: bytes::Bytes::new(),
            dockerfile: "Dockerfile".to_owned(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            memory_bytes: 1 << 20,
            network: None,
            timeout: Duration::from_secs(20),
        }
    }

    /// Builds against an engine that gives these answers, one a build; answers also what the log said.
    async fn build_with(answers: &[&str]) -> (Result<String, Error>, Vec<String>) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let socket = home.path().join("s");
        let listener = tokio::net::UnixListener::bind(&socket).expect("bound");
        let docker = docker_at(&socket);
        let told = Mutex::new(Vec::new());
        let log = |line: &str| told.lock().expect("alone").push(line.to_owned());
        let engine = async {
            answer_once(&listener, r#"{"ApiVersion":"1.41"}"#).await;
            for answer in answers {
                answer_once(&listener, answer).await;
            }
        };
        let (built, ()) = tokio::join!(docker.build(any_build("b"), &log), engine);
        (built, told.into_inner().expect("alone"))
    }

    const RACE: &str =
        r#"{"error":"failed to get digest sha256:0f: open /imagedb/content/sha256/0f: no such file or directory"}"#;
    const BUILT: &str = r#"{"aux":{"ID":"sha256:1"}}"#;

    #[tokio::test]
    async fn a_build_whose_cache_changed_is_done_again_and_the_log_says_so() {
        let (built, log) = build_with(&[RACE, BUILT]).await;
        assert_eq!(built.expect("built"), "sha256:1");
        assert!(
            log.iter().any(|line| line.ends_with("building again, 2 of 3.")),
            "{log:?}"
        );
    }

    #[tokio::test]
    async fn a_build_whose_cache_keeps_changing_fails_after_the_third_time() {
        let (built, log) = build_with(&[RACE, RACE, RACE]).await;
        assert!(
            matches!(&built, Err(Error::Build { tail }) if is_cache_race(tail)),
            "{built:?}"
        );
        assert_eq!(log.iter().filter(|line| line.contains("building again")).count(), 2);
    }

    #[tokio::test]
    async fn a_step_that_fails_is_not_tried_again() {
        let (built, log) = build_with(&[r#"{"error":"non-zero code: 1"}"#]).await;
        assert!(matches!(built, Err(Error::Build { .. })), "{built:?}");
        assert!(!log.iter().any(|line| line.contains("again")), "{log:?}");
    }
}
