//! The set-based compare-and-swap.
//!
//! ```text
//! UPDATE (SELECT ? AS k1, ? AS o, ? AS n UNION ALL SELECT ?, ?, ? …) AS atrest_v
//!   STRAIGHT_JOIN t AS atrest_t FORCE INDEX (PRIMARY) ON atrest_t.k = atrest_v.k1
//!    SET atrest_t.c = atrest_v.n, atrest_t.stamp = atrest_t.stamp
//!  WHERE CAST(atrest_t.c AS BINARY) = atrest_v.o
//! ```
//!
//! The old value is compared as the bytes that a read gives. Columns that would
//! change by themselves (`ON UPDATE CURRENT_TIMESTAMP`) are set to what they
//! are. The number of rows is one of few ([`SIZES`]), padded with NULL keys that
//! match nothing, so that every connection prepares few statements.

use atrest_engine::target::{Change, JournalChange, TargetError, Value};
use sqlx::{MySqlConnection, SqlStr};

use super::catalog::{ColumnInfo, KeyKind, TableInfo};
use super::page::{bound_key, value_sql};
use super::value::Args;
use super::{Shared, journal};
use crate::error::is_transient;
use crate::key::whole;
use crate::quote::{Dialect, Sql};
use crate::retry::{ATTEMPTS, pause};

/// Rows of one statement.
const SIZES: [usize; 4] = [1, 8, 64, 512];

/// Bytes of values in one statement at most, unless it is a single row.
const BYTES: u64 = 8 << 20;

/// Failed in the driver (perhaps worth another try), or for good.
enum Failure {
    Driver(sqlx::Error),
    Final(TargetError),
}

/// One transaction: the rows, then the journal. Run again, a bounded number of
/// times, when it was a deadlock's victim.
pub(super) async fn write(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    changes: &[Change],
    journal: &[JournalChange],
) -> Result<u64, TargetError> {
    let mut attempt = 0;
    loop {
        match attempt_once(shared, table, column, changes, journal).await {
            Ok(changed) => return Ok(changed),
            Err(Failure::Driver(e)) if attempt < ATTEMPTS && is_transient(&e) => {
                attempt += 1;
                tokio::time::sleep(pause(attempt)).await;
            }
            Err(Failure::Driver(e)) => {
                return Err(shared.error(format!("changing {}", table.shown), e));
            }
            Err(Failure::Final(e)) => return Err(e),
        }
    }
}

async fn attempt_once(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    changes: &[Change],
    journal: &[JournalChange],
) -> Result<u64, Failure> {
    let mut tx = shared.pool.begin().await.map_err(Failure::Driver)?;
    let mut changed = 0;
    for null in [false, true] {
        let group: Vec<&Change> = changes
            .iter()
            .filter(|c| (c.old == Value::Null) == null)
            .collect();
        for piece in pieces(&group, BYTES.min(shared.packet / 2)) {
            changed += update(shared, &mut tx, table, column, piece, null).await?;
        }
    }
    if !journal::swap(&mut tx, journal)
        .await
        .map_err(Failure::Driver)?
    {
        return Err(Failure::Final(journal::busy(journal)));
    }
    tx.commit().await.map_err(Failure::Driver)?;
    Ok(changed)
}

/// Cuts at `most` bytes and at the largest statement.
fn pieces<'a, 'c>(mut rows: &'a [&'c Change], most: u64) -> Vec<&'a [&'c Change]> {
    let mut out = Vec::new();
    while !rows.is_empty() {
        let mut bytes = 0;
        let n = rows
            .iter()
            .take(SIZES[SIZES.len() - 1])
            .take_while(|row| {
                bytes += size(&row.old) + size(&row.new);
                bytes <= most
            })
            .count()
            .max(1);
        let (piece, rest) = rows.split_at(n);
        out.push(piece);
        rows = rest;
    }
    out
}

fn size(value: &Value) -> u64 {
    match value {
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => v.len() as u64,
        Value::Null | Value::Deferred(_) => 0,
    }
}

fn bytes_of(value: &Value) -> Result<Option<&[u8]>, Failure> {
    match value {
        Value::Null => Ok(None),
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => Ok(Some(v)),
        Value::Deferred(_) => Err(Failure::Final(TargetError::Refused {
            what: "a value was to be changed that had not been read whole".to_owned(),
            next: "report this as an error of atrest".to_owned(),
        })),
    }
}

async fn update(
    shared: &Shared,
    connection: &mut MySqlConnection,
    table: &TableInfo,
    column: &ColumnInfo,
    rows: &[&Change],
    old_is_null: bool,
) -> Result<u64, Failure> {
    let size = SIZES
        .into_iter()
        .find(|size| *size >= rows.len())
        .unwrap_or(rows.len());
    let mut args = Args::default();
    for row in rows {
        whole(table.key.len(), &row.key).map_err(Failure::Final)?;
        for part in &row.key.0 {
            args.key(shared, part).map_err(Failure::Final)?;
        }
        for value in [&row.old, &row.new] {
            args.bytes(shared, bytes_of(value)?)
                .map_err(Failure::Final)?;
        }
    }
    for _ in 0..(size - rows.len()) * (table.key.len() + 2) {
        args.bytes(shared, None).map_err(Failure::Final)?;
    }
    let done = sqlx::query_with(statement(table, column, old_is_null, size), args.finish())
        .execute(connection)
        .await
        .map_err(Failure::Driver)?;
    Ok(done.rows_affected())
}

fn statement(table: &TableInfo, column: &ColumnInfo, old_is_null: bool, size: usize) -> SqlStr {
    let mut sql = Sql::new(Dialect::Mysql).add("UPDATE (");
    for row in 0..size {
        sql = sql.add(if row > 0 {
            " UNION ALL SELECT "
        } else {
            "SELECT "
        });
        for (i, part) in table.key.iter().enumerate() {
            sql = match part.kind {
                KeyKind::Bytes => sql.add("CAST(").param().add(" AS BINARY)"),
                KeyKind::Integer if part.unsigned => sql.add("CAST(").param().add(" AS UNSIGNED)"),
                KeyKind::Integer => sql.add("CAST(").param().add(" AS SIGNED)"),
                _ => bound_key(sql, part),
            };
            sql = if row > 0 {
                sql.add(", ")
            } else {
                sql.add(" AS k").number(i as i64 + 1).add(", ")
            };
        }
        sql = sql.param().add(if row > 0 { ", " } else { " AS o, " });
        sql = sql.param().add(if row > 0 { "" } else { " AS n" });
    }
    sql = sql
        .add(") AS atrest_v STRAIGHT_JOIN ")
        .table(&table.full)
        .add(" AS atrest_t FORCE INDEX (PRIMARY) ON ");
    for (i, part) in table.key.iter().enumerate() {
        sql = if i > 0 { sql.add(" AND ") } else { sql };
        sql = sql
            .add("atrest_t.")
            .ident(&part.name)
            .add(" = atrest_v.k")
            .number(i as i64 + 1);
        if let (KeyKind::Text, Some((_, collation))) = (part.kind, &part.charset) {
            sql = sql.add(" COLLATE ").catalog(collation);
        }
    }
    // A text comes as bytes of utf8mb4: said so, or it would be taken as bytes
    // of the column's own character set.
    sql = sql.add(" SET atrest_t.").ident(&column.name);
    sql = if column.is_bytes() {
        sql.add(" = atrest_v.n")
    } else {
        sql.add(" = CONVERT(atrest_v.n USING utf8mb4)")
    };
    for other in table
        .on_update
        .iter()
        .filter(|other| **other != column.name)
    {
        sql = sql
            .add(", atrest_t.")
            .ident(other)
            .add(" = atrest_t.")
            .ident(other);
    }
    sql = sql.add(" WHERE ");
    sql = if old_is_null {
        sql.add("atrest_t.").ident(&column.name).add(" IS NULL")
    } else if column.is_bytes() {
        sql.add("atrest_t.")
            .ident(&column.name)
            .add(" = atrest_v.o")
    } else {
        value_sql(sql, "atrest_t.", column).add(" = atrest_v.o")
    };
    sql.build()
}
