//! What people write for a runtime: `family`, `family:1.2`, `family@1.2`, `family1.2`, `family12`. Pure, and a rule, no
//! table: a family's name or alias, then digits with or without dots.
//!
//! Does not know which versions can be had on this machine: the builder does.

use super::{Family, Version};

/// The family and the version that are meant; exact words win over the rule.
pub(super) fn find<'f>(families: &'f [Family], asked: &str) -> Option<(&'f Family, &'f Version)> {
    let asked = asked.trim().to_ascii_lowercase();
    let in_family = |f: &'f Family| {
        let versions = f.names().filter_map(|name| version_after(name, &asked));
        let mut found = versions.filter_map(|wanted| Some((f, f.version(wanted)?)));
        found.next()
    };
    families.iter().find_map(in_family)
}

/// The family and the version nearest to the retired one that is meant: the next higher on offer, else the highest.
pub(super) fn find_retired<'f>(families: &'f [Family], asked: &str) -> Option<(&'f Family, &'f Version)> {
    let asked = asked.trim().to_ascii_lowercase();
    let in_family = |f: &'f Family| {
        let wanted = f
            .names()
            .find_map(|name| retired_after(&f.manifest.retired, name, &asked))?;
        Some((f, nearest(&f.manifest.version, wanted)?))
    };
    families.iter().find_map(in_family)
}

fn retired_after<'f>(retired: &'f [String], name: &str, asked: &str) -> Option<&'f String> {
    let wanted = version_after(name, asked)?;
    retired.iter().find(|v| *v == wanted || v.replace('.', "") == wanted)
}

fn nearest<'f>(versions: &'f [Version], wanted: &str) -> Option<&'f Version> {
    let wanted = numbers(wanted);
    let later = versions.iter().filter(|v| numbers(&v.name) >= wanted);
    later
        .min_by_key(|v| numbers(&v.name))
        .or_else(|| versions.iter().max_by_key(|v| numbers(&v.name)))
}

/// What follows a name: nothing (an empty text), or a version.
fn version_after<'a>(name: &str, asked: &'a str) -> Option<&'a str> {
    let rest = asked.strip_prefix(name)?;
    let version = rest.strip_prefix([':', '@']).unwrap_or(rest);
    let separated = version.len() < rest.len();
    let numeric = version.starts_with(|c: char| c.is_ascii_digit());
    let good = match separated {
        true => !version.is_empty(),
        false => version.is_empty() || numeric && version.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
    };
    good.then_some(version)
}

/// The version that is meant by `wanted`: the name itself, the name without its dots, the beginning of a name (the
/// default before others, then the highest), or a name with further numbers behind it.
pub(super) fn version<'f>(versions: &'f [Version], default: &str, wanted: &str) -> Option<&'f Version> {
    let wanted = if wanted.is_empty() { default } else { wanted };
    let begins = |longer: &str, shorter: &str| longer.strip_prefix(shorter).is_some_and(|rest| rest.starts_with('.'));
    let begun = || {
        let matching = versions.iter().filter(|v| begins(&v.name, wanted));
        matching.max_by_key(|v| (v.name == default, numbers(&v.name)))
    };
    let exact = versions.iter().find(|v| v.name == wanted);
    exact
        .or_else(|| versions.iter().find(|v| v.name.replace('.', "") == wanted))
        .or_else(begun)
        .or_else(|| versions.iter().find(|v| begins(wanted, &v.name)))
}

/// A version as numbers, to compare with others.
#[must_use]
pub fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions() -> Vec<Version> {
        let version = |name: &str| Version {
            name: name.to_owned(),
            base: format!("base:{name}"),
        };
        ["3.9", "3.11", "3.12", "20", "1.22"].map(version).into()
    }

    #[test]
    fn a_version_is_known_by_its_name_its_digits_its_beginning_and_its_patches() {
        for (wanted, expect) in [
            ("", Some("3.11")),
            ("3.12", Some("3.12")),
            ("312", Some("3.12")),
            ("39", Some("3.9")),
            ("3", Some("3.11")),
            ("3.12.4", Some("3.12")),
            ("20", Some("20")),
            ("20.11.1", Some("20")),
            ("122", Some("1.22")),
            ("1", Some("1.22")),
            ("3.1", None),
            ("3.120", None),
            ("4", None),
            ("latest", None),
        ] {
            let all = versions();
            let found = version(&all, "3.11", wanted).map(|v| v.name.as_str());
            assert_eq!(found, expect, "{wanted}");
        }
    }

    #[test]
    fn a_beginning_means_the_highest_where_the_default_begins_otherwise() {
        let all = versions();
        assert_eq!(version(&all, "20", "3").map(|v| v.name.as_str()), Some("3.12"));
    }

    #[test]
    fn a_retired_version_means_the_next_one_on_offer_or_the_last() {
        let all = versions();
        for (wanted, expect) in [("3.10", "3.11"), ("2.7", "3.9"), ("8", "20"), ("24", "20")] {
            assert_eq!(nearest(&all, wanted).map(|v| v.name.as_str()), Some(expect), "{wanted}");
        }
        let retired = ["3.10", "8"].map(str::to_owned);
        for (asked, found) in [
            ("one310", Some("3.10")),
            ("one:3.10", Some("3.10")),
            ("one8", Some("8")),
            ("one9", None),
        ] {
            assert_eq!(
                retired_after(&retired, "one", asked).map(String::as_str),
                found,
                "{asked}"
            );
        }
    }

    #[test]
    fn what_follows_a_name_is_nothing_or_a_version() {
        for (asked, expect) in [
            ("one", Some("")),
            ("one:1.2", Some("1.2")),
            ("one@1.2", Some("1.2")),
            ("one:next", Some("next")),
            ("one1.2", Some("1.2")),
            ("one12", Some("12")),
            ("one:", None),
            ("one.2", None),
            ("oneself", None),
            ("one1x", None),
            ("two", None),
        ] {
            assert_eq!(version_after("one", asked), expect, "{asked}");
        }
    }
}
