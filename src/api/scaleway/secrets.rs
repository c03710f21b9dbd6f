//! Secret variables: set by value, shown by a hash. What waits for a deploy is kept sealed.

use super::fault::Fault;
use super::{surroundings, wire};
use crate::app::App;
use crate::domain::{Error, SealedSecret, SecretChanges, SecretText, Secrets};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A secret as it is sent; without a value, it is removed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct GivenSecret {
    key: String,
    value: Option<String>,
}

impl std::fmt::Debug for GivenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GivenSecret")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A sealed secret as a note keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// In base64.
    sealed: String,
    hash: String,
}

/// What was sent, as the core takes it.
///
/// # Errors
/// 400 for a name that is the platform's.
pub(super) fn changes(given: Option<&[GivenSecret]>) -> Result<SecretChanges, Fault> {
    let mut changes = SecretChanges::new();
    for secret in given.unwrap_or_default() {
        surroundings::check_name("secret_environment_variables", &secret.key)?;
        changes.insert(secret.key.clone(), secret.value.clone().map(SecretText::new));
    }
    Ok(changes)
}

/// All secrets after what was sent, for the note; `None` when nothing was.
///
/// # Errors
/// 400 for what no environment can hold.
pub(super) async fn change(
    app: &App,
    before: &Secrets,
    given: Option<&[GivenSecret]>,
) -> Result<Option<BTreeMap<String, Sealed>>, Fault> {
    let changes = changes(given)?;
    if changes.is_empty() {
        return Ok(None);
    }
    let after = app.change_secrets(before, changes).await?;
    let wrap = |(name, secret): (String, SealedSecret)| {
        let sealed = STANDARD.encode(&secret.sealed);
        let hash = secret.hash;
        (name, Sealed { sealed, hash })
    };
    Ok(Some(after.into_iter().map(wrap).collect()))
}

/// What a note kept, as the core takes it.
///
/// # Errors
/// When it is damaged.
pub(super) fn unwrap(kept: &BTreeMap<String, Sealed>) -> Result<Secrets, Error> {
    let mut secrets = Secrets::new();
    for (name, secret) in kept {
        let sealed = STANDARD.decode(&secret.sealed);
        let sealed = sealed.map_err(|e| Error::internal("a secret that waits for its deploy cannot be read", e))?;
        let hash = secret.hash.clone();
        secrets.insert(name.clone(), SealedSecret { sealed, hash });
    }
    Ok(secrets)
}

/// As they are shown.
pub(super) fn shown(secrets: &Secrets) -> Vec<wire::Secret> {
    let shown = secrets.iter().map(|(key, secret)| wire::Secret {
        key: key.clone(),
        hashed_value: secret.hash.clone(),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_set_or_removed_and_never_printed() {
        let given: Vec<GivenSecret> =
            serde_json::from_str(r#"[{"key":"A","value":"hunter2"},{"key":"B","value":null},{"key":"C"}]"#)
                .expect("a list");
        let changes = changes(Some(&given)).expect("good");
        assert_eq!(changes["A"].as_ref().map(SecretText::reveal), Some("hunter2"));
        assert!(changes["B"].is_none() && changes["C"].is_none());
        assert!(!format!("{given:?}").contains("hunter2"));
    }
}
