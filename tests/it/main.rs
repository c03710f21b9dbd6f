//! The daemon in process: architecture, and every promise that needs no Docker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have no supervisor, and find the engine as the program does"
)]

mod access;
mod addresses;
mod architecture;
mod backup;
mod bad_input;
#[path = "../bench/stats.rs"]
mod bench_stats;
mod builds;
mod callbacks;
mod calls;
mod clock;
mod cut;
mod deploys;
mod doctor;
mod exchanges;
mod fuzz;
mod housekeeping;
mod images;
mod jobs;
mod listeners;
mod logs;
mod messages;
mod metrics;
mod nuclio_functions;
mod nuclio_items;
mod observability;
mod papers;
mod private;
mod program;
mod promises;
mod published;
mod pulls;
mod qinling_calls;
mod qinling_functions;
mod records;
mod reload;
mod retries;
mod runs;
mod scaleway;
mod secrets;
mod seeds;
mod senders;
mod shapes;
#[path = "../support/mod.rs"]
#[allow(unreachable_pub, reason = "it is a library for two suites")]
mod support;
mod terminal;
mod traces;
