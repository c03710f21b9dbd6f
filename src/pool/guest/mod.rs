//! Workers of users' images: a server that is dialled, or a place for a program that runs once for each call.
//!
//! Nothing is loaded into them and no shim answers for them: what a shim would do (deadlines, output, causes of death)
//! is done from outside, by the container and not by the slot.

mod caller;
mod output;
mod program;
mod server;

pub use caller::{CallError, Caller, RequestBody};
pub use output::Listener;
pub use program::{Exit, News, Program, Running};

use super::worker::{Orders, WorkerHandle};
use super::{Shared, Target};
use crate::domain::{Convention, Error, WorkerId};
use crate::engine::{GuestSpec, WorkerSpec};
use crate::task::TaskKind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Arguments of a program, together. Unit: bytes.
pub const ARGUMENTS_LIMIT: usize = 128 * 1024;
/// The variable that says where a server listens, and where it does when nobody says.
const PORT: &str = "PORT";
const DEFAULT_PORT: u16 = 8080;

/// The port that a server is told, and dialled at.
///
/// # Errors
/// `Invalid` when the function's own `PORT` is none.
pub fn port(env: &BTreeMap<String, String>) -> Result<u16, Error> {
    let Some(text) = env.get(PORT) else {
        return Ok(DEFAULT_PORT);
    };
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        Error::invalid(format!(
            "the environment's PORT is `{}`: give a number from 1 to 65535, or leave it out for {DEFAULT_PORT}",
            text.escape_debug()
        ))
    })
}

/// Starts what serves the target: for each call a program, else a server.
pub(super) fn start(shared: Arc<Shared>, id: WorkerId, target: Arc<Target>, handle: WorkerHandle, orders: Orders) {
    let supervisor = shared.supervisor.clone();
    if target.convention == Convention::Command {
        supervisor.spawn(
            TaskKind::Worker,
            program::keep_place(shared, id, target, handle, orders),
        );
    } else {
        supervisor.spawn(TaskKind::Worker, server::live(shared, id, target, handle, orders));
    }
}

/// What every container of the target is started with.
fn spec(shared: &Shared, worker: WorkerId, target: &Target) -> GuestSpec {
    let options = &shared.options;
    let base = WorkerSpec {
        worker,
        image: target.demand.class.image.clone().unwrap_or_default(),
        directory: options.directory.join("workers").join(worker.to_string()),
        env: target.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        memory: target.demand.limits.memory,
        pids: options.pids,
        tmp_bytes: options.tmp_bytes,
        open_files: options.open_files,
        network: target.demand.class.network,
        awaited: false,
        labels: BTreeMap::new(),
    };
    GuestSpec {
        base,
        port: None,
        command: given(target.start.command()),
        arguments: given(target.start.arguments()),
        rights: target.rights.clone().unwrap_or_default(),
        cpu: None,
    }
}

/// `None` leaves it to the image.
fn given(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_dialled_where_its_environment_says() {
        let env = |port: &str| BTreeMap::from([(PORT.to_owned(), port.to_owned())]);
        assert_eq!(port(&BTreeMap::new()).expect("the default"), DEFAULT_PORT);
        assert_eq!(port(&env("3000")).expect("a port"), 3000);
        for bad in ["", "0", "65536", "http", "-1"] {
            assert!(port(&env(bad)).is_err(), "{bad}");
        }
    }
}
