//! A tree to zip or tar. The same tree gives the same bytes: sorted, one fixed time, no owners.
//!
//! What is packed here can be extracted again by this room: links that leave the tree, names that are
//! not UTF-8 and special files are refused, not skipped.

use super::error::shown;
use super::name::{EntryName, Style, lossy};
use super::tree::plain_mode;
use super::{Error, Limits};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tar::{EntryType, Header};
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

/// 1980-01-01 00:00:00 UTC in seconds: the earliest time a zip can hold, so both formats agree.
const FIXED_TIME: u64 = 315_532_800;
/// From here on a zip entry needs the 64-bit fields.
const LARGE: u64 = u32::MAX as u64;

/// Packs the tree below `dir` as a zip file into `writer`.
///
/// `keep` is asked for each path relative to `dir`; a directory it refuses is not entered.
/// # Errors
/// `Io`, `DiskFull`, `Changed`, and what extraction would refuse: `BadName`, `LinkOutside`,
/// `UnsupportedKind`, `TooDeep`, `PathTooLong`. The writer holds part of an archive then.
pub fn pack_zip<W: Write + Seek>(dir: &Path, writer: W, keep: impl Fn(&Path) -> bool) -> Result<W, Error> {
    let mut zip = ZipWriter::new(writer);
    walk(dir, &keep, &mut |item| zip_item(&mut zip, item))?;
    zip.finish().map_err(|e| zip_failed("", e))
}

/// Packs the tree below `dir` as a tar file into `writer`. As [`pack_zip`] otherwise.
///
/// # Errors
/// As [`pack_zip`].
pub fn pack_tar<W: Write>(dir: &Path, writer: W, keep: impl Fn(&Path) -> bool) -> Result<W, Error> {
    let mut packer = TarPacker::new(writer);
    packer.tree("", dir, keep)?;
    packer.finish()
}

/// Packs files made in memory, each (path, mode, bytes), as a tar file, in the order given.
///
/// # Errors
/// As [`pack_zip`], and `Absolute` or `Traversal` for a path.
pub fn pack_tar_entries<W: Write, P: AsRef<str>, B: AsRef<[u8]>>(
    entries: impl IntoIterator<Item = (P, u32, B)>,
    writer: W,
) -> Result<W, Error> {
    let mut packer = TarPacker::new(writer);
    for (path, mode, bytes) in entries {
        packer.file(path.as_ref(), mode, bytes.as_ref())?;
    }
    packer.finish()
}

/// Makes one tar of several parts: files made in memory and whole trees, as a build context needs.
pub struct TarPacker<W: Write> {
    builder: tar::Builder<W>,
}

impl<W: Write> TarPacker<W> {
    /// Begins an archive; nothing is written yet.
    pub fn new(writer: W) -> Self {
        TarPacker {
            builder: tar::Builder::new(writer),
        }
    }

    /// Adds a file made in memory. `mode` counts only by its exec bits: 0755 or 0644.
    ///
    /// # Errors
    /// `Absolute`, `Traversal`, `BadName`, `PathTooLong`, `TooDeep`, `Io`, `DiskFull`.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<(), Error> {
        let name = EntryName::parse(path.as_bytes(), Style::Unix, &packing_limits())?;
        let name = name.ok_or_else(|| Error::BadName { entry: shown(path) })?;
        let mut header = header(EntryType::Regular, plain_mode(mode), bytes.len() as u64);
        self.builder
            .append_data(&mut header, name.as_str(), bytes)
            .map_err(|e| Error::writing(path, e))
    }

    /// Adds a link of our own making: its target is not checked, and may be anywhere.
    ///
    /// # Errors
    /// As [`TarPacker::file`].
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), Error> {
        let name = EntryName::parse(path.as_bytes(), Style::Unix, &packing_limits())?;
        let name = name.ok_or_else(|| Error::BadName { entry: shown(path) })?;
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.builder
            .append_link(&mut header, name.as_str(), target)
            .map_err(|e| Error::writing(path, e))
    }

    /// Adds the tree below `dir`, under `prefix` (empty: at the root). `keep` as in [`pack_zip`].
    ///
    /// # Errors
    /// As [`pack_zip`].
    pub fn tree(&mut self, prefix: &str, dir: &Path, keep: impl Fn(&Path) -> bool) -> Result<(), Error> {
        let prefix = match prefix {
            "" => None,
            text => EntryName::parse(text.as_bytes(), Style::Unix, &packing_limits())?,
        };
        walk(dir, &keep, &mut |item| {
            let path = match &prefix {
                Some(prefix) => format!("{}/{}", prefix.as_str(), item.name.as_str()),
                None => item.name.as_str().to_owned(),
            };
            tar_item(&mut self.builder, &path, item)
        })
    }

    /// Writes the end and gives the writer back.
    ///
    /// # Errors
    /// `Io`, `DiskFull`.
    pub fn finish(self) -> Result<W, Error> {
        self.builder.into_inner().map_err(|e| Error::writing("", e))
    }
}

/// One thing found on disk, ready to be written.
struct Item {
    name: EntryName,
    content: Content,
}

enum Content {
    Directory,
    File { file: File, size: u64, mode: u32 },
    Link { target: String },
}

/// Visits everything below `dir` that `keep` wants, parents first, names in byte order.
fn walk(
    dir: &Path,
    keep: &dyn Fn(&Path) -> bool,
    visit: &mut dyn FnMut(Item) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut waiting = children(dir, dir, keep)?;
    while let Some(name) = waiting.pop() {
        let item = open(dir, name)?;
        if let Content::Directory = item.content {
            waiting.extend(children(dir, &dir.join(item.name.as_str()), keep)?);
        }
        visit(item)?;
    }
    Ok(())
}

/// The wanted children of `parent`, last name first, so that a stack gives them in order.
fn children(dir: &Path, parent: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<Vec<EntryName>, Error> {
    let mut names = Vec::new();
    let failed = |e| Error::reading_disk(parent, dir, e);
    for child in fs::read_dir(parent).map_err(failed)? {
        let path = child.map_err(failed)?.path();
        let relative = path.strip_prefix(dir).unwrap_or(&path);
        if keep(relative) {
            let raw = relative.as_os_str().as_bytes();
            names.extend(EntryName::parse(raw, Style::Unix, &packing_limits())?);
        }
    }
    names.sort_by(|a, b| b.cmp(a));
    Ok(names)
}

fn open(dir: &Path, name: EntryName) -> Result<Item, Error> {
    let path = dir.join(name.as_str());
    let failed = |e| Error::reading_disk(&path, dir, e);
    let kind = fs::symlink_metadata(&path).map_err(failed)?.file_type();
    let content = if kind.is_dir() {
        Content::Directory
    } else if kind.is_symlink() {
        let target = fs::read_link(&path).map_err(failed)?;
        let target = name.check_target(target.as_os_str().as_bytes(), &packing_limits())?;
        Content::Link { target }
    } else if kind.is_file() {
        open_file(File::open(&path).map_err(failed)?).map_err(failed)?
    } else {
        return Err(Error::UnsupportedKind {
            entry: shown(name.as_str()),
            kind: "a device, a pipe or a socket",
        });
    };
    Ok(Item { name, content })
}

fn open_file(file: File) -> io::Result<Content> {
    let metadata = file.metadata()?;
    let mode = plain_mode(metadata.permissions().mode());
    let size = metadata.len();
    Ok(Content::File { file, size, mode })
}

fn tar_item<W: Write>(builder: &mut tar::Builder<W>, path: &str, item: Item) -> Result<(), Error> {
    let failed = |e| Error::writing(path, e);
    match item.content {
        Content::Directory => {
            let mut header = header(EntryType::Directory, 0o755, 0);
            let path = format!("{path}/");
            builder.append_data(&mut header, path, io::empty()).map_err(failed)
        }
        Content::Link { target } => {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            builder.append_link(&mut header, path, target).map_err(failed)
        }
        Content::File { file, size, mode } => {
            let mut header = header(EntryType::Regular, mode, size);
            let mut content = file.take(size);
            builder.append_data(&mut header, path, &mut content).map_err(failed)?;
            unchanged(content.limit(), path)
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(FIXED_TIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn zip_item<W: Write + Seek>(zip: &mut ZipWriter<W>, item: Item) -> Result<(), Error> {
    let name = item.name.as_str();
    if name.contains('\\') {
        return Err(Error::BadName {
            entry: lossy(name.as_bytes()),
        });
    }
    let failed = |e| zip_failed(name, e);
    match item.content {
        Content::Directory => zip.add_directory(name, options(0o755, 0)).map_err(failed),
        Content::Link { target } => zip.add_symlink(name, target, options(0o777, 0)).map_err(failed),
        Content::File { file, size, mode } => {
            zip.start_file(name, options(mode, size)).map_err(failed)?;
            let mut content = file.take(size);
            io::copy(&mut content, zip).map_err(|e| Error::writing(name, e))?;
            unchanged(content.limit(), name)
        }
    }
}

fn options(mode: u32, size: u64) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(mode)
        .large_file(size >= LARGE)
}

fn zip_failed(entry: &str, error: ZipError) -> Error {
    match error {
        ZipError::Io(e) => Error::writing(entry, e),
        other => Error::writing(entry, io::Error::other(other)),
    }
}

/// A file that became shorter has bytes `missing`; one that became longer is cut, as if read before.
fn unchanged(missing: u64, entry: &str) -> Result<(), Error> {
    match missing {
        0 => Ok(()),
        _ => Err(Error::Changed { entry: shown(entry) }),
    }
}

/// Our own disk is not hostile; paths are bounded by what the formats and the walk can bear.
fn packing_limits() -> Limits {
    Limits {
        path_bytes: 4096,
        depth: 256,
        ..Limits::default()
    }
}
