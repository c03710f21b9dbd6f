//! Published versions: their SQL and their rows. What still leads to one keeps it.

use super::{Error, Store, row};
use crate::domain::{FunctionId, RevisionId, Timestamp, Version, VersionNumber};
use rusqlite::{Connection, Row, named_params};

const COLUMNS: &str = "function, number, revision, description, created_at_ms";

impl Store {
    /// Publishes a revision under the next number of its function. Returns it, and the version published before it.
    ///
    /// # Errors
    /// `NotFound` when the function or the revision is gone.
    pub async fn publish(
        &self,
        function: FunctionId,
        revision: RevisionId,
        description: String,
        now: Timestamp,
    ) -> Result<(Version, Option<Version>), Error> {
        self.write("publish a version", move |c| {
            let version = Version {
                function,
                number: next_number(c, function)?,
                revision,
                description,
                created_at: now,
            };
            let before = list(c, function)?.pop();
            insert(c, &version)?;
            Ok((version, before))
        })
        .await
    }

    /// A function's versions. Order: by number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_versions(&self, function: FunctionId) -> Result<Vec<Version>, Error> {
        self.read("list versions", move |c| list(c, function)).await
    }

    /// The version of that number, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn version(&self, function: FunctionId, number: VersionNumber) -> Result<Option<Version>, Error> {
        let sql = format!("select {COLUMNS} from version where function = :function and number = :number");
        self.read("read a version", move |c| {
            row::maybe(
                c,
                &sql,
                named_params! {":function": function.as_bytes(), ":number": number.get()},
                read,
            )
        })
        .await
    }

    /// Whether the revision has been published, under any number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_published(&self, revision: RevisionId) -> Result<bool, Error> {
        self.read("look for versions", move |c| {
            let sql = "select 1 from version where revision = :revision limit 1";
            let found = row::maybe(c, sql, named_params! {":revision": revision.as_bytes()}, |_| Ok(()))?;
            Ok(found.is_some())
        })
        .await
    }

    /// Removes a version; its number is not given again, its revision stays. `None` when there was none.
    ///
    /// # Errors
    /// `InUse` while an alias, a webhook, or a job that is not over leads to it.
    pub async fn delete_version(&self, function: FunctionId, number: VersionNumber) -> Result<Option<Version>, Error> {
        self.write("delete a version", move |c| {
            if let Some(by) = users(c, function, number)?.into_iter().next() {
                let what = format!("version {number}");
                return Err(Error::InUse { what, by });
            }
            let sql =
                format!("delete from version where function = :function and number = :number returning {COLUMNS}");
            let key = named_params! {":function": function.as_bytes(), ":number": number.get()};
            Ok(row::maybe(c, &sql, key, read)?)
        })
        .await
    }
}

fn next_number(c: &Connection, function: FunctionId) -> Result<VersionNumber, Error> {
    let sql = "update function set last_version = last_version + 1 where id = :id returning last_version";
    let number = row::maybe(c, sql, named_params! {":id": function.as_bytes()}, |r| {
        row::checked(r, "last_version", VersionNumber::new)
    })?;
    number.ok_or_else(|| Error::not_found("function", function))
}

fn insert(c: &Connection, version: &Version) -> rusqlite::Result<()> {
    let sql = "insert into version (function, number, revision, description, created_at_ms)
               values (:function, :number, :revision, :description, :created_at)";
    let params = named_params! {
        ":function": version.function.as_bytes(),
        ":number": version.number.get(),
        ":revision": version.revision.as_bytes(),
        ":description": version.description,
        ":created_at": version.created_at.as_millis(),
    };
    row::change(c, sql, params).map(drop)
}

fn list(c: &Connection, function: FunctionId) -> rusqlite::Result<Vec<Version>> {
    let sql = format!("select {COLUMNS} from version where function = :function order by number");
    row::all(c, &sql, named_params! {":function": function.as_bytes()}, read)
}

/// What leads to a version, in words. Order: aliases first.
fn users(c: &Connection, function: FunctionId, number: VersionNumber) -> rusqlite::Result<Vec<String>> {
    let sql = "select 'alias `' || name || '`' as user from alias
               where function = :function and (version = :number or canary_version = :number)
               union all
               select 'a webhook (' || case description when '' then 'without description' else description end || ')'
               from webhook where function = :function and selector = 'version:' || :number
               union all
               select 'job `' || name || '`' from job
               where function = :function and selector = 'version:' || :number and state in ('active', 'paused')";
    let key = named_params! {":function": function.as_bytes(), ":number": number.get()};
    row::all(c, sql, key, |r| r.get("user"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        function: row::id(row, "function", FunctionId::from_bytes)?,
        number: row::checked(row, "number", VersionNumber::new)?,
        revision: row::id(row, "revision", RevisionId::from_bytes)?,
        description: row.get("description")?,
        created_at: row::time(row, "created_at_ms")?,
    })
}
