//! A function's workers: how many are kept, which there are, sending them away.

use super::error::{Params, Problem, Segment, Sent};
use super::functions::find;
use super::webhooks::selector;
use super::wire::{ErrorBody, ScaleRequest, ScaleView, SelectorQuery, WorkerList};
use super::{NativeState, map};
use crate::domain::Error;
use crate::pool::Rescale;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

/// Keeps so many workers from now on, until the daemon ends or the next deploy; they start in the background.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/scale", params(("name" = String, Path), SelectorQuery),
    request_body = ScaleRequest, responses((status = 202, body = ScaleView),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn scale(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<SelectorQuery>,
    Sent(request): Sent<ScaleRequest>,
) -> Result<(StatusCode, Json<ScaleView>), Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let selector = selector(query.selector.as_deref())?.unwrap_or_default();
    let kept = state.app.scale(function.id, &selector, change(&request)?).await?;
    Ok((StatusCode::ACCEPTED, Json(ScaleView { workers: kept })))
}

fn change(request: &ScaleRequest) -> Result<Rescale, Error> {
    match (request.to, request.up, request.down) {
        (Some(to), None, None) => Ok(Rescale::To(to)),
        (None, Some(up), None) => Ok(Rescale::Up(up)),
        (None, None, Some(down)) => Ok(Rescale::Down(down)),
        _ => Err(Error::invalid("say one of `to`, `up` and `down`")),
    }
}

/// Sends a function's workers away: idle ones now, busy ones when their calls are over.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/detach", params(("name" = String, Path), SelectorQuery),
    responses((status = 202), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn detach(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<SelectorQuery>,
) -> Result<StatusCode, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let selector = selector(query.selector.as_deref())?.unwrap_or_default();
    state.app.detach(function.id, &selector).await?;
    Ok(StatusCode::ACCEPTED)
}

/// A function's workers.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/workers", params(("name" = String, Path), SelectorQuery),
    responses((status = 200, body = WorkerList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn workers(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<SelectorQuery>,
) -> Result<Json<WorkerList>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let selector = selector(query.selector.as_deref())?.unwrap_or_default();
    let workers = state.app.workers_of(function.id, &selector).await?;
    let names = state.app.serving_names();
    Ok(Json(WorkerList {
        workers: workers.iter().map(|w| map::worker(w, &names)).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_change_at_a_time() {
        let request = |to, up, down| ScaleRequest { to, up, down };
        assert_eq!(change(&request(Some(0), None, None)).ok(), Some(Rescale::To(0)));
        assert_eq!(change(&request(None, Some(2), None)).ok(), Some(Rescale::Up(2)));
        assert!(change(&request(None, None, None)).is_err());
        assert!(change(&request(Some(1), Some(1), None)).is_err());
    }
}
