//! Changes of one thing come one after the other: each reads what the one before has written. Things are told apart by a
//! name, and those of different names do not wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Whoever waits or works; a name that nobody holds is forgotten.
type Places = HashMap<String, Weak<tokio::sync::Mutex<()>>>;

/// A place for each name that is being changed; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Locks(Arc<Mutex<Places>>);

impl Locks {
    /// Waits for its turn, in the order of asking; it lasts until the guard goes.
    pub async fn hold(&self, name: &str) -> OwnedMutexGuard<()> {
        self.place(name).lock_owned().await
    }

    fn place(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| place.strong_count() > 0);
        if let Some(place) = places.get(name).and_then(Weak::upgrade) {
            return place;
        }
        let place = Arc::default();
        places.insert(name.to_owned(), Arc::downgrade(&place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_name_is_held_once_and_others_do_not_wait() {
        let locks = Locks::default();
        let first = locks.hold("a").now_or_never().expect("free");
        let mut second = Box::pin(locks.hold("a"));
        assert!((&mut second).now_or_never().is_none());
        assert!(locks.clone().hold("b").now_or_never().is_some());
        drop(first);
        assert!(second.now_or_never().is_some());
        drop(locks.place("c"));
        assert_eq!(locks.0.lock().expect("nobody failed").len(), 1, "names are forgotten");
    }
}
