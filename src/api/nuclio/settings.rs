//! From a configuration to what the core deploys: limits, workers, environment, build commands; and remarks about what
//! was asked for and has no effect here.

use super::commands;
use super::config::{Config, Spec, Trigger};
use super::fault::Fault;
use super::schema::is_empty;
use crate::app::{App, Settings};
use crate::domain::{Concurrency, Convention, Cors, Cpu, Error, Intake, Memory, Timeout, notation};
use crate::runtime::Family;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Slots of one worker, at most; above that there are more workers.
const MOST_SLOTS: i64 = 100;
/// Workers of one function, at most.
const MOST_WORKERS: i64 = 100;
/// How long an event waits for a worker unless its trigger says. Unit: milliseconds.
const USUAL_WAIT_MS: u64 = 10_000;
/// The least memory that a worker may be given. Unit: MiB.
const LEAST_MEMORY: u64 = 32;

/// How long upstream waits for a function unless told otherwise; its web interface sends that. Unit: seconds.
const USUAL_READINESS: u64 = 120;

/// What pages of other origins may send unless the trigger says otherwise.
const CORS_HEADERS: [&str; 5] = [
    "Accept",
    "Content-Length",
    "Content-Type",
    "Authorization",
    "X-Nuclio-Log-Level",
];

/// What is only kept: where it stands in the spec, and what to say when somebody asks for it.
const KEPT: [(&[&str], &str); 15] = [
    (
        &["platform/attributes/network"],
        "The function is on a network of its own, not on the one that is named",
    ),
    (
        &["platform/attributes/restartPolicy"],
        "restartPolicy has no effect: a worker that ends is replaced when a call needs one",
    ),
    (
        &["platform/attributes/healthCheckInterval"],
        "healthCheckInterval has no effect: an open connection tells that a worker lives",
    ),
    (
        &["volumes"],
        "Volumes are not mounted: workers see nothing of this machine",
    ),
    (&["devices"], "Devices are not given to workers"),
    (&["sidecars"], "Sidecars are not started"),
    (&["initContainers"], "Init containers are not started"),
    (&["envFrom"], "envFrom sets no variables: name them in env"),
    (
        &[
            "securityContext/runAsUser",
            "securityContext/runAsGroup",
            "securityContext/fsGroup",
        ],
        "securityContext has no effect: workers run as an unprivileged user",
    ),
    (
        &["readinessTimeoutSeconds"],
        "readinessTimeoutSeconds has no effect: pool.start_timeout_seconds of the daemon holds for all functions",
    ),
    (
        &["build/buildTimeoutSeconds"],
        "buildTimeoutSeconds has no effect: build.timeout_seconds of the daemon holds for all builds",
    ),
    (
        &["build/noCache"],
        "noCache has no effect: what was built of the same parts before is used again",
    ),
    (
        &["build/args", "build/flags"],
        "args and flags of the build have no effect: set variables by commands or directives",
    ),
    (
        &["build/addedPaths"],
        "addedPaths are not copied: put the files into the code",
    ),
    (
        &["build/onbuildImage"],
        "onbuildImage is not used: the function runs on its base image with the shim of its runtime",
    ),
];

/// Settings, and what the user should know.
#[derive(Debug, Default)]
pub(super) struct Translated {
    pub(super) settings: Settings,
    pub(super) remarks: Vec<String>,
}

/// What a configuration's runtime is here.
#[derive(Debug)]
pub(super) struct Meant<'a> {
    pub(super) family: &'a Family,
    /// For the core.
    runtime: String,
    /// What the user should know of it.
    remark: Option<String>,
}

/// What a configuration's runtime is here. A version that nobody knows is the family's usual one.
///
/// # Errors
/// 500, as upstream, for one that is not known or cannot be called in this API's way.
pub(super) fn runtime<'a>(app: &'a App, runtime: &str) -> Result<Meant<'a>, Fault> {
    let unsupported = |why: String| Fault::refused(format!("Unsupported runtime name: {runtime}")).while_doing(why);
    let (family, found, remark) = match app.runtimes().resolve(runtime) {
        Ok((family, found)) => (family, found, None),
        Err(error) => {
            let bare = runtime.split(':').next().unwrap_or(runtime);
            let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            let usual = app.runtimes().resolve(bare);
            let (family, found) = usual.map_err(|_| unsupported(error.to_string()))?;
            let remark = format!("The runtime {runtime} is not here: {found} is used");
            (family, found, Some(remark))
        }
    };
    if family.conventions.contains(&Convention::ContextEvent) {
        return Ok(Meant {
            family,
            runtime: found.to_string(),
            remark,
        });
    }
    Err(unsupported(format!(
        "{} has no functions of a context and an event",
        family.manifest.name
    )))
}

/// Translates the configuration of a function whose code is loaded into a worker.
///
/// # Errors
/// 400 for amounts that cannot be read.
pub(super) fn of_code(app: &App, config: &Config, spec: &Spec, entry: String) -> Result<Translated, Fault> {
    let steps = commands::steps(&spec.build);
    let mut translated = shared(app, config, spec)?;
    let env = translated.settings.env.get_or_insert_default();
    for (name, value) in &steps.env {
        env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    shim_variables(spec, env);
    let meant = runtime(app, &spec.runtime)?;
    translated.settings.runtime = Some(meant.runtime);
    // On a base image, the version is the one that it has.
    let has_own_version = !spec.build.base_image.is_empty() && meant.family.is_in_users_base();
    translated.remarks.extend(meant.remark.filter(|_| !has_own_version));
    translated.settings.base_image = Some(spec.build.base_image.clone());
    translated.settings.base_steps = Some(steps.on_base);
    translated.settings.convention = Some(Convention::ContextEvent);
    translated.settings.entry = Some(entry);
    translated.settings.build_commands = Some(steps.commands);
    let left_out = steps
        .left_out
        .iter()
        .map(|step| format!("The build step `{step}` is not carried out"));
    translated.remarks.extend(left_out);
    Ok(translated)
}

/// Translates the configuration of a function that is an image with a server in it.
///
/// # Errors
/// 400 for amounts that cannot be read.
pub(super) fn of_image(app: &App, config: &Config, spec: &Spec) -> Result<Translated, Fault> {
    let mut translated = shared(app, config, spec)?;
    translated.settings.convention = Some(Convention::Http);
    translated.settings.runtime = app.runtimes().for_images().map(|family| family.manifest.name.clone());
    Ok(translated)
}

fn shared(app: &App, config: &Config, spec: &Spec) -> Result<Translated, Fault> {
    let mut remarks = no_effect(config, spec);
    let limits = &spec.resources.limits;
    let slots = slots(spec);
    let settings = Settings {
        env: Some(environment(spec, &mut remarks)),
        memory: limits.get("memory").map(memory).transpose()?,
        cpu: Some(limits.get("cpu").map(cpu).transpose()?),
        timeout: Some(timeout(app, spec)?),
        concurrency: Some(Concurrency::new(u16::try_from(slots.min(MOST_SLOTS)).unwrap_or(1))?),
        min_workers: Some(least_workers(spec)),
        max_workers: Some(workers(most_workers(spec, slots))),
        intake: Some(intake(spec)),
        cors: Some(spec.http().and_then(cors)),
        // What is disabled needs no worker.
        preload: Some(!spec.disable),
        ..Settings::default()
    };
    Ok(Translated { settings, remarks })
}

/// Upstream has workers for each trigger; here all that are attached share the slots.
fn slots(spec: &Spec) -> i64 {
    let attached = spec
        .triggers
        .values()
        .filter(|t| !t.disabled && (t.is_http() || t.is_cron()));
    attached.map(|t| t.num_workers.max(1)).sum::<i64>().max(1)
}

/// Which calls it takes: for how long they wait, how large they are, and whether any.
fn intake(spec: &Spec) -> Intake {
    let http = spec.http();
    let wait = http.and_then(|t| t.worker_availability_timeout_milliseconds);
    let body = http
        .and_then(|t| t.attributes.get("maxRequestBodySize"))
        .and_then(Value::as_u64);
    let millis = wait.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(USUAL_WAIT_MS);
    Intake {
        wait: Some(Duration::from_millis(millis)),
        body: body.filter(|bytes| *bytes > 0),
        closed: spec.disable,
        ..Intake::default()
    }
}

/// Which pages of other origins may call, as the trigger's `cors` says it; what it leaves out is upstream's.
fn cors(trigger: &Trigger) -> Option<Cors> {
    let said = trigger.attributes.get("cors").filter(|said| said["enabled"] == true)?;
    let texts = |key: &str| -> Option<Vec<String>> {
        let texts = said[key].as_array()?.iter().filter_map(Value::as_str);
        Some(texts.map(str::to_owned).collect()).filter(|all: &Vec<_>| !all.is_empty())
    };
    let usual = Cors::default();
    Some(Cors {
        origins: texts("allowOrigins").unwrap_or(usual.origins),
        methods: texts("allowMethods").unwrap_or(usual.methods),
        headers: texts("allowHeaders").unwrap_or_else(|| CORS_HEADERS.map(str::to_owned).into()),
        exposed: texts("exposeHeaders").unwrap_or_default(),
        credentials: said["allowCredentials"] == true,
        max_age_seconds: said["preflightMaxAgeSeconds"]
            .as_u64()
            .and_then(|seconds| u32::try_from(seconds).ok())
            .unwrap_or(usual.max_age_seconds),
    })
}

/// As many workers as hold the slots, for each replica that may be.
fn most_workers(spec: &Spec, slots: i64) -> i64 {
    let replicas = spec.max_replicas.or(spec.replicas).unwrap_or(1).max(1);
    let for_one = slots.div_euclid(MOST_SLOTS) + i64::from(slots % MOST_SLOTS > 0);
    replicas.saturating_mul(for_one)
}

/// What is disabled keeps none.
fn least_workers(spec: &Spec) -> u16 {
    match spec.disable {
        true => 0,
        false => workers(spec.min_replicas.or(spec.replicas).unwrap_or(0)),
    }
}

fn workers(count: i64) -> u16 {
    u16::try_from(count.clamp(0, MOST_WORKERS)).unwrap_or(0)
}

/// Without a time limit of its own, an event may take as long as any.
fn timeout(app: &App, spec: &Spec) -> Result<Timeout, Fault> {
    let asked = notation::duration(&spec.event_timeout).filter(|time| !time.is_zero());
    let millis = asked.unwrap_or_else(|| app.longest_timeout()).as_millis();
    Ok(Timeout::from_millis(u32::try_from(millis).unwrap_or(u32::MAX))?)
}

fn memory(amount: &Value) -> Result<Memory, Fault> {
    let bytes = text(amount)
        .as_deref()
        .and_then(notation::whole)
        .ok_or_else(|| unreadable("memory", amount))?;
    let mib = bytes.div_ceil(1024 * 1024).max(LEAST_MEMORY);
    Ok(Memory::from_mib(u32::try_from(mib).unwrap_or(u32::MAX))?)
}

fn cpu(amount: &Value) -> Result<Cpu, Error> {
    let millis = text(amount).as_deref().and_then(notation::thousandths);
    let millis = millis.ok_or_else(|| Error::invalid(unreadable("cpu", amount).message))?;
    Cpu::from_millis(u32::try_from(millis.max(10)).unwrap_or(u32::MAX))
}

/// An amount as it is written, with quotation marks or without.
fn text(amount: &Value) -> Option<String> {
    match amount {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn unreadable(what: &str, amount: &Value) -> Fault {
    Fault::bad(format!(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': spec.resources.limits.{what} is {amount}"
    ))
}

fn environment(spec: &Spec, remarks: &mut Vec<String>) -> BTreeMap<String, String> {
    for variable in spec.env.iter().filter(|v| v.value_from.is_some()) {
        let name = &variable.name;
        remarks.push(format!(
            "The variable {name} is empty: its value is in a store that is not here"
        ));
    }
    spec.env.iter().map(|v| (v.name.clone(), v.value.clone())).collect()
}

/// What shims of this convention take from the environment, unless the function's own says otherwise.
fn shim_variables(spec: &Spec, env: &mut BTreeMap<String, String>) {
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            env.entry(name.to_owned()).or_insert(value);
        }
    };
    let attribute = |key: &str| spec.runtime_attributes.get(key);
    let arguments = attribute("arguments").and_then(Value::as_str).unwrap_or_default();
    let headers = attribute("responseHeaders").filter(|v| v.is_object());
    set("HOB_ARGUMENTS", arguments.to_owned());
    set(
        "HOB_RESPONSE_HEADERS",
        headers.map(Value::to_string).unwrap_or_default(),
    );
    set(
        "HOB_LOG_LEVEL",
        spec.logger_sinks
            .first()
            .map(|sink| sink.level.clone())
            .unwrap_or_default(),
    );
    set("NUCLIO_FUNCTION_DESCRIPTION", spec.description.clone());
}

/// Whether a place of the spec says something, other than what is so anyway. Zero is a user, a group and no time limit.
fn asked(config: &Config, place: &str) -> bool {
    let is_usual = |value: &Value| place == "readinessTimeoutSeconds" && value.as_u64() == Some(USUAL_READINESS);
    let mut keys = place.split('/');
    let first = keys.next().and_then(|key| config.spec.get(key));
    let found = first.and_then(|first| keys.try_fold(first, |value, key| value.get(key)));
    found.is_some_and(|value| !is_usual(value) && (value.is_number() || !is_empty(value)))
}

/// What was asked for and is only kept.
fn no_effect(config: &Config, spec: &Spec) -> Vec<String> {
    let mut remarks = Vec::new();
    for (name, trigger) in spec.triggers.iter().filter(|(_, t)| !t.is_http() && !t.is_cron()) {
        let kind = &trigger.kind;
        remarks.push(format!(
            "The trigger {name} is kept and not attached: there are no events of kind {kind} here"
        ));
    }
    for (name, trigger) in spec.triggers.iter().filter(|(_, t)| t.is_http()) {
        if trigger
            .attributes
            .get("readBufferSize")
            .is_some_and(|size| !is_empty(size))
        {
            remarks.push(format!(
                "The trigger {name} reads headers into the daemon's own buffer, whatever readBufferSize says"
            ));
        }
        if config.spec["triggers"][name]["batch"]["mode"] == "enable" {
            remarks.push(format!(
                "The trigger {name} does not collect events: each is a call of its own"
            ));
        }
    }
    let kept = KEPT
        .iter()
        .filter(|(places, _)| places.iter().any(|place| asked(config, place)));
    remarks.extend(kept.map(|(_, remark)| (*remark).to_owned()));
    let is_gpu = |name: &String| name.ends_with("/gpu");
    if spec.resources.limits.keys().any(is_gpu) {
        remarks.push("GPUs are not given to workers".to_owned());
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::super::schema::Origin;
    use super::*;
    use serde_json::json;

    fn spec(value: Value) -> (Config, Spec) {
        let config = Config::read(&json!({"spec": value}), Origin::Json).expect("of the shape");
        let spec = config.spec().expect("readable");
        (config, spec)
    }

    #[test]
    fn the_workers_of_attached_triggers_are_slots() {
        let triggers = json!({"triggers": {"h": {"kind": "http", "numWorkers": 4}, "c": {"kind": "cron"},
            "k": {"kind": "nats", "numWorkers": 9}, "off": {"kind": "cron", "disabled": true}}});
        let (config, spec) = spec(triggers);
        assert_eq!(slots(&spec), 5);
        assert_eq!(no_effect(&config, &spec).len(), 1);
        assert_eq!((most_workers(&spec, 5), most_workers(&spec, 250)), (1, 3));
    }

    #[test]
    fn pages_of_other_origins_are_taken_as_the_trigger_says() {
        let of = |said: Value| {
            let (_, spec) = spec(json!({"triggers": {"web": {"kind": "http", "attributes": {"cors": said}}}}));
            spec.http().and_then(cors)
        };
        assert_eq!(of(json!({"allowOrigins": ["http://a"]})), None);
        assert_eq!(of(json!({"enabled": false})), None);
        let usual = of(json!({"enabled": true})).expect("a rule");
        assert_eq!(
            (usual.origins.as_slice(), usual.max_age_seconds),
            (["*".to_owned()].as_slice(), 5)
        );
        assert!(usual.allows_header("content-type") && !usual.allows_header("x-own"));
        let own = of(
            json!({"enabled": true, "allowOrigins": ["http://a"], "allowMethods": ["GET"],
            "allowHeaders": ["X-Own"], "exposeHeaders": ["X-Out"], "allowCredentials": true,
            "preflightMaxAgeSeconds": 60}),
        );
        let word = |word: &str| vec![word.to_owned()];
        let expect = Cors {
            origins: word("http://a"),
            methods: word("GET"),
            headers: word("X-Own"),
            exposed: word("X-Out"),
            credentials: true,
            max_age_seconds: 60,
        };
        assert_eq!(own, Some(expect));
    }

    #[test]
    fn what_is_only_kept_is_said_once_and_what_is_usual_is_not() {
        let said = |value: Value| {
            let (config, spec) = spec(value.clone());
            let remarks = no_effect(&config, &spec);
            assert!(remarks.len() < 2, "{value}: {remarks:?}");
            remarks.into_iter().next().unwrap_or_default()
        };
        let on_http = |attributes: Value| json!({"triggers": {"web": {"kind": "http", "attributes": attributes}}});
        for (value, begins) in [
            (json!({"readinessTimeoutSeconds": 60}), "readinessTimeoutSeconds has"),
            (json!({"readinessTimeoutSeconds": 120}), ""),
            (
                json!({"securityContext": {"runAsUser": 0, "runAsGroup": 1000}}),
                "securityContext has",
            ),
            (json!({"securityContext": {}}), ""),
            (json!({"envFrom": [{"secretRef": {"name": "x"}}]}), "envFrom"),
            (json!({"build": {"buildTimeoutSeconds": 60}}), "buildTimeoutSeconds has"),
            (json!({"build": {"noCache": true}}), "noCache has"),
            (json!({"build": {"noCache": false, "flags": [], "args": {}}}), ""),
            (
                json!({"build": {"flags": ["--squash"], "args": {"A": "b"}}}),
                "args and flags",
            ),
            (json!({"build": {"addedPaths": {"/a": "/b"}}}), "addedPaths"),
            (json!({"build": {"onbuildImage": "a/b:1"}}), "onbuildImage"),
            (
                json!({"platform": {"attributes": {"restartPolicy": {"name": "always"}}}}),
                "restartPolicy has",
            ),
            (
                json!({"platform": {"attributes": {"healthCheckInterval": "5s"}}}),
                "healthCheckInterval has",
            ),
            (
                json!({"platform": {"attributes": {"network": "n"}}}),
                "The function is on a network",
            ),
            (json!({"volumes": [{"volume": {}}]}), "Volumes"),
            (on_http(json!({"readBufferSize": 16384})), "The trigger web reads"),
            (on_http(json!({"cors": {"enabled": true}})), ""),
        ] {
            let remark = said(value.clone());
            assert!(
                remark.starts_with(begins) && remark.is_empty() == begins.is_empty(),
                "{value}: {remark}"
            );
        }
    }

    #[test]
    fn amounts_are_rounded_up_to_what_the_core_can_give() {
        assert_eq!(memory(&json!("128Mi")).expect("an amount").mib(), 128);
        assert_eq!(memory(&json!("1M")).expect("an amount").mib(), 32);
        assert_eq!(cpu(&json!("500m")).expect("an amount").millis(), 500);
        assert_eq!(cpu(&json!(2)).expect("an amount").millis(), 2000);
        assert!(memory(&json!("much")).is_err() && cpu(&json!({})).is_err());
    }

    #[test]
    fn shims_are_told_by_variables_that_the_functions_own_go_before() {
        let (_, spec) = spec(json!({"description": "d", "loggerSinks": [{"level": "info"}],
            "runtimeAttributes": {"arguments": "-a b", "responseHeaders": {"x": "y"}}}));
        let mut env = BTreeMap::from([("HOB_LOG_LEVEL".to_owned(), "error".to_owned())]);
        shim_variables(&spec, &mut env);
        assert_eq!(env["HOB_LOG_LEVEL"], "error");
        assert_eq!(env["HOB_ARGUMENTS"], "-a b");
        assert_eq!(env["HOB_RESPONSE_HEADERS"], r#"{"x":"y"}"#);
        assert_eq!(env["NUCLIO_FUNCTION_DESCRIPTION"], "d");
    }
}
