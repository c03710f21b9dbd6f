//! Names and rules of the house: ids, functions, revisions, executions, limits, errors.
//!
//! No input or output, no async, no serialisation, no clock: `now` is an argument.

mod access;
mod error;
mod execution;
mod function;
mod id;
mod limits;
mod name;
mod revision;
mod selector;
mod time;
mod version;

pub use access::{Principal, Role};
pub use error::{Error, Fault};
pub use execution::{Ending, Execution, ExecutionState, Outcome, Temperature, Timings};
pub use function::Function;
pub use id::{ExecutionId, FunctionId, InstanceId, RevisionId, WorkerId};
pub use limits::{Concurrency, Cpu, Limits, Memory, Network, Scale, Timeout};
pub use name::{AliasName, FunctionName, Namespace};
pub use revision::{Code, Convention, Digest, Revision, RevisionState, RuntimeRef};
pub use selector::Selector;
pub use time::Timestamp;
pub use version::{Alias, Canary, Pointer, Share, Version, VersionNumber};
