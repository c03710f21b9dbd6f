//! Hostile archives, made by hand where the crates refuse to make them, and the way there and back.

use super::*;
use flate2::{Compression, Crc, write::DeflateEncoder, write::GzEncoder};
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tempfile::{TempDir, tempdir};

/// A directory to extract into, inside another one in which nothing else may ever appear.
struct Place {
    outer: TempDir,
}

impl Place {
    fn new() -> Self {
        let outer = tempdir().unwrap();
        fs::create_dir(outer.path().join("into")).unwrap();
        Place { outer }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.outer.path().join("into").join(name)
    }

    fn extract(&self, bytes: &[u8], limits: &Limits) -> Result<Summary, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let into = self.path("");
        let result = extract(file, &into, limits);
        let around: Vec<_> = fs::read_dir(self.outer.path()).unwrap().collect();
        assert_eq!(around.len(), 1, "something was written outside: {around:?}");
        if result.is_err() {
            assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "left behind");
        }
        result
    }
}

fn refused(bytes: &[u8]) -> Error {
    refused_with(bytes, &Limits::default())
}

fn refused_with(bytes: &[u8], limits: &Limits) -> Error {
    let result = Place::new().extract(bytes, limits);
    result.expect_err("the archive should have been refused")
}

macro_rules! assert_refused {
    ($error:expr, $pattern:pat $(if $guard:expr)?) => {{
        let error = $error;
        assert!(matches!(&error, $pattern $(if $guard)?), "{error:?}");
    }};
}

/// One entry of a zip made by hand.
#[derive(Clone)]
struct Z {
    name: Vec<u8>,
    mode: u32,
    flags: u16,
    method: u16,
    packed: Vec<u8>,
    size: u32,
    crc: u32,
}

fn z(name: &str, mode: u32, content: &[u8]) -> Z {
    let mut crc = Crc::new();
    crc.update(content);
    let (name, packed) = (name.as_bytes().to_vec(), content.to_vec());
    let (size, crc) = (content.len() as u32, crc.sum());
    Z {
        name,
        mode,
        flags: 0x800,
        method: 0,
        packed,
        size,
        crc,
    }
}

fn file(name: &str) -> Z {
    z(name, 0o100_644, b"x")
}

impl Z {
    fn fields(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for short in [self.flags, self.method, 0, 0x21] {
            out.extend(short.to_le_bytes());
        }
        for long in [self.crc, self.packed.len() as u32, self.size] {
            out.extend(long.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend([0, 0]);
        out
    }

    fn local(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04\x14\x00".to_vec();
        out.extend(self.fields());
        out.extend(&self.name);
        out.extend(&self.packed);
        out
    }

    fn central(&self, offset: usize) -> Vec<u8> {
        let mut out = b"PK\x01\x02\x14\x03\x14\x00".to_vec();
        out.extend(self.fields());
        out.extend([0; 6]);
        out.extend((self.mode << 16).to_le_bytes());
        out.extend((offset as u32).to_le_bytes());
        out.extend(&self.name);
        out
    }
}

fn zip_at(locals: &[u8], entries: &[(Z, usize)]) -> Vec<u8> {
    let central: Vec<u8> = entries.iter().flat_map(|(e, at)| e.central(*at)).collect();
    let mut out = locals.to_vec();
    out.extend(&central);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((central.len() as u32).to_le_bytes());
    out.extend((locals.len() as u32).to_le_bytes());
    out.extend([0, 0]);
    out
}

fn zip(entries: &[Z]) -> Vec<u8> {
    let mut locals = Vec::new();
    let mut placed = Vec::new();
    for entry in entries {
        placed.push((entry.clone(), locals.len()));
        locals.extend(entry.local());
    }
    zip_at(&locals, &placed)
}

/// One entry of a tar made by hand: no check of any name.
fn t(kind: u8, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.extend([0; 2 * BLOCK]);
    out
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflated(content: &[u8]) -> Z {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    let packed = encoder.finish().unwrap();
    Z {
        packed,
        method: 8,
        ..z("big", 0o100_644, content)
    }
}

#[test]
fn a_path_that_climbs_is_refused() {
    for name in ["../evil", "a/../../evil", "a/.."] {
        assert_refused!(refused(&zip(&[file("ok"), file(name)])), Error::Traversal { entry } if entry == name);
        assert_refused!(refused(&tar(&[t(b'0', name, "", b"x")])), Error::Traversal { .. });
    }
}

#[test]
fn an_absolute_path_is_refused() {
    for name in ["/evil", "//host/evil"] {
        assert_refused!(refused(&zip(&[file(name)])), Error::Absolute { .. });
        assert_refused!(refused(&gz(&tar(&[t(b'0', name, "", b"x")]))), Error::Absolute { .. });
    }
}

#[test]
fn windows_separators_get_the_same_checks() {
    assert_refused!(refused(&zip(&[file("..\\evil")])), Error::Traversal { .. });
    for name in ["\\evil", "\\\\host\\share\\evil", "C:\\evil", "c:evil", "C:/evil"] {
        assert_refused!(refused(&zip(&[file(name)])), Error::Absolute { .. });
    }
    let place = Place::new();
    let bytes = zip(&[z("dir\\", 0, b""), file("dir\\sub\\a.txt")]);
    place.extract(&bytes, &Limits::default()).unwrap();
    assert!(place.path("dir/sub/a.txt").is_file());
}

#[test]
fn a_link_out_of_the_tree_is_refused() {
    for target in ["/etc/passwd", "..", "../x", "d/../../x", "d/.."] {
        let bytes = zip(&[z("a", 0o120_777, target.as_bytes())]);
        assert_refused!(refused(&bytes), Error::LinkOutside { entry, .. } if entry == "a");
        let bytes = tar(&[t(b'2', "a", target, b"")]);
        assert_refused!(refused(&bytes), Error::LinkOutside { .. });
    }
}

#[test]
fn nothing_is_written_through_a_link_and_no_chain_of_links_leads_out() {
    let through = tar(&[t(b'2', "d/a", "..", b""), t(b'0', "d/a/b", "", b"x")]);
    assert_refused!(refused(&through), Error::ThroughLink { link, .. } if link == "d/a");
    let chain = tar(&[t(b'2', "d/e", "..", b""), t(b'2', "x", "d/e/..", b"")]);
    assert_refused!(refused(&chain), Error::LinkOutside { entry, .. } if entry == "x");
    let replaced = tar(&[t(b'0', "d/b", "", b"x"), t(b'2', "d", "e", b"")]);
    assert_refused!(refused(&replaced), Error::Duplicate { .. });
    let overwritten = tar(&[t(b'2', "a", "b", b""), t(b'0', "a", "", b"x")]);
    assert_refused!(refused(&overwritten), Error::Duplicate { .. });
    let below_directory = zip(&[z("a", 0o120_777, b"b"), z("a/", 0o040_755, b"")]);
    assert_refused!(refused(&below_directory), Error::Duplicate { .. });
}

#[test]
fn links_inside_the_tree_are_kept() {
    let place = Place::new();
    let bytes = zip(&[z("bin/run", 0o120_777, b"../lib/run"), file("lib/run")]);
    place.extract(&bytes, &Limits::default()).unwrap();
    assert_eq!(fs::read_link(place.path("bin/run")).unwrap(), Path::new("../lib/run"));
    assert_eq!(fs::read(place.path("bin/run")).unwrap(), b"x");
}

#[test]
fn hard_links_devices_and_pipes_are_refused() {
    for kind in *b"13467S" {
        let bytes = tar(&[t(b'0', "ok", "", b"x"), t(kind, "a", "ok", b"")]);
        let result = Place::new().extract(&bytes, &Limits::default());
        match kind {
            b'7' => assert!(result.is_ok(), "a contiguous file is a file"),
            _ => assert!(result.is_err(), "{}", char::from(kind)),
        }
    }
    assert_refused!(refused(&zip(&[z("a", 0o010_644, b"")])), Error::UnsupportedKind { .. });
    assert_refused!(
        refused(&tar(&[t(b'1', "a", "b", b"")])),
        Error::UnsupportedKind {
            kind: "a hard link",
            ..
        }
    );
}

#[test]
fn a_path_that_comes_twice_is_refused() {
    let twice = zip(&[file("a"), file("b"), file("a")]);
    assert_refused!(refused(&twice), Error::Duplicate { entry } if entry == "a");
    let spelled = zip(&[file("a/b"), file("a/./b")]);
    assert_refused!(refused(&spelled), Error::Duplicate { .. });
    let slashes = zip(&[file("a/b"), file("a\\b")]);
    assert_refused!(refused(&slashes), Error::Duplicate { .. });
    let below_file = zip(&[file("a"), file("a/b")]);
    assert_refused!(refused(&below_file), Error::Duplicate { .. });
    let both = tar(&[t(b'0', "a", "", b"x"), t(b'5', "a/", "", b"")]);
    assert_refused!(refused(&both), Error::Duplicate { .. });
    let same_directory = tar(&[t(b'5', "a/", "", b""), t(b'5', "a/", "", b"")]);
    assert_eq!(
        Place::new()
            .extract(&same_directory, &Limits::default())
            .unwrap()
            .entries,
        1
    );
}

#[test]
fn bombs_are_refused_by_ratio_by_total_and_by_count() {
    let zeros = vec![0; 4 << 20];
    assert_refused!(refused(&zip(&[deflated(&zeros)])), Error::Ratio { limit: 200, .. });
    let bytes = gz(&tar(&[t(b'0', "a", "", &zeros)]));
    assert_refused!(refused(&bytes), Error::Ratio { .. });
    let small = Limits {
        total_bytes: 100,
        ..Limits::default()
    };
    assert_refused!(
        refused_with(&zip(&[deflated(&[7; 101])]), &small),
        Error::TooLarge { limit: 100, .. }
    );
    let few = Limits {
        entries: 3,
        ..Limits::default()
    };
    let many: Vec<Z> = (0..4).map(|n| file(&n.to_string())).collect();
    assert_refused!(refused_with(&zip(&many), &few), Error::TooManyEntries { limit: 3 });
    let implied = zip(&[file("a/b/c/d")]);
    assert_refused!(refused_with(&implied, &few), Error::TooManyEntries { .. });
}

#[test]
fn a_size_that_lies_is_not_believed() {
    let small = Limits {
        total_bytes: 1000,
        ..Limits::default()
    };
    let lying = Z {
        size: 1,
        ..deflated(&[7; 5000])
    };
    let error = refused_with(&zip(&[lying]), &small);
    assert_refused!(error, Error::TooLarge { .. } | Error::Corrupt { .. });
}

#[test]
fn a_tar_whose_names_or_padding_never_end_is_refused() {
    let name = vec![b'a'; 1 << 20];
    let long_name = gz(&tar(&[t(b'L', "././@LongLink", "", &name), t(b'0', "a", "", b"x")]));
    assert_refused!(refused(&long_name), Error::HeaderTooLarge { .. });
    let mut padded = tar(&[t(b'0', "a", "", b"x")]);
    padded.resize(8 << 20, 0);
    assert_refused!(refused(&gz(&padded)), Error::HeaderTooLarge { .. });
}

#[test]
fn overlapping_entries_are_refused() {
    let inner = deflated(&[7; 1000]);
    let locals = inner.local();
    let other = Z {
        name: b"bag".to_vec(),
        ..inner.clone()
    };
    let same_bytes = zip_at(&locals, &[(inner, 0), (other, 0)]);
    assert_refused!(refused(&same_bytes), Error::Overlap { .. });
}

#[test]
fn an_encrypted_entry_is_refused() {
    let secret = Z {
        flags: 0x801,
        packed: vec![0; 20],
        ..file("secret")
    };
    assert_refused!(refused(&zip(&[file("a"), secret])), Error::Encrypted { entry } if entry == "secret");
}

#[test]
fn an_unknown_method_is_refused() {
    for method in [12, 14, 93, 99] {
        let odd = Z { method, ..file("odd") };
        assert_refused!(refused(&zip(&[odd])), Error::UnsupportedCompression { entry } if entry == "odd");
    }
}

#[test]
fn what_is_no_archive_is_refused_and_its_beginning_shown() {
    assert_refused!(refused(b"\x7fELF...."), Error::NotAnArchive { hint } if hint.starts_with("7f 45"));
    assert_refused!(refused(b""), Error::NotAnArchive { .. });
    assert_refused!(refused(&[0; 2048]), Error::NotAnArchive { .. });
    assert_refused!(refused(&gz(b"only text")), Error::NotAnArchive { .. });
}

#[test]
fn a_cut_zip_is_refused_wherever_it_is_cut() {
    let whole = zip(&[deflated(b"hello hello hello"), file("b")]);
    for length in 4..whole.len() {
        assert_refused!(
            refused(&whole[..length]),
            Error::Truncated { .. } | Error::Corrupt { .. }
        );
    }
    assert_refused!(refused(&whole[..whole.len() / 2]), Error::Truncated { .. });
}

#[test]
fn a_cut_tar_is_refused_wherever_it_is_cut() {
    let whole = tar(&[t(b'0', "a", "", &[7; 700]), t(b'0', "b", "", b"x")]);
    for length in (BLOCK..whole.len() - 2 * BLOCK).step_by(100) {
        assert_refused!(refused(&whole[..length]), Error::Truncated { .. });
    }
    let packed = gz(&whole);
    for length in 3..packed.len() {
        assert_refused!(refused(&packed[..length]), Error::Truncated { .. });
    }
}

/// What serverless 1.x packs on Node 20 and later.
#[test]
fn content_without_size_and_checksum_is_taken_within_the_limits() {
    let unmeasured = |content: &[u8]| Z {
        size: 0,
        crc: 0,
        flags: 0x8,
        ..deflated(content)
    };
    let place = Place::new();
    place
        .extract(&zip(&[unmeasured(b"content")]), &Limits::default())
        .expect("taken");
    assert_eq!(std::fs::read(place.path("big")).expect("there"), b"content");
    let bomb = zip(&[unmeasured(&vec![0; 4 << 20])]);
    assert_refused!(refused(&bomb), Error::Ratio { .. });
    let empty = Place::new();
    empty
        .extract(&zip(&[unmeasured(b""), file("a")]), &Limits::default())
        .expect("taken");
    assert_eq!(std::fs::read(empty.path("big")).expect("there"), b"");
}

#[test]
fn a_flipped_checksum_is_refused() {
    let broken = Z { crc: 1, ..file("a") };
    assert_refused!(refused(&zip(&[broken])), Error::Corrupt { entry, .. } if entry == "a");
    let mut packed = gz(&tar(&[t(b'0', "a", "", b"x")]));
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    assert_refused!(refused(&packed), Error::Corrupt { .. });
}

#[test]
fn names_that_are_no_names_are_refused() {
    for name in [&b"a\xff"[..], b"a\0b", b""] {
        let bad = Z {
            name: name.to_vec(),
            ..file("")
        };
        assert_refused!(refused(&zip(&[bad])), Error::BadName { .. });
    }
    let long = "a/".repeat(20) + &"b".repeat(256);
    assert_refused!(refused(&zip(&[file(&long)])), Error::PathTooLong { limit: 255, .. });
}

#[test]
fn what_macos_adds_is_left_out() {
    let place = Place::new();
    let bytes = zip(&[file("__MACOSX/._a"), file("d/.DS_Store"), file("d/a")]);
    assert_eq!(place.extract(&bytes, &Limits::default()).unwrap().entries, 2);
    assert!(!place.path("__MACOSX").exists() && !place.path("d/.DS_Store").exists());
}

#[test]
fn a_directory_with_something_in_it_is_not_touched() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mine"), "x").unwrap();
    let mut archive = tempfile::tempfile().unwrap();
    archive.write_all(&zip(&[file("a")])).unwrap();
    let result = extract(archive, dir.path(), &Limits::default());
    assert!(matches!(result, Err(Error::NotEmpty)));
    assert!(dir.path().join("mine").exists());
}

#[test]
fn modes_are_kept_as_far_as_exec_bits_go() {
    let place = Place::new();
    let bytes = zip(&[
        z("run", 0o104_710, b"x"),
        z("data", 0o100_600, b"x"),
        z("d/", 0o040_700, b""),
    ]);
    place.extract(&bytes, &Limits::default()).unwrap();
    for (name, mode) in [("run", 0o755), ("data", 0o644), ("d", 0o755)] {
        let found = place.path(name).metadata().unwrap().mode() & 0o7777;
        assert_eq!(found, mode, "{name}");
    }
}

fn sample() -> TempDir {
    let dir = tempdir().unwrap();
    fs::create_dir_all(dir.path().join("lib/empty")).unwrap();
    let long = "n".repeat(150);
    for (name, content) in [("main", "hello"), ("lib/a", ""), ("lib/ä b", "x"), (&long, "long")] {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let exec = fs::Permissions::from_mode(0o700);
    fs::set_permissions(dir.path().join("main"), exec).unwrap();
    symlink("../main", dir.path().join("lib/link")).unwrap();
    dir
}

fn packed_zip(dir: &Path) -> Vec<u8> {
    let packed = pack_zip(dir, Cursor::new(Vec::new()), |_| true);
    packed.unwrap().into_inner()
}

#[test]
fn what_is_packed_comes_back_the_same() {
    let dir = sample();
    let tar = pack_tar(dir.path(), Vec::new(), |_| true).unwrap();
    let archives = [
        (Format::Zip, packed_zip(dir.path())),
        (Format::TarGz, gz(&tar)),
        (Format::Tar, tar),
    ];
    for (format, bytes) in archives {
        let place = Place::new();
        let summary = place.extract(&bytes, &Limits::default()).unwrap();
        assert_eq!(
            summary,
            Summary {
                format,
                entries: 7,
                bytes: 10
            }
        );
        assert_eq!(fs::read(place.path("lib/link")).unwrap(), b"hello");
        assert_eq!(place.path("main").metadata().unwrap().mode() & 0o777, 0o755);
        assert!(place.path("lib/empty").is_dir());
        let again = packed_zip(&place.path(""));
        assert_eq!(again, packed_zip(dir.path()), "{format:?}");
    }
}

#[test]
fn packing_is_deterministic() {
    let (one, two) = (sample(), sample());
    assert_eq!(packed_zip(one.path()), packed_zip(two.path()));
    let tar = |dir: &TempDir| pack_tar(dir.path(), Vec::new(), |_| true).unwrap();
    assert_eq!(tar(&one), tar(&two));
}

#[test]
fn packing_leaves_out_what_the_filter_refuses() {
    let dir = sample();
    let packed = pack_tar(dir.path(), Vec::new(), |path| !path.starts_with("lib")).unwrap();
    let place = Place::new();
    assert_eq!(place.extract(&packed, &Limits::default()).unwrap().entries, 2);
}

#[test]
fn packing_refuses_a_link_out_of_the_tree() {
    let dir = tempdir().unwrap();
    symlink("/etc/passwd", dir.path().join("a")).unwrap();
    let packed = pack_tar(dir.path(), Vec::new(), |_| true);
    assert_refused!(packed.unwrap_err(), Error::LinkOutside { .. });
}

#[test]
fn a_tar_is_made_of_memory_and_trees() {
    let dir = sample();
    let mut packer = TarPacker::new(Vec::new());
    packer.file("Dockerfile", 0o644, b"FROM x").unwrap();
    packer.tree("code", dir.path(), |_| true).unwrap();
    assert!(packer.file("../x", 0o644, b"").is_err());
    let place = Place::new();
    let packed = packer.finish().unwrap();
    place.extract(&packed, &Limits::default()).unwrap();
    assert!(place.path("Dockerfile").is_file() && place.path("code/main").is_file());
}

/// A small generator of numbers that are always the same.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

fn mutate(bytes: &[u8], random: &mut Xorshift) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
    }
    bytes
}

/// Every link below `place` leads to something inside it, or nowhere.
fn assert_contained(place: &Path, root: &Path) {
    for child in fs::read_dir(place).unwrap() {
        let child = child.unwrap();
        if let Ok(real) = child.path().canonicalize() {
            assert!(real.starts_with(root), "{real:?}");
        }
        if child.file_type().unwrap().is_dir() {
            assert_contained(&child.path(), root);
        }
    }
}

#[test]
fn no_mutation_panics_or_gets_out() {
    let dir = sample();
    let tar = pack_tar(dir.path(), Vec::new(), |_| true).unwrap();
    let originals = [packed_zip(dir.path()), gz(&tar), tar];
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for case in 0..4000 {
        let original = if case % 2 == 0 {
            &originals[0]
        } else {
            &originals[1 + case / 2 % 2]
        };
        let place = Place::new();
        let bytes = mutate(original, &mut random);
        if place.extract(&bytes, &Limits::default()).is_ok() {
            accepted += 1;
            let root = place.path("").canonicalize().unwrap();
            assert_contained(&root, &root);
        }
    }
    assert!(accepted > 0 && accepted < 4000, "{accepted} were accepted");
}
