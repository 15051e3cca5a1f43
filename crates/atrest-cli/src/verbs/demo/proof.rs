//! Proofs by looking at every value, without atrest's own code: nothing clear is
//! left, and the decrypted copy is the original.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, bail};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

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
pub(super) fn nothing_clear(original: &Path, encrypted: &Path) -> anyhow::Result<Sealed> {
    let link = open(original)?;
    let mut secrets: HashSet<Vec<u8>> = HashSet::new();
    let mut secrets_stored = 0;
    for (table, columns) in SENSITIVE {
        let columns: Vec<String> = columns.iter().map(|c| identifier(c)).collect();
        let mut statement = link.prepare(&select(table, &columns))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for i in 0..columns.len() {
                secrets.insert(bytes(row.get_ref(i)?).into_owned());
                secrets_stored += 1;
            }
        }
    }

    let link = open(encrypted)?;
    let mut tokens = 0;
    for table in tables(&link)? {
        let columns = columns(&link, &table)?;
        let sensitive = SENSITIVE.iter().find(|(name, _)| *name == table);
        let quoted: Vec<String> = columns.iter().map(|c| identifier(c)).collect();
        let mut statement = link.prepare(&select(&table, &quoted))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (i, column) in columns.iter().enumerate() {
                let value = bytes(row.get_ref(i)?);
                if secrets.contains(value.as_ref())
                    || contains(&value, DOMAIN.as_bytes())
                    || contains(&value, b"embedding")
                {
                    bail!(
                        "a clear value is left in {table}.{column} of {}",
                        encrypted.display()
                    );
                }
                if sensitive.is_some_and(|(_, names)| names.contains(&column.as_str())) {
                    if !value.starts_with(b"ar1.") {
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
pub(super) fn same(one: &Path, other: &Path) -> anyhow::Result<Compared> {
    let (a, b) = (open(one)?, open(other)?);
    let differ =
        |what: &str| anyhow::anyhow!("{} and {} differ in {what}", one.display(), other.display());

    let definitions = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY type, name";
    if texts(&a, definitions)? != texts(&b, definitions)? {
        return Err(differ("their definitions"));
    }
    let names = tables(&a)?;
    let mut compared = Compared {
        tables: names.len(),
        rows: 0,
    };
    for table in names {
        let quoted: Vec<String> = columns(&a, &table)?.iter().map(|c| identifier(c)).collect();
        let sql = format!("{} ORDER BY rowid", select(&table, &quoted));
        let (mut statement_a, mut statement_b) = (a.prepare(&sql)?, b.prepare(&sql)?);
        let (mut rows_a, mut rows_b) = (statement_a.query([])?, statement_b.query([])?);
        loop {
            match (rows_a.next()?, rows_b.next()?) {
                (None, None) => break,
                (Some(row_a), Some(row_b)) => {
                    for i in 0..quoted.len() {
                        if row_a.get_ref(i)? != row_b.get_ref(i)? {
                            return Err(differ(&format!("row {} of {table}", compared.rows + 1)));
                        }
                    }
                    compared.rows += 1;
                }
                _ => return Err(differ(&format!("the number of rows of {table}"))),
            }
        }
    }
    Ok(compared)
}

fn tables(link: &Connection) -> rusqlite::Result<Vec<String>> {
    texts(
        link,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    )
}

fn columns(link: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    link.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

fn texts(link: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    link.prepare(sql)?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn select(table: &str, columns: &[String]) -> String {
    format!("SELECT {} FROM {}", columns.join(", "), identifier(table))
}

/// A value's bytes, whatever its type: a number's are its text.
fn bytes(value: ValueRef<'_>) -> Cow<'_, [u8]> {
    match value {
        ValueRef::Null => Cow::Borrowed(&[]),
        ValueRef::Integer(n) => Cow::Owned(n.to_string().into_bytes()),
        ValueRef::Real(x) => Cow::Owned(x.to_string().into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cow::Borrowed(bytes),
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    value.windows(part.len()).any(|window| window == part)
}
