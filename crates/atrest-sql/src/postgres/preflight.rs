//! Preflight: what would break, what the operator should know, what the account
//! may not do.

use atrest_engine::target::{Description, TargetError};
use sqlx::Row as _;

use super::catalog::{ColumnInfo, TableInfo};
use super::{Shared, privileges, schema};
use crate::ddl::{is_computed, tokens, uses_of_value};
use crate::findings::Findings;
use crate::quote::{Dialect, column_name};

/// A btree entry ends at 2,704 bytes; a little is its header's.
const BTREE_ENTRY: u64 = 2_690;

/// Everything that preflight finds about the column.
pub(super) async fn describe(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
    longest_token: u64,
    to_change: bool,
) -> Result<Description, TargetError> {
    let change = schema::change(table, column, longest_token);
    let mut look = Look {
        shared,
        table,
        column,
        name: column_name(&table.shown, &column.name),
        alters: change.is_some(),
        found: Findings::default(),
    };
    look.column_itself();
    if longest_token > 1_000_000_000 {
        look.found.refuse(
            format!(
                "the longest token of {} would have {longest_token} bytes; a field ends at 1 GB",
                look.name
            ),
            "keep values of this size outside the database",
        );
    }
    look.indexes(longest_token).await?;
    look.constraints().await?;
    look.dependents().await?;
    look.triggers_and_rules().await?;
    look.family().await?;
    look.visibility().await?;
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

pub(super) struct Look<'a> {
    pub(super) shared: &'a Shared,
    pub(super) table: &'a TableInfo,
    pub(super) column: &'a ColumnInfo,
    pub(super) name: String,
    /// The type must change.
    pub(super) alters: bool,
    pub(super) found: Findings,
}

impl Look<'_> {
    fn fail(&self, e: sqlx::Error) -> TargetError {
        self.shared
            .error(format!("reading what depends on {}", self.name), e)
    }

    /// Runs a catalog query with the table's oid as `$1` and the column's number
    /// as `$2`; gives its first column's texts and its second's truth.
    pub(super) async fn ask(&self, sql: &'static str) -> Result<Vec<(String, bool)>, TargetError> {
        let rows = sqlx::query(sql)
            .bind(self.table.oid)
            .bind(self.column.number)
            .fetch_all(&self.shared.pool)
            .await
            .map_err(|e| self.fail(e))?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get(0)?,
                    row.try_get::<Option<bool>, _>(1)?.unwrap_or_default(),
                ))
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|e| self.fail(e))
    }

    fn column_itself(&mut self) {
        let (name, column) = (&self.name, self.column);
        if column.identity {
            self.found.refuse(
                format!("{name} is an identity column, whose numbers the database makes itself"),
                "take the column out of the policy",
            );
        }
        if column.default.is_some() {
            self.found.warn(
                format!("{name} has a DEFAULT; rows inserted with it come in clear"),
                "have the application write the value sealed, or run encrypt again from time to time",
            );
        }
        if self.alters {
            self.found.warn(
                format!(
                    "the type of {name} must change from {} to text, during which nobody else can use table {}",
                    column.declared_type, self.table.shown
                ),
                "choose a quiet hour for it; the plan shows the statement and the way back",
            );
        }
    }

    async fn indexes(&mut self, longest_token: u64) -> Result<(), TargetError> {
        let rows = sqlx::query(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(ic.relname), i.indisunique OR i.indisexclusion, \
             $2 = ANY (i.indkey::int2[]), am.amname::text, \
             EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid \
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = $2 \
             AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) \
             AND (d.deptype = 'n' OR NOT $2 = ANY (i.indkey::int2[]))), pg_get_indexdef(i.indexrelid) \
             FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_namespace n ON n.oid = ic.relnamespace \
             JOIN pg_am am ON am.oid = ic.relam WHERE i.indrelid = $1::bigint::oid AND NOT i.indisprimary",
        )
        .bind(self.table.oid)
        .bind(self.column.number)
        .fetch_all(&self.shared.pool)
        .await
        .map_err(|e| self.fail(e))?;
        for row in rows {
            let read = || -> Result<(String, bool, bool, String, bool, String), sqlx::Error> {
                Ok((
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    row.try_get(3)?,
                    row.try_get(4)?,
                    row.try_get(5)?,
                ))
            };
            let (index, unique, plain, method, computed, definition) =
                read().map_err(|e| self.fail(e))?;
            let computed = computed
                && (self.column.composite
                    || is_computed(Dialect::Postgres, &definition, &self.column.name, plain));
            let name = &self.name;
            let drop = format!("drop the index first (DROP INDEX {index})");
            if unique && (plain || computed) {
                self.found.refuse(
                    format!("the unique index or constraint {index} covers {name}: equal values get different tokens, so it would no longer hold"),
                    "remove the uniqueness, or keep a keyed hash of the value in a column of its own and make that unique",
                );
            } else if computed {
                self.found.refuse(format!("index {index} is computed from {name}, and a token in its place may make it fail"), drop);
            } else if plain && method == "btree" && longest_token > BTREE_ENTRY {
                self.found.refuse(
                    format!("index {index} covers {name}, and an entry of a btree index ends at 2,704 bytes; tokens have up to {longest_token}"),
                    drop,
                );
            } else if plain && self.alters && !matches!(method.as_str(), "btree" | "hash") {
                self.found.refuse(
                    format!("index {index} ({method}) covers {name} and cannot hold text"),
                    drop,
                );
            } else if plain {
                self.found.warn(
                    format!(
                        "index {index} covers {name}; it finds nothing by clear value any more"
                    ),
                    "drop it when no query needs it",
                );
            }
        }
        Ok(())
    }

    async fn constraints(&mut self) -> Result<(), TargetError> {
        let found: Vec<(String, bool, String)> = sqlx::query_as(
            "SELECT conname || ' on ' || conrelid::regclass, contype = 'f', pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE (conrelid = $1::bigint::oid AND contype IN ('c', 'f') AND $2 = ANY (conkey)) \
             OR (confrelid = $1::bigint::oid AND contype = 'f' AND $2 = ANY (confkey))",
        )
        .bind(self.table.oid)
        .bind(self.column.number)
        .fetch_all(&self.shared.pool)
        .await
        .map_err(|e| self.fail(e))?;
        for (constraint, foreign, definition) in found {
            let name = &self.name;
            if foreign {
                self.found.refuse(
                    format!("the foreign key {constraint} uses {name}, and tokens are never equal"),
                    "refer by a key that is not sensitive, and remove this foreign key first",
                );
            } else if self.column.composite
                || uses_of_value(&tokens(Dialect::Postgres, &definition), &self.column.name) > 0
            {
                self.found.refuse(
                    format!(
                        "the CHECK constraint {constraint} uses {name}, and a token would break it"
                    ),
                    "drop the constraint first (ALTER TABLE … DROP CONSTRAINT …)",
                );
            }
        }
        let generated = self
            .ask(
                "SELECT DISTINCT a.attname::text, true FROM pg_attribute a \
                 LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
                 JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = $2 \
                 AND ((d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid) \
                 OR (d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum)) \
                 WHERE a.attrelid = $1::bigint::oid AND a.attgenerated <> '' AND a.attnum <> $2",
            )
            .await?;
        for (other, _) in generated {
            self.found.refuse(
                format!("the generated column {other} is computed from {}", self.name),
                "drop the generated column first: it would be computed from the token, or keep the value in clear",
            );
        }
        Ok(())
    }

    /// Partitions and inheritance.
    async fn family(&mut self) -> Result<(), TargetError> {
        let shown = self.table.shown.clone();
        let partition_key = self
            .ask(
                "SELECT 'x', true FROM pg_partitioned_table p WHERE p.partrelid = $1::bigint::oid \
                 AND ($2 = ANY (p.partattrs::int2[]) OR EXISTS (SELECT 1 FROM pg_depend d \
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = p.partrelid AND d.objsubid = 0 \
                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.partrelid AND d.refobjsubid = $2))",
            )
            .await?;
        if !partition_key.is_empty() {
            self.found.refuse(
                format!("table {shown} is partitioned by {}", self.name),
                "take the column out of the policy, or partition by another column",
            );
        }
        let parents = self
            .ask("SELECT inhparent::regclass::text, $2::int2 IS NULL FROM pg_inherits WHERE inhrelid = $1::bigint::oid")
            .await?;
        if self.alters
            && let Some((parent, _)) = parents.first()
        {
            self.found.refuse(
                format!(
                    "the type of {} must change, and {shown} has it from {parent}",
                    self.name
                ),
                format!("name {parent} in the policy instead"),
            );
        }
        let children = self
            .ask(
                "SELECT i.inhrelid::regclass::text, pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM \
                 (SELECT pg_get_expr(p.adbin, p.adrelid) FROM pg_attrdef p WHERE p.adrelid = $1::bigint::oid AND p.adnum = $2) \
                 FROM pg_inherits i JOIN pg_attribute pa ON pa.attrelid = $1::bigint::oid AND pa.attnum = $2 \
                 JOIN pg_attribute a ON a.attrelid = i.inhrelid AND a.attname = pa.attname \
                 LEFT JOIN pg_attrdef d ON d.adrelid = i.inhrelid AND d.adnum = a.attnum WHERE i.inhparent = $1::bigint::oid",
            )
            .await?;
        if !self.table.partitioned && !children.is_empty() {
            self.found.refuse(
                format!("other tables inherit from {shown} ({}), and its primary key does not cover their rows", children[0].0),
                "name each table that inherits in the policy, and detach it (NO INHERIT) for the run",
            );
        } else if self.alters
            && let Some((child, _)) = children.iter().find(|(_, differs)| *differs)
        {
            self.found.refuse(
                format!("partition {child} has another DEFAULT for {} than its parent, which a change of type would lose", self.name),
                "give both the same DEFAULT first",
            );
        }
        Ok(())
    }

    /// Row-level security, what stays behind, who may alter.
    async fn visibility(&mut self) -> Result<(), TargetError> {
        let row = sqlx::query(
            "SELECT row_security_active(c.oid), pg_has_role(c.relowner, 'USAGE'), \
             pg_size_pretty(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.oid = $1::bigint::oid",
        )
        .bind(self.table.oid)
        .fetch_one(&self.shared.pool)
        .await
        .map_err(|e| self.fail(e))?;
        let read = || -> Result<(bool, bool, String), sqlx::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (hidden, owner, size) = read().map_err(|e| self.fail(e))?;
        let shown = &self.table.shown;
        if hidden {
            self.found.refuse(
                format!("row-level security may hide rows of {shown} from this account, and they would stay in clear"),
                "use an account with BYPASSRLS, or the table's owner without FORCE ROW LEVEL SECURITY",
            );
        }
        if self.alters && !owner {
            self.found.warn(
                format!("this account does not own {shown}, so it cannot change the type of {}", self.name),
                "have the owner run the statements that the plan shows, then run without --apply-schema",
            );
        }
        self.found.warn(
            format!(
                "every changed row leaves its old version behind until VACUUM, so {shown} (now {size}) grows for a while, \
                 and old values stay in dead rows, in the WAL and in backups"
            ),
            "run VACUUM FULL (or pg_repack) afterwards, and renew backups that hold clear values",
        );
        Ok(())
    }
}
