//! What is deployed: a directory (packed here), an archive or one source file, and which runtime its files speak for.
//!
//! Looks at names only, never into code. A calling convention is never guessed.

use super::failure::Failure;
use crate::api::native::wire::{RuntimeList, RuntimeView};
use crate::domain::FunctionName;
use crate::source;
use crate::watch::Tree;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const ARCHIVES: [&str; 4] = [".zip", ".tar", ".tar.gz", ".tgz"];

/// Code that is ready to be sent.
pub(crate) struct Package {
    /// What the function is called when nobody says.
    stem: String,
    /// Tells the daemon whether this is an archive or one source file.
    pub(crate) file_name: String,
    /// The bytes, from the beginning.
    pub(crate) file: File,
    /// Unit: bytes.
    pub(crate) length: u64,
    /// Names of the files in the top folder; unknown (`None`) for an archive.
    names: Option<Vec<String>>,
}

impl Package {
    /// Opens a file or packs a directory.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::file(path, &error);
        let real = path.canonicalize().map_err(failed)?;
        let file_name = real.file_name().unwrap_or_default();
        let file_name = file_name.to_string_lossy().into_owned();
        if real.is_dir() {
            return Self::directory(&real, file_name);
        }
        let file = File::open(&real).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let ending = ARCHIVES.iter().find(|ending| file_name.ends_with(*ending));
        let (stem, names) = match ending {
            Some(ending) => (file_name[..file_name.len() - ending.len()].to_owned(), None),
            None => (stem(&file_name), Some(vec![file_name.clone()])),
        };
        Ok(Self {
            stem,
            file_name,
            file,
            length,
            names,
        })
    }

    /// One source file that is at hand.
    pub(crate) fn of_text(file_name: &str, text: &str) -> Result<Self, Failure> {
        let failed = |error| Failure::usage(format!("cannot make a temporary file: {error}"));
        let mut file = nameless().map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.rewind())
            .map_err(failed)?;
        Ok(Self {
            stem: stem(file_name),
            file_name: file_name.to_owned(),
            file,
            length: text.len() as u64,
            names: Some(vec![file_name.to_owned()]),
        })
    }

    /// The sha256 of the bytes, by which the daemon knows them.
    pub(crate) fn digest(&mut self) -> Result<String, Failure> {
        let failed = |error: std::io::Error| Failure::usage(format!("cannot read the package: {error}"));
        let mut hash = Sha256::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            match self.file.read(&mut piece).map_err(failed)? {
                0 => break,
                read => hash.update(&piece[..read]),
            }
        }
        self.file.rewind().map_err(failed)?;
        Ok(hex::encode(hash.finalize()))
    }

    fn directory(path: &Path, name: String) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::file(path, &error);
        let tree = Tree::read(path);
        if tree.is_empty() {
            let message = format!("`{}` holds no files that are not ignored", path.display());
            return Err(Failure::usage(message).hint("see its .gitignore, .dockerignore and .hobignore"));
        }
        let names = std::fs::read_dir(path)
            .map_err(failed)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        let file = nameless().map_err(|error| {
            Failure::usage(format!("cannot make a temporary file: {error}"))
                .hint("is the disk full? TMPDIR chooses another place")
        })?;
        let mut file = source::pack_chosen(path, file, |file| tree.has(file)).map_err(|error| {
            // With its causes: they say which file it was.
            let causes = anyhow::Error::new(error);
            Failure::usage(format!("cannot pack `{}`: {causes:#}", path.display()))
        })?;
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.rewind().map_err(failed)?;
        Ok(Self {
            file_name: format!("{name}.zip"),
            stem: name,
            file,
            length,
            names: Some(names),
        })
    }

    /// The function's name where the user gives none.
    pub(crate) fn function_name(&self) -> Result<String, Failure> {
        FunctionName::parse(&self.stem)
            .map(|name| name.as_str().to_owned())
            .map_err(|error| Failure::usage(error.to_string()).hint("give another with --name"))
    }

    /// The one runtime that fits the files.
    pub(crate) fn detect<'a>(&self, list: &'a RuntimeList) -> Result<&'a RuntimeView, Failure> {
        let fitting: Vec<&RuntimeView> = match &self.names {
            None => Vec::new(),
            Some(names) => list.runtimes.iter().filter(|r| fits(r, names)).collect(),
        };
        match fitting[..] {
            [one] => Ok(one),
            [] => Err(choose("no runtime is told by the files", list.runtimes.iter())),
            _ => Err(choose("more than one runtime fits the files", fitting.into_iter())),
        }
    }
}

fn choose<'a>(why: &str, among: impl Iterator<Item = &'a RuntimeView>) -> Failure {
    let families: Vec<&str> = among.map(|runtime| runtime.family.as_str()).collect();
    let families = families.join(", ");
    Failure::usage(why).hint(format!("choose with --runtime: {families}"))
}

fn fits(runtime: &RuntimeView, names: &[String]) -> bool {
    names.iter().any(|name| {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        let by_ending = |known: &String| ending == Some(known.trim_start_matches('.'));
        runtime.detect.files.contains(name) || runtime.detect.extensions.iter().any(by_ending)
    })
}

fn stem(file_name: &str) -> String {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    stem.to_owned()
}

/// A temporary file that is gone when it is closed, even by a crash.
fn nameless() -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let name = format!("hob-{}.zip", uuid::Uuid::new_v4().simple());
    let path: PathBuf = std::env::temp_dir().join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::wire::DetectView;

    fn runtime(family: &str, files: &[&str], extensions: &[&str]) -> RuntimeView {
        let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        RuntimeView {
            family: family.to_owned(),
            title: String::new(),
            versions: Vec::new(),
            conventions: Vec::new(),
            default_entry: None,
            detect: DetectView {
                files: owned(files),
                extensions: owned(extensions),
            },
        }
    }

    fn list() -> RuntimeList {
        RuntimeList {
            runtimes: vec![runtime("one", &["one.lock"], &["aa"]), runtime("two", &[], &[".bb"])],
        }
    }

    fn folder(names: &[&str]) -> (tempfile::TempDir, Package) {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("my-function");
        std::fs::create_dir(&inner).expect("made");
        for name in names {
            std::fs::write(inner.join(name), "x").expect("written");
        }
        let package = Package::open(&inner).expect("packed");
        (folder, package)
    }

    #[test]
    fn one_fitting_runtime_is_taken() {
        for (names, expect) in [
            (&["main.aa", "readme"][..], "one"),
            (&["one.lock"], "one"),
            (&["x.bb"], "two"),
        ] {
            let (_folder, package) = folder(names);
            let list = list();
            let found = package.detect(&list).expect("one fits");
            assert_eq!(found.family, expect, "{names:?}");
        }
    }

    #[test]
    fn none_or_several_are_a_question() {
        for names in [&["readme"][..], &["a.aa", "b.bb"]] {
            let (_folder, package) = folder(names);
            let failure = package.detect(&list()).expect_err("a question");
            let hint = failure.body.and_then(|body| body.hint).expect("a hint");
            assert!(hint.contains("one, two"), "{names:?}: {hint}");
        }
    }

    #[test]
    fn a_directory_is_packed_under_its_name() {
        let (_folder, package) = folder(&["main.aa"]);
        assert_eq!(package.function_name().expect("a name"), "my-function");
        assert_eq!(package.file_name, "my-function.zip");
        assert!(package.length > 0);
    }

    #[test]
    fn a_file_is_taken_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, stem, known) in [
            ("hello.aa", "hello", true),
            ("hello.zip", "hello", false),
            ("hello.tar.gz", "hello", false),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, "12345").expect("written");
            let package = Package::open(&path).expect("opened");
            assert_eq!(package.function_name().expect("a name"), stem);
            assert_eq!((package.file_name.as_str(), package.length), (name, 5));
            assert_eq!(package.names.is_some(), known, "{name}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_asks_for_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("my function.aa");
        std::fs::write(&path, "").expect("written");
        let failure = Package::open(&path).expect("opened").function_name();
        let hint = failure.expect_err("a space").body.and_then(|body| body.hint);
        assert_eq!(hint.as_deref(), Some("give another with --name"));
    }
}
