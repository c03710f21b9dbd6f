//! Starts tasks, notices how they end, and waits for them when the daemon stops.
//!
//! The only file that calls `tokio::spawn`. A panic is caught inside the task itself, so that one task is one task.

use super::{OnFailure, OnShutdown, Shutdown, TaskKind};
use crate::domain::backoff;
use crate::telemetry::chain;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::collections::HashMap;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::error;

/// How a task can end: nothing to say, or a result whose error is a failure.
pub trait Ending {
    /// What went wrong, if anything did.
    fn failure(self) -> Option<String>;
}

impl Ending for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Error> Ending for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| chain(&error))
    }
}

/// Holds all tasks of the daemon. Clones hold the same tasks.
#[derive(Debug, Clone)]
pub struct Supervisor(Arc<Inner>);

/// A running task, for those who may have to end it early. Dropping it lets the task run.
#[derive(Debug, Clone)]
pub struct Task(AbortHandle);

/// How a drain went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// The names of tasks that were waited for in vain and then cut off, in order of their start.
    pub unfinished: Vec<&'static str>,
}

#[derive(Debug)]
struct Inner {
    shutdown: Shutdown,
    backoff: Backoff,
    next_id: AtomicU64,
    /// Held for a few lines, never across an await, and never while a future is dropped.
    tasks: Mutex<HashMap<u64, Entry>>,
    ended: watch::Sender<()>,
}

#[derive(Debug)]
struct Entry {
    kind: TaskKind,
    /// None for the moment between being listed and being started.
    abort: Option<AbortHandle>,
}

impl Supervisor {
    /// A supervisor that gives, and listens to, `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self::with_backoff(shutdown, Backoff::USUAL)
    }

    /// The signal its tasks should listen to; take a `child` of it.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// Starts a task that runs once. A kind whose failure is `ShutDown` also fails by ending before it was asked to.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, kind: TaskKind, future: F) -> Task
    where
        F: Future + Send + 'static,
        F::Output: Ending,
    {
        let inner = self.0.clone();
        let task = async move {
            match inner.failure_of(kind, future).await {
                Some(failure) if kind.on_failure() == OnFailure::ShutDown => inner.stop(kind, &failure),
                Some(failure) => report(kind, &failure),
                None => {}
            }
        };
        self.start(kind, Box::pin(task))
    }

    /// Starts a task that is made anew by `factory` whenever it ends before shutdown, whatever its kind says: at once
    /// at first, later and later when it keeps ending.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn_restarting<M, F>(&self, kind: TaskKind, mut factory: M) -> Task
    where
        M: FnMut() -> F + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Ending,
    {
        let inner = self.0.clone();
        let task = async move {
            let mut n_restarts = 0;
            while !inner.shutdown.is_requested() {
                let started = Instant::now();
                let future = std::panic::catch_unwind(AssertUnwindSafe(&mut factory));
                let failure = match future {
                    Ok(future) => inner.failure_of(kind, future).await,
                    Err(panic) => Some(panic_text(&*panic)),
                };
                if inner.shutdown.is_requested() {
                    return;
                }
                n_restarts = inner.backoff.n_restarts(n_restarts, started.elapsed());
                let delay = inner.backoff.delay(n_restarts);
                report_restart(kind, failure.as_deref().unwrap_or(ENDED_EARLY), delay);
                tokio::select! {
                    () = sleep(delay) => {}
                    () = inner.shutdown.requested() => return,
                }
            }
        };
        self.start(kind, Box::pin(task))
    }

    /// Gives the shutdown signal, cuts off the tasks that may be, waits for the others for at most `deadline`, then
    /// cuts off those too and names them.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.0.shutdown.request();
        let end = Instant::now() + deadline;
        let mut ended = self.0.ended.subscribe();
        while self.0.abort_and_count_waiting() > 0 {
            if !matches!(timeout_at(end, ended.changed()).await, Ok(Ok(()))) {
                break;
            }
        }
        let unfinished = self.0.abort_all();
        Drained { unfinished }
    }

    fn with_backoff(shutdown: Shutdown, backoff: Backoff) -> Self {
        Self(Arc::new(Inner {
            shutdown,
            backoff,
            next_id: AtomicU64::new(0),
            tasks: Mutex::default(),
            ended: watch::Sender::new(()),
        }))
    }

    /// Listed before it starts and filled in after, because a runtime that is closing drops the future inside `spawn`.
    /// Boxed, so that tokio's code for a task is there once and not for each kind of future.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the supervisor that others are told to use"
    )]
    fn start(&self, kind: TaskKind, future: BoxFuture<'static, ()>) -> Task {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        self.0.tasks().insert(id, Entry { kind, abort: None });
        let listed = Listed {
            id,
            inner: self.0.clone(),
        };
        let abort = tokio::spawn(async move {
            let _listed = listed;
            future.await;
        })
        .abort_handle();
        if let Some(entry) = self.0.tasks().get_mut(&id) {
            entry.abort = Some(abort.clone());
        }
        Task(abort)
    }
}

impl Task {
    /// Cuts the task off at its next await.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Inner {
    fn tasks(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn failure_of<F>(&self, kind: TaskKind, future: F) -> Option<String>
    where
        F: Future,
        F::Output: Ending,
    {
        match AssertUnwindSafe(future).catch_unwind().await {
            Err(panic) => Some(panic_text(&*panic)),
            Ok(ending) => ending.failure().or_else(|| self.early_end_of(kind)),
        }
    }

    fn early_end_of(&self, kind: TaskKind) -> Option<String> {
        let early = kind.on_failure() == OnFailure::ShutDown && !self.shutdown.is_requested();
        early.then(|| ENDED_EARLY.to_owned())
    }

    fn stop(&self, kind: TaskKind, failure: &str) {
        error!(
            task = kind.name(),
            failure,
            "Stopping, because the {} failed: {failure}",
            kind.name()
        );
        self.shutdown.request();
    }

    /// Aborting may drop the task's future at once, which takes it off the list: so the handles leave the lock first.
    fn abort_and_count_waiting(&self) -> usize {
        let is_waiting = |entry: &&Entry| entry.kind.on_shutdown() == OnShutdown::Wait;
        let (n_waiting, rest) = {
            let tasks = self.tasks();
            let rest = tasks.values().filter(|entry| !is_waiting(entry));
            let rest: Vec<_> = rest.filter_map(|entry| entry.abort.clone()).collect();
            (tasks.values().filter(is_waiting).count(), rest)
        };
        rest.iter().for_each(AbortHandle::abort);
        n_waiting
    }

    fn abort_all(&self) -> Vec<&'static str> {
        let mut left: Vec<_> = {
            let tasks = self.tasks();
            tasks
                .iter()
                .map(|(id, entry)| (*id, entry.kind, entry.abort.clone()))
                .collect()
        };
        left.sort_by_key(|(id, ..)| *id);
        left.iter()
            .filter_map(|(.., abort)| abort.as_ref())
            .for_each(AbortHandle::abort);
        left.retain(|(_, kind, _)| kind.on_shutdown() == OnShutdown::Wait);
        left.iter().map(|(_, kind, _)| kind.name()).collect()
    }
}

/// Takes the task off the list, however it ended.
struct Listed {
    id: u64,
    inner: Arc<Inner>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.inner.tasks().remove(&self.id);
        self.inner.ended.send_replace(());
    }
}

/// How long to wait before a task is started again.
#[derive(Debug, Clone, Copy)]
struct Backoff {
    first: Duration,
    most: Duration,
    /// A task that ran for this long is taken to have recovered.
    healthy_after: Duration,
}

impl Backoff {
    const USUAL: Self = Self {
        first: Duration::from_millis(100),
        most: Duration::from_secs(30),
        healthy_after: Duration::from_secs(60),
    };

    fn n_restarts(self, before: u32, ran_for: Duration) -> u32 {
        if ran_for >= self.healthy_after {
            1
        } else {
            before.saturating_add(1)
        }
    }

    fn delay(self, n_restarts: u32) -> Duration {
        backoff(self.first, n_restarts, self.most)
    }
}

const ENDED_EARLY: &str = "it ended although nobody asked it to";

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

fn report(kind: TaskKind, failure: &str) {
    error!(task = kind.name(), failure, "A {} task failed: {failure}", kind.name());
}

fn report_restart(kind: TaskKind, failure: &str, delay: Duration) {
    let (task, delay_ms) = (kind.name(), delay.as_millis());
    error!(
        task,
        failure, delay_ms, "The {task} failed and starts again in {delay_ms} ms: {failure}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::mpsc;

    const LONG: Duration = Duration::from_secs(20);

    fn supervisor() -> Supervisor {
        let at_once = Backoff {
            first: Duration::ZERO,
            ..Backoff::USUAL
        };
        Supervisor::with_backoff(Shutdown::new(), at_once)
    }

    async fn within<F: Future>(future: F) -> F::Output {
        tokio::time::timeout(LONG, future)
            .await
            .expect("it should have happened by now")
    }

    #[tokio::test]
    async fn a_failed_listener_stops_the_daemon() {
        for failure in 0..3 {
            let supervisor = supervisor();
            supervisor.spawn(TaskKind::Listener, async move {
                match failure {
                    0 => panic!("boom"),
                    1 => Err(std::io::Error::other("no more sockets")),
                    _ => Ok(()),
                }
            });
            within(supervisor.shutdown().requested()).await;
        }
    }

    #[tokio::test]
    async fn a_failed_connection_stops_nothing() {
        let supervisor = supervisor();
        let mut ended = supervisor.0.ended.subscribe();
        let task = supervisor.spawn(TaskKind::Connection, async { assert!(LONG.is_zero(), "boom") });
        within(ended.changed()).await.unwrap();
        assert!(!supervisor.shutdown().is_requested());
        assert!(supervisor.0.tasks().is_empty());
        drop(task);
    }

    #[tokio::test]
    async fn a_restarting_task_is_made_anew_until_shutdown() {
        let supervisor = supervisor();
        let (sender, mut runs) = mpsc::unbounded_channel();
        let mut n_runs = 0;
        supervisor.spawn_restarting(TaskKind::Reconciler, move || {
            n_runs += 1;
            sender.send(n_runs).unwrap();
            assert!(n_runs != 1, "the factory itself may panic");
            async move { assert!(n_runs != 2, "and so may the task") }
        });
        for expected in 1..=4 {
            assert_eq!(within(runs.recv()).await, Some(expected));
        }
        assert!(within(supervisor.drain(LONG)).await.unfinished.is_empty());
    }

    #[tokio::test]
    async fn a_drain_waits_for_some_and_cuts_off_others() {
        let supervisor = supervisor();
        let stop = supervisor.shutdown().child();
        let (sender, mut said) = mpsc::unbounded_channel();
        supervisor.spawn(TaskKind::Dispatcher, async move {
            stop.requested().await;
            tokio::task::yield_now().await;
            sender.send("ended in peace").unwrap();
        });
        supervisor.spawn(TaskKind::Retention, pending::<()>());
        assert_eq!(within(supervisor.drain(LONG)).await.unfinished, Vec::<&str>::new());
        assert_eq!(said.try_recv(), Ok("ended in peace"));
    }

    #[tokio::test]
    async fn a_drain_names_what_did_not_end_and_cuts_it_off() {
        let supervisor = supervisor();
        let mut ended = supervisor.0.ended.subscribe();
        let stuck = supervisor.spawn(TaskKind::Connection, pending::<()>());
        let drained = within(supervisor.drain(Duration::ZERO)).await;
        assert_eq!(drained.unfinished, ["connection"]);
        within(ended.changed()).await.unwrap();
        assert!(supervisor.0.tasks().is_empty());
        drop(stuck);
    }

    #[tokio::test]
    async fn a_task_can_be_cut_off_by_its_holder() {
        let supervisor = supervisor();
        let mut ended = supervisor.0.ended.subscribe();
        supervisor.spawn(TaskKind::Worker, pending::<()>()).abort();
        within(ended.changed()).await.unwrap();
        assert!(supervisor.0.tasks().is_empty());
    }

    #[test]
    fn restarts_come_later_and_later_until_one_has_held() {
        let delay = |n| Backoff::USUAL.delay(n).as_millis();
        assert_eq!([delay(1), delay(2), delay(3), delay(9)], [100, 200, 400, 25_600]);
        assert_eq!([delay(10), delay(u32::MAX)], [30_000, 30_000]);
        assert_eq!(Backoff::USUAL.n_restarts(7, Duration::from_secs(1)), 8);
        assert_eq!(Backoff::USUAL.n_restarts(7, Duration::from_secs(60)), 1);
    }
}
