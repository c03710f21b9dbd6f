//! How an execution went, as this API says it: its status, its result and its log. Pure.
//!
//! Sentences are upstream's, except where one would tell a user something wrong: a result that is not JSON is no timeout.

use super::json_text::{self, respaced};
use super::note::Source;
use crate::domain::{Execution, ExecutionState, Timings};
use crate::invoker::Failure;
use serde::de::IgnoredAny;

const TIMEOUT: &str = "Function execution timeout.";
const TOO_MUCH: &str = "Function execution failed because of too much resource consumption";
const PLATFORM: &str = "Function execution failed.";
const CANCELLED: &str = "Function execution was cancelled.";

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// It has not ended.
    Running,
    /// The function answered; what, where that was kept.
    Success(Option<Vec<u8>>),
    Failure {
        /// The core's word for it.
        kind: String,
        /// The error's type in its language; empty when the process ended.
        error_type: String,
        message: String,
    },
    /// The platform could not make the call, or not to its end.
    Error,
    Cancelled,
}

/// What became of a call, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) ending: Ending,
    /// Unit: microseconds.
    pub(super) took_us: u64,
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failure {
            kind: failure.kind.to_owned(),
            error_type: failure.error_type,
            message: failure.message,
        }
    }
}

impl Ending {
    /// As it was recorded, and with the answer where that was kept.
    fn of(execution: &Execution, result: Option<Vec<u8>>) -> Self {
        match execution.state {
            ExecutionState::Queued | ExecutionState::Running => Self::Running,
            ExecutionState::Succeeded => Self::Success(result),
            ExecutionState::Error => Self::Error,
            ExecutionState::Cancelled => Self::Cancelled,
            ExecutionState::Failed => {
                let kind = execution.failure.clone().unwrap_or_default();
                let sentence = execution.message.as_deref().unwrap_or_default();
                let (error_type, message) = type_and_message(&kind, sentence);
                Self::Failure {
                    kind,
                    error_type: error_type.to_owned(),
                    message: message.to_owned(),
                }
            }
        }
    }
}

/// Takes a recorded sentence apart. What code raised was written as `Type: message`; the end of a process has no type.
fn type_and_message<'s>(kind: &str, sentence: &'s str) -> (&'s str, &'s str) {
    match kind {
        "raised" | "load" | "not_json" | "bad_input" => sentence.split_once(": ").unwrap_or((sentence, "")),
        _ => ("", sentence),
    }
}

impl Outcome {
    /// As it was recorded, and with the answer where that was kept.
    pub(super) fn of(execution: &Execution, result: Option<Vec<u8>>) -> Self {
        Self {
            ending: Ending::of(execution, result),
            took_us: took(&execution.timings),
        }
    }

    /// `running`, `success`, `failed` or `error`.
    pub(super) fn status(&self) -> &'static str {
        match self.ending {
            Ending::Running => "running",
            Ending::Success(_) => "success",
            Ending::Failure { .. } => "failed",
            Ending::Error | Ending::Cancelled => "error",
        }
    }

    /// The result, a text that holds JSON; `None` before the end.
    pub(super) fn result(&self, source: Source) -> Option<String> {
        let quoted = |text: &str| json_text::text(&text);
        let duration = self.duration(source);
        let (output, duration) = match &self.ending {
            Ending::Running => return None,
            Ending::Success(_) if source == Source::Image => (None, Some(duration)),
            Ending::Success(output) => (output.as_deref().map(json), Some(duration)),
            Ending::Failure {
                kind,
                error_type,
                message,
            } => (
                Some(quoted(sentence(source, kind, error_type, message))),
                Some(duration),
            ),
            Ending::Error => (Some(quoted(PLATFORM)), None),
            Ending::Cancelled => (Some(quoted(CANCELLED)), None),
        };
        let fields = [("output", output), ("duration", duration)];
        let given = fields
            .iter()
            .filter_map(|(key, value)| Some(format!("\"{key}\": {}", value.as_ref()?)));
        Some(format!("{{{}}}", given.collect::<Vec<_>>().join(", ")))
    }

    /// Unit: seconds; of an image's program whole ones.
    fn duration(&self, source: Source) -> String {
        match source {
            Source::Image => (self.took_us / 1_000_000).to_string(),
            Source::Package | Source::Swift => {
                let millis = (self.took_us + 500) / 1000;
                let text = format!("{}.{:03}", millis / 1000, millis % 1000);
                let short = text.trim_end_matches('0');
                if short.ends_with('.') {
                    format!("{short}0")
                } else {
                    short.to_owned()
                }
            }
        }
    }
}

/// How long a call took: as its worker says, or, when that could not say anything, as we saw it. Unit: microseconds.
pub(super) fn took(timings: &Timings) -> u64 {
    match timings.run_us {
        0 => timings.total_us.saturating_sub(timings.queue_us),
        run => run,
    }
}

/// An answer as JSON; one that is not JSON, or was cut, becomes a text.
fn json(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => respaced(&text),
        Err(_) => json_text::text(&text),
    }
}

fn sentence<'m>(source: Source, kind: &str, error_type: &str, message: &'m str) -> &'m str {
    let is_program = source == Source::Image;
    match kind {
        "timeout" => TIMEOUT,
        "out_of_memory" => TOO_MUCH,
        "signal" | "exit" if !is_program => TOO_MUCH,
        "raised" if exits_badly(error_type, message) || lacks_resources(message) => TOO_MUCH,
        _ => message,
    }
}

fn exits_badly(error_type: &str, message: &str) -> bool {
    error_type == "SystemExit" && !["", "0", "None"].contains(&message)
}

/// What the system says when it has no process, thread or memory left to give.
fn lacks_resources(message: &str) -> bool {
    message.starts_with("[Errno ") && message.contains("Resource")
}

/// The log's text: what was printed, between upstream's first and last line. `None` before the start.
pub(super) fn log(execution: &Execution, printed: &[u8]) -> Option<String> {
    if execution.started_at.is_none() && !execution.state.is_terminal() {
        return None;
    }
    let mut text = format!("Start execution: {}\n", execution.id);
    add_line(&mut text, &String::from_utf8_lossy(printed));
    if execution.failure.as_deref() == Some("raised") {
        text.push('\n');
    }
    if let (ExecutionState::Error, Some(why)) = (execution.state, &execution.message) {
        add_line(&mut text, why);
    }
    if execution.state.is_terminal() {
        text.push_str(&format!("Finished execution: {}\n", execution.id));
    }
    Some(text)
}

fn add_line(text: &mut String, line: &str) {
    text.push_str(line);
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ExecutionId, FunctionId, Selector, Timestamp};

    fn failure(kind: &str, error_type: &str, message: &str) -> Ending {
        Ending::Failure {
            kind: kind.to_owned(),
            error_type: error_type.to_owned(),
            message: message.to_owned(),
        }
    }

    fn success(answer: &str) -> Ending {
        Ending::Success(Some(answer.as_bytes().to_vec()))
    }

    fn check(source: Source, ending: Ending, status: &str, result: &str) {
        let outcome = Outcome {
            ending,
            took_us: 1_234_567,
        };
        assert_eq!(outcome.status(), status, "{outcome:?}");
        assert_eq!(outcome.result(source).as_deref(), Some(result), "{outcome:?}");
    }

    #[test]
    fn what_a_function_returns_is_the_output() {
        for (answer, output) in [
            ("null", "null"),
            (r#""Hello, ü""#, r#""Hello, \u00fc""#),
            (r#"{"b":1,"a":[2,3]}"#, r#"{"b": 1, "a": [2, 3]}"#),
            ("plain", r#""plain""#),
            ("", r#""""#),
        ] {
            let result = format!(r#"{{"output": {output}, "duration": 1.235}}"#);
            check(Source::Package, success(answer), "success", &result);
        }
        check(
            Source::Package,
            Ending::Success(None),
            "success",
            r#"{"duration": 1.235}"#,
        );
    }

    #[test]
    fn each_failure_has_upstreams_sentence() {
        let too_much = "Function execution failed because of too much resource consumption";
        let no_process = "[Errno 11] Resource temporarily unavailable";
        for (ending, output) in [
            (failure("raised", "ValueError", "no such city"), "no such city"),
            (
                failure("load", "ImportError", "No module named 'x'"),
                "No module named 'x'",
            ),
            (
                failure("not_json", "TypeError", "the result is not JSON"),
                "the result is not JSON",
            ),
            (
                failure("raised", "OSError", "[Errno 24] Too many open files"),
                "[Errno 24] Too many open files",
            ),
            (
                failure("timeout", "", "the function took longer"),
                "Function execution timeout.",
            ),
            (failure("out_of_memory", "", "it ran out of memory"), too_much),
            (failure("signal", "", "ended by SIGKILL"), too_much),
            (failure("exit", "", "ended with code 3"), too_much),
            (failure("raised", "SystemExit", "3"), too_much),
            (failure("raised", "SystemExit", "0"), "0"),
            (failure("raised", "BlockingIOError", no_process), too_much),
        ] {
            let result = format!(r#"{{"output": "{output}", "duration": 1.235}}"#);
            check(Source::Package, ending, "failed", &result);
        }
    }

    #[test]
    fn what_the_platform_could_not_do_is_an_error() {
        let failed = r#"{"output": "Function execution failed."}"#;
        check(Source::Package, Ending::Error, "error", failed);
        let cancelled = r#"{"output": "Function execution was cancelled."}"#;
        check(Source::Image, Ending::Cancelled, "error", cancelled);
    }

    #[test]
    fn a_programs_result_is_its_whole_seconds_or_how_it_failed() {
        check(Source::Image, success("printed"), "success", r#"{"duration": 1}"#);
        for (ending, output) in [
            (
                failure("exit", "", "the program ended with code 3"),
                "the program ended with code 3",
            ),
            (failure("timeout", "", "too long"), "Function execution timeout."),
        ] {
            let result = format!(r#"{{"output": "{output}", "duration": 1}}"#);
            check(Source::Image, ending, "failed", &result);
        }
    }

    #[test]
    fn a_duration_has_at_most_three_decimals() {
        for (took_us, shown) in [
            (0, "0.0"),
            (499, "0.0"),
            (500, "0.001"),
            (2_000_000, "2.0"),
            (5_010_000, "5.01"),
        ] {
            let ending = Ending::Running;
            assert_eq!(Outcome { ending, took_us }.duration(Source::Package), shown);
        }
    }

    fn recorded(state: ExecutionState) -> Execution {
        Execution {
            id: ExecutionId::from_bytes([1; 16]),
            function: FunctionId::generate(),
            revision: None,
            selector: Selector::Current,
            description: String::new(),
            state,
            asynchronous: false,
            created_at: Timestamp::from_millis(0),
            started_at: Some(Timestamp::from_millis(0)),
            ended_at: None,
            status: None,
            failure: None,
            message: None,
            temperature: None,
            timings: Timings::default(),
        }
    }

    #[test]
    fn a_recorded_sentence_is_taken_apart() {
        for (kind, sentence, error_type, message) in [
            ("raised", "ValueError: a: b", "ValueError", "a: b"),
            ("raised", "KeyError", "KeyError", ""),
            ("timeout", "it took: long", "", "it took: long"),
        ] {
            let execution = Execution {
                failure: Some(kind.to_owned()),
                message: Some(sentence.to_owned()),
                ..recorded(ExecutionState::Failed)
            };
            let outcome = Outcome::of(&execution, None);
            assert_eq!(outcome.ending, failure(kind, error_type, message));
        }
    }

    #[test]
    fn a_call_whose_worker_said_nothing_took_as_long_as_we_saw() {
        let timings = Timings {
            queue_us: 100,
            total_us: 5_000_100,
            ..Timings::default()
        };
        assert_eq!(took(&timings), 5_000_000);
        assert_eq!(took(&Timings { run_us: 7, ..timings }), 7);
    }

    #[test]
    fn a_log_lies_between_upstreams_lines() {
        let id = ExecutionId::from_bytes([1; 16]);
        let (start, finished) = (
            format!("Start execution: {id}\n"),
            format!("Finished execution: {id}\n"),
        );
        let ended = recorded(ExecutionState::Succeeded);
        assert_eq!(log(&ended, b"hello"), Some(format!("{start}hello\n{finished}")));
        assert_eq!(log(&ended, b""), Some(format!("{start}{finished}")));
        let raised = Execution {
            failure: Some("raised".to_owned()),
            ..recorded(ExecutionState::Failed)
        };
        assert_eq!(
            log(&raised, b"Traceback\n"),
            Some(format!("{start}Traceback\n\n{finished}"))
        );
        let running = recorded(ExecutionState::Running);
        assert_eq!(log(&running, b"so far\n"), Some(format!("{start}so far\n")));
        let error = Execution {
            message: Some("no worker".to_owned()),
            ..recorded(ExecutionState::Error)
        };
        assert_eq!(log(&error, b""), Some(format!("{start}no worker\n{finished}")));
        let queued = Execution {
            started_at: None,
            ..recorded(ExecutionState::Queued)
        };
        assert_eq!(log(&queued, b""), None);
    }
}
