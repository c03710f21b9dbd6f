//! `runs show`: one call, with all that was kept of it.

use super::Context;
use crate::api::native::wire::{ExecutionView, KeptRequest};
use crate::cli::args::RunsShowArgs;
use crate::cli::client::{Answer, Call, path};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;
use serde::Serialize;
use std::time::Duration;

/// The record of a call is written just after its answer.
const RECORD: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(20);

/// One call and what was kept of it.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    execution: ExecutionView,
    /// What it was called with; `null` where that was not kept.
    request: Option<KeptRequest>,
    /// What it answered, as text; `null` where that was not kept.
    answer: Option<String>,
    /// What it printed, as text.
    log: String,
}

pub(super) async fn show(context: &mut Context<'_>, args: &RunsShowArgs) -> Result<Exit, Failure> {
    let part = [(args.input, "input"), (args.answer, "result"), (args.log, "log")];
    if let Some((_, part)) = part.into_iter().find(|(wanted, _)| *wanted) {
        return copy(context, &args.id, part).await;
    }
    let execution: ExecutionView = context.client.get(path(&["executions", &args.id])).await?;
    let request = match kept(context, &args.id, "request").await? {
        Some(answer) => Some(answer.document().await?),
        None => None,
    };
    let answer = bytes_of(context, &args.id, "result").await?;
    let log = bytes_of(context, &args.id, "log").await?.unwrap_or_default();
    if context.output.is_json() {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (answer, log) = (answer.map(text), text(log));
        context.output.json(&Whole {
            execution,
            request,
            answer,
            log,
        })?;
        return Ok(Exit::Ok);
    }
    let colours = context.output.colours();
    let text = show::run(&execution, request.as_ref(), answer.as_deref(), colours);
    context.output.text(&text)?;
    if !log.is_empty() {
        context.output.text("\nlog")?;
        context.output.bytes(&log)?;
    }
    Ok(Exit::Ok)
}

/// A part of what was kept, byte for byte.
async fn copy(context: &mut Context<'_>, id: &str, part: &str) -> Result<Exit, Failure> {
    let call = Call::new(Method::GET, path(&["executions", id, part]));
    let mut answer = context.client.ask(call).await?;
    while let Some(piece) = answer.piece().await? {
        context.output.bytes(&piece)?;
    }
    Ok(Exit::Ok)
}

/// A part that may not have been kept.
async fn kept(context: &Context<'_>, id: &str, part: &str) -> Result<Option<Answer>, Failure> {
    let segments = ["executions", id, part];
    let named = if part.is_empty() { 2 } else { 3 };
    let call = Call::new(Method::GET, path(&segments[..named]));
    let answer = context.client.send(call).await?;
    if answer.status() == 404 {
        return Ok(None);
    }
    answer.checked().await.map(Some)
}

/// The bytes of a part that may not have been kept.
pub(super) async fn bytes_of(context: &Context<'_>, id: &str, part: &str) -> Result<Option<Vec<u8>>, Failure> {
    match kept(context, id, part).await? {
        Some(mut answer) => answer.bytes().await.map(Some),
        None => Ok(None),
    }
}

/// The record of a call, once it has ended; `None` when that takes too long.
pub(super) async fn recorded(context: &Context<'_>, id: &str) -> Result<Option<ExecutionView>, Failure> {
    let ended = async {
        loop {
            if let Some(answer) = kept(context, id, "").await? {
                let execution: ExecutionView = answer.document().await?;
                if execution.state.is_terminal() {
                    return Ok(execution);
                }
            }
            tokio::time::sleep(STEP).await;
        }
    };
    match tokio::time::timeout(RECORD, ended).await {
        Ok(done) => done.map(Some),
        Err(_) => Ok(None),
    }
}
