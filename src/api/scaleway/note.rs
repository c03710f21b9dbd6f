//! What this API keeps of a function or a container beside what the core knows, attached to it as one JSON text.
//!
//! What runs is the core's revision. The note has what no revision says, and settings that were sent and wait for the
//! next deploy: once that is written down they are the revision's, and no longer here.

use super::asked::Asked;
use super::fault::Fault;
use super::page::Listed;
use super::secrets::Sealed;
use super::space::{self, DIALECT, Space};
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::{Digest, Error, Function, FunctionId, Namespace, Timestamp};
use crate::store::{Annotation, Subject};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The package that was uploaded last is kept apart: an upload and a change may come at the same time.
const PACKAGE: &str = "scaleway/package";
/// The `http_option` of those that are called by TLS only.
pub(super) const REDIRECTED: &str = "redirected";

/// What an application is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Function,
    Container,
}

impl Kind {
    /// In sentences.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Function => "Function",
            Self::Container => "Container",
        }
    }
}

/// The wire's part of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Note {
    pub(super) kind: Kind,
    /// As it was given; a container has none.
    pub(super) runtime: String,
    /// Callers need a token.
    pub(super) private: bool,
    pub(super) description: String,
    /// Of a container; empty: the one that is named as it is.
    pub(super) registry_image: String,
    /// Sent and not yet deployed.
    pub(super) waiting: Waiting,
    /// Why the last deploy did not even become a revision.
    pub(super) failure: Option<String>,
    pub(super) extras: Extras,
    /// When it was last changed without a deploy. Unit: UTC milliseconds.
    pub(super) updated_at_ms: Option<i64>,
}

/// Settings as far as they were sent since the last deploy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    /// Its own variables, all of them.
    pub(super) environment: Option<BTreeMap<String, String>>,
    /// Its own secrets, all of them, sealed.
    pub(super) secrets: Option<BTreeMap<String, Sealed>>,
    pub(super) min_scale: Option<u16>,
    pub(super) max_scale: Option<u16>,
    /// Unit: MB, which are the core's MiB.
    pub(super) memory_limit: Option<u32>,
    /// Unit: milliseconds.
    pub(super) timeout_ms: Option<u32>,
    pub(super) handler: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) max_concurrency: Option<u16>,
    /// In place of its image's entry point.
    pub(super) command: Option<Vec<String>>,
    /// In place of its image's arguments.
    pub(super) args: Option<Vec<String>>,
}

/// What no revision says in these words: `http_option` is an intake's, the limit of the processor holds where the
/// configuration lets it. The rest is kept only to be shown again: on one machine there is nothing that it could decide.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Extras {
    pub(super) http_option: Option<String>,
    pub(super) sandbox: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) private_network_id: Option<String>,
    /// Unit: thousandths of a core.
    pub(super) cpu_limit: Option<u32>,
    pub(super) local_storage_limit: Option<u32>,
    pub(super) scaling_option: Option<Value>,
    pub(super) health_check: Option<Value>,
}

impl Extras {
    /// Whether callers without TLS are sent to where it is spoken.
    pub(super) fn is_redirected(&self) -> bool {
        self.http_option.as_deref() == Some(REDIRECTED)
    }

    /// The names of those that somebody asked for and that have no effect, with a listener for TLS or without.
    pub(super) fn without_effect(&self, speaks_tls: bool) -> Vec<&'static str> {
        let scales = |option: &Value| option.get("concurrent_requests_threshold").is_some();
        let all = [
            ("http_option", self.is_redirected() && !speaks_tls),
            ("private_network_id", self.private_network_id.is_some()),
            ("local_storage_limit", self.local_storage_limit.is_some()),
            (
                "scaling_option",
                self.scaling_option.as_ref().is_some_and(|option| !scales(option)),
            ),
            ("health_check", self.health_check.is_some()),
        ];
        all.into_iter()
            .filter(|(_, asked)| *asked)
            .map(|(name, _)| name)
            .collect()
    }
}

/// A package that was uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Package {
    /// The sha256 in hexadecimal.
    digest: String,
    /// Unit: bytes.
    pub(super) size: u64,
}

impl Package {
    pub(super) fn new(digest: &Digest, size: u64) -> Self {
        Self {
            digest: digest.to_string(),
            size,
        }
    }

    pub(super) fn digest(&self) -> Result<Digest, Error> {
        Digest::parse(&self.digest)
    }
}

impl Note {
    fn read(text: &str) -> Result<Self, Error> {
        kept::read("function", text)
    }

    fn text(&self) -> Result<String, Error> {
        kept::write("function", self)
    }

    /// On its way to the function, in the write that makes or changes it.
    pub(super) fn annotation(&self) -> Result<Annotation, Error> {
        Ok(Annotation {
            dialect: DIALECT.to_owned(),
            text: self.text()?,
        })
    }
}

/// A function or a container.
#[derive(Debug, Clone)]
pub(super) struct Application {
    pub(super) function: Function,
    pub(super) note: Note,
    pub(super) space: Space,
}

impl Listed for Application {
    fn made(&self) -> (Timestamp, String) {
        (self.function.created_at, self.function.id.to_string())
    }

    fn name(&self) -> String {
        self.function.name.to_string()
    }
}

impl Application {
    /// Its identity.
    pub(super) fn id(&self) -> FunctionId {
        self.function.id
    }

    /// Writes the note alone, as changed now.
    pub(super) async fn save_note(&mut self, app: &App) -> Result<(), Fault> {
        self.note.updated_at_ms = Some(app.now().as_millis());
        let subject = Subject::Function(self.function.id);
        Ok(app.annotate(subject, DIALECT, self.note.text()?).await?)
    }

    /// What was uploaded for it last.
    pub(super) async fn package(&self, app: &App) -> Result<Option<Package>, Fault> {
        let text = app.annotation(Subject::Function(self.function.id), PACKAGE).await?;
        Ok(text.map(|text| kept::read("package", &text)).transpose()?)
    }

    /// Remembers what was uploaded for it.
    pub(super) async fn put_package(app: &App, function: FunctionId, package: &Package) -> Result<(), Fault> {
        let text = kept::write("package", package)?;
        Ok(app.annotate(Subject::Function(function), PACKAGE, text).await?)
    }
}

/// The application of that id, of either kind.
///
/// # Errors
/// 404 when there is none that the request may see.
pub(super) async fn find(app: &App, asked: &Asked, id: &str) -> Result<Application, Fault> {
    let found = shown(app, asked, id).await?;
    found.ok_or_else(|| Fault::missing("Application"))
}

/// The application of that id and kind.
///
/// # Errors
/// 404 when there is none that the request may see.
pub(super) async fn find_kind(app: &App, asked: &Asked, kind: Kind, id: &str) -> Result<Application, Fault> {
    let found = shown(app, asked, id).await?.filter(|one| one.note.kind == kind);
    found.ok_or_else(|| Fault::missing(kind.label()))
}

async fn shown(app: &App, asked: &Asked, id: &str) -> Result<Option<Application>, Fault> {
    let Some(id) = FunctionId::parse(id) else {
        return Ok(None);
    };
    let found = by_id(app, id).await?;
    Ok(found.filter(|one| one.space.is_shown_to(asked)))
}

/// The application of that identity, whoever asks; `None` when there is none or another API made it.
pub(super) async fn by_id(app: &App, id: FunctionId) -> Result<Option<Application>, Fault> {
    let function = match app.function_by_id(id).await {
        Ok(function) => function,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    let Some(text) = app.annotation(Subject::Function(id), DIALECT).await? else {
        return Ok(None);
    };
    let note = Note::read(&text)?;
    let space = space::of_core(app, &function.namespace).await?;
    Ok(space.map(|space| Application { function, note, space }))
}

/// All applications of these namespaces.
pub(super) async fn of_spaces(app: &App, spaces: Vec<Space>) -> Result<Vec<Application>, Fault> {
    let functions = match &spaces[..] {
        [] => return Ok(Vec::new()),
        [only] => app.list_functions(Some(&only.core)).await?,
        _ => app.list_functions(None).await?,
    };
    let subjects = functions.iter().map(|f| Subject::Function(f.id)).collect();
    let mut notes = app.annotations(DIALECT, subjects).await?;
    let spaces: HashMap<Namespace, Space> = spaces.into_iter().map(|s| (s.core.clone(), s)).collect();
    let mut found = Vec::new();
    for function in functions {
        let (note, space) = (
            notes.remove(&Subject::Function(function.id)),
            spaces.get(&function.namespace),
        );
        if let (Some(text), Some(space)) = (note, space.cloned()) {
            let note = Note::read(&text)?;
            found.push(Application { function, note, space });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_effect_is_named_where_it_was_asked_for() {
        for (kept, names) in [
            ("{}", vec![]),
            (r#"{"http_option":"redirected","sandbox":"v2"}"#, vec![]),
            (r#"{"scaling_option":{"concurrent_requests_threshold":7}}"#, vec![]),
            (
                r#"{"scaling_option":{"cpu_usage_threshold":7},"health_check":{"tcp":{}}}"#,
                vec!["scaling_option", "health_check"],
            ),
            (r#"{"local_storage_limit":5}"#, vec!["local_storage_limit"]),
        ] {
            let extras: Extras = serde_json::from_str(kept).expect("readable");
            assert_eq!(extras.without_effect(true), names, "{kept}");
        }
        let extras: Extras = serde_json::from_str(r#"{"http_option":"redirected"}"#).expect("readable");
        assert_eq!(extras.without_effect(false), ["http_option"]);
    }

    #[test]
    fn a_note_that_an_older_program_wrote_can_be_read() {
        let note = Note::read(r#"{"kind":"container","waiting":{"port":80},"unknown":1}"#).expect("readable");
        assert_eq!(
            (note.kind, note.waiting.port, note.private),
            (Kind::Container, Some(80), false)
        );
        let again = Note::read(&note.text().expect("text")).expect("readable");
        assert_eq!(again, note);
    }
}
