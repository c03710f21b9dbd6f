//! Runtimes: make, list, show, change and remove them, and how many workers each has.
//!
//! A runtime is a name for an image; the workers are the core's.

use super::attributes::{self, Attribute, Body, Kind, path_uuid, read_only, writable};
use super::caller::Caller;
use super::fault::Fault;
use super::filter::Query;
use super::function_update::move_to;
use super::runtime_image;
use super::shelf::{self, Note, Runtime, Status, not_available};
use super::{Dialect, Route, note, time, wire};
use crate::app::App;
use crate::domain::RevisionId;
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::sync::Mutex;

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/runtimes", post(create)),
        (Method::GET, "/v1/runtimes", get(list)),
        (Method::GET, "/v1/runtimes/{id}", get(show)),
        (Method::PUT, "/v1/runtimes/{id}", put(update)),
        (Method::DELETE, "/v1/runtimes/{id}", delete(remove)),
        (Method::GET, "/v1/runtimes/{id}/pool", get(pool)),
    ]
}

/// One at a time: what is changed slowly must not bring back what was removed meanwhile.
static CHANGING: Mutex<()> = Mutex::const_new(());

const ATTRIBUTES: [Attribute; 10] = [
    writable("id", Kind::Text),
    writable("name", Kind::Text),
    writable("image", Kind::Text),
    writable("description", Kind::Text),
    writable("is_public", Kind::Boolean),
    writable("trusted", Kind::Boolean),
    read_only("status"),
    read_only("project_id"),
    read_only("created_at"),
    read_only("updated_at"),
];

async fn create(State(state): State<Dialect>, caller: Caller, body: HttpBody) -> Result<Response, Fault> {
    caller.must_be_operator()?;
    let body = read(body).await?;
    body.require(&["image"])?;
    let image = body.text("image").unwrap_or_default().to_owned();
    let environment = runtime_image::resolve(&state.app, &image).await?;
    let text = |name| body.text(name).map(str::to_owned);
    let runtime = Runtime::new(Note {
        name: text("name"),
        image,
        description: text("description"),
        is_public: body.boolean("is_public").unwrap_or(true),
        trusted: body.boolean("trusted").unwrap_or(true),
        project: caller.project.to_string(),
        created_at_ms: state.app.now().as_millis(),
        ..Note::default()
    });
    runtime.save(&state.app).await?;
    // What is accepted is being made; the next look says how it really stands.
    let made = (StatusCode::CREATED, Json(view(&runtime, Status::Creating))).into_response();
    state.app.begin_to_prepare(environment.runtime);
    Ok(made)
}

async fn list(State(state): State<Dialect>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Value>, Fault> {
    Query::read(&query.unwrap_or_default(), &[])?;
    let runtimes = shelf::all(&state.app, &caller).await?;
    let views = runtimes.iter().map(|r| view(r, r.status(&state.app)));
    Ok(Json(json!({"runtimes": views.collect::<Vec<_>>()})))
}

async fn show(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<wire::Runtime>, Fault> {
    let runtime = shelf::find(&state.app, &caller, path_uuid("id", &id)?).await?;
    Ok(Json(view(&runtime, runtime.status(&state.app))))
}

async fn update(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
    body: HttpBody,
) -> Result<Json<wire::Runtime>, Fault> {
    caller.must_be_operator()?;
    let app = &state.app;
    let body = read(body).await?;
    let _changing = CHANGING.lock().await;
    let mut runtime = shelf::find(app, &caller, path_uuid("id", &id)?).await?;
    if let Some(image) = body.text("image") {
        change_image(app, &mut runtime, image).await?;
    }
    if let Some(name) = body.text("name") {
        runtime.note.name = Some(name.to_owned());
    }
    if let Some(description) = body.text("description") {
        runtime.note.description = Some(description.to_owned());
    }
    runtime.note.updated_at_ms = Some(app.now().as_millis());
    runtime.save(app).await?;
    Ok(Json(view(&runtime, runtime.status(app))))
}

/// The new image is made before anything changes, so that an upgrade that fails leaves everything as it was. Live
/// functions move along; published versions are frozen with what they ran in.
async fn change_image(app: &App, runtime: &mut Runtime, image: &str) -> Result<(), Fault> {
    if runtime.status(app) != Status::Available {
        return Err(Fault::conflict(not_available(&runtime.id)));
    }
    if image == runtime.note.image {
        return Ok(());
    }
    let functions = functions_of(app, &runtime.id).await?;
    let revisions = revisions_of(app, &functions).await?;
    if app
        .workers()
        .iter()
        .any(|w| w.revision.is_some_and(|r| revisions.contains(&r)))
    {
        let id = &runtime.id;
        return Err(Fault::forbidden(format!("Runtime {id} is still in use by functions.")));
    }
    let environment = runtime_image::resolve(app, image).await?;
    app.prepare(&environment.runtime).await?;
    for found in functions {
        move_to(app, found, &environment).await?;
    }
    runtime.note.image = image.to_owned();
    Ok(())
}

async fn remove(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    caller.must_be_operator()?;
    let _changing = CHANGING.lock().await;
    let runtime = shelf::find(&state.app, &caller, path_uuid("id", &id)?).await?;
    if !functions_of(&state.app, &runtime.id).await?.is_empty() {
        return Err(Fault::forbidden(format!("Runtime {id} is still in use.")));
    }
    runtime.remove(&state.app).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn pool(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<Json<wire::Pool>, Fault> {
    caller.must_be_operator()?;
    let id = path_uuid("id", &id)?;
    let runtime = shelf::find(&state.app, &caller, id).await;
    let runtime = runtime.map_err(|_| Fault::new(StatusCode::NOT_FOUND, "Runtime not found"))?;
    let environment = runtime.environment(&state.app).await?;
    let functions = functions_of(&state.app, id).await?;
    let revisions = revisions_of(&state.app, &functions).await?;
    let mut workers = state.app.workers();
    workers.retain(|w| match w.revision {
        Some(revision) => revisions.contains(&revision),
        None => w.class.runtime == environment.runtime && w.class.image == environment.image,
    });
    let capacity = wire::Capacity {
        total: workers.len(),
        available: workers.iter().filter(|w| w.revision.is_none()).count(),
    };
    Ok(Json(wire::Pool {
        name: runtime.id,
        capacity,
    }))
}

async fn read(body: HttpBody) -> Result<Body, Fault> {
    Body::read("runtime", &ATTRIBUTES, &attributes::bytes(body).await?)
}

/// Functions of every project that name the runtime.
async fn functions_of(app: &App, id: &str) -> Result<Vec<note::Found>, Fault> {
    let mut functions = note::functions(app, None).await?;
    functions.retain(|f| f.note.runtime_id.as_deref() == Some(id));
    Ok(functions)
}

async fn revisions_of(app: &App, functions: &[note::Found]) -> Result<HashSet<RevisionId>, Fault> {
    let mut all = HashSet::new();
    for found in functions {
        let revisions = app.list_revisions(found.function.id).await?;
        all.extend(revisions.iter().map(|r| r.id));
    }
    Ok(all)
}

fn view(runtime: &Runtime, status: Status) -> wire::Runtime {
    let note = runtime.note.clone();
    wire::Runtime {
        id: runtime.id.clone(),
        name: note.name,
        image: note.image,
        description: note.description,
        is_public: note.is_public,
        trusted: note.trusted,
        status: status.as_str(),
        project_id: note.project,
        created_at: time::show_millis(note.created_at_ms),
        updated_at: note.updated_at_ms.map(time::show_millis),
    }
}
