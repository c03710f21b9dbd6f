//! The rows `async` and `sync`: executions through the Qinling API. What is measured is the way in; the function does
//! next to nothing.

use crate::daemon::{Daemon, pack};
use crate::load::Target;
use crate::report::{Line, Unit};
use crate::rows::{BODY, Bench, MANY, loads_of_two, take_turns};
use crate::stats::Bar;
use anyhow::{Context, Result, ensure};
use hob::domain::{
    ExecutionId, Function as Declared, FunctionId, FunctionName, Namespace, Retries, Selector, Timestamp,
};
use hob::store::{Acceptance, Annotation, AsyncInput, Durability, Options, Store};
use r2d2_sqlite::SqliteConnectionManager;
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Clients that hand over asynchronous executions at once.
const CLIENTS: usize = 32;
/// How long the baseline's clients wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "measured";

/// The least that a function can do: it shares the machine with what is measured.
const HANDLER: &str = "def main(**_):\n    return None\n";

/// Accepted, that is committed and flushed, against the plain way to have as much: a row and a transaction each. First
/// what writing alone comes to, then all of it, with HTTP before it and the functions running behind it.
pub(crate) fn accepted(bench: &Bench) -> Result<Vec<Line>> {
    let table = Table::create(&bench.folder.join("async.db"))?;
    Ok(vec![written(bench, &table)?, answered_at_once(bench, &table)?])
}

/// The store as the daemon opens it, without anything before or behind it: the same that the baseline is.
fn written(bench: &Bench, table: &Table) -> Result<Line> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (store, function) = runtime.block_on(open_store(bench.folder.join("async-store")))?;
    let (accepted, commits) = (Cell::new(0), store.commits());
    let ours = |_| {
        let (n, per_second) = runtime.block_on(accept_for(&store, function, bench.load_time))?;
        accepted.set(accepted.get() + u64::from(n));
        Ok(per_second)
    };
    let (ours, theirs) = take_turns(bench.rounds, ours, |_| table.fill(bench.load_time))?;
    Ok(Line {
        what: format!(
            "asynchronous executions written down, concurrency {CLIENTS} / one SQLite insert per transaction, r2d2 pool, \
             synchronous=FULL"
        ),
        unit: Unit::CallsPerSecond,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtLeast(10.0),
        notes: vec![format!(
            "both sides in process; ours is a record and its input, {} of them in a commit",
            accepted.get() / (store.commits() - commits).max(1)
        )],
    })
}

async fn open_store(directory: std::path::PathBuf) -> Result<(Store, FunctionId)> {
    let store = Store::open(Options {
        directory,
        durability: Durability::Full,
        queue: 8192,
        readers: 1,
    })?;
    let now = Timestamp::from_millis(0);
    let function = Declared {
        id: FunctionId::generate(),
        namespace: Namespace::default_namespace(),
        name: FunctionName::parse(NAME)?,
        current: None,
        created_at: now,
        updated_at: now,
    };
    let annotation = Annotation {
        dialect: "bench".to_owned(),
        text: String::new(),
    };
    store.declare_function(&function, annotation).await?;
    Ok((store, function.id))
}

/// Acceptances, and how many in a second.
async fn accept_for(store: &Store, function: FunctionId, time: Duration) -> Result<(u32, f64)> {
    let started = Instant::now();
    let until = started + time;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(accept_until(store.clone(), function, until)))
        .collect();
    let mut accepted = 0;
    for client in clients {
        accepted += client.await??;
    }
    Ok((accepted, f64::from(accepted) / started.elapsed().as_secs_f64()))
}

async fn accept_until(store: Store, function: FunctionId, until: Instant) -> Result<u32> {
    let mut accepted = 0;
    while Instant::now() < until {
        let acceptance = Acceptance {
            id: ExecutionId::generate(),
            function,
            selector: Selector::Current,
            description: String::new(),
            input: AsyncInput {
                method: "POST".to_owned(),
                path: "/".to_owned(),
                query: String::new(),
                headers: Vec::new(),
                body: BODY.as_bytes().to_vec(),
            },
            retries: Retries::NONE,
            key: None,
            callback: None,
        };
        store.accept_async(acceptance, Timestamp::from_millis(0)).await?;
        accepted += 1;
    }
    Ok(accepted)
}

/// What a client of the API hands over.
fn answered_at_once(bench: &Bench, table: &Table) -> Result<Line> {
    let daemon = Daemon::start(&bench.folder.join("async"), &[])?;
    let ours = |_| {
        let function = Function::create(&daemon)?;
        let load = function.execution(false).load(CLIENTS, bench.load_time)?;
        // Takes what is still queued along, so that the next measurement begins in peace.
        function.remove()?;
        Ok(load.calls_per_second)
    };
    let (ours, theirs) = take_turns(bench.rounds, ours, |_| table.fill(bench.load_time))?;
    Ok(Line {
        what: format!("asynchronous executions accepted by the Qinling API, concurrency {CLIENTS} / the same inserts"),
        unit: Unit::CallsPerSecond,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtLeast(1.0),
        notes: vec!["HTTP is on our side alone, and Hob runs what it accepts at the same time".to_owned()],
    })
}

/// The same function on both sides, by the API and by its own address.
pub(crate) fn answered(bench: &Bench) -> Result<Vec<Line>> {
    let daemon = Daemon::start(&bench.folder.join("sync"), &[])?;
    let function = Function::create(&daemon)?;
    let mut lines = Vec::new();
    for connections in [1, MANY] {
        let (ours, theirs) = (function.execution(true), daemon.target(NAME, BODY));
        let mut line = loads_of_two(bench, connections, &ours, &theirs)?;
        line.what = format!("synchronous executions by the Qinling API, concurrency {connections} / by the ingress");
        line.bar = Bar::AtLeast(0.5);
        lines.push(line);
    }
    Ok(lines)
}

/// A function of this API, with a warm worker.
struct Function<'d> {
    daemon: &'d Daemon,
    id: String,
}

impl<'d> Function<'d> {
    fn create(daemon: &'d Daemon) -> Result<Self> {
        let runtime = runtime(daemon)?;
        let fields = [
            ("name", NAME),
            ("runtime_id", runtime.as_str()),
            ("code", r#"{"source": "package"}"#),
        ];
        let zip = pack([("main.py", HANDLER.as_bytes())])?;
        let created = daemon.upload("POST", "/v1/functions", &fields, "package", &zip);
        let id = id_of(&asked(&created)?)?;
        let function = Self { daemon, id };
        let first = asked(&function.execution(true))?;
        // A failed execution is answered with 201 too.
        ensure!(first["status"] == "success", "the first execution: {first}");
        Ok(function)
    }

    fn execution(&self, sync: bool) -> Target {
        let body = json!({"function_id": self.id, "sync": sync, "input": BODY}).to_string();
        self.daemon.request("POST", "/v1/executions", &body)
    }

    fn remove(&self) -> Result<()> {
        let path = format!("/v1/functions/{}", self.id);
        self.daemon.request("DELETE", &path, "").send()?.ok().map(drop)
    }
}

/// The only runtime there is; a pre-warmed worker tells that its image is made.
fn runtime(daemon: &Daemon) -> Result<String> {
    daemon.settle(1, Some(0))?;
    id_of(&asked(&daemon.request("GET", "/v1/runtimes", ""))?["runtimes"][0])
}

fn asked(target: &Target) -> Result<Value> {
    Ok(serde_json::from_str(&target.send()?.ok()?.text())?)
}

fn id_of(made: &Value) -> Result<String> {
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

/// The baseline of `async`: a table of calls to be made, beside the daemon's data and so on the same disk.
struct Table {
    pool: r2d2::Pool<SqliteConnectionManager>,
    next: AtomicU64,
}

impl Table {
    fn create(path: &Path) -> Result<Self> {
        let manager = SqliteConnectionManager::file(path).with_init(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")
        });
        // As large a pool as r2d2 makes unless told otherwise.
        let pool = r2d2::Pool::builder().connection_timeout(PATIENCE).build(manager)?;
        pool.get()?.execute_batch(
            "create table call (id integer primary key, state text not null, created_at_ms integer not null,
                                input text not null);
             create index open_call on call (state, id) where state = 'queued'",
        )?;
        Ok(Self {
            pool,
            next: AtomicU64::new(1),
        })
    }

    /// Rows per second, with as many clients as the other side has.
    fn fill(&self, time: Duration) -> Result<f64> {
        let started = Instant::now();
        let until = started + time;
        let rows = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| self.insert_until(until))).collect();
            let rows = clients
                .into_iter()
                .map(|client| client.join().expect("no client panics"));
            rows.sum::<Result<u64>>()
        })?;
        Ok(rows as f64 / started.elapsed().as_secs_f64())
    }

    fn insert_until(&self, until: Instant) -> Result<u64> {
        let mut rows = 0;
        while Instant::now() < until {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let sql = "insert into call (id, state, created_at_ms, input) values (?1, 'queued', 0, ?2)";
            let connection = self.pool.get()?;
            connection.prepare_cached(sql)?.execute((id as i64, BODY))?;
            rows += 1;
        }
        Ok(rows)
    }
}
