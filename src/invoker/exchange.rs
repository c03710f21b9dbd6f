//! One call over one slot: the input out, logs and the answer in, the deadline from outside.

use super::record::Record;
use super::{Answer, Body, Call, Failure, Reply};
use crate::domain::Error;
use crate::pool::{BodyHeader, Death, Exited, Frame, INLINE_BODY, InvokeHeader, Kind, Lease, ReplyHeader};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Why an exchange did not come to an answer.
enum Broken {
    /// The slot's connection ended or broke.
    Wire(io::Error),
    /// The caller's body could not be read.
    Input(io::Error),
    /// Neither answer nor news within the deadline and its grace.
    Deadline,
}

/// How long a call may take.
#[derive(Clone, Copy)]
struct Allowance {
    /// The function's own time.
    limit: Duration,
    /// What its worker gets beyond that to say so.
    grace: Duration,
    /// When both are over.
    deadline: Instant,
}

impl Allowance {
    fn from_now(limit: Duration, grace: Duration) -> Self {
        let deadline = Instant::now() + limit + grace;
        Self { limit, grace, deadline }
    }

    /// Whether the function's own time is over.
    fn is_overdue(self) -> bool {
        Instant::now() + self.grace >= self.deadline
    }
}

pub(super) async fn run(call: Call, mut lease: Lease, mut record: Record, grace: Duration) -> Result<Answer, Error> {
    let allowance = Allowance::from_now(call.target.demand.limits.timeout.duration(), grace);
    let (id, version) = (call.id, call.target.version);
    let result = converse(call, &mut lease, &mut record, allowance.deadline).await;
    let reply = match result {
        Ok(reply) => reply,
        Err(broken) => {
            let failure = broken_call(broken, &mut lease, allowance).await;
            drop(lease);
            return settle(failure, id, version, record).await;
        }
    };
    let (header, first) = reply;
    record.timings.run_us = header.duration_us;
    if let Some(error) = header.error {
        lease.give_back();
        return settle(Ok(Failure::from(error)), id, version, record).await;
    }
    let status = header.status.unwrap_or(200);
    let (temperature, timings) = (record.temperature, record.timings_now());
    record.keep_headers(&header.headers);
    record.keep_result(&first);
    let body = if header.stream {
        Body::Stream(stream_reply(
            Streaming {
                lease,
                record: Some(record),
                status,
                over: false,
                allowance,
            },
            first,
        ))
    } else {
        lease.give_back();
        record.succeeded(status).await;
        Body::Whole(first)
    };
    let reply = Reply::Success {
        status,
        headers: header.headers,
        body,
    };
    Ok(Answer {
        id,
        version,
        temperature,
        timings,
        reply,
    })
}

/// Ends the record with a function's failure or the platform's.
pub(super) async fn settle(
    failure: Result<Failure, Error>,
    id: crate::domain::ExecutionId,
    version: u32,
    mut record: Record,
) -> Result<Answer, Error> {
    match failure {
        Ok(failure) => {
            let (temperature, timings) = (record.temperature, record.timings_now());
            record.failed(&failure).await;
            Ok(Answer {
                id,
                version,
                temperature,
                timings,
                reply: Reply::Failure(failure),
            })
        }
        Err(error) => Err(record.platform_error(error).await),
    }
}

async fn converse(
    call: Call,
    lease: &mut Lease,
    record: &mut Record,
    deadline: Instant,
) -> Result<(ReplyHeader, Bytes), Broken> {
    let connection = lease.shim().map_err(Broken::Wire)?;
    let id = call.id.to_string();
    let headers: Vec<_> = call.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let (first, rest) = match call.body {
        Body::Whole(bytes) => (bytes, None),
        Body::Stream(stream) => (Bytes::new(), Some(stream)),
    };
    let header = InvokeHeader {
        id: &id,
        timeout_ms: call.target.demand.limits.timeout.millis(),
        method: &call.method,
        path: &call.path,
        query: &call.query,
        headers: &headers,
        stream: rest.is_some(),
        log_limit: record.log_limit(),
    };
    let talk = async {
        connection
            .outgoing
            .send(Kind::Invoke, &header, &first)
            .await
            .map_err(Broken::Wire)?;
        let answer = await_reply(&mut connection.incoming, record);
        let Some(rest) = rest else { return answer.await };
        let send = send_body(&mut connection.outgoing, rest);
        tokio::pin!(answer, send);
        tokio::select! {
            biased;
            reply = &mut answer => reply,
            sent = &mut send => { sent?; answer.await }
        }
    };
    timeout_at(deadline, talk).await.unwrap_or(Err(Broken::Deadline))
}

async fn send_body(
    outgoing: &mut crate::pool::Outgoing,
    mut body: BoxStream<'static, io::Result<Bytes>>,
) -> Result<(), Broken> {
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(Broken::Input)?;
        for part in chunk.chunks(INLINE_BODY) {
            outgoing
                .send(Kind::Body, &BodyHeader::default(), part)
                .await
                .map_err(Broken::Wire)?;
        }
    }
    outgoing
        .send(Kind::Body, &BodyHeader { end: true }, &[])
        .await
        .map_err(Broken::Wire)
}

async fn await_reply(
    incoming: &mut crate::pool::Incoming,
    record: &mut Record,
) -> Result<(ReplyHeader, Bytes), Broken> {
    let frame = next_frame(incoming, record).await.map_err(Broken::Wire)?;
    match frame.kind {
        Kind::Reply => Ok((frame.header().map_err(Broken::Wire)?, frame.raw)),
        other => Err(Broken::Wire(unexpected(other))),
    }
}

/// The next frame that is no log; logs go to the record.
async fn next_frame(incoming: &mut crate::pool::Incoming, record: &mut Record) -> io::Result<Frame> {
    loop {
        let frame = incoming.receive().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if frame.kind != Kind::Log {
            return Ok(frame);
        }
        let header: LogHeader = frame.header()?;
        record.log(frame.raw, header.cut.is_some());
    }
}

#[derive(serde::Deserialize)]
struct LogHeader {
    #[serde(default)]
    cut: Option<u64>,
}

fn unexpected(kind: Kind) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a {kind:?} frame where an answer belongs"),
    )
}

/// Finds out why a call broke: the function's failure, or ours.
async fn broken_call(broken: Broken, lease: &mut Lease, allowance: Allowance) -> Result<Failure, Error> {
    let (limit, overdue) = (allowance.limit, allowance.is_overdue());
    match broken {
        Broken::Deadline => {
            lease.kill(allowance.grace).await;
            Ok(failure("timeout", timeout_message(limit)))
        }
        Broken::Input(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(Error::TooLarge(e.to_string())),
        Broken::Input(e) => Err(Error::invalid(format!("the request's body could not be read: {e}"))),
        Broken::Wire(e) if e.kind() == io::ErrorKind::InvalidData => {
            lease.end_worker();
            Err(Error::WorkerDied(format!(
                "the worker broke its contract ({e}) and was removed: try again"
            )))
        }
        Broken::Wire(_) => died(lease.cause_of_death(allowance.grace).await, overdue, limit),
    }
}

/// `overdue`: it broke after the function's time. Then it was ended for that, also where the worker was too busy to
/// say so.
fn died(death: Death, overdue: bool, limit: Duration) -> Result<Failure, Error> {
    match death {
        Death::Slot(exited) => Ok(slot_death(&exited, limit)),
        Death::Worker(_) if overdue => Ok(failure("timeout", timeout_message(limit))),
        Death::Worker(why) => Err(Error::WorkerDied(format!(
            "the worker ended during the call: {why}; try again, and see `hob status`"
        ))),
    }
}

fn slot_death(exited: &Exited, limit: Duration) -> Failure {
    match exited.cause.as_str() {
        "timeout" => failure("timeout", timeout_message(limit)),
        "out_of_memory" => failure(
            "out_of_memory",
            "the function ran out of memory: raise its memory (`--memory`), or use less".to_owned(),
        ),
        "cancelled" => failure("cancelled", "the call was cancelled".to_owned()),
        "signal" => {
            let signal = exited.signal.as_deref().unwrap_or("a signal");
            failure("signal", format!("the function's process was ended by {signal}"))
        }
        _ => {
            let code = exited
                .code
                .map_or_else(String::new, |code| format!(" with code {code}"));
            failure(
                "exit",
                format!("the function ended its process{code}: return from it instead"),
            )
        }
    }
}

pub(super) fn failure(kind: &'static str, message: String) -> Failure {
    Failure {
        kind,
        error_type: String::new(),
        message,
        traceback: String::new(),
    }
}

pub(super) fn timeout_message(limit: Duration) -> String {
    format!(
        "the function took longer than its timeout of {} ms: raise it (`--timeout`), or do less",
        limit.as_millis()
    )
}

/// A streamed answer on its way: holds the slot until the last byte.
struct Streaming {
    lease: Lease,
    record: Option<Record>,
    status: u16,
    /// The last body frame has come.
    over: bool,
    allowance: Allowance,
}

fn stream_reply(streaming: Streaming, first: Bytes) -> BoxStream<'static, io::Result<Bytes>> {
    let rest = futures_util::stream::unfold(Some(streaming), |state| async move {
        let mut streaming = state?;
        match streaming.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(streaming))),
            Ok(None) => {
                streaming.finish().await;
                None
            }
            Err(e) => {
                let message = streaming.abandon(e).await;
                Some((Err(io::Error::other(message)), None))
            }
        }
    });
    futures_util::stream::iter(Some(Ok(first)).filter(|r| r.as_ref().is_ok_and(|b: &Bytes| !b.is_empty())))
        .chain(rest)
        .boxed()
}

impl Streaming {
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(record) = self.record.as_mut().filter(|_| !self.over) else {
            return Ok(None);
        };
        let shim = self.lease.shim().map_err(Broken::Wire)?;
        let frame = next_frame(&mut shim.incoming, record);
        let frame = timeout_at(self.allowance.deadline, frame)
            .await
            .map_err(|_| Broken::Deadline)?
            .map_err(Broken::Wire)?;
        if frame.kind != Kind::Body {
            return Err(Broken::Wire(unexpected(frame.kind)));
        }
        let header: BodyHeader = frame.header().map_err(Broken::Wire)?;
        record.keep_result(&frame.raw);
        self.over = header.end;
        Ok((!self.over || !frame.raw.is_empty()).then_some(frame.raw))
    }

    async fn finish(mut self) {
        self.lease.give_back();
        if let Some(record) = self.record.take() {
            record.succeeded(self.status).await;
        }
    }

    async fn abandon(mut self, broken: Broken) -> String {
        let found = broken_call(broken, &mut self.lease, self.allowance).await;
        let Some(record) = self.record.take() else {
            return String::new();
        };
        match found {
            Ok(failure) => {
                record.failed(&failure).await;
                failure.sentence()
            }
            Err(error) => record.platform_error(error).await.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_broke_after_its_time_timed_out_whatever_its_worker_still_said() {
        let exited = |cause: &str| {
            Death::Slot(Exited {
                slot: 0,
                cause: cause.to_owned(),
                code: Some(1),
                signal: None,
            })
        };
        let worker = || Death::Worker("it is gone".to_owned());
        let limit = Duration::from_secs(1);
        for (death, overdue, expected) in [
            (exited("timeout"), true, Some("timeout")),
            (exited("out_of_memory"), true, Some("out_of_memory")),
            (exited("exit"), false, Some("exit")),
            (worker(), true, Some("timeout")),
            (worker(), false, None),
        ] {
            let case = format!("{death:?}, overdue: {overdue}");
            let kind = died(death, overdue, limit).ok().map(|failure| failure.kind);
            assert_eq!(kind, expected, "{case}");
        }
    }
}
