//! Zip files into a tree.
//!
//! Only the central directory is believed about what there is, and nothing about sizes. Names must
//! be UTF-8, whatever the flag says. No passwords, no methods but stored and deflate, no split files.

use super::Error;
use super::limits::Meter;
use super::name::{EntryName, Style, lossy};
use super::tree::{Tree, copy};
use flate2::read::DeflateDecoder;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use zip::result::ZipError;
use zip::{CompressionMethod as Method, ZipArchive};

const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
/// The end record and the longest comment behind it, in bytes.
const END_REGION: u64 = 22 + 65_535;

type Archive<'a> = ZipArchive<BufReader<&'a File>>;

pub(super) fn fill(source: &File, tree: &mut Tree, meter: &mut Meter<'_>) -> Result<(), Error> {
    let mut archive = ZipArchive::new(BufReader::new(source)).map_err(|e| opening(source, e))?;
    check_before_writing(source, &mut archive, meter)?;
    for index in 0..archive.len() {
        let name = raw_name(&archive, index)?;
        let wrong = |e| failed(&lossy(&name), e);
        if is_unmeasured(&archive, index)? {
            let entry = archive.by_index_raw(index).map_err(wrong)?;
            let mode = entry.unix_mode();
            place(&mut DeflateDecoder::new(entry), mode, &name, tree, meter)?;
        } else {
            let mut entry = archive.by_index(index).map_err(wrong)?;
            let mode = entry.unix_mode();
            place(&mut entry, mode, &name, tree, meter)?;
        }
    }
    Ok(())
}

/// Whether an entry has content, and neither its size nor its checksum was written down: an old packer leaves both at
/// zero when a newer language runs it. There is nothing to check its content against then.
fn is_unmeasured(archive: &Archive<'_>, index: usize) -> Result<bool, Error> {
    /// Nothing, compressed. Unit: bytes.
    const NOTHING: u64 = 2;
    let entry = archive.by_index_data(index).map_err(|e| failed("", e))?;
    let unwritten = entry.size() == 0 && entry.crc32() == 0;
    Ok(unwritten && entry.compression() == Method::Deflated && entry.compressed_size() > NOTHING)
}

/// Everything that can be known before a byte is written.
fn check_before_writing(source: &File, archive: &mut Archive<'_>, meter: &mut Meter<'_>) -> Result<(), Error> {
    for index in 0..archive.len() {
        meter.count_entry()?;
        let entry = archive.by_index_data(index).map_err(|e| failed("", e))?;
        if entry.encrypted() {
            let entry = lossy(entry.name_raw());
            return Err(Error::Encrypted { entry });
        }
        if !matches!(entry.compression(), Method::Stored | Method::Deflated) {
            let entry = lossy(entry.name_raw());
            return Err(Error::UnsupportedCompression { entry });
        }
        EntryName::parse(entry.name_raw(), Style::Windows, meter.limits())?;
    }
    if archive.has_duplicate_names() {
        check_duplicates(source, archive.central_directory_start())?;
    }
    check_overlaps(archive)
}

fn place(
    entry: &mut dyn Read,
    mode: Option<u32>,
    raw: &[u8],
    tree: &mut Tree,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let parsed = EntryName::parse(raw, Style::Windows, meter.limits())?;
    let mode = mode.unwrap_or(0);
    let is_directory = raw.ends_with(b"/") || raw.ends_with(b"\\");
    match (parsed, kind_of(mode, is_directory)) {
        (_, Kind::Other(kind)) => Err(unsupported(raw, kind)),
        (None, Kind::Directory) => Ok(()),
        (None, _) => Err(Error::BadName { entry: lossy(raw) }),
        (Some(name), _) if name.is_junk() => copy(entry, None, name.as_str(), meter).map(drop),
        (Some(name), Kind::Directory) => tree.directory(&name),
        (Some(name), Kind::File) => tree.file(&name, mode, entry, meter).map(drop),
        (Some(name), Kind::Link) => {
            let target = read_target(entry, &name, meter)?;
            tree.link(&name, target)
        }
    }
}

enum Kind {
    Directory,
    File,
    Link,
    Other(&'static str),
}

fn kind_of(mode: u32, named_as_directory: bool) -> Kind {
    match mode & 0o170_000 {
        0o040_000 => Kind::Directory,
        0 | 0o100_000 if named_as_directory => Kind::Directory,
        0 | 0o100_000 => Kind::File,
        0o120_000 if !named_as_directory => Kind::Link,
        0o120_000 => Kind::Other("a link with a directory's name"),
        _ => Kind::Other("a device, a pipe or a socket"),
    }
}

fn unsupported(raw: &[u8], kind: &'static str) -> Error {
    let entry = lossy(raw);
    Error::UnsupportedKind { entry, kind }
}

/// A link's target is its content; one byte more than allowed is read, so that the check can tell.
fn read_target(entry: &mut dyn Read, name: &EntryName, meter: &mut Meter<'_>) -> Result<String, Error> {
    let mut target = Vec::new();
    let most = meter.limits().path_bytes as u64 + 1;
    entry
        .take(most)
        .read_to_end(&mut target)
        .map_err(|e| Error::reading(name.as_str(), e))?;
    meter.count_bytes(target.len(), name.as_str())?;
    name.check_target(&target, meter.limits())
}

fn raw_name(archive: &Archive<'_>, index: usize) -> Result<Vec<u8>, Error> {
    let entry = archive.by_index_data(index).map_err(|e| failed("", e))?;
    Ok(entry.name_raw().to_vec())
}

/// No two entries may share bytes: that is how small files become endless ones.
fn check_overlaps(archive: &mut Archive<'_>) -> Result<(), Error> {
    let mut ranges = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let name = raw_name(archive, index)?;
        let entry = archive.by_index_raw(index).map_err(|e| failed(&lossy(&name), e))?;
        let start = entry.header_start();
        let data = entry.data_start().unwrap_or(start);
        ranges.push((start, data.saturating_add(entry.compressed_size()), name));
    }
    ranges.sort();
    match ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => Err(Error::Overlap {
            entry: lossy(&pair[1].2),
            other: lossy(&pair[0].2),
        }),
        None => Ok(()),
    }
}

/// Walks the central directory, because the crate keeps only one entry of each name. A directory
/// may be named twice.
fn check_duplicates(source: &File, mut at: u64) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let mut header = [0; 46];
    while source.read_exact_at(&mut header, at).is_ok() && header.starts_with(DIRECTORY_ENTRY) {
        let length = |i: usize| u16::from_le_bytes([header[i], header[i + 1]]);
        let mut name = vec![0; length(28).into()];
        source
            .read_exact_at(&mut name, at + 46)
            .map_err(|e| Error::reading("", e))?;
        if !name.ends_with(b"/") && !seen.insert(name.clone()) {
            let entry = lossy(&name);
            return Err(Error::Duplicate { entry });
        }
        at += 46 + [28, 30, 32].map(|i| u64::from(length(i))).iter().sum::<u64>();
    }
    Ok(())
}

/// A zip file without its end was cut off; with one it is damaged.
fn opening(source: &File, error: ZipError) -> Error {
    match error {
        ZipError::InvalidArchive(_) if !has_directory_end(source) => Error::Truncated { entry: String::new() },
        error => failed("", error),
    }
}

fn has_directory_end(source: &File) -> bool {
    let length = source.metadata().map_or(0, |m| m.len());
    let start = length.saturating_sub(END_REGION);
    let mut tail = vec![0; (length - start) as usize];
    source.read_exact_at(&mut tail, start).is_ok() && tail.windows(4).any(|window| window == DIRECTORY_END)
}

fn failed(entry: &str, error: ZipError) -> Error {
    let entry = entry.to_owned();
    match error {
        ZipError::Io(e) => Error::reading(&entry, e),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            Error::Encrypted { entry }
        }
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => {
            Error::UnsupportedCompression { entry }
        }
        other => Error::Corrupt {
            entry,
            source: other.into(),
        },
    }
}
