//! The two shapes in which a column stores a token.

/// How a token is stored: in its text form or as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `ar1.` and unpadded base64url (or a Fernet token): for text columns.
    Text,
    /// The token's bytes (a Fernet token's ASCII): for binary columns.
    Bytes,
}
