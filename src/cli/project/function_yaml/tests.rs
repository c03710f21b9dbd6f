//! Files as other tools have them, and what becomes of each key.

use super::*;
use crate::api::native::job_wire::{JobSettings, Overlap};
use crate::config::Environment;
use std::path::Path;

const FILE: &str = r#"
apiVersion: "any/v1"
kind: Function
metadata:
  name: parts
  labels: {a: b}
spec:
  description: counts parts
  handler: main:handler
  runtime: "some:3.9"
  eventTimeout: 1m30s
  minReplicas: 1
  maxReplicas: 4
  platform: {attributes: {}}
  env:
    - name: LEVEL
      value: debug
    - name: N
      value: 3
  resources:
    limits:
      memory: 1Gi
      cpu: 500m
  build:
    commands:
      - "install \\"
      - "it"
      - "@builder.only"
  triggers:
    web:
      kind: http
      numWorkers: 2
      attributes: {port: 32001}
    hourly:
      kind: cron
      attributes:
        schedule: "0 * * * *"
    often:
      kind: cron
      attributes:
        interval: 3s
        event:
          body: "tick"
          headers: {X-Of: clock}
          path: /ticks
          method: PUT
    stream:
      kind: kafka-cluster
"#;

fn project(text: &str) -> Result<Project, Failure> {
    read(&Source {
        file: Path::new("function.yaml"),
        directory: Path::new("parts"),
        text: text.to_owned(),
        environment: &Environment::default(),
    })
}

/// A file whose spec is the runtime and this, in one line.
fn of(spec: &str) -> Result<Project, Failure> {
    project(&format!("metadata: {{name: a}}\nspec: {{runtime: r, {spec}}}"))
}

fn one(spec: &str) -> Function {
    let mut project = of(spec).unwrap_or_else(|failure| panic!("{spec}: {failure:?}"));
    project.functions.pop().expect("one")
}

fn remarks(spec: &str) -> Vec<String> {
    of(spec).unwrap_or_else(|failure| panic!("{spec}: {failure:?}")).remarks
}

/// What is said of a mistake, with what to do.
fn mistake(spec: &str) -> String {
    let body = of(spec).expect_err(spec).body.expect("said");
    format!("{} ({})", body.message, body.hint.unwrap_or_default())
}

fn job(attributes: &str) -> JobSettings {
    let function = one(&format!(
        "triggers: {{t: {{kind: cron, attributes: {{{attributes}}}}}}}"
    ));
    function.jobs.expect("jobs").remove("t").expect("a job")
}

#[test]
fn a_file_is_read_as_it_is() {
    let project = project(FILE).expect("good");
    let function = &project.functions[0];
    let settings = &function.settings;
    assert_eq!(
        (function.name.as_str(), settings.runtime.as_deref()),
        ("parts", Some("some:3.9"))
    );
    assert_eq!(settings.entry.as_deref(), Some("main:handler"));
    assert_eq!(settings.convention.as_deref(), Some("context-event"));
    assert_eq!((settings.memory_mib, settings.cpu_millis), (Some(1024), Some(500)));
    assert_eq!((settings.timeout_ms, settings.concurrency), (Some(90_000), Some(2)));
    assert_eq!((settings.min_workers, settings.max_workers), (Some(1), Some(4)));
    assert_eq!(settings.build_commands.as_deref(), Some(&["install it".to_owned()][..]));
    assert_eq!(function.env.values().len(), 2);
    assert_eq!(function.code, Code::Path(Path::new("parts/.").to_owned()));
    let jobs = function.jobs.as_ref().expect("jobs");
    assert_eq!(jobs["hourly"].cron.as_deref(), Some("0 * * * *"));
    assert_eq!(jobs["often"].every_ms, Some(3_000));
    let input = jobs["often"].input.as_ref().expect("an input");
    assert_eq!((input.body.as_str(), input.headers["x-of"].as_str()), ("tick", "clock"));
    assert_eq!((input.method.as_str(), input.path.as_str()), ("PUT", "/ticks"));
    assert_eq!(input.headers["x-hob-trigger-name"], "often");
    let [stream, port] = &project.remarks[..] else {
        panic!("{:?}", project.remarks)
    };
    assert!(stream.contains("`stream` (kafka-cluster)"), "{stream}");
    assert!(
        port.contains("`spec.triggers.web.attributes.port`") && port.contains("/function/parts"),
        "{port}"
    );
}

#[test]
fn code_is_where_the_file_says() {
    let path = |path: &str| Code::Path(Path::new("parts").join(path));
    for (spec, code) in [
        (
            "build: {functionSourceCode: aGVsbG8=}",
            Code::Inline("a".to_owned(), "hello".to_owned()),
        ),
        (
            "image: i, build: {functionSourceCode: aGVsbG8=, codeEntryType: sourceCode}",
            Code::Inline("a".to_owned(), "hello".to_owned()),
        ),
        ("build: {}", path(".")),
        ("build: {path: src}", path("src")),
        ("build: {codeEntryType: archive, path: code.zip}", path("code.zip")),
        ("image: registry/i:1", Code::Image),
        ("image: i, build: {codeEntryType: image, path: src}", Code::Image),
        ("image: i, build: {path: src}", path("src")),
        ("build: {path: 'https://h/main.x'}", Code::Fetched),
        (
            "build: {codeEntryType: archive, path: 'http://h/x.zip', codeEntryAttributes: {headers: null, workDir: /}}",
            Code::Fetched,
        ),
    ] {
        assert_eq!(one(spec).code, code, "{spec}");
    }
    let image = one("image: registry/i:1, handler: h, build: {commands: [make]}").settings;
    assert_eq!((image.image.as_deref(), image.runtime), (Some("registry/i:1"), None));
    assert_eq!(
        (image.convention.as_deref(), image.build_commands),
        (Some("http"), None)
    );
    let fetched = one("build: {path: 'https://h/main.x'}").settings;
    assert_eq!(
        fetched.source.and_then(|source| source.url).as_deref(),
        Some("https://h/main.x")
    );
    assert_eq!(fetched.convention.as_deref(), Some("context-event"));
}

#[test]
fn what_cannot_be_fetched_or_read_is_refused_with_what_to_do() {
    for (spec, says) in [
        ("build: {functionSourceCode: '%%'}", "no text in base64"),
        (
            "build: {codeEntryType: github, path: 'https://h/o/r'}",
            "codeEntryType: archive",
        ),
        ("build: {codeEntryType: git, path: 'https://h/o/r'}", "/api/functions"),
        ("build: {codeEntryType: s3}", "type `s3` is not fetched"),
        ("build: {codeEntryType: other}", "`other` is not known"),
        ("build: {codeEntryType: image}", "`spec.image` names none"),
        ("build: {codeEntryType: archive}", "does not say where"),
        ("build: {path: 'git://h/r'}", "http:// or https://"),
        (
            "build: {path: 'https://h/x.zip', codeEntryAttributes: {workDir: /below}}",
            "only its folder `/below`",
        ),
        (
            "build: {path: 'https://h/x.zip', codeEntryAttributes: {headers: {A: b}}}",
            "codeEntryAttributes.headers",
        ),
        ("eventTimeout: soon", "`spec.eventTimeout`: `soon`"),
        ("minReplicas: many", "`spec.minReplicas`: `many`"),
        ("resources: {limits: {memory: much}}", "limits.memory`: `much`"),
        ("triggers: {t: {kind: cron}}", "trigger `t`: needs an `interval`"),
        (
            "triggers: {t: {kind: cron, attributes: {interval: 5}}}",
            "trigger `t`: `interval`: `5`",
        ),
        (
            "triggers: {t: {kind: cron, attributes: {schedule: daily}}}",
            "trigger `t`: `schedule`",
        ),
        (
            "triggers: {t: {kind: http, numWorkers: -1}}",
            "trigger `t`: `numWorkers`",
        ),
    ] {
        let said = mistake(spec);
        assert!(said.contains(says), "{spec}: {said}");
    }
    let none = project("metadata: {name: a}\nspec: {handler: h}").expect_err("no runtime");
    assert!(none.body.expect("said").message.contains("spec.runtime"));
}

#[test]
fn schedules_are_written_in_several_ways() {
    let cron = |pattern: &str, zone: Option<&str>| (Some(pattern.to_owned()), zone.map(str::to_owned), None);
    let every = |millis| (None, None, Some(millis));
    for (attributes, expect) in [
        ("schedule: '0  * * * *'", cron("0 * * * *", None)),
        (
            "schedule: 'TZ=Europe/Paris 0 3 * * *'",
            cron("0 3 * * *", Some("Europe/Paris")),
        ),
        (
            "schedule: 'CRON_TZ=Asia/Tokyo @daily'",
            cron("@daily", Some("Asia/Tokyo")),
        ),
        ("schedule: '@every 1h30m'", every(5_400_000)),
        ("interval: 1h30m", every(5_400_000)),
        ("interval: 500ms, schedule: '0 0 * * *'", every(500)),
    ] {
        let job = job(attributes);
        assert_eq!((job.cron, job.tz, job.every_ms), expect, "{attributes}");
        assert_eq!(job.overlap, Some(Overlap::Skip), "{attributes}");
    }
    let overlapping = job("interval: 1s, concurrencyPolicy: Allow");
    assert_eq!(overlapping.overlap, Some(Overlap::Allow));
    let disabled = "triggers: {t: {kind: cron, disabled: true}}";
    assert_eq!(one(disabled).jobs, Some([].into()));
    assert!(remarks(disabled)[0].contains("`t` is disabled"));
}

#[test]
fn directives_and_attributes_of_the_runtime_are_carried_out() {
    let function = one("description: d, loggerSinks: [{level: warn, sink: s}], \
         runtimeAttributes: {arguments: -a b, responseHeaders: {x: y}}, env: [{name: A, value: on}, {name: EMPTY}], \
         build: {directives: {preCopy: [{kind: ENV, value: A=b C=d}], postCopy: [{kind: RUN, value: make}]}}");
    let env = [
        ("A", "on"),
        ("C", "d"),
        ("EMPTY", ""),
        ("HOB_ARGUMENTS", "-a b"),
        ("HOB_LOG_LEVEL", "warn"),
        ("HOB_RESPONSE_HEADERS", r#"{"x":"y"}"#),
    ];
    assert_eq!(
        function.env.values(),
        env.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    );
    let commands = ["export A='b'\nexport C='d'\nmake".to_owned()];
    assert_eq!(function.settings.build_commands.as_deref(), Some(&commands[..]));
    let copies = remarks("build: {directives: {preCopy: [{kind: COPY, value: a b}]}}");
    assert_eq!(copies, ["the build step `COPY a b` is not carried out"]);
}

#[test]
fn a_base_image_gets_the_steps_before_the_code_is_there() {
    let based = |build: &str| one(&format!("build: {{{build}}}")).settings;
    let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let directives = "directives: {preCopy: [{kind: ENV, value: A=b}, {kind: RUN, value: get}], \
         postCopy: [{kind: RUN, value: make}]}";
    let settings = based(&format!("baseImage: 'own:1', {directives}"));
    assert_eq!(settings.base_image.as_deref(), Some("own:1"));
    assert_eq!(settings.base_steps, list(&["ENV A=b", "RUN get"]));
    assert_eq!(settings.build_commands, list(&["make"]));
    let settings = based("baseImage: 'own:1', commands: [get, '@after', make]");
    assert_eq!(
        (settings.base_steps, settings.build_commands),
        (list(&["RUN get"]), list(&["make"]))
    );
    let settings = based(directives);
    assert_eq!(
        (settings.base_image.as_deref(), settings.base_steps),
        (Some(""), list(&[]))
    );
}

#[test]
fn every_key_without_effect_is_named() {
    for (spec, named) in [
        ("securityContext: {runAsUser: 1}", "`spec.securityContext`"),
        ("volumes: [{volume: {name: v}}]", "`spec.volumes`"),
        ("build: {noBaseImagesPull: true}", "`spec.build.noBaseImagesPull`"),
        ("build: {noCache: true}", "`spec.build.noCache`"),
        ("build: {directives: {other: [1]}}", "`spec.build.directives.other`"),
        (
            "build: {codeEntryAttributes: {branch: b}}",
            "`spec.build.codeEntryAttributes`",
        ),
        ("image: i, build: {path: src}", "`spec.image` is left out"),
        (
            "image: i, build: {commands: [make]}",
            "`spec.build.commands` is left out",
        ),
        ("runtimeAttributes: {other: 1}", "`spec.runtimeAttributes.other`"),
        (
            "loggerSinks: [{level: info}, {level: debug}]",
            "only the level of the first",
        ),
        ("resources: {requests: {cpu: 1}}", "`spec.resources.requests`"),
        ("resources: {limits: {v/gpu: 1}}", "`spec.resources.limits.v/gpu`"),
        (
            "env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]",
            "the variable A",
        ),
        (
            "triggers: {w: {kind: http, workerAvailabilityTimeoutMilliseconds: 5}}",
            "`spec.triggers.w.workerAvailabilityTimeoutMilliseconds`",
        ),
        (
            "triggers: {w: {kind: http, attributes: {maxRequestBodySize: 5}}}",
            "`spec.triggers.w.attributes.maxRequestBodySize`",
        ),
        (
            "triggers: {w: {kind: http, disabled: true}}",
            "called over HTTP all the same",
        ),
        (
            "triggers: {c: {kind: cron, attributes: {interval: 1s, jobBackoffLimit: 2}}}",
            "`spec.triggers.c.attributes.jobBackoffLimit`",
        ),
        (
            "triggers: {c: {kind: cron, attributes: {interval: 1s, event: {other: 2}}}}",
            "`spec.triggers.c.attributes.event.other`",
        ),
        (
            "triggers: {c: {kind: cron, attributes: {interval: 1s, concurrencyPolicy: Replace}}}",
            "`spec.triggers.c.attributes.concurrencyPolicy`",
        ),
    ] {
        let said = remarks(spec);
        assert!(said.len() == 1 && said[0].contains(named), "{spec}: {said:?}");
    }
    for nothing in [
        "platform: {attributes: {}}, alias: '', version: 0, avatar: null, readinessTimeoutSeconds: 0, volumes: []",
        "handler: h, replicas: 1, triggers: {w: {kind: http, class: '', name: w, attributes: {ingresses: {}}}}",
        "build: {functionSourceCode: aGVsbG8=, codeEntryType: sourceCode, timestamp: 5, noCache: false}",
    ] {
        assert_eq!(remarks(nothing), [""; 0], "{nothing}");
    }
    let space = project("metadata: {name: a, namespace: other}\nspec: {runtime: r}").expect("good");
    assert!(space.remarks[0].contains("`--namespace`"), "{:?}", space.remarks);
}

#[test]
fn a_disabled_function_is_not_deployed() {
    let project = of("disable: true, securityContext: {a: 1}").expect("good");
    assert!(project.functions.is_empty());
    assert!(
        project.remarks.len() == 1 && project.remarks[0].contains("`hob rm a`"),
        "{:?}",
        project.remarks
    );
    assert!(of("disable: yes").expect("good").functions.is_empty());
    assert_eq!(of("disable: false").expect("good").functions.len(), 1);
}

#[test]
fn limits_are_raised_to_the_least_there_is() {
    for (limits, memory, cpu) in [
        ("memory: 128Mi, cpu: 500m", Some(128), Some(500)),
        ("memory: 1.5Gi, cpu: 2", Some(1536), Some(2000)),
        ("memory: 134217728, cpu: 0.25", Some(128), Some(250)),
        ("memory: 1M, cpu: 1m", Some(32), Some(10)),
        ("", None, None),
    ] {
        let settings = one(&format!("resources: {{limits: {{{limits}}}}}")).settings;
        assert_eq!((settings.memory_mib, settings.cpu_millis), (memory, cpu), "{limits}");
    }
}
