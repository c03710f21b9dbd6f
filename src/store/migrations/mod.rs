//! Brings a database file to the shape this program knows. Forward only: a newer file is refused.
//!
//! Each step is one file and one transaction; the file's `user_version` says how many were made.

use super::Error;
use rusqlite::{Connection, TransactionBehavior};

const STEPS: [&str; 16] = [
    include_str!("0001_initial.sql"),
    include_str!("0002_images.sql"),
    include_str!("0003_cpu.sql"),
    include_str!("0004_versions.sql"),
    include_str!("0005_builds.sql"),
    include_str!("0006_jobs.sql"),
    include_str!("0007_tokens.sql"),
    include_str!("0008_removed_calls.sql"),
    include_str!("0009_ingress.sql"),
    include_str!("0010_intake.sql"),
    include_str!("0011_retries.sql"),
    include_str!("0012_callbacks.sql"),
    include_str!("0013_start.sql"),
    include_str!("0014_secure.sql"),
    include_str!("0015_cors.sql"),
    include_str!("0016_base.sql"),
];

/// Checks the file's version and makes the steps that are missing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    migrate_to(connection, STEPS.len())
}

/// Refuses a file that a newer program wrote, before anything in it is touched.
pub(super) fn version(connection: &Connection) -> Result<usize, Error> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(Error::NewerDatabase { found, known });
    }
    Ok(usize::try_from(found).unwrap_or(usize::MAX))
}

fn migrate_to(connection: &mut Connection, last: usize) -> Result<(), Error> {
    let done = version(connection)?;
    for (number, step) in (1_u32..).zip(STEPS).take(last).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(connection: &Connection) -> Vec<(String, String)> {
        connection
            .prepare("select name, coalesce(sql, '') from sqlite_schema order by name")
            .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .expect("the schema is readable")
    }

    fn migrated_by_way_of(step: usize) -> Vec<(String, String)> {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate_to(&mut connection, step).expect("old");
        migrate(&mut connection).expect("new");
        migrate(&mut connection).expect("again");
        shape(&connection)
    }

    #[test]
    fn every_old_file_comes_to_the_shape_of_a_new_one() {
        let clean = migrated_by_way_of(STEPS.len());
        assert!(clean.len() > 10);
        for old in 0..STEPS.len() {
            assert_eq!(migrated_by_way_of(old), clean, "from {old}");
        }
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection.pragma_update(None, "user_version", 99).expect("set");
        let error = migrate(&mut connection).expect_err("refused");
        assert!(matches!(error, Error::NewerDatabase { found: 99, .. }));
        assert!(shape(&connection).is_empty());
    }
}
