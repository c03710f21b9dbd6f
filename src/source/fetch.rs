//! Opening code that was not sent along: bounded in size and time, and compared with the checksum that was given.
//!
//! Decides nothing about what the code is; what comes is untrusted until `unpack` has looked at it.

use super::{directory, inline, swift, url};
use crate::web::{self, Web};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use md5::Md5;
use reqwest::Response;
use sha2::{Digest as _, Sha256};
#[cfg(test)]
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Where code is.
#[derive(Clone)]
pub enum SourceSpec {
    /// Behind an `http` or `https` URL.
    Url {
        /// The URL; it may hold a secret.
        url: String,
        /// What the sha256 of the file must be, in hexadecimal.
        sha256: Option<String>,
        /// What is said along, such as who asks; not to another host that it leads to.
        headers: Vec<(String, String)>,
    },
    /// In the store of objects.
    Object(Object),
    /// In a directory, an archive or one file of the daemon's machine, below an allowed directory.
    Directory(PathBuf),
    /// Written out: the name of one source file, and its text.
    Inline {
        /// Its ending tells the language's own from others.
        file_name: String,
        /// What is in it.
        text: String,
    },
}

/// An object of a store.
#[derive(Clone)]
pub struct Object {
    /// Where it is.
    pub container: String,
    /// What it is called there; may hold `/`.
    pub object: String,
    /// The caller's own token for the store; `None`: the configured one.
    pub token: Option<String>,
}

/// The room's settings.
#[derive(Clone)]
pub struct Options {
    /// Whether URLs may lead to this machine and its networks.
    pub allow_private: bool,
    /// How long fetching may take.
    pub patience: Duration,
    /// Largest file. Unit: bytes.
    pub limit: u64,
    /// How to go out.
    pub web: web::Options,
    /// The store of objects.
    pub swift: Swift,
    /// Below these, code may be taken from this machine.
    pub directories: Vec<PathBuf>,
}

/// A store of objects.
#[derive(Clone, Default)]
pub enum Swift {
    /// There is none.
    #[default]
    None,
    /// A folder a container, a file an object.
    Directory(PathBuf),
    /// A service.
    Service {
        /// Its address with the account, as `https://HOST/v1/AUTH_x`.
        url: String,
        /// What to show when the caller shows nothing.
        token: Option<String>,
    },
}

/// Why code could not be fetched. No message repeats a URL's secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It cannot be where it is said to be.
    #[error("{0}")]
    Invalid(String),
    /// The settings name no store of objects.
    #[error("no store of objects is configured: set sources.swift_directory or sources.swift_url")]
    NoStore,
    /// The address is not the outside's.
    #[error("`{0}` is an address of this machine or its networks: sources.allow_private_urls allows them")]
    Private(String),
    /// There is nothing.
    #[error("there is nothing at {0}")]
    NotFound(String),
    /// It was refused.
    #[error("{place} answered with status {status}")]
    Refused {
        /// Whom was asked, without secrets.
        place: String,
        /// HTTP status.
        status: u16,
    },
    /// It is too large.
    #[error("the source is over the limit of {limit} bytes: send less, or raise server.upload_limit_mib")]
    TooLarge {
        /// Unit: bytes.
        limit: u64,
    },
    /// It is not what was promised.
    #[error("the {kind} of the source is {found}, not {expected}: it is damaged, or another file")]
    Checksum {
        /// Which checksum.
        kind: &'static str,
        /// What was promised.
        expected: String,
        /// What came.
        found: String,
    },
    /// It took too long.
    #[error("the source did not come within {seconds} s: raise sources.timeout_seconds, or bring it nearer")]
    Slow {
        /// Unit: seconds.
        seconds: u64,
    },
    /// Nobody answered, or the answer broke off.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// Whom was asked, without secrets.
        place: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The store of objects does not work: not the caller's fault.
    #[error("the store of objects does not work")]
    Store(#[source] Box<FetchError>),
    /// A file could not be read.
    #[error("cannot read the source")]
    Io(#[source] std::io::Error),
    /// The directory cannot be packed.
    #[error("cannot pack the directory")]
    Pack(#[source] super::Error),
    /// Our own client cannot be made.
    #[error("the client for URLs cannot be made: look at build.ca_bundle and the proxies")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<web::Error> for FetchError {
    fn from(error: web::Error) -> Self {
        match error {
            web::Error::Invalid(_) => Self::Invalid(error.to_string()),
            web::Error::Private(host) => Self::Private(host),
            web::Error::Unreachable { place, source } => Self::Unreachable { place, source },
            web::Error::Client(source) => Self::Client(source),
        }
    }
}

pub(super) type Pieces = BoxStream<'static, Result<Bytes, FetchError>>;

/// What code must be, as far as somebody promised.
#[derive(Debug, Clone, Default)]
pub(super) struct Promise {
    pub(super) sha256: Option<String>,
    pub(super) md5: Option<String>,
}

/// Code that is coming.
pub struct Fetched {
    /// What it is called: tells a single source file from an archive.
    pub file_name: Option<String>,
    pieces: Pieces,
    deadline: Instant,
    patience: Duration,
}

impl Fetched {
    /// The next piece; `None` at the end of a whole and right file.
    ///
    /// # Errors
    /// See [`FetchError`]; what came until then is worth nothing.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, FetchError> {
        let next = tokio::time::timeout_at(self.deadline, self.pieces.next()).await;
        next.map_err(|_| slow(self.patience))?.transpose()
    }
}

fn slow(patience: Duration) -> FetchError {
    FetchError::Slow {
        seconds: patience.as_secs(),
    }
}

/// All places code can come from.
pub struct Sources {
    pub(super) options: Options,
    pub(super) web: Web,
}

impl Sources {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let web = Web::new(options.web.clone(), options.allow_private);
        Self { options, web }
    }

    #[cfg(test)]
    pub(super) fn reaching(options: Options, may_reach: fn(IpAddr) -> bool) -> Self {
        let web = Web::reaching(options.web.clone(), may_reach);
        Self { options, web }
    }

    /// Whether there is a store of objects.
    #[must_use]
    pub fn has_store(&self) -> bool {
        !matches!(self.options.swift, Swift::None)
    }

    /// Begins to fetch.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn open(&self, spec: SourceSpec) -> Result<Fetched, FetchError> {
        let patience = self.options.patience;
        let deadline = Instant::now() + patience;
        let opened = tokio::time::timeout_at(deadline, self.find(spec)).await;
        let (file_name, pieces) = opened.map_err(|_| slow(patience))??;
        Ok(Fetched {
            file_name,
            pieces,
            deadline,
            patience,
        })
    }

    async fn find(&self, spec: SourceSpec) -> Result<(Option<String>, Pieces), FetchError> {
        match spec {
            SourceSpec::Url { url, sha256, headers } => url::open(self, &url, sha256, &headers).await,
            SourceSpec::Object(object) => swift::open(self, object).await,
            SourceSpec::Directory(path) => directory::open(self, path).await,
            SourceSpec::Inline { file_name, text } => inline::open(self, file_name, text),
        }
    }
}

/// An answer's body; its length, where it is said, is looked at first.
pub(super) fn body(response: Response, place: String, limit: u64) -> Result<Pieces, FetchError> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(FetchError::TooLarge { limit });
    }
    let pieces = response.bytes_stream();
    Ok(pieces
        .map_err(move |e| web::unreachable(place.clone(), e).into())
        .boxed())
}

struct Check {
    pieces: Pieces,
    size: u64,
    limit: u64,
    sha256: Sha256,
    md5: Md5,
    promise: Promise,
}

/// The same pieces, which end in an error when there are too many or not those promised.
pub(super) fn checked(pieces: Pieces, limit: u64, promise: Promise) -> Pieces {
    let check = Check {
        pieces,
        size: 0,
        limit,
        sha256: Sha256::new(),
        md5: Md5::new(),
        promise,
    };
    stream::try_unfold(check, Check::next).boxed()
}

impl Check {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, FetchError> {
        let Some(piece) = self.pieces.next().await.transpose()? else {
            self.compare()?;
            return Ok(None);
        };
        self.size += piece.len() as u64;
        if self.size > self.limit {
            return Err(FetchError::TooLarge { limit: self.limit });
        }
        if self.promise.sha256.is_some() {
            self.sha256.update(&piece);
        }
        if self.promise.md5.is_some() {
            self.md5.update(&piece);
        }
        Ok(Some((piece, self)))
    }

    fn compare(&mut self) -> Result<(), FetchError> {
        same("sha256", self.promise.sha256.take(), &self.sha256.finalize_reset())?;
        same("md5", self.promise.md5.take(), &self.md5.finalize_reset())
    }
}

fn same(kind: &'static str, expected: Option<String>, found: &[u8]) -> Result<(), FetchError> {
    let found = hex::encode(found);
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&found) => Err(FetchError::Checksum { kind, expected, found }),
        _ => Ok(()),
    }
}
