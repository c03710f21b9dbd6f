//! One span for each call, with parts for where its time went, told to a collector by OTLP when one is configured.
//!
//! Deliberately absent: spans of anything but calls, sampling of its own (the caller's word counts), and any other wire than
//! OTLP's JSON over HTTP. Nothing here holds a call up: what the collector does not take in time is dropped and counted.

mod context;
mod encode;
mod export;
mod metrics;
mod span;

pub use context::Context;
pub use export::{Exporter, Options};
pub use metrics::metrics;
pub use span::{Call, Trigger};

use span::{Span, spans};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// So many calls may wait to be told.
const WAITING: usize = 2048;

/// Takes in calls that ended; clones share it. Off unless there is an exporter.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Sender<Vec<Span>>>);

impl Tracer {
    /// One that is on, and where its calls come out.
    fn on() -> (Self, Receiver<Vec<Span>>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(Some(sender)), receiver)
    }

    /// Whether anybody listens: without, a call should not even look at its headers.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Hands a call over, unless too many wait already.
    pub fn tell(&self, call: &Call) {
        let Some(sender) = self.0.as_ref().filter(|_| call.context.is_sampled()) else {
            return;
        };
        if sender.try_send(spans(call)).is_err() {
            metrics::DROPPED.increment();
        }
    }
}
