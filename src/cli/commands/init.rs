//! `init`: a folder that can be deployed as it is, from a template. Asks no daemon.

use super::Context;
use crate::cli::args::InitArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::templates;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
struct Known {
    template: String,
    about: &'static str,
}

#[derive(Serialize)]
struct Made {
    directory: PathBuf,
    files: Vec<PathBuf>,
}

pub(super) fn init(context: &mut Context<'_>, args: InitArgs) -> Result<Exit, Failure> {
    let Some(asked) = args.template.filter(|_| !args.list) else {
        list(context)?;
        if !args.list {
            context.output.note("choose one: `hob init TEMPLATE [DIR]`");
        }
        return Ok(Exit::Ok);
    };
    let template = templates::find(&asked)?;
    let directory = args.directory.unwrap_or_else(|| PathBuf::from(template.name));
    let files = templates::write(template, &directory)?;
    let made = Made { directory, files };
    context.output.value(&made, |_| {
        let lines = made.files.iter().map(|file| format!("{}\n", file.display()));
        lines.collect()
    })?;
    let directory = made.directory.display();
    context.output.note(&format!(
        "deploy it with `hob deploy {directory}`, or work on it with `hob dev {directory}`"
    ));
    Ok(Exit::Ok)
}

fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let known: Vec<_> = templates::names()
        .into_iter()
        .map(|(template, about)| Known { template, about })
        .collect();
    let width = known.iter().map(|k| k.template.len()).max().unwrap_or_default();
    context.output.value(&known, |_| {
        let lines = known.iter().map(|k| format!("{:width$}  {}\n", k.template, k.about));
        lines.collect()
    })
}
