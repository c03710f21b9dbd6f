//! One at a time of those who change the same thing: each reads what the one before has written.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Turns by the name of what is changed; those of different names do not wait for each other, and one that nobody has or
/// waits for takes no room. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>>);

impl Turns {
    /// Waits for its turn, in the order of asking; it lasts until the guard goes.
    pub async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        self.take_or(name, || {}).await
    }

    /// The same; `waits` is called first when the turn is not to be had at once.
    pub async fn take_or(&self, name: &str, waits: impl FnOnce()) -> OwnedMutexGuard<()> {
        let turn = self.of(name);
        match Arc::clone(&turn).try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => {
                waits();
                turn.lock_owned().await
            }
        }
    }

    fn of(&self, name: &str) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        all.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_name_is_had_once_and_others_do_not_wait() {
        let turns = Turns::default();
        let first = turns.take("a").now_or_never().expect("free");
        let mut n_waits = 0;
        let mut second = Box::pin(turns.take_or("a", || n_waits += 1));
        assert!((&mut second).now_or_never().is_none());
        assert!(turns.clone().take("b").now_or_never().is_some());
        drop(first);
        assert!(second.now_or_never().is_some());
        assert_eq!(n_waits, 1);
        drop(turns.of("c"));
        let known = turns.0.lock().expect("nobody panicked").len();
        assert_eq!(known, 1, "names are forgotten");
    }
}
