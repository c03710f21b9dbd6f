//! `export`, `df`, `gc`: a function's image to carry elsewhere, what images take, and cleaning up.

use super::Context;
use crate::api::native::wire::{CleanedView, DiskView, ExportView};
use crate::cli::args::ExportArgs;
use crate::cli::client::{Answer, Call};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;
use std::io::Write;
use std::path::Path;
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
    let bytes = write(file, answer).await?;
    let name = file.display();
    context.output.note(&format!(
        "{name}: {} MiB; load it with `docker load -i {name}`",
        bytes.div_ceil(1024 * 1024)
    ));
    Ok(Exit::Ok)
}

/// Writes beside the file first: a file of that name is whole, or as it was.
async fn write(file: &Path, mut answer: Answer) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("cannot write `{}`: {error}", file.display()));
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let mut writer = std::fs::File::create(&part).map_err(failed)?;
    let mut bytes = 0;
    while let Some(piece) = answer.piece().await? {
        writer.write_all(&piece).map_err(failed)?;
        bytes += piece.len() as u64;
    }
    writer
        .sync_all()
        .and_then(|()| std::fs::rename(&part, file))
        .map_err(failed)?;
    Ok(bytes)
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
