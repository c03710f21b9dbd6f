//! Which image is built upon: the ordinary one, or the one made of the distribution's packages; and which version it is.

use super::plan::{self, Base};
use super::{Builder, ImageState};
use crate::domain::{Error, RuntimeRef};
use crate::engine;
use crate::runtime::{Build, Family};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// After a pull that failed, the registry is asked again for the same image when this time has passed.
const PULL_AGAIN: Duration = Duration::from_secs(300);

/// A version that can be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// The version.
    pub runtime: RuntimeRef,
    /// What to tell the user, when it is not the one asked for.
    pub notice: Option<String>,
}

impl Builder {
    /// The version asked for where its base is here or can be fetched, else the nearest that is here.
    ///
    /// # Errors
    /// `Engine` when the engine is down.
    pub async fn usable(&self, asked: &RuntimeRef) -> Result<Usable, Error> {
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
        if here.is_empty() || self.fetched(family, &asked.version).await {
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

    async fn fetched(&self, family: &Family, version: &str) -> bool {
        match family.base(version) {
            Some(base) if self.options.may_pull => self.pull(base).await.is_ok(),
            _ => false,
        }
    }

    /// The image that a version of a runtime is built from.
    pub(super) async fn base_image(&self, family: &Family, version: &str) -> Result<String, Error> {
        let ordinary = family.base(version).unwrap_or_default();
        let manifest = &family.manifest;
        let local = (manifest.local_version == version).then_some(manifest.local_base.as_str());
        self.get(ordinary, local).await
    }

    /// The image with the tools of a version; the base where the runtime names no other.
    pub(super) async fn builder_image(
        &self,
        family: &Family,
        build: Option<&Build>,
        version: &str,
    ) -> Result<String, Error> {
        let manifest = &family.manifest;
        let Some(build) = build.filter(|b| !(b.builder.is_empty() && b.local_builder.is_empty())) else {
            return self.base_image(family, version).await;
        };
        let ordinary = match build.builder.as_str() {
            "" => family.base(version).unwrap_or_default().to_owned(),
            builder => builder.replace("{version}", version),
        };
        let local = (manifest.local_version == version && !build.local_builder.is_empty())
            .then_some(build.local_builder.as_str());
        self.get(&ordinary, local).await
    }

    async fn get(&self, ordinary: &str, local: Option<&str>) -> Result<String, Error> {
        match self.look_for(ordinary, local, self.options.may_pull).await? {
            Base::Here(image) => Ok(image),
            Base::Pull(image) => self.pull(&image).await.map(|()| image).map_err(Error::from),
            Base::Missing(image) => Err(Error::Engine {
                message: format!("base image {image} is not here and pulling is off: run scripts/setup, or pull it"),
                source: None,
            }),
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

    /// Fetches an image; one that could not be had is not asked for again at once.
    async fn pull(&self, image: &str) -> Result<(), engine::Error> {
        let failed_at = self.unfetched().get(image).copied();
        if failed_at.is_some_and(|at| at.elapsed() < PULL_AGAIN) {
            return Err(engine::Error::ImageMissing {
                image: image.to_owned(),
            });
        }
        let pulled = self.engine.pull(image).await;
        match &pulled {
            Ok(()) => self.unfetched().remove(image),
            Err(_) => self.unfetched().insert(image.to_owned(), Instant::now()),
        };
        pulled
    }

    fn unfetched(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, Instant>> {
        self.unfetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
