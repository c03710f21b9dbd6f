//! Where code comes from: an upload, a URL, a store of objects, a directory, or text.
//!
//! `fetch` opens what is not sent along: bounded, checked and with a deadline, piece by piece.
//!
//! Decides what an upload is and hands it to `archive`, which does the checking. Deliberately absent:
//! what the code means, where it is kept, and ignore files: only `.git` and `.hg` are left out of a
//! packed directory, at any depth; everything else a user has there is sent.

mod directory;
mod fetch;
mod inline;
mod swift;
mod url;

pub use fetch::{FetchError, Fetched, Object, Options, SourceSpec, Sources, Swift};

use crate::archive::{self, BLOCK, Format, Limits, sniff};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directories of version control, never part of a function.
const LEFT_OUT: [&str; 2] = [".git", ".hg"];

/// Why source code could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive is unsafe, damaged or not one; also a full disk.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// There is no file in it.
    #[error("the source holds no files; send at least the file with the entry point")]
    Empty,
    /// Our own file could not be read or written.
    #[error("cannot {action} the uploaded source")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What an upload turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An archive, now extracted.
    Archive(Format),
    /// One source file, now stored under the name asked for.
    SingleFile,
}

/// What an upload brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// What it was.
    pub shape: Shape,
    /// Files, directories and links.
    pub entries: usize,
    /// Bytes in all files together, unpacked.
    pub bytes: u64,
}

/// Unpacks the upload in the file `blob` into the existing, empty directory `into`.
///
/// An archive is known by its content and extracted. Anything else is refused, unless the user's
/// `file_name` has the same extension as `single_file_name` (the runtime's name for a lone source
/// file): then it is stored under that name.
///
/// Blocks; call it from a blocking thread.
/// # Errors
/// `Archive` for whatever is wrong with the upload, `Empty`, `Io`. Nothing is left in `into` then.
pub fn unpack(
    blob: &Path,
    file_name: Option<&str>,
    single_file_name: &str,
    into: &Path,
    limits: &Limits,
) -> Result<Unpacked, Error> {
    let mut file = File::open(blob).map_err(io_error("open"))?;
    let is_source = file_name.is_some_and(|name| same_extension(name, single_file_name));
    if is_source && sniff(&read_head(&mut file)?).is_none() {
        return store_single(file, &into.join(single_file_name), limits);
    }
    let summary = archive::extract(file, into, limits)?;
    if summary.bytes == 0 && !has_file(into, |_| true)? {
        empty(into)?;
        return Err(Error::Empty);
    }
    Ok(Unpacked {
        shape: Shape::Archive(summary.format),
        entries: summary.entries,
        bytes: summary.bytes,
    })
}

/// Packs a user's directory as a zip for deployment, without `.git` and `.hg`. Deterministic.
///
/// # Errors
/// `Archive`, as [`archive::pack_zip`]; `Empty` if no file is there.
pub fn pack_directory<W: Write + Seek>(dir: &Path, writer: W) -> Result<W, Error> {
    if !has_file(dir, is_wanted)? {
        return Err(Error::Empty);
    }
    Ok(archive::pack_zip(dir, writer, is_wanted)?)
}

/// Packs those files of a user's directory that are `chosen`, by their paths in it. As [`pack_directory`] otherwise.
///
/// # Errors
/// `Archive`, as [`archive::pack_zip`]; `chosen` is asked for directories too.
pub fn pack_chosen<W: Write + Seek>(dir: &Path, writer: W, chosen: impl Fn(&Path) -> bool) -> Result<W, Error> {
    Ok(archive::pack_zip(dir, writer, |path| is_wanted(path) && chosen(path))?)
}

/// Whether a path belongs into a packed directory.
fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    !name.is_some_and(|name| LEFT_OUT.contains(&name))
}

fn same_extension(given: &str, wanted: &str) -> bool {
    let extension = |name| Path::new(name).extension().and_then(OsStr::to_str);
    match (extension(given), extension(wanted)) {
        (Some(given), Some(wanted)) => given.eq_ignore_ascii_case(wanted),
        _ => false,
    }
}

fn read_head(file: &mut File) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    file.take(BLOCK as u64)
        .read_to_end(&mut head)
        .and_then(|_| file.rewind())
        .map_err(io_error("read"))?;
    Ok(head)
}

/// A file of source is bounded like an archive's content.
fn store_single(file: File, to: &Path, limits: &Limits) -> Result<Unpacked, Error> {
    let size = file.metadata().map_err(io_error("read"))?.len();
    if size == 0 {
        return Err(Error::Empty);
    }
    let entry = || to.file_name().unwrap_or_default().to_string_lossy().into();
    if size > limits.total_bytes {
        let limit = limits.total_bytes;
        return Err(archive::Error::TooLarge { entry: entry(), limit }.into());
    }
    let failed = |source| archive::Error::writing(&entry(), source);
    let mut target = File::create_new(to).map_err(failed)?;
    match copy_readable(file.take(size), &mut target) {
        Ok(bytes) => Ok(Unpacked {
            shape: Shape::SingleFile,
            entries: 1,
            bytes,
        }),
        Err(source) => {
            fs::remove_file(to).map_err(io_error("remove"))?;
            Err(failed(source).into())
        }
    }
}

/// The mode is set because the umask may have hidden the file from the worker's user.
fn copy_readable(mut from: impl Read, to: &mut File) -> io::Result<u64> {
    to.set_permissions(Permissions::from_mode(0o644))?;
    io::copy(&mut from, to)
}

/// Whether anything but directories is below `dir`, looking only at what `keep` wants.
fn has_file(dir: &Path, keep: fn(&Path) -> bool) -> Result<bool, Error> {
    let mut waiting: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(directory) = waiting.pop() {
        for child in fs::read_dir(directory).map_err(io_error("list"))? {
            let child = child.map_err(io_error("list"))?;
            let kind = child.file_type().map_err(io_error("list"))?;
            if !keep(&child.path()) {
                continue;
            } else if !kind.is_dir() {
                return Ok(true);
            }
            waiting.push(child.path());
        }
    }
    Ok(false)
}

/// Removes the directories of an archive that held nothing else.
fn empty(into: &Path) -> Result<(), Error> {
    for child in fs::read_dir(into).map_err(io_error("list"))? {
        let child = child.map_err(io_error("list"))?;
        fs::remove_dir_all(child.path()).map_err(io_error("remove"))?;
    }
    Ok(())
}

fn io_error(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { action, source }
}

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod tests;
