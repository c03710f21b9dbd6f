//! Whom a server's output belongs to: every call that runs in it when something is printed.
//!
//! One process serves all calls of a container, so with several of them nobody can tell whose line it is: each gets it.
//! What is printed while none runs is nobody's; the engine keeps the last of it. Bounded for each call, and never waits.

use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// The output of one container.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Held for a few lines, never across an await.
    calls: Mutex<Vec<Call>>,
    one_less: Notify,
}

#[derive(Debug)]
struct Call {
    id: Arc<AtomicU64>,
    pieces: mpsc::UnboundedSender<Bytes>,
    /// Unit: bytes that may still be sent.
    room: usize,
    /// Its answer is out; only late output is waited for.
    over: bool,
}

/// What is printed while a call runs. Dropping it ends the call here.
#[derive(Debug)]
pub struct Listener {
    output: Arc<Output>,
    /// Bytes that did not fit. The place in memory is also the call's identity.
    cut: Arc<AtomicU64>,
    pieces: mpsc::UnboundedReceiver<Bytes>,
}

impl Output {
    /// Begins a call that keeps `limit` bytes. Calls that only waited for late output are over now.
    pub(super) fn listen(self: &Arc<Self>, limit: usize) -> Listener {
        let (sender, pieces) = mpsc::unbounded_channel();
        let cut = Arc::new(AtomicU64::new(0));
        let call = Call {
            id: Arc::clone(&cut),
            pieces: sender,
            room: limit,
            over: false,
        };
        let mut calls = self.lock();
        calls.retain(|call| !call.over);
        calls.push(call);
        drop(calls);
        Listener {
            output: Arc::clone(self),
            cut,
            pieces,
        }
    }

    /// Gives a piece to every call.
    pub(super) fn print(&self, bytes: &Bytes) {
        for call in self.lock().iter_mut() {
            let kept = bytes.slice(..bytes.len().min(call.room));
            call.room -= kept.len();
            call.id.fetch_add((bytes.len() - kept.len()) as u64, Ordering::Relaxed);
            // A call that no longer listens has ended.
            let _ = (!kept.is_empty()).then(|| call.pieces.send(kept));
        }
    }

    /// Nothing is printed any more: whoever listens hears the end.
    pub(super) fn close(&self) {
        self.lock().clear();
        self.one_less.notify_waiters();
    }

    /// Waits until no call runs.
    pub(super) async fn idle(&self) {
        loop {
            let news = self.one_less.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if self.lock().iter().all(|call| call.over) {
                return;
            }
            news.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// The next piece; `None` when nothing comes any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.pieces.recv().await
    }

    /// Says that the call is answered, and waits for what is still on its way: at most `limit`, and not longer than
    /// until the next call begins.
    pub async fn late(&mut self, limit: Duration) -> Vec<Bytes> {
        for call in self
            .output
            .lock()
            .iter_mut()
            .filter(|call| Arc::ptr_eq(&call.id, &self.cut))
        {
            call.over = true;
        }
        self.output.one_less.notify_waiters();
        let mut late = Vec::new();
        let all = async {
            while let Some(piece) = self.pieces.recv().await {
                late.push(piece);
            }
        };
        let _ = tokio::time::timeout(limit, all).await;
        late
    }

    /// How much did not fit. Unit: bytes.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.output.lock().retain(|call| !Arc::ptr_eq(&call.id, &self.cut));
        self.output.one_less.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn text(pieces: Vec<Bytes>) -> String {
        String::from_utf8(pieces.concat()).expect("text")
    }

    #[tokio::test]
    async fn a_line_is_every_running_calls_and_nobody_elses() {
        let output = Arc::new(Output::default());
        output.print(&Bytes::from_static(b"before "));
        let mut first = output.listen(100);
        output.print(&Bytes::from_static(b"one "));
        let mut second = output.listen(100);
        output.print(&Bytes::from_static(b"both "));
        assert_eq!(text(second.late(NOW).await), "both ");
        drop(second);
        output.print(&Bytes::from_static(b"two"));
        assert_eq!(text(first.late(NOW).await), "one both two");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted() {
        let output = Arc::new(Output::default());
        let mut call = output.listen(4);
        output.print(&Bytes::from_static(b"abc"));
        output.print(&Bytes::from_static(b"def"));
        output.print(&Bytes::from_static(b"ghi"));
        assert_eq!((text(call.late(NOW).await), call.cut()), ("abcd".to_owned(), 5));
    }

    #[tokio::test]
    async fn late_output_is_waited_for_until_the_next_call_begins() {
        let output = Arc::new(Output::default());
        let mut first = output.listen(100);
        let waits = async {
            let late = first.late(Duration::from_secs(3600)).await;
            text(late)
        };
        let next = async {
            output.idle().await;
            output.print(&Bytes::from_static(b"late"));
            let second = output.listen(100);
            output.print(&Bytes::from_static(b"not mine"));
            second
        };
        let (late, _second) = tokio::join!(waits, next);
        assert_eq!(late, "late");
    }

    #[tokio::test]
    async fn it_is_idle_when_every_call_is_answered_or_gone() {
        let output = Arc::new(Output::default());
        let (mut answered, gone) = (output.listen(1), output.listen(1));
        let idle = output.idle();
        tokio::pin!(idle);
        assert!(tokio::time::timeout(NOW, idle.as_mut()).await.is_err());
        drop(gone);
        assert!(tokio::time::timeout(NOW, idle.as_mut()).await.is_err());
        answered.late(NOW).await;
        idle.await;
    }
}
