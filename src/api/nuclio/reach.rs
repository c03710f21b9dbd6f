//! Where a function is reached: its own port, and its addresses without a scheme, as this API's clients join them.
//!
//! Source: the contract's sections 2.1, 3, 10.3 and 14.

use super::Dashboard;
use super::config::Spec;
use super::fault::Fault;
use super::note::Found;
use crate::app::{App, PortError};
use crate::domain::{FunctionId, Port};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// Takes a server's port away, as the attribute of the same meaning does.
const NO_PORT: &str = "nuclio.io/disable-port-publishing";

/// Which port a function wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    None,
    /// The one it has, or any.
    Any,
    This(Port),
}

impl Wish {
    /// What a configuration says. A port that is no number is none, as upstream has it.
    ///
    /// # Errors
    /// 400 for a number that is no port.
    pub(super) fn of(spec: &Spec) -> Result<Self, Fault> {
        let Some(trigger) = spec.http() else {
            return Ok(Self::None);
        };
        let by_annotation = trigger.annotations.get(NO_PORT).is_some_and(|v| v == "true");
        if by_annotation || trigger.attributes.get("disablePortPublishing") == Some(&json!(true)) {
            return Ok(Self::None);
        }
        let port = trigger
            .attributes
            .get("port")
            .and_then(Value::as_i64)
            .filter(|port| *port != 0);
        let Some(port) = port else { return Ok(Self::Any) };
        let number = u16::try_from(port).map_err(|_| Fault::bad(format!("{port} is no port: use 1 to 65535")))?;
        Ok(Self::This(Port::new(number)?))
    }

    /// Whether it could be had now, before anything is written down.
    ///
    /// # Errors
    /// 409 when somebody else has the port.
    pub(super) async fn check(self, app: &App, function: Option<FunctionId>) -> Result<(), Fault> {
        match self {
            Self::This(port) => app.check_port(function, port).await.map_err(fault),
            Self::None | Self::Any => Ok(()),
        }
    }

    /// Gives the function its port, or takes it away.
    ///
    /// # Errors
    /// 409 when somebody else has the port.
    pub(super) async fn fulfil(self, app: &App, function: FunctionId) -> Result<(), Fault> {
        let wanted = match self {
            Self::None => {
                app.release_port(function).await?;
                return Ok(());
            }
            Self::Any => None,
            Self::This(port) => Some(port),
        };
        app.reserve_port(function, wanted).await.map(drop).map_err(fault)
    }
}

fn fault(error: PortError) -> Fault {
    match error {
        PortError::Other(error) => error.into(),
        taken @ (PortError::OfFunction { .. } | PortError::OfProgram { .. } | PortError::NoneFree(_)) => {
            Fault::conflict(taken.to_string())
        }
        PortError::NotAllowed { .. } => Fault::new(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// The addresses of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    port: Option<u16>,
    urls: Vec<String>,
}

/// Where a function is reached. One without a port is reached by its name in the host.
pub(super) fn of(dashboard: &Dashboard, found: &Found) -> Reach {
    let Some(function) = &found.function else {
        return Reach::default();
    };
    let own = dashboard
        .app
        .port_of(function.id)
        .filter(|_| dashboard.app.port_is_open(function.id));
    let url = match own {
        Some(port) => format!("{}:{port}", host(&dashboard.base_url)),
        None => format!(
            "{}.{}.localhost:{}",
            function.name,
            function.namespace,
            port_of(&dashboard.base_url)
        ),
    };
    Reach {
        port: own.map(Port::get),
        urls: vec![url],
    }
}

/// The name under which the daemon's own machine reaches it.
pub(super) fn host(base_url: &str) -> String {
    let address = base_url.trim_start_matches("http://").parse::<SocketAddr>();
    match address.map(|address| address.ip()) {
        Ok(ip) if !ip.is_loopback() && !ip.is_unspecified() => {
            SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned()
        }
        _ => "localhost".to_owned(),
    }
}

/// The daemon's own port.
pub(super) fn port_of(base_url: &str) -> &str {
    base_url.rsplit(':').next().unwrap_or_default()
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
    use super::super::config::Trigger;
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

    #[test]
    fn functions_are_reached_where_the_daemon_is() {
        for (base, name) in [
            ("http://127.0.0.1:7070", "localhost"),
            ("http://0.0.0.0:7070", "localhost"),
            ("http://192.168.1.5:7070", "192.168.1.5"),
            ("http://[fe80::1]:7070", "[fe80::1]"),
        ] {
            assert_eq!(host(base), name);
        }
    }

    #[test]
    fn a_port_is_wanted_by_number_and_by_nothing_else() {
        let wish = |attributes: Value| {
            let trigger = Trigger {
                kind: "http".to_owned(),
                attributes: attributes.as_object().cloned().expect("an object"),
                ..Trigger::default()
            };
            let triggers = [("t".to_owned(), trigger)].into();
            Wish::of(&Spec {
                triggers,
                ..Spec::default()
            })
        };
        let port = Port::new(31000).expect("a port");
        assert_eq!(wish(json!({"port": 31000})), Ok(Wish::This(port)));
        for any in [json!({}), json!({"port": "31000"}), json!({"port": 0})] {
            assert_eq!(wish(any), Ok(Wish::Any));
        }
        assert_eq!(wish(json!({"disablePortPublishing": true})), Ok(Wish::None));
        assert_eq!(Wish::of(&Spec::default()), Ok(Wish::None));
        assert!(wish(json!({"port": 70000})).is_err());
    }
}
