//! Webhooks: addresses by which the outside calls a function. Who knows the address may call, unless it must be signed.

use super::call::collect;
use super::{App, Callee, Incoming, InvokeOptions, signature};
use crate::domain::{
    Error, ExecutionId, FunctionId, Namespace, Secret, Selector, SignatureScheme, Signing, Webhook, WebhookId,
};
use crate::invoker::{Answer, Body};

/// What a webhook is to be.
#[derive(Debug, Clone)]
pub struct WebhookSpec {
    /// Which function.
    pub function: FunctionId,
    /// Which revision of it.
    pub selector: Selector,
    /// What its maker writes; may be empty.
    pub description: String,
}

/// How the calls of a new webhook must be signed.
#[derive(Debug, Clone)]
pub struct NewSigning {
    /// The form of the signature.
    pub scheme: SignatureScheme,
    /// The sender's secret; `None`: one is made.
    pub secret: Option<Secret>,
}

impl App {
    /// Makes a webhook. Its secret, if it has one, is in the answer; show it once and never again.
    ///
    /// # Errors
    /// `NotFound` when its function, version or alias is not there.
    pub async fn create_webhook(&self, spec: WebhookSpec, signing: Option<NewSigning>) -> Result<Webhook, Error> {
        self.check_selector(spec.function, &spec.selector).await?;
        let now = self.0.clock.now();
        let webhook = Webhook {
            id: WebhookId::generate()?,
            function: spec.function,
            selector: spec.selector,
            description: spec.description,
            signing: signing.map(with_secret).transpose()?,
            created_at: now,
            updated_at: now,
        };
        self.0.store.create_webhook(&webhook).await?;
        Ok(webhook)
    }

    /// Makes a webhook lead elsewhere; its address and its secret stay.
    ///
    /// # Errors
    /// `NotFound` when there is none, or its function, version or alias is not there.
    pub async fn update_webhook(&self, id: WebhookId, spec: WebhookSpec) -> Result<Webhook, Error> {
        self.check_selector(spec.function, &spec.selector).await?;
        let webhook = Webhook {
            function: spec.function,
            selector: spec.selector,
            description: spec.description,
            updated_at: self.0.clock.now(),
            ..self.webhook(id).await?
        };
        let updated = self.0.store.update_webhook(&webhook).await?;
        updated.then_some(webhook).ok_or_else(no_such_webhook)
    }

    /// Gives a webhook another secret, which is in the answer; the old one fits no more.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` when its calls need no signature.
    pub async fn rotate_secret(&self, id: WebhookId, secret: Option<Secret>) -> Result<Webhook, Error> {
        let webhook = self.webhook(id).await?;
        let Some(signing) = webhook.signing else {
            return Err(Error::conflict(
                "calls of this webhook need no signature: make another one with --sign, and remove this one",
            ));
        };
        let scheme = signing.scheme;
        let signing = with_secret(NewSigning { scheme, secret })?;
        let now = self.0.clock.now();
        let replaced = self.0.store.replace_secret(id, signing.secret.clone(), now);
        if !replaced.await? {
            return Err(no_such_webhook());
        }
        Ok(Webhook {
            signing: Some(signing),
            updated_at: now,
            ..webhook
        })
    }

    /// One webhook.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn webhook(&self, id: WebhookId) -> Result<Webhook, Error> {
        self.0.store.webhook(id).await?.ok_or_else(no_such_webhook)
    }

    /// Webhooks of a namespace and a function, or of all. Order: oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_webhooks(
        &self,
        namespace: Option<&Namespace>,
        function: Option<FunctionId>,
    ) -> Result<Vec<Webhook>, Error> {
        Ok(self.0.store.list_webhooks(namespace, function).await?)
    }

    /// Deletes a webhook; its address leads nowhere from now on.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<(), Error> {
        let deleted = self.0.store.delete_webhook(id).await?;
        deleted.then_some(()).ok_or_else(no_such_webhook)
    }

    /// Calls what a webhook leads to.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Denied` when the call is not signed as it must be, and what calling says.
    pub async fn call_webhook(&self, id: WebhookId, call: ExecutionId, incoming: Incoming) -> Result<Answer, Error> {
        let webhook = self.webhook(id).await?;
        let incoming = self.check_signature(&webhook, incoming).await?;
        let options = InvokeOptions {
            selector: webhook.selector,
            description: "called by a webhook".to_owned(),
            ..InvokeOptions::new(call)
        };
        self.invoke(Callee::Id(webhook.function), options, incoming).await
    }

    /// Lets a call pass that is signed as its webhook demands. A signature is of the whole body: it is read before the
    /// function sees any of it.
    ///
    /// # Errors
    /// `Denied` when the signature does not fit, `TooLarge` when the body of a signed call is over the limit.
    pub async fn check_signature(&self, webhook: &Webhook, incoming: Incoming) -> Result<Incoming, Error> {
        let Some(signing) = &webhook.signing else {
            return Ok(incoming);
        };
        let body = collect(incoming.body, self.0.options.async_input_limit).await?;
        if !signature::fits(signing, &incoming.headers, &body, self.0.clock.now()) {
            return Err(Error::Denied(
                "the signature does not fit: sign with the webhook's secret, and with the right time".to_owned(),
            ));
        }
        Ok(Incoming {
            body: Body::of(body),
            ..incoming
        })
    }

    /// What is asked for must be there when it is written down; an alias must lead to that function.
    pub(super) async fn check_selector(&self, function: FunctionId, selector: &Selector) -> Result<(), Error> {
        let function = self.function_by_id(function).await?;
        match selector {
            Selector::Current => Ok(()),
            Selector::Version(number) => self.version(function.id, *number).await.map(drop),
            Selector::Alias(name) => match self.alias(&function.namespace, name).await? {
                alias if alias.function == function.id => Ok(()),
                _ => Err(super::alias::of_another_function(name, &function)),
            },
        }
    }
}

fn with_secret(new: NewSigning) -> Result<Signing, Error> {
    Ok(Signing {
        scheme: new.scheme,
        secret: new.secret.map_or_else(Secret::generate, Ok)?,
    })
}

/// The identity is not repeated: a wrong one may be nearly right.
fn no_such_webhook() -> Error {
    Error::not_found("there is no such webhook: `hob webhook list` shows what there is")
}
