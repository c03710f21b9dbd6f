//! Images: a runtime's, made once, and a function's, made in the background. `plan` decides (pure).
//!
//! Plain code needs no image to run: a pre-warmed worker loads its tree. Installs no dependencies yet.

mod plan;

use crate::archive;
use crate::domain::{Error, InstanceId, RuntimeRef};
use crate::engine::{BuildRequest, Engine, LABEL_KIND};
use crate::runtime::{Family, Runtimes};
use bytes::Bytes;
use plan::{Base, ContextFile};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is left out of a runtime's build context.
const NOT_IN_CONTEXT: [&str; 3] = ["samples", "tests", "__pycache__"];

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// A whole build takes at most this.
    pub timeout: Duration,
    /// Memory of a build step. Unit: bytes.
    pub memory_bytes: u64,
    /// Extra build arguments: mirrors, proxies.
    pub args: BTreeMap<String, String>,
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

/// A function's image and how it was made.
#[derive(Debug)]
pub struct FunctionImage {
    /// Its name; `None` when the build failed.
    pub image: Option<String>,
    /// The build's output.
    pub log: String,
}

/// Builds images; clones share it.
#[derive(Clone)]
pub struct Builder {
    engine: Arc<dyn Engine>,
    runtimes: Arc<Runtimes>,
    options: Arc<Options>,
    images: Arc<Mutex<HashMap<RuntimeRef, ImageState>>>,
    /// One runtime build at a time: two cores do not build faster, and the same image is not built twice.
    building: Arc<tokio::sync::Mutex<()>>,
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
            options: Arc::new(options),
            images: Arc::default(),
            building: Arc::default(),
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

    /// The name of the runtime's image, which is built first when it is not there.
    ///
    /// # Errors
    /// `Engine` when the engine is down, the base image is missing or the build fails.
    pub async fn runtime_image(&self, runtime: &RuntimeRef) -> Result<String, Error> {
        if let ImageState::Present(image) = self.image_state(runtime) {
            return Ok(image);
        }
        let _one = self.building.lock().await;
        if let ImageState::Present(image) = self.image_state(runtime) {
            return Ok(image);
        }
        self.images().insert(runtime.clone(), ImageState::Building);
        let made = self.make_runtime_image(runtime).await;
        let state = match &made {
            Ok(image) => ImageState::Present(image.clone()),
            Err(e) => ImageState::Failed(e.to_string()),
        };
        self.images().insert(runtime.clone(), state);
        made
    }

    /// Sees to it that a user's image is here.
    ///
    /// # Errors
    /// `Engine` when it is missing and cannot or must not be pulled.
    pub async fn user_image(&self, name: &str) -> Result<(), Error> {
        if self.engine.image(name).await?.is_some() {
            return Ok(());
        }
        if self.options.may_pull {
            tracing::info!(image = name, "Pulling image {name}");
            let pulled = self.engine.pull(name).await;
            return pulled.map_err(|e| missing(name, "it could not be pulled", Some(e)));
        }
        Err(missing(name, "pulling is off", None))
    }

    /// Builds the image of a function: the runtime's and a layer with its code.
    pub async fn function_image(&self, runtime_image: &str, code: &str, tree: PathBuf) -> FunctionImage {
        let image = plan::function_tag(runtime_image, code);
        let dockerfile = plan::function_dockerfile(runtime_image);
        let context = blocking(move || function_context(&dockerfile, &tree)).await;
        let mut log = Vec::new();
        let built = match context {
            Ok(context) => self.build(&image, context, BTreeMap::new(), &mut log).await,
            Err(e) => Err(e),
        };
        if let Err(e) = &built {
            log.push(format!("error: {}", crate::telemetry::chain(e)));
        }
        FunctionImage {
            image: built.is_ok().then_some(image),
            log: log.join("\n"),
        }
    }

    async fn make_runtime_image(&self, runtime: &RuntimeRef) -> Result<String, Error> {
        let family = self.runtimes.family(runtime);
        let family = family.ok_or_else(|| Error::not_found(format!("runtime {runtime} is no longer there")))?;
        let base = self.base_image(family, &runtime.version).await?;
        let directory = family.directory.clone();
        let include = family.manifest.include.clone();
        let files = blocking(move || read_context(&directory, &include)).await?;
        let base_id = self.engine.image(&base).await?.map(|i| i.id).unwrap_or_default();
        let owner = self.options.instance.to_string();
        let tag = plan::runtime_tag(runtime, &owner, &base_id, &files);
        if self.engine.image(&tag).await?.is_some() {
            return Ok(tag);
        }
        tracing::info!(runtime = %runtime, image = tag, "Building the image of runtime {runtime} from {base}");
        let context = pack(files)?;
        let args = BTreeMap::from([("BASE".to_owned(), base)]);
        self.build(&tag, context, args, &mut Vec::new()).await?;
        Ok(tag)
    }

    /// Whether the runtime's image can be made without fetching anything.
    pub async fn base_is_here(&self, runtime: &RuntimeRef) -> bool {
        let of_a_language = |f: &&Family| !f.manifest.bring_image;
        let Some(family) = self.runtimes.family(runtime).filter(of_a_language) else {
            return false;
        };
        let (ordinary, local) = self.bases(family, &runtime.version).await.unwrap_or_default();
        ordinary || local
    }

    /// Whether the ordinary base is here, and whether the locally made one of that version is.
    async fn bases(&self, family: &Family, version: &str) -> Result<(bool, bool), Error> {
        let manifest = &family.manifest;
        let ordinary = self.engine.image(family.base(version).unwrap_or_default()).await?;
        let local = match manifest.local_version == version {
            true => self.engine.image(&manifest.local_base).await?,
            false => None,
        };
        Ok((ordinary.is_some(), local.is_some()))
    }

    async fn base_image(&self, family: &Family, version: &str) -> Result<String, Error> {
        let ordinary = family.base(version).unwrap_or_default().to_owned();
        let (ordinary_here, local_here) = self.bases(family, version).await?;
        let local = local_here.then_some(family.manifest.local_base.as_str());
        match plan::choose_base(&ordinary, ordinary_here, local, self.options.may_pull) {
            Base::Here(image) => Ok(image),
            Base::Pull(image) => self.engine.pull(&image).await.map(|()| image).map_err(Error::from),
            Base::Missing(image) => Err(Error::Engine {
                message: format!("base image {image} is not here and pulling is off: run scripts/setup, or pull it"),
                source: None,
            }),
        }
    }

    async fn build(
        &self,
        tag: &str,
        context: Bytes,
        mut args: BTreeMap<String, String>,
        log: &mut Vec<String>,
    ) -> Result<(), Error> {
        args.extend(self.options.args.clone());
        let request = BuildRequest {
            tag: tag.to_owned(),
            context,
            dockerfile: "Dockerfile".to_owned(),
            args,
            labels: BTreeMap::from([(LABEL_KIND.to_owned(), "image".to_owned())]),
            memory_bytes: self.options.memory_bytes,
            network: None,
            timeout: self.options.timeout,
        };
        let lines = Mutex::new(Vec::new());
        let keep = |line: &str| {
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.to_owned())
        };
        let built = self.engine.build(request, &keep).await;
        log.extend(lines.into_inner().unwrap_or_else(PoisonError::into_inner));
        built.map(|_| ()).map_err(Error::from)
    }

    fn images(&self) -> std::sync::MutexGuard<'_, HashMap<RuntimeRef, ImageState>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(image: &str, why: &str, source: Option<crate::engine::Error>) -> Error {
    Error::Engine {
        message: format!(
            "image `{image}` is not on this machine and {why}: build it here, or check its name and registry"
        ),
        source: source.map(|e| Box::new(e) as Box<dyn std::error::Error + Send + Sync>),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::internal("a build could not be prepared", e))?
}

/// A runtime's own folder, and the folders of other runtimes that it shares.
fn read_context(directory: &Path, include: &[String]) -> Result<Vec<ContextFile>, Error> {
    let unreadable = |e| Error::internal("a runtime's folder cannot be read", e);
    let mut files = Vec::new();
    collect(directory, "", &mut files).map_err(unreadable)?;
    for shared in include {
        let (from, name) = (
            directory.join("..").join(shared),
            shared.rsplit('/').next().unwrap_or(shared),
        );
        collect(&from, &format!("{name}/"), &mut files).map_err(unreadable)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<ContextFile>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_IN_CONTEXT.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(ContextFile {
                path,
                mode: 0o644,
                bytes: std::fs::read(entry.path())?,
            });
        }
    }
    Ok(())
}

fn pack(files: Vec<ContextFile>) -> Result<Bytes, Error> {
    let mut packed = Vec::new();
    archive::pack_tar_entries(files.into_iter().map(|f| (f.path, f.mode, f.bytes)), &mut packed)
        .map_err(|e| Error::internal("a build context could not be packed", e))?;
    Ok(packed.into())
}

fn function_context(dockerfile: &str, tree: &Path) -> Result<Bytes, Error> {
    let mut files = Vec::new();
    collect(tree, "code/", &mut files).map_err(|e| Error::internal("a function's code cannot be read", e))?;
    files.push(ContextFile {
        path: "Dockerfile".to_owned(),
        mode: 0o644,
        bytes: dockerfile.as_bytes().to_vec(),
    });
    pack(files)
}
