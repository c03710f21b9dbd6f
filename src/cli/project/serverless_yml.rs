//! `serverless.yml`: functions of one provider, called with event and context, as the Serverless Framework writes them.
//!
//! Takes what says how a function runs; what is for the cloud alone (regions, domains, credentials) is left out and said.
//! `${env:NAME, default}` and `${self:a.b}` are resolved, other references are not.

use super::yaml::{document, number_at, pairs, text, text_at};
use super::{Code, Function, Layered, Project, Source};
use crate::api::native::job_wire::JobSettings;
use crate::api::native::wire::DeploySettings;
use crate::cli::args::millis;
use crate::cli::failure::Failure;
use crate::domain::{Convention, FunctionName};
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys of a function that mean nothing on one's own machine.
const OF_THE_CLOUD: &[&str] = &["custom_domains", "domain_name", "privateNetworkId"];
/// References inside of references: more than anybody writes.
const DEPTH: usize = 8;

pub(super) fn read(source: &Source<'_>) -> Result<Project, Failure> {
    let whole = document(source)?;
    let resolved = resolve(&whole, &whole, source, DEPTH);
    let provider = resolved.get("provider").cloned().unwrap_or_default();
    let mut project = Project::default();
    for (key, value) in pairs(resolved.get("functions")) {
        project.functions.push(function(source, key, value, &provider)?);
        let foreign = OF_THE_CLOUD.iter().filter(|foreign| value.get(foreign).is_some());
        project
            .remarks
            .extend(foreign.map(|foreign| format!("`functions.{key}.{foreign}` is for the cloud, and left out")));
    }
    if let Some(containers) = resolved.pointer("/custom/containers") {
        let names: Vec<_> = pairs(Some(containers)).map(|(name, _)| name.as_str()).collect();
        let remark = "are built by hand: `docker build`, then `hob deploy --image NAME`";
        project
            .remarks
            .push(format!("containers ({}) {remark}", names.join(", ")));
    }
    if project.functions.is_empty() {
        return Err(Failure::usage(format!("{} has no functions", source.file.display())));
    }
    Ok(project)
}

fn function(source: &Source<'_>, key: &str, value: &Value, provider: &Value) -> Result<Function, Failure> {
    let file = source.file.display();
    let wrong = |why: String| Failure::usage(format!("{file}: `functions.{key}` {why}"));
    let name = FunctionName::parse(key).map_err(|error| wrong(error.to_string()))?;
    let runtime = text_at(value, "/runtime").or_else(|| text_at(provider, "/runtime"));
    let timeout = value.get("timeout").and_then(text).map(|text| time(&text));
    let timeout_ms = timeout
        .transpose()
        .map_err(|why| wrong(format!("has a timeout that {why}")))?;
    let settings = DeploySettings {
        runtime: Some(runtime.ok_or_else(|| wrong("has no runtime, and the provider names none".to_owned()))?),
        entry: text_at(value, "/handler"),
        convention: Some(Convention::EventContext.as_str().to_owned()),
        memory_mib: number_at(value, "/memoryLimit"),
        cpu_millis: number_at(value, "/cpuLimit"),
        timeout_ms,
        min_workers: number_at(value, "/minScale"),
        max_workers: number_at(value, "/maxScale"),
        ..DeploySettings::default()
    };
    Ok(Function {
        name: name.as_str().to_owned(),
        code: Code::Path(source.directory.to_owned()),
        settings,
        env: environment(source, value, provider),
        jobs: Some(jobs(value, name.as_str())),
        ..Function::default()
    })
}

fn environment(source: &Source<'_>, value: &Value, provider: &Value) -> Layered {
    let mut env = Layered::default();
    let origin = source.file.display().to_string();
    for section in [provider, value] {
        for (name, value) in pairs(section.get("env")) {
            env.set(name, text(value).unwrap_or_default(), origin.clone());
        }
        for (name, value) in pairs(section.get("secret")) {
            env.set_secret(name, text(value).unwrap_or_default(), origin.clone());
        }
    }
    env
}

/// The schedules among its events, by number where they have no name.
fn jobs(value: &Value, function: &str) -> BTreeMap<String, JobSettings> {
    let events = value.get("events").and_then(Value::as_array).into_iter().flatten();
    let schedules = events.filter_map(|event| event.get("schedule")).enumerate();
    let jobs = schedules.filter_map(|(at, schedule)| {
        let name = text_at(schedule, "/name").unwrap_or_else(|| format!("schedule-{}", at + 1));
        let input = schedule
            .get("input")
            .map(|input| super::hob_toml::input_of(input.to_string()));
        let job = JobSettings {
            function: Some(function.to_owned()),
            name: Some(name.clone()),
            cron: Some(text_at(schedule, "/rate").or_else(|| text(schedule))?),
            input,
            ..JobSettings::default()
        };
        Some((name, job))
    });
    jobs.collect()
}

/// `10s`, `2m30s`, or, as it once was, a number of milliseconds.
fn time(text: &str) -> Result<u32, String> {
    let bare = text.parse::<u32>().ok();
    bare.or_else(|| millis(text).ok())
        .or_else(|| {
            let (minutes, rest) = text.split_once('m')?;
            Some(minutes.parse::<u32>().ok()? * 60_000 + millis(rest).ok()?)
        })
        .ok_or_else(|| format!("`{text}` is not, as 10s or 5m"))
}

/// Every text with its references replaced.
fn resolve(value: &Value, whole: &Value, source: &Source<'_>, depth: usize) -> Value {
    match value {
        Value::String(text) => reference(text, whole, source, depth),
        Value::Array(items) => items.iter().map(|item| resolve(item, whole, source, depth)).collect(),
        Value::Object(pairs) => {
            let resolved = pairs
                .iter()
                .map(|(key, value)| (key.clone(), resolve(value, whole, source, depth)));
            Value::Object(resolved.collect())
        }
        other => other.clone(),
    }
}

/// A text that is one reference becomes what it refers to, whatever that is; inside a text, texts are put.
fn reference(text: &str, whole: &Value, source: &Source<'_>, depth: usize) -> Value {
    let (Some((before, inner, after)), true) = (innermost(text), depth > 0) else {
        return Value::String(text.to_owned());
    };
    let (place, default) = inner
        .split_once(',')
        .map_or((inner, None), |(place, default)| (place, Some(default)));
    let found = look_up(place.trim(), whole, source);
    let default = || default.map(|text| Value::String(text.trim().trim_matches(['\'', '"']).to_owned()));
    let value = found.or_else(default).unwrap_or_else(|| Value::String(String::new()));
    if before.is_empty() && after.is_empty() {
        return resolve(&value, whole, source, depth - 1);
    }
    let put = self::text(&value).unwrap_or_default();
    reference(&format!("{before}{put}{after}"), whole, source, depth - 1)
}

fn look_up(place: &str, whole: &Value, source: &Source<'_>) -> Option<Value> {
    if let Some(name) = place.strip_prefix("env:") {
        return source.environment.text(name).map(|text| Value::String(text.to_owned()));
    }
    let path = place.strip_prefix("self:")?;
    whole.pointer(&format!("/{}", path.replace('.', "/"))).cloned()
}

/// The first `${…}` without another one in it, and what is around it.
fn innermost(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find('}')?;
    let start = text[..end].rfind("${")?;
    Some((&text[..start], &text[start + 2..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::path::Path;

    const FILE: &str = r#"
service: shop
configValidationMode: off
provider:
  name: any
  runtime: some310
  env:
    LEVEL: info
    WHO: ${self:custom.who}-${env:STAGE, 'dev'}
  secret:
    SEAL: ${env:SEAL}
plugins:
  - a-plugin
custom:
  who: shop
package:
  patterns:
    - '!node_modules/**'
functions:
  first:
    handler: handlers/first.handle
    minScale: 0
    maxScale: 3
    memoryLimit: 256
    timeout: 2m30s
    custom_domains: [a.example]
    env:
      LEVEL: debug
      N: 5
    events:
      - schedule:
          rate: "5 * * * *"
          input:
            key: value
  second:
    handler: handler.other
    runtime: other22
    timeout: 10000
"#;

    fn project(text: &str) -> Result<Project, Failure> {
        let environment = Environment::from_pairs([("SEAL", "wax")]);
        read(&Source {
            file: Path::new("serverless.yml"),
            directory: Path::new("shop"),
            text: text.to_owned(),
            environment: &environment,
        })
    }

    #[test]
    fn a_file_is_read_as_it_is() {
        let project = project(FILE).expect("good");
        let [first, second] = &project.functions[..] else {
            panic!("two: {project:?}")
        };
        let settings = &first.settings;
        assert_eq!(settings.runtime.as_deref(), Some("some310"));
        assert_eq!(settings.entry.as_deref(), Some("handlers/first.handle"));
        assert_eq!(settings.convention.as_deref(), Some("event-context"));
        assert_eq!((settings.memory_mib, settings.timeout_ms), (Some(256), Some(150_000)));
        assert_eq!((settings.min_workers, settings.max_workers), (Some(0), Some(3)));
        let env = [("LEVEL", "debug"), ("N", "5"), ("WHO", "shop-dev")];
        assert_eq!(
            first.env.values(),
            env.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
        assert_eq!(first.env.sealed(), [("SEAL".to_owned(), "wax".to_owned())].into());
        let jobs = first.jobs.as_ref().expect("jobs");
        assert_eq!(jobs["schedule-1"].cron.as_deref(), Some("5 * * * *"));
        assert_eq!(
            jobs["schedule-1"].input.as_ref().map(|i| i.body.as_str()),
            Some(r#"{"key":"value"}"#)
        );
        assert_eq!(
            (second.settings.runtime.as_deref(), second.settings.timeout_ms),
            (Some("other22"), Some(10_000))
        );
        assert_eq!(project.remarks.len(), 1, "{:?}", project.remarks);
    }

    #[test]
    fn mistakes_say_where_they_are() {
        for (text, says) in [
            ("service: a", "has no functions"),
            ("functions:\n  a: {handler: h}", "`functions.a` has no runtime"),
            ("functions:\n  a: {runtime: r, timeout: soon}", "a timeout that `soon`"),
            ("functions: [", "cannot be read"),
        ] {
            let message = project(text).expect_err(text).body.expect("said").message;
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}
