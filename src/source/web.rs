//! The HTTP client below URLs and the store of objects: made when first needed, without redirects and without retries.

use super::address::{self, Checked, Private};
use super::fetch::{FetchError, Pieces, Proxies};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, NoProxy, Proxy, Response, Url};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces.
const SILENCE: Duration = Duration::from_secs(30);

/// Two clients: one for addresses that users give, one for those of the settings.
pub(super) struct Web {
    proxies: Proxies,
    ca_bundle: Option<PathBuf>,
    may_reach: fn(IpAddr) -> bool,
    given: OnceCell<Client>,
    configured: OnceCell<Client>,
}

impl Web {
    pub(super) fn new(proxies: Proxies, ca_bundle: Option<PathBuf>, may_reach: fn(IpAddr) -> bool) -> Self {
        Self {
            proxies,
            ca_bundle,
            may_reach,
            given: OnceCell::new(),
            configured: OnceCell::new(),
        }
    }

    /// Asks an address that a user gave, if it is the outside's.
    pub(super) async fn get_given(&self, url: &Url, headers: HeaderMap) -> Result<Response, FetchError> {
        self.check(url).await?;
        let client = self.given.get_or_try_init(|| self.client(self.may_reach)).await?;
        send(client, url, headers).await
    }

    /// Asks an address that the settings name.
    pub(super) async fn get_configured(&self, url: &Url, headers: HeaderMap) -> Result<Response, FetchError> {
        let client = self.configured.get_or_try_init(|| self.client(|_| true)).await?;
        send(client, url, headers).await
    }

    /// A written address is not resolved, and behind a proxy nothing is: both are looked at here. A name that only the
    /// proxy can resolve is the proxy's business.
    async fn check(&self, url: &Url) -> Result<(), FetchError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if self.proxies.http.is_none() && self.proxies.https.is_none() => return Ok(()),
            Err(_) => {
                let found = address::lookup(host).await.unwrap_or_default();
                found.into_iter().map(|a| a.ip()).collect()
            }
        };
        if addresses.iter().all(|a| (self.may_reach)(*a)) {
            return Ok(());
        }
        Err(FetchError::Private(host.to_owned()))
    }

    async fn client(&self, may_reach: fn(IpAddr) -> bool) -> Result<Client, FetchError> {
        // Fails only where it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |e: reqwest::Error| FetchError::Client(e.without_url().into());
        let proxies = self.proxies().map_err(failed)?;
        let hosts = [&self.proxies.http, &self.proxies.https].into_iter().flatten();
        let trusted = hosts.filter_map(|p| Some(Url::parse(p).ok()?.host_str()?.to_owned()));
        let resolver = Checked {
            may_reach,
            trusted: trusted.collect(),
        };
        let plain = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("hob/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(std::sync::Arc::new(resolver));
        let builder = proxies.into_iter().fold(plain, reqwest::ClientBuilder::proxy);
        let builder = builder.tls_certs_merge(self.authorities().await?);
        builder.build().map_err(failed)
    }

    fn proxies(&self) -> reqwest::Result<Vec<Proxy>> {
        let except = || self.proxies.except.as_deref().and_then(NoProxy::from_string);
        let http = self.proxies.http.as_deref().map(Proxy::http);
        let https = self.proxies.https.as_deref().map(Proxy::https);
        let all = http.into_iter().chain(https);
        all.map(|proxy| Ok(proxy?.no_proxy(except()))).collect()
    }

    async fn authorities(&self) -> Result<Vec<Certificate>, FetchError> {
        let Some(path) = &self.ca_bundle else {
            return Ok(Vec::new());
        };
        let pem = tokio::fs::read(path).await;
        let pem = pem.map_err(|e| FetchError::Client(e.into()))?;
        Certificate::from_pem_bundle(&pem).map_err(|e| FetchError::Client(e.into()))
    }
}

async fn send(client: &Client, url: &Url, headers: HeaderMap) -> Result<Response, FetchError> {
    let sent = client.get(url.clone()).headers(headers).send().await;
    sent.map_err(|error| unreachable(place(url), error))
}

/// The host and the path: a user's name, a password and a query may be secrets.
pub(super) fn place(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

fn unreachable(place: String, error: reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(Private(host)) = one.downcast_ref::<Private>() {
            return FetchError::Private(host.clone());
        }
        cause = one.source();
    }
    FetchError::Unreachable {
        place,
        source: error.without_url(),
    }
}

/// An answer's body; its length, where it is said, is looked at first.
pub(super) fn body(response: Response, place: String, limit: u64) -> Result<Pieces, FetchError> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(FetchError::TooLarge { limit });
    }
    let pieces = response.bytes_stream();
    Ok(pieces.map_err(move |e| unreachable(place.clone(), e)).boxed())
}
