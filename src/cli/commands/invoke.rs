//! `invoke`: the function's bytes to standard output exactly, everything else to standard error.

use super::Context;
use super::run::recorded;
use crate::api::native::wire::{ExecutionView, header};
use crate::cli::args::InvokeArgs;
use crate::cli::client::{Answer, Call, path};
use crate::cli::exit::{Exit, exit_for};
use crate::cli::failure::Failure;
use crate::cli::input::{Input, input};
use http::{HeaderName, HeaderValue, Method};
use std::time::Duration;

/// The longest a function may take, and then some for its place in the queue.
const PATIENCE: Duration = Duration::from_secs(3_600 + 300);

pub(super) async fn invoke(context: &mut Context<'_>, args: InvokeArgs) -> Result<Exit, Failure> {
    let answer = context.client.send(call(context, &args)?).await?;
    if args.asynchronous {
        return accepted(context, answer).await;
    }
    let call_id = answer.header(header::CALL_ID).map(str::to_owned);
    let timings = args.verbose.then(|| timings(&answer));
    let ended = say(context, answer).await;
    if let Some(timings) = timings {
        context.output.note(&timings);
    }
    if let Some(id) = call_id.filter(|_| args.logs) {
        show_log(context, &id).await?;
    }
    ended
}

fn call(context: &Context<'_>, args: &InvokeArgs) -> Result<Call, Failure> {
    let typed = args.header.iter().any(|(name, _)| name == http::header::CONTENT_TYPE);
    let Input {
        content_type,
        length,
        body,
    } = input(args.data.as_deref(), &args.field, typed)?;
    let selector = args.select.selector();
    let number = |n: &u32| n.to_string();
    let (retries, backoff) = (args.retries.as_ref().map(number), args.backoff.as_ref().map(number));
    let pairs = [
        ("path", args.path.as_deref()),
        ("method", args.method.as_ref().map(Method::as_str)),
        ("async", args.asynchronous.then_some("true")),
        ("selector", selector.as_deref()),
        ("keep", args.keep.then_some("true")),
        ("description", args.description.as_deref()),
        ("retries", retries.as_deref()),
        ("backoff_ms", backoff.as_deref()),
    ];
    let path = context.function_path(&args.name, &["invoke"], &pairs);
    let mut call = Call::new(Method::POST, path).patience(PATIENCE);
    if let Some(content_type) = content_type.filter(|_| !typed) {
        let value = HeaderValue::from_static(content_type);
        call = call.header(http::header::CONTENT_TYPE, value);
    }
    if let Some(key) = &args.key {
        call = call.header(HeaderName::from_static("idempotency-key"), key.clone());
    }
    if let Some(url) = &args.callback {
        call = call.header(HeaderName::from_static("x-callback-url"), url.clone());
    }
    for (name, value) in &args.header {
        call = call.header(name.clone(), value.clone());
    }
    Ok(call.body(body, length))
}

/// Streams what the function answered, or says what went wrong.
async fn say(context: &mut Context<'_>, mut answer: Answer) -> Result<Exit, Failure> {
    let served = answer.header(header::FUNCTION_VERSION).is_some();
    let told = answer.header(header::ERROR_SOURCE).is_some();
    if told || (answer.status() >= 400 && !served) {
        return Err(answer.failure().await);
    }
    let exit = exit_for(answer.status(), None, Some("function"));
    let mut last = None;
    while let Some(piece) = answer.piece().await? {
        context.output.bytes(&piece)?;
        last = piece.last().copied().or(last);
    }
    context.output.end_line(last)?;
    if exit != Exit::Ok {
        let note = format!("the function answered with status {}", answer.status());
        context.output.note(&note);
    }
    Ok(exit)
}

async fn accepted(context: &mut Context<'_>, answer: Answer) -> Result<Exit, Failure> {
    let execution: ExecutionView = answer.checked().await?.document().await?;
    context.output.value(&execution, |_| execution.id.clone())?;
    let note = format!("accepted; see how it goes with `hob runs show {}`", execution.id);
    context.output.note(&note);
    Ok(Exit::Ok)
}

/// `warm, queue 0.068 ms, run 3.420 ms, 3.600 ms in all`.
fn timings(answer: &Answer) -> String {
    let temperature = match answer.header(header::COLD_START) {
        Some("true") => "cold",
        Some(_) => "warm",
        None => "no worker",
    };
    let parts = answer.header(header::SERVER_TIMING).map(timing_parts);
    let mut words = vec![temperature.to_owned()];
    words.extend(parts.unwrap_or_default());
    let seconds = answer
        .header(header::DURATION)
        .and_then(|text| text.parse::<f64>().ok());
    if let Some(seconds) = seconds {
        words.push(format!("{:.3} ms in all", seconds * 1000.0));
    }
    words.join(", ")
}

/// Of `name;dur=1.5;desc=x, …` the names and durations.
fn timing_parts(text: &str) -> Vec<String> {
    text.split(',')
        .filter_map(|metric| {
            let mut fields = metric.split(';').map(str::trim);
            let name = fields.next().filter(|name| !name.is_empty())?;
            let duration = fields.find_map(|field| field.strip_prefix("dur="))?;
            Some(format!("{name} {duration} ms"))
        })
        .collect()
}

/// What the call printed, to standard error.
async fn show_log(context: &mut Context<'_>, id: &str) -> Result<(), Failure> {
    if recorded(context, id).await?.is_none() {
        let note = format!("the log is not there yet; ask for it with `hob runs show {id}`");
        context.output.note(&note);
        return Ok(());
    }
    let call = Call::new(Method::GET, path(&["executions", id, "log"]));
    let mut answer = context.client.ask(call).await?;
    while let Some(piece) = answer.piece().await? {
        context.output.note_bytes(&piece);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_is_read_leniently() {
        let got = timing_parts("queue;dur=0.1, run;desc=\"x\";dur=3.4, miss, ");
        assert_eq!(got, ["queue 0.1 ms", "run 3.4 ms"]);
    }
}
