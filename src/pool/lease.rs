//! A slot in use. Giving it back is explicit; dropping it destroys the slot.

use super::frame::{Connection, Exited};
use super::state::Event;
use super::worker::{Order, WorkerHandle};
use super::{Handed, Shared};
use crate::domain::{Temperature, WorkerId};
use std::sync::Arc;
use std::time::Duration;

/// A slot of a loaded worker, for one call.
pub struct Lease {
    shared: Arc<Shared>,
    worker: WorkerId,
    slot: u16,
    temperature: Temperature,
    handle: WorkerHandle,
    connection: Option<Connection>,
    /// The slot's process has ended: cancelling would hit its replacement.
    dead: bool,
}

/// Why a slot stopped answering.
#[derive(Debug, Clone)]
pub enum Death {
    /// Its process ended; the shim says why.
    Slot(Exited),
    /// The whole worker is gone; what its container printed last.
    Worker(String),
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("worker", &self.worker)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, handed: Handed) -> Self {
        let Handed {
            worker,
            slot,
            temperature,
            connection,
            handle,
        } = handed;
        Self {
            shared,
            worker,
            slot,
            temperature,
            handle,
            connection: Some(connection),
            dead: false,
        }
    }

    /// What the call met.
    #[must_use]
    pub fn temperature(&self) -> Temperature {
        self.temperature
    }

    /// The part of the wait that loaded code. Zero on a warm worker.
    #[must_use]
    pub fn load_time(&self) -> Duration {
        match self.temperature {
            Temperature::Warm => Duration::ZERO,
            Temperature::Prewarmed | Temperature::Cold => self.handle.load_time(),
        }
    }

    /// The worker.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The slot's connection.
    ///
    /// # Panics
    /// Never: only giving the lease back takes the connection.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("a lease holds its connection until it is given back")
    }

    /// Gives the slot back after a call that ended cleanly.
    pub fn give_back(mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if !connection.is_quiet() {
            return self.destroy();
        }
        self.shared.lock().slots.insert((self.worker, self.slot), connection);
        self.shared.apply(Event::Released {
            worker: self.worker,
            slot: self.slot,
            reusable: true,
        });
    }

    /// Waits at most `grace` for the reason why the connection broke; the worker is removed when none comes.
    pub async fn cause_of_death(&mut self, grace: Duration) -> Death {
        self.dead = true;
        if let Ok(death) = tokio::time::timeout(grace, self.handle.death(self.slot)).await {
            return death;
        }
        self.end_worker();
        Death::Worker("its slot closed the connection without a reason".to_owned())
    }

    /// Ends what runs in the slot: asks the shim, then after `grace` removes the container.
    pub async fn kill(&mut self, grace: Duration) {
        self.dead = true;
        self.handle.order(Order::Cancel(self.slot));
        if tokio::time::timeout(grace, self.handle.death(self.slot)).await.is_err() {
            self.end_worker();
        }
    }

    /// Removes the worker: it broke the protocol, or does not let go.
    pub fn end_worker(&self) {
        self.handle.order(Order::Remove);
        self.shared.apply(Event::Gone {
            worker: self.worker,
            fatal: false,
        });
    }

    fn destroy(&self) {
        if !self.dead {
            self.handle.order(Order::Cancel(self.slot));
        }
        self.shared.apply(Event::Released {
            worker: self.worker,
            slot: self.slot,
            reusable: false,
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            self.destroy();
        }
    }
}
