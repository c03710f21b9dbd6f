//! Who asks, and in which namespace.
//!
//! Source: the contract's section 1.2. There is always a default namespace: upstream's `nuclio`, or that of a user's
//! token. Upstream's answer for a server without one, `Namespace must exist`, has no place here.

use super::fault::Fault;
use crate::domain::{Namespace, Principal, Role};
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

/// The namespace of who names none.
pub(super) const DEFAULT_NAMESPACE: &str = "nuclio";

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller(Option<Principal>);

impl Caller {
    /// The namespace a request is about.
    ///
    /// # Errors
    /// 400 for what is no namespace's name, 404 for one that is not the caller's.
    pub(super) fn namespace(&self, named: Option<&str>) -> Result<Namespace, Fault> {
        let named = named
            .filter(|name| !name.is_empty())
            .map(Namespace::parse)
            .transpose()?;
        match (&self.0, named) {
            (Some(principal), named) if principal.role != Role::Admin => Ok(principal.namespace(named)?),
            (_, Some(named)) => Ok(named),
            (_, None) => Ok(Namespace::parse(DEFAULT_NAMESPACE)?),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Principal>().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn caller(role: Role) -> Caller {
        let namespace = Namespace::parse("mine").expect("a name");
        Caller(Some(Principal { namespace, role }))
    }

    #[test]
    fn who_names_no_namespace_is_in_the_default_one_or_in_its_tokens() {
        let of = |caller: &Caller, named: Option<&str>| caller.namespace(named).map(|n| n.to_string());
        assert_eq!(of(&Caller(None), None), Ok("nuclio".to_owned()));
        assert_eq!(of(&Caller(None), Some("")), Ok("nuclio".to_owned()));
        assert_eq!(of(&Caller(None), Some("other")), Ok("other".to_owned()));
        assert_eq!(of(&caller(Role::Admin), None), Ok("nuclio".to_owned()));
        assert_eq!(of(&caller(Role::Admin), Some("other")), Ok("other".to_owned()));
        assert_eq!(of(&caller(Role::User), None), Ok("mine".to_owned()));
        let foreign = of(&caller(Role::User), Some("other")).expect_err("not its own");
        assert_eq!(foreign.status, StatusCode::NOT_FOUND);
        assert_eq!(
            of(&Caller(None), Some("a/b")).expect_err("no name").status,
            StatusCode::BAD_REQUEST
        );
    }
}
