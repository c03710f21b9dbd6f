//! Cron patterns and time zones. The only file that knows croner and jiff: both are pure calculation, and the zones are
//! built in, so that a schedule means the same on every machine.
//!
//! When clocks change, a time of day that does not exist is due at the first moment after the gap, and one that exists
//! twice is due at its first; patterns with a `*` in minute or hour go by elapsed time and meet both halves.

use crate::domain::{Error, Timestamp};
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Longer patterns say nothing that a shorter one could not. Unit: bytes.
const LONGEST: usize = 256;

/// A cron pattern in a time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
    zone_name: String,
    zone: TimeZone,
}

/// The same if they say the same: what they were parsed into follows from that.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.zone_name) == (&other.text, &other.zone_name)
    }
}

impl Eq for Cron {}

impl Cron {
    pub(super) fn parse(text: &str, zone: &str) -> Result<Self, Error> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let zone = time_zone(zone)?;
        Ok(Self {
            pattern: pattern(&text)?,
            text,
            zone_name: zone.iana_name().unwrap_or("UTC").to_owned(),
            zone,
        })
    }

    /// The pattern, with single blanks.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.text
    }

    /// The name of its time zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The first match after `after`, to the second; `None` when there is none in this millennium and the next two.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = jiff::Timestamp::from_millisecond(after.as_millis()).ok()?;
        let after = after.to_zoned(self.zone.clone());
        let found = self.pattern.find_next_occurrence(&after, false).ok()?;
        Some(stamp(&found))
    }
}

/// A moment as people write it: `2026-01-31T03:00:00Z`, or without an offset, then in `zone`.
///
/// # Errors
/// `Error::Invalid` when it cannot be read, or is ambiguous or missing because clocks change.
pub fn moment(text: &str, zone: &str) -> Result<Timestamp, Error> {
    if let Ok(exact) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(exact.as_millisecond()));
    }
    let wrong = || {
        Error::invalid(format!(
            "`{}` is no moment: write it as 2026-01-31T03:00:00Z, or as 2026-01-31T03:00 in the time zone",
            text.escape_debug()
        ))
    };
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    let exact = time_zone(zone)?.to_ambiguous_zoned(local).unambiguous();
    exact.map(|zoned| stamp(&zoned)).map_err(|_| {
        Error::invalid(format!(
            "`{text}` does not exist exactly once in {zone}: clocks change then, so write it with its offset"
        ))
    })
}

/// A moment as clocks in `zone` show it: `2026-01-31 04:00:00 CET`; `None` when there is no such zone.
#[must_use]
pub fn local_time(at: Timestamp, zone: &str) -> Option<String> {
    let exact = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    let zoned = exact.to_zoned(time_zone(zone).ok()?);
    Some(zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
}

fn stamp(zoned: &Zoned) -> Timestamp {
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

fn time_zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| {
        Error::invalid(format!(
            "there is no time zone `{}`: write it as Europe/Paris or UTC",
            name.escape_debug()
        ))
    })
}

fn pattern(text: &str) -> Result<croner::Cron, Error> {
    let wrong = |why: &str| {
        Error::invalid(format!(
            "`{}` is no cron pattern: {why}; write five fields (minute hour day month weekday), six with seconds first, or a word such as @hourly",
            text.escape_debug()
        ))
    };
    if text.len() > LONGEST {
        return Err(wrong("it is longer than 256 bytes"));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        // `5/10`, which elsewhere means from 5 on.
        .sloppy_ranges(true)
        .build();
    parser.parse(text).map_err(|e| wrong(&e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Timestamp {
        moment(text, "UTC").expect(text)
    }

    /// The times that follow `after`, in UTC.
    fn next(pattern: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
        let cron = Cron::parse(pattern, zone).expect(pattern);
        let mut at = ms(after);
        let mut found = Vec::new();
        for _ in 0..n {
            at = cron.next(at).expect("a time");
            let text = jiff::Timestamp::from_millisecond(at.as_millis()).expect("in range");
            found.push(text.to_string());
        }
        found
    }

    #[test]
    fn patterns_mean_what_they_mean_elsewhere() {
        for (pattern, after, expect) in [
            ("0 3 * * *", "2026-01-31T03:00:00Z", "2026-02-01T03:00:00Z"),
            ("0 3 * * *", "2026-01-31T02:59:59.999Z", "2026-01-31T03:00:00Z"),
            ("*/15 * * * *", "2026-01-31T03:01:00Z", "2026-01-31T03:15:00Z"),
            ("30 0 3 * * *", "2026-01-31T03:00:00Z", "2026-01-31T03:00:30Z"),
            ("5/20 * * * *", "2026-01-31T03:06:00Z", "2026-01-31T03:25:00Z"),
            ("0 0 L * *", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 * * fri#1", "2026-01-03T00:00:00Z", "2026-02-06T00:00:00Z"),
            ("0 0 * JAN mon", "2026-02-01T00:00:00Z", "2027-01-04T00:00:00Z"),
            ("0 0 13 * 5", "2026-01-03T00:00:00Z", "2026-01-09T00:00:00Z"),
            ("0 0 * * 7", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("@hourly", "2026-01-31T03:01:00Z", "2026-01-31T04:00:00Z"),
            ("@weekly", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("@yearly", "2026-01-31T03:01:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(next(pattern, "UTC", after, 1), [expect], "{pattern} after {after}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "1,".repeat(200) + "1 * * * *";
        for bad in [
            "",
            "*",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "*/0 * * * *",
            "30-20 * * * *",
            "a b c d e",
            "@often",
            "0 0 0 1 1 * 2030",
            &long,
        ] {
            assert!(Cron::parse(bad, "UTC").is_err(), "{bad}");
        }
        assert!(Cron::parse("* * * * *", "Mars/Olympus").is_err());
    }

    #[test]
    fn a_pattern_that_never_matches_has_no_time_and_says_so_soon() {
        let cron = Cron::parse("0 0 31 2 *", "Europe/Paris").expect("it can be read");
        assert_eq!(cron.next(ms("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_time_that_spring_leaves_out_is_due_right_after_and_once() {
        let got = next("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", 2);
        assert_eq!(got, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_time_that_autumn_has_twice_is_due_once() {
        let got = next("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2);
        assert_eq!(got, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn every_half_hour_goes_on_every_half_hour_while_clocks_change() {
        for after in ["2026-10-24T23:00:00Z", "2026-03-28T23:30:00Z"] {
            let got = next("*/30 * * * *", "Europe/Paris", after, 8);
            let at: Vec<i64> = got.iter().map(|t| ms(t).as_millis()).collect();
            assert!(at.windows(2).all(|two| two[1] - two[0] == 1_800_000), "{got:?}");
        }
    }

    #[test]
    fn zones_hold_their_own_midnight() {
        assert_eq!(
            next("0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", 1),
            ["2026-01-01T18:15:00Z"]
        );
        assert_eq!(
            next("0 0 * * *", "america/new_york", "2026-07-01T00:00:00Z", 1),
            ["2026-07-01T04:00:00Z"]
        );
    }

    /// A cheap sequence of numbers that look random; the same in every run.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |x| {
            Some(
                x.wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407),
            )
        })
        .skip(1)
        .map(|x| x >> 33)
    }

    #[test]
    fn whatever_the_pattern_each_time_is_later_matches_and_skips_none() {
        let zones = [
            "UTC",
            "Europe/Paris",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
        ];
        let mut number = numbers(7);
        let mut draw = |below: u64| number.next().unwrap_or(0) % below;
        for _ in 0..400 {
            let text = match draw(4) {
                0 => format!("{} {} * * *", draw(60), draw(24)),
                1 => format!("*/{} * * * *", 1 + draw(59)),
                2 => format!("{} * * * {}", draw(60), draw(7)),
                _ => format!("{} {} {} {} *", draw(60), draw(24), 1 + draw(28), 1 + draw(12)),
            };
            let zone = zones[usize::try_from(draw(5)).unwrap_or(0)];
            let cron = Cron::parse(&text, zone).expect("a pattern");
            let after =
                Timestamp::from_millis(1_700_000_000_000 + i64::try_from(draw(1 << 31)).unwrap_or(0) * 1_000 + 1);
            let found = cron.next(after).expect("a time");
            assert!(found > after && found.as_millis() % 1_000 == 0, "{text} {zone}");
            let between = Timestamp::from_millis((found.as_millis() + after.as_millis()) / 2);
            assert_eq!(
                cron.next(between.max(after)),
                Some(found),
                "{text} {zone}: nothing lies between"
            );
            assert!(cron.next(found) > Some(found), "{text} {zone}");
        }
    }

    #[test]
    fn moments_are_read_with_an_offset_or_in_the_zone() {
        assert_eq!(
            moment("2026-01-31T04:00:00+01:00", "UTC").ok(),
            Some(ms("2026-01-31T03:00:00Z"))
        );
        assert_eq!(
            moment("2026-07-31 04:00", "Europe/Paris").ok(),
            Some(ms("2026-07-31T02:00:00Z"))
        );
        for bad in ["", "tomorrow", "2026-13-01", "2026-03-29T02:30", "2026-10-25T02:30"] {
            assert!(moment(bad, "Europe/Paris").is_err(), "{bad}");
        }
    }
}
