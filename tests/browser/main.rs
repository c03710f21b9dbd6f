//! A real browser, Chromium without a window, on pages that mean harm: from another origin, under a rebound name, and
//! answered by a function. What the page says it got and what the daemon says has changed are compared.
//!
//! In process, on the fake engine: the browser and the sockets are real. `scripts/test browser` installs Chromium.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have no supervisor, and find the engine as the program does"
)]

mod chromium;
mod harm;
mod pages;
#[allow(unreachable_pub, reason = "shared with the other suites")]
#[path = "../support/mod.rs"]
mod support;
mod visits;
