//! What the README and SECURITY.md promise, held by tests that are there.

use crate::support::root;

/// Names of tests in a text, as `path/to/file.rs::name`.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.split_once(".rs::")).collect()
}

#[test]
fn each_promise_names_a_test_that_is_there() {
    for (paper, at_least) in [("README.md", 10), (".github/SECURITY.md", 15)] {
        let text = std::fs::read_to_string(root().join(paper)).expect(paper);
        let named = named_tests(&text);
        assert!(named.len() >= at_least, "{paper} names {} tests", named.len());
        for (file, test) in named {
            let source = std::fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
            assert!(
                source.contains(&format!("fn {test}(")),
                "{paper}: {file}.rs has no test {test}"
            );
        }
    }
}
