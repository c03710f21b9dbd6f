//! Query parameters: which a list knows, and filters of the form `field=op:value`.
//!
//! Knows nothing of resources: a filter is asked about one value at a time.

use super::attributes::truth;
use super::fault::Fault;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Has,
}

/// A filter on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    field: String,
    operator: Operator,
    value: String,
}

/// The parameters of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    filters: Vec<Filter>,
    /// Every project's resources; what is not a boolean is false.
    pub(super) all_projects: bool,
}

impl Query {
    /// Reads a query string; `fields` are those that may be filtered by. `project_id` and `all_projects` are
    /// known to every list that knows any.
    ///
    /// # Errors
    /// 400 for an unknown parameter.
    pub(super) fn read(query: &str, fields: &[&str]) -> Result<Self, Fault> {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "all_projects" if !fields.is_empty() => {
                    read.all_projects = truth(&value.to_lowercase()).unwrap_or(false);
                }
                field if fields.contains(&field) => read.filters.push(Filter::parse(field, &value)),
                unknown => return Err(Fault::bad(format!("Unknown argument: \"{unknown}\""))),
            }
        }
        Ok(read)
    }

    /// Whether somebody asked for a project by its id.
    pub(super) fn names_a_project(&self) -> bool {
        self.filters.iter().any(|f| f.field == "project_id")
    }

    /// Forgets filters on a field.
    pub(super) fn forget(&mut self, field: &str) {
        self.filters.retain(|f| f.field != field);
    }

    /// The one value a field must have, where a filter says so: to ask the store for less.
    pub(super) fn exactly(&self, field: &str) -> Option<&str> {
        let mut exact = self.filters.iter().filter(|f| f.operator == Operator::Equal);
        exact.find(|f| f.field == field).map(|f| f.value.as_str())
    }

    /// Whether a resource passes; `value_of` answers a field's text, `None` where it is null.
    pub(super) fn admits<'v>(&self, value_of: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.filters.iter().all(|f| f.admits(value_of(&f.field)))
    }
}

impl Filter {
    fn parse(field: &str, text: &str) -> Self {
        let (operator, value) = match text.split_once(':') {
            Some((word, rest)) => match Operator::parse(word, rest) {
                Some(operator) => (operator, rest),
                None => (Operator::Equal, text),
            },
            None => (Operator::Equal, text),
        };
        Self {
            field: field.to_owned(),
            operator,
            value: value.to_owned(),
        }
    }

    /// As in SQL, no comparison holds for null.
    fn admits(&self, value: Option<&str>) -> bool {
        let Some(value) = value else { return false };
        let wanted = self.value.as_str();
        match &self.operator {
            Operator::In(list) => list.iter().any(|v| v == value),
            Operator::NotIn(list) => list.iter().all(|v| v != value),
            Operator::Equal => value == wanted,
            Operator::NotEqual => value != wanted,
            Operator::Greater => value > wanted,
            Operator::GreaterOrEqual => value >= wanted,
            Operator::Less => value < wanted,
            Operator::LessOrEqual => value <= wanted,
            Operator::Has => value.to_lowercase().contains(&wanted.to_lowercase()),
        }
    }
}

impl Operator {
    fn parse(word: &str, value: &str) -> Option<Self> {
        let list = || value.split(',').map(str::to_owned).collect();
        Some(match word {
            "in" => Self::In(list()),
            "nin" => Self::NotIn(list()),
            "eq" => Self::Equal,
            "neq" => Self::NotEqual,
            "gt" => Self::Greater,
            "gte" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "lte" => Self::LessOrEqual,
            "has" => Self::Has,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(filter: &str, value: Option<&str>) -> bool {
        let query = Query::read(&format!("status={filter}"), &["status"]).expect("known");
        query.admits(|_| value)
    }

    #[test]
    fn each_operator_compares_as_upstream_does() {
        for (filter, value, passes) in [
            ("a", Some("a"), true),
            ("foo:bar", Some("foo:bar"), true),
            ("eq:a", Some("a"), true),
            ("neq:a", Some("b"), true),
            ("neq:a", None, false),
            ("in:a,b", Some("b"), true),
            ("nin:a,b", Some("b"), false),
            ("nin:a,b", None, false),
            ("gt:a", Some("b"), true),
            ("gte:b", Some("b"), true),
            ("lt:b", Some("b"), false),
            ("lte:b", Some("b"), true),
            ("has:IDD", Some("middle"), true),
            ("has:x", Some("middle"), false),
        ] {
            assert_eq!(admits(filter, value), passes, "{filter} {value:?}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        let fault = Query::read("limit=1", &["status"]).expect_err("unknown");
        assert_eq!(fault.message, "Unknown argument: \"limit\"");
        let none = Query::read("all_projects=true", &[]).expect_err("no parameters at all");
        assert_eq!(none.message, "Unknown argument: \"all_projects\"");
    }

    #[test]
    fn a_word_that_is_no_boolean_asks_for_the_own_project() {
        let query = |text| Query::read(text, &["project_id"]).expect("known");
        assert!(query("all_projects=True").all_projects);
        assert!(!query("all_projects=zz").all_projects);
        assert!(query("project_id=p").names_a_project());
        assert_eq!(query("project_id=eq:p").exactly("project_id"), Some("p"));
    }
}
