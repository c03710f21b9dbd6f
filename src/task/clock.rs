//! Tells the time of day and waits for one; in tests, a time that moves when told to.
//!
//! No monotonic time: those who wait for a while use the runtime's timers, those who measure use `Instant`.

use crate::domain::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Somebody may set the machine's clock, or let it sleep, which no timer notices: so it is looked at this often.
const GLANCE: Duration = Duration::from_secs(5);

/// A source of `now`. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(watch::Sender<Timestamp>),
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `now` until it is moved.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self(Source::Manual(watch::Sender::new(now)))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual clock and all its clones forward, by whole milliseconds. The machine's clock stays as it is.
    pub fn advance(&self, duration: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.send_modify(|now| *now = now.plus(duration));
        }
    }

    /// Sets a manual clock and all its clones, to an earlier time too. The machine's clock stays as it is.
    pub fn set(&self, time: Timestamp) {
        if let Source::Manual(now) = &self.0 {
            now.send_replace(time);
        }
    }

    /// Waits until it is `at` or later: never less. May be cut off anywhere.
    pub async fn until(&self, at: Timestamp) {
        match &self.0 {
            Source::System => system_until(at).await,
            Source::Manual(now) => {
                // It cannot fail: the sender is held here.
                let _ = now.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }
}

async fn system_until(at: Timestamp) {
    loop {
        let left = at.since(system_now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(GLANCE)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that others are told to use")]
fn system_now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_manual_clock_moves_only_when_told_to() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let twin = clock.clone();
        assert_eq!(twin.now().as_millis(), 1_000);
        clock.advance(Duration::from_secs(2));
        assert_eq!(twin.now().as_millis(), 3_000);
    }

    #[tokio::test]
    async fn who_waits_for_a_time_goes_on_when_it_has_come_and_not_before() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let mut waiting = Box::pin(clock.until(Timestamp::from_millis(2_000)));
        assert!((&mut waiting).now_or_never().is_none());
        clock.set(Timestamp::from_millis(500));
        clock.advance(Duration::from_millis(1_499));
        assert!((&mut waiting).now_or_never().is_none());
        clock.advance(Duration::from_millis(1));
        assert!(waiting.now_or_never().is_some());
        let soon = Clock::system().now().plus(Duration::from_millis(3));
        Clock::system().until(soon).await;
        assert!(Clock::system().now() >= soon);
    }

    #[test]
    fn the_system_clock_is_past_2020_and_cannot_be_moved() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(Duration::from_secs(1_000_000));
        assert!(before.as_millis() > 1_577_836_800_000);
        assert!(clock.now().since(before) < Duration::from_secs(1_000));
    }
}
