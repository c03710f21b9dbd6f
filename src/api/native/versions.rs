//! Versions and aliases of functions.

use super::error::{Pair, Params, Problem, Segment, Sent};
use super::functions::{find, namespace, revision_view};
use super::wire::{
    AliasList, AliasSettings, AliasView, AliasesQuery, CanaryView, ErrorBody, NamespaceQuery, PublishRequest,
    PublishedView, VersionList, VersionView,
};
use super::{NativeState, map};
use crate::app::{AliasSpec, App, VersionDetail};
use crate::domain::{Alias, AliasName, Canary, Error, FunctionId, Pointer, Share, VersionNumber};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

async fn version_view(app: &App, detail: VersionDetail) -> Result<VersionView, Error> {
    Ok(VersionView {
        number: detail.version.number.get(),
        description: detail.version.description,
        revision: revision_view(app, detail.revision).await?,
        created_at_ms: detail.version.created_at.as_millis(),
    })
}

/// Freezes what serves under the next number.
#[utoipa::path(post, path = "/hob/v1/functions/{name}/versions", params(("name" = String, Path), NamespaceQuery),
    request_body = PublishRequest, responses((status = 201, body = PublishedView),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn publish(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
    Sent(request): Sent<PublishRequest>,
) -> Result<(StatusCode, Json<PublishedView>), Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let published = state.app.publish(function.id, request.description).await?;
    let view = PublishedView {
        unchanged: published.unchanged,
        version: version_view(&state.app, published.detail).await?,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// A function's versions, by number.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/versions", params(("name" = String, Path), NamespaceQuery),
    responses((status = 200, body = VersionList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<VersionList>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let mut versions = Vec::new();
    for detail in state.app.list_versions(function.id).await? {
        versions.push(version_view(&state.app, detail).await?);
    }
    Ok(Json(VersionList { versions }))
}

/// One version.
#[utoipa::path(get, path = "/hob/v1/functions/{name}/versions/{number}",
    params(("name" = String, Path), ("number" = u32, Path), NamespaceQuery),
    responses((status = 200, body = VersionView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<NativeState>,
    Pair(name, number): Pair,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<VersionView>, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    let detail = state.app.version(function.id, VersionNumber::parse(&number)?).await?;
    Ok(Json(version_view(&state.app, detail).await?))
}

/// Deletes a version that nothing leads to; its number is not given again.
#[utoipa::path(delete, path = "/hob/v1/functions/{name}/versions/{number}",
    params(("name" = String, Path), ("number" = u32, Path), NamespaceQuery),
    responses((status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(
    State(state): State<NativeState>,
    Pair(name, number): Pair,
    Params(query): Params<NamespaceQuery>,
) -> Result<StatusCode, Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &name).await?;
    state
        .app
        .delete_version(function.id, VersionNumber::parse(&number)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Aliases of a namespace, or of one function, by name.
#[utoipa::path(get, path = "/hob/v1/aliases", params(AliasesQuery), responses(
    (status = 200, body = AliasList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn aliases(
    State(state): State<NativeState>,
    Params(query): Params<AliasesQuery>,
) -> Result<Json<AliasList>, Problem> {
    let app = &state.app;
    let function = match query.function.as_deref() {
        Some(name) => Some(find(app, query.namespace.as_deref(), name).await?.id),
        None => None,
    };
    let namespace = namespace(query.namespace.as_deref())?;
    let mut aliases = Vec::new();
    for alias in app.list_aliases(Some(&namespace), function).await? {
        aliases.push(alias_view(app, alias).await?);
    }
    Ok(Json(AliasList { aliases }))
}

/// One alias.
#[utoipa::path(get, path = "/hob/v1/aliases/{name}", params(("name" = String, Path), NamespaceQuery), responses(
    (status = 200, body = AliasView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn alias(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<AliasView>, Problem> {
    let namespace = namespace(query.namespace.as_deref())?;
    let alias = state.app.alias(&namespace, &AliasName::parse(&name)?).await?;
    Ok(Json(alias_view(&state.app, alias).await?))
}

/// Makes an alias, or makes it lead elsewhere from the next call on.
#[utoipa::path(put, path = "/hob/v1/aliases/{name}", params(("name" = String, Path), NamespaceQuery),
    request_body = AliasSettings, responses((status = 200, body = AliasView), (status = 201, body = AliasView),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn set_alias(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
    Sent(settings): Sent<AliasSettings>,
) -> Result<(StatusCode, Json<AliasView>), Problem> {
    let app = &state.app;
    let namespace = namespace(query.namespace.as_deref())?;
    let function = find(app, query.namespace.as_deref(), &settings.function).await?;
    let spec = spec(AliasName::parse(&name)?, function.id, settings)?;
    let (status, alias) = match app.alias(&namespace, &spec.name).await {
        Ok(_) => (StatusCode::OK, app.update_alias(spec).await?),
        Err(Error::NotFound(_)) => (StatusCode::CREATED, app.create_alias(spec).await?),
        Err(other) => return Err(Problem(other)),
    };
    Ok((status, Json(alias_view(app, alias).await?)))
}

/// Deletes an alias.
#[utoipa::path(delete, path = "/hob/v1/aliases/{name}", params(("name" = String, Path), NamespaceQuery), responses(
    (status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove_alias(
    State(state): State<NativeState>,
    Segment(name): Segment,
    Params(query): Params<NamespaceQuery>,
) -> Result<StatusCode, Problem> {
    let namespace = namespace(query.namespace.as_deref())?;
    state.app.delete_alias(&namespace, &AliasName::parse(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn spec(name: AliasName, function: FunctionId, settings: AliasSettings) -> Result<AliasSpec, Error> {
    let canary = |c: CanaryView| {
        Ok::<_, Error>(Canary {
            pointer: pointer(c.version)?,
            share: Share::from_percent(c.percent)?,
        })
    };
    Ok(AliasSpec {
        name,
        function,
        pointer: pointer(settings.version)?,
        canary: settings.canary.map(canary).transpose()?,
        description: settings.description,
    })
}

fn pointer(version: Option<u32>) -> Result<Pointer, Error> {
    version.map_or(Ok(Pointer::Latest), |n| VersionNumber::new(n).map(Pointer::Version))
}

async fn alias_view(app: &App, alias: Alias) -> Result<AliasView, Error> {
    let function = app.function_by_id(alias.function).await?;
    Ok(map::alias(alias, function.name.to_string()))
}
