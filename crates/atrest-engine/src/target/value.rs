//! Keys and values as a database holds them.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// Longer than the page's `inline` limit: ask
    /// [`Target::read_one`](super::Target::read_one). Bytes.
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
