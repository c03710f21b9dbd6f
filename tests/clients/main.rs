//! The released clients of each API, unmodified, against the daemon with a real engine. One API, one module.
//!
//! They are installed from the package index into the target directory once, and kept there between runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have no supervisor, and find the engine as the program does"
)]

#[allow(dead_code, reason = "shared with the suites of the engine, which use more of it")]
#[path = "../docker/helpers.rs"]
mod helpers;
mod nuclio;
mod python;
mod qinling;
mod scaleway;
#[allow(unreachable_pub, reason = "shared with the other suites")]
#[path = "../support/mod.rs"]
mod support;
