//! One `[[column]]` of the policy.

use std::fmt;
use std::str::FromStr;

use atrest_core::Suite;
use serde::{Deserialize, Serialize};

use crate::target::TableName;

/// A column to keep sealed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPolicy {
    /// The table, with the schema where one is given.
    pub table: TableName,
    /// The column, by its exact name.
    pub column: String,
    /// What its values are sealed with.
    pub suite: Suite,
    /// The context that the file gives; see [`ColumnPolicy::context`].
    pub context: Option<String>,
    /// What a token is bound to.
    pub bind: Bind,
    /// The column of the same table that says whose the row is: each subject's values
    /// are sealed under a key of its own.
    pub subject: Option<String>,
    /// Columns of the same table that could confirm a guess of a value: emptied when the
    /// row's subject is forgotten.
    pub forget_empties: Vec<String>,
    /// Where the entry starts in the policy, from 1.
    pub line: usize,
}

impl ColumnPolicy {
    /// The logical identity bound into every token: the one written in the
    /// policy, else "table.column".
    #[must_use]
    pub fn context(&self) -> String {
        self.context.clone().unwrap_or_else(|| self.id())
    }

    /// "table.column": what `--only` takes and messages show. A part that holds
    /// a dot is quoted, so that no two columns share an id.
    #[must_use]
    pub fn id(&self) -> String {
        id(&self.table, &self.column)
    }
}

/// The id of a column of a table.
pub(super) fn id(table: &TableName, column: &str) -> String {
    // A column is quoted by the same rule as a table without a schema.
    let column = TableName {
        schema: None,
        name: column.to_owned(),
    };
    format!("{table}.{column}")
}

/// What a token is bound to, beside its context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// The column: a token opens in any row of it.
    #[default]
    Column,
    /// The row: a token moved to another primary key does not open.
    Row,
}

impl Bind {
    /// As the policy writes them.
    pub const NAMES: [&'static str; 2] = ["column", "row"];

    /// As the policy writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Row => "row",
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Neither "column" nor "row".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a binding; write `column` or `row`")]
pub struct ParseBindError;

impl FromStr for Bind {
    type Err = ParseBindError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "column" => Ok(Self::Column),
            "row" => Ok(Self::Row),
            _ => Err(ParseBindError),
        }
    }
}
