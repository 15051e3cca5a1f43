//! What a token is bound to: where it belongs, not what it is called today.

/// A logical identity, and with `bind = "row"` the row's key: bound into a
/// ciphertext, so that a token put anywhere else does not open.
///
/// Encoding (spec/formats.md, "Context"): for each part its length in bytes as
/// 4 bytes big-endian, then the bytes. The logical identity is the first part.
///
/// ```
/// use atrest_core::Context;
/// let column = Context::new("people.extras");
/// assert_eq!(column.encoded(), b"\0\0\0\x0dpeople.extras");
/// let row = column.with_row(["17"]);
/// assert_eq!(row.encoded(), b"\0\0\0\x0dpeople.extras\0\0\0\x0217");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Context {
    encoded: Vec<u8>,
    /// How many bytes of `encoded` are the logical identity's.
    column: usize,
}

impl Context {
    /// A column's context.
    #[must_use]
    pub fn new(logical_id: &str) -> Self {
        let mut encoded = Vec::with_capacity(4 + logical_id.len());
        append(&mut encoded, logical_id);
        Self {
            column: encoded.len(),
            encoded,
        }
    }

    /// The same column's context, bound to one row: the values of its primary key
    /// in canonical text, in key order. Replaces a row bound before.
    #[must_use]
    pub fn with_row(&self, parts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut encoded = Vec::with_capacity(self.column + 24);
        encoded.extend_from_slice(self.encoded.get(..self.column).unwrap_or_default());
        for part in parts {
            append(&mut encoded, part.as_ref());
        }
        Self {
            encoded,
            column: self.column,
        }
    }

    /// The bytes that go into the additional data.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

fn append(encoded: &mut Vec<u8>, part: &str) {
    // A context of 4 GiB does not fit its length field; sealing refuses it.
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::Context;

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let of = |parts: &[&str]| Context::new("c").with_row(parts).encoded;
        let all = [
            of(&[]),
            of(&[""]),
            of(&["", ""]),
            of(&["ab", "c"]),
            of(&["a", "bc"]),
            of(&["abc"]),
            of(&["a\0\0\0\x01b", "c"]),
            of(&["a", "b", "c"]),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_second_row_replaces_the_first() {
        let column = Context::new("t.c");
        assert_eq!(
            column.with_row(["1"]).with_row(["2"]),
            column.with_row(["2"])
        );
    }
}
