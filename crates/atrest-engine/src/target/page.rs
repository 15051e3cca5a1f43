//! The way of a page of rows from a target to who looks at them.

use std::any::Any;
use std::fmt;

use super::{Result, RowKey, Value, ValueRef};

/// Gives the key of the row at hand; only who needs it pays for making it.
pub type KeyOf<'a> = &'a dyn Fn() -> Result<RowKey>;

/// Looks at the rows of a page, one after the other in key order, on the thread
/// that reads them.
pub trait Visitor: Any + Send {
    /// One row; `beside` is the value of [`Target::beside`](super::Target::beside)'s
    /// column. An error ends the page.
    fn row(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        beside: Option<ValueRef<'_>>,
    ) -> Result<()>;
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

impl PageLimit {
    /// A page that ends here, for `visitor`.
    #[must_use]
    pub fn begin(self, visitor: Box<dyn Visitor>) -> Showing {
        let page = Visited {
            rows: 0,
            bytes: 0,
            last: None,
            visitor,
        };
        Showing { limit: self, page }
    }
}

/// A page while a target shows its rows.
#[derive(Debug)]
pub struct Showing {
    limit: PageLimit,
    page: Visited,
}

impl Showing {
    /// Shows one row; `false` when the page ends with it.
    ///
    /// # Errors
    /// The visitor's; and the key's.
    pub fn row(
        &mut self,
        key: KeyOf<'_>,
        value: ValueRef<'_>,
        beside: Option<ValueRef<'_>>,
    ) -> Result<bool> {
        let page = &mut self.page;
        page.rows += 1;
        page.bytes += value.bytes();
        page.visitor.row(key, value, beside)?;
        let full = page.rows == self.limit.rows || page.bytes >= self.limit.bytes;
        if full {
            page.last = Some(key()?);
        }
        Ok(!full)
    }

    /// What was shown.
    #[must_use]
    pub fn end(self) -> Visited {
        self.page
    }
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

/// Keeps the rows it is shown.
pub(super) struct Rows(pub(super) Vec<Row>);

impl Visitor for Rows {
    fn row(&mut self, key: KeyOf<'_>, value: ValueRef<'_>, _: Option<ValueRef<'_>>) -> Result<()> {
        self.0.push(Row {
            key: key()?,
            value: value.to_value(),
        });
        Ok(())
    }
}
