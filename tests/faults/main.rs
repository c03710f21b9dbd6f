//! The real program in the worst times: killed at random moments again and again, its engine cut off, its disk full, its
//! database locked by somebody else or torn. Needs a Docker engine; `scripts/test faults` runs it.
//!
//! Single faults that end a test at once (a taken port, a worker that dies) are in `tests/docker/faults.rs`, those that
//! need no container in `tests/it/faults.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::print_stderr,
    reason = "the seed and what was counted are for who reads the run"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have no supervisor, and find the engine as the program does"
)]

mod checks;
mod database;
mod disk;
mod engine;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../docker/helpers.rs"]
mod helpers;
mod kills;
mod ledger;
mod load;
mod promises;
#[allow(unreachable_pub, reason = "shared with the other suites")]
#[path = "../support/mod.rs"]
mod support;
