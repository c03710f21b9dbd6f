//! Names as this API has them, and the core's names for the same functions. Pure.
//!
//! Source: the contract's sections 2.3 and 4.2 (Kubernetes' rules).

use super::fault::Fault;
use crate::domain::{Error, FunctionName};
use sha2::{Digest, Sha256};

/// Names that upstream keeps for its own services.
const RESERVED: [&str; 4] = ["dashboard", "controller", "dlx", "scaler"];
/// Longest part of a name. Unit: bytes.
const LONGEST: usize = 63;

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// What is wrong with a name of functions and the keys of labels; nothing, mostly. A prefix with `/` is refused: it
/// would not fit into addresses.
pub(super) fn qualified_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.contains('/') {
        errors.push(format!(
            "{QUALIFIED} without '/': functions have addresses made of their names"
        ));
        return errors;
    }
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LONGEST {
        errors.push(format!("name part must be no more than {LONGEST} characters"));
    }
    if !has_form(name, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        errors.push(QUALIFIED.to_owned());
    }
    errors
}

/// What is wrong with a name of projects and gateways.
pub(super) fn label_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > LONGEST {
        errors.push(format!("must be no more than {LONGEST} characters"));
    }
    let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !has_form(name, small) {
        errors.push(LABEL.to_owned());
    }
    errors
}

fn has_form(name: &str, inside: impl Fn(char) -> bool) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(name.chars().next()) && edge(name.chars().next_back()) && name.chars().all(inside)
}

/// Whether a name is kept for upstream's own services.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Checks the name of a function on its way in.
///
/// # Errors
/// 400 when it is missing or no name, 412 when it is reserved.
pub(super) fn check_function(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::bad("Function name must be provided in metadata"));
    }
    let errors = qualified_errors(name);
    if !errors.is_empty() {
        let errors = errors.join(", ");
        return Err(Fault::bad(format!(
            "Function name doesn't conform to k8s naming convention. Errors: {errors}"
        )));
    }
    if is_reserved(name) {
        return Err(Fault::unmet(format!(
            "Function name {name} is reserved and cannot be used."
        )));
    }
    Ok(())
}

/// What the core calls a function: the same, or, where it has dots, something like it that no other name leads to.
///
/// # Errors
/// `Invalid` for what is no name at all.
pub(super) fn in_core(name: &str) -> Result<FunctionName, Error> {
    if !name.contains('.') {
        return FunctionName::parse(name);
    }
    let sum = Sha256::digest(name.as_bytes());
    let hex = hex::encode(&sum[..4]);
    let readable: String = name.chars().take(LONGEST - 9).collect();
    FunctionName::parse(&format!("{}-{hex}", readable.replace('.', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn functions_have_qualified_names_and_projects_have_labels() {
        for (name, function, project) in [
            ("hello", true, true),
            ("Hello_2.x", true, false),
            ("a", true, true),
            ("", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("!funcmylif&", false, false),
            ("a/b", false, false),
            (&"x".repeat(64), false, false),
        ] {
            assert_eq!(qualified_errors(name).is_empty(), function, "{name}");
            assert_eq!(label_errors(name).is_empty(), project, "{name}");
        }
    }

    #[test]
    fn a_wrong_name_is_said_in_upstreams_words() {
        let fault = check_function("!funcmylif&").expect_err("no name");
        assert_eq!(fault.status, StatusCode::BAD_REQUEST);
        let begin = "Function name doesn't conform to k8s naming convention. Errors: name part must consist of";
        assert!(fault.message.starts_with(begin), "{}", fault.message);
        assert_eq!(
            check_function("dlx").expect_err("reserved").status,
            StatusCode::PRECONDITION_FAILED
        );
        assert_eq!(
            check_function(""),
            Err(Fault::bad("Function name must be provided in metadata"))
        );
    }

    #[test]
    fn the_core_has_a_name_for_each_function_and_no_two_share_one() {
        assert_eq!(in_core("hello_X").expect("a name").as_str(), "hello_X");
        let dotted = in_core("my.name").expect("a name");
        assert!(dotted.as_str().starts_with("my-name-"), "{dotted}");
        assert_ne!(dotted, in_core("my.name2").expect("a name"));
        assert!(in_core(&format!("{}.a", "x".repeat(61))).is_ok());
    }
}
