//! Executions as they are shown: from a call that was just made, or from what was recorded of one.

use super::execution_result::Outcome;
use super::fault::Fault;
use super::function_view::given;
use super::note::Found;
use super::{input, time, wire};
use crate::app::App;
use crate::domain::{Execution, ExecutionId, ExecutionState, FunctionId, RevisionId, Selector, Timestamp};
use crate::store::Kept;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The parameter of a kept request that says by which alias its function was named.
const ALIAS: &str = "function_alias";

/// A call, as far as it is the same whoever tells of it.
pub(super) struct View<'v> {
    pub(super) id: ExecutionId,
    pub(super) found: &'v Found,
    pub(super) version: u32,
    pub(super) alias: Option<String>,
    pub(super) description: &'v str,
    pub(super) sync: bool,
    /// The body that the worker got.
    pub(super) input: &'v [u8],
    pub(super) outcome: &'v Outcome,
}

impl View<'_> {
    pub(super) fn at(self, created_at: Timestamp, updated_at: Option<Timestamp>) -> wire::Execution {
        let function = &self.found.function;
        wire::Execution {
            id: self.id.to_string(),
            function_id: function.id.to_string(),
            function_version: self.version,
            function_alias: self.alias,
            description: given(self.description),
            status: self.outcome.status(),
            sync: self.sync,
            input: input::shown(self.input),
            result: self.outcome.result(self.found.note.source()),
            project_id: function.namespace.to_string(),
            created_at: time::show(created_at),
            updated_at: updated_at.map(time::show),
        }
    }
}

/// The query of a request whose function was named by an alias.
pub(super) fn query_of(alias: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(ALIAS, alias).finish()
}

fn alias_of(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == ALIAS)
        .map(|(_, alias)| alias.into_owned())
}

/// What was recorded, in the same order; calls of functions that are not among these are left out.
pub(super) async fn recorded(
    app: &App,
    functions: &HashMap<FunctionId, Found>,
    executions: Vec<Execution>,
) -> Result<Vec<wire::Execution>, Fault> {
    let mut kept = app.kept(executions.iter().map(|e| e.id).collect()).await?;
    let mut numbers = Numbers::default();
    let mut views = Vec::with_capacity(executions.len());
    for execution in executions {
        let Some(found) = functions.get(&execution.function) else {
            continue;
        };
        let version = numbers.of(app, &execution).await?;
        let kept = kept.remove(&execution.id).unwrap_or_default();
        views.push(one(found, version, &execution, kept));
    }
    Ok(views)
}

fn one(found: &Found, version: u32, execution: &Execution, kept: Kept) -> wire::Execution {
    let query = kept.input.as_ref().map_or("", |input| &input.query);
    let view = View {
        id: execution.id,
        found,
        version,
        alias: alias_of(query),
        description: &execution.description,
        sync: !execution.asynchronous,
        input: kept.input.as_ref().map_or(&[], |input| &input.body),
        outcome: &Outcome::of(execution, kept.result),
    };
    view.at(execution.created_at, execution.ended_at.or(execution.started_at))
}

/// Versions of functions, read once each.
#[derive(Default)]
struct Numbers(HashMap<FunctionId, HashMap<RevisionId, u32>>);

impl Numbers {
    /// The number of the version that was called; 0 is the live function. Where a job followed an alias, the
    /// revision tells.
    async fn of(&mut self, app: &App, execution: &Execution) -> Result<u32, Fault> {
        match (&execution.selector, execution.revision) {
            (Selector::Version(number), _) => Ok(number.get()),
            (Selector::Current, _) | (Selector::Alias(_), None) => Ok(0),
            (Selector::Alias(_), Some(revision)) => {
                let numbers = match self.0.entry(execution.function) {
                    Entry::Occupied(read) => read.into_mut(),
                    Entry::Vacant(unread) => {
                        let versions = app.list_versions(execution.function).await?;
                        let numbers = versions.iter().map(|v| (v.revision.id, v.version.number.get()));
                        unread.insert(numbers.collect())
                    }
                };
                Ok(numbers.get(&revision).copied().unwrap_or(0))
            }
        }
    }
}

/// What a state is called here.
pub(super) fn status(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Queued | ExecutionState::Running => "running",
        ExecutionState::Succeeded => "success",
        ExecutionState::Failed => "failed",
        ExecutionState::Error | ExecutionState::Cancelled => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_read_as_it_was_kept() {
        for alias in ["live", "a&b=c d", "ü"] {
            assert_eq!(alias_of(&query_of(alias)).as_deref(), Some(alias));
        }
        assert_eq!(alias_of(""), None);
    }
}
