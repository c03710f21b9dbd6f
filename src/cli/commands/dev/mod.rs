//! `dev`: deploys what directories hold, and again whenever it changes; shows what the functions print.
//!
//! What was not there before is removed at the end. Decides nothing about code: what does not load, the daemon says, and
//! the old serves on.

mod function;
mod log;

use super::Context;
use super::project;
use crate::cli::args::{DevArgs, Global};
use crate::cli::client::{Call, Client};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::project::{self as files, Function, Project};
use crate::watch::Watch;
use futures_util::future::{AbortHandle, BoxFuture, abortable, join};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use http::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What every function's work needs.
#[derive(Clone)]
struct Kit {
    client: Client,
    namespace: Option<String>,
    global: Arc<Global>,
    /// The longest name, which stands before log lines when there is more than one function; else 0.
    width: Arc<AtomicUsize>,
}

impl Kit {
    fn output(&self) -> Output {
        Output::of_process(&self.global).shared()
    }

    fn context<'a>(&self, output: &'a mut Output) -> Context<'a> {
        Context {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            output,
        }
    }

    fn width(&self) -> Option<usize> {
        Some(self.width.load(Ordering::Relaxed)).filter(|width| *width > 0)
    }
}

pub(super) async fn dev(context: &mut Context<'_>, global: &Global, args: DevArgs) -> Result<Exit, Failure> {
    let places = match args.directories {
        none if none.is_empty() => vec![PathBuf::from(".")],
        some => some,
    };
    let mut projects = Vec::new();
    for place in places {
        let project = project::read(place.clone()).await?;
        project::choose_namespace(context, &project);
        projects.push((place, project));
    }
    let mut stage = Stage::new(Kit {
        client: context.client.clone(),
        namespace: context.namespace.clone(),
        global: Arc::new(global.clone()),
        width: Arc::default(),
    });
    for (place, project) in projects {
        stage.remark(context, &project);
        stage.follow(&place, &project);
        stage.take(context, place, project).await?;
    }
    let ended = tokio::select! {
        ended = interrupted() => ended,
        broken = stage.play(context) => broken,
    };
    stage.clear_up(context).await?;
    ended
}

/// Waits for the end: the user's, or the terminal's.
async fn interrupted() -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("signals cannot be had: {error}"));
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done.map_err(failed)?,
        _ = terminated.recv() => {}
        _ = hung_up.recv() => {}
    }
    Ok(Exit::Ok)
}

/// The functions that are developed, each with its place in the projects.
struct Stage {
    kit: Kit,
    /// By name.
    acts: BTreeMap<String, Act>,
    /// What all of them do, for ever.
    work: FuturesUnordered<BoxFuture<'static, ()>>,
    /// The project files that are watched, each until it changes.
    projects: FuturesUnordered<BoxFuture<'static, Followed>>,
    /// Remarks about project files, each said once.
    said: BTreeSet<String>,
}

/// A place whose project file is watched.
struct Followed {
    place: PathBuf,
    /// There was a project file; else the place is a function by itself.
    file: Option<PathBuf>,
    watch: Watch,
}

/// One function's work, and the way to it.
struct Act {
    place: PathBuf,
    /// The function as its project file says.
    news: watch::Sender<Function>,
    end: AbortHandle,
    /// It was not there before.
    is_ours: bool,
}

impl Stage {
    fn new(kit: Kit) -> Self {
        Self {
            kit,
            acts: BTreeMap::new(),
            work: FuturesUnordered::new(),
            projects: FuturesUnordered::new(),
            said: BTreeSet::new(),
        }
    }

    /// Says what a project file has to no effect, unless it was said before.
    fn remark(&mut self, context: &mut Context<'_>, project: &Project) {
        for remark in &project.remarks {
            if self.said.insert(remark.clone()) {
                context.output.note(&format!("note: {remark}"));
            }
        }
    }

    /// Goes on for ever, or until the daemon cannot be asked about a project that has changed.
    async fn play(&mut self, context: &mut Context<'_>) -> Result<Exit, Failure> {
        loop {
            tokio::select! {
                Some(()) = self.work.next() => {}
                Some(mut followed) = self.projects.next() => {
                    // What is wrong with the file, or away for a moment, may be mended: the rest goes on.
                    if let Err(failure) = self.read_again(context, &mut followed).await {
                        context.output.failed(&failure);
                    }
                    self.projects.push(next_change(followed));
                }
            }
        }
    }

    /// Watches what says which functions a project has and how they are; not their code.
    fn follow(&mut self, place: &Path, project: &Project) {
        let file = files::find(place);
        let watched = file.clone().unwrap_or_else(|| place.join(files::OWN_FILE));
        let env_files = project.functions.iter().flat_map(|function| function.env_files.clone());
        let roots: Vec<_> = [watched].into_iter().chain(env_files).collect();
        let place = place.to_owned();
        let following = async move {
            let watch = Watch::open(roots).await;
            next_change(Followed { place, file, watch }).await
        };
        self.projects.push(following.boxed());
    }

    async fn read_again(&mut self, context: &mut Context<'_>, followed: &mut Followed) -> Result<(), Failure> {
        let found = files::find(&followed.place);
        if let (Some(file), None) = (&followed.file, &found) {
            return Err(Failure::usage(format!("{} is gone", file.display()))
                .hint("its functions serve on; bring it back, or stop with Ctrl-C"));
        }
        followed.file = found;
        let project = match project::read(followed.place.clone()).await {
            // A function by itself says so itself.
            Err(_) if followed.file.is_none() => return Ok(()),
            read => read?,
        };
        self.remark(context, &project);
        self.take(context, followed.place.clone(), project).await
    }

    /// Brings the stage to what a project says: new functions begin, those that have gone end, the others are told.
    async fn take(&mut self, context: &mut Context<'_>, place: PathBuf, project: Project) -> Result<(), Failure> {
        let gone = self.acts.iter().filter(|(name, act)| {
            act.place == place && !project.functions.iter().any(|function| function.name == **name)
        });
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.end(context, &name).await?;
        }
        for function in project.functions {
            match self.acts.get(&function.name) {
                Some(act) => drop(act.news.send_if_modified(|known| replace(known, function))),
                None => self.begin(context, &place, function).await?,
            }
        }
        let several = self.acts.len() > 1;
        let widest = self.acts.keys().map(String::len).max().filter(|_| several);
        self.kit.width.store(widest.unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }

    async fn begin(&mut self, context: &mut Context<'_>, place: &Path, function: Function) -> Result<(), Failure> {
        let name = function.name.clone();
        let is_ours = !is_there(context, &name).await?;
        let (news, heard) = watch::channel(function);
        let logs = log::follow(self.kit.clone(), name.clone(), is_ours);
        let work = join(logs, function::develop(self.kit.clone(), place.to_owned(), heard));
        let (work, end) = abortable(work);
        self.work.push(work.map(drop).boxed());
        let act = Act {
            place: place.to_owned(),
            news,
            end,
            is_ours,
        };
        self.acts.insert(name, act);
        Ok(())
    }

    async fn end(&mut self, context: &mut Context<'_>, name: &str) -> Result<(), Failure> {
        let Some(act) = self.acts.remove(name) else {
            return Ok(());
        };
        act.end.abort();
        match act.is_ours {
            true => remove(context, name, "it is in the project no more").await,
            false => {
                let note = format!("{name} is in the project no more; it was there before, and serves on");
                context.output.note(&note);
                Ok(())
            }
        }
    }

    async fn clear_up(self, context: &mut Context<'_>) -> Result<(), Failure> {
        for (name, act) in self.acts {
            if act.is_ours {
                remove(context, &name, "it was not there before").await?;
            }
        }
        Ok(())
    }
}

/// Puts the new in the place of the old; answers whether it is another.
fn replace(known: &mut Function, now: Function) -> bool {
    let differs = *known != now;
    *known = now;
    differs
}

fn next_change(mut followed: Followed) -> BoxFuture<'static, Followed> {
    let changing = async move {
        followed.watch.changed().await;
        followed
    };
    changing.boxed()
}

/// Whether a function was deployed by somebody before.
async fn is_there(context: &Context<'_>, name: &str) -> Result<bool, Failure> {
    let target = context.function_path(name, &[], &[]);
    let answer = context.client.send(Call::new(Method::GET, target)).await?;
    match answer.status() {
        404 => Ok(false),
        _ => answer.checked().await.map(|_| true),
    }
}

async fn remove(context: &mut Context<'_>, name: &str, why: &str) -> Result<(), Failure> {
    let target = context.function_path(name, &[], &[]);
    let answer = context.client.send(Call::new(Method::DELETE, target)).await?;
    if answer.status() != 404 {
        answer.checked().await?;
        context.output.note(&format!("{name} is removed: {why}"));
    }
    Ok(())
}
