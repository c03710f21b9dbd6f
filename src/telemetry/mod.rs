//! What the program says of itself: log lines, printed errors, numbers for `/metrics`.
//!
//! Knows no other room. No registry that changes while running: each room lists its own metrics. No log files and no
//! exporters; the lines go to standard error, and the numbers to whoever asks.

mod chain;
mod log;
mod metric;

pub use chain::chain;
pub use log::{Error, Options, init};
pub use metric::{Counter, Gauge, Histogram, Metric, Unit, render};
