//! How views look as text: moments, durations, tables. Pure; colours only when told.

mod doctor;
mod log;
pub(crate) use doctor::report;
mod published;
mod run;
pub(crate) use log::{Names, log_lines};
pub(crate) use published::{alias, aliases, version, versions, webhook, webhooks};
pub(crate) use run::{difference, executions, readable, run, side_by_side};

use super::table::{Cell, printable, render, state};
use crate::api::native::job_wire::{JobDetail, JobView, Missed, NextTimes, Overlap};
use crate::api::native::token_wire::TokenView;
use crate::api::native::wire::{
    DiskKindView, DiskView, EngineState, FunctionView, Network, RevisionView, RuntimeView, Status,
};
use crate::domain::{Timestamp, local_time};

/// `2026-01-31 13:05:09.123`, in UTC. Unit of `ms`: UTC milliseconds.
pub(crate) fn moment(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {}", time_of_day(rest))
}

fn time_of_day(ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{ms:03}", seconds % 60)
}

/// Year, month and day of a day since 1970-01-01: whole cycles of 400 years, counted from a first of March.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0000 = days + 719_468;
    let cycle = since_march_0000.div_euclid(146_097);
    let day = since_march_0000.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + cycle * 400 + i64::from(month <= 2);
    (year, month, day - (153 * shifted + 2) / 5 + 1)
}

/// `0.4 ms`, `12 ms`, `3.1 s`, `2 m 5 s`. Unit of `us`: microseconds.
pub(crate) fn duration(us: u64) -> String {
    let ms = us / 1000;
    match us {
        0..10_000 => format!("{}.{} ms", ms, us % 1000 / 100),
        10_000..1_000_000 => format!("{ms} ms"),
        1_000_000..60_000_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} m {} s", ms / 60_000, ms / 1000 % 60),
    }
}

fn seconds(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} m {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {minutes} m"),
        _ => format!("{days} d {hours} h"),
    }
}

/// `hob list`.
pub(crate) fn functions(list: &[FunctionView], colours: bool) -> String {
    let row = |f: &FunctionView| {
        let version = f.current.as_ref().map_or("-".to_owned(), |r| r.number.to_string());
        vec![
            Cell::from(&f.name),
            Cell::state(f.state.as_str()),
            Cell::from(version),
            Cell::from(&f.latest.runtime),
            Cell::whole(&moment(f.updated_at_ms)[..16]),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    render(
        &["NAME", "STATE", "VERSION", "RUNTIME", "UPDATED (UTC)"],
        &rows,
        colours,
    )
}

/// `hob token list`.
pub(crate) fn tokens(list: &[TokenView], colours: bool) -> String {
    let row = |t: &TokenView| {
        vec![
            Cell::from(&t.name),
            Cell::from(&t.role),
            Cell::from(&t.namespace),
            Cell::whole(&moment(t.created_at_ms)[..16]),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    render(&["NAME", "ROLE", "NAMESPACE", "CREATED (UTC)"], &rows, colours)
}

/// `hob get`.
pub(crate) fn function(f: &FunctionView, colours: bool) -> String {
    let serving = f
        .current
        .as_ref()
        .map_or("none yet".to_owned(), |r| format!("version {}", r.number));
    let mut lines = vec![
        ("name", f.name.clone()),
        ("namespace", f.namespace.clone()),
        ("state", state(f.state.as_str(), colours)),
        ("serving", serving),
        ("url", f.url.clone()),
        ("created", moment(f.created_at_ms)),
        ("updated", moment(f.updated_at_ms)),
    ];
    lines.extend(revision(&f.latest));
    pairs(&lines)
}

fn revision(r: &RevisionView) -> Vec<(&'static str, String)> {
    let l = &r.limits;
    let network = match l.network {
        Network::Outbound => "outbound",
        Network::None => "none",
    };
    let mut lines = vec![
        ("version", format!("{} ({})", r.number, r.state.as_str())),
        ("runtime", r.runtime.clone()),
        ("convention", r.convention.clone()),
        ("memory", format!("{} MiB", l.memory_mib)),
        ("timeout", duration(u64::from(l.timeout_ms) * 1000)),
        ("concurrency", format!("{} a worker", l.concurrency)),
        ("workers", format!("{} to {}", l.min_workers, l.max_workers)),
        ("network", network.to_owned()),
    ];
    lines.extend(
        Some(&r.entry)
            .filter(|e| !e.is_empty())
            .map(|entry| ("entry", entry.clone())),
    );
    lines.extend(
        l.cpu_millis
            .map(|millis| ("cpu", format!("{} cores", f64::from(millis) / 1000.0))),
    );
    lines.extend(r.code_sha256.iter().map(|digest| ("code", digest.clone())));
    lines.extend(r.env.iter().map(|(k, v)| ("env", format!("{k}={}", printable(v)))));
    lines.extend(r.secrets.iter().map(|name| ("secret", format!("{name}=****"))));
    lines.extend(r.base_image.iter().map(|image| ("base", image.clone())));
    lines.extend(r.base_steps.iter().map(|step| ("base step", printable(step))));
    lines.extend(r.build_commands.iter().map(|command| ("build", printable(command))));
    lines.extend(r.cors.iter().map(|origin| ("cors", printable(origin))));
    let words = [("command", &r.command), ("args", &r.args)].into_iter();
    lines.extend(
        words
            .filter(|(_, words)| !words.is_empty())
            .map(|(name, words)| (name, printable(&words.join(" ")))),
    );
    lines.extend(r.notice.iter().map(|notice| ("note", notice.clone())));
    lines.extend(r.worker_image.iter().map(|image| ("runs in", image.clone())));
    lines.extend(r.image.iter().map(|image| ("image", image.clone())));
    lines.extend(r.error.iter().map(|error| ("error", lines_of(error))));
    lines
}

/// A function's own text, without what would steer the terminal.
fn lines_of(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join("\n")
}

/// Names, then values; further lines of a value are put below its first.
fn pairs(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, value) in lines {
        let value = value.lines().collect::<Vec<_>>();
        let value = value.join(&format!("\n{:width$}", ""));
        text.push_str(&format!("{name:width$}{value}\n"));
    }
    text
}

/// `hob jobs list`.
pub(crate) fn jobs(list: &[JobView], colours: bool) -> String {
    let row = |j: &JobView| {
        let next = j.next_at_ms.map_or("-".to_owned(), |ms| moment(ms)[5..16].to_owned());
        vec![
            Cell::whole(&j.id),
            Cell::from(if j.name.is_empty() { "-" } else { &j.name }),
            Cell::from(&j.function),
            Cell::state(j.state.as_str()),
            Cell::whole(&next),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    render(&["ID", "NAME", "FUNCTION", "STATE", "NEXT (UTC)"], &rows, colours)
}

/// `hob jobs show`.
pub(crate) fn job(detail: &JobDetail, colours: bool) -> String {
    let j = &detail.job;
    let mut lines = vec![
        ("id", j.id.clone()),
        ("name", printable(&j.name)),
        ("function", j.function.clone()),
        ("state", state(j.state.as_str(), colours)),
        ("schedule", schedule(j)),
        ("missed", missed(j.missed).to_owned()),
        ("overlap", overlap(j.overlap).to_owned()),
    ];
    let chosen = j.selector != "current";
    lines.extend(chosen.then(|| ("called", printable(&j.selector))));
    lines.extend(j.reason.iter().map(|text| ("reason", lines_of(text))));
    lines.extend(j.count.map(|count| ("left", count.to_string())));
    lines.extend(j.first_at_ms.map(|ms| ("not before", moment(ms))));
    lines.extend(j.next_at_ms.map(|ms| ("next", moment(ms))));
    lines.extend(j.last_at_ms.map(|ms| ("last", moment(ms))));
    lines.extend(j.last_execution.iter().map(|id| ("last call", id.clone())));
    lines.push(("failures", j.failures.to_string()));
    lines.push((
        "calls",
        format!("{} {}", detail.input.method, printable(&detail.input.path)),
    ));
    lines.push(("with", lines_of(&detail.input.body)));
    pairs(&lines)
}

fn missed(missed: Missed) -> &'static str {
    match missed {
        Missed::Skip => "skip: times that pass while the daemon is away are left out",
        Missed::Once => "once: however many pass while the daemon is away, it fires once",
    }
}

fn overlap(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Allow => "allow: it fires although its last call still runs",
        Overlap::Skip => "skip: it leaves a time out while its last call still runs",
    }
}

/// `hob jobs next`: each time in UTC, and in the job's own time zone where that is another.
pub(crate) fn next_times(next: &NextTimes, zone: Option<&str>) -> String {
    let line = |ms: &i64| {
        let local = zone.and_then(|zone| local_time(Timestamp::from_millis(*ms), zone));
        match local.filter(|_| zone != Some("UTC")) {
            Some(local) => format!("{}  {local}\n", moment(*ms)),
            None => format!("{}\n", moment(*ms)),
        }
    };
    next.times_ms.iter().map(line).collect()
}

/// `90 s`, `5 m`, `1 h 30 m`: intervals are mostly round.
fn interval(ms: u64) -> String {
    let parts = [
        (ms / 3_600_000, "h"),
        (ms / 60_000 % 60, "m"),
        (ms / 1_000 % 60, "s"),
        (ms % 1_000, "ms"),
    ];
    let told: Vec<_> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    told.join(" ")
}

fn schedule(j: &JobView) -> String {
    let cron = j.cron.as_ref().zip(j.tz.as_ref());
    let cron = cron.map(|(pattern, zone)| format!("{pattern} ({zone})"));
    let every = j.every_ms.map(|ms| format!("every {}", interval(ms)));
    let at = j.at_ms.map(|ms| format!("at {}", moment(ms)));
    cron.or(every).or(at).unwrap_or("cannot be read".to_owned())
}

/// `hob runtimes`.
pub(crate) fn runtimes(list: &[RuntimeView], colours: bool) -> String {
    let rows = list.iter().flat_map(|runtime| {
        runtime.versions.iter().map(|version| {
            vec![
                Cell::from(&runtime.family),
                Cell::from(&version.version),
                Cell::state(&version.state),
                Cell::from(runtime.conventions.join(", ")),
                Cell::from(runtime.default_entry.as_deref().unwrap_or("-")),
            ]
        })
    });
    let rows: Vec<_> = rows.collect();
    render(&["RUNTIME", "VERSION", "IMAGE", "CONVENTIONS", "ENTRY"], &rows, colours)
}

/// `hob df`.
pub(crate) fn disk(usage: &DiskView, colours: bool) -> String {
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1024 * 1024));
    let row = |kind: &DiskKindView| {
        vec![
            Cell::from(&kind.kind),
            Cell::from(kind.count.to_string()),
            Cell::from(mib(kind.bytes)),
            Cell::from(mib(kind.unused_bytes)),
        ]
    };
    let rows: Vec<_> = usage.kinds.iter().map(row).collect();
    render(&["IMAGES", "COUNT", "SIZE", "UNUSED"], &rows, colours)
}

/// `hob status`.
pub(crate) fn status(s: &Status, colours: bool) -> String {
    let engine = match s.engine.state {
        EngineState::Up => "up",
        EngineState::Down => "down",
    };
    let detail = s.engine.detail.as_deref().unwrap_or("");
    let e = s.executions;
    let done = e.succeeded + e.failed + e.error + e.cancelled;
    let mut lines = vec![
        ("version", s.version.clone()),
        ("up", seconds(s.uptime_seconds)),
        ("pid", s.pid.to_string()),
        ("memory", format!("{} MiB", s.memory_rss_bytes.div_ceil(1024 * 1024))),
        ("data", s.data_dir.clone()),
        ("instance", s.instance.clone()),
        (
            "engine",
            format!("{} {detail}", state(engine, colours)).trim_end().to_owned(),
        ),
        ("functions", s.functions.to_string()),
        (
            "calls",
            format!(
                "{} running, {} queued, {done} done ({} failed, {} errors)",
                e.running, e.queued, e.failed, e.error
            ),
        ),
        ("workers", s.workers.len().to_string()),
    ];
    lines.extend(where_it_answers(s));
    let mut text = pairs(&lines);
    if !s.workers.is_empty() {
        text.push('\n');
        text.push_str(&workers(s, colours));
    }
    text
}

fn where_it_answers(s: &Status) -> Vec<(&'static str, String)> {
    let plain = s.addresses.iter().map(|url| ("listens", url.clone()));
    let tls = s.tls.iter().flat_map(|tls| {
        let trust = format!("{} (NODE_EXTRA_CA_CERTS and the like)", tls.ca_file);
        [("with TLS", tls.url.clone()), ("trust", trust)]
    });
    plain.chain(tls).collect()
}

fn workers(s: &Status, colours: bool) -> String {
    let row = |w: &crate::api::native::wire::WorkerView| {
        let version = w.revision.map_or("-".to_owned(), |number| number.to_string());
        vec![
            Cell::from(w.id.get(..13).unwrap_or(&w.id)),
            Cell::from(&w.runtime),
            Cell::from(w.function.as_deref().unwrap_or("-")),
            Cell::from(version),
            Cell::state(&w.state),
            Cell::from(format!("{} of {}", w.busy, w.slots)),
        ]
    };
    let rows: Vec<_> = s.workers.iter().map(row).collect();
    render(
        &["WORKER", "RUNTIME", "FUNCTION", "VERSION", "STATE", "BUSY"],
        &rows,
        colours,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::job_wire::{JobInput, JobState};

    #[test]
    fn moments_are_dates_in_utc() {
        for (ms, expect) in [
            (0, "1970-01-01 00:00:00.000"),
            (-1, "1969-12-31 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (951_868_800_000, "2000-03-01 00:00:00.000"),
            (1_709_164_799_999, "2024-02-28 23:59:59.999"),
            (1_735_689_599_123, "2024-12-31 23:59:59.123"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
        ] {
            assert_eq!(moment(ms), expect);
        }
    }

    #[test]
    fn durations_have_the_unit_that_reads_best() {
        for (us, expect) in [
            (0, "0.0 ms"),
            (450, "0.4 ms"),
            (9_990, "9.9 ms"),
            (12_345, "12 ms"),
            (3_100_000, "3.1 s"),
            (125_000_000, "2 m 5 s"),
        ] {
            assert_eq!(duration(us), expect);
        }
        assert_eq!(seconds(90_061), "1 d 1 h");
    }

    fn a_job() -> JobView {
        JobView {
            id: "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".to_owned(),
            namespace: "default".to_owned(),
            name: "n".repeat(255),
            function: "f".repeat(63),
            selector: "current".to_owned(),
            cron: Some("0 3 * * *".to_owned()),
            tz: Some("Europe/Paris".to_owned()),
            every_ms: None,
            at_ms: None,
            first_at_ms: None,
            count: Some(3),
            state: JobState::Cancelled,
            reason: Some("a\u{1b}[31m".to_owned()),
            missed: Missed::Skip,
            overlap: Overlap::Allow,
            next_at_ms: Some(0),
            last_at_ms: None,
            last_execution: None,
            failures: 2,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    #[test]
    fn the_next_times_are_told_in_the_jobs_own_zone_too() {
        let next = NextTimes {
            times_ms: vec![1_719_828_000_000],
        };
        assert_eq!(next_times(&next, None), "2024-07-01 10:00:00.000\n");
        assert_eq!(next_times(&next, Some("UTC")), "2024-07-01 10:00:00.000\n");
        let paris = next_times(&next, Some("Europe/Paris"));
        assert_eq!(paris, "2024-07-01 10:00:00.000  2024-07-01 12:00:00 CEST\n");
    }

    #[test]
    fn a_list_of_jobs_fits_the_terminal() {
        let text = jobs(&[a_job()], false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.contains("0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b") && text.contains("01-01 00:00"),
            "{text}"
        );
    }

    #[test]
    fn a_job_is_shown_with_its_schedule_and_without_what_steers_the_terminal() {
        let mut detail = JobDetail {
            job: a_job(),
            input: JobInput::default(),
        };
        let text = job(&detail, false);
        assert!(
            text.contains("0 3 * * * (Europe/Paris)") && text.contains("POST /"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text:?}");
        detail.job.cron = None;
        for (every, at, expect) in [
            (Some(90_000), None, "every 1 m 30 s"),
            (Some(3_600_000), None, "every 1 h"),
            (Some(250), None, "every 250 ms"),
            (None, Some(0), "at 1970-01-01 00:00:00.000"),
            (None, None, "cannot be read"),
        ] {
            (detail.job.every_ms, detail.job.at_ms) = (every, at);
            assert_eq!(schedule(&detail.job), expect);
        }
    }

    #[test]
    fn long_values_stay_in_their_column() {
        let text = pairs(&[("a", "1".to_owned()), ("error", "x\ny".to_owned())]);
        assert_eq!(text, "a      1\nerror  x\n       y\n");
    }
}
