//! The wall before the machine's metadata: a network that has all link-local addresses, and nobody on them.
//!
//! At 169.254.169.254 a rented machine is told its own credentials, and so is whoever asks from it. A container on this
//! network has a nearer way to these addresses than its machine's, and it ends here. The machine gets no address on it, so
//! that its own way stays open. There is one for all instances, for an engine gives addresses to one network only: whoever
//! needs it first makes it, and the last one removes it.
//!
//! A part of `docker.rs`, which makes every request.

use super::docker::Docker;
use super::{Error, LABEL_KIND};
use crate::telemetry::chain;
use bollard::models;
use std::collections::HashMap;

const NAME: &str = "hob-metadata";
const KIND: &str = "network-metadata";
/// All link-local addresses of IPv4: the usual place of metadata, and those of credentials and time beside it.
const SUBNET: &str = "169.254.0.0/16";
/// Those that containers get: far from the ones that are asked for.
const RANGE: &str = "169.254.128.0/17";
const OPEN: &str = "Functions with a network can ask for the machine's metadata (engine.hide_metadata)";
/// Where this machine says whom it asks for names; in the second, if the first names itself.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// The wall's network, made if it has to be; `None` where there is none.
///
/// # Errors
/// When the engine cannot be asked.
pub(super) async fn wall(docker: &Docker) -> Result<Option<String>, Error> {
    if let Some(why) = why_open(docker).await? {
        tracing::info!("{OPEN}: {why}");
        return Ok(None);
    }
    match built(docker).await {
        Ok(id) => Ok(Some(id)),
        Err(error @ (Error::Refused { .. } | Error::Conflict { .. })) => {
            tracing::warn!("{OPEN}: {}", chain(&error));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Why there is to be none; `None` where there is to be one.
///
/// # Errors
/// When the engine cannot be asked.
pub(super) async fn why_open(docker: &Docker) -> Result<Option<String>, Error> {
    match docker.hide_metadata() {
        Some(false) => Ok(Some("the settings say so".to_owned())),
        Some(true) => Ok(None),
        None => Ok(harm(docker).await?.map(str::to_owned)),
    }
}

/// Removes it, unless somebody is on it: then the last one does.
///
/// # Errors
/// When the engine cannot be asked.
pub(super) async fn remove(docker: &Docker) -> Result<(), Error> {
    let Some(id) = found(docker).await? else {
        return Ok(());
    };
    match docker.remove_network(&id).await {
        Ok(()) | Err(Error::Refused { .. } | Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What harm it would do: some machines ask for names where they ask for metadata, and so do their containers.
async fn harm(docker: &Docker) -> Result<Option<&'static str>, Error> {
    if !docker.is_on_this_machine().await? || docker.stack().await?.is_inside() {
        return Ok(Some(
            "Hob is in a container, or the engine on another machine, and it is not known whom that asks for names",
        ));
    }
    let asks_there = RESOLVERS.map(|path| std::fs::read_to_string(path).is_ok_and(|text| asks_link_local(&text)));
    Ok(asks_there
        .contains(&true)
        .then_some("this machine asks there for names too"))
}

fn asks_link_local(resolvers: &str) -> bool {
    let servers = resolvers
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.map(str::trim).any(|server| server.starts_with("169.254."))
}

async fn built(docker: &Docker) -> Result<String, Error> {
    if let Some(id) = found(docker).await? {
        return Ok(id);
    }
    match docker.make_network(body()).await {
        Ok(id) => Ok(id),
        // Another instance was quicker.
        Err(error) => found(docker).await?.ok_or(error),
    }
}

async fn found(docker: &Docker) -> Result<Option<String>, Error> {
    let label = format!("{LABEL_KIND}={KIND}");
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    Ok(docker.networks(filters).await?.pop())
}

/// It leads nowhere (`internal`), its containers do not see each other, and the machine has no address on it.
fn body() -> models::NetworkCreateRequest {
    let option = |name: &str, value: &str| (format!("com.docker.network.bridge.{name}"), value.to_owned());
    models::NetworkCreateRequest {
        name: NAME.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(true),
        ipam: Some(models::Ipam {
            config: Some(vec![models::IpamConfig {
                subnet: Some(SUBNET.to_owned()),
                ip_range: Some(RANGE.to_owned()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        options: Some(HashMap::from([
            option("enable_icc", "false"),
            option("inhibit_ipv4", "true"),
        ])),
        labels: Some(HashMap::from([(LABEL_KIND.to_owned(), KIND.to_owned())])),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_wall_is_a_network_without_an_outside_and_without_an_address_of_the_machine() {
        let expect = json!({
            "Name": "hob-metadata",
            "Driver": "bridge",
            "Internal": true,
            "IPAM": {"Config": [{"Subnet": "169.254.0.0/16", "IPRange": "169.254.128.0/17"}]},
            "Options": {
                "com.docker.network.bridge.enable_icc": "false",
                "com.docker.network.bridge.inhibit_ipv4": "true",
            },
            "Labels": {"hob.kind": "network-metadata"},
        });
        assert_eq!(serde_json::to_value(body()).expect("it is sent so"), expect);
    }

    #[test]
    fn a_machine_that_asks_there_for_names_is_known() {
        for (text, asks) in [
            ("nameserver 169.254.169.254\n", true),
            ("search a\n  nameserver\t169.254.169.253 # cloud\n", true),
            ("nameserver 127.0.0.53\noptions edns0\n", false),
            ("# nameserver 169.254.169.254\n", false),
            ("nameserver 10.0.0.2\n", false),
            ("", false),
        ] {
            assert_eq!(asks_link_local(text), asks, "{text}");
        }
    }
}
