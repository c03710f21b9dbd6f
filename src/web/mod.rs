//! HTTP to the outside: through the proxies of this place, without redirects and without retries of its own.
//!
//! Addresses that users give are looked at before they are asked: nobody may make the daemon ask its own neighbours.
//! Deliberately absent: what is asked and why, and keeping what is answered.

mod address;

use address::{Checked, Private};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Certificate, Client, NoProxy, Proxy, RequestBuilder, Response, Url};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces.
const SILENCE: Duration = Duration::from_secs(30);

/// How to go out.
#[derive(Clone, Default)]
pub struct Options {
    /// Proxies, as in the environment.
    pub proxies: Proxies,
    /// Authorities to trust beside the system's.
    pub ca_bundle: Option<PathBuf>,
}

/// Proxies, as in the environment; their addresses may hold passwords.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http`.
    pub http: Option<String>,
    /// For `https`.
    pub https: Option<String>,
    /// Hosts that are asked directly.
    pub except: Option<String>,
}

/// What is told to somebody.
#[derive(Debug, Clone)]
pub struct Message {
    /// Names and values; those that HTTP cannot carry are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long it may take until the answer's head is there.
    pub patience: Duration,
}

/// What somebody answered; bodies are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// How long to wait before asking again, where that was said in seconds.
    pub retry_after: Option<Duration>,
}

/// Why nobody answered. No message repeats a URL's secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no URL of the web.
    #[error("`{0}` is no URL that can be asked: write it as https://HOST/PATH")]
    Invalid(String),
    /// The address is not the outside's.
    #[error("`{0}` is an address of this machine or its networks")]
    Private(String),
    /// Nobody answered, or the answer broke off.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// Whom was asked, without secrets.
        place: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Our own client cannot be made.
    #[error("the client for URLs cannot be made: look at build.ca_bundle and the proxies")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Two clients, made when they are first needed: one for addresses that users give, one for those of the settings.
pub struct Web {
    options: Options,
    may_reach: fn(IpAddr) -> bool,
    given: OnceCell<Client>,
    configured: OnceCell<Client>,
}

impl Web {
    /// `allow_private`: whether addresses that users give may lead to this machine and its networks.
    #[must_use]
    pub fn new(options: Options, allow_private: bool) -> Self {
        let may_reach = if allow_private { |_| true } else { address::is_public };
        Self::reaching(options, may_reach)
    }

    /// As [`Web::new`], with a rule of one's own on which addresses users may give.
    #[must_use]
    pub fn reaching(options: Options, may_reach: fn(IpAddr) -> bool) -> Self {
        Self {
            options,
            may_reach,
            given: OnceCell::new(),
            configured: OnceCell::new(),
        }
    }

    /// Asks an address that a user gave, if it is the outside's.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_given(&self, url: &Url, headers: HeaderMap) -> Result<Response, Error> {
        let client = self.given(url).await?;
        send(client.get(url.clone()).headers(headers), url).await
    }

    /// Asks an address that the settings name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_configured(&self, url: &Url, headers: HeaderMap) -> Result<Response, Error> {
        let client = self.configured().await?;
        send(client.get(url.clone()).headers(headers), url).await
    }

    /// Whether an address that a user gives can be asked at all, as far as that shows without asking.
    ///
    /// # Errors
    /// `Invalid` when it is no http or https URL, `Private` when it is written as an address that may not be asked.
    pub async fn check_given(&self, url: &str) -> Result<(), Error> {
        self.check(&parse(url)?).await
    }

    /// Tells something to an address that a user gave, if it is the outside's.
    ///
    /// # Errors
    /// See [`Error`]; an answer with any status is an answer.
    pub async fn post_given(&self, url: &str, message: Message) -> Result<Answered, Error> {
        let url = parse(url)?;
        post(self.given(&url).await?, &url, message).await
    }

    /// Tells something to an address that the settings name.
    ///
    /// # Errors
    /// See [`Error`]; an answer with any status is an answer.
    pub async fn post_configured(&self, url: &str, message: Message) -> Result<Answered, Error> {
        let url = parse(url)?;
        post(self.configured().await?, &url, message).await
    }

    async fn given(&self, url: &Url) -> Result<&Client, Error> {
        self.check(url).await?;
        self.given.get_or_try_init(|| self.client(self.may_reach)).await
    }

    async fn configured(&self) -> Result<&Client, Error> {
        self.configured.get_or_try_init(|| self.client(|_| true)).await
    }

    /// A written address is not resolved, and behind a proxy nothing is: both are looked at here. A name that only the
    /// proxy can resolve is the proxy's business.
    async fn check(&self, url: &Url) -> Result<(), Error> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if self.options.proxies.http.is_none() && self.options.proxies.https.is_none() => return Ok(()),
            Err(_) => {
                let found = address::lookup(host).await.unwrap_or_default();
                found.into_iter().map(|a| a.ip()).collect()
            }
        };
        if addresses.iter().all(|a| (self.may_reach)(*a)) {
            return Ok(());
        }
        Err(Error::Private(host.to_owned()))
    }

    async fn client(&self, may_reach: fn(IpAddr) -> bool) -> Result<Client, Error> {
        // Fails only where it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |e: reqwest::Error| Error::Client(e.without_url().into());
        let proxies = self.proxies().map_err(failed)?;
        let hosts = [&self.options.proxies.http, &self.options.proxies.https]
            .into_iter()
            .flatten();
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
        let except = || self.options.proxies.except.as_deref().and_then(NoProxy::from_string);
        let http = self.options.proxies.http.as_deref().map(Proxy::http);
        let https = self.options.proxies.https.as_deref().map(Proxy::https);
        let all = http.into_iter().chain(https);
        all.map(|proxy| Ok(proxy?.no_proxy(except()))).collect()
    }

    async fn authorities(&self) -> Result<Vec<Certificate>, Error> {
        let Some(path) = &self.options.ca_bundle else {
            return Ok(Vec::new());
        };
        let pem = tokio::fs::read(path).await;
        let pem = pem.map_err(|e| Error::Client(e.into()))?;
        Certificate::from_pem_bundle(&pem).map_err(|e| Error::Client(e.into()))
    }
}

/// A URL of the web.
fn parse(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok();
    let good = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|h| !h.is_empty());
    // What may be a secret is not repeated.
    let shown = || {
        text.split(['?', '#', '@'])
            .next()
            .unwrap_or_default()
            .escape_debug()
            .to_string()
    };
    url.filter(good).ok_or_else(|| Error::Invalid(shown()))
}

async fn post(client: &Client, url: &Url, message: Message) -> Result<Answered, Error> {
    let pair = |(name, value): &(String, String)| Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?));
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers.iter().filter_map(pair) {
        headers.append::<HeaderName>(name, value);
    }
    let request = client.post(url.clone()).headers(headers).body(message.body);
    let response = send(request.timeout(message.patience), url).await?;
    let said = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    Ok(Answered {
        status: response.status().as_u16(),
        retry_after: said.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
    })
}

async fn send(request: RequestBuilder, url: &Url) -> Result<Response, Error> {
    request.send().await.map_err(|error| unreachable(place(url), error))
}

/// The host and the path: a user's name, a password and a query may be secrets.
#[must_use]
pub fn place(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// What a client's error means, without the secrets of the URL it was asked for.
#[must_use]
pub fn unreachable(place: String, error: reqwest::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(Private(host)) = one.downcast_ref::<Private>() {
            return Error::Private(host.clone());
        }
        cause = one.source();
    }
    Error::Unreachable {
        place,
        source: error.without_url(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_urls_of_the_web_can_be_given_and_none_of_this_machine_unless_allowed() {
        let (outside, anywhere) = (Web::new(Options::default(), false), Web::new(Options::default(), true));
        for bad in [
            "ftp://h/",
            "file:///etc/passwd",
            "h/p",
            "http://",
            "",
            "data:text/plain,x",
        ] {
            let refused = anywhere.check_given(bad).await;
            assert!(matches!(refused, Err(Error::Invalid(_))), "{bad}: {refused:?}");
        }
        for private in [
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "http://2130706433/",
            "http://169.254.169.254/",
        ] {
            assert!(anywhere.check_given(private).await.is_ok(), "{private}");
            let refused = outside.check_given(private).await;
            assert!(matches!(refused, Err(Error::Private(_))), "{private}: {refused:?}");
        }
        assert!(outside.check_given("https://example.com/a?b=c").await.is_ok());
        let wrong = outside
            .check_given("x:/user:hunter2@h/?key=hunter3")
            .await
            .expect_err("no URL");
        assert!(!wrong.to_string().contains("hunter3"), "{wrong}");
    }
}
