//! `runs list`, `runs rm`, `runs cancel`: calls, many at a time.

use super::Context;
use crate::api::native::wire::ExecutionList;
use crate::cli::args::RunsListArgs;
use crate::cli::client::{Call, path, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::show;
use crate::task::Clock;
use http::Method;

pub(super) async fn list(context: &mut Context<'_>, args: &RunsListArgs) -> Result<Exit, Failure> {
    let (limit, offset) = (args.limit.to_string(), args.offset.to_string());
    let now = Clock::system().now().as_millis();
    let since = args.since.map(|since| since.at(now).to_string());
    let path = query(
        "/executions".to_owned(),
        &[
            ("namespace", context.namespace.as_deref()),
            ("function", args.name.as_deref()),
            ("state", args.state.as_deref()),
            ("created_from_ms", since.as_deref()),
            ("asynchronous", args.asynchronous.then_some("true")),
            ("limit", Some(&limit)),
            ("offset", (args.offset > 0).then_some(offset.as_str())),
            ("order", args.oldest.then_some("oldest")),
        ],
    );
    let list: ExecutionList = context.client.get(path).await?;
    if list.executions.is_empty() && !context.output.is_json() {
        context.output.note("no such calls");
        return Ok(Exit::Ok);
    }
    context
        .output
        .value(&list, |colours| show::executions(&list.executions, colours))?;
    Ok(Exit::Ok)
}

/// Removes what can be removed; the first failure is the exit code.
pub(super) async fn remove(context: &mut Context<'_>, ids: &[String]) -> Result<Exit, Failure> {
    let mut first = Exit::Ok;
    for id in ids {
        let call = Call::new(Method::DELETE, path(&["executions", id]));
        match context.client.ask(call).await {
            Ok(_) => context.output.note(&format!("removed call {id}")),
            Err(failure) => {
                let exit = context.output.failed(&failure);
                first = if first == Exit::Ok { exit } else { first };
            }
        }
    }
    Ok(first)
}

pub(super) async fn cancel(context: &mut Context<'_>, id: &str) -> Result<Exit, Failure> {
    let call = Call::new(Method::POST, path(&["executions", id, "cancel"]));
    context.client.ask(call).await?;
    context.output.note(&format!("call {id} is cancelled"));
    Ok(Exit::Ok)
}
