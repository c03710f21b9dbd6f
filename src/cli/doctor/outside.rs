//! What lies outside of this machine: names, the registry, proxies, and the certificates that are trusted on the way.
//!
//! Nothing is fetched: a connection that opens is proof enough.

use super::Finding;
use crate::config::{Config, Pull};
use crate::engine::EngineInfo;
use http::Uri;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};

/// What takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

pub(super) async fn look(config: &Config, engine: Option<&EngineInfo>) -> Vec<Finding> {
    let mut findings = vec![certificates(config.build.ca_bundle.as_deref())];
    let proxy = config.proxies.https.as_deref().or(config.proxies.http.as_deref());
    findings.push(proxies(proxy).await);
    if config.engine.pull == Pull::Never {
        let message = "nothing is fetched: the settings say so (engine.offline, engine.pull)";
        findings.push(Finding::ok("registry", message));
        return findings;
    }
    let registry = engine.and_then(|engine| place(&engine.registry));
    if let Some(registry) = registry {
        findings.extend(registry_of(&registry, proxy.is_some()).await);
    }
    findings
}

/// Host and port of an address; never its user and password.
fn place(address: &str) -> Option<Place> {
    let uri: Uri = match address.contains("://") {
        true => address.parse().ok()?,
        false => format!("http://{address}").parse().ok()?,
    };
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some(Place {
        host: uri.host()?.trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(default),
    })
}

async fn registry_of(registry: &Place, by_proxy: bool) -> Vec<Finding> {
    const MEND: &str = "scripts/setup makes the images without one; HOB_ENGINE_OFFLINE=true hob serve never asks";
    if by_proxy {
        let message = format!("{registry} is asked through the proxy, by the engine");
        return vec![Finding::ok("registry", message)];
    }
    if let Err(why) = resolve(registry).await {
        let message = format!("`{}` has no address here: {why}", registry.host);
        return vec![Finding::warning("dns", message, MEND)];
    }
    let names = Finding::ok("dns", format!("`{}` has an address", registry.host));
    let reached = match connect(registry).await {
        Ok(()) => Finding::ok("registry", format!("{registry} takes connections")),
        Err(why) => Finding::warning("registry", format!("{registry} cannot be reached: {why}"), MEND),
    };
    vec![names, reached]
}

async fn proxies(proxy: Option<&str>) -> Finding {
    let Some(address) = proxy else {
        return Finding::ok("proxy", "none is set");
    };
    let mend = "correct HTTPS_PROXY and HTTP_PROXY, or unset them";
    let Some(proxy) = place(address) else {
        return Finding::failure("proxy", "the address in HTTPS_PROXY or HTTP_PROXY cannot be read", mend);
    };
    match connect(&proxy).await {
        Ok(()) => Finding::ok("proxy", format!("{proxy} takes connections")),
        Err(why) => Finding::failure("proxy", format!("{proxy} cannot be reached: {why}"), mend),
    }
}

async fn resolve(place: &Place) -> Result<(), String> {
    let looking = lookup_host((place.host.as_str(), place.port));
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(mut found)) => found.next().map(drop).ok_or_else(|| "no such name".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn connect(place: &Place) -> Result<(), String> {
    let connecting = TcpStream::connect((place.host.as_str(), place.port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn certificates(bundle: Option<&Path>) -> Finding {
    let Some(path) = bundle else {
        return Finding::ok("ca", "builds trust the authorities of their images");
    };
    let mend = "HOB_BUILD_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt hob serve";
    let shown = path.display();
    match std::fs::read_to_string(path).map(|text| text.matches("-----BEGIN CERTIFICATE-----").count()) {
        Ok(0) => Finding::failure("ca", format!("{shown} holds no certificate (PEM)"), mend),
        Ok(n) => Finding::ok("ca", format!("builds trust {n} more authorities, of {shown}")),
        Err(error) => Finding::failure("ca", format!("{shown} cannot be read: {error}"), mend),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn an_address_is_its_host_and_port_and_never_its_password() {
        for (address, expect) in [
            ("https://index.example/v1/", Some("index.example:443")),
            ("http://user:secret@proxy.lan:3128", Some("proxy.lan:3128")),
            ("proxy.lan:8080", Some("proxy.lan:8080")),
            ("http://proxy.lan", Some("proxy.lan:80")),
            ("", None),
        ] {
            assert_eq!(place(address).map(|p| p.to_string()).as_deref(), expect, "{address}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_nobody_is_at_is_a_failure() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        assert_eq!(proxies(Some(&address)).await.level, Level::Ok);
        drop(listener);
        assert_eq!(proxies(Some(&address)).await.level, Level::Failure);
        assert_eq!(proxies(Some("://")).await.level, Level::Failure);
        assert_eq!(proxies(None).await.level, Level::Ok);
    }

    #[tokio::test]
    async fn a_registry_without_an_address_is_a_warning() {
        let nowhere = Place {
            host: "registry.invalid".to_owned(),
            port: 443,
        };
        let found = registry_of(&nowhere, false).await;
        assert_eq!((found[0].check, found[0].level), ("dns", Level::Warning));
        assert_eq!(registry_of(&nowhere, true).await[0].level, Level::Ok);
    }

    #[test]
    fn a_bundle_without_certificates_is_a_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        assert_eq!(certificates(Some(&file)).level, Level::Failure);
        std::fs::write(&file, "nothing").expect("written");
        assert_eq!(certificates(Some(&file)).level, Level::Failure);
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").expect("written");
        assert_eq!(certificates(Some(&file)).level, Level::Ok);
    }
}
