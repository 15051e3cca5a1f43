//! `file:PATH`: keys from a file.

use std::path::{Path, PathBuf};

use atrest_core::Key;
use zeroize::Zeroizing;

use crate::list::{self, Layout};
use crate::{Environment, FileAccess, KeySource, KeySourceError, Stamp, access, source};

/// A file that holds a key or a list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    path: PathBuf,
    name: String,
    access: FileAccess,
}

impl File {
    /// The file at `path`; a relative one starts at `base_dir`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`] when the path is empty, or looks like a key.
    pub fn new(path: &str, base_dir: &Path, access: FileAccess) -> Result<Self, KeySourceError> {
        let bad = |problem: &str| KeySourceError::BadUri {
            scheme: "file",
            problem: problem.to_owned(),
            next: "write file:PATH with the path of a file that holds the secret".to_owned(),
        };
        if path.is_empty() {
            return Err(bad("no file is named"));
        }
        if source::may_be_a_key(path) {
            return Err(bad(
                "a key stands where a path should be, and the policy is no place for a key",
            ));
        }
        let path = base_dir.join(path);
        Ok(Self {
            name: path.display().to_string(),
            path,
            access,
        })
    }

    /// The file's text.
    pub(crate) fn text(&self) -> Result<Zeroizing<String>, KeySourceError> {
        access::read(&self.path, self.access)
    }
}

impl KeySource for File {
    fn name(&self) -> &str {
        &self.name
    }

    fn keys(&self, _: &Environment) -> Result<Vec<Key>, KeySourceError> {
        list::keys(&self.text()?, &self.name, Layout::Lines)
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::of(&self.path))
    }
}
