//! What a backup file is of: one operation on one database.

use aws_lc_rs::digest;

/// Stands in a file's header and says which operation on which database wrote it. A
/// later run goes on in an existing file only if this is its own, too: originals of
/// two databases, or clear values and tokens, never share a file, for a restore
/// could not know which of two entries for one row is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(pub(super) [u8; 16]);

impl Origin {
    /// Of `operation` on the database at `location` whose journal has the random id
    /// `journal`. Without that id nobody can guess the location from it.
    ///
    /// ```
    /// # use atrest_engine::backup::Origin;
    /// let here = Origin::new("1f", "encrypt", "sqlite:app.db");
    /// assert_eq!(here, Origin::new("1f", "encrypt", "sqlite:app.db"));
    /// assert_ne!(here, Origin::new("1f", "rotate", "sqlite:app.db"));
    /// ```
    #[must_use]
    pub fn new(journal: &str, operation: &str, location: &str) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in ["atrest/v1/backup-origin", journal, operation, location] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut origin = [0; 16];
        for (to, from) in origin.iter_mut().zip(hash.finish().as_ref()) {
            *to = *from;
        }
        Self(origin)
    }
}
