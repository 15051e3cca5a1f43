//! Preflight: what would break, what the operator should know.
//!
//! SQLite's types do not bound lengths, so no DDL is ever needed; what cannot
//! hold a token (a STRICT table's INTEGER or REAL column) is refused, since
//! SQLite has no `ALTER` for it.

use atrest_engine::target::{Description, Finding, TargetError};

use super::Shared;
use super::catalog::{ColumnInfo, TableInfo};
use super::value::Affinity;
use crate::ddl::{Token, clauses, fires_on_update, is_computed, mentions, tokens, uses_of_value};
use crate::quote::{Dialect, Sql, column_name};

/// Everything that preflight finds about the column.
pub(super) async fn describe(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    longest_token: u64,
    to_change: bool,
) -> Result<Description, TargetError> {
    let mut found = Found::new(table, column);
    found.definition();
    found.length(longest_token);
    found.indexes(shared).await?;
    found.foreign_keys(shared).await?;
    found.values(shared).await?;
    found.others(shared).await?;
    if to_change {
        try_writing(shared).await?;
    }
    Ok(Description {
        declared_type: column.declared_type.clone(),
        key: table.key.iter().map(|c| c.name.clone()).collect(),
        schema: None,
        room: None,
        refusals: found.refusals,
        warnings: found.warnings,
    })
}

struct Found<'a> {
    table: &'a TableInfo,
    column: &'a ColumnInfo,
    name: String,
    refusals: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl<'a> Found<'a> {
    fn new(table: &'a TableInfo, column: &'a ColumnInfo) -> Self {
        let name = column_name(&table.name, &column.name);
        Self {
            table,
            column,
            name,
            refusals: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The table and the column, to bind.
    fn names(&self) -> [String; 2] {
        [self.table.name.name.clone(), self.column.name.clone()]
    }

    fn refuse(&mut self, what: String, next: impl Into<String>) {
        self.refusals.push(Finding {
            what,
            next: next.into(),
        });
    }

    fn warn(&mut self, what: String, next: impl Into<String>) {
        self.warnings.push(Finding {
            what,
            next: next.into(),
        });
    }

    /// The `CREATE TABLE`: strictness, CHECK, generated columns, DEFAULT.
    fn definition(&mut self) {
        let (name, column) = (self.name.clone(), self.column);
        let kind = column.declared_type.to_ascii_uppercase();
        if self.table.strict && matches!(kind.as_str(), "INT" | "INTEGER" | "REAL") {
            self.refuse(
                format!("{name} is {kind} in a STRICT table, which cannot hold a token"),
                "make a new table with this column as TEXT, copy the rows, and rename it (SQLite cannot alter a type)",
            );
        }
        let sql = tokens(Dialect::Sqlite, &self.table.sql);
        let checks = clauses(&sql, "check");
        if checks.iter().any(|c| uses_of_value(c, &column.name) > 0) {
            self.refuse(
                format!(
                    "a CHECK constraint of table {} uses {name}, and a token would break it",
                    self.table.name
                ),
                "remove the constraint from the table's definition first",
            );
        }
        let computed = clauses(&sql, "as");
        if computed.iter().any(|c| mentions(c, &column.name)) {
            self.refuse(
                format!("a generated column of table {} is computed from {name}", self.table.name),
                "remove the generated column first: it would be computed from the token, or keep the value in clear",
            );
        }
        if let Some(default) = &column.default
            && !default.eq_ignore_ascii_case("null")
        {
            self.warn(
                format!("{name} has a DEFAULT; rows inserted with it come in clear"),
                "have the application write the value sealed, or run encrypt again from time to time",
            );
        }
    }

    /// SQLite ends values at one billion bytes.
    fn length(&mut self, longest_token: u64) {
        if longest_token > 1_000_000_000 {
            self.refuse(
                format!("the longest token of {} would have {longest_token} bytes; SQLite ends at 1,000,000,000", self.name),
                "keep values of this size outside the database",
            );
        }
    }

    async fn indexes(&mut self, shared: &Shared) -> Result<(), TargetError> {
        let list: Vec<(String, bool, Option<String>, bool)> = shared
            .connections
            .rows(
                format!("reading the indexes of {}", self.table.name),
                "SELECT l.name, l.\"unique\", s.sql, \
                 (SELECT count(*) FROM pragma_index_info(l.name, 'main') i WHERE i.name = ?2) > 0 \
                 FROM pragma_index_list(?1, 'main') l \
                 LEFT JOIN main.sqlite_schema s ON s.type = 'index' AND s.name = l.name",
                self.names(),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .await?;
        for (index, unique, sql, plain) in list {
            let computed =
                sql.is_some_and(|sql| is_computed(Dialect::Sqlite, &sql, &self.column.name, plain));
            let name = self.name.clone();
            if unique && (plain || computed) {
                self.refuse(
                    format!("the unique index or constraint {index} covers {name}: equal values get different tokens, so it would no longer hold"),
                    "remove the uniqueness, or keep a keyed hash of the value in a column of its own and make that unique",
                );
            } else if computed {
                self.refuse(
                    format!("index {index} is computed from {name}, and a token in its place may make it fail"),
                    format!("drop the index first (DROP INDEX {})", Sql::new(Dialect::Sqlite).ident(&index).text()),
                );
            } else if plain {
                self.warn(
                    format!(
                        "index {index} covers {name}; it finds nothing by clear value any more"
                    ),
                    "drop it when no query needs it",
                );
            }
        }
        Ok(())
    }

    async fn foreign_keys(&mut self, shared: &Shared) -> Result<(), TargetError> {
        let keys: Vec<(String, String, String)> = shared
            .connections
            .rows(
                "reading the foreign keys",
                "SELECT m.name, f.\"from\", f.\"table\" FROM main.sqlite_schema m, pragma_foreign_key_list(m.name, 'main') f \
                 WHERE m.type = 'table' AND ((lower(m.name) = lower(?1) AND lower(f.\"from\") = lower(?2)) \
                 OR (lower(f.\"table\") = lower(?1) AND lower(f.\"to\") = lower(?2)))",
                self.names(),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .await?;
        for (from, column, to) in keys {
            self.refuse(
                format!(
                    "the foreign key {from}.{column} to {to} uses {}, and tokens are never equal",
                    self.name
                ),
                "refer by a key that is not sensitive, and remove this foreign key first",
            );
        }
        Ok(())
    }

    /// Values that would not come back as they were, and keys that are NULL.
    async fn values(&mut self, shared: &Shared) -> Result<(), TargetError> {
        let doing = format!("looking through {}", self.table.name);
        // A column of text affinity turns numbers into text when it stores them.
        if self.column.affinity == Affinity::Blob {
            let sql = Sql::new(Dialect::Sqlite)
                .add("SELECT count(*) FROM ")
                .table(&self.table.name);
            let sql = sql
                .add(" WHERE typeof(")
                .ident(&self.column.name)
                .add(") IN ('integer', 'real')");
            let count = shared
                .connections
                .number(doing.clone(), sql.text(), [])
                .await?;
            if count > 0 {
                self.refuse(
                    format!(
                        "{} holds {count} number(s) in a column without a numeric type, which would come back as text",
                        self.name
                    ),
                    "store them as text, or declare the column with a numeric type",
                );
            }
        }
        let rowid_alias = matches!(self.table.key.as_slice(), [only] if only.declared_type.eq_ignore_ascii_case("integer"));
        let may_be_null = !self.table.without_rowid && !rowid_alias;
        let nullable: Vec<&ColumnInfo> = self
            .table
            .key
            .iter()
            .filter(|c| may_be_null && !c.not_null)
            .collect();
        if !nullable.is_empty() {
            let mut sql = Sql::new(Dialect::Sqlite)
                .add("SELECT count(*) FROM ")
                .table(&self.table.name)
                .add(" WHERE ");
            for (i, part) in nullable.iter().enumerate() {
                sql = if i > 0 { sql.add(" OR ") } else { sql };
                sql = sql.ident(&part.name).add(" IS NULL");
            }
            let count = shared.connections.number(doing, sql.text(), []).await?;
            if count > 0 {
                self.refuse(
                    format!("{count} row(s) of table {} have NULL in the primary key and cannot be named", self.table.name),
                    "give these rows a key first",
                );
            }
        }
        Ok(())
    }

    /// Triggers that would fire, views that show the column, what stays behind.
    async fn others(&mut self, shared: &Shared) -> Result<(), TargetError> {
        let objects: Vec<(String, String, String, String)> = shared
            .connections
            .rows(
                "reading triggers and views",
                "SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE type IN ('trigger', 'view') AND sql IS NOT NULL",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .await?;
        for (kind, object, on, sql) in objects {
            let words = tokens(Dialect::Sqlite, &sql);
            let name = self.name.clone();
            if kind == "trigger" {
                if on.eq_ignore_ascii_case(&self.table.name.name)
                    && fires_on_update(&words, &self.column.name)
                {
                    self.warn(
                        format!("trigger {object} on table {} fires for every row that is changed", self.table.name),
                        "make sure that it does no harm (copies the value in clear, stamps a date), or drop it for the run",
                    );
                }
            } else if mentions(&words, &self.table.name.name)
                && (mentions(&words, &self.column.name) || words.contains(&Token::Sign('*')))
            {
                self.warn(
                    format!(
                        "view {object} reads table {} and may show tokens of {name}",
                        self.table.name
                    ),
                    "have its readers open the tokens",
                );
            }
        }
        self.warn(
            format!(
                "tokens are longer than values, so {} grows; copies of old values may stay in a -wal file or in backups",
                shared.place.location
            ),
            "run VACUUM afterwards, and renew backups that hold clear values",
        );
        Ok(())
    }
}

/// Makes a table and drops it in one transaction: shows whether the file, its
/// folder and the mode allow changes, and leaves nothing.
async fn try_writing(shared: &Shared) -> Result<(), TargetError> {
    shared
        .connections
        .change(
            format!("writing to {}", shared.place.location),
            |connection| {
                Ok(connection.execute_batch(
                    "SAVEPOINT atrest_write_check; \
                     CREATE TABLE main.atrest_write_check (x); \
                     ROLLBACK TO atrest_write_check; RELEASE atrest_write_check",
                )?)
            },
        )
        .await
}
