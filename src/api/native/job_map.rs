//! Between the jobs of the wire and those of the house: pure functions.
//!
//! Asks nobody anything; names and the time are handed in.

use super::job_wire as wire;
use crate::domain::{Error, Job, JobState, Missed, Overlap, Schedule, Timestamp};
use crate::store::AsyncInput;
use std::time::Duration;

/// The schedule that is asked for; `None` when none is.
pub(super) fn schedule(sent: &wire::JobSettings, now: Timestamp) -> Result<Option<Schedule>, Error> {
    if sent.tz.is_some() && sent.cron.is_none() {
        return Err(Error::invalid("`tz` is the time zone of `cron`: give both"));
    }
    let zone = sent.tz.as_deref().unwrap_or("UTC");
    match (sent.cron.as_deref(), sent.every_ms, sent.at_ms) {
        (None, None, None) => Ok(None),
        (Some(pattern), None, None) => Schedule::cron(pattern, zone).map(Some),
        (None, Some(interval), None) => {
            let interval = Duration::from_millis(interval);
            let from = sent.first_at_ms.map(Timestamp::from_millis);
            Schedule::every(interval, from.unwrap_or_else(|| now.plus(interval))).map(Some)
        }
        (None, None, Some(at)) => Ok(Some(Schedule::Once(Timestamp::from_millis(at)))),
        _ => Err(Error::invalid(
            "give one of `cron`, `every_ms` and `at_ms`, not several",
        )),
    }
}

/// An input, checked.
pub(super) fn input(sent: wire::JobInput) -> Result<AsyncInput, Error> {
    http::Method::from_bytes(sent.method.as_bytes()).map_err(|_| Error::invalid("`method` is no HTTP method"))?;
    if !sent.path.starts_with('/') {
        return Err(Error::invalid("`path` begins with `/`"));
    }
    let (path, query) = sent.path.split_once('?').unwrap_or((&sent.path, ""));
    let headers = sent.headers.iter().map(|(name, value)| header(name, value));
    Ok(AsyncInput {
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.collect::<Result<_, _>>()?,
        method: sent.method,
        body: sent.body.into_bytes(),
    })
}

fn header(name: &str, value: &str) -> Result<(String, String), Error> {
    let wrong = |_| Error::invalid(format!("`{}` is no header, or its value is none", name.escape_debug()));
    let checked = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(()))?;
    http::HeaderValue::from_str(value).map_err(|_| wrong(()))?;
    Ok((checked.as_str().to_owned(), value.to_owned()))
}

/// An input as it is shown.
pub(super) fn input_view(input: AsyncInput) -> wire::JobInput {
    let path = match input.query.as_str() {
        "" => input.path,
        query => format!("{}?{query}", input.path),
    };
    wire::JobInput {
        method: input.method,
        path,
        headers: input.headers.into_iter().collect(),
        body: String::from_utf8_lossy(&input.body).into_owned(),
    }
}

/// A job; `function` is its function's name, if it is still there.
pub(super) fn job(job: &Job, function: Option<String>) -> wire::JobView {
    let (cron, every_ms, at_ms) = match &job.schedule {
        Schedule::Cron(cron) => (Some(cron), None, None),
        Schedule::Every(every) => (None, u64::try_from(every.interval().as_millis()).ok(), None),
        Schedule::Once(at) => (None, None, Some(at.as_millis())),
        Schedule::Unreadable { .. } => (None, None, None),
    };
    wire::JobView {
        id: job.id.to_string(),
        namespace: job.namespace.to_string(),
        name: job.name.clone(),
        function: function.unwrap_or_else(|| job.function.to_string()),
        selector: job.selector.to_string(),
        cron: cron.map(|c| c.pattern().to_owned()),
        tz: cron.map(|c| c.zone().to_owned()),
        every_ms,
        at_ms,
        first_at_ms: job.first_at.map(Timestamp::as_millis),
        count: job.count,
        state: state(job.state),
        reason: job.reason.clone(),
        missed: missed(job.missed),
        overlap: overlap(job.overlap),
        next_at_ms: job.next_at.map(Timestamp::as_millis),
        last_at_ms: job.last_at.map(Timestamp::as_millis),
        last_execution: job.last_execution.map(|id| id.to_string()),
        failures: job.failures,
        created_at_ms: job.created_at.as_millis(),
        updated_at_ms: job.updated_at.as_millis(),
    }
}

fn state(state: JobState) -> wire::JobState {
    match state {
        JobState::Active => wire::JobState::Active,
        JobState::Paused => wire::JobState::Paused,
        JobState::Done => wire::JobState::Done,
        JobState::Cancelled => wire::JobState::Cancelled,
        JobState::Failed => wire::JobState::Failed,
    }
}

/// A state as somebody asked for it.
pub(super) fn state_from(state: wire::JobState) -> JobState {
    match state {
        wire::JobState::Active => JobState::Active,
        wire::JobState::Paused => JobState::Paused,
        wire::JobState::Done => JobState::Done,
        wire::JobState::Cancelled => JobState::Cancelled,
        wire::JobState::Failed => JobState::Failed,
    }
}

fn missed(missed: Missed) -> wire::Missed {
    match missed {
        Missed::Skip => wire::Missed::Skip,
        Missed::Once => wire::Missed::Once,
    }
}

/// A policy as somebody asked for it.
pub(super) fn missed_from(missed: wire::Missed) -> Missed {
    match missed {
        wire::Missed::Skip => Missed::Skip,
        wire::Missed::Once => Missed::Once,
    }
}

fn overlap(overlap: Overlap) -> wire::Overlap {
    match overlap {
        Overlap::Allow => wire::Overlap::Allow,
        Overlap::Skip => wire::Overlap::Skip,
    }
}

/// A policy as somebody asked for it.
pub(super) fn overlap_from(overlap: wire::Overlap) -> Overlap {
    match overlap {
        wire::Overlap::Allow => Overlap::Allow,
        wire::Overlap::Skip => Overlap::Skip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cron: Option<&str>, tz: Option<&str>, every: Option<u64>, at: Option<i64>) -> wire::JobSettings {
        wire::JobSettings {
            cron: cron.map(str::to_owned),
            tz: tz.map(str::to_owned),
            every_ms: every,
            at_ms: at,
            ..wire::JobSettings::default()
        }
    }

    #[test]
    fn one_schedule_is_taken_and_several_or_half_of_one_are_refused() {
        let now = Timestamp::from_millis(5_000);
        let read = |s: &wire::JobSettings| schedule(s, now);
        assert_eq!(read(&sent(None, None, None, None)).expect("none"), None);
        for (settings, stored) in [
            (
                sent(Some("0 3 * * *"), Some("Europe/Paris"), None, None),
                "cron Europe/Paris 0 3 * * *",
            ),
            (sent(Some("@daily"), None, None, None), "cron UTC @daily"),
            (sent(None, None, Some(1_000), None), "every 1000 6000"),
            (sent(None, None, None, Some(7)), "at 7"),
        ] {
            let schedule = read(&settings).expect(stored).expect("one");
            assert_eq!(schedule.to_string(), stored);
        }
        for bad in [
            sent(Some("0 3 * * *"), None, Some(1_000), None),
            sent(None, None, Some(1_000), Some(7)),
            sent(None, Some("UTC"), Some(1_000), None),
            sent(Some("x"), None, None, None),
            sent(None, None, Some(1), None),
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_input_goes_there_and_back_and_nonsense_is_refused() {
        let good = wire::JobInput {
            path: "/a?b=c".to_owned(),
            headers: [("x-a".to_owned(), "1".to_owned())].into(),
            body: "{}".to_owned(),
            ..wire::JobInput::default()
        };
        let read = input(good.clone()).expect("good");
        assert_eq!((read.path.as_str(), read.query.as_str()), ("/a", "b=c"));
        assert_eq!(input_view(read), good);
        let with = |method: &str, path: &str, name: &str, value: &str| wire::JobInput {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: [(name.to_owned(), value.to_owned())].into(),
            body: String::new(),
        };
        for bad in [
            with("G T", "/", "a", "b"),
            with("GET", "a", "a", "b"),
            with("GET", "/", "a b", "c"),
            with("GET", "/", "a", "b\n"),
        ] {
            assert!(input(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
