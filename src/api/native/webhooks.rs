//! Webhooks: their making, their secrets, their end. Calling them is the ingress's.

use super::error::{Params, Problem, Segment, Sent};
use super::functions::{find, namespace};
use super::wire::{ErrorBody, NamespaceQuery, NewSecret, NewWebhook, WebhookChange, WebhookList, WebhookView};
use super::{NativeState, map};
use crate::app::{NewSigning, WebhookSpec};
use crate::domain::{Error, Secret, Selector, SignatureScheme, Webhook, WebhookId};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

/// Webhooks of a namespace's functions, oldest first. Secrets are not shown.
#[utoipa::path(get, path = "/hob/v1/webhooks", params(NamespaceQuery), responses(
    (status = 200, body = WebhookList), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(state): State<NativeState>,
    Params(query): Params<NamespaceQuery>,
) -> Result<Json<WebhookList>, Problem> {
    let namespace = namespace(query.namespace.as_deref())?;
    let mut webhooks = Vec::new();
    for webhook in state.app.list_webhooks(Some(&namespace), None).await? {
        webhooks.push(view(&state, webhook, false).await?);
    }
    Ok(Json(WebhookList { webhooks }))
}

/// Makes a webhook. Its secret, if calls must be signed, is in this answer and in no other.
#[utoipa::path(post, path = "/hob/v1/webhooks", params(NamespaceQuery), request_body = NewWebhook, responses(
    (status = 201, body = WebhookView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn create(
    State(state): State<NativeState>,
    Params(query): Params<NamespaceQuery>,
    Sent(new): Sent<NewWebhook>,
) -> Result<(StatusCode, Json<WebhookView>), Problem> {
    let function = find(&state.app, query.namespace.as_deref(), &new.function).await?;
    let spec = WebhookSpec {
        function: function.id,
        selector: selector(new.selector.as_deref())?.unwrap_or_default(),
        description: new.description,
    };
    let signing = signing(new.signature.as_deref(), new.secret)?;
    let webhook = state.app.create_webhook(spec, signing).await?;
    Ok((StatusCode::CREATED, Json(view(&state, webhook, true).await?)))
}

/// One webhook. Its secret is not shown.
#[utoipa::path(get, path = "/hob/v1/webhooks/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = WebhookView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn show(
    State(state): State<NativeState>,
    Segment(text): Segment,
) -> Result<Json<WebhookView>, Problem> {
    let webhook = state.app.webhook(id(&text)?).await?;
    Ok(Json(view(&state, webhook, false).await?))
}

/// Makes a webhook lead elsewhere; its address and its secret stay.
#[utoipa::path(patch, path = "/hob/v1/webhooks/{id}", params(("id" = String, Path), NamespaceQuery),
    request_body = WebhookChange, responses((status = 200, body = WebhookView),
    (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn change(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Params(query): Params<NamespaceQuery>,
    Sent(change): Sent<WebhookChange>,
) -> Result<Json<WebhookView>, Problem> {
    let id = id(&text)?;
    let before = state.app.webhook(id).await?;
    let function = match change.function.as_deref() {
        Some(name) => find(&state.app, query.namespace.as_deref(), name).await?.id,
        None => before.function,
    };
    let spec = WebhookSpec {
        function,
        selector: selector(change.selector.as_deref())?.unwrap_or(before.selector),
        description: change.description.unwrap_or(before.description),
    };
    let webhook = state.app.update_webhook(id, spec).await?;
    Ok(Json(view(&state, webhook, false).await?))
}

/// Gives a webhook another secret, which is in this answer and in no other; the old one fits no more.
#[utoipa::path(post, path = "/hob/v1/webhooks/{id}/rotate", params(("id" = String, Path)), request_body = NewSecret,
    responses((status = 200, body = WebhookView), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn rotate(
    State(state): State<NativeState>,
    Segment(text): Segment,
    Sent(new): Sent<NewSecret>,
) -> Result<Json<WebhookView>, Problem> {
    let secret = new.secret.map(Secret::new).transpose()?;
    let webhook = state.app.rotate_secret(id(&text)?, secret).await?;
    Ok(Json(view(&state, webhook, true).await?))
}

/// Deletes a webhook; its address leads nowhere from now on.
#[utoipa::path(delete, path = "/hob/v1/webhooks/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(State(state): State<NativeState>, Segment(text): Segment) -> Result<StatusCode, Problem> {
    state.app.delete_webhook(id(&text)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The one selector that a text means.
pub(super) fn selector(text: Option<&str>) -> Result<Option<Selector>, Error> {
    text.map(Selector::parse).transpose()
}

fn signing(scheme: Option<&str>, secret: Option<String>) -> Result<Option<NewSigning>, Error> {
    let secret = secret.map(Secret::new).transpose()?;
    match scheme {
        Some(scheme) => Ok(Some(NewSigning {
            scheme: SignatureScheme::parse(scheme)?,
            secret,
        })),
        None if secret.is_some() => Err(Error::invalid(
            "a secret needs `signature`, the form that it is used in",
        )),
        None => Ok(None),
    }
}

fn id(text: &str) -> Result<WebhookId, Error> {
    let missing = || Error::not_found("there is no such webhook: `hob webhook list` shows what there is");
    WebhookId::parse(text).ok_or_else(missing)
}

async fn view(state: &NativeState, webhook: Webhook, with_secret: bool) -> Result<WebhookView, Error> {
    let function = state.app.function_by_id(webhook.function).await?;
    let url = format!("{}/hook/{}", state.base_url.trim_end_matches('/'), webhook.id);
    let mut view = map::webhook(&webhook, &function, url);
    if with_secret {
        view.secret = webhook.signing.map(|s| s.secret.reveal().to_owned());
    }
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_alone_is_refused_and_a_scheme_alone_makes_one() {
        assert!(signing(None, Some("0123456789".to_owned())).is_err());
        assert!(signing(Some("other"), None).is_err());
        let made = signing(Some("stripe"), None).expect("a scheme");
        assert!(made.is_some_and(|s| s.secret.is_none()));
    }
}
