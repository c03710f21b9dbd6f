//! Who counts what functions have really done: a line for each effect, kept by the test and not by the daemon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Writes its key into the ledger through the gateway of its network, then answers its own number.
const WRITER: &str = "
import socket, struct

def gateway():
    with open('/proc/net/route') as file:
        rows = [line.split() for line in file][1:]
    return socket.inet_ntoa(struct.pack('<L', int(next(r for r in rows if r[1] == '00000000')[2], 16)))

def main(key, port, **_):
    with socket.create_connection((gateway(), port), timeout=20) as ledger:
        ledger.sendall(key.encode() + b'\\n')
        assert ledger.recv(1) == b'.'
    return NUMBER
";

/// A function that writes into the ledger and answers this number.
pub(crate) fn writer(number: u32) -> String {
    format!("NUMBER = {number}\n{WRITER}")
}

/// How often each effect happened. It listens until the test ends.
pub(crate) struct Ledger {
    pub(crate) port: u16,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    effects: BTreeMap<String, u32>,
    /// Keys whose writers are not answered yet.
    held: BTreeMap<String, watch::Receiver<()>>,
}

impl Ledger {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let book = Arc::<Mutex<Book>>::default();
        let written = Arc::clone(&book);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(write_down(stream, Arc::clone(&written)));
            }
        });
        Self { port, book }
    }

    /// How often this happened.
    pub(crate) fn count(&self, key: &str) -> u32 {
        let book = self.book.lock().expect("nobody panics with it");
        book.effects.get(key).copied().unwrap_or(0)
    }

    /// Who writes this waits, once it is written, until the answer is dropped.
    pub(crate) fn hold(&self, key: &str) -> watch::Sender<()> {
        let (gate, waits) = watch::channel(());
        let mut book = self.book.lock().expect("nobody panics with it");
        book.held.insert(key.to_owned(), waits);
        gate
    }

    /// How often anything with such a key happened, and the keys that happened more than once.
    pub(crate) fn below(&self, prefix: &str) -> (u32, Vec<String>) {
        let book = self.book.lock().expect("nobody panics with it");
        let mine = book.effects.iter().filter(|(key, _)| key.starts_with(prefix));
        let twice = mine.clone().filter(|(_, n)| **n > 1).map(|(key, _)| key.clone());
        (mine.clone().map(|(_, n)| n).sum(), twice.collect())
    }
}

async fn write_down(stream: TcpStream, book: Arc<Mutex<Book>>) {
    let mut stream = BufReader::new(stream);
    let mut key = String::new();
    if stream.read_line(&mut key).await.is_err() || !key.ends_with('\n') {
        return;
    }
    let key = key.trim();
    let held = {
        let mut book = book.lock().expect("nobody panics with it");
        *book.effects.entry(key.to_owned()).or_default() += 1;
        book.held.get(key).cloned()
    };
    if let Some(mut gate) = held {
        // Nothing is ever sent: it ends when the gate is gone.
        let _ = gate.changed().await;
    }
    // Whoever wrote may be dead by now: it is written all the same.
    let _ = stream.write_all(b".").await;
}
