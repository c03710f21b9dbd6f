//! Where log lines go and how they look: text on a terminal, one JSON object a line otherwise.
//!
//! Reads neither settings nor environment: they come as `Options`. A closed standard error is no reason to stop.

use std::io::IsTerminal;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How to log.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is logged: a level, or parts with levels as in `info,hob::pool=debug`.
    pub level: String,
    /// Whether text on a terminal may be coloured (false when `NO_COLOR` is set).
    pub colour: bool,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the level is neither a level nor `part=level`.
    #[error(
        "log level `{part}` is not known: use error, warn, info, debug, trace or off, or a part with its level as in \
         `hob::pool=debug`"
    )]
    UnknownLevel {
        /// The part of the setting that was not understood.
        part: String,
    },
    /// The level has a form that cannot be read.
    #[error("log level `{level}` cannot be read: use for example `info` or `info,hob::pool=debug`")]
    Level {
        /// The whole setting.
        level: String,
        /// What the parser says.
        #[source]
        source: ParseError,
    },
    /// Somebody else has set up logging in this process.
    #[error("logging was set up twice: call `telemetry::init` once, at start")]
    Twice(#[source] TryInitError),
}

/// Starts logging to standard error, for the whole process.
///
/// # Errors
/// `UnknownLevel` or `Level` when the level cannot be read, `Twice` when logging was started before.
pub fn init(options: &Options) -> Result<(), Error> {
    let style = Style::of(std::io::stderr().is_terminal(), options.colour);
    subscriber(filter(&options.level)?, style, std::io::stderr)
        .try_init()
        .map_err(Error::Twice)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Colour,
    Text,
    Json,
}

impl Style {
    fn of(terminal: bool, colour: bool) -> Self {
        match (terminal, colour) {
            (true, true) => Self::Colour,
            (true, false) => Self::Text,
            (false, _) => Self::Json,
        }
    }
}

fn subscriber<W>(filter: EnvFilter, style: Style, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(style == Style::Colour)
        .log_internal_errors(false);
    match style {
        Style::Json => Box::new(lines.json().flatten_event(true).with_span_list(false).finish()),
        Style::Colour | Style::Text => Box::new(lines.finish()),
    }
}

fn filter(level: &str) -> Result<EnvFilter, Error> {
    if let Some(part) = level.split(',').map(str::trim).find(|part| is_unknown(part)) {
        return Err(Error::UnknownLevel { part: part.into() });
    }
    EnvFilter::try_new(level).map_err(|source| Error::Level {
        level: level.into(),
        source,
    })
}

/// A lone word that is no level would be taken for a part of the program and silence everything else.
fn is_unknown(part: &str) -> bool {
    part.is_empty() || !part.contains(['=', '[', ']', '{', '}']) && part.parse::<LevelFilter>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, style: Style) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(filter(level).unwrap(), style, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("execution", execution.id = 7);
            let _inside = span.enter();
            tracing::info!(duration_ms = 12, "Called `hello` in 12 ms");
            tracing::debug!("a detail");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_are_json_away_from_a_terminal() {
        let text = logged("info", Style::of(false, true));
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "Called `hello` in 12 ms");
        assert_eq!(line["duration_ms"], 12);
        assert_eq!(line["span"]["execution.id"], 7);
    }

    #[test]
    fn colour_is_only_for_terminals_that_want_it() {
        assert!(logged("info", Style::of(true, true)).contains('\u{1b}'));
        assert!(!logged("info", Style::of(true, false)).contains('\u{1b}'));
    }

    #[test]
    fn the_level_decides_what_is_logged() {
        assert!(!logged("info", Style::Text).contains("a detail"));
        let here = format!("warn,{}=debug", module_path!());
        assert!(logged(&here, Style::Text).contains("a detail"));
        assert!(logged("off", Style::Text).is_empty());
    }

    #[test]
    fn a_misspelt_level_is_refused_by_name() {
        let error = filter("info,hob=debug,wran").unwrap_err();
        assert!(error.to_string().contains("`wran`"), "{error}");
        assert!(filter("hob=loud").is_err());
        assert!(filter("").is_err());
    }
}
