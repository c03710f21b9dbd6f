//! What Hob is compared with: a minimal hand-written server in a container, run by the `docker` command as a user would.
//!
//! It runs the same handler file on the same base image. It deliberately goes nowhere near Hob's code: no engine room,
//! no archive room, so that a mistake there cannot flatter both sides.

use crate::cleanup::{self, LABEL};
use crate::daemon::pack;
use crate::load::Target;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A language that both sides run the same handler in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Language {
    /// The name of Hob's runtime.
    pub(crate) runtime: &'static str,
    /// The file with the handler.
    pub(crate) file: &'static str,
    /// The handler that both sides run.
    pub(crate) handler: &'static str,
    /// How a line of it is no code.
    comment: &'static str,
    /// The hand-written server.
    server: &'static str,
    /// What runs the server.
    program: &'static str,
}

pub(crate) const PYTHON: Language = Language {
    runtime: "python",
    file: "main.py",
    handler: include_str!("function/main.py"),
    comment: "#",
    server: include_str!("baseline/http_worker.py"),
    program: "python3",
};

pub(crate) const NODE: Language = Language {
    runtime: "nodejs",
    file: "main.js",
    handler: include_str!("function/main.js"),
    comment: "//",
    server: include_str!("baseline/http_worker.js"),
    program: "node",
};

const PORT: u16 = 8080;
const PATIENCE: Duration = Duration::from_secs(60);

/// The image with the server and the handler, made once for a bench.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) language: Language,
    name: String,
    network: String,
    folder: PathBuf,
}

/// A running container; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Container {
    id: String,
    published: SocketAddr,
}

impl Language {
    /// The handler, made different from that of other rounds.
    pub(crate) fn edited(&self, round: usize) -> String {
        format!("{}\n{} round {round}\n", self.handler, self.comment)
    }

    /// What a deploy says of it: one worker with so many slots.
    pub(crate) fn settings(&self, slots: usize, preload: bool) -> Value {
        json!({
            "runtime": self.runtime, "entry": "main.main", "convention": "kwargs",
            "concurrency": slots, "max_workers": 1, "preload": preload,
        })
    }

    /// The handler alone, as a package.
    ///
    /// # Errors
    /// None that is known of.
    pub(crate) fn package(&self) -> Result<Vec<u8>> {
        pack([(self.file, self.handler.as_bytes())])
    }
}

impl Image {
    /// Builds the baseline on `base`, the image Hob's own runtime stands on; its containers join `network`.
    ///
    /// # Errors
    /// There is no engine, or `base` is missing: `scripts/setup` makes both.
    pub(crate) fn build(language: Language, base: &str, network: &str, folder: &Path) -> Result<Self> {
        let Language {
            runtime, program, file, ..
        } = language;
        let own = std::process::id();
        let image = Self {
            language,
            name: format!("hob-bench/{runtime}-server:{own}"),
            network: network.to_owned(),
            folder: folder.join(runtime),
        };
        let steps = format!(
            "FROM {base}\nLABEL hob.bench=1 {LABEL}={own}\nCOPY server /bench/server\n\
             COPY {file} /app/{file}\nENTRYPOINT [\"{program}\", \"/bench/server\"]\n"
        );
        let files = [("server", language.server), (file, language.handler)];
        build(&image.folder.join("server"), &image.name, &steps, &files)
            .context("cannot build the baseline; run scripts/setup first")?;
        Ok(image)
    }

    /// The same server in another language, on the same network. Its base is the registry's, where that is here.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn in_language(&self, language: Language, ordinary: &str, local: &str, folder: &Path) -> Result<Self> {
        let is_here = !docker(["images", "-q", ordinary])?.is_empty();
        let base = if is_here { ordinary } else { local };
        Self::build(language, base, &self.network, folder)
    }

    /// `docker run -d -p` until the first 200; returns how long that took.
    ///
    /// # Errors
    /// The container does not start or does not answer.
    pub(crate) fn run_to_first_answer(&self, request: &str) -> Result<Duration> {
        let started = Instant::now();
        let container = self.run_published(&self.name, &[])?;
        container.wait_for_answer(request)?;
        Ok(started.elapsed())
    }

    /// Upload as it is done by hand: `docker build` (classic, one `COPY`), `docker run -d -p`, first 200.
    ///
    /// # Errors
    /// The build fails, or the container does not answer.
    pub(crate) fn build_and_run(&self, handler: &str, request: &str) -> Result<Duration> {
        let name = format!("hob-bench/upload:{}", std::process::id());
        let file = self.language.file;
        let steps = format!("FROM {}\nCOPY {file} /app/{file}\n", self.name);
        let folder = self.folder.join("upload");
        let started = Instant::now();
        build(&folder, &name, &steps, &[(file, handler)])?;
        let container = self.run_published(&name, &[])?;
        container.wait_for_answer(request)?;
        let took = started.elapsed();
        drop(container);
        docker(["rmi", "-f", &name])?;
        Ok(took)
    }

    /// A server that stays, on a published port, with `processes` processes for `connections` connections.
    ///
    /// # Errors
    /// The container does not start or does not answer.
    pub(crate) fn serve(&self, processes: usize, connections: usize) -> Result<Container> {
        let each = connections.div_ceil(processes);
        let container = self.run_published(&self.name, &[&processes.to_string(), &each.to_string()])?;
        container.wait_for_answer("{}")?;
        Ok(container)
    }

    fn run_published(&self, image: &str, arguments: &[&str]) -> Result<Container> {
        let published = free_address()?;
        let port = format!("{published}:{PORT}");
        let run = ["run", "-d", "--network", &self.network, "-p", &port, image];
        let id = docker(run.iter().chain(arguments))?;
        Ok(Container {
            id: id.trim().to_owned(),
            published,
        })
    }
}

impl Container {
    /// Its published port on loopback.
    pub(crate) fn published(&self, body: &str) -> Target {
        Target::post(self.published, "/", body)
    }

    /// Its own address on its network's bridge.
    ///
    /// # Errors
    /// It has none: the engine does not run on this machine.
    pub(crate) fn bridged(&self, body: &str) -> Result<Target> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let ip = docker(["inspect", "--format", format, &self.id])?;
        let ip = ip.trim().parse::<Ipv4Addr>().context("no bridge address")?;
        Ok(Target::post((ip, PORT).into(), "/", body))
    }

    /// Asks every 0.5 ms until the answer is 200.
    fn wait_for_answer(&self, body: &str) -> Result<()> {
        let target = self.published(body);
        let deadline = Instant::now() + PATIENCE;
        while !target.send().is_ok_and(|answer| answer.status == 200) {
            ensure!(
                Instant::now() < deadline,
                "no answer from the baseline; see docker logs {}",
                self.id
            );
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What is left is found by its label at the end.
        let _ = docker_always(["rm", "-fv", &self.id]);
    }
}

/// Runs the `docker` command and returns what it printed.
///
/// # Errors
/// The bench is closing, docker is not installed, or it failed: then with what it said on standard error.
pub(crate) fn docker<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<String> {
    let _leave = cleanup::leave_to_start()?;
    docker_always(arguments)
}

/// The same for removing things, which the closing bench does too.
///
/// # Errors
/// docker is not installed, or it failed.
pub(crate) fn docker_always<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<String> {
    let mut command = Command::new("docker");
    command.args(arguments).env("DOCKER_BUILDKIT", "0");
    let output = command.output().context("cannot run docker")?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn build(folder: &Path, name: &str, steps: &str, files: &[(&str, &str)]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for (file, text) in files.iter().chain(&[("Dockerfile", steps)]) {
        std::fs::write(folder.join(file), text)?;
    }
    let folder = folder.to_string_lossy();
    docker(["build", "-q", "-t", name, &folder]).map(|_| ())
}

/// A loopback port that was free a moment ago: asking docker for one afterwards would cost the baseline a command.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
