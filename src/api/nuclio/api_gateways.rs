//! API gateways: hosts and paths that lead to one function, or to two by percent. What upstream has on clusters only.
//!
//! Source: the contract's section 7. The core keeps a gateway and leads its calls; what is only this API's rides along
//! as an annotation of it.

use super::caller::Caller;
use super::config::{DEFAULT_PROJECT, Metadata, PROJECT};
use super::fault::Fault;
use super::functions::{NAME as FUNCTION_NAME, PROJECT_NAME};
use super::gateway_rules::{self as rules, GATEWAY, Spec};
use super::schema::{self, Origin};
use super::{Dashboard, Route, names, note, reach, wire};
use crate::app::{App, GatewayError};
use crate::domain::{Error, FunctionName, Gateway, GatewaySpec, Lock, Namespace};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const NAMESPACE: &str = "x-nuclio-api-gateway-namespace";
const NAME: &str = "x-nuclio-api-gateway-name";
const VALIDATE: &str = "x-nuclio-agw-validate-functions-existence";
/// The annotation of the core's gateway that holds the specification as it was sent, but for secrets.
const SENT: &str = "hob.dialect/specification";

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/api_gateways", get(list)),
        (Method::POST, "/api/api_gateways", post(create)),
        (Method::PUT, "/api/api_gateways", put(update_by_body)),
        (Method::DELETE, "/api/api_gateways", delete(remove)),
        (Method::GET, "/api/api_gateways/{name}", get(show)),
        (Method::PUT, "/api/api_gateways/{name}", put(update)),
    ]
}

/// A gateway as it is sent.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    metadata: Metadata,
    spec: Map<String, Value>,
}

impl Sent {
    fn read(value: &Value) -> Result<Self, Fault> {
        let mut shaped = schema::read(value, &GATEWAY, Origin::Json).map_err(Fault::bad)?;
        let metadata = shaped.remove("metadata").unwrap_or_default();
        let metadata = serde_json::from_value(metadata).map_err(|e| Fault::bad(e.to_string()))?;
        let spec = shaped.remove("spec").and_then(|spec| spec.as_object().cloned());
        Ok(Self {
            metadata,
            spec: spec.unwrap_or_default(),
        })
    }

    /// Name and name of the specification stand for each other; a project and a host there always are.
    fn enrich(&mut self, dashboard: &Dashboard, namespace: &Namespace, headers: &HeaderMap) {
        let named = self.spec.get("name").and_then(Value::as_str).unwrap_or_default();
        if self.metadata.name.is_empty() {
            named.clone_into(&mut self.metadata.name);
        } else if named.is_empty() {
            self.spec.insert("name".to_owned(), json!(self.metadata.name));
        }
        let labels = &mut self.metadata.labels;
        if let Some(project) = wire::text(headers, PROJECT_NAME) {
            labels.insert(PROJECT.to_owned(), project.to_owned());
        }
        let project = labels
            .entry(PROJECT.to_owned())
            .or_insert_with(|| DEFAULT_PROJECT.to_owned());
        if self.spec.get("host").is_none_or(schema::is_empty) {
            let (name, port) = (&self.metadata.name, reach::port_of(&dashboard.base_url));
            let host = format!("{name}-{project}.{namespace}.localhost:{port}");
            self.spec.insert("host".to_owned(), json!(host));
        }
    }

    fn typed(&self) -> Result<Spec, Fault> {
        serde_json::from_value(Value::Object(self.spec.clone())).map_err(|e| Fault::bad(format!("json: {e}")))
    }

    /// What the core keeps and leads by.
    fn for_core(&self, namespace: &Namespace, spec: &Spec) -> Result<GatewaySpec, Fault> {
        let mut kept = self.spec.clone();
        if let Some(basic) = kept.get_mut("authentication").and_then(|a| a.get_mut("basicAuth")) {
            basic["password"] = Value::Null;
        }
        let mut annotations = self.metadata.annotations.clone();
        annotations.insert(SENT.to_owned(), Value::Object(kept).to_string());
        Ok(GatewaySpec {
            namespace: namespace.clone(),
            name: FunctionName::parse(&self.metadata.name)?,
            hosts: vec![rules::host(&spec.host)?],
            path: rules::path(&spec.path)?,
            upstreams: rules::upstreams(spec)?,
            lock: rules::lock(spec)?,
            headers: [("x-nuclio-target".to_owned(), rules::target(spec))].into(),
            description: spec.description.clone(),
            labels: self.metadata.labels.clone(),
            annotations,
        })
    }
}

/// A gateway of this API, as it was sent; `None` for one that another API made.
fn sent_of(gateway: &Gateway) -> Option<Sent> {
    let core = &gateway.spec;
    let mut spec: Map<String, Value> = serde_json::from_str(core.annotations.get(SENT)?).ok()?;
    if let Lock::Basic { password, .. } = &core.lock
        && let Some(basic) = spec.get_mut("authentication").and_then(|a| a.get_mut("basicAuth"))
    {
        basic["password"] = json!(password.reveal());
    }
    let mut annotations = core.annotations.clone();
    annotations.remove(SENT);
    Some(Sent {
        metadata: Metadata {
            name: core.name.to_string(),
            namespace: core.namespace.to_string(),
            labels: core.labels.clone(),
            annotations,
            ..Metadata::default()
        },
        spec,
    })
}

fn view(sent: &Sent) -> Value {
    let status = json!({"name": sent.metadata.name, "state": "ready"});
    json!({"metadata": sent.metadata, "spec": sent.spec, "status": status})
}

/// Gateways of a project by their names, as they are exported: without namespace and status.
pub(super) fn export(app: &App, namespace: &Namespace, project: &str) -> Map<String, Value> {
    let all = of_project(app, namespace, project);
    all.iter()
        .filter_map(|g| sent_of(g))
        .map(|sent| (sent.metadata.name.clone(), exported(sent)))
        .collect()
}

fn exported(mut sent: Sent) -> Value {
    sent.metadata.namespace.clear();
    json!({"metadata": sent.metadata, "spec": sent.spec})
}

/// The gateways of a project.
pub(super) fn of_project(app: &App, namespace: &Namespace, project: &str) -> Vec<Arc<Gateway>> {
    let mut all = app.list_gateways(Some(namespace));
    all.retain(|g| g.spec.annotations.contains_key(SENT) && project_of(&g.spec.labels) == project);
    all
}

fn project_of(labels: &std::collections::BTreeMap<String, String>) -> &str {
    labels.get(PROJECT).map_or(DEFAULT_PROJECT, String::as_str)
}

/// The names of the gateways that lead to a function.
pub(super) fn names_to(app: &App, namespace: &Namespace, function: &str) -> Vec<String> {
    let Ok(function) = names::in_core(function) else {
        return Vec::new();
    };
    let leading = app.gateways_to(namespace, &function);
    leading.iter().map(|g| g.spec.name.to_string()).collect()
}

/// Frees a function from the gateways that lead to it and to nothing else.
///
/// # Errors
/// 412 when there are some and they are to stay, or one leads to another function too.
pub(super) async fn let_go_of(app: &App, namespace: &Namespace, function: &str, along: bool) -> Result<(), Fault> {
    let used = || Fault::unmet("Function is used by api gateways");
    let Ok(name) = names::in_core(function) else {
        return Ok(());
    };
    let leading = app.gateways_to(namespace, &name);
    let is_shared = leading.iter().any(|g| g.spec.upstreams.as_slice().len() > 1);
    if !leading.is_empty() && (is_shared || !along) {
        return Err(used());
    }
    for gateway in leading {
        app.delete_gateway(namespace, &gateway.spec.name).await?;
    }
    Ok(())
}

/// Makes a gateway that an import brings.
///
/// # Errors
/// As a creation by itself.
pub(super) async fn import(
    dashboard: &Dashboard,
    namespace: &Namespace,
    project: &str,
    value: &Value,
) -> Result<(), Fault> {
    let mut sent = Sent::read(value)?;
    sent.metadata.labels.insert(PROJECT.to_owned(), project.to_owned());
    make(dashboard, namespace, sent, &HeaderMap::new()).await.map(drop)
}

async fn list(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let mut all = match wire::text(&headers, FUNCTION_NAME).map(names::in_core) {
        Some(function) => dashboard.app.gateways_to(&namespace, &function?),
        None => dashboard.app.list_gateways(Some(&namespace)),
    };
    if let Some(project) = wire::text(&headers, PROJECT_NAME) {
        all.retain(|g| project_of(&g.spec.labels) == project);
    }
    if let Some(name) = wire::text(&headers, NAME) {
        all.retain(|g| g.spec.name.as_str() == name);
    }
    let views = all.iter().filter_map(|g| sent_of(g));
    let views = views.map(|sent| (sent.metadata.name.clone(), shown(sent, query.as_deref())));
    Ok(wire::ok(&Value::Object(views.collect())))
}

fn shown(sent: Sent, query: Option<&str>) -> Value {
    match wire::yes_or_no(query, "export") {
        Some(true) => exported(sent),
        _ => view(&sent),
    }
}

async fn show(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let sent = find(&dashboard.app, &namespace, &name)?;
    Ok(wire::ok(&shown(sent, query.as_deref())))
}

fn find(app: &App, namespace: &Namespace, name: &str) -> Result<Sent, Fault> {
    let missing = || Fault::not_found("Api-Gateway not found");
    let name = FunctionName::parse(name).map_err(|_| missing())?;
    match app.gateway(namespace, &name) {
        Ok(gateway) => sent_of(&gateway).ok_or_else(missing),
        Err(Error::NotFound(_)) => Err(missing()),
        Err(other) => Err(other.into()),
    }
}

async fn create(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let sent = Sent::read(&wire::value(body).await?)?;
    let namespace = caller.namespace(Some(&sent.metadata.namespace))?;
    let made = make(&dashboard, &namespace, sent, &headers).await?;
    Ok(wire::answer(StatusCode::CREATED, &view(&made)))
}

async fn make(dashboard: &Dashboard, namespace: &Namespace, sent: Sent, headers: &HeaderMap) -> Result<Sent, Fault> {
    let (sent, spec) = checked(dashboard, namespace, sent, headers).await?;
    let made = dashboard.app.create_gateway(spec).await.map_err(fault)?;
    Ok(sent_of(&made).unwrap_or(sent))
}

async fn checked(
    dashboard: &Dashboard,
    namespace: &Namespace,
    mut sent: Sent,
    headers: &HeaderMap,
) -> Result<(Sent, GatewaySpec), Fault> {
    sent.enrich(dashboard, namespace, headers);
    let spec = sent.typed()?;
    rules::check(&sent.metadata.name, &spec)?;
    if wire::flag(headers, VALIDATE) {
        functions_are_there(&dashboard.app, namespace, &spec).await?;
    }
    let core = sent.for_core(namespace, &spec)?;
    check_openable(&core.lock, dashboard.app.keys().any())?;
    Ok((sent, core))
}

/// Access keys are the daemon's tokens: where there is none, such a gateway would be open to nobody.
fn check_openable(lock: &Lock, any_token: bool) -> Result<(), Fault> {
    match lock {
        Lock::Keys { keys, .. } if keys.is_empty() && !any_token => Err(Fault::unmet(
            "Authentication mode accessKey asks for an access token of this daemon, and there is none: make one with `hob token create --role admin`, or use basicAuth",
        )),
        _ => Ok(()),
    }
}

async fn functions_are_there(app: &App, namespace: &Namespace, spec: &Spec) -> Result<(), Fault> {
    for name in spec.functions() {
        if note::find(app, namespace, name).await?.is_none() {
            return Err(Fault::unmet(format!("Function {name} does not exist")));
        }
    }
    Ok(())
}

fn fault(error: GatewayError) -> Fault {
    match error {
        GatewayError::NameTaken(name) => Fault::conflict(format!("Api gateway {name} already exists")),
        GatewayError::AddressTaken { .. } => Fault::unmet("Ingress host and path are already in use"),
        GatewayError::OwnHost(_) | GatewayError::Foreign { .. } => Fault::bad(error.to_string()),
        GatewayError::Other(error) => error.into(),
    }
}

async fn update(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Fault> {
    let mut sent = Sent::read(&wire::value(body).await?)?;
    if sent.metadata.name.is_empty() {
        sent.metadata.name.clone_from(&name);
    }
    if sent.metadata.name != name {
        return Err(Fault::bad("Api gateway name is different from request id"));
    }
    replace(&dashboard, &caller, sent, &headers).await
}

/// The form of the address that upstream's web interface has.
async fn update_by_body(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    replace(&dashboard, &caller, Sent::read(&wire::value(body).await?)?, &headers).await
}

async fn replace(dashboard: &Dashboard, caller: &Caller, sent: Sent, headers: &HeaderMap) -> Result<Response, Fault> {
    let namespace = caller.namespace(Some(&sent.metadata.namespace))?;
    let (sent, spec) = checked(dashboard, &namespace, sent, headers).await?;
    let before = find(&dashboard.app, &namespace, &sent.metadata.name)?;
    if project_of(&before.metadata.labels) != project_of(&sent.metadata.labels) {
        return Err(Fault::bad(
            "Changing project name to an existing api gateway is not allowed",
        ));
    }
    dashboard.app.update_gateway(spec).await.map_err(fault)?;
    Ok(wire::empty(StatusCode::NO_CONTENT))
}

async fn remove(State(dashboard): State<Dashboard>, caller: Caller, body: Body) -> Result<Response, Fault> {
    let sent = Sent::read(&wire::value(body).await?)?;
    rules::check_name(&sent.metadata.name)?;
    let namespace = caller.namespace(Some(&sent.metadata.namespace))?;
    find(&dashboard.app, &namespace, &sent.metadata.name)?;
    let name = FunctionName::parse(&sent.metadata.name)?;
    dashboard.app.delete_gateway(&namespace, &name).await?;
    Ok(wire::empty(StatusCode::NO_CONTENT))
}
