//! The set-based compare-and-swap: many rows in few statements, because a
//! statement's way through the driver costs more than a row's change.
//!
//! ```text
//! UPDATE t AS atrest_t SET c = CAST(atrest_v.column3 AS TEXT)
//!   FROM (VALUES (?1, ?2, ?3), …) AS atrest_v
//!  WHERE atrest_t.k = atrest_v.column1
//!    AND typeof(atrest_t.c) = 'text' AND CAST(atrest_t.c AS BLOB) = atrest_v.column2
//! ```
//!
//! The number of rows is one of few ([`SIZES`]), padded with NULL keys that
//! match nothing, so that every connection prepares few statements.

use atrest_engine::target::{Change, JournalChange, TableName, TargetError, Value};
use sqlx::{SqlStr, SqliteConnection};

use super::value::Args;
use super::{Shared, journal};
use crate::error::is_transient;
use crate::key::whole;
use crate::quote::{Dialect, Sql};

/// Rows of one statement. 512 rows of a key, the old and the new value are well
/// under SQLite's 32,766 parameters with a composite key of up to 61 columns.
const SIZES: [usize; 4] = [1, 8, 64, 512];

/// Bytes of values in one statement at most, unless it is a single row.
const BYTES: usize = 8 << 20;

/// What an old value's comparison and a new value's cast look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    old: Class,
    new: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Null,
    Text,
    Bytes,
    Number,
}

impl Class {
    fn of(value: &Value) -> Result<Self, TargetError> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Text(_) => Ok(Self::Text),
            Value::Bytes(_) => Ok(Self::Bytes),
            Value::Number(_) => Ok(Self::Number),
            Value::Deferred(_) => Err(TargetError::Refused {
                what: "a value was to be changed that had not been read whole".to_owned(),
                next: "report this as an error of atrest".to_owned(),
            }),
        }
    }
}

/// One transaction: the rows, then the journal. Run again when another process
/// held the file longer than the busy timeout.
pub(super) async fn write(
    shared: &Shared,
    table: &TableName,
    key: &[String],
    column: &str,
    changes: &[Change],
    journal: &[JournalChange],
) -> Result<u64, TargetError> {
    let statements = plan(changes)?;
    let _turn = shared.writer.lock().await;
    let fail = |e| shared.error(format!("changing {table}"), e);
    let mut attempt = 0;
    let mut tx = loop {
        match shared.pool.begin_with("BEGIN IMMEDIATE").await {
            Ok(tx) => break tx,
            Err(e) if attempt < 3 && is_transient(&e) => attempt += 1,
            Err(e) => return Err(fail(e)),
        }
    };
    let mut changed = 0;
    for (shape, rows) in statements {
        changed += update(shared, &mut tx, table, key, column, shape, &rows).await?;
    }
    journal::swap(shared, &mut tx, journal).await?;
    tx.commit().await.map_err(fail)?;
    Ok(changed)
}

/// Groups changes by shape and cuts the groups into statements.
fn plan(changes: &[Change]) -> Result<Vec<(Shape, Vec<&Change>)>, TargetError> {
    let mut groups: Vec<(Shape, Vec<&Change>)> = Vec::new();
    for change in changes {
        let shape = Shape {
            old: Class::of(&change.old)?,
            new: Class::of(&change.new)?,
        };
        match groups.iter_mut().find(|(s, _)| *s == shape) {
            Some((_, rows)) => rows.push(change),
            None => groups.push((shape, vec![change])),
        }
    }
    let largest = SIZES[SIZES.len() - 1];
    let mut statements = Vec::new();
    for (shape, rows) in groups {
        let mut piece: Vec<&Change> = Vec::new();
        let mut bytes = 0;
        for row in rows {
            let size = value_bytes(&row.old).len() + value_bytes(&row.new).len();
            if !piece.is_empty() && (piece.len() == largest || bytes + size > BYTES) {
                statements.push((shape, std::mem::take(&mut piece)));
                bytes = 0;
            }
            bytes += size;
            piece.push(row);
        }
        if !piece.is_empty() {
            statements.push((shape, piece));
        }
    }
    Ok(statements)
}

fn value_bytes(value: &Value) -> &[u8] {
    match value {
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => v,
        Value::Null | Value::Deferred(_) => &[],
    }
}

async fn update(
    shared: &Shared,
    connection: &mut SqliteConnection,
    table: &TableName,
    key: &[String],
    column: &str,
    shape: Shape,
    rows: &[&Change],
) -> Result<u64, TargetError> {
    let size = SIZES
        .into_iter()
        .find(|size| *size >= rows.len())
        .unwrap_or(rows.len());
    let mut args = Args::default();
    for row in rows {
        whole(key.len(), &row.key)?;
        for part in &row.key.0 {
            args.key(shared, part)?;
        }
        for value in [&row.old, &row.new] {
            match value {
                Value::Null => args.null(shared)?,
                other => args.bytes(shared, value_bytes(other))?,
            }
        }
    }
    for _ in 0..(size - rows.len()) * (key.len() + 2) {
        args.null(shared)?;
    }
    let done = sqlx::query_with(statement(table, key, column, shape, size), args.finish())
        .execute(connection)
        .await
        .map_err(|e| shared.error(format!("changing {table}"), e))?;
    Ok(done.rows_affected())
}

fn statement(table: &TableName, key: &[String], column: &str, shape: Shape, size: usize) -> SqlStr {
    let place = |sql: Sql, i: usize| sql.add("atrest_v.column").number(i as i64 + 1);
    let (old, new) = (key.len(), key.len() + 1);
    let mut sql = Sql::new(Dialect::Sqlite)
        .add("UPDATE ")
        .table(table)
        .add(" AS atrest_t SET ")
        .ident(column);
    sql = match shape.new {
        Class::Text | Class::Number => place(sql.add(" = CAST("), new).add(" AS TEXT)"),
        Class::Bytes | Class::Null => place(sql.add(" = "), new),
    };
    sql = sql.add(" FROM (VALUES ");
    for row in 0..size {
        sql = sql.add(if row > 0 { ",(" } else { "(" });
        for i in 0..key.len() + 2 {
            sql = if i > 0 { sql.add(",") } else { sql };
            // Without a number: the driver looks numbered ones up one by one.
            sql = sql.add("?");
        }
        sql = sql.add(")");
    }
    sql = sql.add(") AS atrest_v WHERE ");
    for (i, part) in key.iter().enumerate() {
        sql = place(sql.add("atrest_t.").ident(part).add(" = "), i).add(" AND ");
    }
    sql = match shape.old {
        Class::Null => sql.add("atrest_t.").ident(column).add(" IS NULL"),
        Class::Text => {
            let sql = sql
                .add("typeof(atrest_t.")
                .ident(column)
                .add(") = 'text' AND CAST(atrest_t.")
                .ident(column);
            place(sql.add(" AS BLOB) = "), old)
        }
        Class::Bytes => {
            let sql = sql
                .add("typeof(atrest_t.")
                .ident(column)
                .add(") = 'blob' AND atrest_t.")
                .ident(column);
            place(sql.add(" = "), old)
        }
        Class::Number => {
            let sql = sql
                .add("typeof(atrest_t.")
                .ident(column)
                .add(") IN ('integer', 'real') AND CAST(quote(atrest_t.");
            place(sql.ident(column).add(") AS BLOB) = "), old)
        }
    };
    sql.build()
}
