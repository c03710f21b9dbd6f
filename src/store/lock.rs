//! One daemon per data directory. The lock is the kernel's: it goes when its holder goes, however it goes.
//!
//! The file's text (a process id) is for people; it decides nothing.

use super::Error;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Holds the data directory as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes `<data>/lock` or says who has it; never waits.
    pub(super) fn take(directory: &Path) -> Result<Self, Error> {
        let io = |e| Error::io("open the lock file", e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("lock"))
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(&mut file)),
            Err(e) => return Err(Error::io("lock the data directory", e.into())),
        }
        write_pid(&mut file).map_err(|e| Error::io("write the lock file", e))?;
        Ok(Self { _file: file })
    }
}

fn held(file: &mut File) -> Error {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    let pid = read.ok().and_then(|_| text.trim().parse().ok());
    Error::Locked { pid }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_refused_and_names_its_holder_until_it_is_dropped() {
        let directory = tempfile::tempdir().expect("temp");
        let first = Lock::take(directory.path()).expect("free");
        let error = Lock::take(directory.path()).expect_err("held");
        let own = std::process::id();
        assert!(matches!(error, Error::Locked { pid: Some(pid) } if pid == own));
        assert!(error.to_string().contains(&format!("process {own}")));
        drop(first);
        Lock::take(directory.path()).expect("free again");
    }
}
