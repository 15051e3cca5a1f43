//! Where keyrings are kept.

use std::fmt;

use async_trait::async_trait;

use super::KeyringError;

/// A place for one keyring's document, changed under compare-and-swap.
///
/// It knows nothing of keys: a document is a text with a generation
/// ([`super::check`]). [`KeyringFile`](super::KeyringFile) is one.
#[async_trait]
pub trait KeyringStore: fmt::Debug + Send + Sync {
    /// What messages call it: a path, "the table atrest_keys of ...".
    fn name(&self) -> String;

    /// The document; `None` when there is none.
    ///
    /// # Errors
    /// [`KeyringError::File`] or [`KeyringError::Store`] when it cannot be read,
    /// [`KeyringError::Older`] when the store remembers a newer one.
    async fn load(&self) -> Result<Option<String>, KeyringError>;

    /// Puts `text` in the place of the document of generation `expected`; 0: there is
    /// none. When it returns, the text is durable; of two that expect the same
    /// generation one wins.
    ///
    /// # Errors
    /// [`KeyringError::Changed`] when another generation is there,
    /// [`KeyringError::Exists`] when `expected` is 0 and there is one. With any error
    /// but those the document is the old one or `text`, whole.
    async fn replace(&self, expected: u64, text: &str) -> Result<(), KeyringError>;

    /// Removes what the store itself keeps of documents before this generation: a key
    /// was destroyed, and they still have it. Documents that somebody else copied are
    /// not in its reach.
    ///
    /// # Errors
    /// As [`Self::replace`].
    async fn prune(&self, before: u64) -> Result<(), KeyringError>;
}
