//! The wire between daemon and shim: frames on one connection. `runtimes/README.md` is the contract.
//!
//! Knows sizes and shapes, not meanings of calls; a frame that does not fit is an error, never repaired.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as Socket;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// The version of the contract this daemon speaks.
pub(super) const PROTOCOL: u32 = 1;
/// A body up to this size travels in one frame. Unit: bytes.
pub const INLINE_BODY: usize = 64 * 1024;
/// No frame is longer. Unit: bytes.
const MAX_FRAME: usize = 2 * 1024 * 1024;
const PREFIX: usize = 9;
/// What is made room for when a frame is awaited. Unit: bytes.
const ROOM: usize = 8 * 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A connection says who it is.
    Hello = 1,
    /// Load a revision.
    Load = 2,
    /// It is loaded, or why not.
    Loaded = 3,
    /// A call.
    Invoke = 4,
    /// A part of a body.
    Body = 5,
    /// The answer, or the function's failure.
    Reply = 6,
    /// What the function printed.
    Log = 7,
    /// End what runs in a slot.
    Cancel = 8,
    /// Are you there?
    Ping = 9,
    /// I am.
    Pong = 10,
    /// How many slots to keep.
    Slots = 11,
    /// A slot's process ended.
    Exited = 12,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        use Kind::{Body, Cancel, Exited, Hello, Invoke, Load, Loaded, Log, Ping, Pong, Reply, Slots};
        let all = [
            Hello, Load, Loaded, Invoke, Body, Reply, Log, Cancel, Ping, Pong, Slots, Exited,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One received frame.
#[derive(Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    header: Bytes,
    /// The bytes behind the header.
    pub raw: Bytes,
}

impl Frame {
    /// Reads the JSON header.
    ///
    /// # Errors
    /// `InvalidData` when it is not of that shape.
    pub fn header<T: DeserializeOwned>(&self) -> io::Result<T> {
        let bytes: &[u8] = if self.header.is_empty() { b"{}" } else { &self.header };
        serde_json::from_slice(bytes).map_err(|e| invalid(format!("a {:?} frame has a bad header: {e}", self.kind)))
    }
}

/// One framed connection.
#[derive(Debug)]
pub struct Connection {
    /// What arrives.
    pub incoming: Incoming,
    /// What leaves.
    pub outgoing: Outgoing,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct Incoming {
    stream: Arc<AsyncFd<Socket>>,
    buffer: BytesMut,
}

/// The sending half of a connection.
#[derive(Debug)]
pub struct Outgoing {
    stream: Arc<AsyncFd<Socket>>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Frames over an accepted connection.
    ///
    /// Only its incoming bytes wake us: a Unix socket also tells whenever the other side has read, which would be one
    /// more wake-up for each call, at the moment the worker begins with it.
    /// # Errors
    /// The system's, when the socket cannot be watched.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let stream = Arc::new(watch(stream.into_std()?, Interest::READABLE)?);
        Ok(Self {
            incoming: Incoming {
                stream: Arc::clone(&stream),
                buffer: BytesMut::with_capacity(ROOM),
            },
            outgoing: Outgoing {
                stream,
                buffer: Vec::with_capacity(1024),
            },
        })
    }

    /// See [`Incoming::receive`].
    ///
    /// # Errors
    /// As there.
    pub async fn receive(&mut self) -> io::Result<Option<Frame>> {
        self.incoming.receive().await
    }

    /// See [`Outgoing::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send<T: Serialize>(&mut self, kind: Kind, header: &T, raw: &[u8]) -> io::Result<()> {
        self.outgoing.send(kind, header, raw).await
    }

    /// Whether nothing has arrived that nobody asked for. A slot that talks out of turn is not reused.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.incoming.buffer.is_empty()
    }
}

impl Outgoing {
    /// Sends one frame in one write.
    ///
    /// # Errors
    /// The socket's.
    pub async fn send<T: Serialize>(&mut self, kind: Kind, header: &T, raw: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; PREFIX]);
        serde_json::to_writer(&mut self.buffer, header).map_err(io::Error::other)?;
        let header_len = self.buffer.len() - PREFIX;
        self.buffer.extend_from_slice(raw);
        let total = self.buffer.len() - PREFIX;
        self.buffer[0..4].copy_from_slice(&length(total)?.to_be_bytes());
        self.buffer[4] = kind as u8;
        self.buffer[5..9].copy_from_slice(&length(header_len)?.to_be_bytes());
        self.write().await
    }

    /// Writes the buffer; what the socket does not take at once, it takes as the worker reads.
    async fn write(&self) -> io::Result<()> {
        let mut socket = self.stream.get_ref();
        let mut rest = &self.buffer[..];
        let mut room = None;
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_for_room(socket, &mut room).await?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Waits until the socket takes bytes again, on a descriptor of its own that is watched for that.
async fn wait_for_room(socket: &Socket, watched: &mut Option<AsyncFd<Socket>>) -> io::Result<()> {
    if let Some(watched) = watched {
        watched.writable().await?.clear_ready();
        return Ok(());
    }
    // A new watch tells at once what there is room for now.
    *watched = Some(watch(socket.try_clone()?, Interest::WRITABLE)?);
    Ok(())
}

impl Incoming {
    /// The next frame; `None` when the other side closed between frames. Cancel-safe.
    ///
    /// # Errors
    /// `InvalidData` for a frame of unknown type or size, `UnexpectedEof` for half a frame, else the socket's.
    pub async fn receive(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            if self.read().await? == 0 {
                return self.closed();
            }
        }
    }

    /// Reads once what has come; 0 at the end.
    async fn read(&mut self) -> io::Result<usize> {
        let before = self.buffer.len();
        let room = (self.buffer.capacity() - before).max(ROOM);
        loop {
            let mut ready = self.stream.readable().await?;
            self.buffer.resize(before + room, 0);
            let read = ready.try_io(|socket| socket.get_ref().read(&mut self.buffer[before..]));
            self.buffer
                .truncate(before + read.as_ref().map_or(0, |r| *r.as_ref().unwrap_or(&0)));
            match read {
                Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(done) => {
                    // Fewer than there was room for: nothing more is there, and asking again would only say so.
                    if done.as_ref().is_ok_and(|n| *n < room) {
                        ready.clear_ready();
                    }
                    return done;
                }
                Err(_would_block) => {}
            }
        }
    }

    fn closed(&self) -> io::Result<Option<Frame>> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the worker closed its connection within a frame",
        ))
    }

    fn take_frame(&mut self) -> io::Result<Option<Frame>> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind, e, f, g, h] = *prefix;
        let total = u32::from_be_bytes([a, b, c, d]) as usize;
        let header_len = u32::from_be_bytes([e, f, g, h]) as usize;
        let kind = Kind::from_byte(kind).ok_or_else(|| invalid(format!("frame type {kind} is not known")))?;
        if total > MAX_FRAME || header_len > total {
            return Err(invalid(format!(
                "a {kind:?} frame of {total} bytes, {header_len} of them header, is too large"
            )));
        }
        if self.buffer.len() < PREFIX + total {
            self.buffer.reserve(PREFIX + total - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        let mut raw = self.buffer.split_to(total).freeze();
        let header = raw.split_to(header_len);
        Ok(Some(Frame { kind, header, raw }))
    }
}

#[expect(
    deprecated,
    reason = "its new name is unsafe, for types whose descriptor may change; a socket's never does"
)]
fn watch(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, interest)
}

fn length(n: usize) -> io::Result<u32> {
    u32::try_from(n)
        .ok()
        .filter(|n| (*n as usize) <= MAX_FRAME)
        .ok_or_else(|| invalid(format!("a frame of {n} bytes is over the limit of {MAX_FRAME}")))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Header of `hello`.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) role: String,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) slot: u16,
}

/// Header of `load`.
#[derive(Debug, Serialize)]
pub(crate) struct LoadHeader<'a> {
    pub(crate) revision: String,
    pub(crate) path: &'a str,
    pub(crate) entry: &'a str,
    pub(crate) convention: &'a str,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) timeout_ms: u64,
    pub(crate) log_limit: u64,
    pub(crate) function: FunctionHeader<'a>,
}

/// What user code may know of itself.
#[derive(Debug, Serialize)]
pub(crate) struct FunctionHeader<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) version: u32,
    pub(crate) memory_mib: u32,
}

/// Header of `loaded`.
#[derive(Debug, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) ok: bool,
    pub(crate) error: Option<FunctionError>,
    #[serde(default)]
    pub(crate) duration_us: u64,
}

/// Header of `invoke`.
#[derive(Debug, Serialize)]
pub struct InvokeHeader<'a> {
    /// The execution.
    pub id: &'a str,
    /// Unit: milliseconds.
    pub timeout_ms: u32,
    /// HTTP method.
    pub method: &'a str,
    /// Path below the function.
    pub path: &'a str,
    /// Query without `?`.
    pub query: &'a str,
    /// Name and value, in order.
    pub headers: &'a [(&'a str, &'a str)],
    /// Whether `body` frames follow.
    pub stream: bool,
    /// Unit: bytes kept of what the call prints.
    pub log_limit: u64,
}

/// Header of `body`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct BodyHeader {
    /// Nothing follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
}

/// Header of `reply`.
#[derive(Debug, Deserialize)]
pub struct ReplyHeader {
    /// HTTP status; 200 unless said.
    #[serde(default)]
    pub status: Option<u16>,
    /// Name and value, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Whether `body` frames follow.
    #[serde(default)]
    pub stream: bool,
    /// The function failed.
    #[serde(default)]
    pub error: Option<FunctionError>,
    /// Unit: microseconds in user code.
    #[serde(default)]
    pub duration_us: u64,
}

/// How user code failed.
#[derive(Debug, Clone, Deserialize)]
pub struct FunctionError {
    /// `raised`, `not_json`, `bad_input` or `load`.
    pub kind: String,
    /// The error's type, as the language names it.
    #[serde(default, rename = "type")]
    pub error_type: String,
    /// One sentence.
    #[serde(default)]
    pub message: String,
    /// Where, several lines.
    #[serde(default)]
    pub traceback: String,
}

/// Header of `cancel`.
#[derive(Debug, Serialize)]
pub(crate) struct CancelHeader {
    pub(crate) slot: u16,
}

/// Header of `slots`.
#[derive(Debug, Serialize)]
pub(crate) struct SlotsHeader {
    pub(crate) count: u16,
}

/// Header of `exited`: why a slot's process ended.
#[derive(Debug, Clone, Deserialize)]
pub struct Exited {
    /// Which slot.
    pub slot: u16,
    /// `timeout`, `out_of_memory`, `cancelled`, `exit` or `signal`.
    pub cause: String,
    /// Exit code, for `exit`.
    #[serde(default)]
    pub code: Option<i32>,
    /// Signal name, for `signal`.
    #[serde(default)]
    pub signal: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn pair() -> (Connection, Connection) {
        let (a, b) = UnixStream::pair().unwrap();
        (Connection::new(a).unwrap(), Connection::new(b).unwrap())
    }

    #[tokio::test]
    async fn a_frame_arrives_as_it_was_sent() {
        let (mut a, mut b) = pair().await;
        a.send(Kind::Body, &BodyHeader { end: true }, b"xyz").await.unwrap();
        let frame = b.receive().await.unwrap().unwrap();
        assert_eq!((frame.kind, &frame.raw[..]), (Kind::Body, &b"xyz"[..]));
        assert!(frame.header::<BodyHeader>().unwrap().end && b.is_quiet());
    }

    #[tokio::test]
    async fn nonsense_is_an_error_and_half_a_frame_too() {
        for bytes in [
            &[0xff; 9][..],
            &[0, 0, 0, 1, 99, 0, 0, 0, 0, 0],
            &[0, 0, 0, 1, 5, 0, 0, 0, 2, 0],
            &[0, 0, 0, 9, 5],
        ] {
            let (mut raw, b) = UnixStream::pair().unwrap();
            let mut b = Connection::new(b).unwrap();
            AsyncWriteExt::write_all(&mut raw, bytes).await.unwrap();
            drop(raw);
            assert!(b.receive().await.is_err(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_close_between_frames_is_the_end() {
        let (a, mut b) = pair().await;
        drop(a);
        assert!(b.receive().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn more_than_the_socket_holds_is_sent_as_the_other_side_reads() {
        let (mut a, mut b) = pair().await;
        let large: Vec<u8> = (0..1_500_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let send = async {
            for _ in 0..3 {
                a.send(Kind::Body, &BodyHeader::default(), &large).await.unwrap();
            }
            drop(a);
        };
        let receive = async {
            for _ in 0..3 {
                let frame = b.receive().await.unwrap().unwrap();
                assert!(frame.raw == large, "not what was sent");
            }
            assert!(b.receive().await.unwrap().is_none());
        };
        tokio::join!(send, receive);
    }

    #[tokio::test]
    async fn frames_that_arrive_together_are_taken_one_by_one_and_the_next_is_waited_for() {
        let (mut a, mut b) = pair().await;
        for _ in 0..2 {
            for raw in [b"1", b"2"] {
                a.send(Kind::Log, &BodyHeader::default(), raw).await.unwrap();
            }
            for raw in [b"1", b"2"] {
                assert_eq!(&b.receive().await.unwrap().unwrap().raw[..], raw);
            }
            let waits = std::future::poll_fn(|cx| {
                let receive = std::pin::pin!(b.receive());
                std::task::Poll::Ready(receive.poll(cx).is_pending())
            });
            assert!(waits.await && b.is_quiet());
        }
    }

    #[tokio::test]
    async fn sending_to_nobody_is_an_error() {
        let (mut a, b) = pair().await;
        drop(b);
        assert!(a.send(Kind::Ping, &BodyHeader::default(), &[]).await.is_err());
    }
}
