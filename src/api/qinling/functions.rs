//! Functions: make, list, show, download and remove them. Changing one is `function_update`, its workers are
//! `function_workers`.

use super::caller::Caller;
use super::fault::Fault;
use super::filter::Query;
use super::form::Form;
use super::function_code::{self as code, ENTRY};
use super::function_object::{self, Place};
use super::note::{self, Found, FunctionNote, Source};
use super::resources::Resources;
use super::runtime_image::Environment;
use super::shelf::{self, Status, not_available};
use super::{Dialect, Route, download, function_name, function_update, function_view, json_text, wire};
use crate::app::{App, Deploy, Deployed, NewCode, Settings};
use crate::domain::{Error, FunctionName, JobState, Selector};
use crate::store::JobFilter;
use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long an answer waits until new code serves. What takes longer, such as dependencies, goes on in the background.
const SETTLE: Duration = Duration::from_secs(20);

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/functions", post(create)),
        (Method::GET, "/v1/functions", get(list)),
        (Method::GET, "/v1/functions/{id}", get(show)),
        (Method::PUT, "/v1/functions/{id}", put(function_update::update)),
        (Method::DELETE, "/v1/functions/{id}", delete(remove)),
    ]
}

async fn create(State(state): State<Dialect>, caller: Caller, request: Request) -> Result<Response, Fault> {
    let app = &state.app;
    let token = function_object::token(request.headers());
    let form = Form::read(app, request).await?;
    let code = form
        .code()?
        .ok_or_else(|| Fault::bad("Required param is missing. Required: {'code'}"))?;
    let resources = Resources::read(&form)?.or(Resources::DEFAULT);
    let mut new = match code::source_of(&code)? {
        Source::Package => package(app, &caller, &form, code).await?,
        Source::Swift => swift(app, &caller, &form, code, token).await?,
        Source::Image => image(&form, code)?,
    };
    resources.apply(&mut new.settings)?;
    let note = FunctionNote {
        name: form.text("name"),
        description: form.text("description"),
        runtime_id: form.text("runtime_id"),
        code: new.object,
        memory_size: resources.memory_size.unwrap_or_default(),
        updated_at_ms: None,
    };
    let deployed = deploy(app, &caller, &note, new.settings, new.code).await?;
    settle(app, &deployed).await?;
    let function = deployed.function;
    let view = function_view::function(app, &Found { function, note }).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// What a new function is made of.
struct New {
    code: NewCode,
    settings: Settings,
    object: Map<String, Value>,
}

async fn package(app: &App, caller: &Caller, form: &Form, object: Map<String, Value>) -> Result<New, Fault> {
    let environment = environment(app, caller, form).await?;
    let package = code::package_of(form, &object)?;
    Ok(New {
        code: code::new_code(package),
        settings: settings(form, &environment)?,
        object: code::package_object(object, package),
    })
}

async fn swift(
    app: &App,
    caller: &Caller,
    form: &Form,
    object: Map<String, Value>,
    token: Option<String>,
) -> Result<New, Fault> {
    let environment = environment(app, caller, form).await?;
    function_object::refuse_package(form)?;
    let place = Place::of(&object);
    Ok(New {
        code: place.fetch(app, token).await?,
        settings: settings(form, &environment)?,
        object: place.write(object),
    })
}

/// How code runs that is loaded into a worker.
fn settings(form: &Form, environment: &Environment) -> Result<Settings, Fault> {
    let entry = form.text("entry").filter(|entry| !entry.is_empty());
    Ok(Settings {
        entry: Some(entry.unwrap_or_else(|| ENTRY.to_owned())),
        ..code::package_settings(environment)?
    })
}

fn image(form: &Form, object: Map<String, Value>) -> Result<New, Fault> {
    let name = object
        .get("image")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Fault::bad("Image is missing: name it as `image` of `code`."))?;
    if form.package.is_some() {
        return Err(Fault::bad("An image function takes no package."));
    }
    Ok(New {
        code: NewCode::Image(name.to_owned()),
        settings: code::image_settings()?,
        object,
    })
}

/// What the runtime of a new function is.
async fn environment(app: &App, caller: &Caller, form: &Form) -> Result<Environment, Fault> {
    let id = form.text("runtime_id").filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Fault::bad("\"runtime_id\" must be specified."))?;
    let runtime = shelf::find(app, caller, &id).await?;
    if runtime.status(app) != Status::Available {
        return Err(Fault::bad(not_available(&id)));
    }
    runtime.environment(app).await
}

/// Deploys under the name that was given, or under one that nobody has.
async fn deploy(
    app: &App,
    caller: &Caller,
    note: &FunctionNote,
    settings: Settings,
    code: NewCode,
) -> Result<Deployed, Fault> {
    let under = |name: FunctionName| -> Result<Deploy, Error> {
        Ok(Deploy {
            namespace: caller.project.clone(),
            name,
            settings: settings.clone(),
            code: Some(code.clone()),
            annotation: Some(note.annotation()?),
        })
    };
    let given = note.name.as_deref();
    if let Some(name) = function_name::as_given(given) {
        match app.create_function(under(name)?).await {
            Err(Error::Conflict(_)) => {}
            done => return Ok(done?),
        }
    }
    Ok(app.create_function(under(function_name::made_unique(given)?)?).await?)
}

/// Waits a while until what was deployed serves, so that the next execution meets it. While the engine is away there
/// is nothing to wait for.
pub(super) async fn settle(app: &App, deployed: &Deployed) -> Result<(), Fault> {
    if app.engine_answers() {
        app.wait_for(deployed.revision.id, SETTLE).await?;
    }
    Ok(())
}

async fn list(State(state): State<Dialect>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Value>, Fault> {
    let mut query = Query::read(&query.unwrap_or_default(), &["project_id"])?;
    let scope = caller.scope(&mut query)?;
    let mut views: Vec<wire::Function<String>> = Vec::new();
    for found in note::functions(&state.app, scope.as_ref()).await? {
        if query.admits(|_| Some(found.function.namespace.as_str())) {
            let view = function_view::function(&state.app, &found).await?;
            views.push(view.with_code(|code| json_text::text(&code)));
        }
    }
    Ok(Json(json!({"functions": views})))
}

async fn show(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let found = note::function(&state.app, &caller, &id).await?;
    if download::is_wanted(query.as_deref()) {
        return download::function(&state.app, &found).await;
    }
    Ok(Json(function_view::function(&state.app, &found).await?).into_response())
}

async fn remove(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    let app = &state.app;
    let found = note::function(app, &caller, super::attributes::path_uuid("id", &id)?).await?;
    let function = found.function.id;
    if has_running_jobs(app, &found, |selector| !matches!(selector, Selector::Alias(_))).await? {
        return Err(Fault::forbidden(
            "The function is still associated with running job(s).",
        ));
    }
    let webhooks = app.list_webhooks(None, Some(function)).await?;
    if webhooks.iter().any(|w| !matches!(w.selector, Selector::Alias(_))) {
        return Err(Fault::forbidden("The function is still associated with webhook(s)."));
    }
    if !app.list_aliases(None, Some(function)).await?.is_empty() {
        return Err(Fault::forbidden(
            "The function is still associated with function alias(es).",
        ));
    }
    if found.function.namespace != caller.project {
        return Err(Fault::forbidden("Function can only be deleted by its owner."));
    }
    app.delete_function_by_id(function).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a job that is neither done nor cancelled calls the function by such a selector.
pub(super) async fn has_running_jobs(app: &App, found: &Found, by: impl Fn(&Selector) -> bool) -> Result<bool, Fault> {
    let jobs = app.list_jobs(JobFilter {
        function: Some(found.function.id),
        ..JobFilter::default()
    });
    let running = |state| matches!(state, JobState::Active | JobState::Paused);
    Ok(jobs.await?.iter().any(|job| running(job.state) && by(&job.selector)))
}
