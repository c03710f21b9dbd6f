//! Function events: calls that somebody keeps to make them again.
//!
//! Source: the contract's section 5.

use super::caller::Caller;
use super::config::{Metadata, PROJECT};
use super::config_shape::METADATA;
use super::fault::Fault;
use super::functions::NAME as FUNCTION_NAME;
use super::note::{self, DIALECT, document};
use super::schema::Kind::{Any, Object, Text};
use super::schema::{Field, Origin, always, filled};
use super::{Dashboard, Route, schema, wire};
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::Namespace;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const KIND: &str = "function_event";
const NAMESPACE: &str = "x-nuclio-function-event-namespace";
const NAME: &str = "x-nuclio-function-event-name";
/// Says whose event it is.
const FUNCTION: &str = "nuclio.io/function-name";
const NO_NAME: &str = "Function event name must be provided in metadata";

const EVENT: [Field; 2] = [always("metadata", Object(&METADATA)), always("spec", Object(&SPEC))];
const SPEC: [Field; 5] = [
    filled("displayName", Text),
    filled("triggerName", Text),
    filled("triggerKind", Text),
    filled("body", Text),
    filled("attributes", Any),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/function_events", get(list)),
        (Method::POST, "/api/function_events", post(create)),
        (Method::PUT, "/api/function_events", put(update)),
        (Method::DELETE, "/api/function_events", delete(remove)),
        (Method::GET, "/api/function_events/{name}", get(show)),
    ]
}

/// An event as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) metadata: Metadata,
    pub(super) spec: Map<String, Value>,
}

impl Event {
    /// Reads what somebody sent.
    ///
    /// # Errors
    /// 400 for another shape.
    pub(super) fn read(value: &Value) -> Result<Self, Fault> {
        let shaped = schema::read(value, &EVENT, Origin::Json).map_err(Fault::bad)?;
        serde_json::from_value(Value::Object(shaped)).map_err(|e| Fault::bad(e.to_string()))
    }

    /// As JSON.
    pub(super) fn view(&self) -> Value {
        json!({"metadata": self.metadata, "spec": self.spec})
    }

    /// Whose it is, if it says so.
    pub(super) fn function(&self) -> Option<&str> {
        let function = self.metadata.labels.get(FUNCTION)?;
        (!function.is_empty()).then_some(function)
    }

    /// Fills in what is open: it is an event of a server unless it says otherwise.
    fn enrich(&mut self) {
        let name = self.metadata.name.clone();
        self.spec.entry("displayName").or_insert_with(|| json!(name));
        let kind = self.spec.entry("triggerKind").or_insert_with(|| json!("http"));
        if kind != "http" {
            return;
        }
        let attributes = self.spec.entry("attributes").or_insert_with(|| json!({}));
        if let Some(attributes) = attributes.as_object_mut() {
            attributes
                .entry("headers")
                .or_insert_with(|| json!({"Content-Type": "text/plain"}));
            attributes.entry("method").or_insert_with(|| json!("POST"));
            attributes.entry("path").or_insert_with(|| json!(""));
        }
    }

    async fn save(&self, app: &App, namespace: &Namespace) -> Result<(), Fault> {
        let key = document(KIND, namespace, &self.metadata.name);
        Ok(app.put_document(key, kept::write(KIND, self)?).await?)
    }
}

/// Events of a namespace. Order: by name.
pub(super) async fn all(app: &App, namespace: &Namespace) -> Result<Vec<Event>, Fault> {
    let prefix = format!("{namespace}/");
    let documents = app.list_documents(DIALECT, KIND).await?;
    let own = documents.iter().filter(|(key, _)| key.starts_with(&prefix));
    own.map(|(_, text)| Ok(kept::read(KIND, text)?)).collect()
}

/// Deletes the events of a function.
pub(super) async fn delete_of(app: &App, namespace: &Namespace, function: &str) -> Result<(), Fault> {
    for event in all(app, namespace)
        .await?
        .iter()
        .filter(|e| e.function() == Some(function))
    {
        app.delete_document(document(KIND, namespace, &event.metadata.name))
            .await?;
    }
    Ok(())
}

/// Makes an event of a function that is there.
///
/// # Errors
/// 500, as upstream, when it says no function or one that is not there.
pub(super) async fn make(app: &App, namespace: &Namespace, mut event: Event) -> Result<Event, Fault> {
    let function = event.function().map(str::to_owned);
    let function =
        function.ok_or_else(|| Fault::refused(format!("Function event has a missing label - `{FUNCTION}`")))?;
    if event.metadata.name.is_empty() {
        event.metadata.name = uuid::Uuid::new_v4().to_string();
    }
    event.metadata.namespace = namespace.to_string();
    if !event.metadata.labels.contains_key(PROJECT) {
        let found = note::find(app, namespace, &function).await?;
        let missing = || Fault::refused("The Function event parent function does not exist");
        let project = found.ok_or_else(missing)?.note.config.project().to_owned();
        event.metadata.labels.insert(PROJECT.to_owned(), project);
    }
    event.enrich();
    event.save(app, namespace).await?;
    Ok(event)
}

async fn list(State(dashboard): State<Dashboard>, caller: Caller, headers: HeaderMap) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let mut events = all(&dashboard.app, &namespace).await?;
    if let Some(function) = wire::text(&headers, FUNCTION_NAME) {
        events.retain(|event| event.function() == Some(function));
    }
    if let Some(name) = wire::text(&headers, NAME) {
        events.retain(|event| event.metadata.name == name);
    }
    let views = events.iter().map(|event| (event.metadata.name.clone(), event.view()));
    Ok(wire::ok(&Value::Object(views.collect())))
}

async fn show(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let text = dashboard.app.document(document(KIND, &namespace, &name)).await?;
    let text = text.ok_or_else(|| Fault::not_found("Function event not found"))?;
    Ok(wire::ok(&kept::read::<Event>(KIND, &text)?.view()))
}

async fn create(State(dashboard): State<Dashboard>, caller: Caller, body: Body) -> Result<Response, Fault> {
    let sent = wire::value(body).await?;
    if sent.get("metadata").is_none_or(Value::is_null) {
        return Err(Fault::bad(NO_NAME));
    }
    let event = Event::read(&sent)?;
    let namespace = caller.namespace(Some(&event.metadata.namespace))?;
    let made = make(&dashboard.app, &namespace, event).await?;
    Ok(wire::answer(StatusCode::CREATED, &made.view()))
}

async fn update(State(dashboard): State<Dashboard>, caller: Caller, body: Body) -> Result<Response, Fault> {
    let (namespace, mut event) = named(&caller, body).await?;
    must_be_there(&dashboard.app, &namespace, &event).await?;
    event.metadata.namespace = namespace.to_string();
    event.enrich();
    event.save(&dashboard.app, &namespace).await?;
    Ok(wire::empty(StatusCode::NO_CONTENT))
}

async fn remove(State(dashboard): State<Dashboard>, caller: Caller, body: Body) -> Result<Response, Fault> {
    let (namespace, event) = named(&caller, body).await?;
    must_be_there(&dashboard.app, &namespace, &event).await?;
    let key = document(KIND, &namespace, &event.metadata.name);
    dashboard.app.delete_document(key).await?;
    Ok(wire::empty(StatusCode::NO_CONTENT))
}

async fn named(caller: &Caller, body: Body) -> Result<(Namespace, Event), Fault> {
    let event = Event::read(&wire::value(body).await?)?;
    if event.metadata.name.is_empty() {
        return Err(Fault::bad(NO_NAME));
    }
    let namespace = caller.namespace(Some(&event.metadata.namespace))?;
    Ok((namespace, event))
}

async fn must_be_there(app: &App, namespace: &Namespace, event: &Event) -> Result<(), Fault> {
    match app.document(document(KIND, namespace, &event.metadata.name)).await? {
        Some(_) => Ok(()),
        None => Err(Fault::not_found("Function event not found")),
    }
}
