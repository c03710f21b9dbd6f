//! Images: a runtime's, made once; a function's dependencies, made before it serves; the function's own, to carry elsewhere.
//!
//! `plan` decides (pure), `context` reads and packs, `base` finds what is built upon, `own_base` puts a runtime onto a
//! user's image, `dependencies` makes what workers run, `clean` removes what nothing refers to, `log` keeps what a build
//! says, `pull` what is said of a pull, `steps` reads build steps as others write
//! them (pure). Plain code needs no image: a pre-warmed worker loads its tree.

mod base;
mod clean;
mod context;
mod dependencies;
mod log;
mod own_base;
mod plan;
mod pull;
mod steps;

pub use base::Usable;
pub use clean::{Clean, Cleaned, Usage};
pub use dependencies::Order;
pub use log::BuildLog;
pub use plan::{FunctionImageOrder, is_code_inside};
pub use pull::Pulling;
pub use steps::{Before, Steps};

use crate::domain::{Error, InstanceId, RuntimeRef};
use crate::engine::{self, BuildRequest, Engine, LABEL_INSTANCE};
use crate::runtime::{Family, Runtimes};
use crate::task::Turns;
use bytes::Bytes;
use context::{Parts, blocking, read_runtime};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The label that says how large the base of an image is. Unit: bytes.
const LABEL_BASE_BYTES: &str = "hob.base_bytes";
/// The label that names the runtime on a user's base that an image is made from. Images hand it on to those made of them.
const LABEL_ON_BASE: &str = "hob.on_base";

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// A whole build takes at most this.
    pub timeout: Duration,
    /// Memory of a build step. Unit: bytes.
    pub memory_bytes: u64,
    /// Extra build arguments: mirrors, proxies. Never logged: they may hold passwords.
    pub args: BTreeMap<String, String>,
    /// The CA bundle of the place, for builds that fetch something.
    pub ca_bundle: Option<PathBuf>,
    /// The network of builds that fetch something; `None`: the engine's default.
    pub network: Option<String>,
    /// Dependencies of so many functions are built at once.
    pub concurrency: usize,
    /// What a build may add to the image it starts from. Unit: bytes.
    pub size_limit_bytes: u64,
    /// What our images may add together before unused ones go. Unit: bytes.
    pub disk_budget_bytes: u64,
    /// Whether images may be fetched from a registry.
    pub may_pull: bool,
    /// Whose images these are: two daemons on one engine never share one, so that each may remove its own.
    pub instance: InstanceId,
}

/// How a runtime's image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// Nobody asked for it yet.
    Unbuilt,
    /// It is being made.
    Building,
    /// It is there, under this name.
    Present(String),
    /// It could not be made; why, and what to do.
    Failed(String),
}

/// Builds images; clones share it.
#[derive(Clone)]
pub struct Builder {
    engine: Arc<dyn Engine>,
    runtimes: Arc<Runtimes>,
    options: Arc<Options>,
    images: Arc<Mutex<HashMap<RuntimeRef, ImageState>>>,
    /// Images that could not be fetched, and when.
    unfetched: Arc<Mutex<HashMap<String, Instant>>>,
    /// By the name of the image that is being made.
    turns: Turns,
    /// So many builds of dependencies at once.
    slots: Arc<tokio::sync::Semaphore>,
    /// Read by every build, written by who removes what builds leave.
    gate: Arc<tokio::sync::RwLock<()>>,
    /// Read until an image's name is written down, written by who removes what nobody has written down.
    names: Arc<tokio::sync::RwLock<()>>,
}

/// One build, as this room asks for it.
struct Request<'a> {
    tag: &'a str,
    context: Bytes,
    dockerfile: &'a str,
    args: BTreeMap<String, String>,
    base_bytes: u64,
    network: Option<&'a str>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// A builder of the given runtimes.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, runtimes: Arc<Runtimes>, options: Options) -> Self {
        Self {
            engine,
            runtimes,
            images: Arc::default(),
            unfetched: Arc::default(),
            turns: Turns::default(),
            slots: Arc::new(tokio::sync::Semaphore::new(options.concurrency)),
            gate: Arc::default(),
            names: Arc::default(),
            options: Arc::new(options),
        }
    }

    /// How a runtime's image stands.
    #[must_use]
    pub fn image_state(&self, runtime: &RuntimeRef) -> ImageState {
        if self.runtimes.family(runtime).is_some_and(|f| f.manifest.bring_image) {
            return ImageState::Present("the function's own".to_owned());
        }
        self.images().get(runtime).cloned().unwrap_or(ImageState::Unbuilt)
    }

    /// Forgets what was found: the engine was away, and images may be gone.
    pub fn forget_images(&self) {
        self.images().clear();
    }

    /// The name of the runtime's image, which is built first when it is not there; what is pulled for it is said to `log`.
    ///
    /// # Errors
    /// `Engine` when the engine is down, the base image is missing or the build fails.
    pub async fn runtime_image(&self, runtime: &RuntimeRef, log: &BuildLog) -> Result<String, Error> {
        if let ImageState::Present(image) = self.image_state(runtime) {
            return Ok(image);
        }
        // All runtimes are one turn: two cores do not build faster.
        let waits = || log.line("waiting: the image of a runtime is being made");
        let _one = self.turns.take_or(plan::RUNTIME, waits).await;
        let _unnamed = self.hold().await;
        if let ImageState::Present(image) = self.image_state(runtime) {
            return Ok(image);
        }
        self.images().insert(runtime.clone(), ImageState::Building);
        let made = self.make_runtime_image(runtime, log).await;
        let state = match &made {
            Ok(image) => ImageState::Present(image.clone()),
            Err(e) => ImageState::Failed(e.to_string()),
        };
        self.images().insert(runtime.clone(), state);
        self.sweep_stages().await;
        made
    }

    /// Sees to it that a user's image is here; a pull is said to `log`.
    ///
    /// # Errors
    /// `Engine` when it is missing and cannot or must not be pulled.
    pub async fn user_image(&self, name: &str, log: &BuildLog) -> Result<(), Error> {
        self.had(name, "build it here", log).await.map(drop)
    }

    /// While this is held no image is cleaned away: for whoever makes one and has yet to write its name down.
    pub async fn hold(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        Arc::clone(&self.names).read_owned().await
    }

    /// The image of a function, to run anywhere: what its workers run, its code, and how it is called.
    ///
    /// # Errors
    /// `Engine` when the engine is down or the base is missing; `Invalid` when the build fails.
    pub async fn function_image(&self, order: FunctionImageOrder) -> Result<String, Error> {
        let owner = self.options.instance.to_string();
        let tag = order.tag(&owner);
        if self.engine.image(&tag).await?.is_some() {
            return Ok(tag);
        }
        let base = self.engine.image(&order.base).await?;
        let base_bytes = base.map_or(0, |image| image.size_bytes);
        let context = blocking(move || context::function(&order, &owner)).await?;
        let (dockerfile, args, network) = ("Dockerfile", BTreeMap::new(), None);
        let request = Request {
            tag: &tag,
            context,
            dockerfile,
            args,
            base_bytes,
            network,
        };
        self.build(request, &BuildLog::default()).await?;
        Ok(tag)
    }

    /// Whether the engine has an image of that name.
    ///
    /// # Errors
    /// `Engine` when the engine is down.
    pub async fn has_image(&self, name: &str) -> Result<bool, Error> {
        Ok(self.engine.image(name).await?.is_some())
    }

    async fn make_runtime_image(&self, runtime: &RuntimeRef, log: &BuildLog) -> Result<String, Error> {
        let family = self.runtimes.family(runtime);
        let family = family.ok_or_else(|| Error::not_found(format!("runtime {runtime} is no longer there")))?;
        let base = self.base_image(family, &runtime.version, log).await?;
        let (parts, dockerfile) = self.runtime_parts(family).await?;
        let base_info = self.engine.image(&base).await?;
        let (base_id, base_bytes) = base_info.map_or_else(Default::default, |i| (i.id, i.size_bytes));
        let owner = self.options.instance.to_string();
        let tag = plan::runtime_tag(runtime, &owner, &base_id, &parts.files);
        if self.engine.image(&tag).await?.is_some() {
            return Ok(tag);
        }
        tracing::info!(runtime = %runtime, image = tag, "Building the image of runtime {runtime} from {base}");
        let name = "Dockerfile";
        let args = self.runtime_args(family, runtime, &dockerfile, &base, log).await?;
        let context = blocking(move || parts.pack(name, &dockerfile, &owner)).await?;
        let request = Request {
            tag: &tag,
            context,
            dockerfile: name,
            args,
            base_bytes,
            network: None,
        };
        self.build(request, &BuildLog::default()).await?;
        Ok(tag)
    }

    /// A runtime's folder and the text of its Dockerfile.
    async fn runtime_parts(&self, family: &Family) -> Result<(Parts, String), Error> {
        let (directory, include) = (family.directory.clone(), family.manifest.include.clone());
        let files = blocking(move || read_runtime(&directory, &include)).await?;
        let dockerfile = dependencies::text_of(&files, "Dockerfile")?;
        let (tree, link) = (None, None);
        Ok((Parts { files, tree, link }, dockerfile))
    }

    /// What a runtime's Dockerfile is told: the base, and the image with the tools where it asks for one.
    async fn runtime_args(
        &self,
        family: &Family,
        runtime: &RuntimeRef,
        dockerfile: &str,
        base: &str,
        log: &BuildLog,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut args = BTreeMap::from([("BASE".to_owned(), base.to_owned())]);
        if dockerfile.lines().any(|line| line.trim() == "ARG BUILDER") {
            let build = family.manifest.build.as_ref();
            let tools = self.builder_image(family, build, &runtime.version, log).await?;
            args.insert("BUILDER".to_owned(), tools);
        }
        Ok(args)
    }

    async fn build(&self, request: Request<'_>, log: &BuildLog) -> Result<(), Error> {
        let _under_way = self.gate.read().await;
        let mut args = self.options.args.clone();
        args.extend(request.args);
        let request = BuildRequest {
            tag: request.tag.to_owned(),
            context: request.context,
            dockerfile: request.dockerfile.to_owned(),
            args,
            labels: self.labels(request.tag, request.base_bytes),
            memory_bytes: self.options.memory_bytes,
            network: request.network.map(str::to_owned),
            timeout: self.options.timeout,
        };
        let built = self.engine.build(request, &|line| log.line(line)).await;
        built.map(drop).map_err(|e| self.build_error(e))
    }

    /// The engine adds its own; whose the image is is said here too, for engines that only keep what they are told.
    fn labels(&self, tag: &str, base_bytes: u64) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            (LABEL_INSTANCE.to_owned(), self.options.instance.to_string()),
            (LABEL_BASE_BYTES.to_owned(), base_bytes.to_string()),
        ]);
        if tag.split('/').next() == Some(plan::ON_BASE) {
            labels.insert(LABEL_ON_BASE.to_owned(), tag.to_owned());
        }
        labels
    }

    /// A build that takes too long is the user's to mend, as one that fails.
    fn build_error(&self, error: engine::Error) -> Error {
        match error {
            engine::Error::Timeout { .. } => Error::invalid(format!(
                "the build was ended after {} s: need less, or raise build.timeout_seconds",
                self.options.timeout.as_secs()
            )),
            other => other.into(),
        }
    }

    fn images(&self) -> std::sync::MutexGuard<'_, HashMap<RuntimeRef, ImageState>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
