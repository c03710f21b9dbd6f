//! The tree being extracted: which paths are taken, and the only code of extraction that writes.
//!
//! The directory was empty and everything in it was made here, so the map of claimed paths is the
//! truth about the disk. Links are made last, so that nothing can be written through one.

use super::error::shown;
use super::limits::Meter;
use super::name::EntryName;
use super::{Error, Limits};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Any of the three exec bits.
const EXEC: u32 = 0o111;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link { target: String },
}

/// A directory that is being filled from an archive.
pub(super) struct Tree {
    root: PathBuf,
    taken: BTreeMap<EntryName, Kind>,
    limit: usize,
    bytes: u64,
}

impl Tree {
    pub(super) fn below(root: &Path, limits: &Limits) -> Result<Self, Error> {
        let mut children = fs::read_dir(root).map_err(|e| Error::writing("", e))?;
        if children.next().is_some() {
            return Err(Error::NotEmpty);
        }
        Ok(Tree {
            root: root.to_owned(),
            taken: BTreeMap::new(),
            limit: limits.entries,
            bytes: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn directory(&mut self, name: &EntryName) -> Result<(), Error> {
        self.claim_parents(name)?;
        self.claim_directory(name, name)
    }

    /// Writes a file from `content`; gives the number of bytes it had.
    pub(super) fn file(
        &mut self,
        name: &EntryName,
        mode: u32,
        content: &mut dyn Read,
        meter: &mut Meter<'_>,
    ) -> Result<u64, Error> {
        self.claim_parents(name)?;
        self.claim(name, Kind::File)?;
        let path = self.root.join(name.as_str());
        let mut file = create(&path, mode).map_err(|e| Error::writing(name.as_str(), e))?;
        let n = copy(content, Some(&mut file), name.as_str(), meter)?;
        self.bytes += n;
        Ok(n)
    }

    /// Notes a link, whose target has been checked; [`Tree::make_links`] makes it.
    pub(super) fn link(&mut self, name: &EntryName, target: String) -> Result<(), Error> {
        self.claim_parents(name)?;
        self.claim(name, Kind::Link { target })
    }

    pub(super) fn make_links(&mut self) -> Result<(), Error> {
        for (name, kind) in &self.taken {
            if let Kind::Link { target } = kind {
                symlink(target, self.root.join(name.as_str())).map_err(|e| Error::writing(name.as_str(), e))?;
            }
        }
        Ok(())
    }

    /// Empties the directory again after `error`.
    pub(super) fn discard(self, error: Error) -> Error {
        match empty(&self.root) {
            Ok(()) => error,
            Err(source) => Error::NotCleaned {
                because: Box::new(error),
                source,
            },
        }
    }

    fn claim_parents(&mut self, name: &EntryName) -> Result<(), Error> {
        for parent in name.parents() {
            self.claim_directory(&parent, name)?;
        }
        Ok(())
    }

    /// A directory may be named many times; `wanted_by` is the entry that needs it.
    fn claim_directory(&mut self, name: &EntryName, wanted_by: &EntryName) -> Result<(), Error> {
        let entry = shown(wanted_by.as_str());
        match self.taken.get(name) {
            Some(Kind::Directory) => Ok(()),
            Some(Kind::Link { .. }) if name != wanted_by => Err(Error::ThroughLink {
                entry,
                link: shown(name.as_str()),
            }),
            Some(_) => Err(Error::Duplicate { entry }),
            None => {
                self.claim(name, Kind::Directory)?;
                make_directory(&self.root.join(name.as_str())).map_err(|e| Error::writing(name.as_str(), e))
            }
        }
    }

    fn claim(&mut self, name: &EntryName, kind: Kind) -> Result<(), Error> {
        if self.taken.contains_key(name) {
            let entry = shown(name.as_str());
            return Err(Error::Duplicate { entry });
        }
        if self.taken.len() >= self.limit {
            return Err(Error::TooManyEntries { limit: self.limit });
        }
        self.taken.insert(name.clone(), kind);
        Ok(())
    }
}

/// Copies all of `from`, metered; without `to` the bytes are only counted.
pub(super) fn copy(
    from: &mut dyn Read,
    mut to: Option<&mut File>,
    entry: &str,
    meter: &mut Meter<'_>,
) -> Result<u64, Error> {
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::reading(entry, e)),
        };
        meter.count_bytes(n, entry)?;
        if let Some(file) = to.as_deref_mut() {
            file.write_all(&buffer[..n]).map_err(|e| Error::writing(entry, e))?;
        }
        total += n as u64;
    }
}

/// 0755 if `mode` has any exec bit, else 0644.
pub(super) fn plain_mode(mode: u32) -> u32 {
    if mode & EXEC == 0 { 0o644 } else { 0o755 }
}

/// The mode is set again once the file is open, because the umask may have taken bits away.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mode = plain_mode(mode);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Removes what is inside `root`, following no link, and leaves `root`.
fn empty(root: &Path) -> io::Result<()> {
    for child in fs::read_dir(root)? {
        let child = child?;
        if child.file_type()?.is_dir() {
            fs::remove_dir_all(child.path())?;
        } else {
            fs::remove_file(child.path())?;
        }
    }
    Ok(())
}
