//! The engine's journal in `atrest_journal`, in the default database.

use atrest_engine::target::{JournalChange, Record, TargetError};
use sqlx::{MySqlConnection, Row as _};

use super::Shared;
use crate::transaction::{Failure, Tries, busy};

/// All records, or `None` without the table.
pub(super) async fn read(shared: &Shared) -> Result<Option<Vec<Record>>, TargetError> {
    let fail = |e| shared.error("reading atrest_journal", e);
    if !is_there(shared).await? {
        return Ok(None);
    }
    let rows = sqlx::query("SELECT name, body, mac FROM atrest_journal ORDER BY name")
        .fetch_all(&shared.pool)
        .await
        .map_err(fail)?;
    rows.into_iter()
        .map(|row| {
            Ok(Record {
                name: row.try_get(0).map_err(fail)?,
                body: row.try_get(1).map_err(fail)?,
                mac: row.try_get(2).map_err(fail)?,
            })
        })
        .collect::<Result<_, TargetError>>()
        .map(Some)
}

/// Whether the table exists.
pub(super) async fn is_there(shared: &Shared) -> Result<bool, TargetError> {
    let there: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'atrest_journal'",
    )
    .fetch_one(&shared.pool)
    .await
    .map_err(|e| shared.error("looking for atrest_journal", e))?;
    Ok(there > 0)
}

/// Makes the table. Two runs may do it at once: the loser of that race finds it
/// there.
pub(super) async fn create(shared: &Shared) -> Result<(), TargetError> {
    let made = sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS atrest_journal (name VARCHAR(700) NOT NULL PRIMARY KEY, body LONGTEXT NOT NULL, \
         mac VARCHAR(255) NOT NULL) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    )
    .execute(&shared.pool)
    .await;
    match made {
        Ok(_) => Ok(()),
        Err(_) if is_there(shared).await? => Ok(()),
        Err(e) => Err(shared.error(
            "CREATE on the default database, for the table atrest_journal",
            e,
        )),
    }
}

/// Compare-and-swap of all `changes` in a transaction of their own.
pub(super) async fn write(shared: &Shared, changes: &[JournalChange]) -> Result<(), TargetError> {
    let mut tries = Tries::default();
    while let Err(failure) = attempt(shared, changes).await {
        let doing = "writing atrest_journal";
        tries.again(&shared.place, doing, failure).await?;
    }
    Ok(())
}

async fn attempt(shared: &Shared, changes: &[JournalChange]) -> Result<(), Failure> {
    let mut tx = shared.pool.begin().await?;
    swap(&mut tx, changes).await?;
    Ok(tx.commit().await?)
}

/// Compare-and-swap inside a transaction; on an error the caller rolls back.
pub(super) async fn swap(
    connection: &mut MySqlConnection,
    changes: &[JournalChange],
) -> Result<(), Failure> {
    for change in changes {
        let query = match (&change.expected, &change.record) {
            (None, Some((body, mac))) => {
                sqlx::query("INSERT INTO atrest_journal (name, body, mac) VALUES (?, ?, ?)")
                    .bind(&change.name)
                    .bind(body)
                    .bind(mac)
            }
            (Some(expected), Some((body, mac))) => sqlx::query(
                "UPDATE atrest_journal SET body = ?, mac = ? WHERE name = ? AND mac = ?",
            )
            .bind(body)
            .bind(mac)
            .bind(&change.name)
            .bind(expected),
            (Some(expected), None) => {
                sqlx::query("DELETE FROM atrest_journal WHERE name = ? AND mac = ?")
                    .bind(&change.name)
                    .bind(expected)
            }
            (None, None) => {
                let there: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM atrest_journal WHERE name = ?")
                        .bind(&change.name)
                        .fetch_one(&mut *connection)
                        .await?;
                if there > 0 {
                    return Err(busy(changes));
                }
                continue;
            }
        };
        match query.execute(&mut *connection).await {
            Ok(done) if done.rows_affected() == 1 => {}
            Ok(_) => return Err(busy(changes)),
            // Somebody else's record stands there.
            Err(sqlx::Error::Database(e)) if e.is_unique_violation() => return Err(busy(changes)),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Drops the table.
pub(super) async fn remove(shared: &Shared) -> Result<(), TargetError> {
    sqlx::raw_sql("DROP TABLE IF EXISTS atrest_journal")
        .execute(&shared.pool)
        .await
        .map(drop)
        .map_err(|e| shared.error("dropping the table atrest_journal", e))
}
