//! Containers: what the house asks of a container engine, and the two that answer.
//!
//! Knows nothing of functions, revisions or builds as a plan: it starts, stops and lists what it is told.
//!
//! Invariants: every object made here carries the labels below, and no object without our instance's label is touched, but
//! for the one network that all instances share (`docker_wall.rs`);
//! the sandbox of a worker is not an option; nothing waits longer than its deadline.

mod docker;
mod docker_guest;
mod docker_pull;
mod docker_sandbox;
mod docker_stack;
mod docker_wall;
mod error;
pub mod fake;
mod holders;
mod host;
mod inside;

pub use docker::{Docker, Options};
pub use error::Error;
pub use futures_util::stream::BoxStream;

use crate::domain::{Cpu, Memory, Network, WorkerId};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The label that says whose an object is: the instance's id.
pub const LABEL_INSTANCE: &str = "hob.instance";
/// The label that says which worker a container is: the worker's id.
pub const LABEL_WORKER: &str = "hob.worker";
/// The label that says what an object is: `worker`, `holder`, `image`, `network`, `network-inside` or `network-metadata`.
pub const LABEL_KIND: &str = "hob.kind";

/// The label that holds the name we gave an image: what else it is called is the user's affair.
pub const LABEL_IMAGE: &str = "hob.image";
/// The kind of what an unfinished or many-staged build leaves without a name; of an image the kind is `image`.
pub const KIND_STAGE: &str = "stage";

/// A container engine. Every call may answer [`Error::Unreachable`] and works again once the engine is back.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Asks the engine who it is.
    ///
    /// # Errors
    /// `Unreachable`, `Unusable`, `Timeout`.
    async fn probe(&self) -> Result<EngineInfo, Error>;

    /// Why functions with a network can ask for this machine's metadata; `None`: they cannot.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Refused`.
    async fn why_metadata_is_open(&self) -> Result<Option<String>, Error>;

    /// Creates and starts a worker. When the start fails, nothing of it is left.
    ///
    /// Dropping the future may leave a container behind; `list` tells of it.
    /// # Errors
    /// `ImageMissing`, `Conflict` when the worker has a container already, `OutOfDisk`, `Timeout`, `Refused`.
    async fn start_worker(&self, spec: &WorkerSpec) -> Result<ContainerId, Error>;

    /// Creates and starts a container of an image that brings everything. When the start fails, nothing of it is left.
    ///
    /// Dropping the future may leave a container behind; `list` tells of it.
    /// # Errors
    /// As [`Engine::start_worker`]; `Refused` too when it has a port and cannot be dialled.
    async fn start_guest(&self, spec: &GuestSpec) -> Result<Guest, Error>;

    /// Waits until a container does not run, and says how it ended. Waits without a deadline: that is the caller's.
    ///
    /// # Errors
    /// `NotFound`, `Unreachable`.
    async fn wait(&self, id: &ContainerId) -> Result<ContainerStatus, Error>;

    /// Where the worker finds the directory `spec_dir` of the host.
    fn worker_path(&self, spec_dir: &Path) -> PathBuf;

    /// Changes the memory limit of a running worker; memory and swap together, so swap stays off.
    ///
    /// Unit: bytes.
    /// # Errors
    /// `NotFound`; `Refused` when more is in use already.
    async fn set_memory(&self, id: &ContainerId, bytes: u64) -> Result<(), Error>;

    /// Limits the processor time of a running worker.
    ///
    /// # Errors
    /// `NotFound`, `Unreachable`, `Timeout`, `Refused`.
    async fn set_cpu(&self, id: &ContainerId, cpu: Cpu) -> Result<(), Error>;

    /// Ends a worker with SIGKILL. One that is gone or not running is fine.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Refused`.
    async fn kill(&self, id: &ContainerId) -> Result<(), Error>;

    /// Removes a worker, running or not, with its volumes. One that is gone or going is fine.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Refused`.
    async fn remove(&self, id: &ContainerId) -> Result<(), Error>;

    /// How a container stands; `None` when it is gone.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Refused`.
    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerStatus>, Error>;

    /// The last lines the container itself wrote, both streams: for a post-mortem. At most 64 KiB.
    ///
    /// # Errors
    /// `NotFound`, `Unreachable`, `Timeout`.
    async fn log_tail(&self, id: &ContainerId, lines: u32) -> Result<String, Error>;

    /// The worker containers of this instance, running or not.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`.
    async fn list(&self) -> Result<Vec<OwnedContainer>, Error>;

    /// The exits of this instance's workers, as they happen, after those the engine still remembers: subscribe, then `list`, and no exit is missed.
    ///
    /// An exit may be told twice, and may be of a container long gone. The stream ends, or answers an error and ends, when the engine goes away: subscribe again.
    /// # Errors
    /// `Unreachable`, `Timeout`.
    async fn exits(&self) -> Result<BoxStream<'static, Result<ContainerId, Error>>, Error>;

    /// What is known of an image; `None` when the engine has none of that name.
    ///
    /// # Errors
    /// `Refused` when the name is not one, `Unreachable`, `Timeout`.
    async fn image(&self, name: &str) -> Result<Option<ImageInfo>, Error>;

    /// Fetches an image from its registry; `tell` gets every change of its layers. Ends with `Timeout` when the engine
    /// says nothing for a request's time.
    ///
    /// # Errors
    /// `ImageMissing`, `OutOfDisk`, `Timeout`, `Refused`.
    async fn pull(&self, name: &str, tell: &(dyn Fn(Layer) + Send + Sync)) -> Result<(), Error>;

    /// Builds an image and answers its id; `log` gets the output line by line.
    ///
    /// # Errors
    /// `Build` with the last lines when a step fails, `OutOfDisk`, `Timeout`.
    async fn build(
        &self,
        request: BuildRequest,
        log: &(dyn for<'l> Fn(&'l str) + Send + Sync),
    ) -> Result<String, Error>;

    /// Makes the network of workers that may reach the outside but not each other, unless the settings name others for
    /// them to join. Done again, it changes nothing.
    ///
    /// # Errors
    /// `Contained` when a worker could not work here, `Unreachable`, `Timeout`, `Refused`.
    async fn prepare_network(&self) -> Result<(), Error>;

    /// Makes network namespaces ahead, until as many wait as the settings say, out of an image that has a `/bin/sh`;
    /// removes those that nobody stands for, and ends workers whose namespace was taken from them.
    ///
    /// # Errors
    /// `ImageMissing`, `Refused` when the image has no shell, `OutOfDisk`, `Unreachable`, `Timeout`.
    async fn keep_holders(&self, image: &str) -> Result<(), Error>;

    /// Removes the network namespaces that wait for a worker; a worker's own leaves with it.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Refused`.
    async fn remove_holders(&self) -> Result<(), Error>;

    /// Removes the networks of this instance, and the namespaces on them that wait.
    ///
    /// # Errors
    /// `Refused` while a worker is on one, `Unreachable`, `Timeout`.
    async fn remove_networks(&self) -> Result<(), Error>;

    /// The images of this instance: those that still have the name we gave them, and what builds left without one.
    ///
    /// An image that only has names of the user's is not among them.
    /// # Errors
    /// `Unreachable`, `Timeout`.
    async fn images(&self) -> Result<Vec<OwnedImage>, Error>;

    /// Takes our name from an image, and removes it when it has no other; `false` when something uses it.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, `Refused`.
    async fn remove_image(&self, image: &OwnedImage) -> Result<bool, Error>;

    /// Gives an image one more name. Whatever had that name loses it.
    ///
    /// # Errors
    /// `ImageMissing`; `Refused` when the name is not one.
    async fn tag(&self, image: &str, name: &str) -> Result<(), Error>;

    /// An image as a tar archive that an engine can load.
    ///
    /// # Errors
    /// `ImageMissing`, `Unreachable`, `Timeout`; the stream ends with an error when the engine goes away.
    async fn save(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error>;

    /// Removes the images of this instance that nobody uses, and answers how many went.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`.
    async fn remove_images(&self) -> Result<u64, Error>;
}

/// Whether an image may be called so: registry, path, tag and digest, and nothing that climbs out of a path.
#[must_use]
pub fn is_image_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    !name.is_empty()
        && name.len() <= 512
        && name.bytes().all(allowed)
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

/// A container of this instance. Only an engine makes one, so nobody else's container can be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    pub(in crate::engine) fn ours(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as the engine writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id that no engine gave, for tests of rooms that have none.
    #[cfg(test)]
    pub(crate) fn invented(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// `docker`, `podman` or `fake`.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// The version of its API that was agreed on.
    pub api_version: String,
    /// The architecture, as images name it (`amd64`).
    pub architecture: String,
    /// The operating system of its containers.
    pub os: String,
    /// 1 or 2; `None` when the engine does not say.
    pub cgroup_version: Option<u8>,
    /// Memory of the engine's machine. Unit: bytes.
    pub memory_bytes: u64,
    /// The address it was found at.
    pub host: String,
    /// What led there: a setting, a variable, a context, or the usual place.
    pub found_by: String,
    /// How it keeps images (`overlay2`); empty when it does not say.
    pub storage_driver: String,
    /// Where it keeps them, on its own machine.
    pub data_root: Option<PathBuf>,
    /// The address of the registry that names without one mean; empty when it does not say.
    pub registry: String,
}

/// What a worker is started with. The sandbox is not in it: it is always on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Which worker.
    pub worker: WorkerId,
    /// The image it runs.
    pub image: String,
    /// The worker's directory on the host, which it sees read-only at [`Engine::worker_path`].
    pub directory: PathBuf,
    /// Environment, in addition to the image's.
    pub env: Vec<(String, String)>,
    /// Memory, swap included.
    pub memory: Memory,
    /// Processes and threads at most.
    pub pids: u32,
    /// Size of `/tmp`, which counts as memory. Unit: bytes.
    pub tmp_bytes: u64,
    /// Open files at most, in each process.
    pub open_files: u32,
    /// What it may reach.
    pub network: Network,
    /// A call waits for it: worth a network namespace that was made ahead, if one is left.
    pub awaited: bool,
    /// Labels in addition to ours; ours win.
    pub labels: BTreeMap<String, String>,
}

/// What a container of a user's image is started with: a worker's sandbox, loosened by exactly what is named here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestSpec {
    /// Image, environment, limits and network. Its directory stays on the host. With [`Network::None`] and a port, the
    /// container is on a network without an outside, on which only the host can dial it.
    pub base: WorkerSpec,
    /// Where it answers; `None` for a program that nobody dials.
    pub port: Option<u16>,
    /// In place of the image's own entry point; its arguments are left out then.
    pub command: Option<Vec<String>>,
    /// In place of the image's own arguments.
    pub arguments: Option<Vec<String>>,
    /// What users of images may loosen.
    pub rights: Rights,
    /// Processor time from the start on.
    pub cpu: Option<Cpu>,
}

/// What a user's image may do that a shim may not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// `UID:GID`; `None`: the image's own, or 1000:1000 where that is root.
    pub user: Option<String>,
    /// Write to the root file system, which is the container's own and goes with it.
    pub writable_root: bool,
}

/// A container of a user's image that has been started.
pub struct Guest {
    /// Which container.
    pub id: ContainerId,
    /// Where to dial it, if it has a port and has not ended yet.
    pub address: Option<SocketAddr>,
    /// What it prints, from its first byte on; ends when both its streams are closed. Not read, it stalls the container.
    pub output: BoxStream<'static, Result<Printed, Error>>,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A piece of what a container printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Standard output; else standard error.
    pub is_stdout: bool,
    /// The bytes.
    pub bytes: Bytes,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Whether it runs.
    pub running: bool,
    /// What it ended with; `None` while it runs.
    pub exit_code: Option<i64>,
    /// Whether the kernel ended a process of it for want of memory.
    pub oom_killed: bool,
}

impl ContainerStatus {
    /// How it ended, as the predicate of a sentence.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.oom_killed, self.exit_code) {
            (true, _) => "ran out of memory (raise the function's memory)".to_owned(),
            (false, Some(code)) => format!("ended with code {code}"),
            (false, None) => "ended".to_owned(),
        }
    }
}

/// A worker container of this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedContainer {
    /// Which container.
    pub id: ContainerId,
    /// Which worker; `None` when its label cannot be read.
    pub worker: Option<WorkerId>,
    /// Whether it runs.
    pub running: bool,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:` and 64 digits.
    pub id: String,
    /// The architecture (`amd64`).
    pub architecture: String,
    /// Unit: bytes, all layers.
    pub size_bytes: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// How one layer of an image that is pulled stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which layer, as the engine calls it.
    pub id: String,
    /// How far it is.
    pub state: LayerState,
}

/// How far a layer of an image that is pulled is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// Its turn has not come.
    Waiting,
    /// A part of it is here.
    Coming {
        /// Unit: bytes, as they are sent.
        done_bytes: u64,
        /// `None` when the registry does not say. Unit: bytes, as they are sent.
        total_bytes: Option<u64>,
    },
    /// All of it is here, and has yet to be unpacked.
    Fetched,
    /// It is here and unpacked.
    Done,
    /// It was here before.
    AlreadyHere,
}

/// An image of this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedImage {
    /// `sha256:` and 64 digits.
    pub id: String,
    /// The name we gave it; `None`: left by a build.
    pub name: Option<String>,
    /// Unit: bytes, all layers, those of its base too.
    pub size_bytes: u64,
    /// When it was made. Unit: UTC seconds.
    pub created_at_seconds: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The name it gets.
    pub tag: String,
    /// The context: a tar archive.
    pub context: Bytes,
    /// Path of the Dockerfile in the context.
    pub dockerfile: String,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Labels in addition to ours; ours win.
    pub labels: BTreeMap<String, String>,
    /// Memory of each step, at most 2 GiB: a higher number means 2 GiB. Unit: bytes.
    pub memory_bytes: u64,
    /// The network of its steps; `None` is the engine's default.
    pub network: Option<String>,
    /// The whole build takes at most this.
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_id_shows_as_the_engine_writes_it() {
        assert_eq!(ContainerId::invented("c0ffee").to_string(), "c0ffee");
    }
}
