use atrest_core::KeyId;
use serde::Serialize;

/// What is said of one file (docs/json.md, "A file").
#[derive(Debug, Serialize)]
pub(crate) struct FileReport {
    /// The file that was written, read or removed.
    pub(crate) file: String,
    /// What it is now.
    pub(crate) state: &'static str,
    /// The key that it is sealed under, or was.
    pub(crate) key_id: Option<String>,
    /// Its length in clear.
    pub(crate) clear_bytes: Option<u64>,
    /// Its length encrypted.
    pub(crate) sealed_bytes: Option<u64>,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
}

impl FileReport {
    /// A file of which nothing else is known.
    pub(crate) fn new(file: String, state: &'static str) -> Self {
        Self {
            file,
            state,
            key_id: None,
            clear_bytes: None,
            sealed_bytes: None,
            problem: None,
        }
    }

    /// What an object holds, and under which key.
    pub(crate) fn object(mut self, key: KeyId, clear: u64, sealed: u64) -> Self {
        self.key_id = Some(key.to_string());
        self.clear_bytes = Some(clear);
        self.sealed_bytes = Some(sealed);
        self
    }

    /// What an earlier system's file held.
    pub(crate) fn old(mut self, clear: u64, encrypted: Option<u64>) -> Self {
        self.clear_bytes = Some(clear);
        self.sealed_bytes = encrypted;
        self
    }
}
