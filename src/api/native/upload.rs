//! Reads a deploy's form: settings to memory, code to the disk piece by piece.
//!
//! Does not look into the code, and keeps no limit of its own for it: the writer has one.

use super::error::Problem;
use super::wire::DeploySettings;
use super::{code_source, map};
use crate::app::{App, NewCode, Settings, Upload};
use crate::domain::Error;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};

/// Largest part `settings`. Unit: bytes.
const SETTINGS_LIMIT: usize = 1024 * 1024;

/// What the form held.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Empty when there was no such part.
    pub(super) settings: Settings,
    /// A package has been stored already.
    pub(super) code: Option<NewCode>,
}

/// Reads the whole form; the parts may come in any order, each at most once.
pub(super) async fn read(app: &App, request: Request) -> Result<Form, Problem> {
    let form = Multipart::from_request(request, &()).await;
    let mut form =
        form.map_err(|e| Error::invalid(format!("a deploy is sent as multipart/form-data: {}", e.body_text())))?;
    let (mut settings, mut code) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "settings" if settings.is_none() => settings = Some(read_settings(field).await?),
            "code" if code.is_none() => code = Some(store_code(app, field).await?),
            name @ ("settings" | "code") => return Err(refused("comes twice", name)),
            name => return Err(refused("is not known: send `settings` and `code`", name)),
        }
    }
    let mut settings: DeploySettings = settings.unwrap_or_default();
    let code = match settings.source.take() {
        Some(_) if code.is_some() => return Err(refused("comes beside a `source`: send one of them", "code")),
        Some(source) => Some(app.fetch(code_source::spec(source)?).await?),
        None => code,
    };
    let code = new_code(code, settings.image.take())?;
    let settings = map::settings(settings)?;
    Ok(Form { settings, code })
}

fn new_code(package: Option<Upload>, image: Option<String>) -> Result<Option<NewCode>, Error> {
    match (package, image) {
        (Some(_), Some(_)) => Err(Error::invalid(
            "a function is made of code or of an image: send the part `code` or the setting `image`",
        )),
        (Some(package), None) => Ok(Some(NewCode::Package(package))),
        (None, image) => Ok(image.map(NewCode::Image)),
    }
}

fn refused(why: &str, name: &str) -> Problem {
    Problem(Error::invalid(format!("the part `{}` {why}", name.escape_debug())))
}

fn broken(error: MultipartError) -> Problem {
    Problem(Error::invalid(format!(
        "the form cannot be read: {}",
        error.body_text()
    )))
}

async fn read_settings(mut field: Field<'_>) -> Result<DeploySettings, Problem> {
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        if text.len() + piece.len() > SETTINGS_LIMIT {
            return Err(Problem(Error::TooLarge(format!(
                "the settings may have {SETTINGS_LIMIT} bytes"
            ))));
        }
        text.extend_from_slice(&piece);
    }
    Ok(parse(&text)?)
}

fn parse(text: &[u8]) -> Result<DeploySettings, Error> {
    serde_json::from_slice(text)
        .map_err(|e| Error::invalid(format!("the part `settings` is not what it should be: {e}")))
}

async fn store_code(app: &App, mut field: Field<'_>) -> Result<Upload, Problem> {
    let file_name = field.file_name().map(str::to_owned);
    let mut writer = app.begin_upload().await?;
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        writer.write(&piece).await?;
    }
    let digest = writer.finish().await?;
    Ok(Upload { digest, file_name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_an_image_together_are_refused() {
        let package = || Upload {
            digest: crate::domain::Digest::parse(&"a".repeat(64)).expect("a digest"),
            file_name: None,
        };
        assert!(new_code(Some(package()), Some("i".to_owned())).is_err());
        assert!(matches!(new_code(Some(package()), None), Ok(Some(NewCode::Package(_)))));
        assert!(matches!(
            new_code(None, Some("i".to_owned())),
            Ok(Some(NewCode::Image(_)))
        ));
        assert!(matches!(new_code(None, None), Ok(None)));
    }

    #[test]
    fn settings_with_unknown_words_are_refused_by_name() {
        let error = parse(br#"{"memory": 5}"#).expect_err("unknown");
        assert!(error.to_string().contains("`memory`"), "{error}");
        assert!(parse(br#"{"memory_mib": 128}"#).is_ok());
    }
}
