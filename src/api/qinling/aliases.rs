//! Aliases: names for versions of functions, unique in their project.
//!
//! The core has no number 0, no identity and no rule against two names for one version: those are made here.

use super::attributes::{self, Attribute, Body, Kind, read_only, writable};
use super::caller::Caller;
use super::fault::Fault;
use super::filter::Query;
use super::function_view::given;
use super::note::{self, Found};
use super::{Dialect, Route, time, versions, wire};
use crate::app::{AliasSpec, App};
use crate::domain::{Alias, AliasName, Error, FunctionId, Pointer};
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{Method, StatusCode};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::sync::Mutex;

/// One at a time: two aliases of one version are refused, which takes a look before the write.
static NAMING: Mutex<()> = Mutex::const_new(());

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/aliases", post(create)),
        (Method::GET, "/v1/aliases", get(list)),
        (Method::GET, "/v1/aliases/{name}", get(show)),
        (Method::PUT, "/v1/aliases/{name}", put(update)),
        (Method::DELETE, "/v1/aliases/{name}", delete(remove)),
    ]
}

const ATTRIBUTES: [Attribute; 8] = [
    writable("id", Kind::Text),
    writable("name", Kind::Text),
    writable("description", Kind::Text),
    writable("function_id", Kind::Uuid),
    writable("function_version", Kind::Integer),
    read_only("project_id"),
    read_only("created_at"),
    read_only("updated_at"),
];

async fn create(State(state): State<Dialect>, caller: Caller, body: HttpBody) -> Result<Response, Fault> {
    let app = &state.app;
    let body = read(body).await?;
    body.require(&["name", "function_id"])?;
    let name = AliasName::parse(body.text("name").unwrap_or_default())?;
    let found = note::function(app, &caller, body.text("function_id").unwrap_or_default()).await?;
    let spec = AliasSpec {
        name,
        function: found.function.id,
        pointer: pointer(app, &found, body.integer("function_version").unwrap_or(0)).await?,
        canary: None,
        description: body.text("description").unwrap_or_default().to_owned(),
    };
    let _one = NAMING.lock().await;
    must_be_only(app, &found, &spec).await?;
    match app.create_alias(spec).await {
        Err(Error::Conflict(_)) => Err(duplicate(&["project_id", "name"])),
        made => Ok((StatusCode::CREATED, Json(view(&made?))).into_response()),
    }
}

async fn list(State(state): State<Dialect>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Value>, Fault> {
    let mut query = Query::read(&query.unwrap_or_default(), &["project_id"])?;
    let scope = caller.scope(&mut query)?;
    let mut aliases = state.app.list_aliases(scope.as_ref(), None).await?;
    let shown = note::functions(&state.app, None).await?;
    let shown: HashSet<FunctionId> = shown.iter().map(|found| found.function.id).collect();
    aliases.retain(|a| shown.contains(&a.function) && query.admits(|_| Some(a.namespace.as_str())));
    aliases.sort_by_key(|a| a.created_at);
    let views: Vec<_> = aliases.iter().map(view).collect();
    Ok(Json(json!({"function_aliases": views})))
}

async fn show(
    State(state): State<Dialect>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<wire::FunctionAlias>, Fault> {
    Ok(Json(view(&find(&state.app, &caller, &name).await?)))
}

async fn update(
    State(state): State<Dialect>,
    caller: Caller,
    Path(name): Path<String>,
    body: HttpBody,
) -> Result<Json<wire::FunctionAlias>, Fault> {
    let app = &state.app;
    let body = read(body).await?;
    let _one = NAMING.lock().await;
    let alias = find(app, &caller, &name).await?;
    let function = body.text("function_id").map(str::to_owned);
    let function = function.unwrap_or_else(|| alias.function.to_string());
    let found = note::function(app, &caller, &function).await?;
    let number = body.integer("function_version");
    let number = number.unwrap_or_else(|| i64::from(number_of(alias.pointer)));
    let description = body.text("description").map(str::to_owned);
    let spec = AliasSpec {
        name: alias.name,
        function: found.function.id,
        pointer: pointer(app, &found, number).await?,
        canary: alias.canary.filter(|_| found.function.id == alias.function),
        description: description.unwrap_or(alias.description),
    };
    must_be_only(app, &found, &spec).await?;
    Ok(Json(view(&app.update_alias(spec).await?)))
}

async fn remove(State(state): State<Dialect>, caller: Caller, Path(name): Path<String>) -> Result<StatusCode, Fault> {
    let alias = find(&state.app, &caller, &name).await?;
    state.app.delete_alias(&alias.namespace, &alias.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The alias of that name: the caller's, or for an admin any project's.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(app: &App, caller: &Caller, name: &str) -> Result<Alias, Fault> {
    let missing = || Fault::not_found("FunctionAlias", "name", name);
    let parsed = AliasName::parse(name).map_err(|_| missing())?;
    match app.alias(&caller.project, &parsed).await {
        Err(Error::NotFound(_)) if caller.admin => {
            let all = app.list_aliases(None, None).await?;
            all.into_iter().find(|a| a.name == parsed).ok_or_else(missing)
        }
        Err(Error::NotFound(_)) => Err(missing()),
        found => Ok(found?),
    }
}

/// The number of what an alias leads to; 0 is the live function.
pub(super) fn number_of(pointer: Pointer) -> u32 {
    match pointer {
        Pointer::Latest => 0,
        Pointer::Version(number) => number.get(),
    }
}

async fn pointer(app: &App, found: &Found, number: i64) -> Result<Pointer, Fault> {
    if number == 0 {
        return Ok(Pointer::Latest);
    }
    let detail = versions::find(app, found, &number.to_string()).await?;
    Ok(Pointer::Version(detail.version.number))
}

/// A version has one alias in a project.
async fn must_be_only(app: &App, found: &Found, spec: &AliasSpec) -> Result<(), Fault> {
    let aliases = app
        .list_aliases(Some(&found.function.namespace), Some(spec.function))
        .await?;
    let mut others = aliases.iter().filter(|a| a.name != spec.name);
    if others.any(|a| a.pointer == spec.pointer) {
        return Err(duplicate(&["project_id", "function_id", "function_version"]));
    }
    Ok(())
}

fn duplicate(columns: &[&str]) -> Fault {
    let columns: Vec<_> = columns.iter().map(|column| format!("'{column}'")).collect();
    Fault::bad(format!(
        "Duplicate entry for function_aliases: [{}]",
        columns.join(", ")
    ))
}

async fn read(body: HttpBody) -> Result<Body, Fault> {
    Body::read("body", &ATTRIBUTES, &attributes::bytes(body).await?)
}

fn view(alias: &Alias) -> wire::FunctionAlias {
    wire::FunctionAlias {
        id: identity(alias),
        name: alias.name.to_string(),
        description: given(&alias.description),
        function_id: alias.function.to_string(),
        function_version: number_of(alias.pointer),
        project_id: alias.namespace.to_string(),
        created_at: time::show(alias.created_at),
        updated_at: (alias.updated_at != alias.created_at).then(|| time::show(alias.updated_at)),
    }
}

/// The same as long as the alias lives, and another one's after it.
fn identity(alias: &Alias) -> String {
    let (project, name, made) = (&alias.namespace, &alias.name, alias.created_at.as_millis());
    let sum = Md5::digest(format!("alias {project} {made} {name}"));
    uuid::Builder::from_md5_bytes(sum.into()).into_uuid().to_string()
}
