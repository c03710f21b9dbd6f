//! The examples, deployed and called by the commands that their READMEs say.

use crate::helpers::{Daemon, Home, base_image, build_settings, docker, hob, send};
use crate::support::{Answer, root};
use bytes::Bytes;
use http::Method;
use std::process::Command;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_example_does_what_its_readme_says() {
    let settings = build_settings();
    let daemon = Daemon::start_with(&Home::new(), &settings).await;
    tokio::join!(
        thumbnail(&daemon),
        markdown(&daemon),
        checksum(&daemon),
        word_count(&daemon),
        static_site(&daemon),
    );
    daemon.purge().await;
}

/// What follows the words `hob deploy` in the example's README, run.
async fn deploy(daemon: &Daemon, example: &str) {
    let readme = root().join("examples").join(example).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let command = readme.lines().find_map(|line| line.strip_prefix("hob deploy "));
    let command = command.expect("the README says how to deploy it");
    let words = command.split(" && ").next().unwrap_or(command).split_whitespace();
    let mut deploy = hob();
    deploy
        .arg("deploy")
        .args(words)
        .env("HOB_URL", format!("http://{}", daemon.address))
        .current_dir(root());
    let ended = tokio::task::spawn_blocking(move || deploy.output()).await;
    let ended = ended.expect("it runs").expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{example}: {said}\n{}", daemon.log());
}

async fn post(daemon: &Daemon, path: &str, body: impl Into<Bytes>) -> Answer {
    let kind = "application/x-www-form-urlencoded"; // what curl says of --data-binary
    let path = format!("/function/{path}");
    let answer = send(daemon.address, Method::POST, &path, kind, body.into()).await;
    assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.text(), daemon.log());
    answer
}

async fn thumbnail(daemon: &Daemon) {
    deploy(daemon, "thumbnail").await;
    let program = root().join("examples/thumbnail/picture.py");
    let picture = Command::new("python3").arg(program).output().expect("a picture").stdout;
    assert_eq!(size_of_png(&picture), (640, 400));
    let answer = post(daemon, "thumbnail?size=64", picture.clone()).await;
    assert_eq!(answer.header("content-type"), "image/png");
    assert_eq!(size_of_png(&answer.body), (64, 40));
    assert!(answer.body.len() < picture.len() / 2);
    let refused = send(
        daemon.address,
        Method::POST,
        "/function/thumbnail",
        "text/plain",
        "no picture!".into(),
    )
    .await;
    assert_eq!(refused.status, 415, "{}", refused.text());
}

/// Width and height, from the header that every PNG begins with.
fn size_of_png(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(PNG), "a PNG");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

async fn markdown(daemon: &Daemon) {
    deploy(daemon, "markdown").await;
    let text = "# Hello\n\nSome *words*, a [link][1].\n\n- one\n- two\n\n[1]: https://example.org\n";
    let answer = post(daemon, "markdown?title=A%26B", text).await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("content-length"), "", "it is streamed");
    for part in [
        "<title>A&amp;B</title>",
        "<h1>Hello</h1>",
        "<em>words</em>",
        "<a href=\"https://example.org\">link</a>",
        "<li>two</li>",
    ] {
        assert!(answer.text().contains(part), "no {part} in {}", answer.text());
    }
}

async fn checksum(daemon: &Daemon) {
    deploy(daemon, "checksum").await;
    let sums = post(daemon, "checksum", "abc").await.json();
    assert_eq!(sums["bytes"], 3);
    assert_eq!(sums["crc32"], "352441c2");
    assert_eq!(sums["md5"], "900150983cd24fb0d6963f7d28e17f72");
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sums["sha256"], sha256);
    let large = post(daemon, "checksum", vec![b'x'; 3 << 20]).await.json();
    assert_eq!(large["bytes"], 3 << 20);
}

async fn word_count(daemon: &Daemon) {
    deploy(daemon, "word-count").await;
    let counted = post(daemon, "word-count", "The cat and the dog, and the bird.")
        .await
        .json();
    assert_eq!((&counted["words"], &counted["different"]), (&8.into(), &5.into()));
    let first = serde_json::json!([
        {"word": "the", "times": 3}, {"word": "and", "times": 2}, {"word": "bird", "times": 1},
    ]);
    assert_eq!(counted["most_frequent"], first);
}

async fn static_site(daemon: &Daemon) {
    let image = "hob-example/static-site";
    let folder = root().join("examples/static-site").display().to_string();
    let base = format!("BASE={}", base_image());
    docker(&["build", "-q", "-t", image, "--build-arg", &base, &folder]);
    deploy(daemon, "static-site").await;
    let page = send(daemon.address, Method::GET, "/function/site/", "", Bytes::new()).await;
    assert!(page.text().contains("<h1>A site in an image</h1>"), "{}", page.text());
    let style = send(
        daemon.address,
        Method::GET,
        "/function/site/style.css",
        "",
        Bytes::new(),
    )
    .await;
    assert_eq!(style.header("content-type"), "text/css");
    let missing = send(daemon.address, Method::GET, "/function/site/no-such", "", Bytes::new()).await;
    assert_eq!(missing.status, 404);
    docker(&["rmi", "-f", image]);
}
