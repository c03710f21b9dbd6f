//! The functions of one language, deployed by the command line as a user would, all at the same time.

use super::calls::Connection;
use super::cases::Case;
use super::language::Language;
use crate::helpers::{Daemon, base_image, docker, hob};
use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

/// Slots of each function's one worker.
pub(crate) const SLOTS: usize = 3;
/// Exit code of a deploy whose code cannot be built or loaded.
const FAILED: i32 = 6;

/// A language whose functions are up.
pub(crate) struct Stage<'a> {
    pub(crate) daemon: &'a Daemon,
    pub(crate) language: &'a Language,
    /// What the failed deploy of `broken/` said; empty when the language has none.
    pub(crate) broken: String,
}

/// A function of a stage, in one convention.
pub(crate) struct Subject<'a> {
    pub(crate) stage: &'a Stage<'a>,
    pub(crate) convention: &'static str,
    pub(crate) function: String,
}

/// The images of a daemon's functions, where these are images; removed when it is dropped.
pub(crate) struct Images(String);

impl Images {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self(format!("hob-test/conformance-{}", daemon.instance))
    }

    fn name(&self, folder: &str) -> String {
        format!("{}:{folder}", self.0)
    }

    /// Builds what is in one of the language's folders.
    fn build(&self, language: &Language, folder: &str) {
        let (base, context) = (format!("BASE={}", base_image()), language.folder.join(folder));
        let context = context.display().to_string();
        docker(&["build", "-q", "-t", &self.name(folder), "--build-arg", &base, &context]);
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        for folder in ["function", "broken"] {
            docker(&["rmi", "-f", &self.name(folder)]);
        }
    }
}

/// One `hob deploy`.
struct Deploy {
    name: String,
    folder: &'static str,
    convention: &'static str,
    options: &'static [&'static str],
}

impl<'a> Stage<'a> {
    /// Deploys everything.
    ///
    /// # Errors
    /// Code that should be ready is not, or broken code is.
    pub(crate) async fn set(daemon: &'a Daemon, images: &'a Images, language: &'a Language) -> Result<Self> {
        if language.is_images {
            tokio::task::block_in_place(|| {
                images.build(language, "function");
                images.build(language, "broken");
            });
        }
        let mut deploys: Vec<Deploy> = spoken(language).map(|convention| main(language, convention)).collect();
        deploys.push(limits(language));
        if language.hole(Case::Dependency, language.once()).is_none() {
            deploys.push(dependency(language));
        }
        try_join_all(deploys.iter().map(|deploy| run(daemon, images, language, deploy, 0))).await?;
        let broken = match language.hole(Case::Broken, language.once()) {
            None => run(daemon, images, language, &broken(language), FAILED).await?,
            Some(_) => String::new(),
        };
        Ok(Self {
            daemon,
            language,
            broken,
        })
    }

    /// The function that most cases are tried on.
    pub(crate) fn subject(&'a self, convention: &'static str) -> Subject<'a> {
        let function = format!("{}-{convention}", self.language.name);
        self.named(convention, function)
    }

    /// Another of the language's functions.
    pub(crate) fn other(&'a self, what: &str) -> Subject<'a> {
        self.named(self.language.once(), format!("{}-{what}", self.language.name))
    }

    fn named(&'a self, convention: &'static str, function: String) -> Subject<'a> {
        Subject {
            stage: self,
            convention,
            function,
        }
    }
}

impl Subject<'_> {
    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.stage.daemon.address, &self.function, self.convention).await
    }

    /// The container of its only worker.
    pub(crate) async fn container(&self) -> Result<String> {
        let status = self.stage.daemon.get("/hob/v1/status").await.json();
        let workers = status["workers"].as_array().context("workers")?;
        let ours = |f: &str| f.ends_with(&self.function);
        let mut mine = workers.iter().filter(|w| w["function"].as_str().is_some_and(ours));
        let worker = mine.next().context("no worker")?["id"].as_str().context("an id")?;
        ensure!(mine.next().is_none(), "more than one worker: {status:#}");
        let filter = format!("label=hob.worker={worker}");
        Ok(crate::helpers::docker(&["ps", "-q", "--filter", &filter]))
    }
}

/// The conventions that the language's shim speaks.
fn spoken(language: &Language) -> impl Iterator<Item = &'static str> {
    let all = language.conventions().iter().copied();
    all.filter(|convention| language.entry(convention).is_some())
}

fn main(language: &Language, convention: &'static str) -> Deploy {
    Deploy {
        name: format!("{}-{convention}", language.name),
        folder: "function",
        convention,
        options: &["--concurrency", "3", "--timeout", "30s", "--memory", "256"],
    }
}

/// The one that may hang and grow: it is short of both time and memory.
fn limits(language: &Language) -> Deploy {
    Deploy {
        name: format!("{}-limits", language.name),
        folder: "function",
        convention: language.once(),
        options: &["--timeout", "5s", "--memory", "128"],
    }
}

fn dependency(language: &Language) -> Deploy {
    Deploy {
        name: format!("{}-dependency", language.name),
        folder: "dependency",
        convention: language.once(),
        options: &[],
    }
}

fn broken(language: &Language) -> Deploy {
    Deploy {
        name: format!("{}-broken", language.name),
        folder: "broken",
        convention: language.once(),
        options: &[],
    }
}

/// Runs `hob deploy`, which must end with `code`; answers what it said on standard error.
async fn run(daemon: &Daemon, images: &Images, language: &Language, deploy: &Deploy, code: i32) -> Result<String> {
    let entry = language.entry(deploy.convention).context("an entry")?;
    let mut command = hob();
    command.arg("deploy");
    match language.is_images {
        true => command.args(["--image", &images.name(deploy.folder)]),
        false => command
            .arg(language.folder.join(deploy.folder))
            .args(["--runtime", &language.name, "--entry", entry]),
    };
    command
        .args(["--name", &deploy.name, "--max", "1"])
        .args(["--convention", deploy.convention])
        .args(deploy.options)
        .env("HOB_URL", format!("http://{}", daemon.address));
    let ended = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(
        ended.status.code() == Some(code),
        "the deploy of `{}` ended with {} instead of {code}: {said}",
        deploy.name,
        ended.status
    );
    Ok(said)
}
