//! What is left of a request's body when its answer is there already.
//!
//! A connection that is closed while its client still sends is reset, and takes the answer with it: who sent too much
//! would never read why. So the rest is read and thrown away, for a while; who waits to be told to send is not told.

use crate::task::{Supervisor, TaskKind};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long the rest is read.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request's body, whose rest is read when nobody wants it any more.
#[derive(Debug)]
pub(super) struct Lingering {
    /// `None` once it has ended.
    body: Option<Incoming>,
    supervisor: Supervisor,
    waits_to_be_told: bool,
}

impl Lingering {
    pub(super) fn new(body: Incoming, headers: &HeaderMap, supervisor: Supervisor) -> Self {
        Self {
            body: (!body.is_end_stream()).then_some(body),
            supervisor,
            waits_to_be_told: headers.contains_key(header::EXPECT),
        }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Who waited has been told by now: whoever reads asks for it.
        self.waits_to_be_told = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let Some(body) = unread.filter(|_| !self.waits_to_be_told) {
            self.supervisor.spawn(TaskKind::Connection, throw_away(body));
        }
    }
}

/// Ends with the body, with its connection, or when that takes too long.
async fn throw_away(mut body: Incoming) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(PATIENCE, rest).await;
}
