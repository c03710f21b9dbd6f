//! What the room counts.

use crate::domain::{ExecutionState, Temperature};
use crate::telemetry::{Counter, Histogram, Metric, Unit};
use std::time::Duration;

const CALLS: &str = "hob_calls_total";
const CALLS_HELP: &str = "Calls that ended, by state.";

static SUCCEEDED: Counter = Counter::new(CALLS, Unit::Count, CALLS_HELP).labelled(&[("state", "succeeded")]);
static FAILED: Counter = Counter::new(CALLS, Unit::Count, CALLS_HELP).labelled(&[("state", "failed")]);
static ERROR: Counter = Counter::new(CALLS, Unit::Count, CALLS_HELP).labelled(&[("state", "error")]);
static CANCELLED: Counter = Counter::new(CALLS, Unit::Count, CALLS_HELP).labelled(&[("state", "cancelled")]);
static NOT_WARM: Counter = Counter::new(
    "hob_cold_starts_total",
    Unit::Count,
    "Calls that met no worker of their revision.",
);
static SECONDS: Histogram<8> = Histogram::new(
    "hob_call_seconds",
    Unit::Seconds,
    "Calls from acceptance to the end of the answer.",
    [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0],
);

static ALL: [&dyn Metric; 6] = [&SUCCEEDED, &FAILED, &ERROR, &CANCELLED, &NOT_WARM, &SECONDS];

/// The room's metrics.
#[must_use]
pub fn metrics() -> &'static [&'static dyn Metric] {
    &ALL
}

pub(super) fn call_ended(state: ExecutionState, met: Option<Temperature>, total_us: u64) {
    match state {
        ExecutionState::Succeeded => SUCCEEDED.increment(),
        ExecutionState::Failed => FAILED.increment(),
        ExecutionState::Cancelled => CANCELLED.increment(),
        ExecutionState::Error | ExecutionState::Queued | ExecutionState::Running => ERROR.increment(),
    }
    if matches!(met, Some(Temperature::Cold | Temperature::Prewarmed)) {
        NOT_WARM.increment();
    }
    SECONDS.observe_duration(Duration::from_micros(total_us));
}
