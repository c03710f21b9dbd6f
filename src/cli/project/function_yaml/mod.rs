//! `function.yaml`: one function with its triggers, called with context and event, as real-time event processors write it.
//!
//! Takes runtime, handler, environment, limits, build steps, code or image, and schedules. Whatever else it says, and what
//! belongs to a cluster, has no effect and is named: one remark a key.

mod code;
mod triggers;

use super::yaml::{self, document, is_said, number_at, strangers, text, text_at, truth_at};
use super::{Code, Function, Layered, Project, Source};
use crate::api::native::wire::DeploySettings;
use crate::builder::{Before, Steps};
use crate::cli::failure::Failure;
use crate::domain::{Convention, FunctionName, Step, notation};
use code::Origin;
use serde_json::Value;

/// The least memory that a worker may be given. Unit: MiB.
const LEAST_MEMORY: u64 = 32;
/// The least processor time that a worker may be given. Unit: thousandths of a core.
const LEAST_CPU: u64 = 10;

/// Objects of the file and the keys that are read there, or say nothing about how a function runs.
const READ: &[(&str, &[&str])] = &[
    ("metadata", &["name", "labels", "annotations"]),
    (
        "spec",
        &[
            "description",
            "disable",
            "runtime",
            "handler",
            "image",
            "env",
            "eventTimeout",
            "replicas",
            "minReplicas",
            "maxReplicas",
            "resources",
            "build",
            "triggers",
            "runtimeAttributes",
            "loggerSinks",
        ],
    ),
    ("spec.resources", &["limits"]),
    ("spec.resources.limits", &["memory", "cpu"]),
    (
        "spec.build",
        &[
            "path",
            "functionSourceCode",
            "codeEntryType",
            "codeEntryAttributes",
            "baseImage",
            "commands",
            "directives",
            "timestamp",
        ],
    ),
    ("spec.build.directives", &["preCopy", "postCopy"]),
    ("spec.runtimeAttributes", &["arguments", "responseHeaders"]),
];

/// What to do in place of a key that has no effect.
const IN_PLACE: &[(&str, &str)] = &[
    ("metadata.namespace", "`--namespace` chooses one"),
    ("spec.build.image", "`hob export --tag NAME` makes an image"),
];

pub(super) fn read(source: &Source<'_>) -> Result<Project, Failure> {
    let whole = document(source)?;
    let file = source.file.display().to_string();
    let wrong = |why: &str| Failure::usage(format!("{file}: {why}"));
    let spec = whole.get("spec").ok_or_else(|| wrong("has no `spec`"))?;
    let name = text_at(&whole, "/metadata/name").ok_or_else(|| wrong("has no `metadata.name`"))?;
    let name = FunctionName::parse(&name).map_err(|error| wrong(&error.to_string()))?;
    let name = name.as_str();
    if truth_at(spec, "/disable") == Some(true) {
        let remark = format!(
            "`spec.disable` is true: function {name} is left out; `hob rm {name}` removes one that is there already"
        );
        return Ok(Project {
            remarks: vec![remark],
            ..Project::default()
        });
    }
    let mut remarks = left_out(&whole);
    let origin = code::find(source, spec, name)?;
    remarks.extend(origin.left_out(spec));
    let steps = steps(spec);
    let unmade = steps.iter().flat_map(|steps| &steps.left_out);
    remarks.extend(unmade.map(|step| format!("the build step `{step}` is not carried out")));
    let mut function = Function {
        name: name.to_owned(),
        env: environment(spec, &file, steps.as_ref(), &mut remarks),
        settings: settings(spec, steps, &origin).map_err(|why| wrong(&why))?,
        code: Code::default(),
        jobs: Some(triggers::jobs(spec, name, &mut remarks).map_err(|why| wrong(&why))?),
        ..Function::default()
    };
    origin.put(&mut function);
    Ok(Project {
        functions: vec![function],
        remarks,
        ..Project::default()
    })
}

/// The keys of the file that nobody reads.
fn left_out(whole: &Value) -> Vec<String> {
    let mut remarks = Vec::new();
    for (place, known) in READ {
        let found = whole.pointer(&format!("/{}", place.replace('.', "/")));
        let keys = strangers(found, known).into_iter().map(|key| format!("{place}.{key}"));
        remarks.extend(keys.map(|key| no_effect(&key)));
    }
    let sinks = whole.pointer("/spec/loggerSinks").and_then(Value::as_array);
    if sinks.is_some_and(|sinks| sinks.len() > 1) {
        remarks.push("of `spec.loggerSinks` only the level of the first has an effect".to_owned());
    }
    remarks
}

fn no_effect(key: &str) -> String {
    let instead = IN_PLACE.iter().find(|(known, _)| *known == key);
    match instead {
        Some((_, instead)) => format!("`{key}` has no effect here: {instead}"),
        None => yaml::no_effect(key),
    }
}

fn settings(spec: &Value, steps: Option<Steps>, origin: &Origin) -> Result<DeploySettings, String> {
    let replicas = number(spec, "/replicas")?;
    let settings = DeploySettings {
        timeout_ms: duration(spec, "/eventTimeout", "spec.eventTimeout")?
            .map(|ms| u32::try_from(ms).unwrap_or(u32::MAX))
            .filter(|ms| *ms > 0),
        concurrency: triggers::workers_of_http(spec)?,
        min_workers: number(spec, "/minReplicas")?.or(replicas),
        max_workers: number(spec, "/maxReplicas")?.or(replicas),
        memory_mib: amount(spec, "memory", |text| {
            Some(notation::whole(text)?.div_ceil(1 << 20).max(LEAST_MEMORY))
        })?,
        cpu_millis: amount(spec, "cpu", |text| Some(notation::thousandths(text)?.max(LEAST_CPU)))?,
        ..DeploySettings::default()
    };
    if matches!(origin, Origin::Image(_)) {
        return Ok(DeploySettings {
            convention: Some(Convention::Http.as_str().to_owned()),
            ..settings
        });
    }
    let runtime = text_at(spec, "/runtime").filter(|text| !text.is_empty());
    Ok(DeploySettings {
        runtime: Some(runtime.ok_or("has no `spec.runtime`")?),
        entry: text_at(spec, "/handler").filter(|text| !text.is_empty()),
        convention: Some(Convention::ContextEvent.as_str().to_owned()),
        // Said in any case: without one, the function is on its runtime's own base again.
        base_image: Some(text_at(spec, "/build/baseImage").unwrap_or_default()),
        base_steps: Some(steps.as_ref().map(|steps| words(&steps.on_base)).unwrap_or_default()),
        build_commands: steps.map(|steps| steps.commands),
        ..settings
    })
}

fn number(spec: &Value, pointer: &str) -> Result<Option<u16>, String> {
    let key = pointer.replace('/', ".");
    number_at(spec, pointer).map_err(|why| format!("`spec{key}`: {why}"))
}

/// A length of time such as `1m30s`; `key` names it to people. Unit of the answer: milliseconds.
fn duration(value: &Value, pointer: &str, key: &str) -> Result<Option<u64>, String> {
    let Some(text) = text_at(value, pointer).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    millis(&text, key).map(Some)
}

fn millis(text: &str, key: &str) -> Result<u64, String> {
    let length = notation::duration(text);
    let length =
        length.ok_or_else(|| format!("`{key}`: `{text}` is not a length of time, as 500ms, 30s, 1m30s or 1h"))?;
    Ok(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

/// A limit such as `128Mi` or `500m`.
fn amount(spec: &Value, key: &str, read: impl Fn(&str) -> Option<u64>) -> Result<Option<u32>, String> {
    let Some(text) = text_at(spec, &format!("/resources/limits/{key}")) else {
        return Ok(None);
    };
    let amount = read(&text).and_then(|amount| u32::try_from(amount).ok());
    amount
        .map(Some)
        .ok_or_else(|| format!("`spec.resources.limits.{key}`: `{text}` is not an amount, as 128Mi, 500m or 2"))
}

fn words(steps: &[Step]) -> Vec<String> {
    steps.iter().map(Step::to_string).collect()
}

/// The steps of the build, if it has any; commands stand in place of directives.
fn steps(spec: &Value) -> Option<Steps> {
    let place = match is_said(spec, "/build/baseImage") {
        true => Before::OnBase,
        false => Before::WithCode,
    };
    let commands = spec.pointer("/build/commands").and_then(Value::as_array);
    if let Some(commands) = commands.filter(|commands| !commands.is_empty()) {
        let lines: Vec<String> = commands.iter().filter_map(text).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        return Some(Steps::of_commands(&lines, |line| line.trim().starts_with('@'), place));
    }
    let (before, after) = (directives(spec, "preCopy"), directives(spec, "postCopy"));
    let given = !(before.is_empty() && after.is_empty());
    given.then(|| Steps::of_directives(&borrowed(&before), &borrowed(&after), place))
}

fn directives(spec: &Value, when: &str) -> Vec<(String, String)> {
    let all = spec.pointer(&format!("/build/directives/{when}"));
    let all = all.and_then(Value::as_array).into_iter().flatten();
    let text = |each: &Value, key: &str| text_at(each, key).unwrap_or_default();
    all.map(|each| (text(each, "/kind"), text(each, "/value"))).collect()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(kind, value)| (kind.as_str(), value.as_str()))
        .collect()
}

/// The function's own variables go over those of its build and of its runtime's attributes.
fn environment(spec: &Value, file: &str, steps: Option<&Steps>, remarks: &mut Vec<String>) -> Layered {
    let mut env = Layered::default();
    for (name, value) in steps.into_iter().flat_map(|steps| &steps.env) {
        env.set(name, value.clone(), file.to_owned());
    }
    for (name, value) in for_the_runtime(spec) {
        env.set(name, value, file.to_owned());
    }
    for variable in spec.get("env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = text_at(variable, "/name") else {
            continue;
        };
        if is_said(variable, "/valueFrom") {
            remarks.push(format!(
                "the variable {name} is left out, its value is in a store that is not here: write it into .env"
            ));
            continue;
        }
        env.set(&name, text_at(variable, "/value").unwrap_or_default(), file.to_owned());
    }
    env
}

/// What functions of a context and an event are told by their environment.
fn for_the_runtime(spec: &Value) -> Vec<(&'static str, String)> {
    let headers = spec
        .pointer("/runtimeAttributes/responseHeaders")
        .filter(|headers| headers.is_object() && is_said(spec, "/runtimeAttributes/responseHeaders"));
    let all = [
        ("HOB_ARGUMENTS", text_at(spec, "/runtimeAttributes/arguments")),
        ("HOB_RESPONSE_HEADERS", headers.map(Value::to_string)),
        ("HOB_LOG_LEVEL", text_at(spec, "/loggerSinks/0/level")),
    ];
    let said = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|text| !text.is_empty())?)));
    said.collect()
}

#[cfg(test)]
mod tests;
