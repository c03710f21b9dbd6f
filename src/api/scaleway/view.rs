//! Functions and containers as they are shown, by each root in its form.

use super::asked::Asked;
use super::fault::Fault;
use super::look::Look;
use super::note::Kind;
use super::sent::Millis;
use super::{secrets, time, wire};
use crate::domain::Error;
use serde::Serialize;
use serde_json::Value;

/// What upstream says of a container's disk where nothing was said. Unit: MB.
const LOCAL_STORAGE: u32 = 1000;
/// What to do so that callers can be sent to where TLS is spoken.
const NO_TLS: &str = "http_option redirected has no effect: no TLS is spoken here, set tls.listen in the configuration";

/// One of either kind.
pub(super) fn application(asked: &Asked, look: &Look) -> Result<Value, Fault> {
    match (asked.root.is_beta(), look.application.note.kind) {
        (false, Kind::Function) => alpha(asked, look, of_function(look)),
        (false, Kind::Container) => alpha(asked, look, of_container(look)),
        (true, Kind::Function) => beta(asked, look, of_function(look), more_of_function(asked, look)),
        (true, Kind::Container) => beta(asked, look, of_container(look), more_of_container(look)?),
    }
}

/// Where an application is called, below the daemon's own address.
fn path(look: &Look) -> String {
    let function = &look.application.function;
    format!("/function/{}.{}", function.name, function.namespace)
}

fn alpha<Own: Serialize>(asked: &Asked, look: &Look, own: Own) -> Result<Value, Fault> {
    let mut common = look.common();
    // The oldest root has a text always, the newer ones have null.
    common.error_message = Some(common.error_message.unwrap_or_default());
    value(&wire::AlphaApplication {
        common,
        own,
        endpoint: format!("{}{}", asked.url(), path(look)),
        timeout: look.timeout_ms(),
    })
}

fn beta<Own: Serialize, More: Serialize>(asked: &Asked, look: &Look, own: Own, more: More) -> Result<Value, Fault> {
    let extras = &look.application.note.extras;
    let or = |said: &Option<String>, usual: &str| said.clone().unwrap_or_else(|| usual.to_owned());
    value(&wire::BetaApplication {
        common: look.common(),
        own,
        more,
        domain_name: format!("{}{}", asked.https_host(), path(look)),
        timeout: Millis(look.timeout_ms()).text(),
        secret_environment_variables: secrets::shown(&look.secrets()?),
        http_option: or(&extras.http_option, "enabled"),
        sandbox: or(&extras.sandbox, "v2"),
        tags: extras.tags.clone(),
        created_at: Some(time::show(look.application.function.created_at)),
        updated_at: Some(time::show(look.updated_at())),
        ready_at: look.ready_at().map(time::show),
        private_network_id: extras.private_network_id.clone(),
    })
}

fn of_function(look: &Look) -> wire::OfFunction {
    wire::OfFunction {
        runtime: look.application.note.runtime.clone(),
        handler: look.handler(),
    }
}

fn of_container(look: &Look) -> wire::OfContainer {
    wire::OfContainer {
        registry_image: look.image(),
    }
}

fn more_of_function(asked: &Asked, look: &Look) -> wire::MoreOfFunction {
    let is_led_nowhere = look.application.note.extras.is_redirected() && !asked.speaks_tls();
    let runtime = Some(look.notice()).filter(|notice| !notice.is_empty());
    let notices = [runtime, is_led_nowhere.then(|| NO_TLS.to_owned())];
    wire::MoreOfFunction {
        build_message: (look.status().0 == "pending").then(|| "the function is being prepared".to_owned()),
        runtime_message: notices.into_iter().flatten().collect::<Vec<_>>().join("; "),
    }
}

fn more_of_container(look: &Look) -> Result<wire::MoreOfContainer, Fault> {
    let extras = &look.application.note.extras;
    let start = look.start()?;
    Ok(wire::MoreOfContainer {
        max_concurrency: look.concurrency(),
        protocol: "http1",
        port: look.port(),
        local_storage_limit: extras.local_storage_limit.unwrap_or(LOCAL_STORAGE),
        scaling_option: extras.scaling_option.clone(),
        health_check: extras.health_check.clone(),
        command: start.command().to_vec(),
        args: start.arguments().to_vec(),
    })
}

fn value(view: &impl Serialize) -> Result<Value, Fault> {
    let value = serde_json::to_value(view);
    Ok(value.map_err(|e| Error::internal("a view cannot be written", e))?)
}
