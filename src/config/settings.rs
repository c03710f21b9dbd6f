//! The settings as types, section by section as in `config.toml`, and the range of each.
//!
//! Units are in the types, or said beside the field; sizes are in bytes.

use super::reader::Reader;
use super::traces::{Traces, traces};
use super::{Environment, Error};
use crate::domain::{Concurrency, Memory, PortRange, Scale, Timeout};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything the daemon was told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listener and its limits.
    pub server: Server,
    /// Whether HTTPS is spoken too.
    pub tls: Tls,
    /// Where the APIs are in addition.
    pub api: Api,
    /// How to reach the container engine.
    pub engine: Engine,
    /// Limits and surroundings of builds.
    pub build: Build,
    /// How warm workers are kept.
    pub pool: Pool,
    /// What a function gets unless it says otherwise.
    pub function: Function,
    /// What is logged.
    pub log: Log,
    /// What is kept of executions.
    pub records: Records,
    /// How the ends of asynchronous calls are told.
    pub callbacks: Callbacks,
    /// What leads to functions.
    pub ingress: Ingress,
    /// Who may call.
    pub access: Access,
    /// Where code may come from.
    pub sources: Sources,
    /// What is deployed at start.
    pub seed: Seed,
    /// How to go out, as the environment says.
    pub proxies: Proxies,
    /// Where calls are traced to, as the environment says; none: nowhere.
    pub traces: Option<Traces>,
    /// Where runtimes are.
    pub runtimes: Runtimes,
}

/// How to go out; never print it, for an address may hold a password.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `http_proxy`.
    pub http: Option<String>,
    /// `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `NO_PROXY`.
    pub except: Option<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies(hidden)")
    }
}

/// Where code may come from.
#[derive(Clone)]
pub struct Sources {
    /// Whether URLs may lead to this machine and its networks.
    pub allow_private_urls: bool,
    /// How long fetching may take.
    pub timeout: Duration,
    /// A directory in the place of a store of objects; then there is no address.
    pub swift_directory: Option<PathBuf>,
    /// A store of objects.
    pub swift_url: Option<String>,
    /// What to show it; never print it.
    pub swift_token: Option<String>,
    /// Below these, code may be deployed from this machine.
    pub directories: Vec<PathBuf>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("allow_private_urls", &self.allow_private_urls)
            .finish_non_exhaustive()
    }
}

/// The listener and its limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where state lives.
    pub data_dir: PathBuf,
    /// How long running calls may take when the daemon stops.
    pub shutdown_grace: Duration,
    /// Bytes of the largest body of a call.
    pub body_limit: u64,
    /// Bytes of the largest code package.
    pub upload_limit: u64,
    /// Host names accepted besides the local ones, in lower case.
    pub allowed_hosts: Vec<String>,
    /// Origins accepted besides our own, in lower case, without a slash at the end.
    pub allowed_origins: Vec<String>,
}

/// Whether HTTPS is spoken too.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where; none: nowhere.
    pub listen: Option<SocketAddr>,
}

/// Where the APIs are in addition.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where clients of the APIs look first.
    pub customary: bool,
    /// And here; loopback addresses.
    pub extra_listen: Vec<SocketAddr>,
}

/// How to reach the container engine.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where it listens; none: find out.
    pub host: Option<String>,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Time between attempts to reach it again.
    pub reconnect: Duration,
    /// Whether nothing may be fetched.
    pub offline: bool,
    /// Whether missing images are fetched; `Never` when offline.
    pub pull: Pull,
    /// Networks that workers join; `auto`: those of the daemon's own container.
    pub join_networks: Vec<String>,
    /// Whether functions are kept from the machine's metadata; `None`: where that is known to do no harm.
    pub hide_metadata: Option<bool>,
}

/// What to do about an image that is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Fetch it.
    Missing,
    /// Say so.
    Never,
}

/// Limits and surroundings of builds.
#[derive(Debug, Clone)]
pub struct Build {
    /// How long one may take.
    pub timeout: Duration,
    /// Bytes of memory of one step.
    pub memory: u64,
    /// Build arguments for every build.
    pub environment: Variables,
    /// Certificates that builds trust in addition; none: the image's own.
    pub ca_bundle: Option<PathBuf>,
    /// What builds of dependencies may reach; none: what the engine gives.
    pub network: Option<String>,
    /// Builds of dependencies at the same time.
    pub concurrency: u16,
    /// Bytes that one build may add.
    pub size_limit: u64,
    /// Bytes that all our images may add before unused ones go.
    pub disk_budget: u64,
    /// Whether an image of each function is made in the background.
    pub function_images: bool,
}

/// Names and values, of which only the names are ever printed: a proxy's address may hold a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How warm workers are kept.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Bytes all workers together may use; none: half of the machine's.
    pub memory_budget: Option<u64>,
    /// How long a worker without calls stays.
    pub idle: Duration,
    /// Calls of one function that may wait.
    pub queue_bound: u32,
    /// How long a call waits.
    pub queue_timeout: Duration,
    /// How many workers of a runtime start before anybody calls.
    pub prewarm: Prewarm,
    /// Containers started at the same time.
    pub start_concurrency: u16,
    /// Network namespaces that wait for a worker.
    pub network_holders: u16,
    /// How long a worker may take to be ready.
    pub start_timeout: Duration,
    /// Time between a call's deadline and the killing of its worker.
    pub deadline_grace: Duration,
}

/// How many workers of a runtime start before anybody calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prewarm {
    /// So many, unless the runtime has a number of its own.
    UnlessRuntimeSays(u16),
    /// So many: somebody set it.
    Always(u16),
}

impl Prewarm {
    /// The number for a runtime which says `own`.
    #[must_use]
    pub fn for_runtime(self, own: Option<u16>) -> u16 {
        match self {
            Self::UnlessRuntimeSays(workers) => own.unwrap_or(workers),
            Self::Always(workers) => workers,
        }
    }
}

/// What a function gets unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Function {
    /// Memory of one worker.
    pub memory: Memory,
    /// How long one call may take.
    pub timeout: Timeout,
    /// The longest timeout that may be asked for.
    pub timeout_max: Timeout,
    /// Calls at once in one worker.
    pub concurrency: Concurrency,
    /// Workers kept and allowed.
    pub scale: Scale,
    /// Whether processor time is limited by memory, for APIs that say how much goes with which.
    pub cpu_follows_memory: bool,
    /// Processes and threads of one worker.
    pub pids: u32,
    /// Bytes of `/tmp` of one worker.
    pub tmp: u64,
    /// Files one process may hold open.
    pub open_files: u32,
}

/// What is logged.
#[derive(Debug, Clone)]
pub struct Log {
    /// For `telemetry::Options`.
    pub level: String,
    /// Bytes kept of what one call prints.
    pub per_execution: u64,
}

/// What is kept of executions.
#[derive(Debug, Clone)]
pub struct Records {
    /// Whether synchronous calls are recorded.
    pub enabled: bool,
    /// Executions kept for each function.
    pub keep_count: u32,
    /// How long an execution is kept.
    pub keep: Duration,
    /// Records that may wait to be written.
    pub queue: usize,
    /// What survives what.
    pub durability: Durability,
    /// Bytes of the largest input of an asynchronous call.
    pub async_input_limit: u64,
    /// Bytes of the largest input, and of the largest answer, kept of a synchronous call; 0: none is.
    pub keep_bodies: usize,
    /// Of so many calls a second at most.
    pub keep_bodies_per_second: u32,
    /// Asynchronous calls at the same time.
    pub async_concurrency: u16,
}

/// What acknowledged records survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Full,
    /// A crash of the daemon.
    Normal,
}

/// How the ends of asynchronous calls are told.
#[derive(Clone)]
pub struct Callbacks {
    /// What they are signed with; none: not at all. Never print it.
    pub secret: Option<String>,
    /// Tries for one of them.
    pub tries: u32,
    /// When they may go to this machine and its networks.
    pub private_urls: PrivateUrls,
}

/// When callbacks may go to this machine and its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateUrls {
    /// While only this machine can reach the daemon.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.secret.is_some() { "(hidden)" } else { "none" };
        let (tries, private_urls) = (self.tries, self.private_urls);
        write!(
            f,
            "Callbacks {{ secret: {secret}, tries: {tries}, private_urls: {private_urls:?} }}"
        )
    }
}

/// What leads to functions.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// Ports for functions that want a port and none in particular.
    pub port_range: PortRange,
}

/// Who may call.
#[derive(Clone)]
pub struct Access {
    /// What requests must carry; none: nothing. Compare it in constant time and never print it.
    pub token: Option<String>,
    /// When a function's own clients need a token.
    pub ingress: IngressAccess,
}

/// When a function's own clients need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngressAccess {
    /// When other machines can reach the daemon.
    Auto,
    /// Always.
    Token,
    /// Never.
    Open,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.token.is_some() { "(hidden)" } else { "none" };
        write!(f, "Access {{ token: {token}, ingress: {:?} }}", self.ingress)
    }
}

/// What is deployed at start.
#[derive(Debug, Clone)]
pub struct Seed {
    /// A directory of functions and projects; none: nothing is.
    pub directory: Option<PathBuf>,
}

/// Where runtimes are.
#[derive(Debug, Clone)]
pub struct Runtimes {
    /// Their directory; none: those that came with the program.
    pub directory: Option<PathBuf>,
}

const NETWORKS: &str = "\"default\", \"none\" or the name of one of the engine's networks, but not \"host\"";
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

pub(super) fn read(from: &mut Reader<'_>, environment: &Environment) -> Result<Config, Error> {
    Ok(Config {
        server: server(from, environment)?,
        tls: tls(from)?,
        api: api(from)?,
        engine: engine(from)?,
        build: build(from)?,
        pool: pool(from)?,
        function: function(from)?,
        log: log(from)?,
        records: records(from)?,
        callbacks: callbacks(from)?,
        ingress: ingress(from)?,
        access: access(from)?,
        sources: sources(from)?,
        seed: Seed {
            directory: from.some_text("seed.directory").map(PathBuf::from),
        },
        proxies: proxies(environment),
        traces: traces(environment),
        runtimes: runtimes(from),
    })
}

fn server(from: &mut Reader<'_>, environment: &Environment) -> Result<Server, Error> {
    Ok(Server {
        listen: listen(from)?,
        data_dir: data_dir(from, environment)?,
        shutdown_grace: from.seconds("server.shutdown_grace_seconds", 0..=3_600)?,
        body_limit: from.mib("server.body_limit_mib", 1..=4_096)?,
        upload_limit: from.mib("server.upload_limit_mib", 1..=4_096)?,
        allowed_hosts: lowered(from.texts("server.allowed_hosts")?),
        allowed_origins: lowered(from.texts("server.allowed_origins")?),
    })
}

/// `localhost` is written out: what it resolves to is the system's business, and the promise is loopback.
fn listen(from: &mut Reader<'_>) -> Result<SocketAddr, Error> {
    let accepted = "an address with a port such as \"127.0.0.1:7070\" or \"[::1]:7070\"";
    address(from.text("server.listen")).ok_or_else(|| from.refused("server.listen", accepted))
}

fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let port = text.strip_prefix("localhost:");
    let written = port.map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    written.parse().ok()
}

fn tls(from: &mut Reader<'_>) -> Result<Tls, Error> {
    let Some(text) = from.some_text("tls.listen") else {
        return Ok(Tls { listen: None });
    };
    let accepted = "an address with a port such as \"127.0.0.1:7443\", or nothing";
    let listen = address(text).ok_or_else(|| from.refused("tls.listen", accepted))?;
    Ok(Tls { listen: Some(listen) })
}

fn api(from: &mut Reader<'_>) -> Result<Api, Error> {
    let key = "api.extra_listen";
    let all = from.texts(key)?;
    let (auto, written): (Vec<_>, Vec<_>) = all.iter().partition(|text| text.trim() == "auto");
    let loopback = |text: &&String| address(text).filter(|a| a.ip().is_loopback());
    let extra_listen: Option<_> = written.iter().map(loopback).collect();
    Ok(Api {
        customary: !auto.is_empty(),
        extra_listen: extra_listen
            .ok_or_else(|| from.refused(key, "loopback addresses such as \"127.0.0.1:8070\", or \"auto\""))?,
    })
}

fn data_dir(from: &mut Reader<'_>, environment: &Environment) -> Result<PathBuf, Error> {
    let given = from.some_text("server.data_dir").map(PathBuf::from);
    given.or_else(|| environment.state_dir()).ok_or(Error::NoDataDir)
}

fn lowered(texts: Vec<String>) -> Vec<String> {
    texts
        .iter()
        .map(|text| text.trim().trim_end_matches('/').to_lowercase())
        .collect()
}

fn engine(from: &mut Reader<'_>) -> Result<Engine, Error> {
    let pulls = [("missing", Pull::Missing), ("never", Pull::Never)];
    let hiding = [("auto", None), ("always", Some(true)), ("never", Some(false))];
    let (offline, pull) = (from.boolean("engine.offline"), from.choice("engine.pull", &pulls)?);
    Ok(Engine {
        host: from.some_text("engine.host").map(str::to_owned),
        request_timeout: from.seconds("engine.request_timeout_seconds", 1..=3_600)?,
        reconnect: from.seconds("engine.reconnect_seconds", 1..=300)?,
        offline,
        pull: if offline { Pull::Never } else { pull },
        join_networks: join_networks(from)?,
        hide_metadata: from.choice("engine.hide_metadata", &hiding)?,
    })
}

/// Each becomes part of a request's path, and those that are no networks would take a worker's walls away.
fn join_networks(from: &mut Reader<'_>) -> Result<Vec<String>, Error> {
    let names = from.texts("engine.join_networks")?;
    match names.iter().all(|name| is_network(name)) {
        true => Ok(names),
        false => Err(from.refused(
            "engine.join_networks",
            "names of the engine's networks, or \"auto\", but not \"host\"",
        )),
    }
}

/// The engine takes `container:` and `host` too, which are no networks.
fn is_network(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    name != "host" && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(plain)
}

fn build(from: &mut Reader<'_>) -> Result<Build, Error> {
    Ok(Build {
        timeout: from.seconds("build.timeout_seconds", 1..=DAY)?,
        memory: from.mib("build.memory_mib", 64..=65_536)?,
        environment: Variables(from.table("build.environment")?),
        ca_bundle: from.some_text("build.ca_bundle").map(PathBuf::from),
        network: network(from)?,
        concurrency: from.number("build.concurrency", 1..=16, "builds")?,
        size_limit: from.mib("build.size_limit_mib", 1..=1_048_576)?,
        disk_budget: from.mib("build.disk_budget_mib", 0..=16_777_216)?,
        function_images: from.boolean("build.function_images"),
    })
}

/// A build that shares something else than a network would leave its sandbox.
fn network(from: &mut Reader<'_>) -> Result<Option<String>, Error> {
    match from.text("build.network").trim() {
        "default" => Ok(None),
        name if is_network(name) => Ok(Some(name.to_owned())),
        _ => Err(from.refused("build.network", NETWORKS)),
    }
}

fn pool(from: &mut Reader<'_>) -> Result<Pool, Error> {
    let budget = from.mib("pool.memory_budget_mib", 0..=16_777_216)?;
    let grace = from.number("pool.deadline_grace_ms", 0..=60_000, "milliseconds")?;
    Ok(Pool {
        memory_budget: Some(budget).filter(|bytes| *bytes > 0),
        idle: from.seconds("pool.idle_seconds", 1..=DAY)?,
        queue_bound: from.number("pool.queue_bound", 0..=100_000, "calls")?,
        queue_timeout: from.seconds("pool.queue_timeout_seconds", 1..=3_600)?,
        prewarm: prewarm(from)?,
        start_concurrency: from.number("pool.start_concurrency", 1..=64, "containers")?,
        network_holders: from.number("pool.network_holders", 0..=64, "namespaces")?,
        start_timeout: from.seconds("pool.start_timeout_seconds", 1..=3_600)?,
        deadline_grace: Duration::from_millis(grace),
    })
}

fn prewarm(from: &mut Reader<'_>) -> Result<Prewarm, Error> {
    let workers = from.number("pool.prewarm", 0..=100, "workers")?;
    let set = from.is_set("pool.prewarm");
    Ok(if set {
        Prewarm::Always(workers)
    } else {
        Prewarm::UnlessRuntimeSays(workers)
    })
}

fn function(from: &mut Reader<'_>) -> Result<Function, Error> {
    let timeout_max = timeout(from, "function.timeout_max_seconds", 3_600)?;
    Ok(Function {
        memory: memory(from)?,
        timeout: timeout(from, "function.timeout_seconds", timeout_max.millis() / 1_000)?,
        timeout_max,
        concurrency: concurrency(from)?,
        scale: scale(from)?,
        cpu_follows_memory: from.boolean("function.cpu_follows_memory"),
        pids: from.number("function.pids", 16..=32_768, "processes")?,
        tmp: from.mib("function.tmp_mib", 1..=65_536)?,
        open_files: from.number("function.open_files", 64..=1_048_576, "files")?,
    })
}

fn memory(from: &mut Reader<'_>) -> Result<Memory, Error> {
    let key = "function.memory_mib";
    let mib = from.number(key, 32..=65_536, "MiB")?;
    Memory::from_mib(mib).map_err(|error| from.refused(key, error.to_string()))
}

fn timeout(from: &mut Reader<'_>, key: &str, most: u32) -> Result<Timeout, Error> {
    let seconds: u32 = from.number(key, 1..=most, "seconds")?;
    let timeout = Timeout::from_millis(seconds.saturating_mul(1_000));
    timeout.map_err(|error| from.refused(key, error.to_string()))
}

fn concurrency(from: &mut Reader<'_>) -> Result<Concurrency, Error> {
    let key = "function.concurrency";
    let calls = from.number(key, 1..=100, "calls")?;
    Concurrency::new(calls).map_err(|error| from.refused(key, error.to_string()))
}

fn scale(from: &mut Reader<'_>) -> Result<Scale, Error> {
    let max = from.number("function.max_workers", 1..=100, "workers")?;
    let key = "function.min_workers";
    let min = from.number(key, 0..=max, "workers, not above function.max_workers")?;
    Scale::new(min, max).map_err(|error| from.refused(key, error.to_string()))
}

fn log(from: &mut Reader<'_>) -> Result<Log, Error> {
    Ok(Log {
        level: from.text("log.level").to_owned(),
        per_execution: from.number("log.per_execution_kib", 1..=65_536, "KiB")? * 1_024,
    })
}

fn records(from: &mut Reader<'_>) -> Result<Records, Error> {
    let days = from.number("records.keep_days", 1..=3_650, "days")?;
    let queue: u32 = from.number("records.queue", 1..=1_000_000, "records")?;
    let durabilities = [("full", Durability::Full), ("normal", Durability::Normal)];
    Ok(Records {
        enabled: from.boolean("records.enabled"),
        keep_count: from.number("records.keep_count", 1..=10_000_000, "executions")?,
        keep: Duration::from_secs(days * DAY),
        queue: queue as usize,
        durability: from.choice("records.durability", &durabilities)?,
        async_input_limit: from.mib("records.async_input_limit_mib", 1..=256)?,
        keep_bodies_per_second: from.number("records.keep_bodies_per_second", 1..=1_000_000, "calls")?,
        keep_bodies: from.number::<usize>("records.keep_bodies_kib", 0..=1_024, "KiB")? * 1_024,
        async_concurrency: from.number("records.async_concurrency", 1..=1_000, "calls")?,
    })
}

fn callbacks(from: &mut Reader<'_>) -> Result<Callbacks, Error> {
    let secret = from.some_text("callbacks.secret").map(str::to_owned);
    if secret.as_ref().is_some_and(|secret| secret.len() < 16) {
        return Err(from.refused("callbacks.secret", "at least 16 characters, or nothing"));
    }
    let private_urls = [
        ("auto", PrivateUrls::Auto),
        ("always", PrivateUrls::Always),
        ("never", PrivateUrls::Never),
    ];
    Ok(Callbacks {
        secret,
        tries: from.number("callbacks.tries", 1..=30, "tries")?,
        private_urls: from.choice("callbacks.private_urls", &private_urls)?,
    })
}

fn ingress(from: &mut Reader<'_>) -> Result<Ingress, Error> {
    let key = "ingress.port_range";
    let range = PortRange::parse(from.text(key)).map_err(|error| from.refused(key, error.to_string()))?;
    Ok(Ingress { port_range: range })
}

/// It must fit into a header, and guessing it must be hopeless.
fn access(from: &mut Reader<'_>) -> Result<Access, Error> {
    let token = from.some_text("access.token").map(str::to_owned);
    let fits = |token: &String| token.len() >= 8 && token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.as_ref().is_some_and(|token| !fits(token)) {
        return Err(from.refused("access.token", "at least 8 visible ASCII characters without spaces"));
    }
    let ingress = [
        ("auto", IngressAccess::Auto),
        ("token", IngressAccess::Token),
        ("open", IngressAccess::Open),
    ];
    let ingress = from.choice("access.ingress", &ingress)?;
    Ok(Access { token, ingress })
}

fn proxies(environment: &Environment) -> Proxies {
    let proxy = |name| environment.proxy(name).map(str::to_owned);
    Proxies {
        http: proxy("HTTP_PROXY"),
        https: proxy("HTTPS_PROXY"),
        except: proxy("NO_PROXY"),
    }
}

fn sources(from: &mut Reader<'_>) -> Result<Sources, Error> {
    let sources = Sources {
        allow_private_urls: from.boolean("sources.allow_private_urls"),
        timeout: from.seconds("sources.timeout_seconds", 1..=3_600)?,
        swift_directory: from.some_text("sources.swift_directory").map(PathBuf::from),
        swift_url: from.some_text("sources.swift_url").map(str::to_owned),
        swift_token: from.some_text("sources.swift_token").map(str::to_owned),
        directories: from
            .texts("sources.directories")?
            .into_iter()
            .map(PathBuf::from)
            .collect(),
    };
    if sources.swift_url.is_some() && sources.swift_directory.is_some() {
        return Err(from.refused("sources.swift_url", "either it or sources.swift_directory"));
    }
    Ok(sources)
}

fn runtimes(from: &mut Reader<'_>) -> Runtimes {
    Runtimes {
        directory: from.some_text("runtimes.directory").map(PathBuf::from),
    }
}
