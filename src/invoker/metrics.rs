//! What the room counts. The names `faas_…` are those of OpenTelemetry's conventions for functions, as Prometheus
//! writes them: one call is one invocation, whoever failed.

use crate::domain::{Ending, ExecutionState, Outcome, Temperature};
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
    BOUNDS,
);
static QUEUE: Histogram<8> = Histogram::new(
    "hob_queue_seconds",
    Unit::Seconds,
    "How long calls waited for a worker, starting and loading one included.",
    BOUNDS,
);

const INVOCATIONS: &str = "faas_invocations_total";
const INVOCATIONS_HELP: &str = "Calls that succeeded.";
const INVOKED: &str = "faas_invoke_duration_seconds";
const INVOKED_HELP: &str = "How long the function's own code ran.";
const BY_HTTP: &[(&str, &str)] = &[("faas_trigger", "http")];
const BY_OTHERS: &[(&str, &str)] = &[("faas_trigger", "other")];

static BY_CALLER: Counter = Counter::new(INVOCATIONS, Unit::Count, INVOCATIONS_HELP).labelled(BY_HTTP);
static LATER: Counter = Counter::new(INVOCATIONS, Unit::Count, INVOCATIONS_HELP).labelled(BY_OTHERS);
static RUN_BY_CALLER: Histogram<8> = Histogram::new(INVOKED, Unit::Seconds, INVOKED_HELP, BOUNDS).labelled(BY_HTTP);
static RUN_LATER: Histogram<8> = Histogram::new(INVOKED, Unit::Seconds, INVOKED_HELP, BOUNDS).labelled(BY_OTHERS);
static INIT: Histogram<8> = Histogram::new(
    "faas_init_duration_seconds",
    Unit::Seconds,
    "How long calls that met no worker of their revision waited for one, its code loaded.",
    BOUNDS,
);
static COLD_STARTS: Counter = Counter::new(
    "faas_coldstarts_total",
    Unit::Count,
    "Calls for which a container was started.",
);
static ERRORS: Counter = Counter::new(
    "faas_errors_total",
    Unit::Count,
    "Calls that ended with an error, of the function or the platform.",
);
static TIMEOUTS: Counter = Counter::new(
    "faas_timeouts_total",
    Unit::Count,
    "Calls that took longer than their function may.",
);

/// Unit: seconds.
const BOUNDS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

static ALL: [&dyn Metric; 15] = [
    &SUCCEEDED,
    &FAILED,
    &ERROR,
    &CANCELLED,
    &NOT_WARM,
    &SECONDS,
    &QUEUE,
    &BY_CALLER,
    &LATER,
    &RUN_BY_CALLER,
    &RUN_LATER,
    &INIT,
    &COLD_STARTS,
    &ERRORS,
    &TIMEOUTS,
];

/// The room's metrics.
#[must_use]
pub fn metrics() -> &'static [&'static dyn Metric] {
    &ALL
}

pub(super) fn call_ended(ending: &Ending, asynchronous: bool) {
    by_outcome(&ending.outcome, asynchronous);
    let timings = ending.timings;
    let time = Duration::from_micros;
    if matches!(ending.temperature, Some(Temperature::Cold | Temperature::Prewarmed)) {
        NOT_WARM.increment();
        INIT.observe_duration(time(timings.queue_us));
    }
    if ending.temperature == Some(Temperature::Cold) {
        COLD_STARTS.increment();
    }
    if ending.temperature.is_some() {
        let run = if asynchronous { &RUN_LATER } else { &RUN_BY_CALLER };
        run.observe_duration(time(timings.run_us));
    }
    QUEUE.observe_duration(time(timings.queue_us));
    SECONDS.observe_duration(time(timings.total_us));
}

fn by_outcome(outcome: &Outcome, asynchronous: bool) {
    match outcome.state() {
        ExecutionState::Succeeded => {
            SUCCEEDED.increment();
            if asynchronous { &LATER } else { &BY_CALLER }.increment();
        }
        ExecutionState::Failed => {
            FAILED.increment();
            ERRORS.increment();
        }
        ExecutionState::Cancelled => CANCELLED.increment(),
        ExecutionState::Error | ExecutionState::Queued | ExecutionState::Running => {
            ERROR.increment();
            ERRORS.increment();
        }
    }
    if matches!(outcome, Outcome::Failed { kind: "timeout", .. }) {
        TIMEOUTS.increment();
    }
}
