//! `dev`: deploys, watches, and loads new code beside the old whenever a file changes; shows what the functions print.
//!
//! Each function has a watch and a line of work of its own: one that is built holds no other up. What was not deployed
//! before is removed at the end. Decides nothing about code: what does not load, the daemon says, and the old serves on.

use super::Context;
use super::logs::Lines;
use super::project::{self, Manner};
use crate::api::native::wire::{FunctionView, LogEntry};
use crate::cli::args::{DevArgs, Global};
use crate::cli::client::{Call, Client};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::project::plan::{Act, Step};
use crate::cli::project::{self as files, Code, Function};
use crate::watch::{Change, Watch};
use futures_util::future::{join, join_all};
use http::Method;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// A log that broke off is asked for again after this time.
const AGAIN: Duration = Duration::from_millis(500);
/// Calls of the past that are shown of a function that is new.
const ALL: &str = "1000";
/// Files of a change that are named.
const NAMED: usize = 3;

/// What every function's work needs.
#[derive(Clone)]
struct Kit {
    client: Client,
    namespace: Option<String>,
    global: Arc<Global>,
    /// Names stand before log lines when there is more than one function.
    width: Option<usize>,
}

impl Kit {
    fn output(&self) -> Output {
        Output::of_process(&self.global)
    }

    fn context<'a>(&self, output: &'a mut Output) -> Context<'a> {
        Context {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            output,
        }
    }
}

pub(super) async fn dev(context: &mut Context<'_>, global: &Global, args: DevArgs) -> Result<Exit, Failure> {
    let places = match args.directories {
        none if none.is_empty() => vec![PathBuf::from(".")],
        some => some,
    };
    let mut wanted = Vec::new();
    for place in places {
        let project = project::read(place.clone()).await?;
        project
            .remarks
            .iter()
            .for_each(|remark| context.output.note(&format!("note: {remark}")));
        project::choose_namespace(context, &project);
        wanted.extend(project.functions.into_iter().map(|function| (place.clone(), function)));
    }
    let ours = not_there(context, &wanted).await?;
    let widest = wanted.iter().map(|(_, function)| function.name.len()).max();
    let kit = Kit {
        client: context.client.clone(),
        namespace: context.namespace.clone(),
        global: Arc::new(global.clone()),
        width: widest.filter(|_| wanted.len() > 1),
    };
    let work = wanted.into_iter().map(|(place, function)| {
        let is_new = ours.contains(&function.name);
        let logs = follow_logs(kit.clone(), function.name.clone(), is_new);
        join(logs, develop(kit.clone(), place, function))
    });
    let ended = tokio::select! {
        ended = interrupted() => ended,
        _ = join_all(work) => Ok(Exit::Ok),
    };
    clear_up(context, &ours).await?;
    ended
}

/// The functions that this command is the first to deploy.
async fn not_there(context: &Context<'_>, wanted: &[(PathBuf, Function)]) -> Result<Vec<String>, Failure> {
    let mut ours = Vec::new();
    for (_, function) in wanted {
        let target = context.function_path(&function.name, &[], &[]);
        let answer = context.client.send(Call::new(Method::GET, target)).await?;
        match answer.status() {
            404 => ours.push(function.name.clone()),
            _ => drop(answer.checked().await?),
        }
    }
    Ok(ours)
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

async fn clear_up(context: &mut Context<'_>, ours: &[String]) -> Result<(), Failure> {
    for name in ours {
        let target = context.function_path(name, &[], &[]);
        let answer = context.client.send(Call::new(Method::DELETE, target)).await?;
        if answer.status() != 404 {
            answer.checked().await?;
            context
                .output
                .note(&format!("{name} is removed: it was not there before"));
        }
    }
    Ok(())
}

/// One function, for ever: look at the files, bring what they say, wait for a change.
async fn develop(kit: Kit, place: PathBuf, mut function: Function) {
    let mut output = kit.output();
    let mut context = kit.context(&mut output);
    let mut roots = roots_of(&place, &function);
    let mut watch = watching(roots.clone()).await;
    let mut change: Option<Change> = None;
    context.output.note(&format!("{}: deploying", function.name));
    loop {
        let begun = change.as_ref().map_or_else(Instant::now, |change| change.since);
        match bring(&mut context, function.clone()).await {
            Ok(Some(view)) => context.output.note(&done(&view, change.as_ref(), begun, &place)),
            Ok(None) if change.is_none() => {
                context
                    .output
                    .note(&format!("{} is there as it is; watching", function.name));
            }
            Ok(None) => {}
            Err(failure) => drop(context.output.failed(&failure)),
        }
        function = loop {
            change = Some(watch.changed().await);
            match again(&place, &function.name).await {
                Ok(read) => break read,
                Err(failure) => drop(context.output.failed(&failure)),
            }
        };
        let now = roots_of(&place, &function);
        if now != roots {
            watch = watching(now.clone()).await;
            roots = now;
        }
    }
}

async fn watching(roots: Vec<PathBuf>) -> Watch {
    let watched = roots.clone();
    let opening = tokio::task::spawn_blocking(move || Watch::new(watched));
    // Only a panic could be in the way of it.
    opening.await.unwrap_or_else(|_| Watch::new(roots))
}

/// The code, the project file, and what says something of the environment.
fn roots_of(place: &Path, function: &Function) -> Vec<PathBuf> {
    let code = match &function.code {
        Code::Path(path) => Some(path.clone()),
        Code::Image | Code::Inline(..) => None,
    };
    let file = if place.is_dir() {
        place.join("hob.toml")
    } else {
        place.to_owned()
    };
    let file = files::find(place).unwrap_or(file);
    code.into_iter()
        .chain([file])
        .chain(function.env_files.iter().cloned())
        .collect()
}

/// The function as its files say by now.
async fn again(place: &Path, name: &str) -> Result<Function, Failure> {
    let project = project::read(place.to_owned()).await?;
    let found = project.functions.into_iter().find(|function| function.name == name);
    found.ok_or_else(|| {
        Failure::usage(format!("the project has no function `{name}` any more"))
            .hint("it serves on; stop with Ctrl-C and start again to take in what is new")
    })
}

/// Deploys what differs; `None` when nothing does.
async fn bring(context: &mut Context<'_>, function: Function) -> Result<Option<FunctionView>, Failure> {
    let prepared = project::prepare(context, function).await?;
    let others = prepared
        .steps
        .iter()
        .filter(|step| !matches!(step.act, Act::Deploy(..)));
    let others: Vec<String> = others.map(Step::line).collect();
    let manner = Manner {
        no_wait: false,
        reload: true,
    };
    let deployed = project::apply(context, prepared, manner).await?;
    others.iter().for_each(|line| context.output.note(line));
    Ok(deployed)
}

/// One line for each reload.
fn done(view: &FunctionView, change: Option<&Change>, begun: Instant, place: &Path) -> String {
    let millis = begun.elapsed().as_millis();
    let Some(change) = change else {
        return format!("{} is ready at {} ({millis} ms); watching", view.name, view.url);
    };
    let shown = |path: &PathBuf| path.strip_prefix(place).unwrap_or(path).display().to_string();
    let mut names: Vec<_> = change.files.iter().take(NAMED).map(shown).collect();
    if change.files.len() > NAMED {
        names.push(format!("{} more", change.files.len() - NAMED));
    }
    format!("{} reloaded in {millis} ms ({})", view.name, names.join(", "))
}

/// What the function prints, for ever; of one that was there, only what comes.
async fn follow_logs(kit: Kit, name: String, is_new: bool) {
    let mut output = kit.output();
    let mut last: Option<String> = None;
    loop {
        let context = kit.context(&mut output);
        let limit = if is_new || last.is_some() { ALL } else { "0" };
        let pairs = [
            ("limit", Some(limit)),
            ("follow", Some("true")),
            ("after", last.as_deref()),
        ];
        let path = context.function_path(&name, &["logs"], &pairs);
        // Not there yet, or the daemon is away: that is said by whoever deploys.
        let _ = stream(context, &kit, &name, path, &mut last).await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn stream(
    context: Context<'_>,
    kit: &Kit,
    name: &str,
    path: String,
    last: &mut Option<String>,
) -> Result<(), Failure> {
    let mut answer = context.client.ask(Call::new(Method::GET, path)).await?;
    let mut lines = Lines::default();
    while let Some(piece) = answer.piece().await? {
        for line in lines.push(&piece)? {
            let Ok(entry) = serde_json::from_slice::<LogEntry>(&line) else {
                continue;
            };
            let text = match context.output.is_json() {
                true => format!("{}\n", String::from_utf8_lossy(&line)),
                false => prefixed(&entry.text, name, kit.width),
            };
            context.output.text(&text)?;
            *last = Some(entry.execution);
        }
    }
    Ok(())
}

/// Lines as they are, or each with the function's name before it.
fn prefixed(text: &str, name: &str, width: Option<usize>) -> String {
    let line = |line: &str| match width {
        Some(width) => format!("{name:width$} | {line}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_their_functions_name_when_there_are_several() {
        assert_eq!(prefixed("a\nb", "f", None), "a\nb\n");
        assert_eq!(prefixed("a\nb\n", "f", Some(3)), "f   | a\nf   | b\n");
        assert_eq!(prefixed("", "f", Some(3)), "");
    }
}
