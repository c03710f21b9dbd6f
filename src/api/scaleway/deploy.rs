//! Deploys: what waits becomes a revision of the core, with the package that was uploaded last or the container's image.
//!
//! What is refused here is told by the application's status, as upstream tells what its builds refuse.

use super::State;
use super::fault::Fault;
use super::given;
use super::look::Look;
use super::note::{self, Application, Kind, Waiting};
use super::privacy;
use super::space::Space;
use super::surroundings::{self, PAYLOAD_MAX};
use crate::app::{App, NewCode, Redeploy, Settings, Upload};
use crate::domain::{Concurrency, Convention, Cpu, Error, Fault as Who, Intake, Memory, Timeout};
use std::time::Duration;

/// How long an answer waits until what was deployed serves, so that the first look at it finds it ready. What takes
/// longer, such as dependencies, goes on in the background.
const SETTLE: Duration = Duration::from_secs(8);
/// What is wrong with a function that nobody uploaded code for.
const NO_CODE: &str = "no code has been uploaded yet: ask for upload-url, PUT the zip to its url, then deploy again";

/// Deploys an application as it is noted now; answers how it stands then.
///
/// # Errors
/// Only what is our own fault: anything else is its status.
pub(super) async fn deploy(state: &State, application: Application) -> Result<Look, Fault> {
    let app = &state.app;
    let look = Look::at(app, application).await?;
    let change = match change(state, &look).await {
        Ok(change) => change,
        Err(refused) => return refuse(app, look.application, refused).await,
    };
    privacy::enforce(app, &look.application).await?;
    match app.redeploy(look.application.id(), change).await {
        Err(refused) => refuse(app, look.application, refused.into()).await,
        Ok(deployed) => {
            tell_what_has_no_effect(&look.application, state.tls_port.is_some());
            if app.engine_answers() {
                app.wait_for(deployed.revision.id, SETTLE).await?;
            }
            look_again(app, look.application).await
        }
    }
}

/// Gives what is deployed in a namespace the environment that it says now. Nothing else changes: what waits for a deploy
/// goes on waiting. Answers when they serve, or have taken too long.
///
/// # Errors
/// Only what is our own fault.
pub(super) async fn reload(app: &App, space: &Space) -> Result<(), Fault> {
    let mut deployed = Vec::new();
    for application in note::of_spaces(app, vec![space.clone()]).await? {
        if !Look::at(app, application.clone()).await?.is_deployed() {
            continue;
        }
        match app.redeploy(application.id(), Redeploy::default()).await {
            Ok(new) => deployed.push(new.revision.id),
            // It is gone meanwhile, or what it says itself leaves no room: its next deploy tells.
            Err(error) if error.fault() == Who::Caller => {
                tracing::warn!(function.id = %application.id(), "Could not give a function its namespace's environment: {error}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let serve = async {
        for revision in deployed {
            app.wait_for(revision, SETTLE).await?;
        }
        Ok::<_, Fault>(())
    };
    if app.engine_answers() {
        // What takes longer goes on in the background.
        tokio::time::timeout(SETTLE, serve).await.unwrap_or(Ok(()))?;
    }
    Ok(())
}

/// In the daemon's log, for want of a place in the answers.
fn tell_what_has_no_effect(application: &Application, speaks_tls: bool) {
    let (name, kept) = (
        &application.function.name,
        application.note.extras.without_effect(speaks_tls),
    );
    if !kept.is_empty() {
        let kept = kept.join(", ");
        tracing::warn!(function.id = %application.id(), "Settings of `{name}` are kept and have no effect here: {kept}");
    }
}

async fn look_again(app: &App, old: Application) -> Result<Look, Fault> {
    let found = note::by_id(app, old.id()).await?;
    let kind = old.note.kind.label();
    Look::at(app, found.ok_or_else(|| Fault::missing(kind))?).await
}

/// Why nothing was deployed.
enum Refused {
    /// The user has to act.
    ByUs(String),
    Fault(Fault),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error.fault() {
            Who::Caller => Self::ByUs(error.to_string()),
            Who::Ours => Self::Fault(error.into()),
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        match fault.status.is_client_error() {
            true => Self::ByUs(fault.message),
            false => Self::Fault(fault),
        }
    }
}

async fn refuse(app: &App, mut application: Application, refused: Refused) -> Result<Look, Fault> {
    match refused {
        Refused::Fault(fault) => Err(fault),
        Refused::ByUs(why) => {
            application.note.failure = Some(why);
            application.save_note(app).await?;
            Look::at(app, application).await
        }
    }
}

async fn change(state: &State, look: &Look) -> Result<Redeploy, Refused> {
    let mut note = look.application.note.clone();
    (note.waiting, note.failure) = (Waiting::default(), None);
    let public_key = match note.private {
        true => Some(state.app.signing_key(&look.application.space.core).await?),
        false => None,
    };
    let settings = Settings {
        env: Some(surroundings::environment(look, public_key, is_program(state, look))),
        sealed_secrets: Some(look.secrets()?),
        ..settings(state, look)?
    };
    Ok(Redeploy {
        settings,
        code: Some(code(&state.app, look).await?),
        annotation: Some(note.annotation()?),
    })
}

/// Whether it is built; a container is not.
fn is_program(state: &State, look: &Look) -> bool {
    let family = given::family(&state.app, &look.application.note.runtime);
    family.is_ok_and(given::is_built)
}

async fn code(app: &App, look: &Look) -> Result<NewCode, Refused> {
    if look.application.note.kind == Kind::Container {
        return Ok(NewCode::Image(look.image()));
    }
    let package = look.application.package(app).await?;
    let package = package.ok_or_else(|| Refused::ByUs(NO_CODE.to_owned()))?;
    Ok(NewCode::Package(Upload {
        digest: package.digest()?,
        // It is a zip whatever it is called.
        file_name: None,
    }))
}

fn settings(state: &State, look: &Look) -> Result<Settings, Refused> {
    let (min, max) = look.scale();
    let kind = look.application.note.kind;
    let cpu = state
        .cpu_follows_memory
        .then(|| Cpu::from_millis(look.cpu()))
        .transpose()?;
    let settings = Settings {
        memory: Some(Memory::from_mib(look.memory())?),
        timeout: Some(Timeout::from_millis(look.timeout_ms())?),
        min_workers: Some(min),
        max_workers: Some(max),
        cpu: Some(cpu),
        intake: Some(Intake {
            body: (kind == Kind::Function).then(|| PAYLOAD_MAX.into()),
            secure_only: look.application.note.extras.is_redirected(),
            ..Intake::default()
        }),
        ..Settings::default()
    };
    match look.application.note.kind {
        Kind::Container => {
            let start = look.start()?;
            Ok(Settings {
                convention: Some(Convention::Http),
                concurrency: Some(Concurrency::new(look.concurrency())?),
                command: Some(start.command().to_vec()),
                arguments: Some(start.arguments().to_vec()),
                ..settings
            })
        }
        Kind::Function => {
            let runtime = state.app.runtimes().resolve_nearest(&look.application.note.runtime);
            let (_, runtime) = runtime.map_err(|e| Error::invalid(e.to_string()))?;
            Ok(Settings {
                runtime: Some(runtime.to_string()),
                entry: Some(look.handler()),
                convention: Some(Convention::EventContext),
                // One call at a time for each instance.
                concurrency: Some(Concurrency::new(1)?),
                ..settings
            })
        }
    }
}
