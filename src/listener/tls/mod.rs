//! TLS for those who want it: a certificate that the daemon makes for itself, and a listener that speaks it.
//!
//! The authority that signed the certificate is thrown away at once: nobody can make another in its name. Whoever trusts
//! it trusts this daemon and nothing else. Nothing here knows what is served.

mod speaker;

pub use speaker::{Secure, Speaker};

use super::Refused;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// Names that the certificate always has. Most clients take a wildcard only where two labels follow it: hence the last one,
/// for functions of the default namespace.
const NAMES: [&str; 5] = ["localhost", "127.0.0.1", "::1", "*.localhost", "*.default.localhost"];
/// Longer is not trusted by some systems. Unit: days.
const VALID_DAYS: u64 = 800;
/// It is made again when it has so long to go. Unit: days.
const RENEW_DAYS: u64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot use {0}: check the data directory and its permissions")]
    File(PathBuf, #[source] io::Error),
    /// A certificate cannot be made.
    #[error("cannot make a certificate for {0}")]
    Make(String, #[source] rcgen::Error),
    /// The files are there and do not fit.
    #[error("the certificate in {0} cannot be used: remove that directory, and it is made again")]
    Unusable(PathBuf, #[source] rustls::Error),
    /// The files are there and are none of ours.
    #[error("the certificate in {0} cannot be read: remove that directory, and it is made again")]
    Unreadable(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// The address cannot be had.
    #[error("{0}: stop what holds it, or choose another in tls.listen")]
    Listen(Refused),
    /// The system does not tell where a listener is.
    #[error("cannot listen with TLS")]
    Address(#[source] io::Error),
}

/// A certificate with its key, in files.
#[derive(Debug, Clone)]
pub struct Certificate {
    directory: PathBuf,
}

impl Certificate {
    /// Takes the certificate of a data directory, or makes one: at the first time, when its names change and before it
    /// ends. `names` are those beside localhost, loopback addresses and `*.localhost`.
    ///
    /// # Errors
    /// When the files cannot be used, or a name is none.
    pub fn find_or_make(data_dir: &Path, names: &[String], now: SystemTime) -> Result<Self, Error> {
        let found = Self {
            directory: data_dir.join("tls"),
        };
        let names: Vec<_> = NAMES
            .iter()
            .map(|n| (*n).to_owned())
            .chain(names.iter().cloned())
            .collect();
        if !found.serves(&names, now) {
            found.make(&names, now)?;
        }
        Ok(found)
    }

    /// The file that clients have to trust.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// What a server needs to speak TLS with it.
    ///
    /// # Errors
    /// When the files are none of ours.
    pub fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let unreadable = |e| Error::Unreadable(self.directory.clone(), e);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(self.directory.join("cert.pem"))
            .map_err(unreadable)?
            .collect();
        let key = PrivateKeyDer::from_pem_file(self.key()).map_err(unreadable)?;
        let unusable = |e| Error::Unusable(self.directory.clone(), e);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain.map_err(unreadable)?, key)
            .map_err(unusable)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    /// What the certificate was made for: until when, then its names, one a line.
    fn about(&self) -> PathBuf {
        self.directory.join("about.txt")
    }

    fn serves(&self, names: &[String], now: SystemTime) -> bool {
        let about = std::fs::read_to_string(self.about()).unwrap_or_default();
        let mut lines = about.lines();
        let ends = lines.next().and_then(|line| line.parse::<u64>().ok()).unwrap_or(0);
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(ends);
        let fresh = now + DAY * u32::try_from(RENEW_DAYS).unwrap_or(u32::MAX) < ends;
        fresh && lines.eq(names) && self.key().is_file() && self.authority().is_file()
    }

    fn make(&self, names: &[String], now: SystemTime) -> Result<(), Error> {
        let ends = now + DAY * u32::try_from(VALID_DAYS).unwrap_or(u32::MAX);
        let made = issue(names, now - DAY, ends).map_err(|e| Error::Make(names.join(", "), e))?;
        let mut directory = std::fs::DirBuilder::new();
        let ready = directory.recursive(true).mode(0o700).create(&self.directory);
        ready.map_err(|e| Error::File(self.directory.clone(), e))?;
        let seconds = ends
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let about = format!("{seconds}\n{}\n", names.join("\n"));
        // What tells that the others are good comes last.
        write(&self.key(), &made.key, 0o600)?;
        write(&self.directory.join("cert.pem"), &made.certificate, 0o644)?;
        write(&self.authority(), &made.authority, 0o644)?;
        write(&self.about(), &about, 0o644)
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let failed = |e| Error::File(path.to_owned(), e);
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(failed)
}

struct Made {
    authority: String,
    certificate: String,
    key: String,
}

fn issue(names: &[String], begins: SystemTime, ends: SystemTime) -> Result<Made, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "Hob on this machine");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (authority.not_before, authority.not_after) = (begins.into(), ends.into());
    let authority_key = KeyPair::generate()?;
    let trusted = authority.self_signed(&authority_key)?.pem();

    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "hob");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (begins.into(), ends.into());
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok(Made {
        authority: trusted,
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn read(certificate: &Certificate) -> String {
        std::fs::read_to_string(certificate.authority()).expect("a file")
    }

    #[test]
    fn a_certificate_is_kept_until_its_names_change_or_its_end_is_near() {
        let directory = tempfile::tempdir().expect("temp");
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let at = |now, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
            Certificate::find_or_make(directory.path(), &names, now).expect("a certificate")
        };
        let first = read(&at(now, &["hob.lan"]));
        assert_eq!(read(&at(now + DAY * 700, &["hob.lan"])), first);
        let renamed = read(&at(now, &["hob.lan", "hob.example"]));
        assert_ne!(renamed, first);
        assert_ne!(read(&at(now + DAY * 771, &["hob.lan", "hob.example"])), renamed);
    }

    #[test]
    fn the_key_is_its_owners_alone_and_what_is_broken_says_so() {
        let directory = tempfile::tempdir().expect("temp");
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let made = Certificate::find_or_make(directory.path(), &[], now).expect("a certificate");
        let mode = std::fs::metadata(made.key()).expect("the key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(made.acceptor().is_ok());
        std::fs::write(made.key(), "broken").expect("written");
        assert!(matches!(made.acceptor(), Err(Error::Unreadable(..))));
    }
}
