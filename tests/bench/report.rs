//! What the bench says: one table, the machine, the command. Prints and keeps; measures nothing.

use crate::stats::{Bar, Summary, paired_ratios};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->";

/// What figures are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Calls per second.
    CallsPerSecond,
    /// A million bytes.
    Megabytes,
    /// How many.
    Count,
}

/// One line of the table: the figures of its rounds, and what they must be.
#[derive(Debug)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: String,
    /// The unit of both sides.
    pub(crate) unit: Unit,
    /// Hob, one figure a round.
    pub(crate) ours: Vec<f64>,
    /// The baseline of the same rounds; without one the bar is about Hob's own figure.
    pub(crate) theirs: Option<Vec<f64>>,
    /// What the median of the ratios (or of Hob's figures) must be.
    pub(crate) bar: Bar,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
}

impl Line {
    /// Whether the bar is met.
    pub(crate) fn is_met(&self) -> bool {
        self.bar.is_met_by(self.judged().median)
    }

    /// The line, in the table's columns.
    pub(crate) fn to_markdown(&self) -> String {
        let judged = self.judged();
        let plain = |value| match self.theirs {
            Some(_) => ratio(value),
            None => self.unit.show(value),
        };
        format!(
            "| {} | **{}** [{}..{}] | {} | {} | {} | {} | {} |",
            self.what,
            plain(judged.median),
            plain(judged.min),
            plain(judged.max),
            self.bar_text(),
            if self.is_met() { "yes" } else { "**no**" },
            self.unit.show(Summary::of(&self.ours).median),
            self.theirs
                .as_ref()
                .map_or("-".to_owned(), |theirs| self.unit.show(Summary::of(theirs).median)),
            self.ours.len(),
        )
    }

    fn judged(&self) -> Summary {
        match &self.theirs {
            Some(theirs) => Summary::of(&paired_ratios(&self.ours, theirs)),
            None => Summary::of(&self.ours),
        }
    }

    fn bar_text(&self) -> String {
        match self.bar {
            Bar::AtMost(bar) => format!("<= {bar}"),
            Bar::AtLeast(bar) => format!(">= {bar}"),
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Milliseconds if value < 10.0 => format!("{value:.2} ms"),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::CallsPerSecond => format!("{value:.0}/s"),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// The whole report: the table, the notes, the machine, the command.
pub(crate) fn render(lines: &[Line], command: &str) -> String {
    let mut text = "| row | median [min..max] | must | met | Hob | baseline | rounds |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for line in lines {
        text.push_str(&line.to_markdown());
        text.push('\n');
    }
    text.push('\n');
    for line in lines {
        for note in &line.notes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "- {}: {note}", line.what);
        }
    }
    let _ = write!(
        text,
        "\nMachine: {}.\nCommand: `{command}`, {}.\n",
        machine(),
        said_by("date", &["-u", "+%Y-%m-%d"])
    );
    text
}

/// Puts `report` between the markers of the file at `path`; the rest of it stays.
///
/// # Errors
/// The file or a marker is missing, or it cannot be written.
pub(crate) fn keep(report: &str, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let (head, rest) = text.split_once(BEGIN).context("no begin marker")?;
    let (_, tail) = rest.split_once(END).context("no end marker")?;
    Ok(std::fs::write(path, format!("{head}{BEGIN}{report}{END}{tail}"))?)
}

fn ratio(value: f64) -> String {
    if value < 0.1 {
        format!("{value:.4}")
    } else {
        format!("{value:.2}")
    }
}

fn machine() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or("unknown CPU".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or("unknown memory".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = said_by("uname", &["-sr"]);
    let docker = said_by("docker", &["version", "--format", "{{.Server.Version}}"]);
    format!("{cores} cores of {cpu}, {memory}, {kernel}, Docker {docker}")
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "unknown".to_owned())
}
