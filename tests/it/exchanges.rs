//! Replays the exchanges recorded for each dialect (`src/api/*/contract/*.json`) against a daemon in process.
//!
//! A file is one session with a fresh daemon: requests in order, each with the answer it must get. In texts,
//! `{{save NAME}}` takes whatever is there and keeps it, `{{NAME}}` is what was kept, and `{{uuid}}`, `{{time}}`,
//! `{{number}}` and `{{any}}` take what is of their form. `{{host}}` is the daemon's address, `{{md5}}` the
//! checksum of the request's own file. `"until": true` asks again until the answer comes. `files` lie below
//! `{{folder}}`, which settings may name, before the daemon starts.

use crate::support::{Answer, Hob, PATIENCE, root, zip};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::Method;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Sessions that are replayed at the same time, each with a daemon of its own.
const AT_ONCE: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    about: String,
    /// Settings of the daemon, as in the environment.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// By their path below the session's folder.
    #[serde(default)]
    files: BTreeMap<String, Placed>,
    exchanges: Vec<Exchange>,
}

/// A file on the daemon's machine.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Placed {
    /// Files of a zip.
    Zip(BTreeMap<String, String>),
    /// So many zero bytes.
    Size(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: Asked,
    response: Expected,
    #[serde(default)]
    until: bool,
}

/// At most one of `json`, `form`, `text`, `zip` and `multipart` is the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    form: Option<BTreeMap<String, String>>,
    text: Option<String>,
    /// Files of a zip, which is the body.
    zip: Option<BTreeMap<String, String>>,
    multipart: Option<Multipart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Multipart {
    #[serde(default)]
    fields: BTreeMap<String, String>,
    file: Option<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    field: String,
    name: String,
    /// Files of a zip.
    zip: Option<BTreeMap<String, String>>,
    /// Or the content itself.
    text: Option<String>,
}

/// What is not named is not compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
}

type Kept = HashMap<String, String>;

// ---- Asking ----

fn filled(text: &str, kept: &Kept) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}

fn filled_value(value: &Value, kept: &Kept) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, kept)),
        Value::Array(items) => items.iter().map(|item| filled_value(item, kept)).collect(),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(k, v)| (k.clone(), filled_value(v, kept)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        match (&self.zip, &self.text) {
            (Some(files), None) => zipped(files),
            (None, Some(text)) => text.clone().into_bytes(),
            _ => panic!("a file is a `zip` or a `text`"),
        }
    }
}

fn zipped(files: &BTreeMap<String, String>) -> Vec<u8> {
    let files: Vec<_> = files.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    zip(&files)
}

impl Placed {
    fn write(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        let mut file = std::fs::File::create(path).expect("a file");
        match self {
            Self::Zip(files) => file.write_all(&zipped(files)).expect("written"),
            Self::Size(bytes) => file.set_len(*bytes).expect("as long as that"),
        }
    }
}

impl Multipart {
    fn body(&self, boundary: &str, kept: &Kept) -> Vec<u8> {
        let file = self.file.as_ref().map(|file| (file, file.bytes()));
        let mut kept = kept.clone();
        if let Some((_, bytes)) = &file {
            let sum = Md5::digest(bytes);
            let hex = sum.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
            kept.insert("md5".to_owned(), hex);
        }
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            let part = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(part.as_bytes());
            body.extend_from_slice(filled(value, &kept).as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        if let Some((file, bytes)) = file {
            let part = format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"; filename=\"{}\"\r\ncontent-type: application/octet-stream\r\n\r\n",
                file.field, file.name
            );
            body.extend_from_slice(part.as_bytes());
            body.extend_from_slice(&bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        body
    }
}

impl Asked {
    /// The body and its type.
    fn body(&self, kept: &Kept) -> (Option<String>, Bytes) {
        if let Some(json) = &self.json {
            let kind = "application/json".to_owned();
            return (Some(kind), filled_value(json, kept).to_string().into());
        }
        if let Some(form) = &self.form {
            let pairs = form.iter().map(|(k, v)| (k, filled(v, kept)));
            let text = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            return (Some("application/x-www-form-urlencoded".to_owned()), text.into());
        }
        if let Some(files) = &self.zip {
            return (None, zipped(files).into());
        }
        if let Some(parts) = &self.multipart {
            let boundary = "hob-recorded-boundary";
            let kind = format!("multipart/form-data; boundary={boundary}");
            return (Some(kind), parts.body(boundary, kept).into());
        }
        (None, filled(self.text.as_deref().unwrap_or_default(), kept).into())
    }

    async fn send(&self, hob: &Hob, kept: &Kept) -> Answer {
        let (kind, body) = self.body(kept);
        let mut headers: BTreeMap<_, _> = kind.into_iter().map(|kind| ("content-type".to_owned(), kind)).collect();
        headers.extend(self.headers.iter().map(|(k, v)| (k.to_lowercase(), filled(v, kept))));
        let headers: Vec<_> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let method = Method::try_from(self.method.as_str()).unwrap();
        hob.send(method, &filled(&self.path, kept), &headers, body).await
    }
}

// ---- Comparing ----

/// Compares a text with a pattern and keeps what it asks for.
fn text_fits(pattern: &str, text: &str, kept: &mut Kept) -> Result<(), String> {
    let differs = || format!("`{text}` is not `{pattern}`");
    let (mut pattern_left, mut text_left) = (pattern, text);
    while let Some(start) = pattern_left.find("{{") {
        let (literal, rest) = pattern_left.split_at(start);
        text_left = text_left.strip_prefix(literal).ok_or_else(differs)?;
        let (name, rest) = rest[2..].split_once("}}").ok_or("an unfinished placeholder")?;
        let next_literal = rest.split("{{").next().unwrap_or_default();
        let end = match next_literal {
            "" if rest.is_empty() => text_left.len(),
            "" => return Err("two placeholders without text between them".to_owned()),
            literal => text_left.find(literal).ok_or_else(differs)?,
        };
        placeholder_fits(name.trim(), &text_left[..end], kept).map_err(|why| format!("{}: {why}", differs()))?;
        (pattern_left, text_left) = (rest, &text_left[end..]);
    }
    (pattern_left == text_left).then_some(()).ok_or_else(differs)
}

fn placeholder_fits(name: &str, text: &str, kept: &mut Kept) -> Result<(), String> {
    let fits = match name {
        "any" => true,
        "uuid" => uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text),
        "number" => text.parse::<f64>().is_ok(),
        "time" => is_time(text),
        _ => match name.strip_prefix("save ") {
            Some(name) => {
                kept.insert(name.trim().to_owned(), text.to_owned());
                true
            }
            None => match kept.get(name) {
                Some(value) => value == text,
                None => return Err(format!("nothing was kept as `{name}`")),
            },
        },
    };
    fits.then_some(()).ok_or_else(|| format!("`{text}` is no {name}"))
}

/// `2030-01-02T03:04:05Z`, with a fraction or without.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (day, rest) = shape.split_at(shape.len().min(19));
    let fraction = rest.strip_suffix('Z').unwrap_or("x");
    let fraction_fits = fraction.is_empty() || fraction.strip_prefix('.').is_some_and(|f| f.chars().all(|c| c == '0'));
    day == "0000-00-00T00:00:00" && fraction_fits
}

fn value_fits(expected: &Value, actual: &Value, at: &str, kept: &mut Kept) -> Result<(), String> {
    match (expected, actual) {
        (Value::String(pattern), Value::String(text)) => {
            text_fits(pattern, text, kept).map_err(|why| format!("{at}: {why}"))
        }
        (Value::String(pattern), _) if pattern == "{{any}}" => Ok(()),
        (Value::String(pattern), Value::Number(number)) if pattern.starts_with("{{") => {
            text_fits(pattern, &number.to_string(), kept).map_err(|why| format!("{at}: {why}"))
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => expected
            .iter()
            .zip(actual)
            .enumerate()
            .try_for_each(|(i, (e, a))| value_fits(e, a, &format!("{at}[{i}]"), kept)),
        (Value::Object(expected), Value::Object(actual)) => {
            let keys = |o: &Map<String, Value>| o.keys().cloned().collect::<BTreeSet<_>>();
            if keys(expected) != keys(actual) {
                return Err(format!("{at}: keys {:?} are not {:?}", keys(actual), keys(expected)));
            }
            expected
                .iter()
                .try_for_each(|(k, e)| value_fits(e, &actual[k], &format!("{at}.{k}"), kept))
        }
        (expected, actual) if expected == actual => Ok(()),
        (expected, actual) => Err(format!("{at}: {actual} is not {expected}")),
    }
}

impl Expected {
    /// What was kept is kept only when all of it fits.
    fn fits(&self, answer: &Answer, kept: &Kept) -> Result<Kept, String> {
        let mut kept = kept.clone();
        if answer.status.as_u16() != self.status {
            return Err(format!(
                "status {} is not {}: {}",
                answer.status,
                self.status,
                answer.text()
            ));
        }
        for (name, pattern) in &self.headers {
            text_fits(pattern, answer.header(name), &mut kept).map_err(|why| format!("{name}: {why}"))?;
        }
        if let Some(json) = &self.json {
            let actual =
                serde_json::from_slice(&answer.body).map_err(|e| format!("not JSON ({e}): {}", answer.text()))?;
            value_fits(json, &actual, "", &mut kept)?;
        }
        if let Some(text) = &self.text {
            text_fits(text, &answer.text(), &mut kept)?;
        }
        Ok(kept)
    }
}

// ---- Replaying ----

impl Exchange {
    async fn replay(&self, hob: &Hob, kept: &Kept) -> Result<Kept, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.response.fits(&self.request.send(hob, kept).await, kept);
            if found.is_ok() || !self.until || Instant::now() > deadline {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

async fn replay(file: &Path) -> Result<(), String> {
    let session = read(file);
    let folder = tempfile::tempdir().expect("a folder");
    for (path, placed) in &session.files {
        placed.write(&folder.path().join(path));
    }
    let mut kept = Kept::from([("folder".to_owned(), folder.path().display().to_string())]);
    let settings = session.settings.iter().map(|(k, v)| (k.as_str(), filled(v, &kept)));
    let settings: Vec<_> = settings.collect();
    let settings: Vec<_> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let (hob, _engine) = Hob::start(&settings).await;
    let hob = hob.warm().await;
    kept.insert("host".to_owned(), hob.address.to_string());
    for (number, exchange) in (1..).zip(&session.exchanges) {
        kept = exchange.replay(&hob, &kept).await.map_err(|why| {
            let Asked { method, path, .. } = &exchange.request;
            let (name, about) = (file.display(), &session.about);
            format!("{name} ({about}), exchange {number}, {method} {path}: {why}")
        })?;
    }
    Ok(())
}

fn read(file: &Path) -> Session {
    let text = std::fs::read_to_string(file).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The recorded sessions of a dialect.
fn sessions(dialect: &str) -> Vec<PathBuf> {
    let folder = root().join("src/api").join(dialect).join("contract");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = files
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

/// Whether a request's path is one that the route takes.
fn is_routed(route: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(_)) if part.starts_with("{*") => return true,
            (Some(part), Some(_)) if part.starts_with('{') => {}
            (Some(part), Some(sent)) if part == sent => {}
            _ => return false,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_recorded_session_is_answered_as_it_was_recorded() {
    let files: Vec<_> = dialects().iter().flat_map(|dialect| sessions(dialect)).collect();
    assert!(!files.is_empty());
    let replays = stream::iter(&files).map(|file| replay(file)).buffered(AT_ONCE);
    let wrong: Vec<_> = replays.filter_map(async |done| done.err()).collect().await;
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_route_of_a_dialect_has_a_recorded_exchange() {
    let mut bare = Vec::new();
    for dialect in dialects() {
        let recorded: Vec<_> = sessions(dialect).iter().flat_map(|file| read(file).exchanges).collect();
        let routes = hob::api::routes().into_iter().filter(|r| r.dialect == dialect);
        let has = |route: &hob::api::Route| {
            let asked =
                |e: &Exchange| e.request.method == route.method.as_str() && is_routed(route.path, &e.request.path);
            recorded.iter().any(asked)
        };
        bare.extend(
            routes
                .filter(|r| !has(r))
                .map(|r| format!("{} {} {}", r.dialect, r.method, r.path)),
        );
    }
    assert!(bare.is_empty(), "without a recorded exchange:\n{}", bare.join("\n"));
}

fn dialects() -> BTreeSet<&'static str> {
    hob::api::routes().iter().map(|r| r.dialect).collect()
}

#[test]
fn a_pattern_keeps_and_compares() {
    let mut kept = Kept::from([("host".to_owned(), "h:1".to_owned())]);
    let id = "0190a5b0-0000-7000-8000-000000000000";
    assert!(
        text_fits(
            "http://{{host}}/v1/{{save id}}/invoke",
            &format!("http://h:1/v1/{id}/invoke"),
            &mut kept
        )
        .is_ok()
    );
    assert_eq!(kept["id"], id);
    for (pattern, text, fits) in [
        ("{{id}}", id, true),
        ("{{id}}", "other", false),
        ("{{uuid}}", id, true),
        ("{{uuid}}", "0190A5B0", false),
        ("{{time}}", "2030-01-02T03:04:05Z", true),
        ("{{time}}", "2030-01-02 03:04:05", false),
        ("a{{any}}", "b", false),
        ("{{unknown}}", "x", false),
    ] {
        assert_eq!(text_fits(pattern, text, &mut kept).is_ok(), fits, "{pattern} {text}");
    }
    let expected = serde_json::json!({"a": ["{{number}}"]});
    assert!(value_fits(&expected, &serde_json::json!({"a": [5]}), "", &mut kept).is_ok());
    assert!(value_fits(&expected, &serde_json::json!({"a": [5], "b": 1}), "", &mut kept).is_err());
}

#[test]
fn a_route_takes_the_paths_of_its_form() {
    for (route, path, takes) in [
        ("/v1/functions/{id}", "/v1/functions/x?download=true", true),
        ("/v1/functions/{id}", "/v1/functions/x/workers", false),
        ("/v1/functions", "/v1/functions/x", false),
        ("/a/{*rest}", "/a/b/c", true),
    ] {
        assert_eq!(is_routed(route, path), takes, "{route} {path}");
    }
}
