//! Tables for the number of workers set by hand, and for workers that are sent away.

use super::Do::*;
use super::Got::{Hand, Remove, Start};
use super::Temperature::{Cold, Warm};
use super::{check, pool, then, two_busy, warm};

#[test]
fn missing_workers_are_started_up_to_the_maximum() {
    check(pool(), &[Keep('A', 2)], &[Start(1), Start(2)]);
    check(pool(), &[Keep('A', 9)], &[Start(1), Start(2), Start(3)]);
    check(pool().budget(1), &[Keep('A', 2)], &[Start(1)]);
    check(pool().budget(9), &[Keep('Z', 1)], &[]);
}

#[test]
fn what_is_kept_does_not_grow_old_and_is_replaced() {
    let kept = then(warm(1, 'A'), &[Keep('A', 1), After(5000)]);
    check(pool(), &kept, &[]);
    check(pool(), &then(kept, &[Die(1), After(1)]), &[Start(2)]);
}

#[test]
fn fewer_lets_idle_ones_go_at_once_and_busy_ones_stay() {
    check(pool(), &then(warm(1, 'A'), &[Keep('A', 0)]), &[Remove(1)]);
    check(pool(), &then(two_busy(), &[Release(1, 0), Keep('A', 1)]), &[Remove(1)]);
    check(pool(), &then(two_busy(), &[Keep('A', 0)]), &[]);
}

#[test]
fn fewer_lets_those_on_their_way_go_before_those_that_are_there() {
    let one_ready = [Keep('A', 2), Started(1), Ready(1, 0)];
    check(pool(), &then(one_ready.to_vec(), &[Keep('A', 1)]), &[Remove(2)]);
    check(pool(), &[Acquire(1, 'A'), Keep('A', 0)], &[]);
}

#[test]
fn a_relaxed_revision_serves_on_and_its_workers_grow_old() {
    let relaxed = then(warm(1, 'A'), &[Keep('A', 1), Relax('A'), After(0)]);
    check(pool(), &relaxed, &[]);
    check(
        pool(),
        &then(relaxed.clone(), &[Acquire(1, 'A')]),
        &[Hand(1, 1, 0, Warm)],
    );
    check(pool(), &then(relaxed, &[After(1000)]), &[Remove(1)]);
}

#[test]
fn who_is_sent_away_goes_at_once_or_after_its_call() {
    check(pool(), &then(warm(1, 'A'), &[Detach('A')]), &[Remove(1)]);
    let sent = then(two_busy(), &[Release(2, 0), Detach('A')]);
    check(pool(), &sent, &[Remove(2)]);
    check(pool(), &then(sent.clone(), &[Release(1, 0)]), &[Remove(1)]);
    check(pool(), &then(sent, &[Destroy(1, 0), Ready(1, 0)]), &[]);
}

#[test]
fn a_worker_that_leaves_takes_no_new_call() {
    let two_slots = || pool().slots(2);
    let sent = [
        Acquire(1, 'A'),
        Started(1),
        Ready(1, 0),
        Ready(1, 1),
        Detach('A'),
        Acquire(2, 'A'),
    ];
    check(two_slots(), &sent, &[Start(2)]);
    check(two_slots(), &then(sent.to_vec(), &[Release(1, 0)]), &[Remove(1)]);
    let served = then(sent.to_vec(), &[Started(2), Ready(2, 0)]);
    check(two_slots(), &served, &[Hand(2, 2, 0, Cold)]);
}

#[test]
fn calls_that_wait_for_a_worker_sent_away_get_another() {
    check(pool(), &[Acquire(1, 'A'), Detach('A')], &[Remove(1), Start(2)]);
}

#[test]
fn sending_away_forgets_what_was_kept_by_hand_but_not_the_minimum() {
    check(pool(), &[Keep('A', 2), Detach('A'), After(1)], &[]);
    let min = || pool().scale(1, 3);
    check(min(), &then(warm(1, 'A'), &[Detach('A'), After(1)]), &[Start(2)]);
}
