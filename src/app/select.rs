//! From what a caller asks for to what a worker loads: the serving revision, a version, or what an alias says.

use super::call::{Callee, not_ready, unknown};
use super::directory::{Route, Served};
use super::version::no_such_version;
use super::{App, alias};
use crate::builder::BuildLog;
use crate::domain::{
    AliasName, Convention, Cors, Error, Function, Limits, Pointer, Revision, Scale, Selector, VersionNumber,
};
use crate::pool::Target;
use std::sync::Arc;

impl App {
    /// The function a caller means.
    pub(super) fn served(&self, callee: Callee<'_>) -> Result<Arc<Served>, Error> {
        let found = match callee {
            Callee::Named { namespace, name } => self.0.directory.find(namespace, name),
            Callee::Id(id) => self.0.directory.find_id(id),
        };
        found.ok_or_else(|| unknown(callee))
    }

    /// How what serves a function now is called, and what it may use; `None` while nothing serves.
    #[must_use]
    pub fn manner_of(&self, callee: Callee<'_>) -> Option<(Convention, Limits)> {
        let served = self.served(callee).ok()?;
        let target = served.target.as_ref()?;
        Some((target.convention, target.demand.limits))
    }

    /// Which pages of other origins may call a function; `None`: none. What serves it now says so for all its versions.
    #[must_use]
    pub fn cors(&self, callee: Callee<'_>) -> Option<Arc<Cors>> {
        self.served(callee).ok()?.target.as_ref()?.cors.clone()
    }

    /// What serves a call with this selector, now.
    ///
    /// # Errors
    /// `NotFound` when there is no such version or alias, `NotReady` while no revision serves.
    pub(super) async fn target_for(&self, served: &Served, selector: &Selector) -> Result<Arc<Target>, Error> {
        let pointer = match selector {
            Selector::Current => Pointer::Latest,
            Selector::Version(number) => Pointer::Version(*number),
            Selector::Alias(name) => self.follow(&served.function, name).await?,
        };
        let name = served.function.name.as_str();
        let target = match pointer {
            Pointer::Latest => served.target.clone().ok_or_else(|| match &served.trouble {
                Some(why) => Error::NotReady(why.clone()),
                None => not_ready(name),
            })?,
            Pointer::Version(number) => self.version_target(served, number).await?,
        };
        match target.demand.limits.intake.closed {
            true => Err(Error::NotReady(format!(
                "function `{name}` is disabled: enable it where it was disabled"
            ))),
            false => Ok(target),
        }
    }

    async fn follow(&self, function: &Function, name: &AliasName) -> Result<Pointer, Error> {
        let namespace = &function.namespace;
        let route = match self.0.directory.alias(namespace, name) {
            Some(route) => route,
            None => {
                let age = self.0.directory.age();
                let route = Arc::new(Route::new(self.alias(namespace, name).await?));
                self.0.directory.keep_alias(age, &route);
                route
            }
        };
        if route.alias.function != function.id {
            return Err(alias::of_another_function(name, function));
        }
        Ok(route.next())
    }

    async fn version_target(&self, served: &Served, number: VersionNumber) -> Result<Arc<Target>, Error> {
        let function = &served.function;
        let target = match self.0.directory.version(function.id, number) {
            Some(target) => target,
            None => {
                let age = self.0.directory.age();
                let target = Arc::new(self.read_version(function, number).await?);
                self.0.directory.keep_version(age, function.id, number, &target);
                target
            }
        };
        // The version that serves is called as what serves: with the minimum of workers that it keeps.
        let serving = served.target.clone();
        let same = serving.filter(|t| t.demand.revision == target.demand.revision);
        Ok(same.unwrap_or(target))
    }

    async fn read_version(&self, function: &Function, number: VersionNumber) -> Result<Target, Error> {
        let version = self.0.store.version(function.id, number).await?;
        let version = version.ok_or_else(|| no_such_version(function, number))?;
        let revision = self.revision(version.revision).await?;
        if revision.code.image().is_none() && revision.base.is_none() {
            self.prepare_runtime(&revision.runtime, &BuildLog::default()).await?;
        }
        self.target(function, &unkept(revision)?).await
    }
}

/// A version keeps no workers when nobody calls it, whatever minimum it had while it served.
fn unkept(revision: Revision) -> Result<Revision, Error> {
    let limits = Limits {
        scale: Scale::new(0, revision.limits.scale.max())?,
        ..revision.limits
    };
    Ok(Revision { limits, ..revision })
}
