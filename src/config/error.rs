//! Why settings are refused. Every message names the key, where it was set and what to do; none shows a secret.

use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults built into the program.
    Defaults,
    /// A settings file.
    File(PathBuf),
    /// An environment variable, by name.
    Variable(String),
    /// A flag, as it is written on the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the defaults"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}: check the path of --config or HOB_CONFIG", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The settings file is not TOML.
    #[error("the settings file {} is not valid TOML at line {line}: {what}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// What the parser says, without the text of the file, which may hold secrets.
        what: String,
    },
    /// No such key.
    #[error("unknown setting `{key}` in {origin}: {}", did_you_mean(nearest))]
    UnknownKey {
        /// What was written: a key with its section, or a variable's name.
        key: String,
        /// Where it was written.
        origin: Origin,
        /// What may have been meant, in the same form.
        nearest: Option<String>,
    },
    /// A value of another type.
    #[error("`{key}` is {found} in {origin}: use {expected}")]
    WrongType {
        /// The key with its section.
        key: String,
        /// What was found; the type only when it is secret.
        found: String,
        /// Where it was set.
        origin: Origin,
        /// What is accepted.
        expected: String,
    },
    /// A value of the right type that is not accepted.
    #[error("`{key}` is {value} in {origin}: use {accepted}")]
    OutOfRange {
        /// The key with its section.
        key: String,
        /// The value; `(hidden)` when it is secret.
        value: String,
        /// Where it was set.
        origin: Origin,
        /// What is accepted.
        accepted: String,
    },
    /// No place for state.
    #[error("no place to keep state: neither HOME nor XDG_STATE_HOME is set; use --data-dir or HOB_DATA_DIR")]
    NoDataDir,
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(known) => format!("did you mean `{known}`?"),
        None => "config.toml lists all settings".into(),
    }
}
