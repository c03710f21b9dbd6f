//! Serves functions' own ports: the daemon's own entrance on each, which is told whose port it is.

use super::Entrance;
use crate::app::{App, OpenPort};
use crate::task::{Shutdown, Supervisor, TaskKind};
use std::time::Duration;

/// A port that another program has is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Serves each port that functions own, until shutdown.
pub async fn serve_ports(app: App, entrance: Entrance, supervisor: Supervisor, shutdown: Shutdown) {
    let serving = async {
        loop {
            let port = app.next_open_port().await;
            supervisor.spawn(
                TaskKind::FunctionPort,
                serve(port, entrance.clone(), supervisor.clone()),
            );
        }
    };
    // Beside it, because it may wait for a port to be closed that is yet to be served.
    let retrying = async {
        loop {
            tokio::time::sleep(AGAIN).await;
            app.retry_ports().await;
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = serving => {}
        () = retrying => {}
    }
}

async fn serve(port: OpenPort, entrance: Entrance, supervisor: Supervisor) {
    let OpenPort {
        own,
        listener,
        closed,
        held,
    } = port;
    crate::listener::serve(listener, entrance.at_port_of(own.function), supervisor, closed).await;
    drop(held);
}
