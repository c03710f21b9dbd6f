//! What running calls print, for whoever watches. Keeps nothing once a call is over: the record has it.

use crate::domain::{ExecutionId, FunctionId};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// A watcher may lag this many chunks before it misses some.
const LAG: usize = 1024;

/// A piece of what a call printed.
#[derive(Debug, Clone)]
pub struct LogChunk {
    /// Whose function.
    pub function: FunctionId,
    /// Which call.
    pub execution: ExecutionId,
    /// The bytes, whole lines as far as the function printed such.
    pub bytes: Bytes,
}

/// Live output of all running calls; clones share it.
#[derive(Debug, Clone)]
pub struct LogHub {
    chunks: broadcast::Sender<LogChunk>,
    running: Arc<Mutex<HashMap<ExecutionId, Vec<u8>>>>,
}

impl Default for LogHub {
    fn default() -> Self {
        Self {
            chunks: broadcast::channel(LAG).0,
            running: Arc::default(),
        }
    }
}

impl LogHub {
    /// Watches all calls from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<LogChunk> {
        self.chunks.subscribe()
    }

    /// What a running call has printed so far; `None` when it does not run or has printed nothing.
    #[must_use]
    pub fn so_far(&self, execution: ExecutionId) -> Option<Vec<u8>> {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&execution)
            .cloned()
    }

    pub(super) fn publish(&self, chunk: LogChunk) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .entry(chunk.execution)
            .or_default()
            .extend_from_slice(&chunk.bytes);
        drop(running);
        // Nobody watching is the usual case.
        let _ = self.chunks.send(chunk);
    }

    pub(super) fn over(&self, execution: ExecutionId) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&execution);
    }
}
