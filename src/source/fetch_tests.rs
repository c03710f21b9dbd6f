//! Fetching, through the room's public face: what is refused, what is bounded and what is compared.

use super::fetch::{FetchError, Object, Options, SourceSpec, Sources, Swift};
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Of `code`.
const SHA256: &str = "5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b";
const MD5: &str = "c13367945d5d4c91047b3b50234aa7ab";

/// A server on loopback that answers as told, or keeps silent; it ends when dropped.
struct Server {
    url: String,
    _task: JoinSet<()>,
}

async fn serve(answer: fn(&str) -> Option<String>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).await.unwrap_or(0);
            match answer(&String::from_utf8_lossy(&asked[..length])) {
                Some(text) => drop(stream.write_all(text.as_bytes()).await),
                None => silent.push(stream),
            }
        }
    });
    Server { url, _task: task }
}

fn ok(headers: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    ))
}

fn status(line: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {line}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    ))
}

fn options() -> Options {
    Options {
        allow_private: true,
        patience: Duration::from_secs(20),
        limit: 1000,
        web: crate::web::Options::default(),
        swift: Swift::None,
        directories: Vec::new(),
    }
}

type Got = Result<(Option<String>, Vec<u8>), FetchError>;

async fn fetch(sources: &Sources, spec: SourceSpec) -> Got {
    let mut fetched = sources.open(spec).await?;
    let mut all = Vec::new();
    while let Some(piece) = fetched.piece().await? {
        all.extend_from_slice(&piece);
    }
    Ok((fetched.file_name, all))
}

async fn get(sources: &Sources, url: String, sha256: Option<&str>) -> Got {
    let sha256 = sha256.map(str::to_owned);
    let headers = Vec::new();
    fetch(sources, SourceSpec::Url { url, sha256, headers }).await
}

async fn object(sources: &Sources, container: &str, name: &str) -> Got {
    let object = Object {
        container: container.to_owned(),
        object: name.to_owned(),
        token: None,
    };
    fetch(sources, SourceSpec::Object(object)).await
}

fn by_path(asked: &str) -> Option<String> {
    match asked.split(' ').nth(1)?.split('?').next()? {
        "/main.aa" => ok("", "code"),
        "/moved" => status("302 Found\r\nlocation: /main.aa"),
        "/inside" => status("302 Found\r\nlocation: http://127.0.0.2:1/secret"),
        "/metadata" => status("307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest"),
        "/file" => status("302 Found\r\nlocation: file:///etc/passwd"),
        "/round" => status("302 Found\r\nlocation: /round"),
        "/large" => ok("", &"x".repeat(1001)),
        "/endless" => Some(format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
            "x".repeat(1001)
        )),
        "/cut" => Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncode".to_owned()),
        "/slow" => None,
        "/busy" => status("503 Service Unavailable"),
        _ => status("404 Not Found"),
    }
}

#[tokio::test]
async fn a_url_is_fetched_through_redirects_and_compared_with_its_checksum() {
    let server = serve(by_path).await;
    let sources = Sources::new(options());
    for (path, sha256) in [
        ("/main.aa", None),
        ("/main.aa?key=1", Some(SHA256)),
        ("/moved", Some(SHA256)),
    ] {
        let got = get(&sources, format!("{}{path}", server.url), sha256)
            .await
            .expect(path);
        assert_eq!(got, (Some("main.aa".to_owned()), b"code".to_vec()), "{path}");
    }
    let wrong = get(&sources, format!("{}/main.aa", server.url), Some(&"0".repeat(64))).await;
    assert!(
        matches!(wrong, Err(FetchError::Checksum { kind: "sha256", .. })),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told_apart_and_no_secret_is_repeated() {
    let server = serve(by_path).await;
    let sources = Sources::new(options());
    let host = server.url.trim_start_matches("http://");
    for (path, word) in [
        ("/nothing", "NotFound"),
        ("/busy", "Refused"),
        ("/large", "TooLarge"),
        ("/endless", "TooLarge"),
        ("/cut", "Unreachable"),
        ("/round", "Invalid"),
        ("/file", "Invalid"),
    ] {
        let url = format!("http://user:hunter2@{host}{path}?key=hunter3");
        let error = get(&sources, url, None).await.expect_err(path);
        assert!(format!("{error:?}").starts_with(word), "{path}: {error:?}");
        assert!(!crate::telemetry::chain(&error).contains("hunter"), "{error}");
    }
    for bad in ["ftp://h/f", "file:///etc/passwd", "h/f", "http://", ""] {
        let refused = get(&sources, bad.to_owned(), None).await;
        assert!(matches!(refused, Err(FetchError::Invalid(_))), "{bad}");
    }
}

#[tokio::test]
async fn addresses_of_this_machine_are_refused_by_number_and_by_name() {
    let server = serve(by_path).await;
    let port = server.url.rsplit(':').next().unwrap_or_default();
    let sources = Sources::new(Options {
        allow_private: false,
        ..options()
    });
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        let refused = get(&sources, format!("http://{host}:{port}/main.aa"), None).await;
        assert!(matches!(refused, Err(FetchError::Private(_))), "{host}: {refused:?}");
    }
}

#[tokio::test]
async fn a_redirect_leads_to_no_address_that_could_not_be_named() {
    let server = serve(by_path).await;
    let only_first = |address: IpAddr| address.to_string() == "127.0.0.1";
    let sources = Sources::reaching(options(), only_first);
    assert!(get(&sources, format!("{}/moved", server.url), None).await.is_ok());
    for path in ["/inside", "/metadata"] {
        let refused = get(&sources, format!("{}{path}", server.url), None).await;
        assert!(matches!(refused, Err(FetchError::Private(_))), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn a_slow_server_is_given_up() {
    let server = serve(by_path).await;
    let sources = Sources::new(Options {
        patience: Duration::from_millis(50),
        ..options()
    });
    let given_up = get(&sources, format!("{}/slow", server.url), None).await;
    assert!(matches!(given_up, Err(FetchError::Slow { .. })), "{given_up:?}");
}

fn store(asked: &str) -> Option<String> {
    if !asked.to_lowercase().contains("x-auth-token: ours") {
        return status("401 Unauthorized");
    }
    let zeros = "0".repeat(32);
    match asked.split(' ').nth(1)? {
        "/v1/A/c/dir/f.zip" => ok(&format!("etag: {MD5}\r\n"), "code"),
        "/v1/A/c/damaged" => ok(&format!("etag: \"{zeros}\"\r\n"), "code"),
        "/v1/A/c/composed" => ok(&format!("etag: {zeros}\r\nx-static-large-object: True\r\n"), "code"),
        "/v1/A/c/broken" => status("500 Internal Server Error"),
        _ => status("404 Not Found"),
    }
}

#[tokio::test]
async fn an_object_comes_from_the_service_with_a_token_and_is_what_its_etag_says() {
    let server = serve(store).await;
    let with_token = |token: Option<&str>| {
        let swift = Swift::Service {
            url: format!("{}/v1/A/", server.url),
            token: token.map(str::to_owned),
        };
        let allow_private = false;
        Sources::new(Options {
            allow_private,
            swift,
            ..options()
        })
    };
    let sources = with_token(Some("ours"));
    let got = object(&sources, "c", "dir/f.zip").await.expect("an object");
    assert_eq!(got, (Some("f.zip".to_owned()), b"code".to_vec()));
    assert!(object(&sources, "c", "composed").await.is_ok());
    for (name, word) in [("damaged", "Checksum"), ("missing", "NotFound"), ("broken", "Store")] {
        let error = object(&sources, "c", name).await.expect_err(name);
        assert!(format!("{error:?}").starts_with(word), "{name}: {error:?}");
    }
    let refused = object(&with_token(None), "c", "dir/f.zip").await;
    assert!(
        matches!(refused, Err(FetchError::Refused { status: 401, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_directory_gives_what_is_in_it_and_nothing_beside_it() {
    let outer = tempfile::tempdir().expect("a folder");
    let root = outer.path().join("root");
    std::fs::create_dir_all(root.join("c/sub")).expect("made");
    std::fs::write(root.join("c/f.aa"), "code").expect("written");
    std::fs::write(root.join("c/large"), vec![b'x'; 1001]).expect("written");
    std::fs::write(outer.path().join("secret"), "secret").expect("written");
    std::os::unix::fs::symlink(outer.path().join("secret"), root.join("c/link")).expect("linked");
    std::os::unix::fs::symlink(outer.path(), root.join("out")).expect("linked");
    let sources = Sources::new(Options {
        swift: Swift::Directory(root.clone()),
        directories: vec![root.join("c")],
        ..options()
    });
    let got = object(&sources, "c", "f.aa").await.expect("an object");
    assert_eq!(got, (Some("f.aa".to_owned()), b"code".to_vec()));
    for (container, name, word) in [
        ("c", "link", "NotFound"),
        ("c", "sub", "NotFound"),
        ("out", "secret", "NotFound"),
        ("c", "../../secret", "Invalid"),
        ("..", "secret", "Invalid"),
        ("c", "/etc/passwd", "Invalid"),
        ("c", "large", "TooLarge"),
    ] {
        let error = object(&sources, container, name).await.expect_err(name);
        assert!(format!("{error:?}").starts_with(word), "{container}/{name}: {error:?}");
    }
    std::fs::write(root.join("c/sub/main.aa"), "code").expect("written");
    let packed = fetch(&sources, SourceSpec::Directory(root.join("c/sub")))
        .await
        .expect("packed");
    assert_eq!((packed.0.as_deref(), &packed.1[..2]), (Some("sub.zip"), &b"PK"[..]));
    for outside in [
        outer.path().join("secret"),
        root.join("c/link"),
        root.join("c/../out/secret"),
    ] {
        let refused = fetch(&sources, SourceSpec::Directory(outside)).await;
        assert!(matches!(refused, Err(FetchError::Invalid(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn without_a_store_there_are_no_objects_and_inline_code_is_one_file() {
    let sources = Sources::new(options());
    assert!(matches!(object(&sources, "c", "f").await, Err(FetchError::NoStore)));
    let inline = |name: &str, text: &str| SourceSpec::Inline {
        file_name: name.to_owned(),
        text: text.to_owned(),
    };
    let got = fetch(&sources, inline("main.aa", "code")).await.expect("inline");
    assert_eq!(got, (Some("main.aa".to_owned()), b"code".to_vec()));
    for bad in ["", "../main.aa", "a/b.aa"] {
        assert!(fetch(&sources, inline(bad, "code")).await.is_err(), "{bad}");
    }
    let large = fetch(&sources, inline("main.aa", &"x".repeat(1001))).await;
    assert!(matches!(large, Err(FetchError::TooLarge { .. })));
}
