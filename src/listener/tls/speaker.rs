//! A listener that speaks TLS. Several handshakes at once: nobody waits for one who is slow.

use super::{Certificate, Error};
use crate::listener::{self, Answer};
use crate::task::{Shutdown, Supervisor};
use axum::serve::Listener;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Extensions;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client that does not finish its handshake is let go after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients whose handshake is over and who wait to be served.
const WAITING: usize = 64;
/// Handshakes at the same time.
const HANDSHAKES: usize = 256;

/// On a request that came in through TLS.
#[derive(Debug, Clone, Copy)]
pub struct Secure;

/// An address where TLS is spoken, bound and with its certificate; nobody is served yet.
pub struct Speaker {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    authority: PathBuf,
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speaker")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Speaker {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be had, or the certificate cannot be used.
    pub async fn prepare(address: SocketAddr, certificate: Certificate) -> Result<Self, Error> {
        let acceptor = certificate.acceptor()?;
        let (listener, address) = listener::bind(address).await.map_err(Error::Listen)?;
        Ok(Self {
            listener,
            address,
            acceptor,
            authority: certificate.authority(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file that clients have to trust.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Serves until `stop`, then lets what is open finish. Both futures have to run.
    pub fn serve<A: Answer>(
        self,
        answer: A,
        supervisor: Supervisor,
        stop: Shutdown,
    ) -> (impl Future<Output = ()> + use<A>, impl Future<Output = ()> + use<A>) {
        let (done, accepted) = mpsc::channel(WAITING);
        let handshakes = shake_hands(self.listener, self.acceptor, done);
        let greeted = Greeted {
            accepted,
            address: self.address,
        };
        let served = listener::serve::serve(greeted, secure, answer, supervisor, stop);
        (served, handshakes)
    }
}

/// Notes on a request that it came in through TLS.
fn secure(notes: &mut Extensions) {
    notes.insert(Secure);
}

type Greeting = (TlsStream<TcpStream>, SocketAddr);

/// Connections whose handshake is over.
struct Greeted {
    accepted: mpsc::Receiver<Greeting>,
    address: SocketAddr,
}

impl Listener for Greeted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The handshakes have ended: so does the daemon.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// Runs until nobody serves any more.
async fn shake_hands(mut listener: TcpListener, acceptor: TlsAcceptor, done: mpsc::Sender<Greeting>) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = done.closed() => return,
            (stream, peer) = Listener::accept(&mut listener), if open.len() < HANDSHAKES => {
                open.push(shake_hand(acceptor.clone(), stream, peer, done.clone()));
            }
            Some(()) = open.next() => {}
        }
    }
}

async fn shake_hand(acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr, done: mpsc::Sender<Greeting>) {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => drop(done.send((stream, peer)).await),
        Ok(Err(e)) => tracing::debug!(client.address = %peer, "A TLS handshake failed: {e}"),
        Err(_) => tracing::debug!(client.address = %peer, "A TLS handshake took too long"),
    }
}
