//! Code packages handed back as they came.

use super::fault::Fault;
use super::function_view;
use super::note::{Found, Source};
use crate::app::{App, VersionDetail};
use crate::domain::{Digest, Error};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// Whether a query asks for the package instead of the description.
pub(super) fn is_wanted(query: Option<&str>) -> bool {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut asked = pairs.filter(|(name, _)| name == "download");
    let truthy = |word: &str| matches!(word, "true" | "1" | "t" | "yes" | "on" | "y");
    asked.any(|(_, value)| truthy(&value.to_lowercase()))
}

/// The package of a function, as it was uploaded last.
///
/// # Errors
/// 405 for an image function, 404 when the package is gone.
pub(super) async fn function(app: &App, found: &Found) -> Result<Response, Fault> {
    if found.note.source() == Source::Image {
        let message = "Download image function is not allowed.";
        return Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, message));
    }
    let (id, project) = (found.function.id, &found.function.namespace);
    let revision = function_view::latest_revision(app, found).await?;
    let gone = format!("Package of function {id} for project {project} not found.");
    answer(app, revision.code.digest(), &id.to_string(), gone).await
}

/// The package that is frozen in a version.
///
/// # Errors
/// 404 when the package is gone.
pub(super) async fn version(app: &App, found: &Found, detail: &VersionDetail) -> Result<Response, Fault> {
    let (id, project, number) = (found.function.id, &found.function.namespace, detail.version.number);
    let gone = format!("Package of version {number} function {id} for project {project} not found.");
    answer(app, detail.revision.code.digest(), &format!("{id}_{number}"), gone).await
}

async fn answer(app: &App, digest: Option<&Digest>, name: &str, gone: String) -> Result<Response, Fault> {
    let gone = || Fault::new(StatusCode::NOT_FOUND, gone);
    let Some(digest) = digest else {
        return Err(gone());
    };
    let package = match app.open_package(digest).await {
        Err(Error::NotFound(_)) => return Err(gone()),
        opened => opened?,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, package.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(package.stream)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_words_ask_for_the_package() {
        for (query, wanted) in [
            ("download=true", true),
            ("a=b&download=Y", true),
            ("download=On", true),
            ("download=", false),
            ("download=zz", false),
            ("download=false", false),
            ("", false),
        ] {
            assert_eq!(is_wanted(Some(query)), wanted, "{query}");
        }
    }
}
