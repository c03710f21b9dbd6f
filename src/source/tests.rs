//! Uploads and directories, as a user would send them. What archives may hold is tested in `archive`.

use super::*;
use std::io::Cursor;
use tempfile::{TempDir, tempdir};

fn taken(content: &[u8], file_name: Option<&str>) -> (TempDir, Result<Unpacked, Error>) {
    let blob = tempfile::NamedTempFile::new().unwrap();
    fs::write(blob.path(), content).unwrap();
    let into = tempdir().unwrap();
    let limits = Limits::default();
    let unpacked = unpack(blob.path(), file_name, "main.src", into.path(), &limits);
    if unpacked.is_err() {
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0, "left behind");
    }
    (into, unpacked)
}

#[test]
fn an_archive_is_known_by_its_content_not_its_name() {
    let tar = archive::pack_tar_entries([("a/b", 0o644, "hello")], Vec::new()).unwrap();
    let (into, unpacked) = taken(&tar, Some("looks_like.src"));
    assert_eq!(unpacked.unwrap().shape, Shape::Archive(Format::Tar));
    assert_eq!(fs::read(into.path().join("a/b")).unwrap(), b"hello");
}

#[test]
fn a_single_file_of_the_runtimes_extension_is_stored_under_the_runtimes_name() {
    let (into, unpacked) = taken(b"code", Some("Hello.SRC"));
    let unpacked = unpacked.unwrap();
    assert_eq!((unpacked.shape, unpacked.bytes), (Shape::SingleFile, 4));
    let stored = into.path().join("main.src");
    assert_eq!(fs::read(&stored).unwrap(), b"code");
    assert_eq!(stored.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn anything_else_is_refused_as_not_an_archive() {
    for file_name in [None, Some("photo.jpeg"), Some("src"), Some(".src")] {
        let (_, unpacked) = taken(b"code", file_name);
        let error = unpacked.unwrap_err();
        let expected = matches!(error, Error::Archive(archive::Error::NotAnArchive { .. }));
        assert!(expected, "{file_name:?}: {error}");
    }
}

#[test]
fn an_empty_upload_is_refused() {
    assert!(matches!(taken(b"", Some("a.src")).1, Err(Error::Empty)));
    let zip = zip_of_directories();
    assert!(matches!(taken(&zip, None).1, Err(Error::Empty)));
}

fn zip_of_directories() -> Vec<u8> {
    let dir = tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let packed = archive::pack_zip(dir.path(), Cursor::new(Vec::new()), |_| true).unwrap();
    packed.into_inner()
}

#[test]
fn a_single_file_over_the_limit_is_refused() {
    let blob = tempfile::NamedTempFile::new().unwrap();
    fs::write(blob.path(), b"12345").unwrap();
    let into = tempdir().unwrap();
    let limits = Limits {
        total_bytes: 4,
        ..Limits::default()
    };
    let unpacked = unpack(blob.path(), Some("a.src"), "main.src", into.path(), &limits);
    let refused = matches!(unpacked, Err(Error::Archive(archive::Error::TooLarge { .. })));
    assert!(refused);
    assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_there_already_is_not_touched() {
    let blob = tempfile::NamedTempFile::new().unwrap();
    fs::write(blob.path(), b"new").unwrap();
    let into = tempdir().unwrap();
    fs::write(into.path().join("main.src"), b"old").unwrap();
    let limits = Limits::default();
    let unpacked = unpack(blob.path(), Some("a.src"), "main.src", into.path(), &limits);
    assert!(unpacked.is_err());
    assert_eq!(fs::read(into.path().join("main.src")).unwrap(), b"old");
}

#[test]
fn a_packed_directory_holds_everything_but_version_control() {
    let dir = tempdir().unwrap();
    for sub in [".git/objects", "lib/.hg", "lib/deep"] {
        fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    for file in [".git/config", "lib/.hg/store", "lib/deep/x", ".env", "main.src"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    let packed = pack_directory(dir.path(), Cursor::new(Vec::new())).unwrap();
    let (into, unpacked) = taken(packed.get_ref(), None);
    assert_eq!(unpacked.unwrap().entries, 5);
    assert!(into.path().join("lib/deep/x").is_file() && into.path().join(".env").is_file());
    assert!(!into.path().join(".git").exists() && !into.path().join("lib/.hg").exists());
}

#[test]
fn a_directory_without_files_is_not_packed() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    fs::write(dir.path().join(".git/config"), "x").unwrap();
    let packed = pack_directory(dir.path(), Cursor::new(Vec::new()));
    assert!(matches!(packed, Err(Error::Empty)));
}
