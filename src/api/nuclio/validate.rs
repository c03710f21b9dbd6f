//! Refuses what upstream refuses of a configuration, in its order and its words. Pure.
//!
//! Source: the contract's section 10.5. Whether the project is there is asked elsewhere.

use super::config::{Config, Spec, Trigger};
use super::fault::Fault;
use super::{cron, names};
use crate::domain::notation;
use crate::engine::is_image_name;
use serde_json::Value;
use std::collections::BTreeMap;

/// Workers of one trigger.
const MOST_WORKERS: i64 = 100_000;

/// Checks a configuration that was enriched.
///
/// # Errors
/// 400, 412 for a name that is reserved.
pub(super) fn validate(config: &Config) -> Result<Spec, Fault> {
    names::check_function(&config.metadata.name)?;
    let spec = config.spec()?;
    images(config, &spec)?;
    triggers(config, &spec)?;
    replicas(&spec)?;
    node_selector(config)?;
    handler(&spec)?;
    volumes(config)?;
    scale(config, &spec)?;
    event_timeout(&spec)?;
    Ok(spec)
}

fn images(config: &Config, spec: &Spec) -> Result<(), Fault> {
    let fields = [
        ("Spec.Image", spec.image.as_str()),
        ("Spec.RunRegistry", config.text("runRegistry")),
        ("Spec.Build.Image", &spec.build.image),
        ("Spec.Build.OnbuildImage", config.build_text("onbuildImage")),
        ("Spec.Build.Registry", config.build_text("registry")),
        ("Spec.Build.BaseImage", &spec.build.base_image),
        ("Spec.Build.BaseImageRegistry", config.build_text("baseImageRegistry")),
    ];
    let wrong = fields
        .into_iter()
        .find(|(_, name)| !name.is_empty() && !is_image_name(name));
    wrong.map_or(Ok(()), |(field, _)| Err(Fault::bad(format!("Invalid {field} passed"))))
}

fn triggers(config: &Config, spec: &Spec) -> Result<(), Fault> {
    for (key, trigger) in &spec.triggers {
        ingresses(key, trigger)?;
        batch(config, key)?;
        if key.is_empty() {
            return Err(Fault::bad("Trigger key can not be empty"));
        }
        if trigger.name != *key {
            let name = &trigger.name;
            return Err(Fault::bad(format!("Trigger key and name mismatch ({key} != {name})")));
        }
        if trigger.num_workers > MOST_WORKERS {
            let workers = trigger.num_workers;
            return Err(Fault::bad(format!(
                "NumWorkers value for {key} trigger ({workers}) exceeds the limit of {MOST_WORKERS}"
            )));
        }
        if trigger.is_cron() && !trigger.disabled {
            cron::check(trigger)?;
        }
    }
    if spec.triggers.values().filter(|t| t.is_http()).count() > 1 {
        return Err(Fault::bad("There's more than one http trigger (unsupported)"));
    }
    Ok(())
}

fn ingresses(key: &str, trigger: &Trigger) -> Result<(), Fault> {
    let Some(ingresses) = trigger.attributes.get("ingresses").filter(|v| !v.is_null()) else {
        return Ok(());
    };
    let map = ingresses.as_object().ok_or_else(|| {
        Fault::bad(format!(
            "Malformed structure for ingresses in trigger '{key}' (expects a map)"
        ))
    })?;
    match map.iter().find(|(_, ingress)| !ingress.is_object()) {
        Some((name, _)) => Err(Fault::bad(format!(
            "Malformed structure for ingress '{name}' in trigger '{key}'"
        ))),
        None => Ok(()),
    }
}

fn batch(config: &Config, key: &str) -> Result<(), Fault> {
    let batch = &config.spec["triggers"][key]["batch"];
    if batch["mode"] != "enable" {
        return Ok(());
    }
    if batch["batchSize"].as_i64().is_some_and(|size| size < 1) {
        return Err(Fault::bad("Batch size should be 1 or higher"));
    }
    let timeout = batch["timeout"].as_str().unwrap_or("1s");
    match notation::duration(timeout) {
        Some(_) => Ok(()),
        None => Err(Fault::bad(format!(
            "Batching timeout validation failed. Error: time: invalid duration \"{timeout}\""
        ))),
    }
}

fn replicas(spec: &Spec) -> Result<(), Fault> {
    match (spec.min_replicas, spec.max_replicas) {
        (Some(0), None) => Err(Fault::bad("Max replicas must be set when min replicas is zero")),
        (_, Some(most)) if most <= 0 => Err(Fault::bad("Max replicas must be greater than zero")),
        (Some(least), Some(most)) if least > most => {
            Err(Fault::bad("Min replicas must be less than or equal to max replicas"))
        }
        _ => Ok(()),
    }
}

fn node_selector(config: &Config) -> Result<(), Fault> {
    let selector = config.spec.get("nodeSelector").and_then(Value::as_object);
    let values = selector.into_iter().flatten().filter_map(|(_, value)| value.as_str());
    for value in values.filter(|value| !value.is_empty()) {
        let errors = names::qualified_errors(value);
        if !errors.is_empty() {
            return Err(Fault::bad(format!("Invalid value: {}", errors.join(", "))));
        }
    }
    Ok(())
}

fn handler(spec: &Spec) -> Result<(), Fault> {
    match spec.handler.matches(':').count() {
        0 | 1 => Ok(()),
        _ => Err(Fault::bad(format!("Invalid handler name {}", spec.handler))),
    }
}

fn volumes(config: &Config) -> Result<(), Fault> {
    let mut seen: BTreeMap<&str, &Value> = BTreeMap::new();
    let volumes = config.spec.get("volumes").and_then(Value::as_array);
    for entry in volumes.into_iter().flatten() {
        let name = |part: &str| entry[part]["name"].as_str().filter(|name| !name.is_empty());
        let mount = name("volumeMount").ok_or_else(|| Fault::bad("Volume mount name is missing"))?;
        let volume = name("volume").ok_or_else(|| Fault::bad("Volume name is missing"))?;
        if mount != volume {
            return Err(Fault::bad("Volume and volume mount must have the same name"));
        }
        if seen
            .insert(volume, &entry["volume"])
            .is_some_and(|before| *before != entry["volume"])
        {
            return Err(Fault::bad(format!(
                "Volumes sharing the same volume mount '{volume}' must having the same configuration"
            )));
        }
    }
    Ok(())
}

fn scale(config: &Config, spec: &Spec) -> Result<(), Fault> {
    let scales_to_zero = spec.min_replicas == Some(0) && config.spec.contains_key("scaleToZero");
    if scales_to_zero && spec.http().is_none() {
        return Err(Fault::refused(
            "Function can not be scaling to zero without http trigger. Either enable default http trigger creation or create custom http trigger",
        ));
    }
    Ok(())
}

fn event_timeout(spec: &Spec) -> Result<(), Fault> {
    let text = &spec.event_timeout;
    match text.is_empty() || notation::duration(text).is_some() {
        true => Ok(()),
        false => Err(Fault::bad(format!("time: invalid duration \"{text}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::enrich::enrich;
    use super::super::schema::Origin;
    use super::*;
    use serde_json::json;

    fn refusal(spec: Value) -> String {
        let sent = json!({"metadata": {"name": "f"}, "spec": spec});
        let mut config = Config::read(&sent, Origin::Json).expect("of the shape");
        enrich(&mut config);
        validate(&config).err().map(|fault| fault.message).unwrap_or_default()
    }

    #[test]
    fn what_upstream_refuses_is_refused_in_its_words() {
        for (spec, said) in [
            (json!({}), ""),
            (json!({"image": "x; rm -rf /"}), "Invalid Spec.Image passed"),
            (
                json!({"build": {"onbuildImage": "$(x)"}}),
                "Invalid Spec.Build.OnbuildImage passed",
            ),
            (
                json!({"triggers": {"t": {"kind": "http", "attributes": {"ingresses": []}}}}),
                "Malformed structure for ingresses in trigger 't' (expects a map)",
            ),
            (
                json!({"triggers": {"t": {"kind": "http", "name": "u"}}}),
                "Trigger key and name mismatch (t != u)",
            ),
            (
                json!({"triggers": {"a": {"kind": "http"}, "b": {"kind": "http"}}}),
                "There's more than one http trigger (unsupported)",
            ),
            (
                json!({"triggers": {"t": {"kind": "http", "numWorkers": 100_001}}}),
                "NumWorkers value for t trigger (100001) exceeds the limit of 100000",
            ),
            (
                json!({"triggers": {"t": {"kind": "x", "batch": {"mode": "enable", "timeout": "soon"}}}}),
                "Batching timeout validation failed. Error: time: invalid duration \"soon\"",
            ),
            (
                json!({"minReplicas": 3, "maxReplicas": 2}),
                "Min replicas must be less than or equal to max replicas",
            ),
            (json!({"maxReplicas": 0}), "Max replicas must be greater than zero"),
            (json!({"handler": "a:b:c"}), "Invalid handler name a:b:c"),
            (json!({"volumes": [{"volume": {}}]}), "Volume mount name is missing"),
            (
                json!({"volumes": [{"volume": {"name": "a"}, "volumeMount": {"name": "b"}}]}),
                "Volume and volume mount must have the same name",
            ),
            (json!({"eventTimeout": "30"}), "time: invalid duration \"30\""),
            (
                json!({"triggers": {"c": {"kind": "cron"}}}),
                "Cron trigger configuration must contain either interval or schedule",
            ),
        ] {
            assert_eq!(refusal(spec.clone()), said, "{spec}");
        }
    }
}
