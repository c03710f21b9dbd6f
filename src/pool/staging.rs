//! Code trees on their way into workers: a hard-linked copy lies ready, so that loading is one rename.
//!
//! Does not make trees and does not delete them: the store does.

use crate::domain::RevisionId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory where copies lie ready; on the same file system as trees and workers.
#[derive(Debug, Clone)]
pub(super) struct Staging {
    directory: PathBuf,
}

impl Staging {
    /// Empties and takes the directory.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Moves a copy of `tree` to `target`. Blocking; one rename when a copy lay ready.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn place(&self, revision: RevisionId, tree: &Path, target: &Path) -> io::Result<()> {
        match fs::rename(self.ready(revision), target) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => link_tree(tree, target),
            other => other,
        }
    }

    /// Lays a copy ready, if none lies there. Blocking.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn prepare(&self, revision: RevisionId, tree: &Path) -> io::Result<()> {
        let ready = self.ready(revision);
        if ready.exists() {
            return Ok(());
        }
        let making = self
            .directory
            .join(format!("{revision}.{}", crate::domain::WorkerId::generate()));
        link_tree(tree, &making)?;
        if fs::rename(&making, &ready).is_err() {
            fs::remove_dir_all(&making)?;
        }
        Ok(())
    }

    /// Removes what lies ready for a revision that is gone. Blocking.
    pub(super) fn forget(&self, revision: RevisionId) {
        let _ = fs::remove_dir_all(self.ready(revision));
    }

    fn ready(&self, revision: RevisionId) -> PathBuf {
        self.directory.join(revision.to_string())
    }
}

fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            link_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::hard_link(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_placed_once_with_and_once_without_preparation() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(tree.join("sub/a"), b"1").unwrap();
        std::os::unix::fs::symlink("sub/a", tree.join("link")).unwrap();
        let staging = Staging::open(dir.path().join("staging")).unwrap();
        let revision = RevisionId::generate();
        staging.prepare(revision, &tree).unwrap();
        for name in ["first", "second"] {
            let target = dir.path().join(name);
            staging.place(revision, &tree, &target).unwrap();
            assert_eq!(fs::read(target.join("link")).unwrap(), b"1");
        }
        assert_eq!(fs::read_dir(dir.path().join("staging")).unwrap().count(), 0);
    }
}
