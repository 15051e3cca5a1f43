//! `[serve]` of the policy.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;

/// How `atrest serve` serves the files of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServePolicy {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The `location` of the `[[files]]` that is served; may be left out where there is
    /// one only.
    pub location: Option<String>,
    /// Who may.
    pub tokens: Vec<TokenPolicy>,
    /// A PEM file with the certificate, as the policy writes it, and one with its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where the section starts in the policy, from 1.
    pub line: usize,
}

impl ServePolicy {
    /// Where a server listens that is not told otherwise.
    pub const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));
}

/// A token that is accepted, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPolicy {
    /// What it allows.
    pub role: TokenRole,
    /// Its SHA-256 as 64 hex digits.
    pub sha256: String,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRole {
    /// Get and list.
    Read,
    /// That, and put and delete.
    Write,
}

impl TokenRole {
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

/// Neither "read" nor "write".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role; write `read` or `write`")]
pub struct ParseTokenRoleError;

impl FromStr for TokenRole {
    type Err = ParseTokenRoleError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err(ParseTokenRoleError),
        }
    }
}
