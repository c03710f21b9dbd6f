//! What can be wrong with an archive, said so that the person who made it can mend it.
//!
//! No paths of the machine appear here: an entry is named as the archive names it, cut to a length
//! that can be shown, and printed escaped.

use std::io;
use std::path::Path;

/// Names longer than this many characters are cut in messages.
const SHOWN: usize = 200;

/// Why an archive was refused, or could not be made. An `entry` is the name inside the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are of no format we know.
    #[error("this is not a zip, tar or tar.gz file (it begins with {hint}); send one of these")]
    NotAnArchive {
        /// The first bytes in hexadecimal, or what they look like.
        hint: String,
    },
    /// The file ends too early.
    #[error("the archive ends in the middle, at {entry:?}; make or send it again")]
    Truncated {
        /// The entry that is incomplete; empty if it is the archive's own directory.
        entry: String,
    },
    /// The bytes contradict themselves (a checksum, a header).
    #[error("the archive is damaged at {entry:?}; make it again")]
    Corrupt {
        /// The damaged entry; empty if it is the archive's own directory.
        entry: String,
        /// What the decoder said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The entry needs a password.
    #[error("entry {entry:?} is encrypted; make the archive without a password")]
    Encrypted {
        /// The entry.
        entry: String,
    },
    /// The entry is packed by a method other than stored or deflate.
    #[error("entry {entry:?} is packed with a method we do not read; use deflate")]
    UnsupportedCompression {
        /// The entry.
        entry: String,
    },
    /// A path with `..` in it.
    #[error("the path {entry:?} contains `..`; pack from inside the directory")]
    Traversal {
        /// The entry.
        entry: String,
    },
    /// A path that begins at a root, a drive or a network share.
    #[error("the path {entry:?} is absolute; pack with relative paths")]
    Absolute {
        /// The entry.
        entry: String,
    },
    /// A link that is absolute, or goes up and out, or goes up after having gone down.
    #[error(
        "the link {entry:?} points to {target:?}, which may be outside; make it relative, `..` only at its front, or pack the file itself"
    )]
    LinkOutside {
        /// The entry.
        entry: String,
        /// Where it points.
        target: String,
    },
    /// An entry that lies below a link.
    #[error("entry {entry:?} lies below the link {link:?}; pack it under its real path")]
    ThroughLink {
        /// The entry.
        entry: String,
        /// The link, a parent of the entry.
        link: String,
    },
    /// One path twice, or once as a file and once as a directory.
    #[error("the path {entry:?} is in the archive twice; keep one of the two")]
    Duplicate {
        /// The entry.
        entry: String,
    },
    /// Two entries of a zip share bytes.
    #[error("entry {entry:?} shares bytes with {other:?}; make the archive with an ordinary tool")]
    Overlap {
        /// The later entry.
        entry: String,
        /// The one before it.
        other: String,
    },
    /// Too many files, directories and links.
    #[error("the archive holds more than {limit} entries; leave out what the function does not need")]
    TooManyEntries {
        /// Entries allowed.
        limit: usize,
    },
    /// Too many bytes when unpacked.
    #[error(
        "unpacked, the archive is larger than {limit} bytes (at {entry:?}); leave out what the function does not need"
    )]
    TooLarge {
        /// The entry in which the limit was passed.
        entry: String,
        /// Bytes allowed, all entries together.
        limit: u64,
    },
    /// Names, extensions or padding of a tar that are larger than any tool makes them.
    #[error(
        "after {entry:?} the archive holds more than {limit} bytes that belong to no file; make it with an ordinary tool"
    )]
    HeaderTooLarge {
        /// The last entry that was read; empty if it is the first.
        entry: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// It unpacks to suspiciously more than it was.
    #[error("unpacked, the archive is more than {limit} times as large as packed (at {entry:?}); it looks like a bomb")]
    Ratio {
        /// The entry in which the limit was passed.
        entry: String,
        /// Unpacked bytes allowed for each packed byte.
        limit: u64,
    },
    /// Something other than a file, a directory or a symbolic link.
    #[error("entry {entry:?} is {kind}; only files, directories and symbolic links are taken")]
    UnsupportedKind {
        /// The entry.
        entry: String,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A path, or one name in it, with too many bytes.
    #[error("the path {entry:?} is longer than {limit} bytes; shorten it")]
    PathTooLong {
        /// The entry, cut.
        entry: String,
        /// Bytes allowed.
        limit: usize,
    },
    /// A path with too many directories.
    #[error("the path {entry:?} is deeper than {limit} levels; flatten it")]
    TooDeep {
        /// The entry.
        entry: String,
        /// Levels allowed, the file itself included.
        limit: usize,
    },
    /// A name that is empty, holds NUL, or is not UTF-8.
    #[error("the name {entry:?} is empty, holds a NUL byte or is not UTF-8; rename it")]
    BadName {
        /// The entry, its bad bytes replaced.
        entry: String,
    },
    /// The file being packed became shorter meanwhile.
    #[error("{entry:?} changed while it was read; try again")]
    Changed {
        /// The entry.
        entry: String,
    },
    /// The directory to extract into holds something already.
    #[error("the directory to extract into is not empty; give a new one")]
    NotEmpty,
    /// No room, or no quota, left on the disk.
    #[error("the disk is full (at {entry:?}); free some space and try again")]
    DiskFull {
        /// The entry being written.
        entry: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Any other failure of the system: ours, not the archive's.
    #[error("cannot read or write {entry:?}")]
    Io {
        /// The entry in work; empty if it is the archive itself.
        entry: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Extraction failed, and its leftovers could not be removed either.
    #[error("extraction failed ({because}), and what it had written could not be removed; remove it by hand")]
    NotCleaned {
        /// Why the extraction had failed.
        because: Box<Error>,
        /// Why the removal failed.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(super) fn not_an_archive(head: &[u8]) -> Self {
        let hint = match head {
            [] => "nothing: it is empty".to_owned(),
            _ => hex(&head[..head.len().min(8)]),
        };
        Error::NotAnArchive { hint }
    }

    /// The error of reading the archive: the system's if it has a number, else the archive's own.
    pub(super) fn reading(entry: &str, source: io::Error) -> Self {
        let entry = shown(entry);
        if source.raw_os_error().is_some() {
            Error::Io { entry, source }
        } else if source.kind() == io::ErrorKind::UnexpectedEof {
            Error::Truncated { entry }
        } else {
            let source = source.into();
            Error::Corrupt { entry, source }
        }
    }

    /// The error of reading a file that is to be packed; only its path below `root` is named.
    pub(super) fn reading_disk(path: &Path, root: &Path, source: io::Error) -> Self {
        let relative = path.strip_prefix(root).unwrap_or(Path::new(""));
        let entry = shown(&relative.to_string_lossy());
        Error::Io { entry, source }
    }

    /// The error of writing, a full disk told apart.
    pub(crate) fn writing(entry: &str, source: io::Error) -> Self {
        let entry = shown(entry);
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { entry, source },
            _ => Error::Io { entry, source },
        }
    }
}

/// A name as messages carry it: cut, never longer than can be shown.
pub(super) fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_failures() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Error::writing("a", full), Error::DiskFull { .. }));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(Error::writing("a", denied), Error::Io { .. }));
    }

    #[test]
    fn a_long_name_is_cut_and_a_control_character_escaped_in_messages() {
        assert_eq!(shown(&"ä".repeat(300)).chars().count(), SHOWN + 1);
        let entry = "a\x1b[2J".to_owned();
        let text = Error::Traversal { entry }.to_string();
        assert!(!text.contains('\x1b'), "{text}");
    }
}
