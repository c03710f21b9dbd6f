//! The tick: sleeps until a job is due and has the application fire what is. One task, no state of its own.
//!
//! What is due, what a fire is and what becomes of a job is decided below; executions are run by the application's
//! dispatcher, so that ten thousand jobs of one minute cost callers no more than the writing of ten thousand rows.

use crate::app::App;
use crate::task::Shutdown;
use crate::telemetry::chain;
use std::time::Duration;

/// Between two tries while the store refuses.
const RETRY: Duration = Duration::from_secs(1);

/// Fires jobs until shutdown.
pub async fn run(app: App, shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.requested() => {}
        () = tick(&app) => {}
    }
}

async fn tick(app: &App) {
    loop {
        let done = match app.fire_due_jobs().await {
            // Other tasks go first between two batches.
            Ok(true) => {
                tokio::task::yield_now().await;
                Ok(())
            }
            Ok(false) => app.next_job().await,
            Err(e) => Err(e),
        };
        if let Err(e) = done {
            tracing::error!("Could not fire jobs, trying again: {}", chain(&e));
            tokio::time::sleep(RETRY).await;
        }
    }
}
