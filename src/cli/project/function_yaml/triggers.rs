//! The triggers of a `function.yaml`: schedules become jobs, a server's says how many calls there are at once.

use super::super::yaml::{is_said, number_at, pairs, strangers, text, text_at, truth_at};
use super::{duration, millis, no_effect};
use crate::api::native::job_wire::{JobInput, JobSettings, Overlap};
use crate::domain::notation::{Rhythm, rhythm};
use crate::domain::{Schedule, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Headers by which a function learns what caused an event.
const KIND: &str = "x-hob-trigger-kind";
const NAME: &str = "x-hob-trigger-name";
/// Keys of every trigger that are read, or say nothing about what it does.
const OF_ALL: &[&str] = &[
    "kind",
    "name",
    "class",
    "disabled",
    "numWorkers",
    "maxWorkers",
    "attributes",
];

/// The calls at once that the server's trigger asks for.
pub(super) fn workers_of_http(spec: &Value) -> Result<Option<u16>, String> {
    let Some((name, http)) = pairs(spec.get("triggers")).find(|(_, trigger)| kind(trigger) == "http") else {
        return Ok(None);
    };
    for key in ["numWorkers", "maxWorkers"] {
        let workers = number_at(http, &format!("/{key}")).map_err(|why| format!("trigger `{name}`: `{key}`: {why}"))?;
        if workers.is_some() {
            return Ok(workers);
        }
    }
    Ok(None)
}

fn kind(trigger: &Value) -> String {
    text_at(trigger, "/kind").unwrap_or_default()
}

/// The jobs, by the names of their triggers; what else triggers say is remarked.
pub(super) fn jobs(
    spec: &Value,
    function: &str,
    remarks: &mut Vec<String>,
) -> Result<BTreeMap<String, JobSettings>, String> {
    let mut jobs = BTreeMap::new();
    for (name, trigger) in pairs(spec.get("triggers")) {
        let is_disabled = truth_at(trigger, "/disabled") == Some(true);
        match kind(trigger).as_str() {
            "cron" if is_disabled => remarks.push(format!("trigger `{name}` is disabled, and left out")),
            "cron" => {
                remarks.extend(of_cron(name, trigger));
                jobs.insert(name.clone(), job(function, name, trigger)?);
            }
            "http" => {
                if is_disabled {
                    remarks.push(format!(
                        "trigger `{name}` is disabled, but the function is called over HTTP all the same"
                    ));
                }
                remarks.extend(of_http(function, name, trigger));
            }
            other => remarks.push(format!("trigger `{name}` ({other}) is not served here, and left out")),
        }
    }
    Ok(jobs)
}

fn of_http(function: &str, name: &str, trigger: &Value) -> Vec<String> {
    let own = strangers(Some(trigger), OF_ALL).into_iter().map(str::to_owned);
    let attributes = strangers(trigger.get("attributes"), &[]).into_iter();
    let all = own.chain(attributes.map(|key| format!("attributes.{key}")));
    all.map(|key| match key.as_str() {
        "attributes.port" => format!(
            "`spec.triggers.{name}.{key}` has no effect here: the function is called at /function/{function} of the daemon"
        ),
        _ => no_effect(&format!("spec.triggers.{name}.{key}")),
    })
    .collect()
}

fn of_cron(name: &str, trigger: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (place, known) in [
        ("", OF_ALL),
        (
            "attributes",
            &["interval", "schedule", "event", "concurrencyPolicy"][..],
        ),
        ("attributes/event", &["body", "headers", "path", "method"]),
    ] {
        let found = match place {
            "" => Some(trigger),
            place => trigger.pointer(&format!("/{place}")),
        };
        let prefix = match place {
            "" => String::new(),
            place => format!("{}.", place.replace('/', ".")),
        };
        keys.extend(strangers(found, known).into_iter().map(|key| format!("{prefix}{key}")));
    }
    let both = is_said(trigger, "/attributes/interval") && is_said(trigger, "/attributes/schedule");
    if both {
        keys.push("attributes.schedule".to_owned());
    }
    if text_at(trigger, "/attributes/concurrencyPolicy").as_deref() == Some("Replace") {
        keys.push("attributes.concurrencyPolicy".to_owned());
    }
    keys.iter()
        .map(|key| no_effect(&format!("spec.triggers.{name}.{key}")))
        .collect()
}

fn job(function: &str, name: &str, trigger: &Value) -> Result<JobSettings, String> {
    let attributes = trigger.get("attributes").cloned().unwrap_or_default();
    let overlap = match text_at(&attributes, "/concurrencyPolicy").as_deref() {
        Some("Allow") => Overlap::Allow,
        _ => Overlap::Skip,
    };
    let settings = JobSettings {
        function: Some(function.to_owned()),
        name: Some(name.to_owned()),
        overlap: Some(overlap),
        input: Some(input(name, &attributes)),
        ..JobSettings::default()
    };
    let wrong = |why: String| format!("trigger `{name}`: {why}");
    timed(settings, &attributes).map_err(wrong)
}

/// An interval wins over a schedule.
fn timed(settings: JobSettings, attributes: &Value) -> Result<JobSettings, String> {
    if let Some(millis) = duration(attributes, "/interval", "interval")? {
        return every(settings, millis);
    }
    let schedule = text_at(attributes, "/schedule").filter(|text| !text.trim().is_empty());
    let schedule = schedule.ok_or("needs an `interval`, as 30s, or a `schedule`, as \"0 3 * * *\"")?;
    match rhythm(&schedule) {
        Rhythm::Every(interval) => every(settings, millis(&interval, "schedule")?),
        Rhythm::Cron { pattern, zone } => {
            let checked = Schedule::cron(&pattern, zone.as_deref().unwrap_or("UTC"));
            checked.map_err(|error| format!("`schedule`: {error}"))?;
            Ok(JobSettings {
                cron: Some(pattern.split_whitespace().collect::<Vec<_>>().join(" ")),
                tz: zone,
                ..settings
            })
        }
    }
}

fn every(settings: JobSettings, millis: u64) -> Result<JobSettings, String> {
    let checked = Schedule::every(Duration::from_millis(millis), Timestamp::from_millis(0));
    checked.map_err(|error| error.to_string())?;
    Ok(JobSettings {
        every_ms: Some(millis),
        ..settings
    })
}

/// What the function is called with, and what caused it.
fn input(name: &str, attributes: &Value) -> JobInput {
    let said = |key: &str| text_at(attributes, &format!("/event/{key}")).filter(|text| !text.is_empty());
    let usual = JobInput::default();
    let body = attributes.pointer("/event/body").filter(|body| !body.is_null());
    let given =
        pairs(attributes.pointer("/event/headers")).filter_map(|(key, value)| Some((key.to_lowercase(), text(value)?)));
    let ours = [(KIND, "cron"), (NAME, name)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    JobInput {
        method: said("method").unwrap_or(usual.method),
        path: said("path").map_or(usual.path, |path| format!("/{}", path.trim_start_matches('/'))),
        headers: given.chain(ours).collect(),
        body: body
            .map(|body| text(body).unwrap_or_else(|| body.to_string()))
            .unwrap_or_default(),
    }
}
