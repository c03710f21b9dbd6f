//! Language environments: reads `runtimes/*/runtime.toml` and resolves what a user asks for.
//!
//! Knows no language by name; adding one is adding a folder. Builds nothing: the builder does.

mod resolve;

pub use resolve::numbers;

use crate::domain::{Convention, RuntimeRef};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where an image has what was built for the function: its dependencies, or its program.
pub const DEPENDENCIES: &str = "/opt/hob/deps";
/// Where an image has the function's code, when it brings it.
pub const FUNCTION: &str = "/opt/hob/function";

/// One language environment, as its `runtime.toml` says.
#[derive(Debug, Clone)]
pub struct Family {
    /// The folder with Dockerfile and shim.
    pub directory: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The conventions its shim has.
    pub conventions: Vec<Convention>,
    /// The one taken when none is said.
    pub default_convention: Convention,
}

/// The file `runtime.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The family's name.
    pub name: String,
    /// Other names people use for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The version meant when none is said.
    pub default_version: String,
    /// What there is.
    pub version: Vec<Version>,
    /// Versions that are not on offer and that outside APIs still name: the nearest on offer is used.
    #[serde(default)]
    pub retired: Vec<String>,
    /// The image `scripts/setup` makes from the distribution's packages where no registry answers.
    #[serde(default)]
    pub local_base: String,
    /// The version in `local_base`.
    #[serde(default)]
    pub local_version: String,
    /// What `scripts/setup` makes of which of the distribution's packages: local images by name.
    #[serde(default)]
    pub local: BTreeMap<String, Vec<String>>,
    /// Where the shim lies in the image.
    #[serde(default)]
    pub shim: String,
    /// Conventions by name.
    conventions: Vec<String>,
    /// The convention taken when none is said.
    default_convention: String,
    /// Where code begins when none is said.
    #[serde(default)]
    pub default_entry: String,
    /// Code may begin with a command of the image, and then there need be no code.
    #[serde(default)]
    pub takes_commands: bool,
    /// What a single source file ends with.
    #[serde(default)]
    pub extension: String,
    /// Files that name dependencies.
    #[serde(default)]
    pub dependency_files: Vec<String>,
    /// Memory of a function when none is said, and of a pre-warmed worker. Unit: MiB.
    pub memory_mib: u32,
    /// Workers kept pre-warmed.
    pub prewarm: usize,
    /// Folders of other runtimes that the image is built with, as `runtime/folder`; each is copied under its last name.
    #[serde(default)]
    pub include: Vec<String>,
    /// How dependencies, or the program itself, are built; `None`: nothing is.
    #[serde(default)]
    pub build: Option<Build>,
    /// The image is the user's: there is no Dockerfile and no shim here.
    #[serde(default)]
    pub bring_image: bool,
    /// Containers may write to their root file system. For images of users only.
    #[serde(default)]
    pub writable_root: bool,
    /// `UID:GID` of its containers. Empty: the image's own, or 1000:1000 where that is root. For images of users only.
    #[serde(default)]
    pub user: String,
}

/// How a runtime builds what a function brings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The Dockerfile, in the runtime's folder.
    pub dockerfile: String,
    /// When it is built.
    pub when: When,
    /// What the build sees, as `input/` of its context.
    pub context: Context,
    /// Files that go along with the dependency files when they are there.
    #[serde(default)]
    pub lock_files: Vec<String>,
    /// The ordinary image with the tools; `{version}` is replaced. Empty: the runtime's base.
    #[serde(default)]
    pub builder: String,
    /// The image with the tools that `scripts/setup` makes of the distribution's packages.
    #[serde(default)]
    pub local_builder: String,
    /// A base of the user's has the tools too, those that fit its version of the language: they are used there.
    #[serde(default)]
    pub base_has_tools: bool,
    /// A name at the top of the code that becomes a link to the same name in [`DEPENDENCIES`], unless the user brought
    /// one: then the dependencies are the user's, and none are installed.
    #[serde(default)]
    pub link: String,
    /// By convention, names at the top of the code that are dependencies a user brought along; then none are installed.
    #[serde(default)]
    pub vendored: BTreeMap<String, Vec<String>>,
    /// Environment of the user's own build commands, so that what they install ends up in [`DEPENDENCIES`].
    #[serde(default)]
    pub command_environment: BTreeMap<String, String>,
}

/// When something is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// When one of the dependency files is there.
    Dependencies,
    /// For every function: compiled languages.
    Always,
}

/// What a build sees of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// The dependency and lock files only, so that a code edit builds nothing again.
    Dependencies,
    /// The whole tree.
    Code,
}

/// One version of a family.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its name, as in `family:name`.
    pub name: String,
    /// The ordinary base image, pulled where a registry answers.
    #[serde(default)]
    pub base: String,
}

/// Why runtimes cannot be read or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be read.
    #[error("the runtimes' folder {0} cannot be read: set runtimes.directory to the folder `runtimes` of Hob")]
    Folder(PathBuf, #[source] std::io::Error),
    /// A manifest is wrong.
    #[error("{0} is not a valid runtime manifest: {1}")]
    Manifest(PathBuf, String),
    /// Nobody knows that runtime.
    #[error("runtime `{asked}` is not known: use one of {known}")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
}

/// All families.
#[derive(Debug, Clone)]
pub struct Runtimes(Vec<Family>);

impl Runtimes {
    /// Reads every folder that holds a `runtime.toml`. Blocking.
    ///
    /// # Errors
    /// When the folder or a manifest cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let folder = |e| Error::Folder(directory.to_owned(), e);
        let mut families = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(folder)? {
            let path = entry.map_err(folder)?.path();
            if path.join("runtime.toml").is_file() {
                families.push(read_family(&path)?);
            }
        }
        families.sort_by(|a: &Family, b| a.manifest.name.cmp(&b.manifest.name));
        Ok(Self(families))
    }

    /// Every family, by name.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.0
    }

    /// Finds what is meant by `family`, `family:1.2`, `family@1.2`, `family1.2` or `family12`, by name or alias.
    ///
    /// # Errors
    /// `Unknown`, with the names there are.
    pub fn resolve(&self, asked: &str) -> Result<(&Family, RuntimeRef), Error> {
        let (family, version) = resolve::find(&self.0, asked).ok_or_else(|| Error::Unknown {
            asked: asked.to_owned(),
            known: self.names(),
        })?;
        Ok((family, family.reference(version)))
    }

    /// What is meant as in [`Runtimes::resolve`]; for a version that is retired, the nearest on offer.
    ///
    /// # Errors
    /// `Unknown`, with the names there are.
    pub fn resolve_nearest(&self, asked: &str) -> Result<(&Family, RuntimeRef), Error> {
        self.resolve(asked).or_else(|unknown| {
            let retired = resolve::find_retired(&self.0, asked).ok_or(unknown)?;
            let (family, version) = retired;
            Ok((family, family.reference(version)))
        })
    }

    /// The family whose functions are images, if there is one.
    #[must_use]
    pub fn for_images(&self) -> Option<&Family> {
        self.0.iter().find(|f| f.manifest.bring_image)
    }

    /// The family of a reference that was resolved before.
    #[must_use]
    pub fn family(&self, reference: &RuntimeRef) -> Option<&Family> {
        self.0.iter().find(|f| f.manifest.name == reference.family)
    }

    fn names(&self) -> String {
        let one = |f: &Family| {
            let versions: Vec<_> = f.manifest.version.iter().map(|v| v.name.as_str()).collect();
            format!("{} ({})", f.manifest.name, versions.join(", "))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

impl Family {
    /// Whether the language itself is what a user's base brings, with a version of its own: then none is looked for here.
    #[must_use]
    pub fn is_in_users_base(&self) -> bool {
        let build = self.manifest.build.as_ref();
        build.is_none_or(|build| build.base_has_tools)
    }

    /// The base image of a version.
    #[must_use]
    pub fn base(&self, version: &str) -> Option<&str> {
        self.manifest
            .version
            .iter()
            .find(|v| v.name == version)
            .map(|v| v.base.as_str())
    }

    /// What a single source file is stored as.
    #[must_use]
    pub fn single_file(&self) -> String {
        format!("main{}", self.manifest.extension)
    }

    fn reference(&self, version: &Version) -> RuntimeRef {
        RuntimeRef {
            family: self.manifest.name.clone(),
            version: version.name.clone(),
        }
    }

    /// Its name, and what else it is called.
    fn names(&self) -> impl Iterator<Item = &str> {
        let name = std::iter::once(&self.manifest.name);
        name.chain(&self.manifest.aliases).map(String::as_str)
    }

    fn version(&self, wanted: &str) -> Option<&Version> {
        resolve::version(&self.manifest.version, &self.manifest.default_version, wanted)
    }
}

fn read_family(directory: &Path) -> Result<Family, Error> {
    let path = directory.join("runtime.toml");
    let bad = |why: String| Error::Manifest(path.clone(), why);
    let text = std::fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
    let manifest: Manifest = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
    if !manifest.version.iter().any(|v| v.name == manifest.default_version) {
        return Err(bad("its default_version is none of its [[version]]".to_owned()));
    }
    check_kind(&manifest).map_err(bad)?;
    let convention = |name: &String| Convention::parse(name).map_err(|e| bad(e.to_string()));
    let conventions = manifest
        .conventions
        .iter()
        .map(convention)
        .collect::<Result<Vec<_>, _>>()?;
    let default_convention = convention(&manifest.default_convention)?;
    Ok(Family {
        directory: directory.to_owned(),
        manifest,
        conventions,
        default_convention,
    })
}

/// What a language needs, a user's image does not have, and the other way round.
fn check_kind(manifest: &Manifest) -> Result<(), String> {
    let of_a_language = [
        ("shim", &manifest.shim),
        ("local_base", &manifest.local_base),
        ("local_version", &manifest.local_version),
        ("default_entry", &manifest.default_entry),
        ("extension", &manifest.extension),
    ];
    if manifest.bring_image {
        let given = of_a_language.iter().find(|(_, value)| !value.is_empty());
        return given.map_or(Ok(()), |(key, _)| Err(format!("with bring_image it has no {key}")));
    }
    if manifest.writable_root || !manifest.user.is_empty() {
        return Err("writable_root and user are for runtimes with bring_image".to_owned());
    }
    let lacking = of_a_language.iter().find(|(_, value)| value.is_empty());
    lacking.map_or(Ok(()), |(key, _)| Err(format!("it has no {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_of_a_language_or_of_images() {
        let manifest = |keys: &str| {
            let head = "name = 'x'\ndefault_version = '1'\nconventions = []\ndefault_convention = 'http'\nmemory_mib = 64\nprewarm = 0\n";
            let read = toml::from_str::<Manifest>(&format!("{head}{keys}\n[[version]]\nname = '1'"));
            check_kind(&read.expect("a manifest"))
        };
        assert_eq!(manifest("bring_image = true\nwritable_root = true"), Ok(()));
        for (keys, named) in [
            ("bring_image = true\nshim = 's'", "shim"),
            ("shim = 's'", "local_base"),
            ("writable_root = true", "writable_root"),
        ] {
            assert!(manifest(keys).expect_err("refused").contains(named), "{keys}");
        }
    }

    fn runtimes() -> Runtimes {
        Runtimes::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes")).unwrap()
    }

    #[test]
    fn every_runtime_of_the_house_can_be_resolved_by_all_its_names() {
        let all = runtimes();
        assert!(!all.families().is_empty());
        for family in all.families() {
            for name in family.names() {
                let default = all.resolve(name).unwrap().1;
                assert_eq!(default.family, family.manifest.name);
                assert_eq!(default.version, family.manifest.default_version);
                for version in &family.manifest.version {
                    for written in [":", "@", ""].map(|sign| format!("{name}{sign}{}", version.name)) {
                        // Without a sign between them, the digits are the version.
                        let digit = |c: char| c.is_ascii_digit();
                        let signed = written.contains([':', '@']);
                        if !signed && (name.ends_with(digit) || !version.name.starts_with(digit)) {
                            continue;
                        }
                        assert_eq!(all.resolve(&written).unwrap().1.version, version.name, "{written}");
                    }
                }
            }
            assert!(family.conventions.contains(&family.default_convention));
        }
    }

    #[test]
    fn every_local_image_is_one_that_setup_can_make() {
        let all = runtimes();
        let made: Vec<&String> = all.families().iter().flat_map(|f| f.manifest.local.keys()).collect();
        for manifest in all.families().iter().map(|f| &f.manifest) {
            let builder = manifest.build.iter().map(|build| &build.local_builder);
            for image in builder.chain([&manifest.local_base]).filter(|image| !image.is_empty()) {
                assert!(
                    made.contains(&image),
                    "{}: no [local] says what {image} is made of",
                    manifest.name
                );
            }
        }
    }

    #[test]
    fn an_unknown_runtime_is_answered_with_the_known_ones() {
        let message = runtimes().resolve("cobol:85").unwrap_err().to_string();
        assert!(
            message.contains("cobol:85") && message.contains("use one of"),
            "{message}"
        );
    }
}
