//! The environment of the process, taken once; everybody who needs a variable gets it from here.
//!
//! Variables that are set to nothing count as not set. Settings (`HOB_<SECTION>_<KEY>`) are read by `layers`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Environment variables. Printing it shows their names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub(super) fn of_process() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    /// An environment made of `pairs`: for tests, and for whoever starts a daemon inside another program.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// A variable as text; none when it is not set, empty or not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name.as_ref() as &std::ffi::OsStr)?.to_str()
    }

    /// A variable as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name.as_ref() as &std::ffi::OsStr).map(PathBuf::from)
    }

    /// Whether the user wants no colours (`NO_COLOR`).
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.path("NO_COLOR").is_some()
    }

    /// The home directory (`HOME`).
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// Where sockets of this session live (`XDG_RUNTIME_DIR`).
    #[must_use]
    pub fn runtime_dir(&self) -> Option<PathBuf> {
        self.path("XDG_RUNTIME_DIR")
    }

    /// Where state is kept without a `--data-dir`: `$XDG_STATE_HOME/hob`, or `~/.local/state/hob`.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        let given = self.path("XDG_STATE_HOME").filter(|path| path.is_absolute());
        let base = given.or_else(|| Some(self.home()?.join(".local/state")))?;
        Some(base.join("hob"))
    }

    /// Where the container engine listens (`DOCKER_HOST`).
    #[must_use]
    pub fn docker_host(&self) -> Option<&str> {
        self.text("DOCKER_HOST")
    }

    /// The name of the Docker context to use (`DOCKER_CONTEXT`).
    #[must_use]
    pub fn docker_context(&self) -> Option<&str> {
        self.text("DOCKER_CONTEXT")
    }

    /// Where the client finds the daemon (`HOB_URL`).
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.text("HOB_URL")
    }

    /// The client's output format (`HOB_OUTPUT`).
    #[must_use]
    pub fn output(&self) -> Option<&str> {
        self.text("HOB_OUTPUT")
    }

    /// A proxy, by the name of its variable in upper or in lower case. `HTTP_PROXY` counts in lower case only, because
    /// a web server sets the other from a header.
    #[must_use]
    pub fn proxy(&self, name: &str) -> Option<&str> {
        let upper = self.text(name).filter(|_| name != "HTTP_PROXY");
        upper
            .or_else(|| self.text(&name.to_lowercase()))
            .filter(|text| !text.is_empty())
    }

    /// The settings file (`HOB_CONFIG`).
    #[must_use]
    pub fn config_file(&self) -> Option<PathBuf> {
        self.path("HOB_CONFIG")
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_dir<const N: usize>(pairs: [(&str, &str); N]) -> Option<PathBuf> {
        Environment::from_pairs(pairs).state_dir()
    }

    #[test]
    fn state_lives_where_the_session_says_or_in_the_home_directory() {
        let home = ("HOME", "/home/ann");
        assert_eq!(state_dir([home]), Some("/home/ann/.local/state/hob".into()));
        assert_eq!(state_dir([home, ("XDG_STATE_HOME", "/s")]), Some("/s/hob".into()));
        assert_eq!(state_dir([home, ("XDG_STATE_HOME", "s")]), state_dir([home]));
        assert_eq!(state_dir([("HOME", "")]), None);
    }

    #[test]
    fn printing_an_environment_shows_no_values() {
        let environment = Environment::from_pairs([("HOB_ACCESS_TOKEN", "hunter22")]);
        let printed = format!("{environment:?}");
        assert!(printed.contains("HOB_ACCESS_TOKEN") && !printed.contains("hunter22"));
    }
}
