//! One call to a server of the user's: the request goes on as it came, the answer comes back as it is.
//!
//! The deadline is ours alone: nobody inside the container watches it. Upgrades are not passed on.

use super::connection::remove_hop_by_hop;
use super::exchange::{failure, settle, timeout_message};
use super::record::Record;
use super::{Answer, Body, Call, Failure, Reply};
use crate::domain::{Error, ExecutionId};
use crate::pool::{CallError, Caller, Death, Exited, INLINE_BODY, Lease, Line, Listener, RequestBody};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body as _;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Output takes a way of its own, through the engine: what a call printed last may come after its answer.
const LATE_OUTPUT: Duration = Duration::from_millis(50);
/// Why there is no answer, or only a part of one.
enum Broken {
    /// The connection to the server.
    Http(CallError),
    /// The caller's body could not be read.
    Input(io::Error),
    /// The deadline passed.
    Deadline,
}

/// Where a body that cannot be read leaves its reason.
type InputError = Arc<Mutex<Option<io::Error>>>;

pub(super) async fn run(call: Call, lease: Lease, record: Record, grace: Duration) -> Result<Answer, Error> {
    let limit = call.target.demand.limits.timeout.duration();
    let (id, version) = (call.id, call.target.version);
    let mut lease = lease;
    let (request, printed, input) = match begin(call, &mut lease, &record) {
        Ok(begun) => begun,
        Err(refused) => {
            lease.give_back();
            return settle(Ok(refused), id, version, record).await;
        }
    };
    let mut talk = Talk {
        lease,
        record,
        printed,
        input,
        begun: Instant::now(),
        limit,
        grace,
    };
    match talk.ask(request).await {
        Ok(response) => talk.answer(response, id, version).await,
        Err(broken) => {
            let (failure, record) = talk.give_up(broken).await;
            settle(failure, id, version, record).await
        }
    }
}

/// The request, and an ear for what the server prints meanwhile.
fn begin(
    call: Call,
    lease: &mut Lease,
    record: &Record,
) -> Result<(Request<RequestBody>, Listener, InputError), Failure> {
    let Line::Server(caller) = lease.line() else {
        return Err(failure("exit", "the worker is no server: deploy again".to_owned()));
    };
    let input = InputError::default();
    let request = request(call, caller.address(), &input)
        .map_err(|e| failure("bad_input", format!("the request cannot be passed on: {e}")))?;
    let limit = usize::try_from(record.log_limit()).unwrap_or(usize::MAX);
    Ok((request, caller.listen(limit), input))
}

fn request(call: Call, address: SocketAddr, input: &InputError) -> http::Result<Request<RequestBody>> {
    let query = if call.query.is_empty() { "" } else { "?" };
    let uri = format!("{}{query}{}", call.path, call.query);
    let mut request = Request::builder().method(call.method.as_str()).uri(uri);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(request_body(call.body, input))?;
    let headers = request.headers_mut();
    remove_hop_by_hop(headers);
    if !headers.contains_key(header::HOST) {
        headers.insert(header::HOST, HeaderValue::try_from(address.to_string())?);
    }
    Ok(request)
}

fn request_body(body: Body, input: &InputError) -> RequestBody {
    match body {
        Body::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        Body::Stream(stream) => {
            let input = Arc::clone(input);
            let frames = stream.map(move |piece| piece.map(Frame::data).map_err(|e| keep_reason(&input, e)));
            StreamBody::new(frames).boxed_unsync()
        }
    }
}

fn keep_reason(input: &InputError, error: io::Error) -> io::Error {
    let kind = error.kind();
    *input.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    kind.into()
}

/// A call and all that belongs to it, from the request to the last byte of the answer.
struct Talk {
    lease: Lease,
    record: Record,
    printed: Listener,
    input: InputError,
    begun: Instant,
    limit: Duration,
    grace: Duration,
}

impl Talk {
    async fn ask(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Broken> {
        let deadline = self.begun + self.limit;
        let Line::Server(caller) = self.lease.line() else {
            return Err(Broken::Deadline);
        };
        let asked = ask_and_listen(caller, request, &mut self.printed, &mut self.record);
        let response = timeout_at(deadline, asked).await.map_err(|_| Broken::Deadline)?;
        response.map_err(|e| self.blame(e))
    }

    /// The caller's own body, if that is what broke.
    fn blame(&self, error: CallError) -> Broken {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
        input.map_or(Broken::Http(error), Broken::Input)
    }

    async fn answer(mut self, response: Response<Incoming>, id: ExecutionId, version: u32) -> Result<Answer, Error> {
        let (mut head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        remove_hop_by_hop(&mut head.headers);
        let (temperature, timings) = (self.record.temperature, self.timings());
        let headers = texts(&head.headers);
        self.record.keep_headers(&headers);
        let small = body.size_hint().upper().is_some_and(|n| n <= INLINE_BODY as u64);
        let body = if small {
            match self.collect(&mut body).await {
                Ok(whole) => {
                    self.finish(status);
                    Body::Whole(whole)
                }
                Err(broken) => {
                    let (failure, record) = self.give_up(broken).await;
                    return settle(failure, id, version, record).await;
                }
            }
        } else {
            Body::Stream(self.stream(body, status))
        };
        let reply = Reply::Success { status, headers, body };
        Ok(Answer {
            id,
            version,
            temperature,
            timings,
            reply,
        })
    }

    fn timings(&mut self) -> crate::domain::Timings {
        self.record.timings.run_us = super::micros(self.begun.elapsed());
        self.record.timings_now()
    }

    async fn collect(&mut self, body: &mut Incoming) -> Result<Bytes, Broken> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next(body).await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// The next piece of the answer; what is printed meanwhile goes to the record.
    async fn next(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Broken> {
        let deadline = self.begun + self.limit;
        loop {
            let frame = frame_or_output(body, &mut self.printed, &mut self.record);
            let frame = timeout_at(deadline, frame).await.map_err(|_| Broken::Deadline)?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|e| self.blame(CallError::Http(e)))?;
            if let Ok(data) = frame.into_data() {
                self.record.keep_result(&data);
                return Ok(Some(data));
            }
        }
    }

    fn stream(self, body: Incoming, status: u16) -> BoxStream<'static, io::Result<Bytes>> {
        let pieces = futures_util::stream::unfold(Some((self, body)), move |state| async move {
            let (mut talk, mut body) = state?;
            match talk.next(&mut body).await {
                Ok(Some(piece)) => Some((Ok(piece), Some((talk, body)))),
                Ok(None) => {
                    talk.finish(status);
                    None
                }
                Err(broken) => {
                    let (failure, record) = talk.give_up(broken).await;
                    let message = end_record(failure, record).await;
                    Some((Err(io::Error::other(message)), None))
                }
            }
        });
        pieces.boxed()
    }

    /// Gives the slot back; the record ends when late output had its time.
    fn finish(self, status: u16) {
        let Self {
            lease,
            record,
            mut printed,
            ..
        } = self;
        lease.give_back();
        record.end_later(move |mut record| async move {
            hear_late(&mut printed, &mut record).await;
            record.succeeded(status).await;
        });
    }

    /// Finds out why there is no answer, and leaves the slot as that demands.
    async fn give_up(self, broken: Broken) -> (Result<Failure, Error>, Record) {
        let Self {
            mut lease,
            mut record,
            mut printed,
            limit,
            grace,
            ..
        } = self;
        let failure = match broken {
            Broken::Deadline => {
                lease.drain_worker();
                Ok(failure("timeout", timeout_message(limit)))
            }
            Broken::Input(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(Error::TooLarge(e.to_string())),
            Broken::Input(e) => Err(Error::invalid(format!("the request's body could not be read: {e}"))),
            Broken::Http(error) => died(lease.find_out(grace).await, &error),
        };
        drop(lease);
        hear_late(&mut printed, &mut record).await;
        (failure, record)
    }
}

async fn ask_and_listen(
    caller: &mut Caller,
    request: Request<RequestBody>,
    printed: &mut Listener,
    record: &mut Record,
) -> Result<Response<Incoming>, CallError> {
    let asked = caller.send(request);
    tokio::pin!(asked);
    loop {
        tokio::select! {
            response = &mut asked => return response,
            Some(piece) = printed.next() => record.log(piece, false),
        }
    }
}

async fn frame_or_output(
    body: &mut Incoming,
    printed: &mut Listener,
    record: &mut Record,
) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    loop {
        tokio::select! {
            frame = body.frame() => return frame,
            Some(piece) = printed.next() => record.log(piece, false),
        }
    }
}

async fn hear_late(printed: &mut Listener, record: &mut Record) {
    for piece in printed.late(LATE_OUTPUT).await {
        record.log(piece, false);
    }
    record.cut(printed.cut());
}

async fn end_record(failure: Result<Failure, Error>, record: Record) -> String {
    match failure {
        Ok(failure) => {
            record.failed(&failure).await;
            failure.sentence()
        }
        Err(error) => record.platform_error(error).await.to_string(),
    }
}

fn died(death: Death, error: &CallError) -> Result<Failure, Error> {
    match death {
        Death::Slot(exited) => Ok(server_death(&exited, error)),
        Death::Worker(why) => Err(Error::WorkerDied(format!(
            "the worker ended during the call: {why}; try again, and see `hob status`"
        ))),
    }
}

fn server_death(exited: &Exited, error: &CallError) -> Failure {
    let message = match (exited.cause.as_str(), exited.code) {
        ("out_of_memory", _) => {
            let message = "the container ran out of memory: raise its memory (`--memory`), or use less";
            return failure("out_of_memory", message.to_owned());
        }
        ("exit", Some(code)) => format!("the server ended with code {code} during the call: `hob logs` shows why"),
        ("exit", None) => "the server ended during the call: `hob logs` shows why".to_owned(),
        _ => format!("the server gave no answer: {error}; `hob logs` shows what it printed"),
    };
    failure("exit", message)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn headers_of_one_connection_are_not_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-yours", "2"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(texts(&headers), [("x-yours".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn the_end_of_a_server_is_the_functions_failure_and_says_how() {
        let exited = |cause: &str, code| Exited {
            slot: 0,
            cause: cause.to_owned(),
            code,
            signal: None,
        };
        let error = CallError::Dial(io::ErrorKind::ConnectionRefused.into());
        for (given, kind, said) in [
            (exited("exit", Some(3)), "exit", "code 3"),
            (exited("out_of_memory", Some(137)), "out_of_memory", "--memory"),
            (exited("closed", None), "exit", "does not accept connections"),
        ] {
            let failure = server_death(&given, &error);
            assert_eq!(failure.kind, kind);
            assert!(failure.message.contains(said), "{}", failure.message);
        }
    }
}
