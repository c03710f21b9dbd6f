//! What a runtime's folder says for this suite: `samples/conformance/conformance.toml`.

use super::cases::Case;
use anyhow::{Context, Result, ensure};
use hob::domain::Convention;
use hob::runtime::Family;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The conventions of shims, in the order of the table.
const OF_SHIMS: [&str; 3] = ["kwargs", "event-context", "context-event"];
/// That of a server in an image.
const OF_SERVERS: [&str; 1] = ["http"];
/// Those in which cases run that a language has only once.
pub(crate) const ONCE: [&str; 2] = ["event-context", "http"];

/// A language that is tried.
#[derive(Debug)]
pub(crate) struct Language {
    /// The runtime's name.
    pub(crate) name: String,
    /// Where its functions are.
    pub(crate) folder: PathBuf,
    /// Whether its functions are images.
    pub(crate) is_images: bool,
    conformance: Conformance,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Conformance {
    /// Entries by convention.
    entry: BTreeMap<String, String>,
    broken: Broken,
    /// Reasons by `case`, or `convention/case`.
    holes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Broken {
    /// What is in the reason of the failed deploy.
    says: String,
}

impl Language {
    /// Reads a runtime's folder.
    ///
    /// # Errors
    /// It has no conformance functions, or names none for a convention that it speaks, or a hole that is none.
    pub(crate) fn read(family: &Family) -> Result<Self> {
        let name = family.manifest.name.clone();
        let folder = family.directory.join("samples/conformance");
        let path = folder.join("conformance.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("runtime `{name}` must have {}: see runtimes/README.md", path.display()))?;
        let conformance: Conformance = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let language = Self {
            name,
            folder,
            is_images: family.manifest.bring_image,
            conformance,
        };
        language.check(family).with_context(|| path.display().to_string())?;
        Ok(language)
    }

    fn check(&self, family: &Family) -> Result<()> {
        // A program that runs once for each call has nothing that the cases could be tried on one after the other.
        let tried = |convention: &&Convention| !self.is_images || self.conventions().contains(&convention.as_str());
        for convention in family.conventions.iter().filter(tried) {
            let named = self.conformance.entry.contains_key(convention.as_str());
            ensure!(
                named,
                "the shim speaks `{}`, but [entry] has none for it",
                convention.as_str()
            );
        }
        for (hole, reason) in &self.conformance.holes {
            let case = hole.rsplit('/').next().unwrap_or(hole);
            ensure!(
                Case::ALL.iter().any(|known| known.name() == case),
                "there is no case `{hole}`"
            );
            ensure!(reason.len() > 20, "the hole `{hole}` needs a reason that explains it");
        }
        Ok(())
    }

    /// The columns it has in the table.
    pub(crate) fn conventions(&self) -> &'static [&'static str] {
        match self.is_images {
            true => &OF_SERVERS,
            false => &OF_SHIMS,
        }
    }

    /// The one in which cases run that it has only once.
    pub(crate) fn once(&self) -> &'static str {
        let [shims, servers] = ONCE;
        if self.is_images { servers } else { shims }
    }

    /// Where the functions begin in a convention; `None` when the runtime does not speak it.
    pub(crate) fn entry(&self, convention: &str) -> Option<&str> {
        self.conformance.entry.get(convention).map(String::as_str)
    }

    /// What a failed deploy must say.
    pub(crate) fn broken_says(&self) -> &str {
        &self.conformance.broken.says
    }

    /// Why it cannot have a case.
    pub(crate) fn hole(&self, case: Case, convention: &str) -> Option<&str> {
        let here = format!("{convention}/{}", case.name());
        let holes = &self.conformance.holes;
        holes.get(&here).or_else(|| holes.get(case.name())).map(String::as_str)
    }
}
