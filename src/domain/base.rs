//! The image of a user's that a function runs on in place of its runtime's own base, and what is done to it first.

use super::Error;
use std::fmt;

/// An image of the user's. The runtime's shim is put onto it, as onto the runtime's own base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its name, as the engine knows it.
    pub image: String,
    /// What is done to it before the shim and the code are there, in this order.
    pub steps: Vec<Step>,
}

/// One instruction of a Dockerfile that a base is changed with. All of it stays in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A command of a shell, as root.
    Run(String),
    /// Variables of the environment, as a Dockerfile writes them.
    Env(String),
    /// The folder in which the steps behind it run.
    Workdir(String),
}

impl Step {
    /// The step of a kind, in any case, with its value.
    ///
    /// # Errors
    /// `Error::Invalid` for other kinds, and for values that would be no single instruction.
    pub fn new(kind: &str, value: &str) -> Result<Self, Error> {
        let value = value.trim().to_owned();
        if value.is_empty() || value.contains('\0') {
            return Err(Error::invalid(format!(
                "the step `{kind}` of the base says nothing, or has a NUL byte: leave it out"
            )));
        }
        let kind = kind.to_ascii_uppercase();
        if kind == "RUN" {
            return Ok(Self::Run(value));
        }
        if value.contains(['\n', '\r']) || value.ends_with('\\') {
            return Err(Error::invalid(format!(
                "the step `{kind}` of the base goes over several lines: write it as one"
            )));
        }
        match kind.as_str() {
            "ENV" => Ok(Self::Env(value)),
            "WORKDIR" => Ok(Self::Workdir(value)),
            _ => Err(Error::invalid(format!(
                "`{}` is no step of a base: use RUN, ENV or WORKDIR",
                kind.escape_debug()
            ))),
        }
    }

    /// Reads `RUN make`, `ENV A=b` or `WORKDIR /opt`.
    ///
    /// # Errors
    /// `Error::Invalid` as in [`Step::new`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim_start();
        let (kind, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        Self::new(kind, value)
    }
}

/// As [`Step::parse`] reads it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(value) => write!(f, "RUN {value}"),
            Self::Env(value) => write!(f, "ENV {value}"),
            Self::Workdir(value) => write!(f, "WORKDIR {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_as_it_is_written() {
        for (text, expect) in [
            ("RUN make", Some("RUN make")),
            ("run  make \\\n all ", Some("RUN make \\\n all")),
            ("ENV A=b C=\"d e\"", Some("ENV A=b C=\"d e\"")),
            ("\tWorkdir /opt/x", Some("WORKDIR /opt/x")),
            ("RUN", None),
            ("", None),
            ("ENV A=b\nUSER x", None),
            ("ENV A=b \\", None),
            ("COPY a b", None),
            ("RUN a\0b", None),
        ] {
            let read = Step::parse(text).ok().map(|step| step.to_string());
            assert_eq!(read.as_deref(), expect, "{text}");
        }
    }
}
