//! Who asks, and what they may do. Knows no secrets and no headers.

use super::{Error, Namespace, Timestamp, TokenId, TokenName};

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

impl Principal {
    /// Whether it may do what takes that role.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// The namespace it works in: its own, unless an admin names another.
    ///
    /// # Errors
    /// `Error::NotFound` when somebody else names another; it is not said whether there is one.
    pub fn namespace(&self, named: Option<Namespace>) -> Result<Namespace, Error> {
        match named {
            None => Ok(self.namespace.clone()),
            Some(named) if self.role == Role::Admin || named == self.namespace => Ok(named),
            Some(named) => Err(Error::not_found(format!(
                "there is no namespace `{named}` for this token: its own is `{}`",
                self.namespace
            ))),
        }
    }
}

/// What is known of an access token. The secret is nowhere: only its maker has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its identity.
    pub id: TokenId,
    /// What people call it.
    pub name: TokenName,
    /// Who shows it.
    pub principal: Principal,
    /// When it was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(role: Role) -> Principal {
        let namespace = Namespace::parse("mine").expect("a name");
        Principal { namespace, role }
    }

    #[test]
    fn roles_are_read_as_they_are_written_and_each_includes_the_weaker_ones() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()).expect("known"), role);
            let may = Role::ALL.map(|asked| principal(role).may(asked));
            assert_eq!(may, Role::ALL.map(|asked| asked <= role), "{role:?}");
        }
        assert!(Role::parse("root").is_err());
    }

    #[test]
    fn only_an_admin_works_in_another_namespace_than_its_own() {
        let other = || Some(Namespace::parse("other").expect("a name"));
        for role in Role::ALL {
            assert_eq!(principal(role).namespace(None).expect("its own").as_str(), "mine");
            let allowed = principal(role).namespace(other()).is_ok();
            assert_eq!(allowed, role == Role::Admin, "{role:?}");
        }
    }
}
