use std::collections::BTreeMap;

use serde::Serialize;

use crate::Operation;
use crate::target::Finding;

/// One location of files in a report.
#[derive(Debug, Clone, Serialize)]
pub struct FilesReport {
    /// As the policy writes it.
    pub location: String,
    /// The suite of its objects.
    pub suite: &'static str,
    /// "path" or "none".
    pub bind: &'static str,
    /// Files looked at: clear, sealed and undecryptable ones.
    pub total: u64,
    /// Files in clear.
    pub plaintext: u64,
    /// Files that open under a key of the keyring, by key id.
    pub sealed: BTreeMap<String, u64>,
    /// Files that open under a key of their subject.
    pub sealed_by_subject: u64,
    /// Files whose key was destroyed when their subject was forgotten.
    pub forgotten: u64,
    /// Files whose key is not used while their subject is to be forgotten, which can be
    /// taken back.
    pub to_be_forgotten: u64,
    /// Files that begin as an object does and do not open.
    pub undecryptable: u64,
    /// The first of them.
    pub undecryptable_files: Vec<FileNote>,
    /// Key ids outside the keyring that these name.
    pub unknown_keys: BTreeMap<String, u64>,
    /// Files changed by this run.
    pub changed: u64,
    /// Clear bytes of the files changed by this run.
    pub changed_bytes: u64,
    /// Files left alone that may hold something in clear, or under an old key.
    pub skipped: u64,
    /// The first of them.
    pub skipped_files: Vec<FileNote>,
    /// Clear bytes of all files.
    pub bytes: u64,
    /// Old versions that a bucket keeps; `None` on the local disk.
    pub versions: Option<VersionsReport>,
    /// Whether the run was stopped before it had seen every file.
    pub stopped: bool,
    /// Seconds.
    pub seconds: f64,
    /// Sentences for the operator.
    pub notes: Vec<String>,
}

impl FilesReport {
    /// Files that open.
    #[must_use]
    pub fn sealed_total(&self) -> u64 {
        self.sealed.values().sum::<u64>() + self.sealed_by_subject
    }

    /// Nothing is left to do after this operation; `None`: after looking.
    #[must_use]
    pub fn is_clean(&self, operation: Option<Operation>) -> bool {
        let in_form = match operation {
            Some(Operation::Decrypt) => self.sealed_total() + self.to_be_forgotten,
            _ => self.plaintext,
        };
        // No run removes old versions, so that no run would ever be clean.
        let versions = self.versions.as_ref();
        let left = |it: &VersionsReport| it.clear > 0 || it.problem.is_some();
        let old = operation.is_none() && versions.is_some_and(left);
        !old && in_form == 0 && self.undecryptable == 0 && self.skipped == 0 && !self.stopped
    }
}

/// Old versions of a bucket's objects.
#[derive(Debug, Clone, Serialize)]
pub struct VersionsReport {
    /// Clear ones.
    pub clear: u64,
    /// Their bytes.
    pub clear_bytes: u64,
    /// Those that begin as objects of atrest do.
    pub sealed: u64,
    /// Clear ones that this run removed.
    pub purged: u64,
    /// Why they were not all looked at, if so.
    pub problem: Option<String>,
}

/// A file that is named in a report.
#[derive(Debug, Clone, Serialize)]
pub struct FileNote {
    /// Its path below the location; what is not UTF-8 in it is escaped (`\xff`).
    pub file: String,
    /// A word for programs: "undecryptable", or why it was left alone.
    pub why: &'static str,
    /// The same for people, with what to do.
    pub problem: String,
}

/// What an operation would do to the files of one location.
#[derive(Debug, Clone, Serialize)]
pub struct FilesPlan {
    /// What is there now.
    #[serde(flatten)]
    pub now: FilesReport,
    /// Files the operation would change.
    pub due: u64,
    /// Their clear bytes.
    pub due_bytes: u64,
    /// Clear bytes of the largest file.
    pub largest: u64,
    /// Free bytes of the location's file system; `None`: not known.
    pub free_bytes: Option<u64>,
    /// What to know.
    pub warnings: Vec<Finding>,
}

/// What a restore of files from a copy, or a comparison with it, came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FilesRestoreReport {
    /// As the policy writes it.
    pub location: String,
    /// Files of the copy that open there.
    pub entries: u64,
    /// Files whose content is the same.
    pub same: u64,
    /// Files that hold something else: changed since.
    pub changed_since: u64,
    /// Files that are gone.
    pub missing: u64,
    /// Files that do not open.
    pub undecryptable: u64,
    /// Files of subjects that were forgotten: meant not to come back.
    pub forgotten: u64,
    /// Files of subjects that are to be forgotten, which can be taken back.
    pub to_be_forgotten: u64,
    /// Files written.
    pub changed: u64,
    /// Files of the copy that do not open, and files that could not be read or written.
    pub skipped: u64,
    /// The first of those that differ or were skipped.
    pub files: Vec<FileNote>,
    /// Seconds.
    pub seconds: f64,
}
