//! A slot in use. Giving it back is explicit; dropping it destroys the slot.

use super::frame::{Connection, Exited};
use super::guest::{Caller, Program};
use super::state::Event;
use super::worker::{Order, WorkerHandle};
use super::{Handed, Shared};
use crate::domain::{Temperature, WorkerId};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A slot of a loaded worker, for one call.
pub struct Lease {
    shared: Arc<Shared>,
    worker: WorkerId,
    slot: u16,
    temperature: Temperature,
    handle: WorkerHandle,
    line: Option<Line>,
    /// The slot's process has ended: cancelling would hit its replacement.
    dead: bool,
}

/// The way to what runs in a slot.
#[derive(Debug)]
pub enum Line {
    /// A shim: frames.
    Shim(Connection),
    /// A server: HTTP.
    Server(Caller),
    /// A place for a program that runs once.
    Program(Program),
}

impl Line {
    fn is_quiet(&self) -> bool {
        match self {
            Self::Shim(connection) => connection.is_quiet(),
            Self::Server(_) | Self::Program(_) => true,
        }
    }
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
            line,
            handle,
        } = handed;
        Self {
            shared,
            worker,
            slot,
            temperature,
            handle,
            line: Some(line),
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

    /// The way to what runs in the slot.
    ///
    /// # Panics
    /// Never: only giving the lease back takes the line.
    pub fn line(&mut self) -> &mut Line {
        self.line
            .as_mut()
            .expect("a lease holds its line until it is given back")
    }

    /// The connection to the slot's shim.
    ///
    /// # Errors
    /// `InvalidData` when no shim runs in it.
    pub fn shim(&mut self) -> io::Result<&mut Connection> {
        match self.line() {
            Line::Shim(connection) => Ok(connection),
            Line::Server(_) | Line::Program(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it has no shim")),
        }
    }

    /// Gives the slot back after a call that ended cleanly.
    pub fn give_back(mut self) {
        let Some(line) = self.line.take() else {
            return;
        };
        if !line.is_quiet() {
            return self.destroy();
        }
        let (worker, slot) = (self.worker, self.slot);
        let mut inner = self.shared.lock();
        // A worker that is gone by now needs no lines.
        if inner.state.is_busy(worker, slot) {
            inner.slots.insert((worker, slot), line);
        }
        let reusable = true;
        self.shared
            .apply_to(&mut inner, Event::Released { worker, slot, reusable });
    }

    /// Waits at most `grace` for the end of what ran in the slot, and then looks what became of it.
    pub async fn find_out(&mut self, grace: Duration) -> Death {
        if let Ok(death) = tokio::time::timeout(grace, self.handle.death(self.slot)).await {
            return death;
        }
        self.handle.order(Order::Examine(self.slot));
        self.cause_of_death(grace).await
    }

    /// Lets the worker serve the calls that run in it, and then no more: what ran here could not be stopped alone.
    pub fn drain_worker(&mut self) {
        self.dead = true;
        self.handle.order(Order::Drain);
        self.shared.apply(Event::Gone {
            worker: self.worker,
            fatal: false,
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

    /// Removes the worker, container and all: it broke the protocol, or does not let go.
    pub fn end_worker(&self) {
        self.handle.order(Order::End);
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
        if self.line.take().is_some() {
            self.destroy();
        }
    }
}
