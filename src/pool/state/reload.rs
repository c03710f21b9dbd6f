//! Reloading in place: a revision that differs from the one before in nothing but its code gets slots of its own in a
//! container that is there, beside the old code, which serves until the new one has loaded.
//!
//! To the policy these are two workers that share a container: each still serves one revision for its whole life.
//! Nothing here decides when code is reloaded; without somebody who asks, a revision gets containers of its own.

use super::{Command, Demand, Phase, Slot, State, Worker};
use crate::domain::{RevisionId, Temperature, Timestamp, WorkerId};
use std::sync::Arc;

impl State {
    /// Brings up a worker of the revision in a container of the one before, if one is fit for it.
    pub(super) fn reload(&mut self, from: RevisionId, demand: &Arc<Demand>, now: Timestamp, out: &mut Vec<Command>) {
        let known = self.groups.contains_key(&demand.revision);
        let Some(host) = self.host_for(from, demand).filter(|_| !known) else {
            return;
        };
        let id = WorkerId::generate();
        let Some(container) = self.workers.get(&host).map(|w| w.container) else {
            return;
        };
        let worker = Worker {
            class: demand.class.clone(),
            memory: demand.limits.memory,
            phase: Phase::Loading,
            revision: Some(demand.revision),
            origin: Temperature::Prewarmed,
            slots: vec![Slot::Absent; usize::from(demand.limits.concurrency.get())],
            idle_since: now,
            leaving: false,
            container,
        };
        self.workers.insert(id, worker);
        self.group_of(Arc::clone(demand)).workers.insert(id);
        out.push(Command::Reload {
            worker: id,
            host,
            revision: demand.revision,
        });
    }

    /// A container of the revision before, idle rather than busy, that nobody else shares.
    fn host_for(&self, from: RevisionId, demand: &Demand) -> Option<WorkerId> {
        let group = self.groups.get(&from)?;
        if group.demand.limits != demand.limits || group.demand.class != demand.class {
            return None;
        }
        let all = group.workers.iter().filter_map(|id| Some((*id, self.workers.get(id)?)));
        let fit = all.filter(|(_, w)| w.phase == Phase::Serving && !w.leaving && !self.shares(w));
        fit.min_by_key(|(id, w)| (w.is_busy(), *id)).map(|(id, _)| id)
    }

    /// Whether another worker is in its container.
    pub(super) fn shares(&self, worker: &Worker) -> bool {
        let together = self.workers.values().filter(|w| w.container == worker.container);
        together.count() > 1
    }
}
