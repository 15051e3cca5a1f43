//! `secret:NAME`: keys from a secret that Docker or Kubernetes mounts as a file.

use std::io;
use std::path::{Path, PathBuf};

use atrest_core::Key;
use zeroize::Zeroizing;

use crate::list::{self, Layout};
use crate::{Environment, FileAccess, KeySource, KeySourceError, Stamp, access, source};

/// Where Docker mounts secrets, and where a pod should.
const FOLDER: &str = "/run/secrets";

/// Reading is tried so often while Kubernetes swaps `..data`: a path that led through
/// the old folder leads nowhere for a moment.
const ATTEMPTS: usize = 5;

/// A file that a container's runtime mounts, with a key or a list of keys.
///
/// Such a file is often readable by all (mode 0444), which is no fault of its owner:
/// that is accepted on tmpfs, ramfs, a read-only mount and below `/run/secrets`, where
/// the container is the border. Elsewhere the rule of [`File`](crate::File) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedSecret {
    path: PathBuf,
    name: String,
    access: FileAccess,
}

impl MountedSecret {
    /// The secret `name`, or the file at an absolute path.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`] when it is neither, or looks like a key.
    pub fn new(name: &str, access: FileAccess) -> Result<Self, KeySourceError> {
        let bad = |problem: &str| KeySourceError::BadUri {
            scheme: "secret",
            problem: problem.to_owned(),
            next: format!(
                "write secret:NAME for {FOLDER}/NAME, or secret:/PATH with the path of the mounted file"
            ),
        };
        if name.is_empty() {
            return Err(bad("no secret is named"));
        }
        if source::may_be_a_key(name) {
            return Err(bad(
                "a key stands where a name should be, and the policy is no place for a key",
            ));
        }
        let path = Path::new(name);
        let path = if path.is_absolute() {
            path.to_owned()
        } else if name.contains(['/', '\\']) || name == ".." || name == "." {
            return Err(bad("this is neither a name nor an absolute path"));
        } else {
            Path::new(FOLDER).join(name)
        };
        Ok(Self {
            name: path.display().to_string(),
            path,
            access,
        })
    }

    /// The file's text.
    pub(crate) fn text(&self) -> Result<Zeroizing<String>, KeySourceError> {
        let mut attempts = 1;
        loop {
            match access::read_mounted(&self.path, self.access) {
                Err(KeySourceError::File { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS =>
                {
                    attempts += 1;
                }
                read => return read,
            }
        }
    }
}

impl KeySource for MountedSecret {
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
