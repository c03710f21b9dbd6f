//! A future that is polled again at once when it wakes itself, instead of standing in the scheduler's queue once more.
//!
//! A server's connection does that with every request that has a body: the half that reads the body wakes the half that
//! fills it, and both are one task. For the scheduler that is new work, and it wakes a second thread to share it, which
//! finds nothing. Changes nothing else: wakes from elsewhere go to the task as ever.

use futures_util::task::AtomicWaker;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// So many times in a row it is polled again before others get their turn.
const AGAIN: usize = 4;

const WAITING: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

/// See the module.
pub struct OwnWakes<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// What the future wakes: only a note while it is being polled, the task otherwise.
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

impl<F: Future> OwnWakes<F> {
    /// Wraps a future.
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            state: AtomicU8::new(WAITING),
            task: AtomicWaker::new(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// The wrapped future.
    pub fn get_mut(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}

impl<F: Future> Future for OwnWakes<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.bell.task.register(cx.waker());
        let mut own = Context::from_waker(&this.waker);
        for _ in 0..AGAIN {
            this.bell.state.store(POLLED, Ordering::Release);
            if let Poll::Ready(output) = this.future.as_mut().poll(&mut own) {
                return Poll::Ready(output);
            }
            let waits = this
                .bell
                .state
                .compare_exchange(POLLED, WAITING, Ordering::AcqRel, Ordering::Acquire);
            if waits.is_ok() {
                return Poll::Pending;
            }
        }
        this.bell.state.store(WAITING, Ordering::Release);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == WAITING {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    /// Counts how often the task was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once: what came out, and how often the task had been woken by then.
    fn poll_once<F: Future>(future: &mut OwnWakes<F>, count: &Arc<Count>) -> (Poll<F::Output>, usize) {
        let waker = Waker::from(Arc::clone(count));
        let polled = Pin::new(future).poll(&mut Context::from_waker(&waker));
        (polled, count.0.load(Ordering::SeqCst))
    }

    /// Wakes itself in its first `n` polls; ready after them.
    fn wakes_itself(n: usize) -> impl Future<Output = usize> {
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            if polls > n {
                return Poll::Ready(polls);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn a_future_that_wakes_itself_goes_on_without_waking_the_task() {
        let count = Arc::new(Count::default());
        let mut future = OwnWakes::new(wakes_itself(2));
        assert_eq!(poll_once(&mut future, &count), (Poll::Ready(3), 0));
    }

    #[test]
    fn one_that_never_stops_gives_others_their_turn() {
        let count = Arc::new(Count::default());
        let mut future = OwnWakes::new(wakes_itself(AGAIN + 1));
        assert_eq!(poll_once(&mut future, &count), (Poll::Pending, 1));
        assert_eq!(poll_once(&mut future, &count), (Poll::Ready(AGAIN + 2), 1));
    }

    #[test]
    fn a_wake_from_elsewhere_reaches_the_task_once_and_the_next_one_again() {
        let count = Arc::new(Count::default());
        let (kept, keep) = std::sync::mpsc::channel();
        let mut future = OwnWakes::new(poll_fn(|cx| {
            kept.send(cx.waker().clone()).expect("kept");
            Poll::<()>::Pending
        }));
        for woken in [1, 2] {
            assert_eq!(poll_once(&mut future, &count), (Poll::Pending, woken - 1));
            let waker = keep.recv().expect("a waker");
            waker.wake_by_ref();
            waker.wake_by_ref();
            assert_eq!(count.0.load(Ordering::SeqCst), woken);
        }
    }
}
