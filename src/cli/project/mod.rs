//! Project files: several functions and what belongs to them, written down beside their code.
//!
//! `hob_toml` is Hob's own; `serverless_yml` and `function_yaml` are read as other tools wrote them. All become the same
//! [`Project`], in the words of the native API. Asks no daemon, and changes nothing: `plan` says what would.

mod env_files;
mod environment;
mod function_yaml;
mod hob_toml;
pub(crate) mod plan;
mod serverless_yml;
mod yaml;

pub(crate) use environment::{Layered, masked};

use super::failure::Failure;
use crate::api::native::job_wire::JobSettings;
use crate::api::native::wire::{DeploySettings, NewWebhook};
use crate::config::Environment;
use crate::domain::FunctionName;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a project file is called unless it is another tool's.
pub(crate) const OWN_FILE: &str = "hob.toml";

/// The names a project file can have, the first that is there counts, and who reads it.
const FILES: &[(&str, Reader)] = &[
    (OWN_FILE, hob_toml::read),
    ("serverless.yml", serverless_yml::read),
    ("serverless.yaml", serverless_yml::read),
    ("function.yaml", function_yaml::read),
    ("function.yml", function_yaml::read),
];

type Reader = fn(&Source<'_>) -> Result<Project, Failure>;

/// A project file that is being read.
struct Source<'a> {
    file: &'a Path,
    /// Where it is.
    directory: &'a Path,
    text: String,
    /// The environment of this process, to which some files refer.
    environment: &'a Environment,
}

/// What a project file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Project {
    /// Whose functions; `None`: whoever asks says.
    pub(crate) namespace: Option<String>,
    /// By name.
    pub(crate) functions: Vec<Function>,
    /// What the file says and Hob has no use for.
    pub(crate) remarks: Vec<String>,
}

/// A function of a project.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) code: Code,
    /// Without environment and code.
    pub(crate) settings: DeploySettings,
    /// Every variable with its origin; what is not here is taken away.
    pub(crate) env: Layered,
    /// By their names; `None`: the file does not speak of jobs, and they are left alone.
    pub(crate) jobs: Option<BTreeMap<String, JobSettings>>,
    /// By their descriptions; `None`: the same of webhooks.
    pub(crate) webhooks: Option<BTreeMap<String, NewWebhook>>,
    /// Files that may say something of its environment, there or not.
    pub(crate) env_files: Vec<PathBuf>,
}

/// Where a function's code is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Code {
    /// A directory, an archive or one source file.
    Path(PathBuf),
    /// An image; the settings name it.
    Image,
    /// What the daemon fetches; the settings say from where.
    Fetched,
    /// One source file: its name and text.
    Inline(String, String),
}

impl Default for Code {
    fn default() -> Self {
        Self::Path(PathBuf::from("."))
    }
}

/// The project file that a path means: the file itself, or the one in a directory; `None` when there is none.
pub(crate) fn find(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return reader_of(path).map(|_| path.to_owned());
    }
    FILES
        .iter()
        .map(|(name, _)| path.join(name))
        .find(|file| file.is_file())
}

fn reader_of(file: &Path) -> Option<Reader> {
    let name = file.file_name()?.to_str()?;
    FILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, reader)| *reader)
}

/// Reads a project file and the `.env` files that belong to it. Blocks.
pub(crate) fn read(file: &Path, environment: &Environment) -> Result<Project, Failure> {
    let reader = reader_of(file).ok_or_else(|| {
        let names: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        Failure::usage(format!("`{}` is no project file", file.display()))
            .hint(format!("those are called {}", names.join(", ")))
    })?;
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut project = reader(&Source {
        file,
        directory,
        text,
        environment,
    })?;
    for function in &mut project.functions {
        function.add_env_files(directory)?;
    }
    project.functions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(project)
}

/// A directory without a project file, as a project of one function.
pub(crate) fn of_directory(directory: &Path) -> Result<Project, Failure> {
    let real = directory
        .canonicalize()
        .map_err(|error| Failure::file(directory, &error))?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let name = FunctionName::parse(&name).map_err(|error| {
        Failure::usage(error.to_string()).hint("rename the directory, or name the function in a hob.toml")
    })?;
    let mut function = Function {
        name: name.as_str().to_owned(),
        code: Code::Path(directory.to_owned()),
        ..Function::default()
    };
    function.add_env_files(directory)?;
    Ok(Project {
        functions: vec![function],
        ..Project::default()
    })
}

impl Function {
    /// Lays what `.env` and `.env.local` say over the rest: those beside the project file, then those in the code's own
    /// directory.
    fn add_env_files(&mut self, directory: &Path) -> Result<(), Failure> {
        let own = match &self.code {
            Code::Path(path) if path.is_dir() => path.clone(),
            _ => directory.to_owned(),
        };
        let own = Some(own).filter(|own| own.canonicalize().ok() != directory.canonicalize().ok());
        for folder in [Some(directory.to_owned()), own].into_iter().flatten() {
            for name in env_files::NAMES {
                let file = folder.join(name);
                self.env.add_file(&file)?;
                self.env_files.push(file);
            }
        }
        Ok(())
    }
}
