//! A folder as the policy's `[[files]]` describes it, and its reports in the words of
//! the engine's.

use std::path::Path;

use atrest_core::object::sealed_len;
use atrest_core::{KeyId, Keyring};
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FileNote, FilesPlan, FilesReport};
use atrest_engine::target::Finding;

use super::{Folder, FolderError, Operation, Options, Report, Tally};

/// How many files a report names, of each kind.
const NAMED: usize = 20;

impl Folder {
    /// The folder of a `[[files]]`; `directory` is the policy's.
    ///
    /// # Errors
    /// [`FolderError::Glob`].
    pub fn of(policy: &FilesPolicy, directory: &Path) -> Result<Self, FolderError> {
        let root = policy.path(directory);
        Self::new(root, &policy.include, &policy.exclude, policy.bind)
    }

    /// What `operation` would do, after a look at every file; `policy` is the folder's.
    ///
    /// # Errors
    /// As [`Folder::run`].
    pub fn plan(
        &self,
        operation: atrest_engine::Operation,
        policy: &FilesPolicy,
        keyring: &Keyring,
        options: &Options<'_>,
    ) -> Result<FilesPlan, FolderError> {
        let report = self.run(Operation::Look, keyring, options)?;
        let primary = keyring.primary().id();
        let sealed = |wanted: &dyn Fn(KeyId) -> bool| {
            let those = report.sealed.iter().filter(|(key, _)| wanted(**key));
            those.fold(Tally::default(), |sum, (_, tally)| sum.and(*tally))
        };
        let due = match operation {
            atrest_engine::Operation::Encrypt => report.clear,
            atrest_engine::Operation::Rotate => sealed(&|key| key != primary),
            atrest_engine::Operation::Decrypt => sealed(&|_| true),
        };
        let free = rustix::fs::statvfs(&self.root).ok();
        let free_bytes = free.and_then(|stat| stat.f_bavail.checked_mul(stat.f_frsize));
        // Each worker holds one file twice until it has replaced it.
        let largest = sealed_len(report.largest).unwrap_or(u64::MAX);
        let room = largest.saturating_mul(options.workers.max(1) as u64);
        let warnings = match free_bytes {
            Some(free) if due.files > 0 && free < room => vec![Finding {
                what: format!(
                    "{} workers may need {room} bytes for the new forms of files beside the old \
                     ones, and {free} are free",
                    options.workers.max(1)
                ),
                next: "make room, or run with --workers 1".to_owned(),
            }],
            _ => Vec::new(),
        };
        Ok(FilesPlan {
            due: due.files,
            due_bytes: due.bytes,
            free_bytes,
            warnings,
            now: report.of(policy),
        })
    }
}

impl Report {
    /// In the engine's words; `policy` is the folder's.
    #[must_use]
    pub fn of(&self, policy: &FilesPolicy) -> FilesReport {
        let undecryptable = self.undecryptable.iter().take(NAMED).map(|one| FileNote {
            file: readable(&one.name),
            why: "undecryptable",
            problem: one.problem.clone(),
        });
        let (harmless, left): (Vec<_>, Vec<_>) =
            self.skipped.iter().partition(|s| s.why.is_harmless());
        let mut report = FilesReport {
            location: policy.location.clone(),
            suite: FilesPolicy::SUITE,
            bind: policy.bind.name(),
            total: self.total,
            plaintext: self.clear.files,
            sealed: self
                .sealed
                .iter()
                .map(|(key, tally)| (key.to_string(), tally.files))
                .collect(),
            undecryptable: self.undecryptable.len() as u64,
            undecryptable_files: undecryptable.collect(),
            unknown_keys: std::collections::BTreeMap::new(),
            changed: self.changed.files,
            changed_bytes: self.changed.bytes,
            skipped: left.len() as u64,
            skipped_files: left
                .iter()
                .take(NAMED)
                .map(|one| FileNote {
                    file: readable(&one.name),
                    why: one.why.word(),
                    problem: one.why.to_string(),
                })
                .collect(),
            bytes: self.clear.bytes + self.sealed.values().map(|tally| tally.bytes).sum::<u64>(),
            stopped: self.stopped,
            seconds: 0.0,
            notes: Vec::new(),
        };
        for key in self.undecryptable.iter().filter_map(|one| one.unknown_key) {
            *report.unknown_keys.entry(key.to_string()).or_default() += 1;
        }
        let mut spared = std::collections::BTreeMap::<_, u64>::new();
        for one in &harmless {
            *spared.entry(one.why.word()).or_default() += 1;
        }
        if !spared.is_empty() {
            let spared = spared.iter().map(|(why, n)| format!("{n} {why}"));
            let spared = spared.collect::<Vec<_>>().join(", ");
            let note = format!("left as it is, with nothing of yours at rest in it: {spared}");
            report.notes.push(note);
        }
        if self.removed > 0 {
            let removed = self.removed;
            let note = format!("removed {removed} temporary files that a killed run had left");
            report.notes.push(note);
        }
        report
    }
}

/// A file's name for people and JSON: what is no UTF-8, and what would move a
/// terminal's cursor, is escaped.
fn readable(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() {
                true => text.extend(character.escape_default()),
                false => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn any_name_can_be_printed() {
        assert_eq!(
            readable("gate/müller 1.mp4".as_bytes()),
            "gate/müller 1.mp4"
        );
        assert_eq!(readable(b"a\xffb\x1b[2Jc\n"), "a\\xffb\\u{1b}[2Jc\\n");
    }
}
