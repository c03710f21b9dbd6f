//! Publishing: freezing what serves under a number that stays.

use super::App;
use crate::domain::{Error, Function, FunctionId, Revision, RevisionId, RevisionState, Version, VersionNumber};

/// A version and what is frozen in it.
#[derive(Debug, Clone)]
pub struct VersionDetail {
    /// The version.
    pub version: Version,
    /// The frozen code and settings.
    pub revision: Revision,
}

/// What publishing made.
#[derive(Debug, Clone)]
pub struct Published {
    /// The new version.
    pub detail: VersionDetail,
    /// The version before it is the same revision: nothing was deployed in between.
    pub unchanged: bool,
    /// The version before it has the same code; settings may differ.
    pub same_code: bool,
}

impl App {
    /// Publishes the revision that serves, under the next number. Publishing the same again is allowed, and said.
    ///
    /// # Errors
    /// `NotFound` when there is no such function, `NotReady` while its latest revision is not ready or none is.
    pub async fn publish(&self, function: FunctionId, description: String) -> Result<Published, Error> {
        let function = self.function_by_id(function).await?;
        let revision = self.publishable(&function).await?;
        let now = self.0.clock.now();
        let (version, before) = self.0.store.publish(function.id, revision.id, description, now).await?;
        let before = match before {
            Some(before) => self.0.store.revision(before.revision).await?,
            None => None,
        };
        tracing::info!(function.name = %function.name, "Published version {} of `{}`", version.number, function.name);
        Ok(Published {
            unchanged: before.as_ref().is_some_and(|b| b.id == revision.id),
            same_code: before.is_some_and(|b| b.code == revision.code),
            detail: VersionDetail { version, revision },
        })
    }

    /// A function's versions. Order: by number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_versions(&self, function: FunctionId) -> Result<Vec<VersionDetail>, Error> {
        let revisions = self.0.store.list_revisions(function).await?;
        let versions = self.0.store.list_versions(function).await?;
        let with_revision = |version: Version| {
            let revision = revisions.iter().find(|r| r.id == version.revision)?.clone();
            Some(VersionDetail { version, revision })
        };
        Ok(versions.into_iter().filter_map(with_revision).collect())
    }

    /// One version.
    ///
    /// # Errors
    /// `NotFound` when there is none, or no such function.
    pub async fn version(&self, function: FunctionId, number: VersionNumber) -> Result<VersionDetail, Error> {
        let function = self.function_by_id(function).await?;
        let version = self.0.store.version(function.id, number).await?;
        let version = version.ok_or_else(|| no_such_version(&function, number))?;
        let revision = self.revision(version.revision).await?;
        Ok(VersionDetail { version, revision })
    }

    /// Deletes a version; its number is not given again. Its workers leave, unless its revision still serves.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` while something leads to it.
    pub async fn delete_version(&self, function: FunctionId, number: VersionNumber) -> Result<(), Error> {
        let function = self.function_by_id(function).await?;
        let deleted = self.0.store.delete_version(function.id, number).await?;
        let version = deleted.ok_or_else(|| no_such_version(&function, number))?;
        self.0.directory.forget_versions(function.id);
        let serves = self.function_by_id(function.id).await?.current == Some(version.revision);
        if !serves {
            self.let_go(version.revision).await?;
        }
        Ok(())
    }

    /// Ends the service of a revision that is replaced: at once, or, if it is published, as its workers grow old.
    pub(super) async fn let_go(&self, revision: RevisionId) -> Result<(), Error> {
        if self.0.store.is_published(revision).await? {
            self.0.pool.relax(revision);
        } else {
            self.0.pool.retire(revision);
        }
        Ok(())
    }

    async fn publishable(&self, function: &Function) -> Result<Revision, Error> {
        let revisions = self.list_revisions(function.id).await?;
        let name = &function.name;
        if revisions.first().is_some_and(|r| r.state == RevisionState::Pending) {
            return Err(Error::NotReady(format!(
                "`{name}` is still being prepared: publish it once `hob get {name}` says that it is ready"
            )));
        }
        let serving = revisions.into_iter().find(|r| Some(r.id) == function.current);
        serving.ok_or_else(|| super::call::not_ready(name.as_str()))
    }
}

pub(super) fn no_such_version(function: &Function, number: VersionNumber) -> Error {
    let name = &function.name;
    Error::not_found(format!(
        "function `{name}` has no version {number}: `hob versions list {name}` shows what there is"
    ))
}
