//! The DDL that lets a column hold tokens, and the exact way back.
//!
//! Back, a string type needs no `USING`: text is assigned to it, and what is too
//! long is an error. A cast would cut it.

use atrest_engine::target::{Room, SchemaChange};

use super::catalog::{ColumnInfo, TableInfo};
use crate::quote::{Dialect, Sql};

/// `None` when the column holds tokens of `longest_token` bytes as it is.
pub(super) fn change(
    table: &TableInfo,
    column: &ColumnInfo,
    longest_token: u64,
) -> Option<SchemaChange> {
    if holds(column, longest_token) {
        return None;
    }
    Some(SchemaChange {
        original_type: column.declared_type.clone(),
        sealed_type: "text".to_owned(),
        up: vec![alter(table, column, true).text()],
        down: std::iter::once(alter(table, column, false).text())
            .chain(storage(table, column).map(Sql::text))
            .collect(),
    })
}

fn holds(column: &ColumnInfo, longest_token: u64) -> bool {
    if column.constrained_domain {
        return false;
    }
    match column.base.as_str() {
        "text" | "citext" | "bytea" => true,
        "varchar" => column.max_length.is_none_or(|n| n >= longest_token),
        _ => false,
    }
}

/// What a `varchar` with a length holds.
pub(super) fn room(column: &ColumnInfo) -> Option<Room> {
    let characters = column.max_length.filter(|_| column.base == "varchar")?;
    Some(Room {
        value: characters.saturating_mul(4),
        token: characters,
    })
}

/// `ALTER TABLE … ALTER COLUMN … TYPE`, with the default taken off before and
/// put on again after (in one statement, which PostgreSQL orders so).
fn alter(table: &TableInfo, column: &ColumnInfo, up: bool) -> Sql {
    let part = |sql: Sql| sql.add("ALTER COLUMN ").ident(&column.name);
    let mut sql = Sql::new(Dialect::Postgres)
        .add("ALTER TABLE ")
        .table(&table.full)
        .add(" ");
    if column.default.is_some() {
        sql = part(sql).add(" DROP DEFAULT, ");
    }
    sql = part(sql).add(" TYPE ");
    sql = if up {
        sql.add("text")
    } else {
        sql.catalog(&column.declared_type)
    };
    // A collation goes with a string through both types.
    if let Some(collation) = &column.collation
        && (!up || column.is_string())
    {
        sql = sql.add(" COLLATE ").catalog(collation);
    }
    if up {
        sql = sql.add(" USING ").ident(&column.name).add("::text");
    } else if !column.is_string() || column.is_domain {
        sql = sql.add(" USING ").ident(&column.name).add("::");
        // Without the length: a cast with one would cut, the assignment refuses.
        sql = sql.catalog(&column.type_name);
    }
    if let Some(default) = &column.default {
        sql = part(sql.add(", ")).add(" SET DEFAULT ");
        sql = if up {
            sql.add("(").catalog(default).add(")::text")
        } else {
            sql.catalog(default)
        };
    }
    sql
}

/// `SET STORAGE` and `SET COMPRESSION` where they were not the type's own: a
/// change of type resets them.
fn storage(table: &TableInfo, column: &ColumnInfo) -> impl Iterator<Item = Sql> {
    let alter = || {
        Sql::new(Dialect::Postgres)
            .add("ALTER TABLE ")
            .table(&table.full)
            .add(" ALTER COLUMN ")
            .ident(&column.name)
    };
    let storage = column
        .storage
        .as_ref()
        .map(|s| alter().add(" SET STORAGE ").catalog(s));
    let compression = column
        .compression
        .as_ref()
        .map(|c| alter().add(" SET COMPRESSION ").catalog(c));
    storage.into_iter().chain(compression)
}
