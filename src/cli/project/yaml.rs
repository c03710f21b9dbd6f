//! YAML of other tools, as JSON values, and how their files are walked. Knows no file by name.

use super::Source;
use crate::cli::failure::Failure;
use serde_json::Value;

/// The whole file.
pub(super) fn document(source: &Source<'_>) -> Result<Value, Failure> {
    serde_saphyr::from_str(&source.text)
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

/// The whole number at a pointer, if it fits.
pub(super) fn number_at<T: TryFrom<i64>>(value: &Value, pointer: &str) -> Option<T> {
    let found = value.pointer(pointer)?;
    let number = found.as_i64().or_else(|| found.as_str()?.trim().parse().ok())?;
    T::try_from(number).ok()
}

/// The pairs of an object.
pub(super) fn pairs(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}
