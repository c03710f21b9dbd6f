//! What the application counts, and how it stands at the moment somebody asks.

use super::App;
use crate::domain::{Error, ExecutionState, Verdict};
use crate::store::{ExecutionFilter, FunctionFilter};
use crate::telemetry::{Counter, Gauge, Metric, Unit, render};

const DEPLOYS: &str = "hob_deploys_total";
const DEPLOYS_HELP: &str = "Revisions that were made ready or could not be.";
const BUILDS: &str = "hob_builds_total";
const BUILDS_HELP: &str = "Looks at what a revision needs, with the building of what was missing.";
const CALLBACKS: &str = "hob_callbacks_total";
const CALLBACKS_HELP: &str = "Tries to tell the end of an asynchronous call, by what they came to.";

static READY: Counter = Counter::new(DEPLOYS, Unit::Count, DEPLOYS_HELP).labelled(&[("state", "ready")]);
static FAILED: Counter = Counter::new(DEPLOYS, Unit::Count, DEPLOYS_HELP).labelled(&[("state", "failed")]);
static BUILT: Counter = Counter::new(BUILDS, Unit::Count, BUILDS_HELP).labelled(&[("outcome", "done")]);
static NOT_BUILT: Counter = Counter::new(BUILDS, Unit::Count, BUILDS_HELP).labelled(&[("outcome", "failed")]);
static FIRED: Counter = Counter::new(
    "hob_job_fires_total",
    Unit::Count,
    "Calls that jobs made because they were due.",
);

static TOLD: Counter = Counter::new(CALLBACKS, Unit::Count, CALLBACKS_HELP).labelled(&[("outcome", "delivered")]);
static AGAIN: Counter = Counter::new(CALLBACKS, Unit::Count, CALLBACKS_HELP).labelled(&[("outcome", "again")]);
static GIVEN_UP: Counter = Counter::new(CALLBACKS, Unit::Count, CALLBACKS_HELP).labelled(&[("outcome", "failed")]);

static ALL: [&dyn Metric; 8] = [&READY, &FAILED, &BUILT, &NOT_BUILT, &FIRED, &TOLD, &AGAIN, &GIVEN_UP];

pub(super) fn deployed(ready: bool) {
    if ready { &READY } else { &FAILED }.increment();
}

pub(super) fn built(done: bool) {
    if done { &BUILT } else { &NOT_BUILT }.increment();
}

pub(super) fn fired(jobs: usize) {
    FIRED.add(jobs as u64);
}

pub(super) fn callback_told(verdict: Verdict) {
    match verdict {
        Verdict::Delivered => TOLD.increment(),
        Verdict::Again(_) => AGAIN.increment(),
        Verdict::GiveUp => GIVEN_UP.increment(),
    }
}

/// The states that a worker is counted in.
const WORKERS: [(&str, &[(&str, &str)]); 4] = [
    ("starting", &[("state", "starting")]),
    ("prewarmed", &[("state", "prewarmed")]),
    ("loading", &[("state", "loading")]),
    ("ready", &[("state", "ready")]),
];
const CALLS: [(ExecutionState, &[(&str, &str)]); 2] = [
    (ExecutionState::Queued, &[("state", "queued")]),
    (ExecutionState::Running, &[("state", "running")]),
];

impl App {
    /// All that is counted and measured, in Prometheus' text format.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn metrics(&self) -> Result<String, Error> {
        let mut gauges = self.pool_gauges();
        gauges.extend(self.store_gauges().await?);
        let gauges = gauges.iter().map(|gauge| gauge as &dyn Metric);
        let counted = crate::invoker::metrics()
            .iter()
            .chain(crate::traces::metrics())
            .chain(&ALL);
        let all: Vec<_> = counted.map(|metric| *metric as &dyn Metric).chain(gauges).collect();
        Ok(render(&all))
    }

    fn pool_gauges(&self) -> Vec<Gauge> {
        let workers = self.workers();
        let by_state = WORKERS.map(|(state, labels)| {
            let n = workers.iter().filter(|worker| worker.state == state).count();
            gauge("hob_workers", "Workers, by state.", n as u64).labelled(labels)
        });
        let busy: usize = workers.iter().map(|worker| worker.busy).sum();
        let slots: usize = workers.iter().map(|worker| worker.slots).sum();
        let open = self.0.pool.open_calls();
        let mut all: Vec<_> = by_state.into();
        all.extend([
            gauge("hob_slots", "Calls that all workers can serve at once.", slots as u64),
            gauge("hob_slots_busy", "Calls that are served now.", busy as u64),
            gauge(
                "hob_calls_waiting",
                "Calls that wait for a worker.",
                open.saturating_sub(busy) as u64,
            ),
        ]);
        all
    }

    async fn store_gauges(&self) -> Result<Vec<Gauge>, Error> {
        let store = &self.0.store;
        let mut all = Vec::new();
        for (state, labels) in CALLS {
            let filter = ExecutionFilter {
                state: Some(state),
                asynchronous: Some(true),
                ..ExecutionFilter::default()
            };
            let n = store.count_matching_executions(filter).await?;
            all.push(gauge("hob_async_calls", "Asynchronous calls that have not ended.", n).labelled(labels));
        }
        let functions = store.list_functions(FunctionFilter::default()).await?;
        all.extend([
            gauge("hob_functions", "Functions.", functions.len() as u64),
            gauge(
                "hob_jobs_active",
                "Jobs that fire when they are due.",
                store.count_active_jobs().await?,
            ),
            gauge(
                "hob_callbacks_waiting",
                "Ends of asynchronous calls that somebody has still to be told of.",
                store.count_due_callbacks().await?,
            ),
            gauge(
                "hob_records_waiting",
                "Records of calls that wait to be written.",
                store.waiting_records() as u64,
            ),
            gauge(
                "hob_engine_up",
                "Whether the container engine answers.",
                u64::from(self.engine_answers()),
            ),
        ]);
        Ok(all)
    }
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Gauge {
    let gauge = Gauge::new(name, Unit::Count, help);
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}
