//! The SQL that reads: pages by key, ranges, counts, samples.

use atrest_engine::target::{Counts, KeyRange, Row, RowKey, TableName, TargetError, Value};
use sqlx::Row as _;

use super::Shared;
use super::value::{Args, key_of, value_of};
use crate::key::whole;
use crate::quote::{Dialect, Sql};

/// A sampled value's length at most, in bytes.
const SAMPLE_BYTES: usize = 4096;

/// `typeof(c), bytes`: the bytes when they are at most `?inline`, else the length.
fn value_columns(sql: Sql, column: &str) -> Sql {
    let long = |sql: Sql| {
        sql.add("CASE WHEN octet_length(")
            .ident(column)
            .add(") > ?1 THEN octet_length(")
            .ident(column)
            .add(") ELSE ")
    };
    let sql = sql
        .add("typeof(")
        .ident(column)
        .add("), CASE typeof(")
        .ident(column)
        .add(") WHEN 'text' THEN ");
    let sql = long(sql)
        .add("CAST(")
        .ident(column)
        .add(" AS BLOB) END WHEN 'blob' THEN ");
    let sql = long(sql)
        .ident(column)
        .add(" END WHEN 'null' THEN NULL ELSE quote(");
    sql.ident(column).add(") END")
}

/// `("a", "b") > (?, ?)`; one column goes without the row value.
fn compare(mut sql: Sql, key: &[String], operator: &'static str) -> Sql {
    let (open, close) = if key.len() > 1 { ("(", ")") } else { ("", "") };
    sql = sql
        .add(open)
        .columns("", key)
        .add(close)
        .add(operator)
        .add(open);
    for i in 0..key.len() {
        sql = if i > 0 { sql.add(", ") } else { sql };
        sql = sql.param();
    }
    sql.add(close)
}

/// ` WHERE after < key AND key <= until`, and its arguments.
fn within(
    mut sql: Sql,
    shared: &Shared,
    args: &mut Args,
    key: &[String],
    range: &KeyRange,
) -> Result<Sql, TargetError> {
    let mut word = " WHERE ";
    for (bound, operator) in [(&range.after, " > "), (&range.until, " <= ")] {
        if let Some(bound) = bound {
            whole(key.len(), bound)?;
            sql = compare(sql.add(word), key, operator);
            for part in &bound.0 {
                args.key(shared, part)?;
            }
            word = " AND ";
        }
    }
    Ok(sql)
}

/// A page of `range`: at most `limit` rows in key order.
pub(super) async fn read(
    shared: &Shared,
    table: &TableName,
    key: &[String],
    column: &str,
    range: &KeyRange,
    limit: usize,
    inline: u64,
) -> Result<Vec<Row>, TargetError> {
    let mut args = Args::default();
    args.integer(shared, inline)?;
    // `?1` is the inline limit; the builder counts on from there.
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT ")
        .columns("", key)
        .add(", ");
    let sql = value_columns(sql, column)
        .reserve_params(1)
        .add(" FROM ")
        .table(table);
    let sql = within(sql, shared, &mut args, key, range)?;
    args.integer(shared, limit as u64)?;
    let sql = sql
        .add(" ORDER BY ")
        .columns("", key)
        .add(" LIMIT ")
        .param();
    let rows = sqlx::query_with(sql.build(), args.finish())
        .fetch_all(&shared.pool)
        .await
        .map_err(|e| shared.error(format!("reading a page of {table}"), e))?;
    rows.iter()
        .map(|row| {
            Ok(Row {
                key: key_of(shared, row, key.len())?,
                value: value_of(shared, row, key.len())?,
            })
        })
        .collect()
}

/// One row's value.
pub(super) async fn read_one(
    shared: &Shared,
    table: &TableName,
    key: &[String],
    column: &str,
    row: &RowKey,
) -> Result<Option<Value>, TargetError> {
    whole(key.len(), row)?;
    let mut args = Args::default();
    args.integer(shared, i64::MAX as u64)?;
    for part in &row.0 {
        args.key(shared, part)?;
    }
    let sql = value_columns(Sql::new(Dialect::Sqlite).add("SELECT "), column).reserve_params(1);
    let sql = compare(sql.add(" FROM ").table(table).add(" WHERE "), key, " = ");
    let found = sqlx::query_with(sql.build(), args.finish())
        .fetch_optional(&shared.pool)
        .await
        .map_err(|e| shared.error(format!("reading a row of {table}"), e))?;
    found.map(|row| value_of(shared, &row, 0)).transpose()
}

/// Rows, NULLs, longest.
pub(super) async fn counts(
    shared: &Shared,
    table: &TableName,
    column: &str,
) -> Result<Counts, TargetError> {
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT count(*), count(")
        .ident(column);
    let sql = sql
        .add("), coalesce(max(octet_length(")
        .ident(column)
        .add(")), 0) FROM ")
        .table(table);
    let fail = |e| shared.error(format!("counting {table}"), e);
    let row = sqlx::query(sql.build())
        .fetch_one(&shared.pool)
        .await
        .map_err(fail)?;
    let at = |i: usize| -> Result<u64, TargetError> {
        Ok(u64::try_from(row.try_get::<i64, _>(i).map_err(fail)?).unwrap_or_default())
    };
    Ok(Counts {
        total: at(0)?,
        null: at(0)? - at(1)?,
        longest: at(2)?,
    })
}

/// At most `parts` ranges: the boundaries are found by walking the key's index
/// once.
pub(super) async fn split(
    shared: &Shared,
    table: &TableName,
    key: &[String],
    parts: usize,
) -> Result<Vec<KeyRange>, TargetError> {
    let fail = |e| shared.error(format!("cutting {table} into ranges"), e);
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT count(*) FROM ")
        .table(table);
    let total: i64 = sqlx::query_scalar(sql.build())
        .fetch_one(&shared.pool)
        .await
        .map_err(fail)?;
    let total = u64::try_from(total).unwrap_or_default();
    let step = total.div_ceil(parts.max(1) as u64).max(1);
    let mut ranges = Vec::new();
    let mut range = KeyRange::default();
    while ranges.len() as u64 + 1 < total.div_ceil(step) {
        let mut args = Args::default();
        let sql = Sql::new(Dialect::Sqlite)
            .add("SELECT ")
            .columns("", key)
            .add(" FROM ")
            .table(table);
        let sql = within(sql, shared, &mut args, key, &range)?;
        let sql = sql
            .add(" ORDER BY ")
            .columns("", key)
            .add(" LIMIT 1 OFFSET ")
            .param();
        args.integer(shared, step - 1)?;
        let found = sqlx::query_with(sql.build(), args.finish())
            .fetch_optional(&shared.pool)
            .await
            .map_err(fail)?;
        let Some(row) = found else { break };
        let bound = key_of(shared, &row, key.len())?;
        ranges.push(KeyRange {
            after: range.after.take(),
            until: Some(bound.clone()),
        });
        range.after = Some(bound);
    }
    ranges.push(range);
    Ok(ranges)
}

/// Up to `rows` values that are not NULL, each cut to 4 KiB.
pub(super) async fn sample(
    shared: &Shared,
    table: &TableName,
    column: &str,
    rows: u32,
) -> Result<Vec<Value>, TargetError> {
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT typeof(")
        .ident(column)
        .add("), substr(CAST(")
        .ident(column);
    let sql = sql
        .add(" AS BLOB), 1, ")
        .number(SAMPLE_BYTES as i64)
        .add(") FROM ")
        .table(table);
    let sql = sql
        .add(" WHERE ")
        .ident(column)
        .add(" IS NOT NULL LIMIT ")
        .number(rows);
    let rows = sqlx::query(sql.build())
        .fetch_all(&shared.pool)
        .await
        .map_err(|e| shared.error(format!("sampling {table}"), e))?;
    rows.iter()
        .map(|row| {
            Ok(match value_of(shared, row, 0)? {
                Value::Number(text) | Value::Text(text) => Value::Text(text),
                other => other,
            })
        })
        .collect()
}
