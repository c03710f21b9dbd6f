//! The signal to stop: asked for once, seen by all who hold a clone or a child.
//!
//! Says nothing about how long to wait and listens to no operating system signal; the daemon does.

use futures_util::future::select_all;
use std::iter::successors;
use std::sync::Arc;
use tokio::sync::watch;

/// Whether it is time to stop. Clones are the same signal.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<Signal>);

#[derive(Debug)]
struct Signal {
    requested: watch::Sender<bool>,
    parent: Option<Shutdown>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A signal nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::under(None)
    }

    /// A signal for a part: given with this one, or alone without stopping anything else.
    #[must_use]
    pub fn child(&self) -> Self {
        Self::under(Some(self.clone()))
    }

    /// Gives the signal. Again is the same as once.
    pub fn request(&self) {
        self.0.requested.send_replace(true);
    }

    /// Whether the signal was given, here or further up.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.line().any(|signal| *signal.0.requested.borrow())
    }

    /// Waits for the signal; at once when it was given already. May be dropped and asked again.
    pub async fn requested(&self) {
        let waits = self.line().map(|signal| {
            let mut receiver = signal.0.requested.subscribe();
            Box::pin(async move {
                // An error means that the sender is gone, and `self` holds it.
                let _ = receiver.wait_for(|requested| *requested).await;
            })
        });
        select_all(waits).await;
    }

    fn under(parent: Option<Self>) -> Self {
        let requested = watch::Sender::new(false);
        Self(Arc::new(Signal { requested, parent }))
    }

    fn line(&self) -> impl Iterator<Item = &Self> {
        successors(Some(self), |signal| signal.0.parent.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_reaches_clones_children_and_grandchildren() {
        let root = Shutdown::new();
        let grandchild = root.child().child();
        let (seen, ()) = tokio::join!(
            async {
                grandchild.requested().await;
                grandchild.is_requested()
            },
            async { root.clone().request() }
        );
        assert!(seen);
        grandchild.requested().await;
    }

    #[tokio::test]
    async fn a_request_stays_below_the_child_it_was_made_at() {
        let root = Shutdown::new();
        let (one, other) = (root.child(), root.child());
        one.request();
        one.requested().await;
        assert!(one.is_requested() && !root.is_requested() && !other.is_requested());
    }
}
