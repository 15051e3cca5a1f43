//! The SQL that reads: pages by key, ranges, counts, samples.

use atrest_engine::target::{
    KeyRange, KeyValue, PageLimit, RowKey, TargetError, Value, Visited, Visitor,
};

use futures::TryStreamExt as _;
use sqlx::MySql;
use sqlx::mysql::MySqlArguments;

use super::Shared;
use super::catalog::{ColumnInfo, KeyColumn, KeyKind, TableInfo};
use super::value::{Args, key_of, text, value_ref};
use crate::key::whole;
use crate::quote::{Dialect, Sql};

/// A sampled value's length at most, in bytes.
const SAMPLE_BYTES: i64 = 4096;

/// The column as its exact bytes: a binary type as it is, a text in utf8mb4, any
/// other type as its text. `FLOAT` goes by way of `DOUBLE`, because its own text
/// has six digits.
pub(super) fn value_sql(sql: Sql, prefix: &'static str, column: &ColumnInfo) -> Sql {
    let at = |sql: Sql| sql.add(prefix).ident(&column.name);
    if column.is_bytes() {
        return at(sql);
    }
    match (column.data_type.as_str(), &column.charset) {
        (_, Some((charset, _))) if charset == "utf8mb4" && column.is_string() => {
            at(sql.add("CAST(")).add(" AS BINARY)")
        }
        (_, Some(_)) => at(sql.add("CAST(CONVERT(")).add(" USING utf8mb4) AS BINARY)"),
        ("float", None) => at(sql.add("CAST(CAST(CAST("))
            .add(" AS DOUBLE) AS CHAR CHARACTER SET utf8mb4) AS BINARY)"),
        (_, None) => at(sql.add("CAST(CAST(")).add(" AS CHAR CHARACTER SET utf8mb4) AS BINARY)"),
    }
}

/// The key columns as they travel.
fn key_sql(mut sql: Sql, key: &[KeyColumn]) -> Sql {
    for (i, part) in key.iter().enumerate() {
        sql = if i > 0 { sql.add(", ") } else { sql };
        sql = match part.kind {
            KeyKind::Bytes => sql.ident(&part.name),
            _ => sql
                .add("CAST(")
                .ident(&part.name)
                .add(" AS CHAR CHARACTER SET utf8mb4)"),
        };
    }
    sql
}

/// One bound key part, cast so that the comparison is the key's own and its
/// index is used.
pub(super) fn bound_key(sql: Sql, part: &KeyColumn) -> Sql {
    match (part.kind, &part.charset) {
        (KeyKind::Text, Some((charset, collation))) => sql
            .add("CONVERT(")
            .param()
            .add(" USING ")
            .catalog(charset)
            .add(") COLLATE ")
            .catalog(collation),
        (KeyKind::Cast(to), _) => sql.add("CAST(").param().add(" AS ").add(to).add(")"),
        _ => sql.param(),
    }
}

/// `a > ? OR (a = ? AND b > ?)`: row values would not use the index. `last` is
/// the operator at the last column (` > ` or ` <= `).
fn beyond(
    mut sql: Sql,
    shared: &Shared,
    args: &mut Args,
    key: &[KeyColumn],
    bound: &[KeyValue],
    (before, last): (&'static str, &'static str),
) -> Result<Sql, TargetError> {
    sql = sql.add("(");
    for (i, part) in key.iter().enumerate() {
        sql = if i > 0 {
            sql.add(" OR (")
        } else {
            sql.add("(")
        };
        for (j, equal) in key[..i].iter().enumerate() {
            sql = bound_key(sql.ident(&equal.name).add(" = "), equal).add(" AND ");
            args.key(shared, &bound[j])?;
        }
        let operator = if i + 1 == key.len() { last } else { before };
        sql = bound_key(sql.ident(&part.name).add(operator), part).add(")");
        args.key(shared, &bound[i])?;
    }
    Ok(sql.add(")"))
}

fn within(
    mut sql: Sql,
    shared: &Shared,
    args: &mut Args,
    key: &[KeyColumn],
    range: &KeyRange,
) -> Result<Sql, TargetError> {
    let mut word = " WHERE ";
    for (bound, operators) in [
        (&range.after, (" > ", " > ")),
        (&range.until, (" < ", " <= ")),
    ] {
        if let Some(bound) = bound {
            whole(key.len(), bound)?;
            sql = beyond(sql.add(word), shared, args, key, &bound.0, operators)?;
            word = " AND ";
        }
    }
    Ok(sql)
}

fn names(key: &[KeyColumn]) -> Vec<String> {
    key.iter().map(|k| k.name.clone()).collect()
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
    let mut args = Args::default();
    let mut sql = key_sql(Sql::new(Dialect::Mysql).add("SELECT "), &table.key).add(", ");
    // Only a long type is measured first; LENGTH of a text does not read it whole.
    let long = column
        .max_length
        .is_none_or(|n| n.saturating_mul(4) > limit.inline)
        && (column.is_bytes() || column.is_string() || column.data_type == "json");
    if long {
        sql = value_sql(sql.add("CASE WHEN LENGTH("), "", column)
            .add(") <= ")
            .param()
            .add(" THEN ");
        sql = value_sql(sql, "", column).add(" END, CAST(LENGTH(");
        sql = value_sql(sql, "", column).add(") AS CHAR)");
        args.integer(shared, limit.inline)?;
    } else {
        sql = value_sql(sql, "", column).add(", NULL");
    }
    if let Some(beside) = beside {
        sql = value_sql(sql.add(", "), "", beside).add(", NULL");
    }
    sql = sql
        .add(" FROM ")
        .table(&table.full)
        .add(" FORCE INDEX (PRIMARY)");
    sql = within(sql, shared, &mut args, &table.key, range)?;
    args.integer(shared, limit.rows as u64)?;
    let sql = sql
        .add(" ORDER BY ")
        .columns("", &names(&table.key))
        .add(" LIMIT ")
        .param();
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
    let sql = value_sql(Sql::new(Dialect::Mysql).add("SELECT "), "", column)
        .add(", NULL FROM ")
        .table(&table.full);
    let mut sql = sql.add(" WHERE ");
    for (i, (part, value)) in table.key.iter().zip(&key.0).enumerate() {
        sql = if i > 0 { sql.add(" AND ") } else { sql };
        sql = bound_key(sql.ident(&part.name).add(" = "), part);
        args.key(shared, value)?;
    }
    let fail = |e| shared.error(format!("reading a row of {}", table.shown), e);
    let mut turn = shared.turns.take(&shared.pool).await.map_err(fail)?;
    let query = sqlx::query_with(sql.build(), args.finish());
    let found = query.fetch_optional(&mut *turn).await.map_err(fail)?;
    turn.end();
    found
        .map(|row| Ok(value_ref(shared, &row, 0, column.is_bytes())?.to_value()))
        .transpose()
}

/// Fewer rows than this are counted.
const FEW: u64 = 10_000;

/// About how many rows: as the server's statistics say, else counted.
pub(super) async fn rows(shared: &Shared, table: &TableInfo) -> Result<u64, TargetError> {
    let schema = table.full.schema.as_deref().unwrap_or(&shared.database);
    let estimate = "SELECT CAST(table_rows AS CHAR) FROM information_schema.tables \
                    WHERE table_schema = ? AND table_name = ?";
    let query = sqlx::query(estimate).bind(schema).bind(&table.full.name);
    let estimate = number(shared, table, query).await?;
    if estimate > FEW {
        return Ok(estimate);
    }
    let sql = Sql::new(Dialect::Mysql)
        .add("SELECT CAST(COUNT(*) AS CHAR) FROM ")
        .table(&table.full);
    number(shared, table, sqlx::query(sql.build())).await
}

/// The longest value in bytes.
pub(super) async fn longest(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
) -> Result<u64, TargetError> {
    let sql = Sql::new(Dialect::Mysql).add("SELECT CAST(COALESCE(MAX(LENGTH(");
    let sql = value_sql(sql, "", column)
        .add(")), 0) AS CHAR) FROM ")
        .table(&table.full);
    number(shared, table, sqlx::query(sql.build())).await
}

/// The number that a query gives as text; 0 for NULL.
async fn number(
    shared: &Shared,
    table: &TableInfo,
    query: sqlx::query::Query<'_, MySql, MySqlArguments>,
) -> Result<u64, TargetError> {
    let fail = |e| shared.error(format!("counting {}", table.shown), e);
    let row = query.fetch_one(&shared.pool).await.map_err(fail)?;
    let number = text(&row, 0).map_err(fail)?;
    Ok(number.and_then(|n| n.parse().ok()).unwrap_or_default())
}

/// The key of the row of `range` with `offset` rows before it.
pub(super) async fn key_at(
    shared: &Shared,
    table: &TableInfo,
    range: &KeyRange,
    offset: u64,
) -> Result<Option<RowKey>, TargetError> {
    let mut args = Args::default();
    let sql = key_sql(Sql::new(Dialect::Mysql).add("SELECT "), &table.key);
    let sql = sql
        .add(" FROM ")
        .table(&table.full)
        .add(" FORCE INDEX (PRIMARY)");
    let sql = within(sql, shared, &mut args, &table.key, range)?;
    args.integer(shared, offset)?;
    let sql = sql
        .add(" ORDER BY ")
        .columns("", &names(&table.key))
        .add(" LIMIT 1 OFFSET ")
        .param();
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
    let sql = value_sql(
        Sql::new(Dialect::Mysql).add("SELECT SUBSTRING("),
        "",
        column,
    );
    let sql = sql
        .add(", 1, ")
        .number(SAMPLE_BYTES)
        .add("), NULL FROM ")
        .table(&table.full);
    let sql = sql
        .add(" WHERE ")
        .ident(&column.name)
        .add(" IS NOT NULL LIMIT ")
        .number(rows);
    let rows = sqlx::query(sql.build())
        .fetch_all(&shared.pool)
        .await
        .map_err(|e| shared.error(format!("sampling {}", table.shown), e))?;
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
    let mut args = Args::default();
    let sql = key_sql(Sql::new(Dialect::Mysql).add("SELECT "), &table.key);
    let sql = sql.add(" FROM ").table(&table.full);
    let sql = within(sql, shared, &mut args, &table.key, range)?;
    let sql = sql.add(if range.after.is_some() {
        " AND "
    } else {
        " WHERE "
    });
    args.key(shared, &KeyValue::Text(text.to_owned()))?;
    let sql = match column.data_type.as_str() {
        // Compared as a number, which its text is not.
        "bit" => value_sql(sql, "", column).add(" = ").param(),
        _ if column.is_bytes() => {
            let sql = sql.ident(&column.name);
            sql.add(" = UNHEX(").param().add(")")
        }
        _ => sql.ident(&column.name).add(" = ").param(),
    };
    args.integer(shared, limit)?;
    let sql = sql
        .add(" ORDER BY ")
        .columns("", &names(&table.key))
        .add(" LIMIT ")
        .param();
    let found = sqlx::query_with(sql.build(), args.finish())
        .fetch_all(&shared.pool)
        .await
        .map_err(|e| shared.error(format!("looking through {}", table.shown), e))?;
    found
        .iter()
        .map(|row| key_of(shared, row, &table.key))
        .collect()
}
