//! `jobs`: create, list, show, next, fire, pause, resume, rm.

use super::Context;
use crate::api::native::job_wire::{
    Fired, JobDetail, JobInput, JobList, JobSettings, JobView, Missed, NextTimes, Overlap,
};
use crate::cli::client::{Call, body_of, path, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::input::text_input;
use crate::cli::job_args::{JobsCommand, JobsCreateArgs, MissedChoice, OverlapChoice};
use crate::cli::show;
use crate::domain::moment;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};

/// What is done to one job without an answer worth reading.
struct Deed {
    method: Method,
    below: &'static [&'static str],
    done: &'static str,
}

pub(super) async fn jobs(context: &mut Context<'_>, command: JobsCommand) -> Result<Exit, Failure> {
    match command {
        JobsCommand::Create(args) => create(context, *args).await,
        JobsCommand::List { function } => list(context, function.as_deref()).await,
        JobsCommand::Show { job } => show(context, &job).await,
        JobsCommand::Next { job, count } => next(context, &job, count).await,
        JobsCommand::Fire { job } => fire(context, &job).await,
        JobsCommand::Pause { job } => one(context, &job, &deed(Method::POST, &["pause"], "paused")).await,
        JobsCommand::Resume { job } => one(context, &job, &deed(Method::POST, &["resume"], "active again")).await,
        JobsCommand::Cancel { job } => one(context, &job, &deed(Method::POST, &["cancel"], "cancelled")).await,
        JobsCommand::Rm { jobs } => each(context, &jobs, &deed(Method::DELETE, &[], "removed")).await,
    }
}

fn deed(method: Method, below: &'static [&'static str], done: &'static str) -> Deed {
    Deed { method, below, done }
}

async fn create(context: &mut Context<'_>, args: JobsCreateArgs) -> Result<Exit, Failure> {
    let settings = settings(args)?;
    let body = serde_json::to_vec(&settings).map_err(|e| Failure::usage(e.to_string()))?;
    let length = body.len() as u64;
    let target = query("/jobs".to_owned(), &[("namespace", context.namespace.as_deref())]);
    let call = Call::new(Method::POST, target)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(body_of(body), Some(length));
    let job: JobView = context.client.ask(call).await?.document().await?;
    context.output.value(&job, |_| format!("{}\n", job.id))?;
    if let Some(at) = job.next_at_ms {
        context.output.note(&format!("due next at {} UTC", show::moment(at)));
    }
    Ok(Exit::Ok)
}

fn settings(args: JobsCreateArgs) -> Result<JobSettings, Failure> {
    let usage = |e: crate::domain::Error| Failure::usage(e.to_string());
    if args.tz.is_some() && args.cron.is_none() && args.at.is_none() && args.first_at.is_none() {
        return Err(Failure::usage(
            "--tz says nothing about an interval: leave it out, or add --first-at",
        ));
    }
    let zone = args.tz.as_deref().unwrap_or("UTC");
    let millis = |text: &String| moment(text, zone).map(|at| at.as_millis());
    let at_ms = args.at.as_ref().map(millis).transpose().map_err(usage)?;
    let first_at_ms = args.first_at.as_ref().map(millis).transpose().map_err(usage)?;
    Ok(JobSettings {
        function: Some(args.function),
        name: args.name,
        selector: args.select.selector(),
        tz: args.tz.filter(|_| args.cron.is_some()),
        cron: args.cron,
        every_ms: args.every.map(u64::from),
        at_ms,
        first_at_ms,
        count: args.count,
        missed: args.missed.map(|missed| match missed {
            MissedChoice::Skip => Missed::Skip,
            MissedChoice::Once => Missed::Once,
        }),
        overlap: args.overlap.map(|overlap| match overlap {
            OverlapChoice::Allow => Overlap::Allow,
            OverlapChoice::Skip => Overlap::Skip,
        }),
        input: args.data.as_deref().map(job_input).transpose()?,
    })
}

/// What `-d` says, as JSON; a job without it calls with an empty body.
fn job_input(data: &str) -> Result<JobInput, Failure> {
    let mut input = JobInput {
        body: text_input(data)?,
        ..JobInput::default()
    };
    let kind = ("content-type".to_owned(), "application/json".to_owned());
    input.headers.extend([kind]);
    Ok(input)
}

async fn list(context: &mut Context<'_>, function: Option<&str>) -> Result<Exit, Failure> {
    let pairs = [("namespace", context.namespace.as_deref()), ("function", function)];
    let list: JobList = context.client.get(query("/jobs".to_owned(), &pairs)).await?;
    if list.jobs.is_empty() && !context.output.is_json() {
        context
            .output
            .note("no jobs; make one with `hob jobs create FUNCTION --every 5m`");
        return Ok(Exit::Ok);
    }
    context.output.value(&list, |colours| show::jobs(&list.jobs, colours))?;
    Ok(Exit::Ok)
}

async fn show(context: &mut Context<'_>, job: &str) -> Result<Exit, Failure> {
    let detail: JobDetail = context.client.get(job_path(context, job, &[], &[])).await?;
    context.output.value(&detail, |colours| show::job(&detail, colours))?;
    Ok(Exit::Ok)
}

async fn next(context: &mut Context<'_>, job: &str, count: u32) -> Result<Exit, Failure> {
    let count = count.to_string();
    let target = job_path(context, job, &["next"], &[("count", Some(&count))]);
    let next: NextTimes = context.client.get(target).await?;
    if context.output.is_json() {
        context.output.json(&next)?;
        return Ok(Exit::Ok);
    }
    let detail: JobDetail = context.client.get(job_path(context, job, &[], &[])).await?;
    context
        .output
        .text(&show::next_times(&next, detail.job.tz.as_deref()))?;
    if next.times_ms.is_empty() {
        context.output.note(&format!("job `{job}` is not due again"));
    }
    Ok(Exit::Ok)
}

async fn fire(context: &mut Context<'_>, job: &str) -> Result<Exit, Failure> {
    let call = Call::new(Method::POST, job_path(context, job, &["fire"], &[]));
    let fired: Fired = context.client.ask(call).await?.document().await?;
    context.output.value(&fired, |_| format!("{}\n", fired.execution))?;
    let note = format!("accepted; see how it goes with `hob runs show {}`", fired.execution);
    context.output.note(&note);
    Ok(Exit::Ok)
}

async fn one(context: &mut Context<'_>, job: &str, deed: &Deed) -> Result<Exit, Failure> {
    let target = job_path(context, job, deed.below, &[]);
    context.client.ask(Call::new(deed.method.clone(), target)).await?;
    context.output.note(&format!("job `{job}` is {}", deed.done));
    Ok(Exit::Ok)
}

/// Does it to those it can be done to; the first failure is the exit code.
async fn each(context: &mut Context<'_>, jobs: &[String], deed: &Deed) -> Result<Exit, Failure> {
    let mut first = Exit::Ok;
    for job in jobs {
        if let Err(failure) = one(context, job, deed).await {
            let exit = context.output.failed(&failure);
            first = if first == Exit::Ok { exit } else { first };
        }
    }
    Ok(first)
}

fn job_path(context: &Context<'_>, job: &str, below: &[&str], pairs: &[(&str, Option<&str>)]) -> String {
    let mut segments = vec!["jobs", job];
    segments.extend(below);
    let mut all = vec![("namespace", context.namespace.as_deref())];
    all.extend(pairs);
    query(path(&segments), &all)
}
