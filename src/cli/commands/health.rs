//! `health`: whether the daemon is ready for calls, for healthchecks and for scripts that wait.

use super::Context;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use http::Method;
use serde::Serialize;
use std::time::Duration;

/// Between two looks.
const STEP: Duration = Duration::from_millis(200);
/// One look takes at most this.
const LOOK: Duration = Duration::from_secs(4);

#[derive(Serialize)]
struct Health {
    ready: bool,
    /// What it is not ready for; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<String>,
}

pub(super) async fn health(context: &mut Context<'_>, wait: Option<Duration>) -> Result<Exit, Failure> {
    let found = match wait {
        None => look(context).await?,
        Some(wait) => ready_within(context, wait).await?,
    };
    context.output.value(&found, |_| match &found.waiting_for {
        None => "ready".to_owned(),
        Some(why) => format!("not ready: {why}"),
    })?;
    Ok(if found.ready { Exit::Ok } else { Exit::Engine })
}

/// Looks until it is ready or the time is over; the last look is the answer.
async fn ready_within(context: &Context<'_>, wait: Duration) -> Result<Health, Failure> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let found = look(context).await;
        let is_over = tokio::time::Instant::now() >= deadline;
        if is_over || found.as_ref().is_ok_and(|health| health.ready) {
            return found;
        }
        tokio::time::sleep(STEP).await;
    }
}

async fn look(context: &Context<'_>) -> Result<Health, Failure> {
    let call = Call::at_root(Method::GET, "/readyz".to_owned()).patience(LOOK);
    let mut answer = context.client.send(call).await?;
    let text = String::from_utf8_lossy(&answer.bytes().await?).trim().to_owned();
    let ready = answer.status() == 200;
    Ok(Health {
        ready,
        waiting_for: (!ready).then_some(text),
    })
}
