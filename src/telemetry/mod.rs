//! What the program says of itself: log lines, printed errors, numbers for `/metrics`.
//!
//! Knows no other room. No registry that changes while running: each room lists its own metrics. No log files;
//! the lines go to standard error, and the numbers to whoever asks. What is told of calls to a collector is `traces`.

mod chain;
mod log;
mod metric;

pub use chain::chain;
pub use log::{Error, Options, init};
pub use metric::{Counter, Gauge, Histogram, Metric, Unit, render};
