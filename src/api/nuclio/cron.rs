//! Triggers that go by the clock: jobs of the core, one a trigger, kept in step with the configuration.
//!
//! Source: the contract's section 13. Other than upstream a schedule lives in the daemon, and wakes what is parked.

use super::config::{Spec, Trigger};
use super::fault::Fault;
use crate::app::{App, JobUpdate, NewJob};
use crate::domain::notation::{self, Rhythm};
use crate::domain::{Error, Function, Job, JobChange, Missed, Overlap, Schedule, Selector, Timestamp};
use crate::store::{AsyncInput, JobFilter};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Headers by which a shim learns what caused an event.
const KIND: &str = "x-hob-trigger-kind";
const NAME: &str = "x-hob-trigger-name";

/// What a trigger's attributes say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    interval: String,
    schedule: String,
    event: Event,
}

/// What the function is called with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Event {
    body: Value,
    headers: Map<String, Value>,
    path: String,
    method: String,
}

/// Checks a trigger before anything is stored.
///
/// # Errors
/// 400 for one without a time, or with one that cannot be read.
pub(super) fn check(trigger: &Trigger) -> Result<(), Fault> {
    schedule(&attributes(trigger)?, Timestamp::from_millis(0)).map(drop)
}

fn attributes(trigger: &Trigger) -> Result<Attributes, Fault> {
    let attributes = Value::Object(trigger.attributes.clone());
    serde_json::from_value(attributes).map_err(|e| Fault::bad(format!("Cron trigger attributes cannot be read: {e}")))
}

/// When it is due. An interval wins over a schedule, and begins one interval from now.
fn schedule(attributes: &Attributes, now: Timestamp) -> Result<Schedule, Fault> {
    if !attributes.interval.is_empty() {
        return every(&attributes.interval, now);
    }
    if attributes.schedule.trim().is_empty() {
        return Err(Fault::bad(
            "Cron trigger configuration must contain either interval or schedule",
        ));
    }
    match notation::rhythm(&attributes.schedule) {
        Rhythm::Every(interval) => every(&interval, now),
        Rhythm::Cron { pattern, zone } => Ok(Schedule::cron(&pattern, zone.as_deref().unwrap_or("UTC"))?),
    }
}

fn every(interval: &str, now: Timestamp) -> Result<Schedule, Fault> {
    let length =
        notation::duration(interval).ok_or_else(|| Fault::bad(format!("time: invalid duration \"{interval}\"")))?;
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let first = Timestamp::from_millis(now.as_millis().saturating_add(millis));
    Ok(Schedule::every(length, first)?)
}

fn input(name: &str, event: &Event) -> AsyncInput {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let given = event
        .headers
        .iter()
        .map(|(key, value)| (key.to_lowercase(), text(value)));
    let ours = [(KIND, "cron"), (NAME, name)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let body = match &event.body {
        Value::Null => Vec::new(),
        value => text(value).into_bytes(),
    };
    AsyncInput {
        method: event.method.clone(),
        path: if event.path.is_empty() {
            "/".to_owned()
        } else {
            event.path.clone()
        },
        query: String::new(),
        headers: given.chain(ours).collect(),
        body,
    }
}

/// Makes, changes and removes jobs until they are those of the configuration.
///
/// # Errors
/// When a job cannot be written.
pub(super) async fn sync(app: &App, function: &Function, spec: &Spec) -> Result<(), Fault> {
    let mut there = ours(app, function).await?;
    let wanted = spec
        .triggers
        .iter()
        .filter(|(_, t)| t.is_cron() && !t.disabled && !spec.disable);
    for (name, trigger) in wanted {
        let attributes = attributes(trigger)?;
        let (schedule, input) = (schedule(&attributes, app.now())?, input(name, &attributes.event));
        match there.get_mut(&job_name(function, name)).and_then(Vec::pop) {
            Some(job) => change(app, &job, schedule, input).await?,
            None => create(app, function, name, schedule, input).await?,
        }
    }
    // What is of no trigger, and what a trigger has twice.
    for job in there.into_values().flatten() {
        app.delete_job(job.id).await?;
    }
    Ok(())
}

/// The jobs that are triggers of a function, by name. Others made for it stay as they are.
async fn ours(app: &App, function: &Function) -> Result<BTreeMap<String, Vec<Job>>, Error> {
    let filter = JobFilter {
        function: Some(function.id),
        ..JobFilter::default()
    };
    let jobs = app.list_jobs(filter).await?.into_iter();
    let mut ours = BTreeMap::<_, Vec<_>>::new();
    for job in jobs.filter(|job| job.name.starts_with(&job_name(function, ""))) {
        ours.entry(job.name.clone()).or_default().push(job);
    }
    Ok(ours)
}

fn job_name(function: &Function, trigger: &str) -> String {
    format!("{}@{trigger}", function.name)
}

async fn create(
    app: &App,
    function: &Function,
    name: &str,
    schedule: Schedule,
    input: AsyncInput,
) -> Result<(), Fault> {
    let new = NewJob {
        namespace: function.namespace.clone(),
        name: job_name(function, name),
        function: function.id,
        selector: Selector::Current,
        schedule,
        first_at: None,
        count: None,
        input,
        missed: Some(Missed::Skip),
        overlap: Overlap::Skip,
    };
    app.create_job(new).await?;
    Ok(())
}

/// A schedule that stays the same keeps its next time.
async fn change(app: &App, job: &Job, schedule: Schedule, input: AsyncInput) -> Result<(), Fault> {
    let same = match (&job.schedule, &schedule) {
        (Schedule::Every(before), Schedule::Every(now)) => before.interval() == now.interval(),
        (before, now) => before == now,
    };
    let change = JobChange {
        schedule: (!same).then_some(schedule),
        ..JobChange::default()
    };
    let update = JobUpdate {
        change,
        input: Some(input),
    };
    app.update_job(job.id, update).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trigger(attributes: Value) -> Trigger {
        let attributes = attributes.as_object().cloned().expect("an object");
        Trigger {
            kind: "cron".to_owned(),
            attributes,
            ..Trigger::default()
        }
    }

    fn next(attributes: Value) -> Option<i64> {
        let attributes = super::attributes(&trigger(attributes)).expect("readable");
        let now = Timestamp::from_millis(0);
        schedule(&attributes, now).ok()?.next(now).map(Timestamp::as_millis)
    }

    #[test]
    fn intervals_and_schedules_are_upstreams() {
        for (attributes, at) in [
            (json!({"interval": "30s"}), Some(30_000)),
            (json!({"interval": "500ms", "schedule": "0 0 * * *"}), Some(500)),
            (json!({"schedule": "*/5 * * * *"}), Some(300_000)),
            (json!({"schedule": "* */5 * * * *"}), Some(300_000)),
            (json!({"schedule": "15 * * * * *"}), Some(15_000)),
            (json!({"schedule": "@every 1m30s"}), Some(90_000)),
            (json!({"schedule": "@hourly"}), Some(3_600_000)),
            (json!({"schedule": "TZ=Asia/Tokyo 30 9 * * *"}), Some(1_800_000)),
            (json!({"schedule": "0 12 ? * *"}), Some(43_200_000)),
            (json!({"interval": "5"}), None),
            (json!({"schedule": "every day"}), None),
            (json!({}), None),
        ] {
            assert_eq!(next(attributes.clone()), at, "{attributes}");
        }
    }

    #[test]
    fn an_event_says_what_caused_it() {
        let event = Event {
            body: json!("x"),
            headers: json!({"A": "b", "n": 1}).as_object().cloned().expect("an object"),
            ..Event::default()
        };
        let input = input("c1", &event);
        assert_eq!((input.body.as_slice(), input.path.as_str()), (&b"x"[..], "/"));
        let has = |key: &str, value: &str| input.headers.iter().any(|(k, v)| k == key && v == value);
        assert!(has("a", "b") && has("n", "1") && has(KIND, "cron") && has(NAME, "c1"));
    }
}
