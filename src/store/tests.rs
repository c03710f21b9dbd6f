//! The room as a whole, through its public face: promises kept over batches, failures and restarts.

use super::*;
use crate::domain::{
    Alias, AliasName, Base, Code, Concurrency, Convention, Cors, Cpu, Digest, Ending, ExecutionId, ExecutionState,
    Function, FunctionName, Intake, Limits, Memory, Namespace, Network, Outcome, Pointer, Retries, Revision,
    RevisionId, RevisionState, RuntimeRef, Scale, SealedSecret, Secrets, Selector, Start, Step, Timeout, Timestamp,
    Timings, Variables,
};
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

fn options(directory: &Path, queue: usize) -> Options {
    Options {
        directory: directory.to_owned(),
        durability: Durability::Normal,
        queue,
        readers: 2,
    }
}

pub(super) fn opened(queue: usize) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("temp");
    let store = Store::open(options(directory.path(), queue)).expect("open");
    (directory, store)
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn sealed() -> SealedSecret {
    SealedSecret {
        sealed: vec![0, 255],
        hash: "h".to_owned(),
    }
}

fn new_revision() -> NewRevision {
    NewRevision {
        id: RevisionId::generate(),
        runtime: RuntimeRef {
            family: "f".into(),
            version: "1".into(),
        },
        entry: "main.main".into(),
        convention: Convention::Kwargs,
        code: Code::Package(Digest::parse(&"a".repeat(64)).expect("digest")),
        runtime_image: None,
        base: Some(Base {
            image: "own:1".to_owned(),
            steps: vec![Step::Run("make \"it\"".to_owned()), Step::Env("A=b".to_owned())],
        }),
        build_commands: vec!["make all".to_owned()],
        start: Start::new(vec!["serve".to_owned()], vec!["-p".to_owned(), "80".to_owned()]).expect("a start"),
        env: BTreeMap::from([("K".into(), "v".into())]),
        secrets: Secrets::from([("S".into(), sealed())]),
        inherited: Variables {
            env: BTreeMap::from([("N".into(), "v".into())]),
            secrets: Secrets::from([("T".into(), sealed())]),
        },
        limits: Limits {
            memory: Memory::from_mib(128).expect("memory"),
            timeout: Timeout::from_millis(5000).expect("timeout"),
            concurrency: Concurrency::new(2).expect("concurrency"),
            scale: Scale::new(0, 3).expect("scale"),
            network: Network::None,
            cpu: Some(Cpu::from_millis(250).expect("cpu")),
            intake: Intake {
                wait: Some(Duration::from_millis(700)),
                body: Some(9),
                closed: true,
                secure_only: true,
            },
        },
        cors: Some(Cors {
            origins: vec!["http://localhost:3000".to_owned()],
            exposed: vec!["x-a".to_owned()],
            credentials: true,
            ..Cors::default()
        }),
    }
}

pub(super) async fn deployed(store: &Store, name: &str) -> (Function, Revision) {
    let name = FunctionName::parse(name).expect("name");
    let namespace = Namespace::default_namespace();
    let deploy = store.deploy(&namespace, &name, at(1), new_revision(), None);
    deploy.await.expect("deploy")
}

fn started(revision: &Revision) -> Started {
    Started {
        id: ExecutionId::generate(),
        function: revision.function,
        revision: revision.id,
        selector: Selector::Current,
        description: String::new(),
        input: None,
        created_at: at(10),
        started_at: at(11),
    }
}

fn ending(outcome: Outcome) -> Ending {
    Ending {
        outcome,
        at: at(20),
        temperature: None,
        timings: Timings::default(),
        log: b"said".to_vec(),
        result: Some(b"42".to_vec()),
        headers: Vec::new(),
        late_input: None,
    }
}

pub(super) fn succeeded() -> Ending {
    ending(Outcome::Succeeded { status: 200 })
}

fn input() -> AsyncInput {
    AsyncInput {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![("a".into(), "b".into())],
        body: b"{}".to_vec(),
    }
}

pub(super) fn acceptance(id: ExecutionId, function: &Function) -> Acceptance {
    Acceptance {
        id,
        function: function.id,
        selector: Selector::Current,
        description: String::new(),
        input: input(),
        retries: Retries::NONE,
        key: None,
        callback: None,
    }
}

fn everything() -> ExecutionFilter {
    ExecutionFilter {
        limit: 1000,
        ..ExecutionFilter::default()
    }
}

/// Holds the writer inside a command until the sender is dropped.
#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
async fn paused(store: &Store) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let (inside, entered) = tokio::sync::oneshot::channel();
    let store = store.clone();
    let task = tokio::spawn(async move {
        let work = move |_: &Connection| {
            let _ = inside.send(());
            let _ = wait.recv();
            Ok(())
        };
        store.write("pause", work).await.expect("pause");
    });
    entered.await.expect("entered");
    (go, task)
}

#[tokio::test]
async fn a_second_daemon_is_refused_until_the_first_has_closed() {
    let (directory, store) = opened(8);
    let error = Store::open(options(directory.path(), 8)).err();
    assert!(matches!(error, Some(Error::Locked { pid: Some(_) })));
    store.close().await.expect("close");
    store.close().await.expect("again");
    assert!(matches!(store.flush().await, Err(Error::Closed)));
    let again = Store::open(options(directory.path(), 8)).expect("free");
    assert_eq!(again.instance(), store.instance());
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let (directory, store) = opened(8);
    drop(store);
    let file = directory.path().join("hob.db");
    let raw = Connection::open(file).expect("open");
    raw.pragma_update(None, "user_version", 99).expect("set");
    drop(raw);
    let error = Store::open(options(directory.path(), 8)).err();
    assert!(matches!(error, Some(Error::NewerDatabase { found: 99, .. })));
}

#[tokio::test]
async fn commands_that_meet_share_a_commit_and_fail_alone() {
    let (_directory, store) = opened(64);
    let before = store.commits();
    let (go, pause) = paused(&store).await;
    let create = |n: usize| {
        let store = store.clone();
        // Every fourth has the name of the first.
        let name = if n.is_multiple_of(4) {
            "same".into()
        } else {
            format!("f{n}")
        };
        async move {
            let function = Function {
                id: crate::domain::FunctionId::generate(),
                namespace: Namespace::default_namespace(),
                name: FunctionName::parse(&name).expect("name"),
                current: None,
                created_at: at(1),
                updated_at: at(1),
            };
            store.create_function(&function).await
        }
    };
    let all = futures_util::future::join_all((0..20).map(create));
    let release = async {
        tokio::task::yield_now().await;
        drop(go);
    };
    let (results, ()) = tokio::join!(all, release);
    pause.await.expect("pause");
    let n_failed = results.iter().filter(|r| r.is_err()).count();
    assert_eq!(n_failed, 4);
    assert!(
        results
            .iter()
            .flat_map(|r| r.as_ref().err())
            .all(|e| { matches!(e, Error::Duplicate { constraint } if *constraint == "function name") })
    );
    assert_eq!(
        store
            .list_functions(FunctionFilter::default())
            .await
            .expect("list")
            .len(),
        16
    );
    assert!(store.commits() - before <= 3, "{}", store.commits() - before);
}

#[tokio::test]
async fn start_and_end_in_one_batch_become_one_row() {
    let (_directory, store) = opened(64);
    let (_, revision) = deployed(&store, "hello").await;
    let call = started(&revision);
    store.record_started(call.clone()).await.expect("start");
    store.record_ended(call.id, succeeded()).await.expect("end");
    let late = ending(Outcome::Cancelled);
    store.record_ended(call.id, late).await.expect("ignored");
    store.flush().await.expect("flush");
    let rows = store.list_executions(everything()).await.expect("list");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].state, ExecutionState::Succeeded);
    assert_eq!(rows[0].revision, Some(revision.id));
    let log = store.execution_log(call.id).await.expect("log");
    assert_eq!(log.as_deref(), Some(&b"said"[..]));
    let result = store.execution_result(call.id).await.expect("result");
    assert_eq!(result.as_deref(), Some(&b"42"[..]));
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let (directory, store) = opened(8);
    let (function, revision) = deployed(&store, "hello").await;
    let running = started(&revision);
    store.record_started(running.clone()).await.expect("start");
    let queued = ExecutionId::generate();
    let accepted = store.accept_async(acceptance(queued, &function), at(5));
    accepted.await.expect("accept");
    store.inner.writer.kill();
    drop(store);

    let store = Store::open(options(directory.path(), 8)).expect("open");
    let found = store.function(function.id).await.expect("read");
    assert_eq!(found, Some(function));
    let found = store.revision(revision.id).await.expect("read");
    assert_eq!(found, Some(revision));
    let ended = store.end_interrupted(at(30), "stopped".into()).await;
    assert_eq!(ended.expect("end"), 1);
    let claimed = store.claim_queued(10, at(31)).await.expect("claim");
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].0.id, &claimed[0].1), (queued, &input()));
    assert!(store.claim_queued(10, at(32)).await.expect("claim").is_empty());
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait_and_drops_nothing() {
    let (_directory, store) = opened(2);
    let (_, revision) = deployed(&store, "hello").await;
    let (go, pause) = paused(&store).await;
    for _ in 0..2 {
        store.record_started(started(&revision)).await.expect("room");
    }
    let third = store.record_started(started(&revision));
    tokio::pin!(third);
    let now = futures_util::poll!(third.as_mut());
    assert!(now.is_pending());
    drop(go);
    third.await.expect("room at last");
    pause.await.expect("pause");
    store.flush().await.expect("flush");
    let rows = store.list_executions(everything()).await.expect("list");
    assert_eq!(rows.len(), 3);
}

#[tokio::test]
async fn a_full_disk_fails_commands_and_keeps_records() {
    let (_directory, store) = opened(64);
    let (_, revision) = deployed(&store, "hello").await;
    let set_pages = |n: u32| {
        store.write("limit", move |c| {
            let sql = format!("pragma max_page_count = {n}");
            Ok(c.query_row(&sql, [], |_| Ok(()))?)
        })
    };
    set_pages(1).await.expect("full");
    let call = started(&revision);
    let mut end = succeeded();
    end.log = vec![b'x'; 1_000_000];
    store.record_started(call.clone()).await.expect("start");
    store.record_ended(call.id, end).await.expect("end");
    let key = DocumentKey {
        dialect: "d".into(),
        kind: "k".into(),
        key: "1".into(),
    };
    let put = store.put_document(key, "x".repeat(1_000_000)).await;
    assert!(matches!(put, Err(Error::DiskFull)), "{put:?}");
    set_pages(1_000_000).await.expect("space");
    store.close().await.expect("close");
    let file = store.inner.blobs.path(revision.code.digest().expect("a package"));
    let data = file.ancestors().nth(3).expect("data").to_owned();
    let again = Store::open(options(&data, 8)).expect("open");
    let row = again.execution(call.id).await.expect("read").expect("kept");
    assert_eq!(row.state, ExecutionState::Succeeded);
}

#[tokio::test]
async fn an_execution_ends_once_whatever_comes_in_whatever_order() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "hello").await;
    let mut seed = 7_u64;
    for _ in 0..40 {
        let id = ExecutionId::generate();
        let accepted = store.accept_async(acceptance(id, &function), at(1));
        accepted.await.expect("accept");
        let mut n_ends = 0;
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            n_ends += match (seed >> 33) % 4 {
                0 => usize::from(store.cancel_queued(id, at(2)).await.expect("cancel")),
                1 => usize::from(store.end_async(id, succeeded()).await.expect("end") != Ended::Before),
                2 => store.end_interrupted(at(3), "x".into()).await.expect("end"),
                _ => {
                    store.claim_queued(1, at(4)).await.expect("claim");
                    0
                }
            };
        }
        let last = ending(Outcome::Cancelled);
        n_ends += usize::from(store.end_async(id, last).await.expect("end") != Ended::Before);
        assert_eq!(n_ends, 1);
    }
}

#[tokio::test]
async fn a_number_is_never_given_twice() {
    let (_directory, store) = opened(8);
    let (function, first) = deployed(&store, "hello").await;
    let (same, second) = deployed(&store, "hello").await;
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(function.id, same.id);
    assert!(store.delete_revision(second.id).await.expect("delete"));
    assert_eq!(deployed(&store, "hello").await.1.number, 3);
}

#[tokio::test]
async fn the_newest_ready_revision_serves() {
    let (_directory, store) = opened(8);
    let (function, first) = deployed(&store, "hello").await;
    let (_, second) = deployed(&store, "hello").await;
    let (_, third) = deployed(&store, "hello").await;
    assert_eq!(store.pending_revisions().await.expect("list").len(), 3);
    assert_eq!(store.mark_ready(first.id, at(2)).await.expect("1"), None);
    let replaced = store.mark_ready(third.id, at(3)).await.expect("3");
    assert_eq!(replaced, Some(first.id));
    assert_eq!(store.mark_ready(second.id, at(4)).await.expect("2"), None);
    let failed = store.mark_failed(third.id, "late".into()).await;
    assert!(!failed.expect("serves already"));
    let function = store.function(function.id).await.expect("read");
    assert_eq!(function.expect("there").current, Some(third.id));
    assert!(store.pending_revisions().await.expect("list").is_empty());
}

#[tokio::test]
async fn a_function_and_its_revisions_are_read_of_one_moment() {
    let (_directory, store) = opened(8);
    let (function, _) = deployed(&store, "moving").await;
    let over = std::cell::Cell::new(false);
    let write = async {
        for _ in 0..100 {
            let redeployed = store.redeploy(function.id, at(1), new_revision(), None).await;
            let (_, revision) = redeployed.expect("written");
            store.mark_ready(revision.id, at(2)).await.expect("ready");
        }
        over.set(true);
    };
    let read = async {
        while !over.get() {
            let found = store.function_with_revisions(function.id).await.expect("readable");
            let (function, revisions) = found.expect("there");
            let newest_ready = revisions.iter().find(|r| r.state == RevisionState::Ready);
            assert_eq!(function.current, newest_ready.map(|r| r.id));
        }
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn pruning_takes_what_is_old_or_too_much_and_never_what_is_open() {
    let (_directory, store) = opened(64);
    let (function, revision) = deployed(&store, "hello").await;
    let queued = ExecutionId::generate();
    let accepted = store.accept_async(acceptance(queued, &function), at(1));
    accepted.await.expect("accept");
    store.record_started(started(&revision)).await.expect("open");
    for _ in 0..5 {
        let call = started(&revision);
        store.record_started(call.clone()).await.expect("start");
        store.record_ended(call.id, succeeded()).await.expect("end");
    }
    store.flush().await.expect("flush");
    assert_eq!(store.prune_executions(3, at(0)).await.expect("count"), 2);
    assert_eq!(store.prune_executions(9, at(99)).await.expect("age"), 3);
    let calls = store.count_calls(function.id, &Selector::Current).await;
    assert_eq!(calls.expect("count"), 7, "those that are gone count too");
    let rows = store.list_executions(everything()).await.expect("list");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| !row.state.is_terminal()));
}

#[tokio::test]
async fn what_was_built_is_kept_apart_from_the_image_to_carry_elsewhere() {
    let (_directory, store) = opened(64);
    let (_, revision) = deployed(&store, "hello").await;
    assert_eq!(revision.build_commands, ["make all"]);
    assert_eq!(
        (revision.start.command(), revision.start.arguments()),
        (&["serve".to_owned()][..], &["-p".to_owned(), "80".to_owned()][..])
    );
    let read = store.revision(revision.id).await.expect("read").expect("there");
    assert_eq!(read, revision, "what was written is what is read");
    let built = store.set_build(revision.id, Some("deps:1".into()), "log".into());
    built.await.expect("build");
    store.set_image(revision.id, "function:1".into()).await.expect("image");
    let build = store.build(revision.id).await.expect("read").expect("there");
    assert_eq!(
        (
            build.image.as_deref(),
            build.worker_image.as_deref(),
            build.log.as_str()
        ),
        (Some("function:1"), Some("deps:1"), "log")
    );
}

#[tokio::test]
async fn images_are_live_as_long_as_their_revision_serves_or_is_about_to() {
    let (_directory, store) = opened(64);
    let mut revisions = Vec::new();
    for number in 1..=3 {
        let (_, revision) = deployed(&store, "hello").await;
        let image = Some(format!("deps:{number}"));
        store.set_build(revision.id, image, String::new()).await.expect("build");
        store
            .set_image(revision.id, format!("function:{number}"))
            .await
            .expect("image");
        revisions.push(revision.id);
    }
    store.mark_ready(revisions[0], at(1)).await.expect("ready");
    store.mark_ready(revisions[1], at(2)).await.expect("ready");
    let live = store.live_images().await.expect("read");
    let expect = ["deps:2", "deps:3", "function:2", "function:3"];
    assert_eq!(live, expect.map(str::to_owned).into());
    store.mark_failed(revisions[2], "no".into()).await.expect("failed");
    assert_eq!(store.live_images().await.expect("read").len(), 2);
}

#[tokio::test]
async fn only_a_pending_revision_settles_on_another_version() {
    let (_directory, store) = opened(64);
    let (_, revision) = deployed(&store, "hello").await;
    let runtime = RuntimeRef {
        family: "f".into(),
        version: "0".into(),
    };
    let settled = store.settle_runtime(revision.id, runtime.clone(), "nearest".into());
    assert!(settled.await.expect("written"));
    let read = store.revision(revision.id).await.expect("read").expect("there");
    assert_eq!((read.runtime, read.notice.as_deref()), (runtime, Some("nearest")));
    store.mark_ready(revision.id, at(2)).await.expect("ready");
    let late = store.settle_runtime(revision.id, revision.runtime, "late".into());
    assert!(!late.await.expect("written"));
}

#[tokio::test]
async fn a_function_takes_everything_of_its_own_with_it() {
    let (_directory, store) = opened(64);
    let (function, revision) = deployed(&store, "hello").await;
    store.mark_ready(revision.id, at(2)).await.expect("ready");
    let built = store.set_build(revision.id, None, "log".into());
    built.await.expect("build");
    let call = started(&revision);
    store.record_started(call.clone()).await.expect("start");
    store.record_ended(call.id, succeeded()).await.expect("end");
    for subject in [Subject::Function(function.id), Subject::Revision(revision.id)] {
        store.annotate(subject, "d", "{}".into()).await.expect("put");
    }
    let filter = ExecutionFilter {
        function: Some(function.id),
        ..ExecutionFilter::default()
    };
    let entries = store.logged(filter).await;
    assert_eq!(entries.expect("log")[0].log, b"said");
    assert!(store.delete_function(function.id).await.expect("delete"));
    store.record_ended(call.id, succeeded()).await.expect("late");
    store.record_started(call.clone()).await.expect("late");
    store.flush().await.expect("a record without function harms nobody");
    assert_eq!(store.execution(call.id).await.expect("read"), None);
    assert_eq!(store.build(revision.id).await.expect("read"), None);
    let left = store.annotation(Subject::Revision(revision.id), "d").await;
    assert_eq!(left.expect("read"), None);
}

#[tokio::test]
async fn a_published_revision_stays_until_its_function_goes_with_all_that_leads_to_it() {
    let (_directory, store) = opened(8);
    let (function, revision) = deployed(&store, "hello").await;
    let published = store.publish(function.id, revision.id, "first".into(), at(2)).await;
    let (version, before) = published.expect("publish");
    assert_eq!((version.number.get(), before), (1, None));
    assert!(store.delete_revision(revision.id).await.is_err(), "a version holds it");
    let alias = Alias {
        namespace: function.namespace.clone(),
        name: AliasName::parse("live").expect("a name"),
        function: function.id,
        pointer: Pointer::Version(version.number),
        canary: None,
        description: String::new(),
        created_at: at(3),
        updated_at: at(3),
    };
    store.create_alias(&alias).await.expect("create");
    assert!(matches!(store.create_alias(&alias).await, Err(Error::Duplicate { .. })));
    let found = store.alias(&alias.namespace, &alias.name).await;
    assert_eq!(found.expect("read"), Some(alias.clone()));
    let refused = store.delete_version(function.id, version.number).await;
    assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
    assert!(store.delete_function(function.id).await.expect("delete"));
    assert!(store.list_versions(function.id).await.expect("list").is_empty());
    assert!(store.list_aliases(None, None).await.expect("list").is_empty());
}

#[tokio::test]
async fn executions_are_found_by_namespace_and_page_and_only_ended_ones_go() {
    let (_directory, store) = opened(64);
    let (function, revision) = deployed(&store, "hello").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let call = started(&revision);
        ids.push(call.id);
        store.record_started(call.clone()).await.expect("start");
        store.record_ended(call.id, succeeded()).await.expect("end");
    }
    let queued = ExecutionId::generate();
    let accepted = store.accept_async(acceptance(queued, &function), at(50));
    accepted.await.expect("accept");
    store.flush().await.expect("flush");
    let other = Namespace::parse("other").expect("a name");
    let table = [
        (
            ExecutionFilter {
                namespace: Some(function.namespace.clone()),
                ..everything()
            },
            5,
        ),
        (
            ExecutionFilter {
                namespace: Some(other),
                ..everything()
            },
            0,
        ),
        (
            ExecutionFilter {
                asynchronous: Some(true),
                ..everything()
            },
            1,
        ),
        (
            ExecutionFilter {
                created_from: Some(at(50)),
                ..everything()
            },
            1,
        ),
        (
            ExecutionFilter {
                created_before: Some(at(50)),
                ..everything()
            },
            4,
        ),
        (
            ExecutionFilter {
                state: Some(ExecutionState::Queued),
                ..everything()
            },
            1,
        ),
    ];
    for (filter, expect) in table {
        assert_eq!(store.list_executions(filter.clone()).await.expect("list").len(), expect);
        assert_eq!(
            store.count_matching_executions(filter).await.expect("count"),
            expect as u64
        );
    }
    let page = ExecutionFilter {
        order: Order::OldestFirst,
        marker: Some(ids[0]),
        limit: 2,
        ..everything()
    };
    let page: Vec<_> = store
        .list_executions(page)
        .await
        .expect("list")
        .iter()
        .map(|e| e.id)
        .collect();
    assert_eq!(page, ids[1..3]);
    assert!(!store.delete_execution(queued).await.expect("delete"), "it waits");
    assert!(store.delete_execution(ids[0]).await.expect("delete"));
    assert_eq!(store.execution_log(ids[0]).await.expect("read"), None);
}

#[tokio::test]
async fn what_a_dialect_attaches_comes_with_the_deploy_and_is_read_for_many_at_once() {
    let (_directory, store) = opened(8);
    let (plain, _) = deployed(&store, "plain").await;
    let annotation = Annotation {
        dialect: "d".into(),
        text: "{}".into(),
    };
    let name = FunctionName::parse("noted").expect("name");
    let deploy = store.deploy(&plain.namespace, &name, at(1), new_revision(), Some(annotation));
    let (noted, _) = deploy.await.expect("deploy");
    let subjects = [plain.id, noted.id].map(Subject::Function).to_vec();
    let found = store.annotations("d", subjects).await.expect("read");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [(Subject::Function(noted.id), "{}".to_owned())]
    );
}
