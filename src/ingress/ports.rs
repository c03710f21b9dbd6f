//! Serves functions' own ports: the daemon's whole router on each, with a note whose port it is.

use super::address::CameInOn;
use crate::app::{App, OpenPort};
use crate::task::{Shutdown, Supervisor, TaskKind};
use axum::Router;
use axum::extract::Extension;
use std::time::Duration;

/// A port that another program has is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Serves each port that functions own, until shutdown.
pub async fn serve_ports(app: App, router: Router, supervisor: Supervisor, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            port = app.next_open_port() => {
                supervisor.spawn(TaskKind::FunctionPort, serve(port, router.clone(), supervisor.clone()));
            }
            () = tokio::time::sleep(AGAIN) => app.retry_ports().await,
        }
    }
}

async fn serve(port: OpenPort, router: Router, supervisor: Supervisor) {
    let OpenPort { own, listener, closed } = port;
    let router = router.layer(Extension(CameInOn(own.function)));
    crate::listener::serve(listener, router, supervisor, closed).await;
}
