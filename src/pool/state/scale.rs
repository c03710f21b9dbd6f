//! How many workers a revision keeps: set by hand, lowered, or all sent away. Decides which leave and what is started.
//!
//! Nothing here survives a restart: then the revision's own minimum holds again.

use super::{Command, Demand, Group, State, Worker};
use crate::domain::{RevisionId, WorkerId};
use std::sync::Arc;

impl State {
    /// Workers of the revision, in any phase.
    #[must_use]
    pub(in crate::pool) fn workers_of(&self, revision: RevisionId) -> usize {
        self.groups.get(&revision).map_or(0, |g| g.workers.len())
    }

    /// Whether there is a worker of the revision, or a call that waits for one.
    pub(in crate::pool) fn has(&self, revision: RevisionId) -> bool {
        self.groups.contains_key(&revision)
    }

    /// So many are kept from now on: missing ones are started, those above that have no call leave.
    pub(super) fn keep(&mut self, demand: Arc<Demand>, count: u16, out: &mut Vec<Command>) {
        if demand.limits.memory.bytes() > self.policy.memory_budget {
            return;
        }
        let revision = demand.revision;
        let floor = count.min(demand.limits.scale.max());
        let group = self.group_of(demand.clone());
        group.retired = false;
        group.floor = floor;
        while self.workers_of(revision) < usize::from(floor)
            && (self.take_generic(&demand, out) || self.start_for(&demand, out))
        {}
        self.trim(revision, usize::from(floor), out);
        self.forget_if_over(revision);
        self.feed(out);
    }

    /// None are kept from now on: they leave as they grow old.
    pub(super) fn relax(&mut self, revision: RevisionId) {
        if let Some(group) = self.groups.get_mut(&revision) {
            group.floor = 0;
        }
        self.forget_if_over(revision);
    }

    /// Every worker leaves: at once, or when its calls are over. What was kept by hand is forgotten.
    pub(super) fn detach(&mut self, revision: RevisionId, out: &mut Vec<Command>) {
        let Some(group) = self.groups.get_mut(&revision) else {
            return;
        };
        group.floor = group.demand.limits.scale.min();
        group.idle.clear();
        for id in group.workers.clone() {
            match self.workers.get_mut(&id) {
                Some(worker) if worker.is_busy() => worker.leaving = true,
                _ => self.remove(id, out),
            }
        }
        self.feed(out);
    }

    /// The group of a revision, made when it is not there.
    pub(super) fn group_of(&mut self, demand: Arc<Demand>) -> &mut Group {
        self.groups.entry(demand.revision).or_insert_with(|| Group::new(demand))
    }

    fn trim(&mut self, revision: RevisionId, floor: usize, out: &mut Vec<Command>) {
        if self.hungry.contains(&revision) {
            return;
        }
        for id in self.spare_of(revision) {
            if self.workers_of(revision) > floor {
                self.remove(id, out);
            }
        }
    }

    /// Workers without calls. Order: those that are still on their way first, then the oldest.
    fn spare_of(&self, revision: RevisionId) -> Vec<WorkerId> {
        let ours = |w: &Worker| w.revision == Some(revision) && !w.is_busy();
        let mut spare: Vec<_> = self.workers.iter().filter(|(_, w)| ours(w)).collect();
        spare.sort_by_key(|(id, w)| (w.is_idle(), w.idle_since, **id));
        spare.into_iter().map(|(id, _)| *id).collect()
    }
}
