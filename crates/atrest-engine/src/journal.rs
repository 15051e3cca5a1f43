//! The engine's own progress, kept in the database it works on and moved on in
//! the same transaction as the rows.
//!
//! The journal is one table of named records, `atrest_journal(name, body, mac)`.
//! A body is JSON; `mac` is HMAC-SHA-256 under the journal subkey of the key that
//! the body names (spec/formats.md, "Journal record MAC"). A record is only ever
//! replaced by compare-and-swap on its `mac`: a run that lost its place to another
//! one cannot commit a page.

mod lost;

use std::collections::BTreeMap;
use std::path::PathBuf;

use atrest_core::hazmat::Mac;
use atrest_core::{KeyId, Keyring, Purpose};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use lost::LostRecords;

use crate::backup::Known;
use crate::policy::Bind;
use crate::target::{Database, JournalChange, KeyRange, Record, RowKey, SchemaChange};
use crate::{EngineError, Operation};
use lost::Unread;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Written under a key that is not at hand: the wrong key, or another system's.
    #[error(
        "the journal in this database was written under key {key}, which is not in the keyring that this command began with; it stopped there: if keys were rotated since it began, run it again; else set that key (as keys.primary, or in keys.previous beside a new one) and run again; if it is lost for good, `atrest key retire {key} --force` says what the journal has under it, and removes that"
    )]
    UnknownKey {
        /// The key id that the record names.
        key: String,
    },
    /// Not what we wrote.
    #[error(
        "journal record \"{name}\" does not authenticate: it was edited, damaged or comes from elsewhere; nothing was read or changed. Restore table atrest_journal from a backup; or, if no run was interrupted, delete the record (it holds progress and the column's original type, no values)"
    )]
    Forged {
        /// The record's name.
        name: String,
    },
}

/// The journal itself: made with it, gone with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// 16 random bytes, hexadecimal: which journal, and so which database, a backup
    /// belongs to.
    pub id: String,
}

impl Identity {
    pub(crate) fn random() -> Result<Self, EngineError> {
        let mut id = [0; 16];
        atrest_core::fill_random(&mut id).map_err(|_| EngineError::Random)?;
        Ok(Self { id: hex(&id) })
    }
}

/// What is remembered of a column for as long as it holds sealed values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRecord {
    /// The context that its values were sealed with.
    pub context: String,
    /// Bound to the column or to the row.
    pub bind: Bind,
    /// The DDL that made room for tokens, and its way back, when we ran it.
    pub schema: Option<SchemaChange>,
    /// The last run that ended.
    pub last_run: Option<LastRun>,
    /// Backups of every run that is over, until they are said to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupRef>,
}

impl ColumnRecord {
    /// A run ended that wrote these backups.
    pub(crate) fn ended(&mut self, run: LastRun) {
        self.remember(&run.backups);
        self.last_run = Some(run);
    }

    /// Backups of a run that is over, ended or not.
    pub(crate) fn remember(&mut self, backups: &[BackupRef]) {
        for backup in backups {
            self.backups.retain(|known| known.id != backup.id);
            self.backups.push(backup.clone());
        }
    }

    /// Every backup of a run that is over.
    pub fn backups(&self) -> impl Iterator<Item = &BackupRef> {
        let last = self.last_run.iter().flat_map(|last| &last.backups);
        self.backups.iter().chain(last)
    }

    /// As `status` gives it: `context`, `bind`, `schema`, `last_run`.
    #[must_use]
    pub fn summary(&self) -> serde_json::Value {
        let last = self.last_run.as_ref().map(|last| {
            let backups: Vec<_> = last.backups.iter().map(|backup| &backup.path).collect();
            serde_json::json!({
                "operation": last.operation.verb(),
                "finished": last.finished,
                "changed": last.changed,
                "backups": backups,
            })
        });
        serde_json::json!({
            "context": self.context,
            "bind": self.bind.name(),
            "schema": self.schema,
            "last_run": last,
        })
    }
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// What it did.
    pub operation: Operation,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// How many rows it changed.
    pub changed: u64,
    /// Where the originals are.
    pub backups: Vec<BackupRef>,
}

/// A backup file as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRef {
    /// Where it was written.
    pub path: PathBuf,
    /// The id in its header, hexadecimal.
    pub id: String,
    /// How long it was when this was written down, in bytes.
    pub len: u64,
}

/// A run that is going on, or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What it does.
    pub operation: Operation,
    /// The primary key's id.
    pub key: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Raised each time the run is taken up again, and by each sweep.
    pub pass: u32,
    /// The changing pass is over; what remains is sweeping.
    pub sweeping: bool,
    /// The pieces of the key space, in order.
    pub ranges: usize,
    /// Backup files of this run, in order of use.
    pub backups: Vec<BackupRef>,
}

/// How far one piece of the key space has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRecord {
    /// The piece.
    pub range: KeyRange,
    /// Everything up to and with this key is done.
    pub cursor: Option<RowKey>,
    /// The first pass over it is complete.
    pub done: bool,
    /// Rows changed so far.
    pub changed: u64,
    /// A value that this run did not write had opened by then.
    #[serde(default)]
    pub opened: bool,
    /// The backup's length when the last page was committed: a shorter file has
    /// lost originals.
    pub backup_len: u64,
}

/// Names of records.
pub(crate) mod name {
    pub(crate) const IDENTITY: &str = "journal";
    pub(crate) fn column(target: &str) -> String {
        format!("column:{target}")
    }
    pub(crate) fn run(target: &str) -> String {
        format!("run:{target}")
    }
    pub(crate) fn range(target: &str, index: usize) -> String {
        format!("range:{index}:{target}")
    }
}

/// A body as stored: the key that authenticates it, and the record. (Not flattened:
/// serde's buffer for that knows no `i128`, which integer keys are.)
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    key: String,
    record: T,
}

/// Makes and checks record tags under the keys at hand.
pub struct Scribe {
    keyring: Keyring,
    mac: Mac,
}

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe").finish_non_exhaustive()
    }
}

fn tag(mac: &Mac, name: &str, body: &str) -> String {
    let len = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
    hex(&mac.tag(&[&len, name.as_bytes(), body.as_bytes()]))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

pub(crate) fn unhex(s: &str) -> Option<Vec<u8>> {
    if !s.len().is_multiple_of(2) || !s.is_ascii() {
        return None;
    }
    (0..s.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&s[i..i + 2], 16).ok())
        .collect()
}

impl Scribe {
    /// Writes under the keyring's primary key, reads under any.
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        Self {
            keyring: keyring.clone(),
            mac: Mac::new(keyring.primary(), Purpose::Journal),
        }
    }

    /// The body and tag of a record.
    pub(crate) fn write<T: Serialize>(&self, name: &str, record: &T) -> (String, String) {
        let key = self.keyring.primary().id().to_string();
        // A record is made of strings, numbers and lists: it always serialises.
        let body = serde_json::to_string(&Envelope { key, record }).unwrap_or_default();
        let mac = tag(&self.mac, name, &body);
        (body, mac)
    }

    /// A record's content, once its tag is proven.
    ///
    /// # Errors
    /// [`JournalError`] when it is not what this keyring wrote.
    pub(crate) fn read<T: DeserializeOwned>(&self, stored: &Record) -> Result<T, JournalError> {
        #[derive(Deserialize)]
        struct KeyOnly {
            key: String,
        }
        let forged = || JournalError::Forged {
            name: stored.name.clone(),
        };
        let KeyOnly { key } = serde_json::from_str(&stored.body).map_err(|_| forged())?;
        let id: KeyId = key.parse().map_err(|_| forged())?;
        let holder = self
            .keyring
            .get(id)
            .ok_or(JournalError::UnknownKey { key })?;
        let len = u32::try_from(stored.name.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let given = unhex(&stored.mac).ok_or_else(forged)?;
        let parts: [&[u8]; 3] = [&len, stored.name.as_bytes(), stored.body.as_bytes()];
        if !Mac::new(holder, Purpose::Journal).verify(&parts, &given) {
            return Err(forged());
        }
        serde_json::from_str::<Envelope<T>>(&stored.body)
            .map(|e| e.record)
            .map_err(|_| forged())
    }
}

/// A record together with the tag that it carries in the database now (`None`:
/// not there yet).
#[derive(Debug, Clone)]
pub(crate) struct Held<T> {
    pub(crate) name: String,
    pub(crate) record: T,
    pub(crate) mac: Option<String>,
}

impl<T: Serialize> Held<T> {
    pub(crate) fn new(name: String, record: T) -> Self {
        Self {
            name,
            record,
            mac: None,
        }
    }

    /// The change that stores the record as it is here, and the tag it will carry.
    pub(crate) fn save(&self, scribe: &Scribe) -> (JournalChange, String) {
        let (body, mac) = scribe.write(&self.name, &self.record);
        let change = JournalChange {
            name: self.name.clone(),
            expected: self.mac.clone(),
            record: Some((body, mac.clone())),
        };
        (change, mac)
    }

    /// The change that deletes it; `None` when it is not there.
    pub(crate) fn delete(&self) -> Option<JournalChange> {
        self.mac.clone().map(|mac| JournalChange {
            name: self.name.clone(),
            expected: Some(mac),
            record: None,
        })
    }
}

/// Every record of a database, proven.
#[derive(Debug, Default)]
pub struct Journal {
    /// There is a journal table.
    pub(crate) exists: bool,
    pub(crate) identity: Option<Held<Identity>>,
    pub(crate) columns: BTreeMap<String, Held<ColumnRecord>>,
    pub(crate) runs: BTreeMap<String, Held<RunRecord>>,
    ranges: BTreeMap<String, Held<RangeRecord>>,
    unread: Vec<Unread>,
}

impl Journal {
    /// Reads and authenticates all records.
    ///
    /// # Errors
    /// [`JournalError`] when one is not ours; [`crate::target::TargetError`] from the database.
    pub async fn load(database: &dyn Database, scribe: &Scribe) -> Result<Self, EngineError> {
        let journal = Self::load_to_read(database, scribe).await?;
        match journal.unread.first() {
            None => Ok(journal),
            Some(Unread { key, .. }) => Err(JournalError::UnknownKey { key: key.clone() }.into()),
        }
    }

    /// The same, without the records under keys that are not at hand: for what changes
    /// nothing.
    ///
    /// # Errors
    /// As [`Self::load`], but for [`JournalError::UnknownKey`].
    pub async fn load_to_read(
        database: &dyn Database,
        scribe: &Scribe,
    ) -> Result<Self, EngineError> {
        let Some(records) = database.journal_read().await? else {
            return Ok(Self::default());
        };
        let mut journal = Self {
            exists: true,
            ..Self::default()
        };
        for stored in &records {
            match journal.take(stored, scribe) {
                Err(JournalError::UnknownKey { key }) => {
                    journal.unread.push(Unread::new(stored, key));
                }
                taken => taken?,
            }
        }
        Ok(journal)
    }

    /// Takes one record, once its tag is proven.
    fn take(&mut self, stored: &Record, scribe: &Scribe) -> Result<(), JournalError> {
        let (name, mac) = (stored.name.clone(), Some(stored.mac.clone()));
        if name == name::IDENTITY {
            let record = scribe.read(stored)?;
            self.identity = Some(Held { name, record, mac });
            return Ok(());
        }
        match stored.name.split_once(':') {
            Some(("column", target)) => {
                let record = scribe.read(stored)?;
                let held = Held { name, record, mac };
                self.columns.insert(target.to_owned(), held);
            }
            Some(("run", target)) => {
                let record = scribe.read(stored)?;
                let held = Held { name, record, mac };
                self.runs.insert(target.to_owned(), held);
            }
            Some(("range", _)) => {
                let record = scribe.read(stored)?;
                self.ranges.insert(name.clone(), Held { name, record, mac });
            }
            _ => {
                scribe.read::<serde::de::IgnoredAny>(stored)?;
                return Err(JournalError::Forged { name });
            }
        }
        Ok(())
    }

    /// What is remembered of a column.
    #[must_use]
    pub fn column(&self, target: &str) -> Option<&ColumnRecord> {
        self.columns.get(target).map(|h| &h.record)
    }

    /// Every column that was ever worked on, also where no policy names it any more.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &ColumnRecord)> {
        let columns = self.columns.iter();
        columns.map(|(target, held)| (target.as_str(), &held.record))
    }

    /// Its run, going on or interrupted.
    #[must_use]
    pub fn run(&self, target: &str) -> Option<&RunRecord> {
        self.runs.get(target).map(|h| &h.record)
    }

    /// The ranges of a column's run, in order.
    pub(crate) fn ranges(&self, target: &str) -> Vec<Held<RangeRecord>> {
        (0..)
            .map_while(|i| self.ranges.get(&name::range(target, i)).cloned())
            .collect()
    }

    /// Tokens that an interrupted `encrypt` wrote before a value of the application's
    /// had opened: they do not prove to the next one that the key is right.
    pub(crate) fn unproven(&self, operation: Operation, target: &str) -> u64 {
        let encrypt = |o: Operation| o == Operation::Encrypt;
        let ranges = self.ranges(target);
        match self.runs.get(target).map(|held| &held.record) {
            Some(run)
                if encrypt(operation)
                    && encrypt(run.operation)
                    && !run.sweeping
                    && !ranges.iter().any(|range| range.record.opened) =>
            {
                ranges.iter().map(|range| range.record.changed).sum()
            }
            _ => 0,
        }
    }

    /// A run took other software's values over to its end: what still looks like them is
    /// damaged, whatever key is given.
    pub(crate) fn adopted(&self, target: &str) -> bool {
        let last = self.column(target).and_then(|c| c.last_run.as_ref());
        last.is_some_and(|run| run.operation == Operation::Adopt)
    }

    /// What is known of the backup file with this id: how much of it was durable
    /// when rows were changed, and whether an interrupted run wrote to it.
    pub(crate) fn known(&self, id: &str) -> Known {
        let ended = self.columns.values().flat_map(|c| c.record.backups());
        let mut known = Known {
            len: ended
                .filter(|b| b.id == id)
                .map(|b| b.len)
                .max()
                .unwrap_or(0),
            interrupted: false,
        };
        for (target, run) in &self.runs {
            let backups = &run.record.backups;
            // The lengths are those of the file in use.
            if backups.last().is_some_and(|b| b.id == id) {
                known.interrupted = true;
                let ranges = self.ranges(target);
                let durable = ranges.iter().map(|r| r.record.backup_len).max();
                known.len = known.len.max(durable.unwrap_or(0));
            }
        }
        known
    }

    /// Nothing is remembered at all, but which journal this is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.runs.is_empty() && self.ranges.is_empty()
    }

    /// The changes that write every record anew under the primary key, so that an
    /// old key can leave the keyring; none when all are.
    pub(crate) fn adopt(&self, scribe: &Scribe) -> Vec<JournalChange> {
        fn each<T: Serialize>(
            held: &BTreeMap<String, Held<T>>,
            scribe: &Scribe,
            out: &mut Vec<JournalChange>,
        ) {
            out.extend(
                held.values()
                    .map(|h| h.save(scribe))
                    .filter(|(c, mac)| c.expected.as_ref() != Some(mac))
                    .map(|(c, _)| c),
            );
        }
        let mut changes = Vec::new();
        if let Some(held) = &self.identity {
            let (change, mac) = held.save(scribe);
            if change.expected.as_ref() != Some(&mac) {
                changes.push(change);
            }
        }
        each(&self.columns, scribe, &mut changes);
        each(&self.runs, scribe, &mut changes);
        each(&self.ranges, scribe, &mut changes);
        changes
    }
}

#[cfg(test)]
mod tests;
