//! `token`: create, list, revoke.

use super::Context;
use crate::api::native::token_wire::{NewTokenView, TokenList, TokenSettings};
use crate::cli::client::{Call, body_of, path, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use crate::cli::token_args::{TokenCommand, TokenCreateArgs};
use http::Method;

pub(super) async fn tokens(context: &mut Context<'_>, command: TokenCommand) -> Result<Exit, Failure> {
    match command {
        TokenCommand::Create(args) => create(context, args).await,
        TokenCommand::List => list(context).await,
        TokenCommand::Revoke { tokens } => revoke(context, &tokens).await,
    }
}

async fn create(context: &mut Context<'_>, args: TokenCreateArgs) -> Result<Exit, Failure> {
    let settings = TokenSettings {
        name: args.name,
        role: Some(args.role),
    };
    let body = serde_json::to_vec(&settings).map_err(|e| Failure::usage(e.to_string()))?;
    let length = body.len() as u64;
    let target = query("/tokens".to_owned(), &[("namespace", context.namespace.as_deref())]);
    let call = Call::new(Method::POST, target).body(body_of(body), Some(length));
    let made: NewTokenView = context.client.ask(call).await?.document().await?;
    context.output.value(&made, |_| made.token.clone())?;
    let note = format!(
        "token `{}` is shown this once: keep it in HOB_TOKEN; `hob token revoke {}` ends it",
        made.view.name, made.view.name
    );
    context.output.note(&note);
    Ok(Exit::Ok)
}

async fn list(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let list: TokenList = context.client.get("/tokens".to_owned()).await?;
    if list.tokens.is_empty() && !context.output.is_json() {
        context
            .output
            .note("no tokens; make the first with `hob token create --role admin`");
        return Ok(Exit::Ok);
    }
    context
        .output
        .value(&list, |colours| show::tokens(&list.tokens, colours))?;
    Ok(Exit::Ok)
}

/// Revokes those it can; the first failure is the exit code.
async fn revoke(context: &mut Context<'_>, tokens: &[String]) -> Result<Exit, Failure> {
    let mut first = Exit::Ok;
    for token in tokens {
        let call = Call::new(Method::DELETE, path(&["tokens", token]));
        match context.client.ask(call).await {
            Ok(_) => context.output.note(&format!("token `{token}` is revoked")),
            Err(failure) => {
                let exit = context.output.failed(&failure);
                first = if first == Exit::Ok { exit } else { first };
            }
        }
    }
    Ok(first)
}
