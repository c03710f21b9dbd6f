//! Finishes what was written down: brings pending revisions to ready or failed, after any crash.

use super::builds::{Built, UnderWay};
use super::{App, EngineStatus};
use crate::builder::BuildLog;
use crate::domain::{Error, Function, FunctionId, Revision, RevisionId, RevisionState, RuntimeRef};
use crate::pool::{self, Target};
use crate::runtime::Family;
use crate::task::{Shutdown, TaskKind};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What is still pending is looked at again after this time, should a wake-up have been missed.
const AGAIN: Duration = Duration::from_secs(5);

/// How an attempt to bring a revision on ended.
enum Attempt {
    Ready(Arc<Target>),
    Failed(String),
    /// The engine is away: the revision waits for it.
    Later,
    /// The revision was deleted meanwhile.
    Gone,
}

impl App {
    /// Brings pending revisions on, until shutdown. Several at once, each once.
    pub async fn reconcile(self, shutdown: Shutdown) {
        let mut active = FuturesUnordered::new();
        let mut known = HashSet::new();
        loop {
            let pending = self.0.store.pending_revisions().await.unwrap_or_else(|e| {
                tracing::error!("What is to be deployed cannot be read: {}", crate::telemetry::chain(&e));
                Vec::new()
            });
            for revision in pending {
                if known.insert(revision.id) {
                    let app = self.clone();
                    active.push(async move { (revision.id, app.bring_on(revision).await) });
                }
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.0.pending.notified() => {}
                () = tokio::time::sleep(AGAIN) => {}
                Some((id, ())) = active.next() => { known.remove(&id); }
            }
        }
    }

    async fn bring_on(&self, revision: Revision) {
        let id = revision.id;
        if let Err(e) = self.try_to_bring_on(revision).await {
            tracing::error!(revision.id = %id, "Could not bring a revision on: {}", crate::telemetry::chain(&e));
        }
    }

    async fn try_to_bring_on(&self, revision: Revision) -> Result<(), Error> {
        let Some(function) = self.0.store.function(revision.function).await? else {
            return Ok(());
        };
        let id = revision.id;
        let (revision, attempt) = self.attempt(&function, revision).await?;
        match attempt {
            Attempt::Later => {
                self.engine_is_back().await;
                self.0.pending.notify_one();
            }
            Attempt::Failed(reason) => {
                tracing::warn!(function.name = %function.name, revision.number = revision.number, "Revision {} of `{}` failed: {}", revision.number, function.name, first_line(&reason));
                self.0.store.mark_failed(id, reason).await?;
                super::metrics::deployed(false);
                self.0.pool.retire(id);
            }
            Attempt::Ready(target) => self.switch(function.id, &revision, target).await?,
            Attempt::Gone => {}
        }
        self.0.lazy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.changed();
        Ok(())
    }

    /// Settles the version, makes the images and loads a worker; answers the revision as it was settled.
    async fn attempt(&self, function: &Function, mut revision: Revision) -> Result<(Revision, Attempt), Error> {
        let under_way = self.begin_build(revision.id);
        let made = self.make_ready(function, &mut revision, &under_way).await;
        let attempt = match made {
            Ok(Some(target)) => {
                drop(under_way);
                self.load_ahead(function, target).await
            }
            Ok(None) => Attempt::Gone,
            Err(e) => {
                let attempt = self.blame(&e).await;
                if matches!(attempt, Attempt::Failed(_)) {
                    self.keep_failed_build(&under_way, &e).await?;
                }
                attempt
            }
        };
        Ok((revision, attempt))
    }

    /// What a worker needs; `None` when the revision was deleted meanwhile.
    async fn make_ready(
        &self,
        function: &Function,
        revision: &mut Revision,
        under_way: &UnderWay,
    ) -> Result<Option<Arc<Target>>, Error> {
        match self.make_images(revision, under_way).await? {
            Built::Done => Ok(Some(Arc::new(self.target(function, revision).await?))),
            Built::Gone => Ok(None),
        }
    }

    async fn make_images(&self, revision: &mut Revision, under_way: &UnderWay) -> Result<Built, Error> {
        self.settle(revision, &under_way.log).await?;
        if let Some(own) = revision.code.image() {
            return self.fetch_own_image(own, under_way).await;
        }
        // On a base of the user's, workers have nothing of the runtime's own image.
        if revision.base.is_none() {
            let image = self.prepare_runtime(&revision.runtime, &under_way.log).await?;
            tracing::debug!(revision.id = %revision.id, image, "The runtime's image is there");
        }
        self.build_needs(revision, under_way).await
    }

    /// The version that is used in place of one that cannot be had here is written down, with what the user should know.
    async fn settle(&self, revision: &mut Revision, log: &BuildLog) -> Result<(), Error> {
        let family = self.0.runtimes.family(&revision.runtime);
        let is_in_base = revision.base.is_some() && family.is_some_and(Family::is_in_users_base);
        if revision.code.image().is_some() || revision.runtime_image.is_some() || is_in_base {
            return Ok(());
        }
        let usable = self.0.builder.usable(&revision.runtime, log).await?;
        if let Some(notice) = usable.notice {
            tracing::warn!(revision.id = %revision.id, "{notice}");
            let (id, runtime) = (revision.id, usable.runtime.clone());
            self.0.store.settle_runtime(id, runtime, notice.clone()).await?;
            (revision.runtime, revision.notice) = (usable.runtime, Some(notice));
        }
        Ok(())
    }

    async fn load_ahead(&self, function: &Function, target: Arc<Target>) -> Attempt {
        self.0.pool.stage(&target).await;
        if self.is_lazy(target.demand.revision) {
            return Attempt::Ready(target);
        }
        let in_place = self.drafts().contains(&target.demand.revision);
        if let Some(before) = self.serving(function).filter(|_| in_place) {
            self.0.pool.reload(before, &target);
        }
        match self.0.pool.acquire(&target).await {
            Ok(lease) => {
                lease.give_back();
                Attempt::Ready(target)
            }
            Err(pool::Error::Load(error, log)) => Attempt::Failed(load_report(&error, &log)),
            Err(pool::Error::Stopping) => Attempt::Later,
            Err(error) => self.blame(&error).await,
        }
    }

    fn serving(&self, function: &Function) -> Option<RevisionId> {
        let served = self.0.directory.find_id(function.id)?;
        served.target.as_ref().map(|target| target.demand.revision)
    }

    /// An error while the engine is away is no fault of the revision. Asks the engine: it may have gone just now.
    async fn blame(&self, error: &(dyn std::error::Error + Sync)) -> Attempt {
        match self.look_again().await {
            true => Attempt::Failed(crate::telemetry::chain(error)),
            false => Attempt::Later,
        }
    }

    fn is_lazy(&self, id: RevisionId) -> bool {
        self.0.lazy.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Lets the revision serve, then the one before go: no call is lost. Calls find it before it is written down, so that
    /// whoever reads that it is ready can call it.
    async fn switch(&self, function: FunctionId, revision: &Revision, target: Arc<Target>) -> Result<(), Error> {
        let change = self.0.directory.change().await;
        let Some(function) = self.0.store.function(function).await? else {
            self.0.pool.retire(revision.id);
            return Ok(());
        };
        let current = self.written_current(&function).await?;
        let serves = current.is_none_or(|current| current.number <= revision.number);
        let now = self.0.clock.now();
        let before = self.0.directory.find_id(function.id);
        if serves {
            let (current, updated_at) = (Some(revision.id), now);
            let function = Function {
                current,
                updated_at,
                ..function.clone()
            };
            self.0.directory.put(function, Some(target));
        }
        let written = self.0.store.mark_ready(revision.id, now).await;
        if written.is_err() {
            self.0.directory.put_back(&function, before);
        }
        let previous = written?;
        drop(change);
        self.changed();
        super::metrics::deployed(true);
        tracing::info!(function.name = %function.name, revision.number = revision.number, "Revision {} of `{}` is ready", revision.number, function.name);
        if !serves {
            self.0.pool.retire(revision.id);
            return Ok(());
        }
        if let Some(previous) = previous.filter(|p| *p != revision.id) {
            self.let_go(previous).await?;
        }
        if self.drafts().contains(&revision.id) {
            self.drop_drafts(revision).await?;
            return Ok(());
        }
        if self.0.options.function_images && revision.code.digest().is_some() {
            let (app, revision) = (self.clone(), revision.clone());
            let make = async move { app.make_image(&revision).await.map(drop) };
            self.0.supervisor.spawn(TaskKind::Build, make);
        }
        Ok(())
    }

    /// Removes the function's earlier drafts; one that was published stays. After a crash they are ordinary revisions.
    async fn drop_drafts(&self, latest: &Revision) -> Result<(), Error> {
        for earlier in self.0.store.list_revisions(latest.function).await? {
            let is_draft = self.drafts().contains(&earlier.id);
            let is_over = earlier.number < latest.number && earlier.state != RevisionState::Pending;
            if !is_draft || !is_over || self.0.store.is_published(earlier.id).await? {
                continue;
            }
            self.0.store.delete_revision(earlier.id).await?;
            self.drafts().remove(&earlier.id);
        }
        Ok(())
    }

    /// Makes the runtime's image if need be and tells the pool; answers the image's name.
    pub(super) async fn prepare_runtime(&self, runtime: &RuntimeRef, log: &BuildLog) -> Result<String, Error> {
        let image = self.0.builder.runtime_image(runtime, log).await?;
        let family = self.0.runtimes.family(runtime);
        let prewarm = self
            .0
            .options
            .prewarm
            .unwrap_or_else(|| family.map_or(0, |f| f.manifest.prewarm));
        let class = pool::Class {
            runtime: runtime.clone(),
            network: self.0.options.defaults.limits.network,
            image: None,
        };
        self.0.pool.offer_runtime(class, image.clone(), prewarm);
        Ok(image)
    }

    async fn engine_is_back(&self) {
        let mut status = self.0.engine_status.subscribe();
        let _ = status.wait_for(|s| matches!(s, EngineStatus::Up(_))).await;
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn load_report(error: &pool::FunctionError, log: &[u8]) -> String {
    let sentence = match error.error_type.as_str() {
        "" => error.message.clone(),
        error_type => format!("{error_type}: {}", error.message),
    };
    let parts = [
        sentence,
        error.traceback.clone(),
        String::from_utf8_lossy(log).into_owned(),
    ];
    let parts: Vec<_> = parts.iter().map(|p| p.trim_end()).filter(|p| !p.is_empty()).collect();
    parts.join("\n")
}
