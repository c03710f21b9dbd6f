//! Prints an error together with everything that caused it, on one line.
//!
//! Errors do not repeat their source in their own message, so this is the one way to print them.

use std::error::Error;

/// `error` and its sources, outermost first, joined by `: `. A source that says nothing new is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        append(&mut text, &cause.to_string());
        source = cause.source();
    }
    text
}

fn append(text: &mut String, cause: &str) {
    if !text.ends_with(cause) {
        text.push_str(": ");
        text.push_str(cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Link {
        message: &'static str,
        source: Option<Box<Link>>,
    }

    fn link(message: &'static str, source: Option<Link>) -> Link {
        Link {
            message,
            source: source.map(Box::new),
        }
    }

    #[test]
    fn an_error_alone_is_its_message() {
        assert_eq!(chain(&link("disk full", None)), "disk full");
    }

    #[test]
    fn sources_follow_from_the_outside_in() {
        let error = link(
            "cannot deploy",
            Some(link("cannot write", Some(link("disk full", None)))),
        );
        assert_eq!(chain(&error), "cannot deploy: cannot write: disk full");
    }

    #[test]
    fn a_repeated_message_is_said_once() {
        let error = link("cannot write: disk full", Some(link("disk full", None)));
        assert_eq!(chain(&error), "cannot write: disk full");
    }
}
