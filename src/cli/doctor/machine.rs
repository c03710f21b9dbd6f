//! This machine: the data directory, disks, the port, file events, the runtimes. Blocking; writes nothing.

use super::Finding;
use crate::api::native::wire::Status;
use crate::config::Config;
use crate::daemon;
use crate::engine::EngineInfo;
use crate::listener;
use crate::runtime::Runtimes;
use rustix::fs::inotify;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Less is a failure, and a warning. Unit: MiB.
const DISK_FAILURE: u64 = 256;
const DISK_WARNING: u64 = 2 * 1024;
/// A project with its dependencies has about so many folders.
const WATCHES: u64 = 8_192;
/// File systems whose changes may come from another machine, which sends no events: by their magic numbers.
const WITHOUT_EVENTS: [(u64, &str); 6] = [
    (0x6969, "NFS"),
    (0x0102_1997, "9p"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x786f_4256, "VirtualBox"),
];

/// Where to look.
#[derive(Debug)]
pub(super) struct Places {
    data_dir: PathBuf,
    engine_root: Option<PathBuf>,
    /// `None` when a daemon runs: then the port is its own.
    listen: Option<SocketAddr>,
    runtimes: Result<PathBuf, String>,
    code: PathBuf,
}

impl Places {
    pub(super) fn of(config: &Config, engine: Option<&EngineInfo>, status: Option<&Status>) -> Self {
        let own = status.map(|status| PathBuf::from(&status.data_dir));
        let local = engine.filter(|engine| engine.host.starts_with("unix:"));
        Self {
            data_dir: own.unwrap_or_else(|| config.server.data_dir.clone()),
            engine_root: local.and_then(|engine| engine.data_root.clone()),
            listen: status.is_none().then_some(config.server.listen),
            runtimes: daemon::runtimes_directory(config).map_err(|error| error.to_string()),
            code: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }
}

pub(super) fn look(places: &Places) -> Vec<Finding> {
    let mut findings = vec![permissions(&places.data_dir), disk("disk", &places.data_dir)];
    // Without rights to look into it, its nearest folder that can be seen is on the same disk in nearly all cases.
    findings.extend(places.engine_root.as_deref().map(|root| disk("engine disk", root)));
    findings.extend(places.listen.map(port));
    findings.push(runtimes(&places.runtimes));
    findings.push(events(&places.code));
    findings
}

/// The nearest folder above that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn permissions(data_dir: &Path) -> Finding {
    let shown = data_dir.display();
    let place = existing(data_dir);
    if rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_err() {
        let message = format!("{} cannot be written by this user", place.display());
        let mend = format!("sudo install -d -m 700 -o $USER {shown}, or hob serve --data-dir DIR");
        return Finding::failure("permissions", message, mend);
    }
    let open = std::fs::metadata(data_dir).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if open {
        let message = format!("others can look into {shown}, which holds what functions are told in secret");
        return Finding::warning("permissions", message, format!("chmod 700 {shown}"));
    }
    let new = if data_dir.exists() {
        ""
    } else {
        " (made at the first start)"
    };
    Finding::ok("permissions", format!("{shown} is this user's own{new}"))
}

fn disk(check: &'static str, path: &Path) -> Finding {
    let place = existing(path);
    let Ok(stat) = rustix::fs::statvfs(place) else {
        let message = format!("{} does not say how full it is", place.display());
        return Finding::warning(check, message, format!("df -h {}", place.display()));
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
    let inodes = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
    space(check, place, free, inodes)
}

/// Unit of `free`: MiB.
fn space(check: &'static str, place: &Path, free: u64, inodes: u64) -> Finding {
    let message = format!("{free} MiB free at {}", place.display());
    let mend = "hob gc; docker system df shows what else there is";
    if inodes < 1_000 {
        return Finding::failure(check, format!("{message}, but only {inodes} more files fit"), mend);
    }
    match free {
        0..DISK_FAILURE => Finding::failure(check, message, mend),
        DISK_FAILURE..DISK_WARNING => Finding::warning(check, message, mend),
        _ => Finding::ok(check, message),
    }
}

fn port(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", format!("{listen} is free")),
        Err(error) => {
            let message = format!(
                "{listen} cannot be listened on ({error}){}",
                listener::holder(listen.port())
            );
            Finding::failure("port", message, "hob serve --listen 127.0.0.1:0 takes a free one")
        }
    }
}

fn runtimes(directory: &Result<PathBuf, String>) -> Finding {
    let mend = "HOB_RUNTIMES_DIRECTORY=DIR hob serve, with the folder `runtimes` of Hob";
    let directory = match directory {
        Ok(directory) => directory,
        Err(why) => return Finding::failure("runtimes", why, mend),
    };
    match Runtimes::read(directory) {
        Ok(runtimes) => {
            let n = runtimes.families().len();
            Finding::ok("runtimes", format!("{n} in {}", directory.display()))
        }
        Err(error) => Finding::failure("runtimes", error.to_string(), mend),
    }
}

/// Whether the system tells of changes here: opening the folder is an event by itself, so nothing has to be written.
fn events(code: &Path) -> Finding {
    let shown = code.display();
    if let Some(kind) = remote_kind(code) {
        let message = format!("{shown} is on {kind}: changes made elsewhere send no events, so they are looked for");
        return Finding::warning("file events", message, "keep the code on a disk of this machine");
    }
    if !hears(code) {
        let message = format!("the system tells of no changes in {shown}, so they are looked for");
        return Finding::warning("file events", message, "sudo sysctl fs.inotify.max_user_instances=512");
    }
    match watches() {
        Some(most) if most < WATCHES => Finding::warning(
            "file events",
            format!("only {most} folders can be watched at once"),
            "sudo sysctl fs.inotify.max_user_watches=524288",
        ),
        _ => Finding::ok("file events", format!("changes in {shown} are told at once")),
    }
}

fn remote_kind(path: &Path) -> Option<&'static str> {
    let stat = rustix::fs::statfs(path).ok()?;
    let magic = u64::try_from(stat.f_type).ok()? & 0xffff_ffff;
    WITHOUT_EVENTS
        .iter()
        .find(|(number, _)| *number == magic)
        .map(|(_, name)| *name)
}

fn hears(folder: &Path) -> bool {
    let heard = || -> rustix::io::Result<bool> {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, folder, inotify::WatchFlags::OPEN)?;
        let opened = std::fs::File::open(folder).and_then(|folder| folder.metadata());
        let mut bytes = [std::mem::MaybeUninit::uninit(); 512];
        let told = inotify::Reader::new(&watch, &mut bytes).next().is_ok();
        Ok(told && opened.is_ok_and(|meta| meta.ino() > 0))
    };
    heard().unwrap_or(false)
}

fn watches() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn little_space_or_few_files_are_told_before_they_hurt() {
        let level = |free, inodes| space("disk", Path::new("/"), free, inodes).level;
        assert_eq!(level(100, u64::MAX), Level::Failure);
        assert_eq!(level(1_000, u64::MAX), Level::Warning);
        assert_eq!(level(10_000, u64::MAX), Level::Ok);
        assert_eq!(level(10_000, 10), Level::Failure);
    }

    #[test]
    fn a_port_that_is_taken_is_a_failure() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("bound");
        assert_eq!(port(address).level, Level::Failure);
        drop(taken);
        assert_eq!(port(address).level, Level::Ok);
    }

    #[test]
    fn a_folder_of_this_machine_tells_of_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(hears(folder.path()));
        assert!(!hears(&folder.path().join("missing")));
    }

    #[test]
    fn a_data_directory_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        assert_eq!(permissions(&data).level, Level::Ok);
        std::fs::create_dir(&data).expect("made");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).expect("set");
        let found = permissions(&data);
        assert_eq!(found.level, Level::Warning);
        assert!(found.mend.expect("a command").starts_with("chmod 700 "));
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).expect("set");
        assert_eq!(permissions(&data).level, Level::Ok);
    }

    #[test]
    fn a_missing_folder_of_runtimes_is_a_failure() {
        assert_eq!(runtimes(&Err("none".to_owned())).level, Level::Failure);
        assert_eq!(runtimes(&Ok(PathBuf::from("/no/such/folder"))).level, Level::Failure);
    }
}
