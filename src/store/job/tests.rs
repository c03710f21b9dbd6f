//! What a claim holds together, and what it does not let through twice.

use super::super::tests::{at, deployed, opened};
use super::*;
use crate::domain::{JobChange, Outcome};
use std::time::Duration;

const LIMIT: u32 = 100;

fn input() -> AsyncInput {
    AsyncInput {
        method: "POST".into(),
        path: "/p".into(),
        query: "q=1".into(),
        headers: vec![("x-a".into(), "1".into())],
        body: b"{}".to_vec(),
    }
}

/// A job that is due every second, from `first` on. Unit: UTC milliseconds.
async fn kept(store: &Store, function: FunctionId, first: i64) -> Job {
    let job = Job {
        id: JobId::generate(),
        namespace: Namespace::default_namespace(),
        name: "tick".into(),
        function,
        selector: Selector::Current,
        schedule: Schedule::every(Duration::from_secs(1), at(first)).expect("good"),
        first_at: None,
        count: None,
        state: JobState::Active,
        reason: None,
        missed: Missed::Skip,
        overlap: Overlap::Allow,
        next_at: None,
        last_at: None,
        last_execution: None,
        failures: 0,
        created_at: at(0),
        updated_at: at(0),
    };
    let job = job.begin(at(0)).expect("it has times");
    store.create_job(job.clone(), input()).await.expect("kept");
    job
}

async fn claim_at(store: &Store, now: i64) -> Claimed {
    store.claim_due(LIMIT, at(0), at(now)).await.expect("claimed")
}

async fn read(store: &Store, id: JobId) -> Job {
    store.job(id).await.expect("read").expect("there")
}

/// Writes what no program of ours would.
async fn spoil(store: &Store, sql: &'static str, id: JobId) {
    let work = move |c: &Connection| Ok(row::change(c, sql, named_params! {":id": id.as_bytes()})?);
    assert_eq!(store.write("spoil", work).await.expect("written"), 1);
}

#[tokio::test]
async fn a_job_is_read_as_it_was_written() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "f").await;
    let job = kept(&store, function.id, 500).await;
    assert_eq!(read(&store, job.id).await, job);
    assert_eq!(store.job_input(job.id).await.expect("read"), Some(input()));
    assert_eq!(store.next_job_at().await.expect("read"), Some(at(500)));
}

#[tokio::test]
async fn a_due_job_leaves_one_accepted_execution_with_its_input_and_goes_on() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "f").await;
    let job = kept(&store, function.id, 500).await;
    assert_eq!(claim_at(&store, 499).await, Claimed::default());
    let claimed = claim_at(&store, 700).await;
    let [(id, execution)] = claimed.fired[..] else {
        panic!("{claimed:?}")
    };
    assert_eq!(id, job.id);
    assert_eq!(claim_at(&store, 700).await, Claimed::default(), "not twice");
    let queued = store.claim_queued(LIMIT, at(701)).await.expect("claimed");
    assert_eq!((queued.len(), queued[0].0.id, &queued[0].1), (1, execution, &input()));
    let now = read(&store, id).await;
    assert_eq!(
        (now.next_at, now.last_at, now.last_execution),
        (Some(at(1_500)), Some(at(700)), Some(execution))
    );
}

#[tokio::test]
async fn claims_come_oldest_first_and_in_batches() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "f").await;
    let late = kept(&store, function.id, 800).await;
    let early = kept(&store, function.id, 700).await;
    let first = store.claim_due(1, at(0), at(900)).await.expect("claimed");
    assert_eq!((first.n_due, first.fired[0].0), (1, early.id));
    let second = claim_at(&store, 900).await;
    assert_eq!(second.fired.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [late.id]);
}

#[tokio::test]
async fn a_job_that_does_not_overlap_waits_for_the_end_of_its_execution() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "f").await;
    let job = kept(&store, function.id, 500).await;
    let change = JobChange {
        overlap: Some(Overlap::Skip),
        ..JobChange::default()
    };
    let changed = store
        .change_job(job.id, JobEvent::Change(Box::new(change)), None, at(1))
        .await;
    assert!(matches!(changed, Ok(Some(Ok(_)))), "{changed:?}");
    let (_, execution) = claim_at(&store, 500).await.fired[0];
    assert_eq!(claim_at(&store, 1_500).await.fired, [], "it is still queued");
    let failed = crate::domain::Ending {
        outcome: Outcome::Error { message: "no".into() },
        at: at(1_600),
        temperature: None,
        timings: crate::domain::Timings::default(),
        log: vec![],
        result: None,
        headers: Vec::new(),
        late_input: None,
    };
    let ended = store.end_async(execution, failed).await.expect("ended");
    assert_eq!(ended, crate::store::Ended::Now { is_followed: false });
    assert_eq!(claim_at(&store, 2_500).await.fired.len(), 1);
    assert_eq!(read(&store, job.id).await.failures, 1);
}

#[tokio::test]
async fn broken_jobs_fail_with_the_reason_and_hold_up_no_other() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "f").await;
    let (schedule, selector) = (
        kept(&store, function.id, 500).await,
        kept(&store, function.id, 501).await,
    );
    let good = kept(&store, function.id, 502).await;
    spoil(
        &store,
        "update job set schedule = 'tide high' where id = :id",
        schedule.id,
    )
    .await;
    spoil(
        &store,
        "update job set selector = 'the best' where id = :id",
        selector.id,
    )
    .await;
    let claimed = claim_at(&store, 600).await;
    assert_eq!(claimed.fired.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [good.id]);
    assert_eq!(
        claimed.failed.iter().map(|(job, _)| *job).collect::<Vec<_>>(),
        [schedule.id, selector.id]
    );
    let failed = read(&store, schedule.id).await;
    assert_eq!((failed.state, failed.next_at), (JobState::Failed, None));
    assert!(failed.reason.expect("a reason").contains("cannot be read"));
    assert_eq!(claim_at(&store, 600).await, Claimed::default());
}

#[tokio::test]
async fn a_function_that_goes_takes_its_jobs_schedule_along_but_not_the_job() {
    let (_directory, store) = opened(64);
    let (gone, _) = deployed(&store, "gone").await;
    let (stays, _) = deployed(&store, "stays").await;
    let (job, other) = (kept(&store, gone.id, 500).await, kept(&store, stays.id, 500).await);
    assert!(store.delete_function(gone.id).await.expect("deleted"));
    let failed = read(&store, job.id).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.reason.expect("a reason").contains("deleted"));
    assert_eq!(claim_at(&store, 600).await.fired[0].0, other.id);
    let resumed = store.change_job(job.id, JobEvent::Resume, None, at(700)).await;
    assert!(matches!(resumed, Err(Error::NotFound { .. })), "{resumed:?}");
    assert!(store.delete_job(job.id).await.expect("deleted"));
    assert_eq!(store.job_input(job.id).await.expect("read"), None);
}

#[tokio::test]
async fn a_refused_event_changes_nothing() {
    let (_directory, store) = opened(64);
    let (function, _) = deployed(&store, "f").await;
    let job = kept(&store, function.id, 500).await;
    let change = JobChange {
        name: Some("other".into()),
        next_at: Some(at(1)),
        ..JobChange::default()
    };
    let refused = store
        .change_job(job.id, JobEvent::Change(Box::new(change)), Some(input()), at(1))
        .await;
    assert!(matches!(refused, Ok(Some(Err(_)))), "{refused:?}");
    assert_eq!(read(&store, job.id).await, job);
    assert!(matches!(
        store.change_job(JobId::generate(), JobEvent::Pause, None, at(1)).await,
        Ok(None)
    ));
}

#[tokio::test]
async fn jobs_are_listed_by_what_is_asked_and_page_by_page() {
    let (_directory, store) = opened(64);
    let (f, _) = deployed(&store, "f").await;
    let (g, _) = deployed(&store, "g").await;
    let mut of_f = Vec::new();
    for _ in 0..3 {
        of_f.push(kept(&store, f.id, 500).await.id);
    }
    let of_g = kept(&store, g.id, 500).await.id;
    let paused = store.change_job(of_f[1], JobEvent::Pause, None, at(1)).await;
    assert!(matches!(paused, Ok(Some(Ok(_)))), "{paused:?}");
    let list = async |filter: JobFilter| -> Vec<JobId> {
        let jobs = store.list_jobs(filter).await.expect("listed");
        jobs.iter().map(|job| job.id).collect()
    };
    let all = JobFilter::default;
    let of = |function| JobFilter {
        function: Some(function),
        ..all()
    };
    assert_eq!(list(of(g.id)).await, [of_g]);
    assert_eq!(
        list(JobFilter {
            limit: Some(2),
            ..of(f.id)
        })
        .await,
        of_f[..2]
    );
    assert_eq!(
        list(JobFilter {
            after: Some(of_f[1]),
            ..of(f.id)
        })
        .await,
        of_f[2..]
    );
    assert_eq!(
        list(JobFilter {
            state: Some(JobState::Paused),
            ..all()
        })
        .await,
        [of_f[1]]
    );
    assert_eq!(
        list(JobFilter {
            name: Some("tock".into()),
            ..all()
        })
        .await,
        []
    );
    let other = Namespace::parse("other").expect("a name");
    assert_eq!(
        list(JobFilter {
            namespace: Some(other),
            ..all()
        })
        .await,
        []
    );
}
