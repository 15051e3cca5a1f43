//! Reports in the engine's words.

use std::collections::BTreeMap;

use atrest_core::KeyId;
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FileNote, FilesPlan, FilesReport, VersionsReport};
use atrest_engine::subjects::receipt::{ErasedFiles, ErasedVersions};
use atrest_engine::target::Finding;

use super::{Report, Versions};

/// How many files a report names, of each kind.
pub(crate) const NAMED: usize = 20;

impl Report {
    /// What `operation` would do after this look; `policy` is the location's.
    #[must_use]
    pub fn plan(&self, operation: atrest_engine::Operation, policy: &FilesPolicy) -> FilesPlan {
        let sealed = self.sealed.values();
        let sealed = sealed.fold(self.by_subject, |sum, tally| sum.and(*tally));
        let due = match operation {
            atrest_engine::Operation::Encrypt => self.clear.less(self.withheld),
            atrest_engine::Operation::Rotate => self.to_rotate,
            atrest_engine::Operation::Decrypt => sealed,
            // Of columns only.
            atrest_engine::Operation::Adopt | atrest_engine::Operation::Exit => Default::default(),
        };
        let mut warnings = Vec::new();
        if self.nobodys > 0 && operation != atrest_engine::Operation::Decrypt {
            let (nobodys, pattern) = (self.nobodys, policy.subject.as_ref());
            let pattern = pattern.map_or_else(String::new, |pattern| format!(" `{pattern}`"));
            warnings.push(Finding {
                what: format!(
                    "{nobodys} files do not fit the subject{pattern}: they are nobody's, are sealed \
                     under the key that everybody shares, and no `atrest forget` erases them"
                ),
                next: "move them, exclude them, or mend `subject` in the policy".to_owned(),
            });
        }
        FilesPlan {
            due: due.files,
            due_bytes: due.bytes,
            largest: self.largest,
            free_bytes: None,
            warnings,
            now: self.of(policy),
        }
    }

    /// What an erasure's receipt says of a location: of a look at one subject's files,
    /// whose `destroyed` keys nobody has any more.
    #[must_use]
    pub fn erased(&self, policy: &FilesPolicy, destroyed: &[KeyId]) -> ErasedFiles {
        let Versions {
            clear,
            sealed_by,
            problem,
            ..
        } = &self.versions;
        let gone = |key: &KeyId| destroyed.contains(key);
        let sealed = |wanted: bool| -> u64 {
            let those = sealed_by.iter().filter(|(key, _)| gone(key) == wanted);
            those.map(|(_, versions)| versions).sum()
        };
        let old_versions = ErasedVersions {
            unreadable: sealed(true),
            readable: clear.files + sealed(false),
            problem: problem.clone(),
        };
        let skipped = self.skipped.iter().filter(|it| !it.why.is_harmless());
        ErasedFiles {
            location: policy.location.clone(),
            files: self.total,
            unreadable: self.forgotten,
            plaintext: self.clear.files,
            shared: self.sealed.values().map(|tally| tally.files).sum(),
            undecryptable: self.undecryptable.len() as u64,
            skipped: skipped.count() as u64,
            old_versions: policy.bucket().map(|_| old_versions),
        }
    }

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
            sealed_by_subject: self.by_subject.files,
            forgotten: self.forgotten,
            to_be_forgotten: self.to_be_forgotten,
            undecryptable: self.undecryptable.len() as u64,
            undecryptable_files: undecryptable.collect(),
            unknown_keys: BTreeMap::new(),
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
            bytes: self.clear.bytes
                + self.by_subject.bytes
                + self.sealed.values().map(|tally| tally.bytes).sum::<u64>(),
            versions: None,
            stopped: self.stopped,
            seconds: 0.0,
            notes: Vec::new(),
        };
        for key in self.undecryptable.iter().filter_map(|one| one.unknown_key) {
            *report.unknown_keys.entry(key.to_string()).or_default() += 1;
        }
        if !report.unknown_keys.is_empty() {
            let named: u64 = report.unknown_keys.values().sum();
            let next = match policy.subject {
                None => "add these keys to keys.previous",
                Some(_) => {
                    "put the table atrest_keys back as it was when they were encrypted, if it is \
                     lost or older; put a file that was moved from another subject's folder back; \
                     a key that everybody shares goes into keys.previous"
                }
            };
            let note = format!("{named} files name keys that are not at hand: {next}");
            report.notes.push(note);
        }
        let mut spared = BTreeMap::<_, u64>::new();
        for one in &harmless {
            *spared.entry(one.why.word()).or_default() += 1;
        }
        if !spared.is_empty() {
            let spared = spared.iter().map(|(why, n)| format!("{n} {why}"));
            let spared = spared.collect::<Vec<_>>().join(", ");
            let note = format!("left as it is, with nothing of yours at rest in it: {spared}");
            report.notes.push(note);
        }
        if policy.bucket().is_some() {
            let versions = &self.versions;
            if versions.clear.files > 0 {
                let clear = versions.clear.files;
                report.notes.push(format!(
                    "{clear} old versions in the bucket are in clear and stay readable until they \
                     are removed: by atrest encrypt --purge-versions where the present version is \
                     encrypted, or by a lifecycle rule for noncurrent versions"
                ));
            }
            if let Some(problem) = &versions.problem {
                let note = format!("old versions in the bucket were not all looked at: {problem}");
                report.notes.push(note);
            }
            report.versions = Some(VersionsReport {
                clear: versions.clear.files,
                clear_bytes: versions.clear.bytes,
                sealed: versions.sealed.files,
                purged: versions.purged.files,
                problem: versions.problem.clone(),
            });
        }
        if self.withheld.files > 0 {
            let withheld = self.withheld.files;
            report.notes.push(format!(
                "{withheld} files in clear are of subjects that are being forgotten, and were not \
                 encrypted: remove them, or take that back with `atrest forget SUBJECT --undo`"
            ));
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
pub(crate) fn readable(name: &[u8]) -> String {
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
