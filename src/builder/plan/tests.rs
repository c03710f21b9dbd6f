//! What is built, under which name, and from which Dockerfile: tables.

use super::*;
use crate::builder::context::set;

fn build(when: When, context: Context) -> Build {
    Build {
        dockerfile: "build.Dockerfile".to_owned(),
        when,
        context,
        lock_files: vec!["lock".to_owned(), "other-lock".to_owned()],
        builder: String::new(),
        local_builder: String::new(),
        base_has_tools: false,
        link: "mods".to_owned(),
        vendored: BTreeMap::from([("event-context".to_owned(), vec!["brought".to_owned()])]),
        command_environment: BTreeMap::new(),
    }
}

#[test]
fn what_was_brought_along_is_not_installed_where_the_convention_looks_for_it() {
    let needs = build(When::Dependencies, Context::Dependencies);
    let top = Top {
        names: set(&["first", "brought"]),
        ..Top::default()
    };
    let dependency_files = ["first".to_owned()];
    let input = |convention| input(Some(&needs), &dependency_files, &top, convention);
    assert_eq!(input(Convention::EventContext), Input::Nothing);
    assert_eq!(input(Convention::Kwargs), Input::Files(vec!["first".to_owned()]));
}

/// How it is built, the names at the top, those of them that are blank, and what follows.
type Case<'a> = (Option<&'a Build>, &'a [&'a str], &'a [&'a str], Input);

#[test]
fn what_is_built_follows_from_the_manifest_and_the_top_of_the_tree() {
    let files = |names: &[&str]| Input::Files(names.iter().map(|n| (*n).to_owned()).collect());
    let needs = build(When::Dependencies, Context::Dependencies);
    let needs_tree = build(When::Dependencies, Context::Code);
    let always = build(When::Always, Context::Code);
    let always_files = build(When::Always, Context::Dependencies);
    let table: &[Case<'_>] = &[
        (None, &["first"], &[], Input::Nothing),
        (Some(&needs), &["main"], &[], Input::Nothing),
        (Some(&needs), &["lock"], &[], Input::Nothing),
        (Some(&needs), &["first", "main"], &[], files(&["first"])),
        (
            Some(&needs),
            &["first", "second", "lock"],
            &[],
            files(&["first", "lock"]),
        ),
        (
            Some(&needs),
            &["second", "other-lock"],
            &[],
            files(&["second", "other-lock"]),
        ),
        (Some(&needs), &["first"], &["first"], Input::Nothing),
        (Some(&needs), &["first", "second"], &["first"], files(&["second"])),
        (Some(&needs), &["first", "mods"], &[], Input::Nothing),
        (Some(&needs_tree), &["main"], &[], Input::Nothing),
        (Some(&needs_tree), &["first"], &[], Input::Tree),
        (Some(&always), &["main"], &[], Input::Tree),
        (Some(&always_files), &["main", "lock"], &[], files(&["lock"])),
    ];
    let dependency_files = ["first", "second"].map(str::to_owned);
    for (build, names, blank, expect) in table {
        let top = Top {
            names: set(names),
            blank: set(blank),
        };
        let built = input(*build, &dependency_files, &top, Convention::Kwargs);
        assert_eq!(&built, expect, "{names:?} {blank:?}");
    }
}

const DOCKERFILE: &str = "ARG RUNTIME\nFROM b AS build\nARG MIRROR=none OTHER\nARG HTTP_PROXY\nRUN x\n";

static NO_ARGS: BTreeMap<String, String> = BTreeMap::new();

fn tag<'a>(change: impl FnOnce(&mut Key<'a>)) -> String {
    let mut key = Key {
        owner: "me",
        images: &["runtime", "builder"],
        architecture: "amd64",
        dockerfile: DOCKERFILE,
        files: &[],
        code: None,
        args: &NO_ARGS,
    };
    change(&mut key);
    key.tag(DEPENDENCY, "one")
}

fn arg(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

#[test]
fn what_decides_what_is_built_is_in_the_name() {
    let same = tag(|_| {});
    assert_eq!(same, tag(|_| {}));
    let (prefix, digest) = same.split_once(':').expect("a tag");
    assert_eq!((prefix, digest.len()), ("hob-deps/one", 12));
    let file = |path: &str, mode, bytes: &[u8]| {
        [ContextFile {
            path: path.to_owned(),
            mode,
            bytes: bytes.to_vec(),
        }]
    };
    let (a, b, c) = (
        file("input/a", 0o644, b"1"),
        file("input/a", 0o644, b"2"),
        file("input/b", 0o644, b"1"),
    );
    let mirror = arg("MIRROR", "there");
    let others = [
        tag(|k| k.owner = "you"),
        tag(|k| k.images = &["runtime2", "builder"]),
        tag(|k| k.images = &["runtime", "builder2"]),
        tag(|k| k.architecture = "arm64"),
        tag(|k| k.dockerfile = "FROM b AS build\nRUN y\n"),
        tag(|k| k.files = &a),
        tag(|k| k.files = &b),
        tag(|k| k.files = &c),
        tag(|k| k.code = Some("digest")),
        tag(|k| k.args = &mirror),
    ];
    let all: BTreeSet<_> = others.iter().chain([&same]).collect();
    assert_eq!(all.len(), others.len() + 1, "each has a name of its own");
}

#[test]
fn proxies_and_arguments_nobody_declares_are_not_in_the_name() {
    for (name, value) in [
        ("HTTP_PROXY", "http://p"),
        ("https_proxy", "http://p"),
        ("UNKNOWN", "x"),
    ] {
        let args = arg(name, value);
        assert_eq!(tag(|k| k.args = &args), tag(|_| {}), "{name}");
    }
}

#[test]
fn a_changed_shim_is_another_image() {
    let file = |bytes: &[u8]| ContextFile {
        path: "shim".to_owned(),
        mode: 0o644,
        bytes: bytes.to_vec(),
    };
    let runtime = RuntimeRef {
        family: "x".to_owned(),
        version: "1".to_owned(),
    };
    let tag = |bytes| runtime_tag(&runtime, "owner", "base", &[file(bytes)]);
    assert_ne!(tag(b"a"), tag(b"b"));
    assert_eq!(tag(b"a"), tag(b"a"));
}

fn order(entry: &str, tree: bool) -> FunctionImageOrder {
    FunctionImageOrder {
        base: "base:1".to_owned(),
        tree: tree.then(|| "/t".into()),
        code: "digest".to_owned(),
        link: None,
        entry: entry.to_owned(),
        convention: Convention::Kwargs,
        timeout_ms: 5000,
        concurrency: 2,
    }
}

#[test]
fn a_functions_image_knows_what_a_daemon_would_tell_its_shim() {
    let settings =
        "ENV HOB_ENTRY=\"main.main\" HOB_CONVENTION=\"kwargs\" HOB_TIMEOUT_MS=\"5000\" HOB_CONCURRENCY=\"2\"\n";
    let with_code = format!("FROM base:1\nCOPY code/ /opt/hob/function/\n{settings}");
    assert_eq!(order("main.main", true).dockerfile(), with_code);
    assert_eq!(
        order("main.main", false).dockerfile(),
        format!("FROM base:1\n{settings}")
    );
    assert_ne!(order("a", true).tag("me"), order("b", true).tag("me"));
    assert_ne!(order("a", true).tag("me"), order("a", true).tag("you"));
}

#[test]
fn an_entry_cannot_leave_its_quotes() {
    let dockerfile = order("a\"\nRUN evil $HOME\\", true).dockerfile();
    assert!(
        dockerfile.contains(r#"HOB_ENTRY="a\" RUN evil \$HOME\\" HOB_CONVENTION"#),
        "{dockerfile}"
    );
}

#[test]
fn build_commands_run_with_the_tools_and_leave_their_code_on_the_base() {
    let (environment, args) = (arg("TARGET", "/x y"), arg("MIRROR", "http://m"));
    let commands = ["make \"all\"\nRUN evil".to_owned(), "second".to_owned()];
    let order = CommandsOrder {
        base: "base:1",
        builder: "tools:1",
        commands: &commands,
        environment: &environment,
        args: &args,
        has_ca: false,
        has_dependencies: true,
    };
    let expect = r#"FROM base:1 AS base
FROM tools:1 AS build
USER 0
ARG MIRROR
ENV TARGET="/x y"
COPY ca.crt /tmp/hob-ca.crt
RUN ["/bin/sh", "-ec", "mkdir -p /opt/hob/deps"]
COPY --from=base /opt/hob/deps /opt/hob/deps
COPY input/ /opt/hob/function/
WORKDIR /opt/hob/function
RUN ["/bin/sh", "-ec", "make \"all\"\u000aRUN evil"]
RUN ["/bin/sh", "-ec", "second"]
FROM base
COPY --from=build /opt/hob/deps /opt/hob/deps
COPY --from=build /opt/hob/function /opt/hob/function
"#;
    assert_eq!(order.dockerfile(), expect);
    let secured = CommandsOrder {
        has_ca: true,
        has_dependencies: false,
        ..order
    }
    .dockerfile();
    assert!(secured.contains("ENV SSL_CERT_FILE=/tmp/hob-ca.crt "), "{secured}");
    assert!(!secured.contains("COPY --from=base"), "{secured}");
}

#[test]
fn every_stage_says_whose_it_is_once_its_line_is_over() {
    let given = "ARG A\nFROM a \\\n  AS one\nRUN from \\\n  FROM x\nfrom b\nRUN y\n";
    let label = format!("LABEL {LABEL_INSTANCE}=me {LABEL_KIND}={KIND_STAGE}\n");
    let expect = format!("ARG A\nFROM a \\\n  AS one\n{label}RUN from \\\n  FROM x\nfrom b\n{label}RUN y\n");
    assert_eq!(with_owner(given, "me"), expect);
}

#[test]
fn a_base_that_is_here_is_preferred_and_a_pull_is_the_last_resort() {
    let (here, local) = (|n: &str| Base::Here(n.to_owned()), Some("local"));
    let table = [
        (true, local, true, here("ordinary")),
        (true, None, false, here("ordinary")),
        (false, local, true, here("local")),
        (false, None, true, Base::Pull("ordinary".to_owned())),
        (false, None, false, Base::Missing("ordinary".to_owned())),
    ];
    for (ordinary_here, local, may_pull, want) in table {
        assert_eq!(choose_base("ordinary", ordinary_here, local, may_pull), want);
    }
}

#[test]
fn the_nearest_version_is_the_one_with_the_least_away_in_its_first_numbers() {
    for (asked, here, expect) in [
        ("3.12", &["3.11"][..], Some("3.11")),
        ("3.12", &["3.9", "3.11", "2.12"], Some("3.11")),
        ("20", &["16", "18"], Some("18")),
        ("20", &["18", "22"], Some("22")),
        ("1.22", &["1.9", "1.19"], Some("1.19")),
        ("3", &[], None),
    ] {
        let here: Vec<_> = here.iter().map(|v| (*v).to_owned()).collect();
        assert_eq!(nearest(asked, &here).map(String::as_str), expect, "{asked}");
    }
}
