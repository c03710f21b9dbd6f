//! What a running daemon knows: itself, its workers, the images of its runtimes.

use super::Finding;
use crate::api::native::wire::{EngineState, RuntimeList, Status};
use crate::cli::client::Client;
use crate::cli::exit::Exit;

/// The daemon's status where one answers, and what was found.
pub(super) async fn look(client: &Client) -> (Option<Status>, Vec<Finding>) {
    let status: Status = match client.get("/status".to_owned()).await {
        Ok(status) => status,
        Err(failure) => {
            let message = failure.body.map(|body| body.message).unwrap_or_default();
            let finding = match failure.exit {
                Exit::Unreachable => Finding::warning("daemon", message, "hob serve"),
                _ => Finding::failure("daemon", message, "look at --url, HOB_URL and HOB_TOKEN"),
            };
            return (None, vec![finding]);
        }
    };
    let mut findings = vec![version(&status), workers(&status)];
    match client.get::<RuntimeList>("/runtimes".to_owned()).await {
        Ok(list) => findings.push(images(&list)),
        Err(failure) => {
            let message = failure.body.map(|body| body.message).unwrap_or_default();
            findings.push(Finding::warning("images", message, "hob runtimes"));
        }
    }
    (Some(status), findings)
}

fn version(status: &Status) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    if status.version == own {
        return Finding::ok("daemon", format!("version {own} runs as process {}", status.pid));
    }
    let message = format!("the daemon is version {}, this program {own}", status.version);
    Finding::warning("daemon", message, "hob stop; hob serve")
}

/// A worker that has said hello proves that workers reach the daemon.
fn workers(status: &Status) -> Finding {
    if status.engine.state == EngineState::Down {
        let detail = status.engine.detail.clone().unwrap_or_default();
        return Finding::failure(
            "workers",
            format!("the daemon has no engine: {detail}"),
            "see `engine` below",
        );
    }
    let met = status
        .workers
        .iter()
        .filter(|worker| worker.state != "starting")
        .count();
    match (met, status.workers.len()) {
        (0, 0) => Finding::warning(
            "workers",
            "none is up, so nothing proves that workers reach the daemon",
            "hob deploy DIR, or HOB_POOL_PREWARM=1 hob serve",
        ),
        (0, n) => Finding::warning(
            "workers",
            format!("{n} start and none has reached the daemon yet"),
            "hob status; the daemon's own output says what they wait for",
        ),
        (met, _) => Finding::ok("workers", format!("{met} have reached the daemon over their sockets")),
    }
}

fn images(list: &RuntimeList) -> Finding {
    let of = |state: &str| {
        let versions = list
            .runtimes
            .iter()
            .flat_map(|r| r.versions.iter().map(move |v| (r, v)));
        let found = versions.filter(|(_, v)| v.state == state);
        let names: Vec<_> = found.map(|(r, v)| format!("{}:{}", r.family, v.version)).collect();
        names.join(", ")
    };
    let (present, failed) = (of("present"), of("failed"));
    if !failed.is_empty() {
        let message = format!("the images of {failed} could not be made");
        return Finding::warning("images", message, "scripts/setup; the daemon's output says why");
    }
    if present.is_empty() {
        let message = "no runtime's image is here yet; the first deploy makes it";
        return Finding::warning("images", message, "scripts/setup");
    }
    Finding::ok("images", format!("here: {present}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::wire::{EngineView, ExecutionCounts, WorkerView};
    use crate::cli::doctor::Level;

    fn status(engine: EngineState, workers: &[&str]) -> Status {
        let worker = |state: &&str| WorkerView {
            id: "w".to_owned(),
            runtime: "r:1".to_owned(),
            function: None,
            revision: None,
            state: (*state).to_owned(),
            slots: 1,
            busy: 0,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: "i".to_owned(),
            data_dir: "/d".to_owned(),
            pid: 1,
            uptime_seconds: 1,
            engine: EngineView {
                state: engine,
                detail: Some("gone".to_owned()),
            },
            workers: workers.iter().map(worker).collect(),
            functions: 0,
            executions: ExecutionCounts::default(),
            memory_rss_bytes: 0,
            addresses: Vec::new(),
            tls: None,
        }
    }

    #[test]
    fn a_worker_that_is_up_proves_that_workers_reach_the_daemon() {
        for (engine, up, expect) in [
            (EngineState::Up, &["prewarmed", "starting"][..], Level::Ok),
            (EngineState::Up, &["starting"][..], Level::Warning),
            (EngineState::Up, &[][..], Level::Warning),
            (EngineState::Down, &["ready"][..], Level::Failure),
        ] {
            assert_eq!(workers(&status(engine, up)).level, expect, "{engine:?} {up:?}");
        }
    }

    #[test]
    fn another_version_is_told() {
        let mut other = status(EngineState::Up, &[]);
        assert_eq!(version(&other).level, Level::Ok);
        other.version = "0.0.1".to_owned();
        assert_eq!(version(&other).level, Level::Warning);
    }
}
