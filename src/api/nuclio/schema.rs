//! Shapes of what clients send, as data: which keys there are, of which kind, and which are shown when they are empty.
//!
//! Reading makes one form of it: keys of the shape only, in the shape's case, `null` as absent, wrong kinds refused, and
//! empty values left out unless the shape shows them. Source: the contract's sections 1.4 and 11.5. Knows no resource.

use serde_json::{Map, Value};

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Integer,
    Flag,
    Texts,
    /// Texts by name.
    TextMap,
    Object(&'static [Field]),
    /// A list of objects.
    Objects(&'static [Field]),
    /// Objects by name.
    ObjectMap(&'static [Field]),
    /// Whatever JSON, kept as it is.
    Any,
}

/// When a key is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Unless it is empty, zero or false.
    Filled,
    /// Also when nobody gave it.
    Always,
    /// When somebody gave it, be it zero or false.
    Given,
}

/// One key of a shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) shown: Shown,
}

/// A key that is shown unless it is empty.
pub(super) const fn filled(name: &'static str, kind: Kind) -> Field {
    let shown = Shown::Filled;
    Field { name, kind, shown }
}

/// A key that is always shown.
pub(super) const fn always(name: &'static str, kind: Kind) -> Field {
    let shown = Shown::Always;
    Field { name, kind, shown }
}

/// A key that is shown when it was given.
pub(super) const fn given(name: &'static str, kind: Kind) -> Field {
    let shown = Shown::Given;
    Field { name, kind, shown }
}

/// What a value was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Json,
    /// Numbers and booleans are texts where the shape has a text: people do not quote them.
    Yaml,
}

/// Reads an object of a shape.
///
/// # Errors
/// A sentence that names the key whose value is of another kind.
pub(super) fn read(value: &Value, shape: &[Field], origin: Origin) -> Result<Map<String, Value>, String> {
    Reader { origin }.object(value, shape, "")
}

struct Reader {
    origin: Origin,
}

impl Reader {
    fn object(&self, value: &Value, shape: &[Field], at: &str) -> Result<Map<String, Value>, String> {
        let none = Map::new();
        let sent = match value {
            Value::Object(sent) => sent,
            Value::Null => &none,
            other => return Err(mismatch(other, at, "object")),
        };
        let mut read = Map::new();
        for field in shape {
            let at = below(at, field.name);
            let found = find(sent, field.name).filter(|value| !value.is_null());
            let value = match found {
                Some(value) => self.value(value, field.kind, &at)?,
                None if field.shown == Shown::Always => self.value(&empty(field.kind), field.kind, &at)?,
                None => continue,
            };
            if field.shown != Shown::Filled || !is_empty(&value) {
                read.insert(field.name.to_owned(), value);
            }
        }
        Ok(read)
    }

    fn value(&self, value: &Value, kind: Kind, at: &str) -> Result<Value, String> {
        match kind {
            Kind::Text => self.text(value, at),
            Kind::Integer if value.is_i64() || value.is_u64() => Ok(value.clone()),
            Kind::Integer => Err(mismatch(value, at, "int")),
            Kind::Flag if value.is_boolean() => Ok(value.clone()),
            Kind::Flag => Err(mismatch(value, at, "bool")),
            Kind::Texts => self.list(value, at, |item| self.text(item, at)),
            Kind::TextMap => self.map(value, at, |item, at| self.text(item, at)),
            Kind::Object(shape) => self.object(value, shape, at).map(Value::Object),
            Kind::Objects(shape) => self.list(value, at, |item| self.object(item, shape, at).map(Value::Object)),
            Kind::ObjectMap(shape) => self.map(value, at, |item, at| self.object(item, shape, at).map(Value::Object)),
            Kind::Any => Ok(value.clone()),
        }
    }

    fn text(&self, value: &Value, at: &str) -> Result<Value, String> {
        match value {
            Value::String(_) => Ok(value.clone()),
            Value::Null => Ok(Value::String(String::new())),
            Value::Number(_) | Value::Bool(_) if self.origin == Origin::Yaml => Ok(Value::String(value.to_string())),
            other => Err(mismatch(other, at, "string")),
        }
    }

    fn list(&self, value: &Value, at: &str, each: impl Fn(&Value) -> Result<Value, String>) -> Result<Value, String> {
        let items = value.as_array().ok_or_else(|| mismatch(value, at, "list"))?;
        items.iter().map(each).collect()
    }

    fn map(
        &self,
        value: &Value,
        at: &str,
        each: impl Fn(&Value, &str) -> Result<Value, String>,
    ) -> Result<Value, String> {
        let items = value.as_object().ok_or_else(|| mismatch(value, at, "map"))?;
        let read = items
            .iter()
            .map(|(key, item)| Ok((key.clone(), each(item, &below(at, key))?)));
        Ok(Value::Object(read.collect::<Result<_, String>>()?))
    }
}

/// The key in its own case, or else in any.
fn find<'v>(sent: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let in_any_case = || {
        sent.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    };
    sent.get(name).or_else(in_any_case)
}

fn empty(kind: Kind) -> Value {
    match kind {
        Kind::Text => Value::String(String::new()),
        Kind::Integer => Value::from(0),
        Kind::Flag => Value::Bool(false),
        Kind::Texts | Kind::Objects(_) => Value::Array(Vec::new()),
        Kind::TextMap | Kind::Object(_) | Kind::ObjectMap(_) | Kind::Any => Value::Object(Map::new()),
    }
}

/// Whether a value says nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn below(at: &str, name: &str) -> String {
    match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    }
}

/// As the clients of the original know it.
fn mismatch(value: &Value, at: &str, wanted: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match at {
        "" => format!("json: cannot unmarshal {found} into Go value of type {wanted}"),
        at => format!("json: cannot unmarshal {found} into Go struct field {at} of type {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const INNER: [Field; 2] = [always("kind", Kind::Text), filled("count", Kind::Integer)];
    const SHAPE: [Field; 6] = [
        filled("name", Kind::Text),
        filled("labels", Kind::TextMap),
        filled("items", Kind::ObjectMap(&INNER)),
        given("least", Kind::Integer),
        always("build", Kind::Object(&INNER)),
        filled("free", Kind::Any),
    ];

    fn shaped(value: Value, origin: Origin) -> Result<Value, String> {
        read(&value, &SHAPE, origin).map(Value::Object)
    }

    #[test]
    fn unknown_keys_go_known_ones_get_their_case_and_empty_ones_are_left_out() {
        let sent = json!({"NAME": "", "Labels": {"a": "b"}, "apiVersion": "v1", "least": 0, "items": null,
                          "free": {"headers": null}});
        let read = shaped(sent, Origin::Json).expect("of the shape");
        assert_eq!(
            read,
            json!({"labels": {"a": "b"}, "least": 0, "build": {"kind": ""}, "free": {"headers": null}})
        );
        assert_eq!(shaped(read.clone(), Origin::Json).as_ref(), Ok(&read));
    }

    #[test]
    fn a_wrong_kind_is_refused_by_its_path() {
        for (sent, said) in [
            (
                json!({"labels": {"a": 1}}),
                "number into Go struct field labels.a of type string",
            ),
            (
                json!({"items": {"t": {"count": "x"}}}),
                "string into Go struct field items.t.count of type int",
            ),
            (json!({"build": []}), "array into Go struct field build of type object"),
            (json!([]), "array into Go value of type object"),
        ] {
            let error = shaped(sent, Origin::Json).expect_err("refused");
            assert_eq!(error, format!("json: cannot unmarshal {said}"));
        }
    }

    #[test]
    fn what_was_not_quoted_in_yaml_is_a_text_all_the_same() {
        let read = shaped(json!({"labels": {"version": 2, "box": true}}), Origin::Yaml).expect("read");
        assert_eq!(read["labels"], json!({"version": "2", "box": "true"}));
    }
}
