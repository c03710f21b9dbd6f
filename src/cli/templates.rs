//! The templates of `hob init`, which the program has with it. They live in `runtimes/`; no language is named here.
//!
//! Writes folders; decides nothing about what is in them.

use super::failure::Failure;
use crate::config::nearest;
use crate::domain::FunctionName;
use std::path::{Path, PathBuf};

/// A language and its templates.
pub(crate) struct Runtime {
    pub(crate) family: &'static str,
    /// Other names that people have for it.
    pub(crate) aliases: &'static [&'static str],
    /// The first is taken when none is named.
    pub(crate) templates: &'static [Template],
}

/// A folder that can be deployed as it is.
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Name and content.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

/// All of them, by language.
pub(crate) const ALL: &[Runtime] = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/runtimes/templates.rs"));

/// `FAMILY-TEMPLATE` for each.
pub(crate) fn names() -> Vec<(String, &'static str)> {
    let of = |runtime: &'static Runtime| {
        let templates = runtime.templates.iter();
        templates.map(|template| (format!("{}-{}", runtime.family, template.name), template.about))
    };
    ALL.iter().flat_map(of).collect()
}

/// The template meant by `FAMILY` or `FAMILY-TEMPLATE`; other names of the family are understood.
pub(crate) fn find(asked: &str) -> Result<&'static Template, Failure> {
    let (family, name) = asked.split_once(['-', '/']).unwrap_or((asked, ""));
    let is_it = |runtime: &&Runtime| runtime.family == family || runtime.aliases.contains(&family);
    let templates = ALL.iter().find(is_it).map_or(&[][..], |runtime| runtime.templates);
    let found = match name {
        "" => templates.first(),
        name => templates.iter().find(|template| template.name == name),
    };
    found.ok_or_else(|| unknown(asked))
}

fn unknown(asked: &str) -> Failure {
    let known = names();
    let families = ALL
        .iter()
        .flat_map(|runtime| runtime.aliases.iter().chain([&runtime.family]));
    let all = known.iter().map(|(name, _)| name.as_str()).chain(families.copied());
    let meant = nearest(asked, all).map(|near| format!(": do you mean `{near}`?"));
    let message = format!("there is no template `{asked}`{}", meant.unwrap_or_default());
    Failure::usage(message).hint("`hob init --list` shows what there is")
}

/// Writes the template's files into `directory`, which is made if need be, and gives the function the directory's name.
/// Answers the names of the files.
///
/// Fails when one of the files is there already; nothing is written then.
pub(crate) fn write(template: &Template, directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files: Vec<_> = template
        .files
        .iter()
        .map(|(name, text)| (directory.join(name), *text))
        .collect();
    if let Some((taken, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        let message = format!("`{}` is there already, and nothing is overwritten", taken.display());
        return Err(Failure::usage(message).hint("name another directory: `hob init TEMPLATE DIR`"));
    }
    let failed = |path: &Path, error| Failure::usage(format!("cannot write `{}`: {error}", path.display()));
    std::fs::create_dir_all(directory).map_err(|e| failed(directory, e))?;
    let name = function_name(directory);
    for (path, text) in &files {
        let text = renamed(text, template.name, name.as_deref());
        std::fs::write(path, text).map_err(|e| failed(path, e))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// The directory's own name, if a function can have it.
fn function_name(directory: &Path) -> Option<String> {
    let real = directory.canonicalize().ok()?;
    let name = real.file_name()?.to_str()?;
    FunctionName::parse(name).ok().map(|name| name.as_str().to_owned())
}

fn renamed(text: &str, from: &str, to: Option<&str>) -> String {
    let Some(to) = to else { return text.to_owned() };
    let head = |end: char| (format!("[functions.{from}{end}"), format!("[functions.\"{to}\"{end}"));
    [head(']'), head('.')]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtimes;
    use std::collections::BTreeMap;

    /// The files of every folder of templates, as `FAMILY/TEMPLATE/FILE`.
    fn on_disk() -> BTreeMap<String, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes");
        let mut found = BTreeMap::new();
        let inside = |path: &Path| {
            std::fs::read_dir(path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path())
        };
        for family in inside(&root) {
            for file in inside(&family.join("templates")).flat_map(|template| inside(&template).collect::<Vec<_>>()) {
                let name = file
                    .strip_prefix(&root)
                    .expect("below it")
                    .to_string_lossy()
                    .replace("/templates", "");
                found.insert(name, std::fs::read_to_string(&file).expect("text"));
            }
        }
        found
    }

    #[test]
    fn the_table_is_what_the_folders_have() {
        let mut table = BTreeMap::new();
        for runtime in ALL {
            for template in runtime.templates {
                for (file, text) in template.files {
                    let name = format!("{}/{}/{file}", runtime.family, template.name);
                    table.insert(name, (*text).to_owned());
                }
            }
        }
        assert_eq!(table, on_disk());
    }

    #[test]
    fn every_language_is_there_under_all_its_names() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes");
        let runtimes = Runtimes::read(&root).expect("manifests");
        for family in runtimes.families().iter().filter(|family| !family.manifest.bring_image) {
            let manifest = &family.manifest;
            let runtime = ALL.iter().find(|runtime| runtime.family == manifest.name);
            let runtime = runtime.unwrap_or_else(|| panic!("{} has no templates", manifest.name));
            assert_eq!(runtime.aliases, manifest.aliases, "{}", manifest.name);
            assert!(runtime.templates.len() >= 3, "{}", manifest.name);
        }
    }

    #[test]
    fn a_language_alone_means_its_first_template_and_a_slip_is_recognised() {
        for runtime in ALL {
            for name in runtime.aliases.iter().chain([&runtime.family]) {
                assert_eq!(find(name).ok().map(|t| t.name), Some("hello"), "{name}");
                assert_eq!(find(&format!("{name}-cron")).ok().map(|t| t.name), Some("cron"));
            }
            let slip = format!("{}-htpt", runtime.family);
            let message = find(&slip).err().and_then(|f| f.body).expect("unknown").message;
            assert!(message.contains(&format!("`{}-http`", runtime.family)), "{message}");
        }
    }

    #[test]
    fn nothing_is_overwritten_and_the_function_is_called_as_its_folder() {
        let home = tempfile::tempdir().expect("a folder");
        let (template, directory) = (&ALL[0].templates[0], home.path().join("my-own"));
        let written = write(template, &directory).expect("written");
        assert_eq!(written.len(), template.files.len());
        let project = std::fs::read_to_string(directory.join("hob.toml")).expect("a project file");
        assert!(project.contains("[functions.\"my-own\"]"), "{project}");
        std::fs::write(directory.join("hob.toml"), "mine").expect("written");
        for (name, _) in template.files.iter().filter(|(name, _)| *name != "hob.toml") {
            std::fs::remove_file(directory.join(name)).expect("removed");
        }
        assert!(write(template, &directory).is_err());
        let left: Vec<_> = std::fs::read_dir(&directory).expect("there").flatten().collect();
        assert_eq!(left.len(), 1, "nothing is written when something is there");
        assert_eq!(std::fs::read_to_string(left[0].path()).ok().as_deref(), Some("mine"));
    }
}
