//! The job's decisions, as tables and as random sequences of events.

use super::*;
use crate::domain::FunctionId;
use std::time::Duration;

const MINUTE: i64 = 60_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE)
}

/// A job that is due every minute, begun at minute 0.
fn job() -> Job {
    let schedule = Schedule::every(Duration::from_secs(60), at(1)).expect("good");
    with_schedule(schedule).begin(at(0)).expect("it has times")
}

fn with_schedule(schedule: Schedule) -> Job {
    Job {
        id: JobId::generate(),
        namespace: Namespace::default_namespace(),
        name: "tick".to_owned(),
        function: FunctionId::generate(),
        selector: Selector::Current,
        missed: Missed::usual(&schedule),
        schedule,
        first_at: None,
        count: None,
        state: JobState::Active,
        reason: None,
        overlap: Overlap::Allow,
        next_at: None,
        last_at: None,
        last_execution: None,
        failures: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn due() -> JobEvent {
    JobEvent::Due {
        present_since: at(0),
        last: None,
    }
}

fn after(last: ExecutionState) -> JobEvent {
    JobEvent::Due {
        present_since: at(0),
        last: Some(last),
    }
}

/// The time it fires at, or none; and the job afterwards.
fn check(mut job: Job, event: JobEvent, now: Timestamp, fires: bool, state: JobState, next: Option<i64>) -> Job {
    let command = job.on(event.clone(), now).expect("allowed");
    assert_eq!(command.is_some(), fires, "{event:?} at {now:?}");
    assert_eq!((job.state, job.next_at), (state, next.map(at)), "{event:?} at {now:?}");
    job
}

#[test]
fn a_job_fires_when_it_is_due_and_never_before() {
    let early = Timestamp::from_millis(MINUTE - 1);
    check(job(), due(), early, false, JobState::Active, Some(1));
    check(job(), due(), at(1), true, JobState::Active, Some(2));
}

#[test]
fn a_clock_that_jumps_forward_fires_once_and_one_that_jumps_back_not_again() {
    let job = check(job(), due(), at(50), true, JobState::Active, Some(51));
    let job = check(job, due(), at(50), false, JobState::Active, Some(51));
    let job = check(job, due(), at(3), false, JobState::Active, Some(51));
    check(job, due(), at(51), true, JobState::Active, Some(52));
}

#[test]
fn what_was_missed_while_the_daemon_was_away_is_left_out_or_made_up_for_once() {
    let away = || JobEvent::Due {
        present_since: at(49),
        last: None,
    };
    let mut once = job();
    once.missed = Missed::Once;
    let job = check(job(), away(), at(50), false, JobState::Active, Some(51));
    check(job, away(), at(51), true, JobState::Active, Some(52));
    let once = check(once, away(), at(50), true, JobState::Active, Some(51));
    check(once, away(), at(50), false, JobState::Active, Some(51));
}

#[test]
fn a_job_with_one_time_fires_once_even_when_the_daemon_was_away() {
    let once = with_schedule(Schedule::Once(at(5))).begin(at(0)).expect("to come");
    let away = JobEvent::Due {
        present_since: at(49),
        last: None,
    };
    check(once.clone(), away.clone(), at(50), true, JobState::Done, None);
    let mut skips = once;
    skips.missed = Missed::Skip;
    let done = check(skips, away, at(50), false, JobState::Done, None);
    assert!(done.reason.expect("a reason").contains("not running"));
}

#[test]
fn a_count_runs_down_to_done() {
    let mut job = job();
    job.count = Some(2);
    let job = check(job, due(), at(1), true, JobState::Active, Some(2));
    let job = check(job, due(), at(2), true, JobState::Done, None);
    assert_eq!(job.count, Some(0));
    check(job, due(), at(3), false, JobState::Done, None);
}

#[test]
fn an_execution_that_still_runs_keeps_the_next_from_starting_if_asked_to() {
    let mut skips = job();
    skips.overlap = Overlap::Skip;
    skips.count = Some(1);
    for (last, fires) in [
        (ExecutionState::Queued, false),
        (ExecutionState::Running, false),
        (ExecutionState::Succeeded, true),
        (ExecutionState::Cancelled, true),
    ] {
        let next = (!fires).then_some(2);
        let state = if fires { JobState::Done } else { JobState::Active };
        let left = check(skips.clone(), after(last), at(1), fires, state, next).count;
        assert_eq!(left, Some(u32::from(!fires)), "a time left out is not counted");
        check(job(), after(last), at(1), true, JobState::Active, Some(2));
    }
}

#[test]
fn failures_in_a_row_are_counted() {
    let mut job = job();
    for (minute, last, expect) in [
        (1, ExecutionState::Failed, 1),
        (2, ExecutionState::Error, 2),
        (3, ExecutionState::Cancelled, 2),
        (4, ExecutionState::Succeeded, 0),
    ] {
        job.on(after(last), at(minute)).expect("allowed");
        assert_eq!(job.failures, expect, "{last:?}");
    }
}

#[test]
fn a_schedule_nobody_can_read_fails_its_job_with_the_reason() {
    let mut broken = job();
    broken.schedule = Schedule::from_stored("tide high");
    let mut failed = check(broken, due(), at(1), false, JobState::Failed, None);
    assert!(failed.reason.clone().expect("a reason").contains("cannot be read"));
    assert!(failed.on(JobEvent::Resume, at(2)).is_err(), "nothing has changed");
    let repair = JobChange {
        schedule: Some(Schedule::every(Duration::from_secs(60), at(1)).expect("good")),
        ..JobChange::default()
    };
    let failed = check(
        failed,
        JobEvent::Change(Box::new(repair)),
        at(2),
        false,
        JobState::Failed,
        None,
    );
    let again = check(failed, JobEvent::Resume, at(2), false, JobState::Active, Some(3));
    assert_eq!(again.reason, None);
}

#[test]
fn each_state_allows_what_it_should() {
    let fine = |event: &JobEvent, state| match event {
        JobEvent::Fire => !matches!(state, JobState::Cancelled | JobState::Failed),
        JobEvent::Pause => matches!(state, JobState::Active | JobState::Paused),
        JobEvent::Resume => !matches!(state, JobState::Done | JobState::Cancelled),
        JobEvent::Cancel => state != JobState::Done,
        JobEvent::Change(_) => !matches!(state, JobState::Done | JobState::Cancelled),
        JobEvent::Due { .. } | JobEvent::FunctionGone => true,
    };
    let events = [
        due(),
        JobEvent::Fire,
        JobEvent::Pause,
        JobEvent::Resume,
        JobEvent::Cancel,
        JobEvent::Change(Box::default()),
        JobEvent::FunctionGone,
    ];
    for state in JobState::ALL {
        for event in &events {
            let mut job = job();
            job.state = state;
            let done = job.on(event.clone(), at(1));
            assert_eq!(done.is_ok(), fine(event, state), "{event:?} while {state:?}");
        }
    }
}

#[test]
fn a_paused_job_fires_on_no_schedule_and_goes_on_from_now() {
    let paused = check(job(), JobEvent::Pause, at(0), false, JobState::Paused, Some(1));
    let paused = check(paused, due(), at(7), false, JobState::Paused, Some(1));
    let paused = check(paused, JobEvent::Fire, at(7), true, JobState::Paused, Some(1));
    check(paused, JobEvent::Resume, at(7), false, JobState::Active, Some(8));
}

#[test]
fn a_paused_job_whose_only_time_has_passed_cannot_go_on() {
    let once = with_schedule(Schedule::Once(at(5))).begin(at(0)).expect("to come");
    let mut paused = check(once, JobEvent::Pause, at(0), false, JobState::Paused, Some(5));
    assert!(matches!(paused.on(JobEvent::Resume, at(6)), Err(Error::Invalid(_))));
}

#[test]
fn a_change_of_schedule_moves_the_next_time_and_other_changes_do_not() {
    let name = JobChange {
        name: Some("other".to_owned()),
        ..JobChange::default()
    };
    check(
        job(),
        JobEvent::Change(Box::new(name)),
        at(0),
        false,
        JobState::Active,
        Some(1),
    );
    let schedule = JobChange {
        schedule: Some(Schedule::every(Duration::from_secs(600), at(10)).expect("good")),
        ..JobChange::default()
    };
    let slow = check(
        job(),
        JobEvent::Change(Box::new(schedule)),
        at(0),
        false,
        JobState::Active,
        Some(10),
    );
    let wanted = JobChange {
        next_at: Some(at(4)),
        ..JobChange::default()
    };
    let slow = check(
        slow,
        JobEvent::Change(Box::new(wanted.clone())),
        at(3),
        false,
        JobState::Active,
        Some(4),
    );
    let mut slow = check(slow, due(), at(4), true, JobState::Active, Some(10));
    assert!(slow.on(JobEvent::Change(Box::new(wanted)), at(4)).is_err(), "the past");
}

#[test]
fn a_first_time_holds_the_schedule_back() {
    let mut late = with_schedule(Schedule::cron("* * * * *", "UTC").expect("good"));
    late.first_at = Some(at(30));
    assert_eq!(late.begin(at(0)).expect("to come").next_at, Some(at(30)));
}

#[test]
fn a_job_without_a_time_to_come_or_with_a_bad_count_is_refused() {
    assert!(with_schedule(Schedule::Once(at(0))).begin(at(0)).is_err());
    assert!(
        with_schedule(Schedule::cron("0 0 31 2 *", "UTC").expect("readable"))
            .begin(at(0))
            .is_err()
    );
    let mut none = job();
    none.count = Some(0);
    assert!(none.begin(at(0)).is_err());
    let mut long = job();
    long.name = "x".repeat(256);
    assert!(long.begin(at(0)).is_err());
}

#[test]
fn the_next_times_end_with_the_count() {
    let mut job = job();
    assert_eq!(job.next_times(3), [at(1), at(2), at(3)]);
    job.count = Some(2);
    assert_eq!(job.next_times(3), [at(1), at(2)]);
}

#[test]
fn whatever_happens_no_time_is_used_twice_and_only_active_jobs_have_one_to_come() {
    let mut random = 42_u64;
    let mut draw = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((random >> 33) % below).unwrap_or(0)
    };
    for _ in 0..300 {
        let (mut job, mut now, mut used) = (job(), at(0), at(0));
        job.count = (draw(2) == 0).then_some(5);
        for _ in 0..60 {
            now = Timestamp::from_millis((now.as_millis() + (draw(10) - 3) * MINUTE / 2).max(0));
            let (before, is_due) = (job.next_at, draw(10) < 6);
            let event = match draw(4) {
                _ if is_due => due(),
                0 => JobEvent::Pause,
                1 => JobEvent::Resume,
                2 => JobEvent::Change(Box::default()),
                _ => JobEvent::Fire,
            };
            let fires = matches!(job.on(event, now), Ok(Some(JobCommand::Fire)));
            if is_due && fires {
                let time = before.expect("a time that was due");
                assert!(time <= now && time > used, "{time:?} at {now:?} after {used:?}");
                used = time;
            }
            let waits = matches!(job.state, JobState::Active | JobState::Paused);
            assert_eq!(job.next_at.is_some(), waits, "{job:?}");
        }
    }
}
