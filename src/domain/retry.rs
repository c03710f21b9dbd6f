//! Making a failed asynchronous call again: how often, and how long to wait before. Pure.
//!
//! Each try is an execution of its own, so that each has one end and a record.

use super::{Error, Outcome};
use std::time::Duration;

/// More tries than this help nobody.
const MOST: u32 = 20;
/// Nobody waits longer between two tries.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The wait after the try of that number, counted from 1: `first`, then each time twice as long, up to `longest`.
#[must_use]
pub fn backoff(first: Duration, number: u32, longest: Duration) -> Duration {
    let doublings = number.saturating_sub(1);
    first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest)
}

/// What follows a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    left: u32,
    backoff: Duration,
}

impl Retries {
    /// None: a call that fails has failed.
    pub const NONE: Self = Self {
        left: 0,
        backoff: Duration::ZERO,
    };

    /// So many more tries, the first of them after `backoff`; each waits twice as long as the one before.
    ///
    /// # Errors
    /// `Invalid` for more than 20 tries or a wait of more than an hour.
    pub fn new(left: u32, backoff: Duration) -> Result<Self, Error> {
        if left > MOST || backoff > LONGEST {
            return Err(Error::invalid(
                "a call may be tried again 20 times, and the first wait may be an hour: ask for less",
            ));
        }
        Ok(Self { left, backoff })
    }

    /// How many more tries there may be.
    #[must_use]
    pub fn left(self) -> u32 {
        self.left
    }

    /// How long the next try waits.
    #[must_use]
    pub fn backoff(self) -> Duration {
        self.backoff
    }

    /// What comes after a try that ended like this.
    #[must_use]
    pub fn after(self, outcome: &Outcome) -> Next {
        match (outcome, self.left) {
            (Outcome::Succeeded { .. } | Outcome::Cancelled, _) => Next::Nothing,
            (_, 0) => Next::Dead,
            (_, left) => Next::Again {
                wait: self.backoff,
                then: Self {
                    left: left - 1,
                    backoff: self.backoff.saturating_mul(2).min(LONGEST),
                },
            },
        }
    }
}

/// What comes after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Nothing,
    /// One more, after a wait.
    Again {
        /// How long.
        wait: Duration,
        /// What follows that one.
        then: Retries,
    },
    /// It failed, and nothing follows: somebody should look at it.
    Dead,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Outcome {
        Outcome::Failed {
            kind: "raised",
            message: String::new(),
        }
    }

    #[test]
    fn each_try_waits_twice_as_long_until_none_is_left() {
        let mut retries = Retries::new(3, Duration::from_secs(1)).expect("few");
        let mut waits = Vec::new();
        while let Next::Again { wait, then } = retries.after(&failed()) {
            waits.push(wait.as_secs());
            retries = then;
        }
        assert_eq!(waits, [1, 2, 4]);
        assert_eq!(retries.after(&failed()), Next::Dead);
        let error = Outcome::Error { message: String::new() };
        assert_eq!(Retries::NONE.after(&error), Next::Dead);
    }

    #[test]
    fn what_succeeded_or_was_cancelled_is_done() {
        let retries = Retries::new(3, Duration::ZERO).expect("few");
        for outcome in [Outcome::Succeeded { status: 500 }, Outcome::Cancelled] {
            assert_eq!(retries.after(&outcome), Next::Nothing);
        }
    }

    #[test]
    fn tries_and_waits_are_bounded() {
        assert!(Retries::new(21, Duration::ZERO).is_err());
        assert!(Retries::new(1, Duration::from_secs(3_601)).is_err());
        let long = Retries::new(2, LONGEST).expect("the longest");
        assert!(matches!(long.after(&failed()), Next::Again { then, .. } if then.backoff() == LONGEST));
    }
}
