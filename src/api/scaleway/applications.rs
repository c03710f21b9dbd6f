//! Functions and containers: make, list, show, change, deploy and remove them. They differ in fields, not in what can be
//! done with them.

use super::asked::Asked;
use super::deploy::deploy;
use super::fault::Fault;
use super::given::Given;
use super::look::Look;
use super::note::{self, Application, Kind};
use super::page::Query;
use super::sent::Sent;
use super::{Route, State, alpha, containers_beta, functions_beta, secrets, space, view};
use super::{domains, tokens, triggers};
use crate::app::App;
use crate::domain::{Error, FunctionName, Secrets};
use crate::store::JobFilter;
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::{delete, get, patch, post};
use http::Method;
use serde_json::{Map, Value};

/// What most handlers answer.
pub(super) type Answer = Result<Json<Value>, Fault>;

pub(super) fn routes() -> Vec<Route> {
    let mut all = Vec::new();
    for (kind, paths) in [
        (
            Kind::Function,
            [
                alpha!("/functions"),
                alpha!("/functions/{id}"),
                alpha!("/functions/{id}/deploy"),
            ],
        ),
        (
            Kind::Container,
            [
                alpha!("/containers"),
                alpha!("/containers/{id}"),
                alpha!("/containers/{id}/deploy"),
            ],
        ),
        (
            Kind::Function,
            [
                functions_beta!("/functions"),
                functions_beta!("/functions/{id}"),
                functions_beta!("/functions/{id}/deploy"),
            ],
        ),
        (
            Kind::Container,
            [
                containers_beta!("/containers"),
                containers_beta!("/containers/{id}"),
                containers_beta!("/containers/{id}/deploy"),
            ],
        ),
    ] {
        all.extend(of_kind(kind, paths));
    }
    for (kind, path) in [
        (Kind::Function, alpha!("/namespaces/{id}/functions")),
        (Kind::Container, alpha!("/namespaces/{id}/containers")),
        (Kind::Function, functions_beta!("/namespaces/{id}/functions")),
        (Kind::Container, containers_beta!("/namespaces/{id}/containers")),
    ] {
        let list = move |state, asked, id, query| list_within(state, asked, kind, id, query);
        all.push((Method::GET, path, get(list)));
    }
    all
}

fn of_kind(kind: Kind, [all, one, deployed]: [&'static str; 3]) -> [Route; 6] {
    [
        (
            Method::GET,
            all,
            get(move |state, asked, query| list(state, asked, kind, query)),
        ),
        (
            Method::POST,
            all,
            post(move |state, asked, given| create(state, asked, kind, given)),
        ),
        (
            Method::GET,
            one,
            get(move |state, asked, id| show(state, asked, kind, id)),
        ),
        (
            Method::PATCH,
            one,
            patch(move |state, asked, id, given| update(state, asked, kind, id, given)),
        ),
        (
            Method::DELETE,
            one,
            delete(move |state, asked, id| remove(state, asked, kind, id)),
        ),
        (
            Method::POST,
            deployed,
            post(move |state, asked, id| deploy_now(state, asked, kind, id)),
        ),
    ]
}

async fn create(Shared(state): Shared<State>, asked: Asked, kind: Kind, Sent(given): Sent<Given>) -> Answer {
    let app = &state.app;
    let id = given.namespace_id.as_deref().unwrap_or_default();
    let space = space::find(app, &asked, id).await?;
    let name = FunctionName::parse(given.checked_name(kind)?)?;
    let mut note = given.begin(app, kind, asked.root)?;
    note.waiting.secrets = secrets::change(app, &Secrets::new(), given.secret_environment_variables.as_deref()).await?;
    let declared = app
        .declare_function(space.core.clone(), name.clone(), note.annotation()?)
        .await;
    let function = declared.map_err(|error| match error {
        Error::Conflict(_) => {
            let message = format!(
                "there is already something named {name} in namespace {}",
                space.note.name
            );
            Fault::exists(message, &kind.label().to_lowercase())
        }
        other => other.into(),
    })?;
    let look = Look::at(app, Application { function, note, space }).await?;
    Ok(Json(view::application(&asked, &look)?))
}

async fn list(Shared(state): Shared<State>, asked: Asked, kind: Kind, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref());
    let mut spaces = space::shown(&state.app, &asked).await?;
    // An application has no organisation of its own.
    spaces.retain(|space| {
        let note = &space.note;
        query.admits("namespace_id", &note.id)
            && query.admits("organization_id", &note.organization_id)
            && query.admits("project_id", &note.project_id)
    });
    let mut found = of_kind_in(&state.app, spaces, kind).await?;
    found.retain(|one| query.admits("name", one.function.name.as_str()));
    let page = query.page(found)?;
    views(&state.app, &asked, kind, page).await
}

async fn list_within(
    Shared(state): Shared<State>,
    asked: Asked,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::read(query.as_deref());
    let space = space::find(&state.app, &asked, &id).await?;
    let found = of_kind_in(&state.app, vec![space], kind).await?;
    let page = query.page_or_all(found)?;
    views(&state.app, &asked, kind, page).await
}

async fn of_kind_in(app: &App, spaces: Vec<space::Space>, kind: Kind) -> Result<Vec<Application>, Fault> {
    let mut found = note::of_spaces(app, spaces).await?;
    found.retain(|one| one.note.kind == kind);
    Ok(found)
}

async fn views(app: &App, asked: &Asked, kind: Kind, (page, total): (Vec<Application>, usize)) -> Answer {
    let mut views = Vec::new();
    for one in page {
        views.push(view::application(asked, &Look::at(app, one).await?)?);
    }
    let plural = match kind {
        Kind::Function => "functions",
        Kind::Container => "containers",
    };
    Ok(listed(plural, views, total))
}

/// A list in its envelope.
pub(super) fn listed(plural: &str, views: Vec<Value>, total: usize) -> Json<Value> {
    let mut body = Map::new();
    body.insert(plural.to_owned(), views.into());
    body.insert("total_count".to_owned(), total.into());
    Json(Value::Object(body))
}

async fn show(Shared(state): Shared<State>, asked: Asked, kind: Kind, Path((_, id)): Path<(String, String)>) -> Answer {
    let found = note::find_kind(&state.app, &asked, kind, &id).await?;
    let look = Look::at(&state.app, found).await?;
    Ok(Json(view::application(&asked, &look)?))
}

async fn update(
    Shared(state): Shared<State>,
    asked: Asked,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
    Sent(given): Sent<Given>,
) -> Answer {
    let app = &state.app;
    let _changing = state.turns.take(&id).await;
    let mut found = note::find_kind(app, &asked, kind, &id).await?;
    given.apply(app, &mut found.note)?;
    let mut look = Look::at(app, found).await?;
    let given_secrets = given.secret_environment_variables.as_deref();
    if let Some(changed) = secrets::change(app, &look.secrets()?, given_secrets).await? {
        look.application.note.waiting.secrets = Some(changed);
    }
    // Whoever asks for it deploys what was never deployed, too.
    let is_wanted = given.redeploy.unwrap_or_else(|| look.is_deployed());
    if is_wanted {
        look = deploy(&state, look.application).await?;
    } else {
        look.application.save_note(app).await?;
    }
    Ok(Json(view::application(&asked, &look)?))
}

async fn deploy_now(
    Shared(state): Shared<State>,
    asked: Asked,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    let _changing = state.turns.take(&id).await;
    let found = note::find_kind(&state.app, &asked, kind, &id).await?;
    let look = deploy(&state, found).await?;
    Ok(Json(view::application(&asked, &look)?))
}

async fn remove(
    Shared(state): Shared<State>,
    asked: Asked,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    let _changing = state.turns.take(&id).await;
    let found = note::find_kind(&state.app, &asked, kind, &id).await?;
    let look = Look::at(&state.app, found).await?;
    let mut view = view::application(&asked, &look)?;
    view["status"] = "deleting".into();
    delete_with_belongings(&state.app, &look.application).await?;
    Ok(Json(view))
}

/// Removes an application, its crons, domains, triggers and tokens.
pub(super) async fn delete_with_belongings(app: &App, application: &Application) -> Result<(), Fault> {
    domains::remove_of(app, application).await?;
    triggers::remove_of(app, application).await?;
    tokens::remove_of(app, &application.id().to_string()).await?;
    let function = Some(application.id());
    let jobs = app.list_jobs(JobFilter {
        function,
        ..JobFilter::default()
    });
    for job in jobs.await? {
        gone_is_good(app.delete_job(job.id).await)?;
    }
    gone_is_good(app.delete_function_by_id(application.id()).await)
}

/// Somebody else may have removed it just now.
fn gone_is_good(done: Result<(), Error>) -> Result<(), Fault> {
    match done {
        Ok(()) | Err(Error::NotFound(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
