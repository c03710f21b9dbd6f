//! What a function needs before it can serve: built once, for as many as need the same, and never in the way of calls.

use crate::support::{Hob, eventually, fake_engine};
use bytes::Bytes;
use hob::engine::fake::FakeEngine;
use hob::engine::{BuildRequest, Engine, Error, Layer, LayerState};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const MANIFEST: &str = r#"
name = "fam"
aliases = ["family"]
default_version = "1.0"
local_base = "hob-base/python"
local_version = "1.0"
shim = "/shim"
conventions = ["kwargs"]
default_convention = "kwargs"
default_entry = "main.main"
extension = ".py"
dependency_files = ["needs.txt"]
memory_mib = 64
prewarm = 1
[[version]]
name = "1.0"
base = "fam:1.0"
[[version]]
name = "2.0"
base = "fam:2.0"
[build]
dockerfile = "build.Dockerfile"
when = "dependencies"
context = "dependencies"
lock_files = ["needs.lock"]
link = "mods"
"#;
const BUILD: &str =
    "ARG RUNTIME\nARG BUILDER\nFROM ${BUILDER} AS build\nARG MIRROR\nCOPY input/ /in/\nFROM ${RUNTIME}\n";
const CODE: &str = "def main(**_):\n    return 'one'\n";
const OTHER_CODE: &str = "def main(**_):\n    return 'two'\n";

/// A daemon whose only runtime builds what `needs.txt` names, on an engine that builds nothing.
struct Bench {
    hob: Hob,
    engine: Arc<FakeEngine>,
    runtimes: Arc<tempfile::TempDir>,
}

impl Bench {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let runtimes = Arc::new(tempfile::tempdir().unwrap());
        let folder = runtimes.path().join("fam");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in [
            ("runtime.toml", MANIFEST),
            ("Dockerfile", "ARG BASE\nFROM ${BASE}\n"),
            ("build.Dockerfile", BUILD),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let engine = fake_engine();
        let settings = with_runtimes(settings, runtimes.path());
        let hob = Hob::start_on(Arc::clone(&engine) as Arc<dyn Engine>, &borrowed(&settings)).await;
        Self {
            hob: hob.warm().await,
            engine,
            runtimes,
        }
    }

    /// Ends the daemon in the middle of what it does and starts another on the same data.
    async fn crash(self, meanwhile: impl FnOnce(&FakeEngine)) -> Self {
        let Self { hob, engine, runtimes } = self;
        let data = hob.data();
        hob.crash().await;
        meanwhile(&engine);
        let settings = with_runtimes(&[], runtimes.path());
        let hob = Hob::start_again(&data, Arc::clone(&engine) as Arc<dyn Engine>, &borrowed(&settings)).await;
        Self { hob, engine, runtimes }
    }

    async fn deploy(&self, name: &str, code: &str, needs: &str) -> Value {
        let files = [("main.py", code), ("needs.txt", needs)];
        self.hob.deploy(name, &files, json!({"runtime": "fam"})).await
    }

    async fn ready(&self, name: &str, code: &str, needs: &str) -> Value {
        let view = self.deploy(name, code, needs).await;
        assert_eq!(view["state"], "ready", "{view:#}");
        view
    }

    /// Deploys and does not wait.
    async fn begin(&self, name: &str, needs: &str) {
        let files = [("main.py", CODE), ("needs.txt", needs)];
        let code = crate::support::zip(&files);
        let answer = self
            .hob
            .deploy_form(name, Some(("code.zip", code)), json!({"runtime": "fam"}), 0);
        assert_eq!(answer.await.status, StatusCode::ACCEPTED);
    }

    async fn settled(&self, name: &str) -> Value {
        eventually("the deploy to settle", || async {
            let view = self.hob.view(name).await;
            (view["state"] != "pending").then_some(view)
        })
        .await
    }

    /// The builds of what functions need, in order.
    fn builds(&self) -> Vec<BuildRequest> {
        let all = self.engine.builds().into_iter();
        all.filter(|b| b.tag.starts_with("hob-deps/")).collect()
    }

    async fn pulling(&self, n: usize) {
        eventually("pulls to be under way", || async {
            (self.engine.pulls_running() == n).then_some(())
        })
        .await;
    }

    async fn building(&self, n: usize) {
        eventually("builds to be under way", || async {
            (self.engine.builds_running().0 == n).then_some(())
        })
        .await;
    }
}

fn with_runtimes(settings: &[(&str, &str)], runtimes: &Path) -> Vec<(String, String)> {
    let own = [("HOB_RUNTIMES_DIRECTORY".to_owned(), runtimes.display().to_string())];
    let more = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    own.into_iter().chain(more).collect()
}

fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

fn holds(context: &Bytes, text: &str) -> bool {
    context.windows(text.len()).any(|w| w == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dependencies_are_built_once_and_a_code_edit_builds_nothing() {
    let bench = Bench::new(&[]).await;
    let first = bench.ready("f", CODE, "a==1").await;
    let image = first["latest"]["worker_image"].as_str().expect("an image").to_owned();
    assert_eq!(bench.builds().len(), 1);
    let build = &bench.builds()[0];
    assert_eq!(
        (build.tag.as_str(), build.dockerfile.as_str()),
        (image.as_str(), "build.Dockerfile")
    );
    assert!(
        holds(&build.context, "input/needs.txt") && holds(&build.context, "a==1") && holds(&build.context, "ca.crt")
    );
    assert!(!holds(&build.context, "return 'one'"), "code is no part of it");
    assert_eq!(
        bench.engine.started().last().map(|s| s.image.clone()),
        Some(image.clone())
    );
    let second = bench.ready("f", OTHER_CODE, "a==1").await;
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("two"));
    assert_eq!(
        (&second["latest"]["worker_image"], bench.builds().len()),
        (&json!(image), 1)
    );
    let third = bench.ready("f", OTHER_CODE, "a==2").await;
    assert_eq!(bench.builds().len(), 2);
    assert_ne!(third["latest"]["worker_image"], json!(image));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_without_dependencies_needs_no_image() {
    let bench = Bench::new(&[]).await;
    for needs in ["", "\n  \n"] {
        let view = bench.ready("f", CODE, needs).await;
        assert_eq!(view["latest"]["worker_image"], Value::Null, "{needs:?}");
    }
    let files = [("main.py", CODE), ("needs.txt", "a"), ("mods/a", "brought along")];
    let view = bench.hob.deploy("f", &files, json!({})).await;
    assert_eq!(
        (&view["state"], &view["latest"]["worker_image"]),
        (&json!("ready"), &Value::Null)
    );
    assert_eq!(bench.builds().len(), 0);
    assert_eq!(bench.hob.get("/hob/v1/functions/f/build").await.text(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_revision_serves_while_the_new_one_is_built_and_after_its_build_failed() {
    let bench = Bench::new(&[]).await;
    bench.ready("f", OTHER_CODE, "a==1").await;
    bench.engine.hang_builds(true);
    let tail = "could not find a version of `nonsense`".to_owned();
    bench.engine.fail_next_build(Error::Build { tail });
    bench.begin("f", "nonsense").await;
    bench.building(1).await;
    let view = bench.hob.view("f").await;
    assert_eq!(
        (&view["state"], &view["current"]["number"]),
        (&json!("pending"), &json!(1))
    );
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("two"));
    bench.engine.hang_builds(false);
    let view = bench.settled("f").await;
    assert_eq!(
        (&view["state"], &view["current"]["number"]),
        (&json!("failed"), &json!(1))
    );
    let error = view["latest"]["error"].as_str().expect("a reason");
    assert!(error.contains("could not find a version of `nonsense`"), "{error}");
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_needs_the_same_waits_for_one_build_and_others_build_beside_it() {
    let bench = Bench::new(&[("HOB_BUILD_CONCURRENCY", "2")]).await;
    bench.engine.hang_builds(true);
    for (name, needs) in [("a", "same"), ("b", "same"), ("c", "second"), ("d", "third")] {
        bench.begin(name, needs).await;
    }
    bench.building(2).await;
    for name in ["a", "b", "c", "d"] {
        let path = format!("/hob/v1/functions/{name}/build?follow=true");
        // Each has said what it does or waits for.
        bench.hob.open(Method::GET, &path, "").await.until("\n").await;
    }
    assert_eq!(bench.engine.builds_running(), (2, 2));
    bench.engine.hang_builds(false);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(bench.settled(name).await["state"], "ready");
    }
    assert_eq!(bench.builds().len(), 3, "one for each list of dependencies");
    assert_eq!(bench.engine.builds_running(), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_a_crash_cut_off_is_made_again() {
    let bench = Bench::new(&[]).await;
    bench.engine.hang_builds(true);
    bench.begin("f", "a==1").await;
    bench.building(1).await;
    let bench = bench.crash(|engine| engine.hang_builds(false)).await;
    assert_eq!(bench.settled("f").await["state"], "ready");
    assert_eq!(bench.builds().len(), 2);
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_function_ends_its_build() {
    let bench = Bench::new(&[]).await;
    bench.engine.hang_builds(true);
    bench.begin("f", "a==1").await;
    bench.building(1).await;
    let answer = bench.hob.send(Method::DELETE, "/hob/v1/functions/f", &[], Bytes::new());
    assert_eq!(answer.await.status, StatusCode::NO_CONTENT);
    bench.building(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_build_says_is_read_while_it_runs_and_kept() {
    let bench = Bench::new(&[]).await;
    bench.engine.say_in_builds(&["Collecting a", "Downloading a"]);
    bench.engine.hang_builds(true);
    bench.begin("f", "a==1").await;
    let path = "/hob/v1/functions/f/build";
    let mut live = bench.hob.open(Method::GET, &format!("{path}?follow=true"), "").await;
    live.until("Downloading a\n").await;
    assert!(bench.hob.get(path).await.text().contains("Collecting a\n"));
    bench.engine.hang_builds(false);
    live.until("Successfully tagged").await;
    bench.settled("f").await;
    let kept = bench.hob.get(path).await.text();
    assert!(kept.contains("Collecting a\nDownloading a\n"), "{kept}");
    let followed = bench.hob.get(&format!("{path}?follow=true")).await.text();
    assert_eq!(
        followed, kept,
        "a settled build is told to its end, and the answer ends"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_makes_too_much_fails_and_leaves_nothing() {
    let bench = Bench::new(&[("HOB_BUILD_SIZE_LIMIT_MIB", "1")]).await;
    bench.engine.size_images(2 << 20);
    let view = bench.deploy("f", CODE, "a==1").await;
    assert_eq!(view["state"], "failed", "{view:#}");
    let error = view["latest"]["error"].as_str().expect("a reason");
    assert!(
        error.contains("2 MiB") && error.contains("build.size_limit_mib"),
        "{error}"
    );
    assert!(!bench.engine.image_names().iter().any(|n| n.starts_with("hob-deps/")));
    bench.engine.size_images(1 << 20);
    bench.ready("f", CODE, "a==1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_known_in_many_forms_and_the_nearest_stands_in_for_one_that_is_not_here() {
    let bench = Bench::new(&[]).await;
    let deploy = |runtime: &'static str| bench.hob.deploy("f", &[("main.py", CODE)], json!({"runtime": runtime}));
    for runtime in [
        "fam", "fam:1.0", "fam@1.0", "fam1.0", "fam10", "fam1", "family10", "family:1",
    ] {
        let view = deploy(runtime).await;
        let latest = &view["latest"];
        assert_eq!(
            (&latest["runtime"], &latest["notice"]),
            (&json!("fam:1.0"), &Value::Null),
            "{runtime}"
        );
    }
    for runtime in ["fam:2.0", "fam2"] {
        let view = deploy(runtime).await;
        assert_eq!(
            (&view["state"], &view["latest"]["runtime"]),
            (&json!("ready"), &json!("fam:1.0")),
            "{view:#}"
        );
        let notice = view["latest"]["notice"].as_str().expect("a notice");
        assert!(
            notice.contains("fam:2.0") && notice.contains("fam:1.0 is used"),
            "{notice}"
        );
    }
    bench.engine.add_image("fam:2.0", Default::default());
    let view = deploy("fam:2.0").await;
    assert_eq!(
        (&view["latest"]["runtime"], &view["latest"]["notice"]),
        (&json!("fam:2.0"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn build_commands_are_kept_until_others_are_said_and_make_an_image_with_the_code() {
    let bench = Bench::new(&[]).await;
    let files = [("main.py", CODE)];
    let built = |bench: &Bench| {
        let all = bench.engine.builds().into_iter();
        all.filter(|b| b.tag.starts_with("hob-built/")).collect::<Vec<_>>()
    };
    // Not loaded: a worker of the fake engine has no image, so nothing that is in one.
    let settings = json!({"runtime": "fam", "build_commands": ["make all"], "preload": false});
    let view = bench.hob.deploy("f", &files, settings).await;
    assert_eq!(view["latest"]["build_commands"], json!(["make all"]), "{view:#}");
    assert!(holds(&built(&bench)[0].context, "make all") && holds(&built(&bench)[0].context, "return 'one'"));
    let view = bench
        .hob
        .deploy("f", &[("main.py", OTHER_CODE)], json!({"preload": false}))
        .await;
    assert_eq!(
        (&view["latest"]["build_commands"], built(&bench).len()),
        (&json!(["make all"]), 2)
    );
    let view = bench.hob.deploy("f", &files, json!({"build_commands": []})).await;
    assert_eq!((&view["state"], built(&bench).len()), (&json!("ready"), 2), "{view:#}");
    let answer = bench.hob.deploy_bytes(
        "f",
        "c.zip",
        crate::support::zip(&files),
        json!({"build_commands": [" "]}),
    );
    assert_eq!(answer.await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_base_gets_its_steps_the_shim_and_the_code_and_is_never_removed() {
    let bench = Bench::new(&[]).await;
    for base in ["own:1", "own:2"] {
        bench.engine.add_image(base, Default::default());
    }
    let deploy = async |code: &str, settings: Value| {
        let view = bench.hob.deploy("f", &[("main.py", code)], settings).await;
        assert_eq!(view["state"], "ready", "{view:#}");
        view
    };
    let built = |prefix: &str| {
        let all = bench.engine.builds().into_iter();
        all.filter(|b| b.tag.starts_with(prefix)).collect::<Vec<_>>()
    };
    // Not loaded: a worker of the fake engine has no image, so nothing that is in one.
    let settings = json!({"runtime": "fam", "base_image": "own:1", "base_steps": ["run get it"], "preload": false});
    let view = deploy(CODE, settings).await;
    assert_eq!(
        (&view["latest"]["base_image"], &view["latest"]["base_steps"]),
        (&json!("own:1"), &json!(["RUN get it"]))
    );
    let on_base = &built("hob-on-base/fam:")[0];
    assert_eq!(on_base.args["BASE"], "own:1");
    assert!(holds(&on_base.context, "\"-ec\", \"get it\"]") && !holds(&on_base.context, "return 'one'"));
    let with_code = &built("hob-built/fam:")[0];
    assert!(holds(&with_code.context, &format!("FROM {}", on_base.tag)) && holds(&with_code.context, "return 'one'"));
    assert_eq!(view["latest"]["worker_image"], json!(with_code.tag));

    // An edit of the code repeats no step; another base is another image, with the same steps.
    let lazy = || json!({"preload": false});
    let n_built = || (built("hob-on-base/").len(), built("hob-built/").len());
    deploy(OTHER_CODE, lazy()).await;
    assert_eq!(n_built(), (1, 2));
    deploy(OTHER_CODE, json!({"base_image": "own:2", "preload": false})).await;
    assert_eq!(n_built(), (2, 3));
    assert!(holds(&built("hob-on-base/")[1].context, "get it"));
    deploy(OTHER_CODE, json!({"base_steps": ["WORKDIR /x"], "preload": false})).await;
    assert_eq!(n_built(), (3, 4));

    let view = deploy(CODE, json!({"base_image": ""})).await;
    assert_eq!((&view["latest"]["base_image"], n_built()), (&Value::Null, (3, 4)));
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("one"));
    eventually("the images of earlier bases to go", || async {
        bench.hob.post("/hob/v1/gc", "").await;
        let left = bench.engine.image_names();
        let ours = |n: &String| n.starts_with("hob-on-base/") || n.starts_with("hob-built/");
        (!left.iter().any(ours)).then_some(())
    })
    .await;
    for base in ["own:1", "own:2"] {
        assert!(bench.engine.image_names().contains(&base.to_owned()), "{base}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_needed_is_installed_by_the_tools_of_the_runtime_or_of_the_base() {
    let bench = Bench::new(&[]).await;
    bench.engine.add_image("own:1", Default::default());
    let files = [("main.py", CODE), ("needs.txt", "a==1")];
    let deploy = async || {
        let settings = json!({"runtime": "fam", "base_image": "own:1", "preload": false});
        bench.hob.deploy("f", &files, settings).await;
        bench.builds().pop().expect("a build")
    };
    let by_runtime = deploy().await;
    assert_eq!(by_runtime.args["BUILDER"], "hob-base/python");
    assert!(by_runtime.args["RUNTIME"].starts_with("hob-on-base/fam:"));
    let manifest = bench.runtimes.path().join("fam/runtime.toml");
    std::fs::write(manifest, format!("{MANIFEST}base_has_tools = true\n")).unwrap();
    let bench = bench.crash(|_| {}).await;
    let settings = json!({"runtime": "fam", "base_image": "own:1", "preload": false});
    bench.hob.deploy("f", &files, settings).await;
    let by_base = bench.builds().pop().expect("a build");
    assert_eq!(by_base.args["BUILDER"], by_base.args["RUNTIME"]);
    assert_ne!(by_base.tag, by_runtime.tag);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_that_cannot_be_had_says_what_to_do_and_what_serves_goes_on() {
    let bench = Bench::new(&[]).await;
    bench
        .hob
        .deploy("f", &[("main.py", CODE)], json!({"runtime": "fam"}))
        .await;
    let failed = async |settings: Value| {
        let view = bench.hob.deploy("f", &[("main.py", CODE)], settings).await;
        assert_eq!(view["state"], "failed", "{view:#}");
        view["latest"]["error"].as_str().expect("a reason").to_owned()
    };
    let error = failed(json!({"base_image": "not/here:1"})).await;
    for part in [
        "`not/here:1` is not on this machine",
        "check its name and tag",
        "leave the base image out",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("one"));
    let refused = async |settings: Value, part: &str| {
        let package = crate::support::zip(&[("main.py", CODE)]);
        let answer = bench.hob.deploy_bytes("f", "c.zip", package, settings).await;
        let text = answer.text();
        assert!(
            answer.status == StatusCode::BAD_REQUEST && text.contains(part),
            "{text}"
        );
    };
    refused(json!({"base_image": "-- no name"}), "no name of an image").await;
    refused(
        json!({"base_image": "own:1", "base_steps": ["COPY a b"]}),
        "use RUN, ENV or WORKDIR",
    )
    .await;
    refused(json!({"base_image": "", "base_steps": ["RUN a"]}), "need its image").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_image_is_made_again() {
    let bench = Bench::new(&[]).await;
    let view = bench.ready("f", CODE, "a==1").await;
    let image = view["latest"]["worker_image"].as_str().expect("an image").to_owned();
    let lost = image.clone();
    let bench = bench.crash(|engine| engine.lose_image(&lost)).await;
    eventually("the image to be back", || async {
        bench.engine.image_names().contains(&image).then_some(())
    })
    .await;
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cleaning_up_takes_what_nothing_refers_to_and_nothing_of_anybody_else() {
    let bench = Bench::new(&[]).await;
    bench.engine.add_image("hob-deps/of-somebody-else", Default::default());
    let old = bench.ready("f", CODE, "a==1").await["latest"]["worker_image"].clone();
    let new = bench.ready("f", CODE, "a==2").await["latest"]["worker_image"].clone();
    let has = |image: &Value| bench.engine.image_names().iter().any(|n| n == image);
    let dependencies = |disk: &Value| {
        let kinds = disk["kinds"].as_array().expect("kinds");
        kinds.iter().find(|k| k["kind"] == "dependencies").expect("there")["count"].clone()
    };
    assert_eq!(dependencies(&bench.hob.get("/hob/v1/disk").await.json()), 2);
    eventually("the old worker to leave its image", || async {
        let answer = bench.hob.post("/hob/v1/gc", "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        (!has(&old)).then_some(())
    })
    .await;
    assert!(has(&new) && has(&json!("hob-deps/of-somebody-else")) && has(&json!("hob-base/python")));
    assert_eq!(dependencies(&bench.hob.get("/hob/v1/disk").await.json()), 1);
    assert_eq!(bench.hob.call("f", json!({})).await.json(), json!("one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_image_gets_a_free_name_and_keeps_it() {
    let bench = Bench::new(&[]).await;
    bench.engine.add_image("taken:1", Default::default());
    bench.ready("f", CODE, "a==1").await;
    let export = async |query: &str| {
        let path = format!("/hob/v1/functions/f/export{query}");
        bench.hob.post(&path, "").await
    };
    let made = export("?tag=mine:1").await;
    assert_eq!(
        (made.status, &made.json()["tag"]),
        (StatusCode::OK, &json!("mine:1")),
        "{}",
        made.text()
    );
    assert_eq!(export("?tag=taken:1").await.status, StatusCode::CONFLICT);
    assert_eq!(export("?tag=hob-deps/x").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(export("?tag=mine:1").await.status, StatusCode::OK, "again is fine");
    let saved = export("?save=true").await;
    assert_eq!(
        (saved.status, saved.header("content-type")),
        (StatusCode::OK, "application/x-tar")
    );
    assert!(saved.text().contains("hob-function/"), "{}", saved.text());
    bench
        .hob
        .send(Method::DELETE, "/hob/v1/functions/f", &[], Bytes::new())
        .await;
    eventually("its images to go", || async {
        bench.hob.post("/hob/v1/gc", "").await;
        let left = bench.engine.image_names();
        (!left.iter().any(|n| n.starts_with("hob-function/"))).then_some(())
    })
    .await;
    assert!(bench.engine.image_names().contains(&"mine:1".to_owned()));
    assert_eq!(export("").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_reach_the_build_and_their_passwords_reach_no_label() {
    let secret = "http://user:sesame@mirror";
    let environment = format!("{{ MIRROR = \"{secret}\" }}");
    let bench = Bench::new(&[("HOB_BUILD_ENVIRONMENT", &environment), ("HOB_BUILD_NETWORK", "none")]).await;
    bench.ready("f", CODE, "a==1").await;
    let build = &bench.builds()[0];
    assert_eq!(build.args["MIRROR"], secret);
    assert_eq!(build.network.as_deref(), Some("none"));
    assert!(build.args["RUNTIME"].starts_with("hob-runtime/fam:1.0-"));
    assert_eq!(build.args["BUILDER"], "hob-base/python");
    assert!(!build.labels.values().any(|v| v.contains("sesame")));
    assert!(!build.tag.contains("sesame"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pull_of_a_base_is_said_in_the_log_of_the_deploy_that_asked_for_it() {
    let bench = Bench::new(&[]).await;
    let deploy = || {
        bench
            .hob
            .deploy("f", &[("main.py", CODE)], json!({"runtime": "fam:2.0"}))
    };
    let log = async || bench.hob.get("/hob/v1/functions/f/build").await.text();
    let message = "no route".to_owned();
    bench.engine.fail_next_pull(Error::Refused { status: 500, message });
    let view = deploy().await;
    assert!(
        view["latest"]["notice"]
            .as_str()
            .is_some_and(|n| n.contains("fam:1.0 is used")),
        "{view:#}"
    );
    assert_eq!(log().await, "Pulling fam:2.0\nfam:2.0 could not be pulled\n");
    // Its registry is left in peace for a while.
    deploy().await;
    assert_eq!((log().await.as_str(), bench.engine.counts().pulls), ("", 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_goes_away_during_the_pull_of_a_base_costs_no_version() {
    let bench = Bench::new(&[]).await;
    let size = LayerState::Coming {
        done_bytes: 1 << 20,
        total_bytes: Some(1 << 20),
    };
    let layers = [size, LayerState::Done].map(|state| Layer {
        id: "layer".to_owned(),
        state,
    });
    bench.engine.offer_image("fam:2.0", layers.to_vec());
    bench.engine.hang_pulls(true);
    let code = crate::support::zip(&[("main.py", CODE)]);
    let settings = json!({"runtime": "fam:2.0"});
    bench.hob.deploy_form("f", Some(("code.zip", code)), settings, 0).await;
    bench.pulling(1).await;
    bench.engine.set_down(true);
    bench.engine.hang_pulls(false);
    bench.pulling(0).await;
    bench.engine.hang_builds(true);
    bench.engine.set_down(false);
    bench.building(1).await;
    assert_eq!(bench.hob.view("f").await["latest"].get("pull"), None, "that is over");
    bench.engine.hang_builds(false);
    let view = bench.settled("f").await;
    assert_eq!(
        (&view["state"], &view["latest"]["runtime"]),
        (&json!("ready"), &json!("fam:2.0")),
        "{view:#}"
    );
    let log = bench.hob.get("/hob/v1/functions/f/build").await.text();
    let expect = "Pulling fam:2.0\nlayer: pulled, 1.0 MiB\nPulled fam:2.0, 1.0 MiB in ";
    assert!(log.starts_with(expect), "{log}");
}
