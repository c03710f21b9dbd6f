//! Lines that functions printed, as `hob logs` shows them.

use super::time_of_day;
use crate::api::native::wire::LogEntry;

/// Colours of names that are easy to tell apart on light and dark; none means good or bad elsewhere.
const COLOURS: [u8; 6] = [36, 35, 34, 96, 95, 94];

/// The names before lines of several functions: in one column, each in a colour of its own.
pub(crate) struct Names {
    width: usize,
    colours: bool,
    seen: Vec<String>,
}

impl Names {
    /// For these functions, and others that come.
    pub(crate) fn new(expected: &[String], colours: bool) -> Self {
        Self {
            width: expected.iter().map(|name| name.chars().count()).max().unwrap_or(0),
            colours,
            seen: Vec::new(),
        }
    }

    /// The name as it stands before a line; a function keeps its colour.
    pub(crate) fn label(&mut self, name: &str) -> String {
        let at = self.seen.iter().position(|seen| seen == name).unwrap_or_else(|| {
            self.seen.push(name.to_owned());
            self.seen.len() - 1
        });
        self.width = self.width.max(name.chars().count());
        let width = self.width;
        if self.colours {
            let colour = COLOURS[at % COLOURS.len()];
            return format!("\x1b[{colour}m{name:<width$}\x1b[0m");
        }
        format!("{name:<width$}")
    }
}

/// Each line with its time, its function where that is not clear, and the end of its call's id.
pub(crate) fn log_lines(entry: &LogEntry, name: Option<&str>) -> String {
    let time = time_of_day(entry.at_ms.rem_euclid(86_400_000));
    let short = entry.execution.len().saturating_sub(8);
    let short = entry.execution.get(short..).unwrap_or(&entry.execution);
    let name = name.map_or_else(String::new, |name| format!("{name} "));
    let lines = entry.text.lines().map(|line| format!("{time} {name}{short} {line}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::wire::ExecutionState;

    #[test]
    fn each_log_line_names_its_call_and_where_needed_its_function() {
        let entry = LogEntry {
            function: "f".to_owned(),
            execution: "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".to_owned(),
            at_ms: 1_500,
            stream: "output".to_owned(),
            text: "a\nb".to_owned(),
            state: ExecutionState::Running,
        };
        let expect = "00:00:01.500 2e3f4a5b a\n00:00:01.500 2e3f4a5b b\n";
        assert_eq!(log_lines(&entry, None), expect);
        let named = log_lines(&entry, Some("f"));
        assert!(named.starts_with("00:00:01.500 f 2e3f4a5b a\n"), "{named}");
    }

    #[test]
    fn names_stand_in_one_column_and_keep_their_colour() {
        let mut names = Names::new(&["abc".to_owned()], false);
        assert_eq!(
            [names.label("a"), names.label("abcd"), names.label("a")],
            ["a  ", "abcd", "a   "]
        );
        let mut names = Names::new(&[], true);
        let first = names.label("a");
        assert_ne!(first, names.label("b").replace('b', "a"));
        assert_eq!(first, names.label("a"));
    }
}
