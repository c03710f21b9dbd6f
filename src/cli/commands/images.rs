//! `export`, `df`, `gc`: a function's image to carry elsewhere, what images take, and cleaning up.

use super::Context;
use super::backup;
use crate::api::native::wire::{CleanedView, DiskView, ExportView};
use crate::cli::args::ExportArgs;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;
use std::time::Duration;

/// Making an image copies the code once; removing many takes the engine a while.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

pub(super) async fn export(context: &mut Context<'_>, args: &ExportArgs) -> Result<Exit, Failure> {
    let save = args.save.as_ref().map(|_| "true");
    let tag = args
        .tag
        .as_deref()
        .or(args.save.is_none().then_some(args.name.as_str()));
    let path = context.function_path(&args.name, &["export"], &[("tag", tag), ("save", save)]);
    let answer = context
        .client
        .ask(Call::new(Method::POST, path).patience(PATIENCE))
        .await?;
    let Some(file) = &args.save else {
        let made: ExportView = answer.document().await?;
        let name = made.tag.clone().unwrap_or_else(|| made.image.clone());
        context.output.value(&made, |_| name.clone())?;
        context
            .output
            .note(&format!("run it with `docker run --rm -p 8080:8080 {name}`"));
        return Ok(Exit::Ok);
    };
    let bytes = backup::save(context, file, answer, 0o644).await?;
    let name = file.display();
    context.output.note(&format!(
        "{name}: {} MiB; load it with `docker load -i {name}`",
        bytes.div_ceil(1024 * 1024)
    ));
    Ok(Exit::Ok)
}

pub(super) async fn disk(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let usage: DiskView = context.client.get("/disk".to_owned()).await?;
    context.output.value(&usage, |colours| show::disk(&usage, colours))?;
    Ok(Exit::Ok)
}

pub(super) async fn clean(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let call = Call::new(Method::POST, "/gc".to_owned()).patience(PATIENCE);
    let cleaned: CleanedView = context.client.ask(call).await?.document().await?;
    let mib = cleaned.bytes / (1024 * 1024);
    context
        .output
        .value(&cleaned, |_| format!("{} images removed, {mib} MiB", cleaned.images))?;
    Ok(Exit::Ok)
}
