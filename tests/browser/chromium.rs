//! The browser as a child process: one visit, one profile, no questions asked.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A visit; dropping it closes the browser and all of its processes.
pub(crate) struct Visit {
    browser: Child,
    _profile: tempfile::TempDir,
}

impl Visit {
    /// Opens a page, with further arguments of the browser's.
    pub(crate) fn to(url: &str, arguments: &[String]) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        // What keeps pages of the internet from this machine must not hide what the daemon refuses by itself.
        let features = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,\
                        PrivateNetworkAccessSendPreflights,BlockInsecurePrivateNetworkRequests,HttpsUpgrades";
        let mut command = Command::new(program());
        command
            .args([
                "--headless=new",
                "--disable-gpu",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                features,
            ])
            .args(rustix::process::geteuid().is_root().then_some("--no-sandbox"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(arguments)
            .arg(url)
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            browser: command.spawn().expect("it starts"),
            _profile: profile,
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

fn program() -> &'static str {
    let places = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    found.expect("Chromium is not here: `scripts/setup --browser` installs it")
}
