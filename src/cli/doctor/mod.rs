//! `hob doctor`: what functions need on this machine, looked at one by one, with the command that mends what is missing.
//!
//! Changes nothing. Works with and without a running daemon: what only a daemon knows is asked of it, the rest is seen
//! from here, with the settings that `hob serve` would take.

mod daemon;
mod engine;
mod machine;
mod outside;

use super::args::PlaceArgs;
use super::client::Client;
use crate::api::native::wire::Status;
use crate::config::{self, Config, Environment, Flags};
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could, or not everything does.
    Warning,
    /// Functions cannot run like this.
    Failure,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// One word.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// A sentence.
    pub(crate) message: String,
    /// A command, or what to do, where something is not as it should be.
    pub(crate) mend: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Ok,
            message: message.into(),
            mend: None,
        }
    }

    fn warning(check: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            mend: Some(mend.into()),
            ..Self::ok(check, message)
        }
    }

    fn failure(check: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            level: Level::Failure,
            ..Self::warning(check, message, mend)
        }
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether nothing failed.
    pub(crate) ok: bool,
    pub(crate) findings: Vec<Finding>,
}

/// Looks at everything.
pub(crate) async fn examine(client: &Client, args: &PlaceArgs) -> Report {
    let environment = config::environment();
    let flags = Flags {
        config: args.config.clone(),
        data_dir: args.data_dir.clone(),
        ..Flags::default()
    };
    let mut findings = Vec::new();
    let config = match Config::load(&environment, &flags) {
        Ok(config) => {
            findings.push(Finding::ok("settings", settings_from(&environment, &flags)));
            Some(config)
        }
        Err(error) => {
            let mend = "correct that key; config.toml has every key with its reason";
            findings.push(Finding::failure("settings", error.to_string(), mend));
            None
        }
    };
    let (status, found) = daemon::look(client).await;
    findings.extend(found);
    if let Some(config) = &config {
        findings.extend(with_settings(config, &environment, status.as_ref()).await);
    }
    let ok = findings.iter().all(|finding| finding.level != Level::Failure);
    Report { ok, findings }
}

fn settings_from(environment: &Environment, flags: &Flags) -> String {
    let file = flags.config.clone().or_else(|| environment.config_file());
    match file {
        Some(file) => format!("the defaults and {}", file.display()),
        None => "the defaults, and what HOB_* variables say".to_owned(),
    }
}

async fn with_settings(config: &Config, environment: &Environment, status: Option<&Status>) -> Vec<Finding> {
    let (engine, mut findings) = engine::look(config, environment).await;
    let places = machine::Places::of(config, engine.as_ref(), status);
    let seen = tokio::task::spawn_blocking(move || machine::look(&places)).await;
    findings.extend(seen.unwrap_or_default());
    findings.extend(outside::look(config, engine.as_ref()).await);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_should_be_says_how_to_mend_it() {
        assert_eq!(Finding::ok("a", "b").mend, None);
        let failure = Finding::failure("a", "b", "c");
        assert_eq!((failure.level, failure.mend.as_deref()), (Level::Failure, Some("c")));
        assert_eq!(Finding::warning("a", "b", "c").level, Level::Warning);
        assert!(Level::Ok < Level::Warning && Level::Warning < Level::Failure);
    }
}
