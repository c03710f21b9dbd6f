//! Gateways: made, changed and found in memory, so that a request asks no database; and who may pass them.

use super::App;
use crate::domain::{
    Error, FunctionName, Gateway, GatewaySpec, HostName, Lock, Namespace, PathPrefix, Principal, Route, Routes,
    SecretText, Upstream,
};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// Why a gateway cannot be as it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The name is taken.
    #[error("there is a gateway `{0}` already: choose another name, or change that one")]
    NameTaken(FunctionName),
    /// Another gateway answers to a host and path.
    #[error("{host}{path} leads to gateway `{other}` of namespace `{namespace}` already: choose another host or path")]
    AddressTaken {
        /// The host.
        host: HostName,
        /// The path.
        path: PathPrefix,
        /// Whose gateway has it.
        namespace: Namespace,
        /// The gateway that has it.
        other: FunctionName,
    },
    /// The host is one the daemon itself answers to.
    #[error("{0} is the daemon's own name (server.allowed_hosts): choose another host")]
    OwnHost(HostName),
    /// The host is of the form that functions of another namespace have.
    #[error("{host} is a host of functions in namespace `{of}`: only gateways of that namespace may have it")]
    Foreign {
        /// The host.
        host: HostName,
        /// Whose functions have it.
        of: String,
    },
    /// It cannot be, or the store cannot be used.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<GatewayError> for Error {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Other(error) => error,
            taken => Self::Conflict(taken.to_string()),
        }
    }
}

/// What a caller shows at a gateway's lock.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// User and password, by HTTP Basic.
    pub basic: Option<(String, SecretText)>,
    /// What may be a key.
    pub keys: Vec<SecretText>,
    /// Who the daemon knows the caller as.
    pub principal: Option<Principal>,
}

/// All gateways, as they are asked for.
#[derive(Debug, Default)]
pub(super) struct Gateways {
    known: RwLock<Known>,
    /// Held while gateways change: each change is checked against those before it.
    change: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    all: Vec<Arc<Gateway>>,
    routes: Routes,
}

impl Gateways {
    fn all(&self) -> Vec<Arc<Gateway>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).all.clone()
    }

    fn set(&self, all: Vec<Gateway>) {
        let all: Vec<_> = all.into_iter().map(Arc::new).collect();
        let routes = Routes::new(&all);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { all, routes };
    }
}

impl App {
    /// Makes a gateway. It leads from the next request on.
    ///
    /// # Errors
    /// `GatewayError` when its name or an address is taken, or it cannot be.
    pub async fn create_gateway(&self, spec: GatewaySpec) -> Result<Arc<Gateway>, GatewayError> {
        let _one_at_a_time = self.0.gateways.change.lock().await;
        self.check_gateway(&spec)?;
        let (namespace, name) = (spec.namespace.clone(), spec.name.clone());
        if self.gateway(&namespace, &name).is_ok() {
            return Err(GatewayError::NameTaken(name));
        }
        let now = self.0.clock.now();
        let gateway = Gateway {
            spec,
            created_at: now,
            updated_at: now,
        };
        self.0.store.create_gateway(&gateway).await.map_err(Error::from)?;
        self.read_gateways().await?;
        Ok(self.gateway(&namespace, &name)?)
    }

    /// Makes a gateway, found by namespace and name, what `spec` says.
    ///
    /// # Errors
    /// `NotFound` when there is none, and as [`App::create_gateway`]; it stays as it was then.
    pub async fn update_gateway(&self, spec: GatewaySpec) -> Result<Arc<Gateway>, GatewayError> {
        let _one_at_a_time = self.0.gateways.change.lock().await;
        let (namespace, name) = (spec.namespace.clone(), spec.name.clone());
        let before = self.gateway(&namespace, &name)?;
        self.check_gateway(&spec)?;
        let gateway = Gateway {
            spec,
            created_at: before.created_at,
            updated_at: self.0.clock.now(),
        };
        self.0.store.update_gateway(&gateway).await.map_err(Error::from)?;
        self.read_gateways().await?;
        Ok(self.gateway(&namespace, &name)?)
    }

    /// Deletes a gateway; its addresses lead nowhere from the next request on.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete_gateway(&self, namespace: &Namespace, name: &FunctionName) -> Result<(), Error> {
        let _one_at_a_time = self.0.gateways.change.lock().await;
        let deleted = self.0.store.delete_gateway(namespace, name).await?;
        self.read_gateways().await?;
        deleted.then_some(()).ok_or_else(|| no_such_gateway(namespace, name))
    }

    /// A gateway by name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn gateway(&self, namespace: &Namespace, name: &FunctionName) -> Result<Arc<Gateway>, Error> {
        let named = |g: &Arc<Gateway>| g.spec.namespace == *namespace && g.spec.name == *name;
        let found = self.0.gateways.all().into_iter().find(named);
        found.ok_or_else(|| no_such_gateway(namespace, name))
    }

    /// The gateways of a namespace, or all. Order: namespace, then name.
    #[must_use]
    pub fn list_gateways(&self, namespace: Option<&Namespace>) -> Vec<Arc<Gateway>> {
        let mut all = self.0.gateways.all();
        all.retain(|g| namespace.is_none_or(|namespace| g.spec.namespace == *namespace));
        all
    }

    /// The gateways that lead to a function. Order: by name.
    #[must_use]
    pub fn gateways_to(&self, namespace: &Namespace, function: &FunctionName) -> Vec<Arc<Gateway>> {
        let leads = |g: &Arc<Gateway>| g.spec.upstreams.as_slice().iter().any(|u| u.function == *function);
        let mut all = self.list_gateways(Some(namespace));
        all.retain(leads);
        all
    }

    /// Where a request with this `Host` and path goes.
    #[must_use]
    pub fn route(&self, host: &str, path: &str) -> Route {
        let known = self.0.gateways.known.read().unwrap_or_else(PoisonError::into_inner);
        known.routes.find(host, path)
    }

    /// Draws which function of a gateway gets the next call.
    #[must_use]
    pub fn draw_upstream<'a>(&self, gateway: &'a Gateway) -> &'a Upstream {
        let mut bytes = [0; 4];
        // Without random bytes every call goes to the first one: better than to none.
        let _ = SystemRandom::new().fill(&mut bytes);
        let draw = u32::from_le_bytes(bytes) % 100;
        gateway.spec.upstreams.choose(u8::try_from(draw).unwrap_or_default())
    }

    /// Takes the stored gateways into memory.
    pub(super) async fn read_gateways(&self) -> Result<(), Error> {
        self.0.gateways.set(self.0.store.list_gateways().await?);
        Ok(())
    }

    fn check_gateway(&self, spec: &GatewaySpec) -> Result<(), GatewayError> {
        spec.check()?;
        let own = |host: &&HostName| self.0.options.own_hosts.iter().any(|own| own == host.as_str());
        if let Some(host) = spec.hosts.iter().find(own) {
            return Err(GatewayError::OwnHost(host.clone()));
        }
        let foreign = |host: &HostName| {
            let of = host.namespace_of_functions()?;
            // Names of hosts have no capitals, those of namespaces may.
            (!of.eq_ignore_ascii_case(spec.namespace.as_str())).then(|| (host.clone(), of.to_owned()))
        };
        if let Some((host, of)) = spec.hosts.iter().find_map(foreign) {
            return Err(GatewayError::Foreign { host, of });
        }
        let all = self.0.gateways.all();
        let mut others = all
            .iter()
            .map(|g| &g.spec)
            .filter(|s| (&s.namespace, &s.name) != (&spec.namespace, &spec.name) && s.path == spec.path);
        let taken = others.find_map(|other| {
            let host = spec.hosts.iter().find(|host| other.hosts.contains(host))?;
            Some((host.clone(), other))
        });
        taken.map_or(Ok(()), |(host, other)| {
            Err(GatewayError::AddressTaken {
                host,
                path: spec.path.clone(),
                namespace: other.namespace.clone(),
                other: other.name.clone(),
            })
        })
    }
}

/// Whether what a caller shows opens a gateway's lock. Takes a time that does not tell how much of it was right.
#[must_use]
pub fn opens(spec: &GatewaySpec, shown: &Shown) -> bool {
    match &spec.lock {
        Lock::Open => true,
        Lock::Lost => false,
        Lock::Basic { user, password } => shown.basic.as_ref().is_some_and(|(shown_user, shown_password)| {
            let user = same(user, shown_user);
            bool::from(user & same(password.reveal(), shown_password.reveal()))
        }),
        Lock::Keys { keys, .. } => {
            let known = keys
                .iter()
                .flat_map(|key| shown.keys.iter().map(move |s| same(key.reveal(), s.reveal())));
            let key = known.fold(subtle::Choice::from(0), |any, one| any | one);
            let of_namespace = |p: &Principal| p.namespace(Some(spec.namespace.clone())).is_ok();
            bool::from(key) || shown.principal.as_ref().is_some_and(of_namespace)
        }
    }
}

fn same(known: &str, shown: &str) -> subtle::Choice {
    Sha256::digest(known).as_slice().ct_eq(Sha256::digest(shown).as_slice())
}

fn no_such_gateway(namespace: &Namespace, name: &FunctionName) -> Error {
    Error::not_found(format!("there is no gateway `{name}` in namespace `{namespace}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    fn text(t: &str) -> SecretText {
        SecretText::new(t.to_owned())
    }

    fn spec(lock: Lock) -> GatewaySpec {
        let name = FunctionName::parse("f").expect("a name");
        let host = HostName::parse("f.example").expect("a host");
        GatewaySpec {
            lock,
            ..GatewaySpec::domain(Namespace::default_namespace(), name.clone(), host, name)
        }
    }

    fn basic(user: &str, password: &str) -> Shown {
        Shown {
            basic: Some((user.to_owned(), text(password))),
            ..Shown::default()
        }
    }

    fn key(key: &str) -> Shown {
        Shown {
            keys: vec![text(key)],
            ..Shown::default()
        }
    }

    fn known(namespace: &str, role: Role) -> Shown {
        let namespace = Namespace::parse(namespace).expect("a name");
        Shown {
            principal: Some(Principal { namespace, role }),
            ..Shown::default()
        }
    }

    #[test]
    fn a_lock_opens_for_what_fits_it_and_for_nothing_else() {
        let nothing = Shown::default;
        let password = spec(Lock::Basic {
            user: "u".to_owned(),
            password: text("p"),
        });
        let keys = spec(Lock::Keys {
            headers: vec![],
            keys: vec![text("k"), text("l")],
        });
        let no_keys = spec(Lock::Keys {
            headers: vec![],
            keys: vec![],
        });
        let table = [
            (&spec(Lock::Open), nothing(), true),
            (&spec(Lock::Lost), basic("u", "p"), false),
            (&password, nothing(), false),
            (&password, basic("u", "p"), true),
            (&password, basic("u", "P"), false),
            (&password, basic("U", "p"), false),
            (&password, basic("", ""), false),
            (&password, key("p"), false),
            (&keys, nothing(), false),
            (&keys, key("l"), true),
            (&keys, key(""), false),
            (&keys, known("default", Role::Invoke), true),
            (&keys, known("other", Role::User), false),
            (&keys, known("other", Role::Admin), true),
            (&no_keys, key(""), false),
            (&no_keys, known("default", Role::User), true),
        ];
        for (index, (spec, shown, expect)) in table.into_iter().enumerate() {
            assert_eq!(opens(spec, &shown), expect, "row {index}");
        }
    }
}
