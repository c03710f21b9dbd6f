//! What a call is given: the forms of `-d` and `--field`. Reads files and standard input; sends nothing.

use super::client::{Body, body_from, body_of};
use super::failure::Failure;
use serde_json::{Map, Value};
use std::fs::File;
use std::path::Path;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// A call's input.
pub(crate) struct Input {
    /// Its type, unless the user names one; absent when there is no input.
    pub(crate) content_type: Option<&'static str>,
    /// Its length where it is known. Unit: bytes.
    pub(crate) length: Option<u64>,
    /// The input itself.
    pub(crate) body: Body,
}

/// Where the input is.
#[derive(Debug, PartialEq, Eq)]
enum Data<'a> {
    Text(&'a str),
    File(&'a Path),
    Stdin,
}

/// The input of `-d`, or of the fields, or none. `typed`: the user names the content type, so that any text will do.
pub(crate) fn input(data: Option<&str>, fields: &[String], typed: bool) -> Result<Input, Failure> {
    match data.map(classify) {
        None if fields.is_empty() => Ok(bytes(Vec::new(), None)),
        None => Ok(bytes(object(fields)?.to_string().into_bytes(), Some(JSON))),
        Some(Data::Text(text)) => literal(text, typed),
        Some(Data::File(path)) => file(path),
        Some(Data::Stdin) => Ok(Input {
            content_type: Some(JSON),
            length: None,
            body: body_from(std::io::stdin()),
        }),
    }
}

/// The input of `-d` read whole, for what is sent as a part of something larger: JSON in UTF-8.
pub(crate) fn text_input(data: &str) -> Result<String, Failure> {
    let text = match classify(data) {
        Data::Text(text) => text.to_owned(),
        Data::File(path) => text_of(path)?,
        Data::Stdin => std::io::read_to_string(std::io::stdin())
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?,
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(format!("-d is not JSON: {error}"))),
    }
}

fn classify(data: &str) -> Data<'_> {
    match data.strip_prefix('@') {
        Some("-") => Data::Stdin,
        Some(path) => Data::File(Path::new(path)),
        None if data == "-" => Data::Stdin,
        None => Data::Text(data),
    }
}

fn bytes(bytes: Vec<u8>, content_type: Option<&'static str>) -> Input {
    Input {
        content_type,
        length: Some(bytes.len() as u64),
        body: body_of(bytes),
    }
}

fn literal(text: &str, typed: bool) -> Result<Input, Failure> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) if !typed => Err(Failure::usage(format!("-d is not JSON: {error}")).hint(
            "quote it for the shell (-d '{\"name\": \"x\"}'), take a file with -d @FILE, \
             or say what it is with -H 'content-type: text/plain'",
        )),
        _ => Ok(bytes(text.as_bytes().to_vec(), Some(JSON))),
    }
}

fn file(path: &Path) -> Result<Input, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        let message = format!("`{}` is a directory: give a file", path.display());
        return Err(Failure::usage(message));
    }
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    Ok(Input {
        content_type: Some(if is_json { JSON } else { BYTES }),
        length: metadata.is_file().then_some(metadata.len()),
        body: body_from(std::io::Read::take(
            file,
            if metadata.is_file() { metadata.len() } else { u64::MAX },
        )),
    })
}

/// One JSON object of all the fields; a name given twice is a mistake.
fn object(fields: &[String]) -> Result<Value, Failure> {
    let mut object = Map::new();
    for field in fields {
        let (name, value) = one(field)?;
        if object.insert(name.to_owned(), value).is_some() {
            return Err(Failure::usage(format!("field `{name}` is given twice")));
        }
    }
    Ok(Value::Object(object))
}

fn one(field: &str) -> Result<(&str, Value), Failure> {
    let wrong = || Failure::usage(format!("`{field}` is not a field: write k=v, k:=JSON or k=@FILE"));
    let (name, text) = field.split_once('=').ok_or_else(wrong)?;
    let (name, value) = match (name.strip_suffix(':'), text.strip_prefix('@')) {
        (Some(name), _) => (name, json(name, text)?),
        (None, Some(path)) => (name, Value::String(text_of(Path::new(path))?)),
        (None, None) => (name, Value::String(text.to_owned())),
    };
    match name.is_empty() {
        true => Err(wrong()),
        false => Ok((name, value)),
    }
}

fn json(name: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("field `{name}` is not JSON: {error}")).hint(format!("for plain text write {name}=TEXT"))
    })
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!("`{}` is not UTF-8 text", path.display()))
            .hint("send it as the whole input with -d @FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use http_body_util::BodyExt;
    use serde_json::json;

    #[test]
    fn data_is_text_a_file_or_standard_input() {
        for (data, expect) in [
            ("{}", Data::Text("{}")),
            ("@a.json", Data::File(Path::new("a.json"))),
            ("-", Data::Stdin),
            ("@-", Data::Stdin),
            ("-5", Data::Text("-5")),
        ] {
            assert_eq!(classify(data), expect, "{data}");
        }
    }

    #[test]
    fn fields_become_one_object() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "line\n").expect("written");
        let fields = [
            "a=b=c".to_owned(),
            "n:=[1,null]".to_owned(),
            "empty=".to_owned(),
            format!("log=@{}", path.display()),
        ];
        let expect = json!({"a": "b=c", "n": [1, null], "empty": "", "log": "line\n"});
        assert_eq!(object(&fields).expect("fields"), expect);
    }

    #[test]
    fn wrong_fields_are_usage_errors() {
        for field in ["a", "=b", ":=1", "a:=x"] {
            let failure = object(&[field.to_owned()]).expect_err(field);
            assert_eq!(failure.exit, Exit::Usage, "{field}");
        }
        assert!(object(&["a=1".to_owned(), "a=2".to_owned()]).is_err());
    }

    #[test]
    fn text_that_is_not_json_needs_a_type() {
        assert!(input(Some("hello"), &[], false).is_err());
        assert!(input(Some("hello"), &[], true).is_ok());
        assert!(input(Some("{\"a\": 1}"), &[], false).is_ok());
    }

    #[test]
    fn an_input_read_whole_is_json() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("in.json");
        std::fs::write(&path, "[1]").expect("written");
        assert_eq!(text_input("{}").ok().as_deref(), Some("{}"));
        assert_eq!(text_input(&format!("@{}", path.display())).ok().as_deref(), Some("[1]"));
        assert!(text_input("hello").is_err() && text_input("@no-such-file").is_err());
    }

    #[tokio::test]
    async fn a_file_is_sent_with_its_length_and_type() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("in.json");
        std::fs::write(&path, "[1]").expect("written");
        let got = input(Some(&format!("@{}", path.display())), &[], false).expect("a file");
        assert_eq!((got.content_type, got.length), (Some(JSON), Some(3)));
        let bytes = got.body.collect().await.expect("read").to_bytes();
        assert_eq!(&bytes[..], b"[1]");
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = input(Some("@no-such-file"), &[], false).err().expect("missing");
        assert_eq!(failure.exit, Exit::NotFound);
        assert!(failure.body.expect("a body").message.contains("no-such-file"));
    }
}
