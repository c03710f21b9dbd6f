//! Aliases: names for versions, which move while callers keep the name.

use super::App;
use crate::domain::{Alias, AliasName, Canary, Error, Function, FunctionId, Namespace, Pointer, Timestamp};

/// What an alias is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasSpec {
    /// Its name.
    pub name: AliasName,
    /// Which function; its namespace is the alias's.
    pub function: FunctionId,
    /// Where its calls go.
    pub pointer: Pointer,
    /// Where a part of them goes instead.
    pub canary: Option<Canary>,
    /// What its maker writes; may be empty.
    pub description: String,
}

impl App {
    /// Makes an alias.
    ///
    /// # Errors
    /// `NotFound` when its function or a version is not there, `Conflict` when the name is taken.
    pub async fn create_alias(&self, spec: AliasSpec) -> Result<Alias, Error> {
        let alias = self.alias_of(spec, None).await?;
        self.0.store.create_alias(&alias).await?;
        self.0.directory.forget_alias(&alias.namespace, &alias.name);
        Ok(alias)
    }

    /// Makes an alias of this name something else, from the next call on.
    ///
    /// # Errors
    /// `NotFound` when there is none, or its function or a version is not there.
    pub async fn update_alias(&self, spec: AliasSpec) -> Result<Alias, Error> {
        let function = self.function_by_id(spec.function).await?;
        let before = self.alias(&function.namespace, &spec.name).await?;
        let alias = self.alias_of(spec, Some(before.created_at)).await?;
        if !self.0.store.update_alias(&alias).await? {
            return Err(no_such_alias(&alias.namespace, &alias.name));
        }
        self.0.directory.forget_alias(&alias.namespace, &alias.name);
        Ok(alias)
    }

    /// The alias of that name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn alias(&self, namespace: &Namespace, name: &AliasName) -> Result<Alias, Error> {
        let found = self.0.store.alias(namespace, name).await?;
        found.ok_or_else(|| no_such_alias(namespace, name))
    }

    /// Aliases of a namespace and a function, or of all. Order: namespace, then name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_aliases(
        &self,
        namespace: Option<&Namespace>,
        function: Option<FunctionId>,
    ) -> Result<Vec<Alias>, Error> {
        Ok(self.0.store.list_aliases(namespace, function).await?)
    }

    /// Deletes an alias; calls by it are not found from now on.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete_alias(&self, namespace: &Namespace, name: &AliasName) -> Result<(), Error> {
        let deleted = self.0.store.delete_alias(namespace, name).await?;
        self.0.directory.forget_alias(namespace, name);
        deleted.then_some(()).ok_or_else(|| no_such_alias(namespace, name))
    }

    async fn alias_of(&self, spec: AliasSpec, created_at: Option<Timestamp>) -> Result<Alias, Error> {
        let function = self.function_by_id(spec.function).await?;
        for pointer in [Some(spec.pointer), spec.canary.map(|c| c.pointer)]
            .into_iter()
            .flatten()
        {
            if let Pointer::Version(number) = pointer {
                self.version(function.id, number).await?;
            }
        }
        let now = self.0.clock.now();
        Ok(Alias {
            namespace: function.namespace,
            name: spec.name,
            function: function.id,
            pointer: spec.pointer,
            canary: spec.canary,
            description: spec.description,
            created_at: created_at.unwrap_or(now),
            updated_at: now,
        })
    }
}

fn no_such_alias(namespace: &Namespace, name: &AliasName) -> Error {
    Error::not_found(format!(
        "there is no alias `{name}` in namespace `{namespace}`: `hob alias list` shows what there is"
    ))
}

pub(super) fn of_another_function(name: &AliasName, function: &Function) -> Error {
    Error::not_found(format!(
        "alias `{name}` leads to another function than `{}`: `hob alias get {name}` says to which",
        function.name
    ))
}
