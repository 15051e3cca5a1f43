//! What is in the database: tables, columns, keys, by their exact names.

use atrest_engine::target::{Column, Table, TableName, TargetError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::Shared;
use crate::{OWN_TABLES, nearest};

/// A table with what the rest needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct TableInfo {
    /// As messages name it: without the schema when it is the default one.
    pub(super) shown: TableName,
    /// As SQL names it: always with the schema.
    pub(super) full: TableName,
    /// `pg_class.oid`.
    pub(super) oid: i64,
    /// `r`, or `p` for a partitioned one.
    pub(super) partitioned: bool,
    /// Key columns in key order.
    pub(super) key: Vec<KeyColumn>,
}

/// A column of the primary key.
#[derive(Debug, Clone)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    /// The type without length, for casts.
    pub(super) type_name: String,
    pub(super) kind: KeyKind,
}

/// How a key column's values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// `smallint`, `integer`, `bigint`.
    Integer,
    /// `bytea`.
    Bytes,
    /// Anything else, as text.
    Text,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    /// `pg_attribute.attnum`.
    pub(super) number: i16,
    /// `format_type(atttypid, atttypmod)`.
    pub(super) declared_type: String,
    /// `format_type(atttypid, -1)`.
    pub(super) type_name: String,
    /// `typname` of the type, or of a domain's base type.
    pub(super) base: String,
    /// The declared length of `varchar(n)` and `char(n)`, if any.
    pub(super) max_length: Option<u64>,
    pub(super) is_domain: bool,
    /// A row type, whose `IS NULL` asks its fields.
    pub(super) composite: bool,
    /// A domain with CHECK or NOT NULL.
    pub(super) constrained_domain: bool,
    pub(super) identity: bool,
    pub(super) generated: bool,
    pub(super) in_key: bool,
    /// `pg_get_expr` of the default.
    pub(super) default: Option<String>,
    /// Collation where it is not the type's own, quoted with its schema.
    pub(super) collation: Option<String>,
    /// `STORAGE` where it is not the type's own.
    pub(super) storage: Option<String>,
    /// `COMPRESSION` where one is set.
    pub(super) compression: Option<String>,
}

impl ColumnInfo {
    /// A `bytea` column.
    pub(super) fn is_bytes(&self) -> bool {
        self.base == "bytea"
    }

    /// A type that text is assigned to without a cast: too long is an error,
    /// never cut.
    pub(super) fn is_string(&self) -> bool {
        matches!(
            self.base.as_str(),
            "text" | "varchar" | "bpchar" | "citext" | "name"
        )
    }
}

/// The application's tables, partitions under their parents left out.
pub(super) async fn tables(shared: &Shared) -> Result<Vec<Table>, TargetError> {
    let fail = |e| shared.error("listing the tables", e);
    let rows = sqlx::query(
        "SELECT c.oid::bigint, n.nspname::text, c.relname::text, n.nspname = current_schema(), c.reltuples::float8 \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
         AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
         AND d.deptype = 'e') ORDER BY 4 DESC, 2, 3",
    )
    .fetch_all(&shared.pool)
    .await
    .map_err(fail)?;
    let mut tables = Vec::new();
    for row in rows {
        let oid: i64 = row.try_get(0).map_err(fail)?;
        let name = shown(&row, 1, 3).map_err(fail)?;
        if OWN_TABLES.contains(&name.name.as_str()) {
            continue;
        }
        let estimate: f64 = row.try_get(4).map_err(fail)?;
        let columns = sqlx::query(
            "SELECT attname::text, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute \
             WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
        .bind(oid)
        .fetch_all(&shared.pool)
        .await
        .map_err(fail)?;
        tables.push(Table {
            name,
            key: key(shared, oid)
                .await?
                .into_iter()
                .map(|k| k.name)
                .collect(),
            columns: columns
                .iter()
                .map(|c| {
                    Ok(Column {
                        name: c.try_get(0)?,
                        declared_type: c.try_get(1)?,
                        nullable: c.try_get(2)?,
                    })
                })
                .collect::<Result<_, sqlx::Error>>()
                .map_err(fail)?,
            // Negative: never analysed.
            estimated_rows: (estimate >= 0.0).then_some(estimate as u64),
        });
    }
    Ok(tables)
}

/// Schema in column `i`, table in `i + 1`, whether it is the default in `default`.
fn shown(row: &PgRow, i: usize, default: usize) -> Result<TableName, sqlx::Error> {
    let schema: String = row.try_get(i)?;
    let is_default = row.try_get::<Option<bool>, _>(default)?.unwrap_or_default();
    Ok(TableName {
        schema: (!is_default).then_some(schema),
        name: row.try_get(i + 1)?,
    })
}

/// The table and column of exactly these names.
///
/// # Errors
/// [`TargetError::NotFound`] with the nearest names, [`TargetError::Refused`] for
/// a view or another thing that is no table.
pub(super) async fn find(
    shared: &Shared,
    wanted: &TableName,
    column: &str,
) -> Result<(TableInfo, ColumnInfo), TargetError> {
    let fail = |e| shared.error(format!("looking for table {wanted}"), e);
    let row = sqlx::query(
        "SELECT c.oid::bigint, n.nspname::text, c.relname::text, n.nspname = current_schema(), c.relkind::text \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
         AND CASE WHEN $2::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $2 END",
    )
    .bind(&wanted.name)
    .bind(&wanted.schema)
    .fetch_optional(&shared.pool)
    .await
    .map_err(fail)?;
    let Some(row) = row else {
        let known: Vec<String> = tables(shared)
            .await?
            .into_iter()
            .map(|t| t.name.to_string())
            .collect();
        return Err(TargetError::NotFound {
            what: format!("table {wanted} in {}", shared.place.location),
            next: nearest::advice(
                &wanted.to_string(),
                known.iter().map(String::as_str),
                "table",
            ),
        });
    };
    let kind: String = row.try_get(4).map_err(fail)?;
    if !matches!(kind.as_str(), "r" | "p") {
        return Err(TargetError::Refused {
            what: format!("{wanted} is a view or a foreign table, not a table"),
            next: "name the table that holds the rows".to_owned(),
        });
    }
    let oid: i64 = row.try_get(0).map_err(fail)?;
    let full = TableName {
        schema: Some(row.try_get(1).map_err(fail)?),
        name: row.try_get(2).map_err(fail)?,
    };
    let key = key(shared, oid).await?;
    let info = TableInfo {
        shown: shown(&row, 1, 3).map_err(fail)?,
        full,
        oid,
        partitioned: kind == "p",
        key,
    };
    let column = find_column(shared, &info, column).await?;
    Ok((info, column))
}

async fn key(shared: &Shared, oid: i64) -> Result<Vec<KeyColumn>, TargetError> {
    let fail = |e| shared.error("reading a primary key", e);
    let rows = sqlx::query(
        "SELECT a.attname::text, format_type(a.atttypid, -1), t.typname::text \
         FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         JOIN pg_type t ON t.oid = a.atttypid \
         WHERE i.indrelid = $1::bigint::oid AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place",
    )
    .bind(oid)
    .fetch_all(&shared.pool)
    .await
    .map_err(fail)?;
    rows.iter()
        .map(|row| {
            let base: String = row.try_get(2)?;
            Ok(KeyColumn {
                name: row.try_get(0)?,
                type_name: row.try_get(1)?,
                kind: match base.as_str() {
                    "int2" | "int4" | "int8" => KeyKind::Integer,
                    "bytea" => KeyKind::Bytes,
                    _ => KeyKind::Text,
                },
            })
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(fail)
}

async fn find_column(
    shared: &Shared,
    table: &TableInfo,
    column: &str,
) -> Result<ColumnInfo, TargetError> {
    let fail = |e| shared.error(format!("reading the definition of {}", table.shown), e);
    // Compression came with PostgreSQL 14, so the row is read as JSON.
    let row = sqlx::query(
        "WITH RECURSIVE base(oid, typmod, constrained) AS ( \
           SELECT t.oid, a.atttypmod, false FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
           WHERE a.attrelid = $1::bigint::oid AND a.attname = $2 AND a.attnum > 0 \
         UNION ALL \
           SELECT t.typbasetype, t.typtypmod, b.constrained OR t.typnotnull \
           OR EXISTS (SELECT 1 FROM pg_constraint c WHERE c.contypid = t.oid) \
           FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd') \
         SELECT a.attnum, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), bt.typname::text, \
         CASE WHEN bt.typname IN ('varchar', 'bpchar') AND b.typmod > 4 THEN (b.typmod - 4)::bigint END, \
         t.typtype = 'd', b.constrained, a.attidentity <> '', a.attgenerated <> '', \
         EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary \
         AND a.attnum = ANY (i.indkey::int2[])), \
         CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END, \
         CASE WHEN a.attcollation <> t.typcollation THEN \
           (SELECT quote_ident(n.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co \
           JOIN pg_namespace n ON n.oid = co.collnamespace WHERE co.oid = a.attcollation) END, \
         CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' \
           WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END, \
         CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END, bt.typtype = 'c' \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         JOIN base b ON true JOIN pg_type bt ON bt.oid = b.oid AND bt.typtype <> 'd' \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = $1::bigint::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .bind(table.oid)
    .bind(column)
    .fetch_optional(&shared.pool)
    .await
    .map_err(fail)?;
    let Some(row) = row else {
        let known: Vec<String> = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped",
        )
        .bind(table.oid)
        .fetch_all(&shared.pool)
        .await
        .map_err(fail)?;
        return Err(TargetError::NotFound {
            what: format!("column {column} of table {}", table.shown),
            next: nearest::advice(column, known.iter().map(String::as_str), "column"),
        });
    };
    read_column(&row, column).map_err(fail)
}

fn read_column(row: &PgRow, name: &str) -> Result<ColumnInfo, sqlx::Error> {
    Ok(ColumnInfo {
        name: name.to_owned(),
        number: row.try_get(0)?,
        declared_type: row.try_get(1)?,
        type_name: row.try_get(2)?,
        base: row.try_get(3)?,
        max_length: row
            .try_get::<Option<i64>, _>(4)?
            .and_then(|n| u64::try_from(n).ok()),
        is_domain: row.try_get(5)?,
        constrained_domain: row.try_get(6)?,
        identity: row.try_get(7)?,
        generated: row.try_get(8)?,
        in_key: row.try_get(9)?,
        default: row.try_get(10)?,
        collation: row.try_get(11)?,
        storage: row.try_get(12)?,
        compression: row.try_get(13)?,
        composite: row.try_get(14)?,
    })
}
