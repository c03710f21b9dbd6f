//! Access tokens: their SQL and their rows. Keeps hashes, never a token.

use super::{Error, Store, row};
use crate::domain::{Namespace, Principal, Role, Token, TokenId, TokenName};
use rusqlite::{Row, named_params};

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// What is known of it.
    pub token: Token,
    /// The sha256 of the secret.
    pub hash: [u8; 32],
}

impl Store {
    /// Writes a new token down.
    ///
    /// # Errors
    /// `Duplicate` when its name is taken.
    pub async fn create_token(&self, stored: StoredToken) -> Result<(), Error> {
        self.write("create a token", move |c| {
            let sql = "insert into token (id, name, namespace, role, hash, created_at_ms)
                       values (:id, :name, :namespace, :role, :hash, :created_at)";
            let StoredToken { token, hash } = stored;
            let row = named_params! {
                ":id": token.id.as_bytes(),
                ":name": token.name.as_str(),
                ":namespace": token.principal.namespace.as_str(),
                ":role": token.principal.role.as_str(),
                ":hash": hash,
                ":created_at": token.created_at.as_millis(),
            };
            row::change(c, sql, row)?;
            Ok(())
        })
        .await
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_tokens(&self) -> Result<Vec<StoredToken>, Error> {
        let sql = "select id, name, namespace, role, hash, created_at_ms from token order by id";
        self.read("list tokens", |c| row::all(c, sql, [], read)).await
    }

    /// Removes a token; `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_token(&self, id: TokenId) -> Result<bool, Error> {
        self.write("delete a token", move |c| {
            let sql = "delete from token where id = :id";
            Ok(row::change(c, sql, named_params! {":id": id.as_bytes()})? > 0)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    let principal = Principal {
        namespace: row::checked(row, "namespace", |t: String| Namespace::parse(&t))?,
        role: row::checked(row, "role", |t: String| Role::parse(&t))?,
    };
    let token = Token {
        id: row::id(row, "id", TokenId::from_bytes)?,
        name: row::checked(row, "name", |t: String| TokenName::parse(&t))?,
        principal,
        created_at: row::time(row, "created_at_ms")?,
    };
    Ok(StoredToken {
        token,
        hash: row.get("hash")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, opened};
    use super::*;

    fn stored(name: &str, hash: u8) -> StoredToken {
        let principal = Principal {
            namespace: Namespace::parse("team").expect("a name"),
            role: Role::User,
        };
        let token = Token {
            id: TokenId::generate(),
            name: TokenName::parse(name).expect("a name"),
            principal,
            created_at: at(5),
        };
        StoredToken {
            token,
            hash: [hash; 32],
        }
    }

    #[tokio::test]
    async fn tokens_come_back_as_they_were_written_and_go_when_they_are_deleted() {
        let (_directory, store) = opened(8);
        let (a, b) = (stored("a", 1), stored("b", 2));
        store.create_token(a.clone()).await.expect("written");
        store.create_token(b.clone()).await.expect("written");
        assert_eq!(store.list_tokens().await.expect("read"), [a.clone(), b.clone()]);
        assert!(store.delete_token(a.token.id).await.expect("gone"));
        assert!(!store.delete_token(a.token.id).await.expect("gone before"));
        assert_eq!(store.list_tokens().await.expect("read"), [b]);
    }

    #[tokio::test]
    async fn a_name_is_given_once() {
        let (_directory, store) = opened(8);
        store.create_token(stored("a", 1)).await.expect("written");
        let again = store.create_token(stored("a", 2)).await;
        assert!(matches!(
            again,
            Err(Error::Duplicate {
                constraint: "token name"
            })
        ));
    }
}
