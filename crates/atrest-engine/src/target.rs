//! What the engine knows of the places that hold values: one small trait for a
//! database, one for a target (a column) inside it, and the data between them.
//!
//! Implementors live elsewhere (`atrest-sql`); every one of them runs the same
//! conformance suite.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// A table by its exact name, with the schema where one was given.
///
/// Written `people`, `audit.people`, or with double quotes round a part that
/// holds a dot: `"odd.name"`, `audit."odd.name"`. Case is kept as written.
///
/// ```
/// use atrest_engine::target::TableName;
/// let t: TableName = r#"audit."odd.name""#.parse()?;
/// assert_eq!((t.schema.as_deref(), t.name.as_str()), (Some("audit"), "odd.name"));
/// assert_eq!(t.to_string(), r#"audit."odd.name""#);
/// # Ok::<(), atrest_engine::target::ParseTableNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Schema (PostgreSQL), database (MySQL) or attached database (SQLite).
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

/// A table name that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a table name; write `table`, `schema.table`, or quote a part that holds a dot: \"odd.name\""
)]
pub struct ParseTableNameError(pub String);

impl std::str::FromStr for TableName {
    type Err = ParseTableNameError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || ParseTableNameError(s.to_owned());
        let mut parts: Vec<String> = Vec::new();
        let mut rest = s;
        loop {
            let (part, tail) = if let Some(quoted) = rest.strip_prefix('"') {
                let mut part = String::new();
                let mut chars = quoted.char_indices();
                let end = loop {
                    match chars.next() {
                        Some((i, '"')) if quoted[i + 1..].starts_with('"') => {
                            part.push('"');
                            chars.next();
                        }
                        Some((i, '"')) => break i + 1,
                        Some((_, c)) => part.push(c),
                        None => return Err(err()),
                    }
                };
                (part, &quoted[end..])
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            };
            if part.is_empty() {
                return Err(err());
            }
            parts.push(part);
            match tail.strip_prefix('.') {
                Some(more) => rest = more,
                None if tail.is_empty() => break,
                None => return Err(err()),
            }
        }
        let name = parts.pop().ok_or_else(err)?;
        let schema = parts.pop();
        if parts.is_empty() {
            Ok(Self { schema, name })
        } else {
            Err(err())
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, s: &str| {
            if s.contains(['.', '"']) {
                write!(f, "\"{}\"", s.replace('"', "\"\""))
            } else {
                f.write_str(s)
            }
        };
        if let Some(schema) = &self.schema {
            part(f, schema)?;
            f.write_str(".")?;
        }
        part(f, &self.name)
    }
}

/// One primary-key column's value, exact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyValue {
    /// An integer, signed or not.
    Integer(i128),
    /// The canonical text of anything that is not an integer or bytes.
    Text(String),
    /// Bytes (bytea, binary, blob).
    Bytes(Vec<u8>),
    /// A double by its bits (SQLite's REAL class only).
    Real(u64),
}

impl fmt::Display for KeyValue {
    /// The canonical text: what `bind = "row"` binds, and what a person types.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(i) => write!(f, "{i}"),
            Self::Text(s) => f.write_str(s),
            Self::Bytes(b) => b.iter().try_for_each(|b| write!(f, "{b:02x}")),
            Self::Real(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
        }
    }
}

/// A row's primary key: one value per key column, in key order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowKey(pub Vec<KeyValue>);

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}

/// A stored value as it was read, byte for byte.
///
/// `Debug` shows the kind and the length only: a value may be the very secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL: never sealed.
    Null,
    /// Text as bytes (normally UTF-8; SQLite and SQL_ASCII hold anything).
    Text(Vec<u8>),
    /// A binary column's bytes.
    Bytes(Vec<u8>),
    /// Exact text of a value of a numeric storage class (SQLite only).
    Number(Vec<u8>),
    /// Longer than the page's `inline` limit: ask [`Target::read_one`]. Bytes.
    Deferred(u64),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Text(v) => write!(f, "Text({} bytes)", v.len()),
            Self::Bytes(v) => write!(f, "Bytes({} bytes)", v.len()),
            Self::Number(v) => write!(f, "Number({} bytes)", v.len()),
            Self::Deferred(n) => write!(f, "Deferred({n} bytes)"),
        }
    }
}

impl Value {
    /// Itself, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Text(v) => ValueRef::Text(v),
            Self::Bytes(v) => ValueRef::Bytes(v),
            Self::Number(v) => ValueRef::Number(v),
            Self::Deferred(n) => ValueRef::Deferred(*n),
        }
    }
}

/// A [`Value`] where its bytes were read: nothing is copied to look at it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// As [`Value::Null`].
    Null,
    /// As [`Value::Text`].
    Text(&'a [u8]),
    /// As [`Value::Bytes`].
    Bytes(&'a [u8]),
    /// As [`Value::Number`].
    Number(&'a [u8]),
    /// As [`Value::Deferred`].
    Deferred(u64),
}

impl ValueRef<'_> {
    /// Bytes that are at hand: of a deferred value none.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Null | Self::Deferred(_) => 0,
            Self::Text(v) | Self::Bytes(v) | Self::Number(v) => v.len() as u64,
        }
    }

    /// A copy.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(v) => Value::Text(v.to_vec()),
            Self::Bytes(v) => Value::Bytes(v.to_vec()),
            Self::Number(v) => Value::Number(v.to_vec()),
            Self::Deferred(n) => Value::Deferred(n),
        }
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

/// Gives the key of the row at hand; only who needs it pays for making it.
pub type KeyOf<'a> = &'a dyn Fn() -> Result<RowKey>;

/// Looks at the rows of a page, one after the other in key order, on the thread
/// that reads them.
pub trait Visitor: Any + Send {
    /// One row. An error ends the page.
    fn row(&mut self, key: KeyOf<'_>, value: ValueRef<'_>) -> Result<()>;
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// After so many rows.
    pub rows: usize,
    /// After the row with which the values shown reach so many bytes.
    pub bytes: u64,
    /// A value longer than so many bytes is shown as [`ValueRef::Deferred`].
    pub inline: u64,
}

/// A page that was gone through.
pub struct Visited {
    /// How many rows there were.
    pub rows: usize,
    /// Bytes of the values that were shown.
    pub bytes: u64,
    /// The last row's key, when the page ended at its limit; `None`: the range is
    /// done.
    pub last: Option<RowKey>,
    /// The visitor, back again.
    pub visitor: Box<dyn Visitor>,
}

impl fmt::Debug for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visited")
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// A row of a page: its key and the column's value.
#[derive(Debug, Clone)]
pub struct Row {
    /// The primary key.
    pub key: RowKey,
    /// The value.
    pub value: Value,
}

/// One value to change, only if it still is what was read.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which row.
    pub key: RowKey,
    /// What was read: compared byte for byte, collation and type aside.
    pub old: Value,
    /// What to store: [`Value::Text`] or [`Value::Bytes`].
    pub new: Value,
}

/// A half-open piece of the key space: `after < key <= until`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Rows after this key; `None` from the first row.
    pub after: Option<RowKey>,
    /// Up to and with this key; `None` to the last row.
    pub until: Option<RowKey>,
}

/// How a token is stored in the column.
pub use atrest_core::Form;

/// Something that preflight found, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was found, in one sentence.
    pub what: String,
    /// What to do next, in one sentence.
    pub next: String,
}

/// The DDL that lets a column hold tokens, and the exact way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// The declared type as it stands ("character varying(40)").
    pub original_type: String,
    /// The type that holds tokens ("text").
    pub sealed_type: String,
    /// Statements forward, in order.
    pub up: Vec<String>,
    /// Statements back, in order: the original definition exactly.
    pub down: Vec<String>,
}

/// What a column is, as preflight sees it.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The declared type ("character varying(40)").
    pub declared_type: String,
    /// The primary key's columns, in key order.
    pub key: Vec<String>,
    /// DDL that is needed before the column can hold tokens; `None` when it can.
    pub schema: Option<SchemaChange>,
    /// What would break the application: nothing is changed while one stands.
    pub refusals: Vec<Finding>,
    /// What the operator should know.
    pub warnings: Vec<Finding>,
}

/// A record of the journal as the database stores it. The engine authenticates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRecord {
    /// Unique name ("run:people.extras").
    pub name: String,
    /// JSON.
    pub body: String,
    /// Authentication tag in text form.
    pub mac: String,
}

/// A compare-and-swap on one journal record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalChange {
    /// Which record.
    pub name: String,
    /// The `mac` the record must carry now; `None`: the record must not exist.
    pub expected: Option<String>,
    /// `(body, mac)` to store; `None` deletes the record.
    pub record: Option<(String, String)>,
}

/// A table of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, with the schema when it is not the default one.
    pub name: TableName,
    /// The primary key's columns in key order; empty when there is none.
    pub key: Vec<String>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Roughly how many rows, when the database knows without counting.
    pub estimated_rows: Option<u64>,
}

/// A column of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type.
    pub declared_type: String,
}

/// Why a target could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The place itself could not be reached, or the link broke.
    #[error(
        "cannot reach {what}: {source}; check that it runs and that the URL, user and network are right, then run the same command again"
    )]
    Connection {
        /// The database, without its password.
        what: String,
        /// The driver's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something named in the policy is not there.
    #[error("{what} does not exist; {next}")]
    NotFound {
        /// What was looked for.
        what: String,
        /// The nearest names, or where to look.
        next: String,
    },
    /// The account may not do it.
    #[error("permission denied for {what}: {source}; {next}")]
    Permission {
        /// What was tried.
        what: String,
        /// The grant that is missing.
        next: String,
        /// The driver's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It would not be safe, or cannot be done on this table.
    #[error("{what}; {next}")]
    Refused {
        /// What and why.
        what: String,
        /// What to do.
        next: String,
    },
    /// Another run holds the lock, or has moved the journal on.
    #[error(
        "another run works on {what}; wait for it to end, or end it, then run the same command again"
    )]
    Busy {
        /// Which target.
        what: String,
    },
    /// Anything else the database said.
    #[error("the database refused {doing}: {source}")]
    Database {
        /// What was being done.
        doing: String,
        /// The driver's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Result with [`TargetError`].
pub type Result<T, E = TargetError> = std::result::Result<T, E>;

/// Held while a run works on a target; released when dropped or when its
/// connection dies.
#[async_trait]
pub trait Lock: Send + Sync {
    /// Still held? Asked now and then; [`TargetError::Busy`] or
    /// [`TargetError::Connection`] when not.
    async fn check(&mut self) -> Result<()>;
}

/// A database: its catalog, its journal, and the columns in it.
#[async_trait]
pub trait Database: Send + Sync {
    /// "postgresql", "mysql", "mariadb" or "sqlite".
    fn dialect(&self) -> &'static str;

    /// How many workers do good here by default.
    fn default_workers(&self) -> usize;

    /// How many rows a page has by default: what is read, sealed and committed at
    /// once.
    fn default_batch_size(&self) -> usize {
        2000
    }

    /// Where it is, without a password: for messages.
    fn location(&self) -> &str;

    /// The application's tables (neither the system's nor the journal).
    async fn tables(&self) -> Result<Vec<Table>>;

    /// Up to `rows` values of a column, as text or bytes, in no order; each cut
    /// to at most 4 KiB.
    async fn sample(&self, table: &TableName, column: &str, rows: u32) -> Result<Vec<Value>>;

    /// One column as a target. Refused without a primary key, or when the column
    /// is part of it.
    async fn column(&self, table: &TableName, column: &str) -> Result<Arc<dyn Target>>;

    /// Takes the exclusive run lock on `name`; [`TargetError::Busy`] at once when
    /// somebody has it.
    async fn lock(&self, name: &str) -> Result<Box<dyn Lock>>;

    /// Runs DDL, in order, in one transaction where the database can.
    async fn apply(&self, statements: &[String]) -> Result<()>;

    /// All records; `None` when there is no journal yet.
    async fn journal_read(&self) -> Result<Option<Vec<JournalRecord>>>;

    /// Makes the journal table if it is not there.
    async fn journal_create(&self) -> Result<()>;

    /// Compare-and-swap of several records in one transaction;
    /// [`TargetError::Busy`] and no change when one does not match.
    async fn journal_write(&self, changes: &[JournalChange]) -> Result<()>;

    /// Drops the journal table.
    async fn journal_drop(&self) -> Result<()>;

    /// Closes every connection.
    async fn close(&self);
}

/// Something that holds values and can be paged through by key and changed
/// under compare-and-swap. For SQL: one column.
#[async_trait]
pub trait Target: Send + Sync {
    /// "table.column", as messages and the journal name it.
    fn name(&self) -> &str;

    /// The catalog's view, with the DDL that would be needed to hold tokens of
    /// up to `longest_token` bytes. Tries the privileges that a run needs when
    /// `to_change`.
    async fn describe(&self, longest_token: u64, to_change: bool) -> Result<Description>;

    /// About how many rows, for a progress bar and for cutting: from the database's
    /// statistics where it keeps them.
    async fn rows(&self) -> Result<u64>;

    /// The longest value's length in bytes; 0 where [`Self::describe`] has no use
    /// for it, so that nobody looks through the whole column.
    async fn longest(&self) -> Result<u64>;

    /// At most `parts` ranges of about equal size that cover every key of a table
    /// of about `total` rows.
    async fn split(&self, parts: usize, total: u64) -> Result<Vec<KeyRange>>;

    /// Shows `visitor` the rows of `range` in key order, up to `limit`.
    async fn visit(
        &self,
        range: &KeyRange,
        limit: PageLimit,
        visitor: Box<dyn Visitor>,
    ) -> Result<Visited>;

    /// Up to `limit` rows of `range` in key order; a value longer than `inline`
    /// bytes comes as [`Value::Deferred`].
    async fn read(&self, range: &KeyRange, limit: usize, inline: u64) -> Result<Vec<Row>> {
        let rows = Box::new(Rows(Vec::new()));
        let limit = PageLimit {
            rows: limit,
            bytes: u64::MAX,
            inline,
        };
        let visitor: Box<dyn Any> = self.visit(range, limit, rows).await?.visitor;
        Ok(visitor.downcast::<Rows>().map(|r| r.0).unwrap_or_default())
    }

    /// One row's value, whatever its length; `None` when the row is gone.
    async fn read_one(&self, key: &RowKey) -> Result<Option<Value>>;

    /// A key from what a person typed, one string per key column.
    fn parse_key(&self, parts: &[String]) -> Result<RowKey>;

    /// One transaction: changes every row that still holds `old` exactly, and
    /// moves the journal on. Gives how many rows changed. When the journal record
    /// does not match, nothing changes: [`TargetError::Busy`].
    async fn write(&self, changes: Vec<Change>, journal: &[JournalChange]) -> Result<u64>;
}

/// Keeps the rows it is shown.
struct Rows(Vec<Row>);

impl Visitor for Rows {
    fn row(&mut self, key: KeyOf<'_>, value: ValueRef<'_>) -> Result<()> {
        self.0.push(Row {
            key: key()?,
            value: value.to_value(),
        });
        Ok(())
    }
}
