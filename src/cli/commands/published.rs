//! `versions …` and `alias …`.

use super::Context;
use crate::api::native::wire::{
    AliasList, AliasSettings, AliasView, CanaryView, PublishRequest, PublishedView, VersionList, VersionView,
};
use crate::cli::args::{AliasCommand, AliasSetArgs, VersionsCommand};
use crate::cli::client::{Call, path, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;

pub(super) async fn versions(context: &mut Context<'_>, command: VersionsCommand) -> Result<Exit, Failure> {
    match command {
        VersionsCommand::List { name } => list_versions(context, &name).await,
        VersionsCommand::Publish { name, description } => publish(context, &name, description).await,
        VersionsCommand::Get { name, number } => {
            let path = context.function_path(&name, &["versions", &number.to_string()], &[]);
            let version: VersionView = context.client.get(path).await?;
            context.output.value(&version, |_| show::version(&version))?;
            Ok(Exit::Ok)
        }
        VersionsCommand::Rm { name, number } => {
            let path = context.function_path(&name, &["versions", &number.to_string()], &[]);
            context.client.ask(Call::new(Method::DELETE, path)).await?;
            context.output.note(&format!("removed version {number} of `{name}`"));
            Ok(Exit::Ok)
        }
    }
}

async fn list_versions(context: &mut Context<'_>, name: &str) -> Result<Exit, Failure> {
    let path = context.function_path(name, &["versions"], &[]);
    let list: VersionList = context.client.get(path).await?;
    if list.versions.is_empty() && !context.output.is_json() {
        let note = format!("`{name}` has no versions; make one with `hob versions publish {name}`");
        context.output.note(&note);
        return Ok(Exit::Ok);
    }
    context
        .output
        .value(&list, |colours| show::versions(&list.versions, colours))?;
    Ok(Exit::Ok)
}

async fn publish(context: &mut Context<'_>, name: &str, description: String) -> Result<Exit, Failure> {
    let path = context.function_path(name, &["versions"], &[]);
    let call = Call::new(Method::POST, path).json(&PublishRequest { description })?;
    let published: PublishedView = context.client.ask(call).await?.document().await?;
    let number = published.version.number;
    context
        .output
        .value(&published, |_| format!("{name} version {number} is published"))?;
    if published.unchanged {
        let note = format!("nothing was deployed since version {}", number.saturating_sub(1));
        context.output.note(&note);
    }
    Ok(Exit::Ok)
}

pub(super) async fn alias(context: &mut Context<'_>, command: AliasCommand) -> Result<Exit, Failure> {
    match command {
        AliasCommand::List { function } => list_aliases(context, function.as_deref()).await,
        AliasCommand::Get { name } => {
            let alias: AliasView = context.client.get(alias_path(context, &name)).await?;
            context.output.value(&alias, |_| show::alias(&alias))?;
            Ok(Exit::Ok)
        }
        AliasCommand::Set(args) => set(context, args).await,
        AliasCommand::Rm { name } => {
            let call = Call::new(Method::DELETE, alias_path(context, &name));
            context.client.ask(call).await?;
            context.output.note(&format!("removed alias `{name}`"));
            Ok(Exit::Ok)
        }
    }
}

fn alias_path(context: &Context<'_>, name: &str) -> String {
    query(path(&["aliases", name]), &[("namespace", context.namespace.as_deref())])
}

async fn list_aliases(context: &mut Context<'_>, function: Option<&str>) -> Result<Exit, Failure> {
    let pairs = [("namespace", context.namespace.as_deref()), ("function", function)];
    let list: AliasList = context.client.get(query("/aliases".to_owned(), &pairs)).await?;
    if list.aliases.is_empty() && !context.output.is_json() {
        context
            .output
            .note("no aliases; make one with `hob alias set NAME FUNCTION`");
        return Ok(Exit::Ok);
    }
    context
        .output
        .value(&list, |colours| show::aliases(&list.aliases, colours))?;
    Ok(Exit::Ok)
}

async fn set(context: &mut Context<'_>, args: AliasSetArgs) -> Result<Exit, Failure> {
    let settings = AliasSettings {
        function: args.function,
        version: args.version.map(|v| v.get()),
        canary: args.canary.map(|(version, percent)| CanaryView { version, percent }),
        description: args.description,
    };
    let call = Call::new(Method::PUT, alias_path(context, &args.name)).json(&settings)?;
    let alias: AliasView = context.client.ask(call).await?.document().await?;
    context.output.value(&alias, |_| show::alias(&alias))?;
    Ok(Exit::Ok)
}
