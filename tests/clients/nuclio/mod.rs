//! The released Python client of the Nuclio dashboard, and the recorded requests of other clients of it.
//!
//! `released.py` drives the client, `others.py` replays CVAT, node-red-contrib-nuclio and MLRun. The tests in there have
//! names of their own; here is only the daemon they run against.

use crate::helpers::{Daemon, Home, build_settings};
use crate::python::Environment;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread")]
async fn the_released_client_and_the_requests_of_others_are_served() {
    let environment = block_in_place(|| Environment::of("nuclio"));
    let mut settings = build_settings();
    settings.push(("HOB_SOURCES_ALLOW_PRIVATE_URLS", "true"));
    let daemon = Daemon::start_with(&Home::new(), &settings).await;
    for script in ["released.py", "others.py"] {
        block_in_place(|| environment.run(script, &daemon, &[]));
    }
    daemon.purge().await;
}
