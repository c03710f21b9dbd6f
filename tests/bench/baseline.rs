//! What Hob is compared with: a minimal hand-written server in a container, run by the `docker` command as a user would.
//!
//! It runs the same handler file on the same base image. It deliberately goes nowhere near Hob's code: no engine room,
//! no archive room, so that a mistake there cannot flatter both sides.

use crate::cleanup::{self, LABEL};
use crate::load::Target;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The handler that both sides run.
pub(crate) const HANDLER: &str = include_str!("function/main.py");

const SERVER: &str = include_str!("baseline/http_worker.py");
const PORT: u16 = 8080;
const PATIENCE: Duration = Duration::from_secs(60);

/// The image with the server and the handler, made once for a bench.
#[derive(Debug)]
pub(crate) struct Image {
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

impl Image {
    /// Builds the baseline on `base`, the image Hob's own runtime stands on; its containers join `network`.
    ///
    /// # Errors
    /// There is no engine, or `base` is missing: `scripts/setup` makes both.
    pub(crate) fn build(base: &str, network: &str, folder: &Path) -> Result<Self> {
        let own = std::process::id();
        let image = Self {
            name: format!("hob-bench/server:{own}"),
            network: network.to_owned(),
            folder: folder.to_path_buf(),
        };
        let steps = format!(
            "FROM {base}\nLABEL hob.bench=1 {LABEL}={own}\nCOPY server.py /bench/server.py\n\
             COPY main.py /app/main.py\nENTRYPOINT [\"python3\", \"/bench/server.py\"]\n"
        );
        let files = [("server.py", SERVER), ("main.py", HANDLER)];
        build(&folder.join("server"), &image.name, &steps, &files)
            .context("cannot build the baseline; run scripts/setup first")?;
        Ok(image)
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
        let steps = format!("FROM {}\nCOPY main.py /app/main.py\n", self.name);
        let folder = self.folder.join("upload");
        let started = Instant::now();
        build(&folder, &name, &steps, &[("main.py", handler)])?;
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
