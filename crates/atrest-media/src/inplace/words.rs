//! Reports in the engine's words.

use std::collections::BTreeMap;

use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::{FileNote, FilesReport};

use super::Report;

/// How many files a report names, of each kind.
const NAMED: usize = 20;

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
            bytes: self.clear.bytes + self.sealed.values().map(|tally| tally.bytes).sum::<u64>(),
            stopped: self.stopped,
            seconds: 0.0,
            notes: Vec::new(),
        };
        for key in self.undecryptable.iter().filter_map(|one| one.unknown_key) {
            *report.unknown_keys.entry(key.to_string()).or_default() += 1;
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
