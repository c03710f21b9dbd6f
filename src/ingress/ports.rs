//! Serves functions' own ports: the daemon's own entrance on each, which is told whose port it is.

use super::Entrance;
use crate::app::{App, OpenPort};
use crate::task::{Shutdown, Supervisor, TaskKind};
use std::time::Duration;

/// A port that another program has is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Serves each port that functions own, until shutdown.
pub async fn serve_ports(app: App, entrance: Entrance, supervisor: Supervisor, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            port = app.next_open_port() => {
                supervisor.spawn(TaskKind::FunctionPort, serve(port, entrance.clone(), supervisor.clone()));
            }
            () = tokio::time::sleep(AGAIN) => app.retry_ports().await,
        }
    }
}

async fn serve(port: OpenPort, entrance: Entrance, supervisor: Supervisor) {
    let OpenPort { own, listener, closed } = port;
    crate::listener::serve(listener, entrance.at_port_of(own.function), supervisor, closed).await;
}
