//! Calls as text: a list of them, one with all that was kept of it, two side by side.

use super::super::table::{Cell, printable, render, state};
use super::{duration, lines_of, moment, pairs};
use crate::api::native::wire::{CallbackView, ExecutionView, KeptRequest, Temperature};

/// So wide is the drawing of where a call's time went.
const BAR: u64 = 44;
/// So much of an input or an answer is shown. Unit: bytes of its text.
const SHOWN: usize = 4 * 1024;
/// JSON is put on lines of its own when it is wider than this.
const WIDE: usize = 78;

/// `hob runs list`.
pub(crate) fn executions(list: &[ExecutionView], colours: bool) -> String {
    let row = |e: &ExecutionView| {
        let time = match e.state.is_terminal() {
            true => duration(e.total_us),
            false => "-".to_owned(),
        };
        vec![
            Cell::whole(&e.id),
            Cell::from(&e.function),
            Cell::state(e.state.as_str()),
            Cell::from(time),
            Cell::from(moment(e.created_at_ms)[5..16].to_owned()),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    render(&["ID", "FUNCTION", "STATE", "TIME", "AT (UTC)"], &rows, colours)
}

/// `hob runs show`, without the log.
pub(crate) fn run(e: &ExecutionView, request: Option<&KeptRequest>, answer: Option<&[u8]>, colours: bool) -> String {
    let mut text = execution(e, colours);
    text.push_str(&timeline(e));
    match request {
        Some(request) => text.push_str(&input(request)),
        None => text.push_str("\ninput: was not kept\n"),
    }
    match answer {
        Some(answer) => text.push_str(&format!("\nanswer\n{}", body(answer))),
        None if e.status.is_some() => text.push_str("\nanswer: was not kept\n"),
        None => {}
    }
    text
}

fn execution(e: &ExecutionView, colours: bool) -> String {
    let mut lines = vec![
        ("id", e.id.clone()),
        ("function", e.function.clone()),
        ("state", state(e.state.as_str(), colours)),
    ];
    let chosen = !e.selector.is_empty() && e.selector != "current";
    lines.extend(chosen.then(|| ("called", printable(&e.selector))));
    lines.extend((!e.description.is_empty()).then(|| ("description", printable(&e.description))));
    lines.extend(e.version.map(|version| ("version", version.to_string())));
    lines.extend(e.status.map(|status| ("status", status.to_string())));
    lines.extend(e.failure.iter().map(|word| ("failure", word.clone())));
    lines.extend(e.message.iter().map(|text| ("message", lines_of(text))));
    lines.push(("accepted", moment(e.created_at_ms)));
    lines.extend(e.started_at_ms.map(|ms| ("started", moment(ms))));
    lines.extend(e.ended_at_ms.map(|ms| ("ended", moment(ms))));
    if let Some(callback) = &e.callback {
        lines.push(("callback", printable(&callback.url)));
        lines.push(("", callback_standing(callback)));
    }
    pairs(&lines)
}

/// `due, 2 tries, next at …: the receiver answered with status 503`.
fn callback_standing(callback: &CallbackView) -> String {
    let (state, tries) = (callback.state.as_str(), callback.tries);
    let plural = if tries == 1 { "try" } else { "tries" };
    let next = callback
        .due_at_ms
        .map_or_else(String::new, |ms| format!(", next at {}", moment(ms)));
    let message = callback
        .message
        .as_ref()
        .map_or_else(String::new, |m| format!(": {}", lines_of(m)));
    format!("{state}, {tries} {plural}{next}{message}")
}

/// One part of a call's time. Unit: microseconds.
#[derive(Debug, PartialEq, Eq)]
struct Phase {
    name: &'static str,
    begins: u64,
    takes: u64,
}

/// Where the time went: waiting, or starting a worker; loading the code; running; and carrying input and answer to and fro.
fn phases(e: &ExecutionView) -> Vec<Phase> {
    let waiting = match e.temperature {
        Some(Temperature::Cold) => "start",
        _ => "queue",
    };
    let rest = e.total_us.saturating_sub(e.queue_us.saturating_add(e.run_us));
    let parts = [
        (waiting, e.queue_us.saturating_sub(e.load_us)),
        ("load", e.load_us),
        ("run", e.run_us),
        ("transfer", rest),
    ];
    let mut begins = 0;
    let mut all = Vec::new();
    for (name, takes) in parts {
        if takes > 0 {
            all.push(Phase { name, begins, takes });
        }
        begins += takes;
    }
    all
}

fn timeline(e: &ExecutionView) -> String {
    if !e.state.is_terminal() {
        return String::new();
    }
    let worker = e.temperature.map_or("no worker", Temperature::as_str);
    let mut text = format!("\ntimeline: {worker}, {} in all\n", duration(e.total_us));
    for phase in phases(e) {
        let bar = bar(&phase, e.total_us);
        text.push_str(&format!("  {:<8} {bar}  {}\n", phase.name, duration(phase.takes)));
    }
    text
}

/// At least one block, at its place.
fn bar(phase: &Phase, total: u64) -> String {
    let scaled = |us: u64| us.saturating_mul(BAR).checked_div(total).unwrap_or(0).min(BAR);
    let from = scaled(phase.begins).min(BAR - 1);
    let to = scaled(phase.begins.saturating_add(phase.takes)).max(from + 1);
    (0..BAR)
        .map(|at| if (from..to).contains(&at) { '█' } else { '·' })
        .collect()
}

fn input(request: &KeptRequest) -> String {
    let query = match request.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let mut text = format!(
        "\ninput\n{} {}{}\n",
        request.method,
        printable(&request.path),
        printable(&query)
    );
    for header in &request.headers {
        text.push_str(&format!("{}: {}\n", printable(&header.name), printable(&header.value)));
    }
    match (&request.body, &request.body_base64) {
        (Some(body), _) if body.is_empty() => {}
        (Some(text_body), _) => text.push_str(&body(text_body.as_bytes())),
        (None, Some(base64)) => text.push_str(&format!("({} bytes that are no text)\n", base64.len() / 4 * 3)),
        (None, None) => {}
    }
    text
}

/// An input or an answer for people: not more than fits, and nothing that steers the terminal.
fn body(bytes: &[u8]) -> String {
    let text = readable(bytes);
    if text.len() <= SHOWN {
        return with_end(text);
    }
    let cut = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let shown = with_end(text[..cut].to_owned());
    format!(
        "{shown}… {} bytes in all: --input and --answer write them\n",
        bytes.len()
    )
}

fn with_end(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// JSON on lines of its own where it is wide; other text as it is, without what steers the terminal.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return format!("({} bytes that are no text)", bytes.len());
    };
    let wide = text.trim_end().len() > WIDE;
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if wide => serde_json::to_string_pretty(&value).unwrap_or_default(),
        _ => lines_of(text),
    }
}

/// `hob runs replay`: the two calls, property by property.
pub(crate) fn side_by_side(before: &ExecutionView, now: &ExecutionView, colours: bool) -> String {
    let maybe = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |name: &str, of: &dyn Fn(&ExecutionView) -> Cell| vec![Cell::from(name), of(before), of(now)];
    let rows = [
        row("version", &|e| maybe(e.version.map(|n| n.to_string())).into()),
        row("state", &|e| Cell::state(e.state.as_str())),
        row("status", &|e| maybe(e.status.map(|n| n.to_string())).into()),
        row("failure", &|e| maybe(e.failure.clone()).into()),
        row("message", &|e| maybe(e.message.clone()).into()),
        row("worker", &|e| {
            maybe(e.temperature.map(|t| t.as_str().to_owned())).into()
        }),
        row("run", &|e| duration(e.run_us).into()),
        row("total", &|e| duration(e.total_us).into()),
    ];
    let told = |row: &Vec<Cell>| row[1..].iter().any(|cell| !cell.is("-"));
    let rows: Vec<_> = rows.into_iter().filter(told).collect();
    let calls = pairs(&[("before", before.id.clone()), ("now", now.id.clone())]);
    format!("{calls}\n{}", render(&["", "BEFORE", "NOW"], &rows, colours))
}

/// Lines that begin with `-`, `+` or a space, in their colours.
pub(crate) fn difference(lines: &[String], colours: bool) -> String {
    let colour = |line: &String| match line.chars().next() {
        Some('-') if colours => format!("\x1b[31m{line}\x1b[0m\n"),
        Some('+') if colours => format!("\x1b[32m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    lines.iter().map(colour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::wire::{CallbackState, ExecutionState, HeaderView};

    fn a_call() -> ExecutionView {
        ExecutionView {
            selector: "current".to_owned(),
            description: String::new(),
            id: "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".to_owned(),
            function: "f".repeat(63),
            namespace: "default".to_owned(),
            version: Some(1),
            state: ExecutionState::Succeeded,
            asynchronous: false,
            created_at_ms: 0,
            started_at_ms: None,
            ended_at_ms: None,
            status: Some(200),
            failure: None,
            message: None,
            temperature: None,
            queue_us: 0,
            load_us: 0,
            run_us: 0,
            total_us: 125_000_000,
            callback: None,
        }
    }

    fn a_request() -> KeptRequest {
        KeptRequest {
            method: "POST".to_owned(),
            path: "/a".to_owned(),
            query: "b=c".to_owned(),
            headers: vec![HeaderView {
                name: "cookie".to_owned(),
                value: "(not kept)".to_owned(),
            }],
            body: Some("{\"a\": 1}".to_owned()),
            body_base64: None,
        }
    }

    fn fits(text: &str) -> bool {
        text.lines().all(|line| line.chars().count() <= 80)
    }

    #[test]
    fn a_list_of_calls_fits_the_terminal() {
        let text = executions(&[a_call()], false);
        assert!(fits(&text), "{text}");
        assert!(text.contains("0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"));
        assert!(text.contains("succeeded") && text.contains("2 m 5 s"), "{text}");
    }

    #[test]
    fn the_time_of_a_call_is_told_part_by_part() {
        let phase = |name, begins, takes| Phase { name, begins, takes };
        for (met, times, expect) in [
            (
                Temperature::Cold,
                [300, 50, 100, 410],
                vec![
                    phase("start", 0, 250),
                    phase("load", 250, 50),
                    phase("run", 300, 100),
                    phase("transfer", 400, 10),
                ],
            ),
            (Temperature::Warm, [0, 0, 7, 7], vec![phase("run", 0, 7)]),
            (
                Temperature::Prewarmed,
                [9, 4, 1, 10],
                vec![phase("queue", 0, 5), phase("load", 5, 4), phase("run", 9, 1)],
            ),
        ] {
            let call = ExecutionView {
                temperature: Some(met),
                queue_us: times[0],
                load_us: times[1],
                run_us: times[2],
                total_us: times[3],
                ..a_call()
            };
            assert_eq!(phases(&call), expect, "{met:?}");
        }
    }

    #[test]
    fn a_bar_lies_where_its_part_lay_and_is_never_empty() {
        let drawn = |begins, takes, total| {
            bar(
                &Phase {
                    name: "",
                    begins,
                    takes,
                },
                total,
            )
        };
        assert_eq!(drawn(0, 100, 100), "█".repeat(44));
        assert_eq!(drawn(50, 50, 100), format!("{}{}", "·".repeat(22), "█".repeat(22)));
        assert_eq!(drawn(100, 1, 100).matches('█').count(), 1);
        assert_eq!(drawn(0, 1, 1_000_000), format!("█{}", "·".repeat(43)));
        assert_eq!(drawn(0, 0, 0).chars().count(), 44);
    }

    #[test]
    fn a_call_is_shown_with_its_input_and_answer_and_fits_the_terminal() {
        let call = ExecutionView {
            temperature: Some(Temperature::Warm),
            queue_us: 100,
            run_us: 900_000,
            total_us: 125_000_000,
            ..a_call()
        };
        let answer = format!("{{\"x\": \"{}\"}}", "y".repeat(60));
        let text = run(&call, Some(&a_request()), Some(answer.as_bytes()), false);
        assert!(fits(&text), "{text}");
        for part in [
            "timeline: warm, 2 m 5 s in all",
            "POST /a?b=c\ncookie: (not kept)\n{\"a\": 1}\n",
            "answer\n{",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = run(&call, None, None, false);
        assert!(
            text.contains("input: was not kept") && text.contains("answer: was not kept"),
            "{text}"
        );
    }

    #[test]
    fn a_callback_is_shown_with_how_it_stands() {
        let callback = CallbackView {
            url: "http://h/p".to_owned(),
            state: CallbackState::Due,
            tries: 2,
            due_at_ms: Some(0),
            message: Some("the receiver answered with status 503".to_owned()),
        };
        assert_eq!(
            callback_standing(&callback),
            "due, 2 tries, next at 1970-01-01 00:00:00.000: the receiver answered with status 503"
        );
        let call = ExecutionView {
            callback: Some(callback),
            ..a_call()
        };
        assert!(run(&call, None, None, false).contains("callback"), "it is told");
    }

    #[test]
    fn what_is_no_text_or_too_long_is_not_poured_out() {
        assert_eq!(readable(b"\xff\xfe"), "(2 bytes that are no text)");
        assert_eq!(readable(b"a\x1b[2J\nb"), "a [2J\nb");
        let long = body("ä".repeat(5_000).as_bytes());
        assert!(long.len() < 4_300 && long.contains("10000 bytes in all"), "{long}");
    }

    #[test]
    fn two_calls_stand_side_by_side_without_what_neither_has() {
        let now = ExecutionView {
            state: ExecutionState::Failed,
            status: None,
            ..a_call()
        };
        let text = side_by_side(&a_call(), &now, false);
        assert!(text.contains("succeeded") && text.contains("failed"), "{text}");
        assert!(
            text.contains("200") && !text.contains("worker") && fits(&text),
            "{text}"
        );
        assert_eq!(difference(&["- a".to_owned()], true), "\x1b[31m- a\x1b[0m\n");
    }
}
