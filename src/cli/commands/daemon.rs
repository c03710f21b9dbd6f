//! `status`, `runtimes`, `stop`, `version`.

use super::Context;
use crate::api::native::wire::{RuntimeList, Status};
use crate::cli::client::{Call, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;
use std::time::Duration;

/// The daemon's own grace for running calls, and then some.
const DRAIN: Duration = Duration::from_secs(90);
const STEP: Duration = Duration::from_millis(50);

pub(super) async fn status(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let status: Status = context.client.get("/status".to_owned()).await?;
    context
        .output
        .value(&status, |colours| show::status(&status, colours))?;
    Ok(Exit::Ok)
}

pub(super) async fn runtimes(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let list: RuntimeList = context.client.get("/runtimes".to_owned()).await?;
    context
        .output
        .value(&list, |colours| show::runtimes(&list.runtimes, colours))?;
    Ok(Exit::Ok)
}

/// Asks the daemon to end and waits until nobody answers any more.
pub(super) async fn stop(context: &mut Context<'_>, purge: bool) -> Result<Exit, Failure> {
    let path = query("/stop".to_owned(), &[("purge", purge.then_some("true"))]);
    let status: Status = context.client.get("/status".to_owned()).await?;
    context.client.ask(Call::new(Method::POST, path)).await?;
    // It closes its door first and removes its containers then: it has stopped when its process is gone.
    let gone = async {
        while context.client.is_up().await || runs(&status) {
            tokio::time::sleep(STEP).await;
        }
    };
    let waited = tokio::time::timeout(DRAIN, gone).await;
    waited.map_err(|_| {
        let message = format!("the daemon still answers after {} s", DRAIN.as_secs());
        Failure::new(Exit::Timeout, "timeout", message).hint("see what runs with `hob runs list --state running`")
    })?;
    context.output.note("the daemon has stopped");
    Ok(Exit::Ok)
}

/// Whether the daemon's process is there; one on another machine is never seen.
fn runs(status: &Status) -> bool {
    let lock = std::path::Path::new(&status.data_dir).join("lock");
    let holder = std::fs::read_to_string(lock)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    let zombie = |stat: String| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    };
    let alive = std::fs::read_to_string(format!("/proc/{}/stat", status.pid)).is_ok_and(|stat| !zombie(stat));
    holder == Some(status.pid) && alive
}

pub(super) fn version(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let value = serde_json::json!({ "version": version });
    context.output.value(&value, |_| format!("hob {version}"))?;
    Ok(Exit::Ok)
}
