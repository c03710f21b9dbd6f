//! What a configuration asks to be done while its image is built. Pure.
//!
//! Source: the contract's section 11.3. Other than upstream, every step runs after the code is there, in one shell:
//! steps that copy code, or say how an image is run, are left out, and whoever asked for them is told.

use super::config::Build;
use crate::builder::Steps;

/// In a list of commands: what follows runs after the code is there. Here everything does.
const AFTER_COPY: &str = "@nuclio.postCopy";

/// The steps of a build; commands stand in place of directives.
pub(super) fn steps(build: &Build) -> Steps {
    if !build.commands.is_empty() {
        let lines = build.commands.iter().map(String::as_str);
        return Steps::of_lines(lines.filter(|line| line.trim() != AFTER_COPY));
    }
    let directives = build.directives.pre_copy.iter().chain(&build.directives.post_copy);
    Steps::of_directives(directives.map(|directive| (directive.kind.as_str(), directive.value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::super::config::{Directive, Directives};
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
}
