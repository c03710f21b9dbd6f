//! A revision: frozen code and settings; what actually runs.

use super::{Base, Cors, Error, FunctionId, Limits, RevisionId, Secrets, Timestamp, Variables};
use std::collections::BTreeMap;

/// How the container of an image is started, in words of the image's own form: where one of the two is empty, the image's
/// is used; a command leaves the image's arguments out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    command: Vec<String>,
    arguments: Vec<String>,
}

/// Command and arguments together. Unit: bytes.
const START_LIMIT: usize = 64 * 1024;

impl Start {
    /// Checks and takes them.
    ///
    /// # Errors
    /// `Error::Invalid` for more than 64 KiB, an empty command's name, and words that no process can be given.
    pub fn new(command: Vec<String>, arguments: Vec<String>) -> Result<Self, Error> {
        let words = || command.iter().chain(&arguments);
        if command.first().is_some_and(String::is_empty) || words().any(|word| word.contains('\0')) {
            return Err(Error::invalid(
                "the command's first word is empty, or a word has a NUL byte: leave it out",
            ));
        }
        let size: usize = words().map(String::len).sum();
        if size > START_LIMIT {
            return Err(Error::invalid(format!(
                "command and arguments have {size} bytes, the limit is {START_LIMIT}: put them into a file of the image"
            )));
        }
        Ok(Self { command, arguments })
    }

    /// In place of the image's entry point; empty: the image's.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// In place of the image's arguments; empty: the image's, unless there is a command.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Whether the image's own are used.
    #[must_use]
    pub fn is_the_images(&self) -> bool {
        self.command.is_empty() && self.arguments.is_empty()
    }
}

/// The sha256 of a code package, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Checks and takes a digest.
    ///
    /// # Errors
    /// `Error::Invalid` unless it is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let good = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !good {
            return Err(Error::invalid(
                "a digest is 64 lower-case hexadecimal digits".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a revision is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A code package, which a runtime's worker loads.
    Package(Digest),
    /// An image that brings everything; nothing is loaded into it.
    Image(String),
}

impl Code {
    /// The package's address; `None` for an image.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Package(digest) => Some(digest),
            Self::Image(_) => None,
        }
    }

    /// The image's name; `None` for a package.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        match self {
            Self::Package(_) => None,
            Self::Image(name) => Some(name),
        }
    }
}

/// Which runtime: a family and one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuntimeRef {
    /// The family's name, as in its `runtime.toml`.
    pub family: String,
    /// The version, as in its `runtime.toml`.
    pub version: String,
}

impl std::fmt::Display for RuntimeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.family, self.version)
    }
}

/// How user code is called; named by shape, chosen by whoever deploys, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Convention {
    /// `main(**input)`; the result is JSON.
    Kwargs,
    /// `handler(event, context)`.
    EventContext,
    /// `handler(context, event)`.
    ContextEvent,
    /// A server on `$PORT`.
    Http,
    /// A program that runs once for each call: arguments in, output and exit code out.
    Command,
}

impl Convention {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Kwargs,
        Self::EventContext,
        Self::ContextEvent,
        Self::Http,
        Self::Command,
    ];

    /// Its name on the wire and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kwargs => "kwargs",
            Self::EventContext => "event-context",
            Self::ContextEvent => "context-event",
            Self::Http => "http",
            Self::Command => "command",
        }
    }

    /// The convention of that name.
    ///
    /// # Errors
    /// `Error::Invalid` that lists the names there are.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|c| c.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("convention `{text}` is not known: use one of {names}"))
        })
    }
}

/// Where a revision stands between deploy and serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionState {
    /// Accepted and written down; the reconciler brings it on.
    Pending,
    /// Loaded once and able to serve.
    Ready,
    /// It could not be built or loaded; the text says why and what to do.
    Failed(String),
}

/// Frozen code and settings. Nothing in it changes but `state`, and, while it is pending, `runtime` with its `notice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its identity.
    pub id: RevisionId,
    /// Whose revision it is.
    pub function: FunctionId,
    /// Counts from 1 in each function; never reused.
    pub number: u32,
    /// What it runs on.
    pub runtime: RuntimeRef,
    /// Where the user's code begins, as the runtime writes it (`main.main`).
    pub entry: String,
    /// How it is called.
    pub convention: Convention,
    /// What it is made of.
    pub code: Code,
    /// The image its workers run in place of the runtime's own; it must carry the runtime's shim. `None`: the runtime's.
    pub runtime_image: Option<String>,
    /// The image of the user's that the runtime's shim is put onto in place of the runtime's own base. `None`: that one.
    pub base: Option<Base>,
    /// The user's own build commands, run by a shell in the code before it is loaded.
    pub build_commands: Vec<String>,
    /// How the image that it is made of is started.
    pub start: Start,
    /// What the user should know of the deploy: that another version is used than was asked for.
    pub notice: Option<String>,
    /// Environment variables of the user.
    pub env: BTreeMap<String, String>,
    /// Environment variables that nobody is shown.
    pub secrets: Secrets,
    /// What its namespace gave it when it was deployed.
    pub inherited: Variables,
    /// What it may use.
    pub limits: Limits,
    /// Which pages of other origins may call it; `None`: none.
    pub cors: Option<Cors>,
    /// Where it stands.
    pub state: RevisionState,
    /// When it was deployed.
    pub created_at: Timestamp,
}
