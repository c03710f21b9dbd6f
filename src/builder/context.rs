//! What an image is built from, read from the disk and packed. Everything here blocks; call it from a blocking thread.

use super::plan::{ContextFile, FunctionImageOrder, Input, Top, with_owner};
use crate::archive::TarPacker;
use crate::domain::Error;
use crate::runtime::DEPENDENCIES;
use bytes::Bytes;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is left out of a runtime's own folder; never of a user's.
const NOT_IN_CONTEXT: [&str; 4] = ["samples", "templates", "tests", "__pycache__"];
/// A dependency file up to this size is looked into. Unit: bytes.
const BLANK_AT_MOST: u64 = 64 * 1024;

/// Runs blocking work of this room.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::internal("a build could not be prepared", e))?
}

/// A runtime's own folder, and the folders of other runtimes that it shares.
pub(super) fn read_runtime(directory: &Path, include: &[String]) -> Result<Vec<ContextFile>, Error> {
    let unreadable = |e| Error::internal("a runtime's folder cannot be read", e);
    let mut files = Vec::new();
    collect(directory, "", &mut files).map_err(unreadable)?;
    for shared in include {
        let (from, name) = (
            directory.join("..").join(shared),
            shared.rsplit('/').next().unwrap_or(shared),
        );
        collect(&from, &format!("{name}/"), &mut files).map_err(unreadable)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<ContextFile>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_IN_CONTEXT.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(ContextFile {
                path,
                mode: entry.metadata()?.permissions().mode(),
                bytes: std::fs::read(entry.path())?,
            });
        }
    }
    Ok(())
}

/// What lies at the top of a tree.
pub(super) fn read_top(tree: &Path) -> Result<Top, Error> {
    let mut top = Top::default();
    let mut read = || -> io::Result<()> {
        for entry in std::fs::read_dir(tree)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_blank(&entry)? {
                top.blank.insert(name.clone());
            }
            top.names.insert(name);
        }
        Ok(())
    };
    read().map_err(unreadable_code)?;
    Ok(top)
}

fn is_blank(entry: &std::fs::DirEntry) -> io::Result<bool> {
    if !entry.file_type()?.is_file() || entry.metadata()?.len() > BLANK_AT_MOST {
        return Ok(false);
    }
    Ok(std::fs::read(entry.path())?.iter().all(u8::is_ascii_whitespace))
}

/// Some files of a tree's top, as `input/`.
pub(super) fn read_files(tree: &Path, names: &[String]) -> Result<Vec<ContextFile>, Error> {
    let read = |name: &String| {
        let bytes = std::fs::read(tree.join(name)).map_err(unreadable_code)?;
        let path = format!("input/{name}");
        Ok(ContextFile {
            path,
            mode: 0o644,
            bytes,
        })
    };
    names.iter().map(read).collect()
}

/// The CA bundle; empty when none is configured.
pub(super) fn read_ca(bundle: Option<&Path>) -> Result<Vec<u8>, Error> {
    let Some(path) = bundle else { return Ok(Vec::new()) };
    std::fs::read(path).map_err(|e| {
        let path = path.display();
        Error::engine(format!("the CA bundle {path} (build.ca_bundle) cannot be read"), e)
    })
}

/// What a build context is packed from.
pub(super) struct Parts {
    /// Its files.
    pub(super) files: Vec<ContextFile>,
    /// A whole tree, and the folder it becomes.
    pub(super) tree: Option<(&'static str, PathBuf)>,
    /// A link to the dependencies that the tree gets, unless it has something of that name.
    pub(super) link: Option<String>,
}

impl Parts {
    /// Packs everything, with `dockerfile` in place of the file of that name, and owned by `owner`.
    pub(super) fn pack(mut self, name: &str, dockerfile: &str, owner: &str) -> Result<Bytes, Error> {
        self.files.retain(|file| file.path != name);
        let text = with_owner(dockerfile, owner);
        self.files.push(ContextFile {
            path: name.to_owned(),
            mode: 0o644,
            bytes: text.into_bytes(),
        });
        let packed = self.pack_all();
        packed.map_err(|e| Error::internal("a build context could not be packed", e))
    }

    fn pack_all(self) -> Result<Bytes, crate::archive::Error> {
        let mut packer = TarPacker::new(Vec::new());
        for file in self.files {
            packer.file(&file.path, file.mode, &file.bytes)?;
        }
        if let Some((folder, tree)) = self.tree {
            packer.tree(folder, &tree, |_| true)?;
            let missing = |name: &String| tree.join(name).symlink_metadata().is_err();
            if let Some(name) = self.link.filter(missing) {
                packer.link(&format!("{folder}/{name}"), &format!("{DEPENDENCIES}/{name}"))?;
            }
        }
        packer.finish().map(Bytes::from)
    }
}

/// The context of a function's image.
pub(super) fn function(order: &FunctionImageOrder, owner: &str) -> Result<Bytes, Error> {
    let parts = Parts {
        files: Vec::new(),
        tree: order.tree.clone().map(|tree| ("code", tree)),
        link: order.link.clone(),
    };
    parts.pack("Dockerfile", &order.dockerfile(), owner)
}

/// The parts of the tree that a build sees.
pub(super) fn input_parts(input: &Input, tree: &Path, mut files: Vec<ContextFile>) -> Result<Parts, Error> {
    let mut whole = None;
    match input {
        Input::Nothing => {}
        Input::Files(names) => files.extend(read_files(tree, names)?),
        Input::Tree => whole = Some(("input", tree.to_owned())),
    }
    Ok(Parts {
        files,
        tree: whole,
        link: None,
    })
}

fn unreadable_code(error: io::Error) -> Error {
    Error::internal("a function's code cannot be read", error)
}

/// The names of the files, for a message.
pub(super) fn named(input: &Input) -> String {
    match input {
        Input::Nothing => String::new(),
        Input::Files(names) => names.join(", "),
        Input::Tree => "the code".to_owned(),
    }
}

/// Sets of names, for tests.
#[cfg(test)]
pub(super) fn set(names: &[&str]) -> std::collections::BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive;
    use crate::domain::Convention;
    use std::fs;

    fn unpacked(context: &Bytes) -> tempfile::TempDir {
        let into = tempfile::tempdir().expect("a folder");
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, context).expect("written");
        archive::extract(file, into.path(), &archive::Limits::default()).expect("a tar");
        into
    }

    fn order(tree: &Path, link: Option<&str>) -> FunctionImageOrder {
        FunctionImageOrder {
            base: "base".to_owned(),
            tree: Some(tree.to_owned()),
            code: "0".to_owned(),
            link: link.map(str::to_owned),
            entry: "main.main".to_owned(),
            convention: Convention::Kwargs,
            timeout_ms: 1,
            concurrency: 1,
        }
    }

    #[test]
    fn a_functions_image_gets_every_file_with_its_mode_and_its_links() {
        let tree = tempfile::tempdir().expect("a folder");
        for folder in ["tests", "samples", "templates", "__pycache__"] {
            fs::create_dir(tree.path().join(folder)).expect("made");
            fs::write(tree.path().join(folder).join("x"), "1").expect("written");
        }
        let tool = tree.path().join("tool");
        fs::write(&tool, "2").expect("written");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("set");
        std::os::unix::fs::symlink("tests/x", tree.path().join("link")).expect("made");
        let into = unpacked(&function(&order(tree.path(), None), "me").expect("packed"));
        let code = into.path().join("code");
        for name in ["tests/x", "samples/x", "__pycache__/x"] {
            assert_eq!(fs::read(code.join(name)).expect(name), b"1");
        }
        let mode = fs::metadata(code.join("tool")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_link(code.join("link")).expect("a link"), Path::new("tests/x"));
    }

    #[test]
    fn the_link_to_the_dependencies_is_made_unless_the_user_brought_something_of_that_name() {
        let tree = tempfile::tempdir().expect("a folder");
        fs::write(tree.path().join("main"), "1").expect("written");
        let context = function(&order(tree.path(), Some("mods")), "me").expect("packed");
        let target = format!("{DEPENDENCIES}/mods");
        assert!(context.windows(target.len()).any(|w| w == target.as_bytes()));
        fs::create_dir(tree.path().join("mods")).expect("made");
        let context = function(&order(tree.path(), Some("mods")), "me").expect("packed");
        assert!(!context.windows(target.len()).any(|w| w == target.as_bytes()));
    }

    #[test]
    fn a_runtimes_own_tests_and_samples_are_no_part_of_its_image() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a/tests", "a/samples", "b/shared"] {
            fs::create_dir_all(folder.path().join(name)).expect("made");
            fs::write(folder.path().join(name).join("x"), "1").expect("written");
        }
        fs::write(folder.path().join("a/Dockerfile"), "FROM x").expect("written");
        let files = read_runtime(&folder.path().join("a"), &["b/shared".to_owned()]).expect("read");
        let paths: Vec<_> = files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["Dockerfile", "shared/x"]);
    }

    #[test]
    fn a_file_of_white_space_is_blank_and_an_absent_one_is_absent() {
        let tree = tempfile::tempdir().expect("a folder");
        fs::write(tree.path().join("full"), "x").expect("written");
        fs::write(tree.path().join("blank"), " \n\n").expect("written");
        let top = read_top(tree.path()).expect("read");
        assert_eq!((top.names, top.blank), (set(&["full", "blank"]), set(&["blank"])));
    }
}
