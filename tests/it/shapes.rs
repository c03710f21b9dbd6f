//! `-o json`: each command's answer keeps the shape that scripts rely on. A key may come; none may go or change.

use crate::support::Hob;
use crate::terminal::{hob, hob_in, hob_with};
use serde_json::{Value, json};

/// Commands and the shapes of their answers: keys, and the kind of each value (`null`: any).
const KNOWN: &str = include_str!("shapes.json");

/// Keys and kinds; of a list, the shape of its first thing.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(all) => all.iter().take(1).map(shape).collect(),
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

/// What of `known` is not so in `now`; more than is known may come.
fn lost(known: &Value, now: &Value, at: &str) -> Vec<String> {
    match (known, now) {
        (Value::Null, _) | (_, Value::Null) => Vec::new(),
        (Value::Object(known), Value::Object(now)) => {
            let inner = known.iter().flat_map(|(key, known)| {
                let at = format!("{at}.{key}");
                now.get(key)
                    .map_or_else(|| vec![at.clone()], |now| lost(known, now, &at))
            });
            inner.collect()
        }
        (Value::Array(known), Value::Array(now)) => match (known.first(), now.first()) {
            (Some(known), Some(now)) => lost(known, now, &format!("{at}[]")),
            _ => Vec::new(),
        },
        (known, now) if known == now => Vec::new(),
        (known, now) => vec![format!("{at} was {known} and is {now}")],
    }
}

async fn told(daemon: &Hob, folder: &std::path::Path, line: &str) -> Value {
    let mut words: Vec<_> = line.split_whitespace().collect();
    words.extend(["-o", "json"]);
    let ran = hob_in(daemon, folder, &words).await.ok();
    match ran.out.lines().next() {
        Some(first) if words[0] == "logs" => serde_json::from_str(first).expect("a line of JSON"),
        _ => ran.json(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_in_json_keep_their_shape() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    let home = tempfile::tempdir().expect("a folder");
    let source = "def main(n=0, **_):\n    print('n is', n)\n    return n\n";
    std::fs::create_dir(home.path().join("f")).expect("made");
    std::fs::write(home.path().join("f/main.py"), source).expect("written");
    let mut lines = Vec::new();
    let mut tell = async |line: &str| {
        let value = told(&daemon, home.path(), line).await;
        lines.push((line.to_owned(), shape(&value)));
        value
    };
    tell("deploy f --entry main.main").await;
    tell("list").await;
    tell("get f").await;
    let later = tell("invoke f --async").await["id"].as_str().expect("an id").to_owned();
    daemon.execution_in(&later, &["succeeded"]).await;
    tell("runs list").await;
    tell(&format!("runs show {later}")).await;
    tell(&format!("runs replay {later}")).await;
    tell("logs f").await;
    tell("versions publish f").await;
    tell("versions list f").await;
    tell("versions get f 1").await;
    tell("alias set live f --version 1 --canary latest=10").await;
    tell("alias list").await;
    tell("alias get live").await;
    let hook = tell("webhook create f --sign github").await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    tell("webhook list").await;
    tell(&format!("webhook rotate {hook}")).await;
    tell("jobs create f --every 1h --name tick").await;
    tell("jobs list").await;
    tell("jobs show tick").await;
    tell("jobs next tick").await;
    tell("jobs fire tick").await;
    tell("scale f --to 1").await;
    tell("runtimes").await;
    tell("status").await;
    tell("df").await;
    tell("gc").await;
    tell("backup b.tar").await;
    tell("version").await;
    let known: Value = serde_json::from_str(KNOWN).expect("JSON");
    for (line, shape) in &lines {
        let line = line.replace(&later, "ID").replace(&hook, "ID");
        let lost = lost(&known[&line], shape, "");
        assert!(known.get(&line).is_some(), "`{line}` is not known yet: {shape:#}");
        assert_eq!(
            lost,
            Vec::<String>::new(),
            "`hob {line} -o json` lost what scripts rely on"
        );
    }
}

#[test]
fn a_key_that_goes_or_changes_is_found_and_one_that_comes_is_not() {
    let known = json!({"a": "text", "b": [{"c": "number"}], "d": null});
    for (now, expect) in [
        (
            json!({"a": "text", "b": [{"c": "number", "new": "text"}], "d": "text"}),
            vec![],
        ),
        (json!({"a": null, "b": [], "d": null}), vec![]),
        (json!({"b": [{}], "d": null}), vec![".a", ".b[].c"]),
        (
            json!({"a": "number", "b": [], "d": null}),
            vec![".a was \"text\" and is \"number\""],
        ),
    ] {
        assert_eq!(lost(&known, &now, ""), expect, "{now}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_in_json_have_one_shape_and_lists_without_anything_are_lists() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    for line in [
        "get nobody",
        "runs show nobody",
        "logs nobody",
        "invoke nobody",
        "jobs show nobody",
    ] {
        let mut words: Vec<_> = line.split_whitespace().collect();
        words.extend(["-o", "json"]);
        let ran = hob(&daemon, &words).await.ends_with(3);
        let body: Value = serde_json::from_str(&ran.err).expect("JSON");
        assert_eq!(body["code"], "not_found", "{line}");
        assert!(body["message"].is_string(), "{line}");
    }
    for (line, key) in [
        ("list", "functions"),
        ("runs list", "executions"),
        ("alias list", "aliases"),
        ("webhook list", "webhooks"),
        ("jobs list", "jobs"),
    ] {
        let mut words: Vec<_> = line.split_whitespace().collect();
        words.extend(["-o", "json"]);
        let answer = hob(&daemon, &words).await.ok().json();
        assert_eq!(answer[key], json!([]), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_function_answers_is_passed_on_byte_for_byte_and_its_failure_is_code_1() {
    let daemon = Hob::start(&[]).await.0.warm().await;
    let source = "import base64\ndef main(event, context):\n    if (event.get('queryStringParameters') or {}).get('fail'):\n        return {'statusCode': 418, 'body': 'no'}\n    body = base64.b64encode(bytes(range(256)) * 300).decode()\n    return {'statusCode': 200, 'body': body, 'isBase64Encoded': True}\n";
    daemon
        .ready("raw", source, json!({"convention": "event-context"}))
        .await;
    let ran = hob(&daemon, &["invoke", "raw", "-X", "GET", "--path", "/a"]).await;
    let bytes: Vec<u8> = (0..300).flat_map(|_| 0..=255).collect();
    assert_eq!((ran.code, ran.bytes == bytes), (Some(0), true), "{}", ran.err);
    let ran = hob(&daemon, &["invoke", "raw", "-X", "GET", "--path", "/?fail=1"])
        .await
        .ends_with(1);
    assert_eq!(ran.out, "no");
    let source = "def main(context=None, **fields):\n    print('called')\n    if not fields:\n        raise ValueError('empty')\n    return fields\n";
    daemon.ready("f", source, json!({})).await;
    hob(&daemon, &["versions", "publish", "f"]).await.ok();
    hob(&daemon, &["alias", "set", "live", "f", "--version", "1"])
        .await
        .ok();
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("in.json"), "{\"from\": \"file\"}").expect("written");
    for (words, expect) in [
        (vec!["-d", "{\"from\": \"argument\"}"], "argument"),
        (vec!["-d", "@in.json"], "file"),
        (vec!["--field", "from=field", "--version", "1"], "field"),
        (vec!["--field", "from=alias", "--alias", "live"], "alias"),
    ] {
        let mut line = vec!["invoke", "f", "--logs"];
        line.extend(words);
        let ran = hob_in(&daemon, home.path(), &line).await.ok().tells("called");
        assert_eq!(ran.out, format!("{{\"from\": \"{expect}\"}}"));
    }
    let ran = hob_with(&daemon, &["invoke", "f", "-d", "-"], b"{\"from\": \"stdin\"}")
        .await
        .ok();
    assert_eq!(ran.out, "{\"from\": \"stdin\"}");
    let failed = hob(&daemon, &["invoke", "f", "--logs"]).await.ends_with(1);
    assert_eq!(failed.out, "");
    failed.tells("ValueError: empty").tells("called");
}
