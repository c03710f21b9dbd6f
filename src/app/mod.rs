//! Use cases: what a user can ask for, shaped for no outside API.
//!
//! Every dialect, the ingress and the command line come through here. Keeps what serves calls in memory, so
//! that a call asks no database.

mod access;
mod alias;
mod backup;
mod budget;
mod builds;
mod call;
mod callback;
mod callback_message;
mod code;
mod deploy;
mod directory;
mod engine;
mod fetch;
mod gate;
mod gateway;
mod images;
mod job;
mod metrics;
mod notes;
mod package;
mod port;
mod queue;
mod readiness;
mod reconcile;
mod records;
mod scale;
mod secret;
mod select;
mod signature;
mod version;
mod webhook;

pub use access::{Keys, MadeToken, NewToken};
pub use alias::AliasSpec;
pub use backup::restore;
pub use call::{Callee, Incoming, InvokeOptions, Keep};
pub use callback::CallbackOptions;
pub use callback_message::{failure_source, failure_status};
pub use code::PackageBytes;
pub use deploy::{Deploy, Deployed, NewCode, Redeploy, Settings, Upload};
pub use engine::EngineStatus;
pub use gate::Gatekeeper;
pub use gateway::{GatewayError, Shown, opens};
pub use job::{JobUpdate, NewJob};
pub use port::{OpenPort, PortError, PortOptions};
pub use readiness::Readiness;
pub use records::ExecutionDetail;
pub use secret::VariablesChange;
pub use version::{Published, VersionDetail};
pub use webhook::{NewSigning, WebhookSpec};

use crate::builder::{Builder, ImageState};
use crate::domain::{
    Error, Function, FunctionId, FunctionName, Limits, Namespace, Revision, RevisionId, RuntimeRef, Timestamp,
};
use crate::engine::Engine;
use crate::invoker::{Invoker, LogHub};
use crate::pool::{Pool, WorkerView};
use crate::runtime::Runtimes;
use crate::source::{self, Sources};
use crate::store::{FunctionFilter, Store};
use crate::task::{Clock, Supervisor, Turns};
use crate::web::Web;
use directory::Directory;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What a function gets when nothing is said.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Limits of a new function.
    pub limits: Limits,
    /// The longest timeout a function may ask for.
    pub timeout_max: Duration,
}

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// What a function gets when nothing is said.
    pub defaults: Defaults,
    /// Bounds of uploaded code.
    pub archive: crate::archive::Limits,
    /// Largest upload. Unit: bytes.
    pub upload_limit: u64,
    /// Largest input of an asynchronous call. Unit: bytes.
    pub async_input_limit: u64,
    /// What a synchronous call is made with, and what it answers, is kept up to this size each; 0: not. Unit: bytes.
    pub keep_bodies: usize,
    /// Of so many calls a second.
    pub keep_bodies_per_second: u32,
    /// Asynchronous calls that run at once.
    pub async_concurrency: usize,
    /// Waiting for a dead engine between two tries.
    pub reconnect: Duration,
    /// Workers pre-warmed per runtime; `None`: as the runtime says.
    pub prewarm: Option<usize>,
    /// How ends of asynchronous calls are told.
    pub callbacks: CallbackOptions,
    /// Records kept per function.
    pub keep_count: u32,
    /// Records kept this long.
    pub keep: Duration,
    /// Whether an image of each function is made in the background.
    pub function_images: bool,
    /// Where functions' own ports are.
    pub ports: PortOptions,
    /// Host names that no gateway may have: the daemon itself answers to them.
    pub own_hosts: Vec<String>,
}

/// The application; clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    options: Options,
    store: Store,
    engine: Arc<dyn Engine>,
    runtimes: Arc<Runtimes>,
    builder: Builder,
    pool: Pool,
    invoker: Invoker,
    supervisor: Supervisor,
    clock: Clock,
    directory: Directory,
    started: Timestamp,
    engine_status: watch::Sender<EngineStatus>,
    held: readiness::Held,
    /// Something was written down that the reconciler should finish.
    pending: Notify,
    /// Something was accepted that the dispatcher should run.
    queued: Notify,
    /// A call that waited was cancelled, or a callback was told: there may be something to tell.
    ended: Notify,
    /// Held from the moment calls are claimed until each of them can be stopped.
    claiming: tokio::sync::Mutex<()>,
    /// A job was made or changed: the scheduler should look again.
    jobs_changed: Notify,
    /// Counts changes of revisions, for those who wait for one.
    changes: watch::Sender<u64>,
    /// Deployed with the wish not to load a worker ahead. A restart forgets it, which costs one idle worker.
    lazy: Mutex<HashSet<RevisionId>>,
    /// Revisions of somebody at work: loaded beside what they replace, and removed once they are replaced themselves.
    drafts: Mutex<HashSet<RevisionId>>,
    deploys: Turns,
    running: queue::Running,
    /// How often inputs and answers are kept unasked.
    keeping: budget::Budget,
    sources: Sources,
    callbacks: Web,
    keys: Keys,
    /// Held while tokens change: each change is checked against those before it.
    keys_change: tokio::sync::Mutex<()>,
    builds: builds::Builds,
    ports: port::Ports,
    gateways: gateway::Gateways,
    gates: gate::Gates,
    /// Held while a namespace's variables change.
    variables_change: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

/// What the application is made of.
#[derive(Clone)]
pub struct Parts {
    /// Settings.
    pub options: Options,
    /// What survives.
    pub store: Store,
    /// Containers.
    pub engine: Arc<dyn Engine>,
    /// Language environments.
    pub runtimes: Arc<Runtimes>,
    /// Images.
    pub builder: Builder,
    /// Warm workers.
    pub pool: Pool,
    /// Calls.
    pub invoker: Invoker,
    /// Tasks.
    pub supervisor: Supervisor,
    /// Time.
    pub clock: Clock,
    /// Access tokens.
    pub keys: Keys,
    /// Where code comes from that is not sent along.
    pub sources: source::Options,
}

impl App {
    /// Puts the application together; nothing runs yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let started = parts.clock.now();
        let keeping = budget::Budget::new(parts.options.keep_bodies_per_second);
        let callbacks = callback::sender(parts.sources.web.clone(), &parts.options.callbacks);
        let ports = port::Ports::new(parts.options.ports.clone(), parts.supervisor.shutdown().child());
        Self(Arc::new(Inner {
            options: parts.options,
            store: parts.store,
            engine: parts.engine,
            runtimes: parts.runtimes,
            builder: parts.builder,
            pool: parts.pool,
            invoker: parts.invoker,
            supervisor: parts.supervisor,
            clock: parts.clock,
            directory: Directory::default(),
            started,
            engine_status: watch::channel(EngineStatus::Unknown).0,
            held: readiness::Held::default(),
            pending: Notify::new(),
            queued: Notify::new(),
            ended: Notify::new(),
            claiming: tokio::sync::Mutex::default(),
            jobs_changed: Notify::new(),
            changes: watch::channel(0).0,
            lazy: Mutex::default(),
            drafts: Mutex::default(),
            deploys: Turns::default(),
            running: queue::Running::default(),
            keeping,
            sources: Sources::new(parts.sources),
            callbacks,
            keys: parts.keys,
            keys_change: tokio::sync::Mutex::default(),
            builds: builds::Builds::default(),
            ports,
            gateways: gateway::Gateways::default(),
            gates: gate::Gates::default(),
            variables_change: tokio::sync::Mutex::default(),
        }))
    }

    /// Brings what the last run left to order: interrupted calls end, functions that were ready serve again.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn recover(&self) -> Result<(), Error> {
        let now = self.0.clock.now();
        let ended = self
            .0
            .store
            .end_interrupted(now, "the daemon stopped while the call ran".to_owned())
            .await?;
        if ended > 0 {
            tracing::warn!("Ended {ended} calls that were running when the daemon stopped");
        }
        for function in self.0.store.list_functions(FunctionFilter::default()).await? {
            self.remember(function).await?;
        }
        self.read_gates().await?;
        self.read_gateways().await?;
        self.open_ports().await?;
        self.read_tokens().await
    }

    /// A function by name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn function(&self, namespace: &Namespace, name: &FunctionName) -> Result<Function, Error> {
        let found = self.0.store.find_function(namespace, name).await?;
        found.ok_or_else(|| no_such_function(namespace, name))
    }

    /// Whose function it is.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn namespace_of(&self, function: FunctionId) -> Result<Namespace, Error> {
        let found = self.0.store.function(function).await?;
        let found = found.ok_or_else(|| Error::not_found(format!("there is no function {function}")))?;
        Ok(found.namespace)
    }

    /// All functions of a namespace, or of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_functions(&self, namespace: Option<&Namespace>) -> Result<Vec<Function>, Error> {
        let filter = FunctionFilter {
            namespace: namespace.cloned(),
            ..FunctionFilter::default()
        };
        self.list_functions_page(filter).await
    }

    /// A page of functions. Order: namespace, then name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_functions_page(&self, filter: FunctionFilter) -> Result<Vec<Function>, Error> {
        Ok(self.0.store.list_functions(filter).await?)
    }

    /// A function by its identity.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn function_by_id(&self, id: FunctionId) -> Result<Function, Error> {
        let found = self.0.store.function(id).await?;
        found.ok_or_else(|| no_such_function_id(id))
    }

    /// Gives a function another name; calls by the old one are not found from now on. Workers that run keep telling
    /// their code the old name.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` when the name is taken.
    pub async fn rename_function(&self, id: FunctionId, name: &FunctionName) -> Result<Function, Error> {
        let _change = self.0.directory.change().await;
        if !self.0.store.rename_function(id, name, self.0.clock.now()).await? {
            return Err(no_such_function_id(id));
        }
        let function = self.function_by_id(id).await?;
        self.0.directory.forget_versions(id);
        self.remember(function.clone()).await?;
        Ok(function)
    }

    /// A function's revisions, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_revisions(&self, function: FunctionId) -> Result<Vec<Revision>, Error> {
        let mut all = self.0.store.list_revisions(function).await?;
        all.sort_by_key(|r| std::cmp::Reverse(r.number));
        Ok(all)
    }

    /// A function with its revisions, newest first, as they are at one moment.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn with_revisions(&self, id: FunctionId) -> Result<(Function, Vec<Revision>), Error> {
        let found = self.0.store.function_with_revisions(id).await?;
        found.ok_or_else(|| no_such_function_id(id))
    }

    /// The image and the build log of a revision, once made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn build_of(&self, revision: RevisionId) -> Result<Option<crate::store::Build>, Error> {
        Ok(self.0.store.build(revision).await?)
    }

    /// Deletes a function with its revisions, versions, aliases, webhooks and records; its workers leave when their calls are over.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete_function(&self, namespace: &Namespace, name: &FunctionName) -> Result<(), Error> {
        self.delete_function_by_id(self.function(namespace, name).await?.id)
            .await
    }

    /// Deletes a function as [`App::delete_function`] does.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete_function_by_id(&self, id: FunctionId) -> Result<(), Error> {
        let function = self.function_by_id(id).await?;
        let revisions = self.0.store.list_revisions(function.id).await?;
        // Nobody gives it a port while it goes.
        let _ports = self.0.ports.hold().await;
        let change = self.0.directory.change().await;
        self.0.store.delete_function(function.id).await?;
        self.0.directory.remove(&function);
        self.0.gates.remove(id);
        revisions.iter().for_each(|r| self.0.pool.retire(r.id));
        drop(change);
        self.changed();
        // Last, because it waits: whoever hears that the function is gone can have its port.
        self.0.ports.close(id).await;
        Ok(())
    }

    /// The runtimes there are.
    #[must_use]
    pub fn runtimes(&self) -> &Runtimes {
        &self.0.runtimes
    }

    /// How a runtime's image stands.
    #[must_use]
    pub fn image_state(&self, runtime: &RuntimeRef) -> ImageState {
        self.0.builder.image_state(runtime)
    }

    /// Every worker.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerView> {
        self.0.pool.workers()
    }

    /// What running calls print.
    #[must_use]
    pub fn logs(&self) -> &LogHub {
        self.0.invoker.logs()
    }

    /// The longest that a call of any function may take.
    #[must_use]
    pub fn longest_timeout(&self) -> Duration {
        self.0.options.defaults.timeout_max
    }

    /// When the application was put together.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.0.started
    }

    /// Now, by the application's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The name and number of what a revision is, while it serves.
    #[must_use]
    pub fn serving_names(&self) -> BTreeMap<RevisionId, (String, u32)> {
        self.0.directory.names()
    }

    /// Whose function it is, while it can be called.
    #[must_use]
    pub fn serving_namespace(&self, function: FunctionId) -> Option<Namespace> {
        let served = self.0.directory.find_id(function)?;
        Some(served.function.namespace.clone())
    }

    fn changed(&self) {
        self.0.changes.send_modify(|n| *n += 1);
    }

    /// The revision that serves, as the store has it; `None` while none does.
    async fn written_current(&self, function: &Function) -> Result<Option<Revision>, Error> {
        match function.current {
            Some(id) => Ok(self.0.store.revision(id).await?),
            None => Ok(None),
        }
    }

    /// Takes a function into memory, with its serving revision.
    async fn remember(&self, function: Function) -> Result<(), Error> {
        let target = match self.written_current(&function).await? {
            Some(revision) => self.target(&function, &revision).await.map(Arc::new).map(Some),
            None => Ok(None),
        };
        match target {
            Ok(target) => self.0.directory.put(function, target),
            // It can be mended by a deploy: no reason to keep the others from serving.
            Err(Error::NotReady(why)) => {
                tracing::error!(function.name = %function.name, "{why}");
                self.0.directory.put_broken(function, why);
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

fn no_such_function(namespace: &Namespace, name: &FunctionName) -> Error {
    Error::not_found(format!(
        "there is no function `{name}` in namespace `{namespace}`: `hob list` shows what there is"
    ))
}

fn no_such_function_id(id: FunctionId) -> Error {
    Error::not_found(format!("there is no function {id}: `hob list` shows what there is"))
}
