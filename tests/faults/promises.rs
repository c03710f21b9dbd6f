//! What the daemon has promised so far: everything it answered with a success. A request whose answer a kill took is in
//! doubt: it may have been carried out, or not.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Accepted calls that have not been seen to end: identity and key.
    pub(crate) accepted: BTreeMap<String, String>,
    /// Keys of asynchronous calls whose answer did not come.
    pub(crate) doubtful_calls: BTreeSet<String>,
    /// Keys of synchronous calls that were answered.
    pub(crate) answered: BTreeSet<String>,
    /// Functions that are there, with the number their code answers at least.
    pub(crate) functions: BTreeMap<String, u32>,
    /// Functions that were deleted.
    pub(crate) removed: BTreeSet<String>,
    /// Functions of which nobody knows.
    pub(crate) doubtful_functions: BTreeSet<String>,
    /// Jobs that are there.
    pub(crate) jobs: BTreeSet<String>,
    /// What was counted, for people.
    pub(crate) counts: Counts,
}

/// What was promised and what came of it, over all kills.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) accepted: usize,
    pub(crate) succeeded: usize,
    /// Ended by a kill, with the reason.
    pub(crate) interrupted: usize,
    pub(crate) answered: usize,
    pub(crate) deployed: usize,
    pub(crate) removed: usize,
}
