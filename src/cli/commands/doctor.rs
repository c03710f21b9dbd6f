//! `doctor`: what was found, and an exit code that scripts can go by.

use super::Context;
use crate::cli::args::PlaceArgs;
use crate::cli::doctor;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;

pub(super) async fn doctor(context: &mut Context<'_>, args: &PlaceArgs) -> Result<Exit, Failure> {
    let report = doctor::examine(&context.client, args).await;
    context
        .output
        .value(&report, |colours| show::report(&report, colours))?;
    Ok(if report.ok { Exit::Ok } else { Exit::Function })
}
