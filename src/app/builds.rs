//! Building what a revision needs before it can serve, and what is said meanwhile, for anybody who wants to read along.
//!
//! Pulls are a part of it. A build is no promise of its own: when it is cut off, the revision is still pending and is
//! brought on again.

use super::App;
use crate::builder::{BuildLog, Order, Pulling};
use crate::domain::{Error, Revision, RevisionId, RevisionState};
use std::collections::HashMap;
use std::future::Future;
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
pub(super) struct UnderWay {
    builds: Builds,
    id: RevisionId,
    pub(super) log: BuildLog,
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

    /// How far the pull is that a revision waits for; `None` when it waits for none.
    #[must_use]
    pub fn pulling(&self, id: RevisionId) -> Option<Pulling> {
        self.0.builds.get(id)?.pulling()
    }

    /// From now on what is said of a revision's images can be read along.
    pub(super) fn begin_build(&self, id: RevisionId) -> UnderWay {
        let under_way = self.0.builds.begin(id);
        self.changed();
        under_way
    }

    /// Writes down what was said before it failed, and why that was.
    pub(super) async fn keep_failed_build(&self, under_way: &UnderWay, why: &Error) -> Result<(), Error> {
        let message = why.to_string();
        let first = message.lines().next().unwrap_or_default();
        under_way.log.line(&format!("error: {first}"));
        self.keep_build(under_way, None).await
    }

    /// Sees to it that the image is here that a function is, and writes down what was said.
    pub(super) async fn fetch_own_image(&self, image: &str, under_way: &UnderWay) -> Result<Built, Error> {
        let fetching = async {
            self.0.builder.user_image(image, &under_way.log).await?;
            self.keep_build(under_way, None).await
        };
        self.unless_deleted(under_way.id, fetching).await
    }

    /// Builds what a revision needs, and writes down what came of it.
    pub(super) async fn build_needs(&self, revision: &Revision, under_way: &UnderWay) -> Result<Built, Error> {
        let _unnamed = self.0.builder.hold().await;
        let building = async {
            let image = self.build_needs_to_the_end(revision, &under_way.log).await?;
            self.keep_build(under_way, image).await
        };
        self.unless_deleted(revision.id, building).await
    }

    async fn build_needs_to_the_end(&self, revision: &Revision, log: &BuildLog) -> Result<Option<String>, Error> {
        let (Some(tree), Some(code)) = (self.tree_of(revision), revision.code.digest()) else {
            return Ok(None);
        };
        let order = Order {
            runtime: revision.runtime.clone(),
            runtime_image: revision.runtime_image.clone(),
            base: revision.base.clone(),
            tree,
            code: code.to_string(),
            commands: revision.build_commands.clone(),
            convention: revision.convention,
        };
        let built = self.0.builder.prepare(&order, log).await;
        super::metrics::built(built.is_ok());
        built
    }

    /// Does `work`; it is ended when the revision is deleted meanwhile.
    async fn unless_deleted(
        &self,
        id: RevisionId,
        work: impl Future<Output = Result<(), Error>>,
    ) -> Result<Built, Error> {
        tokio::select! {
            done = work => done.map(|()| Built::Done),
            () = self.deleted(id) => Ok(Built::Gone),
        }
    }

    async fn keep_build(&self, under_way: &UnderWay, image: Option<String>) -> Result<(), Error> {
        let text = under_way.log.text();
        if image.is_some() || !text.is_empty() {
            self.0.store.set_build(under_way.id, image, text).await?;
        }
        Ok(())
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
