//! The DDL that lets a column hold tokens, and the exact way back.
//!
//! Back is the column's own line of `SHOW CREATE TABLE`, so that nothing of its
//! definition is lost: character set, collation, default, comment, CHECK.

use atrest_engine::target::{Room, SchemaChange};

use super::Shared;
use super::catalog::{ColumnInfo, TableInfo};
use crate::ddl::{clauses, mentions, tokens};
use crate::quote::{Dialect, Sql};

/// `None` when the column holds tokens of `longest_token` bytes as it is.
pub(super) fn change(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    longest_token: u64,
) -> Option<SchemaChange> {
    if holds(table, column, longest_token) {
        return None;
    }
    let original = line(&table.definition, &column.name)?;
    let sealed_type = sealed_type(column, longest_token);
    let modify = || {
        Sql::new(Dialect::Mysql)
            .add("ALTER TABLE ")
            .table(&table.full)
            .add(" MODIFY COLUMN ")
    };
    let mut up = Vec::new();
    // A FLOAT's own text has six digits; a DOUBLE's has all.
    if column.data_type == "float"
        && column.declared_type.starts_with("float")
        && !column.declared_type.contains('(')
    {
        up.push(
            attributes(
                modify().ident(&column.name).add(" DOUBLE"),
                column,
                false,
                shared.mariadb,
            )
            .text(),
        );
    }
    let target = modify().ident(&column.name).add(" ").add(sealed_type);
    up.push(attributes(target, column, true, shared.mariadb).text());
    let mut down = Vec::new();
    // A text becomes a BIGINT by way of a signed one, and the upper half of an
    // unsigned one would not pass; a DECIMAL holds both.
    if column.data_type == "bigint" {
        let exact = modify().ident(&column.name).add(" DECIMAL(20,0)");
        down.push(
            exact
                .add(if column.nullable {
                    " NULL"
                } else {
                    " NOT NULL"
                })
                .text(),
        );
    }
    down.push(modify().catalog(original).text());
    Some(SchemaChange {
        original_type: column.declared_type.clone(),
        sealed_type: sealed_type.to_ascii_lowercase(),
        up,
        down,
    })
}

fn holds(table: &TableInfo, column: &ColumnInfo, longest_token: u64) -> bool {
    if is_json(table, column) {
        return false;
    }
    match column.data_type.as_str() {
        "varchar" => column.max_length.is_some_and(|n| n >= longest_token),
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            column.max_length.is_some_and(|n| n >= longest_token)
        }
        // These end at a number of bytes; a token's characters have one to four.
        "tinytext" | "text" | "mediumtext" | "longtext" => column
            .max_bytes
            .is_some_and(|n| n >= longest_token.saturating_mul(bytes_per_character(column))),
        _ => false,
    }
}

/// What a type that is as long as it says holds. Of a `TEXT` or `BLOB` nobody says that its
/// values come near its end.
pub(super) fn room(column: &ColumnInfo) -> Option<Room> {
    match column.data_type.as_str() {
        "varchar" | "varbinary" => Some(Room {
            value: column.max_bytes?,
            token: column.max_length?,
        }),
        _ => None,
    }
}

fn bytes_per_character(column: &ColumnInfo) -> u64 {
    match column.charset.as_ref().map(|(charset, _)| charset.as_str()) {
        Some("utf32") => 4,
        Some("utf16" | "utf16le" | "ucs2") => 2,
        _ => 1,
    }
}

/// MySQL's `json`, or MariaDB's: a text with a `json_valid` CHECK.
pub(super) fn is_json(table: &TableInfo, column: &ColumnInfo) -> bool {
    column.data_type == "json"
        || line(&table.definition, &column.name).is_some_and(|line| {
            clauses(&tokens(Dialect::Mysql, line), "check")
                .iter()
                .any(|check| mentions(check, "json_valid"))
        })
}

fn sealed_type(column: &ColumnInfo, longest_token: u64) -> &'static str {
    // Room for values that the application will still write in clear.
    let need = longest_token
        .saturating_mul(bytes_per_character(column))
        .saturating_mul(2);
    match (column.is_bytes(), need) {
        (true, 0..=65_535) => "BLOB",
        (true, 65_536..=16_777_215) => "MEDIUMBLOB",
        (true, _) => "LONGBLOB",
        (false, 0..=65_535)
            if !matches!(
                column.data_type.as_str(),
                "mediumtext" | "longtext" | "json"
            ) =>
        {
            "TEXT"
        }
        (false, 0..=16_777_215) if !matches!(column.data_type.as_str(), "longtext" | "json") => {
            "MEDIUMTEXT"
        }
        (false, _) => "LONGTEXT",
    }
}

/// `CHARACTER SET … COLLATE … NOT NULL DEFAULT … COMMENT …`.
fn attributes(mut sql: Sql, column: &ColumnInfo, sealed: bool, mariadb: bool) -> Sql {
    if sealed && !column.is_bytes() {
        sql = match &column.charset {
            Some((charset, collation)) => sql
                .add(" CHARACTER SET ")
                .catalog(charset)
                .add(" COLLATE ")
                .catalog(collation),
            None => sql.add(" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        };
    }
    sql = sql.add(if column.nullable {
        " NULL"
    } else {
        " NOT NULL"
    });
    if let Some(default) = column
        .default
        .as_deref()
        .filter(|d| !d.eq_ignore_ascii_case("null"))
    {
        sql = sql.add(" DEFAULT (");
        // MariaDB prints every default as SQL; MySQL only those that are computed.
        sql = if mariadb || column.extra.contains("default_generated") {
            sql.catalog(default)
        } else {
            sql.literal(default)
        };
        sql = sql.add(")");
    }
    if column.extra.contains("invisible") {
        sql = sql.add(" INVISIBLE");
    }
    if column.comment.is_empty() {
        sql
    } else {
        sql.add(" COMMENT ").literal(&column.comment)
    }
}

/// The column's own line, without the comma at its end.
fn line<'a>(definition: &'a str, column: &str) -> Option<&'a str> {
    let start = Sql::new(Dialect::Mysql).ident(column).add(" ").text();
    definition
        .lines()
        .skip(1)
        .map(str::trim_start)
        .find(|line| line.starts_with(&start))
        .map(|line| line.strip_suffix(',').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_columns_line_is_found_by_its_whole_name() {
        let definition = "CREATE TABLE `t` (\n  `ab` int(11) NOT NULL,\n  `a` varchar(4) DEFAULT 'x,' COMMENT 'it''s',\n  `b``c` text\n) ENGINE=InnoDB";
        assert_eq!(
            line(definition, "a"),
            Some("`a` varchar(4) DEFAULT 'x,' COMMENT 'it''s'")
        );
        assert_eq!(line(definition, "b`c"), Some("`b``c` text"));
        assert_eq!(line(definition, "t"), None);
    }
}
