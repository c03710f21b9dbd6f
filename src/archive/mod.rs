//! Zip and tar to a checked tree and back; the only room with the archive crates.
//!
//! Whatever arrives here is hostile. [`extract`] writes only below the directory it is given, never
//! follows or writes through a link, counts the bytes that really come out, and leaves nothing behind
//! when it fails. Packing is deterministic: the same tree gives the same bytes.
//!
//! Deliberately absent: knowledge of functions and runtimes, stripping of a common top directory,
//! syncing to disk, and async. Everything here blocks; call it from a blocking thread.

mod error;
mod limits;
mod name;
mod pack;
mod tree;
mod untar;
mod unzip;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use limits::Limits;
pub use pack::{TarPacker, pack_tar, pack_tar_entries, pack_zip};

use limits::Meter;
use std::fs::File;
use std::io::Seek;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tree::Tree;

/// The size of a tar block in bytes, and the most that [`sniff`] wants to see.
pub const BLOCK: usize = 512;

/// The kinds of archive that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A zip file, entries stored or deflated.
    Zip,
    /// A tar file: old, ustar, GNU or pax.
    Tar,
    /// A tar file below gzip.
    TarGz,
}

/// What an extraction brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// What the archive was.
    pub format: Format,
    /// Files, directories and links in the tree, directories that were only implied included.
    pub entries: usize,
    /// Bytes in all files together, unpacked.
    pub bytes: u64,
}

/// Tells the format by the first bytes (give [`BLOCK`] of them, fewer if there are no more).
/// A name's ending proves nothing and is not asked for.
#[must_use]
pub fn sniff(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Some(Format::Zip)
    } else if head.starts_with(b"\x1f\x8b") {
        Some(Format::TarGz)
    } else {
        untar::is_header(head).then_some(Format::Tar)
    }
}

/// Extracts `source`, from its first byte, into the existing, empty directory `into`.
///
/// Directories become 0755, files 0644, or 0755 if any exec bit was set. Links stay only if they are
/// relative and cannot leave the tree. What macOS adds (`__MACOSX/`, `.DS_Store`) is left out.
///
/// # Errors
/// Every variant of [`Error`] but those of packing; `into` is empty again then.
pub fn extract(source: File, into: &Path, limits: &Limits) -> Result<Summary, Error> {
    let mut tree = Tree::below(into, limits)?;
    match fill(&source, &mut tree, limits) {
        Ok(summary) => Ok(summary),
        Err(error) => Err(tree.discard(error)),
    }
}

fn fill(mut source: &File, tree: &mut Tree, limits: &Limits) -> Result<Summary, Error> {
    source.rewind().map_err(|e| Error::reading("", e))?;
    let head = read_head(source)?;
    let format = sniff(&head).ok_or_else(|| Error::not_an_archive(&head))?;
    let packed = source.metadata().map_err(|e| Error::reading("", e))?.len();
    let mut meter = Meter::new(limits, packed);
    match format {
        Format::Zip => unzip::fill(source, tree, &mut meter)?,
        Format::Tar => untar::fill(source, tree, &mut meter)?,
        Format::TarGz => untar::fill_gz(source, tree, &mut meter)?,
    }
    tree.make_links()?;
    Ok(Summary {
        format,
        entries: tree.len(),
        bytes: tree.bytes(),
    })
}

/// The first block, or all there is, without moving the file's position.
fn read_head(source: &File) -> Result<Vec<u8>, Error> {
    let mut head = vec![0; BLOCK];
    let mut filled = 0;
    while filled < head.len() {
        match source.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::reading("", e)),
        }
    }
    head.truncate(filled);
    Ok(head)
}
