//! What people call things. A name that exists has been checked.

use super::Error;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// `Error::Invalid` unless it has 1 to 63 of `a-z`, `A-Z`, `0-9`, `-`, `_` and begins and ends with a letter or digit.
            pub fn parse(text: &str) -> Result<Self, Error> {
                check(text, $what)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A function's name, unique in its namespace.
    FunctionName,
    "function name"
);
name!(
    /// A namespace: whose functions these are.
    Namespace,
    "namespace"
);

name!(
    /// What people call an access token; unique.
    TokenName,
    "token name"
);

/// An alias's name, unique in its namespace. Freer than the others: it names no file, no host and no container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(String);

impl AliasName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// `Error::Invalid` unless it has 1 to 255 characters, none of them a control character, and no space at an end.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let length = text.chars().count();
        let good = (1..=255).contains(&length) && text.trim() == text && !text.contains(char::is_control);
        if good {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid(format!(
            "alias name `{}` is not valid: use 1 to 255 characters, without control characters and without spaces at the ends",
            text.escape_debug()
        )))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AliasName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Namespace {
    /// The name of the namespace of whoever names none.
    pub const DEFAULT: &str = "default";

    /// The namespace of whoever names none.
    #[must_use]
    pub fn default_namespace() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

fn check(text: &str, what: &str) -> Result<(), Error> {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let good = bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inside);
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} `{}` is not valid: use 1 to 63 letters, digits, `-` or `_`, with a letter or digit at both ends",
        text.escape_debug()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_when_they_are_made() {
        for good in ["a", "hello", "Hello-2_x", &"x".repeat(63)] {
            assert!(FunctionName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a/b", "a b", "ä", "a\n", &"x".repeat(64), ".."] {
            assert!(FunctionName::parse(bad).is_err(), "{bad}");
        }
    }
}
