//! Where the engine listens: the explicit address, the environment's, the current Docker context's, or the first usual socket.
//!
//! Reads two small JSON files of the home directory and nothing else; connects to nobody.

use super::Error;
use serde_json::Value;
use std::path::{Path, PathBuf};

const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// What the search may look at.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) explicit: Option<String>,
    pub(super) docker_host_env: Option<String>,
    pub(super) docker_context_env: Option<String>,
    pub(super) home: Option<PathBuf>,
    pub(super) runtime_dir: Option<PathBuf>,
}

/// An address we can speak to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Unix(PathBuf),
    Tcp(String),
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// An address, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) host: Host,
    pub(super) by: String,
}

/// Finds the engine's address. Without any sign of an engine it is the system's usual socket, which may appear later.
pub(super) fn find(places: &Places, exists: impl Fn(&Path) -> bool) -> Result<Found, Error> {
    let said = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
    let found = |host, by: &str| Found {
        host,
        by: by.to_owned(),
    };
    if let Some(text) = said(&places.explicit) {
        return parse(text.trim()).map(|host| found(host, "the setting engine.host"));
    }
    if let Some(text) = said(&places.docker_host_env) {
        return parse(text.trim()).map(|host| found(host, "DOCKER_HOST"));
    }
    if let Some((name, text)) = context_host(places)? {
        return parse(&text).map(|host| found(host, &format!("the Docker context `{name}`")));
    }
    let socket = usual_sockets(places).into_iter().find(|p| exists(p));
    let socket = Host::Unix(socket.unwrap_or_else(|| SYSTEM_SOCKET.into()));
    Ok(found(socket, "looking at the usual sockets"))
}

fn parse(text: &str) -> Result<Host, Error> {
    if let Some(path) = text.strip_prefix("unix://").filter(|p| p.starts_with('/')) {
        return Ok(Host::Unix(path.into()));
    }
    if text.starts_with('/') {
        return Ok(Host::Unix(text.into()));
    }
    ["tcp://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .map(|address| address.trim_end_matches('/'))
        .filter(|address| !address.is_empty())
        .map(|address| Host::Tcp(address.to_owned()))
        .ok_or_else(|| unusable(text, "give one that begins with unix:///, tcp:// or http://"))
}

fn usual_sockets(places: &Places) -> Vec<PathBuf> {
    let below = |base: &Option<PathBuf>, path: &str| base.as_ref().map(|b| b.join(path));
    [
        Some(SYSTEM_SOCKET.into()),
        below(&places.runtime_dir, "docker.sock"),
        below(&places.home, ".docker/run/docker.sock"),
        below(&places.runtime_dir, "podman/podman.sock"),
        Some("/run/podman/podman.sock".into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn context_host(places: &Places) -> Result<Option<(String, String)>, Error> {
    let Some(docker) = places.home.as_ref().map(|home| home.join(".docker")) else {
        return Ok(None);
    };
    let named = places.docker_context_env.clone().filter(|n| !n.is_empty());
    let Some(name) = named.or_else(|| current_context(&docker)) else {
        return Ok(None);
    };
    if name == "default" {
        return Ok(None);
    }
    let lost = || {
        unusable(
            &format!("Docker context {name}"),
            "the context cannot be read: choose another with `docker context use`, or give the address in the settings",
        )
    };
    let host = endpoint(&docker, &name).ok_or_else(lost)?;
    Ok(Some((name, host)))
}

fn current_context(docker: &Path) -> Option<String> {
    let config = json(&docker.join("config.json"))?;
    let name = config.get("currentContext")?.as_str()?;
    Some(name.to_owned()).filter(|n| !n.is_empty())
}

/// The folders are named by digest, but each file has its context's name in it: looking is as good as hashing.
fn endpoint(docker: &Path, name: &str) -> Option<String> {
    let folders = std::fs::read_dir(docker.join("contexts/meta")).ok()?;
    let meta = folders
        .flatten()
        .filter_map(|folder| json(&folder.path().join("meta.json")))
        .find(|meta| meta.get("Name").and_then(Value::as_str) == Some(name))?;
    let host = meta.pointer("/Endpoints/docker/Host")?.as_str()?;
    Some(host.to_owned())
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn unusable(host: &str, why: &str) -> Error {
    Error::Unusable {
        host: host.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with_context(current: &str, stored: &str, host: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a temporary directory");
        let meta = home.path().join(".docker/contexts/meta/0123");
        std::fs::create_dir_all(&meta).expect("made");
        let config = format!(r#"{{"auths":{{}},"currentContext":"{current}"}}"#);
        std::fs::write(home.path().join(".docker/config.json"), config).expect("written");
        let text = format!(r#"{{"Name":"{stored}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
        std::fs::write(meta.join("meta.json"), text).expect("written");
        home
    }

    fn check(places: &Places, there: &[&str], expect: &str) {
        let host = find(places, |p| there.iter().any(|t| Path::new(t) == p));
        assert_eq!(host.expect("found").host.to_string(), expect, "{places:?}");
    }

    fn at(home: &Path) -> Places {
        Places {
            home: Some(home.into()),
            runtime_dir: Some("/run/user/7".into()),
            ..Places::default()
        }
    }

    #[test]
    fn the_more_explicit_address_wins() {
        let home = home_with_context("far", "far", "tcp://far:2375");
        let system = [SYSTEM_SOCKET];
        let mut places = at(home.path());
        check(&places, &system, "tcp://far:2375");
        places.docker_host_env = Some("unix:///env.sock".to_owned());
        check(&places, &system, "unix:///env.sock");
        places.explicit = Some("http://there:1/".to_owned());
        check(&places, &system, "tcp://there:1");
        places.explicit = Some("/plain.sock".to_owned());
        check(&places, &system, "unix:///plain.sock");
        places.explicit = Some("  ".to_owned());
        check(&places, &system, "unix:///env.sock");
    }

    #[test]
    fn it_is_known_what_led_to_an_address() {
        let home = home_with_context("far", "far", "tcp://far:2375");
        let mut places = at(home.path());
        let by = |places: &Places| find(places, |_| false).expect("found").by;
        assert!(by(&places).contains("`far`"));
        places.docker_host_env = Some("/env.sock".to_owned());
        assert_eq!(by(&places), "DOCKER_HOST");
        places.explicit = Some("/said.sock".to_owned());
        assert!(by(&places).contains("engine.host"));
        assert!(by(&Places::default()).contains("usual"));
    }

    #[test]
    fn the_environment_may_name_the_context() {
        let home = home_with_context("default", "far", "unix:///far.sock");
        let mut places = at(home.path());
        check(&places, &[], "unix:///var/run/docker.sock");
        places.docker_context_env = Some("far".to_owned());
        check(&places, &[], "unix:///far.sock");
    }

    #[test]
    fn the_usual_sockets_are_tried_in_order() {
        let places = at(Path::new("/home/nobody"));
        let mut there = vec![
            SYSTEM_SOCKET,
            "/run/user/7/docker.sock",
            "/home/nobody/.docker/run/docker.sock",
            "/run/user/7/podman/podman.sock",
            "/run/podman/podman.sock",
        ];
        while let Some(first) = there.first() {
            check(&places, &there, &format!("unix://{first}"));
            there.remove(0);
        }
        check(&places, &[], "unix:///var/run/docker.sock");
        check(&Places::default(), &[], "unix:///var/run/docker.sock");
    }

    #[test]
    fn an_address_we_cannot_speak_to_is_named() {
        for bad in ["ssh://me@there", "https://there", "unix://relative", "tcp://", "there"] {
            let places = Places {
                explicit: Some(bad.to_owned()),
                ..Places::default()
            };
            let error = find(&places, |_| true).expect_err("cannot be used");
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn a_context_that_is_lost_is_not_passed_over() {
        let home = home_with_context("lost", "far", "tcp://far:2375");
        let error = find(&at(home.path()), |_| true).expect_err("not there");
        assert!(error.to_string().contains("docker context use"), "{error}");
    }
}
