//! Programs that run once for each call: the place for one in the pool, and the container of each call.
//!
//! The place has no container while no call runs; the pool counts it as a worker, so that its bounds hold. The container
//! of a call is removed when the call is over, when its caller has gone and when the daemon stops; after a crash, by the
//! sweep.

use super::spec;
use crate::domain::{Error, WorkerId};
use crate::engine::{self, Guest, GuestSpec, Printed};
use crate::pool::lease::Line;
use crate::pool::state::Event;
use crate::pool::worker::{End, Order, Orders, WorkerHandle, remove, report};
use crate::pool::{Shared, Target};
use crate::task::TaskKind;
use futures_util::StreamExt;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// Pieces of output on their way; when it is full, the program waits.
const PIECES: usize = 16;

/// A place for a program that runs once.
pub struct Program {
    shared: Arc<Shared>,
    target: Arc<Target>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

/// What a program does.
#[derive(Debug)]
pub enum News {
    /// Its container runs.
    Started,
    /// It printed something.
    Printed(Printed),
    /// It ended: the last news.
    Ended(Exit),
    /// It could not be started or followed: the last news.
    Failed(Error),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// What it ended with, where the engine knows.
    pub code: Option<i64>,
    /// Whether a process of it was ended for want of memory.
    pub out_of_memory: bool,
}

/// A program that runs. Dropping it ends the program and removes its container.
#[derive(Debug)]
pub struct Running {
    news: mpsc::Receiver<News>,
    end: Arc<Notify>,
}

impl Program {
    /// Runs the program, with these arguments in place of those that it is usually started with.
    #[must_use]
    pub fn run(&self, arguments: Option<Vec<String>>) -> Running {
        let worker = WorkerId::generate();
        let mut spec = spec(&self.shared, worker, &self.target);
        spec.arguments = arguments.or(spec.arguments);
        spec.cpu = self.target.demand.limits.cpu;
        let (sender, news) = mpsc::channel(PIECES);
        let one_shot = OneShot::new(&self.shared, worker);
        let end = Arc::clone(&one_shot.end);
        self.shared
            .supervisor
            .spawn(TaskKind::Worker, one_shot.live(spec, sender));
        Running { news, end }
    }
}

impl Running {
    /// What happens next; `None` when the container is removed. Cancel-safe.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Ends the program and waits until its container is removed.
    pub async fn end(mut self) {
        self.end.notify_one();
        while self.news.recv().await.is_some() {}
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}

/// One container, known to the sweep as long as it may be there.
struct OneShot {
    shared: Arc<Shared>,
    worker: WorkerId,
    end: Arc<Notify>,
}

impl OneShot {
    fn new(shared: &Arc<Shared>, worker: WorkerId) -> Self {
        let end = Arc::new(Notify::new());
        let mut inner = shared.lock();
        if inner.stopping {
            end.notify_one();
        }
        inner.one_shots.insert(worker, Arc::clone(&end));
        Self {
            shared: Arc::clone(shared),
            worker,
            end,
        }
    }

    async fn live(self, spec: GuestSpec, news: mpsc::Sender<News>) {
        let directory = spec.base.directory.clone();
        let limit = self.shared.options.start_timeout;
        let started = async {
            std::fs::create_dir_all(&directory).map_err(|e| engine::Error::Refused {
                status: 0,
                message: format!("a worker's directory cannot be made: {e}"),
            })?;
            self.shared.engine.start_guest(&spec).await
        };
        match timeout(limit, started).await {
            Ok(Ok(guest)) => self.follow(guest, &news).await,
            Ok(Err(error)) => drop(news.send(News::Failed(error.into())).await),
            Err(_) => {
                let doing = "starting a container".to_owned();
                drop(news.send(News::Failed(engine::Error::Timeout { doing }.into())).await);
            }
        }
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    }

    /// To its end, or until it is to end; then removes it.
    async fn follow(&self, guest: Guest, news: &mpsc::Sender<News>) {
        let container = guest.id.clone();
        tokio::select! {
            () = self.tell(guest, news) => {}
            () = self.end.notified() => {}
            () = news.closed() => {}
        }
        remove(&self.shared, &container).await;
    }

    async fn tell(&self, guest: Guest, news: &mpsc::Sender<News>) {
        let Guest { id, mut output, .. } = guest;
        // Whoever does not listen any more has ended us.
        let _ = news.send(News::Started).await;
        while let Some(Ok(piece)) = output.next().await {
            let _ = news.send(News::Printed(piece)).await;
        }
        let last = match self.shared.engine.wait(&id).await {
            Ok(status) => News::Ended(Exit {
                code: status.exit_code,
                out_of_memory: status.oom_killed,
            }),
            Err(error) => News::Failed(error.into()),
        };
        let _ = news.send(last).await;
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        self.shared.lock().one_shots.remove(&self.worker);
    }
}

/// A place in the pool, until it is taken away.
pub(super) async fn keep_place(
    shared: Arc<Shared>,
    id: WorkerId,
    target: Arc<Target>,
    handle: WorkerHandle,
    mut orders: Orders,
) {
    shared.apply(Event::Started { worker: id });
    while let Some(order) = orders.recv().await {
        match order {
            Order::Load(_) => {
                (0..target.demand.limits.concurrency.get()).for_each(|slot| offer(&shared, &target, id, slot));
            }
            Order::Cancel(slot) | Order::Examine(slot) => offer(&shared, &target, id, slot),
            Order::Reload(..) => {}
            Order::Remove | Order::End | Order::Drain => break,
        }
    }
    report(&shared, id, &handle, End::Removed);
    shared.lock().workers.remove(&id);
}

fn offer(shared: &Arc<Shared>, target: &Arc<Target>, worker: WorkerId, slot: u16) {
    let command = Program {
        shared: Arc::clone(shared),
        target: Arc::clone(target),
    };
    let mut inner = shared.lock();
    inner.slots.insert((worker, slot), Line::Program(command));
    shared.apply_to(&mut inner, Event::SlotReady { worker, slot });
}
