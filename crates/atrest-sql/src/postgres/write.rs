//! The set-based compare-and-swap.
//!
//! ```text
//! UPDATE t AS atrest_t SET c = atrest_v.new
//!   FROM (SELECT unnest($1::int8[]), unnest($2::text[]), unnest($3::text[])) AS atrest_v(k1, old, new)
//!  WHERE atrest_t.k = atrest_v.k1
//!    AND atrest_t.c::text COLLATE "C" = atrest_v.old COLLATE "C"
//! ```
//!
//! The arrays are unnested in a select list, row by row: `FROM unnest(…)` would first
//! copy all of them into a store of the executor's.
//!
//! The old value is compared as text in the C collation: byte for byte, also
//! where the column's own collation or type (citext) calls more things equal.
//! The new one is assigned, not cast, to a string type, because a cast would cut
//! what is too long and an assignment refuses it.

use std::sync::atomic::Ordering;

use atrest_engine::target::{Change, JournalChange, TargetError, Value};
use sqlx::{Connection as _, PgConnection, SqlStr};

use super::catalog::{ColumnInfo, KeyKind, TableInfo};
use super::value::{Args, Element, element_bytes};
use super::{Shared, journal};
use crate::changes::{bytes_of, pieces, size};
use crate::key::whole;
use crate::quote::{Dialect, Sql};
use crate::transaction::{Failure, Tries};

/// Bytes of values in one statement at most, unless it is a single row. The server copies a
/// statement's arrays several times over: where they stay in its caches, a run takes 5 % less
/// time than with a page's megabyte in one statement.
const BYTES: u64 = 128 << 10;

/// A page does not wait for the disk. The rows and the cursor that says that they
/// are done become durable together or not at all, originals are in the backup
/// before, and the journal's last change, which ends a run, does wait: the
/// write-ahead log reaches the disk in order, so everything before it is there.
///
/// The plan is the generic one: rows by the key's index, whatever the arrays hold.
/// A custom one is made anew for every page, and copies the arrays for it.
const BEGIN_PAGE: &str =
    "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL plan_cache_mode = 'force_generic_plan'";

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
    let begin = if journal.is_empty() {
        "BEGIN"
    } else {
        BEGIN_PAGE
    };
    let mut turn = shared.turns.take(&shared.pool).await?;
    let mut tx = turn.begin_with(begin).await?;
    let mut changed = 0;
    for null in [false, true] {
        let group: Vec<&Change> = changes
            .iter()
            .filter(|c| (c.old == Value::Null) == null)
            .collect();
        for piece in pieces(&group, usize::MAX, BYTES) {
            changed += update(shared, &mut tx, table, column, piece, null).await?;
        }
    }
    journal::swap(&mut tx, journal).await?;
    tx.commit().await?;
    turn.end();
    if !journal.is_empty() {
        shared.ids.fetch_add(1, Ordering::Relaxed);
    }
    Ok(changed)
}

async fn update(
    shared: &Shared,
    connection: &mut PgConnection,
    table: &TableInfo,
    column: &ColumnInfo,
    rows: &[&Change],
    old_is_null: bool,
) -> Result<u64, Failure> {
    for row in rows {
        whole(table.key.len(), &row.key)?;
    }
    let mut args = Args::default();
    let bytes: u64 = rows.iter().map(|row| size(row)).sum();
    let bytes = usize::try_from(bytes).unwrap_or_default();
    let keys = 16 * rows.len() * table.key.len();
    args.reserve(table.key.len() + 2, bytes + 8 * rows.len() + keys);
    for (i, part) in table.key.iter().enumerate() {
        let keys: Vec<Vec<u8>> = rows
            .iter()
            .map(|row| row.key.0.get(i).map(|key| element_bytes(part.kind, key)))
            .map(Option::unwrap_or_default)
            .collect();
        let keys: Vec<Option<&[u8]>> = keys.iter().map(|k| Some(k.as_slice())).collect();
        args.array(shared, key_element(part.kind), &keys)?;
    }
    let value = value_element(column);
    let old = rows
        .iter()
        .map(|row| bytes_of(&row.old))
        .collect::<Result<Vec<_>, _>>()?;
    args.array(shared, value, &old)?;
    let new = rows
        .iter()
        .map(|row| bytes_of(&row.new))
        .collect::<Result<Vec<_>, _>>()?;
    args.array(shared, value, &new)?;
    let done = sqlx::query_with(statement(table, column, old_is_null), args.finish())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

fn key_element(kind: KeyKind) -> Element {
    match kind {
        KeyKind::Integer => Element::Integer,
        KeyKind::Bytes => Element::Bytes,
        KeyKind::Text => Element::Text,
    }
}

fn value_element(column: &ColumnInfo) -> Element {
    if column.is_bytes() {
        Element::Bytes
    } else {
        Element::Text
    }
}

fn statement(table: &TableInfo, column: &ColumnInfo, old_is_null: bool) -> SqlStr {
    let array =
        |sql: Sql, element: Element| sql.add("unnest(").param().add(element.array()).add(")");
    let mut sql = Sql::new(Dialect::Postgres)
        .add("UPDATE ")
        .table(&table.full)
        .add(" AS atrest_t SET ");
    sql = sql.ident(&column.name).add(" = atrest_v.new");
    if !column.is_string() && !column.is_bytes() {
        sql = sql.add("::").catalog(&column.type_name);
    }
    sql = sql.add(" FROM (SELECT ");
    for part in &table.key {
        sql = array(sql, key_element(part.kind)).add(", ");
    }
    let value = value_element(column);
    sql = array(array(sql, value).add(", "), value).add(") AS atrest_v(");
    for i in 0..table.key.len() {
        sql = sql.add("k").number(i as i64 + 1).add(", ");
    }
    sql = sql.add("old, new) WHERE ");
    for (i, part) in table.key.iter().enumerate() {
        sql = sql
            .add("atrest_t.")
            .ident(&part.name)
            .add(" = atrest_v.k")
            .number(i as i64 + 1);
        sql = match part.kind {
            // Integers of all widths compare with each other, by the index too.
            KeyKind::Bytes | KeyKind::Integer => sql,
            KeyKind::Text => sql.add("::").catalog(&part.type_name),
        };
        sql = sql.add(" AND ");
    }
    sql = sql.add("atrest_t.").ident(&column.name);
    sql = match (old_is_null, column.is_bytes()) {
        (true, _) => sql.add(" IS NULL"),
        (false, true) => sql.add(" = atrest_v.old"),
        (false, false) => sql.add("::text COLLATE \"C\" = atrest_v.old COLLATE \"C\""),
    };
    sql.build()
}
