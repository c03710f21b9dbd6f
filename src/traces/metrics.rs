//! What the room counts.

use crate::telemetry::{Counter, Metric, Unit};

pub(super) static EXPORTED: Counter = Counter::new(
    "hob_spans_exported_total",
    Unit::Count,
    "Spans that the collector took.",
);
pub(super) static REFUSED: Counter = Counter::new(
    "hob_spans_refused_total",
    Unit::Count,
    "Spans that the collector did not take.",
);
pub(super) static DROPPED: Counter = Counter::new(
    "hob_traces_dropped_total",
    Unit::Count,
    "Calls that were not traced because too many waited for the collector.",
);

static ALL: [&dyn Metric; 3] = [&EXPORTED, &REFUSED, &DROPPED];

/// The room's metrics.
#[must_use]
pub fn metrics() -> &'static [&'static dyn Metric] {
    &ALL
}
