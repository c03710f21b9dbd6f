//! A function's workers by hand: how many are kept, and sending them away. Lasts until the daemon ends or the next deploy.

use super::{App, Callee};
use crate::domain::{Error, FunctionId, Selector};
use crate::pool::{Rescale, Target, WorkerView};
use std::sync::Arc;

impl App {
    /// Keeps so many workers from now on, at most the function's maximum; returns how many are kept. Missing ones are
    /// started in the background.
    ///
    /// # Errors
    /// `NotFound`, `NotReady`.
    pub async fn scale(&self, function: FunctionId, selector: &Selector, change: Rescale) -> Result<u16, Error> {
        let target = self.target_of(function, selector).await?;
        Ok(self.0.pool.scale(&target, change))
    }

    /// Sends the workers away: idle ones now, busy ones when their calls are over. Later calls get new ones.
    ///
    /// # Errors
    /// `NotFound`, `NotReady`.
    pub async fn detach(&self, function: FunctionId, selector: &Selector) -> Result<(), Error> {
        let target = self.target_of(function, selector).await?;
        self.0.pool.detach(target.demand.revision);
        Ok(())
    }

    /// The workers of what is selected, in any state.
    ///
    /// # Errors
    /// `NotFound`, `NotReady`.
    pub async fn workers_of(&self, function: FunctionId, selector: &Selector) -> Result<Vec<WorkerView>, Error> {
        let target = self.target_of(function, selector).await?;
        let mut workers = self.0.pool.workers();
        workers.retain(|w| w.revision == Some(target.demand.revision));
        Ok(workers)
    }

    async fn target_of(&self, function: FunctionId, selector: &Selector) -> Result<Arc<Target>, Error> {
        let served = self.served(Callee::Id(function))?;
        self.target_for(&served, selector).await
    }
}
