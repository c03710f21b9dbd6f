//! `status.logs`: what is said of a deploy, each line with a time.
//!
//! A line's time is when somebody first asked for it, because the released client prints only what is later than its
//! own first look. Times are kept in memory, as upstream does: after a restart the lines are there, with new times.

use crate::app::App;
use crate::domain::{Error, FunctionId, Revision, RevisionId, RevisionState};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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
    /// One a line. Unit: UTC milliseconds.
    times: Vec<i64>,
}

impl DeployLogs {
    /// What is said of a revision's deploy so far. Order: as it was said.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn of(&self, app: &App, revision: &Revision, remarks: &[String]) -> Result<Vec<Value>, Error> {
        let build = app.build_output_so_far(revision.id).await?;
        let lines = lines(revision, remarks, &build);
        let times = self.times(revision, lines.len(), app.now().as_millis());
        let record = |((level, message), time): (Line, i64)| json!({"level": level, "message": message, "name": "deployer", "time": time});
        Ok(lines.into_iter().zip(times).map(record).collect())
    }

    fn times(&self, revision: &Revision, count: usize, now: i64) -> Vec<i64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= FUNCTIONS && !all.contains_key(&revision.function) {
            all.clear();
        }
        let fresh = || Seen {
            revision: revision.id,
            times: Vec::new(),
        };
        let seen = all.entry(revision.function).or_insert_with(fresh);
        if seen.revision != revision.id {
            *seen = fresh();
        }
        if seen.times.len() < count {
            seen.times.resize(count, now);
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
