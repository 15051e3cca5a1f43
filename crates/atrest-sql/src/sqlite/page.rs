//! The SQL that reads: pages by key, ranges, counts, samples.

use atrest_engine::target::{
    KeyRange, PageLimit, RowKey, TableName, TargetError, Value, Visited, Visitor,
};
use rusqlite::params_from_iter;
use rusqlite::types::{Value as Bound, ValueRef};

use super::Shared;
use super::catalog::{ColumnInfo, TableInfo};
use super::real::exact_text;
use super::value::{Affinity, bound_key, key_of, value_ref};
use crate::key::whole;
use crate::quote::{Dialect, Sql};

/// Where a column is, by exact names.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) table: &'a TableName,
    pub(super) key: &'a [String],
    pub(super) column: &'a str,
    /// It makes numbers of text that reads as one.
    pub(super) numeric: bool,
}

/// A sampled value's length at most, in bytes.
const SAMPLE_BYTES: usize = 4096;

/// `typeof(c), value`: the value when it has at most `?1` bytes, else its length.
fn value_columns(sql: Sql, column: &str) -> Sql {
    let sql = sql
        .add("typeof(")
        .ident(column)
        .add("), CASE WHEN typeof(")
        .ident(column)
        .add(") IN ('integer', 'real') THEN ");
    let sql = exact_text(sql, column)
        .add(" WHEN octet_length(")
        .ident(column);
    let sql = sql
        .add(") > ?1 THEN octet_length(")
        .ident(column)
        .add(") ELSE ")
        .ident(column);
    sql.add(" END")
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
    args: &mut Vec<Bound>,
    key: &[String],
    range: &KeyRange,
) -> Result<Sql, TargetError> {
    let mut word = " WHERE ";
    for (bound, operator) in [(&range.after, " > "), (&range.until, " <= ")] {
        if let Some(bound) = bound {
            whole(key.len(), bound)?;
            sql = compare(sql.add(word), key, operator);
            for part in &bound.0 {
                args.push(bound_key(part)?);
            }
            word = " AND ";
        }
    }
    Ok(sql)
}

/// A page of `range`: at most `limit` rows in key order, each with its value of the
/// column `beside`.
pub(super) async fn visit(
    shared: &Shared,
    at: &At<'_>,
    beside: Option<&str>,
    range: &KeyRange,
    limit: PageLimit,
    visitor: Box<dyn Visitor>,
) -> Result<Visited, TargetError> {
    let At {
        table, key, column, ..
    } = *at;
    let mut args = vec![integer(limit.inline)];
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT ")
        .reserve_params(1)
        .columns("", key)
        .add(", ");
    let sql = value_columns(sql, column);
    let sql = match beside {
        Some(beside) => value_columns(sql.add(", "), beside),
        None => sql,
    };
    let sql = sql.add(" FROM ").table(table);
    let sql = within(sql, &mut args, key, range)?;
    args.push(integer(limit.rows as u64));
    let sql = sql
        .add(" ORDER BY ")
        .columns("", key)
        .add(" LIMIT ")
        .param();
    let (sql, parts, beside) = (sql.text(), key.len(), beside.is_some());
    shared
        .connections
        .read(format!("reading a page of {table}"), move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = statement.query(params_from_iter(args))?;
            let mut page = limit.begin(visitor);
            while let Some(row) = found.next()? {
                let value = value_ref(row, parts)?;
                let beside = beside.then(|| value_ref(row, parts + 2)).transpose()?;
                if !page.row(&|| key_of(row, parts), value, beside)? {
                    break;
                }
            }
            Ok(page.end())
        })
        .await
}

/// One row's value.
pub(super) async fn read_one(
    shared: &Shared,
    at: &At<'_>,
    row: &RowKey,
) -> Result<Option<Value>, TargetError> {
    let At {
        table, key, column, ..
    } = *at;
    whole(key.len(), row)?;
    let mut args = vec![integer(u64::MAX)];
    for part in &row.0 {
        args.push(bound_key(part)?);
    }
    let sql = Sql::new(Dialect::Sqlite).add("SELECT ").reserve_params(1);
    let sql = value_columns(sql, column);
    let sql = compare(sql.add(" FROM ").table(table).add(" WHERE "), key, " = ");
    let found = shared
        .connections
        .rows(
            format!("reading a row of {table}"),
            sql.text(),
            params_from_iter(args),
            |row| Ok(value_ref(row, 0)?.to_value()),
        )
        .await?;
    Ok(found.into_iter().next())
}

/// A number to bind.
fn integer(n: u64) -> Bound {
    Bound::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// How many rows.
pub(super) async fn rows(shared: &Shared, table: &TableName) -> Result<u64, TargetError> {
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT count(*) FROM ")
        .table(table);
    let rows = shared
        .connections
        .number(format!("counting {table}"), sql.text(), [])
        .await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// The key of the row of `range` with `offset` rows before it.
pub(super) async fn key_at(
    shared: &Shared,
    table: &TableName,
    key: &[String],
    range: &KeyRange,
    offset: u64,
) -> Result<Option<RowKey>, TargetError> {
    let mut args = Vec::new();
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT ")
        .columns("", key)
        .add(" FROM ")
        .table(table);
    let sql = within(sql, &mut args, key, range)?;
    let sql = sql
        .add(" ORDER BY ")
        .columns("", key)
        .add(" LIMIT 1 OFFSET ")
        .param();
    args.push(integer(offset));
    let parts = key.len();
    let found = shared
        .connections
        .rows(
            format!("cutting {table} into ranges"),
            sql.text(),
            params_from_iter(args),
            move |row| Ok(key_of(row, parts)?),
        )
        .await?;
    Ok(found.into_iter().next())
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
    shared
        .connections
        .rows(format!("sampling {table}"), sql.text(), [], |row| {
            // The part of an empty value is NULL.
            let part = row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default();
            Ok(match row.get_ref(0)? {
                ValueRef::Text(b"blob") => Value::Bytes(part),
                _ => Value::Text(part),
            })
        })
        .await
}

/// The keys of rows whose `column` is what `text` writes.
pub(super) async fn rows_where(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    text: &str,
    range: &KeyRange,
    limit: u64,
) -> Result<Vec<RowKey>, TargetError> {
    let key: Vec<String> = table.key.iter().map(|part| part.name.clone()).collect();
    let mut args = Vec::new();
    let sql = Sql::new(Dialect::Sqlite)
        .add("SELECT ")
        .columns("", &key)
        .add(" FROM ")
        .table(&table.name);
    let sql = within(sql, &mut args, &key, range)?;
    let sql = sql.add(if args.is_empty() { " WHERE " } else { " AND " });
    let mut bind = |sql: Sql| {
        args.push(Bound::Text(text.to_owned()));
        sql.param()
    };
    // A column without a type compares without converting.
    let sql = match column.affinity {
        Affinity::Blob => {
            let sql = bind(sql.add("(CAST(").ident(&column.name).add(" AS TEXT) = "));
            bind(sql.add(" OR lower(hex(").ident(&column.name).add(")) = ")).add(")")
        }
        _ => bind(sql.ident(&column.name).add(" = ")),
    };
    args.push(integer(limit));
    let sql = sql
        .add(" ORDER BY ")
        .columns("", &key)
        .add(" LIMIT ")
        .param();
    let (doing, parts) = (format!("looking through {}", table.name), key.len());
    shared
        .connections
        .rows(doing, sql.text(), params_from_iter(args), move |row| {
            Ok(key_of(row, parts)?)
        })
        .await
}
