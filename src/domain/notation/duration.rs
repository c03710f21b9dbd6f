//! Lengths of time as Go writes them: `300ms`, `1.5s`, `1h30m`. Pure.

use std::time::Duration;

/// Units and their length in nanoseconds; longer names before those they begin with.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads a length of time; `None` for what is none, negative ones too. A bare number is none, except `0`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, length) = UNITS.iter().find(|(unit, _)| is_unit(rest, unit))?;
        rest = &rest[unit.len()..];
        nanos += number * length;
    }
    Duration::try_from_secs_f64(nanos / 1e9).ok()
}

/// Whether the text begins with the unit and goes on with a number, if at all.
fn is_unit(text: &str, unit: &str) -> bool {
    let after = text.strip_prefix(unit);
    after.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') || rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("300ms", 300),
            ("1.5s", 1500),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1m0.5s", 60_500),
            ("0", 0),
            ("0s", 0),
            (".5s", 500),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "-1s",
            "1x",
            "s",
            "1s2",
            "1 s",
            "1..5s",
            "99999999999999999999h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
