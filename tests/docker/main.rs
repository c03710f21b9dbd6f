//! The suites that need a real Docker engine and a base image; each test has an instance of its own and leaves nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have no supervisor, and find the engine as the program does"
)]

mod bases;
mod builds;
mod cli;
mod compose;
mod develop;
mod engine;
mod examples;
mod faults;
mod helpers;
mod images;
mod runtimes;
mod sandbox;
#[allow(unreachable_pub, reason = "shared with the other suites")]
#[path = "../support/mod.rs"]
mod support;
