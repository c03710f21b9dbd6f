//! Images as the user sees them: a function's, to carry elsewhere; what all of ours take; and what of it goes.

use super::App;
use super::builds::Built;
use crate::builder::{BuildLog, Clean, Cleaned, FunctionImageOrder, Usage};
use crate::domain::{Error, Function, FunctionName, Namespace, Revision};
use crate::engine::{BoxStream, LABEL_INSTANCE};
use crate::store::FunctionFilter;
use crate::task::TaskKind;
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::BTreeMap;

/// Names that begin so are ours: nobody's image is given one.
const OURS: &str = "hob-";

impl App {
    /// The image of what a function serves now, made if need be; it runs anywhere, without Hob. With `tag`, under that
    /// name too, which then is the user's: cleaning up leaves it.
    ///
    /// # Errors
    /// `NotReady` when no revision serves yet; `Invalid` for a tag that is none; `Engine` when the engine is down.
    pub async fn export(&self, namespace: &Namespace, name: &FunctionName, tag: Option<&str>) -> Result<String, Error> {
        if tag.is_some_and(|tag| tag.starts_with(OURS)) {
            return Err(Error::invalid(format!(
                "names that begin with `{OURS}` are Hob's own: choose another tag"
            )));
        }
        let function = self.function(namespace, name).await?;
        let revision = self.current_revision(&function).await?;
        let image = match revision.code.image() {
            Some(image) => image.to_owned(),
            None => self.make_image(&revision).await?,
        };
        if let Some(tag) = tag {
            self.give_name(&image, tag).await?;
        }
        Ok(image)
    }

    /// Only a free name, or one that an image of ours has.
    async fn give_name(&self, image: &str, tag: &str) -> Result<(), Error> {
        let holder = self.0.engine.image(tag).await.map_err(bad_tag)?;
        let owner = self.0.store.instance().to_string();
        if holder.is_some_and(|h| h.labels.get(LABEL_INSTANCE) != Some(&owner)) {
            return Err(Error::conflict(format!(
                "there is an image `{tag}` that is not of this Hob's making: choose another tag"
            )));
        }
        self.0.engine.tag(image, tag).await.map_err(bad_tag)
    }

    /// An image as an archive that an engine can load.
    ///
    /// # Errors
    /// `Engine` when the engine is down or the image is gone.
    pub async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let saved = self.0.engine.save(image).await?;
        Ok(saved.map(|part| part.map_err(Error::from)).boxed())
    }

    /// What our images take, by kind.
    ///
    /// # Errors
    /// `Engine` when the engine is down.
    pub async fn image_usage(&self) -> Result<BTreeMap<&'static str, Usage>, Error> {
        let live = self.0.store.live_images().await?;
        self.0.builder.usage(&live).await
    }

    /// Removes every image of ours that nothing refers to.
    ///
    /// # Errors
    /// `Conflict` while something is built; `Engine` when the engine is down.
    pub async fn clean_images(&self) -> Result<Cleaned, Error> {
        let live = self.0.store.live_images().await?;
        self.0.builder.clean(&live, Clean::Unused).await
    }

    /// In the background: what serves gets its image back, what nothing refers to goes.
    pub(super) async fn look_after_images(&self) -> Result<(), Error> {
        if !self.engine_answers() {
            return Ok(());
        }
        self.restore_images().await?;
        self.keep_images_within_budget().await
    }

    /// What may be wanted again stays within the disk budget.
    async fn keep_images_within_budget(&self) -> Result<(), Error> {
        let live = self.0.store.live_images().await?;
        match self.0.builder.clean(&live, Clean::Budget).await {
            Ok(cleaned) if cleaned.images > 0 => {
                tracing::info!("Removed {} images that nothing refers to", cleaned.images);
                Ok(())
            }
            Ok(_) | Err(Error::Conflict(_)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Builds again what serves and has lost its image: somebody may have cleaned the engine.
    pub(super) async fn restore_images(&self) -> Result<(), Error> {
        for function in self.0.store.list_functions(FunctionFilter::default()).await? {
            let Ok(revision) = self.current_revision(&function).await else {
                continue;
            };
            let built = self.0.store.build(revision.id).await?.and_then(|b| b.worker_image);
            let Some(image) = built else { continue };
            if !self.0.builder.has_image(&image).await? {
                tracing::warn!("Image {image} of `{}` is gone: building it again", function.name);
                let app = self.clone();
                self.0
                    .supervisor
                    .spawn(TaskKind::Build, async move { app.restore(function, revision).await });
            }
        }
        Ok(())
    }

    async fn restore(&self, function: Function, revision: Revision) -> Result<(), Error> {
        let under_way = self.begin_build(revision.id);
        if let Built::Done = self.build_needs(&revision, &under_way).await? {
            let _change = self.0.directory.change().await;
            let served = self.0.store.function(function.id).await?;
            if let Some(function) = served.filter(|f| f.current == Some(revision.id)) {
                self.remember(function).await?;
            }
        }
        Ok(())
    }

    /// Makes the image of a revision and notes its name.
    pub(super) async fn make_image(&self, revision: &Revision) -> Result<String, Error> {
        let _unnamed = self.0.builder.hold().await;
        let built = self.0.store.build(revision.id).await?.and_then(|b| b.worker_image);
        let place = self.place_of(revision, built.is_some());
        let base = match built.or_else(|| revision.runtime_image.clone()) {
            Some(image) => image,
            None => {
                self.0
                    .builder
                    .runtime_image(&revision.runtime, &BuildLog::default())
                    .await?
            }
        };
        let order = FunctionImageOrder {
            base,
            tree: place.tree,
            code: revision.code.digest().map(ToString::to_string).unwrap_or_default(),
            link: place.link,
            entry: revision.entry.clone(),
            convention: revision.convention,
            timeout_ms: revision.limits.timeout.millis(),
            concurrency: revision.limits.concurrency.get(),
        };
        let image = self.0.builder.function_image(order).await?;
        self.0.store.set_image(revision.id, image.clone()).await?;
        Ok(image)
    }

    async fn current_revision(&self, function: &Function) -> Result<Revision, Error> {
        let found = self.written_current(function).await?;
        found.ok_or_else(|| {
            let name = &function.name;
            Error::NotReady(format!(
                "`{name}` serves nothing yet: wait until `hob get {name}` says ready"
            ))
        })
    }
}

/// The engine's words about a name are for whoever chose it.
fn bad_tag(error: crate::engine::Error) -> Error {
    match error {
        crate::engine::Error::Refused { message, .. } => Error::invalid(message),
        other => other.into(),
    }
}
