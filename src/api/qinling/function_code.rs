//! What a function is made of, as it is sent: which code, and the settings that this API's functions have.

use super::fault::Fault;
use super::form::{Form, Package};
use super::note::Source;
use super::runtime_image::Environment;
use crate::app::{NewCode, Settings, Upload};
use crate::domain::{Concurrency, Convention, Error};
use serde_json::{Map, Value};

/// Where code begins when nothing is said.
pub(super) const ENTRY: &str = "main.main";
/// Executions that share one worker, before there is another.
const SHARED_BY: u16 = 3;
/// Workers of one function: as many as the machine has room for.
const WORKERS: u16 = 100;

/// The code object that was sent, of a source that is known.
///
/// # Errors
/// 400 when none was sent, or of another source.
pub(super) fn source_of(code: &Map<String, Value>) -> Result<Source, Fault> {
    Source::of(code)
        .ok_or_else(|| Fault::bad("Invalid code source specified, available sources: package, swift, image"))
}

/// The package of a form, if it is what the code object says.
///
/// # Errors
/// 400 when there is none, it is no zip, or its checksum is another.
pub(super) fn package_of<'f>(form: &'f Form, code: &Map<String, Value>) -> Result<&'f Package, Fault> {
    let package = form.package.as_ref();
    let package = package.ok_or_else(|| Fault::bad("Package is missing: send it as the file `package` of a form."))?;
    let wanted = code.get("md5sum").and_then(Value::as_str);
    if wanted.is_some_and(|sum| !sum.eq_ignore_ascii_case(&package.md5sum)) {
        return Err(Fault::bad("Package md5 mismatch."));
    }
    if !package.is_zip {
        return Err(Fault::bad("Package is not a valid ZIP package."));
    }
    Ok(package)
}

/// A package on its way into a deploy. It is a zip whatever its sender calls it.
pub(super) fn new_code(package: &Package) -> NewCode {
    NewCode::Package(Upload {
        digest: package.upload.digest.clone(),
        file_name: Some("package.zip".to_owned()),
    })
}

/// The code object that is kept of a package: what was sent, and the checksum.
pub(super) fn package_object(mut code: Map<String, Value>, package: &Package) -> Map<String, Value> {
    code.insert("source".to_owned(), "package".into());
    code.insert("md5sum".to_owned(), package.md5sum.clone().into());
    code
}

/// How a package function runs.
pub(super) fn package_settings(environment: &Environment) -> Result<Settings, Error> {
    Ok(Settings {
        convention: Some(Convention::Kwargs),
        concurrency: Some(Concurrency::new(SHARED_BY)?),
        ..settings(environment.clone())
    })
}

/// Where a function runs, and nothing else.
pub(super) fn settings(environment: Environment) -> Settings {
    Settings {
        runtime: Some(environment.runtime.to_string()),
        // Empty: the runtime's own image, whatever was there before.
        runtime_image: Some(environment.image.unwrap_or_default()),
        min_workers: Some(0),
        max_workers: Some(WORKERS),
        // The first execution brings the first worker; one that cannot be loaded is a failed execution.
        preload: Some(false),
        ..Settings::default()
    }
}

/// How an image function runs: a container for each execution.
pub(super) fn image_settings() -> Result<Settings, Error> {
    Ok(Settings {
        convention: Some(Convention::Command),
        concurrency: Some(Concurrency::new(1)?),
        min_workers: Some(0),
        max_workers: Some(WORKERS),
        preload: Some(false),
        ..Settings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_source_that_is_not_known_is_refused() {
        for code in [json!({}), json!({"source": "ftp"}), json!({"source": 1})] {
            let refused = source_of(&object(code)).expect_err("unknown");
            assert_eq!(
                refused.message,
                "Invalid code source specified, available sources: package, swift, image"
            );
        }
    }
}
