//! The bench's own HTTP/1.1 client: single requests, and a load generator that costs little of the two cores it shares.
//!
//! It speaks what Hob and the baseline speak: keep-alive, `content-length`. It deliberately knows no chunked bodies,
//! no redirects, no TLS, and takes any status but 2xx for a failed measurement.

use crate::stats;
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest anything is waited for on one connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a request goes, and its bytes, built once.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    request: Vec<u8>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    head: String,
    body: Vec<u8>,
}

/// What some seconds of load showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Answers per second, all connections together.
    pub(crate) calls_per_second: f64,
    /// The middle latency, in microseconds.
    pub(crate) p50_us: f64,
    /// The latency of the slowest in a hundred, in microseconds.
    pub(crate) p99_us: f64,
}

impl Target {
    /// A request with `body`, of the media type `kind`.
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str, kind: &str, body: &[u8]) -> Self {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        Self { address, request }
    }

    /// A `POST` of JSON.
    pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Self {
        Self::new(address, "POST", path, "application/json", body.as_bytes())
    }

    /// Sends it once, over a connection of its own, and returns the answer whatever its status.
    ///
    /// # Errors
    /// Nobody listens, the connection breaks, or the answer is no HTTP/1.1 with a length.
    pub(crate) fn send(&self) -> Result<Answer> {
        let mut stream = connect(self.address)?;
        stream.write_all(&self.request)?;
        let mut buffer = Vec::with_capacity(4096);
        loop {
            if let Some(answer) = Answer::parse(&buffer)? {
                return Ok(answer);
            }
            read_more(&mut stream, &mut buffer)?;
        }
    }

    /// Keeps `connections` connections busy for `time`, one call in flight on each.
    ///
    /// # Errors
    /// A connection breaks, or an answer's status is not 2xx.
    pub(crate) fn load(&self, connections: usize, time: Duration) -> Result<Load> {
        let started = Instant::now();
        let latencies = match connections {
            1 => self.load_one(started + time)?,
            _ => self.load_many(connections, started + time)?,
        };
        Ok(Load {
            calls_per_second: latencies.len() as f64 / started.elapsed().as_secs_f64(),
            p50_us: stats::percentile(&latencies, 0.50),
            p99_us: stats::percentile(&latencies, 0.99),
        })
    }

    /// One blocking connection: no readiness call between the bytes and us, the least a client can add.
    fn load_one(&self, until: Instant) -> Result<Vec<f64>> {
        let mut stream = connect(self.address)?;
        let (mut latencies, mut buffer) = (Vec::with_capacity(1 << 16), Vec::with_capacity(4096));
        let mut sent = Instant::now();
        while sent < until {
            stream.write_all(&self.request)?;
            buffer.clear();
            while !is_complete(&buffer)? {
                read_more(&mut stream, &mut buffer)?;
            }
            sent = note(&mut latencies, sent);
        }
        Ok(latencies)
    }

    /// Many connections on one thread and one epoll: a thread each would take the cores from the measured.
    fn load_many(&self, connections: usize, until: Instant) -> Result<Vec<f64>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let each = (0..connections).map(|_| self.keep_busy(until));
            let all = futures_util::future::try_join_all(each).await?;
            Ok(all.concat())
        })
    }

    async fn keep_busy(&self, until: Instant) -> Result<Vec<f64>> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut latencies, mut buffer) = (Vec::with_capacity(1 << 16), Vec::with_capacity(4096));
        let mut sent = Instant::now();
        while sent < until {
            stream.write_all(&self.request).await?;
            buffer.clear();
            while !is_complete(&buffer)? {
                let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut buffer));
                ensure!(read.await?? > 0, "the server closed the connection");
            }
            sent = note(&mut latencies, sent);
        }
        Ok(latencies)
    }
}

impl Answer {
    /// The value of the header `name` (lower case), if it came.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer itself, if its status is 2xx.
    ///
    /// # Errors
    /// Any other status, with the body's text.
    pub(crate) fn ok(self) -> Result<Self> {
        ensure!(self.status / 100 == 2, "status {}: {}", self.status, self.text());
        Ok(self)
    }

    fn parse(data: &[u8]) -> Result<Option<Self>> {
        let Some((head, body)) = split(data)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            status: status(head)?,
            head: String::from_utf8_lossy(head).into_owned(),
            body: body.to_vec(),
        }))
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("nobody at {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    let mut part = [0; 16 * 1024];
    let read = stream.read(&mut part)?;
    ensure!(read > 0, "the server closed the connection");
    buffer.extend_from_slice(&part[..read]);
    Ok(())
}

/// Notes the latency, in microseconds, of the call sent at `sent`; returns the time the next one is sent.
fn note(latencies: &mut Vec<f64>, sent: Instant) -> Instant {
    let now = Instant::now();
    latencies.push((now - sent).as_nanos() as f64 / 1000.0);
    now
}

fn is_complete(data: &[u8]) -> Result<bool> {
    match split(data)? {
        None => Ok(false),
        Some((head, _)) if status(head)? / 100 == 2 => Ok(true),
        Some((head, body)) => bail!(
            "under load: {}\n{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        ),
    }
}

/// The head and the body of a complete response; `None` while bytes are missing.
fn split(data: &[u8]) -> Result<Option<(&[u8], &[u8])>> {
    let Some(end) = data.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = (&data[..end], &data[end + 4..]);
    let length = content_length(head)?;
    Ok((body.len() >= length).then(|| (head, &body[..length])))
}

fn content_length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME));
    match line {
        Some(line) => Ok(std::str::from_utf8(&line[NAME.len()..])?.trim().parse()?),
        None if status(head)? == 204 => Ok(0),
        None => bail!("an answer without content-length: {}", String::from_utf8_lossy(head)),
    }
}

fn status(head: &[u8]) -> Result<u16> {
    let digits = head.get(9..12).context("an answer that is not HTTP/1.1")?;
    Ok(std::str::from_utf8(digits)?.parse()?)
}
