//! Bearer tokens: who may read, who may write.

mod error;

use std::fmt;
use std::str::FromStr;

use atrest_core::fill_random;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

pub use error::TokenError;

/// What the bearer of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Get and list objects; read `/metrics`.
    Read,
    /// That, and put and delete objects.
    Write,
}

impl Role {
    /// As policies write them.
    pub const NAMES: [&'static str; 2] = ["read", "write"];

    /// As policies write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = TokenError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err(TokenError::Role),
        }
    }
}

/// What is known of a token: its role, and its SHA-256. The token itself is high
/// entropy ([`generate`]), so a plain hash gives nothing away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash {
    /// What it allows.
    pub role: Role,
    sha256: [u8; 32],
}

impl TokenHash {
    /// From 64 hex digits.
    ///
    /// # Errors
    /// [`TokenError::Hash`].
    pub fn from_hex(role: Role, sha256: &str) -> Result<Self, TokenError> {
        let hex = sha256.as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(TokenError::Hash);
        if hex.len() != 64 {
            return Err(TokenError::Hash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let value = digit(pair[0])? << 4 | digit(pair[1])?;
            *byte = u8::try_from(value).map_err(|_| TokenError::Hash)?;
        }
        Ok(Self {
            role,
            sha256: bytes,
        })
    }

    /// Of a token.
    #[must_use]
    pub fn of(role: Role, token: &str) -> Self {
        Self {
            role,
            sha256: sha256(token),
        }
    }

    /// The hash as 64 hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenHash")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// The tokens that are accepted.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<TokenHash>);

impl Tokens {
    /// Those.
    #[must_use]
    pub fn new(tokens: Vec<TokenHash>) -> Self {
        Self(tokens)
    }

    /// Reads `role:sha256` entries separated by commas or white space, as an
    /// environment variable holds them.
    ///
    /// ```
    /// use atrest_server::{Role, TokenHash, Tokens};
    /// let hash = TokenHash::of(Role::Read, "a token").to_hex();
    /// assert!(Tokens::parse(&format!("read:{hash}, write:{hash}")).is_ok());
    /// assert!(Tokens::parse("read:a token").is_err());
    /// ```
    ///
    /// # Errors
    /// [`TokenError`], which does not repeat what was read: it may be a token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let entries = text
            .split([',', ' ', '\t', '\n', '\r'])
            .filter(|entry| !entry.is_empty());
        let read = |entry: &str| {
            let (role, hash) = entry.split_once(':').ok_or(TokenError::Entry)?;
            TokenHash::from_hex(role.parse()?, hash)
        };
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// These and `more`.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `token` allows. Every hash is looked at, each in constant time.
    #[must_use]
    pub fn role(&self, token: &str) -> Option<Role> {
        let given = sha256(token);
        let mut role = None;
        for known in &self.0 {
            if verify_slices_are_equal(&known.sha256, &given).is_ok() {
                role = role.max(Some(known.role));
            }
        }
        role
    }
}

/// A new token: 32 random bytes in base64url (43 characters).
///
/// # Errors
/// [`TokenError::Random`].
pub fn generate() -> Result<String, TokenError> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // One character out of each byte's six low bits: 43 of them are 258 bits.
    let mut bytes = [0; 43];
    fill_random(&mut bytes).map_err(|_| TokenError::Random)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
        .collect())
}

fn sha256(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_greatest_role_that_names_it() -> Result<(), TokenError> {
        let (reader, writer) = (generate()?, generate()?);
        let line = |role: Role, token| format!("{role}:{}", TokenHash::of(role, token).to_hex());
        let text = [
            line(Role::Write, &writer),
            line(Role::Read, &writer),
            line(Role::Read, &reader),
        ];
        let tokens = Tokens::parse(&text.join("\n"))?;
        assert_eq!(tokens.role(&writer), Some(Role::Write));
        assert_eq!(tokens.role(&reader), Some(Role::Read));
        for wrong in ["", " ", &reader[1..], &format!("{reader} ")] {
            assert_eq!(tokens.role(wrong), None);
        }
        assert_eq!((reader.len(), reader != writer), (43, true));
        Ok(())
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_repeated() {
        let hash = "0".repeat(64);
        for (text, want) in [
            ("secret", TokenError::Entry),
            ("admin:secret", TokenError::Role),
            ("read:secret", TokenError::Hash),
            (&format!("read:{}", "é".repeat(32)), TokenError::Hash),
            (&format!("read:{hash}0"), TokenError::Hash),
        ] {
            let error = Tokens::parse(text).unwrap_err();
            assert_eq!(error, want);
            assert!(!error.to_string().contains("secret"));
        }
        assert!(Tokens::parse(&format!("read:{hash}")).is_ok());
    }
}
