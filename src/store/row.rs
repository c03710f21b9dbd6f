//! From columns to the house's types, for every noun. No SQL here.

use crate::domain::Timestamp;
use rusqlite::types::{FromSql, Type};
use rusqlite::{OptionalExtension, Row};

type Result<T> = rusqlite::Result<T>;

pub(super) fn id<T>(row: &Row<'_>, column: &str, make: fn([u8; 16]) -> T) -> Result<T> {
    row.get(column).map(make)
}

pub(super) fn maybe_id<T>(row: &Row<'_>, column: &str, make: fn([u8; 16]) -> T) -> Result<Option<T>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(make))
}

pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

pub(super) fn maybe_time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// A column that has to pass a check to become what it stands for.
pub(super) fn checked<V: FromSql, T, E>(
    row: &Row<'_>,
    column: &str,
    check: impl FnOnce(V) -> std::result::Result<T, E>,
) -> Result<T>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let value: V = row.get(column)?;
    check(value).map_err(|e| bad(row, column, e))
}

/// The error of a column that holds what no program of ours wrote.
pub(super) fn bad(
    row: &Row<'_>,
    column: &str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.into())
}

/// One row or none.
pub(super) fn maybe<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

/// Every row.
pub(super) fn all<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// Runs one statement and says how many rows it changed.
pub(super) fn change(connection: &rusqlite::Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}
