//! What the web interface and other clients ask about the server itself.
//!
//! Source: the contract's section 9.

use super::caller::Caller;
use super::fault::Fault;
use super::{Route, wire};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use serde_json::{Value, json};

/// The version of upstream's API that this is. Clients read it as a semantic version.
const LABEL: &str = "1.14.1";
/// How people join an address: with a function's port behind it.
const EXTERNAL_ADDRESS: &str = "localhost";

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/versions", get(versions)),
        (Method::GET, "/api/namespaces", get(namespaces)),
        (Method::GET, "/api/external_ip_addresses", get(addresses)),
        (Method::GET, "/api/frontend_spec", get(frontend)),
    ]
}

async fn versions() -> Response {
    let commit = concat!("hob-", env!("CARGO_PKG_VERSION"));
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    wire::ok(&json!({"dashboard": {"label": LABEL, "gitCommit": commit, "os": std::env::consts::OS, "arch": arch}}))
}

async fn namespaces(caller: Caller) -> Result<Response, Fault> {
    let namespace = caller.namespace(None)?;
    Ok(wire::ok(&json!({"namespaces": {"names": [namespace.as_str()]}})))
}

async fn addresses() -> Response {
    wire::ok(&json!({"externalIPAddresses": {"addresses": [EXTERNAL_ADDRESS]}}))
}

async fn frontend(caller: Caller) -> Result<Response, Fault> {
    let namespace = caller.namespace(None)?;
    Ok(wire::ok(&frontend_spec(namespace.as_str())))
}

fn frontend_spec(namespace: &str) -> Value {
    json!({
        "externalIPAddresses": [EXTERNAL_ADDRESS],
        "namespace": namespace,
        "defaultHTTPIngressHostTemplate": "",
        "imageNamePrefixTemplate": "",
        "scaleToZero": {"mode": "disabled", "inactivityWindowPresets": null, "scaleResources": null},
        "defaultFunctionConfig": default_config(),
        "platformKind": "local",
        "allowedAuthenticationModes": ["none", "basicAuth", "accessKey"],
        "validFunctionPriorityClassNames": null,
        "defaultFunctionPodResources": {"requests": {}, "limits": {}},
        "autoScaleMetrics": {
            "customMetricsEnabled": false,
            "metricPresets": metric_presets(),
            "windowSizePresets": ["1m", "2m", "5m", "10m", "30m"],
        },
        "disableDefaultHttpTrigger": false,
        "logsScreenEnabled": false,
    })
}

fn default_config() -> Value {
    let trigger = |kind: &str, name: &str| json!({"class": "", "kind": kind, "name": name, "workerAvailabilityTimeoutMilliseconds": 10_000});
    let mut server = trigger("", "");
    server["attributes"] = json!({"serviceType": "ClusterIP"});
    let mut default_server = trigger("http", "default-http");
    default_server["attributes"] = json!({"serviceType": "ClusterIP"});
    default_server["numWorkers"] = json!(1);
    json!({"attributes": {"metadata": {}, "spec": {
        "resources": {},
        "minReplicas": 1,
        "maxReplicas": 1,
        "targetCPU": 75,
        "triggers": {"cron": trigger("", ""), "default-http": default_server, "http": server},
        "build": {},
        "platform": {},
        "readinessTimeoutSeconds": 120,
        "eventTimeout": "",
    }}})
}

fn metric_presets() -> Value {
    let presets = [
        ("cpu", "Resource", "percentage"),
        ("memory", "Resource", "percentage"),
        ("gpu", "Pods", "percentage"),
        (
            "nuclio_processor_stream_high_water_mark_processed_lag",
            "External",
            "int",
        ),
        (
            "nuclio_processor_stream_high_water_mark_committed_lag",
            "External",
            "int",
        ),
        ("nuclio_processor_worker_pending_allocation_current", "External", "int"),
        (
            "nuclio_processor_worker_allocation_wait_duration_ms_sum",
            "External",
            "int",
        ),
    ];
    let preset =
        |(name, source, shown)| json!({"metricName": name, "sourceType": source, "displayType": shown, "threshold": 0});
    presets.into_iter().map(preset).collect()
}
