//! What dialects keep with the core: values of their own types, as JSON in its annotations and documents.

use crate::app::App;
use crate::domain::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads what was kept; `what` it is the note of is said in the error.
///
/// # Errors
/// `Internal` when it cannot be read.
pub fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::internal(format!("the note of a {what} cannot be read"), e))
}

/// Writes what is to be kept.
///
/// # Errors
/// `Internal` when it cannot be written.
pub fn write<T: Serialize>(what: &str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::internal(format!("the note of a {what} cannot be written"), e))
}

/// Every document of a kind. Order: by key.
///
/// # Errors
/// When the store or one of them cannot be read.
pub async fn all<T: DeserializeOwned>(app: &App, dialect: &str, kind: &str) -> Result<Vec<T>, Error> {
    let documents = app.list_documents(dialect, kind).await?;
    documents.iter().map(|(_, text)| read(kind, text)).collect()
}
