//! Who may see what of the native API: what a route needs, and that a caller stays in its namespace.
//!
//! Stands before the handlers, which know no callers: a query that names no namespace gets the caller's, and what is
//! named by an id must be the caller's. Without tokens there are no callers, and nothing is touched.

use super::NativeState;
use super::wire::BASE;
use crate::api::kit::guard::Door;
use crate::api::kit::problem;
use crate::app::App;
use crate::domain::{Error, ExecutionId, JobId, Namespace, Principal, Role, WebhookId};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, Uri};

/// What a request wants; `None` where it is another API's, or to look at or change what is in a namespace.
pub(in crate::api) fn door(method: &Method, path: &str) -> Option<Door> {
    let segments: Vec<_> = path.strip_prefix(BASE)?.split('/').skip(1).collect();
    match (method, &segments[..]) {
        (&Method::POST, ["functions", _, "invoke"]) => Some(Door::Call),
        (_, ["status" | "stop" | "backup"] | ["tokens", ..]) => Some(Door::Everything),
        _ => None,
    }
}

/// The middleware.
pub(super) async fn scope(State(state): State<NativeState>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Principal>().cloned() else {
        return next.run(request).await;
    };
    match scoped(&state.app, &caller, request.uri()).await {
        Ok(uri) => {
            *request.uri_mut() = uri;
            next.run(request).await
        }
        Err(error) => problem::answer(&error, None),
    }
}

async fn scoped(app: &App, caller: &Principal, uri: &Uri) -> Result<Uri, Error> {
    if caller.role != Role::Admin {
        check_owner(app, caller, uri.path()).await?;
    }
    with_namespace(caller, uri)
}

/// The same address, with the caller's namespace where it names none.
fn with_namespace(caller: &Principal, uri: &Uri) -> Result<Uri, Error> {
    let query = uri.query().unwrap_or_default();
    let mut named = false;
    for (_, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "namespace") {
        caller.namespace(Some(Namespace::parse(&value)?))?;
        named = true;
    }
    if named {
        return Ok(uri.clone());
    }
    let sign = if query.is_empty() { "" } else { "&" };
    let text = format!("{}?{query}{sign}namespace={}", uri.path(), caller.namespace);
    Uri::try_from(text).map_err(|_| Error::invalid("the address is too long"))
}

/// What is named by an id says not whose it is: that is looked up, and foreign things are not there.
async fn check_owner(app: &App, caller: &Principal, path: &str) -> Result<(), Error> {
    let mut segments = path.strip_prefix(BASE).unwrap_or_default().split('/').skip(1);
    let (Some(kind), Some(id)) = (segments.next(), segments.next()) else {
        return Ok(());
    };
    match owner(app, kind, id).await? {
        Some(owner) if owner != caller.namespace => Err(Error::not_found(format!(
            "there is nothing with the id `{}` in namespace `{}`",
            id.escape_debug(),
            caller.namespace
        ))),
        _ => Ok(()),
    }
}

/// Whose a thing is; `None` where its name is looked for in the caller's namespace only.
async fn owner(app: &App, kind: &str, id: &str) -> Result<Option<Namespace>, Error> {
    match kind {
        "functions" | "aliases" => Ok(None),
        "executions" => match ExecutionId::parse(id) {
            Some(id) => app.namespace_of(app.execution(id).await?.function).await.map(Some),
            None => Ok(None),
        },
        "jobs" => match JobId::parse(id) {
            Some(id) => Ok(Some(app.job(id).await?.namespace)),
            None => Ok(None),
        },
        "webhooks" => match WebhookId::parse(id) {
            Some(id) => app.namespace_of(app.webhook(id).await?.function).await.map(Some),
            None => Ok(None),
        },
        // Closed until somebody says here whose it is.
        _ => Err(Error::not_found(format!(
            "`{}` is for admins' tokens only",
            kind.escape_debug()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role) -> Principal {
        let namespace = Namespace::parse("mine").expect("a name");
        Principal { namespace, role }
    }

    #[test]
    fn a_query_gets_the_callers_namespace_unless_it_names_one() {
        let table = [
            ("/hob/v1/functions", Some("/hob/v1/functions?namespace=mine")),
            ("/hob/v1/jobs?limit=3", Some("/hob/v1/jobs?limit=3&namespace=mine")),
            ("/hob/v1/jobs?namespace=mine", Some("/hob/v1/jobs?namespace=mine")),
            ("/hob/v1/jobs?namespace=other", None),
            ("/hob/v1/jobs?namespace=mine&namespace=other", None),
            ("/hob/v1/jobs?n%61mespace=other", None),
            ("/hob/v1/jobs?namespace=", None),
        ];
        for (sent, expect) in table {
            let uri = Uri::from_static(sent);
            let user = with_namespace(&caller(Role::User), &uri).ok();
            assert_eq!(user.map(|u| u.to_string()).as_deref(), expect, "{sent}");
        }
        let other = Uri::from_static("/hob/v1/jobs?namespace=other");
        assert_eq!(with_namespace(&caller(Role::Admin), &other).expect("an admin"), other);
    }

    #[test]
    fn calls_are_calls_and_the_daemon_is_the_admins() {
        for (method, path, expect) in [
            (Method::POST, "/hob/v1/functions/a/invoke", Some(Door::Call)),
            (Method::GET, "/hob/v1/functions/a/invoke", None),
            (Method::POST, "/hob/v1/functions/a/b/invoke", None),
            (Method::GET, "/hob/v1/tokens", Some(Door::Everything)),
            (Method::DELETE, "/hob/v1/tokens/a", Some(Door::Everything)),
            (Method::POST, "/hob/v1/stop", Some(Door::Everything)),
            (Method::GET, "/hob/v1/backup", Some(Door::Everything)),
            (Method::GET, "/hob/v1/functions", None),
            (Method::GET, "/v1/executions", None),
        ] {
            assert_eq!(door(&method, path), expect, "{method} {path}");
        }
    }
}
