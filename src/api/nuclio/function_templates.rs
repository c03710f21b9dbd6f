//! Function templates: functions to begin with, one source file each, which lie beside the runtimes that they are for.
//!
//! Source: the contract's section 6. A template's configuration is in its comments, as in any source file.

use super::config::Config;
use super::fault::Fault;
use super::schema::Kind::{Any, Text};
use super::schema::{Field, filled};
use super::{Dashboard, Route, enrich, template, wire, yaml};
use crate::runtime::Family;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

/// Where a runtime's folder has them.
const FOLDER: &str = "samples/templates";
const FILTER: &str = "x-nuclio-filter-contains";
const RENDER: [Field; 2] = [filled("template", Text), filled("values", Any)];

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/function_templates", get(list)),
        (Method::POST, "/api/function_templates/render", post(render)),
    ]
}

async fn list(State(dashboard): State<Dashboard>, headers: HeaderMap) -> Result<Response, Fault> {
    let filter = wire::text(&headers, FILTER).unwrap_or_default();
    let mut all = Map::new();
    for family in dashboard.app.runtimes().families() {
        for (name, config) in of_family(family).await {
            let view = json!({"metadata": {"name": name}, "spec": config.spec});
            if name.contains(filter) || view.to_string().contains(filter) {
                all.insert(name, json!({"rendered": view}));
            }
        }
    }
    Ok(wire::ok(&Value::Object(all)))
}

/// What lies in a runtime's folder. A file that cannot be read, or says no configuration, is left out.
async fn of_family(family: &Family) -> Vec<(String, Config)> {
    let mut found = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(family.directory.join(FOLDER)).await else {
        return found;
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = file.strip_suffix(&family.manifest.extension) else {
            continue;
        };
        let Ok(source) = tokio::fs::read_to_string(entry.path()).await else {
            continue;
        };
        if let Ok(Some(config)) = yaml::inline(&source) {
            let config = completed(config, family, stem, &source);
            found.push((format!("{stem}:{}", family.manifest.name), config));
        }
    }
    found
}

fn completed(mut config: Config, family: &Family, stem: &str, source: &str) -> Config {
    if config.text("runtime").is_empty() {
        config.set("runtime", family.manifest.name.clone());
    }
    if config.text("handler").is_empty() {
        config.set("handler", format!("{stem}:handler"));
    }
    config.set_build("functionSourceCode", json!(BASE64.encode(source)));
    config
}

async fn render(body: Body) -> Result<Response, Fault> {
    let sent = wire::object(body, &RENDER).await?;
    let text = sent.get("template").and_then(Value::as_str).unwrap_or_default();
    let none = json!({});
    let filled = template::render(text, sent.get("values").unwrap_or(&none)).map_err(Fault::bad)?;
    let config = yaml::config(&filled).map_err(Fault::bad)?;
    Ok(wire::ok(&brief(config)))
}

/// Without what only says that nothing was said.
fn brief(config: Config) -> Value {
    let mut spec = config.spec;
    spec.retain(|key, value| !enrich::is_structure(key) || !super::schema::is_empty(value));
    let mut view = json!({"spec": spec});
    if config.metadata != Default::default() {
        view["metadata"] = json!(config.metadata);
    }
    view
}
