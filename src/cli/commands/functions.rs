//! `list`, `get`, `rm`.

use super::Context;
use crate::api::native::wire::{FunctionList, FunctionView};
use crate::cli::client::{Call, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use http::Method;

pub(super) async fn list(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let namespace = context.namespace.clone();
    let path = query("/functions".to_owned(), &[("namespace", namespace.as_deref())]);
    let list: FunctionList = context.client.get(path).await?;
    if list.functions.is_empty() && !context.output.is_json() {
        let place = namespace.map_or_else(String::new, |name| format!(" in namespace `{name}`"));
        let note = format!("no functions{place}; make one with `hob deploy DIR`");
        context.output.note(&note);
        return Ok(Exit::Ok);
    }
    context
        .output
        .value(&list, |colours| show::functions(&list.functions, colours))?;
    Ok(Exit::Ok)
}

pub(super) async fn get(context: &mut Context<'_>, name: &str) -> Result<Exit, Failure> {
    let path = context.function_path(name, &[], &[]);
    let function: FunctionView = context.client.get(path).await?;
    context
        .output
        .value(&function, |colours| show::function(&function, colours))?;
    Ok(Exit::Ok)
}

/// Removes what can be removed; the first failure is the exit code.
pub(super) async fn remove(context: &mut Context<'_>, names: &[String]) -> Result<Exit, Failure> {
    let mut first = Exit::Ok;
    for name in names {
        let path = context.function_path(name, &[], &[]);
        match context.client.ask(Call::new(Method::DELETE, path)).await {
            Ok(_) => context.output.note(&format!("removed `{name}`")),
            Err(failure) => {
                let exit = context.output.failed(&failure);
                first = if first == Exit::Ok { exit } else { first };
            }
        }
    }
    Ok(first)
}
