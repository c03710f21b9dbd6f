//! Reads the JSON body of a resource: which attributes it may have, of which type, and which only the server writes.
//!
//! The rules and sentences are those of the contract's section 1.2. `null` means "not given", everywhere.

use super::fault::Fault;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

/// A body may have so much. Unit: bytes.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Reads the bytes of a body.
///
/// # Errors
/// 400 when it ends early, 413 when it is too large.
pub(super) async fn bytes(body: axum::body::Body) -> Result<Bytes, Fault> {
    use http_body::Body as _;
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        let message = format!("The body may have {BODY_LIMIT} bytes.");
        return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let read = axum::body::to_bytes(body, BODY_LIMIT).await;
    read.map_err(|e| Fault::bad(format!("The body cannot be read: {e}")))
}

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    Uuid,
}

/// One attribute of a resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) read_only: bool,
}

/// An attribute that a client may send.
pub(super) const fn writable(name: &'static str, kind: Kind) -> Attribute {
    Attribute {
        name,
        kind,
        read_only: false,
    }
}

/// An attribute that only the server writes.
pub(super) const fn read_only(name: &'static str) -> Attribute {
    Attribute {
        name,
        kind: Kind::Text,
        read_only: true,
    }
}

/// A body that has been checked: each value is of its attribute's kind.
#[derive(Debug, Default)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads a body; `argument` is what upstream calls it in its sentences.
    ///
    /// # Errors
    /// 400 with the contract's sentence.
    pub(super) fn read(argument: &str, attributes: &[Attribute], bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Fault::bad(format!("Missing argument: \"{argument}\"")));
        }
        let sent: Value =
            serde_json::from_slice(bytes).map_err(|_| Fault::bad("Request is not in valid JSON format"))?;
        let Value::Object(sent) = sent else {
            return Err(Fault::bad(format!(
                "Invalid input for argument {argument}: a JSON object is expected"
            )));
        };
        let mut body = Map::new();
        for (name, value) in &sent {
            let attribute = attributes.iter().find(|a| a.name == name);
            let attribute =
                attribute.ok_or_else(|| Fault::bad(format!("Unknown attribute for argument {argument}: {name}")))?;
            if let Some(value) = attribute.check(argument, value, &sent)? {
                body.insert(name.clone(), value);
            }
        }
        Ok(Self(body))
    }

    /// Text or a UUID.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// Asks for attributes that must be there.
    ///
    /// # Errors
    /// 400 that names them all, as upstream does.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), Fault> {
        if names.iter().all(|name| self.0.contains_key(*name)) {
            return Ok(());
        }
        let list: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        Err(Fault::bad(format!(
            "Required param is missing. Required: {{{}}}",
            list.join(", ")
        )))
    }
}

impl Attribute {
    fn check(&self, argument: &str, value: &Value, whole: &Map<String, Value>) -> Result<Option<Value>, Fault> {
        if self.read_only {
            return Err(self.refuse(value, "Cannot set read only field."));
        }
        if value.is_null() {
            return Ok(None);
        }
        match self.kind {
            Kind::Text => self.text(value).map(|text| Some(text.into())),
            Kind::Uuid => uuid(self.text(value)?).map(|id| Some(id.into())),
            Kind::Integer => integer(argument, value, whole).map(|number| Some(number.into())),
            Kind::Boolean => self.boolean(value).map(|yes| Some(yes.into())),
        }
    }

    fn text<'v>(&self, value: &'v Value) -> Result<&'v str, Fault> {
        let wrong = || {
            let got = upstreams_class(value);
            self.refuse(
                value,
                &format!("Wrong type. Expected '<class 'str'>', got '<class '{got}'>'"),
            )
        };
        value.as_str().ok_or_else(wrong)
    }

    fn boolean(&self, value: &Value) -> Result<bool, Fault> {
        let known = match value {
            Value::Bool(yes) => Some(*yes),
            Value::Number(number) => number.as_i64().map(|n| n != 0),
            Value::String(word) => truth(word),
            _ => None,
        };
        known.ok_or_else(|| {
            let shown = upstreams_text(value);
            self.refuse(value, &format!("Value not an unambiguous boolean: {shown}"))
        })
    }

    fn refuse(&self, value: &Value, why: &str) -> Fault {
        let (name, shown) = (self.name, upstreams_text(value));
        Fault::bad(format!(
            "Invalid input for field/attribute {name}. Value: '{shown}'. {why}"
        ))
    }
}

/// The words that upstream takes for true and false.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Takes a UUID in any of its spellings; what is not one is refused as in a body.
pub(super) fn uuid(text: &str) -> Result<&str, Fault> {
    match uuid::Uuid::try_parse(text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Fault::bad(format!("Expected a uuid but received {text}."))),
    }
}

/// The same for a UUID in a path, whose attribute is named.
pub(super) fn path_uuid<'t>(attribute: &str, text: &'t str) -> Result<&'t str, Fault> {
    uuid(text).map_err(|_| {
        Fault::bad(format!(
            "Invalid input for field/attribute {attribute}. Value: '{text}'. unable to convert to uuid. Error: Expected a uuid but received {text}."
        ))
    })
}

/// Numbers and texts of digits.
fn integer(argument: &str, value: &Value, whole: &Map<String, Value>) -> Result<i64, Fault> {
    let number = match value {
        Value::String(digits) => digits.trim().parse().ok(),
        Value::Number(number) => number.as_i64(),
        _ => None,
    };
    number.ok_or_else(|| {
        let (all, shown) = (Value::Object(whole.clone()), upstreams_text(value));
        Fault::bad(format!(
            "Invalid input for field/attribute {argument}. Value: '{all}'. invalid literal for int() with base 10: '{shown}'"
        ))
    })
}

fn upstreams_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

fn upstreams_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: [Attribute; 5] = [
        writable("name", Kind::Text),
        writable("count", Kind::Integer),
        writable("is_public", Kind::Boolean),
        writable("function_id", Kind::Uuid),
        read_only("status"),
    ];

    fn refused(body: &str) -> String {
        let fault = Body::read("job", &SOME, body.as_bytes()).expect_err(body);
        assert_eq!(fault.status, http::StatusCode::BAD_REQUEST);
        fault.message
    }

    #[test]
    fn what_a_body_may_not_hold_is_refused_in_upstreams_words() {
        for (body, sentence) in [
            ("", "Missing argument: \"job\""),
            ("{bad", "Request is not in valid JSON format"),
            ("[1]", "Invalid input for argument job: a JSON object is expected"),
            (r#"{"x":1}"#, "Unknown attribute for argument job: x"),
            (
                r#"{"status":"a"}"#,
                "Invalid input for field/attribute status. Value: 'a'. Cannot set read only field.",
            ),
            (
                r#"{"name":5}"#,
                "Invalid input for field/attribute name. Value: '5'. Wrong type. Expected '<class 'str'>', got '<class 'int'>'",
            ),
            (
                r#"{"count":"x"}"#,
                "Invalid input for field/attribute job. Value: '{\"count\":\"x\"}'. invalid literal for int() with base 10: 'x'",
            ),
            (
                r#"{"is_public":"zzz"}"#,
                "Invalid input for field/attribute is_public. Value: 'zzz'. Value not an unambiguous boolean: zzz",
            ),
            (r#"{"function_id":"x"}"#, "Expected a uuid but received x."),
        ] {
            assert_eq!(refused(body), sentence);
        }
    }

    #[test]
    fn null_is_not_given_and_numbers_and_booleans_have_several_spellings() {
        let body = br#"{"name":null,"count":"2","is_public":"off","function_id":null}"#;
        let body = Body::read("job", &SOME, body).expect("a body");
        assert_eq!((body.text("name"), body.text("function_id")), (None, None));
        assert_eq!(
            (body.integer("count"), body.boolean("is_public")),
            (Some(2), Some(false))
        );
        let missing = body.require(&["name", "count"]).expect_err("no name");
        assert_eq!(
            missing.message,
            "Required param is missing. Required: {'name', 'count'}"
        );
    }
}
