//! What has to be built, and under which name. Pure: inputs in, names, steps and Dockerfiles out.
//!
//! A name holds a digest of everything that decides what is in the image; so an image that is there is the right one,
//! and nothing is built twice. Code is in a name only where the image is made of code.

mod own_base;

pub use own_base::is_code_inside;
pub(super) use own_base::{code_on_base, on_base};

use crate::domain::{Convention, RuntimeRef};
use crate::engine::{KIND_STAGE, LABEL_INSTANCE, LABEL_KIND};
use crate::runtime::{Build, Context, DEPENDENCIES, FUNCTION, When, numbers};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What the names of our images begin with, by kind.
pub(super) const RUNTIME: &str = "hob-runtime";
pub(super) const DEPENDENCY: &str = "hob-deps";
pub(super) const COMMANDS: &str = "hob-built";
pub(super) const ON_BASE: &str = "hob-on-base";
pub(super) const FUNCTION_IMAGE: &str = "hob-function";

/// Tools know the CA bundle under these names.
const CA_VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
];
/// Build arguments that the engine knows without a declaration, and that never decide what comes out.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// One file of a build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContextFile {
    /// Path in the context, with `/`.
    pub(super) path: String,
    /// Unix permission bits.
    pub(super) mode: u32,
    /// Content.
    pub(super) bytes: Vec<u8>,
}

/// What the builder does before a function's workers can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing: the tree is loaded into the runtime's own image.
    Nothing,
    /// An image with what these files name.
    Files(Vec<String>),
    /// An image with what is made of the whole tree.
    Tree,
}

/// What is built of a tree by its runtime. `top` are the names at its top; an empty dependency file names nothing, and
/// where the user brought the dependencies along, nothing is installed.
pub(super) fn input(build: Option<&Build>, dependency_files: &[String], top: &Top, convention: Convention) -> Input {
    let Some(build) = build else { return Input::Nothing };
    let vendored = build.vendored.get(convention.as_str()).into_iter().flatten();
    if vendored.chain([&build.link]).any(|name| top.names.contains(name)) {
        return Input::Nothing;
    }
    let named = dependency_files
        .iter()
        .find(|f| top.names.contains(*f) && !top.blank.contains(*f));
    match (build.when, build.context, named) {
        (When::Dependencies, _, None) => Input::Nothing,
        (_, Context::Code, _) => Input::Tree,
        (_, Context::Dependencies, named) => {
            let locks = build.lock_files.iter().filter(|f| top.names.contains(*f));
            Input::Files(named.into_iter().chain(locks).cloned().collect())
        }
    }
}

/// What lies at the top of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Top {
    /// Names of files and folders.
    pub(super) names: BTreeSet<String>,
    /// Those of them that are files with nothing but white space.
    pub(super) blank: BTreeSet<String>,
}

/// Everything that decides what a built image holds.
#[derive(Debug)]
pub(super) struct Key<'a> {
    /// Two daemons on one engine never share an image, so that each may remove its own.
    pub(super) owner: &'a str,
    /// Ids of the images that it is made from, in order.
    pub(super) images: &'a [&'a str],
    /// As images name it (`amd64`).
    pub(super) architecture: &'a str,
    /// The Dockerfile's text.
    pub(super) dockerfile: &'a str,
    /// What the Dockerfile can copy.
    pub(super) files: &'a [ContextFile],
    /// The address of the code, where the image is made of it.
    pub(super) code: Option<&'a str>,
    /// Build arguments.
    pub(super) args: &'a BTreeMap<String, String>,
}

impl Key<'_> {
    /// The name of the image: `PREFIX/NAME:DIGEST`.
    pub(super) fn tag(&self, prefix: &str, name: &str) -> String {
        let mut hash = Hash::default();
        hash.text(self.owner);
        self.images.iter().for_each(|id| hash.text(id));
        hash.text(self.architecture);
        hash.text(self.dockerfile);
        self.files.iter().for_each(|file| hash.file(file));
        hash.text(self.code.unwrap_or_default());
        for (key, value) in self.args.iter().filter(|(key, _)| matters(self.dockerfile, key)) {
            hash.text(key);
            hash.text(value);
        }
        format!("{prefix}/{name}:{}", hash.short())
    }
}

/// Whether a build argument can change what comes out: the Dockerfile declares it, and it is not a proxy.
fn matters(dockerfile: &str, key: &str) -> bool {
    let proxy = PROXIES.iter().any(|p| p.eq_ignore_ascii_case(key));
    !proxy && declared(dockerfile).any(|name| name == key)
}

fn declared(dockerfile: &str) -> impl Iterator<Item = &str> {
    let lines = dockerfile.lines().filter_map(|line| {
        let (word, rest) = line.trim_start().split_once(char::is_whitespace)?;
        word.eq_ignore_ascii_case("ARG").then_some(rest)
    });
    lines.flat_map(|rest| rest.split_whitespace().map(|arg| arg.split('=').next().unwrap_or(arg)))
}

/// Each part is hashed with its length, so that no two inputs run into each other.
#[derive(Default)]
struct Hash(Sha256);

impl Hash {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn file(&mut self, file: &ContextFile) {
        self.text(&file.path);
        self.0.update(file.mode.to_le_bytes());
        self.bytes(&file.bytes);
    }

    fn short(self) -> String {
        hex::encode(&self.0.finalize()[..6])
    }
}

/// The name of a runtime's image: it changes whenever shim, Dockerfile or base change, so a stale image is never used.
pub(super) fn runtime_tag(runtime: &RuntimeRef, owner: &str, base_id: &str, context: &[ContextFile]) -> String {
    let mut hash = Hash::default();
    hash.text(owner);
    hash.text(base_id);
    context.iter().for_each(|file| hash.file(file));
    format!("{RUNTIME}/{}:{}-{}", runtime.family, runtime.version, hash.short())
}

/// What a function's image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionImageOrder {
    /// The image its workers run.
    pub base: String,
    /// Where the code is; `None`: the base has it already.
    pub tree: Option<std::path::PathBuf>,
    /// The code's address.
    pub code: String,
    /// A link that the code gets, by its name at the top.
    pub link: Option<String>,
    /// Where the user's code begins.
    pub entry: String,
    /// How it is called.
    pub convention: Convention,
    /// How long one call may take. Unit: milliseconds.
    pub timeout_ms: u32,
    /// Calls at once.
    pub concurrency: u16,
}

impl FunctionImageOrder {
    /// The Dockerfile: the base, the code, and what the shim is not told by anybody when it stands alone.
    ///
    /// The user's environment is not in it: it may hold secrets, and images travel.
    pub(super) fn dockerfile(&self) -> String {
        let mut text = format!("FROM {}\n", self.base);
        if self.tree.is_some() {
            let _ = writeln!(text, "COPY code/ {FUNCTION}/");
        }
        let settings = [
            ("HOB_ENTRY", quoted(&self.entry)),
            ("HOB_CONVENTION", quoted(self.convention.as_str())),
            ("HOB_TIMEOUT_MS", quoted(&self.timeout_ms.to_string())),
            ("HOB_CONCURRENCY", quoted(&self.concurrency.to_string())),
        ];
        let settings = settings.map(|(name, value)| format!("{name}={value}"));
        let _ = writeln!(text, "ENV {}", settings.join(" "));
        text
    }

    /// The image's name: the same code and settings on the same base are the same image.
    pub(super) fn tag(&self, owner: &str) -> String {
        let mut hash = Hash::default();
        hash.text(owner);
        hash.text(&self.code);
        hash.text(&self.dockerfile());
        hash.text(self.link.as_deref().unwrap_or_default());
        format!("{FUNCTION_IMAGE}/{}", hash.short())
    }
}

/// A value of a Dockerfile, as it is: in quotes, and nothing in it is a variable. A line break has no form there.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => text.extend(['\\', c]),
            '\n' | '\r' => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// What the user's own build commands run in.
#[derive(Debug)]
pub(super) struct CommandsOrder<'a> {
    /// The image that the result is put on.
    pub(super) base: &'a str,
    /// The image with the tools.
    pub(super) builder: &'a str,
    /// Run by a shell, in this order, with the code as the working directory.
    pub(super) commands: &'a [String],
    /// Set for the commands.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Names of build arguments that the commands see.
    pub(super) args: &'a BTreeMap<String, String>,
    /// Whether `ca.crt` has anything in it.
    pub(super) has_ca: bool,
    /// Whether the base has dependencies, which the commands see too.
    pub(super) has_dependencies: bool,
}

impl CommandsOrder<'_> {
    /// The Dockerfile: a stage with the tools, the dependencies and the code; then its code and dependencies on the base.
    pub(super) fn dockerfile(&self) -> String {
        let mut text = format!("FROM {} AS base\nFROM {} AS build\nUSER 0\n", self.base, self.builder);
        for name in self.args.keys().filter(|name| is_variable(name)) {
            let _ = writeln!(text, "ARG {name}");
        }
        for (name, value) in self.environment.iter().filter(|(name, _)| is_variable(name)) {
            let _ = writeln!(text, "ENV {name}={}", quoted(value));
        }
        text.push_str("COPY ca.crt /tmp/hob-ca.crt\n");
        if self.has_ca {
            let all = CA_VARIABLES.map(|name| format!("{name}=/tmp/hob-ca.crt"));
            let _ = writeln!(text, "ENV {}", all.join(" "));
        }
        // Made in any case: what is copied out of the stage has to be there.
        let _ = writeln!(text, "RUN [\"/bin/sh\", \"-ec\", \"mkdir -p {DEPENDENCIES}\"]");
        if self.has_dependencies {
            let _ = writeln!(text, "COPY --from=base {DEPENDENCIES} {DEPENDENCIES}");
        }
        let _ = writeln!(text, "COPY input/ {FUNCTION}/\nWORKDIR {FUNCTION}");
        for command in self.commands {
            let _ = writeln!(text, "RUN [\"/bin/sh\", \"-ec\", {}]", json_text(command));
        }
        let _ = writeln!(text, "FROM base");
        for folder in [DEPENDENCIES, FUNCTION] {
            let _ = writeln!(text, "COPY --from=build {folder} {folder}");
        }
        text
    }
}

/// A name that the text of a Dockerfile can hold.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A JSON string, as the list form of a Dockerfile's instruction wants it: no command can break out of its line.
fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// A Dockerfile whose every stage says whose it is: what a failed or many-staged build leaves can be found again.
pub(super) fn with_owner(dockerfile: &str, owner: &str) -> String {
    let mut text = String::with_capacity(dockerfile.len() + 256);
    let (mut continued, mut begun) = (false, false);
    for line in dockerfile.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        begun |= !continued && first.eq_ignore_ascii_case("FROM");
        let _ = writeln!(text, "{line}");
        continued = line.trim_end().ends_with('\\');
        if begun && !continued {
            let _ = writeln!(text, "LABEL {LABEL_INSTANCE}={owner} {LABEL_KIND}={KIND_STAGE}");
            begun = false;
        }
    }
    text
}

/// Which base image a version is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// It is here.
    Here(String),
    /// It has to be pulled, and may be.
    Pull(String),
    /// It is not here and must not be pulled.
    Missing(String),
}

/// Chooses: the ordinary image when it is here, else the locally made one of the same version, else a pull.
pub(super) fn choose_base(ordinary: &str, ordinary_here: bool, local: Option<&str>, may_pull: bool) -> Base {
    match local {
        _ if ordinary_here => Base::Here(ordinary.to_owned()),
        Some(local) => Base::Here(local.to_owned()),
        None if may_pull => Base::Pull(ordinary.to_owned()),
        None => Base::Missing(ordinary.to_owned()),
    }
}

/// The version that is nearest to the one asked for: by its first number, then by its second, and so on; of two that
/// are equally far, the higher one.
pub(super) fn nearest<'a>(asked: &str, here: &'a [String]) -> Option<&'a String> {
    let asked = numbers(asked);
    here.iter().min_by_key(|version| {
        let version = numbers(version);
        let at = |numbers: &[u64], i: usize| numbers.get(i).copied().unwrap_or(0);
        let longest = asked.len().max(version.len());
        let away: Vec<u64> = (0..longest).map(|i| at(&asked, i).abs_diff(at(&version, i))).collect();
        (away, std::cmp::Reverse(version))
    })
}

#[cfg(test)]
mod tests;
