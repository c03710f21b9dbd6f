//! What came of it, as a table for people: a line for each case, a column for each runtime and convention.

use super::cases::Case;
use super::language::Language;
use super::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result as Written};
use std::time::Instant;

/// One case of one runtime in one convention.
#[derive(Debug)]
pub(crate) struct Cell {
    language: String,
    convention: &'static str,
    case: Option<Case>,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// It passed. Unit: milliseconds.
    Passed(u128),
    /// The convention has no such thing, in any language.
    NotThere(&'static str),
    /// This runtime cannot have it, for that reason.
    Hole(String),
    Failed(String),
}

/// All cells.
#[derive(Debug)]
pub(crate) struct Table(Vec<Cell>);

impl Cell {
    /// Runs the case, if there is one.
    pub(crate) async fn of(stage: &Stage<'_>, case: Case, convention: &'static str) -> Self {
        let language = stage.language;
        let outcome = match (case.why_not(convention), language.hole(case, convention)) {
            _ if language.entry(convention).is_none() => Outcome::Hole(format!("its shim does not speak {convention}")),
            (Some(reason), _) => Outcome::NotThere(reason),
            (None, Some(reason)) => Outcome::Hole(reason.to_owned()),
            (None, None) => attempt(stage, case, convention).await,
        };
        Self {
            language: language.name.clone(),
            convention,
            case: Some(case),
            outcome,
        }
    }

    /// A runtime none of whose cases could be tried.
    pub(crate) fn unusable(language: &Language, error: &anyhow::Error) -> Self {
        Self {
            language: language.name.clone(),
            convention: language.once(),
            case: None,
            outcome: Outcome::Failed(format!("{error:#}")),
        }
    }
}

async fn attempt(stage: &Stage<'_>, case: Case, convention: &'static str) -> Outcome {
    let begun = Instant::now();
    match case.run(&stage.subject(convention)).await {
        Ok(()) => Outcome::Passed(begun.elapsed().as_millis()),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

impl Table {
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self(cells)
    }

    /// Nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        !self.0.is_empty() && !self.0.iter().any(|cell| matches!(cell.outcome, Outcome::Failed(_)))
    }

    /// Each with its conventions, in the order in which they were tried.
    fn languages(&self) -> BTreeMap<&str, Vec<&'static str>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for cell in &self.0 {
            let conventions = all.entry(cell.language.as_str()).or_default();
            if !conventions.contains(&cell.convention) {
                conventions.push(cell.convention);
            }
        }
        all
    }

    fn cell(&self, language: &str, convention: &str, case: Case) -> Option<&Cell> {
        let is = |c: &&Cell| c.language == language && c.convention == convention && c.case == Some(case);
        self.0.iter().find(is)
    }

    /// Reasons, each once, behind what they are reasons for.
    fn notes(&self, of: impl Fn(&Cell) -> Option<(String, &str)>) -> BTreeSet<String> {
        let notes = self.0.iter().filter_map(of);
        notes.map(|(what, reason)| format!("  {what}: {reason}")).collect()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let languages = self.languages();
        write!(f, "{:12}", "")?;
        for (language, conventions) in &languages {
            write!(f, "| {language:0$}", conventions.len() * 10 - 1)?;
        }
        write!(f, "\n{:12}", "ms")?;
        for conventions in languages.values() {
            write!(f, "|")?;
            conventions
                .iter()
                .try_for_each(|name| write!(f, "{:>10}", short(name)))?;
        }
        for case in Case::ALL {
            write!(f, "\n{:12}", case.name())?;
            for (language, conventions) in &languages {
                write!(f, "|")?;
                for convention in conventions {
                    write!(
                        f,
                        "{:>10}",
                        self.cell(language, convention, case).map_or("-".into(), Cell::text)
                    )?;
                }
            }
        }
        writeln!(f)?;
        self.write_notes(f)
    }
}

impl Table {
    fn write_notes(&self, f: &mut Formatter<'_>) -> Written {
        let case = |cell: &Cell| cell.case.map_or("its functions", Case::name);
        let not_there = self.notes(|cell| match cell.outcome {
            Outcome::NotThere(reason) => Some((format!("{} {}", cell.convention, case(cell)), reason)),
            _ => None,
        });
        let holes = self.notes(|cell| match &cell.outcome {
            Outcome::Hole(reason) => Some((format!("{} {}", cell.language, case(cell)), reason.as_str())),
            _ => None,
        });
        let failed = self.notes(|cell| match &cell.outcome {
            Outcome::Failed(why) => Some((
                format!("{} {} {}", cell.language, cell.convention, case(cell)),
                why.as_str(),
            )),
            _ => None,
        });
        for (title, notes) in [
            (". not of this convention", not_there),
            ("hole, and why", holes),
            ("FAILED", failed),
        ] {
            if !notes.is_empty() {
                writeln!(f, "{title}")?;
                notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
            }
        }
        Ok(())
    }
}

impl Cell {
    fn text(&self) -> String {
        match &self.outcome {
            Outcome::Passed(ms) => ms.to_string(),
            Outcome::NotThere(_) => ".".to_owned(),
            Outcome::Hole(_) => "hole".to_owned(),
            Outcome::Failed(_) => "FAILED".to_owned(),
        }
    }
}

/// The name in ten columns.
fn short(convention: &str) -> &str {
    match convention {
        "event-context" => "event-ctx",
        "context-event" => "ctx-event",
        other => other,
    }
}
