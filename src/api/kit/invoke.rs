//! A function call over plain HTTP: the request in, the answer with its headers out, both streamed when large.

use super::event_answer::Server;
use super::{event_headers, problem};
use crate::app::{self, App, Callee, Incoming, InvokeOptions};
use crate::domain::{Convention, Error, ExecutionId, Limits, Selector, Temperature, WebhookId};
use crate::invoker::{Answer, Body, Failure, Reply, is_hop_by_hop, of_the_connection};
use crate::pool::INLINE_BODY;
use axum::body::Body as HttpBody;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use std::io;
use std::time::Instant;

/// Begins the headers by which a shim learns what caused a call: nobody outside may say so.
const TRIGGER: &str = "x-hob-trigger-";

/// A request, but for its body.
#[derive(Debug)]
pub struct CallParts {
    /// HTTP method.
    pub method: Method,
    /// Path below the function, with its leading slash.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    /// Headers as they came.
    pub headers: HeaderMap,
    /// Largest body. Unit: bytes.
    pub body_limit: u64,
}

/// Calls a function and answers with what it said, or how it or the platform failed.
pub async fn invoke(
    app: &App,
    callee: Callee<'_>,
    options: InvokeOptions,
    mut call: CallParts,
    body: HttpBody,
) -> Response {
    let id = options.id;
    if let Some((_, limits)) = app.manner_of(callee) {
        call.hold(limits);
    }
    answer(id, Manner::Native, called(app, callee, options, call, body)).await
}

/// As [`invoke`], for clients of the function itself: a failure looks as its convention has it.
pub async fn invoke_as_its_server(
    app: &App,
    callee: Callee<'_>,
    options: InvokeOptions,
    mut call: CallParts,
    body: HttpBody,
) -> Response {
    let id = options.id;
    let mut manner = Manner::Native;
    if let Some((convention, limits)) = app.manner_of(callee) {
        call.hold(limits);
        let body_limit = call.body_limit;
        let server = |server| Manner::Server { server, body_limit };
        match convention {
            Convention::ContextEvent => manner = server(Server::ContextEvent),
            Convention::EventContext => {
                manner = server(Server::EventContext);
                event_headers::add(&mut call.headers, id, app.now(), limits.timeout);
            }
            _ => {}
        }
    }
    answer(id, manner, called(app, callee, options, call, body)).await
}

impl CallParts {
    /// Holds it to what its function takes.
    fn hold(&mut self, limits: Limits) {
        let own = limits.intake.body.unwrap_or(u64::MAX);
        self.body_limit = self.body_limit.min(own);
    }
}

async fn called(
    app: &App,
    callee: Callee<'_>,
    options: InvokeOptions,
    call: CallParts,
    body: HttpBody,
) -> Result<Answer, Error> {
    let incoming = incoming(call, body).await?;
    app.invoke(callee, options, incoming).await
}

/// How failures look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Native,
    Server {
        server: Server,
        /// Of what is called. Unit: bytes.
        body_limit: u64,
    },
}

/// Calls what a webhook leads to, and answers as [`invoke`] does.
pub async fn call_webhook(app: &App, webhook: WebhookId, call: CallParts, body: HttpBody) -> Response {
    let id = ExecutionId::generate();
    answer(id, Manner::Native, async {
        let incoming = incoming(call, body).await?;
        app.call_webhook(webhook, id, incoming).await
    })
    .await
}

/// Calls a function again as it was called before, and answers as [`invoke`] does.
pub async fn replay(app: &App, of: ExecutionId, selector: Selector) -> Response {
    let id = ExecutionId::generate();
    answer(id, Manner::Native, app.replay(of, id, selector)).await
}

async fn answer(id: ExecutionId, manner: Manner, call: impl Future<Output = Result<Answer, Error>>) -> Response {
    let begun = Instant::now();
    let answered = call.await;
    let mut response = match answered {
        Ok(answer) => respond(answer, manner),
        Err(e) => refused(&e, manner, id),
    };
    let headers = response.headers_mut();
    put(headers, "x-call-id", &id.to_string());
    put(
        headers,
        "x-duration-seconds",
        &format!("{:.6}", begun.elapsed().as_secs_f64()),
    );
    response
}

/// Turns a request into a call's input; a small body is read at once.
///
/// # Errors
/// `TooLarge` when the body is over the limit, `Invalid` when it cannot be read.
pub async fn incoming(call: CallParts, body: HttpBody) -> Result<Incoming, Error> {
    if wants_web_socket(&call.headers) {
        return Err(Error::invalid(
            "a WebSocket cannot be opened through Hob: a function answers requests, use a stream of events instead",
        ));
    }
    let size = body.size_hint();
    let limit = call.body_limit;
    if size.lower() > limit {
        return Err(too_large(limit));
    }
    let small = size.upper().is_some_and(|n| n <= INLINE_BODY as u64);
    let body = if small {
        read_small(body).await?
    } else {
        Body::Stream(bounded(body, limit))
    };
    let of_the_connection = of_the_connection(&call.headers);
    let is_ours = |name: &HeaderName| name.as_str().starts_with(TRIGGER);
    let passed_on = |name: &HeaderName| !of_the_connection(name) && !is_ours(name);
    let headers = call.headers.iter().filter(|(name, _)| passed_on(name));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Incoming {
        method: call.method.as_str().to_owned(),
        path: call.path,
        query: call.query,
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body,
    })
}

fn wants_web_socket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).map(HeaderValue::as_bytes);
    upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
}

async fn read_small(body: HttpBody) -> Result<Body, Error> {
    let read = axum::body::to_bytes(body, INLINE_BODY).await;
    read.map(Body::Whole)
        .map_err(|e| Error::invalid(format!("the request's body could not be read: {e}")))
}

fn bounded(body: HttpBody, limit: u64) -> futures_util::stream::BoxStream<'static, io::Result<Bytes>> {
    let mut left = limit;
    let count = move |chunk: Result<Bytes, axum::Error>| {
        let chunk = chunk.map_err(io::Error::other)?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, too_large(limit).to_string()))?;
        Ok(chunk)
    };
    body.into_data_stream().map(count).boxed()
}

fn too_large(limit: u64) -> Error {
    Error::TooLarge(format!(
        "the request's body is over the limit of {limit} bytes: send less, or raise server.body_limit_mib"
    ))
}

/// Our own faults are logged in any manner.
fn refused(error: &Error, manner: Manner, id: ExecutionId) -> Response {
    // What never became a call left no record to look at.
    let recorded = !matches!(error, Error::NotFound(_) | Error::NotReady(_) | Error::Invalid(_));
    let usual = || problem::answer(error, recorded.then(|| id.to_string()).as_deref());
    match manner {
        Manner::Native => usual(),
        Manner::Server { server, body_limit } => server.refusal(error, body_limit).unwrap_or_else(usual),
    }
}

fn respond(answer: Answer, manner: Manner) -> Response {
    let timing = server_timing(&answer);
    let cold = matches!(answer.temperature, Some(Temperature::Cold));
    let source = source(&answer.reply);
    let mut response = match (answer.reply, manner) {
        (Reply::Success { status, headers, body }, _) => success(status, headers, body),
        (Reply::Failure(failure), Manner::Server { server, .. }) => server.failure(&failure),
        (Reply::Failure(failure), Manner::Native) => failed(&failure, &answer.id.to_string()),
    };
    let headers = response.headers_mut();
    if let Some(source) = source {
        headers.insert("x-error-source", HeaderValue::from_static(source));
    }
    headers.insert(
        "x-cold-start",
        HeaderValue::from_static(if cold { "true" } else { "false" }),
    );
    headers.insert("x-function-version", HeaderValue::from(answer.version));
    put(headers, "server-timing", &timing);
    response
}

/// Whose fault a failure is.
fn source(reply: &Reply) -> Option<&'static str> {
    match reply {
        Reply::Success { .. } => None,
        Reply::Failure(failure) => Some(app::failure_source(failure.kind)),
    }
}

fn server_timing(answer: &Answer) -> String {
    let ms = |us: u64| us as f64 / 1000.0;
    let t = answer.timings;
    let worker = answer.temperature.map_or("none", Temperature::as_str);
    let (queue, load, run) = (ms(t.queue_us), ms(t.load_us), ms(t.run_us));
    format!("queue;dur={queue:.3}, load;dur={load:.3}, run;dur={run:.3}, worker;desc={worker}")
}

fn success(status: u16, headers: Vec<(String, String)>, body: Body) -> Response {
    let body = match body {
        Body::Whole(bytes) => HttpBody::from(bytes),
        Body::Stream(stream) => HttpBody::from_stream(stream),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            continue;
        };
        if !is_hop_by_hop(&name) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn failed(failure: &Failure, call_id: &str) -> Response {
    let hint = (!failure.traceback.is_empty()).then_some(failure.traceback.as_str());
    problem::body(
        failure_status(failure.kind),
        failure.kind,
        &failure.sentence(),
        hint,
        Some(call_id),
    )
}

fn failure_status(kind: &str) -> StatusCode {
    StatusCode::from_u16(app::failure_status(kind)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
