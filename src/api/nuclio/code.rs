//! Where a function's code comes from, and what it says of itself: the package that is deployed, and the configuration
//! that request and code have together.
//!
//! Source: the contract's sections 11.1, 11.2 and 11.4.

use super::code_place::Place;
use super::config::Config;
use super::fault::Fault;
use super::settings;
use super::yaml;
use crate::app::{App, NewCode, Upload};
use crate::archive;
use crate::runtime::{Family, When};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A path that stands for no code, beside none at all.
const NOWHERE: &str = "/dev/null";
/// Where code begins when nothing is said.
const ENTRY_NAME: &str = "handler";
const MODULE: &str = "main";

/// Code that is here, and its configuration.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) code: NewCode,
    pub(super) config: Config,
    /// Where the user's code begins, for the core.
    pub(super) entry: String,
}

/// Whether a configuration brings code to be built, or needs none.
pub(super) fn is_brought(app: &App, config: &Config) -> bool {
    let named = ["functionSourceCode", "path", "image"].map(|key| config.build_text(key));
    let is_named = named.iter().any(|value| !value.is_empty()) || is_elsewhere(config);
    is_named || (config.text("image").is_empty() && is_command(app, config))
}

/// Whether the handler is a command of the image, because there is no code: only where the runtime takes such.
///
/// Source: the contract's sections 11.1 and 12.11.
fn is_command(app: &App, config: &Config) -> bool {
    let has_no_code = config.build_text("functionSourceCode").is_empty()
        && matches!(config.build_text("path").trim(), "" | NOWHERE)
        && !is_elsewhere(config);
    has_no_code && !config.text("handler").is_empty() && takes_commands(app, config)
}

fn takes_commands(app: &App, config: &Config) -> bool {
    settings::runtime(app, config.text("runtime")).is_ok_and(|meant| meant.family.manifest.takes_commands)
}

/// Whether its type says where code is, whatever else does.
fn is_elsewhere(config: &Config) -> bool {
    matches!(config.build_text("codeEntryType"), "s3" | "archive" | "git" | "github")
}

/// Fetches the code that a configuration names.
///
/// # Errors
/// 500, as upstream, for code that cannot be had or lacks what it needs.
pub(super) async fn fetch(app: &App, config: &Config) -> Result<Fetched, Fault> {
    let source = config.build_text("functionSourceCode");
    if !source.is_empty() {
        let text = BASE64
            .decode(source)
            .map_err(|e| Fault::refused(format!("illegal base64 data: {e}")))?;
        return single(app, config, None, text).await;
    }
    if is_command(app, config) {
        return command(app, config).await;
    }
    if config.build_text("path").is_empty() && !is_elsewhere(config) && takes_commands(app, config) {
        return Err(Fault::refused(
            "If shell runtime is specified, function path or handler name must be provided",
        ));
    }
    let place = Place::of(config)?;
    let upload = place.fetch(app).await?;
    let bytes = app.read_package(&upload).await?;
    if archive::sniff(&bytes[..bytes.len().min(archive::BLOCK)]).is_none() {
        if place.is_archive {
            return Err(Fault::refused(
                "Downloaded file type is not supported. (expected an archive)",
            ));
        }
        return single(app, config, upload.file_name, bytes).await;
    }
    tree(app, config, &place, upload).await
}

// ---- No code ----

/// A package has something in it: here, what it is for.
async fn command(app: &App, config: &Config) -> Result<Fetched, Fault> {
    let entry = config.text("handler").to_owned();
    let text = format!("This function has no code: it is the command `{entry}` of its image.\n");
    let upload = app.store_files(vec![("README".to_owned(), text.into_bytes())]).await?;
    Ok(Fetched {
        code: NewCode::Package(upload),
        config: config.clone(),
        entry,
    })
}

// ---- One file ----

async fn single(app: &App, config: &Config, name: Option<String>, bytes: Vec<u8>) -> Result<Fetched, Fault> {
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    let mut config = with_inline(config, &text)?;
    let is_inline = name.is_none();
    if config.text("runtime").is_empty() {
        let runtime = name.as_deref().map(|name| runtime_of_file(app, name)).transpose()?;
        let runtime = runtime
            .ok_or_else(|| Fault::refused("Runtime must be explicitly defined when using Function Source Code"))?;
        config.set("runtime", runtime);
    }
    let family = settings::runtime(app, config.text("runtime"))?.family;
    let extension = &family.manifest.extension;
    let base = name.as_deref().map(|name| stem(name, extension));
    let handler = handler_or(&config, base.as_deref());
    let file = name.unwrap_or_else(|| file_of_handler(&handler, extension));
    let entry = entry(config.text("handler"), &handler, family, |wanted| wanted == file);
    config.set("handler", handler);
    if is_inline {
        config.set_build("codeEntryType", json!("sourceCode"));
    }
    let upload = app.store_files(vec![(file, text.into_bytes())]).await?;
    Ok(Fetched {
        code: NewCode::Package(upload),
        config,
        entry,
    })
}

fn with_inline(config: &Config, text: &str) -> Result<Config, Fault> {
    let failed = |why: String| Fault::refused(why).while_doing("Failed to parse inline configuration");
    let found = yaml::inline(text).map_err(failed)?;
    Ok(found.map_or_else(|| config.clone(), |found| yaml::merge(config, &found)))
}

fn runtime_of_file(app: &App, name: &str) -> Result<String, Fault> {
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let mut families = app.runtimes().families().iter();
    let family = families.find(|f| !extension.is_empty() && f.manifest.extension == extension);
    let unknown = || {
        Fault::refused(format!(
            "Unsupported file extension: {}",
            extension.trim_start_matches('.')
        ))
    };
    family.map(|f| f.manifest.name.clone()).ok_or_else(unknown)
}

fn stem(name: &str, extension: &str) -> String {
    name.strip_suffix(extension).unwrap_or(name).to_owned()
}

/// `MODULE.EXTENSION` of `MODULE:NAME`; a module with a dot is a file's name already.
fn file_of_handler(handler: &str, extension: &str) -> String {
    let module = handler.split(':').next().unwrap_or(handler);
    match module.contains('.') {
        true => module.to_owned(),
        false => format!("{module}{extension}"),
    }
}

// ---- A tree ----

async fn tree(app: &App, config: &Config, place: &Place, upload: Upload) -> Result<Fetched, Fault> {
    let whole = app.open_tree(&upload).await?;
    let folder = folder_in(&whole, place).await?;
    let mut config = with_file(config, &folder).await?;
    if config.text("runtime").is_empty() {
        return Err(Fault::refused("Build path is directory - runtime must be specified"));
    }
    let family = settings::runtime(app, config.text("runtime"))?.family;
    let given = config.text("handler").to_owned();
    let handler = handler_or(&config, None);
    let entry = entry(&given, &handler, family, |wanted| folder.join(wanted).is_file());
    config.set("handler", handler);
    let upload = match folder == whole {
        true => upload,
        false => app.store_folder(folder).await?,
    };
    Ok(Fetched {
        code: NewCode::Package(upload),
        config,
        entry,
    })
}

/// The folder of the tree that is meant, which never leads out of it.
async fn folder_in(whole: &Path, place: &Place) -> Result<PathBuf, Fault> {
    let mut folder = whole.to_owned();
    if place.has_top_folder {
        folder = only_folder(&folder).await.unwrap_or(folder);
    }
    let below = place.work_dir.trim_matches('/');
    let missing = || Fault::bad("Work directory does not exist");
    if below.is_empty() || below == "." {
        return Ok(folder);
    }
    let found = tokio::fs::canonicalize(folder.join(below))
        .await
        .map_err(|_| missing())?;
    let root = tokio::fs::canonicalize(whole).await.map_err(|_| missing())?;
    (found.starts_with(root) && found.is_dir())
        .then_some(found)
        .ok_or_else(missing)
}

async fn only_folder(folder: &Path) -> Option<PathBuf> {
    let mut entries = tokio::fs::read_dir(folder).await.ok()?;
    let first = entries.next_entry().await.ok()??.path();
    let is_only = entries.next_entry().await.ok()?.is_none();
    (is_only && first.is_dir()).then_some(first)
}

async fn with_file(config: &Config, folder: &Path) -> Result<Config, Fault> {
    let named = config
        .build_text("functionConfigPath")
        .trim_start_matches('/')
        .to_owned();
    let is_named = !named.is_empty();
    let path = folder.join(if is_named { &named } else { yaml::FILE });
    let inside = tokio::fs::canonicalize(&path)
        .await
        .is_ok_and(|path| path.starts_with(folder));
    let text = match inside {
        true => tokio::fs::read_to_string(&path).await.ok(),
        false => None,
    };
    let Some(text) = text else {
        return match is_named {
            true => Err(Fault::refused(format!("Function configuration doesn't exist: {named}"))),
            false => Ok(config.clone()),
        };
    };
    let failed = |why: String| Fault::refused(why).while_doing("Failed to read function configuration");
    let file = yaml::config(&text).map_err(failed)?;
    let triggers = file.spec.get("triggers").and_then(|t| t.as_object());
    if triggers.is_some_and(|t| t.values().filter(|t| t["kind"] == "http").count() > 1) {
        return Err(Fault::bad(
            "FunctionConfig from configuration file cannot have more than 1 http trigger",
        ));
    }
    Ok(yaml::merge(config, &file))
}

// ---- Where code begins ----

/// What the configuration says, or the usual place, which may be named after a file.
fn handler_or(config: &Config, base: Option<&str>) -> String {
    match config.text("handler") {
        "" => format!("{}:{ENTRY_NAME}", base.unwrap_or(MODULE)),
        said => said.to_owned(),
    }
}

/// The entry as the core's runtimes write it. Where code is compiled, nothing said means whatever fits.
fn entry(given: &str, handler: &str, family: &Family, has_file: impl Fn(&str) -> bool) -> String {
    let manifest = &family.manifest;
    let compiled = manifest.build.as_ref().is_some_and(|build| build.when == When::Always);
    if given.is_empty() && compiled {
        return manifest.default_entry.clone();
    }
    match has_file(&format!("{handler}{}", manifest.extension)) {
        true => format!("{handler}:{handler}"),
        false => handler.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_kept_under_the_name_of_its_module() {
        for (handler, file) in [
            ("main:handler", "main.x"),
            ("hello-nuclio:handler", "hello-nuclio.x"),
            ("main.sh:handler", "main.sh"),
            ("handler", "handler.x"),
        ] {
            assert_eq!(file_of_handler(handler, ".x"), file);
        }
    }
}
