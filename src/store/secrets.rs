//! Secrets between the house's types and their columns: names with sealed values, as JSON.
//!
//! Seals and opens for whoever needs a value; keeps no value open.

use super::vault::Closed;
use super::{Error, Store, row};
use crate::domain::{Namespace, NamespaceSettings, SealedSecret, SecretText, Secrets, Variables};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Row, named_params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a secret variable is sealed for. Not for which function: a revision hands them on to the next one.
const VARIABLE: &str = "variable";

#[derive(Serialize, Deserialize)]
struct SecretColumn {
    sealed: String,
    hash: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct VariablesColumn {
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, SecretColumn>,
}

impl Store {
    /// Seals the value of a secret variable.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal_variable(&self, value: &SecretText) -> Result<Vec<u8>, Error> {
        self.inner.vault.seal(VARIABLE, value.reveal().as_bytes())
    }

    /// Opens the value of a secret variable.
    ///
    /// # Errors
    /// When another key sealed it, or it was damaged.
    pub fn unseal_variable(&self, secret: &SealedSecret) -> Result<SecretText, Closed> {
        let plain = self.inner.vault.unseal(VARIABLE, &secret.sealed)?;
        let text = String::from_utf8(plain).map_err(|_| Closed::Damaged)?;
        Ok(SecretText::new(text))
    }

    /// What a namespace gives to its functions, if that was ever set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn namespace_settings(&self, namespace: &Namespace) -> Result<Option<NamespaceSettings>, Error> {
        let name = namespace.as_str().to_owned();
        let sql = "select name, variables, updated_at_ms from namespace where name = :name";
        self.read("read a namespace's settings", move |c| {
            row::maybe(c, sql, named_params! {":name": name}, settings)
        })
        .await
    }

    /// Sets what a namespace gives to its functions, in place of what it gave.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_namespace_settings(&self, settings: NamespaceSettings) -> Result<(), Error> {
        self.write("set a namespace's settings", move |c| {
            let sql = "insert into namespace (name, variables, updated_at_ms) values (:name, :variables, :now)
                       on conflict do update set variables = excluded.variables,
                           updated_at_ms = excluded.updated_at_ms";
            let variables = write_variables(&settings.variables)?;
            let name = settings.namespace.as_str();
            let now = settings.updated_at.as_millis();
            row::change(
                c,
                sql,
                named_params! {":name": name, ":variables": variables, ":now": now},
            )?;
            Ok(())
        })
        .await
    }

    /// Takes a namespace's settings away; `false` when it had none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_namespace_settings(&self, namespace: &Namespace) -> Result<bool, Error> {
        let name = namespace.as_str().to_owned();
        self.write("delete a namespace's settings", move |c| {
            let sql = "delete from namespace where name = :name";
            Ok(row::change(c, sql, named_params! {":name": name})? > 0)
        })
        .await
    }
}

fn settings(row: &Row<'_>) -> rusqlite::Result<NamespaceSettings> {
    Ok(NamespaceSettings {
        namespace: row::checked(row, "name", |t: String| Namespace::parse(&t))?,
        variables: row::checked(row, "variables", |t: String| read_variables(&t))?,
        updated_at: row::time(row, "updated_at_ms")?,
    })
}

fn column(secrets: &Secrets) -> BTreeMap<String, SecretColumn> {
    let one = |secret: &SealedSecret| SecretColumn {
        sealed: STANDARD.encode(&secret.sealed),
        hash: secret.hash.clone(),
    };
    secrets
        .iter()
        .map(|(name, secret)| (name.clone(), one(secret)))
        .collect()
}

fn uncolumn(column: BTreeMap<String, SecretColumn>) -> Result<Secrets, base64::DecodeError> {
    let one = |(name, secret): (String, SecretColumn)| {
        let sealed = STANDARD.decode(secret.sealed)?;
        let hash = secret.hash;
        Ok((name, SealedSecret { sealed, hash }))
    };
    column.into_iter().map(one).collect()
}

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn write_secrets(secrets: &Secrets) -> rusqlite::Result<String> {
    serde_json::to_string(&column(secrets)).map_err(unwritable)
}

pub(super) fn read_secrets(text: &str) -> Result<Secrets, Unreadable> {
    Ok(uncolumn(serde_json::from_str(text)?)?)
}

pub(super) fn write_variables(variables: &Variables) -> rusqlite::Result<String> {
    let column = VariablesColumn {
        env: variables.env.clone(),
        secrets: column(&variables.secrets),
    };
    serde_json::to_string(&column).map_err(unwritable)
}

pub(super) fn read_variables(text: &str) -> Result<Variables, Unreadable> {
    let column: VariablesColumn = serde_json::from_str(text)?;
    Ok(Variables {
        env: column.env,
        secrets: uncolumn(column.secrets)?,
    })
}

/// The error of what cannot be written as JSON.
pub(super) fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, opened};
    use super::*;

    #[tokio::test]
    async fn a_namespaces_variables_come_back_and_its_secrets_are_not_in_the_file() {
        let (directory, store) = opened(8);
        let value = SecretText::new("hunter2".to_owned());
        let secret = SealedSecret {
            sealed: store.seal_variable(&value).expect("sealed"),
            hash: "$argon2id$…".to_owned(),
        };
        let settings = NamespaceSettings {
            namespace: Namespace::default_namespace(),
            variables: Variables {
                env: BTreeMap::from([("A".to_owned(), "shown".to_owned())]),
                secrets: BTreeMap::from([("B".to_owned(), secret.clone())]),
            },
            updated_at: at(5),
        };
        store.set_namespace_settings(settings.clone()).await.expect("written");
        let read = store.namespace_settings(&settings.namespace).await.expect("read");
        assert_eq!(read, Some(settings.clone()));
        assert_eq!(store.unseal_variable(&secret), Ok(value));
        store.close().await.expect("closed");
        let files = std::fs::read_dir(directory.path()).expect("files").flatten();
        for file in files.filter(|f| f.path().is_file()) {
            let bytes = std::fs::read(file.path()).expect("bytes");
            assert!(!bytes.windows(7).any(|w| w == b"hunter2"), "{file:?}");
        }
    }
}
