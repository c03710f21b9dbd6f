//! A dialect's own text, attached to a thing of ours (annotation) or standing alone (document).
//!
//! Opaque: nothing here reads what it keeps. Annotations go with the thing they are attached to.

use super::{Error, Store, row};
use crate::domain::{ExecutionId, FunctionId, RevisionId};
use rusqlite::{Connection, named_params};
use std::collections::HashMap;

/// What an annotation is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A function.
    Function(FunctionId),
    /// A revision.
    Revision(RevisionId),
    /// An execution.
    Execution(ExecutionId),
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Revision(_) => "revision",
            Self::Execution(_) => "execution",
        }
    }

    fn id(&self) -> &[u8; 16] {
        match self {
            Self::Function(id) => id.as_bytes(),
            Self::Revision(id) => id.as_bytes(),
            Self::Execution(id) => id.as_bytes(),
        }
    }
}

/// A dialect's text on its way to what it is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Whose.
    pub dialect: String,
    /// What is attached.
    pub text: String,
}

/// A document's name: whose it is, what it is, which one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentKey {
    /// Whose.
    pub dialect: String,
    /// What, in the dialect's words.
    pub kind: String,
    /// Which one, unique in dialect and kind.
    pub key: String,
}

impl DocumentKey {
    /// The name of a document.
    pub fn new(dialect: &str, kind: &str, key: impl Into<String>) -> Self {
        Self {
            dialect: dialect.to_owned(),
            kind: kind.to_owned(),
            key: key.into(),
        }
    }
}

impl Store {
    /// Attaches text, in place of what the dialect had attached.
    ///
    /// # Errors
    /// When the database cannot be written. A subject that does not exist is not noticed.
    pub async fn annotate(&self, subject: Subject, dialect: &str, text: String) -> Result<(), Error> {
        let dialect = dialect.to_owned();
        self.write("write an annotation", move |c| {
            Ok(attach(c, subject, &Annotation { dialect, text })?)
        })
        .await
    }

    /// What the dialect attached to each of these, where it did; those without are left out. One trip to the database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn annotations(&self, dialect: &str, subjects: Vec<Subject>) -> Result<HashMap<Subject, String>, Error> {
        let dialect = dialect.to_owned();
        self.read("read annotations", move |c| {
            let mut found = HashMap::new();
            for subject in subjects {
                if let Some(text) = attached(c, subject, &dialect)? {
                    found.insert(subject, text);
                }
            }
            Ok(found)
        })
        .await
    }

    /// What the dialect attached, if it did.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn annotation(&self, subject: Subject, dialect: &str) -> Result<Option<String>, Error> {
        let dialect = dialect.to_owned();
        self.read("read an annotation", move |c| attached(c, subject, &dialect))
            .await
    }

    /// Takes the dialect's text away; `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_annotation(&self, subject: Subject, dialect: &str) -> Result<bool, Error> {
        let dialect = dialect.to_owned();
        self.write("remove an annotation", move |c| {
            let sql = "delete from annotation
                       where kind = :kind and id = :id and dialect = :dialect";
            let key = named_params! {":kind": subject.kind(), ":id": subject.id(), ":dialect": dialect};
            Ok(row::change(c, sql, key)? > 0)
        })
        .await
    }

    /// Writes a document that must not be there yet.
    ///
    /// # Errors
    /// `Duplicate` when it is.
    pub async fn create_document(&self, key: DocumentKey, text: String) -> Result<(), Error> {
        self.write("create a document", move |c| {
            let sql = "insert into document (dialect, kind, key, text)
                       values (:dialect, :kind, :key, :text)";
            let row = named_params! {":dialect": key.dialect, ":kind": key.kind, ":key": key.key, ":text": text};
            row::change(c, sql, row)?;
            Ok(())
        })
        .await
    }

    /// Writes a document, in place of what was there.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_document(&self, key: DocumentKey, text: String) -> Result<(), Error> {
        self.write("write a document", move |c| {
            let sql = "insert into document (dialect, kind, key, text)
                       values (:dialect, :kind, :key, :text)
                       on conflict do update set text = excluded.text";
            let row = named_params! {":dialect": key.dialect, ":kind": key.kind, ":key": key.key, ":text": text};
            row::change(c, sql, row)?;
            Ok(())
        })
        .await
    }

    /// A document's text, if it is there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn document(&self, key: DocumentKey) -> Result<Option<String>, Error> {
        self.read("read a document", move |c| {
            let sql = "select text from document
                       where dialect = :dialect and kind = :kind and key = :key";
            let key = named_params! {":dialect": key.dialect, ":kind": key.kind, ":key": key.key};
            row::maybe(c, sql, key, |r| r.get("text"))
        })
        .await
    }

    /// Key and text of a dialect's documents of one kind. Order: by key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_documents(&self, dialect: &str, kind: &str) -> Result<Vec<(String, String)>, Error> {
        let (dialect, kind) = (dialect.to_owned(), kind.to_owned());
        self.read("list documents", move |c| {
            let sql = "select key, text from document
                       where dialect = :dialect and kind = :kind order by key";
            let key = named_params! {":dialect": dialect, ":kind": kind};
            row::all(c, sql, key, |r| Ok((r.get("key")?, r.get("text")?)))
        })
        .await
    }

    /// Removes a document; `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_document(&self, key: DocumentKey) -> Result<bool, Error> {
        self.write("delete a document", move |c| {
            let sql = "delete from document
                       where dialect = :dialect and kind = :kind and key = :key";
            let key = named_params! {":dialect": key.dialect, ":kind": key.kind, ":key": key.key};
            Ok(row::change(c, sql, key)? > 0)
        })
        .await
    }
}

/// Attaches a text within a transaction of somebody else's.
pub(super) fn attach(c: &Connection, subject: Subject, annotation: &Annotation) -> rusqlite::Result<()> {
    let sql = "insert into annotation (kind, id, dialect, text)
               values (:kind, :id, :dialect, :text)
               on conflict do update set text = excluded.text";
    let row = named_params! {
        ":kind": subject.kind(),
        ":id": subject.id(),
        ":dialect": annotation.dialect,
        ":text": annotation.text,
    };
    row::change(c, sql, row).map(drop)
}

fn attached(c: &Connection, subject: Subject, dialect: &str) -> rusqlite::Result<Option<String>> {
    let sql = "select text from annotation where kind = :kind and id = :id and dialect = :dialect";
    let key = named_params! {":kind": subject.kind(), ":id": subject.id(), ":dialect": dialect};
    row::maybe(c, sql, key, |r| r.get("text"))
}
