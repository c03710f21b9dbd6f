//! The row `nuclio`: a function through the Nuclio dashboard's API, from its creation to its first answer.

use crate::baseline::PYTHON;
use crate::daemon::Daemon;
use crate::load::Target;
use crate::report::{Line, Unit};
use crate::rows::{BODY, Bench, ms, take_turns};
use crate::stats::Bar;
use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The handler in the form of this API.
const HANDLER: &str = "\nimport json\n\ndef handler(context, event):\n    return main(**json.loads(event.body))\n";
/// As the API's clients do, but without their second between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// `POST function` with inline source, state `ready`, first answer on its own port; against an image, built and run.
pub(crate) fn deployed(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("nuclio"), &[])?;
    let ours = |round| {
        let name = format!("f{round}");
        let source = format!("{}{HANDLER}", PYTHON.edited(round));
        let build = json!({"functionSourceCode": BASE64.encode(source)});
        let spec = json!({"runtime": "python", "handler": "main:handler", "build": build});
        let function = json!({"metadata": {"name": name}, "spec": spec}).to_string();
        daemon.settle(1, Some(0))?;
        let started = Instant::now();
        daemon.request("POST", "/api/functions", &function).send()?.ok()?;
        let port = ready(&daemon, &name)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Target::new(address, "POST", "/", "text/plain", BODY.as_bytes())
            .send()?
            .ok()?;
        let took = ms(started.elapsed());
        let named = json!({"metadata": {"name": name}}).to_string();
        daemon.request("DELETE", "/api/functions", &named).send()?.ok()?;
        Ok(took)
    };
    let theirs = |round| bench.image.build_and_run(&PYTHON.edited(round), BODY).map(ms);
    let (ours, theirs) = take_turns(bench.rounds, ours, theirs)?;
    Ok(vec![Line {
        what: "Nuclio API: create, ready, first call / `docker build` + `docker run -p` + first 200".to_owned(),
        unit: Unit::Milliseconds,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtMost(0.2),
        notes: vec![],
    }])
}

/// Looks until the function is ready and has its port, which it gets a moment after its code; answers the port.
fn ready(daemon: &Daemon, name: &str) -> Result<u16> {
    let started = Instant::now();
    loop {
        let answer = daemon.request("GET", &format!("/api/functions/{name}"), "").send()?;
        let view: Value = serde_json::from_str(&answer.ok()?.text())?;
        let status = &view["status"];
        match (status["state"].as_str(), status["httpPort"].as_u64()) {
            (Some("ready"), Some(port)) => return Ok(u16::try_from(port)?),
            (Some("ready" | "building"), _) => {}
            _ => bail!("`{name}` is not ready: {view}"),
        }
        ensure!(started.elapsed() < PATIENCE, "`{name}` was not ready in time: {view}");
        std::thread::sleep(LOOK_AGAIN);
    }
}
