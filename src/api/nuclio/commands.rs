//! What a configuration asks to be done while its image is built, as commands of a shell. Pure.
//!
//! Source: the contract's section 11.3. Other than upstream, every step runs after the code is there: steps that copy
//! it, or say what is run, have nothing to do here.

use super::config::{Build, Directive};

/// In a list of commands: what follows runs after the code is there. Here everything does.
const AFTER_COPY: &str = "@nuclio.postCopy";

/// Steps of a build, and what they set in the environment of the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) commands: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// Steps that are not carried out, as they were written.
    pub(super) left_out: Vec<String>,
}

/// The steps of a build; commands stand in place of directives.
pub(super) fn steps(build: &Build) -> Steps {
    if !build.commands.is_empty() {
        let commands = joined(&build.commands);
        return Steps {
            commands,
            ..Steps::default()
        };
    }
    let directives = build.directives.pre_copy.iter().chain(&build.directives.post_copy);
    let mut steps = Steps::default();
    directives.for_each(|directive| steps.add(directive));
    steps
}

/// A line that ends with a backslash goes on in the next.
fn joined(lines: &[String]) -> Vec<String> {
    let mut commands = Vec::new();
    let mut begun = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match line.strip_suffix('\\') {
            _ if line == AFTER_COPY => {}
            Some(part) => begun.push_str(part),
            None => commands.push(std::mem::take(&mut begun) + line),
        }
    }
    commands.push(begun);
    commands.retain(|command| !command.trim().is_empty());
    commands
}

impl Steps {
    fn add(&mut self, directive: &Directive) {
        let value = directive.value.trim();
        match directive.kind.to_ascii_uppercase().as_str() {
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
            "LABEL" | "USER" | "EXPOSE" | "STOPSIGNAL" | "SHELL" => {}
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
    use super::super::config::Directives;
    use super::*;

    fn directive(kind: &str, value: &str) -> Directive {
        Directive {
            kind: kind.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn commands_go_on_behind_a_backslash_and_stand_in_place_of_directives() {
        let build = Build {
            commands: [
                "apt-get update && \\",
                "apt-get install x",
                "@nuclio.postCopy",
                "",
                "pip install y",
            ]
            .map(str::to_owned)
            .to_vec(),
            directives: Directives {
                pre_copy: vec![directive("RUN", "never")],
                ..Directives::default()
            },
            ..Build::default()
        };
        let steps = steps(&build);
        assert_eq!(steps.commands, ["apt-get update && apt-get install x", "pip install y"]);
    }

    #[test]
    fn directives_are_commands_variables_and_what_cannot_be_done() {
        let pre_copy = [
            ("ENV", "A=b C=\"d e\""),
            ("env", "PATH_TO /it's here"),
            ("WORKDIR", "/opt/x"),
            ("RUN", " make "),
            ("USER", "root"),
            ("COPY", "a b"),
        ];
        let build = Build {
            directives: Directives {
                pre_copy: pre_copy.map(|(kind, value)| directive(kind, value)).to_vec(),
                ..Directives::default()
            },
            ..Build::default()
        };
        let steps = steps(&build);
        let env = [("A", "b"), ("C", "d e"), ("PATH_TO", "/it's here")];
        assert_eq!(steps.env, env.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(steps.commands[2], "export PATH_TO='/it'\\''s here'");
        assert_eq!(steps.commands[3..], ["mkdir -p '/opt/x' && cd '/opt/x'", "make"]);
        assert_eq!(steps.left_out, ["COPY a b"]);
    }
}
