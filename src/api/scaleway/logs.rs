//! What an application printed, line by line, from the records of its calls. A line has the time of its call.

use super::applications::{Answer, listed};
use super::asked::Asked;
use super::fault::Fault;
use super::note::{self, Application, Kind};
use super::page::Query;
use super::{Route, State, alpha, containers_beta, functions_beta, time, wire};
use crate::app::App;
use crate::domain::{Error, Execution};
use crate::store::{ExecutionFilter, LogEntry};
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::get;
use http::Method;
use md5::{Digest, Md5};

/// The calls that are looked through, the last ones.
const CALLS: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, alpha!("/logs"), get(list)),
        (
            Method::GET,
            functions_beta!("/functions/{id}/logs"),
            get(|s, a, i, q| of_one(s, a, Kind::Function, i, q)),
        ),
        (
            Method::GET,
            containers_beta!("/containers/{id}/logs"),
            get(|s, a, i, q| of_one(s, a, Kind::Container, i, q)),
        ),
    ]
}

async fn list(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref());
    let id = query.get("application_id");
    let id = id.ok_or_else(|| Fault::argument("application_id", "say whose logs"))?;
    let application = note::find(&state.app, &asked, id).await?;
    page(&state.app, &application, &query).await
}

async fn of_one(
    Shared(state): Shared<State>,
    asked: Asked,
    kind: Kind,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    let application = note::find_kind(&state.app, &asked, kind, &id).await?;
    page(&state.app, &application, &Query::read(query.as_deref())).await
}

async fn page(app: &App, application: &Application, query: &Query) -> Answer {
    let latest = ExecutionFilter {
        function: Some(application.id()),
        limit: CALLS,
        ..ExecutionFilter::default()
    };
    let entries = app.logged(latest).await?;
    let mut lines: Vec<_> = entries.iter().rev().flat_map(lines).collect();
    match query.get("order_by").unwrap_or("timestamp_desc") {
        "timestamp_desc" => lines.reverse(),
        "timestamp_asc" => {}
        _ => return Err(Fault::argument("order_by", "timestamp_asc or timestamp_desc")),
    }
    let (lines, total) = query.cut(lines)?;
    let views: Result<Vec<_>, _> = lines.iter().map(serde_json::to_value).collect();
    let views = views.map_err(|e| Error::internal("a view cannot be written", e))?;
    Ok(listed("logs", views, total))
}

fn lines(entry: &LogEntry) -> Vec<wire::LogLine> {
    let log = String::from_utf8_lossy(&entry.log);
    let numbered = (0_u32..).zip(log.lines());
    numbered
        .map(|(number, text)| line(&entry.execution, number, text))
        .collect()
}

fn line(execution: &Execution, number: u32, text: &str) -> wire::LogLine {
    let sum = Md5::digest(format!("{} {number}", execution.id));
    wire::LogLine {
        message: text.to_owned(),
        timestamp: time::show(execution.started_at.unwrap_or(execution.created_at)),
        id: uuid::Builder::from_md5_bytes(sum.into()).into_uuid().to_string(),
    }
}
