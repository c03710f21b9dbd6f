//! HTTP/1.1 on a listener: a task for each connection, each request to one router.
//!
//! Knows no route, and nothing of how the listener encrypts.

use crate::task::{OwnWakes, Shutdown, Supervisor, TaskKind};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tower::Service;

/// Accepts connections until `stop`; those that are open finish the request they are at.
pub(super) async fn serve<L>(mut listener: L, router: Router, supervisor: Supervisor, stop: Shutdown)
where
    L: Listener<Addr = SocketAddr>,
{
    loop {
        let (stream, client) = tokio::select! {
            () = stop.requested() => return,
            accepted = listener.accept() => accepted,
        };
        supervisor.spawn(
            TaskKind::Connection,
            connection::<L>(stream, client, router.clone(), stop.clone()),
        );
    }
}

/// Serves one connection. How it ended is nobody's business: whoever called is gone.
async fn connection<L: Listener>(stream: L::Io, client: SocketAddr, router: Router, stop: Shutdown) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(client));
        router.clone().call(request)
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
