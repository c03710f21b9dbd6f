//! `completion` and `man`: what shells and people read, made from the arguments themselves.

use super::Context;
use crate::cli::args::Arguments;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::Path;

pub(super) fn completion(context: &mut Context<'_>, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "hob", &mut script);
    context.output.bytes(&script)?;
    Ok(Exit::Ok)
}

/// One page to standard output, or a page for each command into a directory.
pub(super) fn manual(context: &mut Context<'_>, directory: Option<&Path>) -> Result<Exit, Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let written = Man::new(Arguments::command()).render(&mut page);
        written.map_err(|error| Failure::output(&error))?;
        context.output.bytes(&page)?;
        return Ok(Exit::Ok);
    };
    let failed = |error: std::io::Error| {
        Failure::usage(format!("cannot write to `{}`: {error}", directory.display()))
            .hint("name a directory that you may write to")
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), directory).map_err(failed)?;
    let note = format!("see them with `man {}/hob.1`", directory.display());
    context.output.note(&note);
    Ok(Exit::Ok)
}
