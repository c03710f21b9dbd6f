//! Fills in what a configuration leaves open, as upstream does before it stores one. Pure.
//!
//! Source: the contract's section 10.5. Other than upstream: a runtime keeps the version that was, or was not, asked
//! for, because which version is meant is the runtimes' to say.

use super::config::{Config, DEFAULT_PROJECT, PROJECT};
use super::schema::is_empty;
use serde_json::{Map, Value, json};

/// The trigger that a function gets without asking.
const DEFAULT_HTTP: &str = "default-http";
/// Triggers that read streams with acknowledgements.
const STREAMS: [&str; 2] = ["kafka-cluster", "v3ioStream"];

/// What is always shown, be there anything in it or not.
const STRUCTURES: [&str; 4] = ["resources", "build", "platform", "eventTimeout"];

/// Whether a key of the spec is always shown.
pub(super) fn is_structure(key: &str) -> bool {
    STRUCTURES.contains(&key)
}

/// Fills in what is open; done twice, it is as done once.
pub(super) fn enrich(config: &mut Config) {
    let project = config.metadata.labels.entry(PROJECT.to_owned()).or_default();
    if project.is_empty() {
        DEFAULT_PROJECT.clone_into(project);
    }
    let spec = &mut config.spec;
    mirror(spec, "minReplicas", "maxReplicas");
    for key in ["resources", "build", "platform", "securityContext"] {
        spec.entry(key).or_insert_with(|| json!({}));
    }
    spec.entry("eventTimeout").or_insert_with(|| json!(""));
    spec.entry("disableDefaultHTTPTrigger").or_insert(json!(false));
    triggers(spec);
    volumes(spec);
    requests(spec);
    if config.build_text("codeEntryType").is_empty() && !config.build_text("functionSourceCode").is_empty() {
        config.set_build("codeEntryType", json!("sourceCode"));
    }
}

/// Each of two values stands for the other where that is missing.
fn mirror(fields: &mut Map<String, Value>, one: &str, other: &str) {
    match (fields.get(one).cloned(), fields.get(other).cloned()) {
        (Some(value), None) => fields.insert(other.to_owned(), value),
        (None, Some(value)) => fields.insert(one.to_owned(), value),
        _ => None,
    };
}

fn triggers(spec: &mut Map<String, Value>) {
    let wants_no_default = spec.get("disableDefaultHTTPTrigger") == Some(&json!(true));
    let triggers = spec.entry("triggers").or_insert_with(|| json!({}));
    let Some(triggers) = triggers.as_object_mut() else {
        return;
    };
    let has_http = triggers.values().any(|t| t["kind"] == "http");
    if !has_http && !wants_no_default {
        let default = json!({"class": "", "kind": "http", "name": DEFAULT_HTTP, "numWorkers": 1});
        triggers.insert(DEFAULT_HTTP.to_owned(), default);
    }
    for (key, trigger) in triggers.iter_mut() {
        if let Some(trigger) = trigger.as_object_mut() {
            enrich_trigger(key, trigger);
        }
    }
    if triggers.is_empty() {
        spec.remove("triggers");
    }
}

fn enrich_trigger(key: &str, trigger: &mut Map<String, Value>) {
    let kind = trigger
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if trigger.get("name").is_none_or(is_empty) {
        trigger.insert("name".to_owned(), json!(key));
    }
    if trigger.get("numWorkers").is_none_or(is_empty) {
        let most = trigger.get("maxWorkers").cloned();
        let one = (kind == "http" || kind == "v3ioStream").then(|| json!(1));
        if let Some(workers) = most.or(one) {
            trigger.insert("numWorkers".to_owned(), workers);
        }
    }
    if let Some(batch) = trigger.get_mut("batch").and_then(Value::as_object_mut)
        && batch.get("mode") == Some(&json!("enable"))
    {
        batch.entry("batchSize").or_insert(json!(10));
        batch.entry("timeout").or_insert(json!("1s"));
    }
    if STREAMS.contains(&kind.as_str()) {
        trigger.entry("explicitAckMode").or_insert(json!("disable"));
        trigger.entry("workerTerminationTimeout").or_insert(json!("10s"));
    }
}

/// A volume and its mount have one name.
fn volumes(spec: &mut Map<String, Value>) {
    let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut);
    for entry in volumes.into_iter().flatten().filter_map(Value::as_object_mut) {
        let name = |entry: &Map<String, Value>, part: &str| entry.get(part).and_then(|p| p.get("name")).cloned();
        let found = name(entry, "volume").or_else(|| name(entry, "volumeMount"));
        let Some(found) = found else { continue };
        for part in ["volume", "volumeMount"] {
            if let Some(part) = entry.get_mut(part).and_then(Value::as_object_mut) {
                part.entry("name").or_insert_with(|| found.clone());
            }
        }
    }
}

/// What a function asks for at least.
fn requests(spec: &mut Map<String, Value>) {
    let resources = spec.entry("resources").or_insert_with(|| json!({}));
    let Some(resources) = resources.as_object_mut() else {
        return;
    };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    let Some(requests) = requests.as_object_mut() else {
        return;
    };
    for (name, least) in [("cpu", "25m"), ("memory", "1Mi")] {
        if requests.get(name).is_none_or(|v| is_empty(v) || v == "0") {
            requests.insert(name.to_owned(), json!(least));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Origin;
    use super::*;

    fn enriched(spec: Value) -> Config {
        let mut config = Config::read(&json!({"spec": spec}), Origin::Json).expect("a configuration");
        enrich(&mut config);
        let once = config.clone();
        enrich(&mut config);
        assert_eq!(config, once);
        config
    }

    #[test]
    fn a_function_gets_a_project_a_server_and_the_least_it_asks_for() {
        let config = enriched(json!({"build": {"functionSourceCode": "eA=="}}));
        assert_eq!(config.project(), "default");
        let spec = Value::Object(config.spec);
        assert_eq!(
            spec["triggers"],
            json!({"default-http": {"class": "", "kind": "http", "name": "default-http", "numWorkers": 1}})
        );
        assert_eq!(spec["resources"], json!({"requests": {"cpu": "25m", "memory": "1Mi"}}));
        assert_eq!(spec["build"]["codeEntryType"], "sourceCode");
        assert_eq!(
            (&spec["disableDefaultHTTPTrigger"], &spec["securityContext"]),
            (&json!(false), &json!({}))
        );
    }

    #[test]
    fn triggers_get_their_key_as_name_and_the_old_word_for_workers_counts() {
        let config = enriched(json!({"triggers": {
            "http": {"kind": "http", "maxWorkers": 4}, "c1": {"kind": "cron"},
            "k": {"kind": "kafka-cluster", "batch": {"mode": "enable"}}}}));
        let triggers = &config.spec["triggers"];
        assert_eq!(triggers.as_object().map(Map::len), Some(3), "no second server");
        assert_eq!(
            (&triggers["http"]["name"], &triggers["http"]["numWorkers"]),
            (&json!("http"), &json!(4))
        );
        assert!(triggers["c1"].get("numWorkers").is_none());
        assert_eq!(
            triggers["k"]["batch"],
            json!({"mode": "enable", "batchSize": 10, "timeout": "1s"})
        );
        assert_eq!(triggers["k"]["explicitAckMode"], "disable");
    }

    #[test]
    fn who_wants_no_server_gets_none_and_one_bound_stands_for_both() {
        let config = enriched(json!({"disableDefaultHTTPTrigger": true, "maxReplicas": 3}));
        assert!(!config.spec.contains_key("triggers"));
        assert_eq!(config.spec["minReplicas"], 3);
    }

    #[test]
    fn a_volume_and_its_mount_have_one_name() {
        let config = enriched(json!({"volumes": [{"volume": {"name": "v"}, "volumeMount": {"mountPath": "/x"}}]}));
        assert_eq!(config.spec["volumes"][0]["volumeMount"]["name"], "v");
    }
}
