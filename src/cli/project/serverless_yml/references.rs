//! References of a `serverless.yml`: `${env:NAME, default}` and `${self:a.b}` are resolved. Others become their default,
//! or nothing, and are remembered.

use super::super::Source;
use super::super::yaml::text;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// References inside of references: more than anybody writes.
const DEPTH: usize = 8;

/// What references of a file refer to.
pub(super) struct References<'a> {
    whole: &'a Value,
    source: &'a Source<'a>,
    /// Those that stand for nothing.
    empty: RefCell<BTreeSet<String>>,
}

impl<'a> References<'a> {
    pub(super) fn of(whole: &'a Value, source: &'a Source<'a>) -> Self {
        Self {
            whole,
            source,
            empty: RefCell::default(),
        }
    }

    /// A part of the file with every reference replaced; null when it is not there.
    pub(super) fn resolved(&self, part: Option<&Value>) -> Value {
        part.map_or(Value::Null, |part| self.resolve(part, DEPTH))
    }

    /// One remark for each reference that stands for nothing.
    pub(super) fn remarks(self) -> impl Iterator<Item = String> {
        let empty = self.empty.into_inner().into_iter();
        empty.map(|place| format!("`${{{place}}}` stands for nothing here, and is left empty"))
    }

    fn resolve(&self, value: &Value, depth: usize) -> Value {
        match value {
            Value::String(text) => self.reference(text, depth),
            Value::Array(items) => items.iter().map(|item| self.resolve(item, depth)).collect(),
            Value::Object(pairs) => {
                let resolved = pairs
                    .iter()
                    .map(|(key, value)| (key.clone(), self.resolve(value, depth)));
                Value::Object(resolved.collect())
            }
            other => other.clone(),
        }
    }

    /// A text that is one reference becomes what it refers to, whatever that is; inside a text, texts are put.
    fn reference(&self, text: &str, depth: usize) -> Value {
        let (Some((before, inner, after)), true) = (innermost(text), depth > 0) else {
            return Value::String(text.to_owned());
        };
        let value = self.value(inner);
        if before.is_empty() && after.is_empty() {
            return self.resolve(&value, depth - 1);
        }
        let put = self::text(&value).unwrap_or_default();
        self.reference(&format!("{before}{put}{after}"), depth - 1)
    }

    fn value(&self, inner: &str) -> Value {
        let (place, default) = inner
            .split_once(',')
            .map_or((inner, None), |(place, default)| (place, Some(default)));
        let default = || default.map(|text| Value::String(text.trim().trim_matches(['\'', '"']).to_owned()));
        self.look_up(place.trim()).or_else(default).unwrap_or_else(|| {
            self.empty.borrow_mut().insert(place.trim().to_owned());
            Value::String(String::new())
        })
    }

    fn look_up(&self, place: &str) -> Option<Value> {
        if let Some(name) = place.strip_prefix("env:") {
            let found = self.source.environment.text(name);
            return found.map(|text| Value::String(text.to_owned()));
        }
        let path = place.strip_prefix("self:")?;
        self.whole.pointer(&format!("/{}", path.replace('.', "/"))).cloned()
    }
}

/// The first `${…}` without another one in it, and what is around it.
fn innermost(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find('}')?;
    let start = text[..end].rfind("${")?;
    Some((&text[..start], &text[start + 2..end], &text[end + 1..]))
}
