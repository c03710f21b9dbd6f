//! The variables of a function in layers: the project file, `.env`, `.env.local`, each over the ones before.
//!
//! Keeps where each value comes from, and what it hides. What looks secret is never shown.

use super::env_files;
use crate::cli::failure::Failure;
use std::collections::BTreeMap;
use std::path::Path;

/// Words in a name that make its value a secret.
const SECRET: &[&str] = &[
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PWD",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "PRIVATE",
    "DSN",
    "SALT",
    "COOKIE",
    "SIGNATURE",
];

/// Variables with their origins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layered(BTreeMap<String, Value>);

/// A variable's value and history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) text: String,
    /// The file it is from, with the line where that is known.
    pub(crate) origin: String,
    /// Origins of values that it hides, the nearest first.
    pub(crate) hides: Vec<String>,
    /// Said to be secret, or of a name that is.
    pub(crate) secret: bool,
    /// Said to be secret: the daemon gets it as such.
    pub(crate) sealed: bool,
}

impl Layered {
    /// Sets a variable, over what was set before.
    pub(crate) fn set(&mut self, name: &str, text: String, origin: String) {
        self.put(name, text, origin, false);
    }

    /// The same of one that was said to be secret.
    pub(crate) fn set_secret(&mut self, name: &str, text: String, origin: String) {
        self.put(name, text, origin, true);
    }

    fn put(&mut self, name: &str, text: String, origin: String, sealed: bool) {
        let before = self.0.remove(name);
        let sealed = sealed || before.as_ref().is_some_and(|before| before.sealed);
        let secret = sealed || is_secret(name, &text) || before.as_ref().is_some_and(|before| before.secret);
        let hides = before.map(|mut before| {
            before.hides.insert(0, before.origin);
            before.hides
        });
        let value = Value {
            text,
            origin,
            hides: hides.unwrap_or_default(),
            secret,
            sealed,
        };
        self.0.insert(name.to_owned(), value);
    }

    /// Lays a `.env` file over the rest, if it is there.
    pub(super) fn add_file(&mut self, file: &Path) -> Result<(), Failure> {
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|error| Failure::file(file, &error))?,
        };
        let known = |name: &str| self.0.get(name).map(|value| value.text.clone());
        let found = env_files::parse(&text, known)
            .map_err(|(line, why)| Failure::usage(format!("{}, line {line}: {why}", file.display())))?;
        for (name, (value, line)) in found {
            self.set(&name, value, format!("{}:{line}", file.display()));
        }
        Ok(())
    }

    /// Names and values of those that are shown.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.those(false)
    }

    /// Names and values of those that nobody is shown.
    pub(crate) fn sealed(&self) -> BTreeMap<String, String> {
        self.those(true)
    }

    fn those(&self, sealed: bool) -> BTreeMap<String, String> {
        let those = self.0.iter().filter(|(_, value)| value.sealed == sealed);
        those.map(|(name, value)| (name.clone(), value.text.clone())).collect()
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// One of them.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// What is shown of a value.
pub(crate) fn masked(name: &str, text: &str, secret: bool) -> String {
    match secret || is_secret(name, text) {
        true if text.is_empty() => String::new(),
        true => "********".to_owned(),
        false => text.escape_debug().to_string(),
    }
}

/// By its name, or because it is an address with a password in it.
fn is_secret(name: &str, text: &str) -> bool {
    let name = name.to_uppercase();
    let password = text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split('/').next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    password
        || name
            .split(['_', '-', '.'])
            .any(|word| SECRET.contains(&word.trim_end_matches('S')) || SECRET.contains(&word))
        || SECRET.iter().any(|word| word.len() > 4 && name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_layer_wins_and_says_what_it_hides() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let mut env = Layered::default();
        env.set("A", "1".to_owned(), "hob.toml".to_owned());
        env.set("B", "1".to_owned(), "hob.toml".to_owned());
        env.add_file(&file(".env", "# x\nA=2\nC=${B}!\n")).expect("good");
        env.add_file(&file(".env.local", "A=3\n")).expect("good");
        env.add_file(&folder.path().join("missing"))
            .expect("none is no mistake");
        let pairs: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.text.as_str()))
            .collect();
        assert_eq!(pairs, [("A", "3"), ("B", "1"), ("C", "1!")]);
        let a = env.get("A").expect("set");
        assert!(a.origin.ends_with(".env.local:1"), "{a:?}");
        assert!(a.hides[0].ends_with(".env:2") && a.hides[1] == "hob.toml", "{a:?}");
        let failure = env.add_file(&file(".env", "A\n")).expect_err("wrong");
        assert!(failure.body.expect("said").message.contains(".env, line 1"));
    }

    #[test]
    fn what_was_said_to_be_secret_stays_so_whoever_sets_it_again() {
        let mut env = Layered::default();
        env.set_secret("A", "1".to_owned(), "serverless.yml".to_owned());
        env.set("A", "2".to_owned(), ".env:1".to_owned());
        env.set("API_KEY", "only looks so".to_owned(), ".env:2".to_owned());
        assert_eq!(env.sealed(), [("A".to_owned(), "2".to_owned())].into());
        assert_eq!(env.values().keys().collect::<Vec<_>>(), ["API_KEY"]);
    }

    #[test]
    fn what_looks_secret_is_not_shown() {
        for (name, text) in [
            ("API_KEY", "x"),
            ("GITHUB_TOKEN", "x"),
            ("DB_PASS", "x"),
            ("dbpassword", "x"),
            ("KEYS", "x"),
            ("DATABASE_URL", "postgres://me:secret@db/x"),
        ] {
            assert_eq!(masked(name, text, false), "********", "{name}");
        }
        for (name, text) in [
            ("GREETING", "hello"),
            ("PASSAGE", "x"),
            ("KEYBOARD", "x"),
            ("URL", "http://me@host/a:b@c"),
        ] {
            assert_eq!(masked(name, text, false), text, "{name}");
        }
        assert_eq!(masked("PLAIN", "x", true), "********");
        assert_eq!(masked("PLAIN", "a\nb", false), "a\\nb");
    }
}
