//! Inputs that are nearly right: nothing we read may panic, hang, pass its limits or be answered with a fault of ours.
//!
//! What is right comes from the exchanges recorded for each dialect and from `tests/fuzz`; what goes wrong is drawn by a
//! seed, so that a failure can be repeated: the message names the seed and the input. `HOB_TEST_FUZZ_ROUNDS` makes it longer.

use crate::support::{Answer, Hob, files_below, root, zip};
use bytes::Bytes;
use hob::archive::{self, Limits};
use hob::domain::{Schedule, Timestamp, moment};
use hob::pool::Connection;
use http::Method;
use serde_json::{Value, json};
use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const ROUNDS: u64 = 150;
/// What parsers trip over.
const NASTY: [&str; 18] = [
    "",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "\u{0}",
    "\u{feff}é\u{1f600}",
    "../../etc/passwd",
    "%00%ff",
    "{{x}}",
    "${x}",
    "'\"\\",
    "null",
    "\r\n\r\n",
    "[[[[[[[[",
    "T24:60:61Z",
    "*/0",
    "localhost:0",
];

fn rounds() -> u64 {
    let set = std::env::var("HOB_TEST_FUZZ_ROUNDS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Xorshift: enough for choices.
struct Dice(u64);

impl Dice {
    /// Each seed begins elsewhere.
    fn of(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        dice.below(2);
        dice
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// The same bytes, with one to four things gone wrong.
    fn spoil(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(16)).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at < bytes.len() => bytes[at] = *self.pick(&[0, 1, 0x7f, 0x80, 0xff]),
                3 => drop(bytes.drain(at..end)),
                4 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => {
                    let nasty = self.pick(&NASTY).as_bytes().to_vec();
                    bytes.splice(at..at, nasty);
                }
            }
        }
        bytes
    }

    fn spoil_text(&mut self, text: &str) -> String {
        String::from_utf8_lossy(&self.spoil(text.as_bytes().to_vec())).into_owned()
    }

    /// The same document, with something else in one place.
    fn spoil_json(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() && self.below(5) > 0 => {
                let keys: Vec<_> = fields.keys().cloned().collect();
                let key = self.pick(&keys).clone();
                match self.below(12) {
                    0 => drop(fields.remove(&key)),
                    _ => self.spoil_json(&mut fields[&key]),
                }
            }
            Value::Array(items) if !items.is_empty() && self.below(5) > 0 => {
                let at = self.below(items.len());
                self.spoil_json(&mut items[at]);
            }
            Value::String(text) if self.below(2) == 0 => *text = self.spoil_text(text),
            other => *other = self.other(),
        }
    }

    fn other(&mut self) -> Value {
        match self.below(9) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(u64::MAX),
            4 => json!(1e308),
            5 => json!([{}, [], null]),
            6 => json!({"": {"": ""}}),
            7 => json!("x".repeat(70_000)),
            _ => json!(self.pick(&NASTY)),
        }
    }
}

fn corpus(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("tests/fuzz").join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn spoiling_is_repeatable_and_does_spoil() {
    let spoil = |seed| Dice::of(seed).spoil(b"something that is right".to_vec());
    assert_eq!(spoil(7), spoil(7));
    let changed = (0..100)
        .filter(|seed| spoil(*seed) != b"something that is right")
        .count();
    assert!(changed > 90, "{changed}");
}

#[test]
fn times_and_cron_patterns_are_read_or_refused_and_a_pattern_has_its_next_time_later() {
    let (patterns, times) = (corpus("cron.txt"), corpus("times.txt"));
    for seed in 0..rounds() * 20 {
        let mut dice = Dice::of(seed);
        let pattern = dice.pick(&patterns).clone();
        let (pattern, time) = (dice.spoil_text(&pattern), dice.pick(&times).clone());
        let (time, zone) = (
            dice.spoil_text(&time),
            *dice.pick(&["UTC", "Europe/Paris", "", "../x", "Asia/Kathmandu"]),
        );
        let from = Timestamp::from_millis(*dice.pick(&[0, 1_900_000_000_000, -1, i64::MAX / 2, i64::MAX, i64::MIN]));
        let checked = catch_unwind(|| {
            let _ = moment(&time, zone);
            let next = Schedule::cron(&pattern, zone)
                .ok()
                .and_then(|schedule| schedule.next(from));
            assert!(next.is_none_or(|next| next > from), "{next:?} comes after {from:?}");
        });
        assert!(
            checked.is_ok(),
            "seed {seed}: {pattern:?}, {time:?}, {zone:?}, {from:?}"
        );
    }
}

#[test]
fn archives_stay_within_their_folder_and_their_limits_whatever_they_say() {
    let files = [
        ("main.py", "x = 1\n"),
        ("a/b/c.txt", "hello"),
        ("d.bin", "0123456789abcdef"),
    ];
    let tar = archive::pack_tar_entries(files.map(|(path, text)| (path, 0o644, text)), Vec::new()).unwrap();
    let whole = [zip(&files), tar];
    let limits = Limits {
        entries: 20,
        total_bytes: 4096,
        ..Limits::default()
    };
    for seed in 0..rounds() * 4 {
        let mut dice = Dice::of(seed);
        let bytes = dice.pick(&whole).clone();
        let bytes = dice.spoil(bytes);
        let home = tempfile::tempdir().unwrap();
        let into = home.path().join("into");
        std::fs::create_dir(&into).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let extracted = catch_unwind(AssertUnwindSafe(|| archive::extract(file, &into, &limits)));
        assert!(extracted.is_ok(), "seed {seed}: {bytes:?}");
        let found = files_below(home.path());
        let size: u64 = found
            .iter()
            .filter_map(|f| f.symlink_metadata().ok())
            .map(|m| m.len())
            .sum();
        assert!(size <= limits.total_bytes, "seed {seed}: {size} bytes");
        assert!(found.iter().all(|f| f.starts_with(&into)), "seed {seed}: {found:?}");
    }
}

/// A frame as the contract has it: length, type, length of the header, header, bytes.
fn frame(kind: u8, header: &str, raw: &[u8]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
    let mut all = length(header.len() + raw.len()).to_vec();
    all.push(kind);
    all.extend(length(header.len()));
    all.extend(header.as_bytes());
    all.extend(raw);
    all
}

#[tokio::test]
async fn frames_are_taken_or_refused_and_never_waited_for_in_vain() {
    let whole = [
        frame(1, r#"{"protocol":1,"role":"slot","token":"t","slot":0}"#, b""),
        frame(
            6,
            r#"{"status":200,"headers":[["a","b"]],"duration_us":3}"#,
            b"an answer",
        ),
        [frame(7, "{}", b"a line\n"), frame(5, r#"{"end":true}"#, b"")].concat(),
    ];
    for seed in 0..rounds() * 4 {
        let mut dice = Dice::of(seed);
        let bytes = dice.pick(&whole).clone();
        let bytes = dice.spoil(bytes);
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours).unwrap();
        let mut theirs = theirs.into_std().unwrap();
        theirs.write_all(&bytes).unwrap();
        drop(theirs);
        let read = async {
            let mut size = 0;
            while let Ok(Some(frame)) = connection.receive().await {
                let _ = frame.header::<Value>();
                size += frame.raw.len();
            }
            size
        };
        let size = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert!(size.is_ok_and(|size| size <= bytes.len()), "seed {seed}: {bytes:?}");
    }
}

/// A request that was recorded.
struct Recorded {
    method: Method,
    path: String,
    kind: &'static str,
    body: Value,
}

/// What was recorded for a dialect, with bodies only.
fn recorded(dialect: &str) -> Vec<Recorded> {
    let mut all = Vec::new();
    for file in files_below(&root().join("src/api").join(dialect).join("contract")) {
        let session: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for exchange in session["exchanges"].as_array().into_iter().flatten() {
            let request = &exchange["request"];
            let (kind, body) = match (&request["json"], &request["multipart"]) {
                (Value::Null, Value::Null) => continue,
                (Value::Null, form) => ("multipart/form-data; boundary=b", form),
                (json, _) => ("application/json", json),
            };
            all.push(Recorded {
                method: request["method"].as_str().unwrap().parse().unwrap(),
                path: request["path"].as_str().unwrap().to_owned(),
                kind,
                body: body.clone(),
            });
        }
    }
    assert!(all.len() > 20, "{} requests of {dialect}", all.len());
    all
}

/// Puts something that is there in the place of what a session had kept.
fn filled(text: &str, ids: &[String], dice: &mut Dice) -> String {
    let mut filled = text.to_owned();
    while let Some((before, rest)) = filled.split_once("{{") {
        let after = rest.split_once("}}").map_or("", |(_, after)| after);
        let id = ids
            .get(dice.below(ids.len()))
            .map_or("00000000-0000-4000-8000-000000000000", String::as_str);
        filled = format!("{before}{id}{after}");
    }
    filled
}

fn form(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    for (name, field) in value["fields"].as_object().into_iter().flatten() {
        let field = field.as_str().map_or_else(|| field.to_string(), str::to_owned);
        text += &format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{field}\r\n");
    }
    if value["file"].is_object() {
        text += "--b\r\ncontent-disposition: form-data; name=\"package\"; filename=\"main.py\"\r\n\r\nx = 1\n\r\n";
    }
    (text + "--b--\r\n").into_bytes()
}

impl Recorded {
    /// The request with something wrong: in its document, or in its bytes.
    fn spoilt(&self, ids: &[String], dice: &mut Dice) -> (String, Vec<u8>) {
        let path = filled(&self.path, ids, dice);
        let text = filled(&self.body.to_string(), ids, dice);
        let mut body: Value = serde_json::from_str(&text).unwrap();
        if dice.below(4) > 0 {
            dice.spoil_json(&mut body);
        }
        let bytes = match self.kind {
            "application/json" => body.to_string().into_bytes(),
            _ => form(&body),
        };
        let bytes = if dice.below(4) == 0 { dice.spoil(bytes) } else { bytes };
        (path, bytes)
    }
}

/// Parts of what the platform says when it failed itself.
const OURS: [&str; 9] = [
    "could not be made",
    "could not be signed",
    "could not be unpacked",
    "could not be packed",
    "could not be fetched",
    "could not be hashed",
    "package cannot be",
    "the store",
    "database",
];

/// Whether somebody is told that it is his own fault, in the words and with the status of the dialect: what is not made
/// here and what is not possible now are said so, and the third dialect refuses a deploy with 500.
fn is_refusal(dialect: &str, answer: &Answer) -> bool {
    let text = answer.text();
    match answer.status.as_u16() {
        500 => dialect == "nuclio" && text.contains("errorStackTrace") && !OURS.iter().any(|ours| text.contains(ours)),
        status => status < 500 || matches!(status, 501 | 503),
    }
}

/// Sends what is nearly right to a dialect. What it makes of it is remembered, so that more of the next ones hit something.
async fn plague(dialect: &str) {
    let all = recorded(dialect);
    let hob = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await.0;
    let (mut ids, mut faults) = (Vec::new(), Vec::new());
    for seed in 0..rounds() {
        let mut dice = Dice::of(seed);
        let request = dice.pick(&all);
        let (path, body) = request.spoilt(&ids, &mut dice);
        let token = "11111111-1111-1111-1111-111111111111";
        let headers = [("content-type", request.kind), ("x-auth-token", token)];
        let shown = String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned();
        let answer = hob
            .send(request.method.clone(), &path, &headers, Bytes::from(body))
            .await;
        if !is_refusal(dialect, &answer) {
            let (status, text) = (answer.status, answer.text());
            faults.push(format!(
                "seed {seed}: {} {path}\n{shown}\nwas answered with {status}: {text}",
                request.method
            ));
        }
        let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        ids.extend(made["id"].as_str().map(str::to_owned));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert_eq!(hob.get("/healthz").await.text(), "ok\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_for_the_first_dialect_are_answered_without_a_fault_of_ours() {
    plague("qinling").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_for_the_second_dialect_are_answered_without_a_fault_of_ours() {
    plague("scaleway").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_for_the_third_dialect_are_answered_without_a_fault_of_ours() {
    plague("nuclio").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_and_jobs_are_answered_without_a_fault_of_ours() {
    let hob = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await.0;
    hob.deploy_later("f", "def main(**_):\n    return 1\n").await;
    let form = b"--b\r\ncontent-disposition: form-data; name=\"settings\"\r\n\r\n{\"runtime\": \"python\"}\r\n--b\r\ncontent-disposition: form-data; name=\"code\"; filename=\"main.py\"\r\n\r\nx = 1\r\n--b--\r\n";
    let (patterns, times) = (corpus("cron.txt"), corpus("times.txt"));
    for seed in 0..rounds() {
        let mut dice = Dice::of(seed);
        let upload = dice.spoil(form.to_vec());
        let mut job = json!({"function": "f", "cron": dice.pick(&patterns), "tz": "UTC", "start_ms": 1, "count": 2});
        job["cron"] = json!(dice.spoil_text(job["cron"].as_str().unwrap()));
        job["tz"] = json!(dice.pick(&times));
        dice.spoil_json(&mut job);
        for (method, path, kind, body) in [
            (
                Method::PUT,
                "/hob/v1/functions/g?wait=0",
                "multipart/form-data; boundary=b",
                upload,
            ),
            (
                Method::POST,
                "/hob/v1/jobs",
                "application/json",
                job.to_string().into_bytes(),
            ),
        ] {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let answer = hob
                .send(method, path, &[("content-type", kind)], Bytes::from(body))
                .await;
            assert!(
                answer.status.as_u16() < 500,
                "seed {seed}: {path}\n{shown}\nwas answered with {}: {}",
                answer.status,
                answer.text()
            );
        }
    }
    assert_eq!(hob.get("/healthz").await.text(), "ok\n");
}
