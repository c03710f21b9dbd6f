//! What this API keeps of a function beside what the core knows, attached to it as one JSON text; and the look-up of
//! functions by it. A function without such a note was made through another API and is not shown here.

use super::caller::Caller;
use super::fault::Fault;
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::{Error, Function, FunctionId, Namespace};
use crate::store::{Annotation, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Whose annotations and documents these are.
pub(super) const DIALECT: &str = "qinling";

/// The wire's part of a function. Settings that the core has are the revision's, not repeated here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FunctionNote {
    /// As it was given: not unique, any text.
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// Of an image function, whatever was sent.
    pub(super) runtime_id: Option<String>,
    /// The code object with the keys that the client added.
    pub(super) code: Map<String, Value>,
    /// As it was asked for; the core counts in MiB and rounds up. Unit: bytes.
    pub(super) memory_size: u64,
    /// `None` until the first change. Unit: UTC milliseconds.
    pub(super) updated_at_ms: Option<i64>,
}

/// Where a function's code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Package,
    Swift,
    Image,
}

impl Source {
    /// What a code object says, if it says one that is known.
    pub(super) fn of(code: &Map<String, Value>) -> Option<Self> {
        match code.get("source")?.as_str()? {
            "package" => Some(Self::Package),
            "swift" => Some(Self::Swift),
            "image" => Some(Self::Image),
            _ => None,
        }
    }
}

impl FunctionNote {
    /// Where the code comes from.
    pub(super) fn source(&self) -> Source {
        Source::of(&self.code).unwrap_or(Source::Package)
    }

    /// The MD5 of the package, in hexadecimal.
    pub(super) fn md5sum(&self) -> Option<&str> {
        self.code.get("md5sum")?.as_str()
    }

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

/// A function that this API shows.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) function: Function,
    pub(super) note: FunctionNote,
}

impl Found {
    /// Writes the note alone, as changed now.
    pub(super) async fn save_note(&mut self, app: &App) -> Result<(), Fault> {
        self.note.updated_at_ms = Some(app.now().as_millis());
        let subject = Subject::Function(self.function.id);
        Ok(app.annotate(subject, DIALECT, self.note.text()?).await?)
    }
}

/// The function of that id.
///
/// # Errors
/// 404 when there is none that the caller may see.
pub(super) async fn function(app: &App, caller: &Caller, id: &str) -> Result<Found, Fault> {
    let missing = || Fault::not_found("Function", "id", id);
    let found = by_id(app, FunctionId::parse(id).ok_or_else(missing)?).await?;
    found.filter(|f| caller.sees(&f.function.namespace)).ok_or_else(missing)
}

/// The function of that identity, whoever asks; `None` when there is none or another API made it.
pub(super) async fn by_id(app: &App, id: FunctionId) -> Result<Option<Found>, Fault> {
    let function = match app.function_by_id(id).await {
        Ok(function) => function,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    match app.annotation(Subject::Function(id), DIALECT).await? {
        Some(text) => Ok(Some(Found {
            function,
            note: FunctionNote::read(&text)?,
        })),
        None => Ok(None),
    }
}

/// Functions of a project, or of all. Order: oldest first.
pub(super) async fn functions(app: &App, project: Option<&Namespace>) -> Result<Vec<Found>, Fault> {
    let mut functions = app.list_functions(project).await?;
    functions.sort_by_key(|f| (f.created_at, f.id));
    let subjects = functions.iter().map(|f| Subject::Function(f.id)).collect();
    let mut notes = app.annotations(DIALECT, subjects).await?;
    let mut found = Vec::new();
    for function in functions {
        if let Some(text) = notes.remove(&Subject::Function(function.id)) {
            let note = FunctionNote::read(&text)?;
            found.push(Found { function, note });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_an_older_program_wrote_can_be_read() {
        let note = FunctionNote::read(r#"{"name":"f","code":{"source":"image","image":"i"},"unknown":1}"#);
        let note = note.expect("readable");
        assert_eq!((note.name.as_deref(), note.memory_size), (Some("f"), 0));
        assert_eq!(note.source(), Source::Image);
        let again = FunctionNote::read(&note.text().expect("text")).expect("readable");
        assert_eq!(again, note);
    }
}
