//! The daemon in process: architecture, and every promise that needs no Docker.

mod architecture;
mod bad_input;
#[path = "../bench/stats.rs"]
mod bench_stats;
mod calls;
mod deploys;
mod records;
#[path = "../support/mod.rs"]
mod support;
