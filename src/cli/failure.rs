//! Why a command ends before its time: an exit code and what to print. Prints nothing itself.

use super::exit::{Exit, exit_for};
use crate::api::native::wire::{ErrorBody, code};

/// A command's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What is printed; `None` when nothing is to be said (the reader of our output has gone, or it was said before).
    pub(crate) body: Option<ErrorBody>,
}

impl Failure {
    /// With a code word and a sentence that says what to do next.
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            code: code.to_owned(),
            message: message.into(),
            ..ErrorBody::default()
        };
        Self { exit, body: Some(body) }
    }

    /// The user asked for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code::INVALID, message)
    }

    /// Nothing left to say.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, body: None }
    }

    /// A file of the user that cannot be used.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let (exit, word) = match missing {
            true => (Exit::NotFound, code::NOT_FOUND),
            false => (Exit::Usage, code::INVALID),
        };
        let message = format!("cannot read `{}`: {error}", path.display());
        Self::new(exit, word, message)
    }

    /// Standard output that cannot be written. A closed pipe is no news.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::silent(Exit::Ok),
            _ => Self::usage(format!("cannot write to standard output: {error}")),
        }
    }

    /// An error answer of the daemon; `bytes` is its body.
    pub(crate) fn answer(status: u16, source: Option<&str>, bytes: &[u8]) -> Self {
        let body = serde_json::from_slice::<ErrorBody>(bytes).ok();
        let code = body.as_ref().map(|body| body.code.as_str());
        let exit = exit_for(status, code, source);
        Self {
            exit,
            body: Some(body.unwrap_or_else(|| foreign(status))),
        }
    }

    /// Adds what to do next, unless something is said already.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(body) = &mut self.body {
            body.hint.get_or_insert_with(|| hint.into());
        }
        self
    }
}

fn foreign(status: u16) -> ErrorBody {
    ErrorBody {
        code: code::INTERNAL.to_owned(),
        message: format!("the answer has status {status} and is not one of Hob's"),
        hint: Some("check --url: is something else listening there?".to_owned()),
        call_id: None,
    }
}
