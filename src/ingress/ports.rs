//! Serves functions' own ports: the daemon's whole router on each, with a note whose port it is.

use super::address::CameInOn;
use crate::app::{App, OpenPort};
use crate::task::{Shutdown, Supervisor, TaskKind};
use axum::Router;
use axum::extract::Extension;
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::time::Duration;

/// A port that another program has is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Serves each port that functions own, until shutdown.
pub async fn serve_ports(app: App, router: Router, supervisor: Supervisor, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            port = app.next_open_port() => {
                supervisor.spawn(TaskKind::FunctionPort, serve(port, router.clone()));
            }
            () = tokio::time::sleep(AGAIN) => app.retry_ports().await,
        }
    }
}

async fn serve(port: OpenPort, router: Router) {
    let OpenPort { own, listener, closed } = port;
    // Small answers must not wait for more.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let router = router.layer(Extension(CameInOn(own.function)));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(async move { closed.requested().await });
    if let Err(e) = served.await {
        tracing::error!(function.id = %own.function, "Port {} of a function is not served any more: {e}", own.port);
    }
}
