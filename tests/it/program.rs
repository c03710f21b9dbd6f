//! The program itself, as a process beside a daemon in this one: what `hob deploy` makes of a project, and `hob dev`.

use crate::support::{Hob, eventually, fake_engine, root};
use hob::engine::Engine;
use http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

fn command(hob: &Hob, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hob"));
    command
        .args(arguments)
        .current_dir(directory)
        .env("HOB_URL", format!("http://{}", hob.address))
        .env_remove("HOB_TOKEN")
        .env_remove("HOB_OUTPUT")
        .stdin(Stdio::null());
    command
}

async fn run(hob: &Hob, directory: &Path, arguments: &[&str]) -> Output {
    let mut command = command(hob, directory, arguments);
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    ended.unwrap().unwrap()
}

/// What it says on standard output, when it ends well.
async fn said(hob: &Hob, directory: &Path, arguments: &[&str]) -> String {
    let output = run(hob, directory, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn put(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn source(word: &str) -> String {
    format!(
        "import os\n\ndef main(**_):\n    print('said', {word:?})\n    return [{word:?}, os.environ.get('WHO'), os.getppid()]\n"
    )
}

async fn answer(hob: &Hob, name: &str) -> Value {
    let answer = hob.call(name, json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// The word in the code, and the one in the environment.
async fn words(hob: &Hob, name: &str) -> [String; 2] {
    let answer = answer(hob, name).await;
    [0, 1].map(|at| answer[at].as_str().unwrap().to_owned())
}

const PROJECT: &str = r#"
env = { WHO = "toml" }

[functions.first]
path = "one"
runtime = "python"
memory = 64

[functions.first.jobs.nightly]
cron = "0 3 * * *"
overlap = "skip"
data = { what = "all" }

[functions.first.webhooks.pushes]
sign = "github"

[functions.second]
path = "two"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_is_applied_once_and_only_what_differs_after_that() {
    let (hob, _fake) = Hob::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "hob.toml", PROJECT);
    put(at, "one/main.py", &source("one"));
    put(at, "two/main.py", &source("two"));
    put(at, "two/.gitignore", "*.log\n");
    let plan = said(&hob, at, &["deploy", "--plan"]).await;
    let first = "+ function first: runtime python, memory 64 MiB\n+ job nightly of first: cron 0 3 * * *\n\
                 + webhook pushes of first\n+ function second: runtime python\n";
    assert_eq!(plan, first);
    assert_eq!(
        hob.get("/hob/v1/functions/first").await.status,
        StatusCode::NOT_FOUND,
        "it only says"
    );
    assert_eq!(said(&hob, at, &["deploy"]).await, first);
    assert_eq!(words(&hob, "first").await, ["one", "toml"]);
    assert_eq!(answer(&hob, "second").await[0], "two");
    put(at, "two/noise.log", "no code");
    assert_eq!(said(&hob, at, &["deploy"]).await, "", "nothing differs");
    assert_eq!(hob.view("second").await["latest"]["number"], 1);

    put(
        at,
        "hob.toml",
        &PROJECT
            .replace("64", "96")
            .replace("0 3 * * *", "30 3 * * *")
            .replace("sign = \"github\"", ""),
    );
    put(at, ".env", "WHO=dotenv\nAPI_KEY=hush\n");
    put(at, "two/main.py", &source("2"));
    let changed = "~ function first: memory 64 MiB -> 96 MiB, +API_KEY, ~WHO\n~ job nightly of first: cron 30 3 * * *\n\
                   - webhook pushes of first\n+ webhook pushes of first\n~ function second: code, +API_KEY, ~WHO\n";
    assert_eq!(said(&hob, at, &["deploy"]).await, changed);
    assert_eq!(said(&hob, at, &["deploy"]).await, "");
    assert_eq!(answer(&hob, "first").await[1], "dotenv");
    assert_eq!(words(&hob, "second").await, ["2", "dotenv"]);
    let jobs = hob.get("/hob/v1/jobs?function=first").await.json();
    assert_eq!(jobs["jobs"][0]["cron"], "30 3 * * *");

    put(at, "two/.env.local", "WHO=local\n");
    let variables = said(&hob, at, &["env", "second", "-o", "json"]).await;
    let variables: Value = serde_json::from_str(&variables).unwrap();
    assert_eq!(
        (&variables[0]["name"], &variables[0]["value"]),
        (&json!("API_KEY"), &json!("********"))
    );
    assert_eq!(
        (&variables[1]["value"], &variables[1]["deployed"]),
        (&json!("local"), &json!("differs"))
    );
    let hidden = variables[1]["hides"].as_array().unwrap();
    assert!(hidden[0].as_str().unwrap().ends_with(".env:1") && hidden[1].as_str().unwrap().ends_with("hob.toml"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_without_a_function_say_what_is_missing() {
    let hob = Hob::start(&[]).await.0;
    let project = tempfile::tempdir().unwrap();
    put(
        project.path(),
        "hob.toml",
        "[functions.a]\npath = 'main.py'\nruntime = 'python'\n",
    );
    put(project.path(), "main.py", &source("one"));
    let output = run(&hob, project.path(), &["deploy", "--memory", "256"]).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("no function is named") && errors.contains("`hob deploy NAME`"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_other_tools_are_deployed_as_they_are() {
    let (hob, _fake) = Hob::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let handler = "import os\ndef handle(event, context):\n    return {'statusCode': 200, 'body': os.environ['WHO']}\n";
    put(&a, "handler.py", handler);
    let yml = "service: s\nprovider: {name: x, runtime: python311, env: {WHO: cloud}}\nfunctions:\n  first:\n    \
               handler: handler.handle\n    timeout: 10s\n    events: [{schedule: {rate: '5 * * * *', input: {a: 1}}}]\n";
    put(&a, "serverless.yml", yml);
    assert_eq!(
        said(&hob, &a, &["deploy"]).await,
        "+ function first: runtime python311, entry handler.handle, timeout 10 s\n+ job schedule-1 of first: cron 5 * * * *\n"
    );
    assert_eq!(hob.get("/function/first").await.text(), "cloud");
    assert_eq!(said(&hob, &a, &["deploy"]).await, "");
    put(
        &b,
        "main.py",
        "def handler(context, event):\n    return 'part ' + event.path\n",
    );
    let yaml = "metadata: {name: parts}\nspec: {runtime: 'python:3.11', handler: 'main:handler', eventTimeout: 20s}\n";
    put(&b, "function.yaml", yaml);
    said(&hob, folder.path(), &["deploy", "b"]).await;
    assert_eq!(hob.get("/function/parts/x").await.text(), "part /x");
    assert_eq!(said(&hob, folder.path(), &["deploy", "b/function.yaml"]).await, "");
    // One source file that is written into the file itself.
    let source = "ZGVmIGhhbmRsZXIoY29udGV4dCwgZXZlbnQpOgogICAgcmV0dXJuICdpbmxpbmUnCg==";
    let yaml = format!(
        "metadata: {{name: inner}}\nspec:\n  runtime: python\n  handler: main:handler\n  build: {{functionSourceCode: {source}}}\n"
    );
    put(&folder.path().join("c"), "function.yaml", &yaml);
    said(&hob, folder.path(), &["deploy", "c"]).await;
    assert_eq!(hob.get("/function/inner").await.text(), "inline");
    assert_eq!(said(&hob, folder.path(), &["deploy", "c"]).await, "");
}

/// What it says on standard error, and with which code it ends.
async fn remarks(hob: &Hob, directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(hob, directory, arguments).await;
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_function_of_a_serverless_yml_is_never_deployed_open() {
    let (hob, _fake) = Hob::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(
        at,
        "handler.py",
        "def handle(event, context):\n    return {'body': 'open'}\n",
    );
    let file = |privacy: &str| {
        let text = format!(
            "provider: {{runtime: python, scwToken: '${{env:NONE}}'}}\npackage: {{patterns: ['!x']}}\nfunctions:\n  f:\n    \
             handler: handler.handle\n    privacy: {privacy}\n    events: [{{sqs: {{queue: q}}}}]\n"
        );
        put(at, "serverless.yml", &text);
    };
    file("private");
    for arguments in [&["deploy"][..], &["deploy", "--plan"], &["dev"]] {
        let (code, said) = remarks(&hob, at, arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains("`functions.f` has the privacy `private`") && said.contains("PRIVACY=public"),
            "{said}"
        );
    }
    let missing = hob.get("/hob/v1/functions/f").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);

    file("\"${env:PRIVACY, 'private'}\"");
    assert_eq!(remarks(&hob, at, &["deploy"]).await.0, Some(2));
    let mut opened = command(&hob, at, &["deploy"]);
    opened.env("PRIVACY", "public");
    let opened = tokio::task::spawn_blocking(move || opened.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8(opened.stderr).unwrap();
    assert!(opened.status.success(), "{said}");
    let notes: Vec<_> = said.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(
        notes,
        [
            "note: `package.patterns` has no effect here: .hobignore says what stays out of the package",
            "note: an event `sqs` of `functions.f` is not served here, and left out",
        ]
    );
    assert_eq!(hob.get("/function/f").await.text(), "open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_yaml_runs_the_code_that_it_names_and_says_what_has_no_effect() {
    let fake = fake_engine();
    let server = root().join("tests/support/server.py").display().to_string();
    fake.add_program("registry.lan/server:1", vec!["python3".to_owned(), server]);
    let hob = Hob::start_on(
        Arc::clone(&fake) as Arc<dyn Engine>,
        &[("HOB_SOURCES_ALLOW_PRIVATE_URLS", "true")],
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(
        at,
        "main.py",
        "def handler(context, event):\n    return 'of the folder'\n",
    );
    let file = |name: &str, spec: &str| {
        put(
            at,
            "function.yaml",
            &format!("metadata: {{name: {name}}}\nspec:\n{spec}"),
        )
    };

    file("image", "  image: registry.lan/server:1\n  runtime: python:3.11\n");
    assert_eq!(
        said(&hob, at, &["deploy"]).await,
        "+ function image: image registry.lan/server:1\n"
    );
    assert_eq!(hob.get("/function/image/echo").await.json()["method"], "GET");
    assert_eq!(said(&hob, at, &["deploy"]).await, "");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/main.py", listener.local_addr().unwrap());
    let code = "def handler(context, event):\n    return 'of the url ' + event.trigger.kind\n";
    let router = axum::Router::new().route("/main.py", axum::routing::get(move || std::future::ready(code)));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let usual = "  runtime: python\n  handler: main:handler\n";
    file("fetched", &format!("{usual}  build: {{path: '{url}'}}\n"));
    let plan = said(&hob, at, &["deploy"]).await;
    assert_eq!(
        plan,
        format!("+ function fetched: runtime python, code of {url}, entry main:handler\n")
    );
    assert_eq!(hob.get("/function/fetched").await.text(), "of the url http");
    let again = said(&hob, at, &["deploy"]).await;
    assert_eq!(again, format!("~ function fetched: code of {url}\n"));
    serving.abort();

    file(
        "cloned",
        &format!("{usual}  build: {{codeEntryType: github, path: 'https://h/o/r'}}\n"),
    );
    let (exit, told) = remarks(&hob, at, &["deploy"]).await;
    assert_eq!(exit, Some(2));
    assert!(
        told.contains("`github` is not fetched") && told.contains("/api/functions"),
        "{told}"
    );

    let triggers = "{web: {kind: http, attributes: {port: 32001}}, \
                    t: {kind: cron, attributes: {schedule: 'TZ=Europe/Paris 0 3 * * *', event: {path: /tick}}}, \
                    u: {kind: cron, attributes: {interval: 1h30m}}}";
    file(
        "said",
        &format!(
            "{usual}  eventTimeout: 1m30s\n  securityContext: {{runAsUser: 1}}\n  build: {{noCache: true}}\n  triggers: {triggers}\n"
        ),
    );
    let (exit, told) = remarks(&hob, at, &["deploy"]).await;
    assert_eq!(exit, Some(0), "{told}");
    for key in [
        "`spec.securityContext`",
        "`spec.build.noCache`",
        "`spec.triggers.web.attributes.port`",
    ] {
        assert_eq!(
            told.matches(&format!("note: {key} has no effect here")).count(),
            1,
            "{told}"
        );
    }
    assert_eq!(said(&hob, at, &["deploy"]).await, "", "nothing differs");
    assert_eq!(hob.view("said").await["latest"]["limits"]["timeout_ms"], 90_000);
    let jobs = hob.get("/hob/v1/jobs?function=said").await.json();
    let mut jobs: Vec<_> = jobs["jobs"].as_array().unwrap().iter().collect();
    jobs.sort_by_key(|job| job["name"].as_str());
    assert_eq!(
        (&jobs[0]["cron"], &jobs[0]["tz"], &jobs[1]["every_ms"]),
        (&json!("0 3 * * *"), &json!("Europe/Paris"), &json!(5_400_000))
    );

    file("off", &format!("{usual}  disable: true\n"));
    let (exit, told) = remarks(&hob, at, &["deploy"]).await;
    assert!(exit == Some(0) && told.contains("`spec.disable` is true"), "{told}");
    assert_eq!(hob.get("/hob/v1/functions/off").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_written_deployed_and_called() {
    let (hob, _fake) = Hob::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    for (template, name) in [("py", "a"), ("python-http", "b"), ("python3-cron", "c")] {
        let written = said(&hob, folder.path(), &["init", template, name]).await;
        assert!(written.contains("hob.toml"), "{written}");
        said(&hob, folder.path(), &["deploy", name]).await;
    }
    assert_eq!(answer(&hob, "a").await, json!({"hello": "World"}));
    let http = hob.get("/function/b/path?x=y").await.json();
    assert_eq!(http, json!({"path": "/path", "query": {"x": "y"}}));
    assert_eq!(answer(&hob, "c").await["done"], "tidied up");
    assert_eq!(
        hob.get("/hob/v1/jobs?function=c").await.json()["jobs"][0]["name"],
        "hourly"
    );
    let again = run(&hob, folder.path(), &["init", "python", "a"]).await;
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");
}

/// `hob dev`, as a process; killed if a test forgets it.
struct Dev {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Dev {
    fn start(hob: &Hob, directory: &Path, arguments: &[&str]) -> Self {
        let mut command = command(hob, directory, &[&["dev"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        keep(child.stdout.take().unwrap(), &said);
        keep(child.stderr.take().unwrap(), &said);
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    async fn says(&self, what: &str) {
        eventually(&format!("`{what}`"), || async {
            self.said().contains(what).then_some(())
        })
        .await;
    }

    /// As Ctrl-C does.
    async fn interrupt(mut self) -> (ExitStatus, String) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
        let status = eventually("its end", || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        });
        let status = status.await;
        (status, self.said())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(from: impl std::io::Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let lines = std::io::BufRead::lines(std::io::BufReader::new(from));
        lines
            .map_while(Result::ok)
            .for_each(|line| *into.lock().unwrap() += &format!("{line}\n"));
    });
}

/// Calls until it answers this.
async fn serves(hob: &Hob, name: &str, word: &str) -> Value {
    eventually(&format!("{name} to answer {word}"), || async {
        let answer = hob.call(name, json!({})).await;
        let found = answer.status == StatusCode::OK && answer.json()[0] == word;
        found.then(|| answer.json())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_takes_in_whatever_is_saved_and_leaves_nothing() {
    let (hob, fake) = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("work");
    put(&at, "main.py", &source("one"));
    let dev = Dev::start(&hob, folder.path(), &["work"]);
    let first = serves(&hob, "work", "one").await;
    dev.says("said one").await;
    let started = fake.counts().starts;

    put(&at, "main.py", &source("two"));
    assert_eq!(serves(&hob, "work", "two").await[2], first[2], "in the same container");
    put(&at, "main.py.new", &source("atomic"));
    fs::rename(at.join("main.py.new"), at.join("main.py")).unwrap();
    assert_eq!(serves(&hob, "work", "atomic").await[2], first[2]);
    put(&at, "main.py", "def main(:\n");
    dev.says("SyntaxError").await;
    assert_eq!(
        serves(&hob, "work", "atomic").await[2],
        first[2],
        "the old code goes on"
    );
    dev.says("goes on serving").await;
    fs::rename(at.join("main.py"), at.join("gone.py")).unwrap();
    dev.says("needs a file main.py").await;
    fs::remove_dir_all(&at).unwrap();
    dev.says("cannot read").await;
    assert_eq!(answer(&hob, "work").await[0], "atomic");
    put(&at, "main.py", &source("back"));
    assert_eq!(serves(&hob, "work", "back").await[2], first[2]);
    put(&at, ".env", "WHO=me\n");
    eventually("the variable", || async {
        (answer(&hob, "work").await[1] == "me").then_some(())
    })
    .await;
    assert_eq!(
        fake.counts().starts,
        started,
        "no container was started: {}",
        dev.said()
    );

    let (status, said) = dev.interrupt().await;
    assert!(status.success(), "{said}");
    assert!(said.contains("work reloaded in "), "{said}");
    assert_eq!(
        hob.get("/hob/v1/functions/work").await.status,
        StatusCode::NOT_FOUND,
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_takes_in_functions_that_come_and_lets_go_of_those_that_leave() {
    let (hob, _fake) = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let project = |names: &[&str]| {
        let section = |name: &&str| format!("[functions.{name}]\npath = \"{name}\"\nruntime = \"python\"\n");
        put(at, "hob.toml.new", &names.iter().map(section).collect::<String>());
        fs::rename(at.join("hob.toml.new"), at.join("hob.toml")).unwrap();
    };
    for name in ["new", "old", "there"] {
        put(at, &format!("{name}/main.py"), &source(name));
    }
    project(&["there"]);
    said(&hob, at, &["deploy"]).await;
    project(&["old", "there"]);
    let dev = Dev::start(&hob, at, &[]);
    serves(&hob, "old", "old").await;
    dev.says("old   | said old").await;

    project(&["new", "old", "there"]);
    serves(&hob, "new", "new").await;
    put(at, "new/main.py", &source("newer"));
    serves(&hob, "new", "newer").await;
    project(&["new"]);
    dev.says("old is removed: it is in the project no more").await;
    dev.says("there is in the project no more; it was there before").await;
    assert_eq!(hob.get("/hob/v1/functions/old").await.status, StatusCode::NOT_FOUND);
    assert_eq!(answer(&hob, "there").await[0], "there");
    fs::remove_file(at.join("hob.toml")).unwrap();
    dev.says("hob.toml is gone").await;
    put(at, "new/main.py", &source("newest"));
    project(&["new"]);
    serves(&hob, "new", "newest").await;

    let (status, said) = dev.interrupt().await;
    assert!(status.success(), "{said}");
    assert!(said.contains("new is removed: it was not there before"), "{said}");
    assert_eq!(answer(&hob, "there").await[0], "there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_a_serverless_yml_arrive_sealed_and_are_sent_again_only_when_they_differ() {
    let (hob, _fake) = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let file = |secret: &str| {
        let text = format!(
            "provider:\n  runtime: python\n  env:\n    LEVEL: info\n  secret:\n    WHO: {secret}\nfunctions:\n  f:\n    handler: main.main\n"
        );
        put(at, "serverless.yml", &text);
    };
    put(
        at,
        "main.py",
        "import os\n\ndef main(event, context):\n    return {'statusCode': 200, 'body': os.environ['WHO'] + os.environ['LEVEL']}\n",
    );
    let told = async |expect: &str| {
        let body = hob.call("f", json!({})).await.text();
        assert_eq!(body, expect);
        let view = hob.get("/hob/v1/functions/f").await;
        assert_eq!(view.json()["latest"]["secrets"], json!(["WHO"]));
        assert_eq!(view.json()["latest"]["env"], json!({"LEVEL": "info"}));
        assert!(!view.text().contains("hush"), "{}", view.text());
    };
    file("hush");
    let first = said(&hob, at, &["deploy"]).await;
    assert!(first.starts_with("+ function f"), "{first}");
    told("hushinfo").await;
    fs::write(at.join(".hobignore"), "serverless.yml\n").unwrap();
    said(&hob, at, &["deploy"]).await;
    assert_eq!(said(&hob, at, &["deploy"]).await, "", "nothing to change");
    let shown = said(&hob, at, &["env"]).await;
    assert!(shown.contains("same") && !shown.contains("hush"), "{shown}");
    file("hush-hush");
    let shown = said(&hob, at, &["env"]).await;
    assert!(shown.contains("differs"), "{shown}");
    let second = said(&hob, at, &["deploy"]).await;
    assert_eq!(second, "~ function f: ~secret WHO\n");
    told("hush-hushinfo").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_survives_a_thousand_saves_and_leaves_what_was_there() {
    let (hob, fake) = Hob::start(&[("HOB_POOL_PREWARM", "0")]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(
        at,
        "hob.toml",
        "[functions.a]\npath = \"a\"\nruntime = \"python\"\n[functions.b]\npath = \"b\"\nruntime = \"python\"\n",
    );
    put(at, "a/main.py", &source("a"));
    put(at, "b/main.py", &source("b"));
    said(&hob, at, &["deploy"]).await;
    let started = fake.counts().starts;
    let dev = Dev::start(&hob, at, &[]);
    dev.says("a is there as it is").await;
    dev.says("b is there as it is").await;
    for n in 1..=1000 {
        put(at, "a/main.py", &source(&n.to_string()));
        if n % 20 == 0 {
            answer(&hob, "a").await;
        }
    }
    serves(&hob, "a", "1000").await;
    assert_eq!(answer(&hob, "b").await[0], "b");
    put(at, "hob.toml", "[functions.a]\npath = \"a\"\nmemroy = 1\n");
    dev.says("do you mean `memory`?").await;
    dev.says("a | said 1000").await;
    assert!(
        fake.counts().starts <= started + 1,
        "{} containers",
        fake.counts().starts
    );
    let (status, said) = dev.interrupt().await;
    assert!(status.success(), "{said}");
    assert_eq!(answer(&hob, "a").await[0], "1000", "it was there before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_dependencies_are_built_while_the_old_code_serves() {
    let (hob, fake) = Hob::start(&[]).await;
    fake.add_image("hob-base/python-build", std::collections::BTreeMap::new());
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("work");
    put(&at, "main.py", &source("one"));
    let dev = Dev::start(&hob, &at, &[]);
    serves(&hob, "work", "one").await;
    fake.hang_builds(true);
    put(&at, "requirements.txt", "some-library\n");
    eventually("a build", || async { (fake.builds_running().0 == 1).then_some(()) }).await;
    assert_eq!(answer(&hob, "work").await[0], "one");
    put(&at, "main.py", &source("two"));
    fake.hang_builds(false);
    serves(&hob, "work", "two").await;
    dev.says("(requirements.txt)").await;
    dev.says("(main.py)").await;
}

#[test]
fn the_templates_are_those_of_the_languages() {
    let listed = Command::new(env!("CARGO_BIN_EXE_hob"))
        .args(["init", "--list", "-o", "json"])
        .output()
        .unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    for known in listed.as_array().unwrap() {
        let (family, name) = known["template"].as_str().unwrap().split_once('-').unwrap();
        assert!(
            root()
                .join("runtimes")
                .join(family)
                .join("templates")
                .join(name)
                .is_dir(),
            "{known}"
        );
    }
    assert!(listed.as_array().unwrap().len() >= 12);
}
