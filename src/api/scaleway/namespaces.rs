//! Namespaces: make, list, show, change and remove them with all that is in them. They are ready at once.

use super::applications::{Answer, delete_with_belongings, listed};
use super::asked::{Asked, Root, without_scheme};
use super::deploy::reload;
use super::fault::Fault;
use super::note;
use super::page::Query;
use super::secrets::{self, GivenSecret};
use super::sent::Sent;
use super::space::{self, Shelf, Space, SpaceNote};
use super::{Route, State, alpha, containers_beta, functions_beta, surroundings, time, tokens, wire};
use crate::app::{App, VariablesChange};
use crate::domain::{Error, Timestamp};
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::{delete, get, patch, post};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Letters of the name that are part of its registry's. Unit: bytes.
const REGISTRY_CUT: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    let roots = [
        [alpha!("/namespaces"), alpha!("/namespaces/{id}")],
        [functions_beta!("/namespaces"), functions_beta!("/namespaces/{id}")],
        [containers_beta!("/namespaces"), containers_beta!("/namespaces/{id}")],
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
    organization_id: Option<String>,
    project_id: Option<String>,
    environment_variables: Option<BTreeMap<String, String>>,
    secret_environment_variables: Option<Vec<GivenSecret>>,
    description: Option<String>,
    tags: Option<Vec<String>>,
}

impl Given {
    /// A new one. Whoever names only one owner means both.
    fn begin(&self, state: &State, asked: &Asked) -> Result<SpaceNote, Fault> {
        let name = self.name.clone().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::argument("name", "a namespace needs a name"))?;
        let first = |a: &Option<String>, b: &Option<String>| a.clone().or_else(|| b.clone()).unwrap_or_default();
        let now = state.app.now().as_millis();
        let mut note = SpaceNote {
            id: Uuid::now_v7().to_string(),
            organization_id: first(&self.organization_id, &self.project_id),
            project_id: first(&self.project_id, &self.organization_id),
            region: asked.region.clone(),
            shelf: Shelf::of(asked.root),
            registry_namespace_id: Uuid::new_v4().to_string(),
            registry_endpoint: registry_endpoint(&state.base_url, &name),
            created_at_ms: now,
            updated_at_ms: now,
            name,
            ..SpaceNote::default()
        };
        self.apply(&mut note);
        Ok(note)
    }

    /// What the core keeps of it.
    fn variables(&self) -> Result<VariablesChange, Fault> {
        if let Some(environment) = &self.environment_variables {
            surroundings::check(environment)?;
        }
        Ok(VariablesChange {
            env: self.environment_variables.clone(),
            secrets: secrets::changes(self.secret_environment_variables.as_deref())?,
        })
    }

    fn apply(&self, note: &mut SpaceNote) {
        if let Some(description) = &self.description {
            note.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            note.tags.clone_from(tags);
        }
    }
}

/// What images of a namespace are called: our own address, which the engine on this machine takes for a registry without
/// encryption, and a name nobody else has.
fn registry_endpoint(base_url: &str, name: &str) -> String {
    let host = without_scheme(base_url).replace("0.0.0.0", "127.0.0.1");
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let name: String = name.chars().filter(plain).take(REGISTRY_CUT).collect();
    let end: String = Uuid::new_v4().simple().to_string().chars().take(8).collect();
    format!("{host}/funcscw{}{end}", name.to_ascii_lowercase())
}

async fn create(Shared(state): Shared<State>, asked: Asked, Sent(given): Sent<Given>) -> Answer {
    let app = &state.app;
    let variables = VariablesChange {
        // What a namespace of that name had before is not this one's.
        env: Some(given.environment_variables.clone().unwrap_or_default()),
        ..given.variables()?
    };
    let space = Space::create(app, &asked, given.begin(&state, &asked)?).await?;
    if let Err(refused) = app.change_namespace_variables(&space.core, variables).await {
        space.remove(app).await?;
        return Err(refused.into());
    }
    Ok(Json(view(app, &asked, &space).await?))
}

async fn list(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref());
    let mut found = space::shown(&state.app, &asked).await?;
    found.retain(|space| {
        let note = &space.note;
        query.admits("name", &note.name)
            && query.admits("organization_id", &note.organization_id)
            && query.admits("project_id", &note.project_id)
    });
    let (page, total) = query.page(found)?;
    let mut views = Vec::new();
    for space in &page {
        views.push(view(&state.app, &asked, space).await?);
    }
    Ok(listed("namespaces", views, total))
}

async fn show(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let space = space::find(&state.app, &asked, &id).await?;
    Ok(Json(view(&state.app, &asked, &space).await?))
}

/// What is deployed in it finds another environment at once; calls go on meanwhile.
async fn update(
    Shared(state): Shared<State>,
    asked: Asked,
    Path((_, id)): Path<(String, String)>,
    Sent(given): Sent<Given>,
) -> Answer {
    let app = &state.app;
    let _changing = state.turns.take(&id).await;
    let mut space = space::find(app, &asked, &id).await?;
    let before = app.namespace_variables(&space.core).await?;
    let after = app.change_namespace_variables(&space.core, given.variables()?).await?;
    given.apply(&mut space.note);
    space.note.updated_at_ms = app.now().as_millis();
    space.save(app).await?;
    if after != before {
        reload(app, &space).await?;
    }
    Ok(Json(view(app, &asked, &space).await?))
}

async fn remove(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let app = &state.app;
    let _changing = state.turns.take(&id).await;
    let space = space::find(app, &asked, &id).await?;
    let mut view = view(app, &asked, &space).await?;
    view["status"] = "deleting".into();
    for application in note::of_spaces(app, vec![space.clone()]).await? {
        delete_with_belongings(app, &application).await?;
    }
    tokens::remove_of(app, &space.note.id).await?;
    app.forget_namespace(&space.core).await?;
    space.remove(app).await?;
    Ok(Json(view))
}

async fn view(app: &App, asked: &Asked, space: &Space) -> Result<Value, Fault> {
    let variables = app.namespace_variables(&space.core).await?;
    let note = space.note.clone();
    let is_beta = asked.root != Root::Alpha;
    let old = wire::Namespace {
        id: note.id,
        name: note.name,
        environment_variables: variables.env,
        organization_id: note.organization_id,
        status: "ready",
        registry_namespace_id: note.registry_namespace_id,
        error_message: (!is_beta).then(String::new),
        registry_endpoint: note.registry_endpoint,
        description: note.description,
        region: note.region,
    };
    let at = |millis| Some(time::show(Timestamp::from_millis(millis)));
    let view = match is_beta {
        false => serde_json::to_value(old),
        true => serde_json::to_value(wire::BetaNamespace {
            old,
            project_id: note.project_id,
            secret_environment_variables: secrets::shown(&variables.secrets),
            tags: note.tags,
            created_at: at(note.created_at_ms),
            updated_at: at(note.updated_at_ms),
            vpc_integration_activated: Some(false),
        }),
    };
    Ok(view.map_err(|e| Error::internal("a view cannot be written", e))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_so_that_the_engine_takes_the_name() {
        let named = registry_endpoint("http://0.0.0.0:7070", "My-Names_pace é");
        let (host, path) = named.split_once('/').expect("a host");
        assert_eq!(host, "127.0.0.1:7070");
        assert!(path.starts_with("funcscwmynamespace"), "{path}");
        assert!(
            path.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "{path}"
        );
    }
}
