//! The source that a deploy's settings name, checked. Fetches nothing.

use super::wire::CodeSource;
use crate::domain::Error;
use crate::source::{Object, SourceSpec};
use std::path::PathBuf;

/// Where the code is.
pub(super) fn spec(sent: CodeSource) -> Result<SourceSpec, Error> {
    let wrong =
        || Error::invalid("`source` is exactly one of `url` (with `sha256`), `swift`, `directory` and `inline`");
    if sent.sha256.is_some() && sent.url.is_none() {
        return Err(wrong());
    }
    match (sent.url, sent.swift, sent.directory, sent.inline) {
        (Some(url), None, None, None) => Ok(SourceSpec::Url {
            url,
            sha256: sent.sha256,
            headers: Vec::new(),
        }),
        (None, Some(swift), None, None) => Ok(SourceSpec::Object(Object {
            container: swift.container,
            object: swift.object,
            token: None,
        })),
        (None, None, Some(path), None) => Ok(SourceSpec::Directory(PathBuf::from(path))),
        (None, None, None, Some(code)) => Ok(SourceSpec::Inline {
            file_name: code.file_name,
            text: code.text,
        }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_exactly_one_place() {
        let read = |text: &str| spec(serde_json::from_str(text).expect("JSON"));
        for good in [
            r#"{"url": "https://h/f.zip", "sha256": "x"}"#,
            r#"{"swift": {"container": "c", "object": "o"}}"#,
            r#"{"directory": "/srv"}"#,
            r#"{"inline": {"file_name": "a.x", "text": ""}}"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in ["{}", r#"{"sha256": "x"}"#, r#"{"url": "u", "directory": "/srv"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
