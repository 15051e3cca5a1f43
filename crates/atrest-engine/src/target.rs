//! What the engine knows of the places that hold values: one small trait for a
//! database, one for a target (a column) inside it, and the data between them.
//!
//! Implementors live elsewhere (`atrest-sql`); every one of them runs the same
//! conformance suite.

mod error;
mod name;
mod page;
mod value;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use error::{Result, TargetError};
pub use name::{ParseTableNameError, TableName};
pub use page::{KeyOf, PageLimit, Row, Showing, Visited, Visitor};
pub use value::{KeyValue, RowKey, Value, ValueRef};

use page::Rows;

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

/// What a column's declared length lets it hold, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Room {
    /// The longest clear value that the application may write.
    pub value: u64,
    /// The longest token.
    pub token: u64,
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
    /// What its declared length lets it hold; `None` where that sets no limit.
    pub room: Option<Room>,
    /// What would break the application: nothing is changed while one stands.
    pub refusals: Vec<Finding>,
    /// What the operator should know.
    pub warnings: Vec<Finding>,
}

/// A record of one of atrest's own tables as the database stores it. The engine
/// authenticates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
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

/// A compare-and-swap on one record of the table of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// Which record.
    pub name: String,
    /// The `mac` the record must carry now.
    pub expected: String,
    /// What to store.
    pub body: String,
    /// Its authentication tag in text form.
    pub mac: String,
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
    /// Whether it may be empty.
    pub nullable: bool,
}

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
    async fn journal_read(&self) -> Result<Option<Vec<Record>>>;

    /// Makes the journal table if it is not there.
    async fn journal_create(&self) -> Result<()>;

    /// Compare-and-swap of several records in one transaction;
    /// [`TargetError::Busy`] and no change when one does not match.
    async fn journal_write(&self, changes: &[JournalChange]) -> Result<()>;

    /// Drops the journal table.
    async fn journal_drop(&self) -> Result<()>;

    /// Makes the table of keys if it is not there.
    async fn keys_create(&self) -> Result<()>;

    /// The records of these names, in no order; `None` when there is no table yet.
    async fn keys_read(&self, names: &[String]) -> Result<Option<Vec<Record>>>;

    /// At most `limit` records whose names come after `after`, by name.
    async fn keys_page(&self, after: &str, limit: u32) -> Result<Vec<Record>>;

    /// Adds the records whose names are not there yet; durable when it returns.
    async fn keys_add(&self, records: &[Record]) -> Result<()>;

    /// Compare-and-swap of several records in one transaction;
    /// [`TargetError::Busy`] and no change when one does not match. What was there
    /// is overwritten as thoroughly as the database can.
    async fn keys_change(&self, changes: &[KeyChange]) -> Result<()>;

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

    /// The key of the row of `range` that has `offset` rows before it; `None` when
    /// there are no more.
    async fn key_at(&self, range: &KeyRange, offset: u64) -> Result<Option<RowKey>>;

    /// At most `parts` ranges of about equal size that cover every key of a table
    /// of about `total` rows. The boundaries are found by walking the key once.
    async fn split(&self, parts: usize, total: u64) -> Result<Vec<KeyRange>> {
        let step = total.div_ceil(parts.max(1) as u64).max(1);
        let mut ranges = Vec::new();
        let mut range = KeyRange::default();
        while ranges.len() as u64 + 1 < total.div_ceil(step) {
            let Some(bound) = self.key_at(&range, step - 1).await? else {
                break;
            };
            ranges.push(KeyRange {
                after: range.after.take(),
                until: Some(bound.clone()),
            });
            range.after = Some(bound);
        }
        ranges.push(range);
        Ok(ranges)
    }

    /// The keys of up to `limit` rows after `after`, in key order, whose `column` of the
    /// same table equals the value that `text` writes, as the database compares: perhaps
    /// more than have exactly this text.
    async fn rows_where(
        &self,
        column: &str,
        text: &str,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>>;

    /// The same values, each shown together with the one that `column` of the same table
    /// has in its row.
    async fn beside(&self, column: &str) -> Result<Arc<dyn Target>>;

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

    /// A number that is another one after any transaction that may have changed the
    /// database, except those of [`Self::write`] on this connection to it. Between
    /// two calls that give the same number, nobody else changed anything, and
    /// nobody had begun to. `None` where the database cannot tell, or cannot now.
    async fn history(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}
