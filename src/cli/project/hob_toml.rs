//! `hob.toml`: Hob's own project file. Every key that is not known is a mistake, named with the nearest that is.

use super::{Code, Function, Project, Source};
use crate::api::native::job_wire::{JobInput, JobSettings, Missed, Overlap};
use crate::api::native::wire::{DeploySettings, Network, NewWebhook};
use crate::cli::args::millis;
use crate::cli::failure::Failure;
use crate::config::nearest;
use crate::domain::{Convention, Cpu, FunctionName, moment};
use toml::{Table, Value};

const TOP: &[&str] = &["namespace", "env", "functions"];
const FUNCTION: &[&str] = &[
    "path",
    "image",
    "runtime",
    "entry",
    "convention",
    "base_image",
    "base_steps",
    "build",
    "command",
    "args",
    "env",
    "memory",
    "timeout",
    "concurrency",
    "min",
    "max",
    "network",
    "cpu",
    "cors",
    "jobs",
    "webhooks",
];
const JOB: &[&str] = &[
    "cron", "tz", "every", "at", "first_at", "count", "missed", "overlap", "data",
];
const WEBHOOK: &[&str] = &["sign", "version", "alias"];

pub(super) fn read(source: &Source<'_>) -> Result<Project, Failure> {
    let file = source.file.display().to_string();
    let table: Table = source
        .text
        .parse()
        .map_err(|error: toml::de::Error| Failure::usage(format!("{file} cannot be read: {error}")))?;
    let top = Section::open(&file, String::new(), &table, TOP)?;
    let common = variables(&top)?;
    let mut functions = Vec::new();
    for (name, section) in top.sections("functions", FUNCTION)? {
        functions.push(function(source, &name, &section, &common)?);
    }
    Ok(Project {
        namespace: top.text("namespace")?,
        functions,
        remarks: Vec::new(),
    })
}

fn function(
    source: &Source<'_>,
    name: &str,
    section: &Section<'_>,
    common: &[(String, String)],
) -> Result<Function, Failure> {
    let checked = FunctionName::parse(name).map_err(|error| section.wrong("", &error.to_string()))?;
    let image = section.text("image")?;
    let path = section.text("path")?;
    if image.is_some() && path.is_some() {
        return Err(section.wrong("image", "stands beside `path`: a function has one of them"));
    }
    let started = ["command", "args"]
        .into_iter()
        .find(|key| section.table.contains_key(*key));
    if let Some(key) = started.filter(|_| image.is_none()) {
        return Err(section.wrong(
            key,
            "is for images, and `image` is not there: code is started by its runtime",
        ));
    }
    let mut function = Function {
        name: checked.as_str().to_owned(),
        code: match &image {
            Some(_) => Code::Image,
            None => Code::Path(source.directory.join(path.unwrap_or_else(|| ".".to_owned()))),
        },
        settings: settings(section, image)?,
        ..Function::default()
    };
    for (key, value) in common.iter().cloned().chain(variables(section)?) {
        function.env.set(&key, value, source.file.display().to_string());
    }
    if section.table.contains_key("jobs") {
        let jobs = section.sections("jobs", JOB)?.into_iter();
        let jobs = jobs.map(|(key, job_section)| Ok((key.clone(), job(name, key, &job_section)?)));
        function.jobs = Some(jobs.collect::<Result<_, Failure>>()?);
    }
    if section.table.contains_key("webhooks") {
        let webhooks = section.sections("webhooks", WEBHOOK)?.into_iter();
        let webhooks = webhooks.map(|(key, hook)| Ok((key.clone(), webhook(name, key, &hook)?)));
        function.webhooks = Some(webhooks.collect::<Result<_, Failure>>()?);
    }
    Ok(function)
}

fn settings(section: &Section<'_>, image: Option<String>) -> Result<DeploySettings, Failure> {
    let convention = section.text("convention")?;
    if let Some(error) = convention.as_deref().and_then(|text| Convention::parse(text).err()) {
        return Err(section.wrong("convention", &error.to_string()));
    }
    Ok(DeploySettings {
        runtime: section.text("runtime")?,
        image,
        entry: section.text("entry")?,
        convention,
        base_image: section.text("base_image")?,
        base_steps: section.texts("base_steps")?,
        build_commands: section.texts("build")?,
        command: section.words("command")?,
        args: section.words("args")?,
        memory_mib: section.number("memory", "a number of MiB, as 256")?,
        timeout_ms: section.time("timeout")?,
        concurrency: section.number("concurrency", "a number of calls")?,
        min_workers: section.number("min", "a number of workers")?,
        max_workers: section.number("max", "a number of workers")?,
        network: section.choice("network", &[("outbound", Network::Outbound), ("none", Network::None)])?,
        cpu_millis: cpu(section)?,
        cors: section.texts("cors")?,
        ..DeploySettings::default()
    })
}

/// `0.5`, `2` or `"none"`.
fn cpu(section: &Section<'_>) -> Result<Option<u32>, Failure> {
    let Some(value) = section.table.get("cpu") else {
        return Ok(None);
    };
    let wrong = || section.wrong("cpu", "is not a number of cores, as 0.5 or 2, nor \"none\"");
    if value.as_str() == Some("none") {
        return Ok(Some(0));
    }
    let cores = value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64));
    let millis = cores
        .map(|cores| (cores * 1000.0).round())
        .filter(|millis| (0.0..1e6).contains(millis));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    let millis = millis.map(|millis| millis as u32).ok_or_else(wrong)?;
    Cpu::from_millis(millis)
        .map(|cpu| Some(cpu.millis()))
        .map_err(|_| wrong())
}

fn variables(section: &Section<'_>) -> Result<Vec<(String, String)>, Failure> {
    let Some(value) = section.table.get("env") else {
        return Ok(Vec::new());
    };
    let table = value
        .as_table()
        .ok_or_else(|| section.wrong("env", "is no table of variables"))?;
    let pair = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            _ => return Err(section.wrong(&format!("env.{name}"), "is neither a text nor a number")),
        };
        Ok((name.clone(), text))
    };
    table.iter().map(pair).collect()
}

fn job(function: &str, name: String, section: &Section<'_>) -> Result<JobSettings, Failure> {
    let rhythms = ["cron", "every", "at"].map(|key| section.table.contains_key(key));
    if rhythms.iter().filter(|said| **said).count() != 1 {
        return Err(section.wrong("", "needs exactly one of `cron`, `every` and `at`"));
    }
    let tz = section.text("tz")?;
    let zone = tz.clone().unwrap_or_else(|| "UTC".to_owned());
    let at = |key: &str| {
        let text = section.moment(key)?;
        let at = text.map(|text| moment(&text, &zone).map(|at| at.as_millis()));
        at.transpose().map_err(|error| section.wrong(key, &error.to_string()))
    };
    Ok(JobSettings {
        function: Some(function.to_owned()),
        name: Some(name),
        selector: None,
        cron: section.text("cron")?,
        tz: tz.filter(|_| section.table.contains_key("cron")),
        every_ms: section.time("every")?.map(u64::from),
        at_ms: at("at")?,
        first_at_ms: at("first_at")?,
        count: section.number("count", "a number")?,
        missed: section.choice("missed", &[("skip", Missed::Skip), ("once", Missed::Once)])?,
        overlap: section.choice("overlap", &[("allow", Overlap::Allow), ("skip", Overlap::Skip)])?,
        input: section.table.get("data").map(json_input).transpose()?,
    })
}

/// A text as it is, anything else as JSON.
fn json_input(value: &Value) -> Result<JobInput, Failure> {
    let body = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string(other).map_err(|error| Failure::usage(error.to_string()))?,
    };
    Ok(input_of(body))
}

/// A call with a JSON body.
pub(super) fn input_of(body: String) -> JobInput {
    let mut input = JobInput {
        body,
        ..JobInput::default()
    };
    let kind = ("content-type".to_owned(), "application/json".to_owned());
    input.headers.extend([kind]);
    input
}

fn webhook(function: &str, name: String, section: &Section<'_>) -> Result<NewWebhook, Failure> {
    let version = section
        .number::<u32>("version", "a number")?
        .map(|n| format!("version:{n}"));
    let alias = section.text("alias")?.map(|alias| format!("alias:{alias}"));
    if version.is_some() && alias.is_some() {
        return Err(section.wrong("alias", "stands beside `version`: a webhook has one of them"));
    }
    Ok(NewWebhook {
        function: function.to_owned(),
        selector: version.or(alias),
        description: name,
        signature: section.choice(
            "sign",
            &[("github", "github".to_owned()), ("stripe", "stripe".to_owned())],
        )?,
        secret: None,
    })
}

/// A table of the file, with where it is and what it may hold.
struct Section<'a> {
    file: &'a str,
    path: String,
    table: &'a Table,
}

impl<'a> Section<'a> {
    fn open(file: &'a str, path: String, table: &'a Table, known: &[&str]) -> Result<Self, Failure> {
        let section = Self { file, path, table };
        let stranger = table.keys().find(|key| !known.contains(&key.as_str()));
        let Some(stranger) = stranger else { return Ok(section) };
        let meant = nearest(stranger, known.iter().copied());
        let meant = meant.map_or_else(
            || format!("use {}", known.join(", ")),
            |near| format!("do you mean `{near}`?"),
        );
        Err(section.wrong(stranger, &format!("is not known: {meant}")))
    }

    /// The tables of a table, by name.
    fn sections(&self, key: &str, known: &[&str]) -> Result<Vec<(String, Self)>, Failure> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let no_table = |at: &str| self.wrong(at, &format!("is no table: write [{}]", self.at(&format!("{key}.NAME"))));
        let all = value.as_table().ok_or_else(|| no_table(key))?;
        let one = |(name, value): (&String, &'a Value)| {
            let at = format!("{key}.{name}");
            let table = value.as_table().ok_or_else(|| no_table(&at))?;
            Ok((name.clone(), Self::open(self.file, self.at(&at), table, known)?))
        };
        all.iter().map(one).collect()
    }

    fn at(&self, key: &str) -> String {
        let parts = [self.path.as_str(), key].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(".")
    }

    fn wrong(&self, key: &str, why: &str) -> Failure {
        Failure::usage(format!("{}: `{}` {why}", self.file, self.at(key)))
    }

    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        let value = self.table.get(key);
        let text = value.map(|value| value.as_str().map(str::to_owned));
        text.map(|text| text.ok_or_else(|| self.wrong(key, "is no text: put it in quotes")))
            .transpose()
    }

    /// A list of texts, or one.
    fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Failure> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        if let Some(text) = value.as_str() {
            return Ok(Some(vec![text.to_owned()]));
        }
        let items = value
            .as_array()
            .map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)));
        let texts: Option<Vec<_>> = items.and_then(Iterator::collect);
        texts.map(Some).ok_or_else(|| self.wrong(key, "is no list of texts"))
    }

    /// A list of texts: one text would leave open where its words end.
    fn words(&self, key: &str) -> Result<Option<Vec<String>>, Failure> {
        match self.table.get(key) {
            Some(Value::String(_)) => Err(self.wrong(key, "is one text: write its words as a list, [\"a\", \"b\"]")),
            _ => self.texts(key),
        }
    }

    fn number<T: TryFrom<i64>>(&self, key: &str, what: &str) -> Result<Option<T>, Failure> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let number = value.as_integer().and_then(|number| T::try_from(number).ok());
        number
            .map(Some)
            .ok_or_else(|| self.wrong(key, &format!("is not {what}")))
    }

    fn time(&self, key: &str) -> Result<Option<u32>, Failure> {
        let Some(text) = self.table.get(key) else {
            return Ok(None);
        };
        let text = text.as_str().unwrap_or_default();
        let millis = millis(text).map_err(|_| self.wrong(key, "is not a time, as \"500ms\", \"30s\" or \"1m30s\""));
        millis.map(Some)
    }

    /// A moment, in quotes or not.
    fn moment(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.table.get(key) {
            Some(Value::Datetime(moment)) => Ok(Some(moment.to_string())),
            _ => self.text(key),
        }
    }

    fn choice<T: Clone>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let found = choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| value.clone());
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        found
            .map(Some)
            .ok_or_else(|| self.wrong(key, &format!("is not {}", words.join(" or "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn project(text: &str) -> Result<Project, String> {
        let source = Source {
            file: Path::new("hob.toml"),
            directory: Path::new("here"),
            text: text.to_owned(),
            environment: &Environment::default(),
        };
        read(&source).map_err(|failure| failure.body.expect("said").message)
    }

    #[test]
    fn all_that_can_be_said_is_understood() {
        let project = project(
            r#"
            namespace = "team"
            env = { LEVEL = "info", PORT = 80 }

            [functions.hello]
            path = "hello"
            runtime = "r:1"
            entry = "main.main"
            convention = "event-context"
            base_image = "own:1"
            base_steps = ["RUN get"]
            cors = ["http://localhost:3000"]
            build = ["make"]
            memory = 128
            timeout = "30s"
            concurrency = 2
            min = 0
            max = 3
            network = "none"
            cpu = 0.5
            env = { LEVEL = "debug" }

            [functions.hello.jobs.nightly]
            cron = "0 3 * * *"
            tz = "Europe/Paris"
            overlap = "skip"
            data = { what = "all" }

            [functions.hello.jobs.once]
            at = 2030-01-01T00:00:00Z

            [functions.hello.webhooks.pushes]
            sign = "github"
            alias = "live"

            [functions.site]
            image = "my-server:1"
            command = ["serve"]
            args = ["--port", "80"]
            "#,
        )
        .expect("good");
        assert_eq!(project.namespace.as_deref(), Some("team"));
        let [hello, site] = &project.functions[..] else {
            panic!("two: {project:?}")
        };
        assert_eq!(hello.code, Code::Path(Path::new("here/hello").to_owned()));
        let settings = &hello.settings;
        assert_eq!(
            (settings.memory_mib, settings.timeout_ms, settings.cpu_millis),
            (Some(128), Some(30_000), Some(500))
        );
        assert_eq!(
            settings.cors.as_deref(),
            Some(["http://localhost:3000".to_owned()].as_slice())
        );
        assert_eq!(
            (settings.base_image.as_deref(), settings.base_steps.as_deref()),
            (Some("own:1"), Some(&["RUN get".to_owned()][..]))
        );
        assert_eq!(
            hello.env.values(),
            [("LEVEL", "debug"), ("PORT", "80")]
                .map(|(k, v)| (k.into(), v.into()))
                .into()
        );
        let jobs = hello.jobs.as_ref().expect("jobs");
        let nightly = &jobs["nightly"];
        assert_eq!(
            nightly.input.as_ref().map(|input| input.body.as_str()),
            Some(r#"{"what":"all"}"#)
        );
        assert_eq!(jobs["once"].at_ms, Some(1_893_456_000_000));
        let hook = &hello.webhooks.as_ref().expect("webhooks")["pushes"];
        assert_eq!(
            (hook.signature.as_deref(), hook.selector.as_deref()),
            (Some("github"), Some("alias:live"))
        );
        assert_eq!(
            (site.code.clone(), site.settings.image.as_deref()),
            (Code::Image, Some("my-server:1"))
        );
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            (&site.settings.command, &site.settings.args),
            (&words(&["serve"]), &words(&["--port", "80"]))
        );
        assert_eq!((&settings.command, &settings.args), (&None, &None));
        assert!(site.jobs.is_none() && site.webhooks.is_none());
    }

    #[test]
    fn the_example_of_the_readme_is_a_project() {
        let readme = include_str!("../../../README.md");
        let blocks = readme.split("```toml\n").skip(1);
        let mut examples = blocks.filter_map(|rest| rest.split("```").next());
        let example = examples.find(|text| text.contains("[functions."));
        let project = project(example.expect("the README has an example")).expect("good");
        let report = &project.functions[0];
        assert_eq!(report.env.values()["LEVEL"], "debug");
        assert!(report.jobs.is_some() && report.webhooks.is_some());
    }

    #[test]
    fn mistakes_name_the_key_and_what_is_right() {
        for (text, says) in [
            ("[function.a]", "`function` is not known: do you mean `functions`?"),
            (
                "[functions.a]\nmemroy = 1",
                "`functions.a.memroy` is not known: do you mean `memory`?",
            ),
            (
                "[functions.a]\nmemory = \"1\"",
                "`functions.a.memory` is not a number of MiB",
            ),
            (
                "[functions.a]\nmemory = -1",
                "`functions.a.memory` is not a number of MiB",
            ),
            ("[functions.a]\ntimeout = 30", "`functions.a.timeout` is not a time"),
            ("[functions.a]\nnetwork = \"all\"", "is not \"outbound\" or \"none\""),
            (
                "[functions.a]\nconvention = \"x\"",
                "`functions.a.convention` convention `x` is not known",
            ),
            (
                "[functions.a]\ncpu = \"x\"",
                "`functions.a.cpu` is not a number of cores",
            ),
            ("[functions.a]\npath = \"a\"\nimage = \"b\"", "stands beside `path`"),
            (
                "[functions.a]\nimage = \"b\"\nargs = \"a b\"",
                "`functions.a.args` is one text: write its words as a list",
            ),
            (
                "[functions.a]\nimage = \"b\"\ncommand = [1]",
                "`functions.a.command` is no list of texts",
            ),
            (
                "[functions.a]\ncommand = [\"b\"]",
                "`functions.a.command` is for images",
            ),
            ("[functions.\"a/b\"]", "`functions.a/b`"),
            ("functions = 1", "`functions` is no table"),
            ("[functions]\na = 1", "write [functions.NAME]"),
            ("[functions.a.jobs.t]", "exactly one of `cron`, `every` and `at`"),
            (
                "[functions.a.jobs.t]\nevery = \"5m\"\ncorn = \"x\"",
                "do you mean `cron`?",
            ),
            ("[functions.a.jobs.t]\nat = \"soon\"", "`functions.a.jobs.t.at`"),
            ("[functions.a.webhooks.w]\nsing = \"github\"", "do you mean `sign`?"),
            ("[functions.a.env]\nA = []", "`functions.a.env.A` is neither"),
            ("a = [", "hob.toml cannot be read"),
        ] {
            let message = project(text).expect_err(text);
            assert!(message.contains(says), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_not_said_is_left_to_the_daemon() {
        let project = project("[functions.a]").expect("good");
        let function = &project.functions[0];
        assert_eq!(function.settings, DeploySettings::default());
        assert_eq!(function.code, Code::Path(Path::new("here/.").to_owned()));
        assert!(function.jobs.is_none() && function.env.values().is_empty());
    }

    #[test]
    fn jobs_of_a_wrong_kind_are_a_mistake() {
        assert!(
            project("[functions.a]\njobs = []")
                .expect_err("a list")
                .contains("is no table")
        );
        let none: BTreeMap<String, JobSettings> = BTreeMap::new();
        let project = project("[functions.a]\njobs = {}").expect("none at all");
        assert_eq!(project.functions[0].jobs, Some(none));
    }
}
