//! The life of one server: started, asked until it answers, dialled by calls, replaced when it dies or hangs.
//!
//! A call that overruns cannot be stopped inside somebody else's process: its worker takes no new calls, serves those
//! that run, and goes. When the caller of a call has gone, its connection is closed and the slot used again.

use super::caller::Caller;
use super::output::Output;
use super::{port, spec};
use crate::domain::{Cpu, WorkerId};
use crate::engine::{self, ContainerId, ContainerStatus, Guest, Printed};
use crate::pool::frame::Exited;
use crate::pool::lease::Line;
use crate::pool::state::Event;
use crate::pool::worker::{End, Order, Orders, WorkerHandle, function_error, remove, report, start_failed};
use crate::pool::{Shared, Target};
use crate::task::TaskKind;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Between two questions whether it answers: first and at most.
const ASK_AGAIN: Duration = Duration::from_millis(5);
const ASK_SELDOM: Duration = Duration::from_millis(100);
/// Shown of what a container printed that did not come to serve. Unit: lines.
const LAST_LINES: u32 = 20;

type Ended = BoxFuture<'static, Result<ContainerStatus, engine::Error>>;

/// A server from its container's creation to its removal.
pub(super) async fn live(shared: Arc<Shared>, id: WorkerId, target: Arc<Target>, handle: WorkerHandle, orders: Orders) {
    let mut server = Server {
        shared: Arc::clone(&shared),
        id,
        target,
        handle: handle.clone(),
        orders,
        container: None,
        output: Arc::default(),
    };
    let end = server.run().await;
    report(&shared, id, &handle, end);
    let (container, output) = (server.container.take(), Arc::clone(&server.output));
    drop(server);
    if let Some(container) = container {
        remove(&shared, &container).await;
    }
    output.close();
    let directory = directory(&shared, id);
    let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    shared.lock().workers.remove(&id);
}

struct Server {
    shared: Arc<Shared>,
    id: WorkerId,
    target: Arc<Target>,
    handle: WorkerHandle,
    orders: Orders,
    container: Option<ContainerId>,
    output: Arc<Output>,
}

impl Server {
    async fn run(&mut self) -> End {
        let begun = Instant::now();
        let limit = self.shared.options.start_timeout;
        let started = match timeout(limit, self.start()).await {
            Ok(started) => started,
            Err(_) => Err(End::StartFailed(
                format!("the engine did not start the container within {limit:?}: look at the machine's load"),
                None,
            )),
        };
        let (address, mut ended) = match started {
            Ok(up) => up,
            Err(end) => return end,
        };
        self.shared.apply(Event::Started { worker: self.id });
        if let Some(end) = self.come_up(address, &mut ended, begun).await {
            return end;
        }
        self.serve(address, ended).await
    }

    async fn start(&mut self) -> Result<(SocketAddr, Ended), End> {
        let mut spec = spec(&self.shared, self.id, &self.target);
        let port = port(&self.target.env).map_err(|e| End::StartFailed(e.to_string(), None))?;
        spec.port = Some(port);
        spec.base.env.retain(|(name, _)| name != "PORT");
        spec.base.env.push(("PORT".to_owned(), port.to_string()));
        let directory = spec.base.directory.clone();
        std::fs::create_dir_all(directory)
            .map_err(|e| End::StartFailed(format!("a worker's directory cannot be made: {e}"), None))?;
        let guest = self.shared.engine.start_guest(&spec).await.map_err(start_failed)?;
        let Guest { id, address, output } = guest;
        let (engine, container) = (Arc::clone(&self.shared.engine), id.clone());
        self.container = Some(id);
        let hears = hear(output, Arc::clone(&self.output));
        self.shared.supervisor.spawn(TaskKind::Worker, hears);
        let Some(address) = address else {
            let ended = engine.wait(&container).await;
            return Err(self.died_early(ended).await);
        };
        Ok((address, async move { engine.wait(&container).await }.boxed()))
    }

    /// Waits until the server answers; otherwise says why the worker ends.
    async fn come_up(&mut self, address: SocketAddr, ended: &mut Ended, begun: Instant) -> Option<End> {
        let limit = self.shared.options.start_timeout;
        let answers = timeout(limit, answers_at_last(address));
        tokio::pin!(answers);
        loop {
            tokio::select! {
                answered = &mut answers => match answered {
                    Ok(()) => break,
                    Err(_) => return Some(self.silent(limit).await),
                },
                status = ended.as_mut() => return Some(self.died_early(status).await),
                order = self.orders.recv() => if matches!(order, Some(Order::Remove | Order::End | Order::Drain) | None) {
                    return Some(End::Removed);
                },
            }
        }
        if let Err(end) = self.limit_cpu(self.target.demand.limits.cpu).await {
            return Some(end);
        }
        self.handle.set_load_time(begun.elapsed());
        None
    }

    /// Once it answers: coming up is not what the limit is meant for.
    async fn limit_cpu(&self, cpu: Option<Cpu>) -> Result<(), End> {
        match (cpu, &self.container) {
            (Some(cpu), Some(container)) => self.shared.engine.set_cpu(container, cpu).await.map_err(start_failed),
            _ => Ok(()),
        }
    }

    async fn serve(&mut self, address: SocketAddr, mut ended: Ended) -> End {
        for slot in 0..self.target.demand.limits.concurrency.get() {
            self.offer(slot, address);
        }
        let output = Arc::clone(&self.output);
        let mut draining = false;
        loop {
            tokio::select! {
                status = ended.as_mut() => return self.died(status),
                () = output.idle(), if draining => return End::Removed,
                order = self.orders.recv() => match order {
                    Some(Order::Remove | Order::End) | None => return End::Removed,
                    Some(Order::Drain) => draining = true,
                    Some(Order::Load(_) | Order::Reload(..)) => {}
                    Some(Order::Cancel(slot)) => self.offer(slot, address),
                    Some(Order::Examine(slot)) => if let Some(end) = self.examine(slot, address).await {
                        return end;
                    },
                },
            }
        }
    }

    /// Makes a slot ready for a call, with a connection of its own once one is needed.
    fn offer(&self, slot: u16, address: SocketAddr) {
        let caller = Caller::new(address, self.shared.supervisor.clone(), Arc::clone(&self.output));
        let mut inner = self.shared.lock();
        inner.slots.insert((self.id, slot), Line::Server(caller));
        let ready = Event::SlotReady { worker: self.id, slot };
        self.shared.apply_to(&mut inner, ready);
    }

    /// A connection ended without an answer, though the container did not: a part of it may have, for want of memory.
    async fn examine(&mut self, slot: u16, address: SocketAddr) -> Option<End> {
        let container = self.container.as_ref()?;
        let status = self.shared.engine.inspect(container).await.ok().flatten();
        if let Some(status) = status.filter(|s| !s.running || s.oom_killed) {
            return Some(self.died(Ok(status)));
        }
        self.handle.slot_died(exited(slot, "closed", None));
        self.offer(slot, address);
        None
    }

    /// Tells every call that runs how the container ended.
    fn died(&self, status: Result<ContainerStatus, engine::Error>) -> End {
        let status = match status {
            Ok(status) => status,
            Err(e) => return End::Broke(format!("its container is out of sight: {e}")),
        };
        let cause = if status.oom_killed { "out_of_memory" } else { "exit" };
        let code = status.exit_code.and_then(|code| i32::try_from(code).ok());
        let slots = 0..self.target.demand.limits.concurrency.get();
        let busy: Vec<u16> = {
            let inner = self.shared.lock();
            slots.filter(|slot| inner.state.is_busy(self.id, *slot)).collect()
        };
        for slot in busy {
            self.handle.slot_died(exited(slot, cause, code));
        }
        tracing::warn!(worker.id = %self.id, "The server of `{}` ended: {}", self.target.function, status.ending());
        End::Broke(format!("its container {}", status.ending()))
    }

    async fn died_early(&self, status: Result<ContainerStatus, engine::Error>) -> End {
        let how = match status {
            Ok(status) => status.ending(),
            Err(e) => return start_failed(e),
        };
        let port = port(&self.target.env).unwrap_or_default();
        self.not_serving(format!(
            "the container {how} before it answered on $PORT ({port}): a server must go on running"
        ))
        .await
    }

    async fn silent(&self, limit: Duration) -> End {
        let port = port(&self.target.env).unwrap_or_default();
        self.not_serving(format!(
            "nothing answered HTTP on port {port} within {limit:?}: listen on 0.0.0.0 and the port that $PORT names \
             (set PORT to choose another), or raise pool.start_timeout_seconds if the start takes longer"
        ))
        .await
    }

    async fn not_serving(&self, message: String) -> End {
        let text = match &self.container {
            Some(container) => self.shared.engine.log_tail(container, LAST_LINES).await,
            None => Ok(String::new()),
        };
        let text = text.unwrap_or_default();
        let output = match text.trim() {
            "" => "The container printed nothing.\n".to_owned(),
            printed => format!("The container printed last:\n{printed}\n"),
        };
        End::LoadFailed(function_error(message), output.into_bytes())
    }
}

fn directory(shared: &Shared, id: WorkerId) -> PathBuf {
    shared.options.directory.join("workers").join(id.to_string())
}

/// Passes on what the container prints, to its end.
async fn hear(mut pieces: BoxStream<'static, Result<Printed, engine::Error>>, output: Arc<Output>) {
    while let Some(Ok(piece)) = pieces.next().await {
        output.print(&piece.bytes);
    }
}

fn exited(slot: u16, cause: &str, code: Option<i32>) -> Exited {
    Exited {
        slot,
        cause: cause.to_owned(),
        code,
        signal: None,
    }
}

/// Asks again and again until there is an answer.
async fn answers_at_last(address: SocketAddr) {
    let mut pause = ASK_AGAIN;
    while !answers(address).await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ASK_SELDOM);
    }
}

/// Whether a request is answered, by whatever status.
async fn answers(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else {
        return false;
    };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
        return false;
    };
    let request = Request::head("/")
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "hob-health-check")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else { return false };
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        _ = connection => answer.await,
    };
    answered.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn answer_with(listener: &TcpListener, text: &str) {
        let (mut stream, _) = listener.accept().await.expect("dialled");
        let mut asked = [0; 1024];
        let _ = stream.read(&mut asked).await.expect("asked");
        stream.write_all(text.as_bytes()).await.expect("answered");
    }

    #[tokio::test]
    async fn any_status_is_an_answer_and_silence_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let server = async {
            answer_with(&listener, "").await;
            answer_with(&listener, "nonsense\r\n\r\n").await;
            answer_with(&listener, "HTTP/1.0 501 No\r\n\r\n").await;
        };
        tokio::join!(answers_at_last(address), server);
    }

    #[tokio::test]
    async fn nobody_at_the_port_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        assert!(!answers(address).await);
    }
}
