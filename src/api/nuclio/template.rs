//! Texts with gaps, as Go's `text/template` writes them: `{{ .field }}`, `if`, `else`, `range`, `end`. Pure.
//!
//! Not there: pipelines, functions but `not`, `eq`, `ne`, `default` and `quote`, variables, and templates in templates.

use serde_json::Value;
use std::fmt::Write;

/// What a filled text may come to. Unit: bytes.
const LARGEST: usize = 1024 * 1024;
/// How deep blocks may lie in each other.
const DEEPEST: usize = 50;

/// Fills a template's gaps with values.
///
/// # Errors
/// A sentence about what cannot be read, or is too large.
pub(super) fn render(template: &str, values: &Value) -> Result<String, String> {
    let tokens = tokens(template)?;
    let (nodes, rest) = parse(&tokens, 0)?;
    if let Some(token) = rest.first() {
        return Err(format!("template: unexpected {}", token.shown()));
    }
    let mut out = String::new();
    write_all(&nodes, values, values, &mut out)?;
    Ok(out)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'t> {
    Text(&'t str),
    Action(&'t str),
}

impl Token<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Action(action) => format!("{{{{{action}}}}}"),
        }
    }
}

/// `{{-` and `-}}` eat the white space beside them.
fn tokens(mut rest: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    while let Some(start) = rest.find("{{") {
        let (mut text, after) = (&rest[..start], &rest[start + 2..]);
        let end = after.find("}}").ok_or("template: unclosed action")?;
        let (mut action, mut next) = (&after[..end], &after[end + 2..]);
        if let Some(inner) = action.strip_prefix("- ") {
            (action, text) = (inner, text.trim_end());
        }
        if let Some(inner) = action.strip_suffix(" -") {
            (action, next) = (inner, next.trim_start());
        }
        tokens.push(Token::Text(text));
        if !action.trim_start().starts_with("/*") {
            tokens.push(Token::Action(action.trim()));
        }
        rest = next;
    }
    tokens.push(Token::Text(rest));
    Ok(tokens)
}

#[derive(Debug)]
enum Node<'t> {
    Text(&'t str),
    Value(&'t str),
    If(&'t str, Vec<Node<'t>>, Vec<Node<'t>>),
    Range(&'t str, Vec<Node<'t>>, Vec<Node<'t>>),
}

type Parsed<'t, 's> = (Vec<Node<'t>>, &'s [Token<'t>]);

/// Reads until `else` or `end`, which stay.
fn parse<'t, 's>(mut tokens: &'s [Token<'t>], depth: usize) -> Result<Parsed<'t, 's>, String> {
    if depth > DEEPEST {
        return Err("template: blocks lie too deep in each other".to_owned());
    }
    let mut nodes = Vec::new();
    while let Some((token, rest)) = tokens.split_first() {
        let action = match token {
            Token::Text(text) => {
                nodes.push(Node::Text(text));
                tokens = rest;
                continue;
            }
            Token::Action(action) => *action,
        };
        if action == "end" || action == "else" || action.starts_with("else ") {
            break;
        }
        tokens = match action.split_once(' ').unwrap_or((action, "")) {
            ("if", condition) => {
                let (then, otherwise, rest) = block(rest, depth)?;
                nodes.push(Node::If(condition, then, otherwise));
                rest
            }
            ("range", list) => {
                let (each, none, rest) = block(rest, depth)?;
                nodes.push(Node::Range(list, each, none));
                rest
            }
            _ => {
                nodes.push(Node::Value(action));
                rest
            }
        };
    }
    Ok((nodes, tokens))
}

type Block<'t, 's> = (Vec<Node<'t>>, Vec<Node<'t>>, &'s [Token<'t>]);

/// What is between an action and its `end`, parted by `else`.
fn block<'t, 's>(tokens: &'s [Token<'t>], depth: usize) -> Result<Block<'t, 's>, String> {
    let (then, rest) = parse(tokens, depth + 1)?;
    match rest.split_first() {
        Some((Token::Action("end"), rest)) => Ok((then, Vec::new(), rest)),
        Some((Token::Action("else"), rest)) => {
            let (otherwise, rest) = parse(rest, depth + 1)?;
            match rest.split_first() {
                Some((Token::Action("end"), rest)) => Ok((then, otherwise, rest)),
                _ => Err("template: else without end".to_owned()),
            }
        }
        Some((Token::Action(action), rest)) if action.starts_with("else if ") => {
            let (inner, otherwise, rest) = block(rest, depth + 1)?;
            let chained = Node::If(&action["else if ".len()..], inner, otherwise);
            Ok((then, vec![chained], rest))
        }
        _ => Err("template: unexpected EOF: a block has no end".to_owned()),
    }
}

fn write_all(nodes: &[Node<'_>], dot: &Value, root: &Value, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Value(expression) => write_value(&value(expression, dot, root)?, out),
            Node::If(condition, then, otherwise) => {
                let branch = if holds(&value(condition, dot, root)?) {
                    then
                } else {
                    otherwise
                };
                write_all(branch, dot, root, out)?;
            }
            Node::Range(list, each, none) => match value(list, dot, root)? {
                Value::Array(items) if !items.is_empty() => {
                    items.iter().try_for_each(|item| write_all(each, item, root, out))?;
                }
                Value::Object(items) if !items.is_empty() => {
                    items.values().try_for_each(|item| write_all(each, item, root, out))?;
                }
                _ => write_all(none, dot, root, out)?,
            },
        }
        if out.len() > LARGEST {
            return Err(format!("template: the text is over the limit of {LARGEST} bytes"));
        }
    }
    Ok(())
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Null => out.push_str("<no value>"),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// As Go has it: what is empty or zero does not hold.
fn holds(value: &Value) -> bool {
    !super::schema::is_empty(value)
}

/// A field, a literal, or one of a few functions of these.
fn value(expression: &str, dot: &Value, root: &Value) -> Result<Value, String> {
    let words = words(expression)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let one = |word: &str| operand(word, dot, root);
    match words[..] {
        ["not", a] => Ok(Value::Bool(!holds(&one(a)?))),
        ["eq", a, b] => Ok(Value::Bool(one(a)? == one(b)?)),
        ["ne", a, b] => Ok(Value::Bool(one(a)? != one(b)?)),
        ["quote", a] => Ok(Value::String(one(a)?.to_string())),
        ["default", a, b] => Ok(if holds(&one(b)?) { one(b)? } else { one(a)? }),
        [a] => one(a),
        _ => Err(format!("template: `{expression}` is not understood")),
    }
}

/// Parted by blanks, but for those between quotation marks.
fn words(expression: &str) -> Result<Vec<String>, String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in expression.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        match c {
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    match quoted {
        true => Err(format!("template: unterminated quoted string in `{expression}`")),
        false => Ok(words),
    }
}

fn operand(word: &str, dot: &Value, root: &Value) -> Result<Value, String> {
    let (from, path) = match word.strip_prefix('$') {
        Some(path) => (root, path),
        None => (dot, word),
    };
    if let Some(path) = path.strip_prefix('.') {
        let mut parts = path.split('.').filter(|part| !part.is_empty());
        let found = parts.try_fold(from, |value, part| value.get(part));
        return Ok(found.cloned().unwrap_or(Value::Null));
    }
    serde_json::from_str(word).map_err(|_| format!("template: function \"{word}\" not defined"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &str) -> Result<String, String> {
        let values = json!({"name": "f", "n": 2, "list": ["a", "b"], "none": [], "in": {"deep": "d"}, "yes": true});
        render(template, &values)
    }

    #[test]
    fn gaps_are_filled() {
        for (template, expected) in [
            ("plain", "plain"),
            ("{{ .name }}:{{.n}} {{ .in.deep }}", "f:2 d"),
            ("{{ .missing }}", "<no value>"),
            ("{{ if .yes }}a{{ else }}b{{ end }}", "a"),
            ("{{ if not .yes }}a{{ else if eq .n 2 }}c{{ else }}b{{ end }}", "c"),
            ("{{ range .list }}[{{ . }} {{ $.name }}]{{ end }}", "[a f][b f]"),
            ("{{ range .none }}x{{ else }}nothing{{ end }}", "nothing"),
            ("a {{- /* said */ -}} b", "ab"),
            ("x\n  {{- if .yes }} y{{ end -}}\n z", "x yz"),
            ("{{ default \"a b\" .missing }} {{ quote .name }}", "a b \"f\""),
        ] {
            assert_eq!(filled(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for template in [
            "{{ .name",
            "{{ if .yes }}a",
            "{{ end }}",
            "{{ nothing .name }}",
            "{{ if .yes }}{{ else }}{{ else }}{{ end }}",
            "{{ \"open }}",
            &"{{ if .yes }}".repeat(100),
        ] {
            assert!(filled(template).is_err(), "{template}");
        }
    }
}
