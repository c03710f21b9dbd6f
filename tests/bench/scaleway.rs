//! The row `scaleway`: a function through the Scaleway API, from its upload to its first answer.

use crate::baseline::NODE;
use crate::daemon::{Daemon, pack};
use crate::load::Target;
use crate::report::{Line, Unit};
use crate::rows::{BODY, Bench, ms, take_turns};
use crate::stats::Bar;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BASE: &str = "/functions/v1alpha2/regions/fr-par";
/// The handler in the form of this API.
const HANDLE: &str = "\nexports.handle = (event) => exports.main({}, JSON.parse(event.body));\n";
/// As the API's clients do, but without their seconds between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// Upload, deploy, looking until it is ready, and the first call; against an image of the same handler, built and run.
pub(crate) fn deployed(bench: &Bench) -> Result<Vec<Line>> {
    let bench = &crate::languages::with_node(bench)?;
    let daemon = Daemon::start_for(NODE, &bench.folder.join("scaleway"), &[])?;
    let namespace = json!({"name": "bench", "organization_id": "bench"});
    let namespace = id_of(&asked(&api(&daemon, "POST", "/namespaces", &namespace))?)?;
    let ours = |round| {
        let name = format!("f{round}");
        let body = json!({"name": name, "namespace_id": namespace, "runtime": "node18", "max_scale": 1});
        let function = format!(
            "/functions/{}",
            id_of(&asked(&api(&daemon, "POST", "/functions", &body))?)?
        );
        let code = pack([("handler.js", format!("{}{HANDLE}", NODE.edited(round)).as_bytes())])?;
        daemon.settle(1, Some(0))?;
        let started = Instant::now();
        send(&daemon, &function, &code)?;
        wait(&daemon, &function)?;
        daemon.call(&format!("{name}.bench"), BODY)?;
        let took = ms(started.elapsed());
        asked(&api(&daemon, "DELETE", &function, &Value::Null))?;
        Ok(took)
    };
    let theirs = |round| bench.image.build_and_run(&NODE.edited(round), BODY).map(ms);
    let (ours, theirs) = take_turns(bench.rounds, ours, theirs)?;
    Ok(vec![Line {
        what: "Scaleway API: upload, deploy, ready, first call / `docker build` + `docker run -p` + first 200"
            .to_owned(),
        unit: Unit::Milliseconds,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtMost(0.2),
        notes: vec![],
    }])
}

fn send(daemon: &Daemon, function: &str, code: &[u8]) -> Result<()> {
    let size = code.len();
    let path = format!("{function}/upload-url?content_length={size}");
    let address = asked(&api(daemon, "GET", &path, &Value::Null))?;
    let url = address["url"].as_str().context("no url")?;
    let path = url.splitn(4, '/').nth(3).context("a url without a path")?;
    daemon.put(&format!("/{path}"), code).send()?.ok()?;
    asked(&api(daemon, "POST", &format!("{function}/deploy"), &json!({}))).map(drop)
}

fn wait(daemon: &Daemon, function: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let look = asked(&api(daemon, "GET", function, &Value::Null))?;
        if look["status"] == "ready" {
            return Ok(());
        }
        ensure!(
            look["status"] != "error" && started.elapsed() < PATIENCE,
            "not ready: {look}"
        );
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn api(daemon: &Daemon, method: &str, path: &str, body: &Value) -> Target {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    daemon.request(method, &format!("{BASE}{path}"), &body)
}

fn asked(target: &Target) -> Result<Value> {
    Ok(serde_json::from_str(&target.send()?.ok()?.text())?)
}

fn id_of(made: &Value) -> Result<String> {
    Ok(made["id"].as_str().context("no id")?.to_owned())
}
