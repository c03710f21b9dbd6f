//! One call of a program that runs once: arguments in, standard output and exit code out.
//!
//! The input is a JSON array of texts, which become the arguments; no input leaves the image's own. How other inputs are
//! cut into arguments is the business of whoever has them.

use super::exchange::{failure, settle, timeout_message};
use super::record::Record;
use super::{Answer, Body, Call, Failure, RESULT_LIMIT, Reply};
use crate::domain::Error;
use crate::pool::{ARGUMENTS_LIMIT, Exit, INLINE_BODY, Lease, Line, News, Running};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How a program came to its end.
enum End {
    Exited(Exit, Bytes),
    /// The container could not be started or followed.
    Engine(Error),
    Deadline,
    /// It printed more than is kept of a result.
    TooMuch,
    /// Its container was removed under it: the daemon stops.
    Removed,
}

pub(super) async fn run(call: Call, lease: Lease, record: Record) -> Result<Answer, Error> {
    let limit = call.target.demand.limits.timeout.duration();
    let (id, version) = (call.id, call.target.version);
    let (mut lease, mut record) = (lease, record);
    let arguments = match arguments(call.body).await {
        Ok(arguments) => arguments,
        Err(refused) => {
            lease.give_back();
            return settle(refused, id, version, record).await;
        }
    };
    let Line::Program(program) = lease.line() else {
        let message = "the worker has no place for a program: deploy again".to_owned();
        return settle(Err(Error::WorkerDied(message)), id, version, record).await;
    };
    let mut running = program.run(arguments);
    let begun = Instant::now();
    let end = follow(&mut running, limit, &mut record).await;
    record.timings.run_us = super::micros(begun.elapsed());
    if !matches!(end, End::Exited(..)) {
        running.end().await;
    }
    lease.give_back();
    let output = match outcome(end, limit) {
        Ok(output) => output,
        Err(failed) => return settle(failed, id, version, record).await,
    };
    let (temperature, timings) = (record.temperature, record.timings_now());
    record.keep_result(&output);
    record.succeeded(200).await;
    Ok(Answer {
        id,
        version,
        temperature,
        timings,
        reply: success(output),
    })
}

fn success(output: Bytes) -> Reply {
    let kind = match std::str::from_utf8(&output) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    let body = if output.len() <= INLINE_BODY {
        Body::Whole(output)
    } else {
        Body::Stream(futures_util::stream::iter([Ok(output)]).boxed())
    };
    Reply::Success {
        status: 200,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body,
    }
}

/// The arguments that an input means; `None` leaves the image's own.
async fn arguments(body: Body) -> Result<Option<Vec<String>>, Result<Failure, Error>> {
    let input = collect(body).await.map_err(Err)?;
    parse(&input).map_err(|why| Ok(failure("bad_input", why)))
}

async fn collect(body: Body) -> Result<Bytes, Error> {
    let mut stream = match body {
        Body::Whole(bytes) => return Ok(bytes),
        Body::Stream(stream) => stream,
    };
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|e| Error::invalid(format!("the request's body could not be read: {e}")))?;
        whole.extend_from_slice(&piece);
        if whole.len() > ARGUMENTS_LIMIT {
            return Err(Error::TooLarge(format!(
                "the arguments are over the limit of {ARGUMENTS_LIMIT} bytes: send less, or have the program fetch it"
            )));
        }
    }
    Ok(whole.into())
}

fn parse(input: &[u8]) -> Result<Option<Vec<String>>, String> {
    if input.trim_ascii().is_empty() {
        return Ok(None);
    }
    let arguments: Option<Vec<String>> = serde_json::from_slice(input).map_err(|_| {
        "a program takes a JSON array of texts as its arguments, such as [\"-v\", \"a b\"], or nothing".to_owned()
    })?;
    match arguments.iter().flatten().find(|a| a.contains('\0')) {
        Some(_) => Err("an argument cannot contain a NUL character".to_owned()),
        None => Ok(arguments),
    }
}

/// Keeps what is printed until the program has ended. Its time begins when it runs; the start has a bound of its own.
async fn follow(running: &mut Running, limit: Duration, record: &mut Record) -> End {
    let mut deadline = None;
    let mut output = Vec::new();
    loop {
        let news = match deadline {
            None => Ok(running.next().await),
            Some(at) => timeout_at(at, running.next()).await,
        };
        match news {
            Err(_) => return End::Deadline,
            Ok(None) => return End::Removed,
            Ok(Some(News::Started)) => deadline = Some(Instant::now() + limit),
            Ok(Some(News::Printed(piece))) => {
                if piece.is_stdout {
                    output.extend_from_slice(&piece.bytes);
                }
                record.log(piece.bytes, false);
                if output.len() > RESULT_LIMIT {
                    return End::TooMuch;
                }
            }
            Ok(Some(News::Ended(status))) => return End::Exited(status, output.into()),
            Ok(Some(News::Failed(error))) => return End::Engine(error),
        }
    }
}

/// The output of a program that ended well; else how the call failed.
fn outcome(end: End, limit: Duration) -> Result<Bytes, Result<Failure, Error>> {
    let failed = match end {
        End::Exited(Exit { code: Some(0), .. }, output) => return Ok(output),
        End::Exited(exit, _) => Ok(failed_exit(exit)),
        End::Deadline => Ok(failure("timeout", timeout_message(limit))),
        End::TooMuch => {
            let message = format!("the program printed more than {RESULT_LIMIT} bytes to standard output: print less");
            Ok(failure("too_large", message))
        }
        End::Engine(error) => Err(error),
        End::Removed => Err(Error::WorkerDied(
            "the program was ended because Hob stops: call again when it is back".to_owned(),
        )),
    };
    Err(failed)
}

fn failed_exit(exit: Exit) -> Failure {
    if exit.out_of_memory {
        let message = "the program ran out of memory: raise its memory (`--memory`), or use less";
        return failure("out_of_memory", message.to_owned());
    }
    let code = exit.code.map_or_else(String::new, |code| format!(" with code {code}"));
    failure("exit", format!("the program ended{code}: its log says why"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_array_of_texts_or_nothing() {
        let some = |all: &[&str]| Ok(Some(all.iter().map(|a| (*a).to_owned()).collect()));
        for (input, expect) in [
            ("", Ok(None)),
            (" \n", Ok(None)),
            ("null", Ok(None)),
            ("[]", some(&[])),
            (r#"["-v", "a b", ""]"#, some(&["-v", "a b", ""])),
        ] {
            assert_eq!(parse(input.as_bytes()), expect, "{input}");
        }
        for bad in ["a b", "6", r#"{"a": 1}"#, "[1]", r#"["a\u0000"]"#, "\u{0}"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_exit_code_zero_is_a_success() {
        let exited = |code, out_of_memory| {
            let code = Some(code);
            End::Exited(Exit { code, out_of_memory }, Bytes::new())
        };
        let kind = |end| match outcome(end, Duration::from_secs(1)) {
            Ok(_) => "succeeded",
            Err(Ok(failure)) => failure.kind,
            Err(Err(_)) => "error",
        };
        for (end, expect) in [
            (exited(0, false), "succeeded"),
            (exited(3, false), "exit"),
            (exited(137, true), "out_of_memory"),
            (exited(0, true), "succeeded"),
            (End::Deadline, "timeout"),
            (End::TooMuch, "too_large"),
            (End::Removed, "error"),
        ] {
            assert_eq!(kind(end), expect);
        }
    }
}
