//! A function as clients see it: its configuration, and how it stands at this moment.
//!
//! Source: the contract's sections 2.1 and 2.2.

use super::Dashboard;
use super::config::{Config, SKIP_BUILD, SKIP_DEPLOY};
use super::fault::Fault;
use super::note::{Found, Stage};
use super::standing::{Facts, Standing, standing};
use crate::app::App;
use crate::domain::{Error, Revision, RevisionId, RevisionState, Selector};
use serde_json::{Map, Value, json};

/// Says in an export how the function stood.
const PREVIOUS_STATE: &str = "nuclio.io/previous-state";

/// How a function stands, and the revisions that say so.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) standing: Standing,
    pub(super) latest: Option<Revision>,
    /// When what serves was deployed; `None`: nothing serves. Unit: UTC milliseconds.
    pub(super) serving_since_ms: Option<i64>,
}

/// Looks how a function stands.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn look(app: &App, found: &Found) -> Result<Look, Fault> {
    let (current, revisions) = revisions(app, found).await?;
    let facts = Facts {
        stage: &found.note.stage,
        latest: revisions.first().map(|r| &r.state),
        n_workers: n_workers(app, found).await?,
        engine_answers: app.engine_answers(),
    };
    let standing = standing(&facts);
    let serving = revisions.iter().find(|r| Some(r.id) == current);
    Ok(Look {
        standing,
        serving_since_ms: serving.map(|r| r.created_at.as_millis()),
        latest: revisions.into_iter().next(),
    })
}

/// Which revision serves, and all there are. Read anew and together: a function that is ready has its addresses.
async fn revisions(app: &App, found: &Found) -> Result<(Option<RevisionId>, Vec<Revision>), Fault> {
    let Some(function) = &found.function else {
        return Ok((None, Vec::new()));
    };
    match app.with_revisions(function.id).await {
        Ok((function, revisions)) => Ok((function.current, revisions)),
        // Deleted since it was found.
        Err(Error::NotFound(_)) => Ok((None, Vec::new())),
        Err(other) => Err(other.into()),
    }
}

/// Only of a function that is parked does it matter.
async fn n_workers(app: &App, found: &Found) -> Result<usize, Fault> {
    let (Some(function), Stage::Parked) = (&found.function, &found.note.stage) else {
        return Ok(0);
    };
    match app.workers_of(function.id, &Selector::Current).await {
        Ok(workers) => Ok(workers.len()),
        Err(Error::NotReady(_) | Error::NotFound(_)) => Ok(0),
        Err(other) => Err(other.into()),
    }
}

/// A function as it is shown.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn function(dashboard: &Dashboard, found: &Found) -> Result<Value, Fault> {
    let look = look(&dashboard.app, found).await?;
    let mut config = found.note.config.clone();
    config.metadata.name.clone_from(&found.note.name);
    config.metadata.namespace = found.namespace.to_string();
    if let Some(since) = look.serving_since_ms {
        config.set_build("timestamp", json!(since / 1000));
    }
    let mut view = config.value();
    view["status"] = status(dashboard, found, &look).await?;
    Ok(view)
}

async fn status(dashboard: &Dashboard, found: &Found, look: &Look) -> Result<Value, Fault> {
    let mut status = Map::new();
    status.insert("state".to_owned(), json!(look.standing.state.as_str()));
    if let Some(message) = &look.standing.message {
        status.insert("message".to_owned(), json!(message));
    }
    if let Some(revision) = &look.latest {
        let logs = dashboard
            .deploy_logs
            .of(&dashboard.app, revision, &found.note.remarks)
            .await?;
        status.insert("logs".to_owned(), Value::Array(logs));
    }
    if look.serving_since_ms.is_some() && found.note.stage != Stage::Imported {
        super::reach::of(dashboard, found).show(&mut status);
        if look.latest.as_ref().is_some_and(|r| r.state == RevisionState::Ready) {
            status.insert("containerImage".to_owned(), json!(found.note.config.text("image")));
        }
    }
    Ok(Value::Object(status))
}

/// A function as it is exported: to be sent back, and then taken in without being deployed.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn export(app: &App, found: &Found) -> Result<Value, Fault> {
    let state = look(app, found).await?.standing.state;
    let mut config = found.note.config.clone();
    config.metadata.name.clone_from(&found.note.name);
    Ok(exported(config, state.as_str()))
}

fn exported(mut config: Config, state: &str) -> Value {
    config.metadata.namespace.clear();
    config.metadata.resource_version.clear();
    for (name, value) in [(SKIP_BUILD, "true"), (SKIP_DEPLOY, "true"), (PREVIOUS_STATE, state)] {
        config.metadata.annotations.insert(name.to_owned(), value.to_owned());
    }
    let triggers = config.spec.get_mut("triggers").and_then(Value::as_object_mut);
    for trigger in triggers
        .into_iter()
        .flat_map(|t| t.values_mut())
        .filter_map(Value::as_object_mut)
    {
        trigger.remove("password");
        trigger.remove("secret");
    }
    config.value()
}

/// Takes out what a client that asks for a clean specification does not want to see.
pub(super) fn clean(view: &mut Value) {
    let Some(spec) = view.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    spec.remove("runRegistry");
    let build = spec.get_mut("build").and_then(Value::as_object_mut);
    let has_source = build.is_some_and(|build| {
        build.remove("registry");
        build.contains_key("functionSourceCode")
    });
    if has_source {
        spec.remove("image");
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Origin;
    use super::*;

    #[test]
    fn an_export_holds_no_secrets_and_says_how_to_take_it_in() {
        let sent = json!({"metadata": {"name": "f1", "namespace": "n", "resourceVersion": "5"},
            "spec": {"triggers": {"t": {"kind": "x", "password": "p", "secret": "s"}},
                     "build": {"codeEntryAttributes": {"password": "$ref:/spec/build/codeentryattributes/password"}}}});
        let view = exported(Config::read(&sent, Origin::Json).expect("of the shape"), "ready");
        let annotations = json!({"skip-build": "true", "skip-deploy": "true", "nuclio.io/previous-state": "ready"});
        assert_eq!(view["metadata"], json!({"name": "f1", "annotations": annotations}));
        assert_eq!(
            view["spec"]["triggers"]["t"],
            json!({"class": "", "kind": "x", "name": ""})
        );
        let kept = "$ref:/spec/build/codeentryattributes/password";
        assert_eq!(view["spec"]["build"]["codeEntryAttributes"]["password"], kept);
        assert!(view.get("status").is_none());
    }

    #[test]
    fn a_clean_specification_has_no_registries_and_no_image_beside_source() {
        let mut view =
            json!({"spec": {"runRegistry": "r", "image": "i", "build": {"registry": "r", "functionSourceCode": "x"}}});
        clean(&mut view);
        assert_eq!(view, json!({"spec": {"build": {"functionSourceCode": "x"}}}));
    }
}
