//! `scale`, `detach` and `rename`.

use super::Context;
use crate::api::native::wire::{FunctionView, RenameRequest, ScaleRequest, ScaleView};
use crate::cli::args::{ScaleArgs, SelectArgs};
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use http::Method;

pub(super) async fn scale(context: &mut Context<'_>, args: ScaleArgs) -> Result<Exit, Failure> {
    let selector = args.select.selector();
    let path = context.function_path(&args.name, &["scale"], &[("selector", selector.as_deref())]);
    let request = ScaleRequest {
        to: args.change.to,
        up: args.change.up,
        down: args.change.down,
    };
    let call = Call::new(Method::POST, path).json(&request)?;
    let scaled: ScaleView = context.client.ask(call).await?.document().await?;
    let text = |_| format!("{} keeps {} workers", args.name, scaled.workers);
    context.output.value(&scaled, text)?;
    Ok(Exit::Ok)
}

pub(super) async fn detach(context: &mut Context<'_>, name: &str, select: &SelectArgs) -> Result<Exit, Failure> {
    let selector = select.selector();
    let path = context.function_path(name, &["detach"], &[("selector", selector.as_deref())]);
    context.client.ask(Call::new(Method::POST, path)).await?;
    context.output.note(&format!(
        "the workers of `{name}` leave, busy ones when their calls are over"
    ));
    Ok(Exit::Ok)
}

pub(super) async fn rename(context: &mut Context<'_>, name: &str, new: String) -> Result<Exit, Failure> {
    let path = context.function_path(name, &["rename"], &[]);
    let call = Call::new(Method::POST, path).json(&RenameRequest { name: new })?;
    let function: FunctionView = context.client.ask(call).await?.document().await?;
    context.output.value(&function, |_| {
        format!("{name} is {} now, at {}", function.name, function.url)
    })?;
    Ok(Exit::Ok)
}
