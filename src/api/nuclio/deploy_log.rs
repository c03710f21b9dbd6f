//! `status.logs`: what is said of a deploy, each line with a time.
//!
//! A line's time is when somebody first asked for it, and no two have the same, because the released client prints only
//! what is later than its own first look and than the line before. Times are kept in memory, as upstream does: after a restart the lines are there, with new times.

use crate::app::App;
use crate::domain::{Error, FunctionId, Revision, RevisionId, RevisionState};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How far the times of two lines are apart at least: more than a number of this size can tell. Unit: milliseconds.
const STEP: f64 = 0.01;
/// The times of so many functions are kept.
const FUNCTIONS: usize = 1000;

/// A line, and how serious it is.
type Line = (&'static str, String);

/// Times of the lines of each function's last deploy; clones are not needed: one daemon has one.
#[derive(Debug, Default)]
pub(super) struct DeployLogs(Mutex<HashMap<FunctionId, Seen>>);

#[derive(Debug)]
struct Seen {
    revision: RevisionId,
    /// One a line, each later than the one before. Unit: UTC milliseconds.
    times: Vec<f64>,
}

impl DeployLogs {
    /// What is said of a revision's deploy so far. Order: as it was said.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn of(&self, app: &App, revision: &Revision, remarks: &[String]) -> Result<Vec<Value>, Error> {
        let build = app.build_output_so_far(revision.id).await?;
        let lines = lines(revision, remarks, &build);
        let times = self.times(revision.function, revision.id, lines.len(), app.now().as_millis());
        let record = |((level, message), time): (Line, f64)| json!({"level": level, "message": message, "name": "deployer", "time": time});
        Ok(lines.into_iter().zip(times).map(record).collect())
    }

    fn times(&self, function: FunctionId, revision: RevisionId, count: usize, now: i64) -> Vec<f64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= FUNCTIONS && !all.contains_key(&function) {
            all.clear();
        }
        let fresh = || Seen {
            revision,
            times: Vec::new(),
        };
        let seen = all.entry(function).or_insert_with(fresh);
        if seen.revision != revision {
            *seen = fresh();
        }
        while seen.times.len() < count {
            let after_the_last = seen.times.last().map_or(0.0, |last| last + STEP);
            seen.times.push(after_the_last.max(now as f64));
        }
        seen.times[..count].to_vec()
    }
}

fn lines(revision: &Revision, remarks: &[String], build: &str) -> Vec<Line> {
    let mut lines = vec![("info", "Deploying function".to_owned())];
    lines.extend(remarks.iter().map(|remark| ("warn", remark.clone())));
    let output = build.lines().filter(|line| !line.trim().is_empty());
    if !build.is_empty() {
        lines.push(("info", "Building".to_owned()));
    }
    lines.extend(output.map(|line| (level(line), line.to_owned())));
    lines.extend(revision.notice.iter().map(|notice| ("warn", notice.clone())));
    match &revision.state {
        RevisionState::Pending => {}
        RevisionState::Ready => lines.push(("info", "Function deploy complete".to_owned())),
        RevisionState::Failed(why) => {
            let first = why.lines().next().unwrap_or_default();
            lines.push(("error", format!("Failed to deploy function: {first}")));
        }
    }
    lines
}

fn level(line: &str) -> &'static str {
    match line.starts_with("error") {
        true => "error",
        false => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lines_have_the_same_time_and_none_moves() {
        let (function, revision) = (FunctionId::generate(), RevisionId::generate());
        let logs = DeployLogs::default();
        let first = logs.times(function, revision, 3, 1_700_000_000_000);
        assert!(first[0] < first[1] && first[1] < first[2], "{first:?}");
        let later = logs.times(function, revision, 4, 1_700_000_001_000);
        assert_eq!(later[..3], first);
        assert!(later[3] >= 1_700_000_001_000.0);
        let of_another_deploy = logs.times(function, RevisionId::generate(), 1, 1_700_000_002_000);
        assert_eq!(of_another_deploy, [1_700_000_002_000.0]);
    }
}
