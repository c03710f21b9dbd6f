//! Which revision of a function a call is meant for: the one that serves, a published version, or what an alias says.
//!
//! Only says it: what a version or an alias leads to is looked up by whoever has the store.

use super::{AliasName, Error, VersionNumber};

/// Which revision a call is meant for, as a caller says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// The revision that serves when the call is made.
    #[default]
    Current,
    /// A published version.
    Version(VersionNumber),
    /// What the alias leads to when the call is made.
    Alias(AliasName),
}

impl Selector {
    /// Reads `current`, `version:3` or `alias:NAME`, the form that is stored and written on the wire.
    ///
    /// # Errors
    /// `Error::Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            None if text == "current" => Ok(Self::Current),
            Some(("version", number)) => VersionNumber::parse(number).map(Self::Version),
            Some(("alias", name)) => AliasName::parse(name).map(Self::Alias),
            _ => Err(Error::invalid(format!(
                "`{}` selects nothing: write `current`, `version:NUMBER` or `alias:NAME`",
                text.escape_debug()
            ))),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current => f.write_str("current"),
            Self::Version(number) => write!(f, "version:{number}"),
            Self::Alias(name) => write!(f, "alias:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_as_it_is_written() {
        for text in [
            "current",
            "version:1",
            "version:4294967295",
            "alias:live",
            "alias:a:b c",
        ] {
            let selector = Selector::parse(text).expect(text);
            assert_eq!(selector.to_string(), text);
        }
    }

    #[test]
    fn what_selects_nothing_is_refused() {
        for text in [
            "",
            "latest",
            "current:",
            "version:",
            "version:0",
            "version:-1",
            "version:+1",
            "version:01",
            "version:4294967296",
            "alias:",
            "alias:a\n",
            "alias: a",
            "Version:1",
        ] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
