//! What a verb found and did, as data. The names are stable: `--json` prints them
//! (docs/json.md), scripts read them.

mod files;
mod keys;

use std::collections::BTreeMap;
use std::path::PathBuf;

use atrest_core::KeyId;
use serde::Serialize;

use crate::Operation;
use crate::target::{Finding, SchemaChange};

pub use files::{FileNote, FilesPlan, FilesReport, FilesRestoreReport, VersionsReport};
pub use keys::{KeyLife, KeyUsage, key_usage, of_a_part};

/// How many undecryptable rows are named.
pub(crate) const NAMED_ROWS: usize = 20;
/// How many missing keys are named in a sentence.
const NAMED_KEYS: usize = 5;

/// What brings keys back that values in rows of subjects name.
const MISSING_OF_SUBJECTS: &str = "put the table atrest_keys back as it was when they were encrypted, if it is lost or older; where a row was given to another subject, give it back to the one before, or write its value anew; a key that everybody shares goes into keys.previous";

/// What a pass counted, by classification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub total: u64,
    /// NULLs.
    pub null: u64,
    /// Values in clear.
    pub plaintext: u64,
    /// Values that open, by key id.
    pub sealed: BTreeMap<KeyId, u64>,
    /// Values that open under a key of their row's subject.
    pub by_subject: u64,
    /// Values whose key was destroyed with the subject's other keys.
    pub forgotten: u64,
    /// Values whose key is not used while their subject is to be forgotten, which can be
    /// taken back.
    pub to_be_forgotten: u64,
    /// Values in clear that are not sealed: their subject is being forgotten, or its keys
    /// do not open. They are counted as plaintext, too.
    pub withheld: u64,
    /// Of the undecryptable ones, those under keys of subjects that do not open, by the key
    /// that wraps these, where it is named.
    pub closed: BTreeMap<Option<KeyId>, u64>,
    /// Values that look encrypted and do not open.
    pub undecryptable: u64,
    /// Values that open under a key of other software; they stand in `sealed`, too.
    pub external: u64,
    /// Of the undecryptable ones, under a key id (or Fernet key) that the keyring lacks.
    pub foreign: u64,
    /// Key ids that undecryptable values name, with how many.
    pub unknown_keys: BTreeMap<KeyId, u64>,
    /// How many of these stand in rows of subjects, and may name a key that was one's own.
    pub unknown_of_subjects: u64,
    /// The first such row's key.
    pub unknown_row: Option<String>,
    /// The first undecryptable rows' keys.
    pub undecryptable_rows: Vec<String>,
    /// Stored bytes now.
    pub bytes: u64,
    /// Stored bytes if every clear value were sealed.
    pub bytes_sealed: u64,
    /// The longest token that is there or would be, in bytes.
    pub longest_token: u64,
    /// Rows that the operation would change, or found to change.
    pub due: u64,
    /// Of these, rows of a subject.
    pub due_by_subject: u64,
}

impl Tally {
    /// Adds what another worker counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.null += other.null;
        self.plaintext += other.plaintext;
        for (key, n) in other.sealed {
            *self.sealed.entry(key).or_default() += n;
        }
        self.by_subject += other.by_subject;
        self.forgotten += other.forgotten;
        self.to_be_forgotten += other.to_be_forgotten;
        self.withheld += other.withheld;
        for (key, n) in other.closed {
            *self.closed.entry(key).or_default() += n;
        }
        self.external += other.external;
        self.undecryptable += other.undecryptable;
        self.foreign += other.foreign;
        for (key, n) in other.unknown_keys {
            *self.unknown_keys.entry(key).or_default() += n;
        }
        self.unknown_of_subjects += other.unknown_of_subjects;
        self.unknown_row = self.unknown_row.take().or(other.unknown_row);
        self.undecryptable_rows.extend(other.undecryptable_rows);
        self.undecryptable_rows.truncate(NAMED_ROWS);
        self.bytes += other.bytes;
        self.bytes_sealed += other.bytes_sealed;
        self.longest_token = self.longest_token.max(other.longest_token);
        self.due += other.due;
        self.due_by_subject += other.due_by_subject;
    }

    /// Values that open.
    #[must_use]
    pub fn sealed_total(&self) -> u64 {
        self.sealed.values().sum::<u64>() + self.by_subject
    }

    /// Values name keys that are not at hand, and none opens.
    pub(crate) fn opens_nothing(&self) -> bool {
        self.unknown_total() > 0 && self.sealed_total() == 0
    }

    /// Values that name a key which is not at hand.
    pub(crate) fn unknown_total(&self) -> u64 {
        self.unknown_keys.values().sum()
    }

    /// " (they name key id 0a1b2c3d)", and of many a few; empty when they name none.
    pub(crate) fn key_ids(&self) -> String {
        let ids: Vec<_> = self.unknown_keys.keys().take(NAMED_KEYS).collect();
        let named = ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        match self.unknown_keys.len() - ids.len() {
            0 if ids.is_empty() => String::new(),
            0 => format!(" (they name key id {})", named.join(", ")),
            more => format!(" (they name key id {} and {more} more)", named.join(", ")),
        }
    }

    /// What brings the keys back that values name and that are not at hand.
    pub(crate) const fn missing_keys(&self) -> &'static str {
        match self.unknown_of_subjects {
            0 => "set the key that was used, as keys.primary or in keys.previous",
            _ => MISSING_OF_SUBJECTS,
        }
    }
}

/// One column in a report.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnReport {
    /// "table.column".
    pub column: String,
    /// The policy's suite.
    pub suite: String,
    /// The logical context.
    pub context: String,
    /// Rows.
    pub total: u64,
    /// NULLs.
    pub null: u64,
    /// Values in clear.
    pub plaintext: u64,
    /// Values that open under a key of the keyring, by key id.
    pub sealed: BTreeMap<String, u64>,
    /// Values that open under a key of their row's subject.
    pub sealed_by_subject: u64,
    /// Values whose key was destroyed when their subject was forgotten.
    pub forgotten: u64,
    /// Values whose key is not used while their subject is to be forgotten, which can be
    /// taken back.
    pub to_be_forgotten: u64,
    /// Values that look encrypted and do not open.
    pub undecryptable: u64,
    /// Keys of the first of these rows.
    pub undecryptable_rows: Vec<String>,
    /// Key ids outside the keyring that these values name.
    pub unknown_keys: BTreeMap<String, u64>,
    /// Rows changed by this run (all of it, if it was interrupted and taken up).
    pub changed: u64,
    /// Rows left because a writer got there first, or changed them since.
    pub skipped: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Sweeps that were made.
    pub sweeps: u32,
    /// The last two passes found nothing left to do.
    pub settled: bool,
    /// Seconds.
    pub seconds: f64,
    /// Sentences for the operator: what is left to do.
    pub notes: Vec<String>,
}

impl ColumnReport {
    pub(crate) fn new(column: &str, suite: String, context: String, tally: Tally) -> Self {
        let text = |keys: BTreeMap<KeyId, u64>| {
            keys.into_iter().map(|(k, n)| (k.to_string(), n)).collect()
        };
        let notes = notes(column, &tally);
        Self {
            column: column.to_owned(),
            suite,
            context,
            total: tally.total,
            null: tally.null,
            plaintext: tally.plaintext,
            sealed: text(tally.sealed),
            sealed_by_subject: tally.by_subject,
            forgotten: tally.forgotten,
            to_be_forgotten: tally.to_be_forgotten,
            undecryptable: tally.undecryptable,
            undecryptable_rows: tally.undecryptable_rows,
            unknown_keys: text(tally.unknown_keys),
            changed: 0,
            skipped: 0,
            bytes: tally.bytes,
            sweeps: 0,
            settled: true,
            seconds: 0.0,
            notes,
        }
    }

    /// Values that open.
    #[must_use]
    pub fn sealed_total(&self) -> u64 {
        self.sealed.values().sum::<u64>() + self.sealed_by_subject
    }

    /// Nothing is left to do for `operation`; without one, every value is NULL or opens.
    #[must_use]
    pub fn is_clean(&self, operation: Option<Operation>) -> bool {
        let left = match operation {
            Some(Operation::Decrypt) => self.sealed_total() + self.to_be_forgotten,
            // What is to be forgotten may be taken back, and is then still ours.
            Some(Operation::Exit) => self.plaintext + self.to_be_forgotten,
            _ => self.plaintext,
        };
        let done = operation.is_none() || (self.skipped == 0 && self.settled);
        left == 0 && self.undecryptable == 0 && done
    }
}

/// What is to be known of keys that are not at hand, or not used.
fn notes(column: &str, tally: &Tally) -> Vec<String> {
    let mut notes = Vec::new();
    for (under, values) in &tally.closed {
        let under = under.map_or_else(|| "of an unknown form".to_owned(), |id| id.to_string());
        notes.push(format!(
            "{column}: {values} values are under keys of subjects that are wrapped under key {under}, which the keyring does not have or which does not open them; put the keyring back that has it"
        ));
    }
    let (unknown, of_subjects) = (tally.unknown_total(), tally.unknown_of_subjects);
    if of_subjects > 0 {
        notes.push(format!(
            "{column}: {of_subjects} values in rows of subjects name keys that are neither in the keyring nor their subject's: {MISSING_OF_SUBJECTS}"
        ));
    }
    if unknown > of_subjects {
        notes.push(format!(
            "{column}: {} values name keys that are not in the keyring: add these keys to keys.previous",
            unknown - of_subjects
        ));
    }
    if tally.withheld > 0 {
        notes.push(format!(
            "{column}: {} values in clear are not encrypted, since their subjects are being forgotten or have keys that do not open: delete those rows, take that back with atrest forget SUBJECT --undo, or put the keyring back that has the key",
            tally.withheld
        ));
    }
    notes
}

/// What an operation would do to one column.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnPlan {
    /// What is there now.
    #[serde(flatten)]
    pub now: ColumnReport,
    /// The declared type.
    pub declared_type: String,
    /// The primary key's columns.
    pub key: Vec<String>,
    /// Rows the operation would change.
    pub due: u64,
    /// Stored bytes afterwards.
    pub bytes_after: u64,
    /// The longest token, in bytes.
    pub longest_token: u64,
    /// DDL it needs first, and the way back.
    pub schema: Option<SchemaChange>,
    /// What stands in the way.
    pub refusals: Vec<Finding>,
    /// What to know.
    pub warnings: Vec<Finding>,
}

impl ColumnPlan {
    /// About how many bytes of backup a run would write.
    #[must_use]
    pub fn backup_bytes(&self) -> u64 {
        /// What a row's key and framing add: a rough figure.
        const ROW: u64 = 24;
        let values = (self.now.total - self.now.null).max(1);
        let share = u128::from(self.now.bytes) * u128::from(self.due) / u128::from(values);
        u64::try_from(share).unwrap_or(u64::MAX) + self.due * ROW
    }
}

/// A run that was interrupted.
#[derive(Debug, Clone, Serialize)]
pub struct OpenRun {
    /// "table.column".
    pub column: String,
    /// The verb to run again.
    pub operation: &'static str,
    /// When it began, RFC 3339.
    pub started: String,
    /// Rows changed so far.
    pub changed: u64,
    /// Its backup files.
    pub backups: Vec<PathBuf>,
}
