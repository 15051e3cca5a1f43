//! The records of subjects' keys in `atrest_keys`.

use atrest_engine::target::{KeyChange, Record, TargetError};
use rusqlite::params;

use super::Shared;

const READING: &str = "reading atrest_keys";
const WRITING: &str = "writing atrest_keys";

/// Whether the table exists.
async fn is_there(shared: &Shared) -> Result<bool, TargetError> {
    let there = shared
        .connections
        .number(
            READING,
            "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'atrest_keys'",
            [],
        )
        .await?;
    Ok(there > 0)
}

/// Makes the table.
pub(super) async fn create(shared: &Shared) -> Result<(), TargetError> {
    shared
        .connections
        .change("making the table atrest_keys", |connection| {
            Ok(connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS main.atrest_keys (\
                 name TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, mac TEXT NOT NULL) WITHOUT ROWID",
            )?)
        })
        .await
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        name: row.get(0)?,
        body: row.get(1)?,
        mac: row.get(2)?,
    })
}

/// The records with these names, in no order; `None` without the table.
pub(super) async fn read(
    shared: &Shared,
    names: &[String],
) -> Result<Option<Vec<Record>>, TargetError> {
    if !is_there(shared).await? {
        return Ok(None);
    }
    let names = names.to_vec();
    shared
        .connections
        .read(READING, move |connection| {
            // One transaction: each statement of its own would take the file's locks.
            let snapshot = connection.unchecked_transaction()?;
            let mut one = snapshot
                .prepare_cached("SELECT name, body, mac FROM main.atrest_keys WHERE name = ?1")?;
            let mut all = Vec::with_capacity(names.len());
            for name in &names {
                let mut found = one.query(params![name])?;
                if let Some(row) = found.next()? {
                    all.push(record(row)?);
                }
            }
            drop(one);
            snapshot.finish()?;
            Ok(all)
        })
        .await
        .map(Some)
}

/// At most `limit` records after `after`, by name; none without the table.
pub(super) async fn page(
    shared: &Shared,
    after: &str,
    limit: u32,
) -> Result<Vec<Record>, TargetError> {
    if !is_there(shared).await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT name, body, mac FROM main.atrest_keys WHERE name > ?1 ORDER BY name LIMIT ?2";
    shared
        .connections
        .rows(READING, sql, (after.to_owned(), limit), |row| {
            Ok(record(row)?)
        })
        .await
}

/// Adds the records whose names are not there yet.
pub(super) async fn add(shared: &Shared, records: &[Record]) -> Result<(), TargetError> {
    let records = records.to_vec();
    shared
        .connections
        .change(WRITING, move |connection| {
            let mut one = connection.prepare_cached(
                "INSERT INTO main.atrest_keys (name, body, mac) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?;
            for Record { name, body, mac } in &records {
                one.execute(params![name, body, mac])?;
            }
            Ok(())
        })
        .await
}

/// Compare-and-swap of all `changes` in one transaction. What was there is
/// overwritten in the file, not only forgotten by it.
pub(super) async fn change(shared: &Shared, changes: &[KeyChange]) -> Result<(), TargetError> {
    let changes = changes.to_vec();
    shared
        .connections
        .change(WRITING, move |connection| {
            connection.pragma_update(None, "secure_delete", "ON")?;
            let mut one = connection.prepare_cached(
                "UPDATE main.atrest_keys SET body = ?2, mac = ?3 WHERE name = ?1 AND mac = ?4",
            )?;
            for change in &changes {
                let moved = one.execute(params![
                    change.name,
                    change.body,
                    change.mac,
                    change.expected
                ])?;
                if moved != 1 {
                    let what = change.name.clone();
                    return Err(TargetError::Busy { what }.into());
                }
            }
            Ok(())
        })
        .await
}
