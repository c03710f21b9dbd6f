//! One function that is developed: deployed again whenever its code, or what its project says of it, changes.
//!
//! Does not say what is wrong with a project file: whoever follows the project does, once for all its functions.

use super::Kit;
use crate::api::native::wire::FunctionView;
use crate::cli::commands::Context;
use crate::cli::commands::project::{self, Manner};
use crate::cli::failure::Failure;
use crate::cli::project::plan::{Act, Step};
use crate::cli::project::{self as files, Code, Function};
use crate::watch::{Change, Watch};
use std::path::{Path, PathBuf};
use tokio::sync::watch;
use tokio::time::Instant;

/// Files of a change that are named.
const NAMED: usize = 3;

/// For ever: look at the files, bring what they say, wait for a change.
pub(super) async fn develop(kit: Kit, place: PathBuf, mut news: watch::Receiver<Function>) {
    let mut output = kit.output();
    let mut context = kit.context(&mut output);
    let mut function = news.borrow_and_update().clone();
    let mut roots = roots_of(&function);
    let mut watch = Watch::open(roots.clone()).await;
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
        change = Some(next(&mut context, &mut watch, &mut news, &mut function, &place).await);
        let now = roots_of(&function);
        if now != roots {
            watch = Watch::open(now.clone()).await;
            roots = now;
        }
    }
}

/// The code; what its project says of it comes as news.
fn roots_of(function: &Function) -> Vec<PathBuf> {
    match &function.code {
        Code::Path(path) => vec![path.clone()],
        Code::Image | Code::Fetched | Code::Inline(..) => Vec::new(),
    }
}

/// Waits until there is something to bring, and takes in what the files say of the function by then. While they cannot
/// be read, or do not speak of it, there is nothing to bring.
async fn next(
    context: &mut Context<'_>,
    watch: &mut Watch,
    news: &mut watch::Receiver<Function>,
    function: &mut Function,
    place: &Path,
) -> Change {
    loop {
        let change = tokio::select! {
            change = watch.changed() => change,
            Ok(()) = news.changed() => Change { since: Instant::now(), files: Vec::new() },
        };
        let project = match project::read(place.to_owned()).await {
            Ok(project) => project,
            Err(failure) => {
                if files::find(place).is_none() {
                    context.output.failed(&failure);
                }
                continue;
            }
        };
        let mut found = project.functions.into_iter();
        if let Some(now) = found.find(|found| found.name == function.name) {
            // One save may be told by both: it is dealt with once.
            news.mark_unchanged();
            *function = now;
            return change;
        }
    }
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
    if names.is_empty() {
        names.push("its settings".to_owned());
    }
    format!("{} reloaded in {millis} ms ({})", view.name, names.join(", "))
}
