//! Holds the import table of the design, and the tidiness rules that no compiler knows.
//!
//! Reads the source as text: comments and strings are blanked, and paths are followed from `crate`, `super` and nested
//! use groups. It does not expand macros, and it does not follow re-exports: what a room offers, it owns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

// ---- The rules, as data ------------------------------------------------------------------------------------------

/// The import table: rows from the top down. An arrow points to a lower row; a room with a list has only those.
const TABLE: &[&[(&str, Reach)]] = &[
    &[("main", Reach::Below)],
    &[("cli", Reach::Below)],
    &[("daemon", Reach::Below)],
    &[
        ("api", Reach::Below),
        ("ingress", Reach::Below),
        ("scheduler", Reach::Below),
        ("watch", Reach::Below),
        ("console", Reach::Below),
    ],
    &[("app", Reach::Below)],
    &[("invoker", Reach::Only(&["pool", "store", "traces"]))],
    &[
        ("source", Reach::Only(&["archive", "web"])),
        ("builder", Reach::Only(&["archive", "engine", "runtime"])),
        ("pool", Reach::Only(&["engine"])),
        ("traces", Reach::Only(&["web"])),
    ],
    &[
        ("archive", Reach::Below),
        ("store", Reach::Below),
        ("engine", Reach::Below),
        ("runtime", Reach::Below),
        ("listener", Reach::Below),
        ("web", Reach::Below),
    ],
    &[("config", Reach::Below)],
    &[("task", Reach::Below)],
    &[("telemetry", Reach::Below)],
    &[("domain", Reach::Below)],
];

/// Rooms which everybody above may import, even those with a list.
const OPEN: &[&str] = &["domain", "telemetry", "task"];

/// Rooms which only some may import.
const RESERVED: &[(&str, &[&str])] = &[("config", &["main", "cli", "daemon"])];

/// The room whose sub-rooms are dialects, and those of them which dialects may share.
const DIALECTS: &str = "api";
const SHARED_BY_DIALECTS: &[&str] = &["kit"];

/// Arrows beside the table, each on purpose: who, and to which part of which room. The ingress answers a call as the
/// native API does, with the same code, which is shaped for no dialect.
const ALSO: &[(&str, &[&str])] = &[("ingress", &["api", "kit"])];

/// Crates and the only files or folders that may name them.
const CRATE_HOMES: &[(&str, &[&str])] = &[
    (
        "bollard",
        &[
            "src/engine/docker.rs",
            "src/engine/docker_guest.rs",
            "src/engine/docker_pull.rs",
            "src/engine/docker_sandbox.rs",
            "src/engine/docker_stack.rs",
            "src/engine/docker_wall.rs",
        ],
    ),
    ("rusqlite", &["src/store/"]),
    ("r2d2", &["src/store/"]),
    ("r2d2_sqlite", &["src/store/"]),
    ("zip", &["src/archive/"]),
    ("tar", &["src/archive/"]),
    ("flate2", &["src/archive/"]),
    ("notify", &["src/watch/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("clap_complete", &["src/cli/"]),
    ("clap_mangen", &["src/cli/"]),
    ("utoipa", &["src/api/"]),
    ("axum", &["src/api/", "src/ingress/", "src/listener/", "src/daemon.rs"]),
    ("ignore", &["src/watch/"]),
    ("serde_saphyr", &["src/cli/project/", "src/api/nuclio/"]),
    ("toml", &["src/config/", "src/runtime/", "src/cli/project/"]),
    ("croner", &["src/domain/schedule/"]),
    ("jiff", &["src/domain/schedule/"]),
    ("strsim", &["src/config/"]),
    ("hmac", &["src/app/"]),
    ("getrandom", &["src/domain/"]),
    ("tracing_subscriber", &["src/telemetry/"]),
    ("reqwest", &["src/source/", "src/web/"]),
    ("rustls", &["src/web/", "src/listener/"]),
    ("tokio_rustls", &["src/listener/"]),
    ("rcgen", &["src/listener/"]),
    ("ring", &["src/app/", "src/store/"]),
    ("rsa", &["src/app/"]),
    ("argon2", &["src/app/"]),
    ("subtle", &["src/app/"]),
    ("base64", &["src/api/", "src/app/", "src/store/", "src/cli/project/"]),
];

/// What the domain must not know: serialisation, async, the outside.
const NOT_IN_DOMAIN: &[&str] = &[
    "serde",
    "serde_json",
    "tokio",
    "futures_util",
    "async_trait",
    "http",
    "hyper",
    "bytes",
    "tracing",
    "rustix",
];

/// Names of outside APIs; each may appear below `src/api/<name>/` and in the table of dialects only.
const DIALECT_NAMES: &[&str] = &["qinling", "scaleway", "nuclio"];

/// Names of languages; a language lives in `runtimes/`.
const LANGUAGES: &[&str] = &[
    "python",
    "nodejs",
    "golang",
    "javascript",
    "typescript",
    "ruby",
    "php",
    "java",
    "dotnet",
];

/// What may lie at the top of the project.
const ROOT_ENTRIES: &[&str] = &[
    ".ci",
    ".clippy.toml",
    ".dockerignore",
    ".editorconfig",
    ".git",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "ARCHITECTURE.md",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "NOTICE",
    "README.md",
    "SECURITY.md",
    "compose.yaml",
    "config.toml",
    "deny.toml",
    "docs",
    "examples",
    "runtimes",
    "rust-toolchain.toml",
    "scripts",
    "src",
    "target",
    "tests",
];

#[derive(Clone, Copy)]
enum Reach {
    /// Every room of a lower row.
    Below,
    /// These, and the open rooms.
    Only(&'static [&'static str]),
}

// ---- The tests: each rule on the real tree -----------------------------------------------------------------------

#[test]
fn rooms_import_only_what_the_table_allows() {
    hold(check_imports);
}

#[test]
fn rooms_form_no_circle() {
    let edges = rust_files("src").iter().flat_map(room_edges).collect();
    let circle = find_circle(&edges);
    assert!(
        circle.is_none(),
        "rooms import each other in a circle: {}",
        circle.unwrap_or_default().join(" -> ")
    );
}

#[test]
fn dialects_know_nothing_of_each_other() {
    hold(check_dialects);
}

#[test]
fn third_party_crates_stay_in_their_room() {
    hold(check_crate_homes);
}

#[test]
fn the_domain_knows_neither_serialisation_nor_async() {
    hold(check_domain);
}

#[test]
fn a_dialects_name_stays_in_its_folder() {
    hold_all(&text_files("src"), check_dialect_names);
}

#[test]
fn no_language_is_named_in_the_source() {
    // What was recorded names what its clients asked for.
    let recorded = |file: &File| file.path.contains("/contract/");
    let files: Vec<File> = text_files("src").into_iter().filter(|file| !recorded(file)).collect();
    hold_all(&files, check_languages);
}

#[test]
fn every_file_says_what_it_is_for() {
    let files: Vec<File> = ["src", "tests"].into_iter().flat_map(rust_files).collect();
    hold_all(&files, check_header);
}

#[test]
fn the_projects_root_holds_only_what_is_expected() {
    let entries = std::fs::read_dir(root()).expect("the project's root can be listed");
    let names = entries.map(|entry| {
        entry
            .expect("an entry can be read")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    report(&check_root(&names.collect::<Vec<_>>()));
}

// ---- The rules, as pure functions --------------------------------------------------------------------------------

fn check_imports(file: &File) -> Vec<Finding> {
    let room = room_of(&file.path);
    let also = |path: &[String]| {
        ALSO.iter()
            .any(|(who, part)| *who == room && path.iter().take(2).eq(part.iter()))
    };
    let found = imports(file).into_iter().filter_map(|import| {
        let to = import.path.first().filter(|_| !also(&import.path))?;
        let rule = forbidden(&room, to, import.in_test)?;
        Some(file.finding(import.line, rule))
    });
    let mut found: Vec<Finding> = found.collect();
    found.dedup();
    found
}

/// Why `room` may not import `to`; none when it may.
fn forbidden(room: &str, to: &str, in_test: bool) -> Option<String> {
    if room == to {
        return None;
    }
    let Some((to_row, _)) = place(to) else {
        return Some(format!(
            "`{room}` imports `crate::{to}`, which is no room of the table: name the room itself"
        ));
    };
    let Some((row, reach)) = place(room) else {
        return Some(format!("`{room}` is no room of the table: add it to a row, on purpose"));
    };
    if to_row <= row {
        return Some(format!("`{room}` imports `{to}`, but an arrow may only point down"));
    }
    let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == to);
    if let Some((_, users)) = reserved.filter(|(_, users)| !users.contains(&room)) {
        return Some(format!(
            "`{room}` imports `{to}`, which is for {} only: take options of your own",
            users.join(", ")
        ));
    }
    match reach {
        Reach::Only(rooms) if !in_test && !rooms.contains(&to) && !OPEN.contains(&to) => Some(format!(
            "`{room}` imports `{to}`, but may import only {}",
            rooms.join(", ")
        )),
        _ => None,
    }
}

fn place(room: &str) -> Option<(usize, Reach)> {
    let rows = TABLE.iter().enumerate();
    let mut rooms = rows.flat_map(|(row, rooms)| rooms.iter().map(move |(name, reach)| (*name, row, *reach)));
    rooms
        .find(|(name, ..)| *name == room)
        .map(|(_, row, reach)| (row, reach))
}

fn check_dialects(file: &File) -> Vec<Finding> {
    let Some(own) = dialect_of(&file.path) else {
        return Vec::new();
    };
    let foreign = imports(file).into_iter().filter_map(|import| {
        let (room, other) = (import.path.first()?, import.path.get(1)?);
        let is_foreign = room == DIALECTS
            && *other != own
            && other.chars().all(|c| c.is_lowercase() || c == '_')
            && !SHARED_BY_DIALECTS.contains(&other.as_str());
        let rule =
            format!("`{DIALECTS}/{own}` imports `{DIALECTS}/{other}`: dialects share only {SHARED_BY_DIALECTS:?}");
        is_foreign.then(|| file.finding(import.line, rule))
    });
    foreign.collect()
}

/// The dialect a file belongs to; none for the room's own files.
fn dialect_of(path: &str) -> Option<String> {
    let inside = path.strip_prefix("src/")?.strip_prefix(DIALECTS)?.strip_prefix('/')?;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    (first != "mod").then(|| first.to_owned())
}

fn check_crate_homes(file: &File) -> Vec<Finding> {
    let strangers = crates_named(file).into_iter().filter_map(|(line, name)| {
        let (_, homes) = CRATE_HOMES.iter().find(|(known, _)| *known == name)?;
        let at_home = homes.iter().any(|home| file.path.starts_with(home));
        (!at_home).then(|| {
            file.finding(
                line,
                format!("the crate `{name}` may be named only in {}", homes.join(", ")),
            )
        })
    });
    strangers.collect()
}

fn check_domain(file: &File) -> Vec<Finding> {
    if room_of(&file.path) != "domain" {
        return Vec::new();
    }
    let strangers = crates_named(file)
        .into_iter()
        .filter(|(_, name)| NOT_IN_DOMAIN.contains(&name.as_str()));
    strangers
        .map(|(line, name)| file.finding(line, format!("the domain must not know `{name}`")))
        .collect()
}

fn check_dialect_names(file: &File) -> Vec<Finding> {
    if file.path == format!("src/{DIALECTS}/mod.rs") {
        return Vec::new();
    }
    let own = dialect_of(&file.path);
    let foreign = DIALECT_NAMES.iter().filter(|name| own.as_deref() != Some(**name));
    let foreign: Vec<_> = foreign.collect();
    let found = file.numbered_lines().flat_map(|(line, text)| {
        let text = text.to_lowercase();
        let names = foreign.iter().filter(move |name| text.contains(**name));
        names.map(move |name| {
            file.finding(
                line,
                format!("`{name}` may be named only in src/{DIALECTS}/{name}/ and src/{DIALECTS}/mod.rs"),
            )
        })
    });
    found.collect()
}

fn check_languages(file: &File) -> Vec<Finding> {
    let found = file.numbered_lines().flat_map(|(line, text)| {
        let text = text.to_lowercase();
        let names = LANGUAGES.iter().filter(move |name| names_language(&text, name));
        names.map(move |name| file.finding(line, format!("`{name}` is named, but languages live in runtimes/ only")))
    });
    found.collect()
}

/// Whether `word` stands in `text` with no letter beside it. A media type (`text/…`) is not the language.
fn names_language(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
        !is_letter(before) && !is_letter(after) && !text[..at].ends_with("text/")
    })
}

fn check_header(file: &File) -> Vec<Finding> {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let says = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    if says {
        return Vec::new();
    }
    vec![file.finding(1, "a file begins with `//!` and says what it is for".into())]
}

fn check_root(names: &[String]) -> Vec<Finding> {
    let strangers = names.iter().filter(|name| !ROOT_ENTRIES.contains(&name.as_str()));
    let rule = "is not expected at the project's root: move it, or list it in tests/it/architecture.rs";
    strangers
        .map(|name| Finding {
            path: name.clone(),
            line: 1,
            rule: rule.into(),
        })
        .collect()
}

/// The imports between rooms of a file, without those of its tests.
fn room_edges(file: &File) -> Vec<(String, String)> {
    let room = room_of(&file.path);
    let imports = imports(file).into_iter().filter(|import| !import.in_test);
    let edges = imports.filter_map(|import| Some((room.clone(), import.path.first()?.clone())));
    edges.filter(|(from, to)| from != to).collect()
}

/// A walk along `edges` that ends where it began, if there is one.
fn find_circle(edges: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let mut harmless = BTreeSet::new();
    next.keys()
        .find_map(|start| walk(start, &next, &mut Vec::new(), &mut harmless))
}

fn walk<'a>(
    room: &'a str,
    next: &BTreeMap<&'a str, Vec<&'a str>>,
    trail: &mut Vec<&'a str>,
    harmless: &mut BTreeSet<&'a str>,
) -> Option<Vec<String>> {
    if let Some(at) = trail.iter().position(|visited| *visited == room) {
        return Some(
            trail[at..]
                .iter()
                .chain([&room])
                .map(|room| (*room).to_owned())
                .collect(),
        );
    }
    if harmless.contains(room) {
        return None;
    }
    trail.push(room);
    let circle = next
        .get(room)
        .into_iter()
        .flatten()
        .find_map(|to| walk(to, next, trail, harmless));
    trail.pop();
    harmless.insert(room);
    circle
}

// ---- Reading source as text --------------------------------------------------------------------------------------

/// A path that starts at the crate's root: `["pool", "lease", "Lease"]`.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    line: usize,
    path: Vec<String>,
    in_test: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

/// The room a file belongs to: the first folder below `src`, or the file itself.
fn room_of(path: &str) -> String {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside
        .split('/')
        .next()
        .unwrap_or(inside)
        .trim_end_matches(".rs")
        .to_owned()
}

/// The module path of a file: `src/pool/state.rs` is `["pool", "state"]`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
    let last = module.last().map(String::as_str);
    if last == Some("mod") || matches!(inside, "lib" | "main") {
        module.pop();
    }
    module
}

/// All paths of a file which start with `crate`, `super` or, in the binary, the crate's name.
fn imports(file: &File) -> Vec<Import> {
    scan(file).imports
}

/// Line and name of what stands first in a path, or is used or derived: a crate, where it is one we know.
fn crates_named(file: &File) -> Vec<(usize, String)> {
    scan(file).heads
}

#[derive(Default)]
struct Scan {
    imports: Vec<Import>,
    heads: Vec<(usize, String)>,
}

fn scan(file: &File) -> Scan {
    let tokens = tokens(&blanked(&file.text));
    let mut scan = Scan::default();
    let mut module = Modules::of(file);
    let mut at = 0;
    while at < tokens.len() {
        module.step(&tokens, at);
        at = match root_of_path(file, &tokens, at, &module.path()) {
            Some((root, next)) => {
                let (line, in_test) = (tokens[at].line, module.in_test());
                let (paths, end) = use_tree(&tokens, next, &root);
                let paths = paths.into_iter().filter(|(_, path)| !path.is_empty());
                scan.imports.extend(paths.map(|(nth, path)| Import {
                    line: nth.max(line),
                    path,
                    in_test,
                }));
                end.max(at + 1)
            }
            None => {
                scan.heads.extend(head(&tokens, at));
                at + 1
            }
        };
    }
    scan
}

/// The module that a path beginning at `at` starts from, and where its rest begins.
fn root_of_path(file: &File, tokens: &[Token], at: usize, module: &[String]) -> Option<(Vec<String>, usize)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    if !is(at + 1, "::") || (at > 0 && is(at - 1, "::")) {
        return None;
    }
    let own_name = file.path == "src/main.rs" && is(at, "hob");
    if is(at, "crate") || own_name {
        return Some((Vec::new(), at + 2));
    }
    let (mut root, mut next) = (module.to_vec(), at);
    if is(at, "self") {
        next += 2;
    } else if !is(at, "super") {
        return None;
    }
    while is(next, "super") && is(next + 1, "::") {
        root.pop();
        next += 2;
    }
    Some((root, next))
}

/// The paths of a use tree, or of a path in an expression, each with its line; and where the tree ends.
fn use_tree(tokens: &[Token], at: usize, root: &[String]) -> (Vec<(usize, Vec<String>)>, usize) {
    let Some(token) = tokens.get(at) else {
        return (Vec::new(), at);
    };
    if token.text == "{" {
        return use_group(tokens, at + 1, root);
    }
    if token.text == "self" {
        return (vec![(token.line, root.to_vec())], at + 1);
    }
    if token.text == "super" {
        let parent = &root[..root.len().saturating_sub(1)];
        return (vec![(token.line, parent.to_vec())], at + 1);
    }
    if token.text != "*" && !is_word(&token.text) {
        return (vec![(token.line, root.to_vec())], at);
    }
    let path: Vec<String> = root.iter().cloned().chain([token.text.clone()]).collect();
    match tokens.get(at + 1) {
        Some(next) if next.text == "::" => use_tree(tokens, at + 2, &path),
        _ => (vec![(token.line, path)], at + 1),
    }
}

fn use_group(tokens: &[Token], mut at: usize, root: &[String]) -> (Vec<(usize, Vec<String>)>, usize) {
    let mut paths = Vec::new();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "}" => return (paths, at + 1),
            "as" => at += 2,
            text if text == "{" || text == "*" || is_word(text) => {
                let (inner, end) = use_tree(tokens, at, root);
                paths.extend(inner);
                at = end;
            }
            _ => at += 1,
        }
    }
    (paths, at)
}

/// The word at `at` when a path, a `use` or an `extern crate` begins with it.
fn head(tokens: &[Token], at: usize) -> Option<(usize, String)> {
    let token = tokens.get(at).filter(|token| is_word(&token.text))?;
    let before = |n: usize| at.checked_sub(n).map_or("", |at| tokens[at].text.as_str());
    let goes_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
    let is_start = match before(1) {
        "." => false,
        "::" => !is_word(before(2)) && before(2) != ">",
        _ => true,
    };
    let is_named = goes_on || before(1) == "use" || (before(1) == "crate" && before(2) == "extern");
    (is_start && is_named).then(|| (token.line, token.text.clone()))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Which module the scan is in, by counting braces.
struct Modules {
    file: Vec<String>,
    file_is_test: bool,
    depth: usize,
    /// Name, whether it is for tests only, and the depth outside its braces.
    inner: Vec<(String, bool, usize)>,
}

impl Modules {
    fn of(file: &File) -> Self {
        let module = module_of(&file.path);
        let file_is_test = module.iter().any(|part| part == "tests");
        Self {
            file: module,
            file_is_test,
            depth: 0,
            inner: Vec::new(),
        }
    }

    fn step(&mut self, tokens: &[Token], at: usize) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        match text(at) {
            "mod" if text(at + 2) == "{" => {
                let is_test = has_cfg_test(&tokens[..at]);
                self.inner.push((text(at + 1).to_owned(), is_test, self.depth));
            }
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self.inner.last().is_some_and(|(.., depth)| *depth == self.depth) {
                    self.inner.pop();
                }
            }
            _ => {}
        }
    }

    fn path(&self) -> Vec<String> {
        self.file
            .iter()
            .chain(self.inner.iter().map(|(name, ..)| name))
            .cloned()
            .collect()
    }

    fn in_test(&self) -> bool {
        self.file_is_test || self.inner.iter().any(|(_, is_test, _)| *is_test)
    }
}

/// Whether `#[cfg(test)]` is among the attributes that end where an item begins.
fn has_cfg_test(before: &[Token]) -> bool {
    let attributes = before.iter().rev().map(|token| token.text.as_str());
    let attributes: Vec<_> = attributes
        .take_while(|text| !matches!(*text, ";" | "{" | "}"))
        .collect();
    attributes.windows(4).any(|window| window == [")", "test", "(", "cfg"])
}

/// Words, `::`, and single other characters.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push(Token {
                line: number + 1,
                text: rest[..length].to_owned(),
            });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The text with comments, strings and characters blanked; lines stay where they are.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let in_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let hidden = if in_word && c != '"' { 0 } else { hidden_length(rest) };
        let length = hidden.max(c.len_utf8());
        let (taken, left) = rest.split_at(length);
        if hidden == 0 {
            out.push(c);
        } else {
            out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    out
}

/// The length of the comment or literal that `text` begins with, in bytes; 0 when it begins with neither.
fn hidden_length(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_length(text);
    }
    let prefix = ["br", "cr", "r", "b", "c"]
        .into_iter()
        .find(|prefix| is_prefix(text, prefix))
        .unwrap_or("");
    let literal = &text[prefix.len()..];
    let length = match literal.chars().next() {
        Some('"' | '#') if prefix.ends_with('r') => raw_string_length(literal),
        Some('"') => quoted_length(literal, '"'),
        Some('\'') => character_length(literal),
        _ => 0,
    };
    if length == 0 { 0 } else { prefix.len() + length }
}

fn is_prefix(text: &str, prefix: &str) -> bool {
    let rest = text.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.starts_with(['"', '\'']) || (prefix.ends_with('r') && rest.starts_with('#')))
}

fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// 0 for a raw identifier (`r#type`).
fn raw_string_length(text: &str) -> usize {
    let n_hashes = text.bytes().take_while(|byte| *byte == b'#').count();
    if !text[n_hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(n_hashes));
    let body = n_hashes + 1;
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// 0 for a lifetime.
fn character_length(text: &str) -> usize {
    let mut after = text.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_length(text, '\''),
        _ => 0,
    }
}

// ---- Files and findings ------------------------------------------------------------------------------------------

struct File {
    /// From the project's root, with `/`.
    path: String,
    text: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

impl File {
    fn finding(&self, line: usize, rule: String) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            rule,
        }
    }

    fn numbered_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<File> {
    let files = text_files(folder).into_iter();
    files.filter(|file| file.path.ends_with(".rs")).collect()
}

/// All files of a folder and below that are text.
fn text_files(folder: &str) -> Vec<File> {
    let mut files = Vec::new();
    collect(&root().join(folder), folder, &mut files);
    assert!(!files.is_empty(), "no files below {folder}: is the root right?");
    files
}

fn collect(folder: &Path, path: &str, files: &mut Vec<File>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of the project can be listed")
        .map(|entry| entry.expect("an entry can be read"))
        .collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &path, files);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

fn hold(check: fn(&File) -> Vec<Finding>) {
    hold_all(&rust_files("src"), check);
}

fn hold_all(files: &[File], check: fn(&File) -> Vec<Finding>) {
    report(&files.iter().flat_map(check).collect::<Vec<_>>());
}

fn report(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{} broken rules:\n{}", lines.len(), lines.join("\n"));
}

/// The rules on snippets: each must fail where it should, or it holds nothing.
mod rules {
    use super::*;

    /// The lines on which `check` finds something in a file at `path`.
    fn lines(check: fn(&File) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&file).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_arrow_up_or_sideways_is_found_however_it_is_written() {
        for text in [
            "use crate::app::App;",
            "use crate::{domain::Error, app};",
            "use crate::{\ndomain, builder::{Plan, self}};",
            "use super::super::app;",
            "use super::super::{domain, app::App};",
            "fn f() { crate::app::go::<u8>() }",
            "pub(in crate::app) fn f() {}",
            "use self::super::super::app;",
            "mod inner { use super::super::super::app; }",
            "mod inner { fn f() { super::f() } }\nuse super::super::app;",
            "fn f<'a>(x: &'a str) -> char { '\"' }\nuse crate::app;",
            "use crate::*;",
            "use crate::config::Config;",
            "use crate::store::Store;",
        ] {
            assert_eq!(lines(check_imports, "src/pool/state.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_the_table_allows_is_not_found() {
        for text in [
            "use crate::{domain::Error, engine::{Engine, Worker as W}, task, telemetry};",
            "use super::lease::Lease; use super::super::engine;",
            "use super::*;",
            "mod inner { use super::super::lease; use super::super::super::engine; }",
            "// use crate::app;\n/* crate::app::x /* */ crate::app */",
            "const A: &str = \"crate::app\"; const B: &str = r#\"\"crate::app\"#;",
            "const C: char = '\\''; const D: &str = \"'\"; // crate::app",
            "#[cfg(test)]\nmod tests { use super::*; use crate::store::Store; }",
            "pub(crate) fn f(r#type: u8) {}",
        ] {
            assert_eq!(lines(check_imports, "src/pool/state.rs", text), [0; 0], "{text}");
        }
        assert_eq!(
            lines(check_imports, "src/main.rs", "fn main() { hob::cli::main() }"),
            [0; 0]
        );
        assert_eq!(
            lines(check_imports, "src/cli/serve.rs", "use crate::{config, daemon};"),
            [0; 0]
        );
    }

    #[test]
    fn tests_may_look_down_but_not_up() {
        let text = "#[cfg(test)]\n#[expect(dead_code)]\nmod tests {\nuse crate::app;\n}\nuse crate::store;";
        assert_eq!(lines(check_imports, "src/pool/state.rs", text), [4, 6]);
        assert_eq!(lines(check_imports, "src/pool/tests.rs", "use crate::store;"), [0; 0]);
    }

    #[test]
    fn a_finding_names_file_line_and_rule() {
        let file = File {
            path: "src/domain/id.rs".into(),
            text: "\nuse crate::{\n    telemetry,\n};".into(),
        };
        let found = check_imports(&file).remove(0).to_string();
        assert!(
            found.starts_with("src/domain/id.rs:3: `domain` imports `telemetry`"),
            "{found}"
        );
    }

    #[test]
    fn a_room_that_is_not_in_the_table_is_found() {
        assert_eq!(lines(check_imports, "src/utils/mod.rs", "use crate::domain;"), [1]);
        assert_eq!(lines(check_imports, "src/app/mod.rs", "use crate::utils;"), [1]);
    }

    #[test]
    fn a_circle_is_found() {
        let edges = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        assert_eq!(find_circle(&edges(&[("a", "b"), ("a", "c"), ("b", "c")])), None);
        let circle = find_circle(&edges(&[("a", "b"), ("b", "c"), ("c", "b")]));
        assert_eq!(circle.unwrap(), ["b", "c", "b"]);
        let file = File {
            path: "src/a/mod.rs".into(),
            text: "use crate::b; #[cfg(test)] mod tests { use crate::c; }".into(),
        };
        assert_eq!(room_edges(&file), [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_dialect_that_imports_another_is_found() {
        let check = |text| lines(check_dialects, "src/api/native/routes.rs", text);
        assert_eq!(check("use crate::api::other::map;"), [1]);
        assert_eq!(check("use super::super::other::map;"), [1]);
        assert_eq!(check("use crate::api::{kit::page, native::map, Dialect};"), [0; 0]);
        assert_eq!(
            lines(check_dialects, "src/api/kit/page.rs", "use crate::api::native;"),
            [1]
        );
        assert_eq!(
            lines(check_dialects, "src/api/mod.rs", "use crate::api::native;"),
            [0; 0]
        );
    }

    #[test]
    fn a_crate_outside_its_room_is_found() {
        let check = |path, text| lines(check_crate_homes, path, text);
        for text in [
            "use zip::ZipArchive;",
            "use zip;",
            "fn f(_: ::zip::ZipArchive) {}",
            "extern crate zip;",
            "use {zip::A};",
            "#[derive(zip::A)] struct S;",
        ] {
            assert_eq!(check("src/source/mod.rs", text), [1], "{text}");
            assert_eq!(check("src/archive/unzip.rs", text), [0; 0], "{text}");
        }
        for text in [
            "a.iter().zip::<B>(b)",
            "use crate::archive::zip::pack;",
            "use crate::archive::{zip::pack};",
            "Iterator::zip::<B>(a, b)",
            "let zip = 1;",
        ] {
            assert_eq!(check("src/source/mod.rs", text), [0; 0], "{text}");
        }
        assert_eq!(check("src/engine/mod.rs", "use bollard::Docker;"), [1]);
    }

    #[test]
    fn a_domain_that_serialises_is_found() {
        assert_eq!(
            lines(
                check_domain,
                "src/domain/id.rs",
                "#[derive(serde::Serialize)]\nstruct S;"
            ),
            [1]
        );
        assert_eq!(lines(check_domain, "src/domain/id.rs", "use uuid::Uuid;"), [0; 0]);
        assert_eq!(lines(check_domain, "src/app/mod.rs", "use serde::Serialize;"), [0; 0]);
    }

    #[test]
    fn a_dialects_name_is_found_outside_its_folder() {
        let check = |path| lines(check_dialect_names, path, "\n// like Qinling does");
        assert_eq!(check("src/app/mod.rs"), [2]);
        assert_eq!(check("src/api/native/mod.rs"), [2]);
        assert_eq!(check("src/api/qinling/map.rs"), [0; 0]);
        assert_eq!(check("src/api/mod.rs"), [0; 0]);
    }

    #[test]
    fn a_language_is_found_as_a_word_only() {
        let check = |text| lines(check_languages, "src/app/mod.rs", text);
        for text in ["// Python too", "\"python3\"", "let nodejs_version = 1;", "java"] {
            assert_eq!(check(text), [1], "{text}");
        }
        for text in ["a node of the graph", "text/javascript", "pythonic", "go on"] {
            assert_eq!(check(text), [0; 0], "{text}");
        }
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        let check = |text| lines(check_header, "src/app/mod.rs", text);
        assert_eq!(check("// x\nfn f() {}"), [1]);
        assert_eq!(check("//!\nfn f() {}"), [1]);
        assert_eq!(check("//! What it is for.\n"), [0; 0]);
    }

    #[test]
    fn a_stranger_at_the_root_is_found() {
        let names = ["src", "notes.txt"].map(str::to_owned);
        assert_eq!(check_root(&names).remove(0).path, "notes.txt");
    }
}
