//! What a function is called with: from the text that this API carries to the body that a worker gets, and back.
//!
//! Pure. The body is all that is kept of an input, so whatever is shown later is read off it.

use super::json_text::{self, respaced};
use serde_json::{Map, Value};

/// The key under which a positional argument travels.
const POSITIONAL: &str = "__function_input";

/// How a function takes its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Keyword arguments, and at most one positional one.
    Arguments,
    /// A program's arguments: a JSON array of texts.
    Program,
}

/// The body for an input; empty without one.
pub(super) fn body(shape: Shape, input: Option<&str>) -> Vec<u8> {
    let Some(text) = input.filter(|text| !text.is_empty()) else {
        return Vec::new();
    };
    match shape {
        Shape::Arguments => arguments(text).into_bytes(),
        Shape::Program => {
            program_arguments(text).map_or_else(Vec::new, |all| Value::from(all).to_string().into_bytes())
        }
    }
}

/// The input of an execution as it is shown: an object in one form, a positional argument without its wrapping.
pub(super) fn shown(body: &[u8]) -> Option<String> {
    let text = sent(body)?;
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) => match object.get(POSITIONAL) {
            Some(Value::Null) => None,
            Some(positional) => Some(one_argument(positional)),
            None => Some(respaced(&text)),
        },
        Ok(Value::Null) => None,
        _ => Some(text),
    }
}

/// The text that [`body`] was made from. A program's arguments come with single blanks between them.
pub(super) fn sent(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(arguments)) => program_text(&arguments, text),
        Ok(Value::Object(object)) => Some(unwrapped(&object, &text).unwrap_or(text)),
        _ => Some(text).filter(|text| !text.is_empty()),
    }
}

/// Objects, integers and texts that are not JSON travel as they are. Other JSON has no meaning to a worker: its text
/// becomes the positional argument, so that `true` and `5.5` can be said.
fn arguments(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(_) | Value::Null) | Err(_) => text.to_owned(),
        Ok(Value::Number(number)) if !number.is_f64() => text.to_owned(),
        Ok(_) => wrapped(text),
    }
}

fn wrapped(text: &str) -> String {
    Value::Object(Map::from_iter([(POSITIONAL.to_owned(), text.into())])).to_string()
}

/// The text within what [`wrapped`] made, and within nothing else.
fn unwrapped(object: &Map<String, Value>, text: &str) -> Option<String> {
    let inner = object.get(POSITIONAL)?.as_str()?;
    let is_ours = wrapped(inner) == text && arguments(inner) == text;
    is_ours.then(|| inner.to_owned())
}

/// `None` leaves the program's own arguments.
fn program_arguments(text: &str) -> Option<Vec<String>> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Null) => None,
        Ok(Value::Array(items)) => Some(items.iter().map(one_argument).collect()),
        Ok(Value::Object(mut object)) => {
            let positional = object.remove(POSITIONAL);
            let mut all = positional.map_or_else(Vec::new, |p| words(&one_argument(&p)));
            if !object.is_empty() || all.is_empty() {
                all.push(json_text::text(&object));
            }
            Some(all)
        }
        _ => Some(words(text)),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The text of a JSON string, or JSON itself.
fn one_argument(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => json_text::text(other),
    }
}

/// Words as people wrote them; anything else stays the array.
fn program_text(arguments: &[Value], whole: String) -> Option<String> {
    let words: Option<Vec<_>> = arguments.iter().map(Value::as_str).collect();
    match words.as_deref() {
        Some([only]) if only.starts_with('{') => Some((*only).to_owned()),
        Some(words) if !words.iter().any(|w| w.is_empty() || w.contains(char::is_whitespace)) => Some(words.join(" ")),
        _ => Some(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &[u8]) -> &str {
        std::str::from_utf8(body).expect("text")
    }

    #[test]
    fn each_input_becomes_a_body_and_is_shown_again() {
        for (input, sent_to_worker, is_shown) in [
            (None, "", None),
            (Some(""), "", None),
            (Some("null"), "null", None),
            (
                Some(r#"{"name":"Bob"}"#),
                r#"{"name":"Bob"}"#,
                Some(r#"{"name": "Bob"}"#),
            ),
            (
                Some(r#"{"b":1,"a":"ü"}"#),
                r#"{"b":1,"a":"ü"}"#,
                Some(r#"{"b": 1, "a": "\u00fc"}"#),
            ),
            (Some("6"), "6", Some("6")),
            (Some("Bob"), "Bob", Some("Bob")),
            (Some("{bad"), "{bad", Some("{bad")),
            (Some(" "), " ", Some(" ")),
            (
                Some(r#"{"__function_input": "Bob", "x": 1}"#),
                r#"{"__function_input": "Bob", "x": 1}"#,
                Some("Bob"),
            ),
            (Some("5.5"), r#"{"__function_input":"5.5"}"#, Some("5.5")),
            (Some("true"), r#"{"__function_input":"true"}"#, Some("true")),
            (Some(r#""Bob""#), r#"{"__function_input":"\"Bob\""}"#, Some(r#""Bob""#)),
            (Some("[1, 2]"), r#"{"__function_input":"[1, 2]"}"#, Some("[1, 2]")),
        ] {
            let body = body(Shape::Arguments, input);
            assert_eq!(text(&body), sent_to_worker, "{input:?}");
            assert_eq!(shown(&body).as_deref(), is_shown, "{input:?}");
        }
    }

    #[test]
    fn a_program_gets_words_or_an_array_as_its_arguments() {
        for (input, sent_to_worker, is_shown) in [
            (None, "", None),
            (Some("null"), "", None),
            (Some("Bob"), r#"["Bob"]"#, Some("Bob")),
            (Some("-n  a b"), r#"["-n","a","b"]"#, Some("-n a b")),
            (Some("6"), r#"["6"]"#, Some("6")),
            (Some(r#"["a b", 1]"#), r#"["a b","1"]"#, Some(r#"["a b","1"]"#)),
            (Some(r#"{"a": 1}"#), r#"["{\"a\": 1}"]"#, Some(r#"{"a": 1}"#)),
            (Some(r#"{"__function_input": "x y"}"#), r#"["x","y"]"#, Some("x y")),
            (Some("{}"), r#"["{}"]"#, Some("{}")),
        ] {
            let body = body(Shape::Program, input);
            assert_eq!(text(&body), sent_to_worker, "{input:?}");
            assert_eq!(shown(&body).as_deref(), is_shown, "{input:?}");
        }
    }

    #[test]
    fn what_was_sent_can_be_told_from_the_body() {
        for input in [
            r#"{"a":1}"#,
            "6",
            "Bob",
            "{bad",
            "5.5",
            "true",
            r#""x""#,
            "[1]",
            "null",
            r#"{"__function_input":"x"}"#,
        ] {
            assert_eq!(sent(&body(Shape::Arguments, Some(input))).as_deref(), Some(input));
        }
        for input in ["Bob", "-n a b", "6"] {
            assert_eq!(sent(&body(Shape::Program, Some(input))).as_deref(), Some(input));
        }
        assert_eq!(sent(b""), None);
    }
}
