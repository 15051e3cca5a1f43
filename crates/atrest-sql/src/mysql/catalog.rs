//! What is in the database: tables, columns, keys, by their exact names.
//!
//! Names are compared here and not by the server, whose catalog compares them
//! without case.

use std::collections::BTreeMap;

use atrest_engine::target::{Column, Table, TableName, TargetError};
use sqlx::mysql::MySqlRow;

use super::Shared;
use super::value::text;
use crate::quote::{Dialect, Sql};
use crate::{OWN_TABLES, nearest};

/// A table with what the rest needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct TableInfo {
    /// As messages name it: without the database when it is the default one.
    pub(super) shown: TableName,
    /// As SQL names it: always with the database.
    pub(super) full: TableName,
    /// Key columns in key order.
    pub(super) key: Vec<KeyColumn>,
    /// Columns that change by themselves on every update.
    pub(super) on_update: Vec<String>,
    /// `SHOW CREATE TABLE`.
    pub(super) definition: String,
    /// InnoDB, MyISAM, …
    pub(super) engine: String,
    /// MariaDB keeps every old row.
    pub(super) versioned: bool,
}

impl TableInfo {
    /// The database's name.
    pub(super) fn database(&self) -> &str {
        self.full.schema.as_deref().unwrap_or_default()
    }
}

/// A column of the primary key.
#[derive(Debug, Clone)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) kind: KeyKind,
    /// `data_type` of the catalog.
    pub(super) data_type: String,
    /// A whole number without sign.
    pub(super) unsigned: bool,
    /// Character set and collation of a text.
    pub(super) charset: Option<(String, String)>,
}

/// How a key column's values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// Whole numbers, also `year`.
    Integer,
    /// `binary`, `varbinary`, blobs.
    Bytes,
    /// Texts, compared by their own collation.
    Text,
    /// Anything else, as text that is cast back ("DATETIME(6)").
    Cast(&'static str),
    /// No exact text: refused.
    Unsupported,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    /// "varchar(40)".
    pub(super) declared_type: String,
    /// "varchar".
    pub(super) data_type: String,
    /// Character set and collation of a text.
    pub(super) charset: Option<(String, String)>,
    /// `character_maximum_length`: characters, or bytes of a binary type.
    pub(super) max_length: Option<u64>,
    /// `character_octet_length`: bytes.
    pub(super) max_bytes: Option<u64>,
    pub(super) nullable: bool,
    /// `column_default`, as the catalog has it.
    pub(super) default: Option<String>,
    /// "auto_increment", "DEFAULT_GENERATED", "on update current_timestamp()", …
    pub(super) extra: String,
    pub(super) comment: String,
    pub(super) generated: bool,
    pub(super) in_key: bool,
}

impl ColumnInfo {
    /// A binary type.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(
            self.data_type.as_str(),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob"
        )
    }

    /// A text type: it has a character set and takes text as it is.
    pub(super) fn is_string(&self) -> bool {
        matches!(
            self.data_type.as_str(),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"
        )
    }
}

/// One query over the catalog, its columns as texts.
pub(super) async fn ask<const N: usize>(
    shared: &Shared,
    sql: &'static str,
    bound: &[&str],
) -> Result<Vec<[Option<String>; N]>, TargetError> {
    let fail = |e| shared.error("reading the catalog", e);
    let mut query = sqlx::query(sql);
    for value in bound {
        query = query.bind((*value).to_owned());
    }
    let rows = query.fetch_all(&shared.pool).await.map_err(fail)?;
    let read = |row: &MySqlRow| -> Result<[Option<String>; N], sqlx::Error> {
        let mut out = [const { None }; N];
        for (i, cell) in out.iter_mut().enumerate() {
            *cell = text(row, i)?;
        }
        Ok(out)
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

/// The application's tables in every database that this account sees.
pub(super) async fn tables(shared: &Shared) -> Result<Vec<Table>, TargetError> {
    let rows = ask::<3>(
        shared,
        "SELECT table_schema, table_name, CAST(table_rows AS CHAR) FROM information_schema.tables \
         WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') \
         AND table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') \
         ORDER BY table_schema <> DATABASE(), table_schema, table_name",
        &[],
    )
    .await?;
    let columns = ask::<5>(
        shared,
        "SELECT table_schema, table_name, column_name, column_type, is_nullable FROM information_schema.columns \
         WHERE table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') \
         ORDER BY table_schema, table_name, ordinal_position",
        &[],
    )
    .await?;
    let keys = ask::<3>(
        shared,
        "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
         WHERE index_name = 'PRIMARY' ORDER BY table_schema, table_name, seq_in_index",
        &[],
    )
    .await?;
    let mut columns_of: BTreeMap<(String, String), Vec<Column>> = BTreeMap::new();
    for [schema, table, name, declared, nullable] in columns {
        let at = (schema.unwrap_or_default(), table.unwrap_or_default());
        columns_of.entry(at).or_default().push(Column {
            name: name.unwrap_or_default(),
            declared_type: declared.unwrap_or_default(),
            nullable: nullable.as_deref() == Some("YES"),
        });
    }
    let mut key_of: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for [schema, table, name] in keys {
        let at = (schema.unwrap_or_default(), table.unwrap_or_default());
        key_of.entry(at).or_default().push(name.unwrap_or_default());
    }
    let mut tables = Vec::new();
    for [schema, name, estimate] in rows {
        let at = (schema.unwrap_or_default(), name.unwrap_or_default());
        if OWN_TABLES.contains(&at.1.as_str()) {
            continue;
        }
        tables.push(Table {
            key: key_of.remove(&at).unwrap_or_default(),
            columns: columns_of.remove(&at).unwrap_or_default(),
            name: TableName {
                schema: (at.0 != shared.database).then_some(at.0),
                name: at.1,
            },
            estimated_rows: estimate.and_then(|n| n.parse().ok()),
        });
    }
    Ok(tables)
}

/// The table and column of exactly these names.
///
/// # Errors
/// [`TargetError::NotFound`] with the nearest names, [`TargetError::Refused`] for
/// a view.
pub(super) async fn find(
    shared: &Shared,
    wanted: &TableName,
    column: &str,
) -> Result<(TableInfo, ColumnInfo), TargetError> {
    let database = wanted
        .schema
        .clone()
        .unwrap_or_else(|| shared.database.clone());
    let found = ask::<3>(
        shared,
        "SELECT table_name, table_type, engine FROM information_schema.tables WHERE BINARY table_schema = ?",
        &[&database],
    )
    .await?;
    let Some([_, kind, engine]) = found
        .iter()
        .find(|[name, ..]| name.as_deref() == Some(wanted.name.as_str()))
    else {
        return Err(TargetError::NotFound {
            what: format!("table {wanted} in {}", shared.place.location),
            next: nearest::advice(
                &wanted.name,
                found.iter().filter_map(|[name, ..]| name.as_deref()),
                "table",
            ),
        });
    };
    let kind = kind.as_deref().unwrap_or_default();
    if !matches!(kind, "BASE TABLE" | "SYSTEM VERSIONED") {
        return Err(TargetError::Refused {
            what: format!("{wanted} is a view, not a table"),
            next: "name the table that holds the rows".to_owned(),
        });
    }
    let rows = ask::<12>(
        shared,
        "SELECT column_name, column_type, data_type, character_set_name, collation_name, \
         CAST(character_maximum_length AS CHAR), is_nullable, column_default, extra, column_comment, column_key, \
         CAST(character_octet_length AS CHAR) \
         FROM information_schema.columns WHERE BINARY table_schema = ? AND BINARY table_name = ? ORDER BY ordinal_position",
        &[&database, &wanted.name],
    )
    .await?;
    let columns: Vec<ColumnInfo> = rows.into_iter().map(read_column).collect();
    let Some(info) = columns.iter().find(|c| c.name == column).cloned() else {
        return Err(TargetError::NotFound {
            what: format!("column {column} of table {wanted}"),
            next: nearest::advice(column, columns.iter().map(|c| c.name.as_str()), "column"),
        });
    };
    let key = ask::<2>(
        shared,
        "SELECT column_name, CAST(sub_part AS CHAR) FROM information_schema.statistics WHERE BINARY table_schema = ? \
         AND BINARY table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index",
        &[&database, &wanted.name],
    )
    .await?;
    let full = TableName {
        schema: Some(database.clone()),
        name: wanted.name.clone(),
    };
    let definition = definition(shared, &full).await?;
    let key = key
        .into_iter()
        .filter_map(|[name, prefix]| {
            let column = columns.iter().find(|c| Some(&c.name) == name.as_ref())?;
            let kind = if prefix.is_some() {
                KeyKind::Unsupported
            } else {
                key_kind(column)
            };
            Some(KeyColumn {
                name: column.name.clone(),
                kind,
                data_type: column.data_type.clone(),
                // ZEROFILL is without sign too; the catalog says so in the type.
                unsigned: column.declared_type.contains("unsigned"),
                charset: column.charset.clone(),
            })
        })
        .collect();
    let table = TableInfo {
        shown: TableName {
            schema: (database != shared.database).then_some(database),
            name: wanted.name.clone(),
        },
        full,
        key,
        on_update: columns
            .iter()
            .filter(|c| c.extra.contains("on update"))
            .map(|c| c.name.clone())
            .collect(),
        definition,
        engine: engine.clone().unwrap_or_default(),
        versioned: kind == "SYSTEM VERSIONED",
    };
    Ok((table, info))
}

fn read_column(row: [Option<String>; 12]) -> ColumnInfo {
    let [
        name,
        declared,
        data,
        charset,
        collation,
        length,
        nullable,
        default,
        extra,
        comment,
        key,
        octets,
    ] = row;
    let extra = extra.unwrap_or_default().to_ascii_lowercase();
    ColumnInfo {
        name: name.unwrap_or_default(),
        declared_type: declared.unwrap_or_default(),
        data_type: data.unwrap_or_default().to_ascii_lowercase(),
        charset: charset.zip(collation),
        max_length: length.and_then(|n| n.parse().ok()),
        max_bytes: octets.and_then(|n| n.parse().ok()),
        nullable: nullable.as_deref() == Some("YES"),
        default,
        generated: extra.contains("virtual")
            || extra.contains("stored")
            || extra.contains("persistent"),
        extra,
        comment: comment.unwrap_or_default(),
        in_key: key.as_deref() == Some("PRI"),
    }
}

async fn definition(shared: &Shared, table: &TableName) -> Result<String, TargetError> {
    let fail = |e| shared.error(format!("reading the definition of {table}"), e);
    let sql = Sql::new(Dialect::Mysql)
        .add("SHOW CREATE TABLE ")
        .table(table);
    let row = sqlx::query(sql.build())
        .fetch_one(&shared.pool)
        .await
        .map_err(fail)?;
    Ok(text(&row, 1).map_err(fail)?.unwrap_or_default())
}

fn key_kind(column: &ColumnInfo) -> KeyKind {
    if column.is_bytes() {
        return KeyKind::Bytes;
    }
    if column.is_string() {
        return KeyKind::Text;
    }
    match column.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => KeyKind::Integer,
        "decimal" => KeyKind::Cast("DECIMAL(65,30)"),
        "date" => KeyKind::Cast("DATE"),
        "datetime" | "timestamp" => KeyKind::Cast("DATETIME(6)"),
        "time" => KeyKind::Cast("TIME(6)"),
        "double" => KeyKind::Cast("DOUBLE"),
        "uuid" => KeyKind::Cast("UUID"),
        "inet6" => KeyKind::Cast("INET6"),
        "inet4" => KeyKind::Cast("INET4"),
        _ => KeyKind::Unsupported,
    }
}
