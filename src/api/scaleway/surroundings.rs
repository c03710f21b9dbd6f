//! The environment that an application finds: what it says itself, and what the platform says to all. What its namespace
//! says comes below that, by the core.
//!
//! Of the variables of the contract's section 3.1 these are not said: `SCW_RUNTIME_BINARY`, `SCW_RUNTIME_BRIDGE` and, but
//! to programs that serve themselves (by the shim, as their paths), `SCW_UPSTREAM_HOST` and `SCW_UPSTREAM_PORT`. They name
//! a second server between the platform's own and the function; there is none here.

use super::fault::Fault;
use super::look::Look;
use super::note::{Application, Kind};
use std::collections::BTreeMap;

/// The largest body that a function takes, and is told. Unit: bytes.
pub(super) const PAYLOAD_MAX: u32 = 6_291_456;
/// Said by the platform, and by nobody else.
const KEPT: [&str; 11] = [
    "SCW_APPLICATION_ID",
    "SCW_APPLICATION_MEMORY",
    "SCW_APPLICATION_NAME",
    "SCW_APPLICATION_VERSION",
    "SCW_HANDLER_IS_BINARY",
    "SCW_HANDLER_NAME",
    "SCW_HANDLER_PATH",
    "SCW_NAMESPACE_ID",
    "SCW_PAYLOAD_MAX_SIZE",
    "SCW_PUBLIC",
    "SCW_PUBLIC_KEY",
];
/// Where a function finds its package, in the images of all runtimes.
const CODE: &str = "/home/app/function";
/// Where a container listens unless it says otherwise.
pub(super) const PORT: u16 = 8080;

/// Refuses names that the platform gives.
///
/// # Errors
/// 400 that names the variable.
pub(super) fn check(environment: &BTreeMap<String, String>) -> Result<(), Fault> {
    environment
        .keys()
        .try_for_each(|name| check_name("environment_variables", name))
}

/// Refuses a name that the platform gives.
///
/// # Errors
/// 400 that names the variable.
pub(super) fn check_name(argument: &str, name: &str) -> Result<(), Fault> {
    match is_kept(name) {
        true => Err(Fault::argument(
            argument,
            format!("{name} is set by the platform: choose another name"),
        )),
        false => Ok(()),
    }
}

/// Whether the platform says it.
pub(super) fn is_kept(name: &str) -> bool {
    KEPT.contains(&name) || name == "PORT"
}

/// All variables of an application; `public_key` checks the tokens of its callers, where they need one. What is built
/// learns the path of its program from the shim, which knows it.
pub(super) fn environment(look: &Look, public_key: Option<String>, is_built: bool) -> BTreeMap<String, String> {
    let Application { function, note, space } = &look.application;
    let mut all = look.environment();
    let mut say = |name: &str, value: String| all.insert(name.to_owned(), value);
    say("SCW_APPLICATION_ID", function.id.to_string());
    say("SCW_NAMESPACE_ID", space.note.id.clone());
    say("SCW_PUBLIC", (!note.private).to_string());
    if let Some(key) = public_key {
        say("SCW_PUBLIC_KEY", key);
    }
    match note.kind {
        Kind::Function => {
            say("PORT", PORT.to_string());
            say("SCW_APPLICATION_NAME", function.name.to_string());
            say("SCW_APPLICATION_MEMORY", look.memory().to_string());
            // Quirk: it has never been anything else upstream.
            say("SCW_APPLICATION_VERSION", String::new());
            say("SCW_PAYLOAD_MAX_SIZE", PAYLOAD_MAX.to_string());
            let handler = look.handler();
            let (file, export) = handler.rsplit_once('.').unwrap_or(("", &handler));
            say("SCW_HANDLER_NAME", export.to_owned());
            if !is_built {
                say("SCW_HANDLER_PATH", format!("{CODE}/{file}"));
            }
        }
        Kind::Container => {
            say("PORT", look.port().to_string());
        }
    }
    all
}
