//! Network namespaces made ahead: which waits, and which belongs to which worker. Pure: asks no engine.
//!
//! A namespace is the larger half of a container's start. A *holder* is a container that does nothing but have one, and
//! a worker that joins it is up in half the time. One holder, one worker: two workers in one namespace would reach each
//! other. What is on the shelf is ours to use; a holder that is not, nobody stands for, and whoever looks next removes it.

use super::ContainerId;
use std::collections::{HashMap, VecDeque};

/// The holders of one instance.
#[derive(Debug)]
pub(super) struct Shelf {
    wanted: usize,
    /// Order: oldest first.
    waiting: VecDeque<ContainerId>,
    /// By holder: its worker, as soon as that has a container.
    taken: HashMap<ContainerId, Option<ContainerId>>,
}

/// A holder the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) holder: ContainerId,
    pub(super) running: bool,
}

/// What a look at the engine leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Review {
    /// Holders nobody stands for, and dead ones.
    pub(super) remove: Vec<ContainerId>,
    /// Workers whose holder died: their network went with it.
    pub(super) bereft: Vec<ContainerId>,
}

impl Shelf {
    /// An empty shelf for `wanted` holders that wait.
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            waiting: VecDeque::new(),
            taken: HashMap::new(),
        }
    }

    /// How many to make.
    pub(super) fn missing(&self) -> usize {
        self.wanted.saturating_sub(self.waiting.len())
    }

    /// A holder that was made.
    pub(super) fn put(&mut self, holder: ContainerId) {
        self.waiting.push_back(holder);
    }

    /// A holder for a worker that is about to start; nobody else gets it.
    pub(super) fn take(&mut self) -> Option<ContainerId> {
        let holder = self.waiting.pop_front()?;
        self.taken.insert(holder.clone(), None);
        Some(holder)
    }

    /// The worker has started in it.
    pub(super) fn given(&mut self, holder: &ContainerId, worker: ContainerId) {
        self.taken.insert(holder.clone(), Some(worker));
    }

    /// The worker did not start in it.
    pub(super) fn forget(&mut self, holder: &ContainerId) {
        self.taken.remove(holder);
    }

    /// The worker has gone: its holder, to be removed too.
    pub(super) fn leave(&mut self, worker: &ContainerId) -> Option<ContainerId> {
        let its = |(holder, user): (&ContainerId, &Option<ContainerId>)| {
            (user.as_ref() == Some(worker)).then(|| holder.clone())
        };
        let holder = self.taken.iter().find_map(its)?;
        self.taken.remove(&holder);
        Some(holder)
    }

    /// Forgets those that wait.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Compares with what the engine has, and forgets the dead.
    pub(super) fn review(&mut self, found: &[Found]) -> Review {
        let runs = |holder: &ContainerId| found.iter().any(|f| f.holder == *holder && f.running);
        self.waiting.retain(|holder| runs(holder));
        let dead = |holder: &ContainerId, worker: &mut Option<ContainerId>| worker.is_some() && !runs(holder);
        let bereft = self.taken.extract_if(dead).filter_map(|(_, worker)| worker).collect();
        let known = |holder: &ContainerId| self.waiting.contains(holder) || self.taken.contains_key(holder);
        let strays = found.iter().filter(|f| !known(&f.holder));
        Review {
            remove: strays.map(|f| f.holder.clone()).collect(),
            bereft,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ContainerId {
        ContainerId::invented(name)
    }

    fn found(holders: &[(&str, bool)]) -> Vec<Found> {
        let one = |(name, running): &(&str, bool)| Found {
            holder: id(name),
            running: *running,
        };
        holders.iter().map(one).collect()
    }

    fn shelf(waiting: &[&str]) -> Shelf {
        let mut shelf = Shelf::new(2);
        waiting.iter().for_each(|name| shelf.put(id(name)));
        shelf
    }

    fn check(shelf: &mut Shelf, in_engine: &[(&str, bool)], remove: &[&str], bereft: &[&str]) {
        let ids = |names: &[&str]| names.iter().map(|n| id(n)).collect::<Vec<_>>();
        let review = shelf.review(&found(in_engine));
        assert_eq!((review.remove, review.bereft), (ids(remove), ids(bereft)));
    }

    #[test]
    fn a_holder_is_taken_once_and_leaves_with_its_worker() {
        let mut shelf = shelf(&["h1", "h2"]);
        assert_eq!(shelf.missing(), 0);
        assert_eq!((shelf.take(), shelf.take()), (Some(id("h1")), Some(id("h2"))));
        assert_eq!((shelf.take(), shelf.missing()), (None, 2));
        shelf.given(&id("h1"), id("w1"));
        shelf.given(&id("h2"), id("w2"));
        assert_eq!(shelf.leave(&id("w2")), Some(id("h2")));
        assert_eq!((shelf.leave(&id("w2")), shelf.leave(&id("w3"))), (None, None));
        assert_eq!(shelf.leave(&id("w1")), Some(id("h1")));
    }

    #[test]
    fn no_holder_is_wanted_where_none_are_configured() {
        let mut shelf = Shelf::new(0);
        assert_eq!((shelf.missing(), shelf.take()), (0, None));
    }

    #[test]
    fn what_a_crash_or_a_failed_start_left_is_removed() {
        let mut shelf = shelf(&["h1", "h2"]);
        let taken = shelf.take().expect("one waits");
        check(&mut shelf, &[("h1", true), ("h2", true), ("old", true)], &["old"], &[]);
        shelf.forget(&taken);
        check(&mut shelf, &[("h1", true), ("h2", true)], &["h1"], &[]);
        shelf.clear();
        check(&mut shelf, &[("h2", true)], &["h2"], &[]);
    }

    #[test]
    fn a_dead_holder_is_replaced_and_never_given_to_a_worker() {
        let mut shelf = shelf(&["h1", "h2", "h3"]);
        check(&mut shelf, &[("h1", false), ("h3", true)], &["h1"], &[]);
        assert_eq!((shelf.missing(), shelf.take()), (1, Some(id("h3"))));
    }

    #[test]
    fn a_worker_whose_holder_died_is_named_once() {
        let mut shelf = shelf(&["h1", "h2"]);
        for worker in ["w1", "w2"] {
            let holder = shelf.take().expect("one waits");
            shelf.given(&holder, id(worker));
        }
        check(&mut shelf, &[("h1", true), ("h2", false)], &["h2"], &["w2"]);
        check(&mut shelf, &[("h1", true)], &[], &[]);
        check(&mut shelf, &[], &[], &["w1"]);
    }

    #[test]
    fn a_holder_whose_worker_is_still_starting_is_left_alone() {
        let mut shelf = shelf(&["h1"]);
        let holder = shelf.take().expect("one waits");
        check(&mut shelf, &[("h1", false)], &[], &[]);
        shelf.given(&holder, id("w1"));
        check(&mut shelf, &[("h1", true)], &[], &[]);
    }
}
