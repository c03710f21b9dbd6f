//! A small HTTP client for one daemon: one connection a request, bodies streamed both ways.
//!
//! Plain HTTP/1.1 only: the daemon listens on loopback. No redirects, no retries, no pool.

use super::exit::Exit;
use super::failure::Failure;
use super::progress::Bar;
use crate::api::native::wire::{BASE, header};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECT: Duration = Duration::from_secs(5);
const LARGEST_DOCUMENT: usize = 64 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// What is sent.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Bytes at hand.
pub(crate) fn body_of(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// All that `reader` gives, read piece by piece as it is sent.
pub(crate) fn body_from(reader: impl Read + Send + 'static) -> Body {
    let pieces = futures_util::stream::try_unfold(reader, |mut reader| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE];
            let length = reader.read(&mut piece)?;
            piece.truncate(length);
            Ok::<_, std::io::Error>((piece, reader))
        });
        let (piece, reader) = read.await.map_err(std::io::Error::other)??;
        Ok((!piece.is_empty()).then(|| (Frame::data(Bytes::from(piece)), reader)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// A body that tells a bar how much of it has gone.
pub(crate) fn watched(body: Body, bar: Bar) -> Body {
    let mut sent = 0;
    body.map_frame(move |frame| {
        sent += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        bar.at(sent);
        frame
    })
    .boxed_unsync()
}

/// One request to the native API.
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Body,
    patience: Duration,
    /// What all paths are below.
    base: &'static str,
}

impl Call {
    /// `path` comes below the native API's base and is encoded (see [`path`] and [`query`]).
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::new(),
            body: body_of(Bytes::new()),
            patience: Duration::from_secs(60),
            base: BASE,
        }
    }

    /// A request beside the native API.
    pub(crate) fn at_root(method: Method, path: String) -> Self {
        Self {
            base: "",
            ..Self::new(method, path)
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sends a document.
    pub(crate) fn json(self, document: &impl serde::Serialize) -> Result<Self, Failure> {
        let bytes = serde_json::to_vec(document)
            .map_err(|error| Failure::usage(format!("cannot write the request: {error}")))?;
        let length = bytes.len() as u64;
        let json = HeaderValue::from_static("application/json");
        Ok(self
            .header(http::header::CONTENT_TYPE, json)
            .body(body_of(bytes), Some(length)))
    }

    /// Sends this; `length` in bytes where it is known.
    pub(crate) fn body(mut self, body: Body, length: Option<u64>) -> Self {
        self.body = body;
        if let Some(length) = length {
            self.headers
                .insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        self
    }

    /// How long the head of the answer may take, the sending included. Default: 60 s.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// The daemon's address.
#[derive(Clone)]
pub(crate) struct Client {
    url: String,
    host: String,
    port: u16,
    prefix: String,
    token: Option<HeaderValue>,
}

impl Client {
    /// Takes `http://HOST[:PORT][/PREFIX]`.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!("`{url}` is not an address of a daemon"))
                .hint("write it as http://127.0.0.1:7070 (--url or HOB_URL)")
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong());
        }
        let host = uri.host().ok_or_else(wrong)?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            token: None,
        })
    }

    /// Shows this access token with each request; an empty one is none.
    pub(crate) fn with_token(mut self, token: Option<&str>) -> Result<Self, Failure> {
        let token = token.filter(|t| !t.is_empty()).map(HeaderValue::from_str).transpose();
        self.token = token.map_err(|_| {
            Failure::usage("the access token has characters that no header can hold").hint("look at HOB_TOKEN")
        })?;
        self.token.iter_mut().for_each(|value| value.set_sensitive(true));
        Ok(self)
    }

    /// Sends a request; any status is an answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let patience = call.patience;
        let exchange = self.exchange(call);
        tokio::time::timeout(patience, exchange).await.unwrap_or_else(|_| {
            let seconds = patience.as_secs();
            let message = format!("{} did not answer within {seconds} s", self.url);
            Err(Failure::new(Exit::Timeout, "timeout", message).hint("look at `hob status`"))
        })
    }

    /// Sends a request; an error status is a failure.
    pub(crate) async fn ask(&self, call: Call) -> Result<Answer, Failure> {
        self.send(call).await?.checked().await
    }

    /// Reads one document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, Failure> {
        let answer = self.ask(Call::new(Method::GET, path)).await?;
        answer.document().await
    }

    /// Whether somebody takes connections at the address.
    pub(crate) async fn is_up(&self) -> bool {
        self.connect().await.is_ok()
    }

    async fn exchange(&self, call: Call) -> Result<Answer, Failure> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Its error also reaches whoever waits for the answer or its body.
            let _ = connection.await;
        });
        let request = self.request(call)?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| self.broken(&error))?;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            parts,
            body,
            _connection: task,
        })
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
            Err(_) => return Err(self.unreachable("no answer within 5 s")),
        };
        // Requests go out in one piece anyway; without this they would only go out later.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn request(&self, call: Call) -> Result<Request<Body>, Failure> {
        let target = format!("{}{}{}", self.prefix, call.base, call.path);
        let mut request = Request::new(call.body);
        *request.method_mut() = call.method;
        *request.uri_mut() = target
            .parse()
            .map_err(|_| Failure::usage(format!("`{target}` is not a path")))?;
        *request.headers_mut() = call.headers;
        let host = match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        };
        let host = HeaderValue::from_str(&host).map_err(|_| Failure::usage("bad host in --url"))?;
        request.headers_mut().entry(http::header::HOST).or_insert(host);
        // Not in `Authorization`: that header may be meant for the function.
        if let Some(token) = self.token.clone() {
            request.headers_mut().insert("x-auth-token", token);
        }
        Ok(request)
    }

    fn unreachable(&self, why: &str) -> Failure {
        let message = format!("no daemon answers at {} ({why})", self.url);
        Failure::new(Exit::Unreachable, "unreachable", message)
            .hint("start it with `hob serve`, or say where it is with --url or HOB_URL")
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        // The user's own file may be what failed: its error is inside.
        let cause = std::error::Error::source(error).map_or(String::new(), |c| format!(": {c}"));
        let message = format!("the connection to {} broke: {error}{cause}", self.url);
        Failure::new(Exit::Unreachable, "unreachable", message)
            .hint("see the daemon's own output; `hob status` says whether it runs")
    }
}

/// An answer: its head, and its body as it comes.
pub(crate) struct Answer {
    parts: http::response::Parts,
    body: Incoming,
    _connection: JoinSet<()>,
}

impl Answer {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    /// A header's value, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// How long the body is, where that is known. Unit: bytes.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| {
                let message = format!("the answer broke off: {error}");
                Failure::new(Exit::Unreachable, "unreachable", message)
                    .hint("see the daemon's own output; `hob status` says whether it runs")
            })?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The whole body, at most 64 MiB of it.
    pub(crate) async fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await? {
            if all.len() + piece.len() > LARGEST_DOCUMENT {
                return Err(
                    Failure::usage("the answer is larger than 64 MiB").hint("ask for less, for example with --limit")
                );
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// The body as one document.
    pub(crate) async fn document<T: DeserializeOwned>(mut self) -> Result<T, Failure> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("the answer is not what this version of hob expects: {error}");
            Failure::new(Exit::Engine, "internal", message)
                .hint("compare `hob version` with the version in `hob status`")
        })
    }

    /// Turns an error status into a failure.
    pub(crate) async fn checked(self) -> Result<Self, Failure> {
        if self.status() < 400 {
            return Ok(self);
        }
        Err(self.failure().await)
    }

    /// The failure this answer tells of.
    pub(crate) async fn failure(mut self) -> Failure {
        let bytes = self.bytes().await.unwrap_or_default();
        Failure::answer(self.status(), self.header(header::ERROR_SOURCE), &bytes)
    }
}

/// `/a/b` of its segments, each encoded.
pub(crate) fn path(segments: &[&str]) -> String {
    segments.iter().map(|segment| format!("/{}", encode(segment))).collect()
}

/// `path?a=b&c=d`; pairs without a value are left out.
pub(crate) fn query(mut path: String, pairs: &[(&str, Option<&str>)]) -> String {
    let mut sign = '?';
    for (name, value) in pairs {
        if let Some(value) = value {
            path.push(sign);
            path.push_str(name);
            path.push('=');
            path.push_str(&encode(value));
            sign = '&';
        }
    }
    path
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // A segment of dots alone would be taken for a way up.
            b'.' if !text.bytes().all(|b| b == b'.') => encoded.push('.'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Server, json, respond};
    use serde_json::json as value;

    #[test]
    fn paths_and_queries_are_encoded() {
        assert_eq!(path(&["functions", "a/../b c"]), "/functions/a%2F..%2Fb%20c");
        assert_eq!(path(&[".."]), "/%2E%2E");
        let got = query("/x".to_owned(), &[("a", Some("1&2=ä")), ("b", None), ("c", Some("d"))]);
        assert_eq!(got, "/x?a=1%262%3D%C3%A4&c=d");
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:7070", "http://h", "http://[::1]:1/p/"] {
            assert!(Client::new(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:7070", "https://h", "ftp://h", "http://"] {
            let failure = Client::new(bad).err().expect(bad);
            assert_eq!(failure.exit, Exit::Usage, "{bad}");
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_said_with_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let client = Client::new(&url).expect("an address");
        let failure = client
            .get::<serde_json::Value>("/status".to_owned())
            .await
            .expect_err("nobody is there");
        assert_eq!(failure.exit, Exit::Unreachable);
        let hint = failure.body.and_then(|body| body.hint).expect("a hint");
        assert!(hint.contains("hob serve"), "{hint}");
    }

    #[tokio::test]
    async fn an_error_answer_becomes_a_failure_with_its_words() {
        let server = Server::start(|_| json(404, &value!({"code": "not_found", "message": "no function `x`"}))).await;
        let client = Client::new(&format!("{}/prefix/", server.url)).expect("an address");
        let failure = client
            .get::<serde_json::Value>(path(&["functions", "x"]))
            .await
            .expect_err("not found");
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.body.expect("a body").message, "no function `x`");
        assert_eq!(server.asked()[0].line, "GET /prefix/hob/v1/functions/x");
    }

    #[tokio::test]
    async fn the_token_is_shown_with_each_request() {
        let server = Server::start(|_| respond(200, &[], "{}")).await;
        for (token, expect) in [(Some("secret"), Some("secret")), (Some(""), None), (None, None)] {
            let client = Client::new(&server.url)
                .and_then(|c| c.with_token(token))
                .expect("a client");
            client
                .get::<serde_json::Value>("/x".to_owned())
                .await
                .expect("an answer");
            let asked = server.asked();
            let sent = asked.last().and_then(|a| a.headers.get("x-auth-token"));
            assert_eq!(sent.and_then(|v| v.to_str().ok()), expect);
        }
        assert!(
            Client::new(&server.url)
                .and_then(|c| c.with_token(Some("a\nb")))
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_foreign_error_page_is_named_as_such() {
        let server = Server::start(|_| respond(502, &[], "<html>")).await;
        let client = Client::new(&server.url).expect("an address");
        let failure = client
            .get::<serde_json::Value>("/status".to_owned())
            .await
            .expect_err("an error");
        assert_eq!(failure.exit, Exit::Engine);
        assert!(failure.body.expect("a body").message.contains("502"));
    }

    #[tokio::test]
    async fn a_body_is_streamed_from_a_reader() {
        let server = Server::start(|_| respond(200, &[], "")).await;
        let client = Client::new(&server.url).expect("an address");
        let sent = vec![7_u8; 3 * PIECE + 5];
        let call = Call::new(Method::POST, "/x".to_owned()).body(body_from(std::io::Cursor::new(sent.clone())), None);
        client.ask(call).await.expect("an answer");
        assert_eq!(server.asked()[0].body, sent);
    }
}
