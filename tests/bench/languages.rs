//! Rows of other languages than the first, and of dependencies.

use crate::baseline::NODE;
use crate::daemon::{Daemon, pack};
use crate::report::{Line, Unit};
use crate::rows::{BODY, Bench, Expected, deploy_slots, first_calls, loads, ms};
use crate::stats::Bar;
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// The certificates of whoever stands between this machine and the package registry.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const LIBRARY: &str = "w3lib==2.1.2";
const WITH_LIBRARY: &str = "import w3lib\n\ndef main(name='world', **_):\n    return w3lib.__name__ + name\n";

/// A code edit with the same dependencies, against the deploy that has to install them.
pub(crate) fn redeploy(bench: &Bench) -> Result<Vec<Line>> {
    let ca_bundle = if Path::new(CA_BUNDLE).exists() { CA_BUNDLE } else { "" };
    let daemon = Daemon::start(&bench.folder.join("redeploy"), &[("HOB_BUILD_CA_BUNDLE", ca_bundle)])?;
    let deploy = |name: &str, round: usize, edit: usize| {
        let code = format!("{WITH_LIBRARY}\n# edit {edit}\n");
        // The comment makes them other dependencies, which no round before has installed.
        let library = format!("{LIBRARY}  # round {round}\n");
        let package = pack([("main.py", code.as_bytes()), ("requirements.txt", library.as_bytes())])?;
        let started = Instant::now();
        let settings = json!({ "runtime": "python", "entry": "main.main", "convention": "kwargs", "max_workers": 1 });
        daemon.deploy(name, &settings, &package)?;
        daemon.call(name, BODY)?;
        Ok::<f64, anyhow::Error>(ms(started.elapsed()))
    };
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        let name = format!("library-{round}");
        daemon.settle(1, Some(0))?;
        first.push(deploy(&name, round, 0)?);
        daemon.settle(1, Some(1))?;
        again.push(deploy(&name, round, 1)?);
        daemon.remove(&name)?;
    }
    Ok(vec![Line {
        what: "redeploy of edited code, same dependencies, to first result / its first deploy".to_owned(),
        unit: Unit::Milliseconds,
        ours: again,
        theirs: Some(first),
        bar: Bar::AtMost(0.1),
        notes: vec![format!(
            "dependencies: {LIBRARY}, from the registry at every first deploy"
        )],
    }])
}

/// As the row `prewarmed`, with the same server in Node.js.
pub(crate) fn node_prewarmed(bench: &Bench) -> Result<Vec<Line>> {
    let bench = &with_node(bench)?;
    let daemon = Daemon::start_for(NODE, &bench.folder.join("node-prewarmed"), &[])?;
    let mut line = first_calls(bench, &daemon, &NODE.package()?, Expected::Prewarmed)?;
    line.what = "first call, pre-warmed Node.js worker / `docker run -p` of a Node.js server to first 200".to_owned();
    line.bar = Bar::AtMost(0.03);
    Ok(vec![line])
}

/// As the row `warm`, with one connection.
pub(crate) fn node_warm(bench: &Bench) -> Result<Vec<Line>> {
    let bench = &with_node(bench)?;
    let daemon = Daemon::start_for(NODE, &bench.folder.join("node-warm"), &[])?;
    let server = bench.image.serve(1, 1)?;
    let ours = deploy_slots(NODE, &daemon, 1, BODY)?;
    let mut line = loads(bench, 1, &ours, &server.published(BODY))?;
    line.what = "warm calls, Node.js, concurrency 1 / minimal `net` server, published port".to_owned();
    line.bar = Bar::AtLeast(0.85);
    Ok(vec![line])
}

/// The bench with a baseline in Node.js.
pub(crate) fn with_node(bench: &Bench) -> Result<Bench> {
    Ok(Bench {
        image: bench
            .image
            .in_language(NODE, "node:18-slim", "hob-base/nodejs", &bench.folder)?,
        folder: bench.folder.clone(),
        rounds: bench.rounds,
        load_time: bench.load_time,
    })
}
