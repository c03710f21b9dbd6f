//! Takes single values out of the layers, each checked against what is accepted.

use super::layers::{Layers, shown};
use super::{Error, Origin};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Value;

/// Reads keys by name, and remembers which ones, so that a test can tell that none is forgotten.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    #[cfg(test)]
    pub(super) seen: std::collections::BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            #[cfg(test)]
            seen: std::collections::BTreeSet::new(),
        }
    }

    pub(super) fn text(&mut self, key: &str) -> &'a str {
        self.value(key).as_str().unwrap_or_default()
    }

    /// None when the text is empty.
    pub(super) fn some_text(&mut self, key: &str) -> Option<&'a str> {
        Some(self.text(key).trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn boolean(&mut self, key: &str) -> bool {
        self.value(key).as_bool().unwrap_or_default()
    }

    /// A number within `range`, which also tells its type and, in messages, its `unit`.
    pub(super) fn number<T>(&mut self, key: &str, range: RangeInclusive<T>, unit: &str) -> Result<T, Error>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let number = self.value(key).as_integer().and_then(|number| T::try_from(number).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            self.refused(key, format!("{low} to {high} {unit}"))
        })
    }

    pub(super) fn seconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Result<Duration, Error> {
        self.number(key, range, "seconds").map(Duration::from_secs)
    }

    /// MiB in the file, bytes here.
    pub(super) fn mib(&mut self, key: &str, range: RangeInclusive<u64>) -> Result<u64, Error> {
        self.number(key, range, "MiB").map(|mib| mib * 1024 * 1024)
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        let items = self.value(key).as_array().map_or(&[][..], Vec::as_slice);
        let items = items.iter().map(|item| item.as_str().map(str::to_owned));
        items
            .collect::<Option<_>>()
            .ok_or_else(|| self.refused(key, "texts only"))
    }

    pub(super) fn table(&mut self, key: &str) -> Result<BTreeMap<String, String>, Error> {
        let pairs = self.value(key).as_table().into_iter().flatten();
        let pairs = pairs.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        pairs
            .collect::<Option<_>>()
            .ok_or_else(|| self.refused(key, "texts only"))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Result<T, Error> {
        let text = self.text(key);
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.refused(key, words.join(" or "))
        })
    }

    /// Whether somebody set the key, and not the defaults.
    pub(super) fn is_set(&self, key: &str) -> bool {
        *self.layers.get(key).1 != Origin::Defaults
    }

    /// The error for a value that is not accepted.
    pub(super) fn refused(&self, key: &str, accepted: impl Into<String>) -> Error {
        let (value, origin) = self.layers.get(key);
        let value = shown(key, value);
        Error::OutOfRange {
            key: key.into(),
            value,
            origin: origin.clone(),
            accepted: accepted.into(),
        }
    }

    fn value(&mut self, key: &str) -> &'a Value {
        #[cfg(test)]
        self.seen.insert(key.to_owned());
        self.layers.get(key).0
    }
}
