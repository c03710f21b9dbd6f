//! Python environments with released clients in them, and the running of a suite that is written in Python.
//!
//! A suite prints to this process's own streams, so that its tests are seen and counted as the others are.

use crate::helpers::{BINARY, Daemon, base_image};
use crate::support::root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment that has what a suite asks for.
pub(crate) struct Environment {
    python: PathBuf,
    suite: PathBuf,
}

impl Environment {
    /// The environment of the suite in that folder: what its `requirements.txt` names, installed when that has changed.
    pub(crate) fn of(folder: &str) -> Self {
        let suite = root().join("tests/clients").join(folder);
        let target = Path::new(BINARY).ancestors().nth(2).expect("target/PROFILE/hob");
        let place = target.join("clients").join(folder);
        let python = place.join("bin/python");
        let requirements = suite.join("requirements.txt");
        let wanted = std::fs::read(&requirements).expect("every suite says what it needs");
        let installed = place.join("installed.txt");
        if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
            return Self { python, suite };
        }
        let made = Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&place)
            .status();
        succeeded(made, "python3 -m venv (Debian and Ubuntu have it in python3-venv)");
        let pip = ["-m", "pip", "install", "--quiet", "--requirement"];
        let pip = Command::new(&python).args(pip).arg(&requirements).status();
        succeeded(pip, "pip install of the released client, which needs the package index");
        std::fs::write(&installed, wanted).expect("ours");
        Self { python, suite }
    }

    /// Runs a script of the suite, which is told where the daemon is, and fails when it does.
    pub(crate) fn run(&self, script: &str, daemon: &Daemon, tokens: &[(&str, &str)]) {
        let status = Command::new(&self.python)
            .args(["-W", "ignore"])
            .arg(self.suite.join(script))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HOB_URL", format!("http://{}", daemon.address))
            .env("HOB_BASE_IMAGE", base_image())
            .envs(tokens.iter().copied())
            .status()
            .expect("it starts");
        assert!(
            status.success(),
            "{script} failed, see above; the daemon said: {}",
            daemon.log()
        );
    }
}

fn succeeded(status: std::io::Result<std::process::ExitStatus>, what: &str) {
    assert!(status.is_ok_and(|status| status.success()), "{what} failed");
}
