/// Why tokens cannot be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No such role.
    #[error("a token's role is `read` or `write`; write one of the two")]
    Role,
    /// No hash.
    #[error(
        "a token stands as the SHA-256 of it, 64 hex digits; `atrest serve --generate-token read` \
         makes a token and prints its line"
    )]
    Hash,
    /// No entry.
    #[error("tokens are written `read:SHA256` or `write:SHA256`, separated by commas")]
    Entry,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes; try again")]
    Random,
}
