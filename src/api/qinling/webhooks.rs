//! Webhooks: addresses by which anybody calls a function. What a call brings along is read by `webhook_input`.
//!
//! They are the core's. One document of ours says that a webhook was made without a version, which is shown as null.

use super::attributes::{self, Attribute, Body, Kind, path_uuid, read_only, writable};
use super::callee::{self, Named, Reference};
use super::caller::Caller;
use super::executions::Call;
use super::fault::Fault;
use super::filter::Query;
use super::function_view::given;
use super::note::{self, DIALECT, Found};
use super::{Dialect, Route, root, time, unknown_path, webhook_input, wire};
use crate::app::{App, Incoming, WebhookSpec};
use crate::domain::{Error, ExecutionId, FunctionId, Namespace, Selector, Webhook, WebhookId};
use crate::invoker;
use crate::store::DocumentKey;
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{HeaderMap, Method, StatusCode, request};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Documents that say which webhooks were made without a version.
const UNVERSIONED: &str = "unversioned-webhook";

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::POST, "/v1/webhooks", post(create)),
        (Method::GET, "/v1/webhooks", get(list)),
        (Method::GET, "/v1/webhooks/{id}", get(show)),
        (Method::PUT, "/v1/webhooks/{id}", put(update)),
        (Method::DELETE, "/v1/webhooks/{id}", delete(remove)),
        // Quirk: another method finds nothing here, as upstream answers it.
        (Method::POST, "/v1/webhooks/{id}/invoke", post(invoke).get(unknown_path)),
    ]
}

const ATTRIBUTES: [Attribute; 9] = [
    read_only("id"),
    writable("function_id", Kind::Uuid),
    writable("function_alias", Kind::Text),
    writable("function_version", Kind::Integer),
    writable("description", Kind::Text),
    read_only("project_id"),
    read_only("created_at"),
    read_only("updated_at"),
    read_only("webhook_url"),
];

async fn create(
    State(state): State<Dialect>,
    caller: Caller,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Response, Fault> {
    let app = &state.app;
    let body = read(body).await?;
    let named = Reference::of(&body).must_name_something()?.find(app, &caller).await?;
    must_be_own(&caller, &named.found)?;
    let spec = spec(&named, body.text("description").unwrap_or_default());
    let webhook = app.create_webhook(spec, None).await?;
    let is_versioned = body.integer("function_version").is_some();
    if !is_versioned && named.alias.is_none() {
        app.put_document(unversioned(webhook.id), String::new()).await?;
    }
    let view = view(&root::address(&headers, &state), &named.found, &webhook, is_versioned);
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

async fn list(
    State(state): State<Dialect>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Fault> {
    let app = &state.app;
    let mut query = Query::read(&query.unwrap_or_default(), &["project_id"])?;
    let scope = caller.scope(&mut query)?;
    let functions = note::functions(app, scope.as_ref()).await?;
    let functions: HashMap<FunctionId, Found> = functions.into_iter().map(|f| (f.function.id, f)).collect();
    let unversioned = app.list_documents(DIALECT, UNVERSIONED).await?;
    let unversioned: HashSet<String> = unversioned.into_iter().map(|(key, _)| key).collect();
    let address = root::address(&headers, &state);
    let webhooks = app.list_webhooks(scope.as_ref(), None).await?;
    let shown = webhooks.iter().filter_map(|webhook| {
        let found = functions.get(&webhook.function)?;
        let is_versioned = !unversioned.contains(&webhook.id.to_string());
        let is_asked_for = query.admits(|_| Some(found.function.namespace.as_str()));
        is_asked_for.then(|| view(&address, found, webhook, is_versioned))
    });
    Ok(Json(json!({"webhooks": shown.collect::<Vec<_>>()})))
}

async fn show(
    State(state): State<Dialect>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<wire::Webhook>, Fault> {
    let (webhook, found) = find(&state.app, path_uuid("id", &id)?, |p| caller.sees(p)).await?;
    let is_versioned = state.app.document(unversioned(webhook.id)).await?.is_none();
    Ok(Json(view(
        &root::address(&headers, &state),
        &found,
        &webhook,
        is_versioned,
    )))
}

async fn update(
    State(state): State<Dialect>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: HttpBody,
) -> Result<Json<wire::Webhook>, Fault> {
    let app = &state.app;
    let (webhook, found) = find(app, path_uuid("id", &id)?, |p| caller.project == *p).await?;
    let body = read(body).await?;
    let description = body.text("description").unwrap_or(&webhook.description).to_owned();
    let function = webhook.function.to_string();
    let (spec, found) = match rebound(Reference::of(&body), &webhook.selector, &function) {
        Some(reference) => {
            let named = reference.find(app, &caller).await?;
            must_be_own(&caller, &named.found)?;
            (spec(&named, &description), named.found)
        }
        None => {
            let (function, selector) = (webhook.function, webhook.selector);
            let spec = WebhookSpec {
                function,
                selector,
                description,
            };
            (spec, found)
        }
    };
    let webhook = app.update_webhook(webhook.id, spec).await?;
    if body.integer("function_version").is_some() {
        app.delete_document(unversioned(webhook.id)).await?;
    }
    let is_versioned = app.document(unversioned(webhook.id)).await?.is_none();
    Ok(Json(view(
        &root::address(&headers, &state),
        &found,
        &webhook,
        is_versioned,
    )))
}

/// What a change makes a webhook lead to; `None` leaves that as it is. Another alias wins; a function or a version
/// ends an alias's lead, and each stays where only the other is given.
fn rebound<'r>(asked: Reference<'r>, bound: &Selector, function: &'r str) -> Option<Reference<'r>> {
    let (alias, number) = match bound {
        Selector::Alias(name) => (Some(name.as_str()), 0),
        Selector::Version(number) => (None, i64::from(number.get())),
        Selector::Current => (None, 0),
    };
    if asked.alias.is_some_and(|name| Some(name) != alias) {
        return Some(asked);
    }
    (asked.function.is_some() || asked.version.is_some()).then(|| Reference {
        function: asked.function.or(Some(function)),
        version: asked.version.or(Some(number)),
        alias: None,
    })
}

async fn remove(State(state): State<Dialect>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    let (webhook, _) = find(&state.app, path_uuid("id", &id)?, |p| caller.sees(p)).await?;
    state.app.delete_webhook(webhook.id).await?;
    state.app.delete_document(unversioned(webhook.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Needs no credential but the address, and the signature where the webhook wants one.
async fn invoke(
    State(state): State<Dialect>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let app = &state.app;
    let (webhook, found) = find(app, &id, |_| true).await?;
    let (head, body) = request.into_parts();
    let body = attributes::bytes(body).await?;
    app.check_signature(&webhook, signed(&head, &body)).await?;
    let callee = target(app, &webhook, found).await?;
    callee.must_be_available(app).await?;
    let fields = webhook_input::fields(head, body).await?;
    let call = Call {
        id: ExecutionId::generate(),
        input: super::input::body(callee.shape(), Some(&Value::Object(fields).to_string())),
        description: format!("Created by Webhook {id}"),
        callee,
    };
    let execution = call.accept(app).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"execution_id": execution.id}))))
}

/// The request as its sender signed it.
fn signed(head: &request::Parts, body: &[u8]) -> Incoming {
    let headers = head.headers.iter();
    let headers = headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    Incoming {
        method: head.method.to_string(),
        path: "/".to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: invoker::Body::of(body.to_vec()),
    }
}

/// Where a webhook leads now. The alias is forgotten: an execution of a webhook does not say it.
async fn target(app: &App, webhook: &Webhook, found: Found) -> Result<Named, Fault> {
    let version = match &webhook.selector {
        Selector::Current => None,
        Selector::Version(number) => Some(*number),
        Selector::Alias(name) => {
            let alias = app.alias(&found.function.namespace, name).await;
            let alias = alias.map_err(|e| match e {
                Error::NotFound(_) => Fault::not_found("FunctionAlias", "name", name),
                other => other.into(),
            })?;
            let led = callee::led(app, alias).await?;
            return Ok(Named { alias: None, ..led });
        }
    };
    Ok(Named {
        found,
        version,
        alias: None,
    })
}

fn spec(named: &Named, description: &str) -> WebhookSpec {
    let by_alias = named.alias.as_ref().map(|alias| Selector::Alias(alias.name.clone()));
    WebhookSpec {
        function: named.found.function.id,
        selector: by_alias.unwrap_or_else(|| named.selector()),
        description: description.to_owned(),
    }
}

/// Not even an admin makes the outside call what belongs to somebody else.
fn must_be_own(caller: &Caller, found: &Found) -> Result<(), Fault> {
    if found.function.namespace == caller.project {
        return Ok(());
    }
    Err(Fault::not_found("Function", "id", found.function.id))
}

async fn find(app: &App, id: &str, may: impl Fn(&Namespace) -> bool) -> Result<(Webhook, Found), Fault> {
    let missing = || Fault::not_found("Webhook", "id", id);
    let webhook = match app.webhook(WebhookId::parse(id).ok_or_else(missing)?).await {
        Err(Error::NotFound(_)) => return Err(missing()),
        found => found?,
    };
    let found = note::by_id(app, webhook.function).await?;
    let found = found.filter(|f| may(&f.function.namespace)).ok_or_else(missing)?;
    Ok((webhook, found))
}

fn unversioned(id: WebhookId) -> DocumentKey {
    DocumentKey::new(DIALECT, UNVERSIONED, id.to_string())
}

async fn read(body: HttpBody) -> Result<Body, Fault> {
    Body::read("webhook", &ATTRIBUTES, &attributes::bytes(body).await?)
}

fn view(address: &str, found: &Found, webhook: &Webhook, is_versioned: bool) -> wire::Webhook {
    let (alias, version) = match &webhook.selector {
        Selector::Alias(name) => (Some(name.to_string()), None),
        Selector::Version(number) => (None, Some(number.get())),
        Selector::Current => (None, is_versioned.then_some(0)),
    };
    let id = webhook.id.to_string();
    wire::Webhook {
        webhook_url: format!("{address}/v1/webhooks/{id}/invoke"),
        id,
        function_id: alias.is_none().then(|| webhook.function.to_string()),
        function_alias: alias,
        function_version: version,
        description: given(&webhook.description),
        project_id: found.function.namespace.to_string(),
        created_at: time::show(webhook.created_at),
        updated_at: (webhook.updated_at != webhook.created_at).then(|| time::show(webhook.updated_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AliasName, VersionNumber};

    fn check(bound: &Selector, asked: [&str; 3], expect: Option<[&str; 3]>) {
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        let asked = asked.map(|text| some(String::leak(text.to_owned())));
        let reference = Reference {
            function: asked[0],
            version: asked[1].map(|n| n.parse().expect("a number")),
            alias: asked[2],
        };
        let told = rebound(reference, bound, "old").map(|r| {
            let version = r.version.map_or_else(String::new, |n| n.to_string());
            [
                r.function.unwrap_or("").to_owned(),
                version,
                r.alias.unwrap_or("").to_owned(),
            ]
        });
        assert_eq!(told, expect.map(|all| all.map(str::to_owned)), "{asked:?}");
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let three = Selector::Version(VersionNumber::new(3).expect("above 0"));
        let live = Selector::Alias(AliasName::parse("live").expect("a name"));
        check(&three, ["", "", ""], None);
        check(&three, ["", "1", ""], Some(["old", "1", ""]));
        check(&three, ["new", "", ""], Some(["new", "3", ""]));
        check(&three, ["", "", "live"], Some(["", "", "live"]));
        check(&live, ["", "", ""], None);
        check(&live, ["", "", "live"], None);
        check(&live, ["", "", "next"], Some(["", "", "next"]));
        check(&live, ["new", "", ""], Some(["new", "0", ""]));
        check(&live, ["", "2", ""], Some(["old", "2", ""]));
    }
}
