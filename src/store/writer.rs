//! The one thread that writes. It commits whatever has queued up in one transaction (group commit).
//!
//! Two kinds of work: commands, answered after the commit they were in; and execution records, answered by nobody, for
//! which it lingers a little so that start and end meet. A lone command is never kept waiting: but those who were
//! answered together, and come back together, are given the moment they need to share the next commit too.
//! It knows no SQL: records are `execution.rs`'s, commands bring their own.

use super::execution::{Record, write_records};
use super::{Error, lock::Lock};
use rusqlite::{Connection, TransactionBehavior};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

/// How long records wait for company. Nobody waits for them: who reads records writes what is queued first.
const LINGER: Duration = Duration::from_millis(25);
/// How long the first of many commands waits for the others: less than a flush of the disk takes, which they share then.
const GATHER: Duration = Duration::from_micros(100);
/// How long records wait after a commit that failed.
const RETRY: Duration = Duration::from_millis(250);
/// How often a failing disk is worth a line.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The handle on the thread; dropping it flushes and ends the thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// One permit a record that may wait; taken by the caller, given back by the commit.
    records: Semaphore,
    /// One permit a command that may wait.
    commands: Arc<Semaphore>,
    /// So many records may wait.
    capacity: usize,
    /// So many records end the lingering.
    enough: usize,
    commits: AtomicU64,
}

struct Queue {
    jobs: Vec<Box<dyn Job>>,
    records: Vec<Record>,
    sleep: Sleep,
    closed: bool,
    #[cfg(test)]
    killed: bool,
}

/// What the thread is doing, so that whoever adds work knows whether it has to be woken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// Working, or woken already: it will look by itself.
    Awake,
    /// Nothing to do: anything wakes it.
    Idle,
    /// Records are waiting for company: a command, or enough records, wake it.
    Lingering,
    /// Commands are waiting for company: so many of them wake it.
    Gathering(usize),
}

impl Writer {
    /// Starts the thread. The lock is given free when the thread has ended.
    pub(super) fn start(connection: Connection, lock: Lock, queue: usize) -> Result<Self, Error> {
        let permits = queue.min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new()),
            wake: Condvar::new(),
            records: Semaphore::new(permits),
            commands: Arc::new(Semaphore::new(permits)),
            capacity: permits,
            enough: (permits / 2).max(1),
            commits: AtomicU64::new(0),
        });
        let worker = Worker::new(connection, Arc::clone(&shared), lock);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.run())
            .map_err(|e| Error::io("start the writer", e))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs a command; the answer comes after the commit it was in. If the caller goes away, it is run all the same.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let room = Arc::clone(&self.shared.commands).acquire_owned();
        let room = room.await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let command = Command {
            work: Some(work),
            result: None,
            reply,
            _room: room,
        };
        self.shared.push_job(Box::new(command))?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Hands a record over; waits only while the queue is full.
    pub(super) async fn record(&self, record: Record) -> Result<(), Error> {
        let room = match self.shared.records.try_acquire() {
            Ok(room) => room,
            Err(TryAcquireError::NoPermits) => {
                let room = self.shared.records.acquire();
                room.await.map_err(|_| Error::Closed)?
            }
            Err(TryAcquireError::Closed) => return Err(Error::Closed),
        };
        self.shared.push_record(record)?;
        room.forget();
        Ok(())
    }

    /// Records that have been handed over and not been committed.
    pub(super) fn waiting(&self) -> usize {
        self.shared
            .capacity
            .saturating_sub(self.shared.records.available_permits())
    }

    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// Commits what is queued and ends the thread; blocks until it has. Again: nothing.
    pub(super) fn close(&self) -> Result<(), Error> {
        self.shared.shut();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        match thread.take() {
            // A command may hold the last handle; the thread ends by itself then.
            Some(own) if own.thread().id() == std::thread::current().id() => Ok(()),
            Some(thread) => thread.join().map_err(|_| Error::Closed),
            None => Ok(()),
        }
    }

    /// Ends the thread as a crash would: what is not committed is lost.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        self.shared.lock().killed = true;
        self.close().expect("the writer ends");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.close().is_err() {
            tracing::error!("The store's writer had died before the store was closed");
        }
    }
}

impl Queue {
    fn new() -> Self {
        Self {
            jobs: Vec::new(),
            records: Vec::new(),
            sleep: Sleep::Awake,
            closed: false,
            #[cfg(test)]
            killed: false,
        }
    }

    fn is_killed(&self) -> bool {
        #[cfg(test)]
        return self.killed;
        #[cfg(not(test))]
        false
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push_job(&self, job: Box<dyn Job>) -> Result<(), Error> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Error::Closed);
        }
        queue.jobs.push(job);
        self.wake_if(queue, |queue| match queue.sleep {
            Sleep::Awake => false,
            Sleep::Idle | Sleep::Lingering => true,
            Sleep::Gathering(enough) => queue.jobs.len() >= enough,
        });
        Ok(())
    }

    fn push_record(&self, record: Record) -> Result<(), Error> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Error::Closed);
        }
        queue.records.push(record);
        let enough = self.enough;
        self.wake_if(queue, |queue| match queue.sleep {
            Sleep::Awake | Sleep::Gathering(_) => false,
            Sleep::Idle => true,
            Sleep::Lingering => queue.records.len() == enough,
        });
        Ok(())
    }

    /// Wakes the thread outside the lock, so that it does not wake into it.
    fn wake_if(&self, mut queue: MutexGuard<'_, Queue>, due: impl FnOnce(&Queue) -> bool) {
        if !due(&queue) {
            return;
        }
        queue.sleep = Sleep::Awake;
        drop(queue);
        self.wake.notify_one();
    }

    /// Takes no more work; what is queued stays for the thread.
    fn shut(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        self.records.close();
        self.commands.close();
        self.wake_if(queue, |_| true);
    }
}

/// A command whose type has been forgotten.
trait Job: Send {
    /// Does the work and keeps its result; the error, if it failed.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;
    /// Answers: with the result, or with what went wrong for the whole batch.
    fn answer(self: Box<Self>, batch: Result<(), Error>);
}

struct Command<T, F> {
    work: Option<F>,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
    _room: OwnedSemaphorePermit,
}

impl<T, F> Job for Command<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Error> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        let result = work(connection);
        let failure = result.as_ref().err().cloned();
        self.result = Some(result);
        failure.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, batch: Result<(), Error>) {
        let answer = match (batch, self.result) {
            // Its own failure says more than that of the batch.
            (_, Some(Err(own))) | (Err(own), _) => Err(own),
            (Ok(()), Some(done)) => done,
            (Ok(()), None) => Err(Error::Closed),
        };
        // Nobody may be waiting any more; the work is done all the same.
        drop(self.reply.send(answer));
    }
}

/// The thread's own half.
struct Worker {
    // Dropped in this order: the connection, the notice that we are gone, the lock.
    connection: Connection,
    gone: Gone,
    _lock: Lock,
    /// Taken from the queue, not yet committed. Order: oldest first.
    records: Vec<Record>,
    /// Commands of the last commit, and when all of them had been answered.
    answered: (usize, Instant),
    failing: bool,
    logged: Option<Instant>,
}

/// Tells everybody that the thread has ended, even when it panicked.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.shut();
        let left = std::mem::take(&mut self.0.lock().jobs);
        drop(left);
    }
}

impl Worker {
    fn new(connection: Connection, shared: Arc<Shared>, lock: Lock) -> Self {
        Self {
            connection,
            gone: Gone(shared),
            _lock: lock,
            records: Vec::new(),
            answered: (0, Instant::now()),
            failing: false,
            logged: None,
        }
    }

    fn run(mut self) {
        while let Some(jobs) = self.next_batch() {
            if self.failing && !jobs.is_empty() {
                // A delete may be what frees the disk: it must not fail with the records.
                self.commit(jobs, false);
            } else {
                self.commit(jobs, true);
                continue;
            }
            self.commit(Vec::new(), true);
        }
        let checkpoint = "pragma wal_checkpoint(truncate)";
        if let Err(error) = self.connection.query_row(checkpoint, [], |_| Ok(())) {
            tracing::debug!(%error, "The write-ahead log stays for the next start");
        }
    }

    /// Waits for work and takes all of it; `None` when the store is closed and nothing is left.
    fn next_batch(&mut self) -> Option<Vec<Box<dyn Job>>> {
        let shared = Arc::clone(&self.gone.0);
        let mut queue = shared.lock();
        while queue.jobs.is_empty() && queue.records.is_empty() && self.records.is_empty() {
            if queue.closed {
                return None;
            }
            queue.sleep = Sleep::Idle;
            queue = wait(&shared, queue, None);
        }
        let queue = self.linger(&shared, queue);
        let mut queue = self.gather(&shared, queue);
        queue.sleep = Sleep::Awake;
        if queue.is_killed() || (queue.closed && self.gave_up(&queue)) {
            return None;
        }
        self.records.append(&mut queue.records);
        Some(std::mem::take(&mut queue.jobs))
    }

    /// Gives records time for company, as long as nobody waits for an answer.
    fn linger<'a>(&self, shared: &'a Shared, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let patience = if self.failing { RETRY } else { LINGER };
        let due = Instant::now() + patience;
        while queue.jobs.is_empty() && !queue.closed {
            let left = due.saturating_duration_since(Instant::now());
            let enough = !self.failing && queue.records.len() >= shared.enough;
            if left.is_zero() || enough {
                break;
            }
            queue.sleep = Sleep::Lingering;
            queue = wait(shared, queue, Some(left));
        }
        queue
    }

    /// Gives commands time for company, where there was some in the last commit.
    fn gather<'a>(&self, shared: &'a Shared, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let (company, at) = self.answered;
        while (1..company).contains(&queue.jobs.len()) && !queue.closed {
            let left = (at + GATHER).saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue.sleep = Sleep::Gathering(company);
            queue = wait(shared, queue, Some(left));
        }
        queue
    }

    /// Whether the last try of a closed store has failed and only its leftovers remain.
    fn gave_up(&self, queue: &Queue) -> bool {
        let last = self.failing && queue.jobs.is_empty() && queue.records.is_empty();
        if last {
            let n_records = self.records.len();
            tracing::error!(
                n_records,
                "The last {n_records} execution records are lost: they could not be written"
            );
        }
        last
    }

    /// Commits jobs, and the records unless told otherwise, as one; then answers.
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>, with_records: bool) {
        let records = if with_records { &self.records[..] } else { &[] };
        let done = transact(&mut self.connection, records, &mut jobs);
        match &done {
            Ok(()) => self.committed(with_records),
            Err(error) => self.failed(error),
        }
        let n_jobs = jobs.len();
        for job in jobs {
            job.answer(done.clone());
        }
        self.answered = (n_jobs, Instant::now());
    }

    fn committed(&mut self, with_records: bool) {
        let shared = &self.gone.0;
        shared.commits.fetch_add(1, Ordering::Relaxed);
        if with_records {
            shared.records.add_permits(self.records.len());
            self.records.clear();
            self.failing = false;
        }
    }

    fn failed(&mut self, error: &Error) {
        self.failing = true;
        if self.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            self.logged = Some(Instant::now());
            let n_records = self.records.len();
            tracing::error!(
                error = error as &dyn std::error::Error,
                n_records,
                "Cannot commit; {n_records} execution records wait and are tried again"
            );
        }
    }
}

fn wait<'a>(shared: &Shared, queue: MutexGuard<'a, Queue>, at_most: Option<Duration>) -> MutexGuard<'a, Queue> {
    match at_most {
        None => shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
        Some(time) => {
            shared
                .wake
                .wait_timeout(queue, time)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        }
    }
}

/// All of it or nothing, save commands that fail by themselves. Dropping the transaction undoes it.
fn transact(connection: &mut Connection, records: &[Record], jobs: &mut [Box<dyn Job>]) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    write_records(&transaction, records)?;
    for job in jobs {
        run_job(&transaction, job.as_mut())?;
    }
    Ok(transaction.commit()?)
}

/// One command in a savepoint of its own: its failure is its own, unless SQLite gave the whole transaction up.
fn run_job(connection: &Connection, job: &mut dyn Job) -> Result<(), Error> {
    step(connection, "savepoint command")?;
    let done = job.run(connection);
    match done {
        Err(error) if connection.is_autocommit() => return Err(error),
        Err(_) => step(connection, "rollback to command")?,
        Ok(()) => {}
    }
    step(connection, "release command")
}

fn step(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
