//! Watches the engine: when it comes (back), networks and images are made ready and pending work goes on.

use super::App;
use crate::builder::BuildLog;
use crate::engine::EngineInfo;
use crate::task::Shutdown;
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks at an engine that answers.
const LOOK: Duration = Duration::from_secs(5);

/// Whether the engine answers.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in the whole program")]
pub enum EngineStatus {
    /// Nobody asked yet.
    Unknown,
    /// It answers.
    Up(EngineInfo),
    /// It does not; what to do.
    Down(String),
}

impl App {
    /// How the engine stands.
    #[must_use]
    pub fn engine_status(&self) -> EngineStatus {
        self.0.engine_status.borrow().clone()
    }

    /// Whether everything that calls need is there.
    #[must_use]
    pub fn engine_answers(&self) -> bool {
        matches!(*self.0.engine_status.borrow(), EngineStatus::Up(_))
    }

    /// Looks at the engine until shutdown.
    pub async fn watch_engine(self, shutdown: Shutdown) {
        let look = async {
            loop {
                let wait = self.look_at_engine().await;
                tokio::time::sleep(wait).await;
            }
        };
        // What is being prepared is dropped at shutdown: the next run prepares it again.
        tokio::select! {
            () = shutdown.requested() => {}
            () = look => {}
        }
    }

    async fn look_at_engine(&self) -> Duration {
        match self.0.engine.probe().await {
            Ok(info) => {
                if !self.engine_answers() {
                    self.engine_came(info).await;
                }
                LOOK
            }
            Err(e) => {
                self.engine_went(&e);
                self.0.options.reconnect
            }
        }
    }

    async fn engine_came(&self, info: EngineInfo) {
        tracing::info!("{} {} answers at {}", info.name, info.version, info.host);
        if let Err(e) = self.0.engine.prepare_network().await {
            return self.engine_went(&e);
        }
        self.0.builder.forget_images();
        let _ = self.0.engine_status.send_replace(EngineStatus::Up(info));
        self.prepare_what_serves().await;
        self.prepare_what_is_here().await;
        if let Err(e) = self.restore_images().await {
            tracing::warn!("Could not look for lost images: {}", crate::telemetry::chain(&e));
        }
        self.preload_min().await;
        self.0.pending.notify_one();
    }

    /// Makes the images of the runtimes that functions run on: calls that were accepted wait for them.
    async fn prepare_what_serves(&self) {
        let targets = self.0.directory.targets();
        let own_image = |target: &&std::sync::Arc<crate::pool::Target>| target.demand.class.image.is_none();
        let runtimes: BTreeSet<_> = targets
            .iter()
            .filter(own_image)
            .map(|t| &t.demand.class.runtime)
            .collect();
        for runtime in runtimes {
            if let Err(e) = self.prepare_runtime(runtime, &BuildLog::default()).await {
                tracing::warn!("Runtime {runtime} cannot be used: {}", crate::telemetry::chain(&e));
            }
        }
    }

    /// Makes the images of runtimes whose base is here, and pre-warms them. The others wait until somebody deploys
    /// to them: nothing is fetched that nobody asked for.
    async fn prepare_what_is_here(&self) {
        for family in self.0.runtimes.families() {
            let name = &family.manifest.name;
            let Ok((_, runtime)) = self.0.runtimes.resolve(name) else {
                continue;
            };
            if family.manifest.prewarm == 0 || !self.0.builder.base_is_here(&runtime).await {
                continue;
            }
            if let Err(e) = self.prepare_runtime(&runtime, &BuildLog::default()).await {
                tracing::warn!("Runtime {name} cannot be used: {}", crate::telemetry::chain(&e));
            }
        }
    }

    /// Brings up functions that keep a minimum of workers.
    async fn preload_min(&self) {
        for target in self
            .0
            .directory
            .targets()
            .into_iter()
            .filter(|t| t.demand.limits.scale.min() > 0)
        {
            // Another revision may serve by now, while those before it came up.
            let served = self.0.directory.find(&target.namespace, &target.function);
            let now = served.and_then(|s| s.target.as_ref().map(|t| t.demand.revision));
            if now != Some(target.demand.revision) {
                continue;
            }
            match self.0.pool.acquire(&target).await {
                Ok(lease) => lease.give_back(),
                Err(e) => tracing::warn!("Could not bring up `{}`: {e}", target.function),
            }
        }
    }

    /// Asks the engine now, for those who cannot wait for the next look; answers whether it is there.
    pub(super) async fn look_again(&self) -> bool {
        match self.0.engine.probe().await {
            Ok(_) => self.engine_answers(),
            Err(e) => {
                self.engine_went(&e);
                false
            }
        }
    }

    fn engine_went(&self, error: &crate::engine::Error) {
        let message = error.to_string();
        let was_down = matches!(&*self.0.engine_status.borrow(), EngineStatus::Down(_));
        if !was_down {
            tracing::warn!(
                "The container engine cannot be used: {}",
                crate::telemetry::chain(error)
            );
        }
        let _ = self.0.engine_status.send_replace(EngineStatus::Down(message));
    }
}
