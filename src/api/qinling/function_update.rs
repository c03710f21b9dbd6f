//! Changes of a function: its description at once, its code and its limits by another deploy.

use super::caller::Caller;
use super::fault::Fault;
use super::form::{Form, Package};
use super::function_code as code;
use super::function_object::{self, Place};
use super::functions::{has_running_jobs, settle};
use super::note::{self, Found, Source};
use super::resources::Resources;
use super::runtime_image::Environment;
use super::{Dialect, function_name, function_view, wire};
use crate::app::{App, NewCode, Redeploy, Settings};
use crate::domain::Error;
use axum::Json;
use axum::extract::{Path, Request, State};
use serde_json::{Map, Value};

/// Fields that concern what runs; with one of them, jobs must not be waiting to run it.
const RESOURCES: [&str; 4] = ["code", "entry", "cpu", "memory_size"];

/// `PUT /v1/functions/{id}`.
pub(super) async fn update(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<wire::Function>, Fault> {
    let app = &state.app;
    note::function(app, &caller, &id).await?;
    let token = function_object::token(request.headers());
    let form = Form::read(app, request).await?;
    // Only now: an upload takes as long as it takes, and others change the function meanwhile.
    let mut found = note::function(app, &caller, &id).await?;
    let resources = Resources::read(&form)?;
    let mut change = Redeploy::default();
    if form.package.is_some() || form.has_any(&RESOURCES) {
        change.code = new_code(app, &mut found, &form, token).await?;
        change.settings.entry = form.text("entry").filter(|entry| !entry.is_empty());
    }
    resources.apply(&mut change.settings)?;
    found.note.memory_size = resources.memory_size.unwrap_or(found.note.memory_size);
    let described = describe(&mut found, &form);
    let runs_otherwise = change.code.is_some() || change.settings.entry.is_some() || resources != Resources::default();
    if runs_otherwise {
        redeploy(app, &mut found, change).await?;
    } else if described {
        found.save_note(app).await?;
    }
    if form.has_any(&["name"]) {
        rename(app, &mut found).await?;
    }
    Ok(Json(function_view::function(app, &found).await?))
}

/// Takes a function to another environment; whatever else it has stays.
pub(super) async fn move_to(app: &App, mut found: Found, environment: &Environment) -> Result<(), Fault> {
    let change = Redeploy {
        settings: code::settings(environment.clone()),
        ..Redeploy::default()
    };
    redeploy(app, &mut found, change).await
}

async fn redeploy(app: &App, found: &mut Found, change: Redeploy) -> Result<(), Fault> {
    found.note.updated_at_ms = Some(app.now().as_millis());
    let settings = Settings {
        preload: Some(false),
        ..change.settings
    };
    let change = Redeploy {
        settings,
        annotation: Some(found.note.annotation()?),
        ..change
    };
    let deployed = app.redeploy(found.function.id, change).await?;
    settle(app, &deployed).await
}

/// Checks a change of what runs, and answers new code where there is some.
async fn new_code(app: &App, found: &mut Found, form: &Form, token: Option<String>) -> Result<Option<NewCode>, Fault> {
    if has_running_jobs(app, found, |_| true).await? {
        return Err(Fault::forbidden(
            "The function is still associated with running job(s).",
        ));
    }
    let object = form.code()?.unwrap_or_default();
    let current = found.note.source();
    if object.contains_key("source") && Source::of(&object) != Some(current) {
        return Err(Fault::bad("The function code type can not be changed."));
    }
    match current {
        Source::Image => Err(Fault::bad("The image type function code can not be changed.")),
        Source::Swift => new_object(app, found, form, object, token).await,
        Source::Package => new_package(found, form, object),
    }
}

/// The object of the place that is named now; the same place may hold another object than before.
async fn new_object(
    app: &App,
    found: &mut Found,
    form: &Form,
    object: Map<String, Value>,
    token: Option<String>,
) -> Result<Option<NewCode>, Fault> {
    function_object::refuse_package(form)?;
    if !form.has_any(&["code"]) {
        return Ok(None);
    }
    let place = Place::change(&object, &found.note.code)?;
    let code = place.fetch(app, token).await?;
    found.note.code.extend(object);
    found.note.code = place.write(std::mem::take(&mut found.note.code));
    Ok(Some(code))
}

fn new_package(found: &mut Found, form: &Form, object: Map<String, Value>) -> Result<Option<NewCode>, Fault> {
    if object
        .get("md5sum")
        .is_some_and(|sum| sum.as_str() == found.note.md5sum())
    {
        return Err(Fault::bad("The function code checksum is not changed."));
    }
    // A code object alone would change what is said of the code and not the code.
    let Some(sent) = &form.package else {
        return Ok(None);
    };
    let package = code::package_of(form, &object)?;
    Ok(replace(found, object, package).then(|| code::new_code(sent)))
}

/// Puts the new package's code object in the place of the old; `false` when the package is the same.
fn replace(found: &mut Found, object: Map<String, Value>, package: &Package) -> bool {
    if found.note.md5sum() == Some(package.md5sum.as_str()) {
        return false;
    }
    found.note.code.extend(object);
    let kept = std::mem::take(&mut found.note.code);
    found.note.code = code::package_object(kept, package);
    true
}

/// Takes over name and description; whether there were any.
fn describe(found: &mut Found, form: &Form) -> bool {
    let (name, description) = (form.text("name"), form.text("description"));
    let any = name.is_some() || description.is_some();
    found.note.name = name.or(found.note.name.take());
    found.note.description = description.or(found.note.description.take());
    any
}

/// Gives the core's function the new name too, where it takes it and nobody else has it.
async fn rename(app: &App, found: &mut Found) -> Result<(), Fault> {
    let Some(name) = function_name::as_given(found.note.name.as_deref()) else {
        return Ok(());
    };
    if name == found.function.name {
        return Ok(());
    }
    match app.rename_function(found.function.id, &name).await {
        Err(Error::Conflict(_)) => Ok(()),
        renamed => {
            found.function = renamed?;
            Ok(())
        }
    }
}
