//! Gates of private functions, and the keys that sign their callers' tokens: their SQL and their rows. Private keys are
//! sealed; a gate holds public ones.

use super::secrets::unwritable;
use super::vault::Closed;
use super::{Error, Store, row};
use crate::domain::{ClaimRule, FunctionId, Gate, GateAnswer, Namespace, Timestamp};
use rusqlite::{Row, named_params};
use serde::{Deserialize, Serialize};

/// What a private key is sealed for.
const SIGNING_KEY: &str = "signing key";

/// A namespace's key pair for signing tokens of callers.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// PKCS#1 in PEM.
    pub public: String,
    /// PKCS#1 in DER.
    pub private: Vec<u8>,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey").finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct RuleColumn {
    keys: Vec<String>,
    headers: Vec<String>,
    list: Option<String>,
    any_of: Vec<(String, String)>,
    revoked: Vec<String>,
    access_tokens: bool,
    forward: bool,
    missing: AnswerColumn,
    invalid: AnswerColumn,
    elsewhere: AnswerColumn,
}

#[derive(Serialize, Deserialize)]
struct AnswerColumn {
    status: u16,
    body: String,
}

impl Store {
    /// Gives a function a gate, in place of the one it had.
    ///
    /// # Errors
    /// `NotFound` when the function is gone.
    pub async fn set_gate(&self, function: FunctionId, gate: Gate) -> Result<(), Error> {
        self.write("set a function's gate", move |c| {
            let sql = "insert into gate (function, rule) values (:function, :rule)
                       on conflict do update set rule = excluded.rule";
            let rule = serde_json::to_string(&column(gate)).map_err(unwritable)?;
            row::change(c, sql, named_params! {":function": function.as_bytes(), ":rule": rule})?;
            Ok(())
        })
        .await
    }

    /// Takes a function's gate away; `false` when it had none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_gate(&self, function: FunctionId) -> Result<bool, Error> {
        self.write("take a function's gate away", move |c| {
            let sql = "delete from gate where function = :function";
            Ok(row::change(c, sql, named_params! {":function": function.as_bytes()})? > 0)
        })
        .await
    }

    /// All gates, and whose they are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_gates(&self) -> Result<Vec<(FunctionId, Gate)>, Error> {
        let sql = "select function, rule from gate";
        self.read("list gates", move |c| row::all(c, sql, [], read)).await
    }

    /// Keeps a namespace's key pair unless it has one; answers the one that holds.
    ///
    /// # Errors
    /// When the database cannot be written, or the pair that is there cannot be opened.
    pub async fn keep_signing_key(
        &self,
        namespace: &Namespace,
        key: &StoredKey,
        now: Timestamp,
    ) -> Result<Option<StoredKey>, Error> {
        let sealed = self.inner.vault.seal(SIGNING_KEY, &key.private)?;
        let (name, public) = (namespace.as_str().to_owned(), key.public.clone());
        self.write("keep a signing key", move |c| {
            let sql = "insert into signing_key (namespace, public, sealed, created_at_ms)
                       values (:namespace, :public, :sealed, :now) on conflict do nothing";
            let params =
                named_params! {":namespace": name, ":public": public, ":sealed": sealed, ":now": now.as_millis()};
            row::change(c, sql, params)?;
            Ok(())
        })
        .await?;
        Ok(self.signing_key(namespace).await?.and_then(Result::ok))
    }

    /// A namespace's key pair, if it has one that opens.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn signing_key(&self, namespace: &Namespace) -> Result<Option<Result<StoredKey, Closed>>, Error> {
        let name = namespace.as_str().to_owned();
        let sql = "select public, sealed from signing_key where namespace = :namespace";
        let kept = self.read("read a signing key", move |c| {
            row::maybe(c, sql, named_params! {":namespace": name}, |r| {
                Ok((r.get::<_, String>("public")?, r.get::<_, Vec<u8>>("sealed")?))
            })
        });
        let open = |(public, sealed): (String, Vec<u8>)| {
            let private = self.inner.vault.unseal(SIGNING_KEY, &sealed)?;
            Ok(StoredKey { public, private })
        };
        Ok(kept.await?.map(open))
    }

    /// Removes a namespace's key pair; `false` when it had none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_signing_key(&self, namespace: &Namespace) -> Result<bool, Error> {
        let name = namespace.as_str().to_owned();
        self.write("remove a signing key", move |c| {
            let sql = "delete from signing_key where namespace = :namespace";
            Ok(row::change(c, sql, named_params! {":namespace": name})? > 0)
        })
        .await
    }
}

fn column(gate: Gate) -> RuleColumn {
    let answer = |a: GateAnswer| AnswerColumn {
        status: a.status,
        body: a.body,
    };
    RuleColumn {
        keys: gate.keys,
        headers: gate.headers,
        list: gate.claims.list,
        any_of: gate.claims.any_of,
        revoked: gate.revoked,
        access_tokens: gate.access_tokens,
        forward: gate.forward,
        missing: answer(gate.missing),
        invalid: answer(gate.invalid),
        elsewhere: answer(gate.elsewhere),
    }
}

fn uncolumn(rule: RuleColumn) -> Gate {
    let answer = |a: AnswerColumn| GateAnswer {
        status: a.status,
        body: a.body,
    };
    Gate {
        keys: rule.keys,
        headers: rule.headers,
        claims: ClaimRule {
            list: rule.list,
            any_of: rule.any_of,
        },
        revoked: rule.revoked,
        access_tokens: rule.access_tokens,
        forward: rule.forward,
        missing: answer(rule.missing),
        invalid: answer(rule.invalid),
        elsewhere: answer(rule.elsewhere),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(FunctionId, Gate)> {
    let function = row::id(row, "function", FunctionId::from_bytes)?;
    let rule = row::checked(row, "rule", |t: String| serde_json::from_str(&t))?;
    Ok((function, uncolumn(rule)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, deployed, opened};
    use super::*;

    fn gate() -> Gate {
        let answer = |status| GateAnswer {
            status,
            body: "no".to_owned(),
        };
        Gate {
            keys: vec!["-----BEGIN".to_owned()],
            headers: vec!["x-token".to_owned()],
            claims: ClaimRule {
                list: Some("claims".to_owned()),
                any_of: vec![("id".to_owned(), "1".to_owned())],
            },
            revoked: vec!["old".to_owned()],
            access_tokens: true,
            forward: false,
            missing: answer(404),
            invalid: answer(401),
            elsewhere: answer(403),
        }
    }

    #[tokio::test]
    async fn a_gate_comes_back_as_it_was_set_and_goes_with_its_function() {
        let (_directory, store) = opened(8);
        let (function, _) = deployed(&store, "f").await;
        store.set_gate(function.id, gate()).await.expect("set");
        assert_eq!(store.list_gates().await.expect("read"), [(function.id, gate())]);
        store.delete_function(function.id).await.expect("deleted");
        assert!(store.list_gates().await.expect("read").is_empty());
        assert!(matches!(
            store.set_gate(function.id, gate()).await,
            Err(Error::NotFound { .. })
        ));
    }

    #[tokio::test]
    async fn a_namespaces_first_key_pair_holds() {
        let (_directory, store) = opened(8);
        let namespace = Namespace::default_namespace();
        let pair = |n: u8| StoredKey {
            public: n.to_string(),
            private: vec![n; 9],
        };
        let kept = store.keep_signing_key(&namespace, &pair(1), at(1)).await;
        assert_eq!(kept.expect("kept"), Some(pair(1)));
        let kept = store.keep_signing_key(&namespace, &pair(2), at(2)).await;
        assert_eq!(kept.expect("kept"), Some(pair(1)));
        assert!(store.delete_signing_key(&namespace).await.expect("removed"));
        assert!(store.signing_key(&namespace).await.expect("read").is_none());
    }
}
