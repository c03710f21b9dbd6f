//! Triggers: what would call an application with the messages of a queue. They are kept and shown, and each says that no
//! queue is attached here: nothing calls by them.

use super::applications::{Answer, listed};
use super::asked::Asked;
use super::fault::Fault;
use super::note::{self, Application, Kind};
use super::page::{Listed, Query};
use super::sent::{Sent, word};
use super::space::DIALECT;
use super::{Route, State, containers_beta, functions_beta};
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::Timestamp;
use crate::store::DocumentKey;
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::{delete, get, patch, post};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

const KIND: &str = "trigger";
const UNATTACHED: &str = "no queue is attached on this machine: no message calls it; use a cron, or call its address";
/// How each kind of queue is described; one of them comes with a trigger.
const QUEUES: [(&str, &str); 3] = [
    ("scw_sqs_config", "scw_sqs"),
    ("scw_nats_config", "scw_nats"),
    ("sqs_config", "sqs"),
];
/// What must never be shown again.
const SECRET: &str = "secret_key";

pub(super) fn routes() -> Vec<Route> {
    let roots = [
        [functions_beta!("/triggers"), functions_beta!("/triggers/{id}")],
        [containers_beta!("/triggers"), containers_beta!("/triggers/{id}")],
    ];
    let of_root = |[all, one]: [&'static str; 2]| {
        [
            (Method::GET, all, get(list)),
            (Method::POST, all, post(create)),
            (Method::GET, one, get(show)),
            (Method::PATCH, one, patch(update)),
            (Method::DELETE, one, delete(remove)),
        ]
    };
    roots.into_iter().flat_map(of_root).collect()
}

/// A body of create or update.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    name: Option<String>,
    description: Option<String>,
    function_id: Option<String>,
    container_id: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Given {
    /// The description of the queue, by its key.
    fn queue(&self) -> Option<(&'static str, &'static str, Value)> {
        let said = |(key, input)| {
            Some((
                key,
                input,
                self.rest.get(key).filter(|value| value.is_object())?.clone(),
            ))
        };
        QUEUES.into_iter().find_map(said)
    }

    fn apply(&self, note: &mut Note) {
        if let Some(name) = word(self.name.as_ref()) {
            name.clone_into(&mut note.name);
        }
        if let Some(description) = &self.description {
            note.description.clone_from(description);
        }
        if let Some((key, input, mut queue)) = self.queue() {
            if let Some(fields) = queue.as_object_mut() {
                fields.remove(SECRET);
            }
            (note.input_type, note.config_key, note.config) = (input.to_owned(), key.to_owned(), queue);
        }
    }
}

/// A trigger as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    id: String,
    application_id: String,
    is_container: bool,
    name: String,
    description: String,
    input_type: String,
    config_key: String,
    config: Value,
    /// Unit: UTC milliseconds.
    created_at_ms: i64,
}

impl Listed for Note {
    fn made(&self) -> (Timestamp, String) {
        (Timestamp::from_millis(self.created_at_ms), self.id.clone())
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Note {
    async fn save(&self, app: &App) -> Result<(), Fault> {
        Ok(app.put_document(key(&self.id), kept::write(KIND, self)?).await?)
    }

    fn view(&self) -> Value {
        let of = if self.is_container {
            "container_id"
        } else {
            "function_id"
        };
        let mut view = serde_json::json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            of: self.application_id,
            "input_type": self.input_type,
            "status": "error",
            "error_message": UNATTACHED,
        });
        if !self.config_key.is_empty() {
            view[&self.config_key] = self.config.clone();
        }
        view
    }
}

fn key(id: &str) -> DocumentKey {
    DocumentKey::new(DIALECT, KIND, id)
}

async fn all(app: &App) -> Result<Vec<Note>, Fault> {
    Ok(kept::all(app, DIALECT, KIND).await?)
}

async fn create(Shared(state): Shared<State>, asked: Asked, Sent(given): Sent<Given>) -> Answer {
    let app = &state.app;
    let id = given
        .function_id
        .as_deref()
        .or(given.container_id.as_deref())
        .unwrap_or_default();
    let application = note::find(app, &asked, id).await?;
    if given.queue().is_none() {
        let names = QUEUES.map(|(key, _)| key).join(", ");
        return Err(Fault::argument(
            "scw_sqs_config",
            format!("describe the queue in one of {names}"),
        ));
    }
    let mut note = Note {
        id: Uuid::now_v7().to_string(),
        application_id: application.id().to_string(),
        is_container: application.note.kind == Kind::Container,
        created_at_ms: app.now().as_millis(),
        ..Note::default()
    };
    given.apply(&mut note);
    note.save(app).await?;
    Ok(Json(note.view()))
}

async fn list(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref());
    let mut found = Vec::new();
    for note in all(&state.app).await? {
        let named = ["function_id", "container_id"]
            .into_iter()
            .all(|name| query.admits(name, &note.application_id));
        if named
            && let Some(application) = shown(&state.app, &asked, &note).await?
            && query.admits("namespace_id", &application.space.note.id)
        {
            found.push(note);
        }
    }
    let (page, total) = query.page(found)?;
    Ok(listed("triggers", page.iter().map(Note::view).collect(), total))
}

/// The application of a trigger, where the request may see it.
async fn shown(app: &App, asked: &Asked, note: &Note) -> Result<Option<Application>, Fault> {
    match note::find(app, asked, &note.application_id).await {
        Ok(application) => Ok(Some(application)),
        Err(fault) if fault.status == http::StatusCode::NOT_FOUND => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn find(app: &App, asked: &Asked, id: &str) -> Result<Note, Fault> {
    let missing = || Fault::missing("Trigger");
    let text = app.document(key(id)).await?.ok_or_else(missing)?;
    let note: Note = kept::read(KIND, &text)?;
    let application = shown(app, asked, &note).await?;
    application.map(|_| note).ok_or_else(missing)
}

async fn show(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    Ok(Json(find(&state.app, &asked, &id).await?.view()))
}

async fn update(
    Shared(state): Shared<State>,
    asked: Asked,
    Path((_, id)): Path<(String, String)>,
    Sent(given): Sent<Given>,
) -> Answer {
    let mut note = find(&state.app, &asked, &id).await?;
    given.apply(&mut note);
    note.save(&state.app).await?;
    Ok(Json(note.view()))
}

async fn remove(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let note = find(&state.app, &asked, &id).await?;
    state.app.delete_document(key(&note.id)).await?;
    let mut view = note.view();
    view["status"] = "deleting".into();
    Ok(Json(view))
}

/// Removes the triggers of an application that goes.
pub(super) async fn remove_of(app: &App, application: &Application) -> Result<(), Fault> {
    let id = application.id().to_string();
    for note in all(app).await?.into_iter().filter(|note| note.application_id == id) {
        app.delete_document(key(&note.id)).await?;
    }
    Ok(())
}
