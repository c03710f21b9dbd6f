//! What a dialect keeps with us: text attached to a thing of ours (annotations), and text of its own (documents).
//!
//! Nothing here reads what it keeps.

use super::App;
use crate::domain::Error;
use crate::store::{self, DocumentKey, Subject};
use std::collections::HashMap;

impl App {
    /// Attaches text to something, in place of what the dialect had attached.
    ///
    /// # Errors
    /// When the store cannot be written. A subject that does not exist is not noticed.
    pub async fn annotate(&self, subject: Subject, dialect: &str, text: String) -> Result<(), Error> {
        Ok(self.0.store.annotate(subject, dialect, text).await?)
    }

    /// What the dialect attached, if it did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn annotation(&self, subject: Subject, dialect: &str) -> Result<Option<String>, Error> {
        Ok(self.0.store.annotation(subject, dialect).await?)
    }

    /// What the dialect attached to each of these; those without are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn annotations(&self, dialect: &str, subjects: Vec<Subject>) -> Result<HashMap<Subject, String>, Error> {
        Ok(self.0.store.annotations(dialect, subjects).await?)
    }

    /// Takes the dialect's text away; `false` when there was none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remove_annotation(&self, subject: Subject, dialect: &str) -> Result<bool, Error> {
        Ok(self.0.store.remove_annotation(subject, dialect).await?)
    }

    /// A document's text, if it is there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn document(&self, key: DocumentKey) -> Result<Option<String>, Error> {
        Ok(self.0.store.document(key).await?)
    }

    /// Writes a document, in place of what was there.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_document(&self, key: DocumentKey, text: String) -> Result<(), Error> {
        Ok(self.0.store.put_document(key, text).await?)
    }

    /// Writes a document unless it is there; `false` when it is, and it stays as it was then.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_document_if_absent(&self, key: DocumentKey, text: String) -> Result<bool, Error> {
        match self.0.store.create_document(key, text).await {
            Ok(()) => Ok(true),
            Err(store::Error::Duplicate { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Removes a document; `false` when there was none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn delete_document(&self, key: DocumentKey) -> Result<bool, Error> {
        Ok(self.0.store.delete_document(key).await?)
    }

    /// Key and text of a dialect's documents of one kind. Order: by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_documents(&self, dialect: &str, kind: &str) -> Result<Vec<(String, String)>, Error> {
        Ok(self.0.store.list_documents(dialect, kind).await?)
    }
}
