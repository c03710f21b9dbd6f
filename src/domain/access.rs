//! Who asks, and what they may do. Knows no tokens and no headers.

use super::{Error, Namespace};

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Calls functions, and nothing else.
    Invoke,
    /// Everything in its own namespace.
    User,
    /// Everything, in every namespace.
    Admin,
}

impl Role {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Invoke, Self::User, Self::Admin];

    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    ///
    /// # Errors
    /// `Error::Invalid` that lists the names there are.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|r| r.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("role `{text}` is not known: use one of {names}"))
        })
    }
}

/// A caller that has shown a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose functions are its own.
    pub namespace: Namespace,
    /// What it may do.
    pub role: Role,
}
