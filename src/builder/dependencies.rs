//! What a function needs before its workers can start: its dependencies or its program, what its own build commands
//! make of its code, and all of it on a base of its user's where it has one. An image of the same name is there already when nothing that decides has changed.

use super::context::{self, Parts, blocking, named, read_ca, read_runtime, read_top};
use super::plan::{self, CommandsOrder, ContextFile, Input, Key};
use super::{BuildLog, Builder};
use crate::domain::{Base, Convention, Error, RuntimeRef};
use crate::engine::ImageInfo;
use crate::runtime::{Build, Family};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which function's needs.
#[derive(Debug, Clone)]
pub struct Order {
    /// What it runs on.
    pub runtime: RuntimeRef,
    /// An image of the user's in place of the runtime's own.
    pub runtime_image: Option<String>,
    /// An image of the user's that the runtime's shim is put onto; it goes before `runtime_image`.
    pub base: Option<Base>,
    /// The code.
    pub tree: PathBuf,
    /// The code's address.
    pub code: String,
    /// The user's own build commands.
    pub commands: Vec<String>,
    /// How it is called: some conventions know places for dependencies that the user brings along.
    pub convention: Convention,
}

/// One image to be made.
pub(super) struct Making<'a> {
    pub(super) tag: String,
    pub(super) base: &'a ImageInfo,
    pub(super) parts: Parts,
    pub(super) dockerfile: (&'a str, String),
    pub(super) args: BTreeMap<String, String>,
}

impl Builder {
    /// The image that the function's workers run, made if need be; `None`: the runtime's own is enough.
    ///
    /// Dropping the future ends a build that is under way.
    /// # Errors
    /// `Invalid` with the tool's own last lines when a build fails, takes too long or makes too much; `Engine` when
    /// the engine is down or an image is missing.
    pub async fn prepare(&self, order: &Order, log: &BuildLog) -> Result<Option<String>, Error> {
        let family = self.runtimes.family(&order.runtime);
        let family = family.ok_or_else(|| Error::not_found(format!("runtime {} is no longer there", order.runtime)))?;
        let tree = order.tree.clone();
        let top = blocking(move || read_top(&tree)).await?;
        let manifest = &family.manifest;
        let input = plan::input(
            manifest.build.as_ref(),
            &manifest.dependency_files,
            &top,
            order.convention,
        );
        let is_code_inside = plan::is_code_inside(manifest.build.as_ref(), order.base.as_ref(), &order.commands);
        if input == Input::Nothing && !is_code_inside {
            return Ok(None);
        }
        if input == Input::Tree && !order.commands.is_empty() {
            return Err(Error::invalid(format!(
                "runtime {} builds the code itself and takes no build commands: deploy without them",
                manifest.name
            )));
        }
        let base = match (&order.base, &order.runtime_image) {
            (Some(base), _) => self.on_base(&order.runtime, family, base, log).await?,
            (None, Some(image)) => image.clone(),
            (None, None) => self.runtime_image(&order.runtime, log).await?,
        };
        let built = match (&input, &manifest.build) {
            (Input::Nothing, _) | (_, None) => None,
            (input, Some(build)) => Some(self.dependencies(order, family, build, &base, input, log).await?),
        };
        if !is_code_inside {
            return Ok(built);
        }
        let has_dependencies = built.is_some();
        let base = built.unwrap_or(base);
        let made = match order.base {
            Some(_) => self.code_on_base(order, family, &base, has_dependencies, log).await,
            None => self.commands(order, family, &base, has_dependencies, log).await,
        };
        made.map(Some)
    }

    async fn dependencies(
        &self,
        order: &Order,
        family: &Family,
        build: &Build,
        base: &str,
        input: &Input,
        log: &BuildLog,
    ) -> Result<String, Error> {
        let version = &order.runtime.version;
        let tools = match order.base {
            Some(_) if build.base_has_tools => base.to_owned(),
            _ => self.builder_image(family, Some(build), version, log).await?,
        };
        let (base_info, tools_info) = (self.there(base).await?, self.there(&tools).await?);
        let parts = self.parts(order, family, input).await?;
        let dockerfile = text_of(&parts.files, &build.dockerfile)?;
        let owner = self.options.instance.to_string();
        let whole = *input == Input::Tree;
        let key = Key {
            owner: &owner,
            images: &[&base_info.id, &tools_info.id],
            architecture: &base_info.architecture,
            dockerfile: &dockerfile,
            files: &parts.files,
            code: whole.then_some(order.code.as_str()),
            args: &self.options.args,
        };
        let tag = key.tag(plan::DEPENDENCY, &family.manifest.name);
        let args = BTreeMap::from([("RUNTIME".to_owned(), base.to_owned()), ("BUILDER".to_owned(), tools)]);
        let what = named(input);
        let making = Making {
            tag,
            base: &base_info,
            parts,
            dockerfile: (&build.dockerfile, dockerfile),
            args,
        };
        self.made_once(making, &format!("building what {what} names"), log)
            .await
    }

    async fn commands(
        &self,
        order: &Order,
        family: &Family,
        base: &str,
        has_dependencies: bool,
        log: &BuildLog,
    ) -> Result<String, Error> {
        let build = family.manifest.build.as_ref();
        let version = &order.runtime.version;
        let tools = self.builder_image(family, build, version, log).await?;
        let (base_info, tools_info) = (self.there(base).await?, self.there(&tools).await?);
        let parts = code_parts(order, build, has_dependencies);
        let none = BTreeMap::new();
        let dockerfile = CommandsOrder {
            base,
            builder: &tools,
            commands: &order.commands,
            environment: build.map_or(&none, |b| &b.command_environment),
            args: &self.options.args,
            has_ca: self.options.ca_bundle.is_some(),
            has_dependencies,
        }
        .dockerfile();
        let owner = self.options.instance.to_string();
        let key = Key {
            owner: &owner,
            images: &[&base_info.id, &tools_info.id],
            architecture: &base_info.architecture,
            dockerfile: &dockerfile,
            files: &[],
            code: Some(&order.code),
            args: &self.options.args,
        };
        let tag = key.tag(plan::COMMANDS, &family.manifest.name);
        let args = BTreeMap::new();
        let making = Making {
            tag,
            base: &base_info,
            parts,
            dockerfile: ("Dockerfile", dockerfile),
            args,
        };
        self.made_once(making, "running the build commands", log).await
    }

    /// The code on a user's base, with what the commands leave there.
    async fn code_on_base(
        &self,
        order: &Order,
        family: &Family,
        base: &str,
        has_dependencies: bool,
        log: &BuildLog,
    ) -> Result<String, Error> {
        let base_info = self.there(base).await?;
        let dockerfile = plan::code_on_base(base, &order.commands, self.options.ca_bundle.is_some());
        let owner = self.options.instance.to_string();
        let key = Key {
            owner: &owner,
            images: &[&base_info.id],
            architecture: &base_info.architecture,
            dockerfile: &dockerfile,
            files: &[],
            code: Some(&order.code),
            args: &self.options.args,
        };
        let making = Making {
            tag: key.tag(plan::COMMANDS, &family.manifest.name),
            base: &base_info,
            parts: code_parts(order, family.manifest.build.as_ref(), has_dependencies),
            dockerfile: ("Dockerfile", dockerfile),
            args: BTreeMap::new(),
        };
        self.made_once(making, "putting the code onto the base", log).await
    }

    /// The context: the runtime's own folder, and what the build sees of the code.
    async fn parts(&self, order: &Order, family: &Family, input: &Input) -> Result<Parts, Error> {
        let (directory, include) = (family.directory.clone(), family.manifest.include.clone());
        let (tree, input) = (order.tree.clone(), input.clone());
        blocking(move || {
            let files = read_runtime(&directory, &include)?;
            context::input_parts(&input, &tree, files)
        })
        .await
    }

    pub(super) async fn there(&self, image: &str) -> Result<ImageInfo, Error> {
        let found = self.engine.image(image).await?;
        found.ok_or_else(|| {
            crate::engine::Error::ImageMissing {
                image: image.to_owned(),
            }
            .into()
        })
    }

    /// Makes an image unless it is there; whoever wants the same one meanwhile waits, and finds it.
    pub(super) async fn made_once(&self, making: Making<'_>, doing: &str, log: &BuildLog) -> Result<String, Error> {
        let waits = || log.line("waiting: another function builds the same");
        let _turn = self.turns.take_or(&making.tag, waits).await;
        if self.engine.image(&making.tag).await?.is_some() {
            log.line(&format!("already there: {}", making.tag));
            return Ok(making.tag);
        }
        let slot = match self.slots.try_acquire() {
            Ok(slot) => slot,
            Err(_) => {
                log.line("waiting: other builds are under way (build.concurrency says how many may be)");
                let slot = self.slots.acquire().await;
                slot.map_err(|e| Error::internal("the builder has stopped", e))?
            }
        };
        log.line(&format!("{doing}: {}", making.tag));
        let made = self.make(making, log).await;
        drop(slot);
        self.sweep_stages().await;
        made
    }

    async fn make(&self, making: Making<'_>, log: &BuildLog) -> Result<String, Error> {
        let (name, dockerfile) = making.dockerfile;
        let owner = self.options.instance.to_string();
        let (file, mut parts, ca) = (name.to_owned(), making.parts, self.options.ca_bundle.clone());
        let pack = move || {
            let bytes = read_ca(ca.as_deref())?;
            parts.files.push(ContextFile {
                path: "ca.crt".to_owned(),
                mode: 0o644,
                bytes,
            });
            parts.pack(&file, &dockerfile, &owner)
        };
        let context = blocking(pack).await?;
        let request = super::Request {
            tag: &making.tag,
            context,
            dockerfile: name,
            args: making.args,
            base_bytes: making.base.size_bytes,
            network: self.options.network.as_deref(),
        };
        self.build(request, log).await?;
        self.hold_size(&making.tag, making.base.size_bytes).await?;
        Ok(making.tag)
    }

    /// An image that is larger than its base by more than the limit goes again.
    async fn hold_size(&self, tag: &str, base_bytes: u64) -> Result<(), Error> {
        let grown = self.there(tag).await?.size_bytes.saturating_sub(base_bytes);
        let limit = self.options.size_limit_bytes;
        if grown <= limit {
            return Ok(());
        }
        self.remove_by_name(tag).await?;
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        Err(Error::invalid(format!(
            "what was built has {} MiB, the limit is {} MiB: need less, or raise build.size_limit_mib",
            mib(grown),
            mib(limit)
        )))
    }
}

/// The code as the context of its build, with the link to its dependencies.
fn code_parts(order: &Order, build: Option<&Build>, has_dependencies: bool) -> Parts {
    let link = build.map(|b| b.link.clone());
    Parts {
        files: Vec::new(),
        tree: Some(("input", order.tree.clone())),
        link: link.filter(|link| has_dependencies && !link.is_empty()),
    }
}

pub(super) fn text_of(files: &[ContextFile], name: &str) -> Result<String, Error> {
    let file = files.iter().find(|file| file.path == name);
    let file = file.ok_or_else(|| Error::Engine {
        message: format!("the runtime's {name} is missing: its folder is damaged, install Hob again"),
        source: None,
    })?;
    Ok(String::from_utf8_lossy(&file.bytes).into_owned())
}
