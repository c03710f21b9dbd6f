//! A function's one replica, and what its calls printed.
//!
//! Source: the contract's section 2.7. Other than upstream: lines are there as soon as they are printed, a wrong time is
//! 400, and it does not matter whether a worker runs.

use super::caller::Caller;
use super::fault::Fault;
use super::functions::NAMESPACE;
use super::note::{self, Found};
use super::{Dashboard, Route, wire};
use crate::api::kit::function_log::{LARGEST_LIMIT, Scope, Wanted, pieces};
use crate::domain::{Timestamp, notation};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use http::{HeaderMap, Method, header};
use serde_json::json;
use std::convert::Infallible;

/// The container that runs the function in a replica.
const CONTAINER: &str = "nuclio";

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, "/api/functions/{name}/replicas", get(replicas)),
        (Method::GET, "/api/functions/{name}/logs/{replica}", get(logs)),
    ]
}

fn replica_of(found: &Found) -> String {
    format!("nuclio-{}-{}", found.namespace, found.name())
}

async fn replicas(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let found = note::must_find(&dashboard.app, &namespace, &name).await?;
    Ok(wire::ok(&json!({"names": [replica_of(&found)]})))
}

async fn logs(
    State(dashboard): State<Dashboard>,
    caller: Caller,
    headers: HeaderMap,
    Path((name, replica)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let namespace = caller.namespace(wire::text(&headers, NAMESPACE))?;
    let found = note::must_find(&dashboard.app, &namespace, &name).await?;
    if !replica.eq_ignore_ascii_case(&replica_of(&found)) {
        return Err(Fault::bad(format!(
            "{replica} replica does not belong to function {name}"
        )));
    }
    let asked = Asked::read(query.as_deref(), &replica)?;
    let body = match &found.function {
        Some(function) => {
            let since = asked
                .since_ms
                .map(|ms| dashboard.app.now().as_millis().saturating_sub(ms));
            let wanted = Wanted {
                since: since.map(Timestamp::from_millis),
                after: None,
                limit: LARGEST_LIMIT,
                follow: asked.follow.then(|| dashboard.shutdown.clone()),
            };
            let scope = Scope::of(function.namespace.clone(), [function.clone()]);
            let pieces = pieces(&dashboard.app, scope, wanted).await?;
            let texts = pieces.enumerate().map(move |(n, pieces)| {
                let text: String = pieces.into_iter().map(|piece| piece.text).collect();
                Ok::<_, Infallible>(if n == 0 {
                    tail(&text, asked.tail).to_owned()
                } else {
                    text
                })
            });
            Body::from_stream(texts)
        }
        None => Body::empty(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain"),
        (header::CACHE_CONTROL, "no-cache, private"),
    ];
    Ok((headers, body).into_response())
}

/// What somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    follow: bool,
    /// Unit: milliseconds.
    since_ms: Option<i64>,
    tail: Option<usize>,
}

impl Asked {
    fn read(query: Option<&str>, replica: &str) -> Result<Self, Fault> {
        let container = wire::parameter(query, "containerName");
        if let Some(other) = container.filter(|name| !name.is_empty() && name != CONTAINER) {
            return Err(Fault::bad(format!(
                "{other} container does not belong to function replica {replica}"
            )));
        }
        let since = wire::parameter(query, "since").filter(|text| !text.is_empty());
        let since_ms = since.map(|text| {
            let wrong = || Fault::bad(format!("time: invalid duration \"{text}\""));
            let length = notation::duration(&text).ok_or_else(wrong)?;
            Ok::<_, Fault>(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
        });
        Ok(Self {
            follow: wire::yes_or_no(query, "follow").unwrap_or(true),
            since_ms: since_ms.transpose()?,
            tail: wire::parameter(query, "tailLines").and_then(|text| text.parse().ok()),
        })
    }
}

/// The last lines of a text, or all of it.
fn tail(text: &str, lines: Option<usize>) -> &str {
    let Some(lines) = lines else { return text };
    let body = text.strip_suffix('\n').unwrap_or(text);
    match lines.checked_sub(1) {
        None => "",
        Some(before) => {
            let start = body.rmatch_indices('\n').nth(before);
            start.map_or(text, |(at, _)| &text[at + 1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_those_at_the_end() {
        for (lines, expected) in [
            (None, "a\nb\nc\n"),
            (Some(0), ""),
            (Some(1), "c\n"),
            (Some(2), "b\nc\n"),
            (Some(9), "a\nb\nc\n"),
        ] {
            assert_eq!(tail("a\nb\nc\n", lines), expected, "{lines:?}");
        }
        assert_eq!(tail("a\nb", Some(1)), "b");
    }

    #[test]
    fn what_is_asked_for_is_read_and_the_rest_is_upstreams_usual() {
        let usual = Asked {
            follow: true,
            since_ms: None,
            tail: None,
        };
        assert_eq!(Asked::read(None, "r"), Ok(usual));
        let asked = Asked {
            follow: false,
            since_ms: Some(3_600_000),
            tail: Some(1),
        };
        assert_eq!(
            Asked::read(Some("follow=false&since=1h&tailLines=1&containerName=nuclio"), "r"),
            Ok(asked)
        );
        assert!(Asked::read(Some("since=soon"), "r").is_err());
        assert!(Asked::read(Some("containerName=other"), "r").is_err());
    }
}
