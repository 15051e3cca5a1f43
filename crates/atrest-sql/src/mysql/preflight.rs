//! Preflight: what would break, what the operator should know, what the account
//! may not do.

use atrest_engine::target::{Description, TargetError};

use super::catalog::{ColumnInfo, TableInfo, ask};
use super::{Shared, privileges, schema};
use crate::ddl::{clauses, mentions, tokens, uses_of_value};
use crate::findings::Findings;
use crate::quote::{Dialect, Sql, column_name};

/// Types whose text goes there and back exactly, beside texts and bytes.
const EXACT: [&str; 20] = [
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "decimal",
    "float",
    "double",
    "date",
    "datetime",
    "timestamp",
    "time",
    "year",
    "json",
    "enum",
    "set",
    "uuid",
    "inet4",
    "inet6",
    "boolean",
];

/// Everything that preflight finds about the column.
pub(super) async fn describe(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    longest_token: u64,
    to_change: bool,
) -> Result<Description, TargetError> {
    let change = schema::change(shared, table, column, longest_token);
    let mut look = Look {
        shared,
        table,
        column,
        name: column_name(&table.shown, &column.name),
        alters: change.is_some(),
        found: Findings::default(),
    };
    look.column_itself();
    look.table_itself();
    look.sizes(longest_token);
    look.checks();
    look.labels().await?;
    look.indexes().await?;
    look.foreign_keys().await?;
    look.triggers_and_views().await?;
    // A column that is refused anyway may be one that nobody can update.
    if to_change && look.found.refusals.is_empty() {
        privileges::check(shared, table, column).await?;
    }
    let Findings { refusals, warnings } = look.found;
    Ok(Description {
        declared_type: column.declared_type.clone(),
        key: table.key.iter().map(|k| k.name.clone()).collect(),
        schema: change,
        room: schema::room(column),
        refusals,
        warnings,
    })
}

struct Look<'a> {
    shared: &'a Shared,
    table: &'a TableInfo,
    column: &'a ColumnInfo,
    name: String,
    /// The type must change.
    alters: bool,
    found: Findings,
}

impl Look<'_> {
    fn column_itself(&mut self) {
        let (name, column) = (&self.name, self.column);
        if !column.is_bytes() && !column.is_string() && !EXACT.contains(&column.data_type.as_str())
        {
            self.found.refuse(
                format!(
                    "{name} has the type {}, whose values have no text that goes back exactly",
                    column.declared_type
                ),
                "take the column out of the policy, or change it to a text or binary type first",
            );
        }
        if column.extra.contains("auto_increment") {
            self.found.refuse(
                format!("{name} is AUTO_INCREMENT, whose numbers the database makes itself"),
                "take the column out of the policy",
            );
        }
        if column.extra.contains("on update") {
            self.found.refuse(
                format!(
                    "{name} is ON UPDATE CURRENT_TIMESTAMP, so the database writes it in clear"
                ),
                "take the column out of the policy, or have the application write it",
            );
        }
        if column.extra.contains("compressed") || column.extra.contains("system versioning") {
            self.found.refuse(
                format!(
                    "{name} has an attribute ({}) that a change of type would lose",
                    column.extra
                ),
                "remove the attribute first",
            );
        }
        if column
            .default
            .as_deref()
            .is_some_and(|d| !d.eq_ignore_ascii_case("null"))
        {
            self.found.warn(
                format!("{name} has a DEFAULT; rows inserted with it come in clear"),
                "have the application write the value sealed, or run encrypt again from time to time",
            );
        }
        if self.alters {
            self.found.warn(
                format!(
                    "the type of {name} must change from {}, during which nobody else can change table {}",
                    column.declared_type, self.table.shown
                ),
                "choose a quiet hour for it; the plan shows the statements and the way back",
            );
        }
    }

    fn table_itself(&mut self) {
        let (table, shown) = (self.table, &self.table.shown);
        if !matches!(
            table.engine.to_ascii_lowercase().as_str(),
            "innodb" | "rocksdb" | "xtradb"
        ) {
            self.found.refuse(
                format!("table {shown} is {}, which has no transactions, so rows and journal could part", table.engine),
                format!(
                    "run {} first",
                    Sql::new(Dialect::Mysql).add("ALTER TABLE ").table(&table.full).add(" ENGINE = InnoDB").text()
                ),
            );
        }
        if table.versioned {
            self.found.refuse(
                format!("table {shown} keeps old versions of its rows (SYSTEM VERSIONING), and they would stay in clear"),
                "remove the versioning, or delete the history and exclude the column from it, first",
            );
        }
        if !table.on_update.is_empty() {
            self.found.warn(
                format!(
                    "{} of {shown} would change by itself on every update; it is kept as it is",
                    table.on_update.join(", ")
                ),
                "nothing",
            );
        }
        self.found.warn(
            format!("tokens are longer than values, so {shown} grows; old values stay in the binary log and in backups"),
            format!(
                "run {} afterwards, purge the binary log, and renew backups that hold clear values",
                Sql::new(Dialect::Mysql).add("OPTIMIZE TABLE ").table(&table.full).text()
            ),
        );
    }

    fn sizes(&mut self, longest_token: u64) {
        // Old and new value travel in one statement.
        let need = longest_token.saturating_mul(2).saturating_add(65_536);
        if need > self.shared.packet {
            self.found.refuse(
                format!(
                    "max_allowed_packet is {} bytes, and changing the longest value of {} takes {need}",
                    self.shared.packet, self.name
                ),
                format!("run SET GLOBAL max_allowed_packet = {}; and connect anew", need.div_ceil(1_048_576) * 1_048_576),
            );
        }
    }

    /// CHECK constraints and generated columns that use the column, from the
    /// table's own definition.
    fn checks(&mut self) {
        let words = tokens(Dialect::Mysql, &self.table.definition);
        let column = &self.column.name;
        let own_json = |check: &[crate::ddl::Token]| {
            check.len() == 6 && mentions(check, "json_valid") && mentions(check, column)
        };
        if clauses(&words, "check")
            .iter()
            .any(|check| uses_of_value(check, column) > 0 && !own_json(check))
        {
            self.found.refuse(
                format!(
                    "a CHECK constraint of table {} uses {}, and a token would break it",
                    self.table.shown, self.name
                ),
                "drop the constraint first (ALTER TABLE … DROP CONSTRAINT …)",
            );
        }
        if clauses(&words, "as")
            .iter()
            .any(|expression| mentions(expression, column))
        {
            self.found.refuse(
                format!("a generated column of table {} is computed from {}", self.table.shown, self.name),
                "drop the generated column first: it would be computed from the token, or keep the value in clear",
            );
        }
        // After the columns only the partitioning may name them in this way.
        if let Some(at) = words
            .iter()
            .position(|t| *t == crate::ddl::Token::Word("partition".to_owned(), false))
            && mentions(&words[at..], column)
        {
            self.found.refuse(
                format!("table {} is partitioned by {}", self.table.shown, self.name),
                "take the column out of the policy, or partition by another column",
            );
        }
    }

    /// An ENUM's error value has no label to come back by.
    async fn labels(&mut self) -> Result<(), TargetError> {
        if self.column.data_type != "enum" {
            return Ok(());
        }
        let sql = Sql::new(Dialect::Mysql)
            .add("SELECT COUNT(*) FROM ")
            .table(&self.table.full)
            .add(" WHERE ");
        let sql = sql.ident(&self.column.name).add(" = 0");
        let count: i64 = sqlx::query_scalar(sql.build())
            .fetch_one(&self.shared.pool)
            .await
            .map_err(|e| {
                self.shared
                    .error(format!("looking through {}", self.table.shown), e)
            })?;
        if count > 0 {
            self.found.refuse(
                format!("{} holds {count} value(s) that are none of its labels, which would not come back", self.name),
                "correct these rows first (they compare equal to 0)",
            );
        }
        Ok(())
    }

    async fn indexes(&mut self) -> Result<(), TargetError> {
        let rows = ask::<5>(
            self.shared,
            "SELECT index_name, CAST(non_unique AS CHAR), column_name, CAST(sub_part AS CHAR), index_type \
             FROM information_schema.statistics WHERE BINARY table_schema = ? AND BINARY table_name = ?",
            &[self.table.database(), &self.table.full.name],
        )
        .await?;
        let name = self.name.clone();
        for [index, non_unique, column, prefix, kind] in rows {
            let (index, kind) = (index.unwrap_or_default(), kind.unwrap_or_default());
            let drop = format!(
                "drop the index first ({})",
                Sql::new(Dialect::Mysql)
                    .add("DROP INDEX ")
                    .ident(&index)
                    .add(" ON ")
                    .table(&self.table.full)
                    .text()
            );
            if column.is_none() {
                // A functional index of MySQL 8: its expression is not asked for
                // here (MariaDB has no such column); its text names the column.
                let line = self
                    .table
                    .definition
                    .lines()
                    .find(|l| l.contains(&format!("KEY `{index}`")))
                    .unwrap_or_default();
                if mentions(&tokens(Dialect::Mysql, line), &self.column.name) {
                    self.found.refuse(format!("index {index} is computed from {name}, and a token in its place may make it fail"), drop);
                }
            } else if column.as_deref() == Some(self.column.name.as_str()) {
                if non_unique.as_deref() == Some("0") {
                    self.found.refuse(
                        format!("the unique index {index} covers {name}: equal values get different tokens, so it would no longer hold"),
                        "remove the uniqueness, or keep a keyed hash of the value in a column of its own and make that unique",
                    );
                } else if self.alters && prefix.is_none() && kind != "FULLTEXT" {
                    self.found.refuse(
                        format!("index {index} covers {name} whole, and the type that holds tokens can only be indexed by a prefix"),
                        drop,
                    );
                } else {
                    self.found.warn(
                        format!(
                            "index {index} covers {name}; it finds nothing by clear value any more"
                        ),
                        drop,
                    );
                }
            }
        }
        Ok(())
    }

    async fn foreign_keys(&mut self) -> Result<(), TargetError> {
        let (database, table, column) = (
            self.table.database(),
            &self.table.full.name,
            &self.column.name,
        );
        let rows = ask::<3>(
            self.shared,
            "SELECT constraint_name, table_name, referenced_table_name FROM information_schema.key_column_usage \
             WHERE referenced_table_name IS NOT NULL AND ((BINARY table_schema = ? AND BINARY table_name = ? \
             AND column_name = ?) OR (BINARY referenced_table_schema = ? AND BINARY referenced_table_name = ? \
             AND referenced_column_name = ?))",
            &[database, table, column, database, table, column],
        )
        .await?;
        for [constraint, from, to] in rows {
            self.found.refuse(
                format!(
                    "the foreign key {} ({} to {}) uses {}, and tokens are never equal",
                    constraint.unwrap_or_default(),
                    from.unwrap_or_default(),
                    to.unwrap_or_default(),
                    self.name
                ),
                "refer by a key that is not sensitive, and remove this foreign key first",
            );
        }
        Ok(())
    }

    async fn triggers_and_views(&mut self) -> Result<(), TargetError> {
        let triggers = ask::<1>(
            self.shared,
            "SELECT trigger_name FROM information_schema.triggers WHERE BINARY event_object_schema = ? \
             AND BINARY event_object_table = ? AND event_manipulation = 'UPDATE'",
            &[self.table.database(), &self.table.full.name],
        )
        .await?;
        for [trigger] in triggers {
            self.found.warn(
                format!(
                    "trigger {} on table {} fires for every row that is changed",
                    trigger.unwrap_or_default(),
                    self.table.shown
                ),
                "make sure that it does no harm (copies the value in clear, stamps a date), or drop it for the run",
            );
        }
        let views = ask::<3>(
            self.shared,
            "SELECT table_schema, table_name, view_definition FROM information_schema.views \
             WHERE table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')",
            &[],
        )
        .await?;
        for [schema, view, definition] in views {
            let words = tokens(Dialect::Mysql, &definition.unwrap_or_default());
            if mentions(&words, &self.table.full.name) && mentions(&words, &self.column.name) {
                self.found.warn(
                    format!(
                        "view {}.{} shows tokens of {}",
                        schema.unwrap_or_default(),
                        view.unwrap_or_default(),
                        self.name
                    ),
                    "have its readers open the tokens",
                );
            }
        }
        Ok(())
    }
}
