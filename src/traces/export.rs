//! Sends what was traced to the collector: many spans at once, again when it is busy, and what is left at the end.

use super::span::Span;
use super::{Tracer, encode, metrics};
use crate::domain::backoff;
use crate::task::Shutdown;
use crate::telemetry::chain;
use crate::web::{self, Answered, Message, Web};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;

/// So many spans make a batch, more or less.
const BATCH: usize = 512;
/// A batch is tried so often, each time after twice the wait.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The room's settings, as the variables `OTEL_…` have them.
#[derive(Clone)]
pub struct Options {
    /// Where spans are posted to.
    pub url: String,
    /// What is said along; may hold secrets.
    pub headers: Vec<(String, String)>,
    /// Who we are, `service.name` among it.
    pub resource: Vec<(String, String)>,
    /// How long one request may take.
    pub patience: Duration,
    /// How long spans wait for company.
    pub linger: Duration,
    /// How to go out.
    pub web: web::Options,
}

/// Sends spans until it is told to stop; clones share it.
#[derive(Clone)]
pub struct Exporter(Arc<Inner>);

struct Inner {
    options: Options,
    web: Web,
    state: Mutex<State>,
}

struct State {
    calls: Receiver<Vec<Span>>,
    /// Taken from the queue and not yet told.
    batch: Vec<Span>,
    /// The collector did not take the last batch, and it was said.
    failing: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Taken,
    Again(Duration),
    Refused,
}

impl Exporter {
    /// An exporter, and the tracer that feeds it.
    #[must_use]
    pub fn new(options: Options) -> (Self, Tracer) {
        let (tracer, calls) = Tracer::on();
        let web = Web::new(options.web.clone(), true);
        let state = Mutex::new(State {
            calls,
            batch: Vec::new(),
            failing: false,
        });
        (Self(Arc::new(Inner { options, web, state })), tracer)
    }

    /// Sends batches until shutdown. What comes after it is for [`Exporter::flush`].
    pub async fn run(self, shutdown: Shutdown) {
        let mut state = self.0.state.lock().await;
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                more = state.gather(self.0.options.linger) => if !more { return },
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.0.send(&mut state) => {}
            }
        }
    }

    /// Sends what is left, each batch once. For when everything else has ended.
    pub async fn flush(&self) {
        let mut state = self.0.state.lock().await;
        loop {
            state.take_waiting();
            if state.batch.is_empty() {
                return;
            }
            let verdict = self.0.try_once(&state.batch, 1).await;
            state.conclude(verdict.0 == Verdict::Taken, &verdict.1);
        }
    }
}

impl State {
    /// Waits until there is a batch: a full one, or one that has waited long enough. False when nothing will come any more.
    async fn gather(&mut self, linger: Duration) -> bool {
        if self.batch.is_empty() {
            let Some(spans) = self.calls.recv().await else {
                return false;
            };
            self.batch.extend(spans);
        }
        let full = async {
            while self.batch.len() < BATCH {
                match self.calls.recv().await {
                    Some(spans) => self.batch.extend(spans),
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(linger, full).await;
        true
    }

    /// Takes what waits already, up to a batch.
    fn take_waiting(&mut self) {
        while self.batch.len() < BATCH
            && let Ok(spans) = self.calls.try_recv()
        {
            self.batch.extend(spans);
        }
    }

    /// Lets the batch go. A collector that fails is worth one line until it works again.
    fn conclude(&mut self, taken: bool, words: &str) {
        let n = self.batch.len() as u64;
        if taken { &metrics::EXPORTED } else { &metrics::REFUSED }.add(n);
        if !taken && !self.failing {
            tracing::warn!("The collector did not take {n} spans: {words}; see OTEL_EXPORTER_OTLP_ENDPOINT");
        }
        self.failing = !taken;
        self.batch.clear();
    }
}

impl Inner {
    /// Sends the batch, again while the collector is busy or away.
    async fn send(&self, state: &mut State) {
        let mut number = 1;
        loop {
            let (verdict, words) = self.try_once(&state.batch, number).await;
            match verdict {
                Verdict::Taken | Verdict::Refused => return state.conclude(verdict == Verdict::Taken, &words),
                Verdict::Again(wait) => tokio::time::sleep(wait).await,
            }
            number += 1;
        }
    }

    async fn try_once(&self, batch: &[Span], number: u32) -> (Verdict, String) {
        let mut headers = self.options.headers.clone();
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let message = Message {
            headers,
            body: Bytes::from(encode::request(&self.options.resource, batch)),
            patience: self.options.patience,
        };
        match self.web.post_configured(&self.options.url, message).await {
            Ok(answer) => (
                after(Some(answer), number),
                format!("it answered with status {}", answer.status),
            ),
            Err(error @ web::Error::Unreachable { .. }) => (after(None, number), chain(&error)),
            Err(error) => (Verdict::Refused, chain(&error)),
        }
    }
}

/// What follows a try, by the rules of OTLP over HTTP; `None`: nobody answered.
fn after(answer: Option<Answered>, number: u32) -> Verdict {
    let asked_for = match answer {
        Some(Answered { status: 200..=299, .. }) => return Verdict::Taken,
        Some(Answered {
            status: 429 | 502 | 503 | 504,
            retry_after,
        }) => retry_after,
        Some(_) => return Verdict::Refused,
        None => None,
    };
    if number >= TRIES {
        return Verdict::Refused;
    }
    let wait = backoff(FIRST_WAIT, number, LONGEST_WAIT);
    Verdict::Again(wait.max(asked_for.unwrap_or_default()).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::super::span::a_call;
    use super::*;
    use crate::domain::{Outcome, Temperature};

    fn options(url: String) -> Options {
        Options {
            url,
            headers: Vec::new(),
            resource: Vec::new(),
            patience: Duration::from_secs(5),
            linger: Duration::from_secs(3_600),
            web: web::Options::default(),
        }
    }

    fn call() -> super::super::Call {
        a_call(Outcome::Succeeded { status: 200 }, Temperature::Warm)
    }

    #[test]
    fn a_busy_collector_is_asked_again_a_few_times_and_one_that_says_no_is_not() {
        let said = |status, seconds: Option<u64>| {
            Some(Answered {
                status,
                retry_after: seconds.map(Duration::from_secs),
            })
        };
        let again = |seconds| Verdict::Again(Duration::from_secs(seconds));
        for (answer, number, expect) in [
            (said(200, None), 1, Verdict::Taken),
            (said(202, None), 1, Verdict::Taken),
            (said(400, None), 1, Verdict::Refused),
            (said(404, None), 1, Verdict::Refused),
            (said(500, None), 1, Verdict::Refused),
            (said(503, None), 1, again(1)),
            (said(429, None), 3, again(4)),
            (said(429, Some(9)), 1, again(9)),
            (said(503, Some(9_999)), 1, again(30)),
            (None, 2, again(2)),
            (None, TRIES, Verdict::Refused),
        ] {
            assert_eq!(after(answer, number), expect, "{answer:?} {number}");
        }
    }

    #[tokio::test]
    async fn when_too_many_wait_calls_are_dropped_and_counted_and_nobody_is_held_up() {
        let (exporter, tracer) = Exporter::new(options("http://127.0.0.1:1/".to_owned()));
        let before = metrics::DROPPED.get();
        for _ in 0..super::super::WAITING + 3 {
            tracer.tell(&call());
        }
        assert!(metrics::DROPPED.get() >= before + 3);
        let mut state = exporter.0.state.lock().await;
        state.take_waiting();
        assert!((BATCH..BATCH + 5).contains(&state.batch.len()), "{}", state.batch.len());
    }

    #[tokio::test]
    async fn at_the_end_what_is_left_is_tried_once_and_let_go() {
        let (exporter, tracer) = Exporter::new(options("http://127.0.0.1:1/".to_owned()));
        tracer.tell(&call());
        exporter.flush().await;
        assert!(exporter.0.state.lock().await.batch.is_empty());
    }

    #[test]
    fn without_an_exporter_nothing_is_told() {
        let tracer = Tracer::default();
        assert!(!tracer.is_on());
        tracer.tell(&call());
    }
}
