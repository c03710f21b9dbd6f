//! Values that nobody is shown: as text on their way in, sealed everywhere else; and how variables of a namespace and of
//! its function come together.
//!
//! Does not seal or open anything: the key is the store's.

use super::{Error, Namespace, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A secret as it came in. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a text in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: for sealing, for comparing, for the function.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// A secret as it is kept: only the store's key opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// What the store made of it.
    pub sealed: Vec<u8>,
    /// A salted hash (argon2id, in the PHC form), by which its owner can tell whether a value is the one that is set.
    pub hash: String,
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(…)")
    }
}

/// Sealed secrets by the names of their variables.
pub type Secrets = BTreeMap<String, SealedSecret>;

/// What happens to secrets: a text sets one, none removes it; those that are not named stay.
pub type SecretChanges = BTreeMap<String, Option<SecretText>>;

/// Environment variables, those that are shown and those that are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// Shown to whoever may look at their owner.
    pub env: BTreeMap<String, String>,
    /// Shown to nobody.
    pub secrets: Secrets,
}

/// What a namespace gives to its functions, and when that was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSettings {
    /// Which namespace.
    pub namespace: Namespace,
    /// What functions that are deployed from now on inherit.
    pub variables: Variables,
    /// When this was last changed.
    pub updated_at: Timestamp,
}

/// One variable as it reaches a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable<'a> {
    /// As it is shown.
    Plain(&'a str),
    /// To be opened first.
    Sealed(&'a SealedSecret),
}

/// The variables of a function within its namespace. What is nearer to the function wins, and a secret over what is
/// shown: namespace, namespace's secrets, function, function's secrets.
#[must_use]
pub fn layered<'a>(
    namespace: &'a Variables,
    env: &'a BTreeMap<String, String>,
    secrets: &'a Secrets,
) -> BTreeMap<&'a str, Variable<'a>> {
    let plain = |all: &'a BTreeMap<String, String>| all.iter().map(|(k, v)| (k.as_str(), Variable::Plain(v)));
    let sealed = |all: &'a Secrets| all.iter().map(|(k, v)| (k.as_str(), Variable::Sealed(v)));
    plain(&namespace.env)
        .chain(sealed(&namespace.secrets))
        .chain(plain(env))
        .chain(sealed(secrets))
        .collect()
}

/// Secrets that could not be opened, because the key they were sealed with is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSecrets {
    /// The function they are for.
    pub function: String,
    /// Those of its own.
    pub own: BTreeSet<String>,
    /// Those of its namespace.
    pub inherited: BTreeSet<String>,
}

impl From<LostSecrets> for Error {
    fn from(lost: LostSecrets) -> Self {
        let LostSecrets {
            function,
            own,
            inherited,
        } = lost;
        let set: String = own.iter().map(|name| format!(" --secret {name}=…")).collect();
        let listed = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
        let first = match inherited.is_empty() {
            true => String::new(),
            false => format!("set {} of its namespace again, then ", listed(inherited)),
        };
        Self::NotReady(format!(
            "secrets of function `{function}` cannot be read, because they were encrypted with another key file than \
             the one that is in the data directory: put that file back, or {first}run `hob deploy {function}{set}`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(hash: &str) -> SealedSecret {
        SealedSecret {
            sealed: vec![1, 2, 3],
            hash: hash.to_owned(),
        }
    }

    fn pairs<T>(all: Vec<(&str, T)>) -> BTreeMap<String, T> {
        all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }

    #[test]
    fn what_is_nearer_to_the_function_wins_and_a_secret_over_what_is_shown() {
        let text = |t: &str| t.to_owned();
        let namespace = Variables {
            env: pairs(vec![
                ("A", text("ns")),
                ("B", text("ns")),
                ("C", text("ns")),
                ("D", text("ns")),
            ]),
            secrets: pairs(vec![("B", secret("ns")), ("C", secret("ns")), ("D", secret("ns"))]),
        };
        let env = pairs(vec![("C", text("own")), ("D", text("own"))]);
        let secrets = pairs(vec![("D", secret("own"))]);
        let all = layered(&namespace, &env, &secrets);
        let shown = |name: &str| match all[name] {
            Variable::Plain(text) => format!("plain {text}"),
            Variable::Sealed(secret) => format!("sealed {}", secret.hash),
        };
        let expect = [
            ("A", "plain ns"),
            ("B", "sealed ns"),
            ("C", "plain own"),
            ("D", "sealed own"),
        ];
        for (name, want) in expect {
            assert_eq!(shown(name), want, "{name}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = SecretText::new("hunter2".to_owned());
        let all = format!("{text:?} {:?}", secret("hunter2"));
        assert!(!all.contains("hunter2") && !all.contains("[1"), "{all}");
    }

    #[test]
    fn whoever_lost_the_key_is_told_what_to_set_again() {
        let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect();
        let lost = LostSecrets {
            function: "f".to_owned(),
            own: names(&["A", "B"]),
            inherited: names(&["N"]),
        };
        let message = Error::from(lost).to_string();
        assert!(
            message.contains("`hob deploy f --secret A=… --secret B=…`"),
            "{message}"
        );
        assert!(message.contains("set N of its namespace again"), "{message}");
    }
}
