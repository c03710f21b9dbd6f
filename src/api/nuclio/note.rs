//! What this API keeps of a function beside what the core knows, and the look-up of functions by it.
//!
//! A function that the core has carries its note as an annotation. One that was taken in and not deployed, or whose
//! code could not be fetched, is nothing yet to the core: its note is a document, a draft. A function of the core
//! without a note was made through another API and is not shown here.

use super::config::Config;
use super::fault::Fault;
use super::names;
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::{Error, Function, Namespace};
use crate::store::{Annotation, DocumentKey, Subject};
use serde::{Deserialize, Serialize};

/// Whose annotations and documents these are.
pub(super) const DIALECT: &str = "nuclio";
const DRAFT: &str = "draft";

/// The wire's part of a function.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FunctionNote {
    /// As it was given; the core's may differ.
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) stage: Stage,
    /// What the user should know of the last deploy: what was asked for and has no effect.
    pub(super) remarks: Vec<String>,
    /// Unit: UTC milliseconds.
    pub(super) deployed_at_ms: i64,
}

/// How far the last deploy came before the core took it over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Stage {
    /// The core has it and knows how it stands.
    #[default]
    Deployed,
    /// The core has it, and it has no workers until somebody calls it.
    Parked,
    /// It was taken in and not deployed.
    Imported,
    /// It was refused; the text says why.
    Refused(String),
}

impl FunctionNote {
    /// On its way to the function, in the write that makes or changes it.
    pub(super) fn annotation(&self) -> Result<Annotation, Error> {
        Ok(Annotation {
            dialect: DIALECT.to_owned(),
            text: kept::write("function", self)?,
        })
    }
}

/// A function that this API shows.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) namespace: Namespace,
    /// `None`: a draft.
    pub(super) function: Option<Function>,
    pub(super) note: FunctionNote,
}

impl Found {
    /// Writes the note alone.
    pub(super) async fn save(&self, app: &App) -> Result<(), Fault> {
        let text = kept::write("function", &self.note)?;
        match &self.function {
            Some(function) => app.annotate(Subject::Function(function.id), DIALECT, text).await?,
            None => {
                app.put_document(draft_key(&self.namespace, &self.note.name), text)
                    .await?
            }
        }
        Ok(())
    }

    /// Its name on the wire.
    pub(super) fn name(&self) -> &str {
        &self.note.name
    }
}

/// The function of that name, if there is one.
pub(super) async fn find(app: &App, namespace: &Namespace, name: &str) -> Result<Option<Found>, Fault> {
    let found = |function, note| Found {
        namespace: namespace.clone(),
        function,
        note,
    };
    if let Some(function) = in_core(app, namespace, name).await? {
        let text = app.annotation(Subject::Function(function.id), DIALECT).await?;
        let Some(text) = text else { return Ok(None) };
        return Ok(Some(found(Some(function), kept::read("function", &text)?)));
    }
    let draft = app.document(draft_key(namespace, name)).await?;
    draft
        .map(|text| Ok(found(None, kept::read("function", &text)?)))
        .transpose()
}

/// The function of that name.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn must_find(app: &App, namespace: &Namespace, name: &str) -> Result<Found, Fault> {
    let found = find(app, namespace, name).await?;
    found.ok_or_else(|| Fault::not_found("Function not found"))
}

/// What the core has under the name, whoever made it.
pub(super) async fn in_core(app: &App, namespace: &Namespace, name: &str) -> Result<Option<Function>, Fault> {
    let Ok(name) = names::in_core(name) else {
        return Ok(None);
    };
    match app.function(namespace, &name).await {
        Ok(function) => Ok(Some(function)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Functions of a namespace. Order: by name.
pub(super) async fn all(app: &App, namespace: &Namespace) -> Result<Vec<Found>, Fault> {
    let functions = app.list_functions(Some(namespace)).await?;
    let subjects = functions.iter().map(|f| Subject::Function(f.id)).collect();
    let mut notes = app.annotations(DIALECT, subjects).await?;
    let mut all = drafts(app, namespace).await?;
    for function in functions {
        if let Some(text) = notes.remove(&Subject::Function(function.id)) {
            all.push(Found {
                namespace: namespace.clone(),
                note: kept::read("function", &text)?,
                function: Some(function),
            });
        }
    }
    all.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(all)
}

async fn drafts(app: &App, namespace: &Namespace) -> Result<Vec<Found>, Fault> {
    let prefix = format!("{namespace}/");
    let documents = app.list_documents(DIALECT, DRAFT).await?;
    let own = documents.into_iter().filter(|(key, _)| key.starts_with(&prefix));
    own.map(|(_, text)| {
        Ok(Found {
            namespace: namespace.clone(),
            function: None,
            note: kept::read("function", &text)?,
        })
    })
    .collect()
}

/// Removes the draft of that name, if there is one.
pub(super) async fn forget_draft(app: &App, namespace: &Namespace, name: &str) -> Result<(), Fault> {
    app.delete_document(draft_key(namespace, name)).await?;
    Ok(())
}

fn draft_key(namespace: &Namespace, name: &str) -> DocumentKey {
    document(DRAFT, namespace, name)
}

/// A document of this API, of a kind, in a namespace.
pub(super) fn document(kind: &str, namespace: &Namespace, name: &str) -> DocumentKey {
    DocumentKey::new(DIALECT, kind, format!("{namespace}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_an_older_program_wrote_can_be_read() {
        let text = r#"{"name":"f","config":{"spec":{"runtime":"x"}},"stage":{"refused":"no"},"unknown":1}"#;
        let note: FunctionNote = kept::read("function", text).expect("readable");
        assert_eq!(note.stage, Stage::Refused("no".to_owned()));
        assert_eq!(note.config.text("runtime"), "x");
        let again: FunctionNote = kept::read("function", &kept::write("function", &note).expect("text")).expect("read");
        assert_eq!(again, note);
    }
}
