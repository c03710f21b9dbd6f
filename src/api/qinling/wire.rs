//! The resources as they are sent: every field is always there, `null` when unset.
//!
//! Fills nothing in: each resource's own file does.

use serde::Serialize;
use serde_json::{Map, Value};

/// A language environment.
#[derive(Debug, Serialize)]
pub(super) struct Runtime {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) image: String,
    pub(super) description: Option<String>,
    pub(super) is_public: bool,
    pub(super) trusted: bool,
    pub(super) status: &'static str,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

/// The workers of a runtime, counted.
#[derive(Debug, Serialize)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) capacity: Capacity,
}

#[derive(Debug, Serialize)]
pub(super) struct Capacity {
    pub(super) total: usize,
    /// Those that serve no function yet.
    pub(super) available: usize,
}

/// A function. Its code is an object where one is shown, and a text in lists.
#[derive(Debug, Serialize)]
pub(super) struct Function<C = Map<String, Value>> {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) cpu: u32,
    pub(super) memory_size: u64,
    pub(super) timeout: u32,
    pub(super) runtime_id: Option<String>,
    pub(super) code: C,
    pub(super) entry: Option<String>,
    pub(super) count: u64,
    pub(super) latest_version: u32,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

impl<C> Function<C> {
    /// The same with its code in another form.
    pub(super) fn with_code<D>(self, form: impl FnOnce(C) -> D) -> Function<D> {
        Function {
            id: self.id,
            name: self.name,
            description: self.description,
            cpu: self.cpu,
            memory_size: self.memory_size,
            timeout: self.timeout,
            runtime_id: self.runtime_id,
            code: form(self.code),
            entry: self.entry,
            count: self.count,
            latest_version: self.latest_version,
            project_id: self.project_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// A worker of a function.
#[derive(Debug, Serialize)]
pub(super) struct Worker {
    pub(super) function_id: String,
    pub(super) function_version: u32,
    pub(super) worker_name: String,
}

/// A numbered copy of a function.
#[derive(Debug, Serialize)]
pub(super) struct FunctionVersion {
    pub(super) id: String,
    pub(super) description: Option<String>,
    pub(super) function_id: String,
    pub(super) version_number: u32,
    pub(super) count: u64,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

/// A name for a version.
#[derive(Debug, Serialize)]
pub(super) struct FunctionAlias {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) function_id: String,
    pub(super) function_version: u32,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

/// One call of a function.
#[derive(Debug, Serialize)]
pub(super) struct Execution {
    pub(super) id: String,
    pub(super) function_id: String,
    pub(super) function_version: u32,
    pub(super) function_alias: Option<String>,
    pub(super) description: Option<String>,
    pub(super) status: &'static str,
    pub(super) sync: bool,
    pub(super) input: Option<String>,
    /// A text that holds JSON.
    pub(super) result: Option<String>,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

/// An address by which anybody calls a function. One that leads by an alias has neither function nor version.
#[derive(Debug, Serialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) function_id: Option<String>,
    pub(super) function_alias: Option<String>,
    pub(super) function_version: Option<u32>,
    pub(super) description: Option<String>,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
    pub(super) webhook_url: String,
}

/// A function on a schedule. One that leads by an alias has no function, and version 0.
#[derive(Debug, Serialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) function_id: Option<String>,
    pub(super) function_alias: Option<String>,
    pub(super) function_version: u32,
    pub(super) function_input: Option<String>,
    pub(super) status: &'static str,
    pub(super) pattern: Option<String>,
    pub(super) count: Option<u32>,
    pub(super) first_execution_time: Option<String>,
    pub(super) next_execution_time: Option<String>,
    pub(super) project_id: String,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}
