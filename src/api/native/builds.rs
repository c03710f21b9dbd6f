//! Builds and images: what a build says, a function's image to carry elsewhere, what images take, cleaning up.

use super::NativeState;
use super::error::{Params, Problem, Segment};
use super::functions::{find, namespace};
use super::wire::{BuildQuery, CleanedView, DiskKindView, DiskView, ErrorBody, ExportQuery, ExportView};
use crate::app::App;
use crate::domain::{Error, FunctionName, RevisionId};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use std::convert::Infallible;

/// What the build of the latest revision says: empty when nothing had to be built.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/build", params(("name" = String, Path), BuildQuery), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn build(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<BuildQuery>,
) -> Result<Response, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let latest = state.app.list_revisions(function.id).await?.into_iter().next();
    let latest = latest.ok_or_else(|| Error::not_found(format!("function `{name}` was just deleted")))?;
    let body = match query.follow {
        Some(true) => follow(state, latest.id),
        _ => Body::from(state.app.build_output_so_far(latest.id).await?),
    };
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// Pieces as they come, until nothing more will come or the daemon stops.
fn follow(state: NativeState, id: RevisionId) -> Body {
    let pieces = stream::unfold((state, 0), move |(state, sent)| async move {
        let news = next_piece(&state, id, sent).await.filter(|text| !text.is_empty())?;
        let sent = sent + news.len();
        Some((Ok::<_, Infallible>(news), (state, sent)))
    });
    Body::from_stream(pieces)
}

async fn next_piece(state: &NativeState, id: RevisionId, sent: usize) -> Option<String> {
    tokio::select! {
        () = state.shutdown.requested() => None,
        news = state.app.build_output(id, sent) => news.ok(),
    }
}

/// The image of what a function serves, made if need be: it runs anywhere, without Hob.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/export", params(("name" = String, Path), ExportQuery), responses(
    (status = 200, body = ExportView, description = "With save=true: the image, as application/x-tar"),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn export(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Problem> {
    let (namespace, name) = (namespace(query.namespace.as_deref())?, FunctionName::parse(&name)?);
    let image = state.app.export(&namespace, &name, query.tag.as_deref()).await?;
    if query.save == Some(true) {
        // Under the user's name if there is one: that is what the archive will bring elsewhere.
        return save(&state.app, query.tag.as_deref().unwrap_or(&image)).await;
    }
    let tag = query.tag;
    Ok(Json(ExportView { image, tag }).into_response())
}

async fn save(app: &App, image: &str) -> Result<Response, Problem> {
    let saved = app.save(image).await?;
    let kind = [(CONTENT_TYPE, "application/x-tar")];
    Ok((kind, Body::from_stream(saved)).into_response())
}

/// What images made here take, by kind.
#[utoipa::path(get, path = "/hob/v1/disk", responses(
    (status = 200, body = DiskView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn disk(State(state): State<NativeState>) -> Result<Json<DiskView>, Problem> {
    let usage = state.app.image_usage().await?;
    let kinds = usage.into_iter().map(|(kind, usage)| DiskKindView {
        kind: kind.to_owned(),
        count: usage.images,
        bytes: usage.bytes,
        unused_bytes: usage.unused_bytes,
    });
    Ok(Json(DiskView { kinds: kinds.collect() }))
}

/// Removes every image made here that nothing refers to; nobody else's.
#[utoipa::path(post, path = "/hob/v1/gc", responses(
    (status = 200, body = CleanedView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn clean(State(state): State<NativeState>) -> Result<Json<CleanedView>, Problem> {
    let cleaned = state.app.clean_images().await?;
    Ok(Json(CleanedView {
        images: cleaned.images,
        bytes: cleaned.bytes,
    }))
}
