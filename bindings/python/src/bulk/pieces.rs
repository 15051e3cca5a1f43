//! Pieces: what became of a block's values, in one piece of memory.

use std::mem;
use std::ops::Range;

use atrest_core::Form;

/// A token or a clear value.
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Of a text column, and no UTF-8.
    NotText,
}

/// The tokens or clear values, one behind the other.
pub(super) enum Pieces {
    Bytes(Vec<u8>),
    /// All of them are text, which was seen in one look, and where others have the GIL.
    Text(String),
}

impl Default for Pieces {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Pieces {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes(error.into_bytes()),
        }
    }

    /// Leaves none.
    pub(super) fn take(&mut self) -> Vec<u8> {
        match mem::take(self) {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
        }
    }

    /// One of them. It is text by itself if it begins and ends between two characters.
    pub(super) fn piece(&self, range: Range<usize>, form: Form) -> Piece<'_> {
        let text = match (self, form) {
            (Self::Text(text), Form::Text) => text.get(range.clone()),
            _ => None,
        };
        if let Some(text) = text {
            return Piece::Text(text);
        }
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        };
        let bytes = bytes.get(range).unwrap_or_default();
        match form {
            Form::Text => str::from_utf8(bytes).map_or(Piece::NotText, Piece::Text),
            Form::Bytes => Piece::Bytes(bytes),
        }
    }
}
