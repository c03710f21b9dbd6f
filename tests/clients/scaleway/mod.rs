//! The released plugins of the Serverless Framework and the Python SDK, unmodified, and the tutorial of the reference with
//! curl and docker.
//!
//! `alpha` is a project of the oldest plugin, which speaks v1alpha2; `beta` one of the last but one line, which speaks
//! v1beta1. They are installed from the package index once. The sources of `handler.js` are edited between two deploys.

use crate::helpers::{BINARY, Daemon, Home, base_image, build_settings, docker};
use crate::python::Environment;
use crate::support::{Answer, root};
use http::StatusCode;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::block_in_place;

/// Any 36 characters: the plugins count them.
const SECRET: &str = "11111111-1111-1111-1111-111111111111";
const OWNER: &str = "22222222-2222-2222-2222-222222222222";
/// A cron fires at the full minute; its call and the record of it take a moment.
const MINUTE: Duration = Duration::from_secs(90);
/// Installations and deploys share the machine's processors.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// A project with a released plugin in it.
struct Project {
    place: PathBuf,
    command: &'static str,
    variables: Vec<(&'static str, String)>,
}

impl Project {
    /// A copy of the project of that folder, with what its `package.json` names installed when that has changed.
    fn of(folder: &str, command: &'static str, variables: Vec<(&'static str, String)>) -> Self {
        let source = root().join("tests/clients/scaleway").join(folder);
        let target = Path::new(BINARY).ancestors().nth(2).expect("target/PROFILE/hob");
        let place = target.join("clients/scaleway").join(folder);
        std::fs::create_dir_all(&place).expect("ours");
        let manifest = |at: &Path| std::fs::read(at.join("package.json")).unwrap_or_default();
        let is_installed = manifest(&source) == manifest(&place) && place.join("node_modules").is_dir();
        for entry in std::fs::read_dir(&source).expect("there").flatten() {
            std::fs::copy(entry.path(), place.join(entry.file_name())).expect("copied");
        }
        if !is_installed {
            let npm = [
                "install",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
                "--loglevel=error",
            ];
            let status = Command::new("npm").args(npm).current_dir(&place).status();
            assert!(status.is_ok_and(|s| s.success()), "npm install needs the package index");
        }
        Self {
            place,
            command,
            variables,
        }
    }

    /// What the plugin's command prints; `own` is a variable of the project.
    fn run(&self, own: &str, arguments: &[&str]) -> String {
        let output = Command::new(self.place.join("node_modules/.bin").join(self.command))
            .args(arguments)
            .current_dir(&self.place)
            .env("CI", "1")
            .env("SLS_TELEMETRY_DISABLED", "1")
            .env("OWN", own)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("it runs");
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn edit(&self, from: &str, to: &str) {
        let file = self.place.join("handler.js");
        let text = std::fs::read_to_string(&file).expect("ours");
        std::fs::write(file, text.replace(from, to)).expect("ours");
    }
}

/// The tokens that `jwt` prints, in order: the namespace's, then the private functions'.
fn tokens(said: &str) -> Vec<String> {
    let tokens = said.lines().map(str::trim).filter(|line| line.starts_with("eyJ"));
    tokens.map(str::to_owned).collect()
}

async fn call(daemon: &Daemon, path: &str, header: Option<(&str, &str)>) -> Answer {
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "-w",
        "\n%{http_code}",
        &format!("http://{}{path}", daemon.address),
    ]);
    if let Some((name, value)) = header {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = block_in_place(|| command.output()).expect("curl is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    Answer {
        status: StatusCode::from_bytes(status.as_bytes()).expect("a status"),
        headers: http::HeaderMap::new(),
        body: body.to_owned().into(),
    }
}

/// Looks until the condition holds.
async fn until(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !look().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn list(daemon: &Daemon, root: &str, path: &str) -> Value {
    daemon.get(&format!("{root}/regions/fr-par{path}")).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_plugin_deploys_calls_changes_and_removes() {
    let _alone = MACHINE.lock().await;
    let daemon = Daemon::start_with(&Home::new(), &build_settings()).await;
    let api = "/functions/v1alpha2";
    let variables = vec![
        ("SCW_URL", format!("http://{}{api}/regions/fr-par", daemon.address)),
        ("SCW_TOKEN", SECRET.to_owned()),
        ("SCW_ORGANIZATION", OWNER.to_owned()),
    ];
    let project = block_in_place(|| Project::of("alpha", "serverless", variables));
    let said = block_in_place(|| project.run("first", &["deploy"]));
    let endpoint = format!("http://{}/function/second.alpha", daemon.address);
    assert!(said.contains(&endpoint), "{said}");
    let second = call(&daemon, "/function/second.alpha", None).await;
    assert_eq!(second.json()["message"], "second", "{}", second.text());
    assert_eq!(
        call(&daemon, "/function/first.alpha", None).await.status,
        StatusCode::NOT_FOUND
    );

    let said = block_in_place(|| project.run("first", &["jwt"]));
    let tokens = tokens(&said);
    assert_eq!(tokens.len(), 2, "{said}");
    for token in &tokens {
        let answer = call(&daemon, "/function/first.alpha", Some(("SCW_FUNCTIONS_TOKEN", token))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let expected = serde_json::json!(
            {"version": "one", "shared": "of the namespace", "own": "first", "name": "first"});
        assert_eq!(answer.json(), expected);
    }

    project.edit("'one'", "'two'");
    block_in_place(|| project.run("changed", &["deploy"]));
    let answer = call(
        &daemon,
        "/function/first.alpha",
        Some(("SCW-Functions-Token", &tokens[1])),
    )
    .await;
    let json = answer.json();
    assert_eq!(
        (&json["version"], &json["own"]),
        (&Value::from("two"), &Value::from("changed")),
        "{json:#}"
    );

    let functions = list(&daemon, api, "/functions?name=first").await;
    let id = functions["functions"][0]["id"].as_str().expect("an id").to_owned();
    let fired = r#"called POST {"myInput":"myValue","mySecondInput":1}"#;
    until("the cron", MINUTE, async || {
        list(&daemon, api, &format!("/logs?application_id={id}"))
            .await
            .to_string()
            .contains(&fired.replace('"', "\\\""))
    })
    .await;

    block_in_place(|| project.run("changed", &["remove"]));
    assert_eq!(list(&daemon, api, "/namespaces").await["total_count"], 0);
    assert_eq!(
        call(&daemon, "/function/second.alpha", None).await.status,
        StatusCode::NOT_FOUND
    );
    daemon.purge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_plugin_deploys_secrets_and_domains_and_removes() {
    let _alone = MACHINE.lock().await;
    let tls = ("HOB_TLS_LISTEN", "127.0.0.1:0");
    let daemon = Daemon::start_with(&Home::new(), &[build_settings(), vec![tls]].concat()).await;
    let trusted = daemon.get("/hob/v1/status").await.json()["tls"]["ca_file"].clone();
    let root_of = |root: &str| format!("http://{}/{root}/v1beta1/regions/fr-par", daemon.address);
    let variables = vec![
        ("SCW_FUNCTION_URL", root_of("functions")),
        ("SCW_CONTAINER_URL", root_of("containers")),
        ("SCW_SECRET_KEY", SECRET.to_owned()),
        ("SCW_DEFAULT_PROJECT_ID", OWNER.to_owned()),
        ("SCW_REGION", "fr-par".to_owned()),
        ("NODE_EXTRA_CA_CERTS", trusted.as_str().expect("a file").to_owned()),
    ];
    let project = block_in_place(|| Project::of("beta", "osls", variables));
    block_in_place(|| project.run("hush", &["deploy"]));
    assert_eq!(
        call(&daemon, "/function/first.beta", None).await.status,
        StatusCode::UNAUTHORIZED
    );
    let said = block_in_place(|| project.run("hush", &["jwt"]));
    let tokens = tokens(&said);
    let answer = call(
        &daemon,
        "/function/first.beta",
        Some(("SCW-Functions-Token", &tokens[1])),
    )
    .await;
    assert_eq!(answer.json()["own"], "hush", "{}", answer.text());

    // Custom domains are made with the second deploy, and a secret that changed is told by its hash.
    project.edit("'one'", "'two'");
    block_in_place(|| project.run("other", &["deploy"]));
    let answer = call(
        &daemon,
        "/function/first.beta",
        Some(("SCW-Functions-Token", &tokens[0])),
    )
    .await;
    let json = answer.json();
    assert_eq!(
        (&json["version"], &json["own"]),
        (&Value::from("two"), &Value::from("other")),
        "{json:#}"
    );
    let by_domain = call(&daemon, "/", Some(("Host", "second.example.test"))).await;
    assert_eq!(by_domain.json()["message"], "second", "{}", by_domain.text());

    // It puts https:// before the domain_name.
    let said = block_in_place(|| project.run("other", &["invoke", "--function", "second"]));
    assert!(said.contains(r#"{"message":"second"}"#), "{said}");

    until("the log", MINUTE, async || {
        let said = block_in_place(|| project.run("other", &["logs", "--function", "first"]));
        said.contains("called GET")
    })
    .await;

    let said = block_in_place(|| project.run("other", &["info"]));
    assert!(
        said.contains("secret_environment_variables") && !said.contains("other\n"),
        "{said}"
    );
    block_in_place(|| project.run("other", &["remove"]));
    assert_eq!(
        list(&daemon, "/functions/v1beta1", "/namespaces").await["total_count"],
        0
    );
    daemon.purge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_makes_deploys_and_finds() {
    let _alone = MACHINE.lock().await;
    let environment = block_in_place(|| Environment::of("scaleway"));
    let daemon = Daemon::start(&Home::new()).await;
    block_in_place(|| environment.run("sdk.py", &daemon, &[]));
    daemon.purge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_runs_line_by_line_for_functions_in_each_language_and_a_container() {
    let _alone = MACHINE.lock().await;
    let daemon = Daemon::start(&Home::new()).await;
    let suite = root().join("tests/clients/scaleway");
    let image = format!("hob-tutorial-{}", daemon.instance);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(suite.join("container/server.py"), folder.path().join("server.py")).expect("copied");
    let dockerfile = format!(
        "FROM {}\nCOPY server.py /server.py\nENTRYPOINT [\"python3\", \"/server.py\"]\n",
        base_image()
    );
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("ours");
    let context = folder.path().display().to_string();
    block_in_place(|| docker(&["build", "-q", "-t", &image, &context]));
    let output = block_in_place(|| {
        Command::new("bash")
            .arg(suite.join("tutorial.sh"))
            .current_dir(folder.path())
            .env("API", format!("http://{}", daemon.address))
            .env("MYIMAGE", &image)
            .output()
    });
    let output = output.expect("bash is there");
    docker(&["rmi", &image]);
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}\n{}", daemon.log());
    for words in [
        "node10 answered",
        "python3 answered",
        "golang answered",
        "Login Succeeded",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    daemon.purge().await;
}
