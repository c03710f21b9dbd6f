//! Bodies: JSON whatever their content type says, because clients send JSON labelled as a form, or not at all.
//!
//! An absent field and an explicit null are the same; unknown fields are of later versions and are passed over.

use super::fault::Fault;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The largest body of this API; code travels by the upload's address. Unit: bytes.
const LIMIT: usize = 2 * 1024 * 1024;

/// A body that was sent, or the default for an empty one.
#[derive(Debug)]
pub(super) struct Sent<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for Sent<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Fault> {
        let bytes = axum::body::to_bytes(request.into_body(), LIMIT).await;
        let bytes = bytes.map_err(|_| {
            let message = format!("the body cannot be read, or has more than {LIMIT} bytes");
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        })?;
        read(&bytes).map(Self)
    }
}

fn read<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Fault> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|e| Fault::bad(format!("the body is not the JSON object expected here: {e}")))
}

/// The word of an enumeration; `unknown` and `unknown_…` stand for "whatever is usual", as no word does.
pub(super) fn word(given: Option<&String>) -> Option<&str> {
    let word = given.map(String::as_str)?;
    let said = !word.is_empty() && word != "unknown" && !word.starts_with("unknown_");
    said.then_some(word)
}

/// A time as it is sent: a number of milliseconds, or seconds with an `s` behind them (`"10s"`, `"2.5s"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Millis(pub(super) u32);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let millis = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text
                .strip_suffix('s')
                .and_then(|seconds| seconds.parse::<f64>().ok())
                .map(|seconds| seconds * 1000.0),
            _ => None,
        };
        let millis = millis.filter(|ms| (0.0..=f64::from(u32::MAX)).contains(ms));
        let millis = millis.ok_or_else(|| D::Error::custom(format!("`{value}` is no time: write 10000 or \"10s\"")))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within range")]
        Ok(Self(millis.round() as u32))
    }
}

impl Millis {
    /// As the newer roots write it: seconds with an `s`, and a fraction where there is one.
    pub(super) fn text(self) -> String {
        format!("{}s", f64::from(self.0) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Body {
        name: Option<String>,
    }

    #[test]
    fn an_empty_body_null_and_unknown_fields_are_the_default() {
        for text in ["", " \n", "{}", r#"{"name":null}"#, r#"{"max_concurrency":3}"#] {
            assert_eq!(read::<Body>(text.as_bytes()), Ok(Body::default()), "{text}");
        }
        for text in ["[]x", "a=b", r#"{"name":1}"#] {
            assert!(read::<Body>(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_words_say_nothing() {
        for (given, said) in [
            ("unknown", None),
            ("unknown_privacy", None),
            ("", None),
            ("private", Some("private")),
        ] {
            assert_eq!(word(Some(&given.to_owned())), said);
        }
    }

    #[test]
    fn a_time_is_milliseconds_or_seconds_in_text() {
        for (sent, millis, shown) in [
            (json!(10_000), 10_000, "10s"),
            (json!("300s"), 300_000, "300s"),
            (json!("2.5s"), 2_500, "2.5s"),
            (json!("10.000000000s"), 10_000, "10s"),
        ] {
            let read: Millis = serde_json::from_value(sent).expect("a time");
            assert_eq!((read.0, read.text().as_str()), (millis, shown));
        }
        for sent in [json!("10"), json!(-1), json!("x s"), json!(true)] {
            assert!(serde_json::from_value::<Millis>(sent).is_err());
        }
    }
}
