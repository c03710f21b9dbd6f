//! Whether this process is itself in a container, and what of it the engine sees: its networks, its volumes.
//!
//! Reads three small files of the system and asks nobody: `docker_stack.rs` asks the engine.

use std::path::{Path, PathBuf};

/// Digits of a container's whole id, and of the beginning that is its host name unless somebody said another.
const WHOLE_ID: usize = 64;
const SHORT_ID: usize = 12;
/// Files that engines mount from the container's own directory, so that its id is in where they are from.
const MOUNTED: &[&str] = &["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// What the system says of this process.
#[derive(Debug, Default)]
pub(super) struct Signs {
    pub(super) mountinfo: String,
    pub(super) cgroup: String,
    pub(super) hostname: String,
}

impl Signs {
    /// Those of this process; what cannot be read says nothing.
    pub(super) fn read() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            mountinfo: text("/proc/self/mountinfo"),
            cgroup: text("/proc/self/cgroup"),
            hostname: text("/proc/sys/kernel/hostname"),
        }
    }

    /// The container this process may be in, the likeliest first: by its mounts, its control group, its host name.
    pub(super) fn candidates(&self) -> Vec<String> {
        let mounts = self.mountinfo.lines().filter_map(id_of_mount);
        let groups = self.cgroup.lines().filter_map(id_of_group);
        let name = Some(self.hostname.trim()).filter(|name| is_id(name, SHORT_ID));
        let mut found: Vec<String> = Vec::new();
        for id in mounts.chain(groups).chain(name) {
            if !found.iter().any(|known| known.starts_with(id)) {
                found.push(id.to_owned());
            }
        }
        found
    }
}

/// `36 35 98:0 /root/of/the/mount /etc/hostname rw …`: the id is a folder on the way.
fn id_of_mount(line: &str) -> Option<&str> {
    let mut fields = line.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let mut folders = root.split('/').filter(|folder| is_id(folder, WHOLE_ID));
    MOUNTED.contains(&point).then(|| folders.next()).flatten()
}

/// `0::/docker/ID` or `…/docker-ID.scope`.
fn id_of_group(line: &str) -> Option<&str> {
    let last = line.rsplit('/').next()?.trim_end_matches(".scope");
    let id = last.rsplit('-').next()?;
    is_id(id, WHOLE_ID).then_some(id)
}

fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A volume or directory that is mounted into this process's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// Where it is on the engine's machine.
    pub(super) outside: PathBuf,
    /// Where it is here.
    pub(super) here: PathBuf,
}

/// Where the engine's machine has what is at `path` here; `None` when only this container has it.
pub(super) fn outside(mounts: &[Mounted], path: &Path) -> Option<PathBuf> {
    let below = |mount: &Mounted| path.strip_prefix(&mount.here).map(Path::to_owned).ok();
    let all = mounts.iter().filter_map(|mount| Some((mount, below(mount)?)));
    let (mount, rest) = all.max_by_key(|(mount, _)| mount.here.components().count())?;
    Some(mount.outside.join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn check(mountinfo: &str, cgroup: &str, hostname: &str, expect: &[&str]) {
        let put = |text: &str| text.replace("ID", ID);
        let signs = Signs {
            mountinfo: put(mountinfo),
            cgroup: put(cgroup),
            hostname: hostname.to_owned(),
        };
        assert_eq!(signs.candidates(), expect, "{signs:?}");
    }

    #[test]
    fn a_container_is_told_by_its_mounts_its_group_or_its_name() {
        let docker = "700 690 8:1 /var/lib/docker/containers/ID/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n";
        let podman = "700 690 8:1 /run/containers/overlay-containers/ID/userdata/hosts /etc/hosts rw - tmpfs t rw\n";
        check(docker, "0::/\n", "web\n", &[ID]);
        check(podman, "", "", &[ID]);
        check("", "4:memory:/docker/ID\n0::/\n", "", &[ID]);
        check("", "0::/system.slice/docker-ID.scope\n", "", &[ID]);
        check("", "0::/\n", "0123456789ab\n", &["0123456789ab"]);
        check(docker, "1:name=systemd:/docker/ID\n", "0123456789ab\n", &[ID]);
    }

    #[test]
    fn a_machine_is_no_container() {
        let foreign = "36 35 98:0 /var/lib/docker/containers/ID/hostname /mnt/other rw - ext4 /dev/sda1 rw\n";
        check(foreign, "0::/user.slice/session-1.scope\n", "my-laptop\n", &[]);
        check("", "", "", &[]);
    }

    #[test]
    fn a_path_is_looked_up_in_the_nearest_mount() {
        let mount = |outside: &str, here: &str| Mounted {
            outside: outside.into(),
            here: here.into(),
        };
        let mounts = [
            mount("/volumes/a", "/var/lib"),
            mount("/volumes/b", "/var/lib/hob"),
            mount("/run/x.sock", "/run/x.sock"),
        ];
        for (path, expect) in [
            ("/var/lib/hob/workers/1", Some("/volumes/b/workers/1")),
            ("/var/lib/hob", Some("/volumes/b/")),
            ("/var/lib/other", Some("/volumes/a/other")),
            ("/var/libs", None),
            ("/tmp/x", None),
        ] {
            assert_eq!(outside(&mounts, Path::new(path)), expect.map(PathBuf::from), "{path}");
        }
    }
}
