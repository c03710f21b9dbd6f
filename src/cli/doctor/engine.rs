//! The container engine: which, where, how it was found, what it is like.

use super::Finding;
use crate::config::{Config, Environment};
use crate::daemon;
use crate::domain;
use crate::engine::{Engine, EngineInfo, Error};
use std::time::Duration;

/// The engine may be starting; nobody waits longer for a diagnosis.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who the engine is, where one answers, and what was found.
pub(super) async fn look(config: &Config, environment: &Environment) -> (Option<EngineInfo>, Vec<Finding>) {
    let engine = daemon::engine(config, environment);
    let timeout = || Error::Timeout {
        doing: "asking the engine who it is".to_owned(),
    };
    let asked = tokio::time::timeout(PATIENCE, engine.probe()).await;
    match asked.unwrap_or_else(|_| Err(timeout())) {
        Ok(info) => {
            let open = tokio::time::timeout(PATIENCE, engine.why_metadata_is_open()).await;
            let mut findings = vec![found(&info), cgroup(&info), storage(&info)];
            // An engine that has just gone: the next look tells.
            findings.extend(open.ok().and_then(Result::ok).map(metadata));
            (Some(info), findings)
        }
        Err(error) => (None, vec![missing(error)]),
    }
}

fn found(info: &EngineInfo) -> Finding {
    let memory = info.memory_bytes / (1024 * 1024);
    let message = format!(
        "{} {} (API {}) at {}, found by {}; {}, {memory} MiB",
        info.name, info.version, info.api_version, info.host, info.found_by, info.architecture
    );
    match info.os.as_str() {
        "linux" | "" => Finding::ok("engine", message),
        other => Finding::failure(
            "engine",
            format!("{message}; its containers are for {other}"),
            "switch the engine to Linux containers",
        ),
    }
}

fn cgroup(info: &EngineInfo) -> Finding {
    match info.cgroup_version {
        Some(version) => Finding::ok("cgroup", format!("version {version}: limits are enforced")),
        None => Finding::warning(
            "cgroup",
            "the engine does not say which version it uses, so limits may not hold",
            "docker info --format '{{.CgroupVersion}}'",
        ),
    }
}

/// `vfs` copies whole images for every container.
fn storage(info: &EngineInfo) -> Finding {
    match info.storage_driver.as_str() {
        "" => Finding::warning("storage", "the engine does not say how it keeps images", "docker info"),
        "vfs" => Finding::warning(
            "storage",
            "the engine copies whole images (`vfs`): slow, and large on the disk",
            "set \"storage-driver\": \"overlay2\" in /etc/docker/daemon.json",
        ),
        driver => Finding::ok("storage", driver),
    }
}

fn metadata(why_open: Option<String>) -> Finding {
    match why_open {
        None => Finding::ok("metadata", "functions cannot ask for this machine's metadata"),
        Some(why) => Finding::warning(
            "metadata",
            format!("functions with a network can ask for the machine's metadata, where it has any: {why}"),
            "on a rented machine: HOB_ENGINE_HIDE_METADATA=always hob serve, or deploy with --network none",
        ),
    }
}

fn missing(error: Error) -> Finding {
    let denied = matches!(&error, Error::Unreachable { source, .. } if is_denied(source.as_ref()));
    let mend = match (&error, denied) {
        (_, true) => "sudo usermod -aG docker $USER, then log in again",
        (Error::Unreachable { .. }, false) => "sudo systemctl start docker, or scripts/setup",
        (Error::Unusable { .. }, _) => "unset DOCKER_HOST, or docker context use default",
        _ => "docker info; the engine's own log says more",
    };
    Finding::failure("engine", domain::Error::from(error).to_string(), mend)
}

fn is_denied(source: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(source), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;
    use std::io::ErrorKind;

    fn info(os: &str, cgroup: Option<u8>, storage: &str) -> EngineInfo {
        EngineInfo {
            name: "docker".to_owned(),
            version: "1".to_owned(),
            api_version: "1.41".to_owned(),
            architecture: "amd64".to_owned(),
            os: os.to_owned(),
            cgroup_version: cgroup,
            memory_bytes: 1 << 30,
            host: "unix:///s".to_owned(),
            found_by: "DOCKER_HOST".to_owned(),
            storage_driver: storage.to_owned(),
            data_root: None,
            registry: String::new(),
        }
    }

    #[test]
    fn an_engine_is_told_with_what_led_to_it() {
        let told = found(&info("linux", Some(2), "overlay2"));
        assert_eq!(told.level, Level::Ok);
        assert!(told.message.contains("found by DOCKER_HOST") && told.message.contains("1024 MiB"));
        assert_eq!(found(&info("windows", None, "")).level, Level::Failure);
    }

    #[test]
    fn an_engine_that_cannot_hold_limits_or_copies_images_is_a_warning() {
        for (cgroup_version, driver, expect) in [
            (Some(1), "overlay2", [Level::Ok, Level::Ok]),
            (None, "vfs", [Level::Warning, Level::Warning]),
            (Some(2), "", [Level::Ok, Level::Warning]),
        ] {
            let info = info("linux", cgroup_version, driver);
            assert_eq!([cgroup(&info).level, storage(&info).level], expect, "{driver}");
        }
    }

    #[test]
    fn metadata_that_can_be_asked_for_is_a_warning_with_its_reason() {
        let open = metadata(Some("names come from there".to_owned()));
        assert_eq!(open.level, Level::Warning);
        assert!(open.message.ends_with("names come from there") && open.mend.is_some_and(|m| m.contains("always")));
        assert_eq!(metadata(None).level, Level::Ok);
    }

    #[test]
    fn what_to_do_depends_on_why_the_engine_is_away() {
        let unreachable = |kind: ErrorKind| Error::Unreachable {
            host: "unix:///s".to_owned(),
            source: Box::new(std::io::Error::from(kind)),
        };
        for (error, expect) in [
            (unreachable(ErrorKind::PermissionDenied), "usermod"),
            (unreachable(ErrorKind::NotFound), "start docker"),
            (
                Error::Unusable {
                    host: "ssh://x".to_owned(),
                    why: "no".to_owned(),
                },
                "DOCKER_HOST",
            ),
        ] {
            let mend = missing(error).mend.expect("a command");
            assert!(mend.contains(expect), "{mend}");
        }
    }
}
