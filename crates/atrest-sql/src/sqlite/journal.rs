//! The engine's journal in `atrest_journal`.

use atrest_engine::target::{JournalChange, Record, TargetError};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Shared;
use super::error::Failure;

const READING: &str = "reading atrest_journal";
const WRITING: &str = "writing atrest_journal";

/// All records, or `None` without the table.
pub(super) async fn read(shared: &Shared) -> Result<Option<Vec<Record>>, TargetError> {
    let there = shared
        .connections
        .number(
            READING,
            "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'atrest_journal'",
            [],
        )
        .await?;
    if there == 0 {
        return Ok(None);
    }
    let sql = "SELECT name, body, mac FROM main.atrest_journal ORDER BY name";
    shared
        .connections
        .rows(READING, sql, [], |row| {
            Ok(Record {
                name: row.get(0)?,
                body: row.get(1)?,
                mac: row.get(2)?,
            })
        })
        .await
        .map(Some)
}

/// Makes the table.
pub(super) async fn create(shared: &Shared) -> Result<(), TargetError> {
    shared
        .connections
        .change("making the table atrest_journal", |connection| {
            Ok(connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS main.atrest_journal (\
                 name TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, mac TEXT NOT NULL)",
            )?)
        })
        .await
}

/// Compare-and-swap of all `changes` in a transaction of their own.
pub(super) async fn write(shared: &Shared, changes: &[JournalChange]) -> Result<(), TargetError> {
    let changes = changes.to_vec();
    shared
        .connections
        .change(WRITING, move |connection| swap(connection, &changes))
        .await
}

/// Compare-and-swap inside a transaction; an error rolls it back.
pub(super) fn swap(connection: &Connection, changes: &[JournalChange]) -> Result<(), Failure> {
    for JournalChange {
        name,
        expected,
        record,
    } in changes
    {
        let moved = match (expected, record) {
            (None, Some((body, mac))) => connection
                .prepare_cached(
                    "INSERT INTO main.atrest_journal (name, body, mac) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                )?
                .execute(params![name, body, mac])?,
            (Some(expected), Some((body, mac))) => connection
                .prepare_cached(
                    "UPDATE main.atrest_journal SET body = ?2, mac = ?3 WHERE name = ?1 AND mac = ?4",
                )?
                .execute(params![name, body, mac, expected])?,
            (Some(expected), None) => connection
                .prepare_cached("DELETE FROM main.atrest_journal WHERE name = ?1 AND mac = ?2")?
                .execute(params![name, expected])?,
            (None, None) => {
                let there: Option<i64> = connection
                    .prepare_cached("SELECT 1 FROM main.atrest_journal WHERE name = ?1")?
                    .query_row(params![name], |row| row.get(0))
                    .optional()?;
                usize::from(there.is_none())
            }
        };
        if moved != 1 {
            return Err(TargetError::Busy { what: name.clone() }.into());
        }
    }
    Ok(())
}

/// Drops the table.
pub(super) async fn remove(shared: &Shared) -> Result<(), TargetError> {
    shared
        .connections
        .change("dropping the table atrest_journal", |connection| {
            Ok(connection.execute_batch("DROP TABLE IF EXISTS main.atrest_journal")?)
        })
        .await
}
