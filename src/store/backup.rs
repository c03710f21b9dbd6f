//! A copy of all that survives, as it is at one moment, and putting such a copy where nothing is yet.
//!
//! The copy is a folder; how it travels is not this file's business.

use super::blobs::Blobs;
use super::{Error, Inner, Store, TempDir, blocking, lock::Lock, make_directory, migrations, row};
use crate::domain::Digest;
use rusqlite::{Connection, OpenFlags, named_params};
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// The database's name, in a copy as in a data directory.
const DATABASE: &str = "hob.db";
/// Where a copy has its code packages.
const PACKAGES: &str = "blobs";
/// A package that is deleted while it is copied: the whole copy is made again, so often.
const TRIES: u32 = 3;

/// A copy in a folder of its own, which goes with this.
#[derive(Debug)]
pub struct Snapshot {
    folder: TempDir,
}

impl Snapshot {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What was put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Functions.
    pub functions: u64,
    /// Code packages.
    pub packages: u64,
}

impl Store {
    /// Copies the database and the code it needs, as they are at one moment; nobody waits for it.
    ///
    /// # Errors
    /// `DiskFull`, or what the disk says.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        self.flush().await?;
        let inner = Arc::clone(&self.inner);
        let done = blocking(move || snapshot(&inner)).await;
        done.map_err(|e| e.while_doing("copy the database"))
    }
}

fn snapshot(inner: &Inner) -> Result<Snapshot, Error> {
    let mut tried = 1;
    loop {
        match try_snapshot(inner) {
            Err(Error::NotFound { .. }) if tried < TRIES => tried += 1,
            done => return done,
        }
    }
}

fn try_snapshot(inner: &Inner) -> Result<Snapshot, Error> {
    let folder = inner.blobs.temp_dir()?;
    let database = folder.path().join(DATABASE);
    let into = database.display().to_string();
    inner
        .readers
        .run(|c| c.execute("vacuum into :file", named_params! {":file": into}))?;
    set_mode(&database, 0o600)?;
    let packages = folder.path().join(PACKAGES);
    fs::create_dir(&packages).map_err(|e| Error::io("make a folder", e))?;
    for digest in digests(&open(&database)?)? {
        copy_package(&inner.blobs, &digest, &packages.join(digest.as_str()))?;
    }
    Ok(Snapshot { folder })
}

/// A package never changes: a second name for it is a copy.
fn copy_package(blobs: &Blobs, digest: &Digest, to: &Path) -> Result<(), Error> {
    let from = blobs.path(digest);
    match fs::hard_link(&from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::not_found("code package", digest)),
        // Some file systems have no second names.
        Err(_) => fs::copy(&from, to)
            .map(drop)
            .map_err(|e| Error::io("copy a package", e)),
    }
}

/// Puts a copy into `directory`, which must hold no database; it becomes an instance of its own, so that it can run
/// beside the one it was copied from. Blocks.
///
/// # Errors
/// `Locked`, `Duplicate` when there is a database, `NewerDatabase`, `NotFound` for a package that the copy lacks or that
/// is not what its name says, `DiskFull`, or what the disk says. The directory holds no database then.
pub fn restore(directory: &Path, copy: &Path) -> Result<Restored, Error> {
    make_directory(directory)?;
    let _lock = Lock::take(directory)?;
    if directory.join(DATABASE).exists() {
        return Err(Error::Duplicate {
            constraint: "data directory, which holds a database already,",
        });
    }
    let (file, packages) = (copy.join(DATABASE), copy.join(PACKAGES));
    let (digests, functions) = check(&file)?;
    let blobs = Blobs::open(directory)?;
    for digest in &digests {
        put_package(&blobs, digest, &packages.join(digest.as_str()))?;
    }
    set_mode(&file, 0o600)?;
    let io = |e| Error::io("put the database in its place", e);
    fs::File::open(&file).and_then(|f| f.sync_all()).map_err(io)?;
    fs::rename(&file, directory.join(DATABASE)).map_err(io)?;
    fs::File::open(directory).and_then(|f| f.sync_all()).map_err(io)?;
    Ok(Restored {
        functions,
        packages: digests.len() as u64,
    })
}

/// Whether the database is whole and can be read; which packages it needs, and how many functions it has.
fn check(file: &Path) -> Result<(Vec<Digest>, u64), Error> {
    let connection = open(file)?;
    migrations::version(&connection)?;
    let sound: String = connection.query_row("pragma integrity_check", [], |r| r.get(0))?;
    if sound != "ok" {
        return Err(Error::not_found("whole database in this backup", &sound));
    }
    connection.execute("delete from instance", [])?;
    let functions: i64 = connection.query_row("select count(*) from function", [], |r| r.get(0))?;
    Ok((digests(&connection)?, u64::try_from(functions).unwrap_or(0)))
}

fn open(file: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(file, flags)?)
}

fn digests(connection: &Connection) -> Result<Vec<Digest>, Error> {
    let sql = "select distinct code from revision where image is null order by code";
    let digest = |r: &rusqlite::Row<'_>| row::checked(r, "code", |text: String| Digest::parse(&text));
    Ok(row::all(connection, sql, [], digest)?)
}

fn put_package(blobs: &Blobs, digest: &Digest, from: &Path) -> Result<(), Error> {
    let mut file = match fs::File::open(from) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(Error::not_found("code package", digest)),
        Err(e) => return Err(Error::io("read a package", e)),
    };
    let mut writer = blobs.begin_blocking()?;
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut piece).map_err(|e| Error::io("read a package", e))?;
        if read == 0 {
            break;
        }
        writer.write(&piece[..read])?;
    }
    if writer.finish()? == *digest {
        return Ok(());
    }
    Err(Error::not_found("undamaged code package", digest))
}

fn set_mode(file: &Path, mode: u32) -> Result<(), Error> {
    let set = fs::set_permissions(file, fs::Permissions::from_mode(mode));
    set.map_err(|e| Error::io("protect the database", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, Options};

    fn opened(directory: &Path) -> Store {
        let options = Options {
            directory: directory.to_owned(),
            durability: Durability::Normal,
            queue: 8,
            readers: 1,
        };
        Store::open(options).expect("it opens")
    }

    fn copied(from: &Path, to: &Path) {
        fs::create_dir_all(to.join(PACKAGES)).expect("made");
        fs::copy(from.join(DATABASE), to.join(DATABASE)).expect("copied");
    }

    #[tokio::test]
    async fn a_copy_becomes_an_instance_of_its_own_where_nothing_is_yet() {
        let home = tempfile::tempdir().expect("a folder");
        let path = |name: &str| home.path().join(name);
        let store = opened(&path("old"));
        let snapshot = store.snapshot().await.expect("copied");
        copied(snapshot.path(), &path("copy"));
        let restored = restore(&path("new"), &path("copy")).expect("restored");
        assert_eq!((restored.functions, restored.packages), (0, 0));
        let new = opened(&path("new"));
        assert_ne!(new.instance(), store.instance());
        copied(snapshot.path(), &path("again"));
        let error = restore(&path("new"), &path("again")).expect_err("a daemon has it");
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        new.close().await.expect("closed");
        let error = restore(&path("new"), &path("again")).expect_err("it is not empty");
        assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_is_damaged_is_refused_and_leaves_no_database() {
        let home = tempfile::tempdir().expect("a folder");
        let store = opened(&home.path().join("old"));
        let snapshot = store.snapshot().await.expect("copied");
        let copy = home.path().join("copy");
        copied(snapshot.path(), &copy);
        let mut bytes = fs::read(copy.join(DATABASE)).expect("read");
        bytes.truncate(bytes.len() / 2);
        fs::write(copy.join(DATABASE), bytes).expect("written");
        let new = home.path().join("new");
        assert!(restore(&new, &copy).is_err());
        assert!(!new.join(DATABASE).exists());
    }
}
