//! A function: what a user owns.

use super::{FunctionId, FunctionName, Namespace, RevisionId, Timestamp};

/// What a user owns: a name that stays, and the revision that answers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its identity, never reused.
    pub id: FunctionId,
    /// Whose it is.
    pub namespace: Namespace,
    /// Its name, unique in the namespace.
    pub name: FunctionName,
    /// The revision that serves calls; `None` until the first one is ready.
    pub current: Option<RevisionId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last deployed or changed.
    pub updated_at: Timestamp,
}
