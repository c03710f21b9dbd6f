//! Configurations that people write: YAML in a file `function.yaml`, or in the comments of a source file; and how such a
//! configuration and a request become one. Pure. The only file that knows the YAML parser.
//!
//! Source: the contract's sections 11.4 and 11.5.

use super::config::Config;
use super::schema::{Origin, is_empty};
use serde_json::{Map, Value};

/// The file that a package may have at its top, and the key of a block in comments.
pub(super) const FILE: &str = "function.yaml";

/// Reads a configuration file.
///
/// # Errors
/// The parser's own text, or a sentence about the value that does not fit.
pub(super) fn config(text: &str) -> Result<Config, String> {
    Config::read(&value(text)?, Origin::Yaml)
}

/// Reads any YAML as JSON.
///
/// # Errors
/// The parser's own text.
pub(super) fn value(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text).map_err(|e| e.to_string())
}

/// The configuration in the comments of a source file, if there is one.
///
/// A line `# @nuclio.configure` opens a block, whatever its blanks; the lines after it belong to it while they begin
/// with the same marks. A block that the file's end cuts off is none.
///
/// # Errors
/// The parser's own text.
pub(super) fn inline(source: &str) -> Result<Option<Config>, String> {
    let Some(block) = block(source) else {
        return Ok(None);
    };
    let value = value(&block)?;
    match value.get(FILE) {
        Some(config) => Config::read(config, Origin::Yaml).map(Some),
        None => Ok(None),
    }
}

fn block(source: &str) -> Option<String> {
    let mut lines = source.lines();
    let marks = lines.find_map(opens)?;
    let mut block = String::new();
    for line in lines {
        let Some(rest) = line.strip_prefix(marks) else {
            return Some(block);
        };
        let mut rest = rest.chars();
        // One character parts the marks from the text.
        rest.next();
        block.push_str(rest.as_str());
        block.push('\n');
    }
    None
}

/// The comment marks of a line that opens the block.
fn opens(line: &str) -> Option<&'static str> {
    let bare: String = line.chars().filter(|c| *c != ' ').collect();
    let marks = ["#", "//"].into_iter();
    marks
        .into_iter()
        .find(|marks| bare.trim_end().strip_prefix(marks) == Some("@nuclio.configure"))
}

/// A request and a file as one: what the request says wins, what it leaves open is the file's. Of lists only the
/// environment grows, by the variables that the request does not name.
pub(super) fn merge(request: &Config, file: &Config) -> Config {
    let mut merged = request.clone();
    let (metadata, from_file) = (&mut merged.metadata, &file.metadata);
    for (labels, more) in [
        (&mut metadata.labels, &from_file.labels),
        (&mut metadata.annotations, &from_file.annotations),
    ] {
        for (key, value) in more {
            labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if metadata.name.is_empty() {
        metadata.name.clone_from(&from_file.name);
    }
    let environment = environment(&request.spec, &file.spec);
    fill(&mut merged.spec, &file.spec);
    if !environment.is_empty() {
        merged.set("env", environment);
    }
    merged
}

fn fill(fields: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (fields.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => fill(inner, more),
            (Some(there), _) if !is_empty(there) => {}
            _ => drop(fields.insert(key.clone(), value.clone())),
        }
    }
}

fn environment(request: &Map<String, Value>, file: &Map<String, Value>) -> Vec<Value> {
    let list = |spec: &Map<String, Value>| spec.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = list(request);
    for variable in list(file) {
        if !all.iter().any(|known| known["name"] == variable["name"]) {
            all.push(variable);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOURCE: &str = "#!/bin/x\n# @nuclio.configure\n#\n# function.yaml:\n#   apiVersion: \"nuclio.io/v1beta1\"\n#   spec:\n#     handler: hello:handler\n#     env:\n#     - name: A\n#       value: 1\n\ndef handler():\n";

    #[test]
    fn a_block_in_comments_is_a_configuration() {
        let config = inline(SOURCE).expect("readable").expect("there");
        assert_eq!(config.text("handler"), "hello:handler");
        assert_eq!(config.spec["env"], json!([{"name": "A", "value": "1"}]));
        let slashes = SOURCE.replace("# ", "// ").replace("#\n", "//\n");
        assert_eq!(inline(&slashes).expect("readable"), Some(config));
    }

    #[test]
    fn what_is_no_block_is_no_configuration() {
        for source in [
            "",
            "x = 1\n",
            "# @nuclio.configure\n# function.yaml:\n#   spec: {}",
            "# nuclio.configure\n",
        ] {
            assert_eq!(inline(source), Ok(None), "{source}");
        }
        assert!(inline("#@nuclio.configure\n# function.yaml: [\nx\n").is_err());
    }

    #[test]
    fn a_request_wins_and_a_file_fills_what_it_leaves_open() {
        let request = Config::read(
            &json!({"metadata": {"name": "f", "labels": {"a": "1"}},
                    "spec": {"handler": "mine", "env": [{"name": "A", "value": "1"}],
                             "triggers": {"t": {"kind": "http", "numWorkers": 2}}}}),
            Origin::Json,
        )
        .expect("of the shape");
        let file = config(
            "metadata:\n  name: other\n  labels: {a: 2, b: 3}\nspec:\n  handler: theirs\n  runtime: x\n  env: [{name: A, value: 9}, {name: B, value: 2}]\n  triggers:\n    t: {kind: http, numWorkers: 8, url: u}\n    c: {kind: cron}\n",
        )
        .expect("readable");
        let merged = merge(&request, &file);
        assert_eq!(merged.metadata.name, "f");
        assert_eq!(
            merged.metadata.labels,
            [("a", "1"), ("b", "3")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into()
        );
        assert_eq!((merged.text("handler"), merged.text("runtime")), ("mine", "x"));
        assert_eq!(
            merged.spec["env"],
            json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
        );
        assert_eq!(merged.spec["triggers"]["t"]["numWorkers"], 2);
        assert_eq!(
            (
                &merged.spec["triggers"]["t"]["url"],
                &merged.spec["triggers"]["c"]["kind"]
            ),
            (&json!("u"), &json!("cron"))
        );
    }
}
