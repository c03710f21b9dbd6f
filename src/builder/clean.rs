//! Which of our images go, and which stay. Only images that this instance named, or that its builds left, are looked at.

use super::{Builder, ImageState, LABEL_BASE_BYTES, LABEL_ON_BASE, plan};
use crate::domain::Error;
use crate::engine::OwnedImage;
use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

/// How much is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clean {
    /// What cannot be of use again; and of what could be, the oldest, until all of it is within the disk budget.
    Budget,
    /// Everything that nothing refers to.
    Unused,
}

/// Images of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many.
    pub images: u64,
    /// What they add to the images they are made from. Unit: bytes.
    pub bytes: u64,
    /// The part of it that nothing refers to. Unit: bytes.
    pub unused_bytes: u64,
}

/// What cleaning brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// How many images went.
    pub images: u64,
    /// What they had added to the images they were made from. Unit: bytes.
    pub bytes: u64,
}

impl Builder {
    /// What our images take, by kind: `runtime`, `base`, `dependencies`, `commands`, `function`, `unfinished`.
    ///
    /// # Errors
    /// `Engine` when the engine is down.
    pub async fn usage(&self, live: &HashSet<String>) -> Result<BTreeMap<&'static str, Usage>, Error> {
        let images = self.engine.images().await?;
        let live = with_bases(self.with_runtimes(live), &images);
        let mut usage: BTreeMap<&'static str, Usage> = BTreeMap::new();
        for image in images {
            let of_kind = usage.entry(kind(&image)).or_default();
            of_kind.images += 1;
            of_kind.bytes += added(&image);
            if !is_live(&image, &live) {
                of_kind.unused_bytes += added(&image);
            }
        }
        Ok(usage)
    }

    /// Removes images that are not `live`; those in use by a worker stay till the next time.
    ///
    /// # Errors
    /// `Conflict` while something is built; `Engine` when the engine is down: what went until then is gone.
    pub async fn clean(&self, live: &HashSet<String>, how: Clean) -> Result<Cleaned, Error> {
        self.sweep_stages().await;
        // An image that is being made is in nobody's row yet.
        let busy = |_| Error::conflict("something is being built: clean up again when that is done");
        let _no_build = self.gate.try_write().map_err(busy)?;
        let _no_name = self.names.try_write().map_err(busy)?;
        let mut images = self.engine.images().await?;
        let live = with_bases(self.with_runtimes(live), &images);
        images.sort_by_key(|image| image.created_at_seconds);
        let mut cleaned = Cleaned::default();
        for image in to_remove(&images, &live, how, self.options.disk_budget_bytes) {
            if self.engine.remove_image(image).await? {
                cleaned.images += 1;
                cleaned.bytes += added(image);
            }
        }
        Ok(cleaned)
    }

    /// Removes what builds left without a name, unless a build is under way that may need it.
    pub(super) async fn sweep_stages(&self) {
        let Ok(_no_build) = self.gate.try_write() else { return };
        let Ok(images) = self.engine.images().await else { return };
        for image in images.iter().filter(|image| image.name.is_none()) {
            if let Err(e) = self.engine.remove_image(image).await {
                tracing::debug!(image = image.id, "A build's stage stays until the next time: {e}");
            }
        }
    }

    pub(super) async fn remove_by_name(&self, name: &str) -> Result<(), Error> {
        let images = self.engine.images().await?;
        if let Some(image) = images.iter().find(|image| image.name.as_deref() == Some(name)) {
            self.engine.remove_image(image).await?;
        }
        Ok(())
    }

    /// The runtimes' own images are in use as long as the daemon knows them.
    fn with_runtimes(&self, live: &HashSet<String>) -> HashSet<String> {
        let mut live = live.clone();
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        live.extend(images.values().filter_map(|state| match state {
            ImageState::Present(image) => Some(image.clone()),
            _ => None,
        }));
        live
    }
}

/// Pure: what live images are made from on a user's base is live too: its steps may take long, and an edit of the code
/// would repeat them.
fn with_bases(mut live: HashSet<String>, images: &[OwnedImage]) -> HashSet<String> {
    let users = images.iter().filter(|image| is_live(image, &live));
    let bases: Vec<String> = users
        .filter_map(|image| image.labels.get(LABEL_ON_BASE).cloned())
        .collect();
    live.extend(bases);
    live
}

/// Pure: which of `images`, which come oldest first, go.
fn to_remove<'a>(images: &'a [OwnedImage], live: &HashSet<String>, how: Clean, budget: u64) -> Vec<&'a OwnedImage> {
    let mut total: u64 = images.iter().map(added).sum();
    let unused = images.iter().filter(|image| !is_live(image, live));
    let goes = |image: &&OwnedImage| {
        let goes = how == Clean::Unused || !may_be_wanted_again(image) || total > budget;
        total -= if goes { added(image) } else { 0 };
        goes
    };
    unused.filter(goes).collect()
}

/// What took long to make is worth keeping: whoever goes back to the same dependencies finds them there.
fn may_be_wanted_again(image: &OwnedImage) -> bool {
    matches!(kind(image), "base" | "dependencies" | "commands")
}

fn is_live(image: &OwnedImage, live: &HashSet<String>) -> bool {
    image.name.as_ref().is_some_and(|name| live.contains(name))
}

fn kind(image: &OwnedImage) -> &'static str {
    let prefix = image.name.as_deref().and_then(|name| name.split('/').next());
    match prefix {
        Some(plan::RUNTIME) => "runtime",
        Some(plan::ON_BASE) => "base",
        Some(plan::DEPENDENCY) => "dependencies",
        Some(plan::COMMANDS) => "commands",
        Some(plan::FUNCTION_IMAGE) => "function",
        _ => "unfinished",
    }
}

/// What an image takes beyond its base. Unit: bytes.
fn added(image: &OwnedImage) -> u64 {
    let base = image.labels.get(LABEL_BASE_BYTES).and_then(|text| text.parse().ok());
    image.size_bytes.saturating_sub(base.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, added: u64) -> OwnedImage {
        OwnedImage {
            id: format!("sha256:{name}"),
            name: Some(name.to_owned()).filter(|n| !n.is_empty()),
            size_bytes: 1000 + added,
            created_at_seconds: 0,
            labels: BTreeMap::from([(LABEL_BASE_BYTES.to_owned(), "1000".to_owned())]),
        }
    }

    #[test]
    fn what_a_live_image_is_made_from_on_a_users_base_stays() {
        let mut images = ["hob-built/a:live", "hob-built/a:old", "hob-deps/a:live"].map(|name| image(name, 1));
        for (image, base) in images.iter_mut().zip(["hob-on-base/a:1", "hob-on-base/a:2"]) {
            image.labels.insert(LABEL_ON_BASE.to_owned(), base.to_owned());
        }
        let live = HashSet::from(["hob-built/a:live", "hob-deps/a:live"].map(str::to_owned));
        let mut all: Vec<String> = with_bases(live, &images).into_iter().collect();
        all.sort();
        assert_eq!(all, ["hob-built/a:live", "hob-deps/a:live", "hob-on-base/a:1"]);
    }

    #[test]
    fn what_nothing_refers_to_goes_by_kind_and_budget() {
        let images = [
            image("hob-deps/a:old", 10),
            image("hob-deps/a:new", 20),
            image("hob-deps/a:live", 30),
            image("hob-built/a:1", 5),
            image("hob-on-base/a:1", 7),
            image("hob-function/1", 1),
            image("hob-function/live", 1),
            image("hob-runtime/a:1", 2),
            image("", 3),
        ];
        let live = HashSet::from(["hob-deps/a:live", "hob-function/live"].map(str::to_owned));
        let names = |how, budget| {
            let gone = to_remove(&images, &live, how, budget);
            gone.iter()
                .map(|i| i.name.clone().unwrap_or_default())
                .collect::<Vec<_>>()
        };
        let never_again = ["hob-function/1", "hob-runtime/a:1", ""];
        assert_eq!(names(Clean::Budget, 1000), never_again);
        assert_eq!(
            names(Clean::Budget, 69),
            [&["hob-deps/a:old"][..], &never_again].concat()
        );
        assert_eq!(names(Clean::Unused, 1000).len(), 7);
        assert!(!names(Clean::Unused, 0).iter().any(|n| n.ends_with("live")));
    }
}
