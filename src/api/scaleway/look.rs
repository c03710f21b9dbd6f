//! How an application stands: its settings as they are deployed or wait to be, and its status, which is the core's.

use super::fault::Fault;
use super::note::Application;
use super::surroundings::{self, PORT};
use super::{limits, secrets, wire};
use crate::app::App;
use crate::domain::{Error, Revision, RevisionState, Secrets, Start, Timestamp};
use std::collections::BTreeMap;

/// An application with its newest revision, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) application: Application,
    revision: Option<Revision>,
    /// About a runtime's version that is not on offer.
    nearest: Option<String>,
}

impl Look {
    /// Looks at an application now.
    pub(super) async fn at(app: &App, application: Application) -> Result<Self, Fault> {
        let revision = app.list_revisions(application.id()).await?.into_iter().next();
        let nearest = nearest(app, &application.note.runtime);
        Ok(Self {
            application,
            revision,
            nearest,
        })
    }

    /// Whether it was ever deployed, well or not.
    pub(super) fn is_deployed(&self) -> bool {
        self.revision.is_some() || self.application.note.failure.is_some()
    }

    /// In the wire's words, and why where it is an error.
    pub(super) fn status(&self) -> (&'static str, Option<String>) {
        if let Some(failure) = &self.application.note.failure {
            return ("error", Some(failure.clone()));
        }
        match self.revision.as_ref().map(|revision| &revision.state) {
            None => ("created", None),
            Some(RevisionState::Pending) => ("pending", None),
            Some(RevisionState::Ready) => ("ready", None),
            Some(RevisionState::Failed(why)) => ("error", Some(why.clone())),
        }
    }

    /// Its own variables, without those of the platform.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let old = || {
            let all = self.revision.as_ref().map(|r| r.env.clone()).unwrap_or_default();
            all.into_iter()
                .filter(|(name, _)| !surroundings::is_kept(name))
                .collect()
        };
        self.application.note.waiting.environment.clone().unwrap_or_else(old)
    }

    /// Its own secrets.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub(super) fn secrets(&self) -> Result<Secrets, Error> {
        match &self.application.note.waiting.secrets {
            Some(waiting) => secrets::unwrap(waiting),
            None => Ok(self.revision.as_ref().map(|r| r.secrets.clone()).unwrap_or_default()),
        }
    }

    /// Unit: workers.
    pub(super) fn scale(&self) -> (u16, u16) {
        let waiting = &self.application.note.waiting;
        let old = self.revision.as_ref().map(|r| r.limits.scale);
        let min = waiting.min_scale.or(old.map(|s| s.min())).unwrap_or_default();
        let max = waiting.max_scale.or(old.map(|s| s.max()));
        (min, max.unwrap_or(limits::ALPHA.max_scale))
    }

    /// Unit: MB.
    pub(super) fn memory(&self) -> u32 {
        let old = self.revision.as_ref().map(|r| r.limits.memory.mib());
        let waiting = self.application.note.waiting.memory_limit;
        waiting.or(old).unwrap_or(limits::ALPHA.memory)
    }

    /// Unit: thousandths of a core.
    pub(super) fn cpu(&self) -> u32 {
        let said = self.application.note.extras.cpu_limit;
        said.unwrap_or_else(|| limits::cpu_millis(self.memory()))
    }

    /// Unit: milliseconds.
    pub(super) fn timeout_ms(&self) -> u32 {
        let old = self.revision.as_ref().map(|r| r.limits.timeout.millis());
        let waiting = self.application.note.waiting.timeout_ms;
        waiting.or(old).unwrap_or(limits::TIMEOUT_MS)
    }

    pub(super) fn handler(&self) -> String {
        let old = self.revision.as_ref().map(|r| r.entry.clone());
        let waiting = self.application.note.waiting.handler.clone();
        waiting.or(old).unwrap_or_default()
    }

    pub(super) fn port(&self) -> u16 {
        let old = self.revision.as_ref().and_then(|r| r.env.get("PORT")?.parse().ok());
        self.application.note.waiting.port.or(old).unwrap_or(PORT)
    }

    /// Unit: calls at once in one container.
    pub(super) fn concurrency(&self) -> u16 {
        let old = self.revision.as_ref().map(|r| r.limits.concurrency.get());
        self.application.note.waiting.max_concurrency.or(old).unwrap_or(1)
    }

    /// How a container is started, where it is not as its image says.
    pub(super) fn start(&self) -> Result<Start, Error> {
        let waiting = &self.application.note.waiting;
        let old = self.revision.as_ref().map(|r| &r.start);
        let command = waiting.command.clone().or_else(|| Some(old?.command().to_vec()));
        let arguments = waiting.args.clone().or_else(|| Some(old?.arguments().to_vec()));
        Start::new(command.unwrap_or_default(), arguments.unwrap_or_default())
    }

    /// The image of a container: the one that was said, or the one of its name in the namespace's registry.
    pub(super) fn image(&self) -> String {
        let Application { function, note, space } = &self.application;
        if note.registry_image.is_empty() {
            return format!("{}/{}:latest", space.note.registry_endpoint, function.name);
        }
        note.registry_image.clone()
    }

    /// Another version that is used in place of the one that was asked for.
    pub(super) fn notice(&self) -> String {
        let notice = self.revision.as_ref().and_then(|r| r.notice.clone());
        notice.or_else(|| self.nearest.clone()).unwrap_or_default()
    }

    pub(super) fn updated_at(&self) -> Timestamp {
        let noted = self.application.note.updated_at_ms.map(Timestamp::from_millis);
        noted
            .unwrap_or(self.application.function.created_at)
            .max(self.application.function.updated_at)
    }

    pub(super) fn ready_at(&self) -> Option<Timestamp> {
        let revision = self.revision.as_ref()?;
        (revision.state == RevisionState::Ready).then_some(revision.created_at)
    }

    /// What all roots say of it.
    pub(super) fn common(&self) -> wire::Application {
        let Application { function, note, space } = &self.application;
        let (status, error_message) = self.status();
        let (min_scale, max_scale) = self.scale();
        wire::Application {
            id: function.id.to_string(),
            name: function.name.to_string(),
            namespace_id: space.note.id.clone(),
            status,
            environment_variables: self.environment(),
            min_scale,
            max_scale,
            memory_limit: self.memory(),
            cpu_limit: self.cpu(),
            error_message,
            privacy: if note.private { "private" } else { "public" },
            description: note.description.clone(),
            region: space.note.region.clone(),
        }
    }
}

/// What is used in place of a version that is only still named.
fn nearest(app: &App, runtime: &str) -> Option<String> {
    let runtimes = app.runtimes();
    if runtime.is_empty() || runtimes.resolve(runtime).is_ok() {
        return None;
    }
    let (_, used) = runtimes.resolve_nearest(runtime).ok()?;
    Some(format!("{runtime} is not on offer here: {used} is used in its place"))
}
