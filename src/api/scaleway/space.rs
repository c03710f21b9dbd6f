//! Namespaces as this API keeps them: a document each, under the name that the core has for the namespace.
//!
//! The core's namespace bears the name that the user gave, unless another organisation has it or it is no name there.
//! What its functions are is the core's; here is only what the core has no word for.

use super::asked::{Asked, Root};
use super::fault::Fault;
use super::page::Listed;
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::{Error, Namespace, Timestamp};
use crate::store::DocumentKey;
use serde::{Deserialize, Serialize};

/// Whose annotations and documents these are.
pub(super) const DIALECT: &str = "scaleway";
const KIND: &str = "namespace";
/// A namespace's name is cut to this where something is put behind it. Unit: bytes.
const CUT: usize = 40;
/// Two who want the same name at the same time: the second looks again.
const TRIES: usize = 4;

/// Which roots show a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shelf {
    /// Made by the oldest root, which has both.
    #[default]
    All,
    Functions,
    Containers,
}

impl Shelf {
    pub(super) fn of(root: Root) -> Self {
        match root {
            Root::Alpha => Self::All,
            Root::Functions => Self::Functions,
            Root::Containers => Self::Containers,
        }
    }

    fn is_shown_by(self, root: Root) -> bool {
        root == Root::Alpha || self == Self::All || self == Self::of(root)
    }

    fn meets(self, other: Self) -> bool {
        self == Self::All || other == Self::All || self == other
    }
}

/// A namespace as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SpaceNote {
    pub(super) id: String,
    /// As it was given.
    pub(super) name: String,
    pub(super) organization_id: String,
    pub(super) project_id: String,
    pub(super) description: String,
    pub(super) region: String,
    pub(super) shelf: Shelf,
    pub(super) registry_namespace_id: String,
    /// What its images' names begin with.
    pub(super) registry_endpoint: String,
    pub(super) tags: Vec<String>,
    /// Unit: UTC milliseconds.
    pub(super) created_at_ms: i64,
    /// Unit: UTC milliseconds.
    pub(super) updated_at_ms: i64,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Space {
    /// What the core calls it.
    pub(super) core: Namespace,
    pub(super) note: SpaceNote,
}

impl Listed for Space {
    fn made(&self) -> (Timestamp, String) {
        (Timestamp::from_millis(self.note.created_at_ms), self.note.id.clone())
    }

    fn name(&self) -> String {
        self.note.name.clone()
    }
}

impl Space {
    /// Keeps it under a name of the core's that nobody has here.
    ///
    /// # Errors
    /// 409 when the organisation has one of that name, 403 when the caller's token is for another namespace.
    pub(super) async fn create(app: &App, asked: &Asked, note: SpaceNote) -> Result<Self, Fault> {
        for _ in 0..TRIES {
            let others = all(app).await?;
            if others.iter().any(|other| other.is_in_the_way_of(&note)) {
                let name = &note.name;
                let message = format!("a namespace named {name} already exists in this organization");
                return Err(Fault::exists(message, "namespace"));
            }
            let core = core_name(&note, |core| others.iter().any(|other| other.core == *core))?;
            if !asked.sees(&core) {
                let own = asked.own.as_ref().map_or_else(String::new, ToString::to_string);
                let message = format!(
                    "this access token works in namespace {own} only: name the namespace so, or ask an admin for a token"
                );
                return Err(Fault::denied(message, "namespace", "write"));
            }
            let space = Self {
                core,
                note: note.clone(),
            };
            if app.put_document_if_absent(key(&space.core), space.note.text()?).await? {
                return Ok(space);
            }
        }
        Err(Fault::exists(
            "namespaces are being created at the same time: try again",
            "namespace",
        ))
    }

    /// Writes it down as it is now.
    pub(super) async fn save(&self, app: &App) -> Result<(), Fault> {
        Ok(app.put_document(key(&self.core), self.note.text()?).await?)
    }

    /// Forgets it.
    pub(super) async fn remove(&self, app: &App) -> Result<(), Fault> {
        app.delete_document(key(&self.core)).await?;
        Ok(())
    }

    /// Whether a request may see it.
    pub(super) fn is_shown_to(&self, asked: &Asked) -> bool {
        asked.sees(&self.core) && self.note.region == asked.region && self.note.shelf.is_shown_by(asked.root)
    }

    fn is_in_the_way_of(&self, note: &SpaceNote) -> bool {
        let old = &self.note;
        let same_owner = old.organization_id == note.organization_id && old.project_id == note.project_id;
        old.name == note.name && same_owner && old.region == note.region && old.shelf.meets(note.shelf)
    }
}

impl SpaceNote {
    fn read(text: &str) -> Result<Self, Error> {
        kept::read(KIND, text)
    }

    fn text(&self) -> Result<String, Error> {
        kept::write(KIND, self)
    }
}

/// Every namespace of this API.
pub(super) async fn all(app: &App) -> Result<Vec<Space>, Fault> {
    let mut all = Vec::new();
    for (core, text) in app.list_documents(DIALECT, KIND).await? {
        let (core, note) = (Namespace::parse(&core)?, SpaceNote::read(&text)?);
        all.push(Space { core, note });
    }
    Ok(all)
}

/// Those that a request may see.
pub(super) async fn shown(app: &App, asked: &Asked) -> Result<Vec<Space>, Fault> {
    let mut all = all(app).await?;
    all.retain(|space| space.is_shown_to(asked));
    Ok(all)
}

/// The namespace of that id.
///
/// # Errors
/// 404 when there is none that the request may see.
pub(super) async fn find(app: &App, asked: &Asked, id: &str) -> Result<Space, Fault> {
    let shown = shown(app, asked).await?;
    let found = shown.into_iter().find(|space| space.note.id == id);
    found.ok_or_else(|| Fault::missing("Namespace"))
}

/// The namespace that the core calls so; `None` when it is not one of this API.
pub(super) async fn of_core(app: &App, core: &Namespace) -> Result<Option<Space>, Fault> {
    let text = app.document(key(core)).await?;
    let note = text.map(|text| SpaceNote::read(&text)).transpose()?;
    Ok(note.map(|note| Space {
        core: core.clone(),
        note,
    }))
}

fn key(core: &Namespace) -> DocumentKey {
    DocumentKey::new(DIALECT, KIND, core.to_string())
}

/// The name itself, or what the core takes of it with the beginning of the id behind it.
fn core_name(note: &SpaceNote, is_taken: impl Fn(&Namespace) -> bool) -> Result<Namespace, Error> {
    if let Ok(name) = Namespace::parse(&note.name)
        && !is_taken(&name)
    {
        return Ok(name);
    }
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = note.name.chars().map(fitting).take(CUT).collect();
    let end = note.id.get(..8).unwrap_or_default();
    Namespace::parse(format!("{}-{end}", name.trim_matches('-')).trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &str) -> SpaceNote {
        SpaceNote {
            id: "d5d70242-aebe-45f7-91cc-0c83a47dad7c".to_owned(),
            name: name.to_owned(),
            ..SpaceNote::default()
        }
    }

    #[test]
    fn a_name_stays_as_it_is_unless_it_is_taken_or_does_not_fit() {
        for (name, taken, core) in [
            ("myns", false, "myns"),
            ("myns", true, "myns-d5d70242"),
            ("my ns é", false, "my-ns-d5d70242"),
            ("", false, "d5d70242"),
        ] {
            let named = core_name(&note(name), |_| taken).expect("a name");
            assert_eq!(named.as_str(), core);
        }
    }

    #[test]
    fn each_newer_root_shows_its_own_namespaces_and_those_of_the_oldest() {
        for (shelf, shown) in [
            (Shelf::All, [true, true, true]),
            (Shelf::Functions, [true, true, false]),
            (Shelf::Containers, [true, false, true]),
        ] {
            let roots = [Root::Alpha, Root::Functions, Root::Containers];
            assert_eq!(roots.map(|root| shelf.is_shown_by(root)), shown, "{shelf:?}");
        }
        assert!(!Shelf::Functions.meets(Shelf::Containers) && Shelf::All.meets(Shelf::Containers));
    }

    #[test]
    fn a_note_that_an_older_program_wrote_can_be_read() {
        let read = SpaceNote::read(r#"{"id":"x","shelf":"functions","unknown":1}"#).expect("readable");
        assert_eq!((read.id.as_str(), read.shelf), ("x", Shelf::Functions));
    }
}
