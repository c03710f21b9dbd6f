//! When a job is due: a cron pattern in a time zone, a fixed interval, or one moment.
//!
//! Pure: a schedule answers "when after this?" and nothing else. Counting, pausing and what to do about missed times
//! are the job's. Invariant: an answer is later than what was asked about, so that a time is never due twice.

mod cron;

pub use cron::{Cron, local_time, moment};

use super::{Error, Timestamp};
use std::fmt;
use std::time::Duration;

/// The shortest interval; below it a job would be a loop.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest interval.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// When a job is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At the times a pattern matches in its time zone.
    Cron(Box<Cron>),
    /// At a moment and every interval after it.
    Every(Every),
    /// Once.
    Once(Timestamp),
    /// What another version of this program wrote and this one cannot read: never due. The text stays as it is.
    Unreadable {
        /// As it is stored.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A fixed interval, counted from a moment, so that it does not drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    interval: Duration,
    from: Timestamp,
}

impl Every {
    /// The interval. Unit: whole milliseconds.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.interval
    }

    fn next(self, after: Timestamp) -> Timestamp {
        if after < self.from {
            return self.from;
        }
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let passed = after.as_millis().saturating_sub(self.from.as_millis()) / interval;
        let ahead = passed.saturating_add(1).saturating_mul(interval);
        Timestamp::from_millis(self.from.as_millis().saturating_add(ahead))
    }
}

impl Schedule {
    /// A cron pattern of five fields, of six (seconds first), or a word such as `@hourly`, in an IANA time zone.
    ///
    /// # Errors
    /// `Error::Invalid` for a pattern or a zone that cannot be read.
    pub fn cron(pattern: &str, zone: &str) -> Result<Self, Error> {
        Cron::parse(pattern, zone).map(|cron| Self::Cron(Box::new(cron)))
    }

    /// Due at `from` and every `interval` after it.
    ///
    /// # Errors
    /// `Error::Invalid` unless the interval is between 100 ms and ten years.
    pub fn every(interval: Duration, from: Timestamp) -> Result<Self, Error> {
        if !(SHORTEST..=LONGEST).contains(&interval) {
            return Err(Error::invalid("an interval is between 100 ms and ten years long"));
        }
        let interval = Duration::from_millis(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
        Ok(Self::Every(Every { interval, from }))
    }

    /// The first time after `after`; `None` when there is none.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = match self {
            Self::Cron(cron) => cron.next(after)?,
            Self::Every(every) => every.next(after),
            Self::Once(at) => *at,
            Self::Unreadable { .. } => return None,
        };
        (next > after).then_some(next)
    }

    /// Reads what [`Display`](fmt::Display) wrote. Never fails: what cannot be read is [`Schedule::Unreadable`].
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        let read = match text.split_once(' ') {
            Some(("cron", rest)) => read_cron(rest),
            Some(("every", rest)) => read_every(rest),
            Some(("at", rest)) => read_millis(rest).map(Self::Once),
            _ => Err(Error::invalid("it begins with no known word")),
        };
        read.unwrap_or_else(|why| Self::Unreadable {
            text: text.to_owned(),
            why: why.to_string(),
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(cron) => write!(f, "cron {} {}", cron.zone(), cron.pattern()),
            Self::Every(Every { interval, from }) => write!(f, "every {} {}", interval.as_millis(), from.as_millis()),
            Self::Once(at) => write!(f, "at {}", at.as_millis()),
            Self::Unreadable { text, .. } => f.write_str(text),
        }
    }
}

fn read_cron(text: &str) -> Result<Schedule, Error> {
    let (zone, pattern) = text
        .split_once(' ')
        .ok_or_else(|| Error::invalid("it has no pattern"))?;
    Schedule::cron(pattern, zone)
}

fn read_every(text: &str) -> Result<Schedule, Error> {
    let (interval, from) = text
        .split_once(' ')
        .ok_or_else(|| Error::invalid("it has no beginning"))?;
    let interval = read_millis(interval)?.since(Timestamp::from_millis(0));
    Schedule::every(interval, read_millis(from)?)
}

fn read_millis(text: &str) -> Result<Timestamp, Error> {
    let millis = text
        .parse()
        .map_err(|_| Error::invalid("it is no number of milliseconds"))?;
    Ok(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn times(schedule: &Schedule, after: i64, n: usize) -> Vec<i64> {
        let step = |t: &Timestamp| schedule.next(*t);
        let all = std::iter::successors(schedule.next(at(after)), step);
        all.take(n).map(Timestamp::as_millis).collect()
    }

    #[test]
    fn an_interval_is_counted_from_its_beginning_whenever_one_looks() {
        let schedule = Schedule::every(Duration::from_secs(10), at(5_000)).expect("good");
        assert_eq!(times(&schedule, 0, 3), [5_000, 15_000, 25_000]);
        assert_eq!(times(&schedule, 5_000, 1), [15_000]);
        assert_eq!(times(&schedule, 1_000_001, 1), [1_005_000], "no catching up, no drift");
        assert_eq!(times(&schedule, i64::MAX - 1, 2).len(), 1, "time ends somewhere");
    }

    #[test]
    fn once_is_once() {
        assert_eq!(times(&Schedule::Once(at(7)), 6, 5), [7]);
        assert_eq!(times(&Schedule::Once(at(7)), 7, 5), Vec::<i64>::new());
    }

    #[test]
    fn an_interval_that_is_too_short_or_too_long_is_refused() {
        for millis in [0, 99, u64::MAX] {
            assert!(
                Schedule::every(Duration::from_millis(millis), at(0)).is_err(),
                "{millis}"
            );
        }
    }

    #[test]
    fn a_schedule_is_read_as_it_is_written() {
        for text in [
            "cron UTC 0 3 * * *",
            "cron Europe/Paris @daily",
            "every 30000 1700000000000",
            "at -5",
        ] {
            let schedule = Schedule::from_stored(text);
            assert!(!matches!(schedule, Schedule::Unreadable { .. }), "{schedule:?}");
            assert_eq!(schedule.to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_read_stays_and_is_never_due() {
        for text in [
            "",
            "cron",
            "cron UTC",
            "cron Moon/Base 0 3 * * *",
            "cron UTC x",
            "every 5 0",
            "every 1000",
            "at soon",
            "tide high",
        ] {
            let schedule = Schedule::from_stored(text);
            assert!(matches!(schedule, Schedule::Unreadable { .. }), "{text}");
            assert_eq!((schedule.to_string().as_str(), schedule.next(at(0))), (text, None));
        }
    }
}
