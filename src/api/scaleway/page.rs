//! Lists: which filters were asked for, in which order, and which page of it.
//!
//! A parameter that a list does not know is passed over: clients send some to lists that have no use for them.

use super::fault::Fault;
use crate::domain::Timestamp;
use std::collections::HashMap;

/// So many on a page when nothing is said.
const SIZE: usize = 20;
/// And at most.
const MOST: usize = 1000;

/// A list's query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(HashMap<String, String>);

impl Query {
    pub(super) fn read(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let said = pairs.filter(|(_, value)| !value.is_empty());
        Self(said.map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
    }

    /// A parameter, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a filter of that name lets the value through.
    pub(super) fn admits(&self, name: &str, value: &str) -> bool {
        self.get(name).is_none_or(|wanted| wanted == value)
    }

    /// Orders what was found and takes the page that was asked for out of it; answers how many there are in all.
    ///
    /// # Errors
    /// 400 for a page or an order that there is not.
    pub(super) fn page<T: Listed>(&self, mut found: Vec<T>) -> Result<(Vec<T>, usize), Fault> {
        self.order(&mut found)?;
        self.cut(found)
    }

    /// The page that was asked for of what is in order already.
    ///
    /// # Errors
    /// 400 for a page that there is not.
    pub(super) fn cut<T>(&self, found: Vec<T>) -> Result<(Vec<T>, usize), Fault> {
        let (page, size) = (
            self.number("page")?.unwrap_or(1),
            self.number("page_size")?.unwrap_or(SIZE),
        );
        let total = found.len();
        let size = size.min(MOST);
        let before = (page - 1).saturating_mul(size);
        Ok((found.into_iter().skip(before).take(size).collect(), total))
    }

    /// The same, but all of it unless a size of pages is named: what the lists within a namespace answer.
    ///
    /// # Errors
    /// As [`Query::page`].
    pub(super) fn page_or_all<T: Listed>(&self, mut found: Vec<T>) -> Result<(Vec<T>, usize), Fault> {
        if self.get("page_size").is_some() {
            return self.page(found);
        }
        self.order(&mut found)?;
        let total = found.len();
        Ok((found, total))
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number > 0);
        number
            .map(Some)
            .ok_or_else(|| Fault::argument(name, "a number from 1 on"))
    }

    fn order<T: Listed>(&self, found: &mut [T]) -> Result<(), Fault> {
        let order = self.get("order_by").unwrap_or("created_at_asc");
        match order {
            "created_at_asc" | "created_at_desc" => found.sort_by_cached_key(|one| one.made()),
            "name_asc" | "name_desc" | "hostname_asc" | "hostname_desc" => found.sort_by_cached_key(Listed::name),
            _ => {
                let orders = "created_at_asc, created_at_desc, name_asc or name_desc";
                return Err(Fault::argument("order_by", orders));
            }
        }
        if order.ends_with("_desc") {
            found.reverse();
        }
        Ok(())
    }
}

/// Something that lists are made of.
pub(super) trait Listed {
    /// When it was made, and what tells it from others of that moment.
    fn made(&self) -> (Timestamp, String);
    /// What it is called.
    fn name(&self) -> String;
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Listed for (i64, &'static str) {
        fn made(&self) -> (Timestamp, String) {
            (Timestamp::from_millis(self.0), self.1.to_owned())
        }

        fn name(&self) -> String {
            self.1.to_owned()
        }
    }

    fn page(query: &str) -> Option<(Vec<&'static str>, usize)> {
        let all = vec![(2, "a"), (1, "c"), (3, "b")];
        let (page, total) = Query::read(Some(query)).page(all).ok()?;
        Some((page.into_iter().map(|(_, name)| name).collect(), total))
    }

    #[test]
    fn pages_begin_at_one_and_end_empty() {
        for (query, names) in [
            ("", vec!["c", "a", "b"]),
            ("order_by=created_at_desc", vec!["b", "a", "c"]),
            ("order_by=name_asc", vec!["a", "b", "c"]),
            ("page=1&page_size=2", vec!["c", "a"]),
            ("page=2&page_size=2", vec!["b"]),
            ("page=3&page_size=2", vec![]),
            ("page=18446744073709551615&page_size=1000", vec![]),
        ] {
            assert_eq!(page(query), Some((names, 3)), "{query}");
        }
        for query in ["page=0", "page_size=x", "order_by=size"] {
            assert_eq!(page(query), None, "{query}");
        }
    }

    #[test]
    fn a_list_within_a_namespace_is_whole_unless_a_size_is_named() {
        let all = || (0..30).map(|n| (n, "x")).collect::<Vec<_>>();
        let count = |query| Query::read(Some(query)).page_or_all(all()).expect("good").0.len();
        assert_eq!((count(""), count("page_size=7")), (30, 7));
    }
}
