//! `function.yaml`: one function with its triggers, called with context and event, as real-time event processors write it.
//!
//! Takes runtime, handler, environment, limits, build commands, inline code and schedules. Triggers of message brokers and
//! what belongs to a cluster are left out and said.

use super::hob_toml::input_of;
use super::yaml::{document, number_at, pairs, text, text_at};
use super::{Code, Function, Layered, Project, Source};
use crate::api::native::job_wire::JobSettings;
use crate::api::native::wire::DeploySettings;
use crate::cli::args::millis;
use crate::cli::failure::Failure;
use crate::domain::{Convention, FunctionName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn read(source: &Source<'_>) -> Result<Project, Failure> {
    let whole = document(source)?;
    let file = source.file.display().to_string();
    let wrong = |why: &str| Failure::usage(format!("{file}: {why}"));
    let spec = whole.get("spec").ok_or_else(|| wrong("has no `spec`"))?;
    let name = text_at(&whole, "/metadata/name").ok_or_else(|| wrong("has no `metadata.name`"))?;
    let name = FunctionName::parse(&name).map_err(|error| wrong(&error.to_string()))?;
    let mut project = Project::default();
    let function = Function {
        name: name.as_str().to_owned(),
        code: code(source, spec, name.as_str())?,
        settings: settings(spec, &file)?,
        env: environment(spec, &file),
        jobs: Some(jobs(spec, name.as_str(), &mut project.remarks)?),
        ..Function::default()
    };
    project.functions.push(function);
    Ok(project)
}

fn settings(spec: &Value, file: &str) -> Result<DeploySettings, Failure> {
    let runtime = text_at(spec, "/runtime").ok_or_else(|| Failure::usage(format!("{file}: has no `spec.runtime`")))?;
    let commands = spec.pointer("/build/commands").and_then(Value::as_array);
    let timeout = text_at(spec, "/eventTimeout").map(|time| duration(&time, file, "eventTimeout"));
    Ok(DeploySettings {
        runtime: Some(runtime),
        entry: text_at(spec, "/handler"),
        convention: Some(Convention::ContextEvent.as_str().to_owned()),
        // A command for the image's own builder means nothing here.
        build_commands: commands.map(|all| all.iter().filter_map(text).filter(|c| !c.starts_with('@')).collect()),
        timeout_ms: timeout.transpose()?,
        concurrency: workers_of_http(spec),
        min_workers: number_at(spec, "/minReplicas").or_else(|| number_at(spec, "/replicas")),
        max_workers: number_at(spec, "/maxReplicas").or_else(|| number_at(spec, "/replicas")),
        memory_mib: text_at(spec, "/resources/limits/memory").and_then(|size| mib(&size)),
        cpu_millis: text_at(spec, "/resources/limits/cpu").and_then(|cores| cpu_millis(&cores)),
        ..DeploySettings::default()
    })
}

fn workers_of_http(spec: &Value) -> Option<u16> {
    let (_, http) = pairs(spec.get("triggers")).find(|(_, trigger)| kind(trigger) == "http")?;
    number_at(http, "/numWorkers").or_else(|| number_at(http, "/maxWorkers"))
}

fn kind(trigger: &Value) -> String {
    text_at(trigger, "/kind").unwrap_or_default()
}

/// A folder beside the file, or text that is in it.
fn code(source: &Source<'_>, spec: &Value, name: &str) -> Result<Code, Failure> {
    if let Some(encoded) = text_at(spec, "/build/functionSourceCode") {
        let decoded = STANDARD
            .decode(encoded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let text = decoded.ok_or_else(|| {
            Failure::usage(format!(
                "{}: `build.functionSourceCode` is no text in base64",
                source.file.display()
            ))
        })?;
        return Ok(Code::Inline(name.to_owned(), text));
    }
    let path = text_at(spec, "/build/path").filter(|path| !path.contains("://"));
    Ok(Code::Path(
        source.directory.join(path.unwrap_or_else(|| ".".to_owned())),
    ))
}

fn environment(spec: &Value, file: &str) -> Layered {
    let mut env = Layered::default();
    for variable in spec.get("env").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(name), Some(value)) = (text_at(variable, "/name"), text_at(variable, "/value")) {
            env.set(&name, value, file.to_owned());
        }
    }
    env
}

fn jobs(spec: &Value, function: &str, remarks: &mut Vec<String>) -> Result<BTreeMap<String, JobSettings>, Failure> {
    let mut jobs = BTreeMap::new();
    for (name, trigger) in pairs(spec.get("triggers")) {
        match kind(trigger).as_str() {
            "cron" => drop(jobs.insert(name.clone(), job(function, name, trigger)?)),
            "http" => {}
            other => remarks.push(format!("trigger `{name}` ({other}) is not served here, and left out")),
        }
    }
    Ok(jobs)
}

fn job(function: &str, name: &str, trigger: &Value) -> Result<JobSettings, Failure> {
    let attributes = trigger.get("attributes").cloned().unwrap_or_default();
    let every = text_at(&attributes, "/interval").map(|time| duration(&time, &format!("trigger `{name}`"), "interval"));
    let mut input = attributes
        .pointer("/event/body")
        .map(|body| input_of(text(body).unwrap_or_else(|| body.to_string())));
    let headers: Vec<_> = pairs(attributes.pointer("/event/headers"))
        .filter_map(|(k, v)| Some((k.clone(), text(v)?)))
        .collect();
    if !headers.is_empty() {
        input
            .get_or_insert_with(|| input_of(String::new()))
            .headers
            .extend(headers);
    }
    Ok(JobSettings {
        function: Some(function.to_owned()),
        name: Some(name.to_owned()),
        cron: text_at(&attributes, "/schedule"),
        every_ms: every.transpose()?.map(u64::from),
        input,
        ..JobSettings::default()
    })
}

fn duration(time: &str, place: &str, key: &str) -> Result<u32, Failure> {
    millis(time).map_err(|why| Failure::usage(format!("{place}: `{key}`: {why}")))
}

/// `128Mi`, `1Gi`, `134217728`; up to the next whole MiB.
fn mib(size: &str) -> Option<u32> {
    let end = size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len());
    let (number, unit) = size.split_at(end);
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "Ki" => 1 << 10,
        "M" => 1_000_000,
        "Mi" => 1 << 20,
        "G" => 1_000_000_000,
        "Gi" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
    u32::try_from(bytes.div_ceil(1 << 20)).ok()
}

/// `500m`, `2`, `0.5`.
fn cpu_millis(cores: &str) -> Option<u32> {
    if let Some(millis) = cores.strip_suffix('m') {
        return millis.parse().ok();
    }
    let millis = cores.parse::<f64>().ok()? * 1000.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (0.0..1e6).contains(&millis).then(|| millis.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::path::Path;

    const FILE: &str = r#"
apiVersion: "any/v1"
kind: Function
metadata:
  name: parts
  labels: {a: b}
spec:
  description: counts parts
  handler: main:handler
  runtime: "some:3.9"
  eventTimeout: 30s
  minReplicas: 1
  maxReplicas: 4
  env:
    - name: LEVEL
      value: debug
    - name: N
      value: 3
  resources:
    limits:
      memory: 1Gi
      cpu: 500m
  build:
    commands:
      - "install it"
      - "@builder.only"
  triggers:
    web:
      kind: http
      numWorkers: 2
      attributes: {port: 32001}
    hourly:
      kind: cron
      attributes:
        schedule: "0 * * * *"
    often:
      kind: cron
      attributes:
        interval: 3s
        event:
          body: "tick"
          headers: {x-of: clock}
    stream:
      kind: kafka-cluster
"#;

    fn project(text: &str) -> Result<Project, Failure> {
        read(&Source {
            file: Path::new("function.yaml"),
            directory: Path::new("parts"),
            text: text.to_owned(),
            environment: &Environment::default(),
        })
    }

    #[test]
    fn a_file_is_read_as_it_is() {
        let project = project(FILE).expect("good");
        let function = &project.functions[0];
        let settings = &function.settings;
        assert_eq!(
            (function.name.as_str(), settings.runtime.as_deref()),
            ("parts", Some("some:3.9"))
        );
        assert_eq!(settings.entry.as_deref(), Some("main:handler"));
        assert_eq!(settings.convention.as_deref(), Some("context-event"));
        assert_eq!((settings.memory_mib, settings.cpu_millis), (Some(1024), Some(500)));
        assert_eq!((settings.timeout_ms, settings.concurrency), (Some(30_000), Some(2)));
        assert_eq!((settings.min_workers, settings.max_workers), (Some(1), Some(4)));
        assert_eq!(settings.build_commands.as_deref(), Some(&["install it".to_owned()][..]));
        assert_eq!(function.env.values().len(), 2);
        assert_eq!(function.code, Code::Path(Path::new("parts/.").to_owned()));
        let jobs = function.jobs.as_ref().expect("jobs");
        assert_eq!(jobs["hourly"].cron.as_deref(), Some("0 * * * *"));
        assert_eq!(jobs["often"].every_ms, Some(3_000));
        let input = jobs["often"].input.as_ref().expect("an input");
        assert_eq!((input.body.as_str(), input.headers["x-of"].as_str()), ("tick", "clock"));
        assert!(
            project.remarks[0].contains("`stream` (kafka-cluster)"),
            "{:?}",
            project.remarks
        );
    }

    #[test]
    fn code_may_be_in_the_file_itself() {
        let text = "metadata: {name: a}\nspec: {runtime: r, build: {functionSourceCode: aGVsbG8=}}";
        let project = project(text).expect("good");
        assert_eq!(
            project.functions[0].code,
            Code::Inline("a".to_owned(), "hello".to_owned())
        );
        assert!(
            super::read(&Source {
                file: Path::new("f"),
                directory: Path::new("."),
                text: text.replace("aGVsbG8=", "%%"),
                environment: &Environment::default(),
            })
            .is_err()
        );
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, expect) in [
            ("128Mi", Some(128)),
            ("1G", Some(954)),
            ("134217728", Some(128)),
            ("x", None),
        ] {
            assert_eq!(mib(text), expect, "{text}");
        }
        for (text, expect) in [
            ("500m", Some(500)),
            ("2", Some(2000)),
            ("0.25", Some(250)),
            ("-1", None),
        ] {
            assert_eq!(cpu_millis(text), expect, "{text}");
        }
    }
}
