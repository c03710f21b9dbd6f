//! Which image is built upon: the ordinary one, or the one made of the distribution's packages; and which version it is.

use super::plan::{self, Base};
use super::pull::Pull;
use super::{BuildLog, Builder, ImageState};
use crate::domain::{Error, RuntimeRef};
use crate::engine::{self, ImageInfo};
use crate::runtime::{Build, Family};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After a pull that failed, the registry is asked again for the same image when this time has passed.
const PULL_AGAIN: Duration = Duration::from_secs(300);

/// How base images come to be without a registry.
const MAKE_BASES: &str = "run scripts/setup, which makes it here";

/// A version that can be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// The version.
    pub runtime: RuntimeRef,
    /// What to tell the user, when it is not the one asked for.
    pub notice: Option<String>,
}

/// Why a base could not be fetched.
enum Unfetched {
    Failed(engine::Error),
    /// Its registry was asked a short while ago.
    LeftInPeace,
}

impl Builder {
    /// The version asked for where its base is here or can be fetched, else the nearest that is here. A pull is said to
    /// `log`.
    ///
    /// # Errors
    /// `Engine` when the engine is down.
    pub async fn usable(&self, asked: &RuntimeRef, log: &BuildLog) -> Result<Usable, Error> {
        let as_asked = Usable {
            runtime: asked.clone(),
            notice: None,
        };
        let Some(family) = self.runtimes.family(asked) else {
            return Ok(as_asked);
        };
        if self.is_usable(family, asked).await? {
            return Ok(as_asked);
        }
        let here = self.versions_here(family).await?;
        // Where there is nothing to fall back on, making the runtime's image says what is missing.
        if here.is_empty() || self.fetched(family, &asked.version, log).await? {
            return Ok(as_asked);
        }
        let nearest = plan::nearest(&asked.version, &here).unwrap_or(&asked.version).clone();
        let notice = format!(
            "{asked} is not on this machine and cannot be fetched: {}:{nearest} is used in its place",
            asked.family
        );
        let runtime = RuntimeRef {
            family: asked.family.clone(),
            version: nearest,
        };
        Ok(Usable {
            runtime,
            notice: Some(notice),
        })
    }

    /// Whether the runtime's image can be made without fetching anything.
    pub async fn base_is_here(&self, runtime: &RuntimeRef) -> bool {
        match self.runtimes.family(runtime).filter(|f| !f.manifest.bring_image) {
            Some(family) => self.is_usable(family, runtime).await.unwrap_or(false),
            None => false,
        }
    }

    /// Whether the version needs no registry.
    async fn is_usable(&self, family: &Family, runtime: &RuntimeRef) -> Result<bool, Error> {
        if matches!(self.image_state(runtime), ImageState::Present(_)) {
            return Ok(true);
        }
        let (manifest, version) = (&family.manifest, &runtime.version);
        let local = (manifest.local_version == *version).then_some(manifest.local_base.as_str());
        let found = self.look_for(family.base(version).unwrap_or_default(), local, false);
        Ok(matches!(found.await?, Base::Here(_)))
    }

    async fn versions_here(&self, family: &Family) -> Result<Vec<String>, Error> {
        let mut here = Vec::new();
        for version in &family.manifest.version {
            let runtime = RuntimeRef {
                family: family.manifest.name.clone(),
                version: version.name.clone(),
            };
            if self.is_usable(family, &runtime).await? {
                here.push(runtime.version);
            }
        }
        Ok(here)
    }

    /// Whether the base of a version could be fetched. An engine that went away meanwhile is another matter.
    async fn fetched(&self, family: &Family, version: &str, log: &BuildLog) -> Result<bool, Error> {
        let Some(base) = family.base(version).filter(|_| self.options.may_pull) else {
            return Ok(false);
        };
        match self.pull(base, log).await {
            Ok(()) => Ok(true),
            Err(Unfetched::Failed(error @ engine::Error::Unreachable { .. })) => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// The image that a version of a runtime is built from.
    pub(super) async fn base_image(&self, family: &Family, version: &str, log: &BuildLog) -> Result<String, Error> {
        let ordinary = family.base(version).unwrap_or_default();
        let manifest = &family.manifest;
        let local = (manifest.local_version == version).then_some(manifest.local_base.as_str());
        self.get(ordinary, local, log).await
    }

    /// The image with the tools of a version; the base where the runtime names no other.
    pub(super) async fn builder_image(
        &self,
        family: &Family,
        build: Option<&Build>,
        version: &str,
        log: &BuildLog,
    ) -> Result<String, Error> {
        let manifest = &family.manifest;
        let Some(build) = build.filter(|b| !(b.builder.is_empty() && b.local_builder.is_empty())) else {
            return self.base_image(family, version, log).await;
        };
        let ordinary = match build.builder.as_str() {
            "" => family.base(version).unwrap_or_default().to_owned(),
            builder => builder.replace("{version}", version),
        };
        let local = (manifest.local_version == version && !build.local_builder.is_empty())
            .then_some(build.local_builder.as_str());
        self.get(&ordinary, local, log).await
    }

    async fn get(&self, ordinary: &str, local: Option<&str>, log: &BuildLog) -> Result<String, Error> {
        match self.look_for(ordinary, local, self.options.may_pull).await? {
            Base::Here(image) => Ok(image),
            Base::Pull(image) => match self.pull(&image, log).await {
                Ok(()) => Ok(image),
                Err(Unfetched::Failed(error)) => Err(not_pulled(&image, MAKE_BASES, error)),
                Err(Unfetched::LeftInPeace) => Err(left_in_peace(&image)),
            },
            Base::Missing(image) => Err(pulling_is_off(&image, MAKE_BASES)),
        }
    }

    async fn look_for(&self, ordinary: &str, local: Option<&str>, may_pull: bool) -> Result<Base, Error> {
        let ordinary_here = !ordinary.is_empty() && self.engine.image(ordinary).await?.is_some();
        let local = match local.filter(|name| !name.is_empty()) {
            Some(name) => self.engine.image(name).await?.map(|_| name),
            None => None,
        };
        Ok(plan::choose_base(ordinary, ordinary_here, local, may_pull))
    }

    /// Fetches a base; one that could not be had is not asked for again at once.
    async fn pull(&self, image: &str, log: &BuildLog) -> Result<(), Unfetched> {
        let failed_at = self.unfetched().get(image).copied();
        if failed_at.is_some_and(|at| at.elapsed() < PULL_AGAIN) {
            return Err(Unfetched::LeftInPeace);
        }
        let pulled = self.fetch(image, log).await;
        match &pulled {
            Ok(()) => self.unfetched().remove(image),
            // That says nothing of the registry.
            Err(engine::Error::Unreachable { .. }) => None,
            Err(_) => self.unfetched().insert(image.to_owned(), Instant::now()),
        };
        pulled.map_err(Unfetched::Failed)
    }

    /// An image of the user's, fetched where it is not here and may be; `instead` is how it comes here otherwise.
    pub(super) async fn had(&self, image: &str, instead: &str, log: &BuildLog) -> Result<ImageInfo, Error> {
        if let Some(info) = self.engine.image(image).await? {
            return Ok(info);
        }
        if !self.options.may_pull {
            return Err(pulling_is_off(image, instead));
        }
        let pulled = self.fetch(image, log).await;
        pulled.map_err(|e| not_pulled(image, instead, e))?;
        self.there(image).await
    }

    /// Fetches an image and says how that goes.
    async fn fetch(&self, image: &str, log: &BuildLog) -> Result<(), engine::Error> {
        tracing::info!(image, "Pulling image {image}");
        log.line(&format!("Pulling {image}"));
        let begun = Instant::now();
        let pull = Mutex::new(Pull::of(image));
        let tell = |layer| {
            let mut pull = pull.lock().unwrap_or_else(PoisonError::into_inner);
            let line = pull.on(layer, begun.elapsed());
            line.into_iter().for_each(|line| log.line(&line));
            log.set_pulling(Some(pull.pulling()));
        };
        let pulled = self.engine.pull(image, &tell).await;
        log.set_pulling(None);
        let pull = pull.into_inner().unwrap_or_else(PoisonError::into_inner);
        log.line(&match pulled {
            Ok(()) => pull.ended(begun.elapsed()),
            Err(_) => format!("{image} could not be pulled"),
        });
        pulled
    }

    fn unfetched(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, Instant>> {
        self.unfetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image is not here and may not be fetched; `instead` is how it comes here otherwise.
fn pulling_is_off(image: &str, instead: &str) -> Error {
    not_here(image, &format!("pulling is off: {instead}, or pull it"), None)
}

/// An image could not be fetched; `instead` is how it comes here otherwise.
fn not_pulled(image: &str, instead: &str, error: engine::Error) -> Error {
    let why = match &error {
        engine::Error::ImageMissing { .. } => {
            let why = format!("its registry does not have it, or wants a login: check its name and tag, or {instead}");
            return not_here(image, &why, None);
        }
        engine::Error::Timeout { .. } => {
            format!("its registry does not answer: check the network and deploy again, or {instead}")
        }
        engine::Error::Refused { .. } => {
            format!("it could not be pulled: see what `docker pull {image}` says of its registry, or {instead}")
        }
        _ => return error.into(),
    };
    not_here(image, &why, Some(error))
}

fn left_in_peace(image: &str) -> Error {
    let minutes = PULL_AGAIN.as_secs() / 60;
    let why = format!(
        "it could not be pulled in the last {minutes} minutes, so its registry is left in peace for as long: \
         {MAKE_BASES}, or pull it yourself, or deploy again later"
    );
    not_here(image, &why, None)
}

fn not_here(image: &str, why: &str, source: Option<engine::Error>) -> Error {
    Error::Engine {
        message: format!("image `{image}` is not on this machine and {why}"),
        source: source.map(|e| Box::new(e) as Box<dyn std::error::Error + Send + Sync>),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_that_failed_says_what_to_do() {
        let refused = |status| engine::Error::Refused {
            status,
            message: "private words".to_owned(),
        };
        let image = || "i".to_owned();
        let doing = || "pulling an image".to_owned();
        for (error, expect) in [
            (
                engine::Error::ImageMissing { image: image() },
                "check its name and tag, or build it",
            ),
            (
                engine::Error::Timeout { doing: doing() },
                "check the network and deploy again, or build it",
            ),
            (refused(0), "see what `docker pull i` says"),
            (refused(500), "see what `docker pull i` says"),
        ] {
            let is_known = matches!(error, engine::Error::ImageMissing { .. });
            let error = not_pulled("i", "build it", error);
            let shown = error.to_string();
            assert!(shown.starts_with("image `i` is not on this machine and "), "{shown}");
            assert!(shown.contains(expect) && !shown.contains("private"), "{shown}");
            let words = std::error::Error::source(&error);
            assert_eq!(
                words.is_none(),
                is_known,
                "the engine's words are kept where they say more"
            );
        }
        let full = not_pulled("i", "build it", engine::Error::OutOfDisk);
        assert!(
            matches!(&full, Error::DiskFull(why) if why.contains("hob gc")),
            "{full}"
        );
    }
}
