//! Telling whoever asked for it how an asynchronous call ended: from the store, again and again, until they have taken it.
//!
//! What is told is `callback_message.rs`; when it is told again is the domain's rule. A receiver may be told twice: after a
//! crash nobody knows whether it had heard.

use super::queue::{AGAIN, QUIET};
use super::{App, callback_message};
use crate::domain::{
    Callback, CallbackState, CallbackUrl, Error, ExecutionId, SecretText, Timestamp, Try, Verdict, after_try,
};
use crate::store::DueCallback;
use crate::task::{Shutdown, TaskKind};
use crate::telemetry::chain;
use crate::web::{self, Message, Web};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// So many receivers are told at once.
const AT_ONCE: usize = 8;
/// A receiver gets so long to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// After this time a try of which nothing is heard counts as lost.
const LOST: Duration = Duration::from_secs(60);

/// How callbacks are sent.
#[derive(Debug, Clone)]
pub struct CallbackOptions {
    /// What they are signed with; `None`: not at all.
    pub secret: Option<SecretText>,
    /// Tries for one of them.
    pub tries: u32,
    /// Whether they may go to this machine and its networks.
    pub allow_private: bool,
}

impl App {
    /// The callback of a call, if its end is told to somebody.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn callback(&self, id: ExecutionId) -> Result<Option<Callback>, Error> {
        Ok(self.0.store.callback(id).await?)
    }

    /// Refuses at once what could never be told.
    pub(super) async fn check_callback(&self, url: &CallbackUrl) -> Result<(), Error> {
        let checked = self.0.callbacks.check_given(url.reveal()).await;
        checked.map_err(|error| match error {
            web::Error::Private(host) => Error::invalid(format!(
                "X-Callback-Url leads to `{host}`, an address of this machine or its networks: callbacks.private_urls \
                 allows them"
            )),
            web::Error::Invalid(_) => Error::invalid("X-Callback-Url cannot be read: write it as https://HOST/PATH"),
            web::Error::Unreachable { .. } | web::Error::Client(_) => Error::invalid(chain(&error)),
        })
    }

    /// Tells what is due until shutdown, to a bounded number of receivers at once.
    pub async fn send_callbacks(self, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut follow_ups = self.0.invoker.follow_ups();
        loop {
            let asked_at = self.0.clock.now();
            let due = self.claim_callbacks(places.available_permits(), asked_at).await;
            let more = !due.is_empty();
            for callback in due {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    break;
                };
                let app = self.clone();
                self.0.supervisor.spawn(TaskKind::Callback, async move {
                    app.tell(callback).await;
                    drop(place);
                    app.0.ended.notify_one();
                });
            }
            if more {
                continue;
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.until_due(asked_at, self.0.store.next_callback_at()) => {}
                () = async { self.woken(&mut follow_ups).await; tokio::time::sleep(QUIET).await } => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn woken(&self, follow_ups: &mut watch::Receiver<()>) {
        tokio::select! {
            () = self.0.ended.notified() => {}
            // The sender lives as long as we do.
            _ = follow_ups.changed() => {}
        }
    }

    async fn claim_callbacks(&self, places: usize, now: Timestamp) -> Vec<DueCallback> {
        let limit = u32::try_from(places).unwrap_or(u32::MAX);
        if limit == 0 {
            return Vec::new();
        }
        match self.0.store.claim_callbacks(limit, now, now.plus(LOST)).await {
            Ok(due) => due,
            Err(e) => {
                tracing::error!("Could not look for callbacks: {}", chain(&e));
                Vec::new()
            }
        }
    }

    async fn tell(&self, callback: DueCallback) {
        let (id, number) = (callback.execution.id, callback.number);
        let message = self.message(&callback);
        let (came_to, words) = told(self.0.callbacks.post_given(callback.url.reveal(), message).await);
        let verdict = after_try(came_to, number, self.0.options.callbacks.tries);
        super::metrics::callback_told(verdict);
        if verdict == Verdict::GiveUp {
            let url = callback.url.shown();
            tracing::warn!(execution.id = %id, "The callback of a call to {url} failed after {number} tries: {words}");
        }
        let (state, next) = standing(verdict, self.0.clock.now());
        if let Err(e) = self.0.store.conclude_callback(id, state, next, words).await {
            tracing::error!(execution.id = %id, "Could not record what a callback came to: {}", chain(&e));
        }
    }

    fn message(&self, callback: &DueCallback) -> Message {
        let function = self.0.directory.find_id(callback.execution.function);
        let name = function.map_or_else(String::new, |served| served.function.name.to_string());
        let secret = self.0.options.callbacks.secret.as_ref();
        let (headers, body) = callback_message::of(callback, &name, secret, self.0.clock.now());
        Message {
            headers,
            body,
            patience: PATIENCE,
        }
    }
}

fn standing(verdict: Verdict, now: Timestamp) -> (CallbackState, Option<Timestamp>) {
    match verdict {
        Verdict::Delivered => (CallbackState::Delivered, None),
        Verdict::Again(wait) => (CallbackState::Due, Some(now.plus(wait))),
        Verdict::GiveUp => (CallbackState::Failed, None),
    }
}

/// What a try came to, for the rule and for people.
fn told(answer: Result<web::Answered, web::Error>) -> (Try, String) {
    match answer {
        Ok(web::Answered { status, retry_after }) => {
            let came_to = Try::Answered { status, retry_after };
            (came_to, format!("the receiver answered with status {status}"))
        }
        Err(error @ web::Error::Unreachable { .. }) => (Try::Unreachable, chain(&error)),
        Err(error) => (Try::Forbidden, chain(&error)),
    }
}

/// What sends them; apart from what fetches code, for they may go elsewhere.
pub(super) fn sender(options: web::Options, callbacks: &CallbackOptions) -> Web {
    Web::new(options, callbacks.allow_private)
}
