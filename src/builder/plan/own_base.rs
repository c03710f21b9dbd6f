//! Dockerfiles for a base of the user's: what is done to it, the runtime's shim, and the code. Pure.
//!
//! Other than in a stage with tools, all that a step leaves behind stays; and since an image remembers the arguments of
//! its own stage, the mirrors of `build.environment`, which may hold passwords, are no variables here.

use super::{CA_VARIABLES, json_text};
use crate::domain::{Base, Step};
use crate::runtime::{Build, Context, FUNCTION};
use std::fmt::Write;

/// Who runs in a worker, and where: as every runtime's Dockerfile ends.
const AS_BEFORE: &str = "WORKDIR /tmp\nUSER 1000:1000\n";
/// Where steps find the CA bundle of the place.
const CA: &str = "/tmp/hob-ca.crt";

/// Whether an image is made of the code: commands may have changed it, and a user's base may have something in the
/// folder that the code is put into. A program that the runtime builds is no code any more.
pub fn is_code_inside(build: Option<&Build>, base: Option<&Base>, commands: &[String]) -> bool {
    let is_program = build.is_some_and(|build| build.context == Context::Code);
    !commands.is_empty() || (base.is_some() && !is_program)
}

/// A runtime's Dockerfile, with steps on the base before anything of the runtime is there; `None` where it has no line
/// `FROM ${BASE}` that they could stand behind.
pub(in crate::builder) fn on_base(dockerfile: &str, steps: &[Step], has_ca: bool) -> Option<String> {
    let mut has_base = false;
    let mut text = String::with_capacity(dockerfile.len() + 1024);
    for line in dockerfile.lines() {
        let _ = writeln!(text, "{line}");
        let mut words = line.split_whitespace();
        if words.next() == Some("FROM") && words.next() == Some("${BASE}") {
            has_base = true;
            text.push_str("USER 0\n");
            text.push_str(&trusted(has_ca && !steps.is_empty(), &instructions(steps)));
        }
    }
    has_base.then_some(text)
}

fn instructions(steps: &[Step]) -> String {
    let line = |step: &Step| match step {
        Step::Run(command) => run(command),
        Step::Env(_) | Step::Workdir(_) => format!("{step}\n"),
    };
    steps.iter().map(line).collect()
}

/// The code on a runtime's image, and what the user's own commands make of both.
pub(in crate::builder) fn code_on_base(image: &str, commands: &[String], has_ca: bool) -> String {
    let mut inner = format!("COPY input/ {FUNCTION}/\n");
    if !commands.is_empty() {
        let _ = writeln!(inner, "WORKDIR {FUNCTION}");
        inner.extend(commands.iter().map(|command| run(command)));
    }
    let inner = trusted(has_ca && !commands.is_empty(), &inner);
    format!("FROM {image}\nUSER 0\n{inner}{AS_BEFORE}")
}

fn run(command: &str) -> String {
    format!("RUN [\"/bin/sh\", \"-ec\", {}]\n", json_text(command))
}

/// The same with the CA bundle, which is there for the steps only.
fn trusted(has_ca: bool, steps: &str) -> String {
    if !has_ca {
        return steps.to_owned();
    }
    let arguments: String = CA_VARIABLES.map(|name| format!("ARG {name}={CA}\n")).concat();
    let gone = run(&format!("rm -f {CA}"));
    format!("COPY ca.crt {CA}\n{arguments}{steps}{gone}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::When;
    use std::collections::BTreeMap;

    const DOCKERFILE: &str = "ARG BUILDER\nARG BASE\nFROM ${BUILDER} AS b\nRUN x\nFROM ${BASE}\nCOPY shim /shim\n";

    fn steps() -> Vec<Step> {
        let steps = [
            "ENV PATH=/own:$PATH",
            "WORKDIR /opt/x",
            "RUN get \"it\"\nRUN no instruction",
        ];
        steps.map(|step| Step::parse(step).expect("a step")).to_vec()
    }

    #[test]
    fn steps_are_done_to_the_base_before_the_shim_is_there() {
        let expect = r#"ARG BUILDER
ARG BASE
FROM ${BUILDER} AS b
RUN x
FROM ${BASE}
USER 0
ENV PATH=/own:$PATH
WORKDIR /opt/x
RUN ["/bin/sh", "-ec", "get \"it\"\u000aRUN no instruction"]
COPY shim /shim
"#;
        assert_eq!(on_base(DOCKERFILE, &steps(), false).as_deref(), Some(expect));
        let plain = DOCKERFILE.replace("FROM ${BASE}\n", "FROM ${BASE}\nUSER 0\n");
        assert_eq!(on_base(DOCKERFILE, &[], true), Some(plain));
        assert_eq!(on_base("FROM own\nRUN x\n", &steps(), false), None);
    }

    #[test]
    fn the_ca_bundle_is_there_for_the_steps_only() {
        let text = on_base(DOCKERFILE, &steps(), true).expect("it has a base");
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(at("COPY ca.crt") < at("ARG PIP_CERT=/tmp/hob-ca.crt") && at("ARG PIP_CERT") < at("RUN [\"/bin/sh\""));
        assert!(at("get ") < at("rm -f /tmp/hob-ca.crt") && at("rm -f") < at("COPY shim"));
        assert!(!text.contains("ENV SSL"), "{text}");
    }

    #[test]
    fn the_code_and_its_commands_come_last_and_the_user_is_as_before() {
        let plain = "FROM i:1\nUSER 0\nCOPY input/ /opt/hob/function/\nWORKDIR /tmp\nUSER 1000:1000\n";
        assert_eq!(code_on_base("i:1", &[], true), plain);
        let made = code_on_base("i:1", &["make".to_owned()], false);
        let expect = "COPY input/ /opt/hob/function/\nWORKDIR /opt/hob/function\nRUN [\"/bin/sh\", \"-ec\", \"make\"]\nWORKDIR /tmp\n";
        assert!(made.contains(expect), "{made}");
    }

    #[test]
    fn what_is_in_the_image_is_code_that_commands_or_a_base_may_change() {
        let build = |context| Build {
            dockerfile: String::new(),
            when: When::Always,
            context,
            lock_files: Vec::new(),
            builder: String::new(),
            local_builder: String::new(),
            base_has_tools: false,
            link: String::new(),
            vendored: BTreeMap::new(),
            command_environment: BTreeMap::new(),
        };
        let base = Base {
            image: "own".to_owned(),
            steps: Vec::new(),
        };
        let (code, program) = (build(Context::Dependencies), build(Context::Code));
        let make = ["make".to_owned()];
        for (build, base, commands, expect) in [
            (None, None, &[][..], false),
            (Some(&code), None, &make, true),
            (None, Some(&base), &[], true),
            (Some(&code), Some(&base), &[], true),
            (Some(&program), Some(&base), &[], false),
        ] {
            assert_eq!(is_code_inside(build, base, commands), expect, "{build:?} {base:?}");
        }
    }
}
