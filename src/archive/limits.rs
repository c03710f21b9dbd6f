//! How much an archive may bring, and the meter that counts what really comes.
//!
//! Sizes an archive declares are never believed: the meter sees decoded bytes only.

use super::Error;
use super::error::shown;

/// Below this many unpacked bytes the ratio is not looked at: small files of zeros are harmless.
const RATIO_FROM: u64 = 1 << 20;

/// How much one archive may bring. All are inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links; also the entries of the archive itself, left out ones included.
    pub entries: usize,
    /// Unpacked bytes, all files together.
    pub total_bytes: u64,
    /// Unpacked bytes for each byte of the archive, looked at above 1 MiB unpacked.
    pub ratio: u64,
    /// Bytes in one path, and in one link's target.
    pub path_bytes: usize,
    /// Names in one path.
    pub depth: usize,
}

impl Default for Limits {
    /// 10,000 entries, 256 MiB, ratio 200, paths of 1,024 bytes and 32 levels.
    ///
    /// Deflate reaches a ratio of 1,030 on zeros; source code and data stay below 30.
    fn default() -> Self {
        Limits {
            entries: 10_000,
            total_bytes: 256 << 20,
            ratio: 200,
            path_bytes: 1024,
            depth: 32,
        }
    }
}

/// Counts entries and decoded bytes of one archive against its limits.
pub(super) struct Meter<'a> {
    limits: &'a Limits,
    packed: u64,
    unpacked: u64,
    entries: usize,
}

impl<'a> Meter<'a> {
    /// `packed` is the size of the archive's file in bytes.
    pub(super) fn new(limits: &'a Limits, packed: u64) -> Self {
        Meter {
            limits,
            packed: packed.max(1),
            unpacked: 0,
            entries: 0,
        }
    }

    pub(super) fn limits(&self) -> &'a Limits {
        self.limits
    }

    pub(super) fn count_entry(&mut self) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(Error::TooManyEntries { limit });
        }
        Ok(())
    }

    pub(super) fn count_bytes(&mut self, n: usize, entry: &str) -> Result<(), Error> {
        self.unpacked = self.unpacked.saturating_add(n as u64);
        let allowed = self.packed.saturating_mul(self.limits.ratio);
        let entry = || shown(entry);
        if self.unpacked > self.limits.total_bytes {
            let limit = self.limits.total_bytes;
            Err(Error::TooLarge { entry: entry(), limit })
        } else if self.unpacked > RATIO_FROM && self.unpacked > allowed {
            let limit = self.limits.ratio;
            Err(Error::Ratio { entry: entry(), limit })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        let limits = Limits {
            total_bytes: 10,
            entries: 1,
            ..Limits::default()
        };
        let mut meter = Meter::new(&limits, 1000);
        assert!(meter.count_entry().is_ok());
        assert!(meter.count_entry().is_err());
        assert!(meter.count_bytes(10, "a").is_ok());
        assert!(matches!(
            meter.count_bytes(1, "a"),
            Err(Error::TooLarge { limit: 10, .. })
        ));
    }

    #[test]
    fn the_ratio_is_looked_at_only_above_a_mebibyte() {
        let limits = Limits::default();
        let mut meter = Meter::new(&limits, 1);
        assert!(meter.count_bytes(1 << 20, "a").is_ok());
        assert!(matches!(
            meter.count_bytes(1, "a"),
            Err(Error::Ratio { limit: 200, .. })
        ));
    }
}
