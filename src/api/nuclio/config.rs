//! A function's configuration: kept as its clients write it, and read by what has an effect here.

use super::config_shape;
use super::fault::Fault;
use super::schema::{self, Origin};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The label that says which project a function is of.
pub(super) const PROJECT: &str = "nuclio.io/project-name";
/// The project of what names none.
pub(super) const DEFAULT_PROJECT: &str = "default";
/// Says that the code is not built: what was built before serves.
pub(super) const SKIP_BUILD: &str = "skip-build";
/// Says that the function is taken in and not deployed.
pub(super) const SKIP_DEPLOY: &str = "skip-deploy";

/// A configuration, in the form that reading its shape gives it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) metadata: Metadata,
    pub(super) spec: Map<String, Value>,
}

/// What a thing is called and marked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource_version: String,
}

impl Metadata {
    /// An annotation that says yes.
    fn says(&self, annotation: &str) -> bool {
        let value = self.annotations.get(annotation).map(String::as_str);
        matches!(value, Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
    }
}

impl Config {
    /// Reads what somebody sent.
    ///
    /// # Errors
    /// A sentence that names the key whose value is of another kind.
    pub(super) fn read(value: &Value, origin: Origin) -> Result<Self, String> {
        let shaped = schema::read(value, &config_shape::FUNCTION, origin)?;
        serde_json::from_value(Value::Object(shaped)).map_err(|e| e.to_string())
    }

    /// As JSON: metadata and spec.
    pub(super) fn value(&self) -> Value {
        json!({"metadata": self.metadata, "spec": self.spec})
    }

    /// The parts of the spec that have an effect here.
    ///
    /// # Errors
    /// 400 for a value that no shape holds back: an attribute of another type.
    pub(super) fn spec(&self) -> Result<Spec, Fault> {
        serde_json::from_value(Value::Object(self.spec.clone())).map_err(|e| Fault::bad(format!("json: {e}")))
    }

    /// A text of the spec; empty when it is not there.
    pub(super) fn text(&self, key: &str) -> &str {
        self.spec.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text of the spec's `build`; empty when it is not there.
    pub(super) fn build_text(&self, key: &str) -> &str {
        let build = self.spec.get("build");
        build
            .and_then(|b| b.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Writes a key of the spec's `build`; what is empty goes.
    pub(super) fn set_build(&mut self, key: &str, value: Value) {
        let build = self.spec.entry("build").or_insert_with(|| json!({}));
        let Some(build) = build.as_object_mut() else { return };
        match schema::is_empty(&value) {
            true => build.remove(key),
            false => build.insert(key.to_owned(), value),
        };
    }

    /// Writes a key of the spec.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.spec.insert(key.to_owned(), value.into());
    }

    /// Its project.
    pub(super) fn project(&self) -> &str {
        let project = self.metadata.labels.get(PROJECT).map(String::as_str);
        project.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_PROJECT)
    }

    /// Whether it is taken in and not deployed.
    pub(super) fn skips_deploy(&self) -> bool {
        self.metadata.says(SKIP_DEPLOY)
    }

    /// Whether what was built before serves.
    pub(super) fn skips_build(&self) -> bool {
        self.metadata.says(SKIP_BUILD) || self.build_text("mode") == "neverBuild"
    }

    /// Forgets the words that were about one deploy only.
    pub(super) fn forget_orders(&mut self) {
        self.metadata.annotations.remove(SKIP_BUILD);
        self.metadata.annotations.remove(SKIP_DEPLOY);
        self.set_build("mode", Value::Null);
    }
}

/// What of a spec has an effect here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) description: String,
    pub(super) disable: bool,
    pub(super) handler: String,
    pub(super) runtime: String,
    pub(super) env: Vec<Variable>,
    pub(super) image: String,
    pub(super) resources: Resources,
    pub(super) replicas: Option<i64>,
    pub(super) min_replicas: Option<i64>,
    pub(super) max_replicas: Option<i64>,
    pub(super) triggers: BTreeMap<String, Trigger>,
    pub(super) build: Build,
    pub(super) runtime_attributes: Map<String, Value>,
    pub(super) logger_sinks: Vec<Sink>,
    pub(super) event_timeout: String,
    #[serde(rename = "disableDefaultHTTPTrigger")]
    pub(super) no_default_http: bool,
}

/// An environment variable.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) value_from: Option<Value>,
}

/// What a function may use, by the names of resources.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub(super) limits: Map<String, Value>,
}

/// Where log lines go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sink {
    pub(super) level: String,
}

/// What causes events.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Trigger {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) disabled: bool,
    pub(super) num_workers: i64,
    pub(super) worker_availability_timeout_milliseconds: Option<i64>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) attributes: Map<String, Value>,
}

impl Trigger {
    /// Whether it is a server's.
    pub(super) fn is_http(&self) -> bool {
        self.kind == "http"
    }

    /// Whether it goes by the clock.
    pub(super) fn is_cron(&self) -> bool {
        self.kind == "cron"
    }
}

/// Where code comes from, and what is done with it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Build {
    pub(super) path: String,
    pub(super) function_source_code: String,
    pub(super) function_config_path: String,
    pub(super) image: String,
    pub(super) base_image: String,
    pub(super) commands: Vec<String>,
    pub(super) directives: Directives,
    pub(super) code_entry_type: String,
    pub(super) code_entry_attributes: Map<String, Value>,
    pub(super) mode: String,
}

/// Steps of a build, before and after the code is there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Directives {
    pub(super) pre_copy: Vec<Directive>,
    pub(super) post_copy: Vec<Directive>,
}

/// One step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Directive {
    pub(super) kind: String,
    pub(super) value: String,
}

impl Spec {
    /// The trigger that is a server's, if there is one.
    pub(super) fn http(&self) -> Option<&Trigger> {
        self.triggers.values().find(|t| t.is_http() && !t.disabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(value: Value) -> Config {
        Config::read(&value, Origin::Json).expect("a configuration")
    }

    #[test]
    fn what_is_shown_can_be_sent_back_and_is_the_same() {
        let sent = json!({"apiVersion": "nuclio.io/v1", "kind": "Function", "status": {"state": "ready"},
            "metadata": {"name": "f", "annotations": {"a": "b"}, "labels": {}},
            "spec": {"runtime": "x", "avatar": "data", "minReplicas": 0, "triggers": {"t": {"kind": "cron"}},
                     "build": {"codeEntryAttributes": {"headers": null, "workDir": ""}}}});
        let read = config(sent);
        assert_eq!(
            read.value(),
            json!({"metadata": {"name": "f", "annotations": {"a": "b"}},
                "spec": {"runtime": "x", "minReplicas": 0, "resources": {}, "platform": {}, "eventTimeout": "",
                         "triggers": {"t": {"kind": "cron", "class": "", "name": ""}},
                         "build": {"codeEntryAttributes": {"headers": null, "workDir": ""}}}})
        );
        assert_eq!(config(read.value()), read);
    }

    #[test]
    fn a_value_of_another_type_is_refused_by_its_path() {
        let error = Config::read(&json!({"spec": {"env": [{"name": "A", "value": 1}]}}), Origin::Json);
        let said = "json: cannot unmarshal number into Go struct field spec.env.value of type string";
        assert_eq!(error, Err(said.to_owned()));
    }

    #[test]
    fn words_about_one_deploy_are_read_and_forgotten() {
        let mut read = config(
            json!({"metadata": {"annotations": {"skip-build": "true", "skip-deploy": "false", "a": "b"}},
                                 "spec": {"build": {"mode": "neverBuild"}}}),
        );
        assert!(read.skips_build() && !read.skips_deploy());
        read.forget_orders();
        assert!(!read.skips_build());
        assert_eq!(read.metadata.annotations.len(), 1);
    }
}
