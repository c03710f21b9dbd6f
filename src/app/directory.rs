//! Which function answers to which name, and where its versions and aliases lead, in memory: a call asks no database.
//!
//! Functions are all here. Versions and aliases come when they are first called and go when they are changed; what was
//! read before a change is not kept after it (see [`Directory::age`]).

use crate::domain::{Alias, AliasName, Function, FunctionId, Namespace, Pointer, RevisionId, VersionNumber};
use crate::pool::Target;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Mutex, MutexGuard};

/// A function and what serves it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) function: Function,
    pub(super) target: Option<Arc<Target>>,
    /// Why there is no target although a revision is ready.
    pub(super) trouble: Option<String>,
}

/// An alias, and how many calls it has led.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) alias: Alias,
    calls: AtomicU32,
}

impl Route {
    pub(super) fn new(alias: Alias) -> Self {
        let calls = AtomicU32::new(0);
        Self { alias, calls }
    }

    /// Where the next call goes. Steps of 37 meet each of a hundred numbers once, and spread a canary's calls.
    pub(super) fn next(&self) -> Pointer {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) % 100;
        self.alias.choose(u8::try_from(call * 37 % 100).unwrap_or_default())
    }
}

/// Everything that can be called.
#[derive(Debug, Default)]
pub(super) struct Directory {
    known: RwLock<Known>,
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, HashMap<String, Arc<Served>>>,
    by_id: HashMap<FunctionId, Arc<Served>>,
    versions: HashMap<(FunctionId, VersionNumber), Arc<Target>>,
    aliases: HashMap<(Namespace, AliasName), Arc<Route>>,
    age: u64,
}

impl Directory {
    /// Held by whoever changes a function in the store and here: one at a time, so that both say the same in the end.
    pub(super) async fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Takes in a function that is new. Should it be there already, it may serve by now and stays.
    pub(super) fn add(&self, function: &Function) {
        let mut known = self.write();
        if !known.by_id.contains_key(&function.id) {
            known.put(Served {
                function: function.clone(),
                target: None,
                trouble: None,
            });
        }
    }

    pub(super) fn put(&self, function: Function, target: Option<Arc<Target>>) {
        self.write().put(Served {
            function,
            target,
            trouble: None,
        });
    }

    /// Takes a function in that cannot serve until its owner does something.
    pub(super) fn put_broken(&self, function: Function, why: String) {
        self.write().put(Served {
            function,
            target: None,
            trouble: Some(why),
        });
    }

    /// Takes a change back: what was there `before` it is there again.
    pub(super) fn put_back(&self, function: &Function, before: Option<Arc<Served>>) {
        match before {
            Some(served) => self.write().put(served),
            None => self.remove(function),
        }
    }

    pub(super) fn remove(&self, function: &Function) {
        let mut known = self.write();
        known.forget_name(function);
        known.by_id.remove(&function.id);
        known.forget_versions(function.id);
        known.aliases.retain(|_, route| route.alias.function != function.id);
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<Arc<Served>> {
        self.read().by_name.get(namespace)?.get(name).cloned()
    }

    pub(super) fn find_id(&self, id: FunctionId) -> Option<Arc<Served>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(super) fn version(&self, function: FunctionId, number: VersionNumber) -> Option<Arc<Target>> {
        self.read().versions.get(&(function, number)).cloned()
    }

    pub(super) fn alias(&self, namespace: &Namespace, name: &AliasName) -> Option<Arc<Route>> {
        self.read().aliases.get(&(namespace.clone(), name.clone())).cloned()
    }

    /// Grows with each change of versions and aliases: ask before reading one, and say it when keeping it.
    pub(super) fn age(&self) -> u64 {
        self.read().age
    }

    pub(super) fn keep_version(&self, age: u64, function: FunctionId, number: VersionNumber, target: &Arc<Target>) {
        let mut known = self.write();
        if known.age == age {
            known.versions.insert((function, number), Arc::clone(target));
        }
    }

    pub(super) fn keep_alias(&self, age: u64, route: &Arc<Route>) {
        let mut known = self.write();
        if known.age == age {
            let key = (route.alias.namespace.clone(), route.alias.name.clone());
            known.aliases.insert(key, Arc::clone(route));
        }
    }

    pub(super) fn forget_versions(&self, function: FunctionId) {
        self.write().forget_versions(function);
    }

    pub(super) fn forget_alias(&self, namespace: &Namespace, name: &AliasName) {
        let mut known = self.write();
        known.age += 1;
        known.aliases.remove(&(namespace.clone(), name.clone()));
    }

    /// Name and number of every revision that can be called and has been since the start.
    pub(super) fn names(&self) -> BTreeMap<RevisionId, (String, u32)> {
        let known = self.read();
        let serving = known.by_id.values().filter_map(|s| s.target.as_ref());
        serving
            .chain(known.versions.values())
            .map(|t| (t.demand.revision, (t.function.clone(), t.version)))
            .collect()
    }

    pub(super) fn targets(&self) -> Vec<Arc<Target>> {
        self.read().by_id.values().filter_map(|s| s.target.clone()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, served: impl Into<Arc<Served>>) {
        let served = served.into();
        let function = &served.function;
        if let Some(old) = self.by_id.insert(function.id, Arc::clone(&served)) {
            self.forget_name(&old.function);
        }
        let (namespace, name) = (function.namespace.to_string(), function.name.to_string());
        self.by_name.entry(namespace).or_default().insert(name, served);
    }

    /// The name may be another function's by now: only what stands for this one goes.
    fn forget_name(&mut self, function: &Function) {
        let Some(names) = self.by_name.get_mut(function.namespace.as_str()) else {
            return;
        };
        if names
            .get(function.name.as_str())
            .is_some_and(|s| s.function.id == function.id)
        {
            names.remove(function.name.as_str());
        }
    }

    fn forget_versions(&mut self, function: FunctionId) {
        self.age += 1;
        self.versions.retain(|(owner, _), _| *owner != function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Canary, FunctionName, Share, Timestamp};

    fn function(name: &str) -> Function {
        Function {
            id: FunctionId::generate(),
            namespace: Namespace::default_namespace(),
            name: FunctionName::parse(name).expect("a name"),
            current: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn route(function: &Function) -> Arc<Route> {
        let one = Pointer::Version(VersionNumber::new(1).expect("above 0"));
        let share = Share::from_percent(30).expect("in range");
        Arc::new(Route::new(Alias {
            namespace: function.namespace.clone(),
            name: AliasName::parse("live").expect("a name"),
            function: function.id,
            pointer: Pointer::Latest,
            canary: Some(Canary { pointer: one, share }),
            description: String::new(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }))
    }

    #[test]
    fn a_renamed_function_answers_to_its_new_name_only() {
        let directory = Directory::default();
        let old = function("old");
        directory.put(old.clone(), None);
        let name = FunctionName::parse("new").expect("a name");
        directory.put(Function { name, ..old.clone() }, None);
        assert!(directory.find("default", "old").is_none());
        assert!(directory.find("default", "new").is_some() && directory.find_id(old.id).is_some());
    }

    #[test]
    fn a_function_is_new_once_and_a_change_can_be_taken_back() {
        let directory = Directory::default();
        let new = function("f");
        let before = directory.find_id(new.id);
        let current = Some(RevisionId::generate());
        let serving = Function { current, ..new.clone() };
        directory.put(serving.clone(), None);
        directory.add(&new);
        assert_eq!(directory.find("default", "f").expect("known").function.current, current);
        directory.put_back(&serving, before);
        assert!(directory.find("default", "f").is_none() && directory.find_id(new.id).is_none());
        directory.add(&new);
        let before = directory.find_id(new.id);
        directory.put(serving.clone(), None);
        directory.put_back(&serving, before);
        assert_eq!(directory.find("default", "f").expect("known").function.current, None);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let directory = Directory::default();
        let route = route(&function("f"));
        let (namespace, name) = (route.alias.namespace.clone(), route.alias.name.clone());
        let age = directory.age();
        directory.forget_alias(&namespace, &name);
        directory.keep_alias(age, &route);
        assert!(directory.alias(&namespace, &name).is_none());
        directory.keep_alias(directory.age(), &route);
        assert!(directory.alias(&namespace, &name).is_some());
    }

    #[test]
    fn of_a_hundred_calls_a_canary_gets_its_percents_spread_out() {
        let route = route(&function("f"));
        let led: Vec<_> = (0..100).map(|_| route.next() != Pointer::Latest).collect();
        assert_eq!(led.iter().filter(|canary| **canary).count(), 30);
        assert!(led[..20].iter().any(|canary| *canary) && led[80..].iter().any(|canary| *canary));
    }
}
