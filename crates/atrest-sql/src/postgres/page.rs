//! The SQL that reads: pages by key, ranges, counts, samples.

use atrest_engine::target::{KeyRange, PageLimit, RowKey, TargetError, Value, Visited, Visitor};

use futures::TryStreamExt as _;

use super::Shared;
use super::catalog::{ColumnInfo, KeyColumn, KeyKind, TableInfo};
use super::value::{Args, key_of, value_ref};
use crate::key::whole;
use crate::quote::{Dialect, Sql};

/// A sampled value's length at most, in characters or bytes.
const SAMPLE: i64 = 1024; // of up to four bytes each
const SAMPLE_BYTES: i64 = 4096;

/// The column as bytes or as its exact text.
fn value_sql(sql: Sql, column: &ColumnInfo) -> Sql {
    let sql = sql.ident(&column.name);
    if column.is_bytes() {
        sql
    } else {
        sql.add("::text")
    }
}

/// The column beside the value, and no length of it.
fn beside_sql(sql: Sql, beside: Option<&ColumnInfo>) -> Sql {
    match beside {
        Some(beside) => value_sql(sql.add(", "), beside).add(" AS atrest_b, NULL::integer"),
        None => sql,
    }
}

/// The key columns as they travel, with names `atrest_k1`, …
fn key_sql(mut sql: Sql, key: &[KeyColumn]) -> Sql {
    for (i, part) in key.iter().enumerate() {
        sql = if i > 0 { sql.add(", ") } else { sql };
        sql = sql.ident(&part.name);
        sql = match part.kind {
            KeyKind::Bytes | KeyKind::Integer => sql,
            KeyKind::Text => sql.add("::text"),
        };
        sql = sql.add(" AS atrest_k").number(i as i64 + 1);
    }
    sql
}

/// ` ORDER BY` the key itself: its index's order, whatever the collation.
fn order_sql(sql: Sql, key: &[KeyColumn]) -> Sql {
    sql.add(" ORDER BY ").columns("atrest_t.", &names(key))
}

fn names(key: &[KeyColumn]) -> Vec<String> {
    key.iter().map(|k| k.name.clone()).collect()
}

/// `("a", "b") > ($1::text::integer, $2::text::text)`.
fn compare(mut sql: Sql, key: &[KeyColumn], operator: &'static str) -> Sql {
    sql = sql
        .add("(")
        .columns("atrest_t.", &names(key))
        .add(")")
        .add(operator)
        .add("(");
    for (i, part) in key.iter().enumerate() {
        sql = if i > 0 { sql.add(", ") } else { sql };
        sql = bound_key(sql, part);
    }
    sql.add(")")
}

/// A bound key part, cast from text to the key's type.
fn bound_key(sql: Sql, part: &KeyColumn) -> Sql {
    if part.kind == KeyKind::Bytes {
        sql.param()
    } else {
        sql.param().add("::text::").catalog(&part.type_name)
    }
}

fn within(
    mut sql: Sql,
    shared: &Shared,
    args: &mut Args,
    key: &[KeyColumn],
    range: &KeyRange,
) -> Result<Sql, TargetError> {
    let mut word = " WHERE ";
    for (bound, operator) in [(&range.after, " > "), (&range.until, " <= ")] {
        if let Some(bound) = bound {
            whole(key.len(), bound)?;
            sql = compare(sql.add(word), key, operator);
            for (column, part) in key.iter().zip(&bound.0) {
                args.key(shared, column, part)?;
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
    table: &TableInfo,
    column: &ColumnInfo,
    beside: Option<&ColumnInfo>,
    range: &KeyRange,
    limit: PageLimit,
    visitor: Box<dyn Visitor>,
) -> Result<Visited, TargetError> {
    let key = &table.key;
    let mut args = Args::default();
    args.integer(shared, limit.inline)?;
    let sql = Sql::new(Dialect::Postgres).add("SELECT ");
    let sql = if column.is_string() || column.is_bytes() {
        // The length is known without the value.
        let sql = key_sql(sql, key).add(", CASE WHEN octet_length(");
        let sql = value_sql(sql, column).add(") <= $1 THEN ");
        let sql = value_sql(sql, column).add(" END, CASE WHEN octet_length(");
        let sql = value_sql(sql, column).add(") > $1 THEN octet_length(");
        let sql = value_sql(sql, column).add(") END").reserve_params(1);
        beside_sql(sql, beside)
    } else {
        // The value's text is made once, in an inner query.
        let sql =
            (1..=key.len()).fold(sql, |sql, i| sql.add("atrest_k").number(i as i64).add(", "));
        let sql = sql
            .add("CASE WHEN octet_length(atrest_c) <= ")
            .param()
            .add(" THEN atrest_c END, octet_length(atrest_c)");
        let sql = match beside {
            Some(_) => sql.add(", atrest_b, NULL::integer"),
            None => sql,
        };
        let sql = key_sql(sql.add(" FROM (SELECT "), key).add(", ");
        beside_sql(value_sql(sql, column).add(" AS atrest_c"), beside)
    };
    let sql = sql.add(" FROM ").table(&table.full).add(" AS atrest_t");
    let sql = order_sql(within(sql, shared, &mut args, key, range)?, key);
    args.integer(shared, limit.rows as u64)?;
    let mut sql = sql.add(" LIMIT ").param();
    if !column.is_string() && !column.is_bytes() {
        sql = sql.add(") AS atrest_page");
    }
    let fail = |e| shared.error(format!("reading a page of {}", table.shown), e);
    let mut turn = shared.turns.take(&shared.pool).await.map_err(fail)?;
    let mut found = sqlx::query_with(sql.build(), args.finish()).fetch(&mut *turn);
    let mut page = limit.begin(visitor);
    let mut read = true;
    while let Some(row) = found.try_next().await.map_err(fail)? {
        let at = table.key.len();
        let value = value_ref(shared, &row, at, column.is_bytes())?;
        let beside = beside
            .map(|beside| value_ref(shared, &row, at + 2, beside.is_bytes()))
            .transpose()?;
        if !page.row(&|| key_of(shared, &row, &table.key), value, beside)? {
            read = found.try_next().await.map_err(fail)?.is_none();
            break;
        }
    }
    drop(found);
    match read {
        true => turn.end(),
        false => turn.end_unread().await,
    }
    Ok(page.end())
}

/// One row's value.
pub(super) async fn read_one(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    key: &RowKey,
) -> Result<Option<Value>, TargetError> {
    whole(table.key.len(), key)?;
    let mut args = Args::default();
    for (part, value) in table.key.iter().zip(&key.0) {
        args.key(shared, part, value)?;
    }
    let sql =
        value_sql(Sql::new(Dialect::Postgres).add("SELECT "), column).add(", NULL::integer FROM ");
    let sql = compare(
        sql.table(&table.full).add(" AS atrest_t WHERE "),
        &table.key,
        " = ",
    );
    let fail = |e| shared.error(format!("reading a row of {}", table.shown), e);
    let mut turn = shared.turns.take(&shared.pool).await.map_err(fail)?;
    let query = sqlx::query_with(sql.build(), args.finish());
    let found = query.fetch_optional(&mut *turn).await.map_err(fail)?;
    turn.end();
    found
        .map(|row| Ok(value_ref(shared, &row, 0, column.is_bytes())?.to_value()))
        .transpose()
}

/// About how many rows: as the planner's statistics say, else counted.
pub(super) async fn rows(shared: &Shared, table: &TableInfo) -> Result<u64, TargetError> {
    let fail = |e| shared.error(format!("counting {}", table.shown), e);
    let estimate: f64 =
        sqlx::query_scalar("SELECT reltuples::float8 FROM pg_class WHERE oid = $1::bigint::oid")
            .bind(table.oid)
            .fetch_one(&shared.pool)
            .await
            .map_err(fail)?;
    if estimate > 0.0 {
        return Ok(estimate as u64);
    }
    let sql = Sql::new(Dialect::Postgres)
        .add("SELECT count(*) FROM ")
        .table(&table.full);
    let mut scan = whole_scan(shared).await.map_err(fail)?;
    let rows: i64 = sqlx::query_scalar(sql.build())
        .fetch_one(&mut *scan)
        .await
        .map_err(fail)?;
    scan.rollback().await.map_err(fail)?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// The longest value in bytes, where the column's type or an index on it bounds
/// what fits.
pub(super) async fn longest(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
) -> Result<u64, TargetError> {
    let fail = |e| shared.error(format!("looking through {}", table.shown), e);
    let indexed: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = $1::bigint::oid AND $2 = ANY (indkey::int2[]))",
    )
    .bind(table.oid)
    .bind(column.number)
    .fetch_one(&shared.pool)
    .await
    .map_err(fail)?;
    if column.max_length.is_none() && !indexed {
        return Ok(0);
    }
    let sql = Sql::new(Dialect::Postgres).add("SELECT coalesce(max(octet_length(");
    let sql = value_sql(sql, column)
        .add(")), 0)::bigint FROM ")
        .table(&table.full);
    let mut scan = whole_scan(shared).await.map_err(fail)?;
    let longest: i64 = sqlx::query_scalar(sql.build())
        .fetch_one(&mut *scan)
        .await
        .map_err(fail)?;
    scan.rollback().await.map_err(fail)?;
    Ok(u64::try_from(longest).unwrap_or_default())
}

/// A transaction whose scan may be sequential and parallel.
async fn whole_scan(shared: &Shared) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    let mut tx = shared.pool.begin().await?;
    sqlx::raw_sql("SET LOCAL enable_seqscan = on")
        .execute(&mut *tx)
        .await?;
    Ok(tx)
}

/// The key of the row of `range` with `offset` rows before it.
pub(super) async fn key_at(
    shared: &Shared,
    table: &TableInfo,
    range: &KeyRange,
    offset: u64,
) -> Result<Option<RowKey>, TargetError> {
    let mut args = Args::default();
    let sql = key_sql(Sql::new(Dialect::Postgres).add("SELECT "), &table.key);
    let sql = sql.add(" FROM ").table(&table.full).add(" AS atrest_t");
    let sql = within(sql, shared, &mut args, &table.key, range)?;
    let sql = order_sql(sql, &table.key);
    args.integer(shared, offset)?;
    let sql = sql.add(" LIMIT 1 OFFSET ").param();
    let found = sqlx::query_with(sql.build(), args.finish())
        .fetch_optional(&shared.pool)
        .await
        .map_err(|e| shared.error(format!("cutting {} into ranges", table.shown), e))?;
    found
        .map(|row| key_of(shared, &row, &table.key))
        .transpose()
}

/// Up to `rows` values that are not NULL, each cut to 4 KiB.
pub(super) async fn sample(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    rows: u32,
) -> Result<Vec<Value>, TargetError> {
    let fail = |e| shared.error(format!("sampling {}", table.shown), e);
    let sql = value_sql(Sql::new(Dialect::Postgres).add("SELECT substring("), column);
    let length = if column.is_bytes() {
        SAMPLE_BYTES
    } else {
        SAMPLE
    };
    let sql = sql
        .add(" FROM 1 FOR ")
        .number(length)
        .add("), NULL::integer FROM ")
        .table(&table.full);
    let sql = sql
        .add(" WHERE ")
        .ident(&column.name)
        .add(" IS NOT NULL LIMIT ")
        .number(rows);
    let mut scan = whole_scan(shared).await.map_err(fail)?;
    let rows = sqlx::query(sql.build())
        .fetch_all(&mut *scan)
        .await
        .map_err(fail)?;
    scan.rollback().await.map_err(fail)?;
    rows.iter()
        .map(|row| Ok(value_ref(shared, row, 0, column.is_bytes())?.to_value()))
        .collect()
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
    // By the column's own comparison first, whose index is used.
    let mut found = sqlx::Result::Ok(Vec::new());
    for by in [By::Value, By::Text] {
        let mut args = Args::default();
        let sql = key_sql(Sql::new(Dialect::Postgres).add("SELECT "), &table.key);
        let sql = sql.add(" FROM ").table(&table.full).add(" AS atrest_t");
        let sql = within(sql, shared, &mut args, &table.key, range)?;
        let sql = sql.add(if range.after.is_some() {
            " AND "
        } else {
            " WHERE "
        });
        args.text(shared, text)?;
        let sql = is_sql(sql, column, by);
        args.integer(shared, limit)?;
        let sql = order_sql(sql, &table.key).add(" LIMIT ").param();
        found = sqlx::query_with(sql.build(), args.finish())
            .fetch_all(&shared.pool)
            .await;
        if !found.as_ref().is_err_and(is_no_value) {
            break;
        }
    }
    found
        .map_err(|e| shared.error(format!("looking through {}", table.shown), e))?
        .iter()
        .map(|row| key_of(shared, row, &table.key))
        .collect()
}

/// How a column is compared with a text.
#[derive(Clone, Copy)]
enum By {
    /// The text is cast to the column's type.
    Value,
    /// The column is written as text.
    Text,
}

fn is_sql(sql: Sql, column: &ColumnInfo, by: By) -> Sql {
    let at = |sql: Sql| sql.add("atrest_t.").ident(&column.name);
    match (by, column.is_bytes()) {
        (By::Value, true) => at(sql).add(" = decode(").param().add("::text, 'hex')"),
        (By::Value, false) => at(sql)
            .add(" = ")
            .param()
            .add("::text::")
            .catalog(&column.type_name),
        (By::Text, true) => at(sql.add("encode(")).add(", 'hex') = ").param(),
        (By::Text, false) => at(sql).add("::text = ").param(),
    }
}

/// Whether the text is no value of the type, or the type has no comparison.
fn is_no_value(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    // Data exceptions; a domain's check; no such operator.
    code.is_some_and(|code| code.starts_with("22") || code == "23514" || code == "42883")
}
