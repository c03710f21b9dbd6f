//! Secret variables: sealed when they come in, opened when a worker is to have them; and what namespaces hand down.

use super::App;
use crate::domain::{
    Error, Function, FunctionId, LostSecrets, Namespace, NamespaceSettings, Revision, SealedSecret, SecretChanges,
    SecretText, Secrets, Variable, Variables, layered,
};
use argon2::{Argon2, PasswordHasher, password_hash::phc::PasswordHash};
use std::collections::{BTreeMap, BTreeSet};

/// What changes in a namespace's variables.
#[derive(Debug, Clone, Default)]
pub struct VariablesChange {
    /// Those that are shown, all of them; `None`: as before.
    pub env: Option<BTreeMap<String, String>>,
    /// Secrets that are set or removed; the others stay.
    pub secrets: SecretChanges,
}

impl App {
    /// A salted hash of a secret (argon2id, PHC form), by which its owner can tell whether a value is the one that is
    /// set. Takes some tens of milliseconds and some 20 MiB, on purpose.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub async fn hash_secret(&self, value: SecretText) -> Result<String, Error> {
        let hashed = tokio::task::spawn_blocking(move || hash(&value)).await;
        hashed.map_err(|e| Error::internal("a secret could not be hashed", e))?
    }

    /// What a namespace gives to functions that are deployed in it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn namespace_variables(&self, namespace: &Namespace) -> Result<Variables, Error> {
        let settings = self.0.store.namespace_settings(namespace).await?;
        Ok(settings.map_or_else(Variables::default, |s| s.variables))
    }

    /// Changes what a namespace gives. It reaches a function with its next deploy: a revision does not change.
    ///
    /// # Errors
    /// `Invalid` for what no environment can hold; nothing has changed then.
    pub async fn change_namespace_variables(
        &self,
        namespace: &Namespace,
        change: VariablesChange,
    ) -> Result<Variables, Error> {
        let _one_at_a_time = self.0.variables_change.lock().await;
        let before = self.namespace_variables(namespace).await?;
        let env = change.env.unwrap_or(before.env);
        super::deploy::check_env(&env)?;
        let variables = Variables {
            env,
            secrets: self.change_secrets(&before.secrets, change.secrets).await?,
        };
        let settings = NamespaceSettings {
            namespace: namespace.clone(),
            variables: variables.clone(),
            updated_at: self.0.clock.now(),
        };
        self.0.store.set_namespace_settings(settings).await?;
        Ok(variables)
    }

    /// Takes away what a namespace gives and the key that signs its callers' tokens; its functions stay as they are.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_namespace(&self, namespace: &Namespace) -> Result<(), Error> {
        let _one_at_a_time = self.0.variables_change.lock().await;
        self.0.store.delete_namespace_settings(namespace).await?;
        self.0.store.delete_signing_key(namespace).await?;
        Ok(())
    }

    /// The secrets there are after some changes, sealed. One that is set to what it was stays as it was, with its hash.
    ///
    /// # Errors
    /// `Invalid` for what no environment can hold.
    pub async fn change_secrets(&self, before: &Secrets, changes: SecretChanges) -> Result<Secrets, Error> {
        check_secrets(&changes)?;
        let mut after = before.clone();
        for (name, value) in changes {
            let Some(value) = value else {
                after.remove(&name);
                continue;
            };
            let known = before.get(&name).map(|secret| self.0.store.unseal_variable(secret));
            if known != Some(Ok(value.clone())) {
                after.insert(name, self.sealed(value).await?);
            }
        }
        Ok(after)
    }

    /// Those of `values` that the latest revision of a function has as secrets of its own, by their names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn same_secrets(
        &self,
        function: FunctionId,
        values: &BTreeMap<String, SecretText>,
    ) -> Result<BTreeSet<String>, Error> {
        let latest = self.list_revisions(function).await?.into_iter().next();
        let known = latest.map(|revision| revision.secrets).unwrap_or_default();
        let is_same = |name: &str, value: &SecretText| {
            let secret = known.get(name).map(|secret| self.0.store.unseal_variable(secret));
            secret.is_some_and(|found| found.as_ref() == Ok(value))
        };
        let same = values.iter().filter(|(name, value)| is_same(name, value));
        Ok(same.map(|(name, _)| name.clone()).collect())
    }

    async fn sealed(&self, value: SecretText) -> Result<SealedSecret, Error> {
        let sealed = self.0.store.seal_variable(&value)?;
        let hash = self.hash_secret(value).await?;
        Ok(SealedSecret { sealed, hash })
    }

    /// The whole environment of a revision, secrets opened: for its workers only.
    pub(super) fn environment(
        &self,
        function: &Function,
        revision: &Revision,
    ) -> Result<BTreeMap<String, String>, LostSecrets> {
        let mut environment = BTreeMap::new();
        let mut lost = BTreeSet::new();
        for (name, variable) in layered(&revision.inherited, &revision.env, &revision.secrets) {
            let value = match variable {
                Variable::Plain(text) => Some(text.to_owned()),
                Variable::Sealed(secret) => self.opened(name, secret),
            };
            match value {
                Some(value) => drop(environment.insert(name.to_owned(), value)),
                None => drop(lost.insert(name.to_owned())),
            }
        }
        if lost.is_empty() {
            return Ok(environment);
        }
        let (own, inherited) = lost.into_iter().partition(|name| revision.secrets.contains_key(name));
        Err(LostSecrets {
            function: function.name.to_string(),
            own,
            inherited,
        })
    }

    fn opened(&self, name: &str, secret: &SealedSecret) -> Option<String> {
        match self.0.store.unseal_variable(secret) {
            Ok(value) => Some(value.reveal().to_owned()),
            Err(why) => {
                tracing::error!("The secret variable {name} cannot be read: {why}");
                None
            }
        }
    }
}

fn check_secrets(changes: &SecretChanges) -> Result<(), Error> {
    let set = changes
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_ref()?.reveal().to_owned())));
    super::deploy::check_env(&set.collect())
}

fn hash(value: &SecretText) -> Result<String, Error> {
    let hashed: Result<PasswordHash, _> = Argon2::default().hash_password(value.reveal().as_bytes());
    let hashed = hashed.map_err(|e| Error::internal("a secret could not be hashed", e.to_string()))?;
    Ok(hashed.to_string())
}

/// The variables of a revision that are secret, its own and those it inherits.
pub(super) fn secret_names(revision: &Revision) -> BTreeSet<String> {
    let all = layered(&revision.inherited, &revision.env, &revision.secrets).into_iter();
    let secret = all.filter(|(_, variable)| matches!(variable, Variable::Sealed(_)));
    secret.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier;

    #[test]
    fn a_hash_is_salted_and_tells_the_value_from_others() {
        let value = SecretText::new("hunter2".to_owned());
        let (one, two) = (hash(&value).expect("hashed"), hash(&value).expect("hashed"));
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m="), "{one}");
        let parsed = PasswordHash::new(&one).expect("the PHC form");
        assert!(Argon2::default().verify_password(b"hunter2", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"hunter3", &parsed).is_err());
    }
}
