//! Reads what a function is made of: a form with a package, a form without, or JSON, with the same fields in each.
//!
//! The package goes to the disk piece by piece, its MD5 taken on the way. Fields of the query count too.

use super::fault::Fault;
use crate::app::{App, Upload};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use http::header;
use md5::{Digest as _, Md5};
use serde_json::Value;
use std::collections::HashMap;

/// Fields other than the package, all together. Unit: bytes.
const FIELDS_LIMIT: usize = 1024 * 1024;

/// How a zip begins: with a file, with its end when it is empty, or as one part of several.
const ZIP_BEGINS: [&[u8; 4]; 3] = [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"];

/// A stored package and its checksum.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) upload: Upload,
    /// 32 hexadecimal digits.
    pub(super) md5sum: String,
    /// How it begins: tells whether it is a zip.
    pub(super) is_zip: bool,
}

/// The fields of a function as they came; `null` and absent are the same.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: HashMap<String, Value>,
    pub(super) package: Option<Package>,
}

impl Form {
    /// Reads a request's form.
    ///
    /// # Errors
    /// 400 for what cannot be read, 413 for a package that is too large; nothing of it is kept then.
    pub(super) async fn read(app: &App, request: Request) -> Result<Self, Fault> {
        let mut form = Self::default();
        form.add_pairs(request.uri().query().unwrap_or_default().as_bytes());
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|v| v.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("multipart/form-data") {
            form.read_parts(app, request).await?;
            return Ok(form);
        }
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        let bytes = axum::body::to_bytes(request.into_body(), FIELDS_LIMIT).await;
        let bytes = bytes.map_err(|_| Fault::bad(format!("The fields may have {FIELDS_LIMIT} bytes.")))?;
        let looks_like_json = bytes.trim_ascii_start().starts_with(b"{");
        if is_form && !looks_like_json {
            form.add_pairs(&bytes);
        } else if !bytes.trim_ascii().is_empty() {
            form.add_json(&bytes)?;
        }
        Ok(form)
    }

    /// A field's text; a number is written out.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// The field `code`, which is a JSON object or a text that holds one.
    ///
    /// # Errors
    /// 400 when it is neither.
    pub(super) fn code(&self) -> Result<Option<serde_json::Map<String, Value>>, Fault> {
        let parsed = match self.fields.get("code") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => {
                serde_json::from_str(text).map_err(|e| Fault::bad(format!("Invalid input, {e}")))?
            }
            Some(other) => other.clone(),
        };
        match parsed {
            Value::Object(code) => Ok(Some(code)),
            _ => Err(Fault::bad("Invalid input, `code` must hold a JSON object")),
        }
    }

    /// Whether any of these fields was given.
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.fields.get(*name).is_some_and(|v| !v.is_null()))
    }

    /// A form of the pairs of a query.
    #[cfg(test)]
    pub(super) fn of_pairs(pairs: &str) -> Self {
        let mut form = Self::default();
        form.add_pairs(pairs.as_bytes());
        form
    }

    fn add_pairs(&mut self, pairs: &[u8]) {
        for (name, value) in form_urlencoded::parse(pairs) {
            self.fields.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    fn add_json(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let parsed = serde_json::from_slice(bytes).map_err(|_| Fault::bad("Request is not in valid JSON format"))?;
        let Value::Object(fields) = parsed else {
            return Err(Fault::bad("Invalid input, a JSON object is expected"));
        };
        self.fields.extend(fields);
        Ok(())
    }

    async fn read_parts(&mut self, app: &App, request: Request) -> Result<(), Fault> {
        let parts = Multipart::from_request(request, &()).await;
        let mut parts = parts.map_err(|e| Fault::bad(e.body_text()))?;
        let mut size = 0;
        while let Some(field) = parts.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "package" && self.package.is_none() {
                self.package = Some(store(app, field).await?);
                continue;
            }
            let text = field.text().await.map_err(broken)?;
            size += text.len();
            if size > FIELDS_LIMIT {
                return Err(Fault::bad(format!("The fields may have {FIELDS_LIMIT} bytes.")));
            }
            self.fields.insert(name, Value::String(text));
        }
        Ok(())
    }
}

fn broken(error: MultipartError) -> Fault {
    Fault::new(error.status(), error.body_text())
}

async fn store(app: &App, mut field: Field<'_>) -> Result<Package, Fault> {
    let file_name = field.file_name().map(str::to_owned);
    let mut writer = app.begin_upload().await?;
    let (mut md5, mut head) = (Md5::new(), Vec::<u8>::new());
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        md5.update(&piece);
        head.extend(piece.iter().take(4_usize.saturating_sub(head.len())));
        writer.write(&piece).await.map_err(crate::domain::Error::from)?;
    }
    let digest = writer.finish().await.map_err(crate::domain::Error::from)?;
    Ok(Package {
        upload: Upload { digest, file_name },
        md5sum: hex::encode(md5.finalize()),
        is_zip: ZIP_BEGINS.iter().any(|begin| head.starts_with(*begin)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: &str) -> Form {
        let mut form = Form::default();
        form.add_json(json.as_bytes()).expect("JSON");
        form
    }

    #[test]
    fn code_may_be_an_object_or_a_text_with_one() {
        let object = form(r#"{"code":{"source":"image"}}"#).code().expect("code");
        let text = form(r#"{"code":"{\"source\":\"image\"}"}"#).code().expect("code");
        assert_eq!(object, text);
        assert!(form("{}").code().expect("none").is_none());
        for garbage in [r#"{"code":"{"}"#, r#"{"code":"[]"}"#, r#"{"code":5}"#] {
            assert_eq!(form(garbage).code().expect_err(garbage).status, 400);
        }
    }

    #[test]
    fn numbers_come_as_text_and_null_is_not_given() {
        let form = form(r#"{"cpu":100,"timeout":"5","name":null}"#);
        assert_eq!(form.text("cpu").as_deref(), Some("100"));
        assert_eq!(form.text("timeout").as_deref(), Some("5"));
        assert_eq!((form.text("name"), form.has_any(&["name"])), (None, false));
    }

    #[test]
    fn a_checksum_is_32_hexadecimal_digits() {
        assert_eq!(hex::encode(Md5::digest(b"")), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
