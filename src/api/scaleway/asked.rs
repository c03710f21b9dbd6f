//! What every request says beside its body: through which root, for which region, by which address, and who asks.
//!
//! There is no identity service. Without configured tokens everybody may do everything; with them, an admin's token
//! sees all namespaces, and a user's the one that is its own.

use super::State;
use super::fault::Fault;
use crate::domain::{Namespace, Principal, Role};
use crate::listener::tls::Secure;
use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

/// The three roots. The first has functions and containers; each of the others one of them, with more fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// `/functions/v1alpha2`
    Alpha,
    /// `/functions/v1beta1`
    Functions,
    /// `/containers/v1beta1`
    Containers,
}

impl Root {
    /// Whether the newer fields are shown.
    pub(super) fn is_beta(self) -> bool {
        self != Self::Alpha
    }
}

/// What is common to all requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) root: Root,
    /// Any word.
    pub(super) region: String,
    /// The host and port that the client used, or ours.
    pub(super) host: String,
    /// Whether it came through TLS.
    pub(super) is_secure: bool,
    /// Where TLS is spoken, if it is.
    tls_port: Option<u16>,
    /// The only namespace that the caller may work in; `None`: all.
    pub(super) own: Option<Namespace>,
}

impl Asked {
    fn read(parts: &Parts, base_url: &str, tls_port: Option<u16>) -> Option<Self> {
        let segments: Vec<_> = parts.uri.path().split('/').skip(1).collect();
        let (root, region) = match segments[..] {
            ["functions", "v1alpha2", "regions", region, ..] => (Root::Alpha, region),
            ["functions", "v1beta1", "regions", region, ..] => (Root::Functions, region),
            ["containers", "v1beta1", "regions", region, ..] => (Root::Containers, region),
            ["registry", _, "regions", region, ..] => (Root::Alpha, region),
            _ => return None,
        };
        let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let principal = parts.extensions.get::<Principal>();
        let own = principal.filter(|p| p.role != Role::Admin).map(|p| p.namespace.clone());
        Some(Self {
            root,
            region: region.to_owned(),
            host: host.unwrap_or_else(|| without_scheme(base_url)).to_owned(),
            is_secure: parts.extensions.get::<Secure>().is_some(),
            tls_port,
            own,
        })
    }

    /// The daemon, by the address that the client used.
    pub(super) fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// Host and port for clients that put `https://` before it, where TLS is spoken; else those that the client used.
    pub(super) fn https_host(&self) -> String {
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name);
        match self.tls_port {
            Some(port) if !self.is_secure => format!("{name}:{port}"),
            _ => self.host.clone(),
        }
    }

    /// Whether there is a listener with TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        self.tls_port.is_some()
    }

    /// Whether the caller may see what is in that namespace.
    pub(super) fn sees(&self, namespace: &Namespace) -> bool {
        self.own.as_ref().is_none_or(|own| own == namespace)
    }
}

pub(super) fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, host)| host)
}

impl FromRequestParts<State> for Asked {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Fault> {
        Self::read(parts, &state.base_url, state.tls_port).ok_or_else(|| Fault::missing("Resource"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn asked(path: &str, principal: Option<Role>) -> Option<Asked> {
        let mut request = Request::builder().uri(path).header("host", "localhost:1");
        if let Some(role) = principal {
            let namespace = Namespace::parse("mine").expect("a name");
            request = request.extension(Principal { namespace, role });
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Asked::read(&parts, "http://127.0.0.1:7070", Some(8443))
    }

    #[test]
    fn clients_are_led_to_where_tls_is_spoken() {
        let path = "/functions/v1beta1/regions/fr-par/functions";
        let plain = asked(path, None).expect("a root");
        assert_eq!(
            (plain.url().as_str(), plain.https_host().as_str()),
            ("http://localhost:1", "localhost:8443")
        );
        let secure = Asked {
            is_secure: true,
            ..plain
        };
        assert_eq!(
            (secure.url().as_str(), secure.https_host().as_str()),
            ("https://localhost:1", "localhost:1")
        );
    }

    #[test]
    fn a_path_says_root_and_region() {
        for (path, root, region) in [
            ("/functions/v1alpha2/regions/fr-par/namespaces", Root::Alpha, "fr-par"),
            (
                "/functions/v1beta1/regions/nl-ams/functions/x",
                Root::Functions,
                "nl-ams",
            ),
            ("/containers/v1beta1/regions/anywhere", Root::Containers, "anywhere"),
        ] {
            let asked = asked(path, None).expect("a root");
            assert_eq!((asked.root, asked.region.as_str()), (root, region), "{path}");
            assert_eq!(asked.host, "localhost:1");
        }
        assert_eq!(asked("/functions/v2/regions/fr-par", None), None);
    }

    #[test]
    fn a_users_token_works_in_its_own_namespace_only() {
        let path = "/functions/v1alpha2/regions/fr-par/namespaces";
        let name = |text| Namespace::parse(text).expect("a name");
        let (mine, other) = (name("mine"), name("other"));
        let user = asked(path, Some(Role::User)).expect("a root");
        assert!(user.sees(&mine) && !user.sees(&other));
        for everybody in [None, Some(Role::Admin)] {
            assert!(asked(path, everybody).expect("a root").sees(&other));
        }
    }
}
