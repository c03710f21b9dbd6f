//! Who asks: the project, and whether as an admin.
//!
//! There is no identity service. Without configured tokens everybody is in project `default` and may do
//! everything; with them, a token's namespace is the project, and an admin's token may name another one.

use super::fault::Fault;
use super::filter::Query;
use crate::domain::{Namespace, Principal, Role};
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Whose resources it makes and lists.
    pub(super) project: Namespace,
    /// May read and change what belongs to other projects, as far as an admin may.
    pub(super) admin: bool,
    /// May make calls that only an admin may: everybody, where no token is configured.
    pub(super) operator: bool,
}

impl Caller {
    fn new(principal: Option<&Principal>, headers: &HeaderMap) -> Result<Self, Fault> {
        let says_admin = header(headers, "x-roles")
            .is_some_and(|roles| roles.split(',').any(|r| r.trim().eq_ignore_ascii_case("admin")));
        let Some(principal) = principal else {
            return Ok(Self {
                project: Namespace::default_namespace(),
                admin: says_admin,
                operator: true,
            });
        };
        let admin = principal.role == Role::Admin;
        let project = match header(headers, "x-project-id") {
            Some(id) if admin => Namespace::parse(id)?,
            _ => principal.namespace.clone(),
        };
        Ok(Self {
            project,
            admin,
            operator: admin,
        })
    }

    /// Whether a resource of that project can be seen by its id.
    pub(super) fn sees(&self, project: &Namespace) -> bool {
        self.admin || self.project == *project
    }

    /// Whose resources a list shows: a project's, or everybody's for `None`.
    ///
    /// # Errors
    /// 403 for every project's, unless an admin asks.
    pub(super) fn scope(&self, query: &mut Query) -> Result<Option<Namespace>, Fault> {
        if query.all_projects {
            self.must_be_operator()?;
            return Ok(None);
        }
        if !self.operator {
            query.forget("project_id");
        }
        let other = self.admin && query.names_a_project();
        Ok((!other).then(|| self.project.clone()))
    }

    /// Lets admins pass.
    ///
    /// # Errors
    /// 403.
    pub(super) fn must_be_operator(&self) -> Result<(), Fault> {
        if self.operator {
            return Ok(());
        }
        Err(Fault::not_allowed())
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Fault> {
        Self::new(parts.extensions.get::<Principal>(), &parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(principal: Option<(&str, Role)>, headers: &[(&'static str, &'static str)]) -> Caller {
        let principal = principal.map(|(namespace, role)| Principal {
            namespace: Namespace::parse(namespace).expect("a name"),
            role,
        });
        let pairs = headers.iter();
        let headers = pairs
            .map(|(k, v)| (http::HeaderName::from_static(k), http::HeaderValue::from_static(v)))
            .collect();
        Caller::new(principal.as_ref(), &headers).expect("a caller")
    }

    #[test]
    fn without_tokens_everybody_is_the_operator_of_the_default_project() {
        let anybody = caller(None, &[("x-auth-token", "notused"), ("x-project-id", "p")]);
        assert_eq!(
            (anybody.project.as_str(), anybody.admin, anybody.operator),
            ("default", false, true)
        );
        assert!(caller(None, &[("x-roles", "member,Admin")]).admin);
    }

    #[test]
    fn a_list_shows_the_own_project_unless_an_admin_asks_for_more() {
        let read = |text| Query::read(text, &["project_id"]).expect("known");
        let user = caller(Some(("mine", Role::User)), &[]);
        let admin = caller(Some(("mine", Role::Admin)), &[]);
        let mut everything = read("all_projects=true");
        assert_eq!(user.scope(&mut everything).expect_err("refused"), Fault::not_allowed());
        assert_eq!(admin.scope(&mut everything).expect("allowed"), None);
        let mut foreign = read("project_id=other");
        assert_eq!(admin.scope(&mut foreign).expect("allowed"), None);
        let own = user.scope(&mut foreign).expect("allowed");
        assert_eq!(own.expect("one").as_str(), "mine");
        assert!(!foreign.names_a_project());
    }

    #[test]
    fn only_an_admins_token_may_name_another_project() {
        let other = [("x-project-id", "other"), ("x-roles", "admin")];
        let user = caller(Some(("mine", Role::User)), &other);
        assert_eq!(
            (user.project.as_str(), user.admin, user.operator),
            ("mine", false, false)
        );
        let admin = caller(Some(("mine", Role::Admin)), &other);
        assert_eq!(
            (admin.project.as_str(), admin.admin, admin.operator),
            ("other", true, true)
        );
        let foreign = Namespace::parse("third").expect("a name");
        assert!(admin.sees(&foreign) && !user.sees(&foreign));
    }
}
