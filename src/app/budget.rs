//! So many a second, and no more: for what is worth doing as long as it costs little.
//!
//! `now` is an argument; what is not used within a second is lost.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A number of things that may be done in each second.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: u32,
    spent: Mutex<Option<(Instant, u32)>>,
}

impl Budget {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            spent: Mutex::new(None),
        }
    }

    /// Whether one more may be done now.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, n) = match *spent {
            Some((since, n)) if now.saturating_duration_since(since).as_secs() == 0 => (since, n),
            _ => (now, 0),
        };
        let allowed = n < self.per_second;
        *spent = Some((since, n + u32::from(allowed)));
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_second_has_its_own_number() {
        let (budget, begun) = (Budget::new(2), Instant::now());
        let taken = |ms: u64| budget.take(begun + Duration::from_millis(ms));
        assert_eq!([0, 1, 2, 999].map(taken), [true, true, false, false]);
        assert_eq!([1_000, 1_100, 1_200].map(taken), [true, true, false]);
        assert_eq!([5_000].map(taken), [true]);
        assert!(!Budget::new(0).take(begun));
    }
}
