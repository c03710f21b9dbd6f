//! What a function prints while it is developed, as it comes.

use super::Kit;
use crate::api::native::wire::LogEntry;
use crate::cli::client::Call;
use crate::cli::commands::Context;
use crate::cli::commands::logs::Lines;
use crate::cli::failure::Failure;
use http::Method;
use std::time::Duration;

/// A log that broke off is asked for again after this time.
const AGAIN: Duration = Duration::from_millis(500);
/// Calls of the past that are shown of a function that is new.
const ALL: &str = "1000";

/// For ever; of a function that was there, only what comes.
pub(super) async fn follow(kit: Kit, name: String, is_new: bool) {
    let mut output = kit.output();
    let mut last: Option<String> = None;
    loop {
        let context = kit.context(&mut output);
        let limit = if is_new || last.is_some() { ALL } else { "0" };
        let pairs = [
            ("limit", Some(limit)),
            ("follow", Some("true")),
            ("after", last.as_deref()),
        ];
        let path = context.function_path(&name, &["logs"], &pairs);
        // Not there yet, or the daemon is away: that is said by whoever deploys.
        let _ = stream(context, &kit, &name, path, &mut last).await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn stream(
    context: Context<'_>,
    kit: &Kit,
    name: &str,
    path: String,
    last: &mut Option<String>,
) -> Result<(), Failure> {
    let mut answer = context.client.ask(Call::new(Method::GET, path)).await?;
    let mut lines = Lines::default();
    while let Some(piece) = answer.piece().await? {
        for line in lines.push(&piece)? {
            let Ok(entry) = serde_json::from_slice::<LogEntry>(&line) else {
                continue;
            };
            let text = match context.output.is_json() {
                true => format!("{}\n", String::from_utf8_lossy(&line)),
                false => prefixed(&entry.text, name, kit.width()),
            };
            context.output.text(&text)?;
            *last = Some(entry.execution);
        }
    }
    Ok(())
}

/// Lines as they are, or each with the function's name before it.
fn prefixed(text: &str, name: &str, width: Option<usize>) -> String {
    let line = |line: &str| match width {
        Some(width) => format!("{name:width$} | {line}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_their_functions_name_when_there_are_several() {
        assert_eq!(prefixed("a\nb", "f", None), "a\nb\n");
        assert_eq!(prefixed("a\nb\n", "f", Some(3)), "f   | a\nf   | b\n");
        assert_eq!(prefixed("", "f", Some(3)), "");
    }
}
