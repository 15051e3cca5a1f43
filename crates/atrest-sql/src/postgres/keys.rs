//! The records of subjects' keys in `atrest_keys`, in the default schema.

use atrest_engine::target::{KeyChange, Record, TargetError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::Shared;
use crate::transaction::{Failure, Tries};

const READING: &str = "reading atrest_keys";
const WRITING: &str = "writing atrest_keys";

/// Whether the table exists.
async fn is_there(shared: &Shared) -> Result<bool, TargetError> {
    sqlx::query_scalar("SELECT to_regclass('atrest_keys') IS NOT NULL")
        .fetch_one(&shared.pool)
        .await
        .map_err(|e| shared.error("looking for atrest_keys", e))
}

/// Makes the table. Two runs may do it at once: the loser of that race finds it
/// there.
pub(super) async fn create(shared: &Shared) -> Result<(), TargetError> {
    let made = sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS atrest_keys (\
         name text COLLATE \"C\" NOT NULL PRIMARY KEY, body text NOT NULL, mac text NOT NULL)",
    )
    .execute(&shared.pool)
    .await;
    match made {
        Ok(_) => Ok(()),
        Err(_) if is_there(shared).await? => Ok(()),
        Err(e) => Err(shared.error("CREATE on the default schema, for the table atrest_keys", e)),
    }
}

fn records(shared: &Shared, rows: Vec<PgRow>) -> Result<Vec<Record>, TargetError> {
    let fail = |e| shared.error(READING, e);
    let record = |row: PgRow| {
        Ok(Record {
            name: row.try_get(0).map_err(fail)?,
            body: row.try_get(1).map_err(fail)?,
            mac: row.try_get(2).map_err(fail)?,
        })
    };
    rows.into_iter().map(record).collect()
}

/// The records with these names, in no order; `None` without the table.
pub(super) async fn read(
    shared: &Shared,
    names: &[String],
) -> Result<Option<Vec<Record>>, TargetError> {
    if !is_there(shared).await? {
        return Ok(None);
    }
    let rows = sqlx::query("SELECT name, body, mac FROM atrest_keys WHERE name = ANY ($1)")
        .bind(names)
        .fetch_all(&shared.pool)
        .await
        .map_err(|e| shared.error(READING, e))?;
    records(shared, rows).map(Some)
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
    let rows = sqlx::query(
        "SELECT name, body, mac FROM atrest_keys WHERE name > $1 ORDER BY name LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(&shared.pool)
    .await
    .map_err(|e| shared.error(READING, e))?;
    records(shared, rows)
}

/// Adds the records whose names are not there yet.
pub(super) async fn add(shared: &Shared, new: &[Record]) -> Result<(), TargetError> {
    let column = |of: fn(&Record) -> &String| new.iter().map(of).cloned().collect::<Vec<_>>();
    let (names, bodies, macs) = (column(|r| &r.name), column(|r| &r.body), column(|r| &r.mac));
    let mut tries = Tries::default();
    loop {
        let added = sqlx::query(
            "INSERT INTO atrest_keys (name, body, mac) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(&names)
        .bind(&bodies)
        .bind(&macs)
        .execute(&shared.pool)
        .await;
        match added {
            Ok(_) => return Ok(()),
            Err(e) => tries.again(&shared.place, WRITING, e.into()).await?,
        }
    }
}

/// Compare-and-swap of all `changes` in one transaction. What was there is then
/// vacuumed away, where the role may.
pub(super) async fn change(shared: &Shared, changes: &[KeyChange]) -> Result<(), TargetError> {
    let mut tries = Tries::default();
    while let Err(failure) = attempt(shared, changes).await {
        tries.again(&shared.place, WRITING, failure).await?;
    }
    // A table of one's own may be vacuumed; another's gives a warning.
    let _ = sqlx::raw_sql("VACUUM atrest_keys")
        .execute(&shared.pool)
        .await;
    Ok(())
}

async fn attempt(shared: &Shared, changes: &[KeyChange]) -> Result<(), Failure> {
    let mut tx = shared.pool.begin().await?;
    for change in changes {
        let moved =
            sqlx::query("UPDATE atrest_keys SET body = $2, mac = $3 WHERE name = $1 AND mac = $4")
                .bind(&change.name)
                .bind(&change.body)
                .bind(&change.mac)
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
