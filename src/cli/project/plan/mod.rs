//! What a deploy of a project would change: what is wanted and what is there in, steps out. Pure.
//!
//! What a file does not say is left as it is; jobs and webhooks of a function are left alone unless its section speaks
//! of them. Functions that are not in the file are never touched.

use super::Function;
use crate::api::native::job_wire::{JobDetail, JobSettings};
use crate::api::native::wire::{
    DeploySettings, DeployState, FunctionView, NewWebhook, RevisionView, SecretSettings, WebhookView,
};
use crate::cli::templates;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the daemon has of a function.
#[derive(Debug, Clone, Default)]
pub(crate) struct There {
    pub(crate) function: Option<FunctionView>,
    pub(crate) jobs: Vec<JobDetail>,
    pub(crate) webhooks: Vec<WebhookView>,
    /// The secrets it has with the value that is wanted.
    pub(crate) same_secrets: BTreeSet<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Step {
    pub(crate) change: Change,
    /// `function hello`, `job tick of hello`.
    pub(crate) what: String,
    /// Each with its own sign, or as it is.
    pub(crate) details: Vec<String>,
    #[serde(skip)]
    pub(crate) act: Act,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Add,
    Alter,
    Remove,
}

/// How it is done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// The settings are those to send; whether the code goes along.
    Deploy(Box<DeploySettings>, bool),
    CreateJob(Box<JobSettings>),
    ChangeJob(String, Box<JobSettings>),
    RemoveJob(String),
    CreateWebhook(NewWebhook),
    RemoveWebhook(String),
}

impl Step {
    /// `~ function hello: code, memory 128 -> 256 MiB`.
    pub(crate) fn line(&self) -> String {
        let sign = match self.change {
            Change::Add => '+',
            Change::Alter => '~',
            Change::Remove => '-',
        };
        let details = match &self.details[..] {
            [] => String::new(),
            details => format!(": {}", details.join(", ")),
        };
        format!("{sign} {}{details}", self.what)
    }
}

/// The steps for one function, in order. `digest` is that of its code; none for an image, and for what the daemon
/// fetches: only who fetches it knows whether it is the same, so that each time it is a step.
pub(crate) fn steps(wanted: &Function, digest: Option<&str>, there: &There) -> Vec<Step> {
    let mut steps: Vec<Step> = function(wanted, digest, there).into_iter().collect();
    if let Some(jobs) = &wanted.jobs {
        steps.extend(job_steps(&wanted.name, jobs, &there.jobs));
    }
    if let Some(webhooks) = &wanted.webhooks {
        steps.extend(webhook_steps(&wanted.name, webhooks, &there.webhooks));
    }
    steps
}

fn function(wanted: &Function, digest: Option<&str>, there: &There) -> Option<Step> {
    let secrets = secrets(wanted, there);
    let secret_details = secret_details(&secrets, there);
    let settings = DeploySettings {
        env: Some(wanted.env.values()),
        secrets: (!secrets.is_empty()).then_some(SecretSettings(secrets)),
        ..wanted.settings.clone()
    };
    let what = format!("function {}", wanted.name);
    let Some(there) = &there.function else {
        return Some(Step {
            change: Change::Add,
            what,
            details: said(&wanted.settings),
            act: Act::Deploy(Box::new(settings), true),
        });
    };
    let latest = &there.latest;
    let mut details = Vec::new();
    let new_code = digest.is_some_and(|digest| latest.code_sha256.as_deref() != Some(digest));
    if new_code {
        details.push("code".to_owned());
    }
    details.extend(place(&wanted.settings).map(|place| format!("code of {place}")));
    details.extend(differences(&wanted.settings, latest));
    details.extend(variables(&settings.env.clone().unwrap_or_default(), &latest.env));
    details.extend(secret_details);
    if details.is_empty() && there.state == DeployState::Failed {
        details.push("once more, the last deploy failed".to_owned());
    }
    (!details.is_empty()).then(|| Step {
        change: Change::Alter,
        what,
        details,
        act: Act::Deploy(Box::new(settings), new_code),
    })
}

/// What is said of a new function.
fn said(settings: &DeploySettings) -> Vec<String> {
    let named = [
        ("runtime", settings.runtime.clone()),
        ("image", settings.image.clone()),
        ("code of", place(settings)),
        ("entry", settings.entry.clone()),
        ("memory", settings.memory_mib.map(|mib| format!("{mib} MiB"))),
        ("timeout", settings.timeout_ms.map(time)),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    named.collect()
}

/// From where the daemon fetches the code, without what may open doors there.
fn place(settings: &DeploySettings) -> Option<String> {
    let url = settings.source.as_ref()?.url.as_deref()?;
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    Some(format!("{scheme}://{host}/{path}"))
}

fn differences(wanted: &DeploySettings, latest: &RevisionView) -> Vec<String> {
    let limits = &latest.limits;
    let runtime = wanted.runtime.as_ref().filter(|asked| !means(asked, latest));
    let number = |n: Option<u16>| n.map(|n| n.to_string());
    let mib = |n: u32| format!("{n} MiB");
    let network = |n: crate::api::native::wire::Network| format!("{n:?}").to_lowercase();
    let lines = |lines: &Vec<String>| lines.join("; ");
    let words = |words: &[String]| match words {
        [] => "none".to_owned(),
        words => words.join(" "),
    };
    let all = [
        ("runtime", runtime.cloned(), latest.runtime.clone()),
        ("image", wanted.image.clone(), latest.image.clone().unwrap_or_default()),
        ("entry", wanted.entry.clone(), latest.entry.clone()),
        ("convention", wanted.convention.clone(), latest.convention.clone()),
        (
            "base image",
            wanted.base_image.clone(),
            latest.base_image.clone().unwrap_or_default(),
        ),
        (
            "base steps",
            wanted.base_steps.as_ref().map(lines),
            lines(&latest.base_steps),
        ),
        (
            "build",
            wanted.build_commands.as_ref().map(lines),
            lines(&latest.build_commands),
        ),
        ("command", wanted.command.as_deref().map(words), words(&latest.command)),
        ("args", wanted.args.as_deref().map(words), words(&latest.args)),
        ("memory", wanted.memory_mib.map(mib), mib(limits.memory_mib)),
        ("timeout", wanted.timeout_ms.map(time), time(limits.timeout_ms)),
        (
            "concurrency",
            number(wanted.concurrency),
            limits.concurrency.to_string(),
        ),
        ("min", number(wanted.min_workers), limits.min_workers.to_string()),
        ("max", number(wanted.max_workers), limits.max_workers.to_string()),
        ("network", wanted.network.map(network), network(limits.network)),
        ("cors", wanted.cors.as_deref().map(words), words(&latest.cors)),
        (
            "cpu",
            wanted.cpu_millis.map(cores),
            cores(limits.cpu_millis.unwrap_or_default()),
        ),
    ];
    let differ = all.into_iter().filter_map(|(name, wanted, there)| {
        let wanted = wanted.filter(|wanted| *wanted != there)?;
        Some(format!("{name} {there} -> {wanted}"))
    });
    differ.collect()
}

fn time(millis: u32) -> String {
    match millis % 1000 {
        0 => format!("{} s", millis / 1000),
        _ => format!("{millis} ms"),
    }
}

fn cores(millis: u32) -> String {
    match millis {
        0 => "none".to_owned(),
        millis => format!("{} cores", f64::from(millis) / 1000.0),
    }
}

/// Whether what people write for a runtime is the version that is used: a family by any of its names, and the beginning
/// of the version, dots or not. Where another version had to be taken, the family alone counts.
fn means(asked: &str, latest: &RevisionView) -> bool {
    let (family, version) = latest.runtime.split_once(':').unwrap_or((&latest.runtime, ""));
    let end = asked
        .find(|c: char| c.is_ascii_digit() || matches!(c, ':' | '@'))
        .unwrap_or(asked.len());
    let (name, asked_version) = asked.split_at(end);
    let known = templates::ALL.iter().find(|runtime| runtime.family == family);
    // Some other names end in a digit.
    let is_name = |name: &str| name == family || known.is_some_and(|runtime| runtime.aliases.contains(&name));
    let bare = |text: &str| {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .collect::<String>()
            .to_lowercase()
    };
    let same_version = latest.notice.is_some() || bare(version).starts_with(&bare(asked_version));
    is_name(asked) || is_name(name) && same_version
}

/// By name; values may be secrets.
fn variables(wanted: &BTreeMap<String, String>, there: &BTreeMap<String, String>) -> Vec<String> {
    let new = wanted
        .keys()
        .filter(|name| !there.contains_key(*name))
        .map(|name| format!("+{name}"));
    let other = wanted
        .iter()
        .filter(|(name, value)| there.get(*name).is_some_and(|there| there != *value));
    let gone = there
        .keys()
        .filter(|name| !wanted.contains_key(*name))
        .map(|name| format!("-{name}"));
    new.chain(other.map(|(name, _)| format!("~{name}")))
        .chain(gone)
        .collect()
}

/// The secrets to send: those that are new or other, and `None` for one that is to be shown from now on. Others that
/// somebody gave the function by hand stay.
fn secrets(wanted: &Function, there: &There) -> BTreeMap<String, Option<String>> {
    let sealed = wanted.env.sealed().into_iter();
    let other = sealed.filter(|(name, _)| !there.same_secrets.contains(name));
    let shown = wanted.env.values().into_keys().filter(|name| there.has_secret(name));
    let gone = shown.map(|name| (name, None));
    other.map(|(name, value)| (name, Some(value))).chain(gone).collect()
}

fn secret_details(secrets: &BTreeMap<String, Option<String>>, there: &There) -> Vec<String> {
    let detail = |(name, value): (&String, &Option<String>)| match (value, there.has_secret(name)) {
        (None, _) => format!("-secret {name}"),
        (Some(_), true) => format!("~secret {name}"),
        (Some(_), false) => format!("+secret {name}"),
    };
    secrets.iter().map(detail).collect()
}

impl There {
    fn has_secret(&self, name: &String) -> bool {
        let function = self.function.as_ref();
        function.is_some_and(|function| function.latest.secrets.contains(name))
    }
}

fn job_steps(function: &str, wanted: &BTreeMap<String, JobSettings>, there: &[JobDetail]) -> Vec<Step> {
    let step = |change, name: &str, details, act| Step {
        change,
        what: format!("job {name} of {function}"),
        details,
        act,
    };
    let mut steps = Vec::new();
    for (name, settings) in wanted {
        match there.iter().find(|known| known.job.name == *name) {
            None => {
                let act = Act::CreateJob(Box::new(settings.clone()));
                steps.push(step(Change::Add, name, vec![rhythm(settings)], act));
            }
            Some(known) if !is_same_job(settings, known) => {
                let change = JobSettings {
                    function: None,
                    ..settings.clone()
                };
                let act = Act::ChangeJob(known.job.id.clone(), Box::new(change));
                steps.push(step(Change::Alter, name, vec![rhythm(settings)], act));
            }
            Some(_) => {}
        }
    }
    let mut kept = BTreeSet::new();
    for known in there {
        // A second one of the same name is one too many.
        if !wanted.contains_key(&known.job.name) || !kept.insert(&known.job.name) {
            let act = Act::RemoveJob(known.job.id.clone());
            steps.push(step(Change::Remove, &known.job.name, Vec::new(), act));
        }
    }
    steps
}

fn rhythm(settings: &JobSettings) -> String {
    let zone = settings.tz.as_deref().map(|tz| format!(" in {tz}")).unwrap_or_default();
    match (&settings.cron, settings.every_ms, settings.at_ms) {
        (Some(cron), ..) => format!("cron {cron}{zone}"),
        (_, Some(every), _) => format!("every {} s", every as f64 / 1000.0),
        (.., Some(at)) => format!("at {} UTC", crate::cli::show::moment(at)),
        _ => String::new(),
    }
}

/// What is not said is not compared.
fn is_same_job(wanted: &JobSettings, there: &JobDetail) -> bool {
    fn fits<T: PartialEq>(wanted: Option<&T>, there: &T) -> bool {
        wanted.is_none_or(|wanted| wanted == there)
    }
    let job = &there.job;
    let zone = wanted
        .cron
        .as_ref()
        .map(|_| wanted.tz.clone().unwrap_or_else(|| "UTC".to_owned()));
    wanted.cron == job.cron
        && wanted.every_ms == job.every_ms
        && wanted.at_ms == job.at_ms
        && zone.is_none_or(|zone| job.tz.as_ref().is_none_or(|there| *there == zone))
        && (wanted.first_at_ms.is_none() || wanted.first_at_ms == job.first_at_ms)
        && fits(wanted.missed.as_ref(), &job.missed)
        && fits(wanted.overlap.as_ref(), &job.overlap)
        && fits(wanted.input.as_ref(), &there.input)
}

fn webhook_steps(function: &str, wanted: &BTreeMap<String, NewWebhook>, there: &[WebhookView]) -> Vec<Step> {
    let step = |change, name: &str, act| Step {
        change,
        what: format!("webhook {name} of {function}"),
        details: Vec::new(),
        act,
    };
    let same = |wanted: &NewWebhook, there: &WebhookView| {
        let selector = wanted.selector.as_deref().unwrap_or("current");
        there.description == wanted.description && there.signature == wanted.signature && there.selector == selector
    };
    let gone = there
        .iter()
        .filter(|known| !wanted.values().any(|hook| same(hook, known)));
    let gone = gone.map(|known| step(Change::Remove, &known.description, Act::RemoveWebhook(known.id.clone())));
    let new = wanted
        .iter()
        .filter(|(_, hook)| !there.iter().any(|known| same(hook, known)));
    let new = new.map(|(name, hook)| step(Change::Add, name, Act::CreateWebhook(hook.clone())));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests;
