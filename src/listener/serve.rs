//! HTTP/1.1 on a listener: a task for each connection, each request to whoever answers.
//!
//! Knows no route, and nothing of how the listener encrypts.

use super::linger::Lingering;
use crate::task::{OwnWakes, Shutdown, Supervisor, TaskKind};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::serve::Listener;
use http::{Extensions, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;

/// Who answers requests. Clones are the same one, and cost next to nothing: each request has its own.
pub trait Answer: Clone + Send + Sync + 'static {
    /// Answers, whatever it takes.
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response> + Send;
}

/// Accepts connections until `stop`; those that are open finish the request they are at. `note` is made on each request.
pub(super) async fn serve<L>(
    mut listener: L,
    note: fn(&mut Extensions),
    answer: impl Answer,
    supervisor: Supervisor,
    stop: Shutdown,
) where
    L: Listener<Addr = SocketAddr>,
{
    loop {
        let (stream, client) = tokio::select! {
            () = stop.requested() => return,
            accepted = listener.accept() => accepted,
        };
        supervisor.spawn(
            TaskKind::Connection,
            connection::<L>(stream, client, note, answer.clone(), supervisor.clone(), stop.clone()),
        );
    }
}

/// Serves one connection. How it ended is nobody's business: whoever called is gone.
async fn connection<L: Listener>(
    stream: L::Io,
    client: SocketAddr,
    note: fn(&mut Extensions),
    answer: impl Answer,
    supervisor: Supervisor,
    stop: Shutdown,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let body = Lingering::new(body, &head.headers, supervisor.clone());
        let (mut request, answer) = (Request::from_parts(head, Body::new(body)), answer.clone());
        request.extensions_mut().insert(ConnectInfo(client));
        note(request.extensions_mut());
        async move { Ok::<_, Infallible>(answer.answer(request).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let mut serving = OwnWakes::new(serving);
    tokio::select! {
        _ = &mut serving => return,
        () = stop.requested() => {}
    }
    serving.get_mut().graceful_shutdown();
    let _ = serving.await;
}
