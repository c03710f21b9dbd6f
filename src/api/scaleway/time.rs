//! Times as the newer roots write them: UTC, to the microsecond.

use crate::domain::Timestamp;
use chrono::DateTime;

/// `2025-01-02T03:04:05.678000Z`
pub(super) fn show(at: Timestamp) -> String {
    let time = DateTime::from_timestamp_millis(at.as_millis()).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_six_digits_behind_the_point() {
        let at = Timestamp::from_millis(1_735_787_045_678);
        assert_eq!(show(at), "2025-01-02T03:04:05.678000Z");
    }
}
