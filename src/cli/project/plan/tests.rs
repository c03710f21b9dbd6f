//! Plans, by tables: what is wanted, what is there, and the lines that come of it.

use super::*;
use crate::api::native::job_wire::{JobInput, JobState, JobView, Missed, Overlap};
use crate::api::native::wire::{LimitsView, Network};

fn view() -> FunctionView {
    let latest = RevisionView {
        id: "r".to_owned(),
        number: 1,
        state: DeployState::Ready,
        error: None,
        runtime: "some:3.11".to_owned(),
        entry: "main.main".to_owned(),
        convention: "kwargs".to_owned(),
        code_sha256: Some("digest".to_owned()),
        env: [("A".to_owned(), "1".to_owned())].into(),
        secrets: Vec::new(),
        limits: LimitsView {
            memory_mib: 128,
            timeout_ms: 30_000,
            concurrency: 1,
            min_workers: 0,
            max_workers: 4,
            network: Network::Outbound,
            cpu_millis: None,
        },
        image: None,
        worker_image: None,
        base_image: None,
        base_steps: Vec::new(),
        build_commands: Vec::new(),
        cors: Vec::new(),
        command: Vec::new(),
        args: Vec::new(),
        notice: None,
        pull: None,
        created_at_ms: 0,
    };
    FunctionView {
        id: "f".to_owned(),
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
        state: DeployState::Ready,
        current: Some(latest.clone()),
        latest,
        url: String::new(),
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

fn wanted(settings: DeploySettings) -> Function {
    let mut function = Function {
        name: "hello".to_owned(),
        settings,
        ..Function::default()
    };
    function.env.set("A", "1".to_owned(), "x".to_owned());
    function
}

fn lines(function: &Function, digest: &str, there: &There) -> Vec<String> {
    steps(function, Some(digest), there).iter().map(Step::line).collect()
}

fn there() -> There {
    There {
        function: Some(view()),
        ..There::default()
    }
}

#[test]
fn what_is_there_as_it_is_wanted_needs_no_step() {
    let none: [&str; 0] = [];
    assert_eq!(lines(&wanted(DeploySettings::default()), "digest", &there()), none);
    for runtime in ["some", "some:3.11", "some@3", "some311", "some3.11"] {
        let settings = DeploySettings {
            runtime: Some(runtime.to_owned()),
            memory_mib: Some(128),
            timeout_ms: Some(30_000),
            cpu_millis: Some(0),
            network: Some(Network::Outbound),
            ..DeploySettings::default()
        };
        assert_eq!(lines(&wanted(settings), "digest", &there()), none, "{runtime}");
    }
}

#[test]
fn what_differs_is_named_with_what_it_was() {
    let settings = DeploySettings {
        runtime: Some("some:3.12".to_owned()),
        memory_mib: Some(256),
        timeout_ms: Some(500),
        cpu_millis: Some(500),
        max_workers: Some(2),
        command: Some(vec!["serve".to_owned()]),
        args: Some(Vec::new()),
        cors: Some(vec!["http://a".to_owned(), "http://b".to_owned()]),
        ..DeploySettings::default()
    };
    let mut function = wanted(settings);
    function.env = super::super::Layered::default();
    function.env.set("B", "secret".to_owned(), "x".to_owned());
    let mut there = there();
    let view = there.function.as_mut().expect("there");
    view.latest.args = ["--port", "80"].map(str::to_owned).into();
    let expect = "~ function hello: code, runtime some:3.11 -> some:3.12, command none -> serve, args --port 80 -> none, \
                  memory 128 MiB -> 256 MiB, timeout 30 s -> 500 ms, max 4 -> 2, \
                  cors none -> http://a http://b, cpu none -> 0.5 cores, +B, -A";
    assert_eq!(lines(&function, "other", &there), [expect]);
}

#[test]
fn secrets_are_sent_as_such_when_they_differ_and_are_named_only() {
    let mut function = wanted(DeploySettings::default());
    function.env.set_secret("NEW", "1".to_owned(), "x".to_owned());
    function.env.set_secret("OTHER", "2".to_owned(), "x".to_owned());
    function.env.set_secret("SAME", "3".to_owned(), "x".to_owned());
    function.env.set("SHOWN", "4".to_owned(), "x".to_owned());
    let mut there = there();
    let view = there.function.as_mut().expect("there");
    view.latest.env.insert("SHOWN".to_owned(), "4".to_owned());
    view.latest.secrets = ["BY_HAND", "OTHER", "SAME", "SHOWN"].map(str::to_owned).into();
    there.same_secrets.insert("SAME".to_owned());
    let all = steps(&function, Some("digest"), &there);
    let expect = "~ function hello: +secret NEW, ~secret OTHER, -secret SHOWN";
    assert_eq!(all.iter().map(Step::line).collect::<Vec<_>>(), [expect]);
    let Act::Deploy(settings, false) = &all[0].act else {
        panic!("settings only: {all:?}")
    };
    let sent = settings.secrets.as_ref().expect("secrets");
    let value = |name: &str| sent.0.get(name).cloned();
    assert_eq!(value("NEW"), Some(Some("1".to_owned())));
    assert_eq!(
        (value("SHOWN"), value("SAME"), value("BY_HAND")),
        (Some(None), None, None)
    );
    assert!(!settings.env.as_ref().expect("env").contains_key("NEW"));
}

#[test]
fn a_new_function_is_added_and_a_failed_one_is_tried_again() {
    let settings = DeploySettings {
        runtime: Some("some".to_owned()),
        ..DeploySettings::default()
    };
    let function = wanted(settings);
    assert_eq!(
        lines(&function, "digest", &There::default()),
        ["+ function hello: runtime some"]
    );
    let mut failed = there();
    failed.function.as_mut().expect("there").state = DeployState::Failed;
    let again = lines(&function, "digest", &failed);
    assert!(again[0].starts_with("~ function hello: once more"), "{again:?}");
}

#[test]
fn where_another_version_was_taken_the_family_counts() {
    let mut there = there();
    there.function.as_mut().expect("there").latest.notice = Some("3.11 is used".to_owned());
    let asked = |runtime: &str| {
        wanted(DeploySettings {
            runtime: Some(runtime.to_owned()),
            ..DeploySettings::default()
        })
    };
    assert!(lines(&asked("some:3.13"), "digest", &there).is_empty());
    assert_eq!(lines(&asked("other:3.11"), "digest", &there).len(), 1);
}

fn job(name: &str, cron: &str) -> JobDetail {
    let job = JobView {
        id: format!("id of {name}"),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        function: "hello".to_owned(),
        selector: "current".to_owned(),
        cron: Some(cron.to_owned()),
        tz: Some("UTC".to_owned()),
        every_ms: None,
        at_ms: None,
        first_at_ms: None,
        count: None,
        state: JobState::Active,
        reason: None,
        missed: Missed::Skip,
        overlap: Overlap::Allow,
        next_at_ms: None,
        last_at_ms: None,
        last_execution: None,
        failures: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    };
    JobDetail {
        job,
        input: JobInput::default(),
    }
}

fn wanted_job(cron: &str) -> JobSettings {
    JobSettings {
        function: Some("hello".to_owned()),
        cron: Some(cron.to_owned()),
        ..JobSettings::default()
    }
}

#[test]
fn jobs_come_change_and_go_where_the_file_speaks_of_them() {
    let mut function = wanted(DeploySettings::default());
    let mut there = there();
    there.jobs = vec![
        job("same", "0 * * * *"),
        job("other", "0 * * * *"),
        job("old", "0 * * * *"),
    ];
    assert!(
        lines(&function, "digest", &there).is_empty(),
        "the file does not speak of jobs"
    );
    let jobs = [("same", "0 * * * *"), ("other", "5 * * * *"), ("new", "1 1 * * *")];
    function.jobs = Some(jobs.map(|(name, cron)| (name.to_owned(), wanted_job(cron))).into());
    let expect = [
        "+ job new of hello: cron 1 1 * * *",
        "~ job other of hello: cron 5 * * * *",
        "- job old of hello",
    ];
    assert_eq!(lines(&function, "digest", &there), expect);
    let act = &steps(&function, Some("digest"), &there)[1].act;
    assert!(matches!(act, Act::ChangeJob(id, change) if id == "id of other" && change.function.is_none()));
}

#[test]
fn what_a_job_is_called_with_counts_and_what_is_not_said_does_not() {
    let mut wanted = wanted_job("0 * * * *");
    let mut there = job("a", "0 * * * *");
    there.job.overlap = Overlap::Skip;
    assert!(is_same_job(&wanted, &there));
    wanted.overlap = Some(Overlap::Allow);
    assert!(!is_same_job(&wanted, &there));
    wanted.overlap = None;
    wanted.input = Some(super::super::hob_toml::input_of("{}".to_owned()));
    assert!(!is_same_job(&wanted, &there));
}

#[test]
fn a_webhook_of_another_kind_is_another_webhook() {
    let hook = |signature: Option<&str>| NewWebhook {
        function: "hello".to_owned(),
        description: "pushes".to_owned(),
        signature: signature.map(str::to_owned),
        ..NewWebhook::default()
    };
    let mut function = wanted(DeploySettings::default());
    function.webhooks = Some([("pushes".to_owned(), hook(Some("github")))].into());
    let mut there = there();
    assert_eq!(lines(&function, "digest", &there), ["+ webhook pushes of hello"]);
    there.webhooks = vec![WebhookView {
        id: "w".to_owned(),
        url: String::new(),
        namespace: "default".to_owned(),
        function: "hello".to_owned(),
        selector: "current".to_owned(),
        description: "pushes".to_owned(),
        signature: Some("github".to_owned()),
        secret: None,
        created_at_ms: 0,
        updated_at_ms: 0,
    }];
    assert!(lines(&function, "digest", &there).is_empty());
    there.webhooks[0].signature = None;
    let expect = ["- webhook pushes of hello", "+ webhook pushes of hello"];
    assert_eq!(lines(&function, "digest", &there), expect);
}

#[test]
fn what_the_daemon_fetches_is_fetched_each_time_and_its_credentials_are_not_shown() {
    let url = Some("https://me:hush@h.example/a/b.zip?sign=hush".to_owned());
    let source = crate::api::native::wire::CodeSource {
        url,
        ..Default::default()
    };
    let function = wanted(DeploySettings {
        source: Some(source),
        ..DeploySettings::default()
    });
    let line = |there: &There| steps(&function, None, there).iter().map(Step::line).collect::<Vec<_>>();
    assert_eq!(
        line(&There::default()),
        ["+ function hello: code of https://h.example/a/b.zip"]
    );
    let there = There {
        function: Some(view()),
        ..There::default()
    };
    assert_eq!(line(&there), ["~ function hello: code of https://h.example/a/b.zip"]);
}
