//! Steps of a build as files of several origins write them: lines of a shell, or the directives of a Dockerfile. Pure.
//!
//! Every step runs after the code is there: directives that copy it, or say how an image is run, are left out.

/// Steps of a build, and what they set in the environment of the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Commands of a shell, in their order.
    pub commands: Vec<String>,
    /// Names and values.
    pub env: Vec<(String, String)>,
    /// Directives that are not carried out, as they were written.
    pub left_out: Vec<String>,
}

impl Steps {
    /// Commands, line by line; a line that ends with a backslash goes on in the next.
    pub fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut commands = Vec::new();
        let mut begun = String::new();
        for line in lines.into_iter().map(str::trim) {
            match line.strip_suffix('\\') {
                Some(part) => begun.push_str(part),
                None => commands.push(std::mem::take(&mut begun) + line),
            }
        }
        commands.push(begun);
        commands.retain(|command| !command.trim().is_empty());
        Self {
            commands,
            ..Self::default()
        }
    }

    /// Directives by their kinds, in any case, and values.
    pub fn of_directives<'a>(directives: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut steps = Self::default();
        for (kind, value) in directives {
            steps.add(&kind.to_ascii_uppercase(), value.trim());
        }
        steps
    }

    fn add(&mut self, kind: &str, value: &str) {
        match kind {
            "RUN" => self.commands.push(value.to_owned()),
            "ENV" => {
                for (name, value) in variables(value) {
                    self.commands.push(format!("export {name}={}", quoted(&value)));
                    self.env.push((name, value));
                }
            }
            "WORKDIR" => {
                let folder = quoted(value);
                self.commands.push(format!("mkdir -p {folder} && cd {folder}"));
            }
            kind => self.left_out.push(format!("{kind} {value}")),
        }
    }
}

/// `A=b C="d e"`, or `A b` as one variable.
fn variables(text: &str) -> Vec<(String, String)> {
    let bare = |value: &str| value.trim_matches('"').trim_matches('\'').to_owned();
    let words = words(text);
    match text.split_once(char::is_whitespace) {
        Some((name, value)) if !name.contains('=') => vec![(name.to_owned(), bare(value.trim()))],
        _ => {
            let pairs = words.iter().filter_map(|word| word.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), bare(value))).collect()
        }
    }
}

/// Words parted by blanks, except those between quotation marks.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (None, ' ' | '\t') => words.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_behind_a_backslash() {
        for (lines, expect) in [
            ("a && \\|b||c", "a && b|c"),
            ("a \\|  b \\  |c", "a b c"),
            ("a|b \\", "a|b "),
            (" \\|", ""),
        ] {
            let steps = Steps::of_lines(lines.split('|'));
            assert_eq!(steps.commands.join("|"), expect, "{lines}");
        }
    }

    #[test]
    fn directives_are_commands_variables_and_what_cannot_be_done() {
        let steps = Steps::of_directives([
            ("ENV", "A=b C=\"d e\""),
            ("env", "PATH_TO /it's here"),
            ("WORKDIR", "/opt/x"),
            ("RUN", " make "),
            ("USER", "root"),
            ("COPY", "a b"),
        ]);
        let env = [("A", "b"), ("C", "d e"), ("PATH_TO", "/it's here")];
        assert_eq!(steps.env, env.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(steps.commands[2], "export PATH_TO='/it'\\''s here'");
        assert_eq!(steps.commands[3..], ["mkdir -p '/opt/x' && cd '/opt/x'", "make"]);
        assert_eq!(steps.left_out, ["USER root", "COPY a b"]);
    }
}
