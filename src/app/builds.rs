//! Building what a revision needs before it can serve, and what is said meanwhile, for anybody who wants to read along.
//!
//! A build is no promise of its own: when it is cut off, the revision is still pending and is brought on again.

use super::App;
use crate::builder::{BuildLog, Order};
use crate::domain::{Error, Revision, RevisionId, RevisionState};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What builds that are under way have said; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Builds(Arc<Mutex<HashMap<RevisionId, BuildLog>>>);

impl Builds {
    fn begin(&self, id: RevisionId) -> UnderWay {
        let log = BuildLog::default();
        self.lock().insert(id, log.clone());
        UnderWay {
            builds: self.clone(),
            id,
            log,
        }
    }

    fn get(&self, id: RevisionId) -> Option<BuildLog> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RevisionId, BuildLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A build that is under way; dropped, it is over.
struct UnderWay {
    builds: Builds,
    id: RevisionId,
    log: BuildLog,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.builds.lock().remove(&self.id);
        self.log.end();
    }
}

/// How building ended.
pub(super) enum Built {
    /// There is what the revision needs.
    Done,
    /// The revision was deleted meanwhile, and the build was ended.
    Gone,
}

impl App {
    /// What the build of a revision said after the first `sent` bytes, once there is something; an empty text: nothing
    /// more will come.
    ///
    /// # Errors
    /// `NotFound` when the revision is deleted.
    pub async fn build_output(&self, id: RevisionId, sent: usize) -> Result<String, Error> {
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(log) = self.0.builds.get(id) {
                let news = log.after(sent).await;
                if !news.is_empty() {
                    return Ok(news);
                }
            }
            let revision = self.revision(id).await?;
            let kept = self.0.store.build(id).await?.map(|b| b.log).unwrap_or_default();
            let rest = kept.get(sent..).unwrap_or_default();
            if !rest.is_empty() || revision.state != RevisionState::Pending || changes.changed().await.is_err() {
                return Ok(rest.to_owned());
            }
        }
    }

    /// What the build of a revision has said so far.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn build_output_so_far(&self, id: RevisionId) -> Result<String, Error> {
        if let Some(log) = self.0.builds.get(id) {
            return Ok(log.text());
        }
        let kept = self.0.store.build(id).await?;
        Ok(kept.map(|build| build.log).unwrap_or_default())
    }

    /// Builds what a revision needs, and writes down what came of it.
    pub(super) async fn build_needs(&self, revision: &Revision) -> Result<Built, Error> {
        tokio::select! {
            built = self.build_needs_to_the_end(revision) => built.map(|()| Built::Done),
            () = self.deleted(revision.id) => Ok(Built::Gone),
        }
    }

    async fn build_needs_to_the_end(&self, revision: &Revision) -> Result<(), Error> {
        let (Some(tree), Some(code)) = (self.tree_of(revision), revision.code.digest()) else {
            return Ok(());
        };
        let order = Order {
            runtime: revision.runtime.clone(),
            runtime_image: revision.runtime_image.clone(),
            tree,
            code: code.to_string(),
            commands: revision.build_commands.clone(),
            convention: revision.convention,
        };
        let under_way = self.0.builds.begin(revision.id);
        self.changed();
        let _unnamed = self.0.builder.hold().await;
        let built = self.0.builder.prepare(&order, &under_way.log).await;
        super::metrics::built(built.is_ok());
        if let Err(e) = &built {
            let message = e.to_string();
            under_way
                .log
                .line(&format!("error: {}", message.lines().next().unwrap_or_default()));
        }
        let (image, text) = (built.as_ref().ok().cloned().flatten(), under_way.log.text());
        if image.is_some() || !text.is_empty() {
            self.0.store.set_build(revision.id, image, text).await?;
        }
        built.map(drop)
    }

    /// Returns when the revision is there no more.
    async fn deleted(&self, id: RevisionId) {
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let gone = matches!(self.0.store.revision(id).await, Ok(None));
            if gone || changes.changed().await.is_err() {
                return;
            }
        }
    }
}
