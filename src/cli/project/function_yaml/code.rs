//! Where the code of a `function.yaml` is: written into it, behind a URL, in an image, or in a folder beside it.
//!
//! What the native API cannot fetch is refused: another folder's code would be the wrong code.

use super::super::yaml::{is_said, strangers, text_at};
use super::super::{Code, Function, Source};
use super::no_effect;
use crate::api::native::wire::CodeSource;
use crate::cli::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::PathBuf;

/// The way for everything that is fetched with more than a URL.
const HINT: &str = "an archive of the code behind a URL works (codeEntryType: archive, path: https://HOST/FILE.zip); or send the file as JSON to /api/functions of this daemon, which fetches repositories too";

/// Where the code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// One source file: its name and text.
    Inline(String, String),
    Url(String),
    Image(String),
    Path(PathBuf),
}

/// Source in the file goes before what the build names, and that before an image; without any it is the folder.
pub(super) fn find(source: &Source<'_>, spec: &Value, name: &str) -> Result<Origin, Failure> {
    let refused = |why: String| Failure::usage(format!("{}: {why}", source.file.display()));
    let said = |pointer: &str| text_at(spec, pointer).map(|text| text.trim().to_owned());
    let said = |pointer: &str| said(pointer).filter(|text| !text.is_empty());
    if let Some(encoded) = said("/build/functionSourceCode") {
        let text = inline(&encoded);
        let text = text.ok_or_else(|| refused("`build.functionSourceCode` is no text in base64".to_owned()));
        return Ok(Origin::Inline(name.to_owned(), text?));
    }
    let (image, path) = (said("/image"), said("/build/path"));
    let kind = said("/build/codeEntryType").unwrap_or_default();
    match (kind.as_str(), image, path) {
        ("image", Some(image), _) => Ok(Origin::Image(image)),
        ("image", None, _) => Err(refused(
            "`build.codeEntryType` is `image`, and `spec.image` names none".to_owned(),
        )),
        ("archive", _, None) => Err(refused(
            "`build.codeEntryType` is `archive`, and `build.path` does not say where it is".to_owned(),
        )),
        ("" | "sourceCode" | "archive", _, Some(url)) if url.contains("://") => {
            by_url(spec, url).map_err(|why| refused(why).hint(HINT))
        }
        ("" | "sourceCode" | "archive", _, Some(path)) => Ok(Origin::Path(source.directory.join(path))),
        ("" | "sourceCode", Some(image), None) => Ok(Origin::Image(image)),
        ("" | "sourceCode", None, None) => Ok(Origin::Path(source.directory.join("."))),
        ("github" | "git" | "s3", ..) => {
            let why = format!("`build.codeEntryType`: code of type `{kind}` is not fetched for a project");
            Err(refused(why).hint(HINT))
        }
        _ => Err(refused(format!("`build.codeEntryType`: `{kind}` is not known"))
            .hint("use sourceCode, archive or image, or leave it out")),
    }
}

fn inline(encoded: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// A URL that the daemon can fetch as it is: without headers, and all of it.
fn by_url(spec: &Value, url: String) -> Result<Origin, String> {
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err("`build.path`: only code behind http:// or https:// is fetched".to_owned());
    }
    let attributes = "/build/codeEntryAttributes";
    let folder = text_at(spec, &format!("{attributes}/workDir")).unwrap_or_default();
    if !matches!(folder.trim_matches('/'), "" | ".") {
        return Err(format!(
            "`build.codeEntryAttributes.workDir`: an archive is taken as a whole, and not only its folder `{folder}`"
        ));
    }
    match strangers(spec.pointer(attributes), &["workDir"]).first() {
        Some(key) => Err(format!(
            "`build.codeEntryAttributes.{key}`: code is fetched by its URL alone"
        )),
        None => Ok(Origin::Url(url)),
    }
}

impl Origin {
    /// What the file says beside it, to no effect.
    pub(super) fn left_out(&self, spec: &Value) -> Vec<String> {
        let mut remarks = Vec::new();
        if !matches!(self, Self::Url(_)) && is_said(spec, "/build/codeEntryAttributes") {
            remarks.push(no_effect("spec.build.codeEntryAttributes"));
        }
        if !matches!(self, Self::Image(_)) && is_said(spec, "/image") {
            remarks.push("`spec.image` is left out: the code that `spec.build` names goes before it".to_owned());
        }
        let steps = ["commands", "directives"].into_iter();
        for key in steps.filter(|key| matches!(self, Self::Image(_)) && is_said(spec, &format!("/build/{key}"))) {
            remarks.push(format!("`spec.build.{key}` is left out: the image is run as it is"));
        }
        remarks
    }

    /// Gives it to a function.
    pub(super) fn put(self, function: &mut Function) {
        function.code = match self {
            Self::Inline(name, text) => Code::Inline(name, text),
            Self::Path(path) => Code::Path(path),
            Self::Image(image) => {
                function.settings.image = Some(image);
                Code::Image
            }
            Self::Url(url) => {
                let source = CodeSource {
                    url: Some(url),
                    ..CodeSource::default()
                };
                function.settings.source = Some(source);
                Code::Fetched
            }
        };
    }
}
