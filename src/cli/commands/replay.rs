//! `runs replay`: the input of a call again, on the code of today or of a version, and what differs.

use super::Context;
use super::run::{bytes_of, recorded};
use crate::api::native::wire::{ExecutionView, header};
use crate::cli::args::RunsReplayArgs;
use crate::cli::client::{Call, path, query};
use crate::cli::diff::{self, Line};
use crate::cli::exit::{Exit, exit_for};
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;
use serde::Serialize;
use std::time::Duration;

/// The longest a function may take, and then some for its place in the queue.
const PATIENCE: Duration = Duration::from_secs(3_600 + 300);

/// Two calls with one input.
#[derive(Debug, Serialize)]
struct Replayed {
    /// The call that was replayed.
    before: ExecutionView,
    /// The call that was made now.
    now: ExecutionView,
    /// Whether state, status, answer and log are the same.
    same: bool,
    answer: Difference,
    log: Difference,
}

/// How two texts differ.
#[derive(Debug, Serialize)]
struct Difference {
    /// `null` when one of the two was not kept.
    same: Option<bool>,
    /// Lines that begin with `-`, `+` or a space; empty when they are the same.
    lines: Vec<String>,
}

pub(super) async fn replay(context: &mut Context<'_>, args: &RunsReplayArgs) -> Result<Exit, Failure> {
    let before: ExecutionView = context.client.get(path(&["executions", &args.id])).await?;
    let selector = args.select.selector();
    let target = query(
        path(&["executions", &args.id, "replay"]),
        &[("selector", selector.as_deref())],
    );
    let call = Call::new(Method::POST, target).patience(PATIENCE);
    let mut answered = context.client.send(call).await?;
    if answered.header(header::FUNCTION_VERSION).is_none() {
        return Err(answered.failure().await);
    }
    let (status, source) = (
        answered.status(),
        answered.header(header::ERROR_SOURCE).map(str::to_owned),
    );
    let id = answered.header(header::CALL_ID).unwrap_or_default().to_owned();
    answered.bytes().await?;
    let now = recorded(context, &id).await?.ok_or_else(|| {
        Failure::new(Exit::Timeout, "timeout", "the record of the new call is not there yet")
            .hint(format!("look at it with `hob runs show {id}`"))
    })?;
    let replayed = compare(context, before, now).await?;
    let exit = exit_for(
        status,
        replayed.now.failure.as_deref(),
        source.as_deref().or(Some("function")),
    );
    context.output.value(&replayed, |colours| text(&replayed, colours))?;
    Ok(exit)
}

async fn compare(context: &Context<'_>, before: ExecutionView, now: ExecutionView) -> Result<Replayed, Failure> {
    let answer = difference(context, &before, &now, "result").await?;
    let log = difference(context, &before, &now, "log").await?;
    let same_end = before.state == now.state && before.status == now.status && before.failure == now.failure;
    // What neither has is the same; what only one has was kept of one only.
    let same = same_end && answer.same != Some(false) && log.same != Some(false);
    Ok(Replayed {
        before,
        now,
        same,
        answer,
        log,
    })
}

async fn difference(
    context: &Context<'_>,
    before: &ExecutionView,
    now: &ExecutionView,
    part: &str,
) -> Result<Difference, Failure> {
    let old = bytes_of(context, &before.id, part).await?;
    let new = bytes_of(context, &now.id, part).await?;
    let (Some(old), Some(new)) = (old, new) else {
        return Ok(Difference {
            same: None,
            lines: Vec::new(),
        });
    };
    if old == new {
        return Ok(Difference {
            same: Some(true),
            lines: Vec::new(),
        });
    }
    let (old, new) = (show::readable(&old), show::readable(&new));
    let lines = diff::lines(&old, &new);
    Ok(Difference {
        same: Some(false),
        lines: lines.iter().map(Line::to_string).collect(),
    })
}

fn text(replayed: &Replayed, colours: bool) -> String {
    let mut text = show::side_by_side(&replayed.before, &replayed.now, colours);
    for (what, difference) in [("answer", &replayed.answer), ("log", &replayed.log)] {
        text.push('\n');
        text.push_str(what);
        match difference.same {
            None => text.push_str(": was not kept of both\n"),
            Some(true) => text.push_str(": the same, byte for byte\n"),
            Some(false) => {
                text.push_str(" differs\n");
                text.push_str(&show::difference(&difference.lines, colours));
            }
        }
    }
    text
}
