//! What every language must do. Each case is a few calls and what must come of them.

use super::calls::Connection;
use super::language::ONCE;
use super::stage::{SLOTS, Subject};
use crate::helpers::docker;
use crate::support::{Answer, eventually};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

/// No text of these is base64 by chance: conventions treat that differently.
const TEXT: &str = "hello, worker!";
const UNICODE: &str = "grüße, 漢字 and 🦉";
const LARGE: usize = 5 << 20;
/// Calls after which a worker has loaded and compiled what it needs.
const WARM_UP: usize = 1_000;
/// After each stretch of calls the worker is measured. What leaks grows in every one of them. A heap that is collected
/// now and then finds its size some time after ten thousand calls, and then there is one in which it does not grow.
const STRETCH: usize = 2_000;
const LEAST_STRETCHES: usize = 5;
const MOST_STRETCHES: usize = 15;
/// Not growing: by no more than 512 bytes for each call. Unit: KiB.
const GROWTH_KIB: i64 = 1024;
/// Resident memory in KiB and open files, of all processes of a container but this one; it starts no other.
const MEASURE: &str = r#"
rss=0 files=0
for p in /proc/[0-9]*; do
  [ "$p" = "/proc/$$" ] && continue
  while read -r key value _; do [ "$key" = VmRSS: ] && rss=$((rss + value)); done <"$p/status"
  set -- "$p"/fd/*
  files=$((files + $#))
done
echo "$rss $files"
"#;

/// One thing that every language must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// A body comes back as it went.
    Echo,
    /// Every byte there is, in any order.
    Binary,
    /// 5 MB in and out.
    Large,
    /// The first bytes are here before the last are made.
    Stream,
    /// Headers in, headers and status out.
    Headers,
    /// Letters of many scripts in bodies and logs.
    Unicode,
    /// What a sub-process prints is in the call's log.
    Child,
    /// Three calls at once in one worker.
    Parallel,
    /// The function raises.
    Exception,
    /// The function's process ends itself.
    Exit,
    /// The code cannot be compiled or imported.
    Broken,
    /// The function takes too long.
    Timeout,
    /// The function takes too much memory.
    Memory,
    /// A library that the code names is there.
    Dependency,
    /// Ten thousand calls leave nothing behind in the worker.
    Growth,
}

use Case::{
    Binary, Broken, Child, Dependency, Echo, Exception, Exit, Growth, Headers, Large, Memory, Parallel, Stream,
    Timeout, Unicode,
};

impl Case {
    /// All, in the order of the table. What harms a worker comes late.
    pub(crate) const ALL: [Self; 15] = [
        Echo, Binary, Large, Stream, Headers, Unicode, Child, Parallel, Growth, Exception, Exit, Broken, Timeout,
        Memory, Dependency,
    ];

    /// Its name in the table and in `conformance.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Echo => "echo",
            Binary => "binary",
            Large => "large",
            Stream => "stream",
            Headers => "headers",
            Unicode => "unicode",
            Child => "child",
            Parallel => "parallel",
            Growth => "growth",
            Exception => "exception",
            Exit => "exit",
            Broken => "broken",
            Timeout => "timeout",
            Memory => "memory",
            Dependency => "dependency",
        }
    }

    /// Why a convention does not have it, in any language.
    pub(crate) fn why_not(self, convention: &str) -> Option<&'static str> {
        match self {
            Binary if convention == "kwargs" => Some("its input and its result are JSON, which cannot say any byte"),
            Stream if convention == "kwargs" => Some("its result is one JSON value"),
            Headers if convention == "kwargs" => Some("its function sees no headers and answers none"),
            Growth | Broken | Timeout | Memory | Dependency if !ONCE.contains(&convention) => {
                Some("of the worker, not of the convention: tried once for each language, with event-context")
            }
            _ => None,
        }
    }

    /// Tries it.
    ///
    /// # Errors
    /// What is not as it should be.
    pub(crate) async fn run(self, subject: &Subject<'_>) -> Result<()> {
        let mut calls = subject.connect().await?;
        match self {
            Echo => echo(&mut calls).await,
            Binary => binary(&mut calls).await,
            Large => large(&mut calls).await,
            Stream => stream(&mut calls, subject.connect().await?).await,
            Headers => headers(&mut calls).await,
            Unicode => unicode(&mut calls, subject).await,
            Child => child(&mut calls, subject).await,
            Parallel => parallel(subject).await,
            Growth => growth(subject).await,
            Exception => exception(&mut calls).await,
            Exit => exit(&mut calls).await,
            Broken => broken(subject),
            Timeout => limit(subject, "hang", 504, "timeout").await,
            Memory => limit(subject, "memory", 502, "out_of_memory").await,
            Dependency => dependency(subject).await,
        }
    }
}

async fn echo(calls: &mut Connection) -> Result<()> {
    if calls.is_json() {
        return comes_back(calls, json!({ "do": "echo", "n": 1, "text": TEXT })).await;
    }
    let answer = calls.send("/echo", &[], TEXT.into()).await?;
    let kind = answer.header("content-type");
    ensure!(is(&answer, 200) && answer.body == TEXT, "{}", told(&answer));
    ensure!(!kind.is_empty(), "no content type");
    Ok(())
}

/// A JSON object is answered with itself.
async fn comes_back(calls: &mut Connection, input: Value) -> Result<()> {
    let answer = calls.send("", &[], input.to_string().into()).await?;
    ensure!(is(&answer, 200) && answer.json() == input, "{}", told(&answer));
    ensure!(answer.header("content-type") == "application/json", "{answer:?}");
    Ok(())
}

async fn binary(calls: &mut Connection) -> Result<()> {
    same_bytes(calls, 4 * 256).await
}

async fn large(calls: &mut Connection) -> Result<()> {
    match calls.is_json() {
        true => comes_back(calls, json!({ "do": "echo", "n": 1, "text": "ü".repeat(LARGE / 2) })).await,
        false => same_bytes(calls, LARGE).await,
    }
}

async fn same_bytes(calls: &mut Connection, length: usize) -> Result<()> {
    let body: Bytes = (0..length)
        .map(|at| (at % 256) as u8 ^ (at / 256 % 251) as u8)
        .collect();
    let answer = calls.send("/echo", &[], body.clone()).await?;
    let (came, same) = (answer.body.len(), answer.body == body);
    ensure!(
        is(&answer, 200) && same,
        "{}: {came} of {length} bytes, not as sent",
        answer.status
    );
    Ok(())
}

/// The function makes the rest only when another call has told it to, which is sent when the first part is here.
async fn stream(calls: &mut Connection, mut others: Connection) -> Result<()> {
    let mut answer = calls.open_answer("/stream").await?;
    answer.until("first\n").await?;
    let released = others.ask("release").await?;
    ensure!(is(&released, 200), "{}", told(&released));
    // Blanks may come before: a runtime that holds back the first of an answer, to know how it begins, gets them.
    let whole = answer.rest().await?;
    ensure!(
        whole.trim_start() == "first\nlast\n",
        "the whole is {:?}",
        whole.trim_start()
    );
    Ok(())
}

async fn headers(calls: &mut Connection) -> Result<()> {
    let answer = calls
        .send("/headers", &[("x-question", "why not?")], TEXT.into())
        .await?;
    ensure!(is(&answer, 201) && answer.body == "told", "{}", told(&answer));
    ensure!(answer.header("x-answer") == "why not?", "{answer:?}");
    ensure!(answer.header("content-type") == "text/x-told", "{answer:?}");
    Ok(())
}

async fn unicode(calls: &mut Connection, subject: &Subject<'_>) -> Result<()> {
    let answer = match calls.is_json() {
        true => {
            let input = json!({ "do": "say", "n": 1, "text": UNICODE });
            let answer = calls.send("", &[], input.to_string().into()).await?;
            ensure!(is(&answer, 200) && answer.json() == input, "{}", told(&answer));
            answer
        }
        false => {
            let answer = calls.send("/say", &[], UNICODE.into()).await?;
            ensure!(is(&answer, 200) && answer.body == UNICODE, "{}", told(&answer));
            answer
        }
    };
    let log = log_of(subject, &answer).await;
    ensure!(log.contains("grüße"), "the log is {log:?}");
    ensure!(calls.is_json() || log.contains(UNICODE), "the log is {log:?}");
    Ok(())
}

async fn child(calls: &mut Connection, subject: &Subject<'_>) -> Result<()> {
    let answer = calls.ask("child").await?;
    ensure!(is(&answer, 200), "{}", told(&answer));
    let log = log_of(subject, &answer).await;
    for printed in ["from the function\n", "from a child\n", "and its errors\n"] {
        ensure!(log.contains(printed), "no {printed:?} in the log {log:?}");
    }
    Ok(())
}

/// Each waits for the two others, so that they would wait for ever one after the other.
async fn parallel(subject: &Subject<'_>) -> Result<()> {
    let meeting = (0..SLOTS).map(|n| async move {
        let answer = subject.connect().await?.ask_as("meet", n).await?;
        ensure!(is(&answer, 200), "{}", told(&answer));
        anyhow::Ok(())
    });
    try_join_all(meeting).await.map(drop)
}

async fn exception(calls: &mut Connection) -> Result<()> {
    let answer = calls.ask("raise").await?;
    fails(calls, &answer, 500, "raised")?;
    ensure!(answer.text().contains("as asked"), "{}", told(&answer));
    still_works(calls).await
}

async fn exit(calls: &mut Connection) -> Result<()> {
    let answer = calls.ask("exit").await?;
    fails(calls, &answer, 502, "exit")?;
    ensure!(
        answer.text().contains("code 3"),
        "the exit code is not in {}",
        told(&answer)
    );
    still_works(calls).await
}

fn broken(subject: &Subject<'_>) -> Result<()> {
    let (said, wanted) = (&subject.stage.broken, subject.stage.language.broken_says());
    ensure!(said.contains(wanted), "the deploy did not say `{wanted}`: {said}");
    Ok(())
}

/// What a limit ends is said so, and the next call finds a worker that is well.
async fn limit(subject: &Subject<'_>, what: &str, status: u16, code: &str) -> Result<()> {
    let limited = subject.stage.other("limits");
    let mut calls = limited.connect().await?;
    let answer = calls.ask(what).await?;
    fails(&calls, &answer, status, code)?;
    still_works(&mut calls).await
}

async fn dependency(subject: &Subject<'_>) -> Result<()> {
    let answer = subject.stage.other("dependency").connect().await?.ask("").await?;
    ensure!(is(&answer, 200) && answer.body == "Kožušček", "{}", told(&answer));
    Ok(())
}

async fn growth(subject: &Subject<'_>) -> Result<()> {
    many(subject, WARM_UP).await?;
    let container = subject.container().await?;
    let mut measured = vec![measure(&container)?];
    while measured.len() <= LEAST_STRETCHES || (grows(&measured) && measured.len() <= MOST_STRETCHES) {
        many(subject, STRETCH).await?;
        measured.push(measure(&container)?);
    }
    ensure!(subject.container().await? == container, "the worker was replaced");
    ensure!(!grows(&measured), "it grows all the time: {measured:?}");
    Ok(())
}

/// Whether memory or open files have grown in every stretch.
fn grows(measured: &[Held]) -> bool {
    let in_all = |more: fn(Held, Held) -> bool| measured.windows(2).all(|two| more(two[0], two[1]));
    in_all(|before, after| after.memory_kib - before.memory_kib > GROWTH_KIB)
        || in_all(|before, after| after.files > before.files)
}

/// That many small calls, as many at once as there are slots.
async fn many(subject: &Subject<'_>, calls: usize) -> Result<()> {
    let each = (0..SLOTS).map(|n| async move {
        let mut connection = subject.connect().await?;
        for _ in 0..calls.div_ceil(SLOTS) {
            let answer = connection.ask_as("echo", n).await?;
            ensure!(is(&answer, 200), "{}", told(&answer));
        }
        anyhow::Ok(())
    });
    try_join_all(each).await.map(drop)
}

/// What a worker's processes hold, all together.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_kib: i64,
    files: i64,
}

/// Measures a worker that is idle.
fn measure(container: &str) -> Result<Held> {
    let measured = docker(&["exec", container, "sh", "-c", MEASURE]);
    let (memory, files) = measured
        .split_once(' ')
        .with_context(|| format!("measured `{measured}`"))?;
    Ok(Held {
        memory_kib: memory.parse()?,
        files: files.parse()?,
    })
}

async fn still_works(calls: &mut Connection) -> Result<()> {
    let next = calls.ask("echo").await?;
    ensure!(is(&next, 200), "the next call: {}", told(&next));
    Ok(())
}

fn fails(calls: &Connection, answer: &Answer, status: u16, code: &str) -> Result<()> {
    ensure!(is(answer, status), "wanted {status} {code}: {}", told(answer));
    let said = match calls.fails_in_text() {
        true => answer.header("content-type").starts_with("text/plain") && !answer.body.is_empty(),
        false => answer.json()["code"] == code,
    };
    ensure!(said, "wanted {code}: {}", told(answer));
    ensure!(answer.header("x-error-source") == "function", "{answer:?}");
    Ok(())
}

fn is(answer: &Answer, status: u16) -> bool {
    answer.status.as_u16() == status
}

/// An answer in a sentence; a large one is cut.
fn told(answer: &Answer) -> String {
    let text: String = answer.text().chars().take(600).collect();
    format!("{} {text}", answer.status)
}

/// What the call printed, once it has ended.
async fn log_of(subject: &Subject<'_>, answer: &Answer) -> String {
    let (daemon, call) = (subject.stage.daemon, answer.header("x-call-id"));
    eventually("the end of the call", || async {
        let run = daemon.get(&format!("/hob/v1/executions/{call}")).await;
        let ended = run.status.is_success() && !run.json()["ended_at_ms"].is_null();
        ended.then_some(())
    })
    .await;
    daemon.get(&format!("/hob/v1/executions/{call}/log")).await.text()
}
