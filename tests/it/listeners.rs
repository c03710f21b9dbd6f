//! Where the daemon answers beside its first address: with TLS, and at further addresses.

use crate::support::{Hob, PATIENCE, eventually, fake_engine};
use hob::engine::Engine;
use http::StatusCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const SCHEME: &str = r#"
def handle(event, context):
    headers = {k.lower(): v for k, v in event["headers"].items()}
    return {"statusCode": 200, "body": headers["x-forwarded-proto"] + " " + headers["x-forwarded-for"]}
"#;

async fn connect(address: SocketAddr, name: &str, authority: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(authority).expect("the file that clients trust");
    roots.add(trusted).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn get(address: SocketAddr, name: &str, path: &str, authority: &Path) -> String {
    let exchange = async {
        let mut stream = connect(address, name, authority).await.expect("trusted");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // The end of the stream may come without the goodbye of TLS.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("in time")
}

async fn tls(hob: &Hob) -> (SocketAddr, std::path::PathBuf) {
    let status = hob.get("/hob/v1/status").await.json();
    let url = status["tls"]["url"].as_str().expect("an address");
    let address = url
        .strip_prefix("https://")
        .expect("https")
        .parse()
        .expect("an address");
    let authority = status["tls"]["ca_file"].as_str().expect("a file");
    (address, authority.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_is_served_with_tls_under_every_name_that_is_ours() {
    let settings = [
        ("HOB_TLS_LISTEN", "127.0.0.1:0"),
        ("HOB_SERVER_ALLOWED_HOSTS", "hob.lan"),
    ];
    let hob = Hob::start(&settings).await.0.warm().await;
    let function = json!({"convention": "event-context", "entry": "main.handle"});
    hob.ready("f", SCHEME, function).await;
    let (address, authority) = tls(&hob).await;
    for name in ["localhost", "127.0.0.1", "hob.lan"] {
        let answer = get(address, name, "/function/f", &authority).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("https 127.0.0.1"),
            "{name}: {answer}"
        );
    }
    let own = get(address, "f.default.localhost", "/", &authority).await;
    assert!(own.ends_with("https 127.0.0.1"), "{own}");
    let other = connect(address, "evil.example", &authority).await;
    assert!(other.is_err(), "the certificate is for our names only");
    let plain = hob.get("/function/f").await;
    assert_eq!(plain.text(), "http 127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_handshake_keeps_nobody_waiting_and_the_certificate_stays_over_a_restart() {
    let engine = fake_engine();
    let settings = [("HOB_TLS_LISTEN", "127.0.0.1:0")];
    let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &settings).await;
    let (address, authority) = tls(&hob).await;
    let _silent = TcpStream::connect(address).await.expect("connected");
    let answer = get(address, "localhost", "/healthz", &authority).await;
    assert!(answer.ends_with("ok\n"), "{answer}");
    let before = std::fs::read(&authority).expect("a file");
    let data = hob.data();
    hob.stop().await;
    let hob = Hob::start_again(&data, engine as Arc<dyn Engine>, &settings).await;
    let (address, authority) = tls(&hob).await;
    assert_eq!(std::fs::read(&authority).expect("a file"), before);
    let answer = get(address, "localhost", "/healthz", &authority).await;
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_served_at_further_addresses_and_one_that_is_taken_does_not_matter() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let wanted = format!("127.0.0.1:0,{}", taken.local_addr().expect("an address"));
    let hob = Hob::start(&[("HOB_API_EXTRA_LISTEN", &wanted)]).await.0;
    let status = hob.get("/hob/v1/status").await.json();
    let addresses = status["addresses"].as_array().expect("addresses").clone();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for url in addresses {
        let address = url.as_str().and_then(|u| u.strip_prefix("http://")).expect("a URL");
        let address: SocketAddr = address.parse().expect("an address");
        let answer = eventually("the address to be served", || async {
            Some(hob.get_from(address, "/hob/v1/status", &[]).await)
        });
        assert_eq!(answer.await.status, StatusCode::OK);
    }
}

/// A connection that is closed while its client still sends is reset, and the answer is lost with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_much_reads_why_it_was_refused() {
    let hob = Hob::start(&[("HOB_SERVER_BODY_LIMIT_MIB", "1")]).await.0.warm().await;
    let echo = json!({"convention": "event-context", "entry": "main.handle"});
    hob.ready("f", SCHEME, echo).await;
    // More than the buffers between client and daemon hold.
    const SIZE: usize = 48 << 20;
    for path in ["/function/f", "/hob/v1/functions/f"] {
        let exchange = async {
            let mut stream = TcpStream::connect(hob.address).await.expect("it listens");
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {SIZE}\r\n\r\n",
                hob.address
            );
            stream.write_all(head.as_bytes()).await.expect("taken");
            let chunk = vec![b'a'; 1 << 20];
            for _ in 0..SIZE / chunk.len() {
                stream.write_all(&chunk).await.expect("taken to its end");
            }
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.expect("an answer");
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("in time");
        let status = std::str::from_utf8(&answer).expect("text");
        assert!(status.starts_with("HTTP/1.1 4"), "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_to_be_told_to_send_too_much_is_not_told() {
    let hob = Hob::start(&[("HOB_SERVER_BODY_LIMIT_MIB", "1")]).await.0.warm().await;
    let mut stream = TcpStream::connect(hob.address).await.expect("it listens");
    hob.ready(
        "f",
        SCHEME,
        json!({"convention": "event-context", "entry": "main.handle"}),
    )
    .await;
    let head = format!(
        "POST /function/f HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\ncontent-length: 48000000\r\n\r\n",
        hob.address
    );
    stream.write_all(head.as_bytes()).await.expect("taken");
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("closed in time").expect("text");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// A body that says no length is read in part before it is too large: its sender has been told to send by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_to_send_and_sends_too_much_reads_why_it_was_refused() {
    let hob = Hob::start(&[("HOB_SERVER_BODY_LIMIT_MIB", "1")]).await.0.warm().await;
    let echo = json!({"convention": "event-context", "entry": "main.handle"});
    hob.ready("f", SCHEME, echo).await;
    let exchange = async {
        let mut stream = TcpStream::connect(hob.address).await.expect("it listens");
        let head = format!(
            "POST /function/f HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n",
            hob.address
        );
        stream.write_all(head.as_bytes()).await.expect("taken");
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.expect("told to send");
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        let chunk = [b"100000\r\n".as_slice(), &vec![b'a'; 1 << 20], b"\r\n"].concat();
        for _ in 0..48 {
            stream.write_all(&chunk).await.expect("taken to its end");
        }
        stream.write_all(b"0\r\n\r\n").await.expect("taken to its end");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("in time");
    assert_eq!(&answer, b"HTTP/1.1 413");
}
