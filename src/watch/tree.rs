//! What of a folder is a function's code: everything but what ignore files and habit leave out.
//!
//! `.gitignore`, `.dockerignore` and `.hobignore` count, in every folder, the last named first; all in git's syntax.
//! Reads names and stamps, never content. A file that goes while it is looked at is not there.

use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Left out wherever it is: version control, caches, what editors keep beside a file, and what is not code but settings.
const NEVER: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    "__pycache__",
    "*.py[co]",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".venv",
    ".DS_Store",
    "*.sw[a-p]",
    "*~",
    ".#*",
    "\\#*#",
    "4913",
    "/hob.toml",
    "/.env",
    "/.env.*",
];

/// Tells whether a file has changed: a rename brings another file, whatever its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

/// The files of a folder and their stamps, and its folders, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
    files: BTreeMap<PathBuf, Stamp>,
    folders: Vec<PathBuf>,
}

impl Tree {
    /// Looks at a folder, or at one file. What is not there is empty. Blocks.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let mut tree = Self {
            root: root.to_owned(),
            ..Self::default()
        };
        for entry in walk(root).flatten() {
            let Ok(metadata) = entry.path().symlink_metadata() else {
                continue;
            };
            if metadata.is_dir() {
                tree.folders.push(entry.into_path());
            } else {
                tree.files.insert(entry.into_path(), stamp(&metadata));
            }
        }
        tree
    }

    /// Whether a path relative to the root is one of its files, or leads to one.
    #[must_use]
    pub fn has(&self, relative: &Path) -> bool {
        let path = self.root.join(relative);
        let next = self.files.range(path.clone()..).next();
        next.is_some_and(|(file, _)| file.starts_with(&path))
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Every folder, the root among them.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// What came, went or changed since.
    pub(super) fn difference(&self, later: &Self) -> Vec<PathBuf> {
        let gone = self.files.keys().filter(|path| !later.files.contains_key(*path));
        let other = later
            .files
            .iter()
            .filter(|(path, stamp)| self.files.get(*path) != Some(stamp));
        gone.chain(other.map(|(path, _)| path)).cloned().collect()
    }
}

/// Ignore files above the root are about other things: a folder that is deployed may be build output itself.
fn walk(root: &Path) -> ignore::Walk {
    let mut habit = OverrideBuilder::new(root);
    for pattern in NEVER {
        // The patterns are ours, and good.
        let _ = habit.add(&format!("!{pattern}"));
    }
    let mut builder = WalkBuilder::new(root);
    builder
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .add_custom_ignore_filename(".dockerignore")
        .add_custom_ignore_filename(".hobignore");
    if let Ok(habit) = habit.build() {
        builder.overrides(habit);
    }
    builder.build()
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp {
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        files.iter().for_each(|(name, text)| put(folder.path(), name, text));
        folder
    }

    fn put(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn names(root: &Path) -> Vec<String> {
        let tree = Tree::read(root);
        let relative = |path: &PathBuf| path.strip_prefix(root).expect("below").display().to_string();
        tree.files.keys().map(relative).collect()
    }

    #[test]
    fn each_ignore_file_counts_and_the_later_can_take_back_the_earlier() {
        let folder = folder(&[
            (".gitignore", "built/\n*.log\n"),
            (".dockerignore", "docs\n"),
            (".hobignore", "!keep.log\nsecret\n"),
            ("main.aa", ""),
            ("built/x", ""),
            ("a.log", ""),
            ("keep.log", ""),
            ("docs/page", ""),
            ("secret", ""),
            ("sub/.gitignore", "local\n"),
            ("sub/local", ""),
            ("sub/part.aa", ""),
        ]);
        let mut expect = vec![".dockerignore", ".gitignore", ".hobignore", "keep.log", "main.aa"];
        expect.extend(["sub/.gitignore", "sub/part.aa"]);
        assert_eq!(names(folder.path()), expect);
    }

    #[test]
    fn caches_editors_files_and_settings_are_no_code() {
        let folder = folder(&[
            ("main.aa", ""),
            (".git/HEAD", ""),
            ("lib/__pycache__/x", ""),
            (".main.aa.swp", ""),
            ("main.aa~", ""),
            ("4913", ""),
            (".env", ""),
            (".env.local", ""),
            (".hidden", ""),
        ]);
        assert_eq!(names(folder.path()), [".hidden", "main.aa"]);
    }

    #[test]
    fn what_is_ignored_above_a_folder_is_not_ignored_in_it() {
        let folder = folder(&[(".gitignore", "dist\n"), ("dist/main.aa", "")]);
        assert_eq!(names(&folder.path().join("dist")), ["main.aa"]);
        assert_eq!(names(folder.path()), [".gitignore"]);
    }

    #[test]
    fn changes_are_found_however_they_are_made() {
        let folder = folder(&[("a", "1"), ("b/c", "1")]);
        let root = folder.path();
        let mut before = Tree::read(root);
        let mut check = |expect: &[&str]| {
            let now = Tree::read(root);
            let found = before.difference(&now);
            assert_eq!(found, expect.iter().map(|name| root.join(name)).collect::<Vec<_>>());
            before = now;
        };
        check(&[]);
        put(root, "a", "2");
        check(&["a"]);
        put(root, "new", "3");
        fs::rename(root.join("new"), root.join("a")).expect("renamed");
        check(&["a"]);
        fs::rename(root.join("b"), root.join("d")).expect("renamed");
        check(&["b/c", "d/c"]);
        fs::remove_dir_all(root.join("d")).expect("removed");
        check(&["d/c"]);
        fs::remove_dir_all(root).expect("removed");
        check(&["a"]);
        put(root, "a", "back");
        check(&["a"]);
    }

    #[test]
    fn a_path_is_had_when_it_leads_to_a_file() {
        let folder = folder(&[("a/b/c", ""), ("ab", "")]);
        fs::create_dir(folder.path().join("empty")).expect("made");
        let tree = Tree::read(folder.path());
        for (path, expect) in [
            ("a", true),
            ("a/b", true),
            ("a/b/c", true),
            ("empty", false),
            ("x", false),
        ] {
            assert_eq!(tree.has(Path::new(path)), expect, "{path}");
        }
        assert!(Tree::read(&folder.path().join("ab")).has(Path::new("")));
    }
}
