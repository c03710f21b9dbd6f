//! What a configuration asks to be done while its image is built. Pure.
//!
//! Source: the contract's section 11.3. Other than upstream, without a base image every step runs after the code is there.
//! Steps that copy code, or say how an image is run, are left out, and whoever asked for them is told.

use super::config::{Build, Directive};
use crate::builder::{Before, Steps};

/// In a list of commands: what follows runs after the code is there.
const AFTER_COPY: &str = "@nuclio.postCopy";

/// The steps of a build; commands stand in place of directives.
pub(super) fn steps(build: &Build) -> Steps {
    let place = match build.base_image.is_empty() {
        true => Before::WithCode,
        false => Before::OnBase,
    };
    if !build.commands.is_empty() {
        let lines: Vec<&str> = build.commands.iter().map(String::as_str).collect();
        return Steps::of_commands(&lines, |line| line.trim() == AFTER_COPY, place);
    }
    let (before, after) = (pairs(&build.directives.pre_copy), pairs(&build.directives.post_copy));
    Steps::of_directives(&before, &after, place)
}

fn pairs(directives: &[Directive]) -> Vec<(&str, &str)> {
    let pairs = directives.iter();
    pairs.map(|each| (each.kind.as_str(), each.value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::config::Directives;
    use super::*;

    #[test]
    fn commands_stand_in_place_of_directives() {
        let directives = Directives {
            pre_copy: vec![Directive {
                kind: "RUN".to_owned(),
                value: "make".to_owned(),
            }],
            ..Directives::default()
        };
        let mut build = Build {
            directives,
            ..Build::default()
        };
        assert_eq!(steps(&build).commands, ["make"]);
        let lines = ["apt-get update && \\", " @nuclio.postCopy", "apt-get install x"];
        build.commands = lines.map(str::to_owned).to_vec();
        assert_eq!(steps(&build).commands, ["apt-get update && apt-get install x"]);
    }

    #[test]
    fn with_a_base_image_what_comes_before_the_code_is_done_to_it() {
        let directive = |value: &str| Directive {
            kind: "RUN".to_owned(),
            value: value.to_owned(),
        };
        let mut build = Build {
            base_image: "own:1".to_owned(),
            directives: Directives {
                pre_copy: vec![directive("one")],
                post_copy: vec![directive("two")],
            },
            ..Build::default()
        };
        let told = |build: &Build| {
            let steps = steps(build);
            let on_base: Vec<String> = steps.on_base.iter().map(ToString::to_string).collect();
            (on_base.join("; "), steps.commands.join("; "))
        };
        assert_eq!(told(&build), ("RUN one".to_owned(), "two".to_owned()));
        build.commands = ["three", "@nuclio.postCopy", "four"].map(str::to_owned).to_vec();
        assert_eq!(told(&build), ("RUN three".to_owned(), "four".to_owned()));
    }
}
