//! Names inside an archive: from hostile bytes to a path that can only lie inside the tree.
//!
//! Pure: looks at bytes, never at a disk. What lies where is `tree`'s business.

use super::error::shown;
use super::{Error, Limits};

/// The longest single name Linux file systems take, in bytes.
const NAME_BYTES: usize = 255;

/// How the archive's format writes paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Only `/` separates, as in tar.
    Unix,
    /// `\` separates too and drives exist: zip files made on Windows.
    Windows,
}

/// A path of one or more plain names below the root of a tree: no `..`, no `.`, no empty name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryName(String);

impl EntryName {
    /// `None` is the root itself (`./`).
    pub(super) fn parse(raw: &[u8], style: Style, limits: &Limits) -> Result<Option<Self>, Error> {
        let text = decode(raw)?;
        let text = match style {
            Style::Unix => text.to_owned(),
            Style::Windows => text.replace('\\', "/"),
        };
        let entry = || shown(&text);
        if text.starts_with('/') || (style == Style::Windows && has_drive(&text)) {
            return Err(Error::Absolute { entry: entry() });
        }
        let names: Vec<&str> = plain_names(&text).collect();
        if names.contains(&"..") {
            return Err(Error::Traversal { entry: entry() });
        }
        check_size(&text, &names, limits)?;
        Ok((!names.is_empty()).then(|| EntryName(names.join("/"))))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Every directory above, outermost first.
    pub(super) fn parents(&self) -> impl Iterator<Item = EntryName> + '_ {
        self.0
            .match_indices('/')
            .map(|(end, _)| EntryName(self.0[..end].to_owned()))
    }

    /// Whether this is what macOS adds to archives, of no use to a function.
    pub(super) fn is_junk(&self) -> bool {
        let mut names = self.0.split('/');
        let last = names.clone().next_back();
        names.next() == Some("__MACOSX") || last == Some(".DS_Store")
    }

    /// Checks where a link of this name may point, and gives the target back as text.
    ///
    /// `..` may stand only at the front. There it climbs from the link's own directory, which is a
    /// real one, so counting is exact; after a name it would climb from wherever that name, perhaps
    /// another link, leads to. So every chain of accepted links stays inside.
    pub(super) fn check_target(&self, raw: &[u8], limits: &Limits) -> Result<String, Error> {
        let target = decode(raw)?;
        let names: Vec<&str> = plain_names(target).collect();
        check_size(target, &names, limits)?;
        let climbs = names.iter().take_while(|n| **n == "..").count();
        let inside = climbs <= self.parents().count();
        if target.is_empty() || target.starts_with('/') || !inside || names[climbs..].contains(&"..") {
            return Err(Error::LinkOutside {
                entry: shown(&self.0),
                target: shown(target),
            });
        }
        Ok(target.to_owned())
    }
}

fn plain_names(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|name| !matches!(*name, "" | "."))
}

fn decode(raw: &[u8]) -> Result<&str, Error> {
    match std::str::from_utf8(raw) {
        Ok(text) if !text.is_empty() && !text.contains('\0') => Ok(text),
        _ => Err(Error::BadName { entry: lossy(raw) }),
    }
}

fn has_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn check_size(text: &str, names: &[&str], limits: &Limits) -> Result<(), Error> {
    let entry = || shown(text);
    if names.len() > limits.depth {
        let limit = limits.depth;
        Err(Error::TooDeep { entry: entry(), limit })
    } else if text.len() > limits.path_bytes {
        let limit = limits.path_bytes;
        Err(Error::PathTooLong { entry: entry(), limit })
    } else if names.iter().any(|name| name.len() > NAME_BYTES) {
        Err(Error::PathTooLong {
            entry: entry(),
            limit: NAME_BYTES,
        })
    } else {
        Ok(())
    }
}

/// Bytes of a name for a message, bad ones replaced.
pub(super) fn lossy(raw: &[u8]) -> String {
    shown(&String::from_utf8_lossy(&raw[..raw.len().min(4096)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &[u8], style: Style) -> Result<Option<String>, Error> {
        let name = EntryName::parse(raw, style, &Limits::default())?;
        Ok(name.map(|n| n.0))
    }

    #[test]
    fn names_are_made_plain_or_refused() {
        assert_eq!(parse(b"./a//b/./c/", Style::Unix).unwrap().unwrap(), "a/b/c");
        assert_eq!(parse(b"a\\b", Style::Windows).unwrap().unwrap(), "a/b");
        assert_eq!(parse(b"a\\b", Style::Unix).unwrap().unwrap(), "a\\b");
        assert_eq!(parse(b"./", Style::Unix).unwrap(), None);
        for raw in [&b"../a"[..], b"a/../b", b"a/.."] {
            assert!(matches!(parse(raw, Style::Unix), Err(Error::Traversal { .. })));
        }
        for raw in [&b"/a"[..], b"\\a", b"C:\\a", b"c:a", b"\\\\host\\share\\a", b"//host/a"] {
            assert!(matches!(parse(raw, Style::Windows), Err(Error::Absolute { .. })));
        }
        for raw in [&b""[..], b"a\0b", b"\xff\xfe"] {
            assert!(matches!(parse(raw, Style::Unix), Err(Error::BadName { .. })));
        }
    }

    #[test]
    fn long_and_deep_paths_are_refused() {
        let long = "a/".repeat(600);
        let limits = Limits {
            depth: 1000,
            ..Limits::default()
        };
        let parsed = EntryName::parse(long.as_bytes(), Style::Unix, &limits);
        assert!(matches!(parsed, Err(Error::PathTooLong { limit: 1024, .. })));
        let deep = "a/".repeat(33);
        assert!(matches!(
            parse(deep.as_bytes(), Style::Unix),
            Err(Error::TooDeep { limit: 32, .. })
        ));
        let wide = "a".repeat(256);
        assert!(matches!(
            parse(wide.as_bytes(), Style::Unix),
            Err(Error::PathTooLong { limit: 255, .. })
        ));
    }

    #[test]
    fn a_target_may_climb_only_at_its_front_and_not_out() {
        let limits = Limits::default();
        let name = EntryName("d/e/link".to_owned());
        for good in ["x", "../x", "../../x", "./../../d/y", ".."] {
            assert!(name.check_target(good.as_bytes(), &limits).is_ok(), "{good}");
        }
        for bad in ["/x", "../../../x", "x/..", "../x/../y", "x/../../../../y"] {
            let checked = name.check_target(bad.as_bytes(), &limits);
            assert!(matches!(checked, Err(Error::LinkOutside { .. })), "{bad}");
        }
    }
}
