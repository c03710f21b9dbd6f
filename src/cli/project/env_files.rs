//! Reads `.env` files: `NAME=value` a line, quotes, comments, `${NAME}` of what came before.
//!
//! Does not say which file wins over which.

use std::collections::BTreeMap;

/// The files of a folder that are read; the later wins.
pub(super) const NAMES: [&str; 2] = [".env", ".env.local"];

/// The variables of a text with the lines they are in. `known` is what `${NAME}` may refer to beside the text itself.
///
/// Fails with the number of the line and what is wrong with it.
pub(super) fn parse(
    text: &str,
    known: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, (String, usize)>, (usize, String)> {
    let mut found: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let number = at + 1;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, rest) = line
            .split_once('=')
            .ok_or_else(|| (number, "has no `=`: write NAME=value".to_owned()))?;
        let name = name.trim_end();
        check_name(name).map_err(|why| (number, why))?;
        let mut value = rest.trim_start().to_owned();
        // A quoted value goes on until its quote ends.
        if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            while closing(&value, quote).is_none() {
                let (_, more) = lines
                    .next()
                    .ok_or_else(|| (number, format!("has a {quote} that does not end")))?;
                value.push('\n');
                value.push_str(more);
            }
        }
        let look = |name: &str| found.get(name).map(|(value, _)| value.clone()).or_else(|| known(name));
        let value = unquoted(&value, look);
        found.insert(name.to_owned(), (value, number));
    }
    Ok(found)
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(good) {
        return Err(format!("`{}` is no name of a variable", name.escape_debug()));
    }
    Ok(())
}

/// Where the quote that the value begins with ends.
fn closing(value: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// Single quotes mean what is between them; double quotes know `\n` and variables; else a comment ends the value.
fn unquoted(value: &str, look: impl Fn(&str) -> Option<String>) -> String {
    let quoted = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quoted.and_then(|quote| closing(value, quote)).map(|end| &value[1..end]);
    match (quoted, inner) {
        (Some('\''), Some(inner)) => inner.to_owned(),
        (Some(_), Some(inner)) => expanded(inner, true, look),
        _ => {
            let end = value.find(" #").or_else(|| value.starts_with('#').then_some(0));
            expanded(value[..end.unwrap_or(value.len())].trim_end(), false, look)
        }
    }
}

/// `${NAME}`, `${NAME:-default}` and `$NAME` are replaced, `\$` is a dollar.
fn expanded(text: &str, escapes: bool, look: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' if rest.starts_with('$') => take(&mut out, &mut rest, "$"),
            '\\' if escapes && rest.starts_with('n') => take(&mut out, &mut rest, "\n"),
            '\\' if escapes && rest.starts_with('t') => take(&mut out, &mut rest, "\t"),
            '\\' if escapes && rest.starts_with(['"', '\\']) => {
                let same = rest[..1].to_owned();
                take(&mut out, &mut rest, &same);
            }
            '$' => out.push_str(&variable(&mut rest, &look)),
            c => out.push(c),
        }
    }
    out
}

fn take(out: &mut String, rest: &mut &str, put: &str) {
    out.push_str(put);
    *rest = &rest[1..];
}

/// What follows a dollar; a lone dollar is one.
fn variable(rest: &mut &str, look: impl Fn(&str) -> Option<String>) -> String {
    if let Some((inner, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        *rest = after;
        let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
        return look(name)
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| default.to_owned());
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return "$".to_owned();
    }
    *rest = after;
    look(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> String {
        let known = |name: &str| (name == "OUT").then(|| "side".to_owned());
        let found = parse(&format!("A=one\n{line}\n"), known).expect("good");
        found["X"].0.clone()
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        for (line, expect) in [
            ("X=plain", "plain"),
            ("X=", ""),
            ("  export X = spaced  ", "spaced"),
            ("X=a=b#c", "a=b#c"),
            ("X=a # comment", "a"),
            ("X=# comment", ""),
            ("X='$A \"b\" # c' # d", "$A \"b\" # c"),
            ("X=\"a \\\"b\\\" \\n # c\"", "a \"b\" \n # c"),
            ("X=\"two\nlines\"", "two\nlines"),
            ("X=${A}-$A-${OUT}", "one-one-side"),
            ("X=${NO:-else}${NO}.", "else."),
            ("X=\\$A $ $1", "$A $ $1"),
            ("X=ünï", "ünï"),
        ] {
            assert_eq!(value(line), expect, "{line}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, line, word) in [
            ("A=1\nB", 2, "`=`"),
            ("\n# x\na b=1", 3, "`a b`"),
            ("A=\"never", 1, "does not end"),
            ("=1", 1, "no name"),
        ] {
            let (at, why) = parse(text, |_| None).expect_err("wrong");
            assert_eq!(at, line, "{text}");
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn each_variable_knows_its_line() {
        let found = parse("A='1\n2'\n\nB=3", |_| None).expect("good");
        assert_eq!((found["A"].1, found["B"].1), (1, 4));
    }
}
