//! What has to be built, and under which name. Pure: inputs in, names and steps out.

use crate::domain::RuntimeRef;
use sha2::{Digest, Sha256};
use std::fmt::Write;

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

/// The name of a runtime's image: it changes whenever shim, Dockerfile or base change, so a stale image is never used.
#[must_use]
pub(super) fn runtime_tag(runtime: &RuntimeRef, owner: &str, base_id: &str, context: &[ContextFile]) -> String {
    let mut hash = Sha256::new();
    hash.update(owner);
    hash.update(base_id);
    for file in context {
        hash.update(file.path.as_bytes());
        hash.update(file.mode.to_le_bytes());
        hash.update(&file.bytes);
    }
    format!(
        "hob-runtime/{}:{}-{}",
        runtime.family,
        runtime.version,
        short(&hash.finalize())
    )
}

/// The name of a function's image: the same code on the same runtime is the same image.
#[must_use]
pub(super) fn function_tag(runtime_image: &str, code: &str) -> String {
    let hash = Sha256::new().chain_update(runtime_image).chain_update(code).finalize();
    format!("hob-function/{}", short(&hash))
}

/// The Dockerfile of a function's image: the runtime's image and one layer of code.
#[must_use]
pub(super) fn function_dockerfile(runtime_image: &str) -> String {
    format!("FROM {runtime_image}\nCOPY code/ /opt/hob/function/\n")
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
#[must_use]
pub(super) fn choose_base(ordinary: &str, ordinary_here: bool, local: Option<&str>, may_pull: bool) -> Base {
    match local {
        _ if ordinary_here => Base::Here(ordinary.to_owned()),
        Some(local) => Base::Here(local.to_owned()),
        None if may_pull => Base::Pull(ordinary.to_owned()),
        None => Base::Missing(ordinary.to_owned()),
    }
}

fn short(hash: &[u8]) -> String {
    hash.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
