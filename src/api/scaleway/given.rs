//! A function or a container as it is sent, by any root: what is checked at once, and where it goes.
//!
//! What is absent, null or `unknown…` stays as it is, or becomes the usual for a new one.

use super::asked::Root;
use super::fault::Fault;
use super::limits::{self, Usual};
use super::note::{Kind, Note, REDIRECTED};
use super::secrets::GivenSecret;
use super::sent::{Millis, word};
use super::surroundings;
use crate::app::App;
use crate::domain::{Concurrency, Start};
use crate::runtime::{Family, When};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where code begins when nothing is said, where a file and what it exports say it.
const HANDLER: &str = "handler.handle";
/// The longest name: it is part of the address. Unit: bytes.
const LONGEST_NAME: usize = 63;
/// Requests that one container serves at the same time unless it says otherwise.
const CONTAINER_CONCURRENCY: u16 = 80;
/// Ports that upstream keeps for itself.
const KEPT_PORTS: [u16; 6] = [8008, 8012, 8013, 8022, 9090, 9091];

/// A body of create or update.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    pub(super) namespace_id: Option<String>,
    pub(super) name: Option<String>,
    environment_variables: Option<BTreeMap<String, String>>,
    pub(super) secret_environment_variables: Option<Vec<GivenSecret>>,
    min_scale: Option<u16>,
    max_scale: Option<u16>,
    runtime: Option<String>,
    memory_limit: Option<u32>,
    cpu_limit: Option<u32>,
    timeout: Option<Millis>,
    handler: Option<String>,
    privacy: Option<String>,
    description: Option<String>,
    pub(super) redeploy: Option<bool>,
    registry_image: Option<String>,
    http_option: Option<String>,
    sandbox: Option<String>,
    tags: Option<Vec<String>>,
    private_network_id: Option<String>,
    port: Option<u16>,
    max_concurrency: Option<u16>,
    protocol: Option<String>,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    local_storage_limit: Option<u32>,
    scaling_option: Option<Value>,
    health_check: Option<Value>,
}

impl Given {
    /// The name of a new one.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub(super) fn checked_name(&self, kind: Kind) -> Result<&str, Fault> {
        let name = self.name.as_deref().unwrap_or_default();
        let edge = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let bytes = name.as_bytes();
        let inside = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-';
        if edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inside) && bytes.len() <= LONGEST_NAME {
            return Ok(name);
        }
        let what = kind.label().to_lowercase();
        Err(Fault::bad(format!(
            "{what} name must consist of lower case alphanumeric characters or '-', starts and ends with an alphanumeric character"
        )))
    }

    /// The note of a new one.
    ///
    /// # Errors
    /// 400 for what cannot be.
    pub(super) fn begin(&self, app: &App, kind: Kind, root: Root) -> Result<Note, Fault> {
        let usual = usual(kind, root);
        let mut note = Note {
            kind,
            ..Note::default()
        };
        note.waiting.min_scale = Some(0);
        note.waiting.max_scale = Some(usual.max_scale);
        note.waiting.memory_limit = Some(usual.memory);
        note.waiting.timeout_ms = Some(limits::TIMEOUT_MS);
        if kind == Kind::Container {
            note.waiting.max_concurrency = Some(CONTAINER_CONCURRENCY);
        }
        if kind == Kind::Function && word(self.runtime.as_ref()).is_none() {
            return Err(Fault::argument("runtime", "say which: GET runtimes lists them"));
        }
        self.apply(app, &mut note)?;
        if kind == Kind::Function && note.waiting.handler.is_none() {
            note.waiting.handler = Some(usual_handler(family(app, &note.runtime)?));
        }
        Ok(note)
    }

    /// Takes over what is said.
    ///
    /// # Errors
    /// 400 for what cannot be; the note must not be kept then.
    pub(super) fn apply(&self, app: &App, note: &mut Note) -> Result<(), Fault> {
        if let Some(environment) = &self.environment_variables {
            surroundings::check(environment)?;
            note.waiting.environment = Some(environment.clone());
        }
        if let Some(privacy) = word(self.privacy.as_ref()) {
            note.private = match privacy {
                "public" => false,
                "private" => true,
                _ => return Err(Fault::argument("privacy", "public or private")),
            };
        }
        if let Some(description) = &self.description {
            note.description.clone_from(description);
        }
        self.apply_limits(note)?;
        self.apply_extras(note)?;
        match note.kind {
            Kind::Function => self.apply_function(app, note),
            Kind::Container => self.apply_container(note),
        }
    }

    fn apply_limits(&self, note: &mut Note) -> Result<(), Fault> {
        let waiting = &mut note.waiting;
        if let Some(memory) = self.memory_limit.filter(|memory| *memory > 0) {
            limits::check_memory(note.kind, memory)?;
            waiting.memory_limit = Some(memory);
        }
        if let Some(Millis(millis)) = self.timeout.filter(|timeout| timeout.0 > 0) {
            limits::check_timeout(millis)?;
            waiting.timeout_ms = Some(millis);
        }
        waiting.min_scale = self.min_scale.or(waiting.min_scale);
        waiting.max_scale = self.max_scale.or(waiting.max_scale);
        if let (Some(min), Some(max)) = (waiting.min_scale, waiting.max_scale) {
            limits::check_scale(min, max)?;
        }
        Ok(())
    }

    fn apply_extras(&self, note: &mut Note) -> Result<(), Fault> {
        let extras = &mut note.extras;
        let one_of = |name: &str, given: &Option<String>, words: [&str; 2]| match word(given.as_ref()) {
            Some(said) if !words.contains(&said) => Err(Fault::argument(name, words.join(" or "))),
            said => Ok(said.map(str::to_owned)),
        };
        let http_option = one_of("http_option", &self.http_option, ["enabled", REDIRECTED])?;
        extras.http_option = http_option.or(extras.http_option.take());
        extras.sandbox = one_of("sandbox", &self.sandbox, ["v1", "v2"])?.or(extras.sandbox.take());
        if let Some(tags) = &self.tags {
            extras.tags.clone_from(tags);
        }
        extras.private_network_id = self.private_network_id.clone().or(extras.private_network_id.take());
        Ok(())
    }

    fn apply_function(&self, app: &App, note: &mut Note) -> Result<(), Fault> {
        if let Some(runtime) = word(self.runtime.as_ref()) {
            family(app, runtime)?;
            runtime.clone_into(&mut note.runtime);
        }
        if let Some(handler) = self.handler.as_deref().filter(|handler| !handler.is_empty()) {
            check_handler(family(app, &note.runtime)?, handler)?;
            note.waiting.handler = Some(handler.to_owned());
        }
        Ok(())
    }

    fn apply_container(&self, note: &mut Note) -> Result<(), Fault> {
        if let Some(image) = &self.registry_image {
            note.registry_image.clone_from(image);
        }
        if let Some(port) = self.port.filter(|port| *port > 0) {
            if KEPT_PORTS.contains(&port) {
                return Err(Fault::argument("port", format!("none of {KEPT_PORTS:?}")));
            }
            note.waiting.port = Some(port);
        }
        if word(self.protocol.as_ref()).is_some_and(|protocol| protocol != "http1") {
            return Err(Fault::argument(
                "protocol",
                "http1: containers are dialled over HTTP/1.1 here",
            ));
        }
        let said = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
        Start::new(said(&self.command), said(&self.args)).map_err(|e| Fault::argument("command", e.to_string()))?;
        note.waiting.command = self.command.clone().or(note.waiting.command.take());
        note.waiting.args = self.args.clone().or(note.waiting.args.take());
        if let Some((name, calls)) = self.calls_at_once() {
            Concurrency::new(calls).map_err(|e| Fault::argument(name, e.to_string()))?;
            note.waiting.max_concurrency = Some(calls);
        }
        let extras = &mut note.extras;
        extras.cpu_limit = self.cpu_limit.or(extras.cpu_limit);
        extras.local_storage_limit = self.local_storage_limit.or(extras.local_storage_limit);
        extras.scaling_option = self.scaling_option.clone().or(extras.scaling_option.take());
        extras.health_check = self.health_check.clone().or(extras.health_check.take());
        Ok(())
    }

    /// In one container, and the word that says it; the newer one counts where both are said.
    fn calls_at_once(&self) -> Option<(&'static str, u16)> {
        let threshold = |option: &Value| option["concurrent_requests_threshold"].as_u64();
        let newer = self.scaling_option.as_ref().and_then(threshold);
        let newer = newer.map(|calls| ("scaling_option", u16::try_from(calls).unwrap_or(u16::MAX)));
        let older = self.max_concurrency.map(|calls| ("max_concurrency", calls));
        newer.into_iter().chain(older).find(|(_, calls)| *calls > 0)
    }
}

fn usual(kind: Kind, root: Root) -> Usual {
    match (root.is_beta(), kind) {
        (false, _) => limits::ALPHA,
        (true, Kind::Function) => limits::BETA_FUNCTION,
        (true, Kind::Container) => limits::BETA_CONTAINER,
    }
}

/// What runs the functions of a runtime.
///
/// # Errors
/// 400 that lists what there is.
pub(super) fn family<'a>(app: &'a App, runtime: &str) -> Result<&'a Family, Fault> {
    let found = app.runtimes().resolve_nearest(runtime);
    let (family, _) = found.map_err(|e| Fault::argument("runtime", e.to_string()))?;
    Ok(family)
}

/// Whether a handler is the place of a package that is built, and not of a file that is loaded.
pub(super) fn is_built(family: &Family) -> bool {
    let build = family.manifest.build.as_ref();
    build.is_some_and(|build| build.when == When::Always)
}

pub(super) fn usual_handler(family: &Family) -> String {
    if is_built(family) {
        return family.manifest.default_entry.clone();
    }
    HANDLER.to_owned()
}

fn check_handler(family: &Family, handler: &str) -> Result<(), Fault> {
    let (file, export) = handler.rsplit_once('.').unwrap_or_default();
    if is_built(family) || !file.is_empty() && !export.is_empty() {
        return Ok(());
    }
    let help = format!("write it as path/to/file.function, such as src/{HANDLER}");
    Err(Fault::bad(format!("handler value is invalid: {help}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_once_have_two_words_and_the_newer_counts() {
        let (older, newer) = ("max_concurrency", "scaling_option");
        for (sent, calls) in [
            ("{}", None),
            (r#"{"max_concurrency":0}"#, None),
            (r#"{"max_concurrency":3}"#, Some((older, 3))),
            (
                r#"{"max_concurrency":3,"scaling_option":{"cpu_usage_threshold":50}}"#,
                Some((older, 3)),
            ),
            (
                r#"{"max_concurrency":3,"scaling_option":{"concurrent_requests_threshold":0}}"#,
                Some((older, 3)),
            ),
            (
                r#"{"max_concurrency":3,"scaling_option":{"concurrent_requests_threshold":7}}"#,
                Some((newer, 7)),
            ),
            (
                r#"{"scaling_option":{"concurrent_requests_threshold":70000}}"#,
                Some((newer, u16::MAX)),
            ),
        ] {
            let given: Given = serde_json::from_str(sent).expect("readable");
            assert_eq!(given.calls_at_once(), calls, "{sent}");
        }
    }

    #[test]
    fn a_name_is_checked_in_upstreams_words() {
        let checked = |name: &str| {
            let name = Some(name.to_owned());
            Given {
                name,
                ..Given::default()
            }
            .checked_name(Kind::Function)
            .map(str::to_owned)
        };
        for good in ["a", "my-function-2", &"x".repeat(63)] {
            assert_eq!(checked(good).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", &"x".repeat(64)] {
            let refused = checked(bad).expect_err(bad);
            assert!(
                refused.message.starts_with("function name must consist of lower case"),
                "{bad}"
            );
        }
    }
}
