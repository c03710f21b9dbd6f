//! Times as this API writes and reads them: UTC, whole seconds.

use super::fault::Fault;
use crate::domain::Timestamp;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// `YYYY-MM-DDTHH:MM:SSZ`.
pub(super) fn show(at: Timestamp) -> String {
    let time = DateTime::from_timestamp_millis(at.as_millis()).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same for a time that is kept as UTC milliseconds.
pub(super) fn show_millis(millis: i64) -> String {
    show(Timestamp::from_millis(millis))
}

/// Forms of a date with a time, the ordinary one first.
const WITH_TIME: [&str; 8] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%b %d %Y %H:%M:%S",
    "%b %d %Y %H:%M",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M",
];
/// Forms of a date alone, which means its midnight.
const DATE_ONLY: [&str; 6] = ["%Y-%m-%d", "%Y/%m/%d", "%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y"];

/// Reads a time in one of the usual forms. A zone or offset in it is dropped and the clock's reading taken as UTC,
/// as upstream does.
///
/// # Errors
/// 400 that shows the text.
pub(super) fn parse(text: &str) -> Result<Timestamp, Fault> {
    let wanted = without_zone(text.trim());
    let wanted = wanted.replace(',', " ");
    let wanted = wanted.split_whitespace().collect::<Vec<_>>().join(" ");
    let with_time = WITH_TIME
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&wanted, form).ok());
    let date = || {
        DATE_ONLY
            .iter()
            .find_map(|form| NaiveDate::parse_from_str(&wanted, form).ok())
    };
    let found = with_time.or_else(|| date().map(|day| day.and_time(NaiveTime::MIN)));
    let found = found.ok_or_else(|| Fault::bad(format!("Unknown string format: {text}")))?;
    Ok(Timestamp::from_millis(found.and_utc().timestamp_millis()))
}

/// Cuts `Z`, `+05:00`, `-0800` and ` UTC` off a text that has a time of day.
fn without_zone(text: &str) -> &str {
    let text = text.trim_end_matches(['Z', 'z']).trim_end();
    let text = text
        .strip_suffix("UTC")
        .or_else(|| text.strip_suffix("GMT"))
        .unwrap_or(text)
        .trim_end();
    let Some(colon) = text.find(':') else { return text };
    match text[colon..].find(['+', '-']) {
        Some(sign) => text[..colon + sign].trim_end(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_many_forms_and_shown_in_one() {
        for (text, shown) in [
            ("2036-01-01T00:00:00+05:00", "2036-01-01T00:00:00Z"),
            ("2036-01-01T10:30:00Z", "2036-01-01T10:30:00Z"),
            ("2030-01-01", "2030-01-01T00:00:00Z"),
            ("2030-01-01 10:00", "2030-01-01T10:00:00Z"),
            ("2030-01-01 10:00:07.5", "2030-01-01T10:00:07Z"),
            ("Jan 5 2031", "2031-01-05T00:00:00Z"),
            ("Jan 5, 2031 07:08", "2031-01-05T07:08:00Z"),
        ] {
            assert_eq!(show(parse(text).expect(text)), shown, "{text}");
        }
        assert_eq!(parse("zzz").expect_err("no time").message, "Unknown string format: zzz");
    }
}
