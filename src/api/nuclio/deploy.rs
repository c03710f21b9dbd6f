//! Creating and changing a function: checks, takes the code in, and hands it to the core. Answers when the core has
//! written it down; what is built after that is told by the function's state.
//!
//! Source: the contract's sections 2.3 and 2.4.

use super::Dashboard;
use super::code::{self, Fetched};
use super::config::{Config, Spec};
use super::enrich::enrich;
use super::fault::Fault;
use super::function_view;
use super::note::{self, Found, FunctionNote, Stage};
use super::reach::Wish;
use super::settings::{self, Translated};
use super::{api_gateways, cron, names, projects, validate};
use crate::app::{App, Deploy, Deployed, NewCode, Redeploy};
use crate::domain::{Error, Namespace, RevisionId};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a client waits that wants to see the end of a deploy.
const LONGEST: Duration = Duration::from_secs(3600);

/// What somebody wants to be deployed.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) namespace: Namespace,
    pub(super) config: Config,
    pub(super) kind: Kind,
}

/// Whether the function may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Update,
    /// As it is kept here: what was taken in is now deployed.
    Again,
}

/// What a deploy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was taken in and not deployed.
    Imported,
    /// The core has it.
    Accepted(RevisionId),
}

/// How long the client waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until the function is written down.
    pub(super) accepted: Duration,
    /// Whether to its end.
    pub(super) to_the_end: bool,
}

/// Deploys, after those who asked before for the same function. The work goes on when the client does not wait for it.
///
/// # Errors
/// What is wrong with the order, or 500 when it takes longer than the client waits.
pub(super) async fn deploy(dashboard: &Dashboard, order: Order, patience: Patience) -> Result<(), Fault> {
    let (tell, told) = oneshot::channel();
    let app = dashboard.app.clone();
    app.in_background({
        let (app, deploys) = (app.clone(), dashboard.deploys.clone());
        async move {
            let function = format!("{}/{}", order.namespace, order.config.metadata.name);
            let _one_at_a_time = deploys.take(&function).await;
            // Nobody may listen any more; what came of it is in the function's state.
            let _ = tell.send(carry_out(&app, order).await);
        }
    });
    let ended = || Fault::refused("The daemon stopped while the function was deployed: deploy it again");
    let late = || Fault::refused("Timed out waiting for creation state to be set");
    let told = tokio::time::timeout(patience.accepted, told)
        .await
        .map_err(|_| late())?;
    let outcome = told.map_err(|_| ended())??;
    if let (Outcome::Accepted(revision), true) = (outcome, patience.to_the_end) {
        match app.wait_for(revision, LONGEST).await {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}

async fn carry_out(app: &App, order: Order) -> Result<Outcome, Fault> {
    let existing = note::find(app, &order.namespace, &order.config.metadata.name).await?;
    check_existing(app, &order, existing.as_ref()).await?;
    let checked = check(app, &order).await?;
    if checked.skips_deploy() {
        return import(app, order, existing).await;
    }
    match take_over(app, &order, existing.as_ref()).await {
        Ok(outcome) => Ok(outcome),
        // Another was faster: what is kept under the name is the other's.
        Err(fault) if fault == taken() => Err(fault),
        Err(fault) => {
            refuse(app, &order, existing, &fault).await?;
            Err(fault.while_doing(format!("Failed to deploy function {}", order.config.metadata.name)))
        }
    }
}

/// Whether what is there allows the order.
async fn check_existing(app: &App, order: &Order, existing: Option<&Found>) -> Result<(), Fault> {
    let name = &order.config.metadata.name;
    names::check_function(name)?;
    let Some(found) = existing else {
        return match note::in_core(app, &order.namespace, name).await? {
            Some(_) => Err(taken()),
            None => Ok(()),
        };
    };
    if order.kind == Kind::Create {
        return Err(taken());
    }
    let state = function_view::look(app, found).await?.standing.state;
    if state.is_provisioning() {
        return Err(Fault::unmet(
            "Function cannot be updated when existing function is being provisioned",
        ));
    }
    let (version, known) = (
        &order.config.metadata.resource_version,
        &found.note.config.metadata.resource_version,
    );
    if !version.is_empty() && version != known {
        return Err(Fault::conflict("Function resource version is stale"));
    }
    let disables = order.config.spec.get("disable") == Some(&true.into());
    if disables && !api_gateways::names_to(app, &order.namespace, name).is_empty() {
        return Err(Fault::bad("Cannot disable function while used by an API gateway"));
    }
    if disables && found.note.stage == Stage::Imported {
        return Err(Fault::refused(
            "Failed to disable function: non-deployed functions cannot be disabled",
        ));
    }
    Ok(())
}

fn taken() -> Fault {
    Fault::conflict("Cannot create two functions with the same name")
}

/// The configuration as it would be kept, checked.
async fn check(app: &App, order: &Order) -> Result<Config, Fault> {
    let mut config = order.config.clone();
    enrich(&mut config);
    validate::validate(&config)?;
    projects::must_exist(app, &order.namespace, config.project()).await?;
    Ok(config)
}

async fn import(app: &App, order: Order, existing: Option<Found>) -> Result<Outcome, Fault> {
    let mut config = order.config;
    enrich(&mut config);
    config.forget_orders();
    keep(app, order.namespace, existing, config, Stage::Imported).await?;
    Ok(Outcome::Imported)
}

/// Keeps an order that was refused, with the reason: it is what the user looks at next.
async fn refuse(app: &App, order: &Order, existing: Option<Found>, fault: &Fault) -> Result<(), Fault> {
    let mut config = order.config.clone();
    enrich(&mut config);
    config.forget_orders();
    let stage = Stage::Refused(fault.message.clone());
    keep(app, order.namespace.clone(), existing, config, stage).await
}

async fn keep(
    app: &App,
    namespace: Namespace,
    existing: Option<Found>,
    config: Config,
    stage: Stage,
) -> Result<(), Fault> {
    let found = Found {
        namespace,
        function: existing.and_then(|found| found.function),
        note: FunctionNote {
            name: config.metadata.name.clone(),
            config,
            stage,
            remarks: Vec::new(),
            deployed_at_ms: app.now().as_millis(),
        },
    };
    found.save(app).await
}

/// What is to be deployed.
struct Ready {
    config: Config,
    spec: Spec,
    code: Option<NewCode>,
    translated: Translated,
}

async fn take_over(app: &App, order: &Order, existing: Option<&Found>) -> Result<Outcome, Fault> {
    let ready = prepare(app, order, existing).await?;
    projects::must_exist(app, &order.namespace, ready.config.project()).await?;
    let wish = Wish::of(&ready.spec)?;
    wish.check(app, existing.and_then(|found| Some(found.function.as_ref()?.id)))
        .await?;
    let deployed = hand_over(app, order, existing, &ready).await?;
    note::forget_draft(app, &order.namespace, &order.config.metadata.name).await?;
    wish.fulfil(app, deployed.function.id).await?;
    cron::sync(app, &deployed.function, &ready.spec).await?;
    Ok(Outcome::Accepted(deployed.revision.id))
}

/// Takes the code in, and brings request and code together.
async fn prepare(app: &App, order: &Order, existing: Option<&Found>) -> Result<Ready, Fault> {
    let is_here = existing.is_some_and(|found| found.function.is_some());
    if order.config.build_text("mode") == "neverBuild" && existing.is_none() {
        return Err(Fault::refused(
            "Non existing function cannot be created with neverBuild mode",
        ));
    }
    if is_here && (order.config.skips_build() || is_our_image(app, order, existing)) {
        return reuse(app, order, existing);
    }
    if code::is_brought(app, &order.config) {
        let fetched = code::fetch(app, &order.config).await?;
        return with_code(app, fetched);
    }
    with_image(app, order)
}

/// Whether the image that is named is the one that we say the function has.
fn is_our_image(app: &App, order: &Order, existing: Option<&Found>) -> bool {
    let known = existing.map_or("", |found| found.note.config.text("image"));
    !code::is_brought(app, &order.config) && !known.is_empty() && order.config.text("image") == known
}

/// The code of before with other settings.
fn reuse(app: &App, order: &Order, existing: Option<&Found>) -> Result<Ready, Fault> {
    let mut config = order.config.clone();
    let before = existing.map(|found| &found.note.config);
    for key in ["image", "runtime", "handler"] {
        if let (true, Some(value)) = (config.text(key).is_empty(), before.and_then(|c| c.spec.get(key))) {
            config.set(key, value.clone());
        }
    }
    let (config, spec) = completed(config)?;
    let is_image = settings::runtime(app, &spec.runtime).is_err();
    let mut translated = match is_image {
        true => settings::of_image(app, &config, &spec)?,
        false => settings::of_code(app, &config, &spec, String::new())?,
    };
    // What decides what is built stays as it was.
    translated.settings.entry = None;
    translated.settings.build_commands = None;
    translated.settings.base_image = None;
    translated.settings.base_steps = None;
    translated.settings.runtime = None;
    translated.settings.convention = None;
    Ok(Ready {
        config,
        spec,
        code: None,
        translated,
    })
}

fn with_code(app: &App, fetched: Fetched) -> Result<Ready, Fault> {
    let Fetched {
        code,
        mut config,
        entry,
    } = fetched;
    let image = match config.build_text("image") {
        "" => format!("nuclio/processor-{}:latest", config.metadata.name.to_lowercase()),
        image => image.to_owned(),
    };
    config.set("image", image);
    let (config, spec) = completed(config)?;
    let translated = settings::of_code(app, &config, &spec, entry)?;
    Ok(Ready {
        config,
        spec,
        code: Some(code),
        translated,
    })
}

fn with_image(app: &App, order: &Order) -> Result<Ready, Fault> {
    let (config, spec) = completed(order.config.clone())?;
    if spec.image.is_empty() {
        return Err(Fault::refused(
            "Function must have either spec.build.path,spec.build.functionSourceCode, spec.build.image or spec.image set in order to create",
        ));
    }
    if spec.runtime.is_empty() {
        return Err(Fault::refused("If image is passed, runtime must be specified"));
    }
    let translated = settings::of_image(app, &config, &spec)?;
    Ok(Ready {
        code: Some(NewCode::Image(spec.image.clone())),
        config,
        spec,
        translated,
    })
}

/// Enriched and checked once more: the code may have brought a configuration of its own.
fn completed(mut config: Config) -> Result<(Config, Spec), Fault> {
    enrich(&mut config);
    let spec = validate::validate(&config)?;
    config.forget_orders();
    Ok((config, spec))
}

async fn hand_over(app: &App, order: &Order, existing: Option<&Found>, ready: &Ready) -> Result<Deployed, Fault> {
    let note = FunctionNote {
        name: order.config.metadata.name.clone(),
        config: ready.config.clone(),
        stage: Stage::Deployed,
        remarks: ready.translated.remarks.clone(),
        deployed_at_ms: app.now().as_millis(),
    };
    let (settings, code) = (ready.translated.settings.clone(), ready.code.clone());
    let annotation = Some(note.annotation()?);
    if let Some(function) = existing.and_then(|found| found.function.as_ref()) {
        let change = Redeploy {
            settings,
            code,
            annotation,
        };
        return Ok(app.redeploy(function.id, change).await?);
    }
    let deploy = Deploy {
        namespace: order.namespace.clone(),
        name: names::in_core(&order.config.metadata.name)?,
        settings,
        code,
        annotation,
    };
    match app.create_function(deploy).await {
        Err(Error::Conflict(_)) => Err(taken()),
        done => Ok(done?),
    }
}
