//! Access tokens: make, list, revoke. For admins.

use super::NativeState;
use super::error::{Params, Problem, Segment};
use super::functions::namespace;
use super::token_wire::{NewTokenView, TokenList, TokenSettings, TokenView};
use super::wire::{ErrorBody, NamespaceQuery};
use crate::app::{MadeToken, NewToken};
use crate::domain::{Error, Principal, Role, Token, TokenName};
use crate::telemetry::chain;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// Largest body. Unit: bytes.
const LIMIT: usize = 64 * 1024;

/// Every token but the one in the settings, without its secret.
#[utoipa::path(get, path = "/hob/v1/tokens", responses(
    (status = 200, body = TokenList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(State(state): State<NativeState>) -> Json<TokenList> {
    let tokens = state.app.list_tokens().into_iter().map(view);
    Json(TokenList {
        tokens: tokens.collect(),
    })
}

/// Makes a token for the namespace. The answer is the only one that holds it.
#[utoipa::path(post, path = "/hob/v1/tokens", params(NamespaceQuery), request_body = TokenSettings, responses(
    (status = 201, body = NewTokenView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn create(
    State(state): State<NativeState>,
    Params(query): Params<NamespaceQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let sent = settings(body).await?;
    let role = sent.role.as_deref().map_or(Ok(Role::User), Role::parse)?;
    let new = NewToken {
        name: sent.name.as_deref().map(TokenName::parse).transpose()?,
        principal: Principal {
            namespace: namespace(query.namespace.as_deref())?,
            role,
        },
    };
    let MadeToken { token, secret } = state.app.create_token(new).await?;
    let made = NewTokenView {
        view: view(token),
        token: secret,
    };
    let not_kept = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, not_kept, Json(made)).into_response())
}

/// Revokes a token, by its name or its id.
#[utoipa::path(delete, path = "/hob/v1/tokens/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn revoke(State(state): State<NativeState>, Segment(which): Segment) -> Result<StatusCode, Problem> {
    state.app.revoke_token(&which).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn settings(body: Body) -> Result<TokenSettings, Error> {
    let read = axum::body::to_bytes(body, LIMIT).await;
    let body = read.map_err(|_| Error::TooLarge(format!("the token's JSON may have {LIMIT} bytes")))?;
    if body.is_empty() {
        return Ok(TokenSettings::default());
    }
    serde_json::from_slice(&body).map_err(|e| Error::invalid(format!("the token's JSON is wrong: {}", chain(&e))))
}

fn view(token: Token) -> TokenView {
    TokenView {
        id: token.id.to_string(),
        name: token.name.to_string(),
        namespace: token.principal.namespace.to_string(),
        role: token.principal.role.as_str().to_owned(),
        created_at_ms: token.created_at.as_millis(),
    }
}
