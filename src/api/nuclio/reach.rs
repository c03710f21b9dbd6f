//! Where a function is reached: addresses without a scheme, as this API's clients join them.
//!
//! Source: the contract's sections 2.1, 3 and 14.

use super::Dashboard;
use super::fault::Fault;
use super::note::Found;
use serde_json::{Map, Value, json};

/// The addresses of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) port: Option<u16>,
    pub(super) urls: Vec<String>,
}

/// Where a function is reached.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn of(dashboard: &Dashboard, found: &Found) -> Result<Reach, Fault> {
    let Some(function) = &found.function else {
        return Ok(Reach::default());
    };
    let port = dashboard.base_url.rsplit(':').next().unwrap_or_default();
    let host = format!("{}.{}.localhost:{port}", function.name, function.namespace);
    Ok(Reach {
        port: None,
        urls: vec![host],
    })
}

impl Reach {
    /// Writes it into a status.
    pub(super) fn show(&self, status: &mut Map<String, Value>) {
        if let Some(port) = self.port {
            status.insert("httpPort".to_owned(), json!(port));
        }
        for key in ["internalInvocationUrls", "externalInvocationUrls"] {
            status.insert(key.to_owned(), json!(self.urls));
        }
    }

    /// Whether an address is one of these; its scheme and a slash at its end are not compared.
    pub(super) fn has(&self, url: &str) -> bool {
        let bare = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        self.urls.iter().any(|known| known == bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_with_and_without_its_scheme() {
        let reach = Reach {
            port: Some(1),
            urls: vec!["localhost:1".to_owned()],
        };
        assert!(reach.has("localhost:1") && reach.has("http://localhost:1/"));
        assert!(!reach.has("localhost:2") && !reach.has("localhost"));
    }
}
