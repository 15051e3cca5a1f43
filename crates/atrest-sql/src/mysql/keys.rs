//! The records of subjects' keys in `atrest_keys`, in the default database.

use atrest_engine::target::{KeyChange, Record, TargetError};
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use super::Shared;
use crate::quote::{Dialect, Sql};
use crate::transaction::{Failure, Tries};

const READING: &str = "reading atrest_keys";
const WRITING: &str = "writing atrest_keys";

/// Records of one statement at most.
const PIECE: usize = 1000;

/// Whether the table exists.
async fn is_there(shared: &Shared) -> Result<bool, TargetError> {
    let there: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'atrest_keys'",
    )
    .fetch_one(&shared.pool)
    .await
    .map_err(|e| shared.error("looking for atrest_keys", e))?;
    Ok(there > 0)
}

/// Makes the table. Two runs may do it at once: the loser of that race finds it
/// there.
pub(super) async fn create(shared: &Shared) -> Result<(), TargetError> {
    let made = sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS atrest_keys (name VARCHAR(255) NOT NULL PRIMARY KEY, body LONGTEXT NOT NULL, \
         mac VARCHAR(255) NOT NULL) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    )
    .execute(&shared.pool)
    .await;
    match made {
        Ok(_) => Ok(()),
        Err(_) if is_there(shared).await? => Ok(()),
        Err(e) => Err(shared.error(
            "CREATE on the default database, for the table atrest_keys",
            e,
        )),
    }
}

fn records(shared: &Shared, rows: Vec<MySqlRow>) -> Result<Vec<Record>, TargetError> {
    let fail = |e| shared.error(READING, e);
    let record = |row: MySqlRow| {
        Ok(Record {
            name: row.try_get(0).map_err(fail)?,
            body: row.try_get(1).map_err(fail)?,
            mac: row.try_get(2).map_err(fail)?,
        })
    };
    rows.into_iter().map(record).collect()
}

/// `(?, ?, ?)`, as often as there are `rows`.
fn tuples(mut sql: Sql, rows: usize, each: usize) -> Sql {
    for row in 0..rows {
        sql = sql.add(if row > 0 { ", (" } else { "(" });
        for i in 0..each {
            sql = if i > 0 { sql.add(", ") } else { sql };
            sql = sql.param();
        }
        sql = sql.add(")");
    }
    sql
}

/// The records with these names, in no order; `None` without the table.
pub(super) async fn read(
    shared: &Shared,
    names: &[String],
) -> Result<Option<Vec<Record>>, TargetError> {
    if !is_there(shared).await? {
        return Ok(None);
    }
    let mut all = Vec::with_capacity(names.len());
    for piece in names.chunks(PIECE) {
        let sql =
            Sql::new(Dialect::Mysql).add("SELECT name, body, mac FROM atrest_keys WHERE name IN ");
        let sql = tuples(sql, 1, piece.len()).build();
        let query = piece
            .iter()
            .fold(sqlx::query(sql), |query, name| query.bind(name));
        let rows = query
            .fetch_all(&shared.pool)
            .await
            .map_err(|e| shared.error(READING, e))?;
        all.extend(records(shared, rows)?);
    }
    Ok(Some(all))
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
    let rows =
        sqlx::query("SELECT name, body, mac FROM atrest_keys WHERE name > ? ORDER BY name LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&shared.pool)
            .await
            .map_err(|e| shared.error(READING, e))?;
    records(shared, rows)
}

/// Adds the records whose names are not there yet.
pub(super) async fn add(shared: &Shared, new: &[Record]) -> Result<(), TargetError> {
    for piece in new.chunks(PIECE) {
        let mut tries = Tries::default();
        loop {
            // The update changes nothing; unlike IGNORE it hides no other error.
            let sql =
                Sql::new(Dialect::Mysql).add("INSERT INTO atrest_keys (name, body, mac) VALUES ");
            let sql = tuples(sql, piece.len(), 3)
                .add(" ON DUPLICATE KEY UPDATE name = atrest_keys.name")
                .build();
            let query = piece.iter().fold(sqlx::query(sql), |query, record| {
                query
                    .bind(&record.name)
                    .bind(&record.body)
                    .bind(&record.mac)
            });
            match query.execute(&shared.pool).await {
                Ok(_) => break,
                Err(e) => tries.again(&shared.place, WRITING, e.into()).await?,
            }
        }
    }
    Ok(())
}

/// Compare-and-swap of all `changes` in one transaction.
pub(super) async fn change(shared: &Shared, changes: &[KeyChange]) -> Result<(), TargetError> {
    let mut tries = Tries::default();
    while let Err(failure) = attempt(shared, changes).await {
        tries.again(&shared.place, WRITING, failure).await?;
    }
    Ok(())
}

async fn attempt(shared: &Shared, changes: &[KeyChange]) -> Result<(), Failure> {
    let mut tx = shared.pool.begin().await?;
    for change in changes {
        let moved =
            sqlx::query("UPDATE atrest_keys SET body = ?, mac = ? WHERE name = ? AND mac = ?")
                .bind(&change.body)
                .bind(&change.mac)
                .bind(&change.name)
                .bind(&change.expected)
                .execute(&mut *tx)
                .await?;
        if moved.rows_affected() != 1 {
            let what = change.name.clone();
            return Err(TargetError::Busy { what }.into());
        }
    }
    Ok(tx.commit().await?)
}
