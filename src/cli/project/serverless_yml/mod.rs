//! `serverless.yml`: functions of one provider, called with event and context, as the Serverless Framework writes them.
//!
//! Takes what says how a function runs. Who one is in the cloud (credentials, regions) means nothing here; whatever else
//! has no effect is named, one remark a key. A private function is refused: nothing here would ask its callers for a token.

mod references;

use super::hob_toml::input_of;
use super::yaml::{document, no_effect, number_at, pairs, strangers, text, text_at, truth_at};
use super::{Code, Function, Layered, Project, Source};
use crate::api::native::job_wire::JobSettings;
use crate::api::native::wire::DeploySettings;
use crate::cli::failure::Failure;
use crate::domain::{Convention, FunctionName, notation};
use references::References;
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys of the file that are read, or say nothing about how a function runs.
const OF_THE_FILE: &[&str] = &[
    "service",
    "provider",
    "functions",
    "package",
    "custom",
    "plugins",
    "app",
    "org",
    "frameworkVersion",
    "configValidationMode",
    "useDotenv",
    "variablesResolutionMode",
    "disabledDeprecations",
    "deprecationNotificationMode",
];
/// The same of the provider.
const OF_THE_PROVIDER: &[&str] = &["name", "runtime", "env", "secret"];
/// What the provider says about who and where one is in the cloud; so do keys that begin with `CLOUD`.
const IN_THE_CLOUD: &[&str] = &["stage", "region", "tokenExpiration"];
const CLOUD: &str = "scw";
/// Keys of a function that are read, or say nothing about how it runs.
const OF_A_FUNCTION: &[&str] = &[
    "handler",
    "runtime",
    "env",
    "secret",
    "memoryLimit",
    "cpuLimit",
    "timeout",
    "minScale",
    "maxScale",
    "privacy",
    "events",
    "package",
    "description",
];
/// Keys of a function that mean nothing on one's own machine.
const OF_THE_CLOUD: &[&str] = &[
    "custom_domains",
    "domain_name",
    "privateNetworkId",
    "httpOption",
    "sandbox",
    "tags",
];
const OF_A_SCHEDULE: &[&str] = &["rate", "timezone", "input", "name", "enabled"];

pub(super) fn read(source: &Source<'_>) -> Result<Project, Failure> {
    let whole = document(source)?;
    let references = References::of(&whole, source);
    let provider = references.resolved(whole.get("provider").map(without_cloud).as_ref());
    let functions = references.resolved(whole.get("functions"));
    let package = references.resolved(whole.get("package"));
    let mut project = Project {
        remarks: of_the_file(&whole, &provider),
        ..Project::default()
    };
    for (key, value) in pairs(Some(&functions)) {
        let function = function(source, key, value, &provider, &package)?;
        project.remarks.extend(of_function(key, value));
        project.functions.push(function);
    }
    project.remarks.extend(references.remarks());
    if project.functions.is_empty() {
        return Err(Failure::usage(format!("{} has no functions", source.file.display())));
    }
    Ok(project)
}

/// The provider without what only its own cloud asks for.
fn without_cloud(provider: &Value) -> Value {
    let mut provider = provider.clone();
    if let Some(pairs) = provider.as_object_mut() {
        pairs.retain(|key, _| !key.starts_with(CLOUD) && !IN_THE_CLOUD.contains(&key.as_str()));
    }
    provider
}

// ---- What has no effect ----

fn of_the_file(whole: &Value, provider: &Value) -> Vec<String> {
    let own = strangers(Some(whole), OF_THE_FILE).into_iter().map(no_effect);
    let of_provider = strangers(Some(provider), OF_THE_PROVIDER).into_iter();
    let of_provider = of_provider.map(|key| no_effect(&format!("provider.{key}")));
    let mut remarks: Vec<String> = own.chain(of_provider).collect();
    remarks.extend(of_package("package", whole.get("package")));
    if let Some(containers) = whole.pointer("/custom/containers") {
        let names: Vec<_> = pairs(Some(containers)).map(|(name, _)| name.as_str()).collect();
        let remark = "are built by hand: `docker build`, then `hob deploy --image NAME`";
        remarks.push(format!("containers ({}) {remark}", names.join(", ")));
    }
    remarks
}

fn of_function(key: &str, value: &Value) -> Vec<String> {
    let place = |stranger: &str| format!("functions.{key}.{stranger}");
    let is_usual =
        |stranger: &str| stranger == "httpOption" && text_at(value, "/httpOption").as_deref() == Some("enabled");
    let own = strangers(Some(value), OF_A_FUNCTION).into_iter();
    let own = own.filter(|stranger| !is_usual(stranger));
    let mut remarks: Vec<String> = own
        .map(|stranger| match OF_THE_CLOUD.contains(&stranger) {
            true => format!("`{}` is for the cloud, and left out", place(stranger)),
            false => no_effect(&place(stranger)),
        })
        .collect();
    remarks.extend(of_package(&place("package"), value.get("package")));
    for event in events(value) {
        let kinds: Vec<&str> = match event {
            Value::String(kind) => vec![kind.as_str()],
            event => pairs(Some(event)).map(|(kind, _)| kind.as_str()).collect(),
        };
        let unserved = |kind: &str| format!("an event `{kind}` of `functions.{key}` is not served here, and left out");
        remarks.extend(kinds.into_iter().filter(|kind| *kind != "schedule").map(unserved));
        let of_schedule = strangers(event.get("schedule"), OF_A_SCHEDULE).into_iter();
        remarks.extend(of_schedule.map(|stranger| no_effect(&place(&format!("events.schedule.{stranger}")))));
        if event.get("schedule").is_some_and(is_off) {
            remarks.push(format!("a schedule of `functions.{key}` is not enabled, and left out"));
        }
    }
    remarks
}

/// What goes into a package is chosen in another way.
fn of_package(place: &str, package: Option<&Value>) -> Vec<String> {
    let others = strangers(package, &["artifact"]).into_iter();
    let remark = |key: &str| match key {
        "patterns" | "exclude" | "include" => {
            format!("`{place}.{key}` has no effect here: .hobignore says what stays out of the package")
        }
        key => no_effect(&format!("{place}.{key}")),
    };
    others.map(remark).collect()
}

// ---- What has ----

fn function(
    source: &Source<'_>,
    key: &str,
    value: &Value,
    provider: &Value,
    package: &Value,
) -> Result<Function, Failure> {
    let file = source.file.display();
    let wrong = |why: String| Failure::usage(format!("{file}: `functions.{key}` {why}"));
    let name = FunctionName::parse(key).map_err(|error| wrong(error.to_string()))?;
    if let Some(privacy) = shut(value) {
        let why = format!("has the privacy `{privacy}`, and here it would be open to whoever reaches the daemon");
        return Err(wrong(why).hint(
            "deploy it with the Serverless Framework and its plugin against this daemon, which then checks the tokens \
             of its callers; or open it for one run: privacy: ${env:PRIVACY, 'private'} in the file, and PRIVACY=public \
             before the command",
        ));
    }
    let artifact = text_at(value, "/package/artifact").or_else(|| text_at(package, "/artifact"));
    Ok(Function {
        name: name.as_str().to_owned(),
        code: Code::Path(match artifact {
            Some(artifact) => source.directory.join(artifact),
            None => source.directory.to_owned(),
        }),
        settings: settings(value, provider).map_err(wrong)?,
        env: environment(source, value, provider),
        jobs: Some(jobs(value, name.as_str()).map_err(wrong)?),
        ..Function::default()
    })
}

/// What a function's privacy is unless it is open to all. What cannot be told is not open.
fn shut(value: &Value) -> Option<String> {
    let privacy = value.get("privacy").filter(|privacy| !privacy.is_null())?;
    let privacy = text(privacy).unwrap_or_else(|| privacy.to_string());
    (privacy != "public").then_some(privacy)
}

fn settings(value: &Value, provider: &Value) -> Result<DeploySettings, String> {
    let runtime = text_at(value, "/runtime").or_else(|| text_at(provider, "/runtime"));
    let timeout = value.get("timeout").and_then(text).map(|text| time(&text));
    let wrong = |key: &'static str| move |why: String| format!("has a `{key}`: {why}");
    Ok(DeploySettings {
        runtime: Some(runtime.ok_or("has no runtime, and the provider names none")?),
        entry: text_at(value, "/handler"),
        convention: Some(Convention::EventContext.as_str().to_owned()),
        memory_mib: number_at(value, "/memoryLimit").map_err(wrong("memoryLimit"))?,
        cpu_millis: number_at(value, "/cpuLimit").map_err(wrong("cpuLimit"))?,
        timeout_ms: timeout.transpose().map_err(|why| format!("has a timeout that {why}"))?,
        min_workers: number_at(value, "/minScale").map_err(wrong("minScale"))?,
        max_workers: number_at(value, "/maxScale").map_err(wrong("maxScale"))?,
        ..DeploySettings::default()
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

fn events(value: &Value) -> impl Iterator<Item = &Value> {
    value.get("events").and_then(Value::as_array).into_iter().flatten()
}

fn is_off(schedule: &Value) -> bool {
    truth_at(schedule, "/enabled") == Some(false)
}

/// The schedules among its events, by number where they have no name.
fn jobs(value: &Value, function: &str) -> Result<BTreeMap<String, JobSettings>, String> {
    let schedules = events(value).filter_map(|event| event.get("schedule")).enumerate();
    let jobs = schedules
        .filter(|(_, schedule)| !is_off(schedule))
        .map(|(at, schedule)| {
            let name = text_at(schedule, "/name").unwrap_or_else(|| format!("schedule-{}", at + 1));
            let rate = text_at(schedule, "/rate").or_else(|| text(schedule));
            let input = schedule.get("input").map(|input| input_of(input.to_string()));
            let job = JobSettings {
                function: Some(function.to_owned()),
                name: Some(name.clone()),
                cron: Some(rate.ok_or("has a schedule without a `rate`, as \"0 3 * * *\"")?),
                tz: text_at(schedule, "/timezone"),
                input,
                ..JobSettings::default()
            };
            Ok((name, job))
        });
    jobs.collect()
}

/// `10s`, `2m30s`, or, as it once was, a number of milliseconds.
fn time(text: &str) -> Result<u32, String> {
    let length = || u32::try_from(notation::duration(text)?.as_millis()).ok();
    let bare = text.parse::<u32>().ok();
    bare.or_else(length)
        .ok_or_else(|| format!("`{text}` is not, as 10s or 5m"))
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
        let [package, domains] = &project.remarks[..] else {
            panic!("two: {:?}", project.remarks)
        };
        assert!(
            package.contains("`package.patterns`") && package.contains(".hobignore"),
            "{package}"
        );
        assert!(domains.contains("`functions.first.custom_domains`"), "{domains}");
    }

    /// A function with a runtime and this, in one line.
    fn of(rest: &str) -> Result<Project, Failure> {
        project(&format!("functions:\n  a: {{runtime: r, {rest}}}"))
    }

    #[test]
    fn a_function_that_is_not_open_is_refused() {
        for open in ["privacy: public", "privacy: null", "privacy: \"${env:NONE, 'public'}\""] {
            assert_eq!(of(open).expect(open).functions.len(), 1, "{open}");
        }
        for shut in [
            "privacy: private",
            "privacy: unknown",
            "privacy: \"${env:NONE, 'private'}\"",
            "privacy: \"${env:NONE}\"",
            "privacy: true",
            "privacy: []",
        ] {
            let said = of(shut).expect_err(shut).body.expect("said");
            assert!(
                said.message.contains("`functions.a` has the privacy"),
                "{shut}: {}",
                said.message
            );
            let hint = said.hint.expect("what to do");
            assert!(hint.contains("plugin") && hint.contains("PRIVACY=public"), "{hint}");
        }
    }

    #[test]
    fn every_key_without_effect_is_named() {
        for (rest, named) in [
            ("httpOption: redirected", "`functions.a.httpOption` is for the cloud"),
            ("sandbox: v1", "`functions.a.sandbox` is for the cloud"),
            ("layers: [x]", "`functions.a.layers` has no effect"),
            ("package: {patterns: ['!x']}", "`functions.a.package.patterns`"),
            ("events: [{sqs: {queue: q}}]", "an event `sqs` of `functions.a`"),
            ("events: [http]", "an event `http` of `functions.a`"),
            (
                "events: [{schedule: {rate: '@daily', role: x}}]",
                "events.schedule.role",
            ),
            ("events: [{schedule: {rate: '@daily', enabled: no}}]", "is not enabled"),
            (
                "env: {A: '${file(x.json):a}'}",
                "`${file(x.json):a}` stands for nothing",
            ),
            ("secret: {A: '${env:NONE}'}", "`${env:NONE}` stands for nothing"),
        ] {
            let remarks = of(rest).expect(rest).remarks;
            assert!(remarks.len() == 1 && remarks[0].contains(named), "{rest}: {remarks:?}");
        }
        assert_eq!(
            of("httpOption: enabled, description: d").expect("good").remarks,
            [""; 0]
        );
        let file = "service: s\nresources: {a: b}\nprovider: {runtime: r, memory: 1, scwToken: '${env:NONE}', stage: x}\n\
                    custom: {containers: {c: {directory: d}}}\nfunctions: {a: {handler: h}}";
        let remarks = project(file).expect("good").remarks;
        let named = ["`resources`", "`provider.memory`", "containers (c)"];
        assert!(
            remarks.len() == named.len() && named.iter().zip(&remarks).all(|(name, remark)| remark.contains(name)),
            "{remarks:?}"
        );
    }

    #[test]
    fn schedules_packages_and_times_are_taken() {
        let first = |rest: &str| of(rest).expect(rest).functions.remove(0);
        let zoned = first("events: [{schedule: {rate: '0 3 * * *', timezone: Europe/Paris}}, {schedule: '@daily'}]");
        let jobs = zoned.jobs.expect("jobs");
        assert_eq!(jobs["schedule-1"].tz.as_deref(), Some("Europe/Paris"));
        assert_eq!(jobs["schedule-2"].cron.as_deref(), Some("@daily"));
        let off = first("events: [{schedule: {rate: '@daily', enabled: false}}]");
        assert_eq!(off.jobs, Some(BTreeMap::new()));
        let packed = first("package: {artifact: out/code.zip}");
        assert_eq!(packed.code, Code::Path(Path::new("shop/out/code.zip").to_owned()));
        for (text, expect) in [
            ("10s", Some(10_000)),
            ("2m30s", Some(150_000)),
            ("1h1m", Some(3_660_000)),
            ("10000", Some(10_000)),
            ("soon", None),
        ] {
            assert_eq!(time(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn mistakes_say_where_they_are() {
        for (text, says) in [
            ("service: a", "has no functions"),
            ("functions:\n  a: {handler: h}", "`functions.a` has no runtime"),
            ("functions:\n  a: {runtime: r, timeout: soon}", "a timeout that `soon`"),
            (
                "functions:\n  a: {runtime: r, minScale: few}",
                "`functions.a` has a `minScale`: `few`",
            ),
            (
                "functions:\n  a: {runtime: r, events: [{schedule: {input: 1}}]}",
                "without a `rate`",
            ),
            ("functions: [", "cannot be read"),
        ] {
            let message = project(text).expect_err(text).body.expect("said").message;
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}
