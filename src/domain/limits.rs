//! What a function may use. Each value is within its range once it exists.

use super::Error;
use std::time::Duration;

/// Memory of one worker, enforced by the engine (swap is off).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory(u32);

impl Memory {
    /// Unit: MiB, 32 to 65,536.
    ///
    /// # Errors
    /// `Error::Invalid` outside the range.
    pub fn from_mib(mib: u32) -> Result<Self, Error> {
        in_range("memory", mib, 32..=65_536, "MiB").map(Self)
    }

    /// Unit: MiB.
    #[must_use]
    pub fn mib(self) -> u32 {
        self.0
    }

    /// Unit: bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0) * 1024 * 1024
    }
}

/// The most of the machine's processors that one worker gets, enforced by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(u32);

impl Cpu {
    /// Unit: thousandths of a core, 10 to 64,000.
    ///
    /// # Errors
    /// `Error::Invalid` outside the range.
    pub fn from_millis(millis: u32) -> Result<Self, Error> {
        in_range("cpu", millis, 10..=64_000, "thousandths of a core").map(Self)
    }

    /// Unit: thousandths of a core.
    #[must_use]
    pub fn millis(self) -> u32 {
        self.0
    }
}

/// How long one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(Duration);

impl Timeout {
    /// Unit: milliseconds, 1 to 3,600,000.
    ///
    /// # Errors
    /// `Error::Invalid` outside the range.
    pub fn from_millis(millis: u32) -> Result<Self, Error> {
        in_range("timeout", millis, 1..=3_600_000, "ms").map(|ms| Self(Duration::from_millis(u64::from(ms))))
    }

    /// The time itself.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Unit: milliseconds.
    #[must_use]
    pub fn millis(self) -> u32 {
        u32::try_from(self.0.as_millis()).unwrap_or(u32::MAX)
    }
}

/// How many calls one worker serves at once: its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Concurrency(u16);

impl Concurrency {
    /// Unit: calls, 1 to 100.
    ///
    /// # Errors
    /// `Error::Invalid` outside the range.
    pub fn new(slots: u16) -> Result<Self, Error> {
        in_range("concurrency", u32::from(slots), 1..=100, "calls").map(|_| Self(slots))
    }

    /// Unit: calls.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

/// How many workers a revision keeps and may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scale {
    min: u16,
    max: u16,
}

impl Scale {
    /// Unit: workers; `max` 1 to 100, `min` 0 to `max`.
    ///
    /// # Errors
    /// `Error::Invalid` outside the ranges.
    pub fn new(min: u16, max: u16) -> Result<Self, Error> {
        in_range("max workers", u32::from(max), 1..=100, "workers")?;
        in_range(
            "min workers",
            u32::from(min),
            0..=u32::from(max),
            "workers (not above max workers)",
        )?;
        Ok(Self { min, max })
    }

    /// Workers kept even when idle.
    #[must_use]
    pub fn min(self) -> u16 {
        self.min
    }

    /// Workers at most.
    #[must_use]
    pub fn max(self) -> u16 {
        self.max
    }
}

/// What a function may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The outside, but no other worker.
    Outbound,
    /// Nothing.
    None,
}

/// Everything a revision may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Memory of one worker.
    pub memory: Memory,
    /// How long one call may take.
    pub timeout: Timeout,
    /// Calls at once in one worker.
    pub concurrency: Concurrency,
    /// Workers kept and allowed.
    pub scale: Scale,
    /// What it may reach.
    pub network: Network,
    /// Processor time of one worker while it serves; `None`: what the machine has.
    pub cpu: Option<Cpu>,
    /// Which calls it takes.
    pub intake: Intake,
}

/// Which calls a revision takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Intake {
    /// How long a call waits for a busy worker; `None`: as long as any function's.
    pub wait: Option<Duration>,
    /// Largest request body; `None`: as large as any function's. Unit: bytes.
    pub body: Option<u64>,
    /// Takes none at all.
    pub closed: bool,
    /// Takes those from outside by TLS only; who comes without it is led there.
    pub secure_only: bool,
}

fn in_range(what: &str, value: u32, range: std::ops::RangeInclusive<u32>, unit: &str) -> Result<u32, Error> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start(), range.end());
    Err(Error::invalid(format!(
        "{what} {value} is out of range: use {low} to {high} {unit}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_their_ranges() {
        assert!(Memory::from_mib(31).is_err() && Memory::from_mib(32).is_ok());
        assert!(Cpu::from_millis(9).is_err() && Cpu::from_millis(64_001).is_err() && Cpu::from_millis(10).is_ok());
        assert!(Timeout::from_millis(0).is_err() && Timeout::from_millis(3_600_001).is_err());
        assert!(Concurrency::new(0).is_err() && Concurrency::new(101).is_err());
        assert!(Scale::new(2, 1).is_err() && Scale::new(0, 0).is_err() && Scale::new(1, 1).is_ok());
    }
}
