//! Functions: deploy, look, call, delete.
//!
//! Does not make calls itself: those go through the kit, as the ingress's do.

use super::error::{Params, Problem, Segment, Sent};
use super::webhooks::selector;
use super::wire::{
    BASE, DeployForm, DeployQuery, DeployState, ErrorBody, ExecutionView, FunctionList, FunctionView, InvokeQuery,
    NamespaceQuery, RenameRequest, RevisionList, RevisionView, SameSecrets, SecretValues,
};
use super::{NativeState, executions, map, upload};
use crate::api::kit::invoke::{self as kit, CallParts};
use crate::app::{App, Callee, Deploy, InvokeOptions, Keep};
use crate::domain::{
    CallbackUrl, Error, ExecutionId, Function, FunctionName, Namespace, Retries, Revision, SecretText,
};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::time::Duration;

/// How long a deploy's answer waits when nothing is said, and at most. Unit: seconds.
const WAIT: u32 = 30;
const LONGEST_WAIT: u32 = 600;
/// The first wait before another try when nothing is said. Unit: milliseconds.
const BACKOFF_MS: u64 = 1_000;

/// The namespace that was named, or the default one.
pub(super) fn namespace(named: Option<&str>) -> Result<Namespace, Error> {
    named.map_or_else(|| Ok(Namespace::default_namespace()), Namespace::parse)
}

/// The function of that name.
pub(super) async fn find(app: &App, named: Option<&str>, name: &str) -> Result<Function, Error> {
    app.function(&namespace(named)?, &FunctionName::parse(name)?).await
}

/// Functions of a namespace, by name.
#[utoipa::path(get, path = "/hob/v1/functions", params(NamespaceQuery), responses(
    (status = 200, body = FunctionList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<NativeState>,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<FunctionList>, Problem> {
    let namespace = namespace(query.namespace.as_deref())?;
    let mut functions = Vec::new();
    for function in state.app.list_functions(Some(&namespace)).await? {
        // One that was declared through another API and has no code yet is nothing to call or to look at.
        if !state.app.list_revisions(function.id).await?.is_empty() {
            functions.push(view(&state, &function).await?);
        }
    }
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(FunctionList { functions }))
}

/// One function.
#[utoipa::path(get, path = "/hob/v1/functions/{name}", params(("name" = String, Path), NamespaceQuery), responses(
    (status = 200, body = FunctionView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<FunctionView>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    Ok(Json(view(&state, &function).await?))
}

/// Deploys: makes the function or gives it a new revision; 202 while that is neither ready nor failed.
#[utoipa::path(put, path = "/hob/v1/functions/{name}", params(("name" = String, Path), DeployQuery),
    request_body(content = DeployForm, content_type = "multipart/form-data"), responses(
    (status = 200, body = FunctionView), (status = 202, body = FunctionView),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn deploy(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<DeployQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let (namespace, name) = (namespace(query.namespace.as_deref())?, FunctionName::parse(&name)?);
    let form = upload::read(&state.app, request).await?;
    let deploy = Deploy {
        namespace,
        name,
        settings: form.settings,
        code: form.code,
        annotation: None,
    };
    let deployed = state.app.deploy(deploy).await?;
    let wait = Duration::from_secs(query.wait.unwrap_or(WAIT).min(LONGEST_WAIT).into());
    tokio::select! {
        settled = state.app.wait_for(deployed.revision.id, wait) => settled.map(|_| ())?,
        () = state.shutdown.requested() => {}
    }
    let function = state
        .app
        .function(&deployed.function.namespace, &deployed.function.name)
        .await?;
    let view = view(&state, &function).await?;
    let status = match view.state {
        DeployState::Pending => StatusCode::ACCEPTED,
        DeployState::Ready | DeployState::Failed => StatusCode::OK,
    };
    Ok((status, Json(view)).into_response())
}

/// Deletes a function with its revisions and records.
#[utoipa::path(delete, path = "/hob/v1/functions/{name}", params(("name" = String, Path), NamespaceQuery), responses(
    (status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<StatusCode, Problem> {
    let namespace = namespace(query.namespace.as_deref())?;
    state
        .app
        .delete_function(&namespace, &FunctionName::parse(&name)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a function another name; calls by the old one are not found from now on.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/rename", params(("name" = String, Path), NamespaceQuery),
    request_body = RenameRequest, responses((status = 200, body = FunctionView),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn rename(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
    Sent(request): Sent<RenameRequest>,
) -> Result<Json<FunctionView>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let name = FunctionName::parse(&request.name)?;
    let renamed = state.app.rename_function(function.id, &name).await?;
    Ok(Json(view(&state, &renamed).await?))
}

/// Which of the values that its caller has are those of the function's secrets; it shows none.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/secrets/compare", params(("name" = String, Path), NamespaceQuery),
    request_body = SecretValues, responses((status = 200, body = SameSecrets),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn compare_secrets(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
    Sent(sent): Sent<SecretValues>,
) -> Result<Json<SameSecrets>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let values = sent
        .values
        .into_iter()
        .map(|(name, value)| (name, SecretText::new(value)));
    let same = state.app.same_secrets(function.id, &values.collect()).await?;
    Ok(Json(SameSecrets { same }))
}

/// A function's revisions, newest first.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/revisions", params(("name" = String, Path), NamespaceQuery),
    responses((status = 200, body = RevisionList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn revisions(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<RevisionList>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let mut revisions = Vec::new();
    for revision in state.app.list_revisions(function.id).await? {
        revisions.push(revision_view(&state.app, revision).await?);
    }
    Ok(Json(RevisionList { revisions }))
}

/// Calls a function with the request's headers and body; answers what the function answers.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/invoke", params(("name" = String, Path), InvokeQuery,
    ("Idempotency-Key" = Option<String>, Header, description = "With async=true: a call that came with it before is \
        answered and not made again. 1 to 255 visible ASCII characters.", min_length = 1, max_length = 255),
    ("X-Callback-Url" = Option<String>, Header, description = "With async=true: where the call's end is told. A URL of at \
        most 2048 bytes, with http or https.", max_length = 2048)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, description = "What the function answered; it may also choose another status"),
    (status = 202, body = ExecutionView, description = "Accepted, with async=true"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn invoke(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<InvokeQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let namespace = namespace(query.namespace.as_deref())?;
    let mut parts = call_parts(&query, headers, state.body_limit)?;
    let callee = Callee::Named {
        namespace: namespace.as_str(),
        name: &name,
    };
    let mut options = options(&query)?;
    if query.r#async == Some(true) {
        options.key = key(&parts.headers)?;
        options.callback = callback(&mut parts.headers)?;
        return invoke_later(&state, callee, options, parts, body).await;
    }
    Ok(kit::invoke(&state.app, callee, options, parts, body).await)
}

/// What the caller names its call, in the header that many services take it in.
fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
    let wrong = || Error::invalid("an Idempotency-Key has 1 to 255 visible ASCII characters");
    text.map(|text| Some(text.to_owned())).ok_or_else(wrong)
}

/// Where the end of the call is told. It may hold a secret, which the function has no use for.
fn callback(headers: &mut HeaderMap) -> Result<Option<CallbackUrl>, Error> {
    let Some(value) = headers.remove("x-callback-url") else {
        return Ok(None);
    };
    CallbackUrl::parse(value.to_str().unwrap_or_default()).map(Some)
}

fn retries(query: &InvokeQuery) -> Result<Retries, Error> {
    let backoff = Duration::from_millis(query.backoff_ms.unwrap_or(BACKOFF_MS));
    match query.retries {
        None | Some(0) => Ok(Retries::NONE),
        Some(_) if query.r#async != Some(true) => Err(Error::invalid(
            "`retries` is for calls that are made later: its caller sees how any other call ends, and may call again",
        )),
        Some(left) => Retries::new(left, backoff),
    }
}

fn options(query: &InvokeQuery) -> Result<InvokeOptions, Error> {
    let keep = query.keep == Some(true);
    Ok(InvokeOptions {
        selector: selector(query.selector.as_deref())?.unwrap_or_default(),
        keep: Keep {
            input: keep,
            result: keep,
        },
        description: query.description.clone().unwrap_or_default(),
        retries: retries(query)?,
        ..InvokeOptions::new(ExecutionId::generate())
    })
}

async fn invoke_later(
    state: &NativeState,
    callee: Callee<'_>,
    options: InvokeOptions,
    parts: CallParts,
    body: Body,
) -> Result<Response, Problem> {
    let incoming = kit::incoming(parts, body).await?;
    let asked = options.id;
    let id = state.app.invoke_later(callee, options, incoming).await?;
    let view = executions::view(&state.app, state.app.execution(id).await?).await?;
    let location = [(http::header::LOCATION, format!("{BASE}/executions/{id}"))];
    let mut response = (StatusCode::ACCEPTED, location, Json(view)).into_response();
    if id != asked {
        // The same call was accepted before.
        let again = HeaderValue::from_static("true");
        response.headers_mut().insert("idempotent-replayed", again);
    }
    Ok(response)
}

fn call_parts(query: &InvokeQuery, headers: HeaderMap, body_limit: u64) -> Result<CallParts, Error> {
    let method = query.method.as_deref().unwrap_or("POST");
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| Error::invalid("`method` is no HTTP method"))?;
    let whole = query.path.as_deref().unwrap_or("/");
    if !whole.starts_with('/') {
        return Err(Error::invalid("`path` begins with `/`"));
    }
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    Ok(CallParts {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body_limit,
    })
}

async fn view(state: &NativeState, function: &Function) -> Result<FunctionView, Error> {
    let (function, revisions) = state.app.with_revisions(function.id).await?;
    let latest = revisions.first().cloned();
    let latest = latest.ok_or_else(|| {
        let name = &function.name;
        Error::not_found(format!(
            "function `{name}` has no code yet: deploy it as it was made, or with `hob deploy`"
        ))
    })?;
    let current = revisions.into_iter().find(|r| Some(r.id) == function.current);
    let current = match current {
        Some(revision) => Some(revision_view(&state.app, revision).await?),
        None => None,
    };
    let latest = revision_view(&state.app, latest).await?;
    Ok(map::function(&function, current, latest, &state.base_url))
}

/// A revision with its build, and the pull that it waits for.
pub(super) async fn revision_view(app: &App, revision: Revision) -> Result<RevisionView, Error> {
    let built = app.build_of(revision.id).await?;
    let pulling = app.pulling(revision.id);
    Ok(map::revision(revision, built, pulling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_call_is_split_at_its_query() {
        let query = InvokeQuery {
            path: Some("/a/b?c=d?e".to_owned()),
            ..Default::default()
        };
        let parts = call_parts(&query, HeaderMap::new(), 1).expect("good");
        assert_eq!((parts.path.as_str(), parts.query.as_str()), ("/a/b", "c=d?e"));
        assert_eq!(parts.method, Method::POST);
    }

    #[test]
    fn a_path_without_slash_and_a_method_with_a_space_are_refused() {
        for (path, method) in [(Some("a"), None), (None, Some("G T"))] {
            let (path, method) = (path.map(str::to_owned), method.map(str::to_owned));
            let query = InvokeQuery {
                path,
                method,
                ..Default::default()
            };
            assert!(call_parts(&query, HeaderMap::new(), 1).is_err());
        }
    }
}
