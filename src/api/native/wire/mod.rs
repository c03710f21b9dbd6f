//! The JSON of the native API, `/hob/v1`: what the daemon answers and what the command line reads.
//!
//! Types and names only: no rules, no handlers, no conversion from or to the domain (that is `map.rs`).
//! Moments are UTC milliseconds since 1970 (`_at_ms`), durations microseconds (`_us`) or as their name says.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{IntoParams, ToSchema};

mod published;
pub use published::*;

/// Where the native API begins.
pub const BASE: &str = "/hob/v1";

/// Headers of a call's answer, here and on the ingress.
pub mod header {
    /// The execution's id.
    pub const CALL_ID: &str = "x-call-id";
    /// All of the call's time. Unit: seconds, with a decimal point.
    pub const DURATION: &str = "x-duration-seconds";
    /// `true` when a container was started for the call, else `false`.
    pub const COLD_START: &str = "x-cold-start";
    /// The number of the revision that answered.
    pub const FUNCTION_VERSION: &str = "x-function-version";
    /// `queue;dur=1.2, load;dur=0.0, run;dur=3.4, total;dur=4.6`. Unit: milliseconds.
    pub const SERVER_TIMING: &str = "server-timing";
    /// `function` or `platform`; only on answers whose body is an [`ErrorBody`](super::ErrorBody).
    pub const ERROR_SOURCE: &str = "x-error-source";
}

/// Values of [`ErrorBody::code`]: what a program may compare with.
pub mod code {
    /// The request cannot be understood or is out of range.
    pub const INVALID: &str = "invalid";
    /// There is no such thing.
    pub const NOT_FOUND: &str = "not_found";
    /// It contradicts what is there.
    pub const CONFLICT: &str = "conflict";
    /// The caller has not shown that it may do this.
    pub const DENIED: &str = "denied";
    /// A size limit was passed.
    pub const TOO_LARGE: &str = "too_large";
    /// It exists but cannot serve yet.
    pub const NOT_READY: &str = "not_ready";
    /// Too many calls wait already.
    pub const BUSY: &str = "busy";
    /// No worker could be had in time.
    pub const NO_CAPACITY: &str = "no_capacity";
    /// The worker broke while it served the call.
    pub const WORKER_DIED: &str = "worker_died";
    /// The container engine cannot be used.
    pub const ENGINE: &str = "engine";
    /// The disk is full.
    pub const DISK_FULL: &str = "disk_full";
    /// Something that should not happen.
    pub const INTERNAL: &str = "internal";
    /// The function could not be built.
    pub const BUILD_FAILED: &str = "build_failed";
    /// The function's code could not be loaded.
    pub const LOAD: &str = "load";
    /// The call took longer than the function's timeout.
    pub const TIMEOUT: &str = "timeout";
    /// The function raised.
    pub const RAISED: &str = "raised";
    /// The function used more memory than it may.
    pub const OUT_OF_MEMORY: &str = "out_of_memory";
    /// The function's process ended itself.
    pub const EXIT: &str = "exit";
    /// The function's process was ended by a signal.
    pub const SIGNAL: &str = "signal";
    /// The function's result is not JSON where its convention wants JSON.
    pub const NOT_JSON: &str = "not_json";
    /// The input is not what the convention wants.
    pub const BAD_INPUT: &str = "bad_input";
}

/// Every error, on every path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// One word, stable; see [`code`].
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// What to do next, where the message does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The execution, when the error came from a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// `?namespace=`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NamespaceQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
}

/// `PUT /functions/{name}?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeployQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// How long the answer may wait for ready or failed. Unit: seconds; default 30.
    pub wait: Option<u32>,
}

/// `POST /functions/{name}/invoke?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvokeQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// The path, with query, that the function sees. Default: `/`.
    pub path: Option<String>,
    /// The HTTP method that the function sees. Default: `POST`.
    pub method: Option<String>,
    /// Accept the call, answer 202 with its [`ExecutionView`], run it later. Default: false.
    pub r#async: Option<bool>,
    /// `current` (the default), `version:NUMBER` or `alias:NAME`.
    pub selector: Option<String>,
    /// Keep what the function is called with and what it answers, as of asynchronous calls. Default: false.
    pub keep: Option<bool>,
    /// Written into the call's record.
    pub description: Option<String>,
    /// With `async`: make it again when it fails, so often. Default: 0; at most 20.
    pub retries: Option<u32>,
    /// With `retries`: wait so long before the first, and twice as long before each next. Unit: milliseconds;
    /// default 1000.
    pub backoff_ms: Option<u64>,
}

/// Which namespace, and which revision of the function.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SelectorQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// `current` (the default), `version:NUMBER` or `alias:NAME`.
    pub selector: Option<String>,
}

/// `GET /executions?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExecutionsQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// Only calls of the function of this name.
    pub function: Option<String>,
    /// Only calls in this state.
    pub state: Option<ExecutionState>,
    /// How many at most. Default: 50.
    pub limit: Option<u32>,
    /// Only calls accepted before this one (an execution id): the next page, newest first.
    pub before: Option<String>,
    /// Only calls accepted after this one (an execution id): the next page, oldest first.
    pub after: Option<String>,
    /// Default: `newest` first.
    pub order: Option<Order>,
    /// So many are passed over. Default: 0.
    pub offset: Option<u32>,
    /// Only asynchronous calls, or only the others.
    pub asynchronous: Option<bool>,
    /// Only calls that failed after their last try, or only the others.
    pub dead: Option<bool>,
    /// Only calls accepted at this time or later. UTC milliseconds.
    pub created_from_ms: Option<i64>,
    /// Only calls accepted before this time. UTC milliseconds.
    pub created_before_ms: Option<i64>,
    /// Also say how many there are in all. Default: false.
    pub count: Option<bool>,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

/// `GET /functions/{name}/logs?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// Only calls accepted after this one (an execution id).
    pub after: Option<String>,
    /// The last so many calls. Default: 20.
    pub limit: Option<u32>,
    /// Stay and send what comes, of running calls too. Default: false.
    pub follow: Option<bool>,
}

/// `GET /logs?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AllLogsQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// Only calls of the functions of these names, separated by commas. Default: of all, those deployed later included.
    pub function: Option<String>,
    /// Only this call (an execution id); with `follow` the answer ends when it has ended.
    pub execution: Option<String>,
    /// Only calls accepted at this time or later. UTC milliseconds.
    pub since_ms: Option<i64>,
    /// The last so many calls. Default: 20.
    pub limit: Option<u32>,
    /// Stay and send what comes, of running calls too. Default: false.
    pub follow: Option<bool>,
}

/// `GET /functions/{name}/build?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BuildQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// Stay and send what comes, until the latest revision is ready or has failed. Default: false.
    pub follow: Option<bool>,
}

/// `POST /functions/{name}/export?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// A name the image gets, which is the user's from then on: `name` or `name:tag`.
    pub tag: Option<String>,
    /// Answer the image itself, as an archive that an engine can load, and not its name. Default: false.
    pub save: Option<bool>,
}

/// An image that runs without Hob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportView {
    /// Its name here; cleaning up may remove it.
    pub image: String,
    /// The name that was asked for.
    pub tag: Option<String>,
}

/// `GET /disk`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskView {
    /// By kind.
    pub kinds: Vec<DiskKindView>,
}

/// What things of one kind take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskKindView {
    /// Images: `runtime`, `base` (a runtime on a user's image), `dependencies`, `commands` (what has the code in it),
    /// `function`, `unfinished`.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// What they add to what they are made from. Unit: bytes.
    pub bytes: u64,
    /// The part of it that nothing refers to. Unit: bytes.
    pub unused_bytes: u64,
}

/// `POST /gc`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CleanedView {
    /// Images that were removed.
    pub images: u64,
    /// What they had added to what they were made from. Unit: bytes.
    pub bytes: u64,
}

/// `POST /stop?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StopQuery {
    /// Also remove the images and networks of this instance. Default: false.
    pub purge: Option<bool>,
}

/// Secret environment variables on their way in. Printing it shows their names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretSettings(pub BTreeMap<String, Option<String>>);

impl std::fmt::Debug for SecretSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `POST /functions/{name}/secrets/compare`: the values that its caller has. Printing it shows their names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretValues {
    /// By the names of their variables.
    pub values: BTreeMap<String, String>,
}

impl std::fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Which of them are those that the function has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SameSecrets {
    /// The names of their variables.
    pub same: BTreeSet<String>,
}

/// The part `settings` of a deploy. What is absent keeps its previous value, or gets the default in a new function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeploySettings {
    /// `family`, or with a version `family:1.2`, `family@1.2`, `family1.2`, `family12`. A new function needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// An image that brings everything, in place of the part `code`: a server on `$PORT`, or with the convention
    /// `command` a program that runs once for each call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where the user's code begins, as the runtime writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// `kwargs`, `event-context`, `context-event`, `http` or `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convention: Option<String>,
    /// An image of yours, with the language in it, that the function runs on in place of its runtime's own base; empty:
    /// that one again. Where it is not here it is pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// What is done to that image first, as root, before the code is there: `RUN`, `ENV` and `WORKDIR` of a Dockerfile. All
    /// of it stays in the image, and an edit of the code repeats none of it. Replaces all previous ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_steps: Option<Vec<String>>,
    /// Commands that a shell runs in the code before it is loaded; replaces all previous ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_commands: Option<Vec<String>>,
    /// Of an image: what is started in place of its own entry point, which also leaves its own arguments out; `[]` takes
    /// it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Of an image: arguments in place of its own; `[]` takes them back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Environment variables; replaces all previous ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Environment variables that no answer shows: a text sets one, `null` removes it, the others stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub secrets: Option<SecretSettings>,
    /// Memory of one worker. Unit: MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// How long one call may take. Unit: milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Calls at once in one worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u16>,
    /// Workers kept even when idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_workers: Option<u16>,
    /// Workers at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_workers: Option<u16>,
    /// What it may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Processor time of one worker while it serves. Unit: thousandths of a core, 10 to 64,000; 0 takes the limit away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Origins whose pages may call it from a browser, such as `http://localhost:3000`; `*` is any. The daemon answers what
    /// browsers ask first. Replaces all previous ones; none: pages of other origins are kept out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Vec<String>>,
    /// Load one worker ahead at deploy; yes unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload: Option<bool>,
    /// Where nothing but code and environment changes, load it beside the code it replaces, in slots of its own in the
    /// same container: for development. Such a revision is removed once a later one of its kind serves. No unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<bool>,
    /// Where the code is, in place of the part `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CodeSource>,
}

/// Where code is: exactly one of `url`, `swift`, `directory` and `inline`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSource {
    /// An `http` or `https` address of an archive or one source file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// With `url`: what the sha256 of the file must be, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// An object of the store of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swift: Option<SwiftObject>,
    /// A directory, an archive or one source file of the daemon's machine, where `sources.directories` allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// One source file, written out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineCode>,
}

/// An object of the store of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwiftObject {
    /// Where it is.
    pub container: String,
    /// What it is called there.
    pub object: String,
}

/// One source file, written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineCode {
    /// With the ending of its language.
    pub file_name: String,
    /// What is in it.
    pub text: String,
}

/// The multipart form of a deploy, for the OpenAPI document.
#[derive(Debug, ToSchema)]
pub struct DeployForm {
    /// Comes first.
    pub settings: DeploySettings,
    /// An archive or one source file: the part's file name tells which. Absent: the image of the settings, or the same
    /// code as before.
    #[schema(value_type = Option<String>, format = Binary)]
    pub code: Option<Vec<u8>>,
}

/// What a function may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The outside, but no other worker.
    Outbound,
    /// Nothing.
    None,
}

/// Where a function or a revision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeployState {
    /// Accepted, being built or loaded.
    Pending,
    /// Able to serve.
    Ready,
    /// Could not be built or loaded.
    Failed,
}

impl DeployState {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionView {
    /// Its identity, never reused.
    pub id: String,
    /// Whose it is.
    pub namespace: String,
    /// Its name, unique in the namespace.
    pub name: String,
    /// The state of the latest revision.
    pub state: DeployState,
    /// The revision that serves calls; absent until the first is ready.
    pub current: Option<RevisionView>,
    /// The revision deployed last.
    pub latest: RevisionView,
    /// Where the ingress answers for it.
    pub url: String,
    /// UTC milliseconds.
    pub created_at_ms: i64,
    /// UTC milliseconds.
    pub updated_at_ms: i64,
}

/// `GET /functions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunctionList {
    /// By name.
    pub functions: Vec<FunctionView>,
}

/// Frozen code and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionView {
    /// Its identity.
    pub id: String,
    /// Counts from 1 in each function.
    pub number: u32,
    /// Where it stands.
    pub state: DeployState,
    /// Why it failed and what to do; only when it did.
    pub error: Option<String>,
    /// `family:version`.
    pub runtime: String,
    /// Where the user's code begins.
    pub entry: String,
    /// How it is called.
    pub convention: String,
    /// The code package, in lower-case hexadecimal; `null` when the function is an image.
    pub code_sha256: Option<String>,
    /// Environment variables, with their values.
    pub env: BTreeMap<String, String>,
    /// The names of its secret environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// What it may use.
    pub limits: LimitsView,
    /// Its image in the engine: the user's own, or the one made of its code, once made.
    pub image: Option<String>,
    /// The image its workers run, when its dependencies or its program had to be built; else they run the runtime's.
    #[serde(default)]
    pub worker_image: Option<String>,
    /// The user's image that it runs on in place of its runtime's own base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// What is done to that image first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_steps: Vec<String>,
    /// The user's own build commands.
    #[serde(default)]
    pub build_commands: Vec<String>,
    /// Origins whose pages may call it from a browser; only where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<String>,
    /// What is started in place of the image's own entry point; only when that was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments in place of the image's own; only when they were said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What to know of this deploy: that another version is used than was asked for.
    #[serde(default)]
    pub notice: Option<String>,
    /// The pull that it waits for; only while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullView>,
    /// UTC milliseconds.
    pub created_at_ms: i64,
}

/// How far the pull of an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PullView {
    /// Its name.
    pub image: String,
    /// Bytes that have come, as they are sent.
    pub done_bytes: u64,
    /// Bytes of the layers whose size is known so far: it may grow.
    pub total_bytes: u64,
}

/// `GET /functions/{name}/revisions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionList {
    /// Newest first.
    pub revisions: Vec<RevisionView>,
}

/// What a revision may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsView {
    /// Unit: MiB.
    pub memory_mib: u32,
    /// Unit: milliseconds.
    pub timeout_ms: u32,
    /// Calls at once in one worker.
    pub concurrency: u16,
    /// Workers kept even when idle.
    pub min_workers: u16,
    /// Workers at most.
    pub max_workers: u16,
    /// What it may reach.
    pub network: Network,
    /// Processor time of one worker; `null` is no limit. Unit: thousandths of a core.
    #[serde(default)]
    pub cpu_millis: Option<u32>,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Accepted, not started.
    Queued,
    /// Started.
    Running,
    /// The function answered.
    Succeeded,
    /// The function failed.
    Failed,
    /// The platform failed.
    Error,
    /// Ended on request.
    Cancelled,
}

impl ExecutionState {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// A worker of the revision was idle.
    Warm,
    /// A pre-warmed worker was loaded for it.
    Prewarmed,
    /// A container was started for it.
    Cold,
}

impl Temperature {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Prewarmed => "prewarmed",
            Self::Cold => "cold",
        }
    }
}

/// One call and its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionView {
    /// Its identity; later calls sort later.
    pub id: String,
    /// The function's name (its id when it is gone).
    pub function: String,
    /// Whose it is.
    pub namespace: String,
    /// The revision's number; absent while queued.
    pub version: Option<u32>,
    /// What the caller asked for: `current`, `version:NUMBER` or `alias:NAME`.
    #[serde(default)]
    pub selector: String,
    /// What the caller wrote about it; may be empty.
    #[serde(default)]
    pub description: String,
    /// Where it stands.
    pub state: ExecutionState,
    /// Accepted asynchronously.
    pub asynchronous: bool,
    /// When it was accepted. UTC milliseconds.
    pub created_at_ms: i64,
    /// When it started. UTC milliseconds.
    pub started_at_ms: Option<i64>,
    /// When it ended. UTC milliseconds.
    pub ended_at_ms: Option<i64>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// One word for a failure; see [`code`].
    pub failure: Option<String>,
    /// A sentence for a failure or an error.
    pub message: Option<String>,
    /// What it met.
    pub temperature: Option<Temperature>,
    /// Waiting for a worker, starting and loading one included. Unit: microseconds.
    pub queue_us: u64,
    /// The part of `queue_us` that loaded code. Unit: microseconds.
    pub load_us: u64,
    /// In the user's code. Unit: microseconds.
    pub run_us: u64,
    /// All of it. Unit: microseconds.
    pub total_us: u64,
    /// Where its end is told, if anywhere; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackView>,
}

/// Where the end of an asynchronous call is told, as its `X-Callback-Url` asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallbackView {
    /// Where to, without what may be a secret: user, password and query.
    pub url: String,
    /// Where it stands.
    pub state: CallbackState,
    /// Tries so far.
    pub tries: u32,
    /// When the next try is. UTC milliseconds.
    pub due_at_ms: Option<i64>,
    /// What the last try came to.
    pub message: Option<String>,
}

/// Where a callback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallbackState {
    /// The call has not ended.
    Waiting,
    /// The call has ended; the receiver has not taken it yet.
    Due,
    /// The receiver has taken it.
    Delivered,
    /// The receiver will not be told again.
    Failed,
}

impl CallbackState {
    /// The name, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Due => "due",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// What an execution was called with. The body is in one of the two forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptRequest {
    /// HTTP method.
    pub method: String,
    /// Path below the function.
    pub path: String,
    /// Query without `?`; may be empty.
    pub query: String,
    /// Order: as they came. Of headers that open doors only the names are kept.
    pub headers: Vec<HeaderView>,
    /// The body where it is text.
    pub body: Option<String>,
    /// The body where it is none, in base64.
    pub body_base64: Option<String>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeaderView {
    /// In lower case.
    pub name: String,
    /// As it came.
    pub value: String,
}

/// `POST /executions/{id}/replay?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReplayQuery {
    /// `current` (the default), `version:NUMBER` or `alias:NAME`.
    pub selector: Option<String>,
}

/// `GET /executions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionList {
    /// In the order asked for.
    pub executions: Vec<ExecutionView>,
    /// How many there are in all, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// One line of `GET /logs` and `GET /functions/{name}/logs`, which answer newline-delimited JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// The function's name.
    #[serde(default)]
    pub function: String,
    /// The call that printed it.
    pub execution: String,
    /// UTC milliseconds.
    pub at_ms: i64,
    /// `stdout`, `stderr`, or `output` where the two are kept mixed.
    pub stream: String,
    /// What was printed: one line or several, not always ended by a line break.
    pub text: String,
    /// The call's state when this was sent; terminal in the last entry of a call.
    pub state: ExecutionState,
}

/// `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// The id of its data directory.
    pub instance: String,
    /// Where its state is.
    pub data_dir: String,
    /// Its process.
    pub pid: u32,
    /// Since start. Unit: seconds.
    pub uptime_seconds: u64,
    /// Where it answers, as `http://HOST:PORT`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Where it answers with TLS, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsView>,
    /// The container engine.
    pub engine: EngineView,
    /// Its containers.
    pub workers: Vec<WorkerView>,
    /// How many functions there are, in all namespaces.
    pub functions: u64,
    /// How many execution records there are, by state.
    pub executions: ExecutionCounts,
    /// Memory of the daemon itself. Unit: bytes.
    pub memory_rss_bytes: u64,
}

/// Where the daemon answers with TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TlsView {
    /// As `https://HOST:PORT`.
    pub url: String,
    /// The file that clients have to trust, in PEM; its path on the daemon's machine.
    pub ca_file: String,
}

/// Whether the engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    /// It answers.
    Up,
    /// It does not; workers cannot be started.
    Down,
}

/// The container engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineView {
    /// Whether it answers.
    pub state: EngineState,
    /// Its name and version, or what is wrong and what to do.
    pub detail: Option<String>,
}

/// `GET /functions/{name}/workers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerList {
    /// Oldest first.
    pub workers: Vec<WorkerView>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Its identity.
    pub id: String,
    /// `family:version`.
    pub runtime: String,
    /// The function it serves; absent while pre-warmed.
    pub function: Option<String>,
    /// The number of the revision it serves; absent while pre-warmed.
    pub revision: Option<u32>,
    /// One word: `starting`, `prewarmed`, `loading`, `ready`.
    pub state: String,
    /// Calls it can serve at once.
    pub slots: u16,
    /// Calls it serves now.
    pub busy: u16,
}

/// Execution records by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ExecutionCounts {
    /// Accepted, not started.
    pub queued: u64,
    /// Started.
    pub running: u64,
    /// The function answered.
    pub succeeded: u64,
    /// The function failed.
    pub failed: u64,
    /// The platform failed.
    pub error: u64,
    /// Ended on request.
    pub cancelled: u64,
}

/// `GET /runtimes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeList {
    /// By family.
    pub runtimes: Vec<RuntimeView>,
}

/// A language environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeView {
    /// Its name in `runtime` settings.
    pub family: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// The default first.
    pub versions: Vec<RuntimeVersionView>,
    /// The conventions its shim has; the default first.
    pub conventions: Vec<String>,
    /// Where code begins when nothing is said.
    pub default_entry: Option<String>,
    /// How a client recognises its sources.
    pub detect: DetectView,
}

/// One version of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeVersionView {
    /// As in `family:version`.
    pub version: String,
    /// Its image in the engine.
    pub image: String,
    /// One word: `present`, `missing`, `building`, `failed`, `unknown` (engine down).
    pub state: String,
}

/// How a client recognises a runtime's sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DetectView {
    /// Names of files in the top folder.
    pub files: Vec<String>,
    /// Endings of files in the top folder, without the dot.
    pub extensions: Vec<String>,
}
