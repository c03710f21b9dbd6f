//! Reloading in place, by tables: who takes whom in, and what becomes of the old code.
//!
//! That two revisions in one container keep every promise is for the random sequences.

use super::*;

#[test]
fn a_reload_is_loaded_beside_the_old_code_which_serves_until_it_retires() {
    let begun = then(warm(1, 'A'), &[Reload('A', 'B')]);
    check(pool(), &begun, &[Beside(2, 1, 'B')]);
    check(pool(), &then(begun.clone(), &[Acquire(2, 'B')]), &[]);
    check(pool(), &then(begun.clone(), &[Acquire(2, 'A')]), &[Hand(2, 1, 0, Warm)]);
    let loaded = then(begun, &[Acquire(2, 'B'), Ready(2, 0)]);
    check(pool(), &loaded, &[Hand(2, 2, 0, Prewarmed)]);
    let over = then(loaded, &[Release(2, 0), Retire('A')]);
    check(pool(), &over, &[Remove(1)]);
    check(pool(), &then(over, &[Reload('B', 'C')]), &[Beside(3, 2, 'C')]);
}

#[test]
fn code_that_does_not_load_leaves_the_old_where_it_was() {
    let failed = then(warm(1, 'A'), &[Reload('A', 'B'), Acquire(2, 'B'), Fail(2)]);
    check(pool(), &failed, &[Refuse(2, Refusal::NoWorker(revision('B')))]);
    let later = then(failed.clone(), &[Retire('B'), Acquire(3, 'A')]);
    check(pool(), &later, &[Hand(3, 1, 0, Warm)]);
    check(pool(), &then(failed, &[Reload('A', 'C')]), &[Beside(3, 1, 'C')]);
}

#[test]
fn a_call_in_the_old_code_is_neither_ended_nor_waited_for() {
    let busy = then(warm(1, 'A'), &[Acquire(1, 'A'), Reload('A', 'B'), Acquire(2, 'B')]);
    check(pool(), &then(busy.clone(), &[Ready(2, 0)]), &[Hand(2, 2, 0, Prewarmed)]);
    let switched = then(busy, &[Ready(2, 0), Retire('A')]);
    check(pool(), &switched, &[]);
    check(pool(), &then(switched, &[Release(1, 0)]), &[Remove(1)]);
}

#[test]
fn without_a_container_that_is_fit_nothing_is_done() {
    check(pool(), &[Reload('A', 'B')], &[]);
    check(pool(), &[Acquire(1, 'A'), Started(1), Reload('A', 'B')], &[]);
    check(pool(), &then(warm(1, 'A'), &[Reload('A', 'Z')]), &[]);
    check(pool(), &then(warm(1, 'A'), &[Reload('A', 'B'), Reload('A', 'C')]), &[]);
    check(pool(), &then(warm(1, 'A'), &[Reload('A', 'B'), Reload('A', 'B')]), &[]);
}

#[test]
fn two_workers_in_one_container_take_its_memory_once() {
    let both = then(
        warm(1, 'A'),
        &[Reload('A', 'B'), Acquire(2, 'B'), Ready(2, 0), Release(2, 0)],
    );
    check(pool().budget(2), &then(both.clone(), &[Acquire(3, 'C')]), &[Start(3)]);
    let full = then(both, &[Acquire(3, 'C'), Started(3), Ready(3, 0), Acquire(4, 'D')]);
    check(pool().budget(2), &full, &[]);
}
