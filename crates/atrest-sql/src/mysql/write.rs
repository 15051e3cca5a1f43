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
use sqlx::{Connection as _, MySqlConnection, SqlStr};

use super::catalog::{ColumnInfo, KeyKind, TableInfo};
use super::page::{bound_key, value_sql};
use super::value::Args;
use super::{Shared, journal};
use crate::changes::{bytes_of, pieces};
use crate::key::whole;
use crate::quote::{Dialect, Sql};
use crate::transaction::{Failure, Tries};

/// Rows of one statement.
const SIZES: [usize; 4] = [1, 8, 64, 512];

/// Bytes of values in one statement at most, unless it is a single row.
const BYTES: u64 = 8 << 20;

/// One transaction: the rows, then the journal. Run again, a bounded number of
/// times, when it was a deadlock's victim.
pub(super) async fn write(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    changes: &[Change],
    journal: &[JournalChange],
) -> Result<u64, TargetError> {
    let mut tries = Tries::default();
    loop {
        match attempt(shared, table, column, changes, journal).await {
            Ok(changed) => return Ok(changed),
            Err(failure) => {
                let doing = format!("changing {}", table.shown);
                tries.again(&shared.place, doing, failure).await?;
            }
        }
    }
}

async fn attempt(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    changes: &[Change],
    journal: &[JournalChange],
) -> Result<u64, Failure> {
    let mut turn = shared.turns.take(&shared.pool).await?;
    let mut tx = turn.begin().await?;
    let mut changed = 0;
    for null in [false, true] {
        let group: Vec<&Change> = changes
            .iter()
            .filter(|c| (c.old == Value::Null) == null)
            .collect();
        for piece in pieces(&group, SIZES[SIZES.len() - 1], BYTES.min(shared.packet / 2)) {
            changed += update(shared, &mut tx, table, column, piece, null).await?;
        }
    }
    journal::swap(&mut tx, journal).await?;
    tx.commit().await?;
    turn.end();
    Ok(changed)
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
        whole(table.key.len(), &row.key)?;
        for part in &row.key.0 {
            args.key(shared, part)?;
        }
        for value in [&row.old, &row.new] {
            args.bytes(shared, bytes_of(value)?)?;
        }
    }
    for _ in 0..(size - rows.len()) * (table.key.len() + 2) {
        args.bytes(shared, None)?;
    }
    let done = sqlx::query_with(statement(table, column, old_is_null, size), args.finish())
        .execute(connection)
        .await?;
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
