//! Tar files, plain or below gzip, into a tree.
//!
//! No hard links, devices, pipes or sparse files. A tar without its end block counts as cut off.

use super::limits::Meter;
use super::name::{EntryName, Style, lossy};
use super::tree::{Tree, copy};
use super::{BLOCK, Error};
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use tar::EntryType;

/// Bytes of headers allowed before one entry, long names and extensions included. The crate reads
/// them into memory.
const HEADER_BYTES: u64 = 256 << 10;
/// Bytes allowed behind the end block; tar pads to its record size.
const PADDING_BYTES: u64 = 1 << 20;

/// Whether a block is a tar header: its checksum fits, or it says so.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else {
        return false;
    };
    let declared = tar::Header::from_byte_slice(block).cksum();
    let sum: u32 = block[..148].iter().chain(&block[156..]).map(|b| u32::from(*b)).sum();
    &block[257..262] == b"ustar" || (block[0] != 0 && declared.is_ok_and(|d| d == sum + 8 * 32))
}

pub(super) fn fill_gz(source: &File, tree: &mut Tree, meter: &mut Meter<'_>) -> Result<(), Error> {
    let mut decoder = MultiGzDecoder::new(BufReader::new(source));
    let mut head = Vec::new();
    decoder
        .by_ref()
        .take(BLOCK as u64)
        .read_to_end(&mut head)
        .map_err(|e| Error::reading("", e))?;
    if !is_header(&head) {
        let hint = "a gzip header, but holds no tar".to_owned();
        return Err(Error::NotAnArchive { hint });
    }
    fill(Cursor::new(head).chain(decoder), tree, meter)
}

pub(super) fn fill(source: impl Read, tree: &mut Tree, meter: &mut Meter<'_>) -> Result<(), Error> {
    let state = State::default();
    let mut archive = tar::Archive::new(Watched {
        inner: source,
        state: &state,
    });
    let mut last = String::new();
    let mut entries = archive.entries().map_err(|e| Error::reading("", e))?;
    loop {
        state.left.set(HEADER_BYTES);
        let Some(entry) = entries.next() else { break };
        state.left.set(u64::MAX);
        let mut entry = entry.map_err(|e| state.explain(&last, e))?;
        meter.count_entry()?;
        last = lossy(&entry.path_bytes());
        place(&mut entry, tree, meter)?;
    }
    if state.ended.get() {
        return Err(Error::Truncated { entry: last });
    }
    drain(archive.into_inner(), &state, &last)
}

/// Reads what is behind the end block, so that a damaged or cut gzip file is noticed.
fn drain(mut rest: impl Read, state: &State, last: &str) -> Result<(), Error> {
    state.left.set(PADDING_BYTES);
    io::copy(&mut rest, &mut io::sink()).map_err(|e| state.explain(last, e))?;
    Ok(())
}

fn place<R: Read>(entry: &mut tar::Entry<'_, R>, tree: &mut Tree, meter: &mut Meter<'_>) -> Result<(), Error> {
    let raw = entry.path_bytes().into_owned();
    let kind = kind_of(entry, &raw);
    if let Kind::Comment = kind {
        return copy(entry, None, "", meter).map(drop);
    }
    let parsed = EntryName::parse(&raw, Style::Unix, meter.limits())?;
    match (parsed, kind) {
        (_, Kind::Other(kind)) => Err(Error::UnsupportedKind {
            entry: lossy(&raw),
            kind,
        }),
        (None, Kind::Directory) => copy(entry, None, "", meter).map(drop),
        (None, _) => Err(Error::BadName { entry: lossy(&raw) }),
        (Some(name), _) if name.is_junk() => copy(entry, None, name.as_str(), meter).map(drop),
        (Some(name), Kind::Directory) => {
            copy(entry, None, name.as_str(), meter)?;
            tree.directory(&name)
        }
        (Some(name), Kind::Link) => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            let target = name.check_target(&target, meter.limits())?;
            copy(entry, None, name.as_str(), meter)?;
            tree.link(&name, target)
        }
        (Some(name), _) => place_file(entry, &name, tree, meter),
    }
}

fn place_file<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    name: &EntryName,
    tree: &mut Tree,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let declared = entry.size();
    let mode = entry.header().mode().map_err(|e| Error::reading(name.as_str(), e))?;
    if tree.file(name, mode, entry, meter)? < declared {
        return Err(Error::Truncated {
            entry: lossy(name.as_str().as_bytes()),
        });
    }
    Ok(())
}

enum Kind {
    Directory,
    File,
    Link,
    /// Says something about the archive, brings nothing.
    Comment,
    Other(&'static str),
}

/// Very old tar writes a directory as a file whose name ends with `/`.
fn kind_of<R: Read>(entry: &tar::Entry<'_, R>, raw: &[u8]) -> Kind {
    match entry.header().entry_type() {
        EntryType::Directory => Kind::Directory,
        EntryType::Regular if raw.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Symlink => Kind::Link,
        EntryType::XGlobalHeader => Kind::Comment,
        EntryType::Link => Kind::Other("a hard link"),
        EntryType::Char | EntryType::Block => Kind::Other("a device"),
        EntryType::Fifo => Kind::Other("a pipe"),
        EntryType::GNUSparse => Kind::Other("a sparse file"),
        _ => Kind::Other("of a kind we do not know"),
    }
}

/// What the watched reader has seen; shared, because the tar crate owns the reader meanwhile.
struct State {
    /// Bytes that may still be read.
    left: Cell<u64>,
    /// `left` was used up.
    cut: Cell<bool>,
    /// The source has no more bytes.
    ended: Cell<bool>,
}

impl Default for State {
    fn default() -> Self {
        State {
            left: Cell::new(HEADER_BYTES),
            cut: Cell::new(false),
            ended: Cell::new(false),
        }
    }
}

impl State {
    /// The tar crate gives most failures as text; what the reader saw tells them apart.
    fn explain(&self, entry: &str, error: io::Error) -> Error {
        let entry = entry.to_owned();
        if self.cut.get() {
            let limit = HEADER_BYTES;
            Error::HeaderTooLarge { entry, limit }
        } else if self.ended.get() {
            Error::Truncated { entry }
        } else {
            Error::reading(&entry, error)
        }
    }
}

struct Watched<'s, R> {
    inner: R,
    state: &'s State,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.state.left.get();
        if left == 0 {
            self.state.cut.set(true);
            return Err(io::Error::other("too many bytes between two entries"));
        }
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.inner.read(&mut buffer[..most])?;
        self.state.ended.set(n == 0 && most > 0);
        self.state.left.set(left - n as u64);
        Ok(n)
    }
}
