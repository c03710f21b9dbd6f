//! Deploying: checks what was sent, writes it down, and answers; the reconciler does the rest.

use super::App;
use super::secret::secret_names;
use crate::archive;
use crate::builder;
use crate::domain::{
    Base, Code, Concurrency, Convention, Cors, Cpu, Digest, Error, Function, FunctionId, FunctionName, Intake, Limits,
    Memory, Namespace, Network, Revision, RevisionId, RevisionState, RuntimeRef, Scale, SecretChanges, Secrets, Start,
    Step, Timeout, Variables,
};
use crate::engine::{Rights, is_image_name};
use crate::pool::{self, Class, Demand, Environment, Target};
use crate::runtime::{DEPENDENCIES, FUNCTION, Family};
use crate::source;
use crate::store::{self, Annotation, BlobWriter, NewRevision};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// All environment variables of a function together. Unit: bytes.
const ENV_LIMIT: usize = 64 * 1024;

/// Settings as far as somebody gave them; the rest comes from the previous revision or the defaults.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `family` or `family:version`.
    pub runtime: Option<String>,
    /// An image that carries the runtime's shim, in place of the runtime's own; empty: the runtime's own again.
    pub runtime_image: Option<String>,
    /// An image of the user's that the runtime's shim is put onto; empty: the runtime's own base again.
    pub base_image: Option<String>,
    /// What is done to that image first, all of it.
    pub base_steps: Option<Vec<Step>>,
    /// Where user code begins.
    pub entry: Option<String>,
    /// How it is called.
    pub convention: Option<Convention>,
    /// Commands that a shell runs in the code before it is loaded, all of them.
    pub build_commands: Option<Vec<String>>,
    /// What is started in place of the image's own entry point; empty: that. Only where the code is an image.
    pub command: Option<Vec<String>>,
    /// In place of the image's own arguments; empty: those. Only where the code is an image.
    pub arguments: Option<Vec<String>>,
    /// Environment variables, all of them.
    pub env: Option<BTreeMap<String, String>>,
    /// Environment variables that nobody is shown: those that are set or removed. Those that are not named stay.
    pub secrets: SecretChanges,
    /// All secrets as [`App::change_secrets`] sealed them, in place of those before; `secrets` changes these then.
    pub sealed_secrets: Option<Secrets>,
    /// Memory of a worker.
    pub memory: Option<Memory>,
    /// How long one call may take.
    pub timeout: Option<Timeout>,
    /// Calls at once in one worker.
    pub concurrency: Option<Concurrency>,
    /// Workers kept.
    pub min_workers: Option<u16>,
    /// Workers at most.
    pub max_workers: Option<u16>,
    /// What it may reach.
    pub network: Option<Network>,
    /// Processor time of a worker; `Some(None)` takes the limit away.
    pub cpu: Option<Option<Cpu>>,
    /// Which calls it takes.
    pub intake: Option<Intake>,
    /// Which pages of other origins may call it; `Some(None)`: none any more.
    pub cors: Option<Option<Cors>>,
    /// Whether one worker is loaded ahead; yes unless said.
    pub preload: Option<bool>,
    /// Whether it is a draft, of somebody at work: loaded beside the code that it replaces, in the same container, and
    /// removed once a later draft replaces it. No unless said.
    pub reload: Option<bool>,
}

/// A code package that has been stored.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its address.
    pub digest: Digest,
    /// What the sender called it: tells a single source file from an archive.
    pub file_name: Option<String>,
}

/// Code that a deploy brings.
#[derive(Debug, Clone)]
pub enum NewCode {
    /// A stored package.
    Package(Upload),
    /// An image that brings everything.
    Image(String),
}

/// A deploy.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// Whose function.
    pub namespace: Namespace,
    /// Which function; made when it is not there.
    pub name: FunctionName,
    /// What changes.
    pub settings: Settings,
    /// New code; `None`: the same as before.
    pub code: Option<NewCode>,
    /// What a dialect attaches to the function, in the same write.
    pub annotation: Option<Annotation>,
}

/// A deploy of a function that is there.
#[derive(Debug, Clone, Default)]
pub struct Redeploy {
    /// What changes.
    pub settings: Settings,
    /// New code; `None`: the same as before.
    pub code: Option<NewCode>,
    /// What a dialect attaches to the function, in the same write.
    pub annotation: Option<Annotation>,
}

/// What a deploy wrote down.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The function.
    pub function: Function,
    /// Its new revision, pending.
    pub revision: Revision,
}

impl App {
    /// Begins to store a code package; nothing is left of one that is not finished.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub async fn begin_upload(&self) -> Result<BlobWriter, Error> {
        Ok(self.0.store.blobs().begin(self.0.options.upload_limit).await?)
    }

    /// Writes a deploy down. It happens, whatever becomes of the daemon.
    ///
    /// # Errors
    /// `Invalid` for settings or code that cannot work; nothing has changed then.
    pub async fn deploy(&self, deploy: Deploy) -> Result<Deployed, Error> {
        let _turn = self.turn_of(&deploy.namespace, &deploy.name).await;
        let previous = self.latest(&deploy.namespace, &deploy.name).await?;
        let new = self.new_revision(&deploy, previous.as_ref()).await?;
        let id = self.expect(new.id, &deploy.settings);
        let now = self.0.clock.now();
        let written = self
            .0
            .store
            .deploy(&deploy.namespace, &deploy.name, now, new, deploy.annotation);
        self.written_down(id, written.await).await
    }

    /// A deploy keeps what it does not say of the revision before it: one at a time, or two that meet forget one another.
    async fn turn_of(&self, namespace: &Namespace, name: &FunctionName) -> OwnedMutexGuard<()> {
        self.0.deploys.take(&format!("{namespace}/{name}")).await
    }

    /// Deploys a function that must not be there yet.
    ///
    /// # Errors
    /// `Conflict` when the name is taken, `Invalid` as in [`App::deploy`]; nothing has changed then.
    pub async fn create_function(&self, deploy: Deploy) -> Result<Deployed, Error> {
        let new = self.new_revision(&deploy, None).await?;
        let id = self.expect(new.id, &deploy.settings);
        let now = self.0.clock.now();
        let function = Function {
            id: FunctionId::generate(),
            namespace: deploy.namespace,
            name: deploy.name,
            current: None,
            created_at: now,
            updated_at: now,
        };
        let written = self.0.store.create_deployed(function, new, deploy.annotation);
        self.written_down(id, written.await).await
    }

    /// Makes a function that has no code yet: [`App::redeploy`] brings it. Until then calls are told that it cannot serve.
    ///
    /// # Errors
    /// `Conflict` when the name is taken; nothing has changed then.
    pub async fn declare_function(
        &self,
        namespace: Namespace,
        name: FunctionName,
        annotation: Annotation,
    ) -> Result<Function, Error> {
        let now = self.0.clock.now();
        let function = Function {
            id: FunctionId::generate(),
            namespace,
            name,
            current: None,
            created_at: now,
            updated_at: now,
        };
        self.0.store.declare_function(&function, annotation).await?;
        self.make_known(&function).await?;
        Ok(function)
    }

    /// Deploys a function that must be there, whatever it is called by now.
    ///
    /// # Errors
    /// `NotFound` when it is gone, `Invalid` as in [`App::deploy`]; nothing has changed then.
    pub async fn redeploy(&self, function: FunctionId, change: Redeploy) -> Result<Deployed, Error> {
        let Function { namespace, name, .. } = self.function_by_id(function).await?;
        let _turn = self.turn_of(&namespace, &name).await;
        let previous = self.list_revisions(function).await?.into_iter().next();
        let deploy = Deploy {
            namespace,
            name,
            settings: change.settings,
            code: change.code,
            annotation: None,
        };
        let new = self.new_revision(&deploy, previous.as_ref()).await?;
        let id = self.expect(new.id, &deploy.settings);
        let now = self.0.clock.now();
        let written = self.0.store.redeploy(function, now, new, change.annotation);
        self.written_down(id, written.await).await
    }

    /// Keeps in mind what a revision's row does not say, before anybody can see the row.
    fn expect(&self, id: RevisionId, settings: &Settings) -> RevisionId {
        if settings.preload == Some(false) {
            self.lazy().insert(id);
        }
        if settings.reload == Some(true) {
            self.drafts().insert(id);
        }
        id
    }

    /// Tells those who wait for work.
    async fn written_down(
        &self,
        id: RevisionId,
        written: Result<(Function, Revision), store::Error>,
    ) -> Result<Deployed, Error> {
        if written.is_err() {
            self.lazy().remove(&id);
            self.drafts().remove(&id);
        }
        let (function, revision) = written?;
        self.make_known(&function).await?;
        self.changed();
        self.0.pending.notify_one();
        Ok(Deployed { function, revision })
    }

    /// Takes a function into memory that was just written down, unless somebody has deleted it meanwhile.
    async fn make_known(&self, function: &Function) -> Result<(), Error> {
        if self.0.directory.find_id(function.id).is_some() {
            return Ok(());
        }
        let _change = self.0.directory.change().await;
        if let Some(function) = self.0.store.function(function.id).await? {
            self.0.directory.add(&function);
        }
        Ok(())
    }

    fn lazy(&self) -> MutexGuard<'_, HashSet<RevisionId>> {
        self.0.lazy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn drafts(&self) -> MutexGuard<'_, HashSet<RevisionId>> {
        self.0.drafts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a revision is ready or failed, at most `limit`; answers how it stands then.
    ///
    /// # Errors
    /// `NotFound` when it was deleted meanwhile.
    pub async fn wait_for(&self, id: RevisionId, limit: Duration) -> Result<Revision, Error> {
        let mut changes = self.0.changes.subscribe();
        let settled = async {
            loop {
                changes.mark_unchanged();
                let revision = self.revision(id).await?;
                if revision.state != RevisionState::Pending || changes.changed().await.is_err() {
                    return Ok(revision);
                }
            }
        };
        match tokio::time::timeout(limit, settled).await {
            Ok(done) => done,
            Err(_) => self.revision(id).await,
        }
    }

    pub(super) async fn revision(&self, id: RevisionId) -> Result<Revision, Error> {
        let found = self.0.store.revision(id).await?;
        found.ok_or_else(|| Error::not_found("the function was deleted while it was deployed".to_owned()))
    }

    async fn latest(&self, namespace: &Namespace, name: &FunctionName) -> Result<Option<Revision>, Error> {
        let Some(function) = self.0.store.find_function(namespace, name).await? else {
            return Ok(None);
        };
        let revisions = self.0.store.list_revisions(function.id).await?;
        Ok(revisions.into_iter().max_by_key(|r| r.number))
    }

    async fn new_revision(&self, deploy: &Deploy, previous: Option<&Revision>) -> Result<NewRevision, Error> {
        let settings = &deploy.settings;
        let (family, runtime) = self.runtime_of(deploy, previous)?;
        let same_family = previous.filter(|p| p.runtime.family == runtime.family);
        let convention = convention_of(settings, same_family, family)?;
        let limits = self.limits_of(settings, previous.map(|p| p.limits), family)?;
        let entry = settings.entry.clone().or_else(|| same_family.map(|p| p.entry.clone()));
        let env = settings
            .env
            .clone()
            .or_else(|| previous.map(|p| p.env.clone()))
            .unwrap_or_default();
        check_env(&env)?;
        let inherited = self.namespace_variables(&deploy.namespace).await?;
        check_convention(convention, limits, &shown(&inherited, &env))?;
        let no_secrets = Secrets::new();
        let before = previous.map_or(&no_secrets, |p| &p.secrets);
        let before = settings.sealed_secrets.as_ref().unwrap_or(before);
        let secrets = self.change_secrets(before, settings.secrets.clone()).await?;
        check_kind(deploy.code.as_ref(), previous, family)?;
        let code = self.code_of(deploy, previous, family).await?;
        let start = start_of(settings, same_family, &code)?;
        let base = base_of(settings, same_family, &code)?;
        Ok(NewRevision {
            id: RevisionId::generate(),
            runtime,
            entry: entry.unwrap_or_else(|| family.manifest.default_entry.clone()),
            convention,
            code,
            runtime_image: settings
                .runtime_image
                .clone()
                .or_else(|| same_family.and_then(|p| p.runtime_image.clone()))
                .filter(|image| !image.is_empty()),
            base,
            build_commands: build_commands_of(settings, same_family)?,
            start,
            env,
            secrets,
            inherited,
            limits,
            cors: match &settings.cors {
                Some(said) => said.clone().map(Cors::checked).transpose()?,
                None => previous.and_then(|p| p.cors.clone()),
            },
        })
    }

    /// The runtime said, the one for images where the code is one, or that of before.
    fn runtime_of(&self, deploy: &Deploy, previous: Option<&Revision>) -> Result<(&Family, RuntimeRef), Error> {
        let is_image = matches!(deploy.code, Some(NewCode::Image(_)));
        let previous = previous.filter(|p| !is_image || p.code.image().is_some());
        let for_image = || self.0.runtimes.for_images().filter(|_| is_image);
        let asked = deploy
            .settings
            .runtime
            .clone()
            .or_else(|| previous.map(|p| p.runtime.to_string()))
            .or_else(|| for_image().map(|family| family.manifest.name.clone()));
        let asked =
            asked.ok_or_else(|| Error::invalid("say which runtime (`--runtime`): `hob runtimes` lists them"))?;
        self.0
            .runtimes
            .resolve(&asked)
            .map_err(|e| Error::invalid(e.to_string()))
    }

    fn limits_of(&self, settings: &Settings, previous: Option<Limits>, family: &Family) -> Result<Limits, Error> {
        let mut base = self.0.options.defaults.limits;
        base.memory = Memory::from_mib(family.manifest.memory_mib.max(base.memory.mib()))?;
        let base = previous.unwrap_or(base);
        let max = settings.max_workers.unwrap_or_else(|| base.scale.max());
        let min = settings.min_workers.unwrap_or_else(|| base.scale.min().min(max));
        let timeout = settings.timeout.unwrap_or(base.timeout);
        let longest = self.0.options.defaults.timeout_max;
        if timeout.duration() > longest {
            return Err(Error::invalid(format!(
                "timeout {} ms is over the limit of {} ms: lower it, or raise function.timeout_max_seconds",
                timeout.millis(),
                longest.as_millis()
            )));
        }
        Ok(Limits {
            memory: settings.memory.unwrap_or(base.memory),
            timeout,
            concurrency: settings.concurrency.unwrap_or(base.concurrency),
            scale: Scale::new(min, max)?,
            network: settings.network.unwrap_or(base.network),
            cpu: settings.cpu.unwrap_or(base.cpu),
            intake: settings.intake.unwrap_or(base.intake),
        })
    }

    async fn code_of(&self, deploy: &Deploy, previous: Option<&Revision>, family: &Family) -> Result<Code, Error> {
        match &deploy.code {
            Some(NewCode::Package(upload)) => {
                self.extract(&upload.digest, upload.file_name.clone(), family.single_file())
                    .await?;
                return Ok(Code::Package(upload.digest.clone()));
            }
            Some(NewCode::Image(name)) => {
                check_image_name(name)?;
                return Ok(Code::Image(name.clone()));
            }
            None => {}
        }
        let previous =
            previous.ok_or_else(|| Error::invalid("a new function needs code: send a zip, a tar or a source file"))?;
        Ok(previous.code.clone())
    }

    /// Extracts a package, unless its tree is there.
    pub(super) async fn extract(
        &self,
        digest: &Digest,
        file_name: Option<String>,
        single: String,
    ) -> Result<PathBuf, Error> {
        let (store, digest, limits) = (self.0.store.clone(), digest.clone(), self.0.options.archive.clone());
        let work = move || -> Result<PathBuf, Error> {
            let blobs = store.blobs();
            if let Some(tree) = blobs.tree(&digest, &single) {
                return Ok(tree);
            }
            let into = blobs.temp_dir()?;
            let unpacked = source::unpack(
                &blobs.path(&digest),
                file_name.as_deref(),
                &single,
                into.path(),
                &limits,
            )
            .map_err(source_error)?;
            let single = (unpacked.shape == source::Shape::SingleFile).then_some(single.as_str());
            Ok(blobs.install_tree(&digest, single, into)?)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Error::internal("the upload could not be unpacked", e))?
    }

    /// Extracts a revision's package again where its tree is not there: a backup brings packages only.
    async fn have_tree(&self, revision: &Revision) {
        let (Some(tree), Some(digest)) = (self.tree_of(revision), revision.code.digest()) else {
            return;
        };
        if tree.exists() {
            return;
        }
        let family = self.0.runtimes.family(&revision.runtime);
        let single = family.map(Family::single_file).unwrap_or_default();
        if let Err(e) = self.extract(digest, Some(single.clone()), single).await {
            tracing::error!(revision.id = %revision.id, "The code of a revision is lost: {}", crate::telemetry::chain(&e));
        }
    }

    /// What containers of a user's image may do.
    fn rights(&self, runtime: &RuntimeRef) -> Rights {
        let manifest = self.0.runtimes.family(runtime).map(|family| &family.manifest);
        manifest.map_or_else(Rights::default, |manifest| Rights {
            user: Some(manifest.user.clone()).filter(|user| !user.is_empty()),
            writable_root: manifest.writable_root,
        })
    }

    /// What a worker loads for a revision, as it was built.
    pub(super) async fn target(&self, function: &Function, revision: &Revision) -> Result<Target, Error> {
        self.have_tree(revision).await;
        let built = self.0.store.build(revision.id).await?.and_then(|b| b.worker_image);
        let place = self.place_of(revision, built.is_some());
        let own_image = revision.code.image().map(str::to_owned);
        Ok(Target {
            demand: Arc::new(Demand {
                revision: revision.id,
                class: Class {
                    runtime: revision.runtime.clone(),
                    network: revision.limits.network,
                    image: own_image.or(built).or_else(|| revision.runtime_image.clone()),
                },
                limits: revision.limits,
            }),
            tree: place.tree,
            inside: place.inside,
            link: place.link.map(|name| (name.clone(), format!("{DEPENDENCIES}/{name}"))),
            rights: revision.code.image().map(|_| self.rights(&revision.runtime)),
            start: revision.start.clone(),
            cors: revision.cors.clone().map(Arc::new),
            entry: revision.entry.clone(),
            convention: revision.convention,
            env: Environment::new(self.environment(function, revision)?, secret_names(revision)),
            function: function.name.to_string(),
            namespace: function.namespace.to_string(),
            version: revision.number,
        })
    }

    /// Where a revision's code is: in its image where that was made of the code, else in its tree.
    pub(super) fn place_of(&self, revision: &Revision, is_built: bool) -> Place {
        let tree = self.tree_of(revision);
        let family = self.0.runtimes.family(&revision.runtime);
        let build = family.and_then(|f| f.manifest.build.as_ref());
        if is_built && builder::is_code_inside(build, revision.base.as_ref(), &revision.build_commands) {
            let inside = tree.map(|_| FUNCTION.to_owned());
            return Place {
                inside,
                ..Place::default()
            };
        }
        let link = build
            .map(|b| b.link.clone())
            .filter(|link| is_built && !link.is_empty());
        Place {
            tree,
            link,
            inside: None,
        }
    }

    /// The extracted code; `None` when the image brings it.
    pub(super) fn tree_of(&self, revision: &Revision) -> Option<PathBuf> {
        let family = self.0.runtimes.family(&revision.runtime);
        let single = family.map(Family::single_file).unwrap_or_default();
        let digest = revision.code.digest()?;
        Some(self.0.store.blobs().tree_path(digest, &single))
    }
}

/// Where a revision's code is.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// On this machine, to be placed.
    pub(super) tree: Option<PathBuf>,
    /// In the image.
    pub(super) inside: Option<String>,
    /// The link to the dependencies that a placed tree gets, by its name.
    pub(super) link: Option<String>,
}

/// The user's own base: as it is said, the rest as it was.
fn base_of(settings: &Settings, previous: Option<&Revision>, code: &Code) -> Result<Option<Base>, Error> {
    let before = previous.and_then(|p| p.base.as_ref());
    let image = settings.base_image.clone().or_else(|| Some(before?.image.clone()));
    let Some(image) = image.filter(|image| !image.is_empty()) else {
        return match settings.base_steps.as_deref() {
            None | Some([]) => Ok(None),
            Some(_) => Err(Error::invalid(
                "steps of a base need its image: name it (`base_image`), or use build commands",
            )),
        };
    };
    if code.image().is_some() {
        return Err(Error::invalid(
            "a base is for code; an image brings its own: leave the base out",
        ));
    }
    check_image_name(&image)?;
    let steps = settings.base_steps.clone();
    let steps = steps.or_else(|| Some(before?.steps.clone())).unwrap_or_default();
    let size: usize = steps.iter().map(|step| step.to_string().len()).sum();
    if size > COMMANDS_LIMIT {
        return Err(Error::invalid(format!(
            "the steps of the base have {size} bytes, the limit is {COMMANDS_LIMIT}: build an image with them, and name \
             that as the base"
        )));
    }
    Ok(Some(Base { image, steps }))
}

/// All build commands together, or all steps of a base. Unit: bytes.
const COMMANDS_LIMIT: usize = 64 * 1024;

fn build_commands_of(settings: &Settings, previous: Option<&Revision>) -> Result<Vec<String>, Error> {
    let said = settings.build_commands.clone();
    let commands = said
        .or_else(|| previous.map(|p| p.build_commands.clone()))
        .unwrap_or_default();
    if commands.iter().any(|c| c.trim().is_empty() || c.contains('\0')) {
        return Err(Error::invalid(
            "a build command is empty or contains a NUL byte: leave it out",
        ));
    }
    let size: usize = commands.iter().map(String::len).sum();
    if size > COMMANDS_LIMIT {
        return Err(Error::invalid(format!(
            "the build commands have {size} bytes, the limit is {COMMANDS_LIMIT}: put them into a script"
        )));
    }
    Ok(commands)
}

fn check_image_name(name: &str) -> Result<(), Error> {
    if is_image_name(name) {
        return Ok(());
    }
    let shown = name.escape_debug();
    Err(Error::invalid(format!(
        "`{shown}` is no name of an image: write it as NAME, NAME:TAG or REGISTRY/NAME:TAG"
    )))
}

fn start_of(settings: &Settings, previous: Option<&Revision>, code: &Code) -> Result<Start, Error> {
    let before = previous.map(|p| p.start.clone()).unwrap_or_default();
    let words = |said: &Option<Vec<String>>, before: &[String]| said.clone().unwrap_or_else(|| before.to_vec());
    let start = Start::new(
        words(&settings.command, before.command()),
        words(&settings.arguments, before.arguments()),
    )?;
    if code.image().is_none() && !start.is_the_images() {
        return Err(Error::invalid(
            "a command and its arguments are for images: code is started by its runtime, so leave them out",
        ));
    }
    Ok(start)
}

/// Only what brings an image runs as one, and nothing else does.
fn check_kind(new: Option<&NewCode>, previous: Option<&Revision>, family: &Family) -> Result<(), Error> {
    let name = &family.manifest.name;
    let is_image = match new {
        Some(code) => matches!(code, NewCode::Image(_)),
        None => previous.is_some_and(|p| p.code.image().is_some()),
    };
    match (is_image, family.manifest.bring_image) {
        (false, true) => Err(Error::invalid(format!(
            "runtime {name} runs images: send one (`--image NAME`), or choose the code's language with `--runtime`"
        ))),
        (true, false) => Err(Error::invalid(format!(
            "runtime {name} runs code, not images: leave `--runtime` out, or send code"
        ))),
        _ => Ok(()),
    }
}

/// The variables that are shown, as they reach the function.
fn shown(inherited: &Variables, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = inherited.env.clone();
    all.extend(env.clone());
    all
}

/// A server needs a port; a program that runs once has a container for each call.
fn check_convention(convention: Convention, limits: Limits, env: &BTreeMap<String, String>) -> Result<(), Error> {
    match convention {
        Convention::Http => pool::port(env).map(drop),
        Convention::Command if limits.concurrency.get() > 1 => Err(Error::invalid(
            "a program that runs once for each call serves one call at a time: leave concurrency at 1 and raise max workers",
        )),
        _ => Ok(()),
    }
}

fn convention_of(settings: &Settings, previous: Option<&Revision>, family: &Family) -> Result<Convention, Error> {
    let said = settings.convention.or_else(|| previous.map(|p| p.convention));
    let convention = said.unwrap_or(family.default_convention);
    if family.conventions.contains(&convention) {
        return Ok(convention);
    }
    let known: Vec<_> = family.conventions.iter().map(|c| c.as_str()).collect();
    let (name, asked) = (&family.manifest.name, convention.as_str());
    Err(Error::invalid(format!(
        "runtime {name} does not have convention `{asked}`: use {}",
        known.join(", ")
    )))
}

pub(super) fn check_env(env: &BTreeMap<String, String>) -> Result<(), Error> {
    let size: usize = env.iter().map(|(k, v)| k.len() + v.len()).sum();
    if size > ENV_LIMIT {
        return Err(Error::invalid(format!(
            "the environment has {size} bytes, the limit is {ENV_LIMIT}: put large values into a file"
        )));
    }
    let bad = |k: &&String| k.is_empty() || k.contains(['=', '\0']);
    if let Some(name) = env.keys().find(bad) {
        return Err(Error::invalid(format!(
            "`{}` is no name for an environment variable",
            name.escape_debug()
        )));
    }
    match env.iter().find(|(_, v)| v.contains('\0')) {
        Some((name, _)) => Err(Error::invalid(format!(
            "the value of {name} contains a NUL byte, which no environment can hold"
        ))),
        None => Ok(()),
    }
}

fn source_error(error: source::Error) -> Error {
    match error {
        source::Error::Archive(archive::Error::DiskFull { .. }) => {
            Error::DiskFull("the disk is full: free some space and deploy again".to_owned())
        }
        source::Error::Io { .. } => Error::internal("the upload could not be unpacked", error),
        source::Error::Archive(
            e @ (archive::Error::Io { .. } | archive::Error::NotEmpty | archive::Error::NotCleaned { .. }),
        ) => Error::internal("the upload could not be unpacked", e),
        other => Error::invalid(crate::telemetry::chain(&other)),
    }
}
