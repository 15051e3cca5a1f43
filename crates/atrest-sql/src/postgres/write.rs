//! The set-based compare-and-swap.
//!
//! ```text
//! UPDATE t AS atrest_t SET c = atrest_v.new
//!   FROM unnest($1::int8[], $2::text[], $3::text[]) AS atrest_v(k1, old, new)
//!  WHERE atrest_t.k = atrest_v.k1
//!    AND atrest_t.c::text COLLATE "C" = atrest_v.old COLLATE "C"
//! ```
//!
//! The old value is compared as text in the C collation: byte for byte, also
//! where the column's own collation or type (citext) calls more things equal.
//! The new one is assigned, not cast, to a string type, because a cast would cut
//! what is too long and an assignment refuses it.

use atrest_engine::target::{Change, JournalChange, TargetError, Value};
use sqlx::{PgConnection, SqlStr};

use super::catalog::{ColumnInfo, KeyKind, TableInfo};
use super::value::{Args, Element, element_bytes};
use super::{Shared, journal};
use crate::error::is_transient;
use crate::key::whole;
use crate::quote::{Dialect, Sql};
use crate::retry::{ATTEMPTS, pause};

/// Bytes of values in one statement at most, unless it is a single row: a
/// message to the server ends at 1 GiB.
const BYTES: usize = 64 << 20;

/// A page does not wait for the disk. The rows and the cursor that says that they
/// are done become durable together or not at all, originals are in the backup
/// before, and the journal's last change, which ends a run, does wait: the
/// write-ahead log reaches the disk in order, so everything before it is there.
const BEGIN_PAGE: &str = "BEGIN; SET LOCAL synchronous_commit = off";

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
    let begin = if journal.is_empty() {
        "BEGIN"
    } else {
        BEGIN_PAGE
    };
    let mut tx = shared
        .pool
        .begin_with(begin)
        .await
        .map_err(Failure::Driver)?;
    let mut changed = 0;
    for null in [false, true] {
        let group: Vec<&Change> = changes
            .iter()
            .filter(|c| (c.old == Value::Null) == null)
            .collect();
        for piece in pieces(&group) {
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

/// Cuts at [`BYTES`].
fn pieces<'a, 'c>(mut rows: &'a [&'c Change]) -> Vec<&'a [&'c Change]> {
    let mut out = Vec::new();
    while !rows.is_empty() {
        let mut bytes = 0;
        let n = rows
            .iter()
            .take_while(|row| {
                bytes += size(&row.old) + size(&row.new);
                bytes <= BYTES
            })
            .count()
            .max(1);
        let (piece, rest) = rows.split_at(n);
        out.push(piece);
        rows = rest;
    }
    out
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => v.len(),
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
    connection: &mut PgConnection,
    table: &TableInfo,
    column: &ColumnInfo,
    rows: &[&Change],
    old_is_null: bool,
) -> Result<u64, Failure> {
    for row in rows {
        whole(table.key.len(), &row.key).map_err(Failure::Final)?;
    }
    let mut args = Args::default();
    let bytes: usize = rows.iter().map(|r| size(&r.old) + size(&r.new)).sum();
    let keys = 16 * rows.len() * table.key.len();
    args.reserve(table.key.len() + 2, bytes + 8 * rows.len() + keys);
    for (i, part) in table.key.iter().enumerate() {
        let keys: Vec<Vec<u8>> = rows
            .iter()
            .map(|row| row.key.0.get(i).map(|key| element_bytes(part.kind, key)))
            .map(Option::unwrap_or_default)
            .collect();
        let keys: Vec<Option<&[u8]>> = keys.iter().map(|k| Some(k.as_slice())).collect();
        args.array(shared, key_element(part.kind), &keys)
            .map_err(Failure::Final)?;
    }
    let value = value_element(column);
    let old = rows
        .iter()
        .map(|row| bytes_of(&row.old))
        .collect::<Result<Vec<_>, _>>()?;
    args.array(shared, value, &old).map_err(Failure::Final)?;
    let new = rows
        .iter()
        .map(|row| bytes_of(&row.new))
        .collect::<Result<Vec<_>, _>>()?;
    args.array(shared, value, &new).map_err(Failure::Final)?;
    let done = sqlx::query_with(statement(table, column, old_is_null), args.finish())
        .execute(connection)
        .await
        .map_err(Failure::Driver)?;
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
    let array = |sql: Sql, element: Element| sql.param().add(element.array());
    let mut sql = Sql::new(Dialect::Postgres)
        .add("UPDATE ")
        .table(&table.full)
        .add(" AS atrest_t SET ");
    sql = sql.ident(&column.name).add(" = atrest_v.new");
    if !column.is_string() && !column.is_bytes() {
        sql = sql.add("::").catalog(&column.type_name);
    }
    sql = sql.add(" FROM unnest(");
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
