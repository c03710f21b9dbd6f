//! Which lines of two texts differ. Pure.
//!
//! The longest common part in the middle, found in time and memory of the product of both: for what fits a screen.

use std::fmt;

/// More lines than this on either side are not compared one by one.
const LARGEST: usize = 1_000;

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// In both.
    Same(String),
    /// In the first only.
    Gone(String),
    /// In the second only.
    New(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(text) => write!(f, "  {text}"),
            Self::Gone(text) => write!(f, "- {text}"),
            Self::New(text) => write!(f, "+ {text}"),
        }
    }
}

/// The lines of both, in order.
pub(crate) fn lines(before: &str, now: &str) -> Vec<Line> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), now.lines().collect());
    let alike = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (head, old, new) = (&old[..alike], &old[alike..], &new[alike..]);
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, tail) = old.split_at(old.len() - tail);
    let new = &new[..new.len() - tail.len()];
    let same = |text: &&str| Line::Same((*text).to_owned());
    let mut all: Vec<_> = head.iter().map(same).collect();
    all.extend(middle(old, new));
    all.extend(tail.iter().map(same));
    all
}

fn middle(old: &[&str], new: &[&str]) -> Vec<Line> {
    let gone = |text: &&str| Line::Gone((*text).to_owned());
    let fresh = |text: &&str| Line::New((*text).to_owned());
    if old.len() > LARGEST || new.len() > LARGEST {
        return old.iter().map(gone).chain(new.iter().map(fresh)).collect();
    }
    let common = common(old, new);
    let (mut at, mut to, mut all) = (0, 0, Vec::new());
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            all.push(Line::Same(old[at].to_owned()));
            (at, to) = (at + 1, to + 1);
        } else if to == new.len() || (at < old.len() && common[at + 1][to] >= common[at][to + 1]) {
            all.push(gone(&old[at]));
            at += 1;
        } else {
            all.push(fresh(&new[to]));
            to += 1;
        }
    }
    all
}

/// How many lines what is left of both has in common, for every two places in them.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            table[at][to] = if old[at] == new[to] {
                table[at + 1][to + 1] + 1
            } else {
                table[at + 1][to].max(table[at][to + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, now: &str) -> String {
        let all: Vec<_> = lines(before, now).iter().map(Line::to_string).collect();
        all.join("|")
    }

    #[test]
    fn lines_in_both_stay_and_the_others_go_or_come() {
        for (before, now, expect) in [
            ("", "", ""),
            ("a\nb", "a\nb", "  a|  b"),
            ("a\nb\nc", "a\nx\nc", "  a|- b|+ x|  c"),
            ("a", "a\nb", "  a|+ b"),
            ("b\na", "a", "- b|  a"),
            ("a\nb\nc\nd", "b\nx\nd", "- a|  b|- c|+ x|  d"),
            ("", "a", "+ a"),
        ] {
            assert_eq!(shown(before, now), expect, "{before:?} {now:?}");
        }
    }

    #[test]
    fn very_long_texts_are_not_compared_line_by_line() {
        let (old, new) = ("a\n".repeat(LARGEST + 1), "b\n".repeat(LARGEST + 1));
        assert_eq!(lines(&old, &new).len(), 2 * (LARGEST + 1));
    }
}
