//! Containers of users' images behind the Docker API: their bodies, their networks, their output.
//!
//! A part of `docker.rs`, which makes every request. Knows nothing of what is asked of a server or a program inside.

use super::docker::{Docker, NetworkKind, On, Place, check_image_name, not_found};
use super::docker_sandbox::{sandbox, worker_body};
use super::{ContainerId, ContainerStatus, Engine, Error, Guest, GuestSpec, Printed};
use crate::domain::{Cpu, InstanceId, Network};
use bollard::container::LogOutput;
use bollard::errors::Error as ClientError;
use bollard::models;
use bollard::query_parameters as query;
use futures_util::{Stream, StreamExt};
use std::net::{IpAddr, SocketAddr};

/// Whom a container runs as when its image would run as root.
const NOBODY: &str = "1000:1000";
/// Processor time is dealt out in pieces of this length. Unit: microseconds.
const CPU_PERIOD: i64 = 100_000;
/// Where names are looked up by a container that may reach nothing: in itself, where nobody answers. Without it the
/// engine would ask the outside in the container's place.
const NO_NAMES: &str = "127.0.0.1";

/// See [`Engine::start_guest`].
pub(super) async fn start(docker: &Docker, spec: &GuestSpec) -> Result<Guest, Error> {
    check_image_name(&spec.base.image)?;
    docker.on_networks(|| create_and_start(docker, spec)).await
}

/// See [`Engine::wait`].
pub(super) async fn wait(docker: &Docker, id: &ContainerId) -> Result<ContainerStatus, Error> {
    let on = On::container("waiting for a container's end", id.as_str());
    let (client, host) = docker.client().await?;
    let mut ends = client.wait_container(id.as_str(), None::<query::WaitContainerOptions>);
    match ends.next().await {
        Some(Ok(_) | Err(ClientError::DockerContainerWaitError { .. })) => {}
        Some(Err(e)) => return Err(docker.failed(e, &host, &on)),
        None => return Err(on.timeout()),
    }
    let status = docker.inspect(id).await?;
    status.ok_or_else(|| not_found(&format!("container {id}")))
}

/// The change that limits a container's processor time.
pub(super) fn cpu_update(cpu: Cpu) -> models::ContainerUpdateBody {
    models::ContainerUpdateBody {
        cpu_period: Some(CPU_PERIOD),
        cpu_quota: Some(quota(cpu)),
        ..Default::default()
    }
}

async fn create_and_start(docker: &Docker, spec: &GuestSpec) -> Result<Guest, Error> {
    let user = match &spec.rights.user {
        Some(user) => user.clone(),
        None => unprivileged(&image_user(docker, &spec.base.image).await?),
    };
    let place = place(docker, spec).await?;
    let body = guest_body(spec, docker.instance(), place.mode, user);
    let name = format!("hob-{}", spec.base.worker);
    let id = docker.create(&name, &spec.base.image, body, &place.also).await?;
    let started = start_attached(docker, &id, spec.port).await;
    if started.is_err() {
        // The first error is the one to tell; `list` shows the container if this fails too.
        let _ = docker.remove(&id).await;
    }
    started
}

/// Listens before the start, so that not a byte of the output is lost.
async fn start_attached(docker: &Docker, id: &ContainerId, port: Option<u16>) -> Result<Guest, Error> {
    let options = query::AttachContainerOptions {
        stream: true,
        stdout: true,
        stderr: true,
        ..Default::default()
    };
    let on = On::container("listening to a container", id.as_str());
    let attached = docker
        .ask(
            &on,
            |c| async move { c.attach_container(on.name(), Some(options)).await },
        )
        .await?;
    let on = On::container("starting a container", id.as_str());
    let none = None::<query::StartContainerOptions>;
    docker
        .ask(&on, |c| async move { c.start_container(on.name(), none).await })
        .await?;
    let address = match port {
        Some(port) => address(docker, id).await?.map(|address| SocketAddr::new(address, port)),
        None => None,
    };
    Ok(Guest {
        id: id.clone(),
        address,
        output: printed(attached.output).boxed(),
    })
}

/// What was printed; ends after the first error.
fn printed(
    output: impl Stream<Item = Result<LogOutput, ClientError>> + Send + 'static,
) -> impl Stream<Item = Result<Printed, Error>> + Send + 'static {
    let pieces = output.map(|piece| {
        let piece = piece.map_err(|e| Error::Protocol { source: Box::new(e) })?;
        let is_stdout = !matches!(piece, LogOutput::StdErr { .. });
        Ok(Printed {
            is_stdout,
            bytes: piece.into_bytes(),
        })
    });
    pieces.scan(false, |ended, piece: Result<Printed, Error>| {
        let before = std::mem::replace(ended, piece.is_err());
        std::future::ready((!before).then_some(piece))
    })
}

/// `None` when the container has ended already: its addresses are gone then.
async fn address(docker: &Docker, id: &ContainerId) -> Result<Option<IpAddr>, Error> {
    let on = On::container("looking for a container's address", id.as_str());
    let none = None::<query::InspectContainerOptions>;
    let found = docker
        .ask(&on, |c| async move { c.inspect_container(on.name(), none).await })
        .await?;
    if found.state.is_none_or(|state| state.running != Some(true)) {
        return Ok(None);
    }
    let networks = found.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let mut addresses = networks
        .into_values()
        .filter_map(|network| network.ip_address?.parse().ok())
        // That of the wall, where nobody can dial it.
        .filter(|address| !matches!(address, IpAddr::V4(v4) if v4.is_link_local()));
    let none_left = || Error::Refused {
        status: 0,
        message: "the container has no address: its network has none left".to_owned(),
    };
    addresses.next().map(Some).ok_or_else(none_left)
}

async fn image_user(docker: &Docker, image: &str) -> Result<String, Error> {
    let on = On::image("looking at an image", image);
    let found = docker
        .ask(&on, |c| async move { c.inspect_image(on.name()).await })
        .await?;
    Ok(found.config.and_then(|c| c.user).unwrap_or_default())
}

/// The image's user, unless that is root. A name is taken at its word: it has no more rights than a number has here.
fn unprivileged(user: &str) -> String {
    let name = user.split(':').next().unwrap_or_default().trim();
    let is_root = name.is_empty() || name == "root" || name.parse() == Ok(0_u64);
    if is_root { NOBODY } else { user }.to_owned()
}

async fn place(docker: &Docker, spec: &GuestSpec) -> Result<Place, Error> {
    match (spec.base.network, spec.port) {
        (Network::Outbound, _) => docker.outbound().await,
        (Network::None, Some(_)) if docker.stack().await?.is_inside() => Err(undialled()),
        (Network::None, Some(_)) => docker.network_id(NetworkKind::Inside).await.map(Place::only),
        (Network::None, None) => Ok(Place::only("none")),
    }
}

/// Nobody but the host is on the network without an outside.
fn undialled() -> Error {
    Error::Contained {
        why: "a server without a network cannot be dialled from the container that the daemon is in: deploy it with \
              --network outbound, or run the daemon on the machine itself"
            .to_owned(),
    }
}

fn guest_body(spec: &GuestSpec, instance: InstanceId, network: String, user: String) -> models::ContainerCreateBody {
    let inside = spec.base.network == Network::None;
    let mut host = sandbox(&spec.base, network);
    host.mounts = None;
    host.readonly_rootfs = Some(!spec.rights.writable_root);
    host.dns = inside.then(|| vec![NO_NAMES.to_owned()]);
    if let Some(cpu) = spec.cpu {
        host.cpu_period = Some(CPU_PERIOD);
        host.cpu_quota = Some(quota(cpu));
    }
    models::ContainerCreateBody {
        user: Some(user),
        entrypoint: spec.command.clone(),
        cmd: spec.arguments.clone(),
        host_config: Some(host),
        ..worker_body(&spec.base, instance, String::new())
    }
}

/// Unit: microseconds of each period.
fn quota(cpu: Cpu) -> i64 {
    i64::from(cpu.millis()) * CPU_PERIOD / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Memory, WorkerId};
    use crate::engine::{Rights, WorkerSpec};
    use std::collections::BTreeMap;

    fn spec() -> GuestSpec {
        GuestSpec {
            base: WorkerSpec {
                worker: WorkerId::generate(),
                image: "i".to_owned(),
                directory: "/d".into(),
                env: vec![],
                memory: Memory::from_mib(64).expect("in range"),
                pids: 9,
                tmp_bytes: 4096,
                open_files: 8,
                network: Network::None,
                awaited: false,
                labels: BTreeMap::new(),
            },
            port: Some(8080),
            command: Some(vec!["c".to_owned()]),
            arguments: Some(vec!["a".to_owned()]),
            rights: Rights::default(),
            cpu: Some(Cpu::from_millis(250).expect("in range")),
        }
    }

    #[test]
    fn an_image_that_would_run_as_root_runs_as_nobody() {
        for (user, expect) in [
            ("", NOBODY),
            ("root", NOBODY),
            ("0", NOBODY),
            ("0:0", NOBODY),
            ("root:web", NOBODY),
            ("00", NOBODY),
            ("101", "101"),
            ("101:0", "101:0"),
            ("nginx", "nginx"),
        ] {
            assert_eq!(unprivileged(user), expect, "`{user}`");
        }
    }

    #[test]
    fn a_guest_is_in_the_sandbox_and_loosens_only_what_it_names() {
        let instance = InstanceId::generate();
        let body = guest_body(&spec(), instance, "n".to_owned(), NOBODY.to_owned());
        assert_eq!(
            (body.user.as_deref(), body.entrypoint, body.cmd),
            (Some(NOBODY), Some(vec!["c".to_owned()]), Some(vec!["a".to_owned()]))
        );
        let tight = body.host_config.expect("limits");
        assert_eq!(tight.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(tight.security_opt, Some(vec!["no-new-privileges".to_owned()]));
        assert_eq!((tight.mounts.clone(), tight.readonly_rootfs), (None, Some(true)));
        assert_eq!((tight.memory, tight.cpu_quota), (tight.memory_swap, Some(25_000)));
        assert_eq!(tight.dns.as_deref(), Some(&[NO_NAMES.to_owned()][..]));
        let mut loose = spec();
        loose.rights.writable_root = true;
        let loose = guest_body(&loose, instance, "n".to_owned(), NOBODY.to_owned());
        let loose = loose.host_config.expect("limits");
        let expect = models::HostConfig {
            readonly_rootfs: Some(false),
            ..tight
        };
        assert_eq!(loose, expect);
    }
}
