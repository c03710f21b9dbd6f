//! The one place that writes to the terminal: data to standard output, everything else to standard error.
//!
//! Decides about colours and JSON; knows nothing of what is said.

use super::args::{Format, Global};
use super::exit::Exit;
use super::failure::Failure;
use super::progress::Bar;
use super::table::{WIDTH, wrap};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Where a command's words go.
pub(crate) struct Output {
    format: Format,
    colour_out: bool,
    colour_err: bool,
    terminal: bool,
    /// Others write to the same terminal: no line of it is only ours.
    shared: bool,
    /// Data goes to a terminal.
    out_terminal: bool,
    out: Box<dyn Write + Send + Sync>,
    err: Box<dyn Write + Send + Sync>,
}

impl Output {
    /// Standard output and error, as the user's options and terminal want them.
    pub(crate) fn of_process(global: &Global) -> Self {
        let plain = global.no_color.as_ref().is_some_and(|v| !v.is_empty());
        Self {
            format: global.output,
            colour_out: !plain && std::io::stdout().is_terminal(),
            colour_err: !plain && std::io::stderr().is_terminal(),
            terminal: std::io::stderr().is_terminal(),
            out_terminal: std::io::stdout().is_terminal(),
            ..Self::plain()
        }
    }

    /// Standard output and error as text without colours.
    pub(crate) fn plain() -> Self {
        Self::to(std::io::stdout(), std::io::stderr(), Format::Text)
    }

    /// Any two writers.
    pub(crate) fn to(
        out: impl Write + Send + Sync + 'static,
        err: impl Write + Send + Sync + 'static,
        format: Format,
    ) -> Self {
        Self {
            format,
            colour_out: false,
            colour_err: false,
            terminal: false,
            shared: false,
            out_terminal: false,
            out: Box::new(out),
            err: Box::new(err),
        }
    }

    /// For one of several who write at the same time: whole lines only.
    pub(crate) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Whether data is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether data may be coloured.
    pub(crate) fn colours(&self) -> bool {
        self.colour_out
    }

    /// A line that shows how far something is: on a terminal, where no JSON is wanted.
    pub(crate) fn bar(&self, what: &str, total: Option<u64>) -> Bar {
        match self.terminal && !self.shared && !self.is_json() {
            true => Bar::new(what, total),
            false => Bar::hidden(),
        }
    }

    /// Whether what is said of work under way is wanted beside the data: not by programs that read JSON from both.
    pub(crate) fn follows(&self) -> bool {
        self.terminal || !self.is_json()
    }

    /// Data, byte by byte as it is, at once.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out
            .write_all(bytes)
            .and_then(|()| self.out.flush())
            .map_err(|error| Failure::output(&error))
    }

    /// After data whose last byte this is: on a terminal, what follows begins a line of its own.
    pub(crate) fn end_line(&mut self, last: Option<u8>) -> Result<(), Failure> {
        match last {
            Some(byte) if byte != b'\n' && self.out_terminal => self.bytes(b"\n"),
            _ => Ok(()),
        }
    }

    /// Data as text, ended by a line break.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        let ended = text.ends_with('\n') || text.is_empty();
        self.bytes(text.as_bytes())?;
        if ended { Ok(()) } else { self.bytes(b"\n") }
    }

    /// Data as one JSON document.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::usage(format!("cannot write JSON: {error}")))?;
        self.text(&text)
    }

    /// JSON when that is wanted, else the text.
    pub(crate) fn value(&mut self, value: &impl Serialize, text: impl FnOnce(bool) -> String) -> Result<(), Failure> {
        if self.is_json() {
            return self.json(value);
        }
        let text = text(self.colour_out);
        self.text(&text)
    }

    /// A remark for people.
    pub(crate) fn note(&mut self, text: &str) {
        // Nobody is left to be told when standard error cannot be written.
        let _ = writeln!(self.err, "{text}");
    }

    /// Bytes for people, as they are.
    pub(crate) fn note_bytes(&mut self, bytes: &[u8]) {
        let _ = self.err.write_all(bytes).and_then(|()| self.err.flush());
    }

    /// On a terminal, text that fits it: `before` columns of its first line are taken. Programs get lines as they are.
    fn fitted(&self, text: &str, before: usize) -> String {
        if !self.terminal {
            return text.to_owned();
        }
        let mut before = before;
        let mut lines = Vec::new();
        for line in text.lines() {
            let indented = line.starts_with(char::is_whitespace);
            // What is indented is code or a traceback: its own shape says more.
            let fits = indented || line.chars().count() + before <= WIDTH;
            lines.extend(if fits {
                vec![line.to_owned()]
            } else {
                wrap(line, WIDTH - before.max(2))
            });
            before = 2;
        }
        lines.join("\n  ")
    }

    /// Says why a command failed.
    pub(crate) fn failed(&mut self, failure: &Failure) -> Exit {
        match &failure.body {
            None => {}
            Some(body) if self.is_json() => {
                let text = serde_json::to_string(body).unwrap_or_default();
                self.note(&text);
            }
            Some(body) => {
                let (red, off) = if self.colour_err {
                    ("\x1b[31m", "\x1b[0m")
                } else {
                    ("", "")
                };
                let message = self.fitted(&body.message, "error: ".len());
                self.note(&format!("{red}error:{off} {message}"));
                if let Some(hint) = &body.hint {
                    self.note(&format!("  {}", self.fitted(hint, 2)));
                }
                if let Some(call) = &body.call_id {
                    let command = format!("`hob runs show {call}`");
                    self.note(&format!(
                        "  {}",
                        self.fitted(&format!("look at the call with {command}"), 2)
                    ));
                }
            }
        }
        failure.exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::Captured;

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_ends_quietly() {
        let err = Captured::default();
        let mut output = Output::to(Closed, err.clone(), Format::Text);
        let failure = output.text("data").expect_err("the pipe is closed");
        assert_eq!(output.failed(&failure), Exit::Ok);
        assert_eq!(err.text(), "");
    }

    #[test]
    fn an_open_line_is_ended_on_a_terminal_and_nowhere_else() {
        let told = |out_terminal: bool, data: &str| {
            let out = Captured::default();
            let mut output = Output::to(out.clone(), Captured::default(), Format::Text);
            output.out_terminal = out_terminal;
            output.bytes(data.as_bytes()).expect("written");
            output.end_line(data.bytes().last()).expect("written");
            out.text()
        };
        assert_eq!(
            (told(true, "x"), told(true, "x\n")),
            ("x\n".to_owned(), "x\n".to_owned())
        );
        assert_eq!((told(true, ""), told(false, "x")), (String::new(), "x".to_owned()));
    }

    #[test]
    fn failures_go_to_standard_error_and_say_what_to_do() {
        let (out, err) = (Captured::default(), Captured::default());
        let mut output = Output::to(out.clone(), err.clone(), Format::Text);
        output.failed(&Failure::usage("no").hint("do this"));
        assert_eq!(out.text(), "");
        assert_eq!(err.text(), "error: no\n  do this\n");
    }

    #[test]
    fn on_a_terminal_failures_fit_it() {
        let err = Captured::default();
        let mut output = Output::to(Captured::default(), err.clone(), Format::Text);
        output.terminal = true;
        output.failed(&Failure::usage("word ".repeat(40)).hint("hint ".repeat(40)));
        assert!(
            err.text().lines().all(|line| line.chars().count() <= WIDTH),
            "{}",
            err.text()
        );
        assert_eq!(err.text().matches("word").count(), 40);
        let mut output = Output::to(Captured::default(), err.clone(), Format::Text);
        output.failed(&Failure::usage("long ".repeat(40).trim_end()));
        assert!(err.text().contains(&"long ".repeat(39)), "programs get one line");
    }

    #[test]
    fn failures_are_json_where_json_is_wanted() {
        let err = Captured::default();
        let mut output = Output::to(Captured::default(), err.clone(), Format::Json);
        output.failed(&Failure::usage("no"));
        assert_eq!(err.text(), "{\"code\":\"invalid\",\"message\":\"no\"}\n");
    }
}
