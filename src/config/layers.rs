//! Puts defaults, file, environment and flags on top of each other, and remembers who set what.
//!
//! Checks that keys exist and that types fit; ranges are the business of `settings`.

use super::nearest::nearest;
use super::{DEFAULTS, Environment, Error, Origin};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What the command line says. None and false: not said.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--listen ADDR:PORT`.
    pub listen: Option<String>,
    /// `--data-dir DIR`.
    pub data_dir: Option<PathBuf>,
    /// `--offline`.
    pub offline: bool,
}

/// All values by `section.key`, each with its origin.
#[derive(Debug)]
pub(super) struct Layers(BTreeMap<String, (Value, Origin)>);

/// Variables of the client, of workers and of our scripts, which are no settings of the daemon.
const NOT_SETTINGS: [&str; 6] = [
    "HOB_CONFIG",
    "HOB_URL",
    "HOB_OUTPUT",
    "HOB_TOKEN",
    "HOB_BIN",
    "HOB_DIAL",
];
const NOT_SETTINGS_PREFIXES: [&str; 2] = ["HOB_TEST_", "HOB_BENCH_"];
const TWINS: [(&str, &str); 2] = [("HOB_LISTEN", "server.listen"), ("HOB_DATA_DIR", "server.data_dir")];

impl Layers {
    pub(super) fn read(environment: &Environment, flags: &Flags) -> Result<Self, Error> {
        let mut layers = Self::defaults();
        if let Some(path) = flags.config.clone().or_else(|| environment.config_file()) {
            layers.apply_file(&path)?;
        }
        layers.apply_environment(environment)?;
        layers.apply_flags(flags)?;
        Ok(layers)
    }

    pub(super) fn get(&self, key: &str) -> (&Value, &Origin) {
        let (value, origin) = self
            .0
            .get(key)
            .expect("every key that is read has its default in config.toml");
        (value, origin)
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn defaults() -> Self {
        let table: Table = DEFAULTS.parse().expect("config.toml is part of the program and tested");
        let entries = table.into_iter().flat_map(|(section, keys)| {
            let keys = match keys {
                Value::Table(keys) => keys,
                _ => Table::new(),
            };
            keys.into_iter()
                .map(move |(key, value)| (format!("{section}.{key}"), (value, Origin::Defaults)))
        });
        Self(entries.collect())
    }

    fn apply_file(&mut self, path: &Path) -> Result<(), Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
        let table: Table = text.parse().map_err(|error| syntax(path, &text, &error))?;
        let origin = Origin::File(path.into());
        for (section, keys) in table {
            let Value::Table(keys) = keys else {
                return Err(self.unknown_key(section, origin));
            };
            if !self.has_section(&section) {
                return Err(self.unknown_section(section, origin));
            }
            for (key, value) in keys {
                self.set(&format!("{section}.{key}"), value, &origin)?;
            }
        }
        Ok(())
    }

    /// The short twins first, so that the long form wins over them.
    fn apply_environment(&mut self, environment: &Environment) -> Result<(), Error> {
        for (variable, key) in TWINS {
            if let Some(text) = environment.text(variable) {
                self.set_text(key, text, Origin::Variable(variable.into()))?;
            }
        }
        for (name, text) in environment.pairs() {
            let Some(name) = name.to_str().filter(|name| is_setting(name)) else {
                continue;
            };
            let origin = Origin::Variable(name.into());
            let Some(key) = self.0.keys().find(|key| variable(key) == name).cloned() else {
                return Err(self.unknown_variable(name, origin));
            };
            let text = text.to_str().ok_or_else(|| not_utf8(&key, &origin))?;
            self.set_text(&key, text, origin)?;
        }
        Ok(())
    }

    fn apply_flags(&mut self, flags: &Flags) -> Result<(), Error> {
        if let Some(listen) = &flags.listen {
            self.set_text("server.listen", listen, Origin::Flag("--listen"))?;
        }
        if let Some(path) = &flags.data_dir {
            let origin = Origin::Flag("--data-dir");
            let text = path.to_str().ok_or_else(|| not_utf8("server.data_dir", &origin))?;
            self.set_text("server.data_dir", text, origin)?;
        }
        if flags.offline {
            self.set_text("engine.offline", "true", Origin::Flag("--offline"))?;
        }
        Ok(())
    }

    fn set_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), Error> {
        let default = self.get(key).0;
        let value = match default {
            Value::String(_) => None,
            Value::Boolean(_) => boolean(text),
            Value::Array(_) => Some(list(text)),
            _ => format!("value = {text}")
                .parse()
                .ok()
                .and_then(|mut table: Table| table.remove("value")),
        };
        let value = value.unwrap_or_else(|| Value::String(text.into()));
        self.set(key, value, &origin)
    }

    fn set(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), Error> {
        let Some((known, by)) = self.0.get_mut(key) else {
            return Err(self.unknown_key(key.into(), origin.clone()));
        };
        if !known.same_type(&value) {
            return Err(Error::WrongType {
                key: key.into(),
                found: shown(key, &value),
                origin: origin.clone(),
                expected: type_name(known).into(),
            });
        }
        (*known, *by) = (value, origin.clone());
        Ok(())
    }

    fn has_section(&self, section: &str) -> bool {
        self.sections().any(|known| known == section)
    }

    fn sections(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|key| key.split('.').next())
    }

    fn unknown_key(&self, key: String, origin: Origin) -> Error {
        let similar = || nearest(&key, self.0.keys().map(String::as_str));
        let nearest = self.same_ending(&key).or_else(similar);
        let nearest = nearest.map(str::to_owned);
        Error::UnknownKey { key, origin, nearest }
    }

    fn unknown_section(&self, section: String, origin: Origin) -> Error {
        let nearest = nearest(&section, self.sections()).map(|known| format!("[{known}]"));
        let key = format!("[{section}]");
        Error::UnknownKey { key, origin, nearest }
    }

    fn unknown_variable(&self, name: &str, origin: Origin) -> Error {
        let known: Vec<String> = self.0.keys().map(|key| variable(key)).collect();
        let twins = TWINS.iter().map(|(twin, _)| *twin);
        let nearest = nearest(name, known.iter().map(String::as_str).chain(twins)).map(str::to_owned);
        Error::UnknownKey {
            key: name.into(),
            origin,
            nearest,
        }
    }

    /// A key written without its section, or under another one.
    fn same_ending(&self, key: &str) -> Option<&str> {
        let last = key.rsplit('.').next()?;
        self.0
            .keys()
            .map(String::as_str)
            .find(|known| known.rsplit('.').next() == Some(last))
    }
}

fn is_setting(name: &str) -> bool {
    name.starts_with("HOB_")
        && !NOT_SETTINGS.contains(&name)
        && !TWINS.iter().any(|(twin, _)| *twin == name)
        && !NOT_SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn variable(key: &str) -> String {
    format!("HOB_{}", key.replace('.', "_").to_uppercase())
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "true" | "1" => Some(Value::Boolean(true)),
        "false" | "0" => Some(Value::Boolean(false)),
        _ => None,
    }
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.into())).collect())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of texts such as [\"a\", \"b\"]",
        Value::Table(_) => "a table of texts such as { A = \"1\" }",
        Value::Float(_) | Value::Datetime(_) => "another value",
    }
}

/// Keys whose values never appear in a message.
fn is_secret(key: &str) -> bool {
    matches!(
        key,
        "access.token" | "callbacks.secret" | "sources.swift_token" | "sources.swift_url"
    ) || key.starts_with("build.environment")
}

/// A value for a message.
pub(super) fn shown(key: &str, value: &Value) -> String {
    if is_secret(key) {
        "(hidden)".into()
    } else {
        written(value)
    }
}

/// A value much as a file would have it; tables only by name, for nobody has to see what is in them.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Datetime(moment) => moment.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Table(_) => "a table".into(),
    }
}

fn not_utf8(key: &str, origin: &Origin) -> Error {
    Error::WrongType {
        key: key.into(),
        found: "not UTF-8".into(),
        origin: origin.clone(),
        expected: "text in UTF-8".into(),
    }
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    Error::Syntax {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        what: error.message().into(),
    }
}
