//! `logs`: newline-delimited entries, as they come; with `--build`, the build's own text.

use super::Context;
use crate::api::native::wire::LogEntry;
use crate::cli::args::LogsArgs;
use crate::cli::client::{Call, query};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::show::{self, Names};
use crate::task::Clock;
use http::Method;

const LONGEST_LINE: usize = 16 * 1024 * 1024;

pub(super) async fn logs(context: &mut Context<'_>, args: &LogsArgs) -> Result<Exit, Failure> {
    if args.build {
        return build(context, args).await;
    }
    let (limit, names) = (args.tail.to_string(), args.names.join(","));
    let now = Clock::system().now().as_millis();
    let since = args.since.map(|since| since.at(now).to_string());
    let pairs = [
        ("namespace", context.namespace.as_deref()),
        ("function", (!names.is_empty()).then_some(names.as_str())),
        ("execution", args.run.as_deref()),
        ("since_ms", since.as_deref()),
        ("limit", Some(limit.as_str())),
        ("follow", args.follow.then_some("true")),
    ];
    let call = Call::new(Method::GET, query("/logs".to_owned(), &pairs));
    let mut answer = context.client.ask(call).await?;
    // Who asks for one function, or for one call, need not be told whose lines these are.
    let named = args.names.len() != 1 && args.run.is_none();
    let mut names = named.then(|| Names::new(&args.names, context.output.colours()));
    let mut lines = Lines::default();
    while let Some(piece) = answer.piece().await? {
        for line in lines.push(&piece)? {
            print(context.output, names.as_mut(), &line)?;
        }
    }
    print(context.output, names.as_mut(), &lines.rest)?;
    Ok(Exit::Ok)
}

async fn build(context: &mut Context<'_>, args: &LogsArgs) -> Result<Exit, Failure> {
    let [name] = &args.names[..] else {
        return Err(Failure::usage("--build shows one function's build: name one"));
    };
    let follow = args.follow.then_some("true");
    let path = context.function_path(name, &["build"], &[("follow", follow)]);
    let mut answer = context.client.ask(Call::new(Method::GET, path)).await?;
    let mut said = false;
    while let Some(piece) = answer.piece().await? {
        said |= !piece.is_empty();
        context.output.bytes(&piece)?;
    }
    if !said {
        context.output.note("nothing had to be built for its latest version");
    }
    Ok(Exit::Ok)
}

/// An empty line keeps the connection alive and says nothing.
fn print(output: &mut Output, names: Option<&mut Names>, line: &[u8]) -> Result<(), Failure> {
    if line.is_empty() {
        return Ok(());
    }
    if output.is_json() {
        return output.text(&String::from_utf8_lossy(line));
    }
    let entry: LogEntry = serde_json::from_slice(line).map_err(|error| {
        Failure::new(Exit::Engine, "internal", format!("a log entry cannot be read: {error}"))
            .hint("compare `hob version` with the version in `hob status`")
    })?;
    let name = names.map(|names| names.label(&entry.function));
    output.text(&show::log_lines(&entry, name.as_deref()))
}

/// Whole lines of pieces.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut whole = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.last() == Some(&b'\n') {
                self.rest.pop();
                whole.push(std::mem::take(&mut self.rest));
            }
        }
        if self.rest.len() > LONGEST_LINE {
            return Err(Failure::usage("a log entry is longer than 16 MiB"));
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces() {
        let mut lines = Lines::default();
        assert!(lines.push(b"a").expect("short").is_empty());
        assert_eq!(lines.push(b"b\n\nc").expect("short"), [b"ab".to_vec(), vec![]]);
        assert_eq!(lines.rest, b"c");
    }
}
