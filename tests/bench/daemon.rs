//! The real daemon as a child process, driven over plain HTTP as any client would.
//!
//! It deliberately uses nothing of the crate's own code: what is measured is the program that users get.

use crate::baseline::{Language, PYTHON};
use crate::cleanup::{self, wait_until};
use crate::load::{Answer, Target};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The binary that is measured.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hob");

const PATIENCE: Duration = Duration::from_secs(60);
/// After the last worker has settled, removals and image builds still go on in the engine for a moment.
const QUIET: Duration = Duration::from_millis(300);
const BOUNDARY: &str = "hob-bench-part";

/// A running daemon with a data directory of its own; dropping it ends it and removes what it made in the engine.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    address: SocketAddr,
    ready_in: Duration,
}

/// One call over a connection of its own.
#[derive(Debug)]
pub(crate) struct Call {
    /// From connecting to the answer's last byte.
    pub(crate) took: Duration,
    /// Whether a container was started for it.
    pub(crate) cold: bool,
    /// Whether code was loaded into a worker for it.
    pub(crate) loaded: bool,
}

impl Daemon {
    /// Starts it on an empty data directory `folder`, with `environment` and no other `HOB_` variable. It knows one
    /// language, so that it keeps no workers of others ready while this one is measured.
    ///
    /// # Errors
    /// It ends or says nothing for a minute; with the end of its log.
    pub(crate) fn start(folder: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_for(PYTHON, folder, environment)
    }

    /// The same with another language.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn start_for(language: Language, folder: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let log = folder.with_extension("log");
        let runtimes = only(language, folder)?;
        let environment = [environment, &[("HOB_RUNTIMES_DIRECTORY", runtimes.as_str())]].concat();
        let (child, address, ready_in) = spawn(folder, &environment, &log).with_context(|| last_lines(&log))?;
        let daemon = Self {
            child,
            address,
            ready_in,
        };
        let instance = daemon.status()?["instance"].as_str().map(str::to_owned);
        cleanup::note_daemon(daemon.pid(), instance);
        Ok(daemon)
    }

    /// From starting the process to its `ready` line.
    pub(crate) fn ready_in(&self) -> Duration {
        self.ready_in
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The calls of `function`, with this JSON body.
    pub(crate) fn target(&self, function: &str, body: &str) -> Target {
        Target::post(self.address, &format!("/function/{function}"), body)
    }

    /// A request to the native API: `path` comes below its base.
    pub(crate) fn native(&self, method: &str, path: &str, body: &str) -> Target {
        self.request(method, &format!("/hob/v1{path}"), body)
    }

    /// A request to any API, with a body of JSON.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Target {
        Target::new(self.address, method, path, "application/json", body.as_bytes())
    }

    /// A body of bytes, to any API.
    pub(crate) fn put(&self, path: &str, body: &[u8]) -> Target {
        Target::new(self.address, "PUT", path, "application/octet-stream", body)
    }

    /// A form with a zip as its file `file`, to any API.
    pub(crate) fn upload(&self, method: &str, path: &str, fields: &[(&str, &str)], file: &str, zip: &[u8]) -> Target {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        Target::new(self.address, method, path, &kind, &form(fields, file, zip))
    }

    /// Calls `function` once and looks at what it met.
    ///
    /// # Errors
    /// The answer's status is not 2xx, or it lacks the headers that say what the call met.
    pub(crate) fn call(&self, function: &str, body: &str) -> Result<Call> {
        let target = self.target(function, body);
        let started = Instant::now();
        let answer = target.send()?.ok()?;
        Ok(Call {
            took: started.elapsed(),
            cold: answer.header("x-cold-start").context("no x-cold-start")? == "true",
            loaded: timing(&answer, "load") > 0.0,
        })
    }

    /// Uploads `code`, a zip, and waits until it is ready.
    ///
    /// # Errors
    /// It is refused, fails, or takes longer than 30 s.
    pub(crate) fn deploy(&self, function: &str, settings: &Value, code: &[u8]) -> Result<()> {
        let path = format!("/hob/v1/functions/{function}?wait=30");
        let settings = settings.to_string();
        let answer = self.upload("PUT", &path, &[("settings", &settings)], "code", code);
        let answer = answer.send()?;
        let view: Value = serde_json::from_str(&answer.ok()?.text())?;
        ensure!(view["state"] == "ready", "`{function}` is not ready: {view}");
        Ok(())
    }

    /// Removes `function`.
    ///
    /// # Errors
    /// The daemon refuses.
    pub(crate) fn remove(&self, function: &str) -> Result<()> {
        let path = format!("/hob/v1/functions/{function}");
        let target = Target::new(self.address, "DELETE", &path, "application/json", b"");
        target.send()?.ok().map(|_| ())
    }

    /// Waits until `prewarmed` workers or more wait for code, `ready` (or any number) hold some, and none is on its way
    /// from one state to another; then a little longer.
    ///
    /// # Errors
    /// That does not come about within a minute; with the workers as they are.
    pub(crate) fn settle(&self, prewarmed: usize, ready: Option<usize>) -> Result<()> {
        let as_wanted = || {
            let workers = self.workers().unwrap_or_default();
            let count = |state: &str| workers.iter().filter(|is| is.as_str() == state).count();
            let (waiting, holding) = (count("prewarmed"), count("ready"));
            waiting >= prewarmed && ready.is_none_or(|ready| holding == ready) && waiting + holding == workers.len()
        };
        if !wait_until(PATIENCE, as_wanted) {
            let workers = self.workers()?;
            bail!("wanted {prewarmed} pre-warmed and {ready:?} ready workers, found {workers:?}");
        }
        std::thread::sleep(QUIET);
        Ok(())
    }

    /// Resident memory. Unit: a million bytes.
    ///
    /// # Errors
    /// The process is gone.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse::<f64>()? * 1024.0 / 1e6)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn workers(&self) -> Result<Vec<String>> {
        let status = self.status()?;
        let workers = status["workers"].as_array().context("no workers")?;
        let state = |worker: &Value| worker["state"].as_str().map(str::to_owned);
        Ok(workers.iter().filter_map(state).collect())
    }

    fn status(&self) -> Result<Value> {
        let kind = "application/json";
        let target = Target::new(self.address, "GET", "/hob/v1/status", kind, b"");
        Ok(serde_json::from_str(&target.send()?.ok()?.text())?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        cleanup::end_daemon(self.pid());
        // Nothing to do about a child that cannot be waited for.
        let _ = self.child.wait();
    }
}

/// Packs files, given by path and bytes, into a zip.
///
/// # Errors
/// Two files have one name.
pub(crate) fn pack<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name, zip::write::SimpleFileOptions::default())?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A folder with the runtime of one language.
fn only(language: Language, folder: &Path) -> Result<String> {
    let runtimes = folder.with_extension("runtimes");
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("runtimes")
        .join(language.runtime);
    std::fs::create_dir_all(&runtimes)?;
    std::os::unix::fs::symlink(own, runtimes.join(language.runtime))?;
    Ok(runtimes.to_string_lossy().into_owned())
}

fn spawn(folder: &Path, environment: &[(&str, &str)], log: &PathBuf) -> Result<(Child, SocketAddr, Duration)> {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOB_") {
            command.env_remove(name);
        }
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder)
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(File::create(log)?);
    let leave = cleanup::leave_to_start()?;
    let started = Instant::now();
    let mut child = command.spawn().context("cannot start the daemon")?;
    cleanup::note_daemon(child.id(), None);
    drop(leave);
    match wait_for_ready_line(&mut child) {
        Ok(address) => Ok((child, address, started.elapsed())),
        Err(error) => {
            cleanup::end_daemon(child.id());
            let _ = child.wait();
            Err(error)
        }
    }
}

fn wait_for_ready_line(child: &mut Child) -> Result<SocketAddr> {
    let output = child.stdout.take().context("no standard output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // Reads on after the line, so that the daemon never writes into a closed pipe.
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = receiver.recv_timeout(PATIENCE);
    let line = line.context("the daemon did not say `ready`")?;
    let address = line.strip_prefix("ready http://");
    let address = address.with_context(|| format!("expected the ready line, got `{line}`"))?;
    Ok(address.trim_end_matches('/').parse()?)
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let from = text.lines().count().saturating_sub(20);
    let last: Vec<&str> = text.lines().skip(from).collect();
    format!("the daemon failed; the end of its log:\n{}", last.join("\n"))
}

fn form(fields: &[(&str, &str)], file: &str, zip: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        let part = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        form.extend_from_slice(part.as_bytes());
    }
    let part = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{file}\"; filename=\"code.zip\"\r\n\
         content-type: application/zip\r\n\r\n"
    );
    form.extend_from_slice(part.as_bytes());
    form.extend_from_slice(zip);
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    form
}

/// One figure of `server-timing`, in milliseconds; 0 when it is not there.
fn timing(answer: &Answer, name: &str) -> f64 {
    let header = answer.header("server-timing").unwrap_or_default();
    let entry = header
        .split(',')
        .find_map(|entry| entry.trim().strip_prefix(name)?.strip_prefix(";dur="));
    entry.and_then(|ms| ms.parse().ok()).unwrap_or(0.0)
}
