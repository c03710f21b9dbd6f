//! Which function answers to which name, in memory: a call asks no database.

use crate::domain::{Function, FunctionName, Namespace, RevisionId};
use crate::pool::Target;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// A function and what serves it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) function: Function,
    pub(super) target: Option<Arc<Target>>,
}

/// All functions by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Directory(RwLock<HashMap<String, HashMap<String, Arc<Served>>>>);

impl Directory {
    pub(super) fn put(&self, function: Function, target: Option<Arc<Target>>) {
        let (namespace, name) = (function.namespace.to_string(), function.name.to_string());
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(namespace)
            .or_default()
            .insert(name, Arc::new(Served { function, target }));
    }

    pub(super) fn remove(&self, namespace: &Namespace, name: &FunctionName) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = all.get_mut(namespace.as_str()) {
            names.remove(name.as_str());
        }
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<Arc<Served>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(namespace)?
            .get(name)
            .cloned()
    }

    pub(super) fn names(&self) -> BTreeMap<RevisionId, (String, u32)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let targets = all.values().flat_map(HashMap::values).filter_map(|s| s.target.as_ref());
        targets
            .map(|t| (t.demand.revision, (t.function.clone(), t.version)))
            .collect()
    }
}

impl Directory {
    pub(super) fn targets(&self) -> Vec<Arc<Target>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.values()
            .flat_map(HashMap::values)
            .filter_map(|s| s.target.clone())
            .collect()
    }
}
