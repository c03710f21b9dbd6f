//! What `hob doctor` found, as text of at most 80 columns.

use super::super::doctor::{Finding, Level, Report};
use super::super::table::{Tone, WIDTH, coloured, printable};

/// Where messages begin.
const COLUMN: usize = 22;

/// `hob doctor`.
pub(crate) fn report(report: &Report, colours: bool) -> String {
    let mut text: String = report.findings.iter().map(|finding| one(finding, colours)).collect();
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let (failures, warnings) = (count(Level::Failure), count(Level::Warning));
    text.push_str(&match (failures, warnings) {
        (0, 0) => "\neverything is as it should be\n".to_owned(),
        (failures, warnings) => format!("\n{failures} failed, {warnings} could be better\n"),
    });
    text
}

fn one(finding: &Finding, colours: bool) -> String {
    let (word, tone) = match finding.level {
        Level::Ok => ("ok", Tone::Good),
        Level::Warning => ("warning", Tone::Waiting),
        Level::Failure => ("FAILED", Tone::Bad),
    };
    let word = coloured(&format!("{word:<8}"), tone, colours);
    let head = format!("{word} {:<12} ", finding.check);
    let mut text = head + &wrapped(&finding.message);
    if let Some(mend) = &finding.mend {
        text.push_str(&format!("{:COLUMN$}{}", "", wrapped(&format!("mend: {mend}"))));
    }
    text
}

/// Lines that fit behind the column; the first is put behind what is there.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in printable(text).split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > WIDTH - COLUMN {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{:COLUMN$}", "")) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_the_terminal_and_says_how_to_mend_what_failed() {
        let finding = |level, mend: Option<&str>| Finding {
            check: "engine disk",
            level,
            message: "word ".repeat(60),
            mend: mend.map(str::to_owned),
        };
        let findings = vec![
            finding(Level::Ok, None),
            finding(Level::Warning, Some("do this")),
            finding(
                Level::Failure,
                Some("do that, and then something that is much longer than a line may be"),
            ),
        ];
        let text = report(&Report { ok: false, findings }, false);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(
            text.contains("mend: do this") && text.contains("FAILED   engine disk"),
            "{text}"
        );
        assert!(text.ends_with("\n1 failed, 1 could be better\n"), "{text}");
    }
}
