//! Functions and versions as they are shown: from the core's rows, the note, and how often they were called.

use super::fault::Fault;
use super::note::{Found, Source};
use super::resources::{CPU_MOST, mebibytes};
use super::{time, wire};
use crate::app::{App, VersionDetail};
use crate::domain::{Cpu, Revision, Selector, VersionNumber};

/// A function, with its latest settings.
pub(super) async fn function(app: &App, found: &Found) -> Result<wire::Function, Fault> {
    let id = found.function.id;
    let revision = latest_revision(app, found).await?;
    let latest_version = latest_version(app, found).await?;
    let note = found.note.clone();
    let entry = (found.note.source() != Source::Image).then(|| revision.entry.clone());
    Ok(wire::Function {
        id: id.to_string(),
        cpu: cpu(&revision),
        memory_size: memory_size(&revision, note.memory_size),
        timeout: revision.limits.timeout.millis().div_ceil(1000),
        name: note.name,
        description: note.description,
        runtime_id: note.runtime_id,
        code: note.code,
        entry,
        count: app.count_calls(id, &Selector::Current).await?,
        latest_version: latest_version.map_or(0, VersionNumber::get),
        project_id: found.function.namespace.to_string(),
        created_at: time::show(found.function.created_at),
        updated_at: found.note.updated_at_ms.map(time::show_millis),
    })
}

/// A version.
pub(super) async fn version(app: &App, found: &Found, detail: &VersionDetail) -> Result<wire::FunctionVersion, Fault> {
    let version = &detail.version;
    let selector = Selector::Version(version.number);
    Ok(wire::FunctionVersion {
        id: version.revision.to_string(),
        description: given(&version.description),
        function_id: version.function.to_string(),
        version_number: version.number.get(),
        count: app.count_calls(version.function, &selector).await?,
        project_id: found.function.namespace.to_string(),
        created_at: time::show(version.created_at),
        updated_at: None,
    })
}

/// The settings and the code that were deployed last, whether they serve yet or not.
pub(super) async fn latest_revision(app: &App, found: &Found) -> Result<Revision, Fault> {
    let latest = app.list_revisions(found.function.id).await?.into_iter().next();
    latest.ok_or_else(|| Fault::not_found("Function", "id", found.function.id))
}

/// The highest number that there is.
pub(super) async fn latest_version(app: &App, found: &Found) -> Result<Option<VersionNumber>, Fault> {
    let versions = app.list_versions(found.function.id).await?;
    Ok(versions.last().map(|v| v.version.number))
}

/// The core keeps an empty text where nothing was said.
pub(super) fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Another API may have taken the limit away: then a worker may use as much as the most that can be asked for here.
fn cpu(revision: &Revision) -> u32 {
    revision.limits.cpu.map_or(CPU_MOST, Cpu::millis)
}

/// What was asked for, unless another API has changed it since.
fn memory_size(revision: &Revision, asked: u64) -> u64 {
    let limit = revision.limits.memory;
    match mebibytes(asked) {
        Ok(rounded) if rounded == limit => asked,
        _ => limit.bytes(),
    }
}
