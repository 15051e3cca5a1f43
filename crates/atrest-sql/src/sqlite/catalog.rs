//! What is in the file: tables, columns, keys, by their exact names.

use atrest_engine::target::{Column, Table, TableName, TargetError};
use rusqlite::{OptionalExtension as _, Row};

use super::Shared;
use super::value::Affinity;
use crate::quote::{Dialect, Sql};
use crate::{OWN_TABLES, nearest};

/// A table with what preflight needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct TableInfo {
    /// Without schema: everything of atrest is in `main`.
    pub(super) name: TableName,
    pub(super) columns: Vec<ColumnInfo>,
    /// Key columns in key order.
    pub(super) key: Vec<ColumnInfo>,
    pub(super) strict: bool,
    pub(super) without_rowid: bool,
    /// The `CREATE TABLE` as it is stored.
    pub(super) sql: String,
}

/// A column as `PRAGMA table_xinfo` tells it.
#[derive(Debug, Clone)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    pub(super) declared_type: String,
    pub(super) affinity: Affinity,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// 0, or the place in the primary key from 1.
    pub(super) key_place: i64,
    /// Computed from other columns.
    pub(super) generated: bool,
}

/// The application's tables: no views, no virtual tables, nothing of SQLite's.
pub(super) async fn tables(shared: &Shared) -> Result<Vec<Table>, TargetError> {
    let mut tables = Vec::new();
    for name in names(shared).await? {
        let info = table(shared, &name).await?;
        tables.push(Table {
            key: info.key.iter().map(|c| c.name.clone()).collect(),
            columns: info
                .columns
                .into_iter()
                .map(|c| Column {
                    name: c.name,
                    declared_type: c.declared_type,
                    nullable: !c.not_null,
                })
                .collect(),
            name: info.name,
            estimated_rows: None,
        });
    }
    Ok(tables)
}

/// The table and column of exactly these names.
///
/// # Errors
/// [`TargetError::NotFound`] with the nearest names.
pub(super) async fn find(
    shared: &Shared,
    wanted: &TableName,
    column: &str,
) -> Result<(TableInfo, ColumnInfo), TargetError> {
    let known = names(shared).await?;
    let in_main = wanted.schema.as_deref().is_none_or(|s| s == "main");
    if !in_main || !known.contains(&wanted.name) {
        return Err(TargetError::NotFound {
            what: format!("table {wanted} in {}", shared.place.location),
            next: if in_main {
                nearest::advice(&wanted.name, known.iter().map(String::as_str), "table")
            } else {
                "a SQLite file has one schema; write the table's name alone".to_owned()
            },
        });
    }
    let info = table(shared, &wanted.name).await?;
    match info.columns.iter().find(|c| c.name == column).cloned() {
        Some(found) => Ok((info, found)),
        None => Err(TargetError::NotFound {
            what: format!("column {column} of table {wanted}"),
            next: nearest::advice(
                column,
                info.columns.iter().map(|c| c.name.as_str()),
                "column",
            ),
        }),
    }
}

async fn names(shared: &Shared) -> Result<Vec<String>, TargetError> {
    let sql =
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name";
    let names: Vec<String> = shared
        .connections
        .rows("listing the tables", sql, [], |row| Ok(row.get(0)?))
        .await?;
    Ok(names
        .into_iter()
        .filter(|n| !n.starts_with("sqlite_") && !OWN_TABLES.contains(&n.as_str()))
        .collect())
}

async fn table(shared: &Shared, name: &str) -> Result<TableInfo, TargetError> {
    let pragma = Sql::new(Dialect::Sqlite)
        .add("PRAGMA main.table_xinfo(")
        .ident(name)
        .add(")")
        .text();
    let wanted = name.to_owned();
    let (mut columns, without_rowid, strict, sql) = shared
        .connections
        .read(
            format!("reading the definition of table {name}"),
            move |connection| {
                let (without_rowid, strict): (bool, bool) = connection.query_row(
                    "SELECT wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'",
                    [&wanted],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                let sql: Option<String> = connection
                    .query_row(
                        "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1",
                        [&wanted],
                        |row| row.get(0),
                    )
                    .optional()?;
                let columns = connection
                    .prepare(&pragma)?
                    .query_map([], column)?
                    .filter_map(Result::transpose)
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                Ok((columns, without_rowid, strict, sql))
            },
        )
        .await?;
    if strict {
        for column in columns
            .iter_mut()
            .filter(|c| c.declared_type.eq_ignore_ascii_case("any"))
        {
            column.affinity = Affinity::Blob;
        }
    }
    let mut key: Vec<ColumnInfo> = columns
        .iter()
        .filter(|c| c.key_place > 0)
        .cloned()
        .collect();
    key.sort_by_key(|c| c.key_place);
    Ok(TableInfo {
        name: TableName {
            schema: None,
            name: name.to_owned(),
        },
        columns,
        key,
        strict,
        without_rowid,
        sql: sql.unwrap_or_default(),
    })
}

/// A line of `PRAGMA table_xinfo`; `None` for what only a virtual table has.
fn column(row: &Row<'_>) -> rusqlite::Result<Option<ColumnInfo>> {
    let declared_type: String = row.get("type")?;
    let hidden: i64 = row.get("hidden")?;
    if hidden == 1 {
        return Ok(None);
    }
    Ok(Some(ColumnInfo {
        name: row.get("name")?,
        affinity: Affinity::of(&declared_type),
        declared_type,
        not_null: row.get("notnull")?,
        default: row.get("dflt_value")?,
        key_place: row.get("pk")?,
        generated: hidden >= 2,
    }))
}
