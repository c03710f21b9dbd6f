//! `webhook …`. A secret is read from a file or standard input, never from an argument that others can see.

use super::Context;
use crate::api::native::wire::{NewSecret, NewWebhook, WebhookList, WebhookView};
use crate::cli::args::{WebhookCommand, WebhookCreateArgs};
use crate::cli::client::{Call, path, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;
use std::io::Read;
use std::path::Path;

pub(super) async fn webhook(context: &mut Context<'_>, command: WebhookCommand) -> Result<Exit, Failure> {
    match command {
        WebhookCommand::List => list(context).await,
        WebhookCommand::Get { id } => {
            let webhook: WebhookView = context.client.get(path(&["webhooks", &id])).await?;
            say(context, &webhook)
        }
        WebhookCommand::Create(args) => create(context, args).await,
        WebhookCommand::Rotate { id, secret_file } => {
            let secret = secret(secret_file.as_deref())?;
            let call = Call::new(Method::POST, path(&["webhooks", &id, "rotate"])).json(&NewSecret { secret })?;
            let webhook: WebhookView = context.client.ask(call).await?.document().await?;
            say(context, &webhook)
        }
        WebhookCommand::Rm { id } => {
            let call = Call::new(Method::DELETE, path(&["webhooks", &id]));
            context.client.ask(call).await?;
            context.output.note(&format!("removed webhook {id}"));
            Ok(Exit::Ok)
        }
    }
}

async fn list(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let path = query("/webhooks".to_owned(), &[("namespace", context.namespace.as_deref())]);
    let list: WebhookList = context.client.get(path).await?;
    if list.webhooks.is_empty() && !context.output.is_json() {
        context
            .output
            .note("no webhooks; make one with `hob webhook create FUNCTION`");
        return Ok(Exit::Ok);
    }
    context
        .output
        .value(&list, |colours| show::webhooks(&list.webhooks, colours))?;
    Ok(Exit::Ok)
}

async fn create(context: &mut Context<'_>, args: WebhookCreateArgs) -> Result<Exit, Failure> {
    let new = NewWebhook {
        function: args.function,
        selector: args.select.selector(),
        description: args.description,
        signature: args.sign,
        secret: secret(args.secret_file.as_deref())?,
    };
    let path = query("/webhooks".to_owned(), &[("namespace", context.namespace.as_deref())]);
    let call = Call::new(Method::POST, path).json(&new)?;
    let webhook: WebhookView = context.client.ask(call).await?.document().await?;
    say(context, &webhook)
}

fn say(context: &mut Context<'_>, webhook: &WebhookView) -> Result<Exit, Failure> {
    context.output.value(webhook, |_| show::webhook(webhook))?;
    if webhook.secret.is_some() {
        context
            .output
            .note("the secret is shown this once: give it to the sender now");
    }
    Ok(Exit::Ok)
}

/// The line break at the end of a file is not part of the secret.
fn secret(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(path) = file else { return Ok(None) };
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}
