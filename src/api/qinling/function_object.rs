//! Functions whose code is an object of Swift, or of what stands in its place: taken once, when the function is made
//! or changed, and kept like a package. What becomes of the object afterwards changes no function.

use super::fault::Fault;
use super::form::Form;
use crate::app::{App, NewCode, Upload};
use crate::domain::Error;
use crate::source::{Object, SourceSpec};
use http::HeaderMap;
use serde_json::{Map, Value, json};

/// What clients send where they have no token but must send one.
const NO_TOKEN: &str = "notused";

/// Where an object is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    container: Option<String>,
    object: Option<String>,
}

impl Place {
    /// What a code object says; an empty text says nothing.
    pub(super) fn of(code: &Map<String, Value>) -> Self {
        let part = |key| {
            let text = code.get("swift")?.get(key)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        Self {
            container: part("container"),
            object: part("object"),
        }
    }

    /// What a change says, over what was there.
    ///
    /// # Errors
    /// 400 when it says neither.
    pub(super) fn change(code: &Map<String, Value>, old: &Map<String, Value>) -> Result<Self, Fault> {
        let (new, old) = (Self::of(code), Self::of(old));
        if new == Self::default() {
            return Err(Fault::bad(
                "Either container or object must be provided for swift type function update.",
            ));
        }
        Ok(Self {
            container: new.container.or(old.container),
            object: new.object.or(old.object),
        })
    }

    /// The code object that is kept: what was sent, with the place it means.
    pub(super) fn write(&self, mut code: Map<String, Value>) -> Map<String, Value> {
        code.insert("source".to_owned(), "swift".into());
        let place = json!({"container": self.container, "object": self.object});
        code.insert("swift".to_owned(), place);
        code
    }

    /// Takes the object.
    ///
    /// # Errors
    /// 400 when a part is missing, there is no store, or it has no such object of a size that code may have.
    pub(super) async fn fetch(&self, app: &App, token: Option<String>) -> Result<NewCode, Fault> {
        let (Some(container), Some(object)) = (self.container.clone(), self.object.clone()) else {
            return Err(Fault::bad(
                "Both container and object must be provided for swift type function.",
            ));
        };
        if !app.has_object_store() {
            return Err(Fault::bad("Swift object not supported."));
        }
        let place = Object {
            container,
            object,
            token,
        };
        match app.fetch(SourceSpec::Object(place)).await {
            // It is a zip whatever the object is called.
            Ok(Upload { digest, .. }) => Ok(NewCode::Package(Upload {
                digest,
                file_name: Some("package.zip".to_owned()),
            })),
            Err(Error::NotFound(_) | Error::TooLarge(_)) => Err(Fault::bad("Failed to validate object in Swift.")),
            Err(other) => Err(other.into()),
        }
    }
}

/// A package beside an object would be sent in vain.
///
/// # Errors
/// 400 when there is one.
pub(super) fn refuse_package(form: &Form) -> Result<(), Fault> {
    match form.package {
        None => Ok(()),
        Some(_) => Err(Fault::bad("A swift function takes no package.")),
    }
}

/// The caller's token for the store. One that let the caller in here is no longer in the request.
pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    let token = headers.get("x-auth-token")?.to_str().ok()?;
    (!token.is_empty() && token != NO_TOKEN).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_change_keeps_the_part_that_it_does_not_name() {
        let old = object(json!({"source": "swift", "swift": {"container": "c", "object": "o"}, "mine": 1}));
        for (sent, kept) in [
            (json!({"container": "d"}), json!({"container": "d", "object": "o"})),
            (
                json!({"container": "", "object": "p"}),
                json!({"container": "c", "object": "p"}),
            ),
        ] {
            let changed = Place::change(&object(json!({ "swift": sent })), &old).expect("a change");
            let written = json!({"source": "swift", "swift": kept, "mine": 1});
            assert_eq!(changed.write(old.clone()), object(written));
        }
        for nothing in [
            json!({}),
            json!({"swift": {}}),
            json!({"swift": {"container": null, "object": ""}}),
        ] {
            let refused = Place::change(&object(nothing), &old).expect_err("nothing");
            assert_eq!(
                refused.message,
                "Either container or object must be provided for swift type function update."
            );
        }
    }

    #[test]
    fn a_token_that_stands_for_none_is_none() {
        for (sent, kept) in [("t", Some("t")), ("notused", None), ("", None)] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-auth-token"),
                HeaderValue::from_static(sent),
            )]);
            assert_eq!(token(&headers).as_deref(), kept, "{sent}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
