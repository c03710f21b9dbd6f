//! Names and rules of the house: ids, functions, revisions, executions, limits, errors.
//!
//! No input or output, no async, no serialisation, no clock: `now` is an argument.

mod access;
mod base;
mod callback;
mod cors;
mod error;
mod execution;
mod function;
mod gate;
mod gateway;
mod header;
mod id;
mod job;
mod limits;
mod name;
pub mod notation;
mod port;
mod retry;
mod revision;
mod schedule;
mod secret;
mod selector;
mod time;
mod version;
mod webhook;

pub use access::{Principal, Role, Token};
pub use base::{Base, Step};
pub use callback::{Callback, CallbackState, CallbackUrl, Try, Verdict, after_try};
pub use cors::Cors;
pub use error::{Error, Fault};
pub use execution::{Ending, Execution, ExecutionState, Input, MADE_BY_JOB, Outcome, Temperature, Timings};
pub use function::Function;
pub use gate::{ClaimRule, Gate, GateAnswer};
pub use gateway::{Gateway, GatewaySpec, HostName, Lock, PathPrefix, Route, Routes, Upstream, Upstreams};
pub use header::{NOT_KEPT, is_private_header, kept_headers};
pub use id::{ExecutionId, FunctionId, InstanceId, JobId, RevisionId, TokenId, WorkerId};
pub use job::{Job, JobChange, JobCommand, JobEvent, JobState, Missed, Overlap};
pub use limits::{Concurrency, Cpu, Intake, Limits, Memory, Network, Scale, Timeout};
pub use name::{AliasName, FunctionName, Namespace, TokenName};
pub use port::{FunctionPort, Port, PortRange};
pub use retry::{Next, Retries, backoff};
pub use revision::{Code, Convention, Digest, Revision, RevisionState, RuntimeRef, Start};
pub use schedule::{Cron, Every, Schedule, local_time, moment};
pub use secret::{
    LostSecrets, NamespaceSettings, SealedSecret, SecretChanges, SecretText, Secrets, Variable, Variables, layered,
};
pub use selector::Selector;
pub use time::Timestamp;
pub use version::{Alias, Canary, Pointer, Share, Version, VersionNumber};
pub use webhook::{Secret, SignatureScheme, Signing, Webhook, WebhookId};
