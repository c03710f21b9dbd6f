//! Who this data directory is: one identity, made when it is first opened and kept for ever.

use super::{Error, Store, row};
use crate::domain::InstanceId;
use rusqlite::{Connection, named_params};

impl Store {
    /// The identity of this data directory; containers, images and networks carry it.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.inner.instance
    }
}

pub(super) fn find_or_make(connection: &Connection) -> Result<InstanceId, Error> {
    connection.execute(
        "insert into instance (only, id) values (1, :id) on conflict do nothing",
        named_params! {":id": InstanceId::generate().as_bytes()},
    )?;
    let sql = "select id from instance where only = 1";
    Ok(connection.query_row(sql, [], |r| row::id(r, "id", InstanceId::from_bytes))?)
}
