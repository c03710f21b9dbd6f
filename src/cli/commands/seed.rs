//! What a daemon deploys of its own accord when it starts: the functions and projects of a directory.
//!
//! The same as `hob deploy` for each of them, asked of the daemon at its own address. What is wrong is said, in the log and
//! by readiness, and tried again when it may have been mended; it never stops the daemon. Removes nothing.

use super::{Context, deploy, project};
use crate::app::App;
use crate::cli::args::Format;
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::project::plan::{Act, Step};
use crate::cli::project::{self as files, Function};
use crate::daemon::Daemon;
use crate::listener;
use crate::task::TaskKind;
use crate::watch::Watch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What may mend itself (the engine, a registry) is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Lets a daemon that is built deploy what is in a directory, as soon as it runs; it is not ready before.
///
/// # Errors
/// When the daemon cannot be called from here.
pub fn seed(daemon: &Daemon, directory: PathBuf) -> anyhow::Result<()> {
    let told = |failure: Failure| anyhow::anyhow!(sentence(&failure));
    let app = daemon.app().clone();
    let token = app.keys().own_secret()?;
    let url = format!("http://{}", listener::reachable(daemon.address()));
    let client = Client::new(&url).and_then(|client| client.with_token(Some(&token)));
    let seeds = Seeds {
        client: client.map_err(told)?,
        directory,
        app,
    };
    seeds.hold(&[]);
    daemon.add_task(TaskKind::Seeds, seeds.deploy_all());
    Ok(())
}

struct Seeds {
    client: Client,
    directory: PathBuf,
    app: App,
}

/// What could not be deployed.
struct Wrong {
    place: PathBuf,
    failure: Failure,
}

impl Wrong {
    fn sentence(&self) -> String {
        format!("{}: {}", self.place.display(), sentence(&self.failure))
    }

    /// Whether only somebody's hand can mend it.
    fn is_in_the_files(&self) -> bool {
        matches!(self.failure.exit, Exit::Usage | Exit::Build | Exit::NotFound)
    }
}

impl Seeds {
    /// Goes on until everything in the directory is deployed and serves.
    async fn deploy_all(self) {
        let mut watch = Watch::open(vec![self.directory.clone()]).await;
        let mut said = Vec::new();
        loop {
            let wrong = self.try_all().await;
            let sentences: Vec<_> = wrong.iter().map(Wrong::sentence).collect();
            if sentences != said {
                sentences
                    .iter()
                    .for_each(|text| tracing::error!("A seed is not deployed: {text}"));
            }
            if wrong.is_empty() {
                return self.app.hold_readiness(None);
            }
            self.hold(&sentences);
            said = sentences;
            let may_mend_itself = !wrong.iter().all(Wrong::is_in_the_files);
            tokio::select! {
                _ = watch.changed() => {}
                () = tokio::time::sleep(AGAIN), if may_mend_itself => {}
            }
        }
    }

    fn hold(&self, wrong: &[String]) {
        let why = match wrong {
            [] => format!("the functions of {} are being deployed", self.directory.display()),
            wrong => format!("a seed is not deployed: {}", wrong.join("; ")),
        };
        self.app.hold_readiness(Some(why));
    }

    async fn try_all(&self) -> Vec<Wrong> {
        let directory = self.directory.clone();
        let wrong = |place: &Path, failure| Wrong {
            place: place.to_owned(),
            failure,
        };
        let listing = tokio::task::spawn_blocking(move || places(&directory)).await;
        let places = match listing.map_err(|error| Failure::usage(format!("looking broke off: {error}"))) {
            Ok(Ok(places)) => places,
            Ok(Err(failure)) | Err(failure) => return vec![wrong(&self.directory, failure)],
        };
        let (mut seen, mut all_wrong) = (BTreeMap::new(), Vec::new());
        for place in places {
            if let Err(failure) = self.try_one(&place, &mut seen).await {
                all_wrong.push(wrong(&place, failure));
            }
        }
        all_wrong
    }

    /// Deploys a project; `seen` says where each function before was found.
    async fn try_one(&self, place: &Path, seen: &mut BTreeMap<String, PathBuf>) -> Result<(), Failure> {
        let mut output = Output::to(std::io::sink(), std::io::sink(), Format::Text);
        let project = project::read(place.to_owned()).await?;
        for remark in &project.remarks {
            tracing::info!("{}: {remark}", place.display());
        }
        let mut context = Context {
            client: self.client.clone(),
            namespace: project.namespace.clone(),
            output: &mut output,
        };
        let mut first_failure = None;
        for function in project.functions {
            let key = format!("{}/{}", context.namespace.as_deref().unwrap_or_default(), function.name);
            let done = match seen.insert(key, place.to_owned()) {
                Some(before) => Err(twice(&function.name, &before)),
                None => deploy_one(&mut context, function).await,
            };
            first_failure = first_failure.or(done.err());
        }
        first_failure.map_or(Ok(()), Err)
    }
}

fn twice(name: &str, before: &Path) -> Failure {
    Failure::usage(format!("the function `{name}` is in {} too", before.display())).hint("rename one of them")
}

/// Brings one function to what its files say, and waits until it serves.
async fn deploy_one(context: &mut Context<'_>, function: Function) -> Result<(), Failure> {
    let name = function.name.clone();
    let prepared = project::prepare(context, function).await?;
    prepared.steps.iter().for_each(say);
    project::apply(context, prepared, project::Manner::default()).await?;
    // A deploy of the last run may still be on its way.
    deploy::await_ready(context, &name).await
}

fn say(step: &Step) {
    tracing::info!("Seeding: {}", step.line());
    if matches!(&step.act, Act::CreateWebhook(hook) if hook.signature.is_some()) {
        tracing::info!("Its secret is not written down here; `hob webhook rotate` gives another and shows it");
    }
}

/// The directory itself where it holds a project file; else its folders, by name.
fn places(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    if files::find(directory).is_some() {
        return Ok(vec![directory.to_owned()]);
    }
    let failed = |error| Failure::file(directory, &error).hint("mount it there, or change seed.directory");
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn sentence(failure: &Failure) -> String {
    let Some(body) = &failure.body else {
        return "it failed without a word".to_owned();
    };
    match &body.hint {
        Some(hint) => format!("{} ({hint})", body.message),
        None => body.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_project_or_a_folder_of_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |path: &str| directory.path().join(path);
        for folder in ["b", "a", ".git"] {
            std::fs::create_dir(at(folder)).expect("made");
        }
        std::fs::write(at("README.md"), "").expect("written");
        assert_eq!(places(directory.path()).expect("read"), [at("a"), at("b")]);
        std::fs::write(at("hob.toml"), "").expect("written");
        assert_eq!(places(directory.path()).expect("read"), [directory.path()]);
        let missing = places(&at("nowhere")).expect_err("not there");
        assert!(sentence(&missing).contains("seed.directory"), "{missing:?}");
    }
}
