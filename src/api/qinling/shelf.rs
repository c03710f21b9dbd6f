//! The runtimes that this API offers, and what each runs: documents of its own, one a runtime.
//!
//! Those of the installed families are put on the shelf when somebody first looks, under ids that stay the same on
//! every machine. One that is removed stays as an empty place, so that it does not come back.

use super::caller::Caller;
use super::fault::Fault;
use super::note::DIALECT;
use super::runtime_image::{self, Environment};
use crate::api::kit::kept;
use crate::app::App;
use crate::builder::ImageState;
use crate::domain::{Convention, Error, Namespace, Timestamp};
use crate::runtime::Family;
use crate::store::DocumentKey;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

const KIND: &str = "runtime";

/// A runtime as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Note {
    pub(super) name: Option<String>,
    pub(super) image: String,
    pub(super) description: Option<String>,
    pub(super) is_public: bool,
    pub(super) trusted: bool,
    pub(super) project: String,
    /// Unit: UTC milliseconds.
    pub(super) created_at_ms: i64,
    /// `None` until the first change. Unit: UTC milliseconds.
    pub(super) updated_at_ms: Option<i64>,
    /// Of a family that is installed, but nobody wants to see.
    pub(super) removed: bool,
}

/// A runtime.
#[derive(Debug, Clone)]
pub(super) struct Runtime {
    pub(super) id: String,
    pub(super) note: Note,
}

/// How a runtime stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Creating,
    Available,
    Error,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Error => "error",
        }
    }
}

impl Runtime {
    /// A new one, not yet kept.
    pub(super) fn new(note: Note) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        Self { id, note }
    }

    /// What its functions run in.
    ///
    /// # Errors
    /// 400 when its image leads nowhere any more.
    pub(super) async fn environment(&self, app: &App) -> Result<Environment, Fault> {
        runtime_image::resolve(app, &self.note.image).await
    }

    /// How it stands. An image that nobody needed yet is made for its first function.
    pub(super) fn status(&self, app: &App) -> Status {
        let Some(runtime) = runtime_image::of_a_family(app, &self.note.image) else {
            return Status::Available;
        };
        match app.image_state(&runtime) {
            ImageState::Present(_) | ImageState::Unbuilt => Status::Available,
            ImageState::Building => Status::Creating,
            ImageState::Failed(_) => Status::Error,
        }
    }

    /// Whether a caller may use it.
    fn is_seen_by(&self, caller: &Caller) -> bool {
        self.note.is_public || self.note.project == caller.project.as_str()
    }

    /// Writes it down.
    pub(super) async fn save(&self, app: &App) -> Result<(), Fault> {
        Ok(app.put_document(key(&self.id), self.note.text()?).await?)
    }

    /// Takes it from the shelf.
    pub(super) async fn remove(mut self, app: &App) -> Result<(), Fault> {
        if families(app).any(|f| id_of(f) == self.id) {
            self.note.removed = true;
            return self.save(app).await;
        }
        app.delete_document(key(&self.id)).await?;
        Ok(())
    }
}

impl Note {
    fn read(text: &str) -> Result<Self, Error> {
        kept::read(KIND, text)
    }

    fn text(&self) -> Result<String, Error> {
        kept::write(KIND, self)
    }

    fn of(family: &Family, now: Timestamp) -> Self {
        Self {
            name: Some(family.manifest.name.clone()),
            image: runtime_image::image_of(family),
            is_public: true,
            trusted: true,
            project: Namespace::default_namespace().to_string(),
            created_at_ms: now.as_millis(),
            ..Self::default()
        }
    }
}

/// The runtimes that a caller may use. Order: oldest first.
pub(super) async fn all(app: &App, caller: &Caller) -> Result<Vec<Runtime>, Fault> {
    stock(app).await?;
    let mut all = Vec::new();
    for (id, text) in app.list_documents(DIALECT, KIND).await? {
        let note = Note::read(&text)?;
        all.push(Runtime { id, note });
    }
    all.retain(|r| !r.note.removed && r.is_seen_by(caller));
    all.sort_by(|a, b| (a.note.created_at_ms, &a.id).cmp(&(b.note.created_at_ms, &b.id)));
    Ok(all)
}

/// The runtime of that id.
///
/// # Errors
/// 404 when there is none that the caller may use.
pub(super) async fn find(app: &App, caller: &Caller, id: &str) -> Result<Runtime, Fault> {
    let found = by_id(app, id).await?;
    found
        .filter(|r| r.is_seen_by(caller))
        .ok_or_else(|| Fault::not_found("Runtime", "id", id))
}

/// The runtime of that id, whoever asks.
pub(super) async fn by_id(app: &App, id: &str) -> Result<Option<Runtime>, Fault> {
    let mut text = app.document(key(id)).await?;
    if text.is_none() {
        stock(app).await?;
        text = app.document(key(id)).await?;
    }
    let Some(text) = text else {
        return Ok(None);
    };
    let runtime = Runtime {
        id: id.to_owned(),
        note: Note::read(&text)?,
    };
    Ok((!runtime.note.removed).then_some(runtime))
}

/// The sentence about a runtime that cannot be used now; its status code differs from place to place.
pub(super) fn not_available(id: &str) -> String {
    format!("Runtime {id} is not available.")
}

/// Puts the installed families on the shelf, each once.
async fn stock(app: &App) -> Result<(), Fault> {
    for family in families(app) {
        let key = key(&id_of(family));
        if app.document(key.clone()).await?.is_none() {
            let text = Note::of(family, app.now()).text()?;
            app.put_document_if_absent(key, text).await?;
        }
    }
    Ok(())
}

/// Families whose functions are called as this API calls them.
fn families(app: &App) -> impl Iterator<Item = &Family> {
    let all = app.runtimes().families().iter();
    all.filter(|f| !f.manifest.bring_image && f.conventions.contains(&Convention::Kwargs))
}

/// The same on every machine: scripts may keep it.
fn id_of(family: &Family) -> String {
    let sum = Md5::digest(format!("runtime {}", family.manifest.name));
    uuid::Builder::from_md5_bytes(sum.into()).into_uuid().to_string()
}

fn key(id: &str) -> DocumentKey {
    DocumentKey::new(DIALECT, KIND, id)
}
