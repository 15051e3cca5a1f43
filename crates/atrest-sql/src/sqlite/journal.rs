//! The engine's journal in `atrest_journal`.

use atrest_engine::target::{JournalChange, JournalRecord, TargetError};
use sqlx::{Row as _, SqliteConnection};

use super::Shared;

/// All records, or `None` without the table.
pub(super) async fn read(shared: &Shared) -> Result<Option<Vec<JournalRecord>>, TargetError> {
    let fail = |e| shared.error("reading atrest_journal", e);
    let there: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'atrest_journal'",
    )
    .fetch_one(&shared.pool)
    .await
    .map_err(fail)?;
    if there == 0 {
        return Ok(None);
    }
    let rows = sqlx::query("SELECT name, body, mac FROM main.atrest_journal ORDER BY name")
        .fetch_all(&shared.pool)
        .await
        .map_err(fail)?;
    rows.into_iter()
        .map(|row| {
            Ok(JournalRecord {
                name: row.try_get(0).map_err(fail)?,
                body: row.try_get(1).map_err(fail)?,
                mac: row.try_get(2).map_err(fail)?,
            })
        })
        .collect::<Result<_, TargetError>>()
        .map(Some)
}

/// Makes the table.
pub(super) async fn create(shared: &Shared) -> Result<(), TargetError> {
    let _turn = shared.writer.lock().await;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS main.atrest_journal (\
         name TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, mac TEXT NOT NULL)",
    )
    .execute(&shared.pool)
    .await
    .map(drop)
    .map_err(|e| shared.error("making the table atrest_journal", e))
}

/// Compare-and-swap of all `changes` in a transaction of their own.
pub(super) async fn write(shared: &Shared, changes: &[JournalChange]) -> Result<(), TargetError> {
    let fail = |e| shared.error("writing atrest_journal", e);
    let _turn = shared.writer.lock().await;
    let mut tx = shared
        .pool
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(fail)?;
    swap(shared, &mut tx, changes).await?;
    tx.commit().await.map_err(fail)
}

/// Compare-and-swap inside a transaction; the caller rolls back on an error.
pub(super) async fn swap(
    shared: &Shared,
    connection: &mut SqliteConnection,
    changes: &[JournalChange],
) -> Result<(), TargetError> {
    for change in changes {
        let query = match (&change.expected, &change.record) {
            (None, Some((body, mac))) => sqlx::query(
                "INSERT INTO main.atrest_journal (name, body, mac) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )
            .bind(change.name.clone())
            .bind(body.clone())
            .bind(mac.clone()),
            (Some(expected), Some((body, mac))) => {
                sqlx::query("UPDATE main.atrest_journal SET body = ?2, mac = ?3 WHERE name = ?1 AND mac = ?4")
                    .bind(change.name.clone())
                    .bind(body.clone())
                    .bind(mac.clone())
                    .bind(expected.clone())
            }
            (Some(expected), None) => sqlx::query("DELETE FROM main.atrest_journal WHERE name = ?1 AND mac = ?2")
                .bind(change.name.clone())
                .bind(expected.clone()),
            (None, None) => {
                let there: i64 = sqlx::query_scalar("SELECT count(*) FROM main.atrest_journal WHERE name = ?1")
                    .bind(change.name.clone())
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(|e| shared.error("reading atrest_journal", e))?;
                if there > 0 {
                    return Err(TargetError::Busy { what: change.name.clone() });
                }
                continue;
            }
        };
        let done = query
            .execute(&mut *connection)
            .await
            .map_err(|e| shared.error("writing atrest_journal", e))?;
        if done.rows_affected() != 1 {
            return Err(TargetError::Busy {
                what: change.name.clone(),
            });
        }
    }
    Ok(())
}

/// Drops the table.
pub(super) async fn remove(shared: &Shared) -> Result<(), TargetError> {
    let _turn = shared.writer.lock().await;
    sqlx::raw_sql("DROP TABLE IF EXISTS main.atrest_journal")
        .execute(&shared.pool)
        .await
        .map(drop)
        .map_err(|e| shared.error("dropping the table atrest_journal", e))
}
