//! From a name as it is given here, any text or none, to one that the core takes.

use crate::domain::{Error, FunctionName};

/// What a function without a name is called.
const NAMELESS: &str = "function";
/// Leaves room for a dash and eight digits.
const LONGEST: usize = 54;

/// The name as it is, where the core takes it.
pub(super) fn as_given(given: Option<&str>) -> Option<FunctionName> {
    FunctionName::parse(given?).ok()
}

/// A name that nobody has: what can be kept of the given one, and eight random digits.
///
/// # Errors
/// None: what is left of any text is a name.
pub(super) fn made_unique(given: Option<&str>) -> Result<FunctionName, Error> {
    let kept = cleaned(given.unwrap_or_default());
    let base = if kept.is_empty() { NAMELESS } else { &kept };
    let digits = uuid::Uuid::new_v4().simple().to_string();
    FunctionName::parse(&format!("{base}-{}", &digits[..8]))
}

fn cleaned(given: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let replaced: String = given.chars().take(LONGEST).map(allowed).collect();
    replaced.trim_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name_that_begins_like_it() {
        let long = "x".repeat(200);
        for (given, begins) in [
            (None, "function-"),
            (Some(""), "function-"),
            (Some("日本"), "function-"),
            (Some("my function!"), "my-function-"),
            (Some("../x"), "x-"),
            (Some("hello"), "hello-"),
            (Some(long.as_str()), "xxxxx"),
        ] {
            let name = made_unique(given).expect("a name");
            assert!(name.as_str().starts_with(begins), "{name}");
        }
        let twice = [(); 2].map(|()| made_unique(Some("f")).expect("a name"));
        assert_ne!(twice[0], twice[1]);
        assert_eq!(as_given(Some("a b")), None);
        assert!(as_given(Some("hello")).is_some());
    }
}
