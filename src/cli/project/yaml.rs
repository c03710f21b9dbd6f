//! YAML of other tools, as JSON values, and how their files are walked. Knows no file by name.

use super::Source;
use crate::cli::failure::Failure;
use serde_json::Value;

/// The whole file. Words such as `yes` and `on` are texts, as in YAML 1.2: a variable keeps them.
pub(super) fn document(source: &Source<'_>) -> Result<Value, Failure> {
    serde_saphyr::from_str_with_options(&source.text, serde_saphyr::options! { strict_booleans: true })
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", source.file.display())))
}

/// A text, a number or a word of truth as the text that it is written as.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The text at a pointer such as `/spec/runtime`.
pub(super) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(text)
}

/// The whole number at a pointer.
///
/// # Errors
/// What is wrong with one that is no number, or does not fit.
pub(super) fn number_at<T: TryFrom<i64>>(value: &Value, pointer: &str) -> Result<Option<T>, String> {
    let Some(found) = value.pointer(pointer).filter(|found| !found.is_null()) else {
        return Ok(None);
    };
    let number = found.as_i64().or_else(|| found.as_str()?.trim().parse().ok());
    let fitting = number.and_then(|number| T::try_from(number).ok());
    let written = || text(found).unwrap_or_else(|| found.to_string());
    fitting
        .map(Some)
        .ok_or_else(|| format!("`{}` is not a whole number that fits", written()))
}

/// Whether something is said at a pointer: `false`, 0, an empty text and what holds nothing else say nothing.
pub(super) fn is_said(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).is_some_and(|found| !is_nothing(found))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(pairs) => pairs.values().all(is_nothing),
    }
}

/// What is said of a key that nobody reads.
pub(super) fn no_effect(key: &str) -> String {
    format!("`{key}` has no effect here, and is left out")
}

/// The keys of an object which say something and are none of those that are known.
pub(super) fn strangers<'a>(value: Option<&'a Value>, known: &[&str]) -> Vec<&'a str> {
    let said = pairs(value).filter(|(key, value)| !known.contains(&key.as_str()) && !is_nothing(value));
    said.map(|(key, _)| key.as_str()).collect()
}

/// Whether a text or a word of truth says yes (`true`) or no, in any of YAML's words; `None` when it says neither.
pub(super) fn truth_at(value: &Value, pointer: &str) -> Option<bool> {
    match text_at(value, pointer)?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

/// The pairs of an object.
pub(super) fn pairs(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}
