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
