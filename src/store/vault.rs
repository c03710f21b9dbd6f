//! Encrypts secrets before they are written, with a key that lies beside the database in a file of its own.
//!
//! AES-256-GCM, a random nonce for each value, and what the value is for as associated data, so that one cannot stand in
//! for another. A value tells which key sealed it: a lost key is told apart from a damaged value.

use super::Error;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The key's file in the data directory.
pub(super) const KEY_FILE: &str = "secrets.key";
/// What a sealed value begins with: the form, and which key.
const FORM: u8 = 1;
const MARK: usize = 8;
const HEAD: usize = 1 + MARK + NONCE_LEN;

/// Why a sealed value stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Another key sealed it.
    #[error("it was encrypted with another key file than the one in the data directory")]
    OtherKey,
    /// It is not what was written.
    #[error("it was damaged")]
    Damaged,
}

/// The key, and what is done with it.
pub(super) struct Vault {
    key: LessSafeKey,
    mark: [u8; MARK],
    random: SystemRandom,
}

impl Vault {
    /// Reads the key of a data directory, or makes one.
    pub(super) fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(KEY_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => make(&path)?,
            Err(e) => return Err(Error::io("read the key file of secrets (secrets.key)", e)),
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| not_a_key())?;
        let mut mark = [0; MARK];
        mark.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..MARK]);
        Ok(Self {
            key: LessSafeKey::new(key),
            mark,
            random: SystemRandom::new(),
        })
    }

    /// Encrypts a value for one purpose.
    pub(super) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| no_random())?;
        let mut body = plain.to_vec();
        let sealed = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(sealed, Aad::from(purpose), &mut body)
            .map_err(|_| no_random())?;
        let mut all = vec![FORM];
        all.extend(self.mark);
        all.extend(nonce);
        all.append(&mut body);
        Ok(all)
    }

    /// Decrypts a value that was sealed for this purpose.
    pub(super) fn unseal(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Closed> {
        if sealed.len() < HEAD || sealed[0] != FORM {
            return Err(Closed::Damaged);
        }
        let (head, body) = sealed.split_at(HEAD);
        if head[1..=MARK] != self.mark {
            return Err(Closed::OtherKey);
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + MARK..]).map_err(|_| Closed::Damaged)?;
        let mut body = body.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(purpose), &mut body);
        plain.map(|p| p.to_vec()).map_err(|_| Closed::Damaged)
    }
}

fn make(path: &Path) -> Result<Vec<u8>, Error> {
    let mut key = vec![0; AES_256_GCM.key_len()];
    SystemRandom::new().fill(&mut key).map_err(|_| no_random())?;
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = written.and_then(|mut file| {
        file.write_all(&key)?;
        file.sync_all()
    });
    written.map_err(|e| Error::io("write the key file of secrets (secrets.key)", e))?;
    Ok(key)
}

fn not_a_key() -> Error {
    let why = io::Error::new(ErrorKind::InvalidData, "secrets.key does not have 32 bytes");
    Error::io(
        "use the key file of secrets (secrets.key does not have its 32 bytes: put the right one back, or remove it and set the secrets again)",
        why,
    )
}

fn no_random() -> Error {
    Error::io("encrypt a secret", io::Error::other("the system gives no random bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn vault() -> (tempfile::TempDir, Vault) {
        let directory = tempfile::tempdir().expect("temp");
        let vault = Vault::open(directory.path()).expect("a key");
        (directory, vault)
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_for_the_same_purpose_only() {
        let (directory, vault) = vault();
        let sealed = vault.seal("a", b"hunter2").expect("sealed");
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));
        assert_ne!(vault.seal("a", b"hunter2").expect("sealed"), sealed);
        let again = Vault::open(directory.path()).expect("the same key");
        assert_eq!(again.unseal("a", &sealed).as_deref(), Ok(&b"hunter2"[..]));
        assert_eq!(again.unseal("b", &sealed), Err(Closed::Damaged));
        let mut damaged = sealed.clone();
        damaged[HEAD] ^= 1;
        for bad in [&damaged[..], &sealed[..HEAD], &[], &sealed[1..]] {
            assert_eq!(vault.unseal("a", bad), Err(Closed::Damaged));
        }
    }

    #[test]
    fn another_key_is_told_apart_from_damage() {
        let ((_one, vault), (_two, other)) = (vault(), self::vault());
        let sealed = vault.seal("a", b"hunter2").expect("sealed");
        assert_eq!(other.unseal("a", &sealed), Err(Closed::OtherKey));
    }

    #[test]
    fn the_key_is_its_owners_alone_and_one_of_another_size_is_refused() {
        let (directory, _vault) = vault();
        let path = directory.path().join(KEY_FILE);
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, b"short").expect("written");
        let refused = Vault::open(directory.path()).err().expect("refused");
        assert!(refused.to_string().contains("secrets.key"), "{refused}");
    }
}
