//! Proofs by looking at every value, without atrest's own code: nothing clear is
//! left, and the decrypted copy is the original.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::database::open;
use super::people::DOMAIN;

/// What was sensitive, by table.
const SENSITIVE: [(&str, &[&str]); 2] = [
    ("attendance_events", &["face_template"]),
    ("users", &["email", "first_name", "last_name"]),
];

/// What [`nothing_clear`] found.
pub(super) struct Sealed {
    /// Values that are tokens now.
    pub(super) tokens: u64,
    /// Different values that were in clear.
    pub(super) secrets: u64,
    /// Values that were in clear, each time that they were stored.
    pub(super) secrets_stored: u64,
}

/// What [`same`] compared.
pub(super) struct Compared {
    pub(super) tables: usize,
    pub(super) rows: u64,
}

/// Holds every value of every table of `encrypted` against every sensitive value
/// of `original`.
pub(super) async fn nothing_clear(original: &Path, encrypted: &Path) -> anyhow::Result<Sealed> {
    let mut link = open(original).await?;
    let mut secrets: HashSet<Vec<u8>> = HashSet::new();
    let mut secrets_stored = 0;
    for (table, columns) in SENSITIVE {
        let columns = columns
            .iter()
            .map(|c| blob(c))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!("SELECT {columns} FROM {}", identifier(table));
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut link);
        while let Some(row) = rows.try_next().await? {
            for i in 0..row.len() {
                secrets.insert(row.try_get_unchecked::<Vec<u8>, _>(i)?);
                secrets_stored += 1;
            }
        }
    }
    link.close().await?;

    let mut link = open(encrypted).await?;
    let mut tokens = 0;
    for table in tables(&mut link).await? {
        let columns = columns(&mut link, &table).await?;
        let sensitive = SENSITIVE.iter().find(|(name, _)| *name == table);
        let list = columns
            .iter()
            .map(|c| blob(c))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!("SELECT {list} FROM {}", identifier(&table));
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut link);
        while let Some(row) = rows.try_next().await? {
            for (i, column) in columns.iter().enumerate() {
                let value: Vec<u8> = row
                    .try_get_unchecked::<Option<Vec<u8>>, _>(i)?
                    .unwrap_or_default();
                let sealed = value.starts_with(b"ar1.");
                if secrets.contains(&value)
                    || contains(&value, DOMAIN.as_bytes())
                    || contains(&value, b"embedding")
                {
                    bail!(
                        "a clear value is left in {table}.{column} of {}",
                        encrypted.display()
                    );
                }
                if sensitive.is_some_and(|(_, names)| names.contains(&column.as_str())) {
                    if !sealed {
                        bail!(
                            "a value of {table}.{column} of {} is no token",
                            encrypted.display()
                        );
                    }
                    tokens += 1;
                }
            }
        }
    }
    link.close().await?;
    Ok(Sealed {
        tokens,
        secrets: secrets.len() as u64,
        secrets_stored,
    })
}

/// Clear e-mail addresses among all bytes of the file, free pages too.
pub(super) fn raw_addresses(file: &Path) -> anyhow::Result<u64> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let address = regex::bytes::Regex::new(&regex::escape(DOMAIN))?;
    Ok(address.find_iter(&bytes).count() as u64)
}

/// Compares definitions, and each value with its type, row by row.
pub(super) async fn same(one: &Path, other: &Path) -> anyhow::Result<Compared> {
    let (mut a, mut b) = (open(one).await?, open(other).await?);
    let differ =
        |what: &str| anyhow::anyhow!("{} and {} differ in {what}", one.display(), other.display());

    let definitions = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY type, name";
    let schema_a: Vec<String> = sqlx::query_scalar(definitions).fetch_all(&mut a).await?;
    let schema_b: Vec<String> = sqlx::query_scalar(definitions).fetch_all(&mut b).await?;
    if schema_a != schema_b {
        return Err(differ("their definitions"));
    }
    let names = tables(&mut a).await?;
    let mut compared = Compared {
        tables: names.len(),
        rows: 0,
    };
    for table in names {
        let values: Vec<String> = columns(&mut a, &table)
            .await?
            .iter()
            .map(|c| format!("typeof({}), {}", identifier(c), blob(c)))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY rowid",
            values.join(", "),
            identifier(&table)
        );
        let mut rows_a = sqlx::query(AssertSqlSafe(sql.clone())).fetch(&mut a);
        let mut rows_b = sqlx::query(AssertSqlSafe(sql)).fetch(&mut b);
        loop {
            match (rows_a.try_next().await?, rows_b.try_next().await?) {
                (None, None) => break,
                (Some(row_a), Some(row_b)) => {
                    for i in 0..row_a.len() {
                        let value_a: Option<Vec<u8>> = row_a.try_get_unchecked(i)?;
                        let value_b: Option<Vec<u8>> = row_b.try_get_unchecked(i)?;
                        if value_a != value_b {
                            return Err(differ(&format!("row {} of {table}", compared.rows + 1)));
                        }
                    }
                    compared.rows += 1;
                }
                _ => return Err(differ(&format!("the number of rows of {table}"))),
            }
        }
    }
    a.close().await?;
    b.close().await?;
    Ok(compared)
}

async fn tables(link: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .fetch_all(link)
        .await
}

async fn columns(link: &mut SqliteConnection, table: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info(?) ORDER BY cid")
        .bind(table)
        .fetch_all(link)
        .await
}

/// A value's bytes, whatever its type.
fn blob(column: &str) -> String {
    format!("CAST({} AS BLOB)", identifier(column))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    value.windows(part.len()).any(|window| window == part)
}
