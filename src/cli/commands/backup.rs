//! `backup` and `restore`: everything the daemon keeps, as one file, and back. `restore` asks no daemon: none may run.

use super::Context;
use crate::app;
use crate::cli::args::PlaceArgs;
use crate::cli::client::{Answer, Call};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::config::{self, Config, Flags};
use http::Method;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The database is copied before the first byte comes.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
const MIB: u64 = 1024 * 1024;

/// What was written, or put in its place.
#[derive(Debug, Serialize)]
struct Done {
    /// The file, or the data directory.
    path: String,
    /// Of a backup: its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Of what was restored: how many functions there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<u64>,
}

pub(super) async fn backup(context: &mut Context<'_>, file: &Path) -> Result<Exit, Failure> {
    let call = Call::new(Method::GET, "/backup".to_owned()).patience(PATIENCE);
    let mut answer = context.client.ask(call).await?;
    if file.as_os_str() == "-" {
        while let Some(piece) = answer.piece().await? {
            context.output.bytes(&piece)?;
        }
        return Ok(Exit::Ok);
    }
    let bytes = save(context, file, answer, 0o600).await?;
    let done = Done {
        path: file.display().to_string(),
        bytes: Some(bytes),
        functions: None,
    };
    context
        .output
        .value(&done, |_| format!("{}: {} MiB", done.path, bytes.div_ceil(MIB)))?;
    context
        .output
        .note("it holds all secrets of the daemon; put it back with `hob restore FILE`");
    Ok(Exit::Ok)
}

/// Writes an answer to a file, beside it first: a file of that name is whole, or as it was. Unit: bytes.
pub(super) async fn save(
    context: &mut Context<'_>,
    file: &Path,
    mut answer: Answer,
    mode: u32,
) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("cannot write `{}`: {error}", file.display()));
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(mode).open(&part);
    let mut writer = opened.map_err(failed)?;
    let bar = context.output.bar("received", answer.length());
    let mut bytes = 0;
    let copied = loop {
        match answer.piece().await {
            Ok(None) => break Ok(()),
            Ok(Some(piece)) => {
                bytes += piece.len() as u64;
                bar.at(bytes);
                if let Err(error) = writer.write_all(&piece) {
                    break Err(failed(error));
                }
            }
            Err(failure) => break Err(failure),
        }
    };
    drop(bar);
    let done = copied.and_then(|()| {
        let synced = writer.sync_all().and_then(|()| std::fs::rename(&part, file));
        synced.map_err(failed)
    });
    if done.is_err() {
        // What is not whole is worth nothing.
        let _ = std::fs::remove_file(&part);
    }
    done.map(|()| bytes)
}

pub(super) async fn restore(context: &mut Context<'_>, file: &Path, place: &PlaceArgs) -> Result<Exit, Failure> {
    let flags = Flags {
        config: place.config.clone(),
        data_dir: place.data_dir.clone(),
        ..Flags::default()
    };
    let config = Config::load(&config::environment(), &flags).map_err(|e| Failure::usage(e.to_string()))?;
    let directory = config.server.data_dir;
    let backup = std::fs::File::open(file).map_err(|error| Failure::file(file, &error))?;
    let into = directory.clone();
    let restoring = tokio::task::spawn_blocking(move || app::restore(&into, backup));
    let restored = restoring
        .await
        .map_err(|error| Failure::usage(format!("restoring broke off: {error}")))?
        .map_err(|error| Failure::usage(error.to_string()).hint("choose another place with --data-dir DIR"))?;
    let done = Done {
        path: directory.display().to_string(),
        bytes: None,
        functions: Some(restored.functions),
    };
    context.output.value(&done, |_| {
        format!("{} functions are in {}", restored.functions, done.path)
    })?;
    let note = format!("start the daemon with `hob serve --data-dir {}`", done.path);
    context.output.note(&note);
    Ok(Exit::Ok)
}
