//! Whether everything is there that calls need: the engine, and what has to be deployed before anybody may call.
//!
//! Says it, and lets others wait for it; makes nothing ready itself.

use super::{App, EngineStatus};
use std::sync::{Mutex, PoisonError};

/// Whether calls can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// They can.
    Ready,
    /// They cannot yet; why, and what to do if it stays so.
    Waiting(String),
}

/// What readiness waits for besides the engine; held for a few lines, never across an await.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Option<String>>);

impl App {
    /// Whether calls can be served.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let held = || self.0.held.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match self.engine_status() {
            EngineStatus::Up(_) => held().map_or(Readiness::Ready, Readiness::Waiting),
            EngineStatus::Unknown => Readiness::Waiting("the engine has not answered yet".to_owned()),
            EngineStatus::Down(why) => Readiness::Waiting(why),
        }
    }

    /// Lets readiness wait for something, and says why; `None` lets it go. Calls are served all the same.
    pub fn hold_readiness(&self, why: Option<String>) {
        *self.0.held.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
