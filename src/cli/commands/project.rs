//! A project: what `hob deploy` makes of a project file, told first and then done; `dev` does the same again and again.

use super::{Context, deploy};
use crate::api::native::job_wire::{JobDetail, JobList, JobView};
use crate::api::native::wire::{
    DeploySettings, DeployState, FunctionView, RuntimeList, SameSecrets, SecretValues, WebhookList, WebhookView,
};
use crate::cli::client::{Call, path, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::package::Package;
use crate::cli::project::plan::{Act, Step, There, steps};
use crate::cli::project::{self, Code, Function, Project};
use crate::config;
use http::Method;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How changes are made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) no_wait: bool,
    /// Load new code beside the old, in the same container.
    pub(super) reload: bool,
}

/// A function of the project, the steps it needs and the code they may send.
pub(super) struct Prepared {
    pub(super) function: Function,
    pub(super) package: Option<Package>,
    pub(super) steps: Vec<Step>,
}

#[derive(Serialize)]
struct Report<'a> {
    steps: Vec<&'a Step>,
    applied: bool,
}

/// Says what a project file changes, and changes it.
pub(super) async fn deploy(
    context: &mut Context<'_>,
    file: &Path,
    only_say: bool,
    how: Manner,
) -> Result<Exit, Failure> {
    let project = read(file.to_owned()).await?;
    project
        .remarks
        .iter()
        .for_each(|remark| context.output.note(&format!("note: {remark}")));
    choose_namespace(context, &project);
    let mut all = Vec::new();
    for function in project.functions {
        all.push(prepare(context, function).await?);
    }
    let applied = !only_say;
    let steps: Vec<_> = all.iter().flat_map(|prepared| &prepared.steps).collect();
    let report = Report { steps, applied };
    context.output.value(&report, |_| {
        let lines = report.steps.iter().map(|step| format!("{}\n", step.line()));
        lines.collect()
    })?;
    if report.steps.is_empty() {
        context.output.note("nothing to change");
    }
    if only_say {
        return Ok(Exit::Ok);
    }
    let mut exit = Exit::Ok;
    for prepared in all {
        if let Err(failure) = apply(context, prepared, how).await {
            let failed = context.output.failed(&failure);
            exit = if exit == Exit::Ok { failed } else { exit };
        }
    }
    Ok(exit)
}

/// Reads a project file, or takes a directory without one as a project of one function.
pub(super) async fn read(place: PathBuf) -> Result<Project, Failure> {
    let reading = tokio::task::spawn_blocking(move || match project::find(&place) {
        Some(file) => project::read(&file, &config::environment()),
        None => project::of_directory(&place),
    });
    reading
        .await
        .map_err(|error| Failure::usage(format!("reading broke off: {error}")))?
}

/// What the command line says goes before what the file says.
pub(super) fn choose_namespace(context: &mut Context<'_>, project: &Project) {
    if context.namespace.is_none() {
        context.namespace.clone_from(&project.namespace);
    }
}

/// Packs the code, asks what there is, and compares.
pub(super) async fn prepare(context: &mut Context<'_>, mut function: Function) -> Result<Prepared, Failure> {
    let there = look(context, &function).await?;
    let mut package = pack(context, &mut function, &there).await?;
    let digest = package.as_mut().map(Package::digest).transpose()?;
    let steps = steps(&function, digest.as_deref(), &there);
    Ok(Prepared {
        function,
        package,
        steps,
    })
}

/// A new function that names no runtime gets the one that its files tell.
async fn pack(context: &mut Context<'_>, function: &mut Function, there: &There) -> Result<Option<Package>, Failure> {
    let code = function.code.clone();
    let extension = match &code {
        Code::Inline(..) => extension(context, function.settings.runtime.as_deref()).await?,
        Code::Image | Code::Fetched | Code::Path(_) => String::new(),
    };
    let packing = tokio::task::spawn_blocking(move || match code {
        Code::Image | Code::Fetched => Ok(None),
        Code::Path(path) => Package::open(&path).map(Some),
        Code::Inline(stem, text) => Package::of_text(&format!("{stem}{extension}"), &text).map(Some),
    });
    let package = packing
        .await
        .map_err(|error| Failure::usage(format!("packing broke off: {error}")))??;
    if let (Some(package), None, None) = (&package, &function.settings.runtime, &there.function) {
        function.settings.runtime = Some(deploy::detected(context, package).await?);
    }
    Ok(package)
}

/// The ending of the runtime's sources, with its dot; the family may be named with a version.
async fn extension(context: &Context<'_>, runtime: Option<&str>) -> Result<String, Failure> {
    let list: RuntimeList = context.client.get("/runtimes".to_owned()).await?;
    let asked = runtime.unwrap_or_default();
    let of_it = list.runtimes.iter().filter(|known| asked.starts_with(&known.family));
    let longest = of_it.max_by_key(|known| known.family.len());
    let extension = longest.and_then(|known| known.detect.extensions.first());
    let extension = extension.map(|text| format!(".{}", text.trim_start_matches('.')));
    extension.ok_or_else(|| Failure::usage(format!("no runtime here is meant by `{asked}`")).hint("see `hob runtimes`"))
}

async fn look(context: &Context<'_>, function: &Function) -> Result<There, Failure> {
    let target = context.function_path(&function.name, &[], &[]);
    let answer = context.client.send(Call::new(Method::GET, target)).await?;
    if answer.status() == 404 {
        return Ok(There::default());
    }
    let view: FunctionView = answer.checked().await?.document().await?;
    Ok(There {
        jobs: match function.jobs {
            Some(_) => jobs(context, &function.name).await?,
            None => Vec::new(),
        },
        webhooks: match function.webhooks {
            Some(_) => webhooks(context, &function.name).await?,
            None => Vec::new(),
        },
        same_secrets: same_secrets(context, function, &view).await?,
        function: Some(view),
    })
}

/// The daemon shows nobody a secret; it says whether it has the one that somebody else has.
pub(super) async fn same_secrets(
    context: &Context<'_>,
    function: &Function,
    view: &FunctionView,
) -> Result<BTreeSet<String>, Failure> {
    let mut values = function.env.sealed();
    values.retain(|name, _| view.latest.secrets.contains(name));
    if values.is_empty() {
        return Ok(BTreeSet::new());
    }
    let target = context.function_path(&function.name, &["secrets", "compare"], &[]);
    let call = Call::new(Method::POST, target).json(&SecretValues { values })?;
    let answer: SameSecrets = context.client.ask(call).await?.document().await?;
    Ok(answer.same)
}

async fn jobs(context: &Context<'_>, function: &str) -> Result<Vec<JobDetail>, Failure> {
    let pairs = [
        ("namespace", context.namespace.as_deref()),
        ("function", Some(function)),
    ];
    let list: JobList = context.client.get(query("/jobs".to_owned(), &pairs)).await?;
    let mut details = Vec::new();
    for job in list.jobs {
        details.push(context.client.get(path(&["jobs", &job.id])).await?);
    }
    Ok(details)
}

async fn webhooks(context: &Context<'_>, function: &str) -> Result<Vec<WebhookView>, Failure> {
    let pairs = [("namespace", context.namespace.as_deref())];
    let list: WebhookList = context.client.get(query("/webhooks".to_owned(), &pairs)).await?;
    let of_it = list.webhooks.into_iter().filter(|hook| hook.function == function);
    Ok(of_it.collect())
}

/// Carries the steps out, in order; answers the function when it was deployed.
pub(super) async fn apply(
    context: &mut Context<'_>,
    prepared: Prepared,
    how: Manner,
) -> Result<Option<FunctionView>, Failure> {
    let Prepared {
        function,
        mut package,
        steps,
    } = prepared;
    let mut deployed = None;
    for Step { act, what, .. } in steps {
        match act {
            Act::Deploy(settings, with_code) => {
                let code = package.take().filter(|_| with_code);
                deployed = Some(send(context, &function.name, *settings, code, how).await?);
            }
            Act::CreateJob(settings) => {
                let target = query("/jobs".to_owned(), &[("namespace", context.namespace.as_deref())]);
                let call = Call::new(Method::POST, target).json(&settings)?;
                let _: JobView = context.client.ask(call).await?.document().await?;
            }
            Act::ChangeJob(id, settings) => {
                let call = Call::new(Method::PATCH, path(&["jobs", &id])).json(&settings)?;
                context.client.ask(call).await?;
            }
            Act::RemoveJob(id) => remove(context, &["jobs", &id]).await?,
            Act::RemoveWebhook(id) => remove(context, &["webhooks", &id]).await?,
            Act::CreateWebhook(settings) => {
                let target = query("/webhooks".to_owned(), &[("namespace", context.namespace.as_deref())]);
                let call = Call::new(Method::POST, target).json(&settings)?;
                let made: WebhookView = context.client.ask(call).await?.document().await?;
                say_webhook(context, &what, &made);
            }
        }
    }
    Ok(deployed)
}

/// The secret is shown this one time.
fn say_webhook(context: &mut Context<'_>, what: &str, made: &WebhookView) {
    context.output.note(&format!("{what} is called at {}", made.url));
    if let Some(secret) = &made.secret {
        context
            .output
            .note(&format!("  and signed with {secret}, which is not shown again"));
    }
}

async fn remove(context: &Context<'_>, segments: &[&str]) -> Result<(), Failure> {
    let target = query(path(segments), &[("namespace", context.namespace.as_deref())]);
    context.client.ask(Call::new(Method::DELETE, target)).await.map(drop)
}

async fn send(
    context: &mut Context<'_>,
    name: &str,
    settings: DeploySettings,
    package: Option<Package>,
    how: Manner,
) -> Result<FunctionView, Failure> {
    let settings = DeploySettings {
        reload: how.reload.then_some(true),
        ..settings
    };
    let function = deploy::bring(context, name, &settings, package, how.no_wait).await?;
    match function.state {
        DeployState::Failed => Err(deploy::failed(&function)),
        _ if how.reload => Ok(function),
        state => {
            let (number, url) = (function.latest.number, &function.url);
            context.output.note(&match state {
                DeployState::Pending => format!("{name} version {number} is being made"),
                _ => format!("{name} version {number} is ready at {url}"),
            });
            Ok(function)
        }
    }
}
