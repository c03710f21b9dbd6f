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
    pub(super) fn place(
        &self,
        revision: RevisionId,
        tree: &Path,
        link: Option<&(String, String)>,
        target: &Path,
    ) -> io::Result<()> {
        match fs::rename(self.ready(revision), target) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => copy(tree, link, target),
            other => other,
        }
    }

    /// Lays a copy ready, if none lies there. Blocking.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn prepare(&self, revision: RevisionId, tree: &Path, link: Option<&(String, String)>) -> io::Result<()> {
        let ready = self.ready(revision);
        if ready.exists() {
            return Ok(());
        }
        let making = self
            .directory
            .join(format!("{revision}.{}", crate::domain::WorkerId::generate()));
        copy(tree, link, &making)?;
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

/// A hard-linked copy, with one more link at its top unless there is something of that name.
fn copy(tree: &Path, link: Option<&(String, String)>, to: &Path) -> io::Result<()> {
    link_tree(tree, to)?;
    let Some((name, target)) = link else { return Ok(()) };
    match std::os::unix::fs::symlink(target, to.join(name)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
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
        staging.prepare(revision, &tree, None).unwrap();
        for name in ["first", "second"] {
            let target = dir.path().join(name);
            staging.place(revision, &tree, None, &target).unwrap();
            assert_eq!(fs::read(target.join("link")).unwrap(), b"1");
        }
        assert_eq!(fs::read_dir(dir.path().join("staging")).unwrap().count(), 0);
    }

    #[test]
    fn a_copy_gets_its_link_and_the_users_own_goes_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let staging = Staging::open(dir.path().join("staging")).unwrap();
        let link = ("mods".to_owned(), "/elsewhere/mods".to_owned());
        let revision = RevisionId::generate();
        staging
            .place(revision, &tree, Some(&link), &dir.path().join("first"))
            .unwrap();
        let made = fs::read_link(dir.path().join("first/mods")).unwrap();
        assert_eq!(made, Path::new("/elsewhere/mods"));
        assert!(!tree.join("mods").exists(), "the tree itself stays as it came");
        fs::create_dir(tree.join("mods")).unwrap();
        staging
            .place(revision, &tree, Some(&link), &dir.path().join("second"))
            .unwrap();
        assert!(dir.path().join("second/mods").is_dir());
    }
}
