//! One at a time of those who want the same thing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Turns by what they are for; one that nobody has or waits for takes no room.
#[derive(Debug, Default)]
pub(super) struct Turns(std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>);

impl Turns {
    /// Waits for its turn; it lasts until the guard goes.
    pub(super) async fn take(&self, what: String) -> OwnedMutexGuard<()> {
        self.of(what).lock_owned().await
    }

    fn of(&self, what: String) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = all.get(&what).and_then(Weak::upgrade) {
            return turn;
        }
        all.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        all.insert(what, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn only_those_who_want_the_same_wait_for_each_other() {
        let turns = Turns::default();
        let first = turns.take("a".to_owned()).await;
        let _other = turns.take("b".to_owned()).await;
        let mut second = Box::pin(turns.take("a".to_owned()));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        drop(second.await);
        drop(turns.take("c".to_owned()).await);
        let known: Vec<_> = turns.0.lock().expect("nobody panicked").keys().cloned().collect();
        assert!(!known.contains(&"a".to_owned()), "{known:?}");
    }
}
