//! The JSON of jobs, as `wire` has it for the rest: what the daemon answers and what the command line reads.
//!
//! Types only. Moments are UTC milliseconds since 1970 (`_at_ms`).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// `GET /jobs?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// Only jobs of the function of this name.
    pub function: Option<String>,
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// How many at most. Default: 1000.
    pub limit: Option<u32>,
    /// Only jobs made after this one (a job id): the next page.
    pub after: Option<String>,
}

/// `GET /jobs/{id}/next?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NextQuery {
    /// Where to look for a name. Default: `default`.
    pub namespace: Option<String>,
    /// How many. Default: 5; at most 100.
    pub count: Option<u32>,
}

/// What a job is made of, or what changes of it: absent keeps what was.
///
/// A new job needs `function` and one of `cron`, `every_ms` and `at_ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobSettings {
    /// The function's name. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// What people call the job; need not be unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `current`: the revision that serves when it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Five fields, six with seconds first, or a word such as `@hourly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The pattern's IANA time zone. Default: `UTC`. Only with `cron`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// An interval, counted from `first_at_ms` or else from one interval after now. Unit: milliseconds, from 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// One moment. UTC milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<i64>,
    /// Not due before this. UTC milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at_ms: Option<i64>,
    /// How often it fires; absent in a new job: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// `skip` or `once`: what to do about times that passed while the daemon was away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// `allow` or `skip`: what to do when it is due and its last execution has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// What it calls with; a change replaces all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<JobInput>,
}

/// What a job calls its function with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobInput {
    /// HTTP method.
    pub method: String,
    /// The path, with query, that the function sees.
    pub path: String,
    /// Headers by name.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

impl Default for JobInput {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It fires when it is due.
    Active,
    /// It waits to be resumed.
    Paused,
    /// It has fired as often as it should.
    Done,
    /// Ended on request.
    Cancelled,
    /// It cannot fire; `reason` says why.
    Failed,
}

impl JobState {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// What to do about times that passed while the daemon was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nothing. The default, except for one moment.
    Skip,
    /// Fire once, however many there were.
    Once,
}

/// What to do when it is due and its last execution has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Fire all the same. The default.
    Allow,
    /// Leave this time out.
    Skip,
}

/// A function on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its identity; later jobs sort later.
    pub id: String,
    /// Whose it is.
    pub namespace: String,
    /// What people call it; may be empty.
    pub name: String,
    /// The function's name (its id when it is gone).
    pub function: String,
    /// Which revision of it.
    pub selector: String,
    /// The pattern, if it goes by one.
    pub cron: Option<String>,
    /// The pattern's time zone.
    pub tz: Option<String>,
    /// The interval, if it goes by one. Unit: milliseconds.
    pub every_ms: Option<u64>,
    /// The moment, if it has just one. UTC milliseconds.
    pub at_ms: Option<i64>,
    /// Not due before this. UTC milliseconds.
    pub first_at_ms: Option<i64>,
    /// How often it still fires; absent: without end.
    pub count: Option<u32>,
    /// Where it stands.
    pub state: JobState,
    /// Why it failed or ended early.
    pub reason: Option<String>,
    /// About times that passed while the daemon was away.
    pub missed: Missed,
    /// About executions that take long.
    pub overlap: Overlap,
    /// When it is due next. UTC milliseconds.
    pub next_at_ms: Option<i64>,
    /// When it last fired. UTC milliseconds.
    pub last_at_ms: Option<i64>,
    /// The execution it last made.
    pub last_execution: Option<String>,
    /// How many of its executions in a row had failed when it was last due.
    pub failures: u32,
    /// UTC milliseconds.
    pub created_at_ms: i64,
    /// UTC milliseconds.
    pub updated_at_ms: i64,
}

/// One job with what it calls with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// Its input; a body that is no text has its odd bytes replaced.
    pub input: JobInput,
}

/// `GET /jobs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// Oldest first.
    pub jobs: Vec<JobView>,
}

/// `POST /jobs/{id}/fire`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fired {
    /// The execution that was accepted.
    pub execution: String,
}

/// `GET /jobs/{id}/next`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextTimes {
    /// Earliest first, if nobody changes the job. UTC milliseconds.
    pub times_ms: Vec<i64>,
}
