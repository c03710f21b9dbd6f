//! One slot of a server: a connection of its own, dialled when it is needed and kept for the next call.
//!
//! Speaks HTTP/1.1 and nothing above it: what a request and an answer mean is the invoker's.

use super::output::{Listener, Output};
use crate::task::{Supervisor, TaskKind};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A connection that lay idle for longer is not used again: servers close theirs after two seconds and more, and a
/// request that crosses such a close cannot be told from one that was served.
const FRESH: Duration = Duration::from_secs(1);
/// Headers of an answer, together. Unit: bytes.
const HEAD_LIMIT: usize = 256 * 1024;

/// What a call sends.
pub type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Why a server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It does not accept connections.
    #[error("it does not accept connections")]
    Dial(#[source] io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Http(#[source] hyper::Error),
}

/// The way to a server, for one call at a time.
#[derive(Debug)]
pub struct Caller {
    address: SocketAddr,
    supervisor: Supervisor,
    output: Arc<Output>,
    kept: Option<(SendRequest<RequestBody>, Instant)>,
}

impl Caller {
    pub(super) fn new(address: SocketAddr, supervisor: Supervisor, output: Arc<Output>) -> Self {
        Self {
            address,
            supervisor,
            output,
            kept: None,
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hears what the server prints from now on, at most `limit` bytes of it.
    #[must_use]
    pub fn listen(&self, limit: usize) -> Listener {
        self.output.listen(limit)
    }

    /// Sends a request and answers with the response's head; the connection is kept for the next one.
    ///
    /// # Errors
    /// See [`CallError`]. A request that may have been served is never sent twice.
    pub async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, CallError> {
        let mut request = request;
        if let Some(mut sender) = self.take_kept().await {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.keep(sender, response)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(CallError::Http(failed.into_error())),
                },
            }
        }
        let mut sender = self.dial().await?;
        let response = sender.send_request(request).await.map_err(CallError::Http)?;
        Ok(self.keep(sender, response))
    }

    fn keep(&mut self, sender: SendRequest<RequestBody>, response: Response<Incoming>) -> Response<Incoming> {
        self.kept = Some((sender, Instant::now()));
        response
    }

    async fn take_kept(&mut self) -> Option<SendRequest<RequestBody>> {
        let (mut sender, since) = self.kept.take()?;
        let usable = since.elapsed() < FRESH && sender.ready().await.is_ok();
        usable.then_some(sender)
    }

    async fn dial(&self) -> Result<SendRequest<RequestBody>, CallError> {
        let stream = TcpStream::connect(self.address).await.map_err(CallError::Dial)?;
        stream.set_nodelay(true).map_err(CallError::Dial)?;
        let mut builder = http1::Builder::new();
        let connected = builder
            .max_header_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = connected.map_err(CallError::Http)?;
        self.supervisor.spawn(TaskKind::Connection, async move {
            // How it ends, the call that uses it is told.
            let _ = connection.await;
        });
        Ok(sender)
    }
}
