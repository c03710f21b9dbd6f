//! The workers of a function and of its versions: listed, made more or fewer, sent away.

use super::attributes::{self, Attribute, Body, Kind, path_uuid, writable};
use super::caller::Caller;
use super::fault::Fault;
use super::note::{self, Found, Source};
use super::{Dialect, Route, versions, wire};
use crate::app::App;
use crate::domain::{Error, Selector};
use crate::pool::{Rescale, WorkerView};
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, RawQuery, State};
use axum::routing::{get, post};
use http::{Method, StatusCode};
use serde_json::{Value, json};

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/v1/functions/{id}/workers", get(list)),
        (Method::POST, "/v1/functions/{id}/scale_up", post(scale_up)),
        (Method::POST, "/v1/functions/{id}/scale_down", post(scale_down)),
        (Method::POST, "/v1/functions/{id}/detach", post(detach)),
        (
            Method::POST,
            "/v1/functions/{id}/versions/{number}/scale_up",
            post(version_up),
        ),
        (
            Method::POST,
            "/v1/functions/{id}/versions/{number}/scale_down",
            post(version_down),
        ),
        (
            Method::POST,
            "/v1/functions/{id}/versions/{number}/detach",
            post(version_detach),
        ),
    ]
}

const ATTRIBUTES: [Attribute; 1] = [writable("count", Kind::Integer)];

async fn list(
    State(state): State<Dialect>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Fault> {
    caller.must_be_operator()?;
    let number = version_asked_for(&query.unwrap_or_default())?;
    let id = path_uuid("function_id", &id)?;
    let workers = match target(&state.app, &caller, id, &number.to_string()).await {
        Ok((found, selector)) => workers(&state.app, &found, &selector).await?,
        Err(fault) if fault.status == StatusCode::NOT_FOUND => Vec::new(),
        Err(other) => return Err(other),
    };
    let view = |w: &WorkerView| wire::Worker {
        function_id: id.to_owned(),
        function_version: number,
        worker_name: format!("hob-{}", w.worker),
    };
    Ok(Json(json!({"workers": workers.iter().map(view).collect::<Vec<_>>()})))
}

async fn scale_up(state: State<Dialect>, caller: Caller, Path(id): Path<String>, body: HttpBody) -> Answer {
    up(&state.0.app, &caller, &id, "0", body).await
}

async fn scale_down(state: State<Dialect>, caller: Caller, Path(id): Path<String>, body: HttpBody) -> Answer {
    down(&state.0.app, &caller, &id, "0", body).await
}

async fn detach(state: State<Dialect>, caller: Caller, Path(id): Path<String>) -> Answer {
    send_away(&state.0.app, &caller, &id, "0").await
}

async fn version_up(state: State<Dialect>, caller: Caller, Path(path): Version, body: HttpBody) -> Answer {
    up(&state.0.app, &caller, &path.0, &path.1, body).await
}

async fn version_down(state: State<Dialect>, caller: Caller, Path(path): Version, body: HttpBody) -> Answer {
    down(&state.0.app, &caller, &path.0, &path.1, body).await
}

async fn version_detach(state: State<Dialect>, caller: Caller, Path(path): Version) -> Answer {
    send_away(&state.0.app, &caller, &path.0, &path.1).await
}

type Answer = Result<StatusCode, Fault>;

/// Function and version number.
type Version = Path<(String, String)>;

async fn up(app: &App, caller: &Caller, id: &str, number: &str, body: HttpBody) -> Answer {
    caller.must_be_operator()?;
    let (found, selector) = target(app, caller, path_uuid("id", id)?, number).await?;
    let count = count(body).await?.ok_or_else(missing_count)?;
    must_have_workers(&found)?;
    let now = workers(app, &found, &selector).await?.len();
    let wanted = u16::try_from(now).unwrap_or(u16::MAX).saturating_add(count);
    app.scale(found.function.id, &selector, Rescale::To(wanted)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// One worker always stays.
async fn down(app: &App, caller: &Caller, id: &str, number: &str, body: HttpBody) -> Answer {
    caller.must_be_operator()?;
    let (found, selector) = target(app, caller, path_uuid("id", id)?, number).await?;
    let count = count(body).await?;
    must_have_workers(&found)?;
    let now = u16::try_from(workers(app, &found, &selector).await?.len()).unwrap_or(u16::MAX);
    if now > 1 {
        let left = now.saturating_sub(count.ok_or_else(missing_count)?).max(1);
        app.scale(found.function.id, &selector, Rescale::To(left)).await?;
    }
    Ok(StatusCode::ACCEPTED)
}

async fn send_away(app: &App, caller: &Caller, id: &str, number: &str) -> Answer {
    caller.must_be_operator()?;
    let (found, selector) = target(app, caller, path_uuid("id", id)?, number).await?;
    match app.detach(found.function.id, &selector).await {
        // What never served has no workers.
        Ok(()) | Err(Error::NotReady(_)) => Ok(StatusCode::ACCEPTED),
        Err(other) => Err(other.into()),
    }
}

/// A function and what is selected of it by a version's number.
async fn target(app: &App, caller: &Caller, id: &str, number: &str) -> Result<(Found, Selector), Fault> {
    let found = note::function(app, caller, id).await?;
    if number == "0" {
        return Ok((found, Selector::Current));
    }
    let detail = versions::find(app, &found, number).await?;
    Ok((found, Selector::Version(detail.version.number)))
}

async fn workers(app: &App, found: &Found, selector: &Selector) -> Result<Vec<WorkerView>, Fault> {
    match app.workers_of(found.function.id, selector).await {
        Err(Error::NotReady(_)) => Ok(Vec::new()),
        workers => Ok(workers?),
    }
}

fn must_have_workers(found: &Found) -> Result<(), Fault> {
    if found.note.source() != Source::Image {
        return Ok(());
    }
    Err(Fault::bad(
        "An image function has no workers: each execution has a container of its own.",
    ))
}

async fn count(body: HttpBody) -> Result<Option<u16>, Fault> {
    let body = Body::read("scale", &ATTRIBUTES, &attributes::bytes(body).await?)?;
    let Some(count) = body.integer("count") else {
        return Ok(None);
    };
    if count < 1 {
        return Err(Fault::bad(format!(
            "Invalid input for field/attribute count. Value: '{count}'. Value should be greater or equal to 1"
        )));
    }
    Ok(Some(u16::try_from(count).unwrap_or(u16::MAX)))
}

fn missing_count() -> Fault {
    Fault::bad("Required param is missing. Required: {'count'}")
}

fn version_asked_for(query: &str) -> Result<u32, Fault> {
    let mut number = 0;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "function_version" {
            return Err(Fault::bad(format!("Unknown argument: \"{name}\"")));
        }
        number = value.parse().map_err(|_| {
            Fault::bad(format!(
                "Invalid input for field/attribute function_version. Value: '{value}'. unable to convert to int. Error: invalid literal for int() with base 10: '{value}'"
            ))
        })?;
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_by_a_number() {
        assert_eq!(version_asked_for("").expect("live"), 0);
        assert_eq!(version_asked_for("function_version=3").expect("a number"), 3);
        let refused = version_asked_for("function_version=x").expect_err("no number");
        assert!(
            refused
                .message
                .starts_with("Invalid input for field/attribute function_version. Value: 'x'.")
        );
        let unknown = version_asked_for("limit=1").expect_err("unknown");
        assert_eq!(unknown.message, "Unknown argument: \"limit\"");
    }
}
