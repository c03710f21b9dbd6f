//! The dashboard and the alerts of `examples/observability` name nothing that `/metrics` does not have.

use crate::support::{Hob, root};
use serde_json::Value;
use std::collections::BTreeSet;

/// What Prometheus knows without us.
const OF_PROMETHEUS: [&str; 1] = ["up"];

fn file(name: &str) -> String {
    let path = root().join("examples/observability").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every `expr` below a value.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str().filter(|_| key == "expr") {
                Some(text) => vec![text.to_owned()],
                None => expressions(value),
            })
            .collect(),
        Value::Array(all) => all.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// The metrics that an expression asks for, and the labels that it asks for of any.
fn asked(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut outside, mut labels, mut depth) = (String::new(), BTreeSet::new(), 0);
    for piece in expression.split_inclusive(['{', '}']) {
        let inner = piece.trim_end_matches(['{', '}']);
        match depth {
            0 => outside.push_str(inner),
            _ => labels.extend(inner.split(',').map(|pair| pair.trim().to_owned())),
        }
        depth = usize::from(piece.ends_with('{'));
        outside.push(' ');
    }
    // The labels that a sum keeps are no metrics.
    let without_groups: Vec<_> = outside
        .split("by (")
        .enumerate()
        .map(|(n, part)| match n {
            0 => part,
            _ => part.split_once(')').map_or("", |(_, rest)| rest),
        })
        .collect();
    let without_groups = without_groups.join(" ");
    let words = without_groups.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("hob_") || word.starts_with("faas_") || OF_PROMETHEUS.contains(word);
    (words.filter(is_metric).map(str::to_owned).collect(), labels)
}

#[test]
fn an_expression_is_read_as_prometheus_reads_it() {
    let (metrics, labels) = asked(
        "sum by (le, faas_trigger) (rate(hob_a_bucket{state=\"x\", b=\"y\"}[5m])) / hob_c and up{job=\"hob\"} == 0",
    );
    let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(metrics, texts(&["hob_a_bucket", "hob_c", "up"]));
    assert_eq!(labels, texts(&["state=\"x\"", "b=\"y\"", "job=\"hob\""]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_dashboard_and_the_alerts_is_one_of_ours() {
    let hob = Hob::start(&[]).await.0;
    let page = hob.get("/metrics").await.text();
    let series: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    let names: BTreeSet<_> = series.iter().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).expect("JSON");
    let alerts: Value = serde_saphyr::from_str(&file("alerts.yml")).expect("YAML");
    let all: Vec<_> = expressions(&dashboard)
        .into_iter()
        .chain(expressions(&alerts))
        .collect();
    assert!(all.len() > 30, "{} expressions", all.len());
    for expression in all {
        let (metrics, labels) = asked(&expression);
        assert!(!metrics.is_empty(), "nothing is asked for in {expression}");
        let ours = metrics.iter().filter(|name| !OF_PROMETHEUS.contains(&name.as_str()));
        for name in ours {
            assert!(names.contains(name.as_str()), "no {name}, asked for in {expression}");
        }
        for label in labels.iter().filter(|label| *label != "job=\"hob\"") {
            assert!(
                series.iter().any(|line| line.contains(label)),
                "no {label}, asked for in {expression}"
            );
        }
    }
}

#[test]
fn each_alert_says_what_to_do_and_prometheus_is_told_of_the_alerts() {
    let alerts: Value = serde_saphyr::from_str(&file("alerts.yml")).expect("YAML");
    let rules = alerts["groups"][0]["rules"].as_array().expect("rules");
    for rule in rules {
        for part in ["summary", "description"] {
            assert!(rule["annotations"][part].is_string(), "{part} of {rule}");
        }
        assert!(rule["labels"]["severity"].is_string(), "{rule}");
    }
    let prometheus: Value = serde_saphyr::from_str(&file("prometheus.yml")).expect("YAML");
    assert_eq!(prometheus["rule_files"][0], "alerts.yml");
    assert_eq!(prometheus["scrape_configs"][0]["job_name"], "hob");
}
