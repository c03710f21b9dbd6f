//! Functions: their SQL and their rows. Says nothing of what a function runs: that is a revision.

use super::annotations::{Annotation, Subject, attach};
use super::{Error, Store, job, row};
use crate::domain::{Function, FunctionId, FunctionName, Namespace, RevisionId, Timestamp};
use rusqlite::{Connection, Row, named_params};

const COLUMNS: &str = "id, namespace, name, current, created_at_ms, updated_at_ms";

/// Which functions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFilter {
    /// Of this namespace only.
    pub namespace: Option<Namespace>,
    /// So many are passed over.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

impl Default for FunctionFilter {
    /// All functions of all namespaces.
    fn default() -> Self {
        Self {
            namespace: None,
            offset: 0,
            limit: u32::MAX,
        }
    }
}

impl Store {
    /// Writes a new function down.
    ///
    /// # Errors
    /// `Duplicate` when the namespace has a function of that name.
    pub async fn create_function(&self, function: &Function) -> Result<(), Error> {
        let function = function.clone();
        self.write("create a function", move |c| Ok(insert(c, &function)?))
            .await
    }

    /// Writes a new function down that has no code yet, and what a dialect attaches to it.
    ///
    /// # Errors
    /// `Duplicate` when the namespace has a function of that name; nothing is there then.
    pub async fn declare_function(&self, function: &Function, annotation: Annotation) -> Result<(), Error> {
        let function = function.clone();
        self.write("declare a function", move |c| {
            insert(c, &function)?;
            Ok(attach(c, Subject::Function(function.id), &annotation)?)
        })
        .await
    }

    /// The function of that name, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_function(&self, namespace: &Namespace, name: &FunctionName) -> Result<Option<Function>, Error> {
        let (namespace, name) = (namespace.clone(), name.clone());
        let sql = format!("select {COLUMNS} from function where namespace = :namespace and name = :name");
        self.read("find a function", move |c| {
            let key = named_params! {":namespace": namespace.as_str(), ":name": name.as_str()};
            row::maybe(c, &sql, key, read)
        })
        .await
    }

    /// The function of that identity, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn function(&self, id: FunctionId) -> Result<Option<Function>, Error> {
        self.read("read a function", move |c| get(c, id)).await
    }

    /// A page of functions. Order: namespace, then name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_functions(&self, filter: FunctionFilter) -> Result<Vec<Function>, Error> {
        let sql = format!(
            "select {COLUMNS} from function where namespace = coalesce(:namespace, namespace)
             order by namespace, name limit :limit offset :offset"
        );
        self.read("list functions", move |c| {
            let namespace = filter.namespace.as_ref().map(Namespace::as_str);
            let page = named_params! {":namespace": namespace, ":limit": filter.limit, ":offset": filter.offset};
            row::all(c, &sql, page, read)
        })
        .await
    }

    /// Gives a function another name; `false` when there is no such function.
    ///
    /// # Errors
    /// `Duplicate` when the namespace has a function of that name.
    pub async fn rename_function(&self, id: FunctionId, name: &FunctionName, now: Timestamp) -> Result<bool, Error> {
        let name = name.clone();
        self.write("rename a function", move |c| {
            let sql = "update function set name = :name, updated_at_ms = :now where id = :id";
            let params = named_params! {":id": id.as_bytes(), ":name": name.as_str(), ":now": now.as_millis()};
            Ok(row::change(c, sql, params)? > 0)
        })
        .await
    }

    /// Removes a function with its revisions, executions and annotations; its jobs fail. `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is removed then.
    pub async fn delete_function(&self, id: FunctionId) -> Result<bool, Error> {
        self.write("delete a function", move |c| {
            job::function_gone(c, id)?;
            let sql = "delete from function where id = :id";
            Ok(row::change(c, sql, named_params! {":id": id.as_bytes()})? > 0)
        })
        .await
    }
}

/// Finds the function of that name or makes it; either way it counts as changed at `now`.
pub(super) fn find_or_create(
    connection: &Connection,
    namespace: &Namespace,
    name: &FunctionName,
    now: Timestamp,
) -> rusqlite::Result<Function> {
    let sql = format!(
        "insert into function (id, namespace, name, created_at_ms, updated_at_ms)
         values (:id, :namespace, :name, :now, :now)
         on conflict (namespace, name) do update set updated_at_ms = excluded.updated_at_ms
         returning {COLUMNS}"
    );
    connection.prepare_cached(&sql)?.query_row(
        named_params! {
            ":id": FunctionId::generate().as_bytes(),
            ":namespace": namespace.as_str(),
            ":name": name.as_str(),
            ":now": now.as_millis(),
        },
        read,
    )
}

pub(super) fn get(connection: &Connection, id: FunctionId) -> rusqlite::Result<Option<Function>> {
    let sql = format!("select {COLUMNS} from function where id = :id");
    row::maybe(connection, &sql, named_params! {":id": id.as_bytes()}, read)
}

pub(super) fn insert(connection: &Connection, function: &Function) -> rusqlite::Result<()> {
    let sql = "insert into function (id, namespace, name, current, created_at_ms, updated_at_ms)
               values (:id, :namespace, :name, :current, :created_at, :updated_at)";
    row::change(
        connection,
        sql,
        named_params! {
            ":id": function.id.as_bytes(),
            ":namespace": function.namespace.as_str(),
            ":name": function.name.as_str(),
            ":current": function.current.as_ref().map(RevisionId::as_bytes),
            ":created_at": function.created_at.as_millis(),
            ":updated_at": function.updated_at.as_millis(),
        },
    )
    .map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Function> {
    Ok(Function {
        id: row::id(row, "id", FunctionId::from_bytes)?,
        namespace: row::checked(row, "namespace", |t: String| Namespace::parse(&t))?,
        name: row::checked(row, "name", |t: String| FunctionName::parse(&t))?,
        current: row::maybe_id(row, "current", RevisionId::from_bytes)?,
        created_at: row::time(row, "created_at_ms")?,
        updated_at: row::time(row, "updated_at_ms")?,
    })
}
