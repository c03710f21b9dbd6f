//! Calling a function through the dashboard: the request as it came, but for where it goes.
//!
//! Source: the contract's section 3. Other than upstream: redirects are the caller's to follow, a function's logs come
//! along when the caller asked for them, and a wrong time limit is refused before anything is called.

use super::caller::Caller;
use super::fault::Fault;
use super::functions::{NAME, NAMESPACE};
use super::note::{self, Found, Stage};
use super::{Dashboard, Route, reach, wire};
use crate::api::kit::invoke::{CallParts, invoke_as_its_server};
use crate::app::{Callee, InvokeOptions};
use crate::domain::{ExecutionId, FunctionId, notation};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, options, patch, post, put};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::time::Duration;

const ALL: &str = "/api/function_invocations";
const BELOW: &str = "/api/function_invocations/{*rest}";

const URL: &str = "x-nuclio-invoke-url";
const PATH: &str = "x-nuclio-path";
const TIMEOUT: &str = "x-nuclio-invoke-timeout";
const LOG_LEVEL: HeaderName = HeaderName::from_static("x-nuclio-log-level");
const TARGET: HeaderName = HeaderName::from_static("x-nuclio-target");
/// What the function's own answers begin with, and callers do not see.
const OURS: &str = "x-nuclio";
/// How long a call may take, unless the caller says.
const USUAL_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn routes() -> Vec<Route> {
    let one = |path| {
        [
            (Method::GET, path, get(call)),
            (Method::POST, path, post(call)),
            (Method::PUT, path, put(call)),
            (Method::DELETE, path, delete(call)),
            (Method::PATCH, path, patch(call)),
            (Method::OPTIONS, path, options(call)),
        ]
    };
    [one(ALL), one(BELOW)].into_iter().flatten().collect()
}

/// Why a call was not made. Its answer has one key and its own way with quotation marks.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = self.1.replace('"', "'").replace('\\', "\\\\").replace('\n', "\\n");
        let json = [(header::CONTENT_TYPE, "application/json")];
        (self.0, json, format!("{{\"error\": \"{text}\"}}")).into_response()
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(fault.status, failed(&fault.message))
    }
}

fn failed(why: &str) -> String {
    format!("Failed to invoke function: {why}")
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message.into())
}

async fn call(State(dashboard): State<Dashboard>, caller: Caller, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let headers = head.headers;
    let timeout = timeout(&headers)?;
    let function = callee(&dashboard, &caller, &headers).await?;
    let wants_logs = wire::text(&headers, LOG_LEVEL.as_str()).is_some();
    // Upstream drops the body of what has none by its method.
    let body = if head.method == Method::GET {
        Body::empty()
    } else {
        body
    };
    let call = parts(&dashboard, head.method, headers);
    let options = InvokeOptions::new(ExecutionId::generate());
    let calling = invoke_as_its_server(&dashboard.app, Callee::Id(function), options, call, body);
    let late = || {
        let seconds = timeout.unwrap_or_default().as_secs_f64();
        Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            failed(&format!(
                "no answer within {seconds} s: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            )),
        )
    };
    let mut response = match timeout {
        Some(limit) => tokio::time::timeout(limit, calling).await.map_err(|_| late())?,
        None => calling.await,
    };
    hide_ours(response.headers_mut(), wants_logs);
    Ok(response)
}

/// `None`: as long as it takes.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    match wire::text(headers, TIMEOUT).map(notation::duration) {
        None => Ok(Some(USUAL_TIMEOUT)),
        Some(Some(Duration::ZERO)) => Ok(None),
        Some(Some(limit)) => Ok(Some(limit)),
        Some(None) => Err(bad("Invalid invoke timeout")),
    }
}

async fn callee(dashboard: &Dashboard, caller: &Caller, headers: &HeaderMap) -> Result<FunctionId, Refusal> {
    let name = wire::text(headers, NAME).ok_or_else(|| bad("Function name must be provided"))?;
    let namespace = caller.namespace(wire::text(headers, NAMESPACE))?;
    let found = note::find(&dashboard.app, &namespace, name).await?;
    let missing = || {
        let message = failed(&format!("Function not found: {name} @ {namespace}"));
        Refusal(StatusCode::NOT_FOUND, message)
    };
    let found = found.ok_or_else(missing)?;
    let function = serving(&found)
        .ok_or_else(|| Refusal(StatusCode::INTERNAL_SERVER_ERROR, failed("Invocation URL is required")))?;
    if let Some(url) = wire::text(headers, URL)
        && !reach::of(dashboard, &found).has(url)
    {
        return Err(bad(failed(&format!("Invalid function url {url}"))));
    }
    Ok(function)
}

/// The function, where it was deployed and something may serve.
fn serving(found: &Found) -> Option<FunctionId> {
    let function = found.function.as_ref().filter(|_| found.note.stage != Stage::Imported);
    function.map(|f| f.id)
}

fn parts(dashboard: &Dashboard, method: Method, mut headers: HeaderMap) -> CallParts {
    let wanted = wire::text(&headers, PATH).unwrap_or_default().trim_start_matches('/');
    let (path, query) = wanted.split_once('?').unwrap_or((wanted, ""));
    let (path, query) = (format!("/{path}"), query.to_owned());
    if let Some(name) = headers.get(NAME).cloned() {
        headers.insert(TARGET, name);
    }
    // Without a wish for a level there is one all the same, as upstream asks for logs always.
    headers.entry(LOG_LEVEL).or_insert(HeaderValue::from_static(""));
    CallParts {
        method,
        path,
        query,
        headers,
        body_limit: dashboard.body_limit,
    }
}

fn hide_ours(headers: &mut HeaderMap, wants_logs: bool) {
    let is_hidden = |name: &&HeaderName| name.as_str().starts_with(OURS) && !(wants_logs && *name == "x-nuclio-logs");
    let hidden: Vec<_> = headers.keys().filter(is_hidden).cloned().collect();
    for name in hidden {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_gos_and_zero_is_none() {
        let limit = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_static(text));
            timeout(&headers).map_err(|refusal| refusal.1)
        };
        assert_eq!(limit("5m"), Ok(Some(Duration::from_secs(300))));
        assert_eq!(limit("0s"), Ok(None));
        assert_eq!(limit("soon"), Err("Invalid invoke timeout".to_owned()));
        assert_eq!(timeout(&HeaderMap::new()).map_err(|r| r.1), Ok(Some(USUAL_TIMEOUT)));
    }

    #[tokio::test]
    async fn quotation_marks_of_a_refusal_become_single() {
        let response = bad("something-bad\"\"-happened").into_response();
        assert_eq!(response.headers()["content-type"], "application/json");
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
        assert_eq!(&bytes[..], b"{\"error\": \"something-bad''-happened\"}");
    }

    #[test]
    fn the_functions_own_headers_of_this_kind_stay_here() {
        let mut headers = HeaderMap::new();
        for name in ["x-nuclio-logs", "x-nuclio-target", "x-mine"] {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        let mut with_logs = headers.clone();
        hide_ours(&mut headers, false);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-mine"]);
        hide_ours(&mut with_logs, true);
        assert_eq!(with_logs.len(), 2);
    }
}
