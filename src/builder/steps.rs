//! Steps of a build as files of several origins write them: lines of a shell, or the directives of a Dockerfile. Pure.
//!
//! On a base of the user's, the steps before the code is there are done to that base. Else every step runs after the code
//! is there. Directives that copy code, or say how an image is run, are left out.

use crate::domain::Step;

/// Where the steps before the code is there are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// On a base of the user's.
    OnBase,
    /// With the others, once the code is there.
    WithCode,
}

/// Steps of a build, and what they set in the environment of the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// What is done to the user's base.
    pub on_base: Vec<Step>,
    /// Commands of a shell, in their order.
    pub commands: Vec<String>,
    /// Names and values.
    pub env: Vec<(String, String)>,
    /// Directives that are not carried out, as they were written.
    pub left_out: Vec<String>,
}

impl Steps {
    /// Commands, line by line; those behind the first line that `is_mark` run after the code is there. Marks are no
    /// commands.
    #[must_use]
    pub fn of_commands(lines: &[&str], is_mark: fn(&str) -> bool, place: Before) -> Self {
        let n_before = lines.iter().take_while(|line| !is_mark(line)).count();
        let (before, after) = lines.split_at(n_before);
        let after: Vec<&str> = after.iter().copied().filter(|line| !is_mark(line)).collect();
        if place == Before::WithCode {
            return Self::of_lines(before.iter().chain(&after).copied());
        }
        let mut steps = Self::of_lines(after.iter().copied());
        for command in Self::of_lines(before.iter().copied()).commands {
            match Step::new("RUN", &command) {
                Ok(step) => steps.on_base.push(step),
                Err(_) => steps.left_out.push(format!("RUN {}", command.escape_debug())),
            }
        }
        steps
    }

    /// Directives by their kinds, in any case, and values: those before and those after the code is there.
    #[must_use]
    pub fn of_directives(before: &[(&str, &str)], after: &[(&str, &str)], place: Before) -> Self {
        let mut steps = Self::default();
        let mut around = String::new();
        for (kind, value) in before {
            match (place, Step::new(kind, value)) {
                (Before::OnBase, Ok(step)) => steps.on_base.push(step),
                (Before::OnBase, Err(_)) => steps.left_out.push(format!("{kind} {value}")),
                (Before::WithCode, _) => steps.add(&kind.to_ascii_uppercase(), value.trim(), &mut around),
            }
        }
        for (kind, value) in after {
            steps.add(&kind.to_ascii_uppercase(), value.trim(), &mut around);
        }
        steps
    }

    /// A line that ends with a backslash goes on in the next.
    fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
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

    /// Each command runs in a shell of its own: `around` is what the ones before it set up for all behind them.
    fn add(&mut self, kind: &str, value: &str, around: &mut String) {
        match kind {
            "RUN" => self.commands.push(format!("{around}{value}")),
            "ENV" => {
                for (name, value) in variables(value) {
                    around.push_str(&format!("export {name}={}\n", quoted(&value)));
                    self.env.push((name, value));
                }
            }
            "WORKDIR" => {
                let folder = quoted(value);
                around.push_str(&format!("mkdir -p {folder}\ncd {folder}\n"));
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
        let before = [
            ("ENV", "A=b C=\"d e\""),
            ("RUN", "first"),
            ("env", "PATH_TO /it's here"),
            ("WORKDIR", "/opt/x"),
        ];
        let after = [("RUN", " make "), ("USER", "root"), ("COPY", "a b")];
        let steps = Steps::of_directives(&before, &after, Before::WithCode);
        let env = [("A", "b"), ("C", "d e"), ("PATH_TO", "/it's here")];
        assert_eq!(steps.env, env.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let set = "export A='b'\nexport C='d e'\n";
        let more = "export PATH_TO='/it'\\''s here'\nmkdir -p '/opt/x'\ncd '/opt/x'\n";
        assert_eq!(steps.commands, [format!("{set}first"), format!("{set}{more}make")]);
        assert_eq!(steps.left_out, ["USER root", "COPY a b"]);
        assert!(steps.on_base.is_empty());
    }

    #[test]
    fn what_comes_before_the_code_is_done_to_the_users_base() {
        let before = [("ENV", "PATH=/x:$PATH"), ("run", "get"), ("USER", "root")];
        let steps = Steps::of_directives(&before, &[("RUN", "make")], Before::OnBase);
        let on_base: Vec<String> = steps.on_base.iter().map(Step::to_string).collect();
        assert_eq!(on_base, ["ENV PATH=/x:$PATH", "RUN get"]);
        assert_eq!(
            (steps.commands, steps.left_out),
            (vec!["make".to_owned()], vec!["USER root".to_owned()])
        );
        assert!(steps.env.is_empty(), "the image has it");
        let is_mark = |line: &str| line.starts_with('@');
        let lines = |place| Steps::of_commands(&["a && \\", "b", "@after", "c", "@after"], is_mark, place);
        assert_eq!(lines(Before::WithCode).commands, ["a && b", "c"]);
        let parted = lines(Before::OnBase);
        assert_eq!(parted.on_base, [Step::Run("a && b".to_owned())]);
        assert_eq!(parted.commands, ["c"]);
    }
}
