//! Projects: names under which functions are kept together. Export and import are `project_transfer`'s.
//!
//! Source: the contract's section 4. Other than upstream: making a project twice is refused, and deleting one with its
//! functions really deletes these.

use super::caller::Caller;
use super::config::{DEFAULT_PROJECT, Metadata};
use super::config_shape::METADATA;
use super::fault::Fault;
use super::functions::{PROJECT_NAME, delete_found};
use super::note::{self, DIALECT, document};
use super::schema::Kind::{Object, Text, TextMap};
use super::schema::{Field, always, filled};
use super::{Dashboard, Route, api_gateways, names, project_transfer, wire};
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::Namespace;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const KIND: &str = "project";
const NAMESPACE: &str = "x-nuclio-project-namespace";

/// What is sent of a project.
pub(super) const PROJECT: [Field; 2] = [always("metadata", Object(&METADATA)), always("spec", Object(&SPEC))];
const SPEC: [Field; 3] = [
    filled("description", Text),
    filled("owner", Text),
    filled("defaultFunctionNodeSelector", TextMap),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/projects", get(list)),
        (Method::POST, "/api/projects", post(create)),
        (Method::PUT, "/api/projects", put(update_by_body)),
        (Method::DELETE, "/api/projects", delete(remove)),
        (Method::GET, "/api/projects/{name}", get(show)),
        (Method::PUT, "/api/projects/{name}", put(update)),
    ]
}

/// A project as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Project {
    pub(super) metadata: Metadata,
    pub(super) spec: Map<String, Value>,
    /// Unit: UTC milliseconds.
    updated_at_ms: i64,
}

impl Project {
    /// Reads what somebody sent.
    ///
    /// # Errors
    /// 400 for another shape.
    pub(super) fn read(value: &Value) -> Result<Self, Fault> {
        let shaped = super::schema::read(value, &PROJECT, super::schema::Origin::Json).map_err(Fault::bad)?;
        serde_json::from_value(Value::Object(shaped)).map_err(|e| Fault::bad(e.to_string()))
    }

    fn view(&self) -> Value {
        json!({"metadata": self.metadata, "spec": self.spec, "status": {}})
    }

    /// As it is exported: without its namespace.
    pub(super) fn export(&self) -> Value {
        let mut project = self.clone();
        project.metadata.namespace.clear();
        project.metadata.resource_version.clear();
        project.view()
    }

    /// Checks it on its way in.
    ///
    /// # Errors
    /// 400 for a name or a label that is none.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let name = &self.metadata.name;
        if name.is_empty() {
            return Err(Fault::bad("Project name must be provided in metadata"));
        }
        let errors = names::label_errors(name);
        if !errors.is_empty() {
            let errors = errors.join(", ");
            return Err(Fault::bad(format!(
                "Project name must adhere to Kubernetes naming conventions. Errors: {errors}"
            )));
        }
        check_labels(&self.metadata)
    }
}

/// Keys of labels may have a prefix; values may be empty.
fn check_labels(metadata: &Metadata) -> Result<(), Fault> {
    for (key, value) in &metadata.labels {
        let errors = names::qualified_errors(key.rsplit('/').next().unwrap_or(key));
        let errors = match value.as_str() {
            "" => errors,
            value => [errors, names::qualified_errors(value)].concat(),
        };
        if !errors.is_empty() {
            let errors = errors.join(", ");
            return Err(Fault::bad(format!("Project labels must be valid. Errors: {errors}")));
        }
    }
    Ok(())
}

/// The project of that name, if there is one. The default one is always there.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn find(app: &App, namespace: &Namespace, name: &str) -> Result<Option<Project>, Fault> {
    if let Some(text) = app.document(document(KIND, namespace, name)).await? {
        return Ok(Some(kept::read(KIND, &text)?));
    }
    Ok((name == DEFAULT_PROJECT).then(|| default_project(namespace)))
}

fn default_project(namespace: &Namespace) -> Project {
    let metadata = Metadata {
        name: DEFAULT_PROJECT.to_owned(),
        namespace: namespace.to_string(),
        ..Metadata::default()
    };
    Project {
        metadata,
        ..Project::default()
    }
}

/// # Errors
/// 412 when there is no such project.
pub(super) async fn must_exist(app: &App, namespace: &Namespace, name: &str) -> Result<(), Fault> {
    match find(app, namespace, name).await? {
        Some(_) => Ok(()),
        None => Err(Fault::unmet("Project does not exist")),
    }
}

/// Projects of a namespace. Order: by name.
async fn all(app: &App, namespace: &Namespace) -> Result<Vec<Project>, Fault> {
    let prefix = format!("{namespace}/");
    let documents = app.list_documents(DIALECT, KIND).await?;
    let own = documents.iter().filter(|(key, _)| key.starts_with(&prefix));
    let mut all = own
        .map(|(_, text)| kept::read(KIND, text))
        .collect::<Result<Vec<Project>, _>>()?;
    if all.iter().all(|project| project.metadata.name != DEFAULT_PROJECT) {
        all.push(default_project(namespace));
    }
    Ok(all)
}

/// Writes a project that is not there yet.
///
/// # Errors
/// 409 when it is.
pub(super) async fn make(app: &App, namespace: &Namespace, mut project: Project) -> Result<Project, Fault> {
    project.check()?;
    project.metadata.namespace = namespace.to_string();
    project.updated_at_ms = app.now().as_millis();
    let name = &project.metadata.name;
    let taken = || Fault::conflict(format!("Project {name} already exists"));
    let key = document(KIND, namespace, name);
    let is_new = name != DEFAULT_PROJECT && app.put_document_if_absent(key, kept::write(KIND, &project)?).await?;
    is_new.then(|| project.clone()).ok_or_else(taken)
}

async fn list(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let mut all = all(&dashboard.app, &namespace).await?;
    if let Some(name) = wire::text(&headers, PROJECT_NAME) {
        all.retain(|project| project.metadata.name == name);
    }
    let mut views = Map::new();
    for project in &all {
        let view = view(&dashboard.app, &namespace, project, query.as_deref()).await?;
        views.insert(project.metadata.name.clone(), view);
    }
    Ok(wire::ok(&Value::Object(views)))
}

async fn show(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let project = find(&dashboard.app, &namespace, &name).await?;
    let project = project.ok_or_else(|| Fault::not_found("Project not found"))?;
    Ok(wire::ok(
        &view(&dashboard.app, &namespace, &project, query.as_deref()).await?,
    ))
}

async fn view(app: &App, namespace: &Namespace, project: &Project, query: Option<&str>) -> Result<Value, Fault> {
    match wire::yes_or_no(query, "export") {
        Some(true) => project_transfer::export(app, namespace, project).await,
        _ => Ok(project.view()),
    }
}

async fn create(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Fault> {
    let sent = wire::value(body).await?;
    if wire::yes_or_no(query.as_deref(), "import") == Some(true) {
        let result = project_transfer::import(&dashboard, &caller, &sent).await?;
        return Ok(wire::answer(StatusCode::CREATED, &result));
    }
    let project = Project::read(&sent)?;
    let namespace = caller.namespace(Some(&project.metadata.namespace))?;
    let made = make(&dashboard.app, &namespace, project).await?;
    Ok(wire::answer(StatusCode::CREATED, &made.view()))
}

async fn update(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Fault> {
    let project = Project::read(&wire::value(body).await?)?;
    project.check()?;
    if project.metadata.name != name {
        return Err(Fault::bad("Project name is different from request id"));
    }
    put_project(&dashboard.app, &caller, project).await?;
    Ok(wire::empty(StatusCode::NO_CONTENT))
}

/// The old form of the address, which says in its answer what the new one is.
async fn update_by_body(State(dashboard): State<Dashboard>, caller: Caller, body: Body) -> Result<Response, Fault> {
    let project = Project::read(&wire::value(body).await?)?;
    project.check()?;
    let link = format!("</api/projects/{}>; rel=\"alternate\"", project.metadata.name);
    put_project(&dashboard.app, &caller, project).await?;
    let mut response = wire::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert("deprecation", HeaderValue::from_static("true"));
    if let Ok(link) = HeaderValue::try_from(link) {
        headers.insert(header::LINK, link);
    }
    Ok(response)
}

async fn put_project(app: &App, caller: &Caller, mut project: Project) -> Result<(), Fault> {
    let namespace = caller.namespace(Some(&project.metadata.namespace))?;
    project.metadata.namespace = namespace.to_string();
    project.updated_at_ms = app.now().as_millis();
    let key = document(KIND, &namespace, &project.metadata.name);
    Ok(app.put_document(key, kept::write(KIND, &project)?).await?)
}

/// What becomes of what is in a project that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Restricted,
    Check,
    Cascading,
}

impl Strategy {
    fn of(headers: &HeaderMap) -> Self {
        match wire::text(headers, "x-nuclio-delete-project-strategy") {
            Some("cascading") => Self::Cascading,
            Some("check") => Self::Check,
            _ => Self::Restricted,
        }
    }
}

async fn remove(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let app = &dashboard.app;
    let project = Project::read(&wire::value(body).await?)?;
    project.check()?;
    let namespace = caller.namespace(Some(&project.metadata.namespace))?;
    let (name, strategy) = (&project.metadata.name, Strategy::of(&headers));
    if name == DEFAULT_PROJECT {
        return Err(Fault::unmet("Cannot delete the default project"));
    }
    let functions: Vec<_> = note::all(app, &namespace).await?;
    let functions: Vec<_> = functions
        .into_iter()
        .filter(|f| f.note.config.project() == name)
        .collect();
    if strategy != Strategy::Cascading && !functions.is_empty() {
        return Err(Fault::unmet("Project contains functions"));
    }
    let gateways = api_gateways::of_project(app, &namespace, name);
    if strategy != Strategy::Cascading && !gateways.is_empty() {
        return Err(Fault::unmet("Project contains api gateways"));
    }
    let is_there = find(app, &namespace, name).await?.is_some();
    if strategy == Strategy::Check {
        return Ok(wire::empty(StatusCode::NO_CONTENT));
    }
    if !is_there {
        return Err(Fault::not_found("Project not found"));
    }
    for gateway in gateways {
        app.delete_gateway(&namespace, &gateway.spec.name).await?;
    }
    for found in &functions {
        delete_found(app, found).await?;
    }
    app.delete_document(document(KIND, &namespace, name)).await?;
    Ok(wire::empty(StatusCode::NO_CONTENT))
}
