//! JSON as a text inside of JSON: with a space after commas and colons, and nothing beyond ASCII, as clients compare it.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// Writes a value that can be JSON; what cannot be, such as a map with odd keys, becomes `null`.
pub(super) fn text(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Spaced);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => "null".to_owned(),
    }
}

/// JSON that somebody else wrote in the same form, with the order of its keys and the digits of its numbers.
pub(super) fn respaced(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 8);
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        match character {
            _ if in_string => push_ascii(&mut text, character),
            ',' => text.push_str(", "),
            ':' => text.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => text.push(other),
        }
        in_string ^= character == '"' && !escaped;
        escaped = in_string && character == '\\' && !escaped;
    }
    text
}

fn push_ascii(text: &mut String, character: char) {
    if character.is_ascii() {
        return text.push(character);
    }
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a text cannot fail.
        let _ = std::fmt::Write::write_fmt(text, format_args!("\\u{unit:04x}"));
    }
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => writer.write_all(&[byte])?,
                _ => write!(writer, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_text_has_spaces_and_is_ascii() {
        let value = json!({"a": [1, "ü😀\n"], "b": null});
        assert_eq!(text(&value), r#"{"a": [1, "\u00fc\ud83d\ude00\n"], "b": null}"#);
    }

    #[test]
    fn what_others_wrote_is_only_spaced() {
        for (written, shown) in [
            (
                r#"{"b":[1,2.50],"a":"x,y:z \"q\" \\"}"#,
                r#"{"b": [1, 2.50], "a": "x,y:z \"q\" \\"}"#,
            ),
            ("{ \"a\" :\n null }", r#"{"a": null}"#),
            ("\"ü😀\"", r#""\u00fc\ud83d\ude00""#),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(respaced(written), shown);
            assert_eq!(respaced(shown), shown);
        }
    }
}
