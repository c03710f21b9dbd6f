//! The resources as they are sent: every field is always there. Each comes in the form of the oldest root, and in that
//! of the newer ones, which add fields and rename some.
//!
//! Fills nothing in: each resource's own file does.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

type Environment = BTreeMap<String, String>;

/// A namespace, for the oldest root.
#[derive(Debug, Serialize)]
pub(super) struct Namespace {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) environment_variables: Environment,
    pub(super) organization_id: String,
    pub(super) status: &'static str,
    pub(super) registry_namespace_id: String,
    pub(super) error_message: Option<String>,
    pub(super) registry_endpoint: String,
    pub(super) description: String,
    pub(super) region: String,
}

/// What the newer roots add to a namespace.
#[derive(Debug, Serialize)]
pub(super) struct BetaNamespace {
    #[serde(flatten)]
    pub(super) old: Namespace,
    pub(super) project_id: String,
    pub(super) secret_environment_variables: Vec<Secret>,
    pub(super) tags: Vec<String>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) vpc_integration_activated: Option<bool>,
}

/// A secret, by which its owner can see whether it changed.
#[derive(Debug, Serialize)]
pub(super) struct Secret {
    pub(super) key: String,
    pub(super) hashed_value: String,
}

/// What functions and containers have in common, in every root.
#[derive(Debug, Serialize)]
pub(super) struct Application {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) namespace_id: String,
    pub(super) status: &'static str,
    pub(super) environment_variables: Environment,
    pub(super) min_scale: u16,
    pub(super) max_scale: u16,
    pub(super) memory_limit: u32,
    pub(super) cpu_limit: u32,
    pub(super) error_message: Option<String>,
    pub(super) privacy: &'static str,
    pub(super) description: String,
    pub(super) region: String,
}

/// What a function has and a container has not.
#[derive(Debug, Serialize)]
pub(super) struct OfFunction {
    pub(super) runtime: String,
    pub(super) handler: String,
}

/// What a container has and a function has not.
#[derive(Debug, Serialize)]
pub(super) struct OfContainer {
    pub(super) registry_image: String,
}

/// Either of them, for the oldest root.
#[derive(Debug, Serialize)]
pub(super) struct AlphaApplication<Own> {
    #[serde(flatten)]
    pub(super) common: Application,
    #[serde(flatten)]
    pub(super) own: Own,
    /// With its scheme.
    pub(super) endpoint: String,
    /// Unit: milliseconds.
    pub(super) timeout: u32,
}

/// Either of them, for the newer roots.
#[derive(Debug, Serialize)]
pub(super) struct BetaApplication<Own, More> {
    #[serde(flatten)]
    pub(super) common: Application,
    #[serde(flatten)]
    pub(super) own: Own,
    #[serde(flatten)]
    pub(super) more: More,
    /// Without a scheme.
    pub(super) domain_name: String,
    /// Seconds with an `s`.
    pub(super) timeout: String,
    pub(super) secret_environment_variables: Vec<Secret>,
    pub(super) http_option: String,
    pub(super) sandbox: String,
    pub(super) tags: Vec<String>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) ready_at: Option<String>,
    pub(super) private_network_id: Option<String>,
}

/// What the newer roots add to a function.
#[derive(Debug, Serialize)]
pub(super) struct MoreOfFunction {
    pub(super) build_message: Option<String>,
    pub(super) runtime_message: String,
}

/// What the newer roots add to a container.
#[derive(Debug, Serialize)]
pub(super) struct MoreOfContainer {
    pub(super) max_concurrency: u16,
    pub(super) protocol: &'static str,
    pub(super) port: u16,
    pub(super) local_storage_limit: u32,
    pub(super) scaling_option: Option<Value>,
    pub(super) health_check: Option<Value>,
    pub(super) command: Vec<String>,
    pub(super) args: Vec<String>,
}

/// A function on a schedule, for the oldest root.
#[derive(Debug, Serialize)]
pub(super) struct Cron {
    pub(super) id: String,
    pub(super) application_id: String,
    pub(super) schedule: String,
    pub(super) args: Value,
    pub(super) status: &'static str,
}

/// The same for the newer roots: one of the two ids is there.
#[derive(Debug, Serialize)]
pub(super) struct BetaCron {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container_id: Option<String>,
    pub(super) schedule: String,
    pub(super) args: Value,
    pub(super) status: &'static str,
    pub(super) name: String,
}

/// A line of what an application printed.
#[derive(Debug, Serialize)]
pub(super) struct LogLine {
    pub(super) message: String,
    pub(super) timestamp: String,
    pub(super) id: String,
}

/// Where to send or fetch a package.
#[derive(Debug, Serialize)]
pub(super) struct Address {
    pub(super) url: String,
    pub(super) headers: BTreeMap<&'static str, [String; 1]>,
}

/// A runtime, for the newer roots.
#[derive(Debug, Serialize)]
pub(super) struct Runtime {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) version: String,
    pub(super) default_handler: String,
    pub(super) code_sample: String,
    pub(super) status: &'static str,
    pub(super) status_message: String,
    pub(super) extension: String,
    pub(super) implementation: String,
    pub(super) logo_url: String,
}
