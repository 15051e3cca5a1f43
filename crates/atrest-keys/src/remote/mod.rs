//! What all sources that ask a server share: time limits, attempts, what is kept of
//! an answer and for how long, one request in flight for each key.
//!
//! A source of its own file implements [`Deliver`] or [`Wrap`], which is one request
//! each, and is made a [`KeySource`](crate::KeySource) by [`Delivering`] or
//! [`Wrapping`].

#[cfg(any(feature = "aws", feature = "vault"))]
#[cfg_attr(
    not(all(feature = "aws", feature = "vault")),
    allow(dead_code, reason = "each source uses its part")
)]
pub(crate) mod address;
#[cfg(any(feature = "pkcs11", feature = "os-keyring"))]
mod blocking;
mod calls;
mod deliver;
#[cfg(any(feature = "aws", feature = "vault"))]
#[cfg_attr(
    not(all(feature = "aws", feature = "vault")),
    allow(dead_code, reason = "each source uses its part")
)]
pub(crate) mod json;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "aws", feature = "vault"))]
pub(crate) mod words;
mod wrap;

use crate::{KeySourceError, RemoteProblem};

#[cfg(any(feature = "pkcs11", feature = "os-keyring"))]
pub(crate) use blocking::blocking;
pub(crate) use deliver::{Deliver, Delivering};
pub(crate) use wrap::{Wrap, Wrapping};

/// Why one request failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What kind of problem.
    pub(crate) problem: RemoteProblem,
    /// The server's or the library's own words. Never a secret.
    pub(crate) detail: String,
    /// What to do: the permission, path, field or format that is missing.
    pub(crate) next: String,
}

impl Failure {
    pub(crate) fn new(
        problem: RemoteProblem,
        detail: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            problem,
            detail: detail.into(),
            next: next.into(),
        }
    }

    /// As the error of the source that it befell.
    pub(crate) fn of(self, origin: &str) -> KeySourceError {
        KeySourceError::Remote {
            origin: origin.to_owned(),
            problem: self.problem,
            detail: self.detail,
            next: self.next,
        }
    }
}
