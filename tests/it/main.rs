//! The daemon in process: architecture, and every promise that needs no Docker.

mod architecture;
#[path = "../bench/stats.rs"]
mod bench_stats;
mod bad_input;
mod calls;
mod deploys;
mod records;
#[path = "../support/mod.rs"]
mod support;
