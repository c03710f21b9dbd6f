//! The sandbox as the engine is told of it: the bodies of workers, of holders and of the networks between them.
//!
//! A part of `docker.rs`, which makes every request. Nothing here is an option: what a caller may choose (memory, network
//! class and the like) stands in the spec. The tests hold each body whole, as it is sent: what is not in them is the
//! engine's default, such as its seccomp profile and the masked paths below `/proc`.

use super::docker::NetworkKind;
use super::{LABEL_INSTANCE, LABEL_KIND, LABEL_WORKER, WorkerSpec};
use crate::domain::InstanceId;
use bollard::models;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Where a worker finds its directory.
pub(super) const INSIDE: &str = "/hob";
/// What a worker finds its machine to be called.
const HOSTNAME: &str = "worker";
/// The unprivileged user of every worker.
const USER: &str = "1000:1000";
/// What a holder does: it waits, without a second process, for a line that never comes.
const HOLD: [&str; 3] = ["/bin/sh", "-c", "read line"];
/// Less is eaten up by the engine's own process that starts it. Unit: bytes.
const HOLDER_MEMORY: i64 = 16 << 20;
const HOLDER_PIDS: i64 = 16;

pub(super) fn worker_body(spec: &WorkerSpec, instance: InstanceId, network: String) -> models::ContainerCreateBody {
    let mut labels = labels(instance, "worker", &spec.labels);
    labels.insert(LABEL_WORKER.to_owned(), spec.worker.to_string());
    models::ContainerCreateBody {
        image: Some(spec.image.clone()),
        // One that joins a namespace has its holder's name; the engine refuses another.
        hostname: (!network.starts_with("container:")).then(|| HOSTNAME.to_owned()),
        user: Some(USER.to_owned()),
        env: Some(spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect()),
        labels: Some(labels),
        host_config: Some(sandbox(spec, network)),
        ..Default::default()
    }
}

/// The least a container can be: a shell that waits, in the sandbox of a worker.
pub(super) fn holder_body(image: &str, instance: InstanceId, network: String) -> models::ContainerCreateBody {
    let [shell, arguments @ ..] = HOLD.map(str::to_owned);
    models::ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some(HOSTNAME.to_owned()),
        user: Some(USER.to_owned()),
        entrypoint: Some(vec![shell]),
        cmd: Some(arguments.to_vec()),
        // What it reads from: open, and never written to.
        open_stdin: Some(true),
        // Process 1 does not hear SIGTERM, and `docker stop` need not wait for that.
        stop_signal: Some("SIGKILL".to_owned()),
        labels: Some(labels(instance, "holder", &BTreeMap::new())),
        host_config: Some(models::HostConfig {
            ipc_mode: Some("none".to_owned()),
            memory: Some(HOLDER_MEMORY),
            memory_swap: Some(HOLDER_MEMORY),
            pids_limit: Some(HOLDER_PIDS),
            ..walls(network)
        }),
        ..Default::default()
    }
}

/// The sandbox of every worker.
pub(super) fn sandbox(spec: &WorkerSpec, network: String) -> models::HostConfig {
    let memory = signed(spec.memory.bytes());
    models::HostConfig {
        mounts: Some(vec![directory_mount(&spec.directory)]),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), tmp(spec.tmp_bytes))])),
        ipc_mode: Some("private".to_owned()),
        memory: Some(memory),
        memory_swap: Some(memory),
        cpu_shares: Some(cpu_shares(spec.memory.bytes())),
        pids_limit: Some(i64::from(spec.pids)),
        ulimits: Some(vec![models::ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(i64::from(spec.open_files)),
            hard: Some(i64::from(spec.open_files)),
        }]),
        ..walls(network)
    }
}

/// What a worker gets of busy processors beside other containers, by its memory: four for each MiB, so that 256 MiB get
/// as much as a container for which nobody said anything (1024). Where processors are idle it takes what it can.
pub(super) fn cpu_shares(memory_bytes: u64) -> i64 {
    signed((memory_bytes >> 18).clamp(2, 262_144))
}

/// What every container of ours has in common. The engine's seccomp profile and process 1 are left as the engine has them.
fn walls(network: String) -> models::HostConfig {
    models::HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        log_config: Some(small_log()),
        network_mode: Some(network),
        restart_policy: Some(models::RestartPolicy {
            name: Some(models::RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..Default::default()
    }
}

/// A mount, not a bind string: a directory that is missing is an error then, and a colon in its name is only a colon.
fn directory_mount(directory: &Path) -> models::Mount {
    models::Mount {
        typ: Some(models::MountTypeEnum::BIND),
        source: Some(directory.to_string_lossy().into_owned()),
        target: Some(INSIDE.to_owned()),
        read_only: Some(true),
        ..Default::default()
    }
}

/// `exec`, because libraries unpack themselves there; the engine's default is `noexec`.
fn tmp(bytes: u64) -> String {
    format!("rw,exec,nosuid,nodev,size={bytes},mode=1777")
}

/// One file is not compressed: the engine refuses both together.
fn small_log() -> models::HostConfigLogConfig {
    let config = [("max-size", "1m"), ("max-file", "1"), ("compress", "false")];
    models::HostConfigLogConfig {
        typ: Some("local".to_owned()),
        config: Some(config.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect()),
    }
}

pub(super) fn network_body(instance: InstanceId, kind: NetworkKind) -> models::NetworkCreateRequest {
    let icc = "com.docker.network.bridge.enable_icc".to_owned();
    let inside = kind == NetworkKind::Inside;
    let suffix = if inside { "-inside" } else { "" };
    models::NetworkCreateRequest {
        name: format!("{}{suffix}", network_name(instance)),
        driver: Some("bridge".to_owned()),
        internal: Some(inside),
        options: Some(HashMap::from([(icc, "false".to_owned())])),
        labels: Some(labels(instance, kind.label(), &BTreeMap::new())),
        ..Default::default()
    }
}

/// From the end of the id, which is random: its beginning is a clock, and two instances of one minute would share it.
fn network_name(instance: InstanceId) -> String {
    let id = instance.to_string();
    let (_, end) = id.split_at(id.len().saturating_sub(8));
    format!("hob-{end}")
}

pub(super) fn labels(instance: InstanceId, kind: &str, extra: &BTreeMap<String, String>) -> HashMap<String, String> {
    let mut labels: HashMap<_, _> = extra.clone().into_iter().collect();
    labels.insert(LABEL_INSTANCE.to_owned(), instance.to_string());
    labels.insert(LABEL_KIND.to_owned(), kind.to_owned());
    labels
}

/// Numbers of the API are signed.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Memory, Network, WorkerId};
    use serde_json::{Value, json};

    const MIB: u64 = 1 << 20;

    fn spec() -> WorkerSpec {
        WorkerSpec {
            worker: WorkerId::generate(),
            image: "i".to_owned(),
            directory: "/d:d".into(),
            env: vec![("K".to_owned(), "v".to_owned())],
            memory: Memory::from_mib(64).expect("in range"),
            pids: 9,
            tmp_bytes: 4096,
            open_files: 8,
            network: Network::None,
            awaited: false,
            labels: BTreeMap::new(),
        }
    }

    /// As it is sent.
    fn json_of(body: &impl serde::Serialize) -> Value {
        serde_json::to_value(body).expect("it is sent so")
    }

    /// What every container of ours has, with what it has beside.
    fn walls_and(more: &Value) -> Value {
        let mut all = json!({
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": false,
            "ReadonlyRootfs": true,
            "LogConfig": {"Type": "local", "Config": {"max-size": "1m", "max-file": "1", "compress": "false"}},
            "NetworkMode": "n",
            "RestartPolicy": {"Name": "no"},
        });
        let (all_of_it, more) = (
            all.as_object_mut().expect("an object"),
            more.as_object().expect("an object"),
        );
        all_of_it.extend(more.clone());
        all
    }

    fn workers_host() -> Value {
        walls_and(&json!({
            "Mounts": [{"Type": "bind", "Source": "/d:d", "Target": "/hob", "ReadOnly": true}],
            "Tmpfs": {"/tmp": "rw,exec,nosuid,nodev,size=4096,mode=1777"},
            "IpcMode": "private",
            "Memory": 64 * MIB,
            "CpuShares": 256,
            "MemorySwap": 64 * MIB,
            "PidsLimit": 9,
            "Ulimits": [{"Name": "nofile", "Soft": 8, "Hard": 8}],
        }))
    }

    #[test]
    fn processors_are_shared_by_memory_within_what_an_engine_takes() {
        for (mib, shares) in [
            (0, 2),
            (32, 128),
            (256, 1024),
            (4096, 16_384),
            (65_536, 262_144),
            (1 << 20, 262_144),
        ] {
            assert_eq!(cpu_shares(mib * 1024 * 1024), shares, "{mib}");
        }
    }

    #[test]
    fn a_worker_is_in_this_sandbox_and_no_other() {
        let (spec, instance) = (spec(), InstanceId::generate());
        let expect = json!({
            "Image": "i",
            "Hostname": "worker",
            "User": "1000:1000",
            "Env": ["K=v"],
            "Labels": {"hob.instance": instance.to_string(), "hob.kind": "worker", "hob.worker": spec.worker.to_string()},
            "HostConfig": workers_host(),
        });
        assert_eq!(json_of(&worker_body(&spec, instance, "n".to_owned())), expect);
    }

    #[test]
    fn a_worker_that_joins_a_namespace_is_named_by_its_holder() {
        let body = worker_body(&spec(), InstanceId::generate(), "container:c".to_owned());
        assert_eq!(body.hostname, None);
        assert_eq!(
            body.host_config.and_then(|host| host.network_mode).as_deref(),
            Some("container:c")
        );
    }

    #[test]
    fn a_holder_is_in_the_sandbox_too_and_holds_next_to_nothing() {
        let instance = InstanceId::generate();
        let expect = json!({
            "Image": "i",
            "Hostname": "worker",
            "User": "1000:1000",
            "Entrypoint": ["/bin/sh"],
            "Cmd": ["-c", "read line"],
            "OpenStdin": true,
            "StopSignal": "SIGKILL",
            "Labels": {"hob.instance": instance.to_string(), "hob.kind": "holder"},
            "HostConfig": walls_and(&json!({
                "IpcMode": "none",
                "Memory": 16 * MIB,
                "MemorySwap": 16 * MIB,
                "PidsLimit": 16,
            })),
        });
        assert_eq!(json_of(&holder_body("i", instance, "n".to_owned())), expect);
    }

    #[test]
    fn workers_on_a_network_cannot_reach_each_other_and_one_of_them_has_no_outside() {
        let instance = InstanceId::generate();
        let id = instance.to_string();
        let end = id.split_at(id.len() - 8).1;
        for (kind, name, label, internal) in [
            (NetworkKind::Outbound, format!("hob-{end}"), "network", false),
            (NetworkKind::Inside, format!("hob-{end}-inside"), "network-inside", true),
        ] {
            let expect = json!({
                "Name": name,
                "Driver": "bridge",
                "Internal": internal,
                "Options": {"com.docker.network.bridge.enable_icc": "false"},
                "Labels": {"hob.instance": id, "hob.kind": label},
            });
            assert_eq!(json_of(&network_body(instance, kind)), expect);
        }
    }

    #[test]
    fn our_labels_win() {
        let instance = InstanceId::generate();
        let theirs = BTreeMap::from([(LABEL_INSTANCE.to_owned(), "other".to_owned())]);
        let labels = labels(instance, "worker", &theirs);
        assert_eq!(labels[LABEL_INSTANCE], instance.to_string());
    }
}
