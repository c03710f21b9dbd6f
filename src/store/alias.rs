//! Aliases: their SQL and their rows. That what they lead to exists is held by the table itself.

use super::{Error, Store, row};
use crate::domain::{Alias, AliasName, Canary, FunctionId, Namespace, Pointer, Share, VersionNumber};
use rusqlite::{Connection, Row, named_params};

const COLUMNS: &str = "namespace, name, function, version, canary_version, canary_percent, description,
    created_at_ms, updated_at_ms";

impl Store {
    /// Writes a new alias down.
    ///
    /// # Errors
    /// `Duplicate` when the namespace has one of that name, `NotFound` when its function or a version is not there.
    pub async fn create_alias(&self, alias: &Alias) -> Result<(), Error> {
        let alias = alias.clone();
        self.write("create an alias", move |c| {
            let sql = "insert into alias (namespace, name, function, version, canary_version, canary_percent,
                           description, created_at_ms, updated_at_ms)
                       values (:namespace, :name, :function, :version, :canary_version, :canary_percent,
                           :description, :created_at, :updated_at)";
            write(c, sql, &alias).map(drop)
        })
        .await
    }

    /// Writes an alias as it is now; `false` when there is none of that name.
    ///
    /// # Errors
    /// `NotFound` when its function or a version is not there.
    pub async fn update_alias(&self, alias: &Alias) -> Result<bool, Error> {
        let alias = alias.clone();
        self.write("change an alias", move |c| {
            let sql = "update alias set function = :function, version = :version,
                           canary_version = :canary_version, canary_percent = :canary_percent,
                           description = :description, created_at_ms = :created_at, updated_at_ms = :updated_at
                       where namespace = :namespace and name = :name";
            Ok(write(c, sql, &alias)? > 0)
        })
        .await
    }

    /// The alias of that name, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn alias(&self, namespace: &Namespace, name: &AliasName) -> Result<Option<Alias>, Error> {
        let (namespace, name) = (namespace.clone(), name.clone());
        let sql = format!("select {COLUMNS} from alias where namespace = :namespace and name = :name");
        self.read("read an alias", move |c| {
            let key = named_params! {":namespace": namespace.as_str(), ":name": name.as_str()};
            row::maybe(c, &sql, key, read)
        })
        .await
    }

    /// Aliases of a namespace and a function, or of all. Order: namespace, then name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_aliases(
        &self,
        namespace: Option<&Namespace>,
        function: Option<FunctionId>,
    ) -> Result<Vec<Alias>, Error> {
        let namespace = namespace.map(|n| n.as_str().to_owned());
        let sql = format!(
            "select {COLUMNS} from alias
             where namespace = coalesce(:namespace, namespace) and function = coalesce(:function, function)
             order by namespace, name"
        );
        self.read("list aliases", move |c| {
            let filter =
                named_params! {":namespace": namespace, ":function": function.as_ref().map(FunctionId::as_bytes)};
            row::all(c, &sql, filter, read)
        })
        .await
    }

    /// Removes an alias; `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_alias(&self, namespace: &Namespace, name: &AliasName) -> Result<bool, Error> {
        let (namespace, name) = (namespace.clone(), name.clone());
        self.write("delete an alias", move |c| {
            let sql = "delete from alias where namespace = :namespace and name = :name";
            let key = named_params! {":namespace": namespace.as_str(), ":name": name.as_str()};
            Ok(row::change(c, sql, key)? > 0)
        })
        .await
    }
}

fn write(c: &Connection, sql: &str, alias: &Alias) -> Result<usize, Error> {
    let canary = alias.canary;
    let params = named_params! {
        ":namespace": alias.namespace.as_str(),
        ":name": alias.name.as_str(),
        ":function": alias.function.as_bytes(),
        ":version": column(alias.pointer),
        ":canary_version": canary.and_then(|c| column(c.pointer)),
        ":canary_percent": canary.map(|c| c.share.percent()),
        ":description": alias.description,
        ":created_at": alias.created_at.as_millis(),
        ":updated_at": alias.updated_at.as_millis(),
    };
    Ok(row::change(c, sql, params)?)
}

fn column(pointer: Pointer) -> Option<u32> {
    match pointer {
        Pointer::Latest => None,
        Pointer::Version(number) => Some(number.get()),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Alias> {
    Ok(Alias {
        namespace: row::checked(row, "namespace", |t: String| Namespace::parse(&t))?,
        name: row::checked(row, "name", |t: String| AliasName::parse(&t))?,
        function: row::id(row, "function", FunctionId::from_bytes)?,
        pointer: pointer(row, "version")?,
        canary: canary(row)?,
        description: row.get("description")?,
        created_at: row::time(row, "created_at_ms")?,
        updated_at: row::time(row, "updated_at_ms")?,
    })
}

fn pointer(row: &Row<'_>, column: &str) -> rusqlite::Result<Pointer> {
    row::checked(row, column, |number: Option<u32>| {
        number.map_or(Ok(Pointer::Latest), |n| VersionNumber::new(n).map(Pointer::Version))
    })
}

fn canary(row: &Row<'_>) -> rusqlite::Result<Option<Canary>> {
    let share = row::checked(row, "canary_percent", |percent: Option<u8>| {
        percent.map(Share::from_percent).transpose()
    })?;
    let pointer = pointer(row, "canary_version")?;
    Ok(share.map(|share| Canary { pointer, share }))
}
