//! The composition root: settings become rooms, rooms become a running daemon. The only file that knows everybody.
//!
//! Order: bind, open the store, build, run, drain. What is bound first cannot fail last.

use crate::api;
use crate::api::kit::guard::{self, Door, Guard};
use crate::api::kit::problem;
use crate::api::native::wire::TlsView;
use crate::api::native::{self, NativeState};
use crate::app::{App, CallbackOptions, Defaults, Keys, Parts, PortOptions, Readiness};
use crate::builder::Builder;
use crate::config::{Config, Durability, Environment, IngressAccess, Prewarm, PrivateUrls, Pull};
use crate::domain::{InstanceId, Intake, Limits, Network, SecretText, Timestamp};
use crate::engine::{self, Docker, Engine};
use crate::ingress::{self, Entrance, Ingress};
use crate::invoker::Invoker;
use crate::listener;
use crate::listener::tls::{self, Certificate, Speaker};
use crate::pool::{self, Pool};
use crate::runtime::{self, Runtimes};
use crate::scheduler;
use crate::source;
use crate::store::{self, Store};
use crate::task::{Clock, Shutdown, Supervisor, TaskKind};
use crate::telemetry::chain;
use crate::traces::{self, Exporter, Tracer};
use crate::web;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

/// Read connections of the store.
const READERS: u32 = 4;
/// Removing containers and writing the last records may take this long after the grace.
const CLEAN_UP: Duration = Duration::from_secs(20);
/// The collector may take so long for the spans of the last calls.
const LAST_SPANS: Duration = Duration::from_secs(5);
/// Purging is tried so often, so far apart, until three passes in a row find nothing.
const PURGES: u32 = 60;
const PURGE_AGAIN: Duration = Duration::from_millis(300);
/// Half of the machine's memory is the workers', unless said; where it cannot be read, this. Unit: bytes.
const MEMORY_BUDGET: u64 = 2 * 1024 * 1024 * 1024;

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("{0}: stop what holds it, or choose another with --listen (port 0: any)")]
    Listen(listener::Refused),
    /// The store cannot be opened.
    #[error("the data directory {0} cannot be used")]
    Store(PathBuf, #[source] store::Error),
    /// Other machines could run code here.
    #[error(
        "refusing to listen on {0} without an access token, because whoever reaches that address could run code on \
         this machine: set `access.token` (HOB_ACCESS_TOKEN), or start on 127.0.0.1 and make a token with \
         `hob token create --role admin`"
    )]
    Exposed(SocketAddr),
    /// TLS was asked for and cannot be spoken.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The runtimes cannot be read.
    #[error("the runtimes cannot be read")]
    Runtimes(#[from] runtime::Error),
    /// No folder of runtimes was found.
    #[error("there is no folder of runtimes near the program: set runtimes.directory (HOB_RUNTIMES_DIRECTORY)")]
    NoRuntimes,
    /// A directory cannot be made.
    #[error("the workers' directory below {0} cannot be made")]
    Directory(PathBuf, #[source] std::io::Error),
    /// What the last run left cannot be brought to order.
    #[error("what the last run left cannot be brought to order")]
    Recover(#[source] crate::domain::Error),
}

/// A daemon that is built and bound, and does not run yet.
pub struct Daemon {
    app: App,
    pool: Pool,
    store: Store,
    engine: Arc<dyn Engine>,
    supervisor: Supervisor,
    shutdown: Shutdown,
    listener: TcpListener,
    extra: Vec<TcpListener>,
    tls: Option<Speaker>,
    address: SocketAddr,
    grace: Duration,
    entrance: Entrance,
    purge: Arc<AtomicBool>,
    exporter: Option<Exporter>,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Daemon {
    /// Builds a daemon on the Docker engine that the settings and the environment lead to.
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn build(config: Config, environment: &Environment) -> Result<Self, Error> {
        let options = docker_options(&config, environment);
        let make = move |instance| Arc::new(Docker::connect(options(instance))) as Arc<dyn Engine>;
        Self::build_on(config, make, Clock::system()).await
    }

    /// Builds a daemon on any engine.
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn build_on(
        config: Config,
        engine: impl FnOnce(InstanceId) -> Arc<dyn Engine>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let (listener, address) = listener::bind(config.server.listen).await.map_err(Error::Listen)?;
        let store = open_store(&config).await?;
        let exposed = exposed(&config);
        let keys = Keys::new(config.access.token.as_deref(), exposed.is_some());
        let extra = listen_where_free(additional_addresses(&config)).await;
        let tls = speak_tls(&config, clock.now()).await?;
        let engine = engine(store.instance());
        let runtimes = Arc::new(Runtimes::read(&runtimes_directory(&config)?)?);
        let shutdown = Shutdown::new();
        let supervisor = Supervisor::new(shutdown.clone());
        let builder = Builder::new(
            Arc::clone(&engine),
            Arc::clone(&runtimes),
            builder_options(&config, store.instance()),
        );
        let directory = config.server.data_dir.clone();
        let pool = Pool::open(Arc::clone(&engine), supervisor.clone(), pool_options(&config))
            .map_err(|e| Error::Directory(directory, e))?;
        let traces = trace_options(&config, store.instance()).map(Exporter::new);
        let (exporter, tracer) =
            traces.map_or((None, Tracer::default()), |(exporter, tracer)| (Some(exporter), tracer));
        let invoker = Invoker::new(
            pool.clone(),
            store.clone(),
            clock.clone(),
            supervisor.clone(),
            tracer,
            config.records.enabled,
        );
        let parts = Parts {
            options: app_options(&config),
            store: store.clone(),
            engine: Arc::clone(&engine),
            runtimes,
            builder,
            pool: pool.clone(),
            invoker,
            supervisor: supervisor.clone(),
            clock,
            keys,
            sources: source_options(&config),
        };
        let app = App::new(parts);
        app.recover().await.map_err(Error::Recover)?;
        if let Some(exposed) = exposed.filter(|_| !app.keys().any()) {
            return Err(Error::Exposed(exposed));
        }
        let purge = Arc::new(AtomicBool::new(false));
        let reach = Reach {
            address,
            all: std::iter::once(&listener).chain(&extra).map(url).collect(),
            tls: tls.as_ref().map(tls_view),
            tls_port: tls.as_ref().map(|speaker| speaker.address().port()),
        };
        let entrance = entrance(&config, &app, &store, reach, &shutdown, &purge);
        let grace = config.server.shutdown_grace;
        Ok(Self {
            app,
            pool,
            store,
            engine,
            supervisor,
            shutdown,
            listener,
            extra,
            tls,
            address,
            grace,
            entrance,
            purge,
            exporter,
        })
    }

    /// Where it listens; with port 0, the chosen port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does, for whoever runs a daemon within another program.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Lets a task of whoever runs the daemon go beside its own.
    pub fn add_task(&self, kind: TaskKind, task: impl Future<Output = ()> + Send + 'static) {
        self.supervisor.spawn(kind, task);
    }

    /// Asks it to stop: in-flight calls finish, records are written, containers removed.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Runs until asked to stop, then drains.
    pub async fn run(self) {
        self.start_tasks();
        let shutdown = self.shutdown.clone();
        for listener in std::iter::once(self.listener).chain(self.extra) {
            let served = listener::serve(
                listener,
                self.entrance.clone(),
                self.supervisor.clone(),
                self.shutdown.clone(),
            );
            self.supervisor.spawn(TaskKind::Listener, served);
        }
        if let Some(tls) = self.tls {
            let (served, handshakes) = tls.serve(self.entrance, self.supervisor.clone(), self.shutdown);
            self.supervisor.spawn(TaskKind::Listener, handshakes);
            self.supervisor.spawn(TaskKind::Listener, served);
        }
        shutdown.requested().await;
        drain(&self.pool, &self.supervisor, self.grace).await;
        if let Some(exporter) = &self.exporter
            && tokio::time::timeout(LAST_SPANS, exporter.flush()).await.is_err()
        {
            tracing::warn!("The collector did not take the last spans in time");
        }
        if self.purge.load(Ordering::Relaxed) {
            purge(self.engine.as_ref()).await;
        }
        if let Err(e) = self.store.close().await {
            tracing::error!("The store could not be closed: {}", chain(&e));
        }
    }

    fn start_tasks(&self) {
        let (supervisor, stop) = (&self.supervisor, &self.shutdown);
        supervisor.spawn(TaskKind::PoolLoop, self.pool.clone().run(stop.child()));
        let (pool, holding) = (self.pool.clone(), stop.child());
        supervisor.spawn_restarting(TaskKind::NetworkHolders, move || {
            pool.clone().keep_holders(holding.clone())
        });
        if let Some(exporter) = self.exporter.clone() {
            let stop = stop.child();
            supervisor.spawn_restarting(TaskKind::Traces, move || exporter.clone().run(stop.clone()));
        }
        let app = || (self.app.clone(), stop.child());
        let start = |kind, run: fn(App, Shutdown) -> futures_util::future::BoxFuture<'static, ()>| {
            let (app, stop) = app();
            supervisor.spawn_restarting(kind, move || run(app.clone(), stop.clone()));
        };
        let (entrance, tasks) = (self.entrance.clone(), supervisor.clone());
        let (app, stop) = app();
        supervisor.spawn_restarting(TaskKind::Ports, move || {
            ingress::serve_ports(app.clone(), entrance.clone(), tasks.clone(), stop.clone())
        });
        start(TaskKind::EngineWatch, |app, stop| Box::pin(app.watch_engine(stop)));
        start(TaskKind::Reconciler, |app, stop| Box::pin(app.reconcile(stop)));
        start(TaskKind::Dispatcher, |app, stop| Box::pin(app.dispatch(stop)));
        start(TaskKind::Callbacks, |app, stop| Box::pin(app.send_callbacks(stop)));
        start(TaskKind::Scheduler, |app, stop| Box::pin(scheduler::run(app, stop)));
        start(TaskKind::Retention, |app, stop| Box::pin(app.retain(stop)));
    }
}

/// An address that is listened on and that other machines may reach.
fn exposed(config: &Config) -> Option<SocketAddr> {
    let all = [Some(config.server.listen), config.tls.listen];
    all.into_iter().flatten().find(|a| !a.ip().is_loopback())
}

/// Where the daemon answers.
struct Reach {
    address: SocketAddr,
    all: Vec<String>,
    tls: Option<TlsView>,
    tls_port: Option<u16>,
}

fn url(listener: &TcpListener) -> String {
    listener
        .local_addr()
        .map_or_else(|e| e.to_string(), |address| format!("http://{address}"))
}

/// Where to listen beside the first address: where the settings say, and where clients look that nobody told. A daemon
/// on any port is one of several, and leaves those to the one with a port of its own.
fn additional_addresses(config: &Config) -> Vec<SocketAddr> {
    let customary = config.api.customary && config.server.listen.port() != 0;
    let customary = api::customary_addresses().filter(|_| customary);
    config.api.extra_listen.iter().copied().chain(customary).collect()
}

/// Takes those addresses that are free. One that is not is no reason not to start.
async fn listen_where_free(addresses: Vec<SocketAddr>) -> Vec<TcpListener> {
    let mut taken = Vec::new();
    for address in addresses {
        match listener::bind(address).await {
            Ok((listener, bound)) => {
                tracing::info!("Listening on {bound} in addition");
                taken.push(listener);
            }
            Err(refused) => tracing::info!("Not listening in addition: {refused}"),
        }
    }
    taken
}

async fn speak_tls(config: &Config, now: Timestamp) -> Result<Option<Speaker>, tls::Error> {
    let Some(wanted) = config.tls.listen else {
        return Ok(None);
    };
    let (data, names) = (&config.server.data_dir, &config.server.allowed_hosts);
    let now = SystemTime::UNIX_EPOCH + now.since(Timestamp::from_millis(0));
    let speaker = Speaker::prepare(wanted, Certificate::find_or_make(data, names, now)?).await?;
    let (address, trust) = (speaker.address(), speaker.authority().display());
    tracing::info!("Listening on {address} with TLS; clients have to trust {trust}");
    Ok(Some(speaker))
}

fn tls_view(speaker: &Speaker) -> TlsView {
    TlsView {
        url: format!("https://{}", speaker.address()),
        ca_file: speaker.authority().display().to_string(),
    }
}

/// Lets calls finish within the grace, then removes the workers and waits for the rest.
async fn drain(pool: &Pool, supervisor: &Supervisor, grace: Duration) {
    let calls_over = async {
        while pool.open_calls() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(grace, calls_over).await.is_err() {
        tracing::warn!(
            "{} calls did not end within the grace and are cut off",
            pool.open_calls()
        );
    }
    pool.stop();
    let drained = supervisor.drain(CLEAN_UP).await;
    for name in drained.unfinished {
        tracing::warn!("A {name} did not end in time");
    }
}

/// Removes networks and images until nothing is left and nothing comes after: the engine may still be ending a build
/// that was dropped, and until then keeps what that build stands on.
async fn purge(engine: &dyn Engine) {
    let mut quiet = 0;
    for _ in 0..PURGES {
        quiet = if purge_once(engine).await { quiet + 1 } else { 0 };
        if quiet == 3 {
            return;
        }
        tokio::time::sleep(PURGE_AGAIN).await;
    }
    tracing::warn!(
        "Images or networks are still in use: `docker images --filter label=hob.instance` and \
         `docker network ls --filter label=hob.instance` show them"
    );
}

/// Answers whether there was nothing to remove and nothing is left.
async fn purge_once(engine: &dyn Engine) -> bool {
    let networks = engine.remove_networks().await;
    if let Err(e) = &networks {
        tracing::debug!("Networks could not be removed: {}", chain(e));
    }
    let removed = engine.remove_images().await.unwrap_or_else(|e| {
        tracing::warn!("Images could not be removed: {}", chain(&e));
        0
    });
    networks.is_ok() && removed == 0 && engine.images().await.is_ok_and(|left| left.is_empty())
}

async fn open_store(config: &Config) -> Result<Store, Error> {
    let directory = config.server.data_dir.clone();
    let options = store::Options {
        directory: directory.clone(),
        durability: match config.records.durability {
            Durability::Full => store::Durability::Full,
            Durability::Normal => store::Durability::Normal,
        },
        queue: config.records.queue,
        readers: READERS,
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    let opened = opened.unwrap_or(Err(store::Error::Closed));
    opened.map_err(|e| Error::Store(directory, e))
}

/// The engine that the settings and the environment lead to, for whoever only asks it things.
#[must_use]
pub fn engine(config: &Config, environment: &Environment) -> impl Engine + use<> {
    Docker::connect(docker_options(config, environment)(InstanceId::generate()))
}

/// The folder said, or the one beside or above the program, or in the working directory.
///
/// # Errors
/// `NoRuntimes`.
pub fn runtimes_directory(config: &Config) -> Result<PathBuf, Error> {
    if let Some(directory) = &config.runtimes.directory {
        return Ok(directory.clone());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    let near = program.ancestors().skip(1).chain(std::iter::once(here.as_path()));
    let candidates = near.flat_map(|dir| [dir.join("runtimes"), dir.join("share/hob/runtimes")]);
    candidates
        .into_iter()
        .find(|dir| is_runtimes(dir))
        .ok_or(Error::NoRuntimes)
}

fn is_runtimes(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|e| e.path().join("runtime.toml").is_file())
}

fn docker_options(config: &Config, environment: &Environment) -> impl FnOnce(InstanceId) -> engine::Options + use<> {
    let (host, request_timeout) = (config.engine.host.clone(), config.engine.request_timeout);
    let network_holders = usize::from(config.pool.network_holders);
    let join_networks = config.engine.join_networks.clone();
    let (hide_metadata, directory) = (config.engine.hide_metadata, config.server.data_dir.clone());
    let environment = environment.clone();
    move |instance| engine::Options {
        host,
        docker_host_env: environment.docker_host().map(str::to_owned),
        docker_context_env: environment.docker_context().map(str::to_owned),
        home: environment.home(),
        runtime_dir: environment.runtime_dir(),
        instance,
        request_timeout,
        network_holders,
        join_networks,
        hide_metadata,
        directory,
    }
}

fn source_options(config: &Config) -> source::Options {
    let sources = &config.sources;
    let swift = match (&sources.swift_directory, &sources.swift_url) {
        (Some(directory), _) => source::Swift::Directory(directory.clone()),
        (None, Some(url)) => source::Swift::Service {
            url: url.clone(),
            token: sources.swift_token.clone(),
        },
        (None, None) => source::Swift::None,
    };
    source::Options {
        allow_private: sources.allow_private_urls,
        patience: sources.timeout,
        limit: config.server.upload_limit,
        web: web_options(config),
        swift,
        directories: sources.directories.clone(),
    }
}

/// `None`: calls are not traced.
fn trace_options(config: &Config, instance: InstanceId) -> Option<traces::Options> {
    let given = config.traces.as_ref()?;
    let own = [
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", instance.to_string()),
    ];
    let own = own.map(|(key, value)| (key.to_owned(), value));
    let said = |key: &str| given.resource.iter().any(|(name, _)| name == key);
    let own = own.into_iter().filter(|(key, _)| !said(key));
    Some(traces::Options {
        url: given.url.clone(),
        headers: given.headers.clone(),
        resource: given.resource.iter().cloned().chain(own).collect(),
        patience: given.timeout,
        linger: given.linger,
        web: web_options(config),
    })
}

fn web_options(config: &Config) -> web::Options {
    let proxies = web::Proxies {
        http: config.proxies.http.clone(),
        https: config.proxies.https.clone(),
        except: config.proxies.except.clone(),
    };
    web::Options {
        proxies,
        ca_bundle: config.build.ca_bundle.clone(),
    }
}

fn builder_options(config: &Config, instance: InstanceId) -> crate::builder::Options {
    let args = config
        .build
        .environment
        .iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
    crate::builder::Options {
        timeout: config.build.timeout,
        memory_bytes: config.build.memory,
        args: args.collect(),
        ca_bundle: config.build.ca_bundle.clone(),
        network: config.build.network.clone(),
        concurrency: usize::from(config.build.concurrency),
        size_limit_bytes: config.build.size_limit,
        disk_budget_bytes: config.build.disk_budget,
        may_pull: config.engine.pull == Pull::Missing,
        instance,
    }
}

fn pool_options(config: &Config) -> pool::Options {
    let policy = pool::Policy {
        memory_budget: config.pool.memory_budget.unwrap_or_else(half_of_memory),
        idle: config.pool.idle,
        queue_bound: config.pool.queue_bound as usize,
        queue_timeout: config.pool.queue_timeout,
        start_concurrency: usize::from(config.pool.start_concurrency),
        prewarm_memory: config.function.memory,
        prewarm: BTreeMap::new(),
    };
    pool::Options {
        directory: config.server.data_dir.clone(),
        policy,
        pids: config.function.pids,
        tmp_bytes: config.function.tmp,
        open_files: config.function.open_files,
        start_timeout: config.pool.start_timeout,
        load_timeout: config.pool.start_timeout,
        grace: config.pool.deadline_grace,
        log_limit: config.log.per_execution,
    }
}

fn app_options(config: &Config) -> crate::app::Options {
    let function = &config.function;
    crate::app::Options {
        defaults: Defaults {
            limits: Limits {
                memory: function.memory,
                timeout: function.timeout,
                concurrency: function.concurrency,
                scale: function.scale,
                network: Network::Outbound,
                cpu: None,
                intake: Intake::default(),
            },
            timeout_max: function.timeout_max.duration(),
        },
        archive: crate::archive::Limits::default(),
        upload_limit: config.server.upload_limit,
        async_input_limit: config.records.async_input_limit,
        keep_bodies_per_second: config.records.keep_bodies_per_second,
        keep_bodies: if config.records.enabled {
            config.records.keep_bodies
        } else {
            0
        },
        async_concurrency: usize::from(config.records.async_concurrency),
        reconnect: config.engine.reconnect,
        prewarm: match config.pool.prewarm {
            Prewarm::Always(workers) => Some(usize::from(workers)),
            Prewarm::UnlessRuntimeSays(_) => None,
        },
        callbacks: CallbackOptions {
            secret: config.callbacks.secret.clone().map(SecretText::new),
            tries: config.callbacks.tries,
            allow_private: match config.callbacks.private_urls {
                PrivateUrls::Auto => exposed(config).is_none(),
                PrivateUrls::Always => true,
                PrivateUrls::Never => false,
            },
        },
        keep_count: config.records.keep_count,
        keep: config.records.keep,
        function_images: config.build.function_images,
        ports: PortOptions {
            address: config.server.listen.ip(),
            range: config.ingress.port_range.clone(),
        },
        own_hosts: config.server.allowed_hosts.clone(),
    }
}

fn half_of_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    total.map_or(MEMORY_BUDGET, |kib| kib * 1024 / 2)
}

fn entrance(
    config: &Config,
    app: &App,
    store: &Store,
    reach: Reach,
    shutdown: &Shutdown,
    purge: &Arc<AtomicBool>,
) -> Entrance {
    let (stop, purge) = (shutdown.clone(), Arc::clone(purge));
    let state = NativeState {
        app: app.clone(),
        instance: store.instance().to_string(),
        data_dir: config.server.data_dir.display().to_string(),
        base_url: format!("http://{}", listener::reachable(reach.address)),
        addresses: reach.all,
        tls: reach.tls,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        body_limit: config.server.body_limit,
        stop: Arc::new(move |all| {
            purge.store(all, Ordering::Relaxed);
            stop.request();
        }),
        shutdown: shutdown.clone(),
    };
    let dialect = api::Dialect {
        app: app.clone(),
        base_url: state.base_url.as_str().into(),
        body_limit: config.server.body_limit,
        shutdown: shutdown.clone(),
        tls_port: reach.tls_port,
        cpu_follows_memory: config.function.cpu_follows_memory,
    };
    let ingress = Ingress {
        app: app.clone(),
        body_limit: config.server.body_limit,
        tls_port: reach.tls_port,
    };
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(app.clone()))
        .route("/metrics", get(metrics).with_state(app.clone()))
        .merge(api::dialects(&dialect))
        .merge(native::router(state))
        .merge(ingress::router(ingress.clone()))
        .fallback(nothing_here);
    Entrance::new(ingress, guard(config, app.keys().clone()), routes)
}

fn guard(config: &Config, keys: Keys) -> Guard {
    let mut guard = Guard::new(keys, door);
    guard.allowed_hosts.clone_from(&config.server.allowed_hosts);
    guard.allowed_origins.clone_from(&config.server.allowed_origins);
    guard.registered = ingress::names_registered_host;
    guard.ingress = match config.access.ingress {
        IngressAccess::Auto => guard::IngressAccess::Auto,
        IngressAccess::Token => guard::IngressAccess::Token,
        IngressAccess::Open => guard::IngressAccess::Open,
    };
    guard
}

/// What a request wants. A function's own address goes before every path, as it does when requests are served.
fn door(request: &Request) -> Door {
    let path = request.uri().path();
    match path {
        _ if ingress::is_addressed(request) => Door::Ingress,
        "/healthz" | "/readyz" => Door::Open,
        "/metrics" => Door::Everything,
        // A webhook's address is the key to it.
        _ if path.starts_with("/hook/") => Door::Open,
        _ => api::door(request.method(), path),
    }
}

async fn nothing_here(request: Request) -> Response {
    let message = format!(
        "there is nothing at {}: functions are at /function/NAME, the API at /hob/v1",
        request.uri().path()
    );
    problem::body(StatusCode::NOT_FOUND, "not_found", &message, None, None)
}

async fn ready(State(app): State<App>) -> Response {
    match app.readiness() {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::Waiting(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    match app.metrics().await {
        Ok(page) => {
            let kind = [(http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (kind, page).into_response()
        }
        Err(error) => problem::answer(&error, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    #[test]
    fn customary_addresses_are_for_a_daemon_with_a_port_of_its_own() {
        for (listen, extra, expect) in [
            ("127.0.0.1:7070", "auto", &["127.0.0.1:8070"][..]),
            ("127.0.0.1:7070", "127.0.0.1:9", &["127.0.0.1:9"]),
            ("127.0.0.1:0", "auto", &[]),
            ("127.0.0.1:0", "auto,127.0.0.1:9", &["127.0.0.1:9"]),
            ("127.0.0.1:7070", "127.0.0.1:9,auto", &["127.0.0.1:9", "127.0.0.1:8070"]),
        ] {
            let set = [
                ("HOB_LISTEN", listen),
                ("HOB_API_EXTRA_LISTEN", extra),
                ("HOME", "/tmp"),
            ];
            let config = Config::load(&Environment::from_pairs(set), &Flags::default()).expect("settings");
            let found: Vec<_> = additional_addresses(&config).iter().map(ToString::to_string).collect();
            assert_eq!(found, expect, "{listen} {extra}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_free_is_listened_on_and_one_that_is_taken_is_left_alone() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (theirs, held) = listener::bind(any).await.expect("a port");
        let taken = listen_where_free(vec![held, any]).await;
        let addresses: Vec<_> = taken.iter().filter_map(|l| l.local_addr().ok()).collect();
        assert!(addresses.len() == 1 && addresses[0] != held, "{addresses:?}");
        drop(theirs);
        let taken = listen_where_free(vec![held]).await;
        assert_eq!(taken.len(), 1);
    }
}
