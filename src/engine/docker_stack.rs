//! What workers share with other containers of the engine, behind the Docker API: networks they join in place of one of
//! their own, and the volume that holds their directories when the daemon itself runs in a container.
//!
//! A part of `docker.rs`, which makes every request. Makes nothing and removes nothing: what is here belongs to others.

use super::Error;
use super::docker::{Docker, On};
use super::inside::{self, Mounted, Signs};
use bollard::models;
use bollard::query_parameters as query;
use std::path::{Path, PathBuf};

/// In the settings: the networks of the daemon's own container.
const AUTO: &str = "auto";
/// What engines call a container's way to its machine's own network, or to none: nobody else can join those.
const NO_NETWORKS: &[&str] = &["host", "none"];

/// The surroundings of this daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stack {
    /// The networks that workers join, by id; none: they have one of their own.
    pub(super) networks: Vec<String>,
    /// What is mounted into the daemon's own container; `None` when it is in none of this engine.
    mounts: Option<Vec<Mounted>>,
}

impl Stack {
    /// Whether the daemon is in a container of this engine.
    pub(super) fn is_inside(&self) -> bool {
        self.mounts.is_some()
    }

    /// Where the engine's machine has a directory of ours.
    ///
    /// # Errors
    /// `Contained` when it is in the daemon's container and on no volume.
    pub(super) fn on_host(&self, directory: &Path) -> Result<PathBuf, Error> {
        let Some(mounts) = &self.mounts else {
            return Ok(directory.to_owned());
        };
        inside::outside(mounts, directory).ok_or_else(|| Error::Contained {
            why: format!(
                "{} is in the daemon's own container, where no worker can reach it: mount a volume there, or set \
                 server.data_dir to a directory on one",
                directory.display()
            ),
        })
    }
}

/// Looks around: `names` are the networks of the settings, `directory` is where workers' directories will be.
///
/// # Errors
/// `NotFound` for a network that is not there; `Contained` for a directory that no worker can reach.
pub(super) async fn look(docker: &Docker, names: &[String], directory: &Path) -> Result<Stack, Error> {
    let own = own_container(docker).await?;
    let mut stack = Stack {
        networks: Vec::new(),
        mounts: own.as_ref().map(mounts_of),
    };
    stack.on_host(directory)?;
    for name in names {
        let found = match name.as_str() {
            AUTO => own.as_ref().map(networks_of).unwrap_or_default(),
            name => vec![network(docker, name).await?],
        };
        stack.networks.extend(found);
    }
    stack.networks.dedup();
    if stack.is_inside() {
        let networks = stack.networks.len();
        tracing::info!("This daemon is in a container; its workers join {networks} of its networks");
    }
    Ok(stack)
}

/// This process's container, if the engine knows it.
async fn own_container(docker: &Docker) -> Result<Option<models::ContainerInspectResponse>, Error> {
    for id in Signs::read().candidates() {
        let on = On::container("looking for the daemon's own container", &id);
        let none = None::<query::InspectContainerOptions>;
        let found = docker
            .ask(&on, |c| async move { c.inspect_container(on.name(), none).await })
            .await;
        match found {
            Ok(own) => return Ok(Some(own)),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn mounts_of(own: &models::ContainerInspectResponse) -> Vec<Mounted> {
    let mounted = |mount: &models::MountPoint| {
        let outside = mount.source.as_deref().filter(|source| source.starts_with('/'))?;
        Some(Mounted {
            outside: outside.into(),
            here: mount.destination.as_deref()?.into(),
        })
    };
    own.mounts.iter().flatten().filter_map(mounted).collect()
}

/// By name, so that the first, which is the way out, is the same each time.
fn networks_of(own: &models::ContainerInspectResponse) -> Vec<String> {
    let networks = own.network_settings.as_ref().and_then(|s| s.networks.as_ref());
    let mut named: Vec<_> = networks.into_iter().flatten().collect();
    named.sort_by_key(|(name, _)| name.as_str());
    let joined = named
        .into_iter()
        .filter(|(name, _)| !NO_NETWORKS.contains(&name.as_str()));
    joined.filter_map(|(_, end)| end.network_id.clone()).collect()
}

async fn network(docker: &Docker, name: &str) -> Result<String, Error> {
    let on = On::network("looking for a network that workers join", name);
    let none = None::<query::InspectNetworkOptions>;
    let found = docker
        .ask(&on, |c| async move { c.inspect_network(on.name(), none).await })
        .await;
    let missing = || Error::Contained {
        why: format!(
            "there is no network `{name}` for workers to join: make it with `docker network create {name}`, or change \
             engine.join_networks"
        ),
    };
    match found {
        Ok(network) => network.id.ok_or_else(missing),
        Err(Error::NotFound { .. }) => Err(missing()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn own(networks: &[&str], mounts: &[(&str, &str)]) -> models::ContainerInspectResponse {
        let end = |name: &&str| {
            let end = models::EndpointSettings {
                network_id: Some(format!("id of {name}")),
                ..Default::default()
            };
            ((*name).to_owned(), end)
        };
        let mount = |(source, destination): &(&str, &str)| models::MountPoint {
            source: Some((*source).to_owned()),
            destination: Some((*destination).to_owned()),
            ..Default::default()
        };
        models::ContainerInspectResponse {
            network_settings: Some(models::NetworkSettings {
                networks: Some(networks.iter().map(end).collect::<HashMap<_, _>>()),
                ..Default::default()
            }),
            mounts: Some(mounts.iter().map(mount).collect()),
            ..Default::default()
        }
    }

    #[test]
    fn workers_join_what_others_can_join_too_in_a_fixed_order() {
        let all = networks_of(&own(&["stack_front", "stack_back"], &[]));
        assert_eq!(all, ["id of stack_back", "id of stack_front"]);
        assert_eq!(networks_of(&own(&["host"], &[])), Vec::<String>::new());
    }

    #[test]
    fn a_directory_that_no_worker_can_reach_is_said_with_what_to_do() {
        let stack = |mounts: &[(&str, &str)]| Stack {
            networks: Vec::new(),
            mounts: Some(mounts_of(&own(&[], mounts))),
        };
        let directory = Path::new("/var/lib/hob/workers/w");
        let found = stack(&[("/volumes/v/_data", "/var/lib/hob")]).on_host(directory);
        assert_eq!(found.expect("on a volume"), Path::new("/volumes/v/_data/workers/w"));
        let error = stack(&[("", "/var/lib/hob")]).on_host(directory).expect_err("a tmpfs");
        assert!(error.to_string().contains("server.data_dir"), "{error}");
        let outside = Stack::default();
        assert_eq!(outside.on_host(directory).expect("as it is"), directory);
        assert!(!outside.is_inside());
    }
}
