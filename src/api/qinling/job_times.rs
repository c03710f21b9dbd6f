//! When a job is due, as this API says it: cron patterns with the seconds last, and times at least a minute ahead. Pure.

use super::attributes::Body;
use super::fault::Fault;
use super::time;
use crate::domain::{Schedule, Timestamp};
use std::time::Duration;

/// How far ahead a time must be. Unit: milliseconds.
const AHEAD_MS: i64 = 60_000;

/// When a new job is due and how often.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) schedule: Schedule,
    pub(super) first: Timestamp,
    /// `None`: without end.
    pub(super) count: Option<u32>,
}

impl Times {
    /// Reads the attributes `pattern`, `first_execution_time` and `count`. An empty text is none.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub(super) fn read(body: &Body, now: Timestamp) -> Result<Self, Fault> {
        let text = |name| body.text(name).filter(|text| !text.is_empty());
        let count = body.integer("count");
        let at = text("first_execution_time").map(|text| future(text, now)).transpose()?;
        match (text("pattern"), at) {
            (None, None) => Err(Fault::bad("pattern or first_execution_time must be specified.")),
            (None, Some(at)) => once(at, count),
            (Some(pattern), at) => recurring(pattern, at, count, now),
        }
    }
}

fn once(at: Timestamp, count: Option<i64>) -> Result<Times, Fault> {
    if count.is_some_and(|count| count > 1) {
        return Err(Fault::bad("pattern must be provided if count is greater than 1."));
    }
    Ok(Times {
        schedule: Schedule::Once(at),
        first: at,
        count: Some(1),
    })
}

/// The first time is a match of the pattern, with a first time given the next one after a minute before it.
fn recurring(text: &str, at: Option<Timestamp>, count: Option<i64>, now: Timestamp) -> Result<Times, Fault> {
    let schedule = schedule(text)?;
    let after = at.map_or(now, |at| at.minus(Duration::from_millis(AHEAD_MS.unsigned_abs())));
    let first = schedule.next(after).ok_or_else(|| not_valid(text))?;
    // None left to count down from is one run; fewer are without end.
    let count = count.filter(|count| *count >= 0);
    let count = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX).max(1));
    Ok(Times { schedule, first, count })
}

/// Reads a time that must be at least a minute ahead.
///
/// # Errors
/// 400 for what is no time, or too soon.
pub(super) fn future(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    let at = time::parse(text)?;
    check_future(at, now)?;
    Ok(at)
}

/// # Errors
/// 400 for a time less than a minute ahead.
pub(super) fn check_future(at: Timestamp, now: Timestamp) -> Result<(), Fault> {
    if at.as_millis() >= now.as_millis().saturating_add(AHEAD_MS) {
        return Ok(());
    }
    Err(Fault::bad("Execution time must be at least 1 minute in the future."))
}

/// A pattern of five fields, or of six with the seconds last. Source: the contract's section 2.7.
///
/// # Errors
/// 400 for anything else, and for a pattern that never matches.
pub(super) fn schedule(pattern: &str) -> Result<Schedule, Fault> {
    let fields: Vec<_> = pattern.split_whitespace().collect();
    let core = match fields.as_slice() {
        [_, _, _, _, _] => fields.join(" "),
        [head @ .., seconds] if head.len() == 5 => format!("{seconds} {}", head.join(" ")),
        _ => return Err(not_valid(pattern)),
    };
    if !fields
        .iter()
        .zip(LETTERS)
        .all(|(field, letters)| is_plain(field, letters))
    {
        return Err(not_valid(pattern));
    }
    let schedule = Schedule::cron(&core, "UTC").map_err(|_| not_valid(pattern))?;
    match schedule.next(Timestamp::from_millis(0)) {
        Some(_) => Ok(schedule),
        None => Err(not_valid(pattern)),
    }
}

/// Which letters a field may have: the last day of a month, names of months and of weekdays.
const LETTERS: [&str; 6] = ["", "", "l", "abcdefgjlmnoprstuvy", "adefhimnorstuw", ""];

/// The core's patterns say more than upstream's: what those cannot say is refused.
fn is_plain(field: &str, letters: &str) -> bool {
    field
        .chars()
        .all(|c| c.is_ascii_digit() || "*,-/#".contains(c) || letters.contains(c.to_ascii_lowercase()))
}

fn not_valid(pattern: &str) -> Fault {
    Fault::bad(format!("The specified pattern is not valid: {pattern}"))
}

/// The pattern of a schedule, with the seconds last; `None` when it has none.
pub(super) fn pattern(schedule: &Schedule) -> Option<String> {
    let Schedule::Cron(cron) = schedule else {
        return None;
    };
    let fields: Vec<_> = cron.pattern().split(' ').collect();
    match fields.as_slice() {
        [seconds, rest @ ..] if rest.len() == 5 => Some(format!("{} {seconds}", rest.join(" "))),
        _ => Some(fields.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::{Attribute, Kind, writable};
    use super::*;

    const SOME: [Attribute; 3] = [
        writable("pattern", Kind::Text),
        writable("first_execution_time", Kind::Text),
        writable("count", Kind::Integer),
    ];

    /// 2030-01-02T03:04:05Z, a Wednesday.
    fn now() -> Timestamp {
        time::parse("2030-01-02T03:04:05").expect("a time")
    }

    fn read(body: &str) -> Result<Times, Fault> {
        Times::read(&Body::read("job", &SOME, body.as_bytes()).expect(body), now())
    }

    #[test]
    fn the_first_time_follows_from_what_was_given() {
        for (body, first, count) in [
            (
                r#"{"first_execution_time":"2031-01-01"}"#,
                "2031-01-01T00:00:00Z",
                Some(1),
            ),
            (
                r#"{"first_execution_time":"2031-01-01","count":0}"#,
                "2031-01-01T00:00:00Z",
                Some(1),
            ),
            (
                r#"{"first_execution_time":"2030-01-02T03:05:05"}"#,
                "2030-01-02T03:05:05Z",
                Some(1),
            ),
            (r#"{"pattern":"0 * * * *"}"#, "2030-01-02T04:00:00Z", None),
            (
                r#"{"pattern":"* * * * * 30","count":"2"}"#,
                "2030-01-02T03:04:30Z",
                Some(2),
            ),
            (r#"{"pattern":"0 * * * *","count":0}"#, "2030-01-02T04:00:00Z", Some(1)),
            (r#"{"pattern":"0 * * * *","count":-1}"#, "2030-01-02T04:00:00Z", None),
            (
                r#"{"pattern":"*/5 * * * *","first_execution_time":"2031-01-01T00:00:59"}"#,
                "2031-01-01T00:00:00Z",
                None,
            ),
            (
                r#"{"pattern":"*/5 * * * *","first_execution_time":"2031-01-01T00:01:00"}"#,
                "2031-01-01T00:05:00Z",
                None,
            ),
        ] {
            let times = read(body).expect(body);
            assert_eq!(
                (time::show(times.first).as_str(), times.count),
                (first, count),
                "{body}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_upstreams_words() {
        let soon = "Execution time must be at least 1 minute in the future.";
        for (body, sentence) in [
            ("{}", "pattern or first_execution_time must be specified."),
            (
                r#"{"pattern":"","count":2}"#,
                "pattern or first_execution_time must be specified.",
            ),
            (r#"{"first_execution_time":"2030-01-02T03:05:04"}"#, soon),
            (r#"{"first_execution_time":"zzz"}"#, "Unknown string format: zzz"),
            (
                r#"{"first_execution_time":"2031-01-01","count":2}"#,
                "pattern must be provided if count is greater than 1.",
            ),
            (r#"{"pattern":"x"}"#, "The specified pattern is not valid: x"),
        ] {
            assert_eq!(read(body).expect_err(body).message, sentence);
        }
    }

    #[test]
    fn patterns_are_upstreams_and_are_shown_as_they_came() {
        for good in [
            "*/15 * * * *",
            "0 0 L * *",
            "0 0 * * fri#1",
            "0 0 * JAN-mar Mon,WED",
            "5/20 * * * *",
            "* * * * * 30",
            "0 12 * * 7 */10",
        ] {
            assert_eq!(pattern(&schedule(good).expect(good)).as_deref(), Some(good));
        }
        let spaced = schedule(" 0  0 * * *").expect("blanks are no matter");
        assert_eq!(pattern(&spaced).as_deref(), Some("0 0 * * *"));
        for bad in [
            "@daily",
            "? * * * *",
            "* * * *",
            "* * * * * * *",
            "60 * * * *",
            "30-20 * * * *",
            "*/0 * * * *",
            "0 0 15W * *",
            "0 0 31 2 *",
            "0 0 * * 5L",
            "",
        ] {
            let sentence = format!("The specified pattern is not valid: {bad}");
            assert_eq!(schedule(bad).expect_err(bad).message, sentence);
        }
    }
}
