//! Gateways: their SQL and their rows. What opens their locks is sealed.

use super::secrets::unwritable;
use super::vault::Vault;
use super::{Error, Store, row};
use crate::domain::{
    FunctionName, Gateway, GatewaySpec, HostName, Lock, Namespace, PathPrefix, SecretText, Upstream, Upstreams,
};
use rusqlite::{Connection, Row, named_params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a lock is sealed for.
const LOCK: &str = "gateway";

#[derive(Serialize, Deserialize)]
struct UpstreamColumn {
    function: String,
    percent: u8,
    #[serde(default)]
    rewrite: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum LockColumn {
    Basic { user: String, password: String },
    Keys { headers: Vec<String>, keys: Vec<String> },
}

/// A gateway's row, with its lock as it is kept.
struct Kept {
    gateway: Gateway,
    lock: Option<Vec<u8>>,
}

impl Store {
    /// Writes a new gateway down.
    ///
    /// # Errors
    /// `Duplicate` when its name is taken, or one of its hosts with its path.
    pub async fn create_gateway(&self, gateway: &Gateway) -> Result<(), Error> {
        let (gateway, lock) = (gateway.clone(), seal(&self.inner.vault, &gateway.spec.lock)?);
        self.write("create a gateway", move |c| {
            let sql = "insert into gateway (namespace, name, path, upstreams, lock, headers, description, labels,
                           annotations, created_at_ms, updated_at_ms)
                       values (:namespace, :name, :path, :upstreams, :lock, :headers, :description, :labels,
                           :annotations, :created_at, :updated_at)";
            write(c, sql, &gateway, lock.as_deref())?;
            Ok(add_hosts(c, &gateway.spec)?)
        })
        .await
    }

    /// Writes a gateway in place of what it was; `false` when there is none of that name.
    ///
    /// # Errors
    /// `Duplicate` when one of its hosts is taken with its path; nothing has changed then.
    pub async fn update_gateway(&self, gateway: &Gateway) -> Result<bool, Error> {
        let (gateway, lock) = (gateway.clone(), seal(&self.inner.vault, &gateway.spec.lock)?);
        self.write("change a gateway", move |c| {
            let sql = "update gateway set path = :path, upstreams = :upstreams, lock = :lock, headers = :headers,
                           description = :description, labels = :labels, annotations = :annotations,
                           created_at_ms = :created_at, updated_at_ms = :updated_at
                       where namespace = :namespace and name = :name";
            if write(c, sql, &gateway, lock.as_deref())? == 0 {
                return Ok(false);
            }
            remove_hosts(c, &gateway.spec)?;
            add_hosts(c, &gateway.spec)?;
            Ok(true)
        })
        .await
    }

    /// Removes a gateway; `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_gateway(&self, namespace: &Namespace, name: &FunctionName) -> Result<bool, Error> {
        let (namespace, name) = (namespace.as_str().to_owned(), name.as_str().to_owned());
        self.write("delete a gateway", move |c| {
            let sql = "delete from gateway where namespace = :namespace and name = :name";
            Ok(row::change(c, sql, named_params! {":namespace": namespace, ":name": name})? > 0)
        })
        .await
    }

    /// All gateways. Order: namespace, then name. A lock whose key is gone is `Lock::Lost`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_gateways(&self) -> Result<Vec<Gateway>, Error> {
        let sql = "select namespace, name, path, upstreams, lock, headers, description, labels, annotations,
                       created_at_ms, updated_at_ms,
                       (select json_group_array(host order by position) from gateway_host
                        where gateway_host.namespace = gateway.namespace and gateway_host.name = gateway.name) as hosts
                   from gateway order by namespace, name";
        let kept = self.read("list gateways", move |c| row::all(c, sql, [], read)).await?;
        let open = |Kept { mut gateway, lock }| {
            gateway.spec.lock = unseal(&self.inner.vault, lock.as_deref());
            gateway
        };
        Ok(kept.into_iter().map(open).collect())
    }
}

fn seal(vault: &Vault, lock: &Lock) -> Result<Option<Vec<u8>>, Error> {
    let column = match lock {
        Lock::Open | Lock::Lost => return Ok(None),
        Lock::Basic { user, password } => LockColumn::Basic {
            user: user.clone(),
            password: password.reveal().to_owned(),
        },
        Lock::Keys { headers, keys } => LockColumn::Keys {
            headers: headers.clone(),
            keys: keys.iter().map(|key| key.reveal().to_owned()).collect(),
        },
    };
    let plain = serde_json::to_vec(&column).map_err(unwritable)?;
    vault.seal(LOCK, &plain).map(Some)
}

fn unseal(vault: &Vault, sealed: Option<&[u8]>) -> Lock {
    let Some(sealed) = sealed else { return Lock::Open };
    let plain = vault.unseal(LOCK, sealed).ok();
    let column = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
    match column {
        None => Lock::Lost,
        Some(LockColumn::Basic { user, password }) => Lock::Basic {
            user,
            password: SecretText::new(password),
        },
        Some(LockColumn::Keys { headers, keys }) => Lock::Keys {
            headers,
            keys: keys.into_iter().map(SecretText::new).collect(),
        },
    }
}

fn write(c: &Connection, sql: &str, gateway: &Gateway, lock: Option<&[u8]>) -> rusqlite::Result<usize> {
    let spec = &gateway.spec;
    let json = |map: &BTreeMap<String, String>| serde_json::to_string(map).map_err(unwritable);
    let params = named_params! {
        ":namespace": spec.namespace.as_str(),
        ":name": spec.name.as_str(),
        ":path": spec.path.as_str(),
        ":upstreams": upstreams_column(&spec.upstreams)?,
        ":lock": lock,
        ":headers": json(&spec.headers)?,
        ":description": spec.description,
        ":labels": json(&spec.labels)?,
        ":annotations": json(&spec.annotations)?,
        ":created_at": gateway.created_at.as_millis(),
        ":updated_at": gateway.updated_at.as_millis(),
    };
    row::change(c, sql, params)
}

fn upstreams_column(upstreams: &Upstreams) -> rusqlite::Result<String> {
    let one = |upstream: &Upstream| UpstreamColumn {
        function: upstream.function.to_string(),
        percent: upstream.percent,
        rewrite: upstream.rewrite.clone(),
    };
    let all: Vec<_> = upstreams.as_slice().iter().map(one).collect();
    serde_json::to_string(&all).map_err(unwritable)
}

fn add_hosts(c: &Connection, spec: &GatewaySpec) -> rusqlite::Result<()> {
    let sql = "insert into gateway_host (host, path, namespace, name, position)
               values (:host, :path, :namespace, :name, :position)";
    for (position, host) in (0_u32..).zip(&spec.hosts) {
        let params = named_params! {
            ":host": host.as_str(),
            ":path": spec.path.as_str(),
            ":namespace": spec.namespace.as_str(),
            ":name": spec.name.as_str(),
            ":position": position,
        };
        row::change(c, sql, params)?;
    }
    Ok(())
}

fn remove_hosts(c: &Connection, spec: &GatewaySpec) -> rusqlite::Result<()> {
    let sql = "delete from gateway_host where namespace = :namespace and name = :name";
    let key = named_params! {":namespace": spec.namespace.as_str(), ":name": spec.name.as_str()};
    row::change(c, sql, key).map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let json = |t: String| serde_json::from_str::<BTreeMap<String, String>>(&t);
    let spec = GatewaySpec {
        namespace: row::checked(row, "namespace", |t: String| Namespace::parse(&t))?,
        name: row::checked(row, "name", |t: String| FunctionName::parse(&t))?,
        hosts: row::checked(row, "hosts", |t: String| read_hosts(&t))?,
        path: row::checked(row, "path", |t: String| PathPrefix::parse(&t))?,
        upstreams: row::checked(row, "upstreams", |t: String| read_upstreams(&t))?,
        lock: Lock::Lost,
        headers: row::checked(row, "headers", json)?,
        description: row.get("description")?,
        labels: row::checked(row, "labels", json)?,
        annotations: row::checked(row, "annotations", json)?,
    };
    let gateway = Gateway {
        spec,
        created_at: row::time(row, "created_at_ms")?,
        updated_at: row::time(row, "updated_at_ms")?,
    };
    let lock = row.get("lock")?;
    Ok(Kept { gateway, lock })
}

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

fn read_hosts(text: &str) -> Result<Vec<HostName>, Unreadable> {
    let all: Vec<String> = serde_json::from_str(text)?;
    let parsed: Result<_, _> = all.iter().map(|host| HostName::parse(host)).collect();
    Ok(parsed?)
}

fn read_upstreams(text: &str) -> Result<Upstreams, Unreadable> {
    let all: Vec<UpstreamColumn> = serde_json::from_str(text)?;
    let one = |column: UpstreamColumn| {
        Ok::<_, Unreadable>(Upstream {
            function: FunctionName::parse(&column.function)?,
            percent: column.percent,
            rewrite: column.rewrite,
        })
    };
    let all: Result<_, _> = all.into_iter().map(one).collect();
    Ok(Upstreams::new(all?)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, opened};
    use super::*;

    fn gateway(name: &str, hosts: &[&str]) -> Gateway {
        let name = FunctionName::parse(name).expect("a name");
        let first = HostName::parse("replaced").expect("a host");
        let domain = GatewaySpec::domain(Namespace::default_namespace(), name.clone(), first, name);
        let spec = GatewaySpec {
            hosts: hosts.iter().map(|h| HostName::parse(h).expect("a host")).collect(),
            lock: Lock::Basic {
                user: "u".to_owned(),
                password: SecretText::new("hunter2".to_owned()),
            },
            labels: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            ..domain
        };
        Gateway {
            spec,
            created_at: at(1),
            updated_at: at(2),
        }
    }

    #[tokio::test]
    async fn gateways_come_back_as_they_were_written() {
        let (_directory, store) = opened(8);
        let (a, b) = (gateway("a", &["z.example", "y.example"]), gateway("b", &[]));
        store.create_gateway(&a).await.expect("written");
        store.create_gateway(&b).await.expect("written");
        assert_eq!(store.list_gateways().await.expect("read"), [a.clone(), b.clone()]);
        let moved = gateway("a", &["x.example"]);
        assert!(store.update_gateway(&moved).await.expect("changed"));
        assert!(
            store
                .delete_gateway(&b.spec.namespace, &b.spec.name)
                .await
                .expect("gone")
        );
        assert!(!store.update_gateway(&b).await.expect("not there"));
        assert_eq!(store.list_gateways().await.expect("read"), [moved]);
    }

    #[tokio::test]
    async fn an_address_is_given_once_and_a_refused_change_changes_nothing() {
        let (_directory, store) = opened(8);
        let (a, b) = (gateway("a", &["a.example"]), gateway("b", &["b.example"]));
        store.create_gateway(&a).await.expect("written");
        store.create_gateway(&b).await.expect("written");
        let named = store.create_gateway(&gateway("a", &["c.example"])).await;
        assert!(
            matches!(
                named,
                Err(Error::Duplicate {
                    constraint: "gateway name"
                })
            ),
            "{named:?}"
        );
        let moved = store.update_gateway(&gateway("b", &["b.example", "a.example"])).await;
        assert!(
            matches!(
                moved,
                Err(Error::Duplicate {
                    constraint: "host and path"
                })
            ),
            "{moved:?}"
        );
        assert_eq!(store.list_gateways().await.expect("read"), [a, b]);
    }
}
