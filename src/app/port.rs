//! Functions' own TCP ports: kept in the store, taken when they are reserved and at every start, freed with the function.
//!
//! Serves nothing: what is taken here is handed to the ingress.

use super::{App, no_such_function_id};
use crate::domain::{Error, FunctionId, FunctionPort, Namespace, Port, PortRange};
use crate::listener::{self, Refused};
use crate::task::Shutdown;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// Whoever serves a port closes it at once when told to; nobody waits longer for it than this.
const CLOSING: Duration = Duration::from_secs(5);

/// Where functions' ports are.
#[derive(Debug, Clone)]
pub struct PortOptions {
    /// The address they are on.
    pub address: IpAddr,
    /// From which functions that ask for none are given one.
    pub range: PortRange,
}

/// Why a function cannot have a port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Another function has it.
    #[error(
        "port {port} belongs to function `{function}` of namespace `{namespace}`: choose another, or delete that function"
    )]
    OfFunction {
        /// Which.
        port: Port,
        /// Whose function has it.
        namespace: Namespace,
        /// The function that has it.
        function: String,
    },
    /// Another program has it.
    #[error("port {port} is taken by another program{}: stop that program, or choose another port", .source.holder)]
    OfProgram {
        /// Which.
        port: Port,
        /// Who has it, and what the system says.
        #[source]
        source: Refused,
    },
    /// The system does not give it.
    #[error("port {port} cannot be opened: choose one above 1023, or see the daemon's log")]
    NotAllowed {
        /// Which.
        port: Port,
        /// What the system says.
        #[source]
        source: Refused,
    },
    /// None of the range is free.
    #[error("no port from {0} is free: widen `ingress.port_range`, or delete functions that have one")]
    NoneFree(PortRange),
    /// There is no such function, or the store cannot be used.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<PortError> for Error {
    fn from(error: PortError) -> Self {
        let message = error.to_string();
        match error {
            PortError::OfFunction { .. } | PortError::OfProgram { .. } | PortError::NoneFree(_) => {
                Self::Conflict(message)
            }
            PortError::NotAllowed { .. } => Self::Invalid(message),
            PortError::Other(error) => error,
        }
    }
}

/// A port that was just taken, for the ingress to serve. Its fields are dropped in this order.
#[derive(Debug)]
pub struct OpenPort {
    /// Whose it is.
    pub own: FunctionPort,
    /// What comes in on it.
    pub listener: TcpListener,
    /// Given when the port is closed: the function is gone, has another, or the daemon stops.
    pub closed: Shutdown,
    /// To be dropped when the listener is: whoever closes the port waits for that.
    pub held: oneshot::Sender<Infallible>,
}

/// The ports there are.
#[derive(Debug)]
pub(super) struct Ports {
    options: PortOptions,
    held: Mutex<HashMap<FunctionId, Held>>,
    opened: mpsc::UnboundedSender<OpenPort>,
    to_serve: tokio::sync::Mutex<mpsc::UnboundedReceiver<OpenPort>>,
    /// Held while ports change: each change is checked against those before it.
    change: tokio::sync::Mutex<()>,
    stop: Shutdown,
}

#[derive(Debug)]
struct Held {
    port: Port,
    /// `None`: another program has the port at the moment.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    close: Shutdown,
    /// Ends when the listener is gone.
    held: oneshot::Receiver<Infallible>,
}

impl Open {
    async fn close(self) {
        self.close.request();
        if tokio::time::timeout(CLOSING, self.held).await.is_err() {
            tracing::warn!("A function's port was not closed in time; nobody else can have it until it is");
        }
    }
}

impl Ports {
    pub(super) fn new(options: PortOptions, stop: Shutdown) -> Self {
        let (opened, to_serve) = mpsc::unbounded_channel();
        Self {
            options,
            held: Mutex::default(),
            opened,
            to_serve: tokio::sync::Mutex::new(to_serve),
            change: tokio::sync::Mutex::default(),
            stop,
        }
    }

    /// Keeps ports as they are while this is held.
    pub(super) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.change.lock().await
    }

    fn held(&self) -> MutexGuard<'_, HashMap<FunctionId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, port: Port) -> Result<TcpListener, PortError> {
        let address = SocketAddr::new(self.options.address, port.get());
        match listener::bind(address).await {
            Ok((listener, _)) => Ok(listener),
            Err(source) if source.is_taken() => Err(PortError::OfProgram { port, source }),
            Err(source) => Err(PortError::NotAllowed { port, source }),
        }
    }

    /// Hands a listener to the ingress; what the function had before is closed when this ends.
    async fn serve(&self, own: FunctionPort, listener: TcpListener) {
        let (closed, (held, ended)) = (self.stop.child(), oneshot::channel());
        let open = Open {
            close: closed.clone(),
            held: ended,
        };
        let new = Held {
            port: own.port,
            open: Some(open),
        };
        let before = self.held().insert(own.function, new);
        let port = OpenPort {
            own,
            listener,
            closed,
            held,
        };
        // The receiver lives as long as we do.
        let _ = self.opened.send(port);
        if let Some(open) = before.and_then(|before| before.open) {
            open.close().await;
        }
    }

    /// Closes what a function has; when this ends, anybody can have the port.
    pub(super) async fn close(&self, function: FunctionId) {
        let before = self.held().remove(&function);
        if let Some(open) = before.and_then(|before| before.open) {
            open.close().await;
        }
    }

    fn owner(&self, port: Port) -> Option<FunctionId> {
        let held = self.held();
        held.iter().find(|(_, h)| h.port == port).map(|(id, _)| *id)
    }

    fn port_of(&self, function: FunctionId) -> Option<Port> {
        self.held().get(&function).map(|held| held.port)
    }

    fn closed(&self) -> Vec<FunctionPort> {
        let held = self.held();
        let closed = held.iter().filter(|(_, h)| h.open.is_none());
        closed
            .map(|(function, h)| FunctionPort {
                function: *function,
                port: h.port,
            })
            .collect()
    }
}

impl App {
    /// Gives a function a port of its own, from now on and for good: the wanted one, or the one it has, or the first
    /// free one of the range. Requests on it reach the function with their whole path.
    ///
    /// # Errors
    /// `PortError` says who has it; what the function had stays then.
    pub async fn reserve_port(&self, function: FunctionId, wanted: Option<Port>) -> Result<Port, PortError> {
        let ports = &self.0.ports;
        let _one_at_a_time = ports.hold().await;
        let has = ports.port_of(function);
        if let Some(port) = has.filter(|port| wanted.is_none_or(|wanted| wanted == *port)) {
            return Ok(port);
        }
        self.function_by_id(function).await?;
        let (port, listener) = match wanted {
            Some(port) => (port, self.take_port(port).await?),
            None => self.take_any_port().await?,
        };
        let own = FunctionPort { function, port };
        self.0.store.set_port(own).await.map_err(Error::from)?;
        ports.serve(own, listener).await;
        Ok(port)
    }

    /// Whether a function could have a port now: for saying so before anything is written down. `function` is the one
    /// that may have it already.
    ///
    /// # Errors
    /// As [`App::reserve_port`].
    pub async fn check_port(&self, function: Option<FunctionId>, wanted: Port) -> Result<(), PortError> {
        let _one_at_a_time = self.0.ports.hold().await;
        let own = function.is_some() && self.0.ports.owner(wanted) == function;
        if own {
            return Ok(());
        }
        self.take_port(wanted).await.map(drop)
    }

    /// Takes a function's port away; `false` when it had none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_port(&self, function: FunctionId) -> Result<bool, Error> {
        let _one_at_a_time = self.0.ports.hold().await;
        let released = self.0.store.delete_port(function).await?;
        self.0.ports.close(function).await;
        Ok(released)
    }

    /// The port that a function owns, whether it could be opened or not.
    #[must_use]
    pub fn port_of(&self, function: FunctionId) -> Option<Port> {
        self.0.ports.port_of(function)
    }

    /// Whether a function's port is open; not while another program has it.
    #[must_use]
    pub fn port_is_open(&self, function: FunctionId) -> bool {
        let held = self.0.ports.held();
        held.get(&function).is_some_and(|held| held.open.is_some())
    }

    /// The next port to serve. Waits; for one caller.
    pub async fn next_open_port(&self) -> OpenPort {
        let mut to_serve = self.0.ports.to_serve.lock().await;
        match to_serve.recv().await {
            Some(port) => port,
            // We hold the sender.
            None => std::future::pending().await,
        }
    }

    /// Tries again to open the ports that another program had.
    pub async fn retry_ports(&self) {
        let _one_at_a_time = self.0.ports.hold().await;
        for own in self.0.ports.closed() {
            if let Ok(listener) = self.0.ports.take(own.port).await {
                tracing::info!(function.id = %own.function, "Port {} of a function is free again and open", own.port);
                self.0.ports.serve(own, listener).await;
            }
        }
    }

    /// Opens the ports that functions own. One that cannot be had is no reason not to start.
    pub(super) async fn open_ports(&self) -> Result<(), Error> {
        for own in self.0.store.list_ports().await? {
            match self.0.ports.take(own.port).await {
                Ok(listener) => self.0.ports.serve(own, listener).await,
                Err(error) => {
                    tracing::warn!(function.id = %own.function, "A function is not served on its port for now: {error}");
                    let port = own.port;
                    self.0.ports.held().insert(own.function, Held { port, open: None });
                }
            }
        }
        Ok(())
    }

    async fn take_port(&self, port: Port) -> Result<TcpListener, PortError> {
        match self.0.ports.owner(port) {
            Some(owner) => Err(self.of_function(port, owner).await),
            None => self.0.ports.take(port).await,
        }
    }

    async fn take_any_port(&self) -> Result<(Port, TcpListener), PortError> {
        let range = &self.0.ports.options.range;
        for port in range.iter() {
            if self.0.ports.owner(port).is_some() {
                continue;
            }
            if let Ok(listener) = self.0.ports.take(port).await {
                return Ok((port, listener));
            }
        }
        Err(PortError::NoneFree(range.clone()))
    }

    async fn of_function(&self, port: Port, owner: FunctionId) -> PortError {
        match self.0.store.function(owner).await {
            Ok(Some(function)) => PortError::OfFunction {
                port,
                namespace: function.namespace,
                function: function.name.to_string(),
            },
            Ok(None) => PortError::Other(no_such_function_id(owner)),
            Err(error) => PortError::Other(error.into()),
        }
    }
}
