//! Changes of one application come one after the other: each reads the note that the one before has written.

use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// So many applications can be changed at the same time, at least where their ids end differently.
const PLACES: usize = 16;

/// A place for each ending of an id; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks(Arc<[Mutex<()>; PLACES]>);

impl Locks {
    /// Waits for its turn; it lasts until the guard goes.
    pub(super) async fn hold(&self, id: &str) -> MutexGuard<'_, ()> {
        let last = id.bytes().next_back().unwrap_or_default();
        self.0[usize::from(last) % PLACES].lock().await
    }
}
