//! A project with everything in it as one document, and back.
//!
//! Source: the contract's section 4.4.

use super::caller::Caller;
use super::config::{Config, PROJECT, SKIP_DEPLOY};
use super::deploy::{self, Kind, Order, Patience};
use super::fault::Fault;
use super::function_events::{self, Event};
use super::functions::PATIENCE;
use super::note;
use super::projects::{self, Project};
use super::schema::Origin;
use super::{Dashboard, api_gateways, function_view};
use crate::app::App;
use crate::domain::Namespace;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A project, its functions, their events, and its gateways.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn export(app: &App, namespace: &Namespace, project: &Project) -> Result<Value, Fault> {
    let mut functions = Map::new();
    for found in note::all(app, namespace).await? {
        if found.note.config.project() == project.metadata.name {
            functions.insert(found.name().to_owned(), function_view::export(app, &found).await?);
        }
    }
    let events = function_events::all(app, namespace).await?;
    let own = |event: &&Event| event.function().is_some_and(|name| functions.contains_key(name));
    let events: Map<_, _> = events
        .iter()
        .filter(own)
        .map(|event| (event.metadata.name.clone(), event.view()))
        .collect();
    Ok(
        json!({"project": project.export(), "functions": functions, "functionEvents": events,
        "apiGateways": api_gateways::export(app, namespace, &project.metadata.name)}),
    )
}

/// How many things came in, and which did not.
#[derive(Debug, Default)]
struct Tally {
    created: usize,
    failed: Vec<Value>,
}

impl Tally {
    fn view(self, failures: &str) -> Value {
        let amount = self.failed.len();
        let failed = if amount == 0 {
            Value::Null
        } else {
            Value::Array(self.failed)
        };
        json!({"createdAmount": self.created, "failedAmount": amount, failures: failed})
    }

    fn count(&mut self, done: Result<(), Fault>, failed: impl FnOnce(String) -> Value) {
        match done {
            Ok(()) => self.created += 1,
            Err(fault) => self.failed.push(failed(fault.message)),
        }
    }
}

/// Takes in what [`export`] made: functions are kept and not deployed, events get new names.
///
/// # Errors
/// 400 when there is no project in it, or a wrong one.
pub(super) async fn import(dashboard: &Dashboard, caller: &Caller, sent: &Value) -> Result<Value, Fault> {
    let project = sent.get("project").filter(|p| p.is_object());
    let project = Project::read(project.ok_or_else(|| Fault::bad("Project must be provided in the import"))?)?;
    project.check()?;
    let app = &dashboard.app;
    let namespace = caller.namespace(Some(&project.metadata.namespace))?;
    let name = project.metadata.name.clone();
    if projects::find(app, &namespace, &name).await?.is_none() {
        projects::make(app, &namespace, project).await?;
    }
    let (functions, failed) = functions(dashboard, &namespace, &name, &sent["functions"]).await;
    let events = events(app, &namespace, &name, &sent["functionEvents"], &failed).await;
    let gateways = gateways(dashboard, &namespace, &name, &sent["apiGateways"]).await;
    Ok(json!({
        "functionImportResult": functions.view("failedFunctions"),
        "functionEventImportResult": events.view("failedFunctionEvents"),
        "apiGatewayImportResult": gateways.view("failedAPIGateways"),
    }))
}

fn each(things: &Value) -> impl Iterator<Item = (&String, &Value)> {
    things.as_object().into_iter().flatten()
}

/// Also answers which functions did not come in.
async fn functions(
    dashboard: &Dashboard,
    namespace: &Namespace,
    project: &str,
    sent: &Value,
) -> (Tally, BTreeSet<String>) {
    let (mut tally, mut failed) = (Tally::default(), BTreeSet::new());
    for (name, function) in each(sent) {
        let done = import_function(dashboard, namespace, project, name, function).await;
        if done.is_err() {
            failed.insert(name.clone());
        }
        tally.count(done, |error| json!({"function": name, "error": error}));
    }
    (tally, failed)
}

async fn import_function(
    dashboard: &Dashboard,
    namespace: &Namespace,
    project: &str,
    name: &str,
    sent: &Value,
) -> Result<(), Fault> {
    let mut config = Config::read(sent, Origin::Json).map_err(Fault::bad)?;
    if config.metadata.name.is_empty() {
        name.clone_into(&mut config.metadata.name);
    }
    if note::find(&dashboard.app, namespace, &config.metadata.name)
        .await?
        .is_some()
    {
        return Err(Fault::conflict("Function name already exists"));
    }
    let (labels, annotations) = (&mut config.metadata.labels, &mut config.metadata.annotations);
    labels.insert(PROJECT.to_owned(), project.to_owned());
    annotations.insert(SKIP_DEPLOY.to_owned(), "true".to_owned());
    let order = Order {
        namespace: namespace.clone(),
        config,
        kind: Kind::Create,
    };
    let patience = Patience {
        accepted: PATIENCE,
        to_the_end: false,
    };
    deploy::deploy(dashboard, order, patience).await
}

async fn events(app: &App, namespace: &Namespace, project: &str, sent: &Value, failed: &BTreeSet<String>) -> Tally {
    let mut tally = Tally::default();
    for (_, sent) in each(sent) {
        let shown = sent["spec"]["displayName"].clone();
        let done = import_event(app, namespace, project, sent, failed).await;
        tally.count(done, |error| json!({"functionEvent": shown, "error": error}));
    }
    tally
}

async fn import_event(
    app: &App,
    namespace: &Namespace,
    project: &str,
    sent: &Value,
    failed: &BTreeSet<String>,
) -> Result<(), Fault> {
    let mut event = Event::read(sent)?;
    let function = event
        .function()
        .ok_or_else(|| Fault::bad("Event doesn't belong to any function"))?;
    if failed.contains(function) {
        return Err(Fault::bad(format!(
            "Event belongs to function that failed import: {function}"
        )));
    }
    event.metadata.name.clear();
    event.metadata.labels.insert(PROJECT.to_owned(), project.to_owned());
    function_events::make(app, namespace, event).await.map(drop)
}

async fn gateways(dashboard: &Dashboard, namespace: &Namespace, project: &str, sent: &Value) -> Tally {
    let mut tally = Tally::default();
    for (_, sent) in each(sent) {
        let done = api_gateways::import(dashboard, namespace, project, sent).await;
        tally.count(
            done,
            |error| json!({"apiGateway": sent["spec"]["name"], "error": error}),
        );
    }
    tally
}
